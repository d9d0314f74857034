"""Columns: arrays, parts of other columns, and what is made of them when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np

from specc.training.dataset import Array, Column


class Held:
    """An array, in memory or mapped into it from a file."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.dtype: np.dtype[Any] = array.dtype
        self.shape: tuple[int, ...] = array.shape
        # `np.take` copies an array whole, each time, that does not lie like this: as one that is
        # transposed, or mapped from an odd place in a file.
        self._plain = array.flags.c_contiguous and array.flags.aligned

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Array) -> Array:
        if self._plain:
            return np.take(self.array, indices, axis=0)
        return np.ascontiguousarray(self.array[indices])


class Chosen:
    """Some samples of another column, in any order."""

    def __init__(self, source: Column, indices: Array) -> None:
        self.source = source
        self.indices = indices
        self.dtype = source.dtype
        self.shape = (len(indices), *source.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Array) -> Array:
        return self.source.take(self.indices[indices])


class Converted:
    """Another column in a dtype, a shape and a scale of its own, batch by batch.

    Attributes:
        source: the column as it is kept, for instance bytes; it can be moved to a device, and
            converted there.
        scale: what the numbers are multiplied by in `dtype`, one or one for each item of the last
            axis; None where they stay as they are.
        divisor: where it is a whole number, what they are divided by instead: `x / 255` is
            rounded once and `x * (1 / 255)` twice, and the former is what people write.
    """

    def __init__(
        self,
        source: Column,
        dtype: np.dtype[Any],
        sample: tuple[int, ...],
        scale: float | Sequence[float] | None = None,
    ) -> None:
        self.source = source
        self.dtype = dtype
        self.shape = (len(source), *sample)
        self.divisor = None if scale is None else _divisor(scale)
        self.scale = None if scale is None or self.divisor else np.asarray(scale, dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Array) -> Array:
        found = self.source.take(indices).reshape(len(indices), *self.shape[1:])
        if self.divisor is not None:
            return np.divide(found, self.dtype.type(self.divisor), dtype=self.dtype)
        if self.scale is None:
            return found.astype(self.dtype, copy=False)
        # Cast first: numpy would multiply int64 by float32 in float64.
        return np.multiply(found, self.scale, dtype=self.dtype, casting="unsafe")


def _divisor(scale: float | Sequence[float]) -> int | None:
    """The whole number of which a scale is the reciprocal, as Python computes it."""
    if not isinstance(scale, float) or not 0 < scale < 1:
        return None
    whole = round(1 / scale)
    return whole if 1 / whole == scale else None


class OneHot:
    """Whole numbers as vectors with a one at their place."""

    def __init__(self, source: Column, classes: int, dtype: np.dtype[Any]) -> None:
        self.source = source
        self.dtype = dtype
        self.shape = (*source.shape, classes)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Array) -> Array:
        labels = self.source.take(indices)
        found = np.zeros((labels.size, self.shape[-1]), self.dtype)
        found[np.arange(labels.size), labels.ravel()] = 1
        return found.reshape(*labels.shape, self.shape[-1])


class Padded:
    """Sequences of different lengths, cut or filled with zeros to one.

    The same as `keras.utils.pad_sequences` with the arguments of these names.
    """

    def __init__(
        self,
        sequences: Array,
        length: int,
        dtype: np.dtype[Any],
        padding: str = "pre",
        truncating: str = "pre",
    ) -> None:
        self.sequences = sequences
        self.dtype = dtype
        self.shape = (len(sequences), length)
        self._padding = padding
        self._truncating = truncating

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Array) -> Array:
        length = self.shape[1]
        found = np.zeros((len(indices), length), self.dtype)
        for row, index in zip(found, indices, strict=True):
            sequence: Any = self.sequences[index]
            kept = sequence[-length:] if self._truncating == "pre" else sequence[:length]
            if self._padding == "post":
                row[: len(kept)] = kept
            elif len(kept):
                row[-len(kept) :] = kept
        return found


def chosen(column: Column, indices: Array | slice) -> Column:
    """Some samples of a column: a view where they lie side by side in an array."""
    if isinstance(column, Converted | OneHot):
        part = copy(column)
        part.source = chosen(column.source, indices)
        part.shape = (len(part.source), *column.shape[1:])
        return part
    if isinstance(indices, slice):
        if isinstance(column, Held):
            return Held(column.array[indices])
        indices = np.arange(*indices.indices(len(column)))
    if isinstance(column, Chosen):
        return Chosen(column.source, column.indices[indices])
    return Chosen(column, indices)


CHUNK = 4 << 20
"""Bytes that are looked at a time where all samples are looked through."""


def chunks(column: Column) -> Iterator[tuple[int, Array]]:
    """All samples, some at a time, each time with the index of the first."""
    size = int(np.prod(column.shape[1:], dtype=np.int64)) * column.dtype.itemsize
    step = max(1, CHUNK // max(1, size))
    for first in range(0, len(column), step):
        if isinstance(column, Held):
            yield first, column.array[first : first + step]
        else:
            yield first, column.take(np.arange(first, min(first + step, len(column))))


SMALL = 16 << 20
"""Bytes up to which a column is made once and kept, whatever it is made from."""


def settled(column: Column) -> Column:
    """A column as an array, where that is small; so that it is not converted again each epoch."""
    size = int(np.prod(column.shape, dtype=np.int64)) * column.dtype.itemsize
    if isinstance(column, Held) or size > SMALL:
        return column
    return Held(column.take(np.arange(len(column))))
