"""Operations that neural networks are made of: softmax and its kin, windows, normalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import dtype_refused, size_needed, window_too_large
from specc.diagnostics.place import Refused
from specc.layers.arguments import DATA_FORMAT, Axes, Choice, Int, Optional, arg
from specc.layers.base import join_channels, spatial_axis, window_output
from specc.layers.layouts import axis_to_back, axis_to_front, channel_axis
from specc.layers.pooling import max_pool
from specc.layers.windowed import kernel_and_bias, padding_of
from specc.lowering import Builder, Value
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import TENSOR, AnySizes, Positive
from specc.ops.lower import flat, larger, norm, places, rank_of, reduce, size_at, where
from specc.ops.rules import Rule
from specc.ops.shapes import replaced, require_rank, result, sample_axes, sample_axis
from specc.types import Dimension, TensorType


class Softmax(Operation, name="softmax"):
    """Positive numbers that add up to one along an axis; Keras cannot run several axes."""

    x: TensorType = arg(TENSOR)
    axis: int | None = arg(Optional(Int()), default=-1)

    operator: ClassVar[str] = "Softmax"
    """Of ONNX."""

    def infer(self) -> TensorType:
        rules.floats(self.x.dtype)
        sample_axes("axis", self.axis, self.x)
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if self.axis is not None:
            return getattr(op, self.operator)(x, axis=self.axis)
        row = getattr(op, self.operator)(flat(op, x), axis=0)
        return op.Reshape(row, op.Shape(x, dtype="int64"))


class LogSoftmax(Softmax, name="log_softmax"):
    """The logarithm of `softmax`."""

    operator = "LogSoftmax"


class Sparsemax(Operation, name="sparsemax"):
    """As `softmax`, with zeros for small numbers; not in float16."""

    x: TensorType = arg(TENSOR)
    axis: int = arg(Int(), default=-1)

    def infer(self) -> TensorType:
        rules.floats(self.x.dtype)
        if self.x.dtype == "float16":
            # TensorFlow has no range of it in a graph.
            raise Refused(dtype_refused, "floating-point numbers other than float16")
        sample_axis("axis", self.axis, self.x)
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        """As Keras reckons the threshold, from sums of sums; so what is left adds up to less."""
        x, axis = v["x"], self.axis % rank_of(self.x)
        ordered, _ = op.TopK(x, op.size(x, axis), axis=axis, outputs=2)
        sums = op.CumSum(ordered, op.constant(axis, "int64"))
        counts = op.cast(op.Add(places(op, x, axis), 1), x.dtype)
        stays = larger(op, ordered, op.Div(op.Sub(sums, 1.0), counts))
        count = reduce(op, "ReduceSum", op.cast(stays, x.dtype), [axis], keepdims=True)
        total = reduce(op, "ReduceSum", where(op, stays, sums, 0.0), [axis], keepdims=True)
        return op.Relu(op.Sub(x, op.Div(op.Sub(total, 1.0), count)))


class Glu(Operation, name="glu"):
    """One half along an axis, times the sigmoid of the other."""

    x: TensorType = arg(TENSOR)
    axis: int = arg(Int(), default=-1)

    def infer(self) -> TensorType:
        rules.floats(self.x.dtype)
        axis = sample_axis("axis", self.axis, self.x)
        shape = self.x.whole_shape
        size = shape[axis]
        if isinstance(size, int) and size % 2:
            raise Refused(errors.does_not_divide, "axis", axis, size, 2)
        half = size // 2 if isinstance(size, int) else None
        return result(self.x.dtype, replaced(shape, axis, half))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        kept, gate = op.Split(v["x"], axis=self.axis, num_outputs=2, outputs=2)
        return op.Mul(kept, op.Sigmoid(gate))


class Normalize(Operation, name="normalize"):
    """The tensor divided by its norm along axes."""

    x: TensorType = arg(TENSOR)
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=-1)
    order: int = arg(Int(at_least=1), default=2)
    epsilon: float | None = arg(Optional(Positive()), default=None)

    def infer(self) -> TensorType:
        rules.floats(self.x.dtype)
        require_rank(self.x, 1)
        count = len(sample_axes("axis", self.axis, self.x))
        if self.axis is not None and (count > 2 or (count == 2 and self.order > 2)):
            raise Refused(errors.not_together, "order", "axis")
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        axes = sample_axes("axis", self.axis, self.x)
        # Of two axes as well, order 2 is the root of the sum of squares here.
        order = None if self.order == 2 else self.order
        length = norm(op, v["x"], order, axes, keepdims=True)
        return op.Div(v["x"], op.Max(length, 1e-7 if self.epsilon is None else self.epsilon))


# ---------------------------------------------------------------------- windows


class _Windowed(Operation):
    """What goes over the inner axes of a tensor window by window."""

    rule: ClassVar[Rule] = staticmethod(rules.floats)

    @staticmethod
    def split(x: TensorType, data_format: str | None) -> tuple[tuple[Dimension, ...], Dimension]:
        """The inner sizes and the channels of a batch with one to three inner axes."""
        if not x.batched or not 2 <= x.rank <= 4:
            raise Refused(errors.too_few_axes, 3)
        if data_format == "channels_first":
            return x.shape[1:], x.shape[0]
        return x.shape[:-1], x.shape[-1]

    @staticmethod
    def sizes(argument: str, value: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
        """A number for each inner axis."""
        if not isinstance(value, tuple):
            return (value,) * rank
        if len(value) != rank:
            raise Refused(errors.wrong_count, argument, len(value), rank)
        return value

    @staticmethod
    def slide(
        argument: str,
        spatial: tuple[Dimension, ...],
        windows: tuple[int, ...],
        strides: tuple[int, ...],
        padded: bool,
        data_format: str | None,
    ) -> list[Dimension]:
        """How often the window fits along each inner axis."""
        sizes = zip(spatial, windows, strides, strict=True)
        found = [window_output(size, window, stride, padded) for size, window, stride in sizes]
        for index, (size, count) in enumerate(zip(spatial, found, strict=True)):
            if count == 0 and isinstance(size, int):
                axis = spatial_axis(index, data_format)
                raise Refused(window_too_large, argument, axis, windows[index], size)
        return found


class _Pool(_Windowed):
    """What pooling has in common."""

    inputs: TensorType = arg(TENSOR)
    pool_size: int | tuple[int, ...] = arg(AnySizes())
    strides: int | tuple[int, ...] | None = arg(Optional(AnySizes()), default=None)
    padding: str = arg(Choice("valid", "same"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self) -> TensorType:
        spatial, channels = self.split(self.inputs, self.data_format)
        dtype = type(self).rule(self.inputs.dtype)
        windows = self.sizes("pool_size", self.pool_size, len(spatial))
        strides = self.pool_size if self.strides is None else self.strides
        steps = self.sizes("strides", strides, len(spatial))
        padded = self.padding == "same"
        found = self.slide("pool_size", spatial, windows, steps, padded, self.data_format)
        return TensorType(dtype, join_channels(tuple(found), channels, self.data_format))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        spatial, _ = self.split(self.inputs, self.data_format)
        strides = self.pool_size if self.strides is None else self.strides
        windows = self.sizes("pool_size", self.pool_size, len(spatial))
        steps = self.sizes("strides", strides, len(spatial))
        padding = padding_of(spatial, windows, steps, self.padding)
        axis, rank = channel_axis(self.inputs, self.data_format), rank_of(self.inputs)
        x = axis_to_front(op, v["inputs"], axis, rank)
        y = self.pool(op, x, kernel_shape=list(windows), strides=list(steps), **padding)
        return axis_to_back(op, y, axis, rank)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        """ONNX's operator, channels first."""
        raise NotImplementedError


