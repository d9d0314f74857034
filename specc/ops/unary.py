"""Operations on each element of one tensor."""

from __future__ import annotations

from typing import ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Float, Int, Optional, arg
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import CONSTANT, DTYPE, TENSOR
from specc.ops.promotion import holds
from specc.ops.rules import Rule
from specc.types import FLOAT_DTYPES, INTEGER_DTYPES, TensorType


class Unary(Operation):
    """What operations on each element of one tensor have in common."""

    rule: ClassVar[Rule] = staticmethod(rules.same)
    """The dtype of the result for that of the tensor."""

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        return self.x._replace(dtype=type(self).rule(self.x.dtype))


def unary(names: str, keras_class: str, rule: Rule, text: str, base: type[Unary] = Unary) -> None:
    """Make the classes of an operation: one for each of its names."""
    for name in names.split():
        body = {"__doc__": text, "__module__": __name__, "rule": staticmethod(rule)}
        type(keras_class, (base,), body, name=name, keras_class=keras_class)


unary("abs absolute", "Absolute", rules.same, "The absolute value.")
unary("angle", "Angle", rules.as_float, "The angle of a complex number.")
unary("arccos", "Arccos", rules.as_float, "The inverse of the cosine.")
unary("arccosh", "Arccosh", rules.as_float, "The inverse of the hyperbolic cosine.")
unary("arcsin", "Arcsin", rules.as_float, "The inverse of the sine.")
unary("arcsinh", "Arcsinh", rules.as_float, "The inverse of the hyperbolic sine.")
unary("arctan", "Arctan", rules.as_float, "The inverse of the tangent.")
unary("arctanh", "Arctanh", rules.as_float, "The inverse of the hyperbolic tangent.")
unary("bitwise_invert", "BitwiseInvert", rules.integers, "Every bit turned over.")
unary("bitwise_not", "BitwiseNot", rules.integers, "Every bit turned over.")
unary(
    "cbrt",
    "Cbrt",
    rules.but(rules.as_float, int64="float64"),
    "The cube root.",
)
unary("ceil", "Ceil", rules.as_float, "The next whole number above.")
unary("conj conjugate", "Conjugate", rules.numbers, "The complex conjugate.")
unary("copy", "Copy", rules.same, "The tensor itself.")
unary("cos", "Cos", rules.as_float, "The cosine.")
unary("cosh", "Cosh", rules.as_float, "The hyperbolic cosine.")
unary(
    "deg2rad",
    "Deg2rad",
    rules.but(rules.as_float, int64="float64", uint64=None),
    "Degrees as radians.",
)
unary("erf", "Erf", rules.floats, "The error function.")
unary("erfc", "Erfc", rules.floats, "One minus the error function.")
unary("erfinv", "Erfinv", rules.floats, "The inverse of the error function.")
unary("exp", "Exp", rules.as_float, "The exponential.")
unary("exp2", "Exp2", rules.as_float, "Two to the power of each element.")
unary("expm1", "Expm1", rules.as_float, "The exponential minus one.")
unary("fabs", "Fabs", rules.as_float, "The absolute value, as a float.")
unary("floor", "Floor", rules.as_float, "The next whole number below.")
unary(
    "i0",
    "I0",
    rules.but(rules.as_float, bfloat16=None, int64="float64"),
    "The modified Bessel function of order 0.",
)
unary("imag", "Imag", rules.same, "The imaginary part.")
unary("isfinite", "Isfinite", rules.truth, "Whether each element is finite.")
unary("isinf", "Isinf", rules.truth, "Whether each element is infinite.")
unary("isnan", "Isnan", rules.truth, "Whether each element is no number.")
unary("isneginf", "Isneginf", rules.truth, "Whether each element is minus infinity.")
unary("isposinf", "Isposinf", rules.truth, "Whether each element is plus infinity.")
unary("isreal", "Isreal", rules.truth, "Whether each element is real.")
unary("log", "Log", rules.as_float, "The natural logarithm.")
unary("log10", "Log10", rules.as_float, "The logarithm to base 10.")
unary("log1p", "Log1p", rules.as_float, "The logarithm of one plus each element.")
unary("log2", "Log2", rules.as_float, "The logarithm to base 2.")
unary("logical_not", "LogicalNot", rules.truth, "Whether each element is zero.")
unary(
    "negative",
    "Negative",
    rules.but(rules.numbers, uint8=None, uint16=None, uint32=None, uint64=None),
    "Minus each element.",
)
unary(
    "rad2deg",
    "Rad2deg",
    rules.but(rules.as_float, int64="float64", uint64=None),
    "Radians as degrees.",
)
unary("real", "Real", rules.numbers, "The real part.")
unary("reciprocal", "Reciprocal", rules.floats, "One over each element.")
unary("rsqrt", "Rsqrt", rules.floats, "One over the square root.")
unary(
    "sign",
    "Sign",
    rules.but(rules.numbers, uint64=None),
    "Minus one, zero or one.",
)
unary("signbit", "Signbit", rules.truth, "Whether each element has a minus sign.")
unary("sin", "Sin", rules.as_float, "The sine.")
unary("sinc", "Sinc", rules.as_float, "The normalized cardinal sine.")
unary("sinh", "Sinh", rules.as_float, "The hyperbolic sine.")
unary("sqrt", "Sqrt", rules.as_float, "The square root.")
unary("square", "Square", rules.as_number, "The square.")
unary("tan", "Tan", rules.as_float, "The tangent.")
unary("tanh", "Tanh", rules.as_float, "The hyperbolic tangent.")
unary("trunc", "Trunc", rules.same, "The whole part.")


