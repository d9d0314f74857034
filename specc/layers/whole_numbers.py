"""Arithmetic of whole numbers in ONNX."""

from __future__ import annotations

from specc.lowering import Builder, Value

CALCULATED_IN = {
    **dict.fromkeys(("bool", "int8", "int16", "uint8", "uint16"), "int32"),
    **dict.fromkeys(("uint32", "uint64"), "int64"),
}


def calculable(op: Builder, x: Value) -> Value:
    """The value in a dtype for which runtimes have every operator: floats, int32 or int64.

    What is calculated and cast back is the same as in the narrow dtype: sums, differences and
    products agree modulo its range, and a cast takes them modulo that.
    """
    return op.cast(x, CALCULATED_IN.get(x.dtype, x.dtype))
