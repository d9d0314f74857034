"""Inputs to compare backends with."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from specc.graph import Graph, Tensor
from specc.layers.base import Layer
from specc.semantics.composite import Composite

BATCH_SIZES = (1, 2, 17)
"""The last is smaller where what the layers give for it would take too much memory."""
KINDS = ("normal", "zeros", "large", "one-hot")
EDGES = ("negative", "tiny")
"""Kinds for the smallest batch alone, where an input has floating-point numbers."""
RESIZED = "resized"
"""Normal inputs whose axes of unknown size have another size than the others have."""
MANY = 2
"""Batches of more samples than this get the first kind alone: they are there for their size."""

MOST_NUMBERS = 2**27
"""How many numbers all layers of a model together may give for a batch. Keras keeps them until it
is through with the model: those in float64 are 1 GiB."""

LARGE = 100.0
"""Standard deviation of the "large" inputs."""

TINY = 1e-4
"""That of the "tiny" ones: their variance is far below the epsilons of normalizations, so that
outputs depend on these."""

UNKNOWN_SIZES = (7, 12)
"""What an axis of unknown size is given: the first for even batches, the second for odd ones."""

APART = 3
"""By how much the sizes of axes with different names differ: one taken for another would show."""

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
    """Every kind of input at the small batch sizes, and normal ones in a large batch.

    Integers stay in the range that an Embedding they reach has rows for, or are those that a
    vocabulary holds, as strings are; an axis with a name has one size wherever the name is used.
    Axes of unknown size have two sizes, also where there is one batch size.
    """
    random = np.random.default_rng(seed)
    limits = {tensor: limit_of(graph, tensor) for tensor in graph.inputs}
    known = {tensor: names_known(graph, tensor) for tensor in graph.inputs}
    edges = EDGES if any(tensor.type.is_float for tensor in graph.inputs) else ()
    batches = batch_sizes(graph)

    def case(kind: str, batch: int, base: int, said: str | None = None) -> Case:
        sizes = _sizes(graph, base)
        return Case(
            said or kind,
            batch,
            {
                tensor.name: _draw(
                    tensor, kind, batch, sizes, limits[tensor], known[tensor], random
                )
                for tensor in graph.inputs
            },
        )

    for batch in batches:
        kinds = KINDS[:1] if batch > MANY and graph.batch_size is None else KINDS
        for kind in (*kinds, *(edges if batch == batches[0] else ())):
            yield case(kind, batch, UNKNOWN_SIZES[batch % 2])
    free = any(not isinstance(n, int) for tensor in graph.inputs for n in tensor.type.shape)
    if len(batches) == 1 and free:
        yield case(KINDS[0], batches[0], UNKNOWN_SIZES[1 - batches[0] % 2], RESIZED)


def batch_sizes(graph: Graph) -> tuple[int, ...]:
    """How many samples to run a model with: the spec's batch size, or several."""
    if graph.batch_size is not None:
        return (graph.batch_size,)
    fitting = MOST_NUMBERS // max(_numbers(graph), 1)
    return tuple([min(size, max(fitting, MANY + 1)) for size in BATCH_SIZES])


def _numbers(graph: Graph) -> int:
    """How many numbers the layers of a model give for a sample, those inside of others included."""
    found = 0
    for node in graph.nodes:
        shapes = [tensor.type.shape for tensor in node.outputs]
        found += sum(prod(n if isinstance(n, int) else max(UNKNOWN_SIZES) for n in shape)
                     for shape in shapes)  # fmt: skip
        if isinstance(node.layer.layer, Composite):
            found += _numbers(node.layer.layer.graph)
    return found


def _sizes(graph: Graph, base: int) -> dict[str | None, int]:
    """The size of each axis with a name, and of those without one."""
    names = [n for t in graph.inputs for n in t.type.shape if isinstance(n, str)]
    named = {name: base + APART * i for i, name in enumerate(dict.fromkeys(names))}
    return {None: base, **named}


EPSILON = float(np.finfo(np.float32).eps)


DRAWS, ENOUGH = 3, 8
"""How often the inputs of a batch of few samples are moved, and how many samples are enough for
once: in a single draw what each number does may cancel, and an output looks as if nothing moved
it."""


def nudged(case: Case, seed: int, epsilon: float = EPSILON) -> Case:
    """The same inputs, each floating-point number moved up or down by one rounding of float32."""
    random = np.random.default_rng(seed)
    return case._replace(
        inputs={
            name: moved(array, random, epsilon, zeros=True) if array.dtype.kind == "f" else array
            for name, array in case.inputs.items()
        }
    )


