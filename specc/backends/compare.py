"""The graph against the Keras model, layer by layer."""

from __future__ import annotations

from typing import Any

from specc.backends.keras_model import BuiltModel, run_graph
from specc.backends.keras_objects import weights_in_order
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.graph import GraphLayer, Params, Tensor, total_of
from specc.layers.base import Layer
from specc.semantics.expectations import Measured
from specc.types import TensorType

UNKNOWN_SIZE = 8
"""What an axis of unknown size is given for a run."""


def compare_with_keras(built: BuiltModel) -> list[Diagnostic]:
    """Where the Keras model is not what the checker said: shapes, dtypes, variables.

    Nothing here should ever be found; it is the proof that the checker's figures are
    Keras's own.
    """
    diagnostics: list[Diagnostic] = []
    types = keras_types(built)
    for layer in built.graph.layers:
        for node in layer.nodes:
            for tensor in node.outputs:
                found = types[tensor]
                if found != tensor.type.anonymous():
                    diagnostics.append(
                        errors.keras_differs(
                            node.span, layer.name, "output", str(tensor.type), str(found)
                        )
                    )
        if not isinstance(layer.layer, Layer):
            continue
        said = [(v.name.rsplit("/", 1)[-1], v.shape, v.trainable) for v in layer.variables]
        found_variables = _keras_variables(layer.layer, built.keras_layer(layer))
        if said != found_variables:
            diagnostics.append(
                errors.keras_differs(
                    layer.span, layer.name, "set of variables", str(said), str(found_variables)
                )
            )
    total = built.keras_model.count_params()
    if total != built.graph.params.total and not diagnostics:
        diagnostics.append(
            errors.keras_differs(
                built.graph.span,
                built.graph.name,
                "number of parameters",
                f"{built.graph.params.total:,}",
                f"{total:,}",
            )
        )
    return diagnostics


def measure_keras(built: BuiltModel) -> Measured:
    """The built model's figures, for the expectations."""
    graph = built.graph
    types = keras_types(built)
    layers = {layer.name: _keras_params(built, layer) for layer in graph.layers}
    params = {**layers}
    outputs = {layer.name: types[layer.outputs[0]] for layer in graph.layers}
    inside = graph.layers_by_block()
    for block in graph.blocks:
        params[block.name] = total_of([layers[layer.name] for layer in inside[block.name]])
        if block.outputs[0] in types:  # it is not where nothing uses it
            outputs[block.name] = types[block.outputs[0]]
    return Measured(
        total_of(list(layers.values())),
        params,
        outputs,
        {
            name: types[tensor]
            for name, tensor in zip(graph.output_names, graph.outputs, strict=True)
        },
        " in the Keras model",
    )


def keras_types(built: BuiltModel) -> dict[Tensor, TensorType]:
    """The type of every tensor in the Keras model.

    Keras says float32 for many a tensor of whole numbers, such as the sum of two. Where its
    word differs from the checker's, a run on zeros decides.
    """
    types = {
        tensor: keras_type(symbolic, tensor.type.batched)
        for tensor, symbolic in built.tensors.items()
    }
    if all(types[tensor].dtype == tensor.type.dtype for tensor in types):
        return types
    import numpy as np

    graph = built.graph
    inputs: list[Any] = []
    for tensor in graph.inputs:
        sizes = (n if isinstance(n, int) else UNKNOWN_SIZE for n in tensor.type.shape)
        zero = "" if tensor.type.dtype == "string" else np.zeros((), tensor.type.dtype)
        inputs.append(np.full((graph.batch_size or 1, *sizes), zero))
    for tensor, value in run_graph(graph, built.callables(), inputs).items():
        types[tensor] = types[tensor]._replace(dtype=np.asarray(value).dtype.name)
    return types


def keras_type(tensor: Any, batched: bool = True) -> TensorType:
    """The type of a Keras tensor, the batch axis taken off where there is one.

    A tensor of constants is none of Keras's own, and its dtype an object with a name.
    """
    dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
    return TensorType(dtype, tuple(tensor.shape)[batched:], batched)


def _keras_variables(layer: Layer, keras_layer: Any) -> list[tuple[str, tuple[int, ...], bool]]:
    trainable = {id(variable) for variable in keras_layer.trainable_variables}
    weights = weights_in_order(layer, keras_layer)
    return [(v.name, tuple(v.shape), id(v) in trainable) for v in weights]


def _keras_params(built: BuiltModel, layer: GraphLayer) -> Params:
    if not isinstance(layer.layer, Layer):
        return Params(0, 0, 0)
    keras_layer = built.keras_layer(layer)
    total: int = keras_layer.count_params()
    trainable = 0
    for _, shape, is_trainable in _keras_variables(layer.layer, keras_layer):
        size = 1
        for n in shape:
            size *= n
        trainable += size * is_trainable
    return Params(total, trainable, total - trainable)
