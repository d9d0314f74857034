"""Images mixed with each other or with noise, and several changes at once, while training.

The labels of images are no input of these layers in a model, and stay as they are.
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
)
from specc.layers.images import (
    INTERPOLATION,
    NO_FLOAT16,
    SEED,
    VALUE_RANGE,
    WIDE_RANGE,
    Augmentation,
    Factor,
)
from specc.objects.kinds import Positive
from specc.types import TensorType

WIDE_FLOATS = Optional(Choice("float32", "float64"))


class Fill(Kind):
    """One number, or one for each of three channels."""

    expected = "a number or a tuple of three numbers"

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            return len(value) == 3 and all(map(Float().accepts, value))
        return Float().accepts(value)


class MixUp(Augmentation):
    """Each image blended with another of its batch; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> MixUp(0.4) -> float32[64, 64, 3]
    """

    casts_by_itself = False

    alpha: float = arg(Positive(), default=0.2)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)


class CutMix(Augmentation):
    """A part of each image replaced by that of another of its batch; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> CutMix(0.5) -> float32[64, 64, 3]
    """

    dtype_kind = WIDE_FLOATS  # With others Keras fails while training.

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        self.require_known(x, "factor", "factor")
        return super().infer(x)


class RandomErasing(Augmentation):
    """A part of each image filled at random, with noise unless told; at inference the input.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[64, 64, 3] -> RandomErasing(0.5, fill_value=0) -> float32[64, 64, 3]
    """

    dtype_kind = NO_FLOAT16

    factor: float | tuple[float, float] = arg(Factor(0, 1), default=1.0)
    scale: float | tuple[float, float] = arg(Factor(0, 1), default=(0.02, 0.33))
    fill_value: float | tuple[float, float, float] | None = arg(Optional(Fill()), default=None)
    value_range: tuple[float, float] = arg(VALUE_RANGE, default=(0, 255))
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def validate(self) -> None:
        if isinstance(self.fill_value, tuple) and self.data_format == "channels_first":
            reason = "Keras spreads several numbers over the last axis, which is no channels here"
            raise Refused(errors.arguments_conflict, "fill_value", reason)

    def infer(self, x: TensorType) -> TensorType:
        self.require_known(x, "scale", "scale")
        if isinstance(self.fill_value, tuple):
            self.require_channels(x, 3, known=False)
        return super().infer(x)


class RandAugment(Augmentation):
    """`num_ops` changes of geometry or colour, drawn for each batch; at inference the input.

    Shapes: (height, width, 3) -> (height, width, 3)

    Example: float32[64, 64, 3] -> RandAugment(num_ops=3) -> float32[64, 64, 3]
    """

    value_range: tuple[float, float] = arg(WIDE_RANGE, default=(0, 255))
    num_ops: int = arg(Int(at_least=0), default=2)
    factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.5)
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        if self.num_ops:
            self.require_channels(x, 1, 3)
        return super().infer(x)


class AugMix(Augmentation):
    """Several chains of changes, blended with the image; at inference the input.

    Keras draws the changes when it traces the layer: in a model, once for the whole training.

    Shapes: (height, width, 3) -> (height, width, 3)

    Example: float32[64, 64, 3] -> AugMix(num_chains=2, factor=0.2) -> float32[64, 64, 3]
    """

    value_range: tuple[float, float] = arg(WIDE_RANGE, default=(0, 255))
    num_chains: int = arg(Int(at_least=1), default=3)
    chain_depth: int = arg(Int(at_least=0), default=3)
    factor: float | tuple[float, float] = arg(Factor(0, 1), default=0.3)
    alpha: float = arg(Positive(), default=1.0)
    all_ops: bool = arg(BOOL, default=True)
    interpolation: str = arg(INTERPOLATION, default="bilinear")
    seed: int | None = arg(SEED, default=None)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        _, channels = self.images(x)
        if not isinstance(channels, int):
            raise Refused(errors.size_needed, "all_ops", self.channel_axis)
        if self.all_ops and self.chain_depth:
            self.require_channels(x, 1, 3)
        return super().infer(x)