class AveragePool(_Pool, name="average_pool"):
    """The mean of each window."""

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        return op.AveragePool(x, count_include_pad=0, **attributes)


class MaxPool(_Pool, name="max_pool"):
    """The largest element of each window."""

    rule = staticmethod(rules.but(rules.numbers, uint32=None, uint64=None))

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        return max_pool(op, x, **attributes)


class _Convolution(_Windowed):
    """What convolutions have in common."""

    inputs: TensorType = arg(TENSOR)
    kernel: TensorType = arg(TENSOR)
    strides: int | tuple[int, ...] = arg(AnySizes(), default=1)
    padding: str = arg(Choice("valid", "same"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)
    dilation_rate: int | tuple[int, ...] = arg(AnySizes(), default=1)

    def convolve(self, kernel: TensorType, filters: Dimension) -> TensorType:
        """The result for a kernel (*window, channels, filters)."""
        rules.floats(self.inputs.dtype)
        if self.inputs.dtype != kernel.dtype:
            raise Refused(dtype_refused, self.inputs.dtype, 1)
        spatial, channels = self.split(self.inputs, self.data_format)
        rank = len(spatial)
        if kernel.batched or kernel.rank != rank + 2:
            raise Refused(errors.wrong_rank_beside, rank + 2, 1)
        window = [size for size in kernel.shape if isinstance(size, int)]
        if len(window) != rank + 2:
            raise Refused(errors.argument_needed, "kernel")
        *extent, taken, _ = window
        steps = self.sizes("strides", self.strides, rank)
        rates = self.sizes("dilation_rate", self.dilation_rate, rank)
        if max(steps) > 1 and max(rates) > 1:
            raise Refused(errors.not_together, "dilation_rate", "strides")
        self._require_channels(channels, taken)
        windows = tuple(rate * (size - 1) + 1 for size, rate in zip(extent, rates, strict=True))
        padded = self.padding == "same"
        found = self.slide("kernel", spatial, windows, steps, padded, self.data_format)
        return TensorType(self.inputs.dtype, join_channels(tuple(found), filters, self.data_format))

    def convolution(self, op: Builder, x: Value, kernel: Value, groups: int = 1) -> Value:
        """ONNX's operator with a kernel (*window, channels / groups, filters)."""
        spatial, _ = self.split(self.inputs, self.data_format)
        extent = [size for size in self.kernel.shape[:-2] if isinstance(size, int)]
        steps = self.sizes("strides", self.strides, len(spatial))
        rates = self.sizes("dilation_rate", self.dilation_rate, len(spatial))
        windows = [rate * (size - 1) + 1 for size, rate in zip(extent, rates, strict=True)]
        axis, rank = channel_axis(self.inputs, self.data_format), rank_of(self.inputs)
        y = op.Conv(
            axis_to_front(op, x, axis, rank),
            *kernel_and_bias(op, kernel, None, len(spatial)),
            kernel_shape=extent,
            strides=list(steps),
            dilations=list(rates),
            group=groups,
            **padding_of(spatial, windows, steps, self.padding),
        )
        return axis_to_back(op, y, axis, rank)

    def _require_channels(self, channels: Dimension, taken: int) -> None:
        axis = 1 if self.data_format == "channels_first" else self.inputs.rank
        if isinstance(channels, int) and channels != taken:
            raise Refused(
                errors.contraction_differs, (axis, self.kernel.rank - 2), (channels, taken)
            )


class Conv(_Convolution, name="conv"):
    """A convolution with a kernel of shape (*window, channels, filters)."""

    def infer(self) -> TensorType:
        filters = self.kernel.shape[-1] if self.kernel.shape else None
        return self.convolve(self.kernel, filters)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return self.convolution(op, v["inputs"], v["kernel"])


class DepthwiseConv(_Convolution, name="depthwise_conv"):
    """A convolution of each channel by itself, with a kernel (*window, channels, multiplier)."""

    def infer(self) -> TensorType:
        _, channels = self.split(self.inputs, self.data_format)
        if not isinstance(channels, int):
            axis = 1 if self.data_format == "channels_first" else self.inputs.rank
            raise Refused(size_needed, "inputs", axis)
        sizes = [size for size in self.kernel.shape[-2:] if isinstance(size, int)]
        filters = sizes[0] * sizes[1] if len(sizes) == 2 else None
        return self.convolve(self.kernel, filters)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        *extent, channels, _ = [size for size in self.kernel.shape if isinstance(size, int)]
        kernel = op.Reshape(v["kernel"], [*extent, 1, -1])
        return self.convolution(op, v["inputs"], kernel, groups=channels)


class DepthToSpace(Operation, name="depth_to_space"):
    """Channels laid out in blocks of the image."""

    x: TensorType = arg(TENSOR)
    block_size: int = arg(Int(at_least=2))
    data_format: str = arg(Choice("channels_last", "channels_first"), default="channels_last")

    def infer(self) -> TensorType:
        height, width, channels = _image(self.x, self.data_format)
        block = self.block_size
        axis = 1 if self.data_format == "channels_first" else 3
        fewer = _divided(axis, channels, block * block)
        shape = (_times(height, block), _times(width, block))
        return TensorType(self.x.dtype, join_channels(shape, fewer, self.data_format))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        block, first = self.block_size, self.data_format == "channels_first"
        height, width = (size_at(op, v["x"], axis) for axis in ((2, 3) if first else (1, 2)))
        tall, broad = (_multiplied(op, size, block) for size in (height, width))
        if first:
            cut = op.reshape(v["x"], [0, block, block, -1, height, width])
            return op.reshape(op.Transpose(cut, perm=[0, 3, 4, 1, 5, 2]), [0, 0, tall, broad])
        cut = op.reshape(v["x"], [0, height, width, block, block, -1])
        return op.reshape(op.Transpose(cut, perm=[0, 1, 3, 2, 4, 5]), [0, tall, broad, -1])


class SpaceToDepth(Operation, name="space_to_depth"):
    """Blocks of the image laid out as channels."""

    x: TensorType = arg(TENSOR)
    block_size: int = arg(Int(at_least=2))
    data_format: str = arg(Choice("channels_last", "channels_first"), default="channels_last")

    def infer(self) -> TensorType:
        height, width, channels = _image(self.x, self.data_format)
        block = self.block_size
        shape = tuple(
            _divided(spatial_axis(index, self.data_format), size, block)
            for index, size in enumerate((height, width))
        )
        more = _times(channels, block * block)
        return TensorType(self.x.dtype, join_channels(shape, more, self.data_format))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        block, first = self.block_size, self.data_format == "channels_first"
        x, axes = v["x"], (2, 3) if first else (1, 2)
        height, width = (_multiplied(op, size_at(op, x, axis), 1, block) for axis in axes)
        channels = size_at(op, x, 1 if first else 3)
        if first:
            cut = op.reshape(x, [0, channels, height, block, width, block])
            turned = op.Transpose(cut, perm=[0, 3, 5, 1, 2, 4])
            return op.reshape(turned, [0, -1, height, width])
        cut = op.reshape(x, [0, height, block, width, block, channels])
        turned = op.Transpose(cut, perm=[0, 1, 3, 2, 4, 5])
        return op.reshape(turned, [0, height, width, -1])


def _image(x: TensorType, data_format: str) -> tuple[Dimension, Dimension, Dimension]:
    if not x.batched or x.rank != 3:
        raise Refused(errors.too_few_axes, 4)
    if data_format == "channels_first":
        return x.shape[1], x.shape[2], x.shape[0]
    return x.shape[0], x.shape[1], x.shape[2]


def _times(size: Dimension, factor: int) -> Dimension:
    return size * factor if isinstance(size, int) else None


def _multiplied(op: Builder, size: int | Value, factor: int, parts: int = 1) -> int | Value:
    """A size times a number, or divided by one."""
    if isinstance(size, int):
        return size * factor // parts
    return op.Div(size, parts) if parts > 1 else op.Mul(size, factor)


def _divided(axis: int, size: Dimension, parts: int) -> Dimension:
    if not isinstance(size, int):
        return None
    if size % parts:
        raise Refused(errors.does_not_divide, "block_size", axis, size, parts)
    return size // parts
