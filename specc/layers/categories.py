"""Categories in ONNX: looked up, counted, and as rows of ones and zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specc.lowering import Builder, Value


def looked_up(op: Builder, x: Value, table: Mapping[Any, Any], default: Any) -> Value:
    """What a table of strings or whole numbers says; `default` for what is not in it."""
    text = isinstance(default, str)
    keys = "keys_strings" if x.dtype == "string" else "keys_int64s"
    # An empty table is one that says for a single category what it says for all others.
    table = table or {"" if x.dtype == "string" else 0: default}
    return op.LabelEncoder(
        x if x.dtype == "string" else op.cast(x, "int64"),
        domain="ai.onnx.ml",
        dtype="string" if text else "int64",
        **{
            keys: list(table),
            "values_strings" if text else "values_int64s": list(table.values()),
            "default_string" if text else "default_int64": default,
        },
    )


def encoded(
    op: Builder,
    categories: Value,
    shape: tuple[Any, ...],
    mode: str,
    depth: int,
    dtype: str,
    amounts: Value | None = None,
) -> Value:
    """Whole numbers as `output_mode` says. Those that are not below `depth` count for nothing.

    Args:
        shape: theirs, without the batch axis.
        amounts: what each of them counts in the mode "count", where that is not 1.
    """
    if mode == "int":
        return categories
    if mode == "one_hot":
        if shape[-1:] == (1,):
            categories = op.Squeeze(categories, [-1])
        values = op.constant([0, 1], dtype)
        return op.OneHot(categories, [depth], values, axis=-1, dtype=dtype)
    counts = counted(op, categories, depth + 1, dtype, amounts)
    counts = op.Slice(counts, [0], [depth], [-1])
    return op.Min(counts, op.constant(1, dtype)) if mode == "multi_hot" else counts


def counted(
    op: Builder, categories: Value, depth: int, dtype: str, amounts: Value | None = None
) -> Value:
    """Counts (..., depth) of whole numbers (..., n), all of them below `depth`.

    One-hot rows that are added up would need n times the memory.

    Args:
        amounts: what each of them counts, where that is not 1.
    """
    if amounts is None:
        amounts = op.Expand(op.constant([1], dtype), op.Shape(categories, dtype="int64"))
    lead = op.Shape(categories, start=0, end=-1, dtype="int64")
    zeros = op.Expand(op.constant([0], dtype), op.Concat(lead, [depth], axis=0))
    return op.ScatterElements(zeros, categories, amounts, axis=-1, reduction="add")
