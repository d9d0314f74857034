"""How often each category occurs, in ONNX."""

from __future__ import annotations

from specc.lowering import Builder, Value


def counted(
    op: Builder, categories: Value, depth: int, dtype: str, amounts: Value | None = None
) -> Value:
    """Counts (..., depth) of whole numbers (..., n) from 0 up to `depth`.

    One-hot rows that are added up would need n times the memory.

    Args:
        amounts: what each of them counts, where that is not 1.
    """
    ones = op.constant([1], dtype)
    amounts = amounts if amounts is not None else op.Expand(ones, op.Shape(categories))
    lead = op.Shape(categories, start=0, end=-1, dtype="int64")
    zeros = op.Expand(op.constant([0], dtype), op.Concat(lead, [depth], axis=0))
    return op.ScatterElements(zeros, categories, amounts, axis=-1, reduction="add")
