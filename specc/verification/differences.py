"""How far arrays are apart."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def numbered(*arrays: Array) -> tuple[Array, ...]:
    """Strings as numbers, the same for the same string."""
    if arrays[0].dtype.kind not in "OSU":
        return arrays
    texts = [[s.decode() if isinstance(s, bytes) else s for s in a.ravel()] for a in arrays]
    numbers = {s: number for number, s in enumerate(dict.fromkeys(chain(*texts)))}
    return tuple(
        [
            np.array([numbers[s] for s in text]).reshape(array.shape)
            for text, array in zip(texts, arrays, strict=True)
        ]
    )


def with_numbers(*arrays: Array) -> Array:
    """Which samples of a batch Keras computes without a NaN.

    Some models are undefined for some inputs, such as a mean over a text that is all padding.
    """
    defined = np.ones(len(arrays[0]), bool)
    for array in arrays:
        if array.dtype.kind in "fV":
            per_sample = array.reshape(len(array), -1).astype(np.float64)
            defined &= ~np.isnan(per_sample).any(axis=1)
    return defined


def largest_difference(want: Array, have: Array) -> float:
    """NaN where either side has one: NaN never passes. Equal infinities agree."""
    if want.shape != have.shape:
        return float("nan")
    a, b = want.astype(np.float64), have.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) & np.isinf(a), 0.0, np.abs(a - b))
    return float(np.max(difference, initial=0.0))
