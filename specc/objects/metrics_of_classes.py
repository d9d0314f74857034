"""Keras's metrics that count what is right and wrong, by thresholds or by classes."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, DTYPE_POLICY, Choice, Float, Int, Optional, arg
from specc.objects.kinds import AMOUNT, FRACTION, Either, Listed, Real
from specc.objects.metrics import DTYPE, NAMED, Metric

THRESHOLDS = Optional(Either(FRACTION, Listed(FRACTION, "them")))
CLASSES = Listed(Int(at_least=0), "whole numbers, 0 or more")
COUNT_DTYPE = Optional(Choice(*DTYPE_POLICY.choices, "int", "int32", "int64"))
"""Keras counts in whole numbers unless it is told otherwise."""


class AUC(Metric):
    """The area under a curve of thresholds."""

    num_thresholds: int = arg(Int(at_least=2), default=200)
    curve: str = arg(Choice("ROC", "PR", "PRGAIN", "roc", "pr", "prgain"), default="ROC")
    summation_method: str = arg(
        Choice("interpolation", "majoring", "minoring", "Interpolation", "Majoring", "Minoring"),
        default="interpolation",
    )
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)
    thresholds: tuple[float, ...] | None = arg(
        Optional(Listed(FRACTION, "numbers from 0 to 1")), default=None
    )
    multi_label: bool = arg(BOOL, default=False)
    num_labels: int | None = arg(Optional(Int(at_least=1)), default=None)
    label_weights: tuple[float, ...] | None = arg(
        Optional(Listed(AMOUNT, "numbers, 0 or more")), default=None
    )
    from_logits: bool = arg(BOOL, default=False)

    def validate(self) -> None:
        if self.num_labels is not None and not self.multi_label:
            raise Refused(errors.arguments_conflict, "num_labels", "it needs `multi_label=True`")


class FalseNegatives(Metric):
    """How many are wrongly taken for no."""

    thresholds: Any = arg(THRESHOLDS, default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class FalsePositives(Metric):
    """How many are wrongly taken for yes."""

    thresholds: Any = arg(THRESHOLDS, default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class Precision(Metric):
    """How many of those taken for yes are."""

    thresholds: Any = arg(THRESHOLDS, default=None)
    top_k: int | None = arg(Optional(Int(at_least=1)), default=None)
    class_id: int | None = arg(Optional(Int(at_least=0)), default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class PrecisionAtRecall(Metric):
    """The best precision with this recall."""

    recall: float = arg(FRACTION)
    num_thresholds: int = arg(Int(at_least=1), default=200)
    class_id: int | None = arg(Optional(Int(at_least=0)), default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class Recall(Metric):
    """How many of those that are yes are found."""

    thresholds: Any = arg(THRESHOLDS, default=None)
    top_k: int | None = arg(Optional(Int(at_least=1)), default=None)
    class_id: int | None = arg(Optional(Int(at_least=0)), default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class RecallAtPrecision(Metric):
    """The best recall with this precision."""

    precision: float = arg(FRACTION)
    num_thresholds: int = arg(Int(at_least=1), default=200)
    class_id: int | None = arg(Optional(Int(at_least=0)), default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class SensitivityAtSpecificity(Metric):
    """The best sensitivity with this specificity."""

    specificity: float = arg(FRACTION)
    num_thresholds: int = arg(Int(at_least=1), default=200)
    class_id: int | None = arg(Optional(Int(at_least=0)), default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class SpecificityAtSensitivity(Metric):
    """The best specificity with this sensitivity."""

    sensitivity: float = arg(FRACTION)
    num_thresholds: int = arg(Int(at_least=1), default=200)
    class_id: int | None = arg(Optional(Int(at_least=0)), default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class TrueNegatives(Metric):
    """How many are rightly taken for no."""

    thresholds: Any = arg(THRESHOLDS, default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class TruePositives(Metric):
    """How many are rightly taken for yes."""

    thresholds: Any = arg(THRESHOLDS, default=None)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(DTYPE, default=None)


class F1Score(Metric):
    """Precision and recall in one."""

    average: str | None = arg(Optional(Choice("micro", "macro", "weighted")), default=None)
    threshold: float | None = arg(Optional(Real(above=0, at_most=1)), default=None)
    name: str | None = arg(NAMED, default="f1_score")
    dtype: str | None = arg(DTYPE, default=None)


class FBetaScore(Metric):
    """The same, with a weight."""

    average: str | None = arg(Optional(Choice("micro", "macro", "weighted")), default=None)
    beta: float = arg(Real(above=0), default=1.0)
    threshold: float | None = arg(Optional(Real(above=0, at_most=1)), default=None)
    name: str | None = arg(NAMED, default="fbeta_score")
    dtype: str | None = arg(DTYPE, default=None)


class _OfSomeClasses(Metric):
    """What is counted for a few of the classes."""

    num_classes: int = 2
    target_class_ids: tuple[int, ...] = ()

    def validate(self) -> None:
        if max(self.target_class_ids) >= self.num_classes:
            reason = f"the classes are numbered from 0 to {self.num_classes - 1}"
            raise Refused(errors.arguments_conflict, "target_class_ids", reason)


class BinaryIoU(_OfSomeClasses):
    """The overlap of yes and no."""

    target_class_ids: tuple[int, ...] = arg(CLASSES, default=(0, 1))
    threshold: float = arg(Float(), default=0.5)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(COUNT_DTYPE, default=None)


class IoU(_OfSomeClasses):
    """The overlap of some classes."""

    num_classes: int = arg(Int(at_least=1))
    target_class_ids: tuple[int, ...] = arg(CLASSES)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(COUNT_DTYPE, default=None)
    ignore_class: int | None = arg(Optional(Int()), default=None)
    sparse_y_true: bool = arg(BOOL, default=True)
    sparse_y_pred: bool = arg(BOOL, default=True)
    axis: int = arg(Int(), default=-1)


class MeanIoU(Metric):
    """The mean overlap of all classes."""

    num_classes: int = arg(Int(at_least=1))
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(COUNT_DTYPE, default=None)
    ignore_class: int | None = arg(Optional(Int()), default=None)
    sparse_y_true: bool = arg(BOOL, default=True)
    sparse_y_pred: bool = arg(BOOL, default=True)
    axis: int = arg(Int(), default=-1)


class OneHotIoU(_OfSomeClasses):
    """The overlap of some classes, of one-hot labels."""

    num_classes: int = arg(Int(at_least=1))
    target_class_ids: tuple[int, ...] = arg(CLASSES)
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(COUNT_DTYPE, default=None)
    ignore_class: int | None = arg(Optional(Int()), default=None)
    sparse_y_pred: bool = arg(BOOL, default=False)
    axis: int = arg(Int(), default=-1)


class OneHotMeanIoU(Metric):
    """The mean overlap of all classes, of one-hot labels."""

    num_classes: int = arg(Int(at_least=1))
    name: str | None = arg(NAMED, default=None)
    dtype: str | None = arg(COUNT_DTYPE, default=None)
    ignore_class: int | None = arg(Optional(Int()), default=None)
    sparse_y_pred: bool = arg(BOOL, default=False)
    axis: int = arg(Int(), default=-1)
