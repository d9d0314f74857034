"""The graph as a Keras model."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from specc.backends.frameworks import import_keras, seed_everything
from specc.backends.keras_objects import construct, refresh_statistics, weights_in_order
from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import artifacts as errors
from specc.files import UsageError
from specc.graph import Graph, GraphLayer, Node, Tensor, Variable, replace_tensors
from specc.layers.base import Layer
from specc.records import fresh, record
from specc.semantics.composite import BlockLayer
from specc.source import Span


@record
class BuiltModel:
    """A Keras model beside the graph that it was made from."""

    graph: Graph
    keras_model: Any
    tensors: dict[Tensor, Any] = fresh(default_factory=dict[Tensor, Any])
    """The symbolic Keras tensor of each tensor of the graph; empty for a model that was not
    built here."""

    _by_name: dict[str, Any] | None = None

    def keras_layer(self, layer: GraphLayer) -> Any:
        if self._by_name is None:  # Keras's `get_layer` goes through all of them each time
            self._by_name = {x.name: x for x in self.keras_model.layers}
        return self._by_name[layer.name]

    def callables(self) -> dict[GraphLayer, Any]:
        """What calls each layer and operation of the graph, on this model's weights."""
        keras = import_keras()
        return {
            layer: construct(keras, layer) if layer.is_operation else self.keras_layer(layer)
            for layer in self.graph.layers
        }


def build_keras(graph: Graph, *, seed: int | None = None, dtype: str | None = None) -> BuiltModel:
    """Build the Keras model of a graph, with fresh weights.

    Args:
        seed: makes the weights the same each time; it sets the global seeds of Python,
            NumPy and TensorFlow, as Keras's initializers draw from them.
        dtype: the dtype policy of every layer, such as "float64"; Keras's default otherwise.
    """
    keras = import_keras()
    if seed is not None:
        seed_everything(seed)
    model, tensors = model_of(keras, graph, graph.name, dtype)
    return BuiltModel(graph, model, tensors)


def model_of(
    keras: Any, graph: Graph, name: str, dtype: str | None = None
) -> tuple[Any, dict[Tensor, Any]]:
    """The Keras model of a graph, and the symbolic tensor of each of its tensors."""
    inputs = [
        keras.Input(
            tuple(size if isinstance(size, int) else None for size in tensor.type.shape),
            batch_size=graph.batch_size,
            # Some layers take their inputs' dtype for their own.
            dtype=dtype if dtype is not None and tensor.type.is_float else tensor.type.dtype,
            name=tensor.name,
        )
        for tensor in graph.inputs
    ]
    layers: dict[GraphLayer, Any] = {}
    for layer in graph.layers:
        with _blaming(layer):
            layers[layer] = construct(keras, layer, dtype)

    @contextmanager
    def scope(node: Node) -> Generator[None]:
        with _blaming(node.layer, node.span):
            _share_weights(node.layer, layers)
            yield

    tensors = run_graph(graph, layers, inputs, scope)
    outputs = [tensors[tensor] for tensor in graph.outputs]
    model = keras.Model(
        inputs=inputs if len(inputs) > 1 else inputs[0],
        outputs=outputs if len(outputs) > 1 else outputs[0],
        name=name,
    )
    for layer, made in layers.items():
        if isinstance(layer.layer, Layer) and not layer.layer.trainable:
            made.trainable = False  # now that what is inside has been built
    return model, tensors


def _share_weights(layer: GraphLayer, layers: dict[GraphLayer, Any]) -> None:
    """Give a block's layer the variables of other layers that it shares."""
    if not isinstance(layer.layer, BlockLayer) or not layer.layer.graph.weights:
        return
    shared: dict[str, Any] = {}
    for item in layer.layer.graph.weights:
        owner = item.shared_with
        if owner is not None:
            assert isinstance(owner.layer, Layer)
            names = [variable.name for variable in owner.variables]
            variables = weights_in_order(owner.layer, layers[owner])
            shared[item.weight.name] = variables[names.index(item.weight.name)]
    if shared:
        layers[layer].share(shared)


@contextmanager
def _blaming(layer: GraphLayer, where: Span | None = None) -> Generator[None]:
    """Turn what Keras raises into an error at the layer's place.

    The checker should have found the mistake before; this is for what it does not know yet.
    """
    try:
        yield
    except SpecError:
        raise
    except ImportError as error:  # Keras loads what few layers need when they are made
        raise UsageError(
            f"Keras cannot make `{layer.name}` on this machine: {error}",
            'what layers of sound need comes with `pip install "specc-nn[audio]"`',
        ) from error
    except Exception as error:
        refused = errors.keras_refuses(where or layer.span, layer.name, _reason(error))
        raise SpecError([refused]) from error


def _reason(error: Exception) -> str:
    """The first line of an error that says something, without Keras's bold letters."""
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("Exception encountered when")]
    return lines[0] if lines else type(error).__name__


def run_graph(
    graph: Graph,
    layers: dict[GraphLayer, Any],
    inputs: Sequence[Any],
    scope: Callable[[Node], AbstractContextManager[Any]] = lambda _: nullcontext(),
    *,
    inference: bool = False,
    after: Callable[[Any], Any] = lambda x: x,
) -> dict[Tensor, Any]:
    """Call each Keras layer on what the graph gives it; the values of every tensor.

    Works for symbolic tensors, for a function that is being traced and for concrete arrays.

    Args:
        scope: a context in which the layer of a node is called.
        after: what becomes of each value that a layer gives.
        inference: call every layer with `training=False`, as Keras's `predict` does, also
            those whose call in the spec says `training=True`, or that train unless told.
    """
    values: dict[Tensor, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        with scope(node):
            results = [after(x) for x in call_node(node, values, layers, inference=inference)]
        values.update(zip(node.outputs, results, strict=True))
    return values


def call_node(
    node: Node, values: Mapping[Tensor, Any], layers: Mapping[GraphLayer, Any], *, inference: bool
) -> list[Any]:
    """Call one Keras layer or operation on what it takes; what it gives."""
    arguments = {
        name: replace_tensors(argument, values.__getitem__) for name, argument in node.call.items()
    }
    layer = node.layer.layer
    if not isinstance(layer, Layer):
        result = layers[node.layer](**arguments)
    else:
        if inference:
            arguments["training"] = False
        taken = [values[tensor] for tensor in node.inputs]
        arguments = layer.keras_call(arguments)
        result = layers[node.layer](taken if layer.takes_list else taken[0], **arguments)
    results: list[Any] = import_keras().tree.flatten(result)
    return results


def pair_variables(built: BuiltModel) -> list[tuple[Variable, Any]]:
    """Each variable of the graph with the Keras variable it stands for."""
    pairs: list[tuple[Variable, Any]] = []
    for layer in built.graph.layers:
        if isinstance(layer.layer, Layer):
            weights = weights_in_order(layer.layer, built.keras_layer(layer))
            pairs += zip(layer.variables, weights, strict=True)
    return pairs


def assign(built: BuiltModel, arrays: Sequence[Any], before: Sequence[Any] | None = None) -> None:
    """Give a model weights, in the order of `pair_variables`.

    Args:
        before: the arrays that it was given last; those that are the same are left.
    """
    pairs = pair_variables(built)
    for (_, keras_variable), array, old in zip(
        pairs, arrays, before or [None] * len(pairs), strict=True
    ):
        if array is not old:
            keras_variable.assign(array)
    refresh_statistics(built.keras_model)
