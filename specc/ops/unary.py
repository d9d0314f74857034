"""Operations on each element of one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial, partialmethod
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Float, Int, Optional, arg
from specc.lowering import Builder, Value
from specc.ops import rules, special
from specc.ops.base import Operation
from specc.ops.kinds import CONSTANT, DTYPE, TENSOR
from specc.ops.lower import (
    complement,
    equal,
    expm1,
    filled,
    is_float,
    is_infinite,
    is_nan,
    kept_between,
    log1p,
    numbers_only,
    smaller,
    truth,
    where,
    worked,
)
from specc.ops.promotion import holds, promoted
from specc.ops.rules import Rule
from specc.types import FLOAT_DTYPES, INTEGER_DTYPES, TensorType

Lowering = Callable[[Builder, Value], Value]
"""What is computed of a value in ONNX."""


class Unary(Operation):
    """What operations on each element of one tensor have in common."""

    rule: ClassVar[Rule] = staticmethod(rules.same)
    """The dtype of the result for that of the tensor."""

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        return self.x._replace(dtype=type(self).rule(self.x.dtype))

    def cast_for(self, op: Builder, x: Value) -> Value:
        """The operand in the dtype of the result, or as it is where that is of truth values."""
        dtype = type(self).rule(self.x.dtype)
        return x if dtype == "bool" else op.cast(x, worked(dtype))


def element_wise(
    module: str,
    names: str,
    keras_class: str,
    rule: Rule,
    text: str,
    lowering: str | Lowering | None,
) -> None:
    """Make the classes of an operation: one for each of its names.

    Args:
        lowering: an operator of ONNX, or what makes several; None where it cannot be said.
    """
    body: dict[str, Any] = {"__doc__": text, "__module__": module, "rule": staticmethod(rule)}
    if lowering is not None:
        body["onnx"] = partialmethod(_onnx, lowering)
    for name in names.split():
        type(keras_class, (Unary,), dict(body), name=name, keras_class=keras_class)


def _onnx(self: Unary, lowering: str | Lowering, op: Builder, v: Mapping[str, Any]) -> Value:
    if lowering is _itself:
        return v["x"]
    x = self.cast_for(op, v["x"])
    return getattr(op, lowering)(x) if isinstance(lowering, str) else lowering(op, x)


unary = partial(element_wise, __name__)

# ----------------------------------------------------------- of several operators


def _itself(_op: Builder, x: Value) -> Value:
    return x


def _constant(number: float, dtype: str | None = None) -> Lowering:
    """A number in the place of every element."""
    return lambda op, x: filled(op, x, number, dtype or x.dtype)


def _floats(lowering: Lowering, otherwise: Lowering) -> Lowering:
    """One for floats, another for what is none."""
    return lambda op, x: lowering(op, x) if is_float(x) else otherwise(op, x)


def _abs(op: Builder, x: Value) -> Value:
    return x if x.dtype == "bool" else op.Abs(x)


def _finite(op: Builder, x: Value) -> Value:
    return op.Not(op.Or(is_nan(op, x), is_infinite(op, x)))


def _cbrt(op: Builder, x: Value) -> Value:
    return op.Mul(op.Sign(x), op.Pow(op.Abs(x), 1 / 3))


def _signbit(op: Builder, x: Value) -> Value:
    """Of zeros the sign shows in what is divided by them."""
    if x.dtype == "bool":
        return filled(op, x, False, "bool")
    if not is_float(x):
        return smaller(op, op.cast(x, worked(x.dtype)), 0)
    return op.Or(smaller(op, x, 0.0), smaller(op, op.Reciprocal(x), 0.0))


def _sinc(op: Builder, x: Value) -> Value:
    y = op.Mul(x, math.pi)
    return where(op, equal(op, x, 0.0), 1.0, op.Div(op.Sin(y), y))


def _trunc(op: Builder, x: Value) -> Value:
    return where(op, smaller(op, x, 0.0), op.Ceil(x), op.Floor(x))


_never = _constant(False, "bool")
_always = _constant(True, "bool")


unary("abs absolute", "Absolute", rules.same, "The absolute value.", _abs)
unary(
    "angle",
    "Angle",
    rules.as_float,
    "The angle of a complex number.",
    lambda op, x: op.Mul(op.cast(smaller(op, x, 0.0), x.dtype), math.pi),
)
unary("arccos", "Arccos", rules.as_float, "The inverse of the cosine.", "Acos")
unary("arccosh", "Arccosh", rules.as_float, "The inverse of the hyperbolic cosine.", "Acosh")
unary("arcsin", "Arcsin", rules.as_float, "The inverse of the sine.", "Asin")
unary("arcsinh", "Arcsinh", rules.as_float, "The inverse of the hyperbolic sine.", "Asinh")
unary("arctan", "Arctan", rules.as_float, "The inverse of the tangent.", "Atan")
unary("arctanh", "Arctanh", rules.as_float, "The inverse of the hyperbolic tangent.", "Atanh")
unary(
    "bitwise_invert",
    "BitwiseInvert",
    rules.integers,
    "Every bit turned over.",
    complement,
)
unary(
    "bitwise_not",
    "BitwiseNot",
    rules.integers,
    "Every bit turned over.",
    complement,
)
unary("cbrt", "Cbrt", rules.but(rules.as_float, int64="float64"), "The cube root.", _cbrt)
unary("ceil", "Ceil", rules.as_float, "The next whole number above.", "Ceil")
unary("conj conjugate", "Conjugate", rules.numbers, "The complex conjugate.", _itself)
unary("copy", "Copy", rules.same, "The tensor itself.", _itself)
unary("cos", "Cos", rules.as_float, "The cosine.", "Cos")
unary("cosh", "Cosh", rules.as_float, "The hyperbolic cosine.", "Cosh")
unary(
    "deg2rad",
    "Deg2rad",
    rules.but(rules.as_float, int64="float64", uint64=None),
    "Degrees as radians.",
    lambda op, x: op.Mul(x, math.pi / 180),
)
unary("erf", "Erf", rules.floats, "The error function.", "Erf")
unary(
    "erfc",
    "Erfc",
    rules.floats,
    "One minus the error function.",
    lambda op, x: op.Sub(op.constant(1.0, x.dtype), op.Erf(x)),
)
unary("erfinv", "Erfinv", rules.floats, "The inverse of the error function.", special.erfinv)
unary("exp", "Exp", rules.as_float, "The exponential.", "Exp")
unary(
    "exp2",
    "Exp2",
    rules.as_float,
    "Two to the power of each element.",
    lambda op, x: op.Pow(op.constant(2.0, x.dtype), x),
)
unary("expm1", "Expm1", rules.as_float, "The exponential minus one.", expm1)
unary("fabs", "Fabs", rules.as_float, "The absolute value, as a float.", "Abs")
unary("floor", "Floor", rules.as_float, "The next whole number below.", "Floor")
unary(
    "i0",
    "I0",
    rules.but(rules.as_float, bfloat16=None, int64="float64"),
    "The modified Bessel function of order 0.",
    special.i0,
)
unary("imag", "Imag", rules.same, "The imaginary part.", _constant(0))
unary(
    "isfinite",
    "Isfinite",
    rules.truth,
    "Whether each element is finite.",
    _floats(_finite, _always),
)
unary(
    "isinf", "Isinf", rules.truth, "Whether each element is infinite.", _floats(is_infinite, _never)
)
unary("isnan", "Isnan", rules.truth, "Whether each element is no number.", _floats(is_nan, _never))
unary(
    "isneginf",
    "Isneginf",
    rules.truth,
    "Whether each element is minus infinity.",
    _floats(partial(is_infinite, positive=False), _never),
)
unary(
    "isposinf",
    "Isposinf",
    rules.truth,
    "Whether each element is plus infinity.",
    _floats(partial(is_infinite, negative=False), _never),
)
unary("isreal", "Isreal", rules.truth, "Whether each element is real.", _always)
unary("log", "Log", rules.as_float, "The natural logarithm.", "Log")
unary(
    "log10",
    "Log10",
    rules.as_float,
    "The logarithm to base 10.",
    lambda op, x: op.Div(op.Log(x), math.log(10)),
)
unary("log1p", "Log1p", rules.as_float, "The logarithm of one plus each element.", log1p)
unary(
    "log2",
    "Log2",
    rules.as_float,
    "The logarithm to base 2.",
    lambda op, x: op.Div(op.Log(x), math.log(2)),
)
unary(
    "logical_not",
    "LogicalNot",
    rules.truth,
    "Whether each element is zero.",
    lambda op, x: op.Not(truth(op, x)),
)
unary(
    "negative",
    "Negative",
    rules.but(rules.numbers, uint8=None, uint16=None, uint32=None, uint64=None),
    "Minus each element.",
    "Neg",
)
unary(
    "rad2deg",
    "Rad2deg",
    rules.but(rules.as_float, int64="float64", uint64=None),
    "Radians as degrees.",
    lambda op, x: op.Mul(x, 180 / math.pi),
)
unary("real", "Real", rules.numbers, "The real part.", _itself)
unary("reciprocal", "Reciprocal", rules.floats, "One over each element.", "Reciprocal")
unary(
    "rsqrt",
    "Rsqrt",
    rules.floats,
    "One over the square root.",
    lambda op, x: op.Reciprocal(op.Sqrt(x)),
)
unary("sign", "Sign", rules.but(rules.numbers, uint64=None), "Minus one, zero or one.", "Sign")
unary("signbit", "Signbit", rules.truth, "Whether each element has a minus sign.", _signbit)
unary("sin", "Sin", rules.as_float, "The sine.", "Sin")
unary("sinc", "Sinc", rules.as_float, "The normalized cardinal sine.", _sinc)
unary("sinh", "Sinh", rules.as_float, "The hyperbolic sine.", "Sinh")
unary("sqrt", "Sqrt", rules.as_float, "The square root.", "Sqrt")
unary("square", "Square", rules.as_number, "The square.", lambda op, x: op.Mul(x, x))
unary("tan", "Tan", rules.as_float, "The tangent.", "Tan")
unary("tanh", "Tanh", rules.as_float, "The hyperbolic tangent.", "Tanh")
unary("trunc", "Trunc", rules.same, "The whole part.", _floats(_trunc, _itself))


class StopGradient(Operation, name="stop_gradient"):
    """The tensor itself, through which nothing is learned."""

    variable: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        return self.variable

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return v["variable"]


class Clip(Unary, name="clip"):
    """Each element, kept between two bounds."""

    rule = staticmethod(rules.as_number)

    x_min: float = arg(Float())
    x_max: float = arg(Float())

    def infer(self) -> TensorType:
        outcome = super().infer()
        if outcome.dtype in INTEGER_DTYPES:
            for bound in (self.x_min, self.x_max):
                if isinstance(bound, float) or not holds(outcome.dtype, bound):
                    raise Refused(errors.number_out_of_range, bound, outcome.dtype)
        return outcome

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        # Where the bounds are the wrong way round, the lower one holds for Keras.
        return kept_between(op, self.cast_for(op, v["x"]), self.x_min, max(self.x_min, self.x_max))


class NanToNum(Unary, name="nan_to_num"):
    """Each element, with numbers in place of what is no number or infinite."""

    nan: float = arg(Float(), default=0.0)
    posinf: float | None = arg(Optional(Float()), default=None)
    neginf: float | None = arg(Optional(Float()), default=None)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return numbers_only(op, v["x"], self.x.dtype, self.nan, self.posinf, self.neginf)


class Round(Unary, name="round"):
    """Each element, rounded to so many decimals."""

    rule = staticmethod(rules.numbers)

    decimals: int = arg(Int(), default=0)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if not is_float(x):
            if self.decimals >= 0:
                return x
            x = op.cast(x, "float32")
        if self.decimals == 0:
            return op.Round(x)
        factor = math.pow(10, self.decimals)
        return op.Div(op.Round(op.Mul(x, factor)), factor)


# ------------------------------------------------------------- of another dtype


class _Like(Unary):
    """Tensors of the shape of another."""

    dtype: str | None = arg(Optional(DTYPE), default=None)

    number: ClassVar[int]
    """What they hold."""

    def infer(self) -> TensorType:
        return self.x._replace(dtype=self.dtype or self.x.dtype)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return filled(op, v["x"], type(self).number, self.infer().dtype)


class ZerosLike(_Like, name="zeros_like"):
    """Zeros, as many as a tensor has elements."""

    number = 0


class OnesLike(_Like, name="ones_like"):
    """Ones, as many as a tensor has elements."""

    number = 1


class FullLike(Unary, name="full_like"):
    """A number, as many times as a tensor has elements."""

    fill_value: float = arg(CONSTANT)
    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        dtype = promoted(self.dtype or self.x.dtype)
        fraction = isinstance(self.fill_value, float) and dtype not in FLOAT_DTYPES
        if fraction or not holds(dtype, self.fill_value):
            raise Refused(errors.number_out_of_range, self.fill_value, dtype)
        return self.x._replace(dtype=dtype)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return filled(op, v["x"], self.fill_value, self.infer().dtype)


class Cast(Unary, name="cast"):
    """The same numbers in another dtype."""

    dtype: str = arg(DTYPE)

    def infer(self) -> TensorType:
        return self.x._replace(dtype=self.dtype)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return v["x"]


class SaturateCast(Cast, name="saturate_cast"):
    """The same numbers in another dtype, those beyond its range at its ends."""

    def infer(self) -> TensorType:
        rules.but(rules.same, uint64=None)(self.x.dtype)
        if self.dtype == "uint64":
            raise Refused(errors.not_together, "dtype", "x")
        return super().infer()

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = op.cast(v["x"], worked(self.x.dtype))
        return kept_between(op, x, *_common_range(self.x.dtype, self.dtype))


def _common_range(own: str, other: str) -> tuple[Any, Any]:
    """The numbers of one dtype that another holds too, from the least to the largest.

    Where the end of the other's range is none of the first, it is the next one within.
    """
    import ml_dtypes
    import numpy as np

    iinfo: Any = ml_dtypes.iinfo
    finfo: Any = ml_dtypes.finfo

    def ends(dtype: str) -> tuple[Any, Any]:
        if dtype == "bool":
            return 0, 1
        found = iinfo(dtype) if dtype in INTEGER_DTYPES else finfo(dtype)
        return found.min, found.max

    kind: Any = np.dtype(getattr(ml_dtypes, own, own)).type
    (low, high), (least, most) = ends(own), ends(other)
    low, high = kind(np.maximum(low, least)), kind(np.minimum(high, most))
    if low < least:
        low = np.nextafter(low, kind(0))
    if high > most:
        high = np.nextafter(high, kind(0))
    return low, high