class StopGradient(Operation, name="stop_gradient"):
    """The tensor itself, through which nothing is learned."""

    variable: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        return self.variable


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


class NanToNum(Unary, name="nan_to_num"):
    """Each element, with numbers in place of what is no number or infinite."""

    nan: float = arg(Float(), default=0.0)
    posinf: float | None = arg(Optional(Float()), default=None)
    neginf: float | None = arg(Optional(Float()), default=None)


class Round(Unary, name="round"):
    """Each element, rounded to so many decimals."""

    rule = staticmethod(rules.numbers)

    decimals: int = arg(Int(), default=0)


# ------------------------------------------------------------- of another dtype


class _Like(Unary):
    """Tensors of the shape of another."""

    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        return self.x._replace(dtype=self.dtype or self.x.dtype)


class ZerosLike(_Like, name="zeros_like"):
    """Zeros, as many as a tensor has elements."""


class OnesLike(_Like, name="ones_like"):
    """Ones, as many as a tensor has elements."""


class FullLike(Unary, name="full_like"):
    """A number, as many times as a tensor has elements."""

    fill_value: float = arg(CONSTANT)
    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        dtype = self.dtype or self.x.dtype
        fraction = isinstance(self.fill_value, float) and dtype not in FLOAT_DTYPES
        if fraction or not holds(dtype, self.fill_value):
            raise Refused(errors.number_out_of_range, self.fill_value, dtype)
        return self.x._replace(dtype=dtype)


class Cast(Unary, name="cast"):
    """The same numbers in another dtype."""

    dtype: str = arg(DTYPE)

    def infer(self) -> TensorType:
        return self.x._replace(dtype=self.dtype)


class SaturateCast(Cast, name="saturate_cast"):
    """The same numbers in another dtype, those beyond its range at its ends."""

    def infer(self) -> TensorType:
        rules.but(rules.same, uint64=None)(self.x.dtype)
        if self.dtype == "uint64":
            raise Refused(errors.not_together, "dtype", "x")
        return super().infer()


# ------------------------------------------------------------------ activations

unary("hard_sigmoid", "HardSigmoid", rules.floats, "A sigmoid of straight lines.")
unary("hard_silu hard_swish", "HardSilu", rules.floats, "Each element times its hard sigmoid.")
unary("hard_tanh", "HardTanh", rules.floats, "Each element, kept between -1 and 1.")
unary("log_sigmoid", "LogSigmoid", rules.floats, "The logarithm of the sigmoid.")
unary("relu", "Relu", rules.numbers, "Each element where it is positive, zero elsewhere.")
unary("relu6", "Relu6", rules.numbers, "As `relu`, and 6 at most.")
unary("selu", "Selu", rules.floats, "The scaled exponential linear unit.")
unary("sigmoid", "Sigmoid", rules.floats, "1 / (1 + exp(-x)).")
unary("silu swish", "Silu", rules.floats, "Each element times its sigmoid.")
unary("softplus", "Softplus", rules.floats, "log(exp(x) + 1).")
unary("softsign", "Softsign", rules.floats, "x / (abs(x) + 1).")
unary("sparse_plus", "SparsePlus", rules.floats, "The sparse softplus.")
unary("sparse_sigmoid", "SparseSigmoid", rules.floats, "The derivative of `sparse_plus`.")
unary("tanh_shrink", "TanhShrink", rules.floats, "Each element minus its hyperbolic tangent.")


class _Activation(Unary):
    """An activation with a parameter."""

    rule = staticmethod(rules.floats)


class Celu(_Activation, name="celu"):
    """The continuously differentiable exponential linear unit."""

    alpha: float = arg(Float(), default=1.0)


class Elu(_Activation, name="elu"):
    """The exponential linear unit."""

    alpha: float = arg(Float(), default=1.0)


class Gelu(_Activation, name="gelu"):
    """The Gaussian error linear unit."""

    approximate: bool = arg(BOOL, default=True)


class HardShrink(_Activation, name="hard_shrink"):
    """Each element beyond a threshold, zero elsewhere."""

    threshold: float = arg(Float(), default=0.5)


class LeakyRelu(_Activation, name="leaky_relu"):
    """Each element where it is positive, a part of it elsewhere."""

    rule = staticmethod(rules.as_float_numbers)

    negative_slope: float = arg(Float(), default=0.2)


class SoftShrink(_Activation, name="soft_shrink"):
    """Each element brought nearer to zero by a threshold."""

    threshold: float = arg(Float(), default=0.5)


class Squareplus(_Activation, name="squareplus"):
    """A smooth `relu` made of a square root."""

    b: float = arg(Float(), default=4)


class Threshold(_Activation, name="threshold"):
    """Each element above a threshold, another number elsewhere."""

    threshold: float = arg(Float())
    default_value: float = arg(Float())
