"""ONNX models as protobuf's messages: their bytes field by field, and models without their weights.

Needs onnx alone, so that it works where no framework is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

INLINE = 1024
"""Tensors smaller than this stay in the model's file when the others go to one of their own."""

PAGE = 4096
"""Where tensors begin in a file of data, so that it can be mapped into memory."""

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
"""The numbers of the fields `ModelProto.graph`, `GraphProto.initializer`, `TensorProto.raw_data`
in onnx.proto."""

MODEL_BEFORE = ("ir_version", "producer_name", "producer_version", "domain", "model_version",
                "doc_string")  # fmt: skip
GRAPH_BEFORE = ("node", "name")
"""The fields that come before those."""


def without_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without the initializers of the graph, which are not copied on the way either."""
    made = onnx.ModelProto.FromString(b"".join(parts(model, MODEL_BEFORE, "graph")))
    made.graph.MergeFromString(b"".join(parts(model.graph, GRAPH_BEFORE, "initializer")))
    return made


def parts(message: Any, before: Sequence[str], without: str) -> tuple[bytes, bytes]:
    """A message without one field, as the bytes before it and those after it."""
    first, second = type(message)(), type(message)()
    for which, value in message.ListFields():
        if which.name != without:
            part = first if which.name in before else second
            if isinstance(value, int | str | bytes):
                setattr(part, which.name, value)
            else:
                getattr(part, which.name).MergeFrom(value)
    return (
        first.SerializeToString(deterministic=True),
        second.SerializeToString(deterministic=True),
    )


def field(number: int, size: int) -> bytes:
    """What stands before a field of so many bytes: its number and type 2, and the size."""
    return _varint(number << 3 | 2) + _varint(size)


def _varint(n: int) -> bytes:
    """Base 128, the lowest seven bits first; the top bit says that there are more.

    https://protobuf.dev/programming-guides/encoding/#varints
    """
    found = bytearray()
    while n > 127:
        found.append(n & 127 | 128)
        n >>= 7
    return bytes([*found, n])
