"""ReLU, LeakyReLU, ELU, Softmax, PReLU: activations with arguments of their own.

Keras says float32 for the outputs of these on whole numbers too; inferred is what it computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activation_functions import elu, relu
from specc.layers.arguments import (
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Axes,
    Float,
    KerasObject,
    Kind,
    Optional,
    arg,
)
from specc.layers.base import (
    TENSOR,
    Layer,
    Weight,
    Weights,
    known_size,
    require_axes,
    require_float,
)
from specc.lowering import Builder, Value, Values, calculable, where
from specc.types import BATCH, FLOAT_DTYPES, TensorType


class ReLU(Layer):
    """Zero below the threshold; with a slope there, a line.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> ReLU(max_value=6) -> float32[8]
    """

    supports_masking = True

    numbers_to_float32 = True

    max_value: float | None = arg(Optional(Float(at_least=0)), default=None)
    negative_slope: float = arg(Float(at_least=0), default=0.0)
    threshold: float = arg(Float(at_least=0), default=0.0)

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype == "bool":
            raise Refused(errors.dtype_refused, "numbers")
        if self.negative_slope:
            if self.threshold or self.max_value is not None:
                require_float(x)
            return TensorType("float32", x.shape)
        if self.threshold and x.dtype == "uint64":
            return TensorType("uint32", x.shape)
        return x

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if x.dtype not in FLOAT_DTYPES:
            return self._of_whole_numbers(op, x)
        slope, most = self.negative_slope, self.max_value
        if self.threshold:
            y = op.ThresholdedRelu(x, alpha=self.threshold)
            y = y if most is None else op.Min(y, most)
            below = op.Relu(op.Sub(self.threshold, x)) if slope else None
            return y if below is None else op.Sub(y, op.Mul(below, slope))
        if slope:
            y = op.LeakyRelu(x, alpha=slope)
            return y if most is None else op.Min(y, most)
        return op.Relu(x) if most is None else op.Clip(x, 0, most)

    def _of_whole_numbers(self, op: Builder, x: Value) -> Value:
        """The bounds are whole numbers as well, cut off; with a slope there can be none."""
        if self.negative_slope:
            return op.LeakyRelu(op.cast(x, "float32"), alpha=self.negative_slope)
        if self.threshold:
            x = calculable(op, x)
            above = op.Greater(x, int(self.threshold), dtype="bool")
            y = where(op, above, x, 0)
        else:
            y = relu(op, x)
        return y if self.max_value is None else op.Min(y, int(self.max_value))


class LeakyReLU(Layer):
    """A line of another slope below zero.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> LeakyReLU(0.1) -> float32[8]
    """

    supports_masking = True

    numbers_to_float32 = True

    former_arguments: ClassVar[Mapping[str, str]] = {"alpha": "negative_slope"}

    negative_slope: float = arg(Float(at_least=0), default=0.3)

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype == "bool":
            raise Refused(errors.dtype_refused, "numbers")
        return TensorType("float32", x.shape)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        x = x if x.dtype in FLOAT_DTYPES else op.cast(x, "float32")
        return op.LeakyRelu(x, alpha=self.negative_slope)


class ELU(Layer):
    """`alpha * (exp(x) - 1)` below zero.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> ELU -> float32[8]
    """

    supports_masking = True

    alpha: float = arg(Float(), default=1.0)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return x

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return elu(op, x, self.alpha)


class Softmax(Layer):
    """Positive numbers that add up to 1 along the axis.

    Shapes: (*any) -> (*any)

    Example: float32[4, 10] -> Softmax(axis=-1) -> float32[4, 10]
    """

    supports_masking = True

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL, "mask": TENSOR}

    axis: int | tuple[int, ...] = arg(Axes(), default=-1)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        require_axes("axis", self.axis, x.rank + 1)
        return x

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        mask = call.get("mask")
        if mask is None:
            return
        whole, sizes = inputs[0].whole_shape, mask.whole_shape
        stretches = len(sizes) <= len(whole) and all(
            a in (1, b) or (None in (a, b) and BATCH not in (a, b))
            for a, b in zip(reversed(sizes), reversed(whole), strict=False)
        )
        if not stretches:
            expected = TensorType("bool", inputs[0].shape)
            raise Refused(errors.call_argument_refused, "mask", [mask], [expected])

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if x.mask is None:
            return softmax(op, x, self.axis)
        return masked_softmax(op, x, x.mask, self.axis)


def softmax(op: Builder, x: Value, axis: int | tuple[int, ...]) -> Value:
    first, *others = axis if isinstance(axis, tuple) else (axis,)
    if not others:
        return op.Softmax(x, axis=first)
    return op.Exp(op.Sub(x, op.ReduceLogSumExp(x, [first, *others], keepdims=1)))


def masked_softmax(op: Builder, x: Value, mask: Value, axis: int | tuple[int, ...]) -> Value:
    """Softmax of what a mask, which may stretch, is True for; 0 where it is True for nothing."""
    shown = mask if mask.dtype == "bool" else op.Greater(mask, 0.5, dtype="bool")
    return where(op, shown, softmax(op, hidden(op, x, shown), axis), 0)


def hidden(op: Builder, scores: Value, shown: Value) -> Value:
    """Scores of which softmax leaves nothing where a mask is False, if it is True anywhere.

    Where it is not, softmax gives equal shares. Keras has several large numbers to put here, and
    all come to this.
    """
    return where(op, shown, scores, -3e4 if scores.dtype == "float16" else -1e9)


class PReLU(Layer):
    """A line of a learned slope below zero.

    Shapes:  (*any) -> (*any)
    Weights: alpha (*any), with 1 for the shared axes

    Example: float32[16, 16, 3] -> PReLU(shared_axes=(1, 2)) -> float32[16, 16, 3]
    """

    supports_masking = True

    alpha_initializer: str | KerasObject = arg(INITIALIZER, default="Zeros")
    alpha_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    alpha_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    shared_axes: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return x

    def weights(self, x: TensorType) -> Weights:
        shared = self.shared_axes if isinstance(self.shared_axes, tuple) else (self.shared_axes,)
        for axis in shared:
            # Keras counts from the axis after the batch axis, and takes 0 for the last one.
            if axis is not None and not 1 <= axis <= x.rank:
                raise Refused(errors.axis_out_of_range, "shared_axes", axis, x.rank + 1)
        sizes = [1 if i + 1 in shared else known_size(x, i) for i in range(x.rank)]
        return (Weight("alpha", tuple(sizes)),)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return op.PRelu(x, w["alpha"])
