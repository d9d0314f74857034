"""Masks of attention in ONNX: which steps of the values each query sees."""

from __future__ import annotations

from specc.lowering import Builder, Value


def sizes(op: Builder, x: Value, axes: tuple[int, ...]) -> list[int | Value]:
    """The sizes of axes, the batch axis being 0, as `Builder.reshape` takes them."""
    known = [x.type.shape[axis - 1] for axis in axes]
    return [n if isinstance(n, int) else op.size(x, i) for i, n in zip(axes, known, strict=True)]


def product(op: Builder, of: list[int | Value]) -> int | Value:
    """The size of several axes together."""
    first, *others = of
    for other in others:
        if isinstance(first, int):
            first, other = other, first
        first = (
            first * other
            if isinstance(first, int) and isinstance(other, int)
            else op.Mul(first, other)
        )
    return first


def positions(op: Builder, x: Value) -> Value:
    """The numbers of the steps, which are the axis before the features."""
    axis = x.type.rank - 1
    (size,) = sizes(op, x, (axis,))
    if isinstance(size, int):
        return op.constant(range(size), "int64")
    return op.Range(op.constant(0, "int64"), op.Squeeze(size), op.constant(1, "int64"))


def behind(op: Builder, query: Value, value: Value) -> Value:
    """How many steps each one of the values is behind each query: (queries, steps)."""
    return op.Sub(op.Unsqueeze(positions(op, query), [1]), positions(op, value))


def causal(op: Builder, query: Value, value: Value) -> Value:
    """Nothing that comes later."""
    return op.GreaterOrEqual(behind(op, query, value), 0, dtype="bool")


def window(op: Builder, query: Value, value: Value, width: int) -> Value:
    """Less than `width` steps before or after."""
    return op.Less(op.Abs(behind(op, query, value)), width, dtype="bool")


def all_of(op: Builder, masks: list[Value]) -> Value | None:
    """What every mask shows; None where there is none."""
    shown = None
    for mask in masks:
        shown = mask if shown is None else op.And(shown, mask)
    return shown
