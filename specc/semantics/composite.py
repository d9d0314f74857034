"""Models and blocks as layers: what is inside them is a graph of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.graph import Graph, GraphLayer, Node, Tensor, replace_tensors
from specc.layers.arguments import BOOL, Kind
from specc.layers.base import Layer, Weight, Weights, autocast, fits
from specc.layers.lower import lower_layer
from specc.lowering import Builder, NotLowered, Value, Values, inside
from specc.types import TensorType

Outside = Callable[[GraphLayer], Values]
"""The weights of a layer outside a block, of which the block shares some."""


class Poisoned(Exception):
    """What is inside has a mistake, which has been reported."""


class Composite(Layer):
    """A layer made of layers."""

    maximum_inputs: ClassVar[int | None] = None
    takes_strings: ClassVar[bool] = True
    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL}
    autocasts: ClassVar[bool] = False

    def __init__(self, title: str, *, trainable: bool = True) -> None:
        super().__init__(trainable=trainable)
        self.title = title
        """The name of the model or block that it is."""

    @property
    def graph(self) -> Graph:
        """What is inside, for the inputs of the first use."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        return self.title

    @property
    def takes_list(self) -> bool:
        return len(self.graph.inputs) != 1

    @property
    def output_count(self) -> int:
        return len(self.graph.outputs)

    def weights(self, *_: TensorType, **__: Any) -> Weights:
        return weights_inside(self.graph)

    def graph_for(self, _inputs: tuple[TensorType, ...], /) -> Graph:
        """What is inside, for inputs of these types."""
        return self.graph

    def onnx(self, op: Builder, x: Any, w: Values) -> tuple[Value, ...]:
        """Within another layer; by itself it is lowered by `lower_node`."""

        def outside(_: GraphLayer) -> Values:
            raise NotLowered("a block within a layer, with weights of a layer outside")

        return self.lowered(op, x if self.takes_list else [x], w, outside)

    def lowered(
        self, op: Builder, inputs: Sequence[Value], w: Values, outside: Outside
    ) -> tuple[Value, ...]:
        taken = [op.cast(x, autocast(x.type).dtype) for x in inputs]
        graph = self.graph_for(tuple([x.type for x in taken]))
        return lower_graph(op, graph, taken, w, outside)


def weights_inside(graph: Graph) -> Weights:
    """The variables of a graph, named as seen from outside: `dense/kernel`."""
    own = tuple([item.weight for item in graph.weights if item.shared_with is None])
    inner = tuple(
        [Weight(f"{v.layer}/{v.name}", v.shape, v.trainable, v.dtype) for v in graph.variables]
    )
    return (*own, *inner)


class ModelLayer(Composite):
    """A model inside another one: one layer, whose weights all its uses share."""

    def __init__(self, title: str, graph: Graph, *, trainable: bool = True) -> None:
        super().__init__(title, trainable=trainable)
        self._graph = graph
        self._outputs: dict[tuple[TensorType, ...], tuple[TensorType, ...]] = {
            tuple([t.type for t in graph.inputs]): tuple([t.type for t in graph.outputs])
        }

    @property
    def graph(self) -> Graph:
        return self._graph

    def infer(self, *inputs: TensorType, **_: Any) -> tuple[TensorType, ...]:
        graph = self.graph
        if len(inputs) != len(graph.inputs):
            raise Refused(errors.wrong_number_of_inputs, len(graph.inputs), len(graph.inputs))
        declared = [tensor.type for tensor in graph.inputs]
        for index, (own, given) in enumerate(zip(declared, inputs, strict=True)):
            same_dtype = own.dtype == given.dtype or (own.is_float and given.is_float)
            if not same_dtype or not fits(own.shape, given.shape):
                raise Refused(errors.nested_input_differs, index, graph.inputs[index].name, own)
        if inputs not in self._outputs:
            self._outputs[inputs] = infer_through(graph, list(inputs))
        return self._outputs[inputs]


