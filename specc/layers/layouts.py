"""Axes moved to where ONNX's operators want their channels: behind the batch axis."""

from __future__ import annotations

from specc.lowering import Builder, Value
from specc.types import TensorType


def axis_to_front(op: Builder, x: Value, axis: int, rank: int) -> Value:
    """A value with an axis behind the batch axis; all axes and the rank count that one too."""
    axis %= rank
    others = [a for a in range(1, rank) if a != axis]
    return x if axis == 1 else op.Transpose(x, perm=[0, axis, *others])


def axis_to_back(op: Builder, y: Value, axis: int, rank: int) -> Value:
    """The inverse of `axis_to_front`."""
    axis %= rank
    order = [0, *range(2, axis + 1), 1, *range(axis + 1, rank)]
    return y if axis == 1 else op.Transpose(y, perm=order)


def channel_axis(x: TensorType, data_format: str | None) -> int:
    """The axis of the channels, the batch axis being 0."""
    return 1 if data_format == "channels_first" else x.rank
