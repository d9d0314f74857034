"""Keras's initializers."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.layers.arguments import Choice, Float, Ints, KerasObject, Kind, Optional, arg
from specc.objects.kinds import SEED, Positive, Values, as_lists, shape_of, within

FAN_AXES = Optional(Ints())


class Distribution(Kind):
    """Keras takes capital letters too, and an older name of the first."""

    choices = ("truncated_normal", "untruncated_normal", "uniform", "normal")
    expected = "one of " + ", ".join(f'"{choice}"' for choice in choices)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value.lower() in self.choices


class _Initializer(KerasObject):
    category: ClassVar[str] = "initializer"


class Zeros(_Initializer):
    """Nothing but 0."""


class Ones(_Initializer):
    """Nothing but 1."""


class Constant(_Initializer):
    """One number everywhere, or the numbers that are given."""

    value: Any = arg(Values(), default=0.0)

    def works_on(self, shape: tuple[Any, ...]) -> bool:
        given = shape_of(self.value) or ()
        trailing = shape[len(shape) - len(given) :]
        fits = all(size in (1, wanted) for size, wanted in zip(given, trailing, strict=False))
        return len(given) <= len(shape) and fits

    def keras_arguments(self) -> dict[str, Any]:
        return {name: as_lists(value) for name, value in self.given.items()}


class Identity(_Initializer):
    """The identity matrix, times `gain`."""

    gain: float = arg(Float(), default=1.0)


class RandomNormal(_Initializer):
    """A normal distribution."""

    mean: float = arg(Float(), default=0.0)
    stddev: float = arg(Float(), default=0.05)
    seed: int | None = arg(SEED, default=None)


class TruncatedNormal(_Initializer):
    """A normal distribution without what is more than two deviations off."""

    mean: float = arg(Float(), default=0.0)
    stddev: float = arg(Float(), default=0.05)
    seed: int | None = arg(SEED, default=None)


class RandomUniform(_Initializer):
    """A uniform distribution."""

    minval: float = arg(Float(), default=-0.05)
    maxval: float = arg(Float(), default=0.05)
    seed: int | None = arg(SEED, default=None)


class Orthogonal(_Initializer):
    """A random orthogonal matrix, times `gain`."""

    gain: float = arg(Float(), default=1.0)
    seed: int | None = arg(SEED, default=None)


class _Scaling(_Initializer):
    """A variance that follows from how many inputs and outputs a weight connects."""

    input_axes: tuple[int, ...] | None
    output_axes: tuple[int, ...] | None

    def works_on(self, shape: tuple[Any, ...]) -> bool:
        if self.input_axes is None or self.output_axes is None:
            return True
        return within((*self.input_axes, *self.output_axes), shape)


class VarianceScaling(_Scaling):
    """The general form of those below."""

    scale: float = arg(Positive(), default=1.0)
    mode: str = arg(Choice("fan_in", "fan_out", "fan_avg"), default="fan_in")
    distribution: str = arg(Distribution(), default="truncated_normal")
    seed: int | None = arg(SEED, default=None)
    input_axes: tuple[int, ...] | None = arg(FAN_AXES, default=None)
    output_axes: tuple[int, ...] | None = arg(FAN_AXES, default=None)


class _Fixed(_Scaling):
    """`VarianceScaling` with the first three arguments chosen."""

    seed: int | None = arg(SEED, default=None)
    input_axes: tuple[int, ...] | None = arg(FAN_AXES, default=None)
    output_axes: tuple[int, ...] | None = arg(FAN_AXES, default=None)


class GlorotNormal(_Fixed):
    """Scale 1, the mean of inputs and outputs, truncated normal."""


class GlorotUniform(_Fixed):
    """Scale 1, the mean of inputs and outputs, uniform."""


class HeNormal(_Fixed):
    """Scale 2, inputs, truncated normal."""


class HeUniform(_Fixed):
    """Scale 2, inputs, uniform."""


class LecunNormal(_Fixed):
    """Scale 1, inputs, truncated normal."""


class LecunUniform(_Fixed):
    """Scale 1, inputs, uniform."""
