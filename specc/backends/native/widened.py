"""The float32 twin of a file of lower precision.

It has the file's graph with float32 in place of the lower type, so that what is wrong in the graph
is not lost in the lower type's rounding; or, for a runtime that has no kernels for the type, with
each value of the type computed in float32 and rounded to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from specc.backends.native.precision_rules import bodies_of

FLOAT = ir.DataType.FLOAT
Array = np.ndarray[Any, Any]


def widened(
    model: onnx.ModelProto,
    lower: ir.DataType,
    values: Mapping[str, Array] | None = None,
    *,
    rounding: bool = False,
) -> onnx.ModelProto:
    """The twin of a file that has the types of its values in it, as specc's files do.

    Args:
        values: what stands for initializers, by their names; a constant that is there in two
            types has the name of the other with the lower type behind it.
        rounding: round every value that is of the lower type in the file, to that.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    twin = ir.serde.deserialize_model(copy)
    for graph in _graphs(twin.graph):
        for value in graph.inputs:
            _widen(value, lower)
        for name, value in graph.initializers.items():
            if value.dtype != lower or value.const_value is None:
                continue
            array = value.const_value.numpy().astype(np.float32)
            exact = (values or {}).get(name.removesuffix(f"/{lower.name.lower()}"))
            if exact is not None and exact.shape == array.shape:
                array = exact.astype(np.float32)
            value.type = ir.TensorType(FLOAT)
            value.const_value = ir.Tensor(np.asarray(array, order="C"), name=name)
        for node in list(graph):
            _widen_node(node, lower)
            for value in node.outputs:
                if _widen(value, lower) and rounding:
                    _round(graph, node, value, lower)
    return ir.serde.serialize_model(twin)


def _graphs(graph: ir.Graph) -> Iterator[ir.Graph]:
    yield graph
    for node in graph:
        for body in bodies_of(node):
            yield from _graphs(body)


def _widen(value: ir.Value, lower: ir.DataType) -> bool:
    if value.dtype != lower:
        return False
    value.type = ir.TensorType(FLOAT)
    return True


def _widen_node(node: ir.Node, lower: ir.DataType) -> None:
    """What a node is told to make."""
    to, given = node.attributes.get("to"), node.attributes.get("value")
    if node.op_type == "Cast" and to is not None and to.as_int() == lower:
        node.attributes["to"] = ir.AttrInt64("to", int(FLOAT))
    if given is not None and given.type == ir.AttributeType.TENSOR:
        tensor = given.as_tensor()
        if tensor.dtype == lower:
            array = tensor.numpy().astype(np.float32)
            node.attributes["value"] = ir.AttrTensor("value", ir.Tensor(array))


def _round(graph: ir.Graph, node: ir.Node, value: ir.Value, lower: ir.DataType) -> None:
    down = ir.node("Cast", [value], {"to": int(lower)})
    up = ir.node("Cast", [down.outputs[0]], {"to": int(FLOAT)})
    down.outputs[0].name = f"{value.name}/rounded"
    down.outputs[0].type = ir.TensorType(lower)
    rounded = up.outputs[0]
    rounded.name, value.name = value.name, f"{value.name}/exact"
    rounded.type, rounded.shape = value.type, value.shape
    for user, index in list(value.uses()):
        if user is not down:
            user.replace_input_with(index, rounded)
    for index, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[index] = rounded
    graph.insert_after(node, [down, up])
