"""Resolved models to typed graphs: shapes, dtypes and variables of everything."""

from __future__ import annotations

from typing import Any, cast

from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Operand, Place, Refused
from specc.graph import Graph, GraphLayer, Node, Tensor, Variable
from specc.semantics.resolved import Resolved, ResolvedLayer, ResolvedModel, Step, Value
from specc.source import Span
from specc.types import TensorType


def infer(resolved: Resolved) -> list[Graph]:
    """The typed graph of every model.

    Raises:
        SpecError: with every use of a layer that does not fit its inputs. What depends on
            such a use is passed over, so that one mistake stays one error.
    """
    diagnostics: list[Diagnostic] = []
    graphs: list[Graph] = []
    for model in resolved.models:
        inference = ModelInference(model)
        graph = inference.run()
        diagnostics += inference.diagnostics
        if graph is not None:
            graphs.append(graph)
    if diagnostics:
        raise SpecError(diagnostics)
    return graphs


class ModelInference:
    """Infers one model."""

    def __init__(self, model: ResolvedModel) -> None:
        self.model = model
        self.diagnostics: list[Diagnostic] = []
        self._tensors: dict[Value, Tensor] = {}
        """By value; what a mistake has made unknowable is missing."""
        self._layers: dict[ResolvedLayer, GraphLayer] = {}
        self._nodes: list[Node] = []

    def run(self) -> Graph | None:
        model = self.model
        for item in model.inputs:
            self._tensors[item.value] = Tensor(item.name, item.type, item.span)
        for step in model.steps:
            self._step(step)
        if self.diagnostics:
            return None
        return Graph(
            model.name,
            [self._tensors[item.value] for item in model.inputs],
            [self._tensors[value] for _, value in model.outputs],
            [name for name, _ in model.outputs],
            self._nodes,
            list(self._layers.values()),
            model.expectations,
            model.span,
        )

    def _step(self, step: Step) -> None:
        try:
            inputs = [self._tensors[value] for value in step.inputs]
            call = {name: self._call_argument(value) for name, value in step.call.items()}
        except KeyError:
            return
        layer = step.layer
        types = [tensor.type for tensor in inputs]
        try:
            outputs = layer.layer.apply(types)
            layer.layer.check_call(types, **_types_of(call))
            graph_layer = self._layers.get(layer)
            if graph_layer is None:
                graph_layer = GraphLayer(
                    layer.name, layer.layer, _variables(layer, types), layer.span
                )
                self._layers[layer] = graph_layer
            else:
                _check_shared(graph_layer, _variables(layer, types))
        except Refused as refused:
            self.diagnostics.append(refused.at(self._place(step, inputs)))
            return
        node = Node(graph_layer, inputs, call, [], step.span)
        for value, type_ in zip(step.outputs, outputs, strict=True):
            tensor = Tensor(value.label, type_, value.span, node)
            node.outputs.append(tensor)
            self._tensors[value] = tensor
        graph_layer.nodes.append(node)
        self._nodes.append(node)

    def _call_argument(self, value: Any) -> Any:
        if isinstance(value, Value):
            return self._tensors[value]
        if isinstance(value, list):
            return [self._tensors[item] for item in value]  # pyright: ignore[reportUnknownVariableType]
        return value

    def _place(self, step: Step, inputs: list[Tensor]) -> Place:
        operands = [
            Operand(value.label, tensor.type, value.span, _shaped_by(tensor))
            for value, tensor in zip(step.inputs, inputs, strict=True)
        ]
        layer = step.layer
        return Place(type(layer.layer).__name__, step.span, layer.argument_spans, operands)


def _shaped_by(tensor: Tensor) -> Span:
    """The layer that gave a tensor its type, past those that passed it on."""
    while tensor.node and tensor.node.inputs and tensor.node.inputs[0].type == tensor.type:
        tensor = tensor.node.inputs[0]
    return tensor.span


def _types_of(call: dict[str, Any]) -> dict[str, Any]:
    """Call arguments with types in the place of tensors."""
    types: dict[str, Any] = {}
    for name, value in call.items():
        if isinstance(value, Tensor):
            types[name] = value.type
        elif isinstance(value, list):
            types[name] = [tensor.type for tensor in cast("list[Tensor]", value)]
        else:
            types[name] = value
    return types


def _variables(layer: ResolvedLayer, types: list[TensorType]) -> list[Variable]:
    return [
        Variable(layer.name, weight.name, weight.shape, weight.dtype, weight.trainable)
        for weight in layer.layer.variables(types)
    ]


def _check_shared(layer: GraphLayer, variables: list[Variable]) -> None:
    """A shared layer's weights are those of its first use; another use must want the same."""
    for first, now in zip(layer.variables, variables, strict=True):
        if first.shape != now.shape:
            raise Refused(
                errors.shared_layer_differs, layer.name, first.name, first.shape, now.shape
            )
