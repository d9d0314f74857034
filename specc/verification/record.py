"""What a manifest says of a file, so that the file can be checked later and without Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from specc.backends.export import Exported
from specc.graph import Graph
from specc.verification.differences import largest_difference, numbered
from specc.verification.fingerprint import (
    digest_of_all,
    digest_of_tensor,
    digests_of_initializers,
    digests_of_layers,
    interface_of,
    params_by_layer,
)
from specc.verification.inputs import Case
from specc.verification.reference import OWN, Answers, Reference
from specc.verification.samples import MOST, RECORDED, numbers_of, recipes_of
from specc.verification.tolerance import gates, rounding_steps, tolerance

VERSION = 1
"""Of what a record holds and of how its inputs are made."""

REDUCED = "the numbers of the file are of a lower precision, which these do not tell from mistakes"


def record(reference: Reference, exported: Exported) -> dict[str, Any]:
    """The record of a file that is about to be written.

    Hashes of its initializers and of each layer's operators, how many numbers each layer has in
    it, where the layer stands, and a few inputs with what Keras makes of them in float64. A file of
    lower precision, or of weights in 8 bits, has no such samples: what its numbers lose is judged
    when it is exported, with far more than a few.
    """
    graph = reference.built.graph
    digests = digests_of_initializers(exported.skeleton.graph.initializer)
    sizes = {t.name: int(np.prod(t.dims)) for t in exported.skeleton.graph.initializer}
    for tensor in exported.tensors:
        name = tensor.name or ""
        digests[name] = digest_of_tensor(int(tensor.dtype), tensor.numpy())
        sizes[name] = tensor.size
    found: dict[str, Any] = {
        "version": VERSION,
        "weights": digest_of_all(digests),
        "initializers": digests,
        "operators": digests_of_layers(exported.skeleton.graph),
        "interface": interface_of(exported.skeleton.graph),
        "params": params_by_layer(sizes),
        "places": places_of(graph),
    }
    if exported.exact is not exported:
        return {**found, "no_samples": REDUCED}
    recipes = recipes_of(graph)
    found["inputs"] = {name: recipe.as_json() for name, recipe in recipes.items()}
    found["samples"] = []
    reference.load(OWN)
    for number, (kind, batch) in enumerate(RECORDED):
        batch = graph.batch_size or batch
        inputs = {
            name: recipe.make(kind, batch, (number, index))
            for index, (name, recipe) in enumerate(recipes.items())
        }
        answers = reference.answers(OWN, -1 - number, Case(kind, batch, inputs))
        outputs = _outputs(graph, found["interface"]["outputs"], answers, number)
        found["samples"].append({"kind": kind, "batch": batch, "outputs": outputs})
    return found


def _outputs(graph: Graph, names: list[str], answers: Answers, case: int) -> dict[str, Any]:
    """What is recorded of each output, by its name in the file."""
    most = max(MOST // len(graph.outputs), 1)
    steps, sigmoids = rounding_steps(graph.nodes), gates(graph.nodes)
    found: dict[str, Any] = {}
    for index, name in enumerate(names):
        single, truth, moved = (
            answer[index] for answer in (answers.fresh, answers.double, answers.moved)
        )
        allowed = 0.0
        if truth.dtype.kind == "f":
            scale = float(np.max(np.abs(truth[np.isfinite(truth)]), initial=0.0))
            noise, sensitivity = _apart(truth, single), _apart(truth, moved)
            allowed = tolerance(steps, scale, sensitivity, noise, sigmoids)
        found[name] = numbers_of(truth, allowed, most, (case, index, 1)).as_json()
    return found


def _apart(truth: Any, other: Any) -> float:
    """How far apart two arrays are where both have numbers."""
    a, b = numbered(truth, other)
    both = np.isfinite(a) & np.isfinite(b)
    return largest_difference(a[both], b[both])


def places_of(graph: Graph) -> dict[str, str]:
    """File and line of each layer; none of a model that no spec was written for."""
    return {
        layer.name: f"{layer.span.source.name}:{layer.line}"
        for layer in graph.layers
        if layer.span.source.text
    }
