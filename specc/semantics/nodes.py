"""Nodes of the graph in the making, and the tensors that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.graph import GraphLayer, Node, Tensor
from specc.source import Span
from specc.types import TensorType

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator


def result_of(outputs: list[Tensor]) -> Any:
    """What an expression that makes these tensors stands for."""
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def type_of(tensor: Tensor) -> TensorType:
    return tensor.type


def make_node(
    evaluator: Evaluator,
    layer: GraphLayer,
    inputs: list[Tensor],
    call: dict[str, Any],
    outputs: tuple[TensorType, ...],
    span: Span,
) -> Any:
    node = Node(layer, inputs, call, [], span)
    node.outputs = [Tensor(layer.name, type_, span, node) for type_ in outputs]
    layer.nodes.append(node)
    evaluator.frame.building.nodes.append(node)
    return result_of(node.outputs)


def with_batch(type_: TensorType) -> TensorType | None:
    """A type as a layer takes it. What was reshaped may have its batch in an unknown axis."""
    if type_.batched:
        return type_
    if type_.shape and type_.shape[0] is None:
        return TensorType(type_.dtype, type_.shape[1:])
    return None


def shaped_by(tensor: Tensor) -> Span:
    """The layer that gave a tensor its type, past those that passed it on."""
    while tensor.node and tensor.node.inputs and tensor.node.inputs[0].type == tensor.type:
        tensor = tensor.node.inputs[0]
    return tensor.span
