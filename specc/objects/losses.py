"""Keras's losses."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.layers.arguments import (
    BOOL,
    DTYPE_POLICY,
    Axes,
    Choice,
    Float,
    Int,
    Numbers,
    Optional,
    arg,
)
from specc.objects.base import TrainingObject
from specc.objects.kinds import AMOUNT, FRACTION, NAME, Between

REDUCTION = Optional(
    Choice("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")
)
AXES = Optional(Axes())


class _Loss(TrainingObject):
    category: ClassVar[str] = "loss"


class CTC(_Loss):
    """Of a sequence of labels that is not aligned with the outputs."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="ctc")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class BinaryCrossentropy(_Loss):
    """Of probabilities of yes and no."""

    from_logits: bool = arg(BOOL, default=False)
    label_smoothing: float = arg(FRACTION, default=0.0)
    axis: int = arg(Int(), default=-1)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="binary_crossentropy")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class BinaryFocalCrossentropy(_Loss):
    """The same, with less weight on what is easy."""

    apply_class_balancing: bool = arg(BOOL, default=False)
    alpha: float = arg(AMOUNT, default=0.25)
    gamma: float = arg(AMOUNT, default=2.0)
    from_logits: bool = arg(BOOL, default=False)
    label_smoothing: float = arg(FRACTION, default=0.0)
    axis: int = arg(Int(), default=-1)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="binary_focal_crossentropy")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class CategoricalCrossentropy(_Loss):
    """Of probabilities of classes, with one-hot labels."""

    from_logits: bool = arg(BOOL, default=False)
    label_smoothing: float = arg(FRACTION, default=0.0)
    axis: int = arg(Int(), default=-1)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="categorical_crossentropy")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class CategoricalFocalCrossentropy(_Loss):
    """The same, with less weight on what is easy."""

    alpha: Any = arg(Numbers(), default=0.25)
    gamma: float = arg(AMOUNT, default=2.0)
    from_logits: bool = arg(BOOL, default=False)
    label_smoothing: float = arg(FRACTION, default=0.0)
    axis: int = arg(Int(), default=-1)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="categorical_focal_crossentropy")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class CategoricalGeneralizedCrossEntropy(_Loss):
    """Between cross-entropy and absolute error, for labels with mistakes."""

    q: float = arg(Between(0, 1), default=0.5)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="categorical_generalized_cross_entropy")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class CategoricalHinge(_Loss):
    """The margin between the right class and the next."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="categorical_hinge")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class Circle(_Loss):
    """Of the similarities of pairs."""

    gamma: float = arg(AMOUNT, default=80.0)
    margin: float = arg(Float(), default=0.4)
    remove_diagonal: bool = arg(BOOL, default=True)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="circle")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class CosineSimilarity(_Loss):
    """The angle between vectors."""

    axis: int = arg(Int(), default=-1)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="cosine_similarity")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class Dice(_Loss):
    """The overlap of masks."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="dice")
    axis: Any = arg(AXES, default=None)
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class Hinge(_Loss):
    """The margin of yes and no."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="hinge")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class Huber(_Loss):
    """Squares of small errors, sizes of large ones."""

    delta: float = arg(AMOUNT, default=1.0)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="huber_loss")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class KLDivergence(_Loss):
    """Between distributions."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="kl_divergence")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class LogCosh(_Loss):
    """Much like Huber, and smooth."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="log_cosh")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class MeanAbsoluteError(_Loss):
    """The sizes of errors."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="mean_absolute_error")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class MeanAbsolutePercentageError(_Loss):
    """The sizes of errors in per cent."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="mean_absolute_percentage_error")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class MeanSquaredError(_Loss):
    """The squares of errors."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="mean_squared_error")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class MeanSquaredLogarithmicError(_Loss):
    """The squares of errors of logarithms."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="mean_squared_logarithmic_error")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class Poisson(_Loss):
    """Of counts."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="poisson")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class SparseCategoricalCrossentropy(_Loss):
    """Of probabilities of classes, with numbers as labels."""

    from_logits: bool = arg(BOOL, default=False)
    ignore_class: int | None = arg(Optional(Int()), default=None)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    axis: int = arg(Int(), default=-1)
    name: str | None = arg(NAME, default="sparse_categorical_crossentropy")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class SquaredHinge(_Loss):
    """The squares of margins."""

    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="squared_hinge")
    dtype: str | None = arg(DTYPE_POLICY, default=None)


class Tversky(_Loss):
    """The overlap of masks, with two kinds of error weighed."""

    alpha: float = arg(AMOUNT, default=0.5)
    beta: float = arg(AMOUNT, default=0.5)
    reduction: str | None = arg(REDUCTION, default="sum_over_batch_size")
    name: str | None = arg(NAME, default="tversky")
    axis: Any = arg(AXES, default=None)
    dtype: str | None = arg(DTYPE_POLICY, default=None)
