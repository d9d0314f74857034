"""Models and blocks as layers: what is inside them is a graph of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.graph import Graph, Node, Tensor, replace_tensors
from specc.layers.arguments import BOOL, Kind
from specc.layers.base import Layer, Weight, Weights, fits
from specc.types import TensorType


class Poisoned(Exception):
    """What is inside has a mistake, which has been reported."""


class Composite(Layer):
    """A layer made of layers."""

    maximum_inputs: ClassVar[int | None] = None
    takes_strings: ClassVar[bool] = True
    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL}

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
        """The inside for these inputs.

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
