"""What can be said of a metric from runs with a few seeds. Needs scipy."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from specc.files import UsageError

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean, and how far from it the true one may be."""

    mean: float
    half: float
    """Half the width of the 95 % interval by Student's t; NaN of a single run."""


class Difference(NamedTuple):
    """How much a variant is above another one, paired by seed."""

    mean: float
    half: float
    """Half the width of the 95 % interval."""
    p: float
    """How likely a difference as large is where there is none: a paired t-test, two-sided."""


def interval_of(values: Sequence[float]) -> Interval:
    """The mean of values and its interval: `t * s / sqrt(n)` with n - 1 degrees of freedom."""
    array = np.asarray(values, np.float64)
    if array.size < 2:
        return Interval(float(array.mean()), nan)
    t = float(_scipy_stats().t.ppf((1 + CONFIDENCE) / 2, array.size - 1))
    return Interval(float(array.mean()), t * float(array.std(ddof=1)) / sqrt(array.size))


def paired(values: Sequence[float], base: Sequence[float]) -> Difference:
    """How much values are above others of the same seeds.

    The differences of the pairs are looked at, so that what a seed does to both goes out.
    """
    apart = np.asarray(values, np.float64) - np.asarray(base, np.float64)
    mean, half = interval_of(list(apart))
    if apart.size < 2:
        return Difference(mean, half, nan)
    if float(np.ptp(apart)) == 0.0:  # no spread: Student's t is 0 / 0, or infinite
        return Difference(mean, half, 1.0 if mean == 0 else 0.0)
    return Difference(mean, half, float(_scipy_stats().ttest_1samp(apart, 0.0).pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value for as many comparisons as there are: Holm, Scandinavian Journal of Statistics
    6 (1979), 65-70. NaN, of a single run, stays so.
    """
    adjusted = [nan] * len(p_values)
    largest = 0.0
    known = [i for i, p in enumerate(p_values) if not isnan(p)]
    for rank, index in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ModuleNotFoundError:
        raise UsageError(
            "scipy is not installed", 'python -m pip install "specc-nn[compare]" brings it'
        ) from None
    return stats
