"""Images resized and cropped, and turned, moved or bent at random while training."""

from __future__ import annotations

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, DATA_FORMAT, Choice, Float, Int, Optional, arg, place
from specc.layers.base import join_channels
from specc.layers.images import (
    FILL_MODE,
    INTERPOLATION,
    NO_FLOAT16,
    SEED,
    VALUE_RANGE,
    Augmentation,
    Factor,
    Images,
)
from specc.layers.reshaping import RESIZABLE
from specc.layers.resize import (
    cropped,
    middle,
    padded,
    pixels_read,
    resized,
    saturated,
    sizes_of,
)
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import FLOAT_DTYPES, TensorType

FLOAT32 = Optional(Choice("float32"))


class Resizing(Images):
    """Images stretched to a size, at inference as well. The dtype is kept.

    Shapes: (rows, columns, channels) -> (height, width, channels)

    Example: float32[100, 120, 3] -> Resizing(64, 64) -> float32[64, 64, 3]
    """

    onnx_limits = "but for images of unknown size with other interpolations than the first two"

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

    @property
    def summed(self) -> int:
        return pixels_read(self.interpolation)

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype not in RESIZABLE:
            raise Refused(errors.dtype_refused, "numbers of at most 16 bits, int32 or int64")
        if self.pad_to_aspect_ratio and not x.is_float and isinstance(self.fill_value, float):
            reason = f"the images are of {x.dtype}: it must be a whole number, such as 0"
            raise Refused(errors.arguments_conflict, "fill_value", reason)
        return self.resized(x, x.dtype)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        axes, target = self.spatial_axes, (self.height, self.width)
        sizes = sizes_of(op, x, axes)
        if self.crop_to_aspect_ratio:
            x, sizes = cropped(op, x, axes, sizes, target)
        if self.pad_to_aspect_ratio:
            x, sizes = padded(op, x, axes, sizes, target, self.fill_value)
        if self.interpolation == "nearest" or tuple(sizes) == target:
            return resized(op, x, axes, sizes, target, "nearest")
        rounded = x.dtype not in FLOAT_DTYPES
        y = op.cast(x, "float32")
        y = resized(op, y, axes, sizes, target, self.interpolation, self.antialias)
        return saturated(op, y, x.dtype, self.interpolation) if rounded else y


class CenterCrop(Images):
    """The middle of each image, at inference as well; one that is too small is enlarged first.

    Shapes: (rows, columns, channels) -> (height, width, channels)

    Example: float32[100, 120, 3] -> CenterCrop(64, 64) -> float32[64, 64, 3]
    """

    dtype_kind = FLOAT32  # Enlarged images are of float32 whatever is asked for.

    height: int = arg(Int(at_least=1))
    width: int = arg(Int(at_least=1))
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return self.resized(x)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        axes, target = self.spatial_axes, (self.height, self.width)
        x = op.typed(op.cast(x, "float32"), x.type)
        sizes = sizes_of(op, x, axes)
        # Keras takes a size that it does not know for one that is large enough.
        if any(isinstance(n, int) and n < to for n, to in zip(sizes, target, strict=True)):
            x, sizes = cropped(op, x, axes, sizes, target)
            return resized(op, x, axes, sizes, target)
        return middle(op, x, axes, sizes, target)


class RandomCrop(Images):
    """A random part of each image; at inference Keras gives the input, of whatever size.

    Shapes: (rows, columns, channels) -> (height, width, channels)

    Example: float32[100, 120, 3] -> RandomCrop(64, 64) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    dtype_kind = FLOAT32  # Enlarged images are of float32 whatever is asked for.
    onnx_limits = "but for images of another size"

    height: int = arg(Int(at_least=1))
    width: int = arg(Int(at_least=1))
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    name = place()

    def infer(self, x: TensorType) -> TensorType:
        self.require_known(x, "height", "width")
        return self.resized(x)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if x.type.shape != self.infer(x.type).shape:
            raise NotLowered(
                "`RandomCrop` of images of another size, which Keras says and not does"
            )
        return x


class RandomFlip(Augmentation):
    """Images mirrored at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomFlip("horizontal") -> float32[64, 64, 3]
    """

    mode: str = arg(
        Choice("horizontal_and_vertical", "horizontal", "vertical"),
        default="horizontal_and_vertical",
    )
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomRotation(Augmentation):
    """Images turned at random, by a part of a whole turn; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomRotation(0.1) -> float32[64, 64, 3]
    """

    factor: float | tuple[float, float] = arg(Factor(-1, 1))
    fill_mode: str = arg(FILL_MODE, default="reflect")
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomZoom(Augmentation):
    """Images enlarged or made smaller at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomZoom((-0.2, 0.1)) -> float32[64, 64, 3]
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


class RandomTranslation(Augmentation):
    """Images moved at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomTranslation(0.1, 0.2) -> float32[64, 64, 3]
    """

    height_factor: float | tuple[float, float] = arg(Factor(-1, 1))
    width_factor: float | tuple[float, float] = arg(Factor(-1, 1))
    fill_mode: str = arg(FILL_MODE, default="reflect")
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)


class RandomShear(Augmentation):
    """Images slanted at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomShear(0.2) -> float32[64, 64, 3]
    """

    x_factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.0)
    y_factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.0)
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    fill_mode: str = arg(FILL_MODE, default="reflect")
    fill_value: float = arg(Float(), default=0.0)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)


class RandomPerspective(Augmentation):
    """Images seen from another side at random; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomPerspective(0.5) -> float32[64, 64, 3]
    """

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    scale: float = arg(Float(at_least=0, at_most=1), default=1.0)
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    fill_value: float = arg(Float(), default=0.0)
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        self.require_known(x, "scale", "scale")
        spatial, _ = self.images(x)
        if 1 in spatial:  # Corners that coincide leave Keras without a solution.
            axes = join_channels(("height > 1", "width > 1"), "channels", self.data_format)
            raise Refused(errors.wrong_rank, f"({', '.join(map(str, axes))})", 3)
        return super().infer(x)


class RandomElasticTransform(Augmentation):
    """Images bent at random as if they were of rubber; at inference the input.

    Where Keras does not know the size of the batch, as in a model that `fit` trains, it takes
    the first image of the batch for all that it bends.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomElasticTransform(0.5) -> float32[64, 64, 3]
    """

    dtype_kind = NO_FLOAT16

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    scale: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    fill_mode: str = arg(FILL_MODE, default="reflect")
    fill_value: float = arg(Float(), default=0.0)
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        self.require_known(x, "scale", "scale", "scale")
        return super().infer(x)
