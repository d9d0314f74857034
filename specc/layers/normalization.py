"""Layers that normalize: over the batch, over axes of each sample, and with given numbers."""

from __future__ import annotations

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
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import TensorType


class BatchNormalization(Layer):
    """Normalization over the batch, for each position of `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma (n,) if scale; beta (n,) if center; moving_mean (n,) and
             moving_variance (n,), not trainable; if renorm, moving_stddev (n,),
             renorm_mean (n,) and renorm_stddev (n,), not trainable; n is the size of `axis`

    Example: float32[28, 28, 8] -> BatchNormalization(momentum=0.9) -> float32[28, 28, 8]
    """

    supports_masking = True

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

    def affine(self, op: Builder, w: Values) -> tuple[Value, Value] | None:
        """At inference: `gamma / sqrt(moving_variance + epsilon)`, and what centers it."""
        deviation = op.Sqrt(op.Add(w["moving_variance"], self.epsilon))
        scale = op.Div(w["gamma"], deviation) if self.scale else op.Reciprocal(deviation)
        moved = op.Mul(w["moving_mean"], scale)
        return scale, op.Sub(w["beta"], moved) if self.center else op.Neg(moved)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if self.axis not in (-1, x.type.rank):
            raise NotLowered("`BatchNormalization` along another axis than the last")
        affine = self.affine(op, w)
        assert affine is not None
        scale, offset = affine
        return op.Add(op.Mul(x, scale), offset)


class LayerNormalization(Layer):
    """Normalization of each sample over `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma if scale, beta if center, of the sizes of `axis` in ascending order

    Example: float32[10, 8] -> LayerNormalization(epsilon=1e-6) -> float32[10, 8]
    """

    supports_masking = True

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
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        # Keras sorts the axes as they are given: -1 comes first.
        shape = tuple(known_axis_size(x, "axis", axis) for axis in sorted(axes))
        gamma = (Weight("gamma", shape),) if self.scale else ()
        return (*gamma, Weight("beta", shape)) if self.center else gamma


class GroupNormalization(Layer):
    """Normalization of each sample over groups of channels.

    With `groups=-1` each channel is a group.

    Shapes:  (*any) -> (*any)
    Weights: gamma (n,) if scale; beta (n,) if center; n is the size of `axis`

    Example: float32[28, 28, 8] -> GroupNormalization(groups=4) -> float32[28, 28, 8]
    """

    supports_masking = True

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


def _length(numbers: float | tuple[float, ...] | None) -> int | None:
    """How many numbers there are; None for one that stands for all."""
    return len(numbers) if isinstance(numbers, tuple) else None
