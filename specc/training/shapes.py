"""Shapes of samples against shapes of the model's tensors, and looks at all values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specc.training.columns import chunks
from specc.training.dataset import Array, Column
from specc.types import Dimension


def arranged(found: tuple[int, ...], wanted: tuple[Dimension, ...]) -> tuple[int, ...] | None:
    """The shape that a sample gets to fit: its own, or with axes of size 1 added or taken away.

    None where it does not fit. A grey image [28, 28] fits [28, 28, 1], and a label [1] fits [];
    [28, 28] and [784] differ, since a model that takes one was hardly meant for the other.
    """
    if len(found) == len(wanted) and _agree(found, wanted):
        return found
    sizes = tuple(size for size in found if size != 1)
    slots = tuple(size for size in wanted if size != 1)
    if len(sizes) != len(slots) or not _agree(sizes, slots):
        return None
    rest = iter(sizes)
    return tuple(1 if size == 1 else next(rest) for size in wanted)


def _agree(found: tuple[int, ...], wanted: tuple[Dimension, ...]) -> bool:
    pairs = zip(found, wanted, strict=True)
    return all(not isinstance(want, int) or have == want for have, want in pairs)


def sample_text(column: Column) -> str:
    """A sample's type as a spec writes it: `uint8[28, 28]`."""
    dtype = "string" if column.dtype.kind in "OSUT" else column.dtype.name
    return f"{dtype}[{', '.join(map(str, column.shape[1:]))}]"


def first_where(column: Column, wrong: Callable[[Array], Array]) -> tuple[int, object, int] | None:
    """The first sample with a value that is wrong: its index, the value, and how many samples
    have any; None where there are none.

    Args:
        wrong: for values of several samples, which of them are.
    """
    first: tuple[int, object] | None = None
    number = 0
    for start, values in chunks(column):
        bad = wrong(values)
        if not bad.any():
            continue
        of_sample = bad.reshape(len(bad), -1).any(axis=1)
        number += int(of_sample.sum())
        if first is None:
            first = start + int(of_sample.argmax()), values[bad].flat[0]
    return None if first is None else (*first, number)


def not_finite(values: Array) -> Array:
    return ~np.isfinite(values)
