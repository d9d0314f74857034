"""What the catalogue knows of ONNX: values, and a builder of operators by name.

A layer lowers itself, `onnx(op, x, w)`, against these two; what stands behind them is in
`backends/native`, so that no layer imports onnx.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from specc.types import TensorType


class Value(Protocol):
    """A value of the ONNX graph in the making."""

    @property
    def type(self) -> TensorType:
        """Its dtype, and its shape where it is the input of a layer or a weight."""
        ...

    @property
    def dtype(self) -> str: ...


Operand = Value | float | int | bool | Sequence[float] | Sequence[int] | None
"""What an operator reads: a value, a constant, or nothing in the place of an optional input."""

Values = Mapping[str, Value]
"""The weights of a layer by name; a layer's `onnx` may find a bias there that it does not have
itself, from a normalization that was folded into it."""


class Builder(Protocol):
    """Makes operators: `op.Gemm(x, kernel, bias)`, in the domain of ONNX.

    Numbers become constants of the dtype of the first value among the inputs; lists of whole
    numbers, which stand for shapes, axes and pads, tensors of int64.
    """

    opset: int

    def __getattr__(self, name: str) -> Any: ...

    def cast(self, x: Value, dtype: str) -> Value:
        """The value in another dtype; the value itself where it has that already."""
        ...

    def constant(self, value: Any, dtype: str) -> Value: ...


class NotLowered(Exception):
    """A layer, or arguments of it, that have no lowering yet; the text says which."""
