"""Activations that are operations on each element of one tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from specc.layers.activation_functions import FUNCTIONS, elu, hard_shrink, soft_shrink
from specc.layers.arguments import BOOL, Float, arg
from specc.lowering import Builder, Value
from specc.ops import rules
from specc.ops.lower import expm1, is_float, kept_between, larger, maximum, single, where
from specc.ops.unary import Unary, element_wise

CUBED = 0.044714998453855515
"""0.044715 as a float32, which TensorFlow makes of it in float64 too."""

unary = partial(element_wise, __name__)


def _relu(op: Builder, x: Value) -> Value:
    return op.Relu(x) if is_float(x) else maximum(op, x, 0)


unary(
    "hard_sigmoid",
    "HardSigmoid",
    rules.floats,
    "A sigmoid of straight lines.",
    FUNCTIONS["hard_sigmoid"],
)
unary(
    "hard_silu hard_swish",
    "HardSilu",
    rules.floats,
    "Each element times its hard sigmoid.",
    FUNCTIONS["hard_silu"],
)
unary(
    "hard_tanh",
    "HardTanh",
    rules.floats,
    "Each element, kept between -1 and 1.",
    FUNCTIONS["hard_tanh"],
)
unary(
    "log_sigmoid",
    "LogSigmoid",
    rules.floats,
    "The logarithm of the sigmoid.",
    FUNCTIONS["log_sigmoid"],
)
unary("relu", "Relu", rules.numbers, "Each element where it is positive, zero elsewhere.", _relu)
unary(
    "relu6",
    "Relu6",
    rules.numbers,
    "As `relu`, and 6 at most.",
    lambda op, x: kept_between(op, x, 0, 6),
)
unary("selu", "Selu", rules.floats, "The scaled exponential linear unit.", FUNCTIONS["selu"])
unary("sigmoid", "Sigmoid", rules.floats, "1 / (1 + exp(-x)).", FUNCTIONS["sigmoid"])
unary("silu swish", "Silu", rules.floats, "Each element times its sigmoid.", FUNCTIONS["silu"])
unary("softplus", "Softplus", rules.floats, "log(exp(x) + 1).", FUNCTIONS["softplus"])
unary("softsign", "Softsign", rules.floats, "x / (abs(x) + 1).", FUNCTIONS["softsign"])
unary("sparse_plus", "SparsePlus", rules.floats, "The sparse softplus.", FUNCTIONS["sparse_plus"])
unary(
    "sparse_sigmoid",
    "SparseSigmoid",
    rules.floats,
    "The derivative of `sparse_plus`.",
    FUNCTIONS["sparse_sigmoid"],
)
unary(
    "tanh_shrink",
    "TanhShrink",
    rules.floats,
    "Each element minus its hyperbolic tangent.",
    FUNCTIONS["tanh_shrink"],
)


class _Activation(Unary):
    """An activation with a parameter."""

    rule = staticmethod(rules.floats)


class Celu(_Activation, name="celu"):
    """The continuously differentiable exponential linear unit."""

    alpha: float = arg(Float(), default=1.0)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if self.alpha > 0 and x.dtype != "float64":  # ONNX has it in float32 alone
            return op.Celu(single(op, x), alpha=self.alpha)
        below = op.Div(op.Min(x, 0.0), self.alpha)
        return op.Add(op.Relu(x), op.Mul(expm1(op, below), self.alpha))


class Elu(_Activation, name="elu"):
    """The exponential linear unit."""

    alpha: float = arg(Float(), default=1.0)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return elu(op, v["x"], self.alpha)


class Gelu(_Activation, name="gelu"):
    """The Gaussian error linear unit."""

    approximate: bool = arg(BOOL, default=True)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if not self.approximate:
            return FUNCTIONS["gelu"](op, x)
        if op.opset >= 20 and x.dtype != "float64":
            return op.Gelu(x, approximate="tanh")
        cube = op.Mul(op.Mul(x, op.Mul(x, x)), CUBED)
        inner = op.Mul(op.Add(x, cube), math.sqrt(2 / math.pi))
        return op.Mul(op.Mul(x, 0.5), op.Add(op.Tanh(inner), 1.0))


class HardShrink(_Activation, name="hard_shrink"):
    """Each element beyond a threshold, zero elsewhere."""

    threshold: float = arg(Float(), default=0.5)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return hard_shrink(op, v["x"], self.threshold)


class LeakyRelu(_Activation, name="leaky_relu"):
    """Each element where it is positive, a part of it elsewhere."""

    rule = staticmethod(rules.as_float_numbers)

    negative_slope: float = arg(Float(), default=0.2)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return op.LeakyRelu(self.cast_for(op, v["x"]), alpha=self.negative_slope)


class SoftShrink(_Activation, name="soft_shrink"):
    """Each element brought nearer to zero by a threshold."""

    threshold: float = arg(Float(), default=0.5)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if self.threshold >= 0:
            return soft_shrink(op, x, self.threshold)
        # Every number is beyond one of the two, and some beyond both.
        up, down = op.Add(x, self.threshold), op.Sub(x, self.threshold)
        return where(op, larger(op, x, self.threshold), down, up)


class Squareplus(_Activation, name="squareplus"):
    """A smooth `relu` made of a square root."""

    b: float = arg(Float(), default=4)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        return op.Mul(op.Add(x, op.Sqrt(op.Add(op.Mul(x, x), self.b))), 0.5)


class Threshold(_Activation, name="threshold"):
    """Each element above a threshold, another number elsewhere."""

    threshold: float = arg(Float())
    default_value: float = arg(Float())

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return where(op, larger(op, v["x"], self.threshold), v["x"], self.default_value)
