"""Pooling over windows and over everything.

Keras says float32 for the outputs of some of these on whole numbers; the maximum keeps the dtype.
"""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    DATA_FORMAT,
    DTYPE_POLICY,
    Choice,
    Kind,
    Optional,
    Sizes,
    arg,
    place,
)
from specc.layers.base import (
    TENSOR,
    Layer,
    join_channels,
    require_float,
    spatial_axis,
    split_channels,
    window_output,
)
from specc.layers.layouts import axis_to_back, axis_to_front, channel_axis
from specc.layers.windowed import padding_of
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import FLOAT_DTYPES, Dimension, TensorType

AXES_1D = ("steps",)
AXES_2D = ("height", "width")
AXES_3D = ("depth", "height", "width")


class _Pooling(Layer):
    """What pooling over windows has in common."""

    spatial_axes = AXES_1D

    pool_size: tuple[int, ...] = arg(Sizes(1))
    strides: tuple[int, ...] | None = arg(Optional(Sizes(1)), default=None)
    padding: str = arg(Choice("valid", "same"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)
    name = place()

    def infer(self, x: TensorType) -> TensorType:
        spatial, channels = split_channels(x, self.data_format, *self.spatial_axes)
        sizes: list[Dimension] = []
        for i, size in enumerate(spatial):
            window = self.pool_size[i]
            stride = (self.strides or self.pool_size)[i]
            output = window_output(size, window, stride, self.padding == "same")
            if output == 0 and isinstance(size, int):
                axis = spatial_axis(i, self.data_format)
                raise Refused(errors.window_too_large, "pool_size", axis, window, size)
            sizes.append(output)
        return x.with_shape(*join_channels(tuple(sizes), channels, self.data_format))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        spatial, _ = split_channels(x.type, self.data_format, *self.spatial_axes)
        strides = self.strides or self.pool_size
        attributes = padding_of(spatial, self.pool_size, strides, self.padding)
        axis, rank = channel_axis(x.type, self.data_format), x.type.rank + 1
        front = axis_to_front(op, x, axis, rank)
        y = self.pool(op, front, kernel_shape=self.pool_size, strides=strides, **attributes)
        return axis_to_back(op, y, axis, rank)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        """ONNX's operator, channels first."""
        raise NotImplementedError


def require_comparable(x: TensorType, spatial_axes: tuple[str, ...]) -> None:
    """Refuse dtypes of which TensorFlow cannot take the maxima of windows."""
    if len(spatial_axes) == 3:
        require_float(x)
    elif x.dtype in ("bool", "uint32", "uint64"):
        raise Refused(errors.dtype_refused, "numbers of at most 16 bits, int32 or int64")


MAX_3D_DTYPES = Optional(Choice(*(d for d in DTYPE_POLICY.choices if d != "float64")))
"""TensorFlow has no maxima of volumes in float64."""


class _MaxPooling(_Pooling):
    def infer(self, x: TensorType) -> TensorType:
        require_comparable(x, self.spatial_axes)
        return super().infer(x)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        return max_pool(op, x, **attributes)


def max_pool(op: Builder, x: Value, **attributes: Any) -> Value:
    """The maxima of windows. Whole numbers of more than 8 bits go through float64, which has
    room for 53.
    """
    if x.dtype == "int64":
        raise NotLowered("maxima of windows of int64")
    if x.dtype in (*FLOAT_DTYPES, "int8", "uint8"):
        return op.MaxPool(x, **attributes)
    return op.cast(op.MaxPool(op.cast(x, "float64"), **attributes), x.dtype)


class _AveragePooling(_Pooling):
    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return super().infer(x)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        return op.AveragePool(x, count_include_pad=0, **attributes)


class MaxPooling1D(_MaxPooling):
    """The largest of each window of steps.

    Shapes: (steps, channels) -> (windows, channels)

    Example: float32[10, 4] -> MaxPooling1D -> float32[5, 4]
    """

    pool_size: tuple[int, ...] = arg(Sizes(1), default=2)


class MaxPooling2D(_MaxPooling):
    """The largest of each window of pixels.

    Shapes: (height, width, channels) -> (rows, columns, channels)

    Example: float32[28, 28, 3] -> MaxPooling2D(3, strides=2, padding="same") -> float32[14, 14, 3]
    """

    spatial_axes = AXES_2D

    pool_size: tuple[int, ...] = arg(Sizes(2), default=(2, 2))
    strides: tuple[int, ...] | None = arg(Optional(Sizes(2)), default=None)


class MaxPooling3D(_MaxPooling):
    """The largest of each window of voxels, in other dtypes than float64.

    Shapes: (depth, height, width, channels) -> (layers, rows, columns, channels)

    Example: float32[8, 8, 8, 1] -> MaxPooling3D -> float32[4, 4, 4, 1]
    """

    spatial_axes = AXES_3D
    dtype_kind = MAX_3D_DTYPES

    pool_size: tuple[int, ...] = arg(Sizes(3), default=(2, 2, 2))
    strides: tuple[int, ...] | None = arg(Optional(Sizes(3)), default=None)


class AveragePooling1D(_AveragePooling):
    """The mean of each window of steps.

    Shapes: (steps, channels) -> (windows, channels)

    Example: float32[10, 4] -> AveragePooling1D(3) -> float32[3, 4]
    """


class AveragePooling2D(_AveragePooling):
    """The mean of each window of pixels.

    Shapes: (height, width, channels) -> (rows, columns, channels)

    Example: float32[28, 28, 3] -> AveragePooling2D((2, 2)) -> float32[14, 14, 3]
    """

    spatial_axes = AXES_2D

    pool_size: tuple[int, ...] = arg(Sizes(2))
    strides: tuple[int, ...] | None = arg(Optional(Sizes(2)), default=None)


class AveragePooling3D(_AveragePooling):
    """The mean of each window of voxels.

    Shapes: (depth, height, width, channels) -> (layers, rows, columns, channels)

    Example: float32[8, 8, 8, 1] -> AveragePooling3D(2, strides=1) -> float32[7, 7, 7, 1]
    """

    spatial_axes = AXES_3D
    computes_in_float64 = False

    pool_size: tuple[int, ...] = arg(Sizes(3))
    strides: tuple[int, ...] | None = arg(Optional(Sizes(3)), default=None)


class _GlobalPooling(Layer):
    """What pooling over all spatial axes has in common."""

    spatial_axes = AXES_1D

    data_format: str | None = arg(DATA_FORMAT, default=None)
    keepdims: bool = arg(BOOL, default=False)

    def infer(self, x: TensorType) -> TensorType:
        spatial, channels = split_channels(x, self.data_format, *self.spatial_axes)
        kept = (1,) * len(spatial) if self.keepdims else ()
        return x.with_shape(*join_channels(kept, channels, self.data_format))

    def reduced(self, op: Builder, x: Value, pool: Any, reduction: Any) -> Value:
        """With a pooling operator, which runtimes take along with convolutions; of dtypes that
        these do not compute in with a reduction.
        """
        axis, rank = channel_axis(x.type, self.data_format), x.type.rank + 1
        if x.dtype not in ("float16", "float32"):
            spatial = [a for a in range(1, rank) if a != axis]
            return reduction(x, spatial, keepdims=int(self.keepdims))
        y = pool(axis_to_front(op, x, axis, rank))
        return axis_to_back(op, y, axis, rank) if self.keepdims else op.Flatten(y, axis=1)


class _GlobalMaxPooling(_GlobalPooling):
    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if x.dtype == "uint64":
            raise NotLowered(f"`{self.kind}` of uint64")
        wider = {"bool": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64"}
        computed = op.cast(x, wider.get(x.dtype, x.dtype))
        return self.reduced(op, computed, op.GlobalMaxPool, op.ReduceMax)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The largest of all steps.

    Shapes: (steps, channels) -> (channels,), or (1, channels) if keepdims

    Example: float32[10, 4] -> GlobalMaxPooling1D -> float32[4]
    """


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The largest of all pixels.

    Shapes: (height, width, channels) -> (channels,), or (1, 1, channels) if keepdims

    Example: float32[7, 7, 512] -> GlobalMaxPooling2D(keepdims=True) -> float32[1, 1, 512]
    """

    spatial_axes = AXES_2D


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The largest of all voxels.

    Shapes: (depth, height, width, channels) -> (channels,), or (1, 1, 1, channels) if keepdims

    Example: float32[4, 4, 4, 8] -> GlobalMaxPooling3D -> float32[8]
    """

    spatial_axes = AXES_3D


class _GlobalAveragePooling(_GlobalPooling):
    def infer(self, x: TensorType) -> TensorType:
        if self.compute_dtype != "float32":
            require_float(x)  # The mean of whole numbers is of float32 whatever is asked for.
        return TensorType("float32", super().infer(x).shape)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        x = op.cast(x, self.lowered_dtype)
        return self.reduced(op, x, op.GlobalAveragePool, op.ReduceMean)


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of all steps that are not masked.

    Shapes: (steps, channels) -> (channels,), or (1, channels) if keepdims

    Example: float32[10, 4] -> GlobalAveragePooling1D -> float32[4]
    """

    supports_masking = True

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL, "mask": TENSOR}

    @property
    def hands_mask_on(self) -> bool:
        return False

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        mask = x.mask
        if mask is None:
            return super().onnx(op, x, w)
        x = op.cast(x, self.lowered_dtype)
        channels = channel_axis(x.type, self.data_format)
        steps = 3 - channels
        kept = op.Unsqueeze(op.cast(mask, "bool"), [channels])
        values = op.Where(kept, x, op.constant(0, x.dtype), dtype=x.dtype)
        total, count = (
            op.ReduceSum(summed, [steps], keepdims=int(self.keepdims))
            for summed in (values, op.cast(kept, x.dtype))
        )
        return op.Div(total, count)


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of all pixels.

    Shapes: (height, width, channels) -> (channels,), or (1, 1, channels) if keepdims

    Example: float32[7, 7, 512] -> GlobalAveragePooling2D -> float32[512]
    """

    spatial_axes = AXES_2D


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of all voxels.

    Shapes: (depth, height, width, channels) -> (channels,), or (1, 1, 1, channels) if keepdims

    Example: float32[4, 4, 4, 8] -> GlobalAveragePooling3D(keepdims=True) -> float32[1, 1, 1, 8]
    """

    spatial_axes = AXES_3D
