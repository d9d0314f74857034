"""Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from specc.layers.arguments import DATA_FORMAT, arg
from specc.layers.base import Layer
from specc.types import TensorType, size_of


class Flatten(Layer):
    """All axes but the batch axis as one.

    Shapes: (*any) -> (product of any,)
    """

    data_format: str | None = arg(DATA_FORMAT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape(size_of(x.shape))
