"""Inputs from a file of samples, in the place of drawn ones or beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from specc.files import UsageError
from specc.graph import Graph
from specc.inference.interface import Interface
from specc.inference.samples import Samples, read_samples
from specc.types import Port
from specc.verification.inputs import Case

Array = np.ndarray[Any, Any]
Run = Callable[[dict[str, Array]], Array]
"""A model of one output: what it gives for inputs by name."""


def samples_of_graph(graph: Graph, path: str) -> Samples:
    """The samples in a file for the inputs of a spec.

    Raises:
        UsageError: where the file cannot be read, or does not fit the model.
    """
    return read_samples(path, interface_of(graph))


def interface_of(graph: Graph) -> Interface:
    """What a model of a spec takes and gives."""
    inputs = {tensor.name: Port(tensor.name, tensor.type) for tensor in graph.inputs}
    both = zip(graph.output_names, graph.outputs, strict=True)
    outputs = {name: Port(name, tensor.type) for name, tensor in both}
    return Interface(graph.name, inputs, outputs, graph.batch_size)


def cases_of(samples: Samples) -> Iterator[Case]:
    """The samples, batch by batch; the kind of a case says which they are: `file.npz[32:64]`."""
    for start, feeds in batches(samples):
        size = max((len(array) for array in feeds.values()), default=0)
        yield Case(f"{samples.file}[{start}:{start + size}]", size, feeds)


def is_given(case: Case, samples: Samples | None) -> bool:
    """Whether a case is of these samples, and not drawn."""
    return samples is not None and case.kind.startswith(f"{samples.file}[")


def batches(samples: Samples) -> Iterator[tuple[int, dict[str, Array]]]:
    """Each batch with the number of its first sample."""
    start = 0
    for feeds in samples.batches():
        yield start, feeds
        start += max((len(array) for array in feeds.values()), default=0)


def accuracy_of(samples: Samples, run: Run) -> float:
    """The share of samples for which a model gives the right class.

    Raises:
        UsageError: where the samples have no labels.
    """
    if samples.labels is None:
        raise UsageError(
            f"`{samples.file}` has no labels to compare a single model with",
            "an array `labels`, or a second model: `specc verify A B --inputs FILE`",
        )
    return samples.accuracy(np.concatenate([run(feeds) for _, feeds in batches(samples)]))
