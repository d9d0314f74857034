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
from specc.layers.base import (
    Layer,
    Weight,
    Weights,
    join_channels,
    known_size,
    require_float,
    spatial_axis,
    split_channels,
    window_output,
)
from specc.layers.lora import ALPHA, RANK, adapted, refuse_constraint
from specc.types import Dimension, TensorType

SPATIAL_AXES = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class _Windowed(Layer):
    """What all convolutions have in common; each class lists its arguments itself."""

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str | None
    dilation_rate: tuple[int, ...]
    use_bias: bool

    def validate(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise Refused(
                errors.arguments_conflict,
                "dilation_rate",
                f"with strides {self.strides}, there can be no dilation",
            )

    def split(self, x: TensorType) -> tuple[tuple[Dimension, ...], Dimension]:
        return split_channels(x, self.data_format, *SPATIAL_AXES[len(self.kernel_size)])

    def known_channels(self, x: TensorType) -> int:
        self.split(x)
        return known_size(x, 0 if self.data_format == "channels_first" else -1)

    def convolved(self, x: TensorType, channels: int) -> TensorType:
        """The output for a window that moves over the input."""
        spatial, _ = self.split(x)
        require_float(x)
        sizes: list[Dimension] = []
        for i, size in enumerate(spatial):
            window = self.dilation_rate[i] * (self.kernel_size[i] - 1) + 1
            output = window_output(size, window, self.strides[i], self.padding != "valid")
            if output == 0 and isinstance(size, int):
                axis = spatial_axis(i, self.data_format)
                raise Refused(errors.window_too_large, "kernel_size", axis, window, size)
            sizes.append(output)
        return x.with_shape(*join_channels(tuple(sizes), channels, self.data_format))

    def with_bias(self, size: int, *kernels: Weight) -> Weights:
        return (*kernels, Weight("bias", (size,))) if self.use_bias else kernels


class Conv1D(_Windowed):
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


class DepthwiseConv1D(_Windowed):
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


class SeparableConv1D(_Windowed):
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


class _Transposed(_Windowed):
    """What the transposes have in common."""

    filters: int
    output_padding: tuple[int, ...] | None

    def validate(self) -> None:
        super().validate()
        for extra, stride in zip(self.output_padding or (), self.strides, strict=False):
            if extra >= stride:
                raise Refused(
                    errors.arguments_conflict,
                    "output_padding",
                    f"must be less than the stride, which is {stride}",
                )

    def infer(self, x: TensorType) -> TensorType:
        spatial, _ = self.split(x)
        require_float(x)
        sizes = tuple(self._spread(i, size) for i, size in enumerate(spatial))
        return x.with_shape(*join_channels(sizes, self.filters, self.data_format))

    def weights(self, x: TensorType) -> Weights:
        shape = (*self.kernel_size, self.filters, self.known_channels(x))
        return self.with_bias(self.filters, Weight("kernel", shape))

    def _spread(self, i: int, size: Dimension) -> Dimension:
        stride = self.strides[i]
        window = self.dilation_rate[i] * (self.kernel_size[i] - 1) + 1
        extra = self.output_padding[i] if self.output_padding else None
        if self.padding == "same" and extra is None:
            if isinstance(size, int):
                return size * stride
            return size if stride == 1 else None
        if not isinstance(size, int):
            return None
        if self.padding == "same":
            return (size - 1) * stride + window % 2 + (extra or 0)
        return (size - 1) * stride + (max(window, stride) if extra is None else window + extra)


class Conv1DTranspose(_Transposed):
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


class Conv3DTranspose(_Transposed):
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