def moved(
    array: Array,
    random: np.random.Generator,
    epsilon: float = EPSILON,
    *,
    zeros: bool = False,
) -> Array:
    """Each number in float64, up or down by one rounding of float32, or of another type.

    Args:
        zeros: move a zero by one of 1. Where nothing comes into a model, what comes out is sums of
            its own numbers, and what is left where their terms cancel says nothing of the terms'
            size.
    """
    sign = random.choice((-1.0, 1.0), array.shape)
    numbers = array.astype(np.float64)
    sizes = np.where(numbers == 0, 1.0, numbers) if zeros else numbers
    return np.asarray(numbers + sizes * epsilon * sign)


def farthest(truth: Array, moved: list[Array]) -> Array:
    """Of several arrays, number by number the one that differs most from the truth."""
    found, *others = moved
    for array in others:
        if truth.dtype.kind == "f" and array.shape == found.shape == truth.shape:
            with np.errstate(invalid="ignore"):  # infinities, which are as far as they can be
                farther = np.abs(array - truth) > np.abs(found - truth)
            found = np.where(farther, array, found)
    return found


def _draw(
    tensor: Tensor,
    kind: str,
    batch: int,
    sizes: dict[str | None, int],
    limit: int | None,
    known: list[str | int],
    random: np.random.Generator,
) -> Array:
    dtype = tensor.type.dtype
    shape = (batch, *(n if isinstance(n, int) else sizes[n] for n in tensor.type.shape))
    if dtype == "bool":
        return {"zeros": np.zeros(shape, bool), "large": np.ones(shape, bool)}.get(
            kind, random.random(shape) < 0.5
        )
    if dtype == "string":
        return _picked(known or ["", "a", "Some words!"], kind, shape, object, random)
    if known:
        return _picked(known, kind, shape, dtype, random)
    if not tensor.type.is_float:
        top = (limit or 10) - 1
        integers = random.integers(0, top, shape, endpoint=True)
        fixed = {"zeros": np.zeros(shape), "large": np.full(shape, top)}
        return fixed.get(kind, integers).astype(dtype)
    if kind == "one-hot":
        width = shape[-1] if len(shape) > 1 else 1
        hot = np.eye(width)[random.integers(0, width, shape[:-1])].reshape(shape)
        return hot.astype(dtype)
    scale = {"zeros": 0.0, "large": LARGE, "tiny": TINY}.get(kind, 1.0)
    numbers = random.standard_normal(shape) * scale
    return (-np.abs(numbers) if kind == "negative" else numbers).astype(dtype)


def _picked(
    known: list[str | int], kind: str, shape: tuple[int, ...], dtype: Any, random: Any
) -> Array:
    """Some of these everywhere, or the first or the last one alone."""
    top = len(known) - 1
    fixed = {"zeros": np.zeros(shape, int), "large": np.full(shape, top)}
    chosen = fixed.get(kind, random.integers(0, top, shape, endpoint=True))
    return np.array(known).astype(dtype)[chosen]


def limit_of(graph: Graph, tensor: Tensor) -> int | None:
    """The number that an integer input must stay below, from the layers that it reaches."""
    limits = [layer.index_limit for layer in _reached(graph, tensor)]
    return min([limit for limit in limits if limit is not None], default=None)


def names_known(graph: Graph, tensor: Tensor) -> list[str | int]:
    """What the layers that an input reaches know by name, of the input's kind."""
    kind = str if tensor.type.dtype == "string" else int
    limit = limit_of(graph, tensor)
    found = [item for layer in _reached(graph, tensor) for item in layer.known_inputs]
    return [
        item
        for item in dict.fromkeys(found)
        if type(item) is kind and (limit is None or kind is str or int(item) < limit)
    ]


def _reached(graph: Graph, tensor: Tensor) -> Iterator[Layer]:
    """The layers that take an input that is not of floats, those inside of others included."""
    reached = {tensor}
    for node in graph.nodes:
        if reached.isdisjoint(node.taken):
            continue
        layer = node.layer.layer
        if isinstance(layer, Composite):
            for taken, inner in zip(node.inputs, layer.graph.inputs, strict=True):
                if taken in reached:
                    yield from _reached(layer.graph, inner)
        elif isinstance(layer, Layer):
            yield layer
        if not (isinstance(layer, Layer) and layer.known_inputs):
            # What is still whole numbers behind a layer, such as Reshape, may be looked up there.
            reached.update(t for t in node.outputs if not t.type.is_float)
