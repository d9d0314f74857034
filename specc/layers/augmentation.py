"""Images resized, cropped, and changed at random while training.

A layer is also at work in training alone where Keras's own call has `training=True` as default: a
model hands on whether it is trained. All but Resizing compute in floats, whole numbers too.
"""

from __future__ import annotations

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    DATA_FORMAT,
    Choice,
    Float,
    Int,
    Kind,
    Optional,
    arg,
    is_tuple,
    place,
)
from specc.layers.base import (
    Layer,
    join_channels,
    require_float,
    spatial_axis,
    split_channels,
)
from specc.layers.reshaping import RESIZABLE
from specc.types import Dimension, TensorType

SEED = Optional(Int())
FILL_MODE = Choice("reflect", "wrap", "constant", "nearest")
INTERPOLATION = Choice("nearest", "bilinear")

FLOAT32 = Optional(Choice("float32"))


class Factor(Kind):
    """How far a random change goes: `0.2`, or the least and the most, `(-0.1, 0.3)`."""

    def __init__(self, at_least: float, at_most: float, open_below: bool = False) -> None:
        self.at_least = at_least
        self.at_most = at_most
        self.open_below = open_below
        lower = f"more than {at_least:g} and" if open_below else f"from {at_least:g} to"
        upper = f"at most {at_most:g}" if open_below else f"{at_most:g}"
        self.expected = f"a number {lower} {upper}, or a tuple of two of them"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,)
        one = Float(self.at_least, self.at_most)
        fit = all(one.accepts(n) and not (self.open_below and n == self.at_least) for n in items)
        return fit and (not is_tuple(value) or len(value) == 2)


class ValueRange(Kind):
    """The least and the most that a pixel can be."""

    expected = "a tuple of two numbers, the smaller one first"

    def accepts(self, value: object) -> bool:
        if not is_tuple(value) or len(value) != 2 or not all(map(Float().accepts, value)):
            return False
        return value[0] <= value[1]


VALUE_RANGE = ValueRange()


class _Images(Layer):
    """What layers of images have in common."""

    height: int
    width: int

    def images(self, x: TensorType) -> tuple[tuple[Dimension, ...], Dimension]:
        """The spatial sizes and the channels."""
        return split_channels(x, self.channels_at, "height", "width")

    @property
    def channels_at(self) -> str | None:
        """The `data_format`, which some layers have no argument for."""
        return getattr(self, "data_format", None)

    def infer(self, x: TensorType) -> TensorType:
        self.images(x)
        return TensorType("float32", x.shape)

    def resized(self, x: TensorType, dtype: str = "float32") -> TensorType:
        """The type of images of `height` and `width`."""
        _, channels = self.images(x)
        return TensorType(
            dtype, join_channels((self.height, self.width), channels, self.channels_at)
        )


class Resizing(_Images):
    """Images stretched to a size. The dtype is kept.

    Shapes: (rows, columns, channels) -> (height, width, channels)
    """

    height: int = arg(Int(at_least=1))
    width: int = arg(Int(at_least=1))
    interpolation: str = arg(
        Choice("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area"),
        default="bilinear",
    )
    crop_to_aspect_ratio: bool = arg(BOOL, default=False)
    pad_to_aspect_ratio: bool = arg(BOOL, default=False)
    fill_mode: str = arg(Choice("constant"), default="constant")
    fill_value: float = arg(Float(), default=0.0)
    antialias: bool = arg(BOOL, default=False)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def validate(self) -> None:
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise Refused(
                errors.arguments_conflict,
                "pad_to_aspect_ratio",
                "images are cropped or padded, not both",
            )

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype not in RESIZABLE:
            raise Refused(errors.dtype_refused, "numbers of at most 16 bits, int32 or int64")
        return self.resized(x, x.dtype)


class CenterCrop(_Images):
    """The middle of each image; an image that is too small is enlarged first.

    Shapes: (rows, columns, channels) -> (height, width, channels)
    """

    dtype_kind = FLOAT32  # Enlarged images are of float32 whatever is asked for.

    height: int = arg(Int(at_least=1))
    width: int = arg(Int(at_least=1))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return self.resized(x)


class RandomCrop(_Images):
    """A random part of each image while training, else the image cropped and resized.

    Shapes: (rows, columns, channels) -> (height, width, channels)
    """

    dtype_kind = FLOAT32  # Enlarged images are of float32 whatever is asked for.

    height: int = arg(Int(at_least=1))
    width: int = arg(Int(at_least=1))
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    name = place()

    def infer(self, x: TensorType) -> TensorType:
        spatial, _ = self.images(x)
        for index, (argument, size) in enumerate(zip(("height", "width"), spatial, strict=True)):
            if not isinstance(size, int):
                raise Refused(errors.size_needed, argument, spatial_axis(index, self.data_format))
        return self.resized(x)


class RandomFlip(_Images):
    """Images mirrored at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    mode: str = arg(
        Choice("horizontal_and_vertical", "horizontal", "vertical"),
        default="horizontal_and_vertical",
    )
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomRotation(_Images):
    """Images turned at random; the factor is a part of a whole turn.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    factor: float | tuple[float, float] = arg(Factor(-1, 1))
    fill_mode: str = arg(FILL_MODE, default="reflect")
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomZoom(_Images):
    """Images enlarged or made smaller at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    height_factor: float | tuple[float, float] = arg(Factor(-1, 1, open_below=True))
    width_factor: float | tuple[float, float] | None = arg(
        Optional(Factor(-1, 1, open_below=True)), default=None
    )
    fill_mode: str = arg(FILL_MODE, default="reflect")
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomTranslation(_Images):
    """Images moved at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    height_factor: float | tuple[float, float] = arg(Factor(-1, 1))
    width_factor: float | tuple[float, float] = arg(Factor(-1, 1))
    fill_mode: str = arg(FILL_MODE, default="reflect")
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomShear(_Images):
    """Images slanted at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    x_factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.0)
    y_factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.0)
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    fill_mode: str = arg(FILL_MODE, default="reflect")
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)


class RandomContrast(_Images):
    """More or less contrast at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    factor: float | tuple[float, float] = arg(Factor(0, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return super().infer(x)


class RandomBrightness(_Images):
    """Images made brighter or darker at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    factor: float | tuple[float, float] = arg(Factor(-1, 1))
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return super().infer(x)


class RandomGrayscale(_Images):
    """Colours taken out of images at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    factor: float = arg(Float(at_least=0, at_most=1), default=0.5)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        _, channels = self.images(x)
        if channels not in (1, 3):
            expected = join_channels(("height", "width"), "1 or 3", self.data_format)
            raise Refused(errors.wrong_rank, f"({', '.join(map(str, expected))})", 3)
        return super().infer(x)


class RandomInvert(_Images):
    """Images made negatives at random.

    Shapes: (height, width, channels) -> (height, width, channels)
    """

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)
