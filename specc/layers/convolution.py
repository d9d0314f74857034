"""Conv1D, Conv2D, Conv3D and their depthwise, separable and transposed relatives.

With `data_format="channels_first"` the channels stand before the spatial axes.
"""

from __future__ import annotations

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    DATA_FORMAT,
    INITIALIZER,
    REGULARIZER,
    AnyCase,
    Int,
    KerasObject,
    Optional,
    Sizes,
    arg,
)
from specc.layers.base import Layer, Weight, Weights
from specc.layers.lora import ALPHA, RANK, adapted, merged, refuse_constraint
from specc.layers.windowed import Transposed, Windowed, kernel_and_bias
from specc.lowering import Builder, Value, Values, folded
from specc.types import TensorType


class Conv1D(Windowed):
    """Convolution over steps.

    Shapes:  (steps, channels) -> (windows, filters)
    Weights: kernel (*kernel_size, channels / groups, filters); bias (filters,) if use_bias;
             lora_kernel_a (*kernel_size, channels / groups, lora_rank) and
             lora_kernel_b (lora_rank, filters) if lora_rank

    Example: float32[100, 8] -> Conv1D(16, 5, padding="causal") -> float32[100, 16]
    """

    tf2onnx_limits = "but for `groups` above 1"

    filters: int = arg(Int(at_least=1))
    kernel_size: tuple[int, ...] = arg(Sizes(1))
    strides: tuple[int, ...] = arg(Sizes(1), default=1)
    padding: str = arg(AnyCase("valid", "same", "causal"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(1), default=1)
    groups: int = arg(Int(at_least=1), default=1)
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    lora_rank: int | None = arg(RANK, default=None, by_name=True)
    lora_alpha: float | None = arg(ALPHA, default=None, by_name=True)

    def validate(self) -> None:
        super().validate()
        refuse_constraint("kernel_constraint", self.kernel_constraint, self.lora_rank)
        if self.filters % self.groups:
            raise Refused(
                errors.arguments_conflict,
                "groups",
                f"{self.filters} filters cannot be split into {self.groups} groups",
            )

    def infer(self, x: TensorType) -> TensorType:
        return self.convolved(x, self.filters)

    def weights(self, x: TensorType) -> Weights:
        channels = self.known_channels(x)
        if channels % self.groups:
            raise Refused(
                errors.arguments_conflict,
                "groups",
                f"{channels} channels cannot be split into {self.groups} groups",
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        return adapted(self.with_bias(self.filters, Weight("kernel", shape)), self.lora_rank)

    def convolve(self, op: Builder, x: Value, type_: TensorType, w: Values) -> Value:
        # Other layers of Keras leave `lora_alpha` aside; these do not.
        rank = self.lora_rank or 1
        alpha = rank if self.lora_alpha is None else self.lora_alpha
        kernel = merged(op, w, "kernel", alpha / rank)
        return self.conv(op, x, type_, kernel, w.get("bias"), self.groups)

    def folds_before(self, x: TensorType, has_offset: bool) -> int | None:
        return None if self.lora_rank else super().folds_before(x, has_offset)

    def folds_after(self, y: TensorType) -> int | None:
        return None if self.lora_rank else super().folds_after(y)

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        # Of a kernel (*kernel_size, channels / groups, filters), group by group.
        whole = [*self.kernel_size, -1, self.filters]
        split = [*whole[:-1], self.groups, self.filters // self.groups]
        kernel = op.reshape(w["kernel"], split)
        scaled = op.reshape(op.Mul(kernel, self._by_group(op, scale)), whole)
        moved = None
        if offset is not None:
            axes = list(range(len(self.kernel_size) + 1))
            moved = op.ReduceSum(op.Mul(kernel, self._by_group(op, offset)), axes, keepdims=0)
            moved = op.reshape(moved, [-1])
        return folded(op, {"kernel": scaled}, w.get("bias"), moved)

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        bias = None if "bias" not in w else op.Mul(w["bias"], scale)
        return folded(op, {"kernel": op.Mul(w["kernel"], scale)}, bias, offset)

    def _by_group(self, op: Builder, vector: Value) -> Value:
        """A number for each channel, as (channels / groups, groups, 1)."""
        return op.Unsqueeze(op.Transpose(op.reshape(vector, [self.groups, -1]), perm=[1, 0]), [2])


class Conv2D(Conv1D):
    """Convolution over images.

    Shapes:  (height, width, channels) -> (rows, columns, filters)
    Weights: kernel (*kernel_size, channels / groups, filters); bias (filters,) if use_bias;
             lora_kernel_a (*kernel_size, channels / groups, lora_rank) and
             lora_kernel_b (lora_rank, filters) if lora_rank

    Example: float32[28, 28, 3] -> Conv2D(16, 3, strides=2, padding="same") -> float32[14, 14, 16]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(2))
    strides: tuple[int, ...] = arg(Sizes(2), default=(1, 1))
    padding: str = arg(AnyCase("valid", "same"), default="valid")
    dilation_rate: tuple[int, ...] = arg(Sizes(2), default=(1, 1))


class Conv3D(Conv2D):
    """Convolution over volumes.

    Shapes:  (depth, height, width, channels) -> (layers, rows, columns, filters)
    Weights: kernel (*kernel_size, channels / groups, filters); bias (filters,) if use_bias;
             lora_kernel_a (*kernel_size, channels / groups, lora_rank) and
             lora_kernel_b (lora_rank, filters) if lora_rank

    Example: float32[16, 16, 16, 1] -> Conv3D(8, 3) -> float32[14, 14, 14, 8]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(3))
    strides: tuple[int, ...] = arg(Sizes(3), default=(1, 1, 1))
    dilation_rate: tuple[int, ...] = arg(Sizes(3), default=(1, 1, 1))


class DepthwiseConv1D(Windowed):
    """Convolution over steps, each channel by itself.

    Shapes:  (steps, channels) -> (windows, channels * depth_multiplier)
    Weights: kernel (*kernel_size, channels, depth_multiplier);
             bias (channels * depth_multiplier,) if use_bias

    Example: float32[100, 8] -> DepthwiseConv1D(5, depth_multiplier=2) -> float32[96, 16]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(1))
    strides: tuple[int, ...] = arg(Sizes(1), default=1)
    padding: str = arg(AnyCase("valid", "same"), default="valid")
    depth_multiplier: int = arg(Int(at_least=1), default=1)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(1), default=1)
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    use_bias: bool = arg(BOOL, default=True)
    depthwise_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    depthwise_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    depthwise_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return self.convolved(x, self.known_channels(x) * self.depth_multiplier)

    def weights(self, x: TensorType) -> Weights:
        channels = self.known_channels(x)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        kernel = Weight("kernel", shape, arguments="depthwise")
        return self.with_bias(channels * self.depth_multiplier, kernel)

    def convolve(self, op: Builder, x: Value, type_: TensorType, w: Values) -> Value:
        kernel = op.reshape(w["kernel"], [*self.kernel_size, 1, -1])
        return self.conv(op, x, type_, kernel, w.get("bias"), self.known_channels(type_))

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        kernel = w["kernel"]
        scaled = op.Mul(kernel, op.Unsqueeze(scale, [1]))
        moved = None if offset is None else moved_by(op, kernel, offset, len(self.kernel_size))
        return folded(op, {"kernel": scaled}, w.get("bias"), moved)

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        by_channel = op.reshape(scale, [-1, self.depth_multiplier])
        bias = None if "bias" not in w else op.Mul(w["bias"], scale)
        return folded(op, {"kernel": op.Mul(w["kernel"], by_channel)}, bias, offset)


def moved_by(op: Builder, kernel: Value, offset: Value, axes: int) -> Value:
    """What a depthwise kernel makes of an input that is an offset everywhere."""
    products = op.Mul(kernel, op.Unsqueeze(offset, [1]))
    return op.reshape(op.ReduceSum(products, list(range(axes)), keepdims=0), [-1])


class DepthwiseConv2D(DepthwiseConv1D):
    """Convolution over images, each channel by itself.

    Shapes:  (height, width, channels) -> (rows, columns, channels * depth_multiplier)
    Weights: kernel (*kernel_size, channels, depth_multiplier);
             bias (channels * depth_multiplier,) if use_bias

    Example: float32[28, 28, 8] -> DepthwiseConv2D(3, padding="same") -> float32[28, 28, 8]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(2))
    strides: tuple[int, ...] = arg(Sizes(2), default=(1, 1))
    dilation_rate: tuple[int, ...] = arg(Sizes(2), default=(1, 1))


class SeparableConv1D(Windowed):
    """A depthwise convolution, then a mix of the channels.

    Shapes:  (steps, channels) -> (windows, filters)
    Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier); pointwise_kernel
             (1, channels * depth_multiplier, filters); bias (filters,) if use_bias

    Example: float32[100, 8] -> SeparableConv1D(16, 5) -> float32[96, 16]
    """

    filters: int = arg(Int(at_least=1))
    kernel_size: tuple[int, ...] = arg(Sizes(1))
    strides: tuple[int, ...] = arg(Sizes(1), default=1)
    padding: str = arg(AnyCase("valid", "same"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(1), default=1)
    depth_multiplier: int = arg(Int(at_least=1), default=1)
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    use_bias: bool = arg(BOOL, default=True)
    depthwise_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    pointwise_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    depthwise_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    pointwise_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    depthwise_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    pointwise_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return self.convolved(x, self.filters)

    def weights(self, x: TensorType) -> Weights:
        channels = self.known_channels(x)
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        ones = (1,) * len(self.kernel_size)
        pointwise = (*ones, channels * self.depth_multiplier, self.filters)
        return self.with_bias(
            self.filters,
            Weight("depthwise_kernel", depthwise, arguments="depthwise"),
            Weight("pointwise_kernel", pointwise, arguments="pointwise"),
        )

    def convolve(self, op: Builder, x: Value, type_: TensorType, w: Values) -> Value:
        axes = len(self.kernel_size)
        depthwise = op.reshape(w["depthwise_kernel"], [*self.kernel_size, 1, -1])
        y = self.conv(op, x, type_, depthwise, None, self.known_channels(type_))
        return op.Conv(y, *kernel_and_bias(op, w["pointwise_kernel"], w.get("bias"), axes))

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        kernel = w["depthwise_kernel"]
        scaled = op.Mul(kernel, op.Unsqueeze(scale, [1]))
        moved = None
        if offset is not None:
            mixed = op.reshape(w["pointwise_kernel"], [-1, self.filters])
            moved = op.MatMul(moved_by(op, kernel, offset, len(self.kernel_size)), mixed)
        return folded(op, {"depthwise_kernel": scaled}, w.get("bias"), moved)

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        bias = None if "bias" not in w else op.Mul(w["bias"], scale)
        kernel = op.Mul(w["pointwise_kernel"], scale)
        return folded(op, {"pointwise_kernel": kernel}, bias, offset)


class SeparableConv2D(SeparableConv1D):
    """A depthwise convolution, then a mix of the channels.

    Shapes:  (height, width, channels) -> (rows, columns, filters)
    Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier); pointwise_kernel
             (1, 1, channels * depth_multiplier, filters); bias (filters,) if use_bias

    Example: float32[28, 28, 8] -> SeparableConv2D(16, 3) -> float32[26, 26, 16]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(2))
    strides: tuple[int, ...] = arg(Sizes(2), default=(1, 1))
    dilation_rate: tuple[int, ...] = arg(Sizes(2), default=(1, 1))


class Conv1DTranspose(Transposed):
    """The transpose of a convolution: each step spreads over a window of the output.

    Shapes:  (steps, channels) -> (steps * stride and more, filters)
    Weights: kernel (*kernel_size, filters, channels); bias (filters,) if use_bias

    Example: float32[50, 8] -> Conv1DTranspose(4, 3, strides=2, padding="same") -> float32[100, 4]
    """

    filters: int = arg(Int(at_least=1))
    kernel_size: tuple[int, ...] = arg(Sizes(1))
    strides: tuple[int, ...] = arg(Sizes(1), default=1)
    padding: str = arg(AnyCase("valid", "same"), default="valid")
    output_padding: tuple[int, ...] | None = arg(Optional(Sizes(1, at_least=0)), default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(1), default=1)
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)


class Conv2DTranspose(Conv1DTranspose):
    """The transpose of a convolution: each pixel spreads over a window of the output.

    Shapes:  (height, width, channels) -> (height * stride and more, width * stride ..., filters)
    Weights: kernel (*kernel_size, filters, channels); bias (filters,) if use_bias

    Example: float32[7, 7, 8] -> Conv2DTranspose(4, 3, strides=2) -> float32[15, 15, 4]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(2))
    strides: tuple[int, ...] = arg(Sizes(2), default=(1, 1))
    output_padding: tuple[int, ...] | None = arg(Optional(Sizes(2, at_least=0)), default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(2), default=(1, 1))


class Conv3DTranspose(Transposed):
    """The transpose of a convolution: each voxel spreads over a window of the output.

    Shapes:  (depth, height, width, channels)
             -> (depth * stride and more, height * stride ..., width * stride ..., filters)
    Weights: kernel (*kernel_size, filters, channels); bias (filters,) if use_bias

    Example: float32[4, 4, 4, 8] -> Conv3DTranspose(4, 3, strides=2) -> float32[9, 9, 9, 4]
    """

    # Here `output_padding` comes after `data_format`.
    filters: int = arg(Int(at_least=1))
    kernel_size: tuple[int, ...] = arg(Sizes(3))
    strides: tuple[int, ...] = arg(Sizes(3), default=(1, 1, 1))
    padding: str = arg(AnyCase("valid", "same"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)
    output_padding: tuple[int, ...] | None = arg(Optional(Sizes(3, at_least=0)), default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(3), default=(1, 1, 1))
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
