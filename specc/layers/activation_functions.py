"""Keras's activation functions in ONNX, for `activation=` arguments and `Activation`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from specc.lowering import Builder, Value, calculable, where
from specc.types import FLOAT_DTYPES

SELU_ALPHA, SELU_GAMMA = 1.6732632423543772, 1.0507009873554805

NOT_ELEMENTWISE = ("log_softmax", "softmax", "sparsemax")
"""Those that work on the last axis as a whole."""


def activated(op: Builder, activation: Any, x: Value) -> Value:
    """What an `activation` argument makes of a value: a name, a layer, or None.

    Of `x` only the dtype is known here; softmax and its like work on the last axis.
    """
    if activation is None:
        return x
    if isinstance(activation, str):
        return FUNCTIONS[activation](op, x)
    return activation.onnx(op, x, {})


def relu(op: Builder, x: Value) -> Value:
    if x.dtype in FLOAT_DTYPES:
        return op.Relu(x)
    return op.Max(calculable(op, x), 0)


def _has(x: Value, *parameters: float) -> bool:
    """Whether an operator, whose attributes have 32 bits, computes with these parameters as
    exactly as `x` is given.
    """
    if x.dtype != "float64":
        return True
    try:
        return all(struct.unpack("f", struct.pack("f", p))[0] == p for p in parameters)
    except OverflowError:
        return False


def elu(op: Builder, x: Value, alpha: float) -> Value:
    if _has(x, alpha):
        return op.Elu(x, alpha=alpha)
    return op.Add(op.Relu(x), op.Mul(op.Elu(op.Min(x, 0.0), alpha=1.0), alpha))


def hard_shrink(op: Builder, x: Value, threshold: float) -> Value:
    if x.dtype != "float64":  # of which onnxruntime 1.26 shrinks no more than 32 bits
        return op.Shrink(x, lambd=threshold, bias=0.0)
    return where(op, op.Greater(op.Abs(x), threshold, dtype="bool"), x, 0.0)


def soft_shrink(op: Builder, x: Value, threshold: float) -> Value:
    """For a threshold that is not below zero."""
    if x.dtype != "float64":
        return op.Shrink(x, lambd=threshold, bias=threshold)
    return op.Sub(x, op.Clip(x, -threshold, threshold))


def _selu(op: Builder, x: Value) -> Value:
    if _has(x, SELU_ALPHA, SELU_GAMMA):
        return op.Selu(x, alpha=SELU_ALPHA, gamma=SELU_GAMMA)
    return op.Mul(elu(op, x, SELU_ALPHA), SELU_GAMMA)


def _relu6(op: Builder, x: Value) -> Value:
    return op.Clip(x, 0, 6)


def _hard_sigmoid(op: Builder, x: Value) -> Value:
    if _has(x, 1 / 6):
        return op.HardSigmoid(x, alpha=1 / 6, beta=0.5)
    return op.Div(op.Clip(op.Add(x, 3.0), 0.0, 6.0), 6.0)


def _hard_silu(op: Builder, x: Value) -> Value:
    return op.Mul(x, _hard_sigmoid(op, x))


def _gelu(op: Builder, x: Value) -> Value:
    """The exact one, which is Keras's default."""
    if op.opset >= 20:
        return op.Gelu(x, approximate="none")
    half = op.Mul(x, 0.5)
    return op.Mul(half, op.Add(op.Erf(op.Mul(x, 0.5**0.5)), 1.0))


def _log_sigmoid(op: Builder, x: Value) -> Value:
    return op.Neg(op.Softplus(op.Neg(x)))


def _silu(op: Builder, x: Value) -> Value:
    return op.Mul(x, op.Sigmoid(x))


def _squareplus(op: Builder, x: Value) -> Value:
    """Half of `x + sqrt(x ** 2 + 4)`, Keras's b being 4."""
    root = op.Sqrt(op.Add(op.Mul(x, x), 4.0))
    return op.Mul(op.Add(x, root), 0.5)


def _sparse_sigmoid(op: Builder, x: Value) -> Value:
    return op.HardSigmoid(x, alpha=0.5, beta=0.5)


def _sparse_plus(op: Builder, x: Value) -> Value:
    """The integral of `sparse_sigmoid`, a parabola from -1 to 1.

    It touches the line `x` at 1 and is above it before; beyond 1 the square stays at 1.
    """
    half = _sparse_sigmoid(op, x)
    return op.Max(x, op.Mul(half, half))


def _sparsemax(op: Builder, x: Value) -> Value:
    """What is above a threshold that depends on the largest numbers, the support.

    The threshold of sparsemax is `(the sum of the support - 1) / its size`. Keras takes the sum
    of all partial sums of the support in the place of its sum, and so does this.
    """
    size, one = op.size(x, -1), op.constant(1, "int64")
    largest, _ = op.TopK(x, size, axis=-1, outputs=2)
    sums = op.CumSum(largest, op.constant(-1, "int64"))
    places = op.cast(op.Range(one, op.Add(op.Squeeze(size), 1), one), x.dtype)
    supports = op.Greater(op.Mul(places, largest), op.Sub(sums, 1.0), dtype="bool")
    supports = op.cast(supports, x.dtype)
    total = op.ReduceSum(op.Mul(sums, supports), [-1], keepdims=1)
    count = op.ReduceSum(supports, [-1], keepdims=1)
    return op.Relu(op.Sub(x, op.Div(op.Sub(total, 1.0), count)))


def _tanh_shrink(op: Builder, x: Value) -> Value:
    return op.Sub(x, op.Tanh(x))


FUNCTIONS: dict[str, Callable[[Builder, Value], Value]] = {
    "celu": lambda op, x: op.Elu(x, alpha=1.0),  # Which it is; `Celu` itself is of float32 alone.
    "elu": lambda op, x: elu(op, x, 1.0),
    "exponential": lambda op, x: op.Exp(x),
    "gelu": _gelu,
    "hard_shrink": lambda op, x: hard_shrink(op, x, 0.5),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "hard_tanh": lambda op, x: op.Clip(x, -1.0, 1.0),
    "leaky_relu": lambda op, x: op.LeakyRelu(x, alpha=0.2),
    "linear": lambda _, x: x,
    "log_sigmoid": _log_sigmoid,
    "log_softmax": lambda op, x: op.LogSoftmax(x, axis=-1),
    "mish": lambda op, x: op.Mish(x),
    "relu": relu,
    "relu6": _relu6,
    "selu": _selu,
    "sigmoid": lambda op, x: op.Sigmoid(x),
    "silu": _silu,
    "soft_shrink": lambda op, x: soft_shrink(op, x, 0.5),
    "softmax": lambda op, x: op.Softmax(x, axis=-1),
    "softplus": lambda op, x: op.Softplus(x),
    "softsign": lambda op, x: op.Softsign(x),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "sparsemax": _sparsemax,
    "squareplus": _squareplus,
    "swish": _silu,
    "tanh": lambda op, x: op.Tanh(x),
    "tanh_shrink": _tanh_shrink,
}
"""By the names of `names.ACTIVATIONS`."""
