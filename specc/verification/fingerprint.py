"""What is in an ONNX file, in short: hashes of each initializer and of each layer's operators.

They depend on the numbers and the operators alone: not on how a tensor is stored (in the file,
beside it, as bytes or as a list), nor on comments or shapes that were inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper

from specc.manifest import LAYER_KEY

SHORT = 12
"""Hexadecimal digits of a short hash, 48 bits: enough to see a change, and few to store."""

Array = np.ndarray[Any, Any]
Kind = onnx.AttributeProto


def digest_of_tensor(dtype: int, array: Array) -> str:
    """The short hash of a tensor.

    Args:
        dtype: ONNX's number of its type: several of those are the same to numpy.
    """
    digest = sha256(f"{dtype}{list(array.shape)}".encode())
    if array.dtype.kind in "OSU":
        texts = [x.encode() if isinstance(x, str) else bytes(x) for x in array.ravel()]
        digest.update(repr(texts).encode())
    else:
        digest.update(_little_endian(array).tobytes())
    return digest.hexdigest()[:SHORT]


def _little_endian(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def digests_of_initializers(tensors: Iterable[onnx.TensorProto]) -> dict[str, str]:
    """The short hash of each initializer, by its name."""
    return {t.name: digest_of_tensor(t.data_type, onnx.numpy_helper.to_array(t)) for t in tensors}


def digest_of_all(initializers: Mapping[str, str]) -> str:
    """One hash of all initializers, in whatever order they stand in a file."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(initializers.items()))
    return sha256(lines.encode()).hexdigest()


def digests_of_layers(graph: onnx.GraphProto) -> dict[str, str]:
    """The short hash of each layer's operators: what they are, read and give; "" is the layer of
    those that say none.
    """
    found: dict[str, list[Any]] = {}
    for node in graph.node:
        found.setdefault(layer_of(node), []).append(_node(node))
    return {layer: _short(nodes) for layer, nodes in found.items()}


def layer_of(node: onnx.NodeProto) -> str:
    """The layer that a node says it is of; "" where it says nothing."""
    return next((p.value for p in node.metadata_props if p.key == LAYER_KEY), "")


def interface_of(graph: onnx.GraphProto) -> dict[str, list[str]]:
    """The names of a file's inputs and outputs."""
    initializers = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in initializers]
    return {"inputs": inputs, "outputs": [value.name for value in graph.output]}


def params_by_layer(sizes: dict[str, int]) -> dict[str, int]:
    """How many numbers a file has for each layer; initializers are named `layer/role`."""
    found: dict[str, int] = {}
    for name, size in sorted(sizes.items()):
        layer, slash, _ = name.partition("/")
        if slash:
            found[layer] = found.get(layer, 0) + size
    return found


def _short(content: Any) -> str:
    return sha256(repr(content).encode()).hexdigest()[:SHORT]


def _node(node: onnx.NodeProto) -> Any:
    attributes = sorted((a.name, a.type, _attribute(a)) for a in node.attribute)
    domain = "" if node.domain == "ai.onnx" else node.domain
    return domain, node.op_type, list(node.input), list(node.output), attributes


def _attribute(attribute: onnx.AttributeProto) -> Any:
    """An attribute's value as something whose `repr` says all of it."""
    value: Any = onnx.helper.get_attribute_value(attribute)
    if attribute.type == Kind.GRAPH:
        return _graph(value)
    if attribute.type == Kind.GRAPHS:
        return [_graph(one) for one in value]
    if attribute.type == Kind.TENSOR:
        return _tensor(value)
    if attribute.type == Kind.TENSORS:
        return [_tensor(one) for one in value]
    if isinstance(value, int | float | str | bytes):
        return value
    if attribute.type in (Kind.INTS, Kind.FLOATS, Kind.STRINGS):
        return list(value)
    return value.SerializeToString(deterministic=True)


def _tensor(tensor: onnx.TensorProto) -> str:
    return digest_of_tensor(tensor.data_type, onnx.numpy_helper.to_array(tensor))


def _graph(graph: onnx.GraphProto) -> Any:
    """The body of a loop or of a branch."""
    ports = [[value.name for value in side] for side in (graph.input, graph.output)]
    tensors = sorted(digests_of_initializers(graph.initializer).items())
    return ports, tensors, [_node(node) for node in graph.node]
