"""Keras's metrics, but for those that count classes."""

from __future__ import annotations

from typing import ClassVar

from specc.layers.arguments import (
    BOOL,
    DTYPE_POLICY,
    Choice,
    Float,
    Int,
    Optional,
    Text,
    arg,
)
from specc.objects.base import TrainingObject
from specc.objects.kinds import FRACTION

NAMED = Optional(Text())
DTYPE = DTYPE_POLICY


class Metric(TrainingObject):
    """Base of the metrics; a spec cannot name it."""

    category: ClassVar[str] = "metric"


class Accuracy(Metric):
    """How often outputs equal labels."""

    name: str | None = arg(NAMED, default="accuracy")
    dtype: str | None = arg(DTYPE, default=None)


class BinaryAccuracy(Metric):
    """How often yes and no are right."""

    name: str | None = arg(NAMED, default="binary_accuracy")
    dtype: str | None = arg(DTYPE, default=None)
    threshold: float = arg(Float(), default=0.5)


class CategoricalAccuracy(Metric):
    """How often the right class comes first, with one-hot labels."""

    name: str | None = arg(NAMED, default="categorical_accuracy")
    dtype: str | None = arg(DTYPE, default=None)


class SparseCategoricalAccuracy(Metric):
    """How often the right class comes first, with numbers as labels."""

    name: str | None = arg(NAMED, default="sparse_categorical_accuracy")
    dtype: str | None = arg(DTYPE, default=None)


class SparseTopKCategoricalAccuracy(Metric):
    """How often the right class is among the first, with numbers as labels."""

    k: int = arg(Int(at_least=1), default=5)
    name: str | None = arg(NAMED, default="sparse_top_k_categorical_accuracy")
    dtype: str | None = arg(DTYPE, default=None)
    from_sorted_ids: bool = arg(BOOL, default=False)


class TopKCategoricalAccuracy(Metric):
    """How often the right class is among the first, with one-hot labels."""

    k: int = arg(Int(at_least=1), default=5)
    name: str | None = arg(NAMED, default="top_k_categorical_accuracy")
    dtype: str | None = arg(DTYPE, default=None)


class ConcordanceCorrelation(Metric):
    """How near to a line of slope 1."""

    name: str | None = arg(NAMED, default="concordance_correlation")
    dtype: str | None = arg(DTYPE, default=None)
    axis: int = arg(Int(), default=-1)


class PearsonCorrelation(Metric):
    """How near to any line."""

    name: str | None = arg(NAMED, default="pearson_correlation")
    dtype: str | None = arg(DTYPE, default=None)
    axis: int = arg(Int(), default=-1)


class CategoricalHinge(Metric):
    """The margin between the right class and the next."""

    name: str | None = arg(NAMED, default="categorical_hinge")
    dtype: str | None = arg(DTYPE, default=None)


class Hinge(Metric):
    """The margin of yes and no."""

    name: str | None = arg(NAMED, default="hinge")
    dtype: str | None = arg(DTYPE, default=None)


class SquaredHinge(Metric):
    """The squares of margins."""

    name: str | None = arg(NAMED, default="squared_hinge")
    dtype: str | None = arg(DTYPE, default=None)


class BinaryCrossentropy(Metric):
    """Of probabilities of yes and no."""

    name: str | None = arg(NAMED, default="binary_crossentropy")
    dtype: str | None = arg(DTYPE, default=None)
    from_logits: bool = arg(BOOL, default=False)
    label_smoothing: float = arg(FRACTION, default=0)


class CategoricalCrossentropy(Metric):
    """Of probabilities of classes, with one-hot labels."""

    name: str | None = arg(NAMED, default="categorical_crossentropy")
    dtype: str | None = arg(DTYPE, default=None)
    from_logits: bool = arg(BOOL, default=False)
    label_smoothing: float = arg(FRACTION, default=0)
    axis: int = arg(Int(), default=-1)


class KLDivergence(Metric):
    """Between distributions."""

    name: str | None = arg(NAMED, default="kl_divergence")
    dtype: str | None = arg(DTYPE, default=None)


class Poisson(Metric):
    """Of counts."""

    name: str | None = arg(NAMED, default="poisson")
    dtype: str | None = arg(DTYPE, default=None)


class SparseCategoricalCrossentropy(Metric):
    """Of probabilities of classes, with numbers as labels."""

    name: str | None = arg(NAMED, default="sparse_categorical_crossentropy")
    dtype: str | None = arg(DTYPE, default=None)
    from_logits: bool = arg(BOOL, default=False)
    ignore_class: int | None = arg(Optional(Int()), default=None)
    axis: int = arg(Int(), default=-1)


class Mean(Metric):
    """The mean of values."""

    name: str | None = arg(NAMED, default="mean")
    dtype: str | None = arg(DTYPE, default=None)


class Sum(Metric):
    """The sum of values."""

    name: str | None = arg(NAMED, default="sum")
    dtype: str | None = arg(DTYPE, default=None)


class CosineSimilarity(Metric):
    """The angle between vectors."""

    name: str | None = arg(NAMED, default="cosine_similarity")
    dtype: str | None = arg(DTYPE, default=None)
    axis: int = arg(Int(), default=-1)


class LogCoshError(Metric):
    """Much like squares of small errors and sizes of large ones."""

    name: str | None = arg(NAMED, default="logcosh")
    dtype: str | None = arg(DTYPE, default=None)


class MeanAbsoluteError(Metric):
    """The sizes of errors."""

    name: str | None = arg(NAMED, default="mean_absolute_error")
    dtype: str | None = arg(DTYPE, default=None)


class MeanAbsolutePercentageError(Metric):
    """The sizes of errors in per cent."""

    name: str | None = arg(NAMED, default="mean_absolute_percentage_error")
    dtype: str | None = arg(DTYPE, default=None)


class MeanSquaredError(Metric):
    """The squares of errors."""

    name: str | None = arg(NAMED, default="mean_squared_error")
    dtype: str | None = arg(DTYPE, default=None)


class MeanSquaredLogarithmicError(Metric):
    """The squares of errors of logarithms."""

    name: str | None = arg(NAMED, default="mean_squared_logarithmic_error")
    dtype: str | None = arg(DTYPE, default=None)


class R2Score(Metric):
    """How much of the variance is explained."""

    class_aggregation: str | None = arg(
        Optional(Choice("uniform_average", "variance_weighted_average")), default="uniform_average"
    )
    num_regressors: int = arg(Int(at_least=0), default=0)
    name: str | None = arg(NAMED, default="r2_score")
    dtype: str | None = arg(DTYPE, default=None)


class RootMeanSquaredError(Metric):
    """The root of the mean square of errors."""

    name: str | None = arg(NAMED, default="root_mean_squared_error")
    dtype: str | None = arg(DTYPE, default=None)
