"""ONNX files written tensor by tensor.

protobuf would want the whole model in memory, and once more as bytes. A message, though, is the
bytes of its fields one after the other, so the file is put together here of a skeleton, which
protobuf writes, and of the weights, one at a time. The fields stand in the order in which
protobuf writes them itself: the file is the one that it would have written.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from typing import Any

import onnx
import onnx_ir as ir

from specc.backends.messages import (
    GRAPH,
    GRAPH_BEFORE,
    INITIALIZER,
    INLINE,
    MODEL_BEFORE,
    PAGE,
    RAW_DATA,
    field,
    parts,
)
from specc.backends.read import WEIGHTS_LIMIT

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


class DataFile:
    """A file for the weights beside a model's.

    It is named after what is in it, so that a model never refers to the weights of another one,
    whenever a program ends.
    """

    def __init__(self, target: str) -> None:
        """Nothing is written yet.

        Args:
            target: the path that the model's file will have.
        """
        self._folder, base = os.path.split(target)
        self._stem = os.path.splitext(base)[0]
        self.name: str | None = None
        """The file's name, once it is written."""
        self.is_new = False

    @property
    def path(self) -> str:
        return os.path.join(self._folder, self.name or "")

    def write(self, tensors: Tensors) -> dict[str, int]:
        """Write tensors; the offset of each by its name."""
        temporary = os.path.join(self._folder, f".{self._stem}.{os.getpid()}.partial.data")
        offsets: dict[str, int] = {}
        digest = sha256()
        try:
            with open(temporary, "wb") as file:
                for tensor, array in _computed(tensors):
                    for part in (bytes(-file.tell() % PAGE), _bytes_of(array)):
                        offsets[tensor.name or ""] = file.tell()
                        file.write(part)
                        digest.update(part)
                file.flush()
                os.fsync(file.fileno())
            self.name = f"{self._stem}-{digest.hexdigest()[:12]}.data"
            self.is_new = not os.path.exists(self.path)
            os.replace(temporary, self.path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)
        return offsets


@contextmanager
def data_beside(target: str) -> Generator[DataFile]:
    """A file for the weights of a model, which goes again if the block fails.

    When it succeeds, the file goes that the former model at this path referred to.
    """
    before = _data_of(target)
    data = DataFile(target)
    try:
        yield data
    except BaseException:
        if data.is_new:
            os.unlink(data.path)
        raise
    for name in before - {data.name}:
        path = os.path.join(os.path.dirname(target), name)
        if os.path.basename(name) == name and os.path.isfile(path):
            os.unlink(path)


def _data_of(path: str) -> set[str]:
    """The files that a model refers to; none where there is no model."""
    if not os.path.isfile(path):
        return set()
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # whatever it is, it is no model
        return set()
    entries = [entry for tensor in model.graph.initializer for entry in tensor.external_data]
    return {entry.value for entry in entries if entry.key == "location"}


def write_model(
    skeleton: onnx.ModelProto, tensors: Tensors, path: str, data: DataFile | None = None
) -> None:
    """Write a model.

    Args:
        skeleton: the model without the weights.
        tensors: the weights; each is computed when its turn comes.
        data: where they go, but for the small ones; into the model's file without it.
    """
    if data is None:
        _write_file(skeleton, tensors, path)
        return
    outside = [tensor for tensor in tensors if tensor.nbytes >= INLINE]
    offsets = data.write(outside)
    model = with_tensors(skeleton, [t for t in tensors if t.nbytes < INLINE])
    for tensor in outside:
        proto = _header(tensor)
        proto.data_location = onnx.TensorProto.EXTERNAL
        place = {"location": data.name, "offset": offsets[tensor.name or ""]}
        for key, value in {**place, "length": tensor.nbytes}.items():
            proto.external_data.add(key=key, value=str(value))
        model.graph.initializer.append(proto)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def needs_data_file(tensors: Tensors) -> bool:
    """Whether the weights are too large for one protobuf message."""
    return sum(tensor.nbytes for tensor in tensors) > WEIGHTS_LIMIT


def _write_file(skeleton: onnx.ModelProto, tensors: Tensors, path: str) -> None:
    graph_before, graph_after = parts(skeleton.graph, GRAPH_BEFORE, "initializer")
    model_before, model_after = parts(skeleton, MODEL_BEFORE, "graph")
    small = b"".join(
        field(INITIALIZER, proto.ByteSize()) + proto.SerializeToString(deterministic=True)
        for proto in skeleton.graph.initializer
    )
    headers = [_tensor_before_data(tensor) for tensor in tensors]
    sizes = [len(h) + t.nbytes for h, t in zip(headers, tensors, strict=True)]
    total = len(graph_before) + len(small) + len(graph_after)
    total += sum(len(field(INITIALIZER, size)) + size for size in sizes)
    with open(path, "wb") as file:
        file.write(model_before + field(GRAPH, total) + graph_before + small)
        for header, size, (_, array) in zip(headers, sizes, _computed(tensors), strict=True):
            file.write(field(INITIALIZER, size) + header)
            file.write(_bytes_of(array))
        file.write(graph_after + model_after)


def _tensor_before_data(tensor: ir.TensorProtocol) -> bytes:
    return _header(tensor).SerializeToString() + field(RAW_DATA, tensor.nbytes)


def _header(tensor: ir.TensorProtocol) -> onnx.TensorProto:
    return onnx.TensorProto(
        dims=tensor.shape.numpy(), data_type=int(tensor.dtype), name=tensor.name
    )


def _bytes_of(array: Any) -> Any:
    return memoryview(array.reshape(-1).view("u1")) if array.size else b""


AHEAD = 2
"""How many tensors are worked out while one is written."""


def _computed(tensors: Tensors) -> Generator[tuple[ir.TensorProtocol, Any]]:
    """Each tensor with its numbers, those of the next ones worked out meanwhile."""
    waiting: Iterator[ir.TensorProtocol] = iter(tensors)
    with ThreadPoolExecutor(AHEAD) as pool:

        def start(count: int) -> list[tuple[ir.TensorProtocol, Future[Any]]]:
            return [(tensor, pool.submit(tensor.numpy)) for tensor in islice(waiting, count)]

        coming = deque(start(AHEAD))
        while coming:
            tensor, future = coming.popleft()
            array = future.result()
            coming += start(1)
            yield tensor, array
