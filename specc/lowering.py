"""What the catalogue knows of ONNX: values, and a builder of operators by name.

A layer lowers itself, `onnx(op, x, w)`, against these two; what stands behind them is in
`backends/native`, so that no layer imports onnx.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol

from specc.types import TensorType


class Value(Protocol):
    """A value of the ONNX graph in the making."""

    @property
    def type(self) -> TensorType:
        """Its dtype and shape, for inputs of a layer, weights, and what `Builder.typed` gives.

        Of what operators give only the dtype is known; there this raises `AttributeError`.
        """
        ...

    @property
    def dtype(self) -> str: ...

    @property
    def mask(self) -> Value | None:
        """The mask that Keras carries along with a layer's input, or None: True is kept."""
        ...


Values = Mapping[str, Value]
"""The weights of a layer by name; a layer's `onnx` may find a bias there that it does not have
itself, from a normalization that was folded into it."""

Step = Callable[[list[Value], list[Value]], tuple[list[Value], list[Value]]]
"""States and the items of one time step to the next states and what is put out."""

Turn = Callable[[Value, list[Value]], list[Value]]
"""The number of a turn, from 0 on, and states, to the next states."""


class Builder(Protocol):
    """Makes operators: `op.Gemm(x, kernel, bias, transB=1)`, in the domain of ONNX.

    Inputs are values, None for an optional one that is left out, and constants: numbers become
    constants of the dtype of the first value among the inputs, lists of whole numbers, which
    stand for shapes, axes and pads, tensors of int64. Three arguments are none of the operator:
    `outputs`, how many values it gives (with more than one, a tuple); `dtype`, of what it gives,
    that of the first value it reads otherwise; `domain`.

    Equal operators on equal inputs are made once.
    """

    opset: int

    def __getattr__(self, name: str) -> Any: ...

    def cast(self, x: Value, dtype: str) -> Value:
        """The value in another dtype, with its type and mask; itself where it has that already."""
        ...

    def constant(self, value: Any, dtype: str) -> Value:
        """A constant, of anything that NumPy makes an array of."""
        ...

    def typed(self, x: Value, known: TensorType, mask: Value | None = None) -> Value:
        """The same value, of which a type and a mask are known."""
        ...

    def size(self, x: Value, axis: int) -> Value:
        """The size of an axis, the batch axis being 0, as a vector of one int64."""
        ...

    def reshape(self, x: Value, sizes: Sequence[int | Value]) -> Value:
        """The elements in another shape.

        Args:
            sizes: of every axis, the batch axis included: a number, what `size` gives, 0 for
                that of the same axis of `x`, or at one place -1 for what is left.
        """
        ...

    def scan(
        self, step: Step, states: Sequence[Value], sequences: Sequence[Value], reverse: bool = False
    ) -> tuple[list[Value], list[Value]]:
        """Run a step for each time step of sequences (batch, time, ...).

        Returns:
            The last states, and what was put out, (batch, time, ...) each, in the order of the
            input also where `reverse` runs from its end.
        """
        ...

    def loop(self, step: Turn, times: Value, states: Sequence[Value]) -> list[Value]:
        """Take so many turns, a vector of one int64, and return the last states."""
        ...


class NotLowered(Exception):
    """A layer, or arguments of it, that have no lowering yet; the text says which."""


class NeedsOpset(NotLowered):
    """What has a lowering from a later opset on.

    Args:
        what: it, as the subject of a sentence.
        opset: the first one.
    """

    def __init__(self, what: str, opset: int) -> None:
        super().__init__(f"{what} needs opset {opset}")
        self.opset = opset


def folded(op: Builder, kernels: Values, *biases: Value | None) -> Values:
    """The weights of a layer that took up a scale and an offset; the bias is a sum of terms."""
    terms = [term for term in biases if term is not None]
    return {**kernels, "bias": reduce(op.Add, terms)} if terms else kernels


def plain(dtype: str) -> str:
    """The dtype in which numbers are moved about."""
    return "float32" if dtype == "bfloat16" else dtype


def worked(dtype: str) -> str:
    """The dtype in which is computed where Keras says this one.

    Runtimes have int32 and int64 for whole numbers, and little else. What is cast back to fewer
    bits, or to as many without a sign, is what these would have come to: all wrap around.
    """
    if dtype in ("bool", "int8", "int16", "uint8", "uint16"):
        return "int32"
    return "int64" if dtype in ("uint32", "uint64") else plain(dtype)


def calculable(op: Builder, x: Value) -> Value:
    """A value in the dtype in which is computed with it."""
    return op.cast(x, worked(x.dtype))


def where(op: Builder, condition: Value, a: Value | float, b: Value | float) -> Value:
    """One or the other, of which one at least is no number and has the dtype."""
    dtype: str = getattr(a, "dtype", "") or getattr(b, "dtype", "")
    chosen = [x if hasattr(x, "dtype") else op.constant(x, dtype) for x in (a, b)]
    return op.Where(condition, *chosen, dtype=dtype)


def inside(w: Values, prefix: str) -> Values:
    """The weights whose names start with a prefix, without it: those of a layer within one."""
    return {name.removeprefix(prefix): v for name, v in w.items() if name.startswith(prefix)}
