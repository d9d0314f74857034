"""A Keras model that exists already, taken for the model of a graph."""

from __future__ import annotations

from typing import Any, cast

from specc.backends.compare import keras_type
from specc.backends.frameworks import import_keras
from specc.backends.keras_model import BuiltModel
from specc.backends.keras_objects import construct, weights_in_order
from specc.files import UsageError
from specc.graph import Graph, GraphLayer, Tensor, replace_tensors
from specc.layers.base import Layer
from specc.semantics.composite import ModelLayer
from specc.types import shape_text

TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint", "seed")
"""Ends of the names of arguments that a model's outputs do not depend on."""

NOT_COMPARED = ("name", "trainable", "build_config", "inbound_nodes")
"""Entries of the configuration of a layer inside another: names that Keras counts, and how a model
in it is connected, which shows in the outputs."""

REMEDY = "give a model that was built from this spec"


def adopt(graph: Graph, keras_model: Any) -> BuiltModel:
    """Pair a graph with a Keras model of it, trained or loaded.

    Layers are compared by name, class, arguments and weights, inputs and outputs by type. How
    the layers are connected is not looked at: a difference there shows in the outputs. The
    model is not called, so nothing in it changes.

    Raises:
        UsageError: naming the first layer that is missing or different.
    """
    keras = import_keras()
    different = _first_difference(keras, graph, keras_model)
    if different is not None:
        layer, difference = different
        raise UsageError(
            f"the Keras model `{keras_model.name}` is not of this spec: `{layer.name}` "
            f"({layer.span}): {difference}",
            REMEDY,
        )
    for what, tensors, found_tensors in (
        ("inputs", graph.inputs, keras_model.inputs),
        ("outputs", graph.outputs, keras_model.outputs),
    ):
        said = [shape_text(tensor.type.anonymous().shape) for tensor in tensors]
        found_shapes = [shape_text(keras_type(tensor).shape) for tensor in found_tensors]
        if said != found_shapes:
            raise UsageError(
                f"the Keras model `{keras_model.name}` is not of this spec: its {what} have "
                f"shape {', '.join(found_shapes)}, the spec's {', '.join(said)}",
                REMEDY,
            )
    return BuiltModel(graph, keras_model)


def _first_difference(keras: Any, graph: Graph, keras_model: Any) -> tuple[GraphLayer, str] | None:
    """The first layer that is missing or different, models inside models included."""
    present = {layer.name: layer for layer in keras_model.layers}
    for layer in graph.layers:
        if layer.is_operation:
            continue
        found = present.get(layer.name)
        if found is None:
            return layer, "it has no such layer"
        if isinstance(layer.layer, ModelLayer) and hasattr(found, "layers"):
            inside = _first_difference(keras, layer.layer.graph, found)
            if inside is not None:
                return inside
            continue
        difference = _difference(keras, layer, found)
        if difference is not None:
            return layer, difference
    return None


def _difference(keras: Any, layer: GraphLayer, found: Any) -> str | None:
    """What is different about a Keras layer, in words."""
    made = construct(keras, layer)
    if type(found).__name__ != type(made).__name__:
        return f"it is a {type(found).__name__}, not a {type(made).__name__}"
    said_config = made.get_config()
    found_config = found.get_config()
    assert isinstance(layer.layer, Layer)
    for argument in layer.layer.signature:
        if argument.endswith(TRAINING_ONLY) or argument not in said_config:
            continue
        said_value, found_value = said_config[argument], found_config.get(argument)
        if _plain(said_value) == _plain(found_value):
            continue
        said_value = _once_built(keras, layer)[argument]
        if _plain(said_value) != _plain(found_value):
            return f"its {argument} is {found_value!r}, not {said_value!r}"
    said = [(v.name.rsplit("/", 1)[-1], v.shape) for v in layer.variables]
    weights = weights_in_order(layer.layer, found)
    found_weights = [(v.name, tuple(v.shape)) for v in weights]
    if said != found_weights:
        return f"its weights are {found_weights}, not {said}"
    return None


def _once_built(keras: Any, layer: GraphLayer) -> dict[str, Any]:
    """The configuration of a layer that has been called: Keras fills in some of it then."""

    def symbolic(tensor: Tensor) -> Any:
        sizes = (size if isinstance(size, int) else None for size in tensor.type.shape)
        return keras.KerasTensor((None, *sizes), tensor.type.dtype)

    made = construct(keras, layer)
    assert isinstance(layer.layer, Layer)
    node = layer.nodes[0]
    taken = [symbolic(tensor) for tensor in node.inputs]
    call = {name: replace_tensors(value, symbolic) for name, value in node.call.items()}
    made(taken if layer.layer.takes_list else taken[0], **layer.layer.keras_call(call))
    return made.get_config()


def _plain(value: Any) -> Any:
    """A value of a configuration: some layers make a list of a number when they are built."""
    if isinstance(value, dict):  # a layer or an object inside
        entries = cast("dict[str, Any]", value)
        return {
            key: _plain(entry)
            for key, entry in entries.items()
            if key not in NOT_COMPARED and not key.endswith(TRAINING_ONLY)
        }
    if not isinstance(value, list | tuple):
        return value
    items: list[Any] = [_plain(item) for item in cast("list[Any]", value)]
    return items[0] if len(items) == 1 else items
