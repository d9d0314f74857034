"""ONNX files written tensor by tensor.

protobuf would want the whole model in memory, and once more as bytes. A message, though, is the
bytes of its fields one after the other, so the file is put together here of a skeleton, which
protobuf writes, and of the weights, one at a time. The fields stand in the order in which
protobuf writes them itself: the file is the one that it would have written.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import onnx
import onnx_ir as ir

LIMIT = 2**31 - 1
"""What a protobuf message may hold, in bytes."""

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

Tensors = Sequence[ir.TensorProtocol]


def with_tensors(skeleton: onnx.ModelProto, tensors: Tensors) -> onnx.ModelProto:
    """The whole model in memory."""
    model = onnx.ModelProto()
    model.CopyFrom(skeleton)
    for tensor, array in _computed(tensors):
        proto = _header(tensor)
        proto.raw_data = array.tobytes()
        model.graph.initializer.append(proto)
    return model


def write_model(
    skeleton: onnx.ModelProto, tensors: Tensors, path: str, data_path: str | None = None
) -> None:
    """Write a model.

    Args:
        skeleton: the model without the weights.
        tensors: the weights; each is computed when its turn comes.
        data_path: a file for the weights; in it `path` refers to them by the file's name.
    """
    if data_path is None:
        _write_file(skeleton, tensors, path)
        return
    outside = [tensor for tensor in tensors if tensor.nbytes >= INLINE]
    places: dict[str, tuple[int, int]] = {}
    with open(data_path, "wb") as file:
        for tensor, array in _computed(outside):
            file.write(bytes(-file.tell() % PAGE))
            places[tensor.name or ""] = (file.tell(), tensor.nbytes)
            file.write(_bytes_of(array))
    model = with_tensors(skeleton, [t for t in tensors if t.nbytes < INLINE])
    for tensor in outside:
        proto = _header(tensor)
        offset, length = places[tensor.name or ""]
        proto.data_location = onnx.TensorProto.EXTERNAL
        entries = {"location": os.path.basename(data_path), "offset": offset, "length": length}
        for key, value in entries.items():
            proto.external_data.add(key=key, value=str(value))
        model.graph.initializer.append(proto)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def needs_data_file(tensors: Tensors) -> bool:
    """Whether the weights are too large for one protobuf message."""
    return sum(tensor.nbytes for tensor in tensors) > LIMIT - 2**24  # the rest is far smaller


def _write_file(skeleton: onnx.ModelProto, tensors: Tensors, path: str) -> None:
    graph_before, graph_after = _parts(skeleton.graph, GRAPH_BEFORE, "initializer")
    model_before, model_after = _parts(skeleton, MODEL_BEFORE, "graph")
    small = b"".join(
        _field(INITIALIZER, proto.ByteSize()) + proto.SerializeToString(deterministic=True)
        for proto in skeleton.graph.initializer
    )
    headers = [_tensor_before_data(tensor) for tensor in tensors]
    sizes = [len(h) + t.nbytes for h, t in zip(headers, tensors, strict=True)]
    total = len(graph_before) + len(small) + len(graph_after)
    total += sum(len(_field(INITIALIZER, size)) + size for size in sizes)
    with open(path, "wb") as file:
        file.write(model_before + _field(GRAPH, total) + graph_before + small)
        for header, size, (_, array) in zip(headers, sizes, _computed(tensors), strict=True):
            file.write(_field(INITIALIZER, size) + header)
            file.write(_bytes_of(array))
        file.write(graph_after + model_after)


def _parts(message: Any, before: Sequence[str], without: str) -> tuple[bytes, bytes]:
    """A message without one field, as the bytes before it and those after it."""
    first, second = type(message)(), type(message)()
    for field, value in message.ListFields():
        if field.name != without:
            part = first if field.name in before else second
            if isinstance(value, int | str | bytes):
                setattr(part, field.name, value)
            else:
                getattr(part, field.name).MergeFrom(value)
    return (
        first.SerializeToString(deterministic=True),
        second.SerializeToString(deterministic=True),
    )


def _tensor_before_data(tensor: ir.TensorProtocol) -> bytes:
    return _header(tensor).SerializeToString() + _field(RAW_DATA, tensor.nbytes)


def _header(tensor: ir.TensorProtocol) -> onnx.TensorProto:
    return onnx.TensorProto(
        dims=tensor.shape.numpy(), data_type=int(tensor.dtype), name=tensor.name
    )


def _field(number: int, size: int) -> bytes:
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


def _bytes_of(array: Any) -> Any:
    return memoryview(array.reshape(-1).view("u1")) if array.size else b""


def _computed(tensors: Tensors) -> Generator[tuple[ir.TensorProtocol, Any]]:
    """Each tensor with its numbers, those of the next one computed meanwhile."""
    waiting: Iterator[ir.TensorProtocol] = iter(tensors)
    with ThreadPoolExecutor(1) as pool:

        def start() -> tuple[ir.TensorProtocol, Future[Any]] | None:
            tensor = next(waiting, None)
            return None if tensor is None else (tensor, pool.submit(tensor.numpy))

        coming = start()
        while coming is not None:
            tensor, future = coming
            array = future.result()
            coming = start()
            yield tensor, array
