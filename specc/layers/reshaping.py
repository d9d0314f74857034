"""Flatten, Reshape, Permute, RepeatVector, and padding, cropping and repeating of axes.

Keras says float32 for the outputs of some of these on whole numbers; what they compute, and
what is inferred here, keeps the dtype.
"""

from __future__ import annotations

from math import prod
from typing import Any

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    DATA_FORMAT,
    AnyCase,
    Borders,
    Int,
    Ints,
    Sizes,
    TargetShape,
    arg,
)
from specc.layers.base import Layer, join_channels, require_rank, spatial_axis, split_channels
from specc.layers.layouts import axis_to_back, axis_to_front, channel_axis
from specc.layers.resize import resized, saturated, sizes_of
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import FLOAT_DTYPES, Dimension, TensorType, size_of

RESIZABLE = (*FLOAT_DTYPES, "int8", "int16", "int32", "int64", "uint8", "uint16")
"""What TensorFlow interpolates."""

END = 2**63 - 1
"""Where a slice ends that goes to the end of its axis."""


class Flatten(Layer):
    """All axes but the batch axis as one.

    Shapes: (*any) -> (product of any,)

    Example: float32[28, 28] -> Flatten -> float32[784]
    """

    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        longer = [size for size in x.shape if size != 1]
        return x.with_shape(longer[0] if len(longer) == 1 else size_of(x.shape))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if self.data_format == "channels_first" and x.type.rank > 1:
            return op.Flatten(axis_to_back(op, x, x.type.rank, x.type.rank + 1), axis=1)
        return x if x.type.rank == 1 else op.Flatten(x, axis=1)


class Reshape(Layer):
    """The elements in another shape; one size may be -1, what is left over.

    Shapes: (*any) -> target_shape

    Example: float32[784] -> Reshape((28, 28, -1)) -> float32[28, 28, 1]
    """

    target_shape: tuple[int, ...] = arg(TargetShape())

    def infer(self, x: TensorType) -> TensorType:
        unknown = [size for size in x.shape if not isinstance(size, int)]
        have = prod(size for size in x.shape if isinstance(size, int))
        want = prod(size for size in self.target_shape if size != -1)
        open_ended = -1 in self.target_shape
        if not unknown and (have % want if open_ended else have != want):
            target = f"the shape {self.target_shape} "
            target += f"needs a multiple of {want}" if open_ended else f"has {want}"
            raise Refused(errors.cannot_reshape, "target_shape", have, target)
        if unknown and not open_ended and want % have:
            target = f"the shape {self.target_shape} has {want}"
            raise Refused(errors.cannot_reshape, "target_shape", f"a multiple of {have}", target)
        rest: Dimension = None
        if not unknown:
            rest = have // want
        elif len(unknown) == 1 and have == want:
            rest = unknown[0]
        return x.with_shape(*[rest if size == -1 else size for size in self.target_shape])

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        (y,) = self.apply([x.type])
        known = [size if isinstance(size, int) else -1 for size in y.shape]
        return op.reshape(x, [0, *known])


class Permute(Layer):
    """The axes in another order; the first axis after the batch axis is 1.

    Shapes: (*any) -> (any[dims[0] - 1], any[dims[1] - 1], ...)

    Example: float32[10, 64] -> Permute((2, 1)) -> float32[64, 10]
    """

    dims: tuple[int, ...] = arg(Ints(at_least=1))

    def validate(self) -> None:
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise Refused(
                errors.arguments_conflict, "dims", f"each of 1 to {len(self.dims)} must stand once"
            )

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != len(self.dims):
            require_rank(x, *[f"axis {axis}" for axis in sorted(self.dims)])
        return x.with_shape(*[x.shape[axis - 1] for axis in self.dims])

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return op.Transpose(x, perm=[0, *self.dims])


class RepeatVector(Layer):
    """The input n times.

    Shapes: (features,) -> (n, features)

    Example: float32[8] -> RepeatVector(3) -> float32[3, 8]
    """

    n: int = arg(Int(at_least=1))

    def infer(self, x: TensorType) -> TensorType:
        require_rank(x, "features")
        return x.with_shape(self.n, x.shape[0])

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return op.Tile(op.Unsqueeze(x, [1]), [1, self.n, 1])


class ZeroPadding1D(Layer):
    """Zeros before and after the steps.

    Shapes: (steps, channels) -> (before + steps + after, channels)

    Example: float32[10, 8] -> ZeroPadding1D((2, 0)) -> float32[12, 8]
    """

    padding: tuple[int, int] = arg(Sizes(2, at_least=0), default=1)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return _padded(x, (self.padding,), self.data_format, "steps")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _pad(op, x, (self.padding,), self.data_format)


