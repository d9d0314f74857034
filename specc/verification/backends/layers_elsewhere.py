"""Which layer Keras on another backend computes wrongly.

Each layer is run there by itself, with what the reference has at its inputs, so that a mistake
shows in the layer that makes it and nowhere behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from specc.backends.frameworks import array_of
from specc.graph import Node, Tensor
from specc.verification.attribute import Parting
from specc.verification.backends.processes import search_elsewhere
from specc.verification.backends.worker import Fed, Search, Step, Wanted, takes
from specc.verification.differences import largest_difference, numbered, with_numbers
from specc.verification.inputs import Case
from specc.verification.reference import OWN, Reference
from specc.verification.tolerance import gates, rounding_steps, tolerance
from specc.verification.walk import Threefold, Walk

Array = np.ndarray[Any, Any]


def first_fault(backend: str, reference: Reference, weights: str, case: Case) -> Parting | None:
    """The first layer, in the order of the graph, that a backend computes wrongly by itself.

    None where each is right: what is wrong shows only when they run together.

    Args:
        backend: one of Keras's, and not that of this process.
        weights: OWN or RANDOMISED.

    Raises:
        UsageError: where the backend does not run a layer by itself.
    """
    reference.load(weights)
    arrays = reference.own if weights == OWN else reference.randomised
    graph = reference.built.graph
    fault = search_elsewhere(Search(backend, graph, arrays), _steps(reference, case))
    if fault is None:
        return None
    layers = [node.layer for node in graph.nodes[: fault.number + 1]]
    *before, layer = layers
    return Parting(layer, fault.error, before[-1].name if before else None)


def _steps(reference: Reference, case: Case) -> Iterator[Step]:
    walk = Walk(reference.single, reference.double, case, reference.seed)
    for number, node in enumerate(walk.graph.nodes):
        taken = takes(walk.graph, number)
        fed = [_fed(tensor, walk.values[tensor]) for tensor in taken]
        walk.left.update(node.outputs)  # also those that nothing reads: they are compared
        walk.compute(node)
        yield Step(number, fed, [_wanted(node, walk.values[tensor]) for tensor in node.outputs])
        for tensor in node.outputs:
            walk.join(tensor)
        for tensor in (*taken, *node.outputs):
            walk.read(tensor)


def _fed(tensor: Tensor, value: Threefold) -> Fed:
    # What is no float may have come out otherwise in float32, and the truth is float64's.
    array = array_of(value.single if tensor.type.is_float else value.wide)
    return Fed(array, None if value.mask is None else array_of(value.mask))


def _wanted(node: Node, value: Threefold) -> Wanted:
    every = (np.atleast_1d(array_of(x)) for x in value)
    truth, single, beside = numbered(*every)
    samples = with_numbers(truth, single, beside)
    scale = float(np.max(np.abs(truth[samples]), initial=0.0))
    allowed = tolerance(
        rounding_steps([node]),
        scale,
        largest_difference(truth[samples], beside[samples]),
        largest_difference(truth[samples], single[samples]),
        gates([node]),
    )
    return Wanted(np.atleast_1d(array_of(value.wide)), samples, allowed)
