"""How far arrays are apart."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import numpy as np

from specc.backends.frameworks import array_of, full_float32
from specc.backends.keras_model import BuiltModel
from specc.files import UsageError
from specc.verification.inputs import Case

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


def keras_outputs(built: BuiltModel, case: Case) -> list[Array]:
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    try:
        with full_float32():
            outputs = built.keras_model(inputs if len(inputs) > 1 else inputs[0], training=False)
    except Exception as error:  # TensorFlow has no kernel for some layers on some devices
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = re.sub(r"\x1b\[[0-9;]*m|\{\{.*?\}\} ?", "", " ".join(lines[:2]))
        raise UsageError(f"Keras cannot run `{built.graph.name}` on this machine: {why}") from error
    every = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [array_of(output) for output in every]


def largest_difference(want: Array, have: Array) -> float:
    """NaN where either side has one: NaN never passes. Equal infinities agree."""
    if want.shape != have.shape:
        return float("nan")
    a, b = want.astype(np.float64), have.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) & np.isinf(a), 0.0, np.abs(a - b))
    return float(np.max(difference, initial=0.0))


def largest_ulps(want: Array, have: Array) -> float:
    """The largest difference in units of float32's last place, each at its own value; NaN where
    either side has one.

    Beside a sum whose terms cancel a unit is tiny, and their rounding errors many of them.
    """
    if want.shape != have.shape:
        return float("nan")
    a, b = want.astype(np.float64), have.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        last = np.spacing(np.abs(a).astype(np.float32)).astype(np.float64)
        return float(np.max(np.where(a == b, 0.0, np.abs(a - b) / last), initial=0.0))


def ranked_alike(want: Array, have: Array, allowed: float) -> tuple[int, int]:
    """How many rows have an arg-max, and in how many it is the same.

    A row whose two largest values are too close to tell counts as the same; an output that is
    one number wide has no arg-max.
    """
    if want.ndim < 2 or want.shape[-1] < 2:
        return 0, 0
    rows = int(np.prod(want.shape[:-1]))
    if want.shape != have.shape:
        return rows, 0
    a = want.reshape(-1, want.shape[-1]).astype(np.float64)
    b = have.reshape(-1, want.shape[-1])
    top = np.sort(a, axis=-1)
    with np.errstate(invalid="ignore"):
        undecided = top[:, -1] - top[:, -2] <= 2 * allowed
    return rows, int(np.sum((a.argmax(-1) == b.argmax(-1)) | undecided))
