"""Inputs that a file's manifest describes in a few words, and outputs that it holds.

The inputs are made anew wherever the file is checked. NumPy promises the bits of a generator for
all time, but not what its distributions make of them: so the numbers are made of the bits here, by
sums of whole numbers and divisions by powers of two, which are exact everywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from math import frexp, ldexp, prod
from typing import Any, NamedTuple

import numpy as np

from specc.graph import Graph, Tensor
from specc.verification.inputs import UNKNOWN_SIZES, limit_of, names_known

RECORDED = (("normal", 2), ("zeros", 1), ("large", 1))
"""Kinds of inputs and batch sizes, of which the outputs are recorded."""

MOST = 1024
"""How many numbers of all outputs of a model are recorded of each case."""

NAMES = 16
"""How many of a vocabulary's entries are recorded."""

UNIT = 2.0**-15
"""Sums of four numbers of 16 bits, less their mean, times this have the standard deviation 1.15."""

LARGE = 64.0
"""What the "large" inputs are times the normal ones."""

STORED = {"float32": "<f4", "int64": "<i8"}
"""How numbers are stored, by the type that they are stored in."""

Array = np.ndarray[Any, Any]


class Recipe(NamedTuple):
    """How an input is made: what of a type, and of a layer that looks it up, bears on that."""

    dtype: str
    shape: tuple[int | None, ...]
    """With None for sizes that are free; without the batch axis."""
    top: int
    """The largest whole number."""
    known: tuple[str | int, ...]
    """Entries of the vocabulary that it is looked up in."""

    def as_json(self) -> dict[str, Any]:
        whole = {"top": self.top} if "int" in self.dtype else {}
        known = {"known": list(self.known)} if self.known else {}
        return {"dtype": self.dtype, "shape": list(self.shape), **whole, **known}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Recipe:
        """Raises KeyError, TypeError, ValueError: where it is not what `as_json` gave."""
        shape = tuple(None if n is None else int(n) for n in said["shape"])
        return cls(str(said["dtype"]), shape, int(said.get("top", 1)), tuple(said.get("known", ())))

    def make(self, kind: str, batch: int, seed: Sequence[int]) -> Array:
        """The input: bits of PCG64 made into numbers of its type."""
        shape = (batch, *(n if n is not None else UNKNOWN_SIZES[batch % 2] for n in self.shape))
        words = bits(seed, prod(shape)).reshape(shape)
        if self.known or self.dtype == "string":
            names = np.array(self.known or ("", "a", "Some words!"), object)
            chosen = names[_whole(kind, words, len(names) - 1)]
            return chosen if self.dtype == "string" else chosen.astype(self.dtype)
        if self.dtype == "bool" or "int" in self.dtype:
            top = 1 if self.dtype == "bool" else self.top
            return _whole(kind, words, top).astype(self.dtype)
        if kind == "zeros":
            return np.zeros(shape, self.dtype)
        parts = [(words >> np.uint64(16 * i)) & np.uint64(0xFFFF) for i in range(4)]
        total = sum(parts[1:], parts[0]).astype(np.float64)
        scale = UNIT * (LARGE if kind == "large" else 1.0)
        return ((total - 2 * 65535) * scale).astype(self.dtype)


def _whole(kind: str, words: Array, top: int) -> Array:
    if kind == "zeros":
        return np.zeros(words.shape, np.int64)
    if kind == "large":
        return np.full(words.shape, top, np.int64)
    return (words % np.uint64(top + 1)).astype(np.int64)


def bits(seed: Sequence[int], count: int) -> Array:
    """So many words of 64 random bits, the same with every version of NumPy."""
    return np.random.PCG64(list(seed)).random_raw(count)


def recipes_of(graph: Graph) -> dict[str, Recipe]:
    """How to make each input of a model."""
    return {tensor.name: _recipe(graph, tensor) for tensor in graph.inputs}


def _recipe(graph: Graph, tensor: Tensor) -> Recipe:
    known = names_known(graph, tensor)
    if len(known) > NAMES:
        known = known[: NAMES // 2] + known[-NAMES // 2 :]
    shape = tuple(n if isinstance(n, int) else None for n in tensor.type.shape)
    limit = limit_of(graph, tensor) or 10
    return Recipe(tensor.type.dtype, shape, max(limit - 1, 0), tuple(known))


class Numbers(NamedTuple):
    """An output as far as it is recorded: all its numbers, or some of them."""

    shape: tuple[int, ...]
    values: Array
    """float32, int64 or texts, flat."""
    allowed: float
    """The largest difference that rounding explains; 0 for what has to be the same."""

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"shape": list(self.shape)}
        if self.values.dtype == object:
            found["texts"] = [x.decode() if isinstance(x, bytes) else x for x in self.values]
        else:
            kind = "float32" if self.values.dtype.kind == "f" else "int64"
            data = self.values.astype(STORED[kind]).tobytes()
            found[kind] = base64.b64encode(data).decode()
        return {**found, "count": len(self.values), "allowed": self.allowed}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Numbers:
        """Raises KeyError, TypeError, ValueError: where it is not what `as_json` gave."""
        if "texts" in said:
            values = np.array(said["texts"], object)
        else:
            kind = "float32" if "float32" in said else "int64"
            values = np.frombuffer(base64.b64decode(said[kind], validate=True), STORED[kind])
        return cls(tuple(int(n) for n in said["shape"]), values, float(said["allowed"]))

    @property
    def size(self) -> int:
        return prod(self.shape)

    def same_places(self, array: Array, seed: Sequence[int]) -> Array:
        """What stands in an array of the same shape where the recorded numbers stood."""
        return array.ravel()[places(self.size, len(self.values), seed)]


def places(size: int, most: int, seed: Sequence[int]) -> Array:
    """All places of an array, or some that a seed chooses."""
    if size <= most:
        return np.arange(size)
    return (bits(seed, most) % np.uint64(size)).astype(np.int64)


def numbers_of(truth: Array, allowed: float, most: int, seed: Sequence[int]) -> Numbers:
    """What is recorded of an output.

    Args:
        truth: as Keras computes it in float64.
        allowed: it is rounded up to a power of two: it was measured, on one machine.
    """
    chosen = truth.ravel()[places(truth.size, most, seed)]
    if truth.dtype.kind == "f":
        with np.errstate(over="ignore"):
            chosen = chosen.astype(np.float32)
        mantissa, exponent = frexp(allowed)
        return Numbers(truth.shape, chosen, ldexp(1.0, exponent - (mantissa == 0.5)))
    if truth.dtype.kind in "OSU":
        return Numbers(truth.shape, chosen.astype(object), 0.0)
    return Numbers(truth.shape, chosen.astype(np.int64), 0.0)
