"""Operations that make one number of many: along axes, or of all of a tensor without a batch."""

from __future__ import annotations

from typing import ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Axes, Choice, Float, Int, Nothing, Optional, arg
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import CONSTANT, TENSOR, Order
from specc.ops.promotion import holds
from specc.ops.rules import Rule
from specc.ops.shapes import require_rank, result, sample_axes, without
from specc.types import FLOAT_DTYPES, TensorType


class _Reducing(Operation):
    """What all of them have in common."""

    rule: ClassVar[Rule] = staticmethod(rules.same)

    x: TensorType = arg(TENSOR)

    def reduced(self, axes: int | tuple[int, ...] | None, keepdims: bool) -> TensorType:
        """The result along these axes."""
        dtype = type(self).rule(self.x.dtype)
        gone = sample_axes("axis", axes, self.x)
        return result(dtype, without(self.x.whole_shape, gone, keepdims))


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


def reduction(
    name: str, keras_class: str, rule: Rule, text: str, base: type[_Reducing] = Reduction
) -> None:
    """Make the class of a reduction."""
    body = {"__doc__": text, "__module__": __name__, "rule": staticmethod(rule)}
    type(keras_class, (base,), body, name=name, keras_class=keras_class)


reduction("all", "All", rules.truth, "Whether no element is zero.")
reduction("amax", "Amax", rules.same, "The largest element.")
reduction("amin", "Amin", rules.same, "The smallest element.")
reduction("any", "Any", rules.truth, "Whether some element is not zero.")
reduction("argmax", "Argmax", rules.counts, "Where the largest element is.", SingleReduction)
reduction("argmin", "Argmin", rules.counts, "Where the smallest element is.", SingleReduction)
reduction("logsumexp", "Logsumexp", rules.floats, "log(sum(exp(x))).")
reduction("mean", "Mean", rules.as_float, "The mean.")
reduction("median", "Median", rules.as_float, "The median.")
reduction("nanargmax", "Nanargmax", rules.counts, "As `argmax` without NaN.", SingleReduction)
reduction("nanargmin", "Nanargmin", rules.counts, "As `argmin` without NaN.", SingleReduction)
reduction("nanmax", "Nanmax", rules.same, "The largest number.")
reduction("nanmean", "Nanmean", rules.as_float, "The mean of the numbers.")
reduction("nanmin", "Nanmin", rules.same, "The smallest number.")
reduction("nanprod", "Nanprod", rules.as_product, "The product of the numbers.")
reduction("nanstd", "Nanstd", rules.as_float, "The standard deviation of the numbers.")
reduction("nansum", "Nansum", rules.as_sum, "The sum of the numbers.")
reduction("nanvar", "Nanvar", rules.as_float, "The variance of the numbers.")
reduction("ptp", "Ptp", rules.numbers, "The largest element minus the smallest.")
reduction("std", "Std", rules.as_float, "The standard deviation.")
reduction("sum", "Sum", rules.as_sum, "The sum.")
reduction("var", "Var", rules.as_float, "The variance.")


class _Extreme(Reduction):
    """The largest or smallest element, of these and perhaps one more."""

    initial: float | None = arg(Optional(CONSTANT), default=None)

    def infer(self) -> TensorType:
        if self.initial is not None:
            fraction = isinstance(self.initial, float) and self.x.dtype not in FLOAT_DTYPES
            if fraction or not holds(self.x.dtype, self.initial):
                raise Refused(errors.number_out_of_range, self.initial, self.x.dtype)
        return super().infer()


class Max(_Extreme, name="max"):
    """The largest element."""


class Min(_Extreme, name="min"):
    """The smallest element."""


class Prod(Reduction, name="prod"):
    """The product."""

    rule = staticmethod(rules.as_product)

    # Keras says that the result is of this dtype, and computes with another.
    dtype: None = arg(Nothing(), default=None)


class Average(_Reducing, name="average"):
    """The mean; weights are not for tensors of a graph here."""

    rule = staticmethod(rules.as_float)

    axis: int | None = arg(Optional(Int()), default=None)
    weights: None = arg(Nothing(), default=None)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, keepdims=False)


class CountNonzero(_Reducing, name="count_nonzero"):
    """How many elements are not zero."""

    rule = staticmethod(rules.counts)

    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, keepdims=False)


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


class _Quantile(_Reducing):
    """Quantiles, at one place."""

    rule = staticmethod(rules.as_float)

    q: float = arg(Float(at_least=0.0, at_most=1.0))
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)
    method: str = arg(Choice("linear", "lower", "higher", "midpoint", "nearest"), default="linear")
    keepdims: bool = arg(BOOL, default=False)

    def infer(self) -> TensorType:
        return self.reduced(self.axis, self.keepdims)


class Quantile(_Quantile, name="quantile"):
    """What a part of the elements does not exceed."""


class Percentile(_Quantile, name="percentile"):
    """What so many percent of the elements do not exceed."""

    q: float = arg(Float(at_least=0.0, at_most=100.0))


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
