"""Functions that ONNX has no operator for, of operators that it has."""

from __future__ import annotations

import math

from specc.lowering import Builder, NotLowered, Value
from specc.ops.lower import equal, single, where

NODES = {"float32": 32, "float64": 128}
"""Into how many parts half a circle is cut. The error is about `2 exp(-2 n² / x)` times the result,
as many parts as these keep it below the rounding up to where the result is infinite."""


def i0(op: Builder, x: Value) -> Value:
    """The modified Bessel function of order 0: the mean of `exp(x cos t)` over a circle.

    The mean of equally spaced points is exact but for what falls off faster than any power of
    their number. With `exp(|x|)` in front of it no term is larger than 1, and those that count are
    powers of e whose exponents are about 1 or less, which lose nothing.
    """
    import numpy as np

    given = x.dtype
    x = op.Abs(single(op, x))
    angles = (np.arange(NODES[x.dtype]) + 0.5) * (math.pi / NODES[x.dtype])
    falls = op.constant(-2 * np.sin(angles / 2) ** 2, x.dtype)  # cos t - 1
    terms = op.Exp(op.Mul(op.Unsqueeze(x, [-1]), falls))
    mean = op.ReduceMean(terms, [-1], keepdims=0)
    return op.cast(op.Mul(op.Exp(x), mean), given)


QUOTIENTS = (
    2.28642442, 1.59783455, -0.0259395884, -0.0817978242, 0.129565864, -0.0894590074,
    -0.0043376892, 0.06788645, -0.0511035994, -0.0120794167, 0.0426103632, -0.0137116857,
    -0.017233141, 0.0106253415, 0.00301875205, -0.0025200078,
)  # fmt: skip
"""`erfinv(x) / x` as a polynomial in `t`, from -1 to 1: it goes through the numbers that Python's
`statistics.NormalDist().inv_cdf` gives at the 16 points of Chebyshev."""


def erfinv(op: Builder, x: Value) -> Value:
    """The inverse of the error function, to four units in the last place of a float32.

    It is `x` times a smooth function of `w = -log(1 - x²)`, which is about the square of the result
    where that is large, and at most 16 in float32: a polynomial in `t = sqrt(w / 2 + 1) - 2`.

    Raises:
        NotLowered: in float64, which a polynomial of this kind does not reach.
    """
    if x.dtype == "float64":
        raise NotLowered("`erfinv` in float64")
    given, x = x.dtype, single(op, x)
    one = op.constant(1.0, x.dtype)
    w = op.Neg(op.Log(op.Mul(op.Sub(one, x), op.Add(one, x))))
    t = op.Sub(op.Sqrt(op.Add(op.Mul(w, 0.5), 1.0)), 2.0)
    quotient = op.constant(QUOTIENTS[-1], x.dtype)
    for coefficient in QUOTIENTS[-2::-1]:
        quotient = op.Add(op.Mul(quotient, t), coefficient)
    ends = equal(op, op.Abs(x), 1.0)
    return op.cast(where(op, ends, op.Mul(x, math.inf), op.Mul(x, quotient)), given)
