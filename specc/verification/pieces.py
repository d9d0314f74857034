"""The part of a file that computes what one layer gives, from what the layers before it give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.native.tensors import Perm, Place, tensor_names
from specc.backends.onnx_names import LAYER_KEY
from specc.graph import Graph, Tensor

Array = np.ndarray[Any, Any]


class Known(NamedTuple):
    """A value of a file that is a tensor of the spec."""

    tensor: Tensor
    perm: Perm | None
    """The tensor is `Transpose(value, perm)`."""

    def in_file(self, array: Array) -> Array:
        """The tensor's numbers as the file has them."""
        if self.perm is None or array.ndim != len(self.perm):
            return array
        return array.transpose(np.argsort(self.perm))

    def in_spec(self, array: Array) -> Array:
        """The file's numbers as the spec has them; an array of another rank stays as it is."""
        fits = self.perm is not None and array.ndim == len(self.perm)
        return array.transpose(self.perm) if fits else array


class Piece(NamedTuple):
    """Nodes of a file that end in a value that is known."""

    value: str
    known: Known
    inputs: dict[str, Known]
    """The values that they begin with."""
    nodes: list[onnx.NodeProto]
    layer: str | None
    """The layer of the last node, as the file says it."""


class Pieces:
    """A file taken apart at the values that are known."""

    def __init__(self, model: onnx.ModelProto, graph: Graph, places: dict[str, Place]) -> None:
        """Nothing is copied yet.

        Args:
            places: where the tensors of the graph stand in the file.
        """
        self._model = model
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._initializers = {i.name: i for i in model.graph.initializer}
        self._types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
        ports = [v for v in model.graph.input if v.name not in self._initializers]
        self._types |= {v.name: v.type.tensor_type.elem_type for v in ports}
        self._position = {id(node): number for number, node in enumerate(model.graph.node)}
        self.known: dict[str, Known] = {
            port.name: Known(tensor, None) for port, tensor in zip(ports, graph.inputs, strict=True)
        }
        self.passed_on: set[Tensor] = set()
        """Tensors whose value is an earlier one's, such as what a Dropout gives."""
        self._of: dict[Tensor, str] = {}
        for tensor, name in tensor_names(graph).items():
            place = places.get(name)
            if place is None or place.value not in self._makers:
                continue
            if place.value in self.known:
                self.passed_on.add(tensor)
            else:
                self.known[place.value] = Known(tensor, place.perm)
                self._of[tensor] = place.value

    def pieces(self) -> dict[Tensor, Piece]:
        """The piece that ends in each tensor that has a value of its own."""
        return {tensor: self._piece(value) for tensor, value in self._of.items()}

    def _piece(self, value: str) -> Piece:
        found: dict[int, onnx.NodeProto] = {}
        inputs: dict[str, Known] = {}
        waiting = [self._makers[value]]
        while waiting:
            node = waiting.pop()
            if self._position[id(node)] in found:
                continue
            found[self._position[id(node)]] = node
            for name in reads(node):
                if name in self.known and name != value:
                    inputs[name] = self.known[name]
                elif name in self._makers:
                    waiting.append(self._makers[name])
        last = self._makers[value]
        layer = next((p.value for p in last.metadata_props if p.key == LAYER_KEY), None)
        nodes = [found[number] for number in sorted(found)]
        return Piece(value, self.known[value], inputs, nodes, layer)

    def model(self, piece: Piece, arrays: dict[str, Array]) -> onnx.ModelProto:
        """A model of a piece alone, for inputs of these types."""
        made = {name for node in piece.nodes for name in node.output}
        names = dict.fromkeys(name for node in piece.nodes for name in reads(node))
        graph = onnx.GraphProto(name="piece", node=piece.nodes)
        for name in names:
            if name in self._initializers and name not in made:
                graph.initializer.append(self._initializers[name])
        for name, array in arrays.items():
            kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.input.append(onnx.helper.make_tensor_value_info(name, kind, [None] * array.ndim))
        graph.output.append(onnx.ValueInfoProto(name=piece.value))
        model = onnx.ModelProto(ir_version=self._model.ir_version, graph=graph)
        model.opset_import.extend(self._model.opset_import)
        return model

    def cast(self, name: str, array: Array) -> Array:
        """An array in the dtype that a value has in the file."""
        kind = self._types.get(name, onnx.TensorProto.UNDEFINED)
        if kind in (onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING):
            return array
        return array.astype(onnx.helper.tensor_dtype_to_np_dtype(kind), copy=False)


def reads(node: onnx.NodeProto) -> list[str]:
    """The values that a node reads, those that its bodies take from outside included."""
    bodies = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    names = [*node.input, *(name for body in bodies for name in _taken(body))]
    return [name for name in names if name]


def _taken(body: onnx.GraphProto) -> Iterator[str]:
    own = {v.name for v in (*body.input, *body.initializer)}
    own |= {name for node in body.node for name in node.output}
    for node in body.node:
        yield from (name for name in reads(node) if name not in own)
    yield from (v.name for v in body.output if v.name not in own)
