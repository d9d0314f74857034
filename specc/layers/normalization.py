"""Layers that normalize: over the batch, over axes of each sample, and with given numbers.

Those over the batch, over axes and over groups compute in float32 where the layer's own dtype is
smaller, as Keras does, with the weights as they are stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Axes,
    Float,
    Int,
    KerasObject,
    Kind,
    Nothing,
    Numbers,
    Optional,
    arg,
)
from specc.layers.base import (
    TENSOR,
    Layer,
    Weight,
    Weights,
    known_axis_size,
    require_axes,
    require_float,
)
from specc.layers.layouts import axis_to_back, axis_to_front
from specc.lowering import Builder, Value, Values
from specc.types import TensorType

KERAS_EPSILON = 1e-7
"""`keras.config.epsilon()`."""


class BatchNormalization(Layer):
    """Normalization over the batch, for each position of `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma (n,) if scale; beta (n,) if center; moving_mean (n,) and
             moving_variance (n,), not trainable; if renorm, moving_stddev (n,),
             renorm_mean (n,) and renorm_stddev (n,), not trainable; n is the size of `axis`

    Example: float32[28, 28, 8] -> BatchNormalization(momentum=0.9) -> float32[28, 28, 8]
    """

    supports_masking = True
    autocasts = False

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL, "mask": TENSOR}

    axis: int = arg(Int(), default=-1)
    momentum: float = arg(Float(), default=0.99)
    epsilon: float = arg(Float(), default=0.001)
    center: bool = arg(BOOL, default=True)
    scale: bool = arg(BOOL, default=True)
    beta_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    gamma_initializer: str | KerasObject = arg(INITIALIZER, default="ones")
    moving_mean_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    moving_variance_initializer: str | KerasObject = arg(INITIALIZER, default="ones")
    beta_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    gamma_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    beta_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    gamma_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    renorm: bool = arg(BOOL, default=False)
    renorm_clipping: None = arg(Nothing(), default=None)
    renorm_momentum: float = arg(Float(), default=0.99)
    synchronized: bool = arg(BOOL, default=False)

    def infer(self, x: TensorType) -> TensorType:
        return TensorType("float32", x.shape)

    def weights(self, x: TensorType) -> Weights:
        n = known_axis_size(x, "axis", self.axis)
        gamma = (Weight("gamma", (n,)),) if self.scale else ()
        beta = (Weight("beta", (n,)),) if self.center else ()
        moving = [("moving_mean", "moving_mean"), ("moving_variance", "moving_variance")]
        if self.renorm:
            moving += [
                ("moving_stddev", "moving_variance"),
                ("renorm_mean", "moving_mean"),
                ("renorm_stddev", "moving_variance"),
            ]
        return (
            *gamma,
            *beta,
            *(Weight(name, (n,), trainable=False, arguments=like) for name, like in moving),
        )

    def affine_axes(self, x: TensorType) -> Sequence[int]:
        return (self.axis % (x.rank + 1),)

    def affine(self, op: Builder, w: Values, size: int) -> tuple[Value, Value | None]:
        """At inference: `gamma / sqrt(moving_variance + epsilon)`, and what centers it."""
        deviation = op.Sqrt(op.Add(w["moving_variance"], self.epsilon))
        scale = op.Div(w["gamma"], deviation) if self.scale else op.Reciprocal(deviation)
        moved = op.Mul(w["moving_mean"], scale)
        return scale, op.Sub(w["beta"], moved) if self.center else op.Neg(moved)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        rank = x.type.rank + 1
        wide = at_least_float32(op, self, op.cast(x, self.lowered_dtype))
        y = op.BatchNormalization(
            axis_to_front(op, wide, self.axis, rank),
            *gamma_and_beta(op, w, [known_axis_size(x.type, "axis", self.axis)], wide.dtype),
            op.cast(w["moving_mean"], wide.dtype),
            op.cast(w["moving_variance"], wide.dtype),
            epsilon=self.epsilon,
        )
        return axis_to_back(op, y, self.axis, rank)


class LayerNormalization(Layer):
    """Normalization of each sample over `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma if scale, beta if center, of the sizes of `axis` in ascending order

    Example: float32[10, 8] -> LayerNormalization(epsilon=1e-6) -> float32[10, 8]
    """

    supports_masking = True
    autocasts = False

    axis: int | tuple[int, ...] = arg(Axes(), default=-1)
    epsilon: float = arg(Float(), default=0.001)
    center: bool = arg(BOOL, default=True)
    scale: bool = arg(BOOL, default=True)
    beta_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    gamma_initializer: str | KerasObject = arg(INITIALIZER, default="ones")
    beta_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    gamma_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    beta_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    gamma_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        require_axes("axis", self.axis, x.rank + 1)
        return TensorType("float32", x.shape)

    def weights(self, x: TensorType) -> Weights:
        if not self.scale and not self.center:
            return ()
        # Keras sorts the axes as they are given: -1 comes first.
        shape = tuple(known_axis_size(x, "axis", axis) for axis in sorted(self.axes()))
        gamma = (Weight("gamma", shape),) if self.scale else ()
        return (*gamma, Weight("beta", shape)) if self.center else gamma

    def axes(self) -> tuple[int, ...]:
        return self.axis if isinstance(self.axis, tuple) else (self.axis,)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        rank = x.type.rank + 1
        axes = sorted(axis % rank for axis in self.axes())
        sizes = [x.type.whole_shape[a] if a in axes else 1 for a in range(axes[0], rank)]
        known = [size for size in sizes if isinstance(size, int)]
        wide = at_least_float32(op, self, x)
        # Keras gives the weights the sizes of the axes in ascending order, without turning them.
        spread = {name: op.reshape(op.cast(v, wide.dtype), known) for name, v in w.items()}
        if len(axes) == len(known) == rank - axes[0]:
            gamma, beta = gamma_and_beta(op, spread, known, wide.dtype)
            y = op.LayerNormalization(wide, gamma, beta, axis=axes[0], epsilon=self.epsilon)
        else:
            centered = op.Sub(wide, op.ReduceMean(wide, axes, keepdims=1))
            variance = op.ReduceMean(op.Mul(centered, centered), axes, keepdims=1)
            y = op.Div(centered, op.Sqrt(op.Add(variance, self.epsilon)))
            y = op.Mul(y, spread["gamma"]) if self.scale else y
            y = op.Add(y, spread["beta"]) if self.center else y
        return op.cast(y, x.dtype)  # So Keras does, be it whole numbers.


class GroupNormalization(Layer):
    """Normalization of each sample over groups of channels.

    With `groups=-1` each channel is a group.

    Shapes:  (*any) -> (*any)
    Weights: gamma (n,) if scale; beta (n,) if center; n is the size of `axis`

    Example: float32[28, 28, 8] -> GroupNormalization(groups=4) -> float32[28, 28, 8]
    """

    supports_masking = True
    autocasts = False

    groups: int = arg(Int(at_least=-1), default=32)
    axis: int = arg(Int(), default=-1)
    epsilon: float = arg(Float(), default=0.001)
    center: bool = arg(BOOL, default=True)
    scale: bool = arg(BOOL, default=True)
    beta_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    gamma_initializer: str | KerasObject = arg(INITIALIZER, default="ones")
    beta_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    gamma_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    beta_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    gamma_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)

    def validate(self) -> None:
        if self.groups == 0:
            reason = "there cannot be 0 groups; -1 makes each channel one"
            raise Refused(errors.arguments_conflict, "groups", reason)

    def infer(self, x: TensorType) -> TensorType:
        n = known_axis_size(x, "axis", self.axis)
        if n % (n if self.groups == -1 else self.groups):
            reason = f"{n} channels cannot be split into {self.groups} groups"
            raise Refused(errors.arguments_conflict, "groups", reason)
        return TensorType("float32", x.shape)

    def weights(self, x: TensorType) -> Weights:
        n = known_axis_size(x, "axis", self.axis)
        gamma = (Weight("gamma", (n,)),) if self.scale else ()
        return (*gamma, Weight("beta", (n,))) if self.center else gamma

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        """A group is what `InstanceNormalization` has as a channel; gamma and beta are those of
        the channels, and can be the operator's only where each of these is a group.
        """
        rank = x.type.rank + 1
        n = known_axis_size(x.type, "axis", self.axis)
        groups = n if self.groups == -1 else self.groups
        wide = at_least_float32(op, self, x)
        front = axis_to_front(op, wide, self.axis, rank)
        if groups == n and rank > 2:
            gamma, beta = gamma_and_beta(op, w, [n], wide.dtype)
            y = op.InstanceNormalization(front, gamma, beta, epsilon=self.epsilon)
        else:
            ones, zeros = gamma_and_beta(op, {}, [groups], wide.dtype)
            grouped = op.reshape(front, [0, groups, -1])
            y = op.InstanceNormalization(grouped, ones, zeros, epsilon=self.epsilon)
            behind = list(x.type.shape)
            del behind[self.axis % rank - 1]
            sizes = [
                b if isinstance(b, int) else op.size(front, i + 2) for i, b in enumerate(behind)
            ]
            y = op.reshape(y, [0, n, *sizes])
            for name, operator in (("gamma", op.Mul), ("beta", op.Add)):
                if name in w:
                    y = operator(y, op.reshape(op.cast(w[name], y.dtype), [n, *[1] * len(behind)]))
        return op.cast(axis_to_back(op, y, self.axis, rank), x.dtype)


class RMSNormalization(Layer):
    """Each sample divided by the root of the mean square over `axis`, and scaled.

    Keras multiplies the scale along the last axes, whichever axes it was made for; others than
    the last ones are refused.

    Shapes:  (*any) -> (*any)
    Weights: scale, of the sizes of `axis`

    Example: float32[10, 8] -> RMSNormalization -> float32[10, 8]
    """

    axis: int | tuple[int, ...] = arg(Axes(), default=-1)
    epsilon: float = arg(Float(), default=1e-6)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        axes = self.axes()
        require_axes("axis", axes, x.rank + 1)
        counted = [axis % (x.rank + 1) for axis in axes]
        if counted != list(range(x.rank + 1 - len(axes), x.rank + 1)):
            raise Refused(errors.arguments_conflict, "axis", "these are not the last axes in order")
        return TensorType("float32", x.shape)

    def weights(self, x: TensorType) -> Weights:
        shape = tuple(known_axis_size(x, "axis", axis) for axis in self.axes())
        return (Weight("scale", shape),)

    def axes(self) -> tuple[int, ...]:
        return self.axis if isinstance(self.axis, tuple) else (self.axis,)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        axes = list(range(-len(self.axes()), 0))
        wide = at_least_float32(op, self, x)
        scale = op.cast(w["scale"], wide.dtype)
        square = op.ReduceMean(op.Mul(wide, wide), axes, keepdims=1)
        y = op.Mul(op.Div(wide, op.Sqrt(op.Add(square, self.epsilon))), scale)
        return op.cast(y, x.dtype)


class UnitNormalization(Layer):
    """Each sample divided by its length along `axis`.

    Shapes: (*any) -> (*any)

    Example: float32[128] -> UnitNormalization -> float32[128]
    """

    supports_masking = True

    axis: int | tuple[int, ...] = arg(Axes(), default=-1)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        require_axes("axis", self.axis, x.rank + 1)
        return TensorType("float32", x.shape)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        axes = list(self.axis) if isinstance(self.axis, tuple) else [self.axis]
        return op.Div(x, op.Max(op.ReduceL2(x, axes, keepdims=1), 1e-12))


class Normalization(Layer):
    """The mean subtracted, then divided by the root of the variance; the reverse with `invert`.

    Without `mean` and `variance` these are learned from data before the training (Keras's
    `adapt`), one for each position of `axis`. Sample by sample: the batch is no such axis.

    Shapes:  (*any) -> (*any)
    Weights: without mean and variance: mean and variance, of the sizes of `axis` in ascending
             order, and count (); none of them trainable

    Example: float32[13] -> Normalization -> float32[13]
    """

    supports_masking = True

    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=-1)
    mean: float | tuple[float, ...] | None = arg(Optional(Numbers()), default=None)
    variance: float | tuple[float, ...] | None = arg(Optional(Numbers()), default=None)
    invert: bool = arg(BOOL, default=False)

    def validate(self) -> None:
        if (self.mean is None) != (self.variance is None):
            missing, given = ("mean", "variance") if self.mean is None else ("variance", "mean")
            raise Refused(errors.arguments_conflict, given, f"`{missing}` must be given as well")
        if _length(self.mean) != _length(self.variance):
            reason = "`mean` and `variance` must have as many numbers"
            raise Refused(errors.arguments_conflict, "variance", reason)

    def infer(self, x: TensorType) -> TensorType:
        axes = self.axes()
        require_axes("axis", axes, x.rank + 1)
        # The numbers are those of the last axis that is kept; Keras sorts the axes.
        counted = sorted(axis % (x.rank + 1) for axis in axes)
        sizes = [known_axis_size(x, "axis", axis) for axis in counted]
        length = _length(self.mean)
        if length is not None and (not sizes or length not in (1, sizes[-1])):
            size = sizes[-1] if sizes else 0
            reason = f"has {length} numbers, and the axis has size {size}"
            raise Refused(errors.arguments_conflict, "mean", reason)
        return TensorType("float32", x.shape)

    def axes(self) -> tuple[int, ...]:
        if self.axis is None:
            return ()
        return self.axis if isinstance(self.axis, tuple) else (self.axis,)

    def weights(self, x: TensorType) -> Weights:
        if self.mean is not None:
            return ()
        axes = sorted(axis % (x.rank + 1) for axis in self.axes())
        shape = tuple(known_axis_size(x, "axis", axis) for axis in axes)
        return (
            Weight("mean", shape, trainable=False),
            Weight("variance", shape, trainable=False),
            Weight("count", (), trainable=False, dtype="int64"),
        )

    def affine_axes(self, x: TensorType) -> Sequence[int]:
        kept = sorted(axis % (x.rank + 1) for axis in self.axes())
        if self.mean is not None:
            kept = kept[-1:] if (_length(self.mean) or 1) > 1 else []
        # With several axes there is no vector that says it all.
        return range(1, x.rank + 1) if not kept else kept if len(kept) == 1 else ()

    def affine(self, op: Builder, w: Values, size: int) -> tuple[Value, Value | None]:
        if self.mean is None:
            ones = op.constant([1.0] * size, w["mean"].dtype)
            mean = op.Mul(ones, op.reshape(w["mean"], [-1]))
            deviation = op.Mul(ones, op.reshape(_deviation(op, w["variance"]), [-1]))
            if self.invert:
                return deviation, mean
            return op.Reciprocal(deviation), op.Neg(op.Div(mean, deviation))
        pairs = list(zip(*self._given(), strict=True))
        if not self.invert:
            pairs = [(-mean / deviation, 1 / deviation) for mean, deviation in pairs]
        offsets, scales = zip(*(pairs * size if len(pairs) == 1 else pairs), strict=True)
        dtype = self.lowered_dtype
        return op.constant(scales, dtype), op.constant(offsets, dtype)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        import numpy as np

        rank = x.type.rank + 1
        x = op.cast(x, self.lowered_dtype)
        kept = sorted(axis % rank for axis in self.axes())
        if self.mean is None:
            sizes = [x.type.whole_shape[a] if a in kept else 1 for a in range(1, rank)]
            spread = [size for size in sizes if isinstance(size, int)]
            mean = op.reshape(w["mean"], spread)
            deviation = op.reshape(_deviation(op, w["variance"]), spread)
        else:
            # Along the last of the axes; without axes there is one number.
            ones = [1] * (rank - 1 - kept[-1]) if kept else []
            given = [np.reshape(numbers, [-1, *ones]) for numbers in self._given()]
            mean, deviation = (op.constant(numbers, x.dtype) for numbers in given)
        if self.invert:
            return op.Add(op.Mul(x, deviation), mean)
        return op.Div(op.Sub(x, mean), deviation)

    def _given(self) -> tuple[list[float], list[float]]:
        """The means and deviations that stand in the arguments."""
        assert self.mean is not None
        assert self.variance is not None
        means = self.mean if isinstance(self.mean, tuple) else (self.mean,)
        variances = self.variance if isinstance(self.variance, tuple) else (self.variance,)
        roots = [math.sqrt(v) if v >= 0 else math.nan for v in variances]
        return list(means), [max(root, KERAS_EPSILON) for root in roots]


def _deviation(op: Builder, variance: Value) -> Value:
    return op.Max(op.Sqrt(variance), KERAS_EPSILON)


def at_least_float32(op: Builder, layer: Layer, x: Value) -> Value:
    return op.cast(x, "float64" if layer.compute_dtype == "float64" else "float32")


def gamma_and_beta(op: Builder, w: Values, sizes: Sequence[int], dtype: str) -> tuple[Value, Value]:
    """For an operator that wants both: what is not among the weights changes nothing."""
    import numpy as np

    gamma = op.cast(w["gamma"], dtype) if "gamma" in w else op.constant(np.ones(sizes), dtype)
    beta = op.cast(w["beta"], dtype) if "beta" in w else op.constant(np.zeros(sizes), dtype)
    return gamma, beta


def _length(numbers: float | tuple[float, ...] | None) -> int | None:
    """How many numbers there are; None for one that stands for all."""
    return len(numbers) if isinstance(numbers, tuple) else None
