"""One output of a backend, beside what Keras gives in float32 and in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specc.verification.differences import (
    largest_difference,
    largest_ulps,
    numbered,
    ranked_alike,
    with_numbers,
)
from specc.verification.reference import Answers
from specc.verification.tolerance import Bounds, Rounding, tolerance

Array = np.ndarray[Any, Any]


class Compared(NamedTuple):
    """How far an output is off."""

    error: float
    """The largest difference; NaN where the output has one, or another shape."""
    relative: float
    """The same, divided by the largest absolute value of the output."""
    ulps: float
    """The largest difference to float64 in units of float32's last place, that of each number."""
    allowed: float
    keras_error: float
    """The largest difference between Keras in float32 and in float64."""
    keras_relative: float
    """The same, divided by the largest absolute value of the output."""
    rows: int
    rows_agreeing: int

    @property
    def ok(self) -> bool:
        return self.error <= self.allowed and self.rows == self.rows_agreeing


def compare_output(
    have: Array,
    answers: Answers,
    index: int,
    rounding: Rounding,
    *,
    with_truth: bool,
    bounds: Bounds | None = None,
    tf32: float = 0.0,
) -> Compared | None:
    """Compare one output; None where Keras has numbers for no sample.

    Args:
        index: which output of the model it is.
        with_truth: compare it with Keras in float64, and not with Keras in float32.
        bounds: a tolerance that is set by hand.
        tf32: how far TF32's factors move the output, where products may have those.
    """
    have, *arrays = numbered(have, *(answer[index] for answer in answers))
    samples = with_numbers(*arrays)
    if not samples.any():
        return None
    single, fresh, truth, beside = (array[samples] for array in arrays)
    if len(have) == len(samples):
        have = have[samples]
    keras_error = largest_difference(truth, fresh)
    scale = float(np.max(np.abs(truth), initial=0.0))
    sensitivity = largest_difference(truth, beside)
    allowed = tolerance(rounding.steps, scale, sensitivity, keras_error, rounding.gates, tf32)
    if bounds is not None:
        allowed = bounds.allowed(scale)
    want = truth if with_truth else single
    error = largest_difference(want, have)
    return Compared(
        error,
        error / scale if scale else error,
        largest_ulps(truth, have),
        allowed,
        keras_error,
        keras_error / scale if scale else keras_error,
        *ranked_alike(want, have, allowed),
    )
