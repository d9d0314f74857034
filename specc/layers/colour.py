"""Images with other colours, brightness or sharpness, most of them at random while training."""

from __future__ import annotations

from typing import ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import DATA_FORMAT, Float, Int, Kind, Optional, Sizes, arg, is_tuple
from specc.layers.base import require_float, spatial_axis
from specc.layers.clahe import equalized
from specc.layers.images import (
    BYTES,
    NO_FLOAT16,
    SEED,
    VALUE_RANGE,
    WIDE_RANGE,
    Augmentation,
    Factor,
    Images,
)
from specc.lowering import Builder, Value, Values
from specc.types import TensorType


class OddSizes(Kind):
    """The sides of a window that has a middle: `3` or `(3, 5)`."""

    expected = "an odd number, or a tuple of two of them"

    def accepts(self, value: object) -> bool:
        return Sizes(2).accepts(value) and all(n % 2 == 1 for n in Sizes(2).normalize(value))


class Pair(Kind):
    """A whole number for rows and one for columns; a single one will not do."""

    expected = "a tuple of two whole numbers, 1 or more"

    def accepts(self, value: object) -> bool:
        return is_tuple(value) and Sizes(2).accepts(value)


# ------------------------------------------------------------------- at inference as well


class AutoContrast(Images):
    """Each channel of an image stretched to the whole range of values, at inference as well.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> AutoContrast -> float32[64, 64, 3]
    """

    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        low, high = self.value_range
        x = op.cast(x, self.lowered_dtype)
        if low == high:
            return x  # Keras gives a channel as it is where it divides by zero.
        y = self.ranged(op, x, self.value_range, BYTES)
        # Axes 1 and 2 are rows and columns: there is no `data_format`.
        least = op.ReduceMin(y, [1, 2], keepdims=1)
        most = op.ReduceMax(y, [1, 2], keepdims=1)
        scale = op.Div(255.0, op.Sub(most, least))
        y = op.Add(op.Mul(y, scale), op.Mul(op.Neg(least), scale))
        y = self.ranged(op, op.Clip(y, 0.0, 255.0), BYTES, self.value_range)
        return op.Where(op.Equal(least, most, dtype="bool"), x, y, dtype=x.dtype)


