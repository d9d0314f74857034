"""BatchNormalization, LayerNormalization."""

from __future__ import annotations

from specc.diagnostics import errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Float,
    Int,
    arg,
)
from specc.layers.base import TENSOR, Layer, Weight, Weights, known_size
from specc.types import TensorType


class BatchNormalization(Layer):
    """Normalization over the batch, for each position of `axis`.

    Shapes:  (*any) -> (*any)
    Weights: gamma (n,) if scale; beta (n,) if center; moving_mean (n,) and
             moving_variance (n,), not trainable; n is the size of `axis`
    """

    call_arguments = {"training": BOOL, "mask": TENSOR}

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
    synchronized: bool = arg(BOOL, default=False)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def weights(self, x: TensorType) -> Weights:
        rank = x.rank + 1
        if not -rank <= self.axis < rank or self.axis % rank == 0:
            raise Refused(errors.axis_out_of_range, "axis", self.axis, rank)
        n = known_size(x, self.axis % rank - 1)
        gamma = (Weight("gamma", (n,)),) if self.scale else ()
        beta = (Weight("beta", (n,)),) if self.center else ()
        moving = ("moving_mean", "moving_variance")
        return gamma + beta + tuple(Weight(name, (n,), trainable=False) for name in moving)