class BlockLayer(Composite):
    """A block as a layer of its own: one that declares weights, or is given to a wrapper.

    Its inside is elaborated for the inputs of each use, as the block's body may look at their
    shapes; the weights must come out the same.
    """

    def __init__(
        self,
        title: str,
        inputs: list[str],
        elaborate: Callable[[list[TensorType]], Graph | None],
        *,
        trainable: bool = True,
    ) -> None:
        super().__init__(title, trainable=trainable)
        self.input_names = inputs
        self._elaborate = elaborate
        self._graphs: dict[tuple[TensorType, ...], Graph] = {}

    @property
    def graph(self) -> Graph:
        return next(iter(self._graphs.values()))

    @property
    def takes_list(self) -> bool:
        return len(self.input_names) != 1

    def infer(self, *inputs: TensorType, **_: Any) -> tuple[TensorType, ...]:
        return tuple([tensor.type for tensor in self.graph_for(inputs).outputs])

    def weights(self, *inputs: TensorType, **_: Any) -> Weights:
        return weights_inside(self.graph_for(inputs))

    def graph_for(self, inputs: tuple[TensorType, ...]) -> Graph:
        """What is inside, elaborated for these inputs.

        Raises:
            Poisoned: where it has a mistake.
        """
        graph = self._graphs.get(inputs)
        if graph is None:
            graph = self._elaborate(list(inputs))
            if graph is None:
                raise Poisoned
            self._graphs[inputs] = graph
        return graph


def infer_through(graph: Graph, inputs: list[TensorType]) -> tuple[TensorType, ...]:
    """The types of a graph's outputs for inputs of other types than it was made for.

    Raises:
        Refused: where a layer inside does not take what reaches it then.
    """
    types: dict[Tensor, TensorType] = dict(zip(graph.inputs, inputs, strict=True))
    types.update({item.tensor: item.tensor.type for item in graph.weights})
    for node in graph.nodes:
        outputs = types_of_node(node, types)
        types.update(zip(node.outputs, outputs, strict=True))
    return tuple([types[tensor] for tensor in graph.outputs])


def types_of_node(node: Node, types: dict[Tensor, TensorType]) -> tuple[TensorType, ...]:
    """The types of a node's outputs for these types of its inputs."""
    layer = node.layer.layer
    call = {name: replace_tensors(value, types.__getitem__) for name, value in node.call.items()}
    if isinstance(layer, Layer):
        return layer.apply([types[tensor] for tensor in node.inputs], call)
    return type(layer)(**call).apply()


def lower_graph(
    op: Builder, graph: Graph, inputs: Sequence[Value], w: Values, outside: Outside
) -> tuple[Value, ...]:
    """What is inside a layer, in ONNX.

    Args:
        inputs: as the layer takes them, with floats of its dtype.
        w: the weights by the names that the layer has for them: `dense/kernel`.
    """
    values = dict(zip(graph.inputs, inputs, strict=True))
    for item in graph.weights:
        held = w if item.shared_with is None else outside(item.shared_with)
        values[item.tensor] = held[item.weight.name]
    of_layers = {layer: inside(w, f"{layer.name}/") for layer in graph.layers}

    def weights_of(layer: GraphLayer) -> Values:
        return of_layers[layer] if layer in of_layers else outside(layer)

    for node in graph.nodes:
        lower_node(op, node, values, of_layers[node.layer], weights_of)
    return tuple([values[tensor] for tensor in graph.outputs])


def lower_node(
    op: Builder, node: Node, values: dict[Tensor, Value], w: Values, outside: Outside
) -> None:
    """One use of a layer or an operation; what it gives is put among the values."""
    layer = node.layer.layer
    call = {name: replace_tensors(v, values.__getitem__) for name, v in node.call.items()}
    taken = [values[tensor] for tensor in node.inputs]
    if isinstance(layer, Composite):
        made = layer.lowered(op, taken, w, outside)
    elif isinstance(layer, Layer):
        made = lower_layer(op, layer, taken, w, call)
    else:
        from specc.ops.lower import lower_operation  # no check of a spec pays for this

        made = lower_operation(op, layer, call)
    values.update(zip(node.outputs, made, strict=True))
