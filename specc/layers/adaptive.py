"""Pooling to a size that is given, over windows that follow from it.

Of an axis of `n` positions and an output of `m`, window `i` reaches from `floor(i * n / m)` to
`ceil((i + 1) * n / m)`: the windows overlap, and differ by one in size, where `m` does not
divide `n`. An output may be larger than its input; some positions are then repeated. The sizes
must be known: Keras computes the windows when it traces the model.
"""

from __future__ import annotations

from typing import Any

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Choice, Optional, Sizes, arg
from specc.layers.base import Layer, join_channels, require_float, spatial_axis, split_channels
from specc.layers.layouts import axis_to_back, axis_to_front, channel_axis
from specc.layers.pooling import (
    AXES_1D,
    AXES_2D,
    AXES_3D,
    MAX_3D_DTYPES,
    max_pool,
    require_comparable,
)
from specc.lowering import Builder, Value, Values
from specc.types import TensorType

EXACT_DATA_FORMAT = Optional(Choice("channels_last", "channels_first"))
"""Unlike others, these layers want small letters."""


class _AdaptivePooling(Layer):
    """What these have in common.

    Refused are axes of one position, before or after. Keras has pooled with windows of two sizes
    when it picks those that it needs, and one of these is larger than the axis then: no graph
    can be made, and outside of one TensorFlow's maxima divide by zero, which ends the process.
    """

    spatial_axes = AXES_1D
    instead = "ops.mean"

    output_size: tuple[int, ...] = arg(Sizes(1))
    data_format: str | None = arg(EXACT_DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        spatial, channels = split_channels(x, self.data_format, *self.spatial_axes)
        for index, size in enumerate(spatial):
            if not isinstance(size, int):
                axis = spatial_axis(index, self.data_format)
                raise Refused(errors.size_needed, "output_size", axis)
        for sizes, when in ((spatial, "before"), (self.output_size, "after")):
            if 1 in sizes:
                reason = f"Keras cannot do it where an axis is 1 {when}; `{self.instead}` can"
                raise Refused(errors.arguments_conflict, "output_size", reason)
        return x.with_shape(*join_channels(self.output_size, channels, self.data_format))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        """One pooling for the axes whose windows are of one size and evenly spaced, and for each
        other axis a pooling with each size, of which the windows are picked.
        """
        spatial, _ = split_channels(x.type, self.data_format, *self.spatial_axes)
        windows = [
            _windows(size, number)
            for size, number in zip(spatial, self.output_size, strict=True)
            if isinstance(size, int)
        ]
        even = [_even(one) for one in windows]
        axis, rank = channel_axis(x.type, self.data_format), x.type.rank + 1
        y = axis_to_front(op, x, axis, rank)
        kernel, strides = zip(*[one or (1, 1) for one in even], strict=True)
        if max(*kernel, *strides) > 1:
            y = self.pool(op, y, kernel_shape=kernel, strides=strides)
        for i, one in enumerate(windows):
            if even[i] is None:
                y = self._picked(op, y, i, one)
        return axis_to_back(op, y, axis, rank)

    def _picked(self, op: Builder, x: Value, i: int, windows: list[tuple[int, int]]) -> Value:
        """The windows of the i-th spatial axis, each a start and a size."""
        size = max(start + n for start, n in windows)
        parts: list[Value] = []
        begins: dict[int, int] = {}
        total = 0
        for n in sorted({n for _, n in windows}):
            kernel = [n if axis == i else 1 for axis in range(len(self.spatial_axes))]
            parts.append(self.pool(op, x, kernel_shape=kernel))
            begins[n] = total
            total += size - n + 1
        every = op.Concat(*parts, axis=i + 2) if len(parts) > 1 else parts[0]
        return op.Gather(every, [begins[n] + start for start, n in windows], axis=i + 2)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        """ONNX's operator, channels first."""
        raise NotImplementedError


def _windows(size: int, number: int) -> list[tuple[int, int]]:
    """The start and the size of each window of an axis."""
    starts = [i * size // number for i in range(number)]
    ends = [-(-(i + 1) * size // number) for i in range(number)]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _even(windows: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The size and the stride of windows that one pooling makes; None where it takes more."""
    size = windows[0][1]
    stride = windows[1][0] if len(windows) > 1 else 1
    if stride == 0 or windows != [(i * stride, size) for i in range(len(windows))]:
        return None
    return size, stride


class _AdaptivePooling2D(_AdaptivePooling):
    spatial_axes = AXES_2D

    output_size: tuple[int, ...] = arg(Sizes(2))


class _AdaptivePooling3D(_AdaptivePooling):
    spatial_axes = AXES_3D

    output_size: tuple[int, ...] = arg(Sizes(3))


class _Averages(_AdaptivePooling):
    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return super().infer(x)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        return op.AveragePool(x, **attributes)


class _Maxima(_AdaptivePooling):
    instead = "ops.max"

    def infer(self, x: TensorType) -> TensorType:
        require_comparable(x, self.spatial_axes)
        return super().infer(x)

    def pool(self, op: Builder, x: Value, **attributes: Any) -> Value:
        return max_pool(op, x, **attributes)


class AdaptiveAveragePooling1D(_Averages):
    """The means of `output_size` windows that cover the steps.

    Shapes: (steps, channels) -> (output_size, channels)

    Example: float32[10, 4] -> AdaptiveAveragePooling1D(3) -> float32[3, 4]
    """


class AdaptiveAveragePooling2D(_AdaptivePooling2D, _Averages):
    """The means of `output_size` windows that cover the pixels.

    Shapes: (height, width, channels) -> (*output_size, channels)

    Example: float32[30, 20, 3] -> AdaptiveAveragePooling2D((7, 5)) -> float32[7, 5, 3]
    """


class AdaptiveAveragePooling3D(_AdaptivePooling3D, _Averages):
    """The means of `output_size` windows that cover the voxels.

    Shapes: (depth, height, width, channels) -> (*output_size, channels)

    Example: float32[9, 9, 9, 1] -> AdaptiveAveragePooling3D(4) -> float32[4, 4, 4, 1]
    """

    computes_in_float64 = False


class AdaptiveMaxPooling1D(_Maxima):
    """The largest of each of `output_size` windows that cover the steps.

    Shapes: (steps, channels) -> (output_size, channels)

    Example: float32[10, 4] -> AdaptiveMaxPooling1D(3) -> float32[3, 4]
    """


class AdaptiveMaxPooling2D(_AdaptivePooling2D, _Maxima):
    """The largest of each of `output_size` windows that cover the pixels.

    Shapes: (height, width, channels) -> (*output_size, channels)

    Example: float32[30, 20, 3] -> AdaptiveMaxPooling2D((7, 5)) -> float32[7, 5, 3]
    """


class AdaptiveMaxPooling3D(_AdaptivePooling3D, _Maxima):
    """The largest of each of `output_size` windows of voxels, in other dtypes than float64.

    Shapes: (depth, height, width, channels) -> (*output_size, channels)

    Example: float32[9, 9, 9, 1] -> AdaptiveMaxPooling3D(4) -> float32[4, 4, 4, 1]
    """

    dtype_kind = MAX_3D_DTYPES