class ZeroPadding2D(Layer):
    """Zeros around each image.

    Shapes: (height, width, channels) -> (top + height + bottom, left + width + right, channels)

    Example: float32[28, 28, 3] -> ZeroPadding2D(((0, 1), (0, 1))) -> float32[29, 29, 3]
    """

    padding: tuple[tuple[int, int], ...] = arg(Borders(2), default=(1, 1))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return _padded(x, self.padding, self.data_format, "height", "width")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _pad(op, x, self.padding, self.data_format)


class ZeroPadding3D(Layer):
    """Zeros around each volume.

    Shapes: (depth, height, width, channels)
            -> (front + depth + back, top + height + bottom, left + width + right, channels)

    Example: float32[8, 8, 8, 1] -> ZeroPadding3D(1) -> float32[10, 10, 10, 1]
    """

    padding: tuple[tuple[int, int], ...] = arg(Borders(3), default=((1, 1), (1, 1), (1, 1)))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return _padded(x, self.padding, self.data_format, "depth", "height", "width")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _pad(op, x, self.padding, self.data_format)


class Cropping1D(Layer):
    """The steps without the first and the last few.

    Shapes: (steps, features) -> (steps - before - after, features)

    Example: float32[10, 8] -> Cropping1D((0, 2)) -> float32[8, 8]
    """

    cropping: tuple[int, int] = arg(Sizes(2, at_least=0), default=(1, 1))

    def infer(self, x: TensorType) -> TensorType:
        return _cropped(x, (self.cropping,), None, "steps")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _crop(op, x, (self.cropping,), None)


class Cropping2D(Layer):
    """Each image without its borders.

    Shapes: (height, width, channels) -> (height - top - bottom, width - left - right, channels)

    Example: float32[28, 28, 3] -> Cropping2D(2) -> float32[24, 24, 3]
    """

    cropping: tuple[tuple[int, int], ...] = arg(Borders(2), default=((0, 0), (0, 0)))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return _cropped(x, self.cropping, self.data_format, "height", "width")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _crop(op, x, self.cropping, self.data_format)


class Cropping3D(Layer):
    """Each volume without its borders.

    Shapes: (depth, height, width, channels)
            -> (depth - front - back, height - top - bottom, width - left - right, channels)

    Example: float32[8, 8, 8, 1] -> Cropping3D((1, 1, 2)) -> float32[6, 6, 4, 1]
    """

    cropping: tuple[tuple[int, int], ...] = arg(Borders(3), default=((1, 1), (1, 1), (1, 1)))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return _cropped(x, self.cropping, self.data_format, "depth", "height", "width")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _crop(op, x, self.cropping, self.data_format)


class UpSampling1D(Layer):
    """Each step `size` times.

    Shapes: (steps, features) -> (size * steps, features)

    Example: float32[10, 8] -> UpSampling1D(2) -> float32[20, 8]
    """

    size: int = arg(Int(at_least=1), default=2)

    def infer(self, x: TensorType) -> TensorType:
        return _repeated(x, (self.size,), None, "steps")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _repeat(op, x, (self.size,), None)


class UpSampling2D(Layer):
    """Images enlarged by whole factors.

    Shapes: (height, width, channels) -> (size[0] * height, size[1] * width, channels)

    Example: float32[14, 14, 8] -> UpSampling2D(2, interpolation="bilinear") -> float32[28, 28, 8]
    """

    tf2onnx_limits = 'but for the interpolations "lanczos3" and "lanczos5"'

    size: tuple[int, ...] = arg(Sizes(2), default=(2, 2))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    interpolation: str = arg(
        AnyCase("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"), default="nearest"
    )

    def infer(self, x: TensorType) -> TensorType:
        if self.interpolation != "nearest" and x.dtype not in RESIZABLE:
            raise Refused(errors.dtype_refused, "numbers of at most 16 bits, int32 or int64")
        return _repeated(x, self.size, self.data_format, "height", "width")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if self.interpolation == "nearest":
            return _repeat(op, x, self.size, self.data_format)
        # TensorFlow interpolates in float32, whatever the dtype.
        pixels = op.cast(x, "float32")
        if self.interpolation == "bilinear":
            half = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            y = _scaled(op, pixels, self.size, self.data_format, **half)
        else:
            axes = (2, 3) if self.data_format == "channels_first" else (1, 2)
            sizes = sizes_of(op, x, axes)
            pairs = zip(sizes, self.size, strict=True)
            target = [n * factor for n, factor in pairs if isinstance(n, int)]
            if len(target) < 2:
                how = f'`interpolation="{self.interpolation}"`'
                raise NotLowered(f"`UpSampling2D` with {how} of images of unknown size")
            y = resized(op, pixels, axes, sizes, target, self.interpolation)
        if x.dtype in FLOAT_DTYPES:
            return op.cast(y, x.dtype)
        return saturated(op, y, x.dtype, self.interpolation)


