"""Pooling to a size that is given, over windows that follow from it.

Of an axis of `n` positions and an output of `m`, window `i` reaches from `floor(i * n / m)` to
`ceil((i + 1) * n / m)`: the windows overlap, and differ by one in size, where `m` does not
divide `n`. An output may be larger than its input; some positions are then repeated. The sizes
must be known: Keras computes the windows when it traces the model.
"""

from __future__ import annotations

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Choice, Optional, Sizes, arg
from specc.layers.base import Layer, join_channels, require_float, spatial_axis, split_channels
from specc.layers.pooling import AXES_1D, AXES_2D, AXES_3D, MAX_3D_DTYPES, require_comparable
from specc.types import TensorType

EXACT_DATA_FORMAT = Optional(Choice("channels_last", "channels_first"))
"""Unlike others, these layers want small letters."""


class _AdaptivePooling(Layer):
    """What these have in common."""

    spatial_axes = AXES_1D

    output_size: tuple[int, ...] = arg(Sizes(1))
    data_format: str | None = arg(EXACT_DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        spatial, channels = split_channels(x, self.data_format, *self.spatial_axes)
        for index, size in enumerate(spatial):
            if not isinstance(size, int):
                axis = spatial_axis(index, self.data_format)
                raise Refused(errors.size_needed, "output_size", axis)
        return x.with_shape(*join_channels(self.output_size, channels, self.data_format))


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


class _Maxima(_AdaptivePooling):
    """Refuses what makes TensorFlow's kernel divide by zero, which ends the process: windows over
    the whole of the last axis, because the output has one position there, or the input.
    """

    def infer(self, x: TensorType) -> TensorType:
        require_comparable(x, self.spatial_axes)
        output = super().infer(x)
        for end, when in ((x, "before"), (output, "after")):
            last, _ = split_channels(end, self.data_format, *self.spatial_axes)
            if last[-1] == 1:
                reason = f"TensorFlow cannot do it where the last axis is 1 {when}; `ops.max` can"
                raise Refused(errors.arguments_conflict, "output_size", reason)
        return output


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
