"""Operations that make one number of many: along axes, or of all of a tensor without a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partialmethod
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Axes, Choice, Float, Int, Nothing, Optional, arg
from specc.lowering import Builder, NotLowered, Value
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.creation import rounded
from specc.ops.kinds import CONSTANT, TENSOR, Order
from specc.ops.lower import (
    all_along,
    any_along,
    flat,
    is_float,
    is_nan,
    known_sizes,
    maximum,
    minimum,
    norm,
    rank_of,
    reduce,
    reordered,
    single,
    truth,
    where,
    worked,
)
from specc.ops.promotion import holds
from specc.ops.rules import Rule
from specc.ops.shapes import require_rank, result, sample_axes, without
from specc.types import FLOAT_DTYPES, TensorType

Lowering = Callable[[Builder, Value, Sequence[int], bool], Value]
"""What is computed of a value along axes, which stay with a size of 1 or not."""


class _Reducing(Operation):
    """What all of them have in common."""

    rule: ClassVar[Rule] = staticmethod(rules.same)

    x: TensorType = arg(TENSOR)

    def reduced(self, axes: int | tuple[int, ...] | None, keepdims: bool) -> TensorType:
        """The result along these axes."""
        dtype = type(self).rule(self.x.dtype)
        gone = sample_axes("axis", axes, self.x)
        return result(dtype, without(self.x.whole_shape, gone, keepdims))

    def cast_for(self, op: Builder, x: Value) -> Value:
        """The operand in the dtype of the result, but where that is of another kind."""
        rule = type(self).rule
        own = rule in (rules.truth, rules.counts)
        return op.cast(x, worked(self.x.dtype if own else rule(self.x.dtype)))


class Reduction(_Reducing):
    """A reduction along some axes, or all of them."""

    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)
    keepdims: bool = arg(BOOL, default=False)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, self.keepdims)


class SingleReduction(_Reducing):
    """A reduction along one axis, or all of them."""

    axis: int | None = arg(Optional(Int()), default=None)
    keepdims: bool = arg(BOOL, default=False)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, self.keepdims)


# ------------------------------------------------------------------- of several operators


def _all_nan(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    return all_along(op, is_nan(op, x), axes, keepdims)


def _without_nan(op: Builder, x: Value, number: float) -> Value:
    return where(op, is_nan(op, x), number, x)


def _arg(operator: str) -> Lowering:
    """Where something is along one axis, or among all elements in a row."""

    def lowered(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
        make = getattr(op, operator)
        if len(axes) == 1:
            return make(x, axis=axes[0], keepdims=int(keepdims), dtype="int64")
        place = make(flat(op, x), axis=0, keepdims=0, dtype="int64")
        return op.Reshape(place, [1] * len(axes)) if keepdims else place

    return lowered


def _nan_arg(operator: str, least: float) -> Lowering:
    def lowered(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
        if not is_float(x):
            return _arg(operator)(op, x, axes, keepdims)
        place = _arg(operator)(op, _without_nan(op, x, least), axes, keepdims)
        return where(op, _all_nan(op, x, axes, keepdims), -1, place)

    return lowered


def _nan_extreme(operator: str, least: float) -> Lowering:
    def lowered(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
        if not is_float(x):
            return reduce(op, operator, x, axes, keepdims)
        found = reduce(op, operator, _without_nan(op, x, least), axes, keepdims)
        return where(op, _all_nan(op, x, axes, keepdims), math.nan, found)

    return lowered


def _nan_total(operator: str, nothing: float) -> Lowering:
    def lowered(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
        x = _without_nan(op, x, nothing) if is_float(x) else x
        return reduce(op, operator, x, axes, keepdims)

    return lowered


def _nanmean(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    total = _nan_total("ReduceSum", 0.0)(op, x, axes, keepdims)
    there = op.cast(op.Not(is_nan(op, x)), x.dtype)
    return op.Div(total, reduce(op, "ReduceSum", there, axes, keepdims))


def _nanvar(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    distance = op.Sub(x, _nanmean(op, x, axes, True))
    return _nanmean(op, op.Mul(distance, distance), axes, keepdims)


def _nanstd(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    return op.Sqrt(_nanvar(op, x, axes, keepdims))


def _mean(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    return reduce(op, "ReduceMean", single(op, x), axes, keepdims)


def _var(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    x = single(op, x)
    distance = op.Sub(x, _mean(op, x, axes, True))
    return _mean(op, op.Mul(distance, distance), axes, keepdims)


def _std(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    return op.Sqrt(_var(op, x, axes, keepdims))


def _ptp(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    largest, smallest = (reduce(op, f"Reduce{end}", x, axes, keepdims) for end in ("Max", "Min"))
    return op.Sub(largest, smallest)


def _count(op: Builder, x: Value, axes: Sequence[int], keepdims: bool) -> Value:
    return reduce(op, "ReduceSum", op.cast(truth(op, x), "int32"), axes, keepdims)


# ------------------------------------------------------------------------------ tables


def reduction(
    name: str,
    keras_class: str,
    rule: Rule,
    text: str,
    lowering: str | Lowering,
    base: type[_Reducing] = Reduction,
) -> None:
    """Make the class of a reduction.

    Args:
        lowering: an operator of ONNX, or what makes several.
    """
    body: dict[str, Any] = {"__doc__": text, "__module__": __name__, "rule": staticmethod(rule)}
    body["onnx"] = partialmethod(_onnx, lowering)
    type(keras_class, (base,), body, name=name, keras_class=keras_class)


def _onnx(self: Any, lowering: str | Lowering, op: Builder, v: Mapping[str, Any]) -> Value:
    x = self.cast_for(op, v["x"])
    axes = sample_axes("axis", self.axis, self.x)
    keepdims: bool = getattr(self, "keepdims", False)
    if isinstance(lowering, str):
        return reduce(op, lowering, x, axes, keepdims)
    return lowering(op, x, axes, keepdims)


reduction("all", "All", rules.truth, "Whether no element is zero.", all_along)
reduction("amax", "Amax", rules.same, "The largest element.", "ReduceMax")
reduction("amin", "Amin", rules.same, "The smallest element.", "ReduceMin")
reduction("any", "Any", rules.truth, "Whether some element is not zero.", any_along)
reduction(
    "argmax",
    "Argmax",
    rules.counts,
    "Where the largest element is.",
    _arg("ArgMax"),
    SingleReduction,
)
reduction(
    "argmin",
    "Argmin",
    rules.counts,
    "Where the smallest element is.",
    _arg("ArgMin"),
    SingleReduction,
)
reduction("logsumexp", "Logsumexp", rules.floats, "log(sum(exp(x))).", "ReduceLogSumExp")
reduction("mean", "Mean", rules.as_float, "The mean.", _mean)
reduction(
    "nanargmax",
    "Nanargmax",
    rules.counts,
    "As `argmax` without NaN.",
    _nan_arg("ArgMax", -math.inf),
    SingleReduction,
)
reduction(
    "nanargmin",
    "Nanargmin",
    rules.counts,
    "As `argmin` without NaN.",
    _nan_arg("ArgMin", math.inf),
    SingleReduction,
)
reduction(
    "nanmax", "Nanmax", rules.same, "The largest number.", _nan_extreme("ReduceMax", -math.inf)
)
reduction("nanmean", "Nanmean", rules.as_float, "The mean of the numbers.", _nanmean)
reduction(
    "nanmin", "Nanmin", rules.same, "The smallest number.", _nan_extreme("ReduceMin", math.inf)
)
reduction(
    "nanprod",
    "Nanprod",
    rules.as_product,
    "The product of the numbers.",
    _nan_total("ReduceProd", 1.0),
)
reduction("nanstd", "Nanstd", rules.as_float, "The standard deviation of the numbers.", _nanstd)
reduction("nansum", "Nansum", rules.as_sum, "The sum of the numbers.", _nan_total("ReduceSum", 0.0))
reduction("nanvar", "Nanvar", rules.as_float, "The variance of the numbers.", _nanvar)
reduction("ptp", "Ptp", rules.numbers, "The largest element minus the smallest.", _ptp)
reduction("std", "Std", rules.as_float, "The standard deviation.", _std)
reduction("sum", "Sum", rules.as_sum, "The sum.", "ReduceSum")
reduction("var", "Var", rules.as_float, "The variance.", _var)


class _Extreme(Reduction):
    """The largest or smallest element, of these and perhaps one more."""

    initial: float | None = arg(Optional(CONSTANT), default=None)

    operator: ClassVar[str]
    """Of ONNX."""
    of_two: ClassVar[Callable[[Builder, Value, float], Value]]

    def infer(self) -> TensorType:
        if self.initial is not None:
            fraction = isinstance(self.initial, float) and self.x.dtype not in FLOAT_DTYPES
            if fraction or not holds(self.x.dtype, self.initial):
                raise Refused(errors.number_out_of_range, self.initial, self.x.dtype)
        return super().infer()

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        found = _onnx(self, self.operator, op, v)
        return found if self.initial is None else type(self).of_two(op, found, self.initial)


class Max(_Extreme, name="max"):
    """The largest element."""

    operator = "ReduceMax"
    of_two = staticmethod(maximum)


class Min(_Extreme, name="min"):
    """The smallest element."""

    operator = "ReduceMin"
    of_two = staticmethod(minimum)


class Prod(Reduction, name="prod"):
    """The product."""

    rule = staticmethod(rules.as_product)

    # Keras says that the result is of this dtype, and computes with another.
    dtype: None = arg(Nothing(), default=None)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return _onnx(self, "ReduceProd", op, v)


class Average(_Reducing, name="average"):
    """The mean; weights are not for tensors of a graph here."""

    rule = staticmethod(rules.as_float)

    axis: int | None = arg(Optional(Int()), default=None)
    weights: None = arg(Nothing(), default=None)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return _onnx(self, _mean, op, v)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, keepdims=False)


class CountNonzero(_Reducing, name="count_nonzero"):
    """How many elements are not zero."""

    rule = staticmethod(rules.counts)

    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, keepdims=False)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return _onnx(self, _count, op, v)


class Norm(_Reducing, name="norm"):
    """The norm of vectors or, along two axes, of matrices."""

    rule = staticmethod(rules.as_float)

    ord: float | str | None = arg(Optional(Order()), default=None)
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)
    keepdims: bool = arg(BOOL, default=False)

    MATRIX_ORDERS: ClassVar[tuple[float | str, ...]] = ("fro", "nuc", 1, -1, 2, -2)

    def infer(self) -> TensorType:
        require_rank(self.x, 1)
        outcome = self.reduced(self.axis, self.keepdims)
        axes = sample_axes("axis", self.axis, self.x)
        if self.ord is not None:
            matrix = len(axes) == 2
            allowed = self.ord in self.MATRIX_ORDERS if matrix else not isinstance(self.ord, str)
            if not allowed:
                raise Refused(errors.not_together, "ord", "axis")
        if len(axes) > 2:
            raise Refused(errors.wrong_count, "axis", len(axes), 2)
        return outcome

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        axes = sample_axes("axis", self.axis, self.x)
        return norm(op, self.cast_for(op, v["x"]), self.ord, axes, self.keepdims)


def _quantile(operation: Any, op: Builder, x: Value, part: float, method: str) -> Value:
    """What a part of the elements along the axes of an operation does not exceed."""
    whole: TensorType = operation.x
    axes = sample_axes("axis", operation.axis, whole)
    count = known_sizes(whole.whole_shape, axes)
    if count is None:
        raise NotLowered(f"`{operation.operation_name}` along an axis of unknown size")
    rest = [axis for axis in range(rank_of(whole)) if axis not in axes]
    row = op.Reshape(reordered(op, x, [*rest, *axes]), [0] * len(rest) + [count])
    weights = _weighted(part, method, count)
    smallest, _ = op.TopK(row, [max(weights) + 1], axis=-1, largest=0, outputs=2)
    terms = [
        op.Mul(op.Gather(smallest, op.constant(place, "int64"), axis=-1), weight)
        for place, weight in weights.items()
    ]
    found = op.Add(*terms) if len(terms) > 1 else terms[0]
    if whole.is_float:
        found = where(op, any_along(op, is_nan(op, row), [len(rest)]), math.nan, found)
    return op.Unsqueeze(found, sorted(axes)) if operation.keepdims and axes else found


def _weighted(part: float, method: str, count: int) -> dict[int, float]:
    """Which of so many elements in order make a quantile, with their weights."""
    place = (count - 1) * part
    lower, higher = math.floor(place), math.ceil(place)
    if lower == higher:
        return {lower: 1.0}
    if method == "midpoint":
        return {lower: 0.5, higher: 0.5}
    if method == "linear":
        return {lower: higher - place, higher: place - lower}
    return {{"lower": lower, "higher": higher, "nearest": round(place)}[method]: 1.0}


class Median(Reduction, name="median"):
    """The median."""

    rule = staticmethod(rules.as_float)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return _quantile(self, op, self.cast_for(op, v["x"]), 0.5, "linear")


class _AtPlace(_Reducing):
    """Quantiles at a place that an argument says."""

    rule = staticmethod(rules.as_float)

    q: float = arg(Float(at_least=0.0, at_most=1.0))
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)
    method: str = arg(Choice("linear", "lower", "higher", "midpoint", "nearest"), default="linear")
    keepdims: bool = arg(BOOL, default=False)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, self.keepdims)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return _quantile(self, op, self.cast_for(op, v["x"]), self.part, self.method)

    @property
    def part(self) -> float:
        """Which part of the elements is not to be exceeded, as Keras rounds it."""
        return rounded(self.q, "float32")


class Quantile(_AtPlace, name="quantile"):
    """What a part of the elements does not exceed."""


class Percentile(_AtPlace, name="percentile"):
    """What so many percent of the elements do not exceed."""

    q: float = arg(Float(at_least=0.0, at_most=100.0))

    @property
    def part(self) -> float:
        return rounded(rounded(self.q, "float32") / 100, "float32")


class Moments(Operation, name="moments"):
    """The mean and the variance."""

    x: TensorType = arg(TENSOR)
    axes: int | tuple[int, ...] = arg(Axes())
    keepdims: bool = arg(BOOL, default=False)
    synchronized: bool = arg(BOOL, default=False)

    def infer(self) -> tuple[TensorType, TensorType]:
        dtype = rules.floats(self.x.dtype)
        gone = sample_axes("axes", self.axes, self.x)
        one = result(dtype, without(self.x.whole_shape, gone, self.keepdims))
        return one, one

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> tuple[Value, Value]:
        axes = sample_axes("axes", self.axes, self.x)
        both = [make(op, v["x"], axes, self.keepdims) for make in (_mean, _var)]
        if self.x.dtype in ("float16", "bfloat16"):  # Keras keeps both to the range of float16
            both = [op.Clip(x, -65504.0, 65504.0) for x in both]
        return both[0], both[1]
