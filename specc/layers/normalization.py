"""BatchNormalization, LayerNormalization."""

from __future__ import annotations

from typing import ClassVar

from specc.layers.arguments import (
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Axes,
    Float,
    Int,
    Kind,
    Nothing,
    arg,
)
from specc.layers.base import TENSOR, Layer, Weight, Weights, known_axis_size, require_axes
from specc.types import TensorType


class BatchNormalization(Layer):
    """Normalization over the batch, for each position of `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma (n,) if scale; beta (n,) if center; moving_mean (n,) and
             moving_variance (n,), not trainable; if renorm, moving_stddev (n,),
             renorm_mean (n,) and renorm_stddev (n,), not trainable; n is the size of `axis`
    """

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL, "mask": TENSOR}

    axis: int = arg(Int(), default=-1)
    momentum: float = arg(Float(), default=0.99)
    epsilon: float = arg(Float(), default=0.001)
    center: bool = arg(BOOL, default=True)
    scale: bool = arg(BOOL, default=True)
    beta_initializer: str = arg(INITIALIZER, default="zeros")
    gamma_initializer: str = arg(INITIALIZER, default="ones")
    moving_mean_initializer: str = arg(INITIALIZER, default="zeros")
    moving_variance_initializer: str = arg(INITIALIZER, default="ones")
    beta_regularizer: str | None = arg(REGULARIZER, default=None)
    gamma_regularizer: str | None = arg(REGULARIZER, default=None)
    beta_constraint: str | None = arg(CONSTRAINT, default=None)
    gamma_constraint: str | None = arg(CONSTRAINT, default=None)
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


class LayerNormalization(Layer):
    """Normalization of each sample over `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma if scale, beta if center, of the sizes of `axis` in ascending order
    """

    axis: int | tuple[int, ...] = arg(Axes(), default=-1)
    epsilon: float = arg(Float(), default=0.001)
    center: bool = arg(BOOL, default=True)
    scale: bool = arg(BOOL, default=True)
    beta_initializer: str = arg(INITIALIZER, default="zeros")
    gamma_initializer: str = arg(INITIALIZER, default="ones")
    beta_regularizer: str | None = arg(REGULARIZER, default=None)
    gamma_regularizer: str | None = arg(REGULARIZER, default=None)
    beta_constraint: str | None = arg(CONSTRAINT, default=None)
    gamma_constraint: str | None = arg(CONSTRAINT, default=None)

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
