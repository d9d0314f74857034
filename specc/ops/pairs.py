"""What is made of two values in ONNX where no single operator does it.

Each takes the operands in the dtype in which is computed, and the dtype that they have for Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from specc.lowering import Builder, Value
from specc.ops.lower import (
    complement,
    equal,
    is_float,
    is_infinite,
    is_nan,
    kept_between,
    larger,
    log1p,
    maximum,
    minimum,
    repeated,
    smaller,
    where,
)

Lowering = Callable[[Builder, Value, Value, str], Value]


# ------------------------------------------------------------------------ division


def floor_divide(op: Builder, a: Value, b: Value, _: str) -> Value:
    """Whole numbers are divided towards zero, which is exact without the remainder."""
    if is_float(a):
        return op.Floor(op.Div(a, b))
    return op.Div(op.Sub(a, op.Mod(a, b, fmod=0)), b)


def mod(op: Builder, a: Value, b: Value, _: str) -> Value:
    """Of floats ONNX has the remainder with the sign of the first alone."""
    if not is_float(a):
        return op.Mod(a, b, fmod=0)
    rest = op.Mod(a, b, fmod=1)
    apart = smaller(op, op.Mul(op.Sign(rest), op.Sign(b)), 0.0)
    return where(op, apart, op.Add(rest, b), rest)


def fmod(op: Builder, a: Value, b: Value, _: str) -> Value:
    return op.Mod(a, b, fmod=1)


def divide_no_nan(op: Builder, a: Value, b: Value, _: str) -> Value:
    return where(op, equal(op, b, 0.0), 0.0, op.Div(a, b))


def gcd(op: Builder, a: Value, b: Value, dtype: str) -> Value:
    """Euclid's algorithm, as often as neighbours in Fibonacci's sequence need it."""
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    steps = math.ceil(bits / math.log2((1 + 5**0.5) / 2)) + 2

    def step(held: list[Value]) -> list[Value]:
        larger_one, rest = held
        done = equal(op, rest, 0)
        following = op.Mod(larger_one, where(op, done, 1, rest), fmod=0)
        return [where(op, done, larger_one, rest), where(op, done, 0, following)]

    shape = op.Shape(op.Add(a, b), dtype="int64")
    first, second = (op.Expand(op.Abs(x), shape) for x in (a, b))
    return repeated(op, steps, step, [first, second])[0]


def lcm(op: Builder, a: Value, b: Value, dtype: str) -> Value:
    divisor = gcd(op, a, b, dtype)
    nothing = equal(op, divisor, 0)
    product = op.Mul(op.Abs(a), op.Div(op.Abs(b), where(op, nothing, 1, divisor)))
    return where(op, nothing, 0, product)


# -------------------------------------------------------------------------- powers


def power(op: Builder, a: Value, b: Value, _: str) -> Value:
    """Powers of whole numbers, which runtimes find by way of floats, are multiplied here."""
    if is_float(a):
        return op.Pow(a, b)
    bits = 63 if a.dtype == "int64" else 31

    def step(held: list[Value]) -> list[Value]:
        found, base, exponent = held
        odd = equal(op, op.Mod(exponent, 2, fmod=0), 1)
        found = op.Mul(found, where(op, odd, base, 1))
        return [found, op.Mul(base, base), op.Div(exponent, 2)]

    shape = op.Shape(op.Add(a, b), dtype="int64")
    ones = op.Expand(op.constant(1, a.dtype), shape)
    base, exponent = (op.Expand(x, shape) for x in (a, b))
    return repeated(op, bits, step, [ones, base, exponent])[0]


def ldexp(op: Builder, a: Value, b: Value, _: str) -> Value:
    scaled = op.Mul(a, op.Pow(op.constant(2.0, a.dtype), b))
    stays = op.Or(is_infinite(op, a), equal(op, a, 0.0))
    return where(op, stays, a, scaled)


LOG_2 = 0.6931471824645996
"""The logarithm of 2 as a float32, which TensorFlow makes of it in float64 too."""


def logaddexp(op: Builder, a: Value, b: Value, _: str, unit: float = 1.0) -> Value:
    """The larger one and what is missing, which cannot overflow; `unit` is the base's logarithm."""
    distance = op.Sub(a, b)
    missing = log1p(op, op.Exp(op.Mul(op.Abs(distance), -unit)))
    found = op.Add(op.Max(a, b), op.Mul(missing, 1 / unit))
    return where(op, is_nan(op, distance), op.Add(a, b), found)


def logaddexp2(op: Builder, a: Value, b: Value, dtype: str) -> Value:
    return logaddexp(op, a, b, dtype, unit=LOG_2)


# ------------------------------------------------------------------------- geometry


def arctan2(op: Builder, y: Value, x: Value, _: str) -> Value:
    """The angle to the nearer half of the axis, turned over where that is the negative one."""
    near = where(op, equal(op, y, 0.0), 0.0, op.Atan(op.Div(y, op.Abs(x))))
    half = where(op, smaller(op, y, 0.0), op.constant(-math.pi, y.dtype), math.pi)
    return where(op, smaller(op, x, 0.0), op.Sub(half, near), near)


def hypot(op: Builder, a: Value, b: Value, _: str) -> Value:
    a, b = op.Abs(a), op.Abs(b)
    longer, shorter = op.Max(a, b), op.Min(a, b)
    ratio = op.Div(shorter, where(op, equal(op, longer, 0.0), 1.0, longer))
    return op.Mul(longer, op.Sqrt(op.Add(op.Mul(ratio, ratio), 1.0)))


def heaviside(op: Builder, a: Value, b: Value, _: str) -> Value:
    above = where(op, larger(op, a, 0.0), 1.0, b)
    return where(op, smaller(op, a, 0.0), 0.0, above)


# ------------------------------------------------------------------------ extremes


def fmax(op: Builder, a: Value, b: Value, _: str) -> Value:
    return _of_numbers(op, a, b, maximum(op, a, b))


def fmin(op: Builder, a: Value, b: Value, _: str) -> Value:
    return _of_numbers(op, a, b, minimum(op, a, b))


def _of_numbers(op: Builder, a: Value, b: Value, found: Value) -> Value:
    """What was found, or the one that is a number."""
    if not is_float(a):
        return found
    return where(op, is_nan(op, a), b, where(op, is_nan(op, b), a, found))


# ---------------------------------------------------------------------------- bits


def bitwise(operator: str) -> Lowering:
    """An operator on bits."""

    def lowered(op: Builder, a: Value, b: Value, _: str) -> Value:
        return getattr(op, operator)(a, b)

    return lowered


def shift(direction: str) -> Lowering:
    """Bits moved up or down, with 64 of them and no sign, as runtimes can do it.

    Down they move in the complement where there is a sign, so that what comes in from above are
    ones. TensorFlow moves bits by no less than 0 and no more than all but one.
    """

    def lowered(op: Builder, a: Value, b: Value, dtype: str) -> Value:
        bits = int(dtype.removeprefix("u").removeprefix("int"))
        places = op.cast(kept_between(op, b, 0, bits - 1), "uint64")

        def moved(x: Value) -> Value:
            wide = op.cast(x, "uint64")
            return op.cast(op.BitShift(wide, places, direction=direction), a.dtype)

        if direction == "LEFT" or dtype.startswith("u"):
            return moved(a)
        negative = smaller(op, a, 0)
        found = moved(where(op, negative, complement(op, a), a))
        return where(op, negative, complement(op, found), found)

    return lowered


def unequal(op: Builder, a: Value, b: Value, _: str) -> Value:
    return op.Not(equal(op, a, b))