Pairs = tuple[tuple[int, int], ...]


class UpSampling3D(Layer):
    """Each voxel repeated along each axis.

    Shapes: (depth, height, width, channels)
            -> (size[0] * depth, size[1] * height, size[2] * width, channels)

    Example: float32[4, 4, 4, 2] -> UpSampling3D((1, 2, 2)) -> float32[4, 8, 8, 2]
    """

    size: tuple[int, ...] = arg(Sizes(3), default=(2, 2, 2))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return _repeated(x, self.size, self.data_format, "depth", "height", "width")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return _repeat(op, x, self.size, self.data_format)


def _pad(op: Builder, x: Value, pairs: Pairs, data_format: str | None) -> Value:
    none = ((0, 0),)
    first = data_format == "channels_first"
    around = (*none, *none, *pairs) if first else (*none, *pairs, *none)
    if x.dtype in ("int16", "uint16"):
        x = op.cast(x, "int32")  # onnxruntime pads no numbers of 16 bits.
    return op.Pad(x, [*[before for before, _ in around], *[after for _, after in around]])


def _crop(op: Builder, x: Value, pairs: Pairs, data_format: str | None) -> Value:
    first = 2 if data_format == "channels_first" else 1
    cut = [(first + i, *pair) for i, pair in enumerate(pairs) if any(pair)]
    if not cut:
        return x
    axes, starts, after = zip(*cut, strict=True)
    return op.Slice(x, starts, [-n if n else END for n in after], axes)


def _repeat(op: Builder, x: Value, factors: tuple[int, ...], data_format: str | None) -> Value:
    """Every element of the spatial axes as often as the axis's factor says."""
    if x.dtype == "float32":
        modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return _scaled(op, x, factors, data_format, mode="nearest", **modes)
    # Runtimes resize few other dtypes. Here each axis gets one behind it to be repeated along.
    first = 2 if data_format == "channels_first" else 1
    repeats = [1] * (x.type.rank + 1 + len(factors))
    sizes: list[int | Value] = [0]
    for axis, size in enumerate(x.type.shape, 1):
        spatial = first <= axis < first + len(factors)
        factor = factors[axis - first] if spatial else 1
        sizes.append(size * factor if isinstance(size, int) else op.Mul(op.size(x, axis), [factor]))
        if spatial:
            repeats[first + 2 * (axis - first) + 1] = factor
    behind = [first + 2 * i + 1 for i in range(len(factors))]
    return op.reshape(op.Tile(op.Unsqueeze(x, behind), repeats), sizes)


def _scaled(
    op: Builder,
    x: Value,
    factors: tuple[int, ...],
    data_format: str | None,
    **attributes: Any,
) -> Value:
    axis, rank = channel_axis(x.type, data_format), x.type.rank + 1
    scales = op.constant([1, 1, *factors], "float32")
    y = op.Resize(axis_to_front(op, x, axis, rank), None, scales, **attributes)
    return axis_to_back(op, y, axis, rank)


def _padded(x: TensorType, pairs: Pairs, data_format: str | None, *axes: str) -> TensorType:
    spatial, channels = split_channels(x, data_format, *axes)
    sizes = tuple(_plus(size, sum(pair)) for size, pair in zip(spatial, pairs, strict=True))
    return x.with_shape(*join_channels(sizes, channels, data_format))


def _cropped(x: TensorType, pairs: Pairs, data_format: str | None, *axes: str) -> TensorType:
    spatial, channels = split_channels(x, data_format, *axes)
    for index, (size, pair) in enumerate(zip(spatial, pairs, strict=True)):
        if isinstance(size, int) and sum(pair) >= size:
            axis = spatial_axis(index, data_format)
            raise Refused(errors.window_too_large, "cropping", axis, sum(pair) + 1, size)
    sizes = tuple(_plus(size, -sum(pair)) for size, pair in zip(spatial, pairs, strict=True))
    return x.with_shape(*join_channels(sizes, channels, data_format))


def _repeated(
    x: TensorType, factors: tuple[int, ...], data_format: str | None, *axes: str
) -> TensorType:
    spatial, channels = split_channels(x, data_format, *axes)
    sizes = tuple(_times(size, factor) for size, factor in zip(spatial, factors, strict=True))
    return x.with_shape(*join_channels(sizes, channels, data_format))


def _plus(size: Dimension, number: int) -> Dimension:
    if isinstance(size, int):
        return size + number
    return None if number else size


def _times(size: Dimension, factor: int) -> Dimension:
    if isinstance(size, int):
        return size * factor
    return size if factor == 1 else None
