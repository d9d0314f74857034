"""Inputs to compare backends with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from specc.graph import Graph, Node, Tensor
from specc.layers.base import Layer
from specc.semantics.composite import Composite

BATCH_SIZES = (1, 2, 17)
KINDS = ("normal", "zeros", "large", "one-hot")
LARGE = 100.0
"""Standard deviation of the "large" inputs."""

UNKNOWN_SIZES = (7, 12)
"""What an axis of unknown size is given: the first for even batches, the second for odd ones."""

Array = np.ndarray[Any, Any]


class Case(NamedTuple):
    """One set of inputs."""

    kind: str
    batch: int
    inputs: dict[str, Array]
    """By input name."""

    def __str__(self) -> str:
        return f"{self.kind} inputs, batch {self.batch}"


def draw_cases(graph: Graph, seed: int) -> Iterator[Case]:
    """Every kind of input at every batch size.

    Integers stay in the range that an Embedding they reach has rows for; an axis with a name
    has one size wherever the name is used.
    """
    random = np.random.default_rng(seed)
    limits = {tensor: _limit(graph, tensor) for tensor in graph.inputs}
    for batch in BATCH_SIZES if graph.batch_size is None else (graph.batch_size,):
        unknown = UNKNOWN_SIZES[batch % 2]
        for kind in KINDS:
            yield Case(
                kind,
                batch,
                {
                    tensor.name: _draw(tensor, kind, batch, unknown, limits[tensor], random)
                    for tensor in graph.inputs
                },
            )


def nudged(case: Case, seed: int) -> Case:
    """The same inputs, each floating-point number moved up or down by one float32 rounding."""
    random = np.random.default_rng(seed)
    epsilon = float(np.finfo(np.float32).eps)
    moved: dict[str, Array] = {}
    for name, array in case.inputs.items():
        if array.dtype.kind == "f":
            sign = random.choice((-1.0, 1.0), array.shape)
            array = array.astype(np.float64) * (1 + epsilon * sign)
        moved[name] = array
    return case._replace(inputs=moved)


def _draw(
    tensor: Tensor,
    kind: str,
    batch: int,
    unknown: int,
    limit: int | None,
    random: np.random.Generator,
) -> Array:
    dtype = tensor.type.dtype
    shape = (batch, *(n if isinstance(n, int) else unknown for n in tensor.type.shape))
    if dtype == "bool":
        return {"zeros": np.zeros(shape, bool), "large": np.ones(shape, bool)}.get(
            kind, random.random(shape) < 0.5
        )
    if not tensor.type.is_float:
        top = (limit or 10) - 1
        integers = random.integers(0, top, shape, endpoint=True)
        fixed = {"zeros": np.zeros(shape), "large": np.full(shape, top)}
        return fixed.get(kind, integers).astype(dtype)
    if kind == "one-hot":
        width = shape[-1] if len(shape) > 1 else 1
        hot = np.eye(width)[random.integers(0, width, shape[:-1])].reshape(shape)
        return hot.astype(dtype)
    scale = {"zeros": 0.0, "large": LARGE}.get(kind, 1.0)
    return (random.standard_normal(shape) * scale).astype(dtype)


def _limits_of(node: Node, reached: set[Tensor]) -> list[int]:
    """The limits of a node that takes whole numbers, those of what is inside it included."""
    layer = node.layer.layer
    if isinstance(layer, Composite):
        inside = zip(node.inputs, layer.graph.inputs, strict=True)
        found = [_limit(layer.graph, inner) for taken, inner in inside if taken in reached]
        return [limit for limit in found if limit is not None]
    limit = layer.index_limit if isinstance(layer, Layer) else None
    return [] if limit is None else [limit]


def _limit(graph: Graph, tensor: Tensor) -> int | None:
    """The number that an integer input must stay below, from the layers that it reaches."""
    limits: list[int] = []
    reached = {tensor}
    for node in graph.nodes:
        if reached.isdisjoint(node.taken):
            continue
        limits += _limits_of(node, reached)
        # What is still whole numbers behind a layer, such as Reshape, may be looked up there.
        reached.update(t for t in node.outputs if not t.type.is_float)
    return min(limits, default=None)
