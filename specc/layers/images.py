"""What layers of images share: the kinds of their arguments, and their base.

A layer that changes images at random is at work in training alone where Keras's own call has
`training=True` as default: a model hands on whether it is trained. All but Resizing compute in
floats, whole numbers too.
"""

from __future__ import annotations

from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Choice, Float, Int, Kind, Optional, is_tuple
from specc.layers.base import Layer, join_channels, spatial_axis, split_channels
from specc.lowering import Builder, Value
from specc.types import Dimension, TensorType

SEED = Optional(Int())
FILL_MODE = Choice("reflect", "wrap", "constant", "nearest")
INTERPOLATION = Choice("nearest", "bilinear")

NO_FLOAT16 = Optional(Choice("bfloat16", "float32", "float64", "mixed_bfloat16"))
"""Dtypes for a layer that counts pixels in its own: TensorFlow has no float16 range in a graph."""


class Factor(Kind):
    """How far a random change goes: `0.2`, or the least and the most, `(-0.1, 0.3)`."""

    def __init__(
        self, at_least: float, at_most: float, open_below: bool = False, whole: bool = False
    ) -> None:
        self.at_least = at_least
        self.at_most = at_most
        self.open_below = open_below
        self.whole = whole
        number = "a whole number" if whole else "a number"
        lower = f"more than {at_least:g} and" if open_below else f"from {at_least:g} to"
        upper = f"at most {at_most:g}" if open_below else f"{at_most:g}"
        self.expected = f"{number} {lower} {upper}, or a tuple of two of them"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,)
        return all(map(self._fits, items)) and (not is_tuple(value) or len(value) == 2)

    def _fits(self, number: object) -> bool:
        if self.whole and not isinstance(number, int):
            return False
        one = Float(self.at_least, self.at_most)
        return one.accepts(number) and not (self.open_below and number == self.at_least)


class ValueRange(Kind):
    """The least and the most that a pixel can be."""

    def __init__(self, wide: bool = False) -> None:
        self.wide = wide
        """Whether they must differ."""
        self.expected = "a tuple of two numbers, the smaller one first"

    def accepts(self, value: object) -> bool:
        if not is_tuple(value) or len(value) != 2 or not all(map(Float().accepts, value)):
            return False
        return value[0] < value[1] or (value[0] == value[1] and not self.wide)


BYTES = (0, 255)
"""The range of values that Keras computes in."""

VALUE_RANGE = ValueRange()
WIDE_RANGE = ValueRange(wide=True)
"""For Equalization, which divides by the difference, and what makes use of it."""


class Images(Layer):
    """Base of the layers of images: they keep the shape, and give floats."""

    height: int
    width: int

    casts_by_itself: ClassVar[bool] = True
    """Whether Keras's `call` makes floats of whole numbers, and not just what is around it."""

    def images(self, x: TensorType) -> tuple[tuple[Dimension, ...], Dimension]:
        """The spatial sizes and the channels."""
        return split_channels(x, self.channels_at, "height", "width")

    @property
    def channels_at(self) -> str | None:
        """The `data_format`, which some layers have no argument for."""
        return getattr(self, "data_format", None)

    @property
    def channel_axis(self) -> int:
        """The number of the channels' axis for errors, the batch axis being 0."""
        return 1 if self.channels_at == "channels_first" else 3

    @property
    def spatial_axes(self) -> tuple[int, int]:
        """The numbers of the axes of rows and columns, the batch axis being 0."""
        return (2, 3) if self.channels_at == "channels_first" else (1, 2)

    def infer(self, x: TensorType) -> TensorType:
        self.images(x)
        return TensorType("float32", x.shape)

    def ranged(
        self, op: Builder, x: Value, given: tuple[float, float], wanted: tuple[float, float]
    ) -> Value:
        """Pixels of one range of values in another, step by step as Keras computes it."""
        if given == wanted:
            return x
        x = op.Div(op.Sub(x, given[0]), given[1] - given[0])
        return op.Add(op.Mul(x, wanted[1] - wanted[0]), wanted[0])

    def resized(self, x: TensorType, dtype: str = "float32") -> TensorType:
        """The type of images of `height` and `width`."""
        _, channels = self.images(x)
        return TensorType(
            dtype, join_channels((self.height, self.width), channels, self.channels_at)
        )

    def require_known(self, x: TensorType, height: str, width: str, channels: str = "") -> None:
        """Refuse sizes that Keras has to know when a model is trained.

        Args:
            height, width, channels: the arguments that depend on them; "" for none.
        """
        spatial, last = self.images(x)
        for index, (argument, size) in enumerate(zip((height, width), spatial, strict=True)):
            if not isinstance(size, int):
                raise Refused(errors.size_needed, argument, spatial_axis(index, self.channels_at))
        if channels and not isinstance(last, int):
            raise Refused(errors.size_needed, channels, self.channel_axis)

    def require_channels(self, x: TensorType, *numbers: int, known: bool = True) -> None:
        """Refuse images that have another number of channels, or an unknown one if `known`."""
        _, channels = self.images(x)
        if channels in numbers or (not known and not isinstance(channels, int)):
            return
        wanted = " or ".join(map(str, numbers))
        expected = join_channels(("height", "width"), wanted, self.channels_at)
        raise Refused(errors.wrong_rank, f"({', '.join(map(str, expected))})", 3)


class Augmentation(Images):
    """Base of the layers that change images while training alone: at inference they give their
    input, in floats."""

    passes_on = True
