"""Keras's initializers, regularizers and constraints, as objects with arguments.

A spec writes `kernel_regularizer=L2(0.01)` as well as `kernel_regularizer="l2"`. Nothing here is
imported for the names alone: they are in `names.py`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from specc.layers.arguments import (
    Axes,
    Choice,
    Float,
    Int,
    Ints,
    KerasObject,
    Kind,
    Optional,
    arg,
)

SEED = Optional(Int())
FAN_AXES = Optional(Ints())
AMOUNT = Float(at_least=0)


class Positive(Float):
    """A number above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = "a number above 0"

    def accepts(self, value: object) -> bool:
        return super().accepts(value) and value != 0 and Float(at_least=0).accepts(value)


class Distribution(Kind):
    """Keras takes capital letters too, and an older name of the first."""

    choices = ("truncated_normal", "untruncated_normal", "uniform", "normal")
    expected = "one of " + ", ".join(f'"{choice}"' for choice in choices)

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value.lower() in self.choices


# --------------------------------------------------------------------- initializers


class _Initializer(KerasObject):
    category: ClassVar[str] = "initializer"


class Zeros(_Initializer):
    """Nothing but 0."""


class Ones(_Initializer):
    """Nothing but 1."""


class Constant(_Initializer):
    """One number everywhere."""

    value: float = arg(Float(), default=0.0)


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


# --------------------------------------------------------------------- regularizers


class _Regularizer(KerasObject):
    category: ClassVar[str] = "regularizer"


class L1(_Regularizer):
    """`l1` times the sum of the absolute values."""

    l1: float | None = arg(Optional(AMOUNT), default=0.01)


class L2(_Regularizer):
    """`l2` times the sum of the squares."""

    l2: float | None = arg(Optional(AMOUNT), default=0.01)


class L1L2(_Regularizer):
    """Both."""

    l1: float | None = arg(Optional(AMOUNT), default=0.0)
    l2: float | None = arg(Optional(AMOUNT), default=0.0)


class OrthogonalRegularizer(_Regularizer):
    """How far the rows or the columns of a matrix are from orthogonal."""

    factor: float = arg(AMOUNT, default=0.01)
    mode: str = arg(Choice("rows", "columns"), default="rows")


# ---------------------------------------------------------------------- constraints


class _Constraint(KerasObject):
    category: ClassVar[str] = "constraint"


class NonNeg(_Constraint):
    """No number below 0."""


class _Norm(_Constraint):
    """What holds for the norm along `axis`; the batch is no axis of a weight."""

    axis: int | tuple[int, ...]

    def works_on(self, shape: tuple[Any, ...]) -> bool:
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        alone = {axis % len(shape) for axis in axes} if shape else ()
        return within(axes, shape) and len(alone) == len(axes)


class MaxNorm(_Norm):
    """A norm of at most `max_value`."""

    max_value: float = arg(Float(), default=2)
    axis: int | tuple[int, ...] = arg(Axes(), default=0)


class MinMaxNorm(_Norm):
    """A norm between two values."""

    min_value: float = arg(Float(), default=0.0)
    max_value: float = arg(Float(), default=1.0)
    rate: float = arg(Float(), default=1.0)
    axis: int | tuple[int, ...] = arg(Axes(), default=0)


class UnitNorm(_Norm):
    """A norm of 1."""

    axis: int | tuple[int, ...] = arg(Axes(), default=0)


# -------------------------------------------------------------------------- by name


def within(axes: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    """Whether a shape has all of these axes."""
    return all(-len(shape) <= axis < len(shape) for axis in axes)


_CLASSES: tuple[type[KerasObject], ...] = (
    Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal,
    LecunUniform, Ones, Orthogonal, RandomNormal, RandomUniform, TruncatedNormal,
    VarianceScaling, Zeros,
    L1, L1L2, L2, OrthogonalRegularizer,
    MaxNorm, MinMaxNorm, NonNeg, UnitNorm,
)  # fmt: skip

_SECOND_NAMES: dict[type[KerasObject], tuple[str, ...]] = {
    Identity: ("IdentityInitializer", "identity"),
    Orthogonal: ("OrthogonalInitializer", "orthogonal"),
    L1: ("l1",),
    L1L2: ("l1_l2",),
    L2: ("l2",),
}
"""What else Keras's modules call them; the others have a second name in snake case."""

CATEGORIES = ("initializer", "regularizer", "constraint")


def _by_name(category: str) -> dict[str, type[KerasObject]]:
    found: dict[str, type[KerasObject]] = {}
    for cls in _CLASSES:
        if cls.category == category:
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__)
            for name in (cls.__name__, *_SECOND_NAMES.get(cls, (snake.removeprefix("_"),))):
                found[name] = cls
    return found


_BY_NAME = {category: _by_name(category) for category in CATEGORIES}


def find_object(category: str, name: str) -> type[KerasObject] | None:
    """The class of an initializer, regularizer or constraint, by any of its names."""
    return _BY_NAME[category].get(name)


def object_names(category: str) -> tuple[str, ...]:
    """Every name of every class of a category."""
    return tuple(sorted(_BY_NAME[category]))
