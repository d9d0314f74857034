"""Rescaling."""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Numbers, arg
from specc.layers.base import Layer
from specc.lowering import Builder, Value, Values
from specc.types import TensorType


class Rescaling(Layer):
    """`x * scale + offset`, with one number for all or one for each channel.

    Shapes: (*any) -> (*any)

    Example: float32[28, 28] -> Rescaling(1 / 255) -> float32[28, 28]
    """

    supports_masking = True

    scale: float | tuple[float, ...] = arg(Numbers())
    offset: float | tuple[float, ...] = arg(Numbers(), default=0.0)

    def infer(self, x: TensorType) -> TensorType:
        for value in (self.scale, self.offset):
            if not isinstance(value, tuple) or len(value) == 1:
                continue
            # Keras would broadcast an axis of size 1, and say that it is still of size 1.
            if x.rank == 0 or (isinstance(x.shape[-1], int) and x.shape[-1] != len(value)):
                expected = "(" + ", ".join([*"*" * (x.rank - 1), str(len(value))]) + ")"
                raise Refused(errors.wrong_rank, expected, max(1, x.rank))
        return TensorType("float32", x.shape)

    @property
    def has_offset(self) -> bool:
        return any(_spread(self.offset, 1))

    def affine_axes(self, x: TensorType) -> Sequence[int]:
        one_for_all = len(_spread(self.scale, 1)) == len(_spread(self.offset, 1)) == 1
        return range(1, x.rank + 1) if one_for_all else (x.rank,)

    def affine(self, op: Builder, w: Values, size: int) -> tuple[Value, Value | None]:
        scale = op.constant(_spread(self.scale, size), self.lowered_dtype)
        offset = op.constant(_spread(self.offset, size), self.lowered_dtype)
        return scale, offset if self.has_offset else None

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        x = op.cast(x, self.lowered_dtype)
        y = op.Mul(x, op.constant(self.scale, x.dtype))
        return op.Add(y, op.constant(self.offset, x.dtype)) if self.has_offset else y


def _spread(numbers: float | tuple[float, ...], size: int) -> tuple[float, ...]:
    """The numbers of an axis of this size, where one stands for all."""
    several = numbers if isinstance(numbers, tuple) else (numbers,)
    return several * size if len(several) == 1 else several
