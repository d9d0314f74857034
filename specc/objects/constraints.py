"""Keras's constraints."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.layers.arguments import Axes, Float, KerasObject, arg
from specc.objects.kinds import within


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
