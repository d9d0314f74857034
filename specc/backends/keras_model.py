"""The graph as a Keras model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from specc.backends.frameworks import import_keras
from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import artifacts as errors
from specc.graph import Graph, GraphLayer, Node, Tensor, Variable
from specc.records import fresh, record
from specc.source import Span


@record
class BuiltModel:
    """A Keras model beside the graph that it was made from."""

    graph: Graph
    keras_model: Any
    tensors: dict[Tensor, Any] = fresh(default_factory=dict[Tensor, Any])
    """The symbolic Keras tensor of each tensor of the graph; empty for a model that was not
    built here."""

    def keras_layer(self, layer: GraphLayer) -> Any:
        return self.keras_model.get_layer(layer.name)


def build_keras(graph: Graph, *, seed: int | None = None, dtype: str | None = None) -> BuiltModel:
    """Build the Keras model of a graph, with fresh weights.

    Args:
        seed: makes the weights the same each time; it sets the global seeds of Python,
            NumPy and TensorFlow, as Keras's initializers draw from them.
        dtype: the dtype policy of every layer, such as "float64"; Keras's default otherwise.
    """
    keras = import_keras()
    if seed is not None:
        keras.utils.set_random_seed(seed)
    inputs = [
        keras.Input(
            tuple(size if isinstance(size, int) else None for size in tensor.type.shape),
            dtype=tensor.type.dtype,
            name=tensor.name,
        )
        for tensor in graph.inputs
    ]
    layers: dict[GraphLayer, Any] = {}
    for layer in graph.layers:
        with _blaming(layer):
            layers[layer] = construct_layer(keras, layer, dtype)
    tensors = run_graph(graph, layers, inputs, lambda node: _blaming(node.layer, node.span))
    outputs = [tensors[tensor] for tensor in graph.outputs]
    model = keras.Model(
        inputs=inputs if len(inputs) > 1 else inputs[0],
        outputs=outputs if len(outputs) > 1 else outputs[0],
        name=graph.name,
    )
    return BuiltModel(graph, model, tensors)


@contextmanager
def _blaming(layer: GraphLayer, where: Span | None = None) -> Generator[None]:
    """Turn what Keras raises into an error at the layer's place.

    The checker should have found the mistake before; this is for what it does not know yet.
    """
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        refused = errors.keras_refuses(where or layer.span, layer.name, lines[0])
        raise SpecError([refused]) from error


def construct_layer(keras: Any, layer: GraphLayer, dtype: str | None = None) -> Any:
    """The Keras layer of a layer, without weights until it is called."""
    arguments = layer.layer.keras_arguments()
    if dtype is not None:
        arguments = {**arguments, "dtype": dtype}
    return getattr(keras.layers, layer.kind)(name=layer.name, **arguments)


def run_graph(
    graph: Graph,
    layers: dict[GraphLayer, Any],
    inputs: Sequence[Any],
    scope: Callable[[Node], AbstractContextManager[Any]] = lambda _: nullcontext(),
    *,
    inference: bool = False,
) -> dict[Tensor, Any]:
    """Call each Keras layer on what the graph gives it; the values of every tensor.

    Works for symbolic tensors, for a function that is being traced and for concrete arrays.

    Args:
        scope: a context in which the layer of a node is called.
        inference: call every layer with `training=False`, as Keras's `predict` does, also
            those whose call in the spec says `training=True`.
    """
    values: dict[Tensor, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        arguments = {name: _call_value(argument, values) for name, argument in node.call.items()}
        if inference and "training" in arguments:
            arguments["training"] = False
        taken = [values[tensor] for tensor in node.inputs]
        with scope(node):
            result = layers[node.layer](
                taken if node.layer.layer.takes_list else taken[0],
                **arguments,
            )
        results: list[Any] = list(result) if len(node.outputs) > 1 else [result]
        values.update(zip(node.outputs, results, strict=True))
    return values


def _call_value(argument: Any, values: dict[Tensor, Any]) -> Any:
    if isinstance(argument, Tensor):
        return values[argument]
    if isinstance(argument, list):
        tensors: list[Tensor] = argument
        return [values[tensor] for tensor in tensors]
    return argument


def pair_variables(built: BuiltModel) -> list[tuple[Variable, Any]]:
    """Each variable of the graph with the Keras variable it stands for.

    Both sides list a layer's variables in the order of Keras's `weights`.
    """
    return [
        (variable, weight)
        for layer in built.graph.layers
        for variable, weight in zip(layer.variables, built.keras_layer(layer).weights, strict=True)
    ]
