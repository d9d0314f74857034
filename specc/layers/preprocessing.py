"""Rescaling."""

from __future__ import annotations

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

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        y = op.cast(x, self.lowered_dtype)
        if self.scale != 1:
            y = op.Mul(y, op.constant(self.scale, y.dtype))
        if self.offset != 0:
            y = op.Add(y, op.constant(self.offset, y.dtype))
        return y