class ContrastLimitedAdaptiveHistogramEqualization(Images):
    """The contrast of each part of an image evened out, at inference as well.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[9, 9, 1] -> ContrastLimitedAdaptiveHistogramEqualization -> float32[9, 9, 1]
    """

    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    clip_limit: float = arg(Float(), default=4.0)
    tile_grid_size: tuple[int, int] = arg(Pair(), default=(8, 8))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        self.require_known(x, "tile_grid_size", "tile_grid_size")
        spatial, _ = self.images(x)
        for index, (size, tiles) in enumerate(zip(spatial, self.tile_grid_size, strict=True)):
            # What is missing to whole tiles is a reflection of the image, once at most.
            if isinstance(size, int) and -(-size // tiles) * tiles > 2 * size:
                axis = spatial_axis(index, self.data_format)
                reason = f"{tiles} tiles along axis {axis} are too many for {size} pixels"
                raise Refused(errors.arguments_conflict, "tile_grid_size", reason)
        return super().infer(x)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        spatial, _ = self.images(x.type)
        size = cast("tuple[int, int]", spatial)
        first = self.channels_at == "channels_first"
        y = x if first else op.Transpose(x, perm=[0, 3, 1, 2])
        y = self.ranged(op, op.cast(y, "float32"), self.value_range, BYTES)
        y = equalized(op, y, size, self.tile_grid_size, self.clip_limit)
        y = self.ranged(op, y, BYTES, self.value_range)
        return y if first else op.Transpose(y, perm=[0, 2, 3, 1])


# --------------------------------------------------------------------- in training alone


class Equalization(Augmentation):
    """The values of each channel spread evenly; at inference the input.

    Keras's own gives its input back as its output when a model is made, and so it can only
    stand within another layer.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> Pipeline([Equalization()]) -> float32[64, 64, 3]
    """

    casts_by_itself = False
    only_within: ClassVar[str | None] = "Pipeline"

    value_range: tuple[float, float] = arg(WIDE_RANGE, default=(0, 255))
    bins: int = arg(Int(at_least=1), default=256)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        _, channels = self.images(x)
        if not isinstance(channels, int):
            raise Refused(errors.size_needed, "bins", self.channel_axis)
        return super().infer(x)


class RandomContrast(Augmentation):
    """More or less contrast at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomContrast(0.2) -> float32[64, 64, 3]
    """

    factor: float | tuple[float, float] = arg(Factor(0, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return super().infer(x)


class RandomBrightness(Augmentation):
    """Images made brighter or darker at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomBrightness((-0.2, 0.3)) -> float32[64, 64, 3]
    """

    factor: float | tuple[float, float] = arg(Factor(-1, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return super().infer(x)


class RandomGrayscale(Augmentation):
    """Colours taken out of images at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomGrayscale(0.1) -> float32[64, 64, 3]
    """

    factor: float = arg(Float(at_least=0, at_most=1), default=0.5)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        self.require_channels(x, 1, 3)
        return super().infer(x)


class RandomInvert(Augmentation):
    """Images made negatives at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomInvert(0.1) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomHue(Augmentation):
    """Colours turned around the wheel at random; at inference the input.

    Shapes: (height, width, 3) -> (height, width, 3)

    Example: float32[64, 64, 3] -> RandomHue(0.1) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    factor: float | tuple[float, float] = arg(Factor(0, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        self.require_channels(x, 3, known=False)
        return super().infer(x)


class RandomSaturation(Augmentation):
    """Colours made stronger or weaker at random; at inference the input.

    Shapes: (height, width, 3) -> (height, width, 3)

    Example: float32[64, 64, 3] -> RandomSaturation((0.4, 0.6)) -> float32[64, 64, 3]
    """

    factor: float | tuple[float, float] = arg(Factor(-1, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        self.require_channels(x, 3, known=False)
        return super().infer(x)


class RandomColorDegeneration(Augmentation):
    """Images brought nearer to grey at random; at inference the input.

    Shapes: (height, width, 3) -> (height, width, 3)

    Example: float32[64, 64, 3] -> RandomColorDegeneration(0.5) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    factor: float | tuple[float, float] = arg(Factor(-1, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        self.require_channels(x, 3)
        return super().infer(x)


class RandomColorJitter(Augmentation):
    """Brightness, contrast, saturation and hue changed at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomColorJitter(hue_factor=0.1) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    brightness_factor: float | tuple[float, float] | None = arg(
        Optional(Factor(-1, 1)), default=None
    )
    contrast_factor: float | tuple[float, float] | None = arg(Optional(Factor(0, 1)), default=None)
    saturation_factor: float | tuple[float, float] | None = arg(
        Optional(Factor(-1, 1)), default=None
    )
    hue_factor: float | tuple[float, float] | None = arg(Optional(Factor(0, 1)), default=None)
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def validate(self) -> None:
        # Keras does not tell the layers inside, and they look for the channels at the end.
        if self.data_format == "channels_first":
            for name in ("contrast_factor", "saturation_factor", "hue_factor"):
                if getattr(self, name) is not None:
                    reason = f"Keras takes the last axis for the channels where {name} is given"
                    raise Refused(errors.arguments_conflict, "data_format", reason)

    def infer(self, x: TensorType) -> TensorType:
        if self.saturation_factor is not None or self.hue_factor is not None:
            self.require_channels(x, 3, known=False)
        return super().infer(x)


class RandomPosterization(Augmentation):
    """Fewer values at random: each keeps `factor` of its 8 bits; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomPosterization(4) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    factor: int | tuple[int, int] = arg(Factor(1, 8, whole=True))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)


class Solarization(Augmentation):
    """Values above a random threshold made negatives; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> Solarization(0.1, 0.5) -> float32[64, 64, 3]
    """

    addition_factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.0)
    threshold_factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.0)
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)


class RandomSharpness(Augmentation):
    """Images made sharper or softer at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomSharpness(0.5) -> float32[64, 64, 3]
    """

    factor: float | tuple[float, float] = arg(Factor(0, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)


class RandomGaussianBlur(Augmentation):
    """Images blurred at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomGaussianBlur(0.5, kernel_size=5) -> float32[64, 64, 3]
    """

    dtype_kind = NO_FLOAT16

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    kernel_size: int | tuple[int, int] = arg(OddSizes(), default=3)
    sigma: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)
