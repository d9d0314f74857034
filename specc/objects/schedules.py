"""Keras's learning-rate schedules."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Float, Int, Optional, arg
from specc.objects.base import TrainingObject
from specc.objects.kinds import AMOUNT, Listed, Name, Positive, Real

RATE = Real(at_least=0)
"""Keras computes in the dtype of the first rate, and in whole numbers from `1`."""


class _Schedule(TrainingObject):
    category: ClassVar[str] = "schedule"


class ExponentialDecay(_Schedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`."""

    initial_learning_rate: float = arg(RATE)
    decay_steps: float = arg(Positive())
    decay_rate: float = arg(AMOUNT)
    staircase: bool = arg(BOOL, default=False)
    name: str = arg(Name(), default="ExponentialDecay")


class InverseTimeDecay(_Schedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`."""

    initial_learning_rate: float = arg(RATE)
    decay_steps: float = arg(Positive())
    decay_rate: float = arg(AMOUNT)
    staircase: bool = arg(BOOL, default=False)
    name: str = arg(Name(), default="InverseTimeDecay")


class PolynomialDecay(_Schedule):
    """From one rate to another, along a power of the steps that are left."""

    initial_learning_rate: float = arg(RATE)
    decay_steps: float = arg(Positive())
    end_learning_rate: float = arg(AMOUNT, default=0.0001)
    power: float = arg(AMOUNT, default=1.0)
    cycle: bool = arg(BOOL, default=False)
    name: str = arg(Name(), default="PolynomialDecay")


class CosineDecay(_Schedule):
    """Along half a cosine, after a warm-up if wanted."""

    initial_learning_rate: float = arg(RATE)
    decay_steps: float = arg(Positive())
    alpha: float = arg(AMOUNT, default=0.0)
    name: str = arg(Name(), default="CosineDecay")
    warmup_target: float | None = arg(Optional(AMOUNT), default=None)
    warmup_steps: int = arg(Int(at_least=0), default=0)


class CosineDecayRestarts(_Schedule):
    """Along half a cosine, again and again."""

    initial_learning_rate: float = arg(RATE)
    first_decay_steps: float = arg(Positive())
    t_mul: float = arg(Float(at_least=1), default=2.0)
    m_mul: float = arg(AMOUNT, default=1.0)
    alpha: float = arg(AMOUNT, default=0.0)
    name: str = arg(Name(), default="SGDRDecay")


class PiecewiseConstantDecay(_Schedule):
    """The first value up to the first boundary, and so on."""

    boundaries: tuple[float, ...] = arg(Listed(AMOUNT, "steps, which are numbers from 0"))
    values: tuple[float, ...] = arg(Listed(RATE, "numbers with a point, 0.0 or more"))
    name: str = arg(Name(), default="PiecewiseConstant")

    def validate(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            reason = f"{len(self.boundaries)} boundaries make {len(self.boundaries) + 1} values"
            raise Refused(errors.arguments_conflict, "values", reason)
        if any(first >= second for first, second in pairwise(self.boundaries)):
            raise Refused(errors.arguments_conflict, "boundaries", "they are not in order")
