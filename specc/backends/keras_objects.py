"""Layers, operations and the small objects of the catalogue as Keras's own."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, cast

from specc.graph import Graph, GraphLayer
from specc.layers.arguments import Configurable
from specc.layers.base import Layer
from specc.objects import keras_path
from specc.ops.base import Operation
from specc.semantics.composite import BlockLayer, Composite, ModelLayer
from specc.semantics.naming import snake_case


def keras_value(keras: Any, value: Any, dtype: str | None = None) -> Any:
    """An argument as Keras takes it: objects of the catalogue become Keras's."""
    if isinstance(value, Layer):
        return keras_layer(keras, value, None, dtype)
    category = getattr(value, "category", None)
    if category is not None:
        arguments = {
            name: keras_value(keras, argument) for name, argument in value.keras_arguments().items()
        }
        return attrgetter(keras_path(value))(keras)(**arguments)
    if isinstance(value, tuple | list):
        items = cast("list[Any]", value)
        if any(isinstance(item, Configurable) for item in items):
            return [keras_value(keras, item, dtype) for item in items]
    return value


def keras_layer(keras: Any, layer: Layer, name: str | None, dtype: str | None = None) -> Any:
    """The Keras layer of a layer, without weights until it is called.

    Args:
        name: None for a layer inside another, which is called as the first of its class.
        dtype: the policy of the layer and all in it, whatever it says itself; not of a layer that
            cannot compute in it.
    """
    if name is None:
        name = layer.inner_name or snake_case(getattr(layer, "kind", type(layer).__name__))
    if isinstance(layer, ModelLayer):
        from specc.backends.keras_model import model_of

        model = model_of(keras, layer.graph, name, dtype)[0]
        model.trainable = layer.trainable
        return model
    if isinstance(layer, BlockLayer):
        from specc.backends.spec_layer import spec_layer

        return spec_layer(keras, layer, name, dtype)
    arguments = {
        argument: keras_value(keras, value, dtype)
        for argument, value in layer.keras_arguments().items()
        if argument != "trainable"
    }
    if dtype is not None and _takes_dtype(layer, dtype):
        arguments["dtype"] = dtype
    made = keras_class(keras, layer)(name=name, **arguments)
    if not layer.trainable:  # as an argument it does not reach the layers inside
        made.trainable = False
    return made


def _takes_dtype(layer: Layer, dtype: str) -> bool:
    return (
        "dtype" in layer.common
        and layer.dtype_kind.accepts(dtype)
        and (layer.computes_in_float64 or dtype != "float64")
    )


def keras_class(keras: Any, layer: Layer) -> Any:
    """The class of a layer: one of `keras.layers`, or what a layer from Python says."""
    own = getattr(layer, "keras_layer", None)
    return own() if own is not None else getattr(keras.layers, type(layer).__name__)


def python_classes(keras: Any, graph: Graph) -> dict[str, Any]:
    """The Keras classes of the layers from Python in a graph, by name; those inside layers too."""
    found: dict[str, Any] = {}

    def add(layer: Any) -> None:
        if isinstance(layer, Composite):
            found.update(python_classes(keras, layer.graph))
        elif isinstance(layer, Layer):
            if hasattr(layer, "keras_layer"):
                made = keras_class(keras, layer)
                found[made.__name__] = made
            for value in layer.given.values():
                items: list[Any] = list(value) if isinstance(value, tuple) else [value]
                for item in items:
                    add(item)

    for layer in graph.layers:
        add(layer.layer)
    return found


def keras_operation(keras: Any, operation: Operation, name: str) -> Callable[..., Any]:
    """The function of an operation. On symbolic tensors its node gets this name."""
    function = getattr(keras.ops, operation.operation_name)
    variadic = operation.variadic
    order = list(operation.signature)

    def apply(**arguments: Any) -> Any:
        positional: list[Any] = []
        if variadic is not None:
            for argument in order[: order.index(variadic)]:
                positional.append(arguments.pop(argument))
            positional += arguments.pop(variadic)
        result = function(*positional, **arguments)
        first = result[0] if isinstance(result, list | tuple) else result
        history = getattr(first, "_keras_history", None)
        if history is not None:
            history.operation.name = name
        return result

    return apply


def construct(keras: Any, layer: GraphLayer, dtype: str | None = None) -> Any:
    """What calls a layer or an operation of a graph."""
    if isinstance(layer.layer, Operation):
        return keras_operation(keras, layer.layer, layer.name)
    return keras_layer(keras, layer.layer, layer.name, dtype)


def weights_in_order(layer: Layer, keras_layer: Any) -> list[Any]:
    """The Keras variables of a layer in the order of its `variables`.

    Keras lists the layers of a model inside a model by depth, specc in the order of the spec.
    """
    if not isinstance(layer, Composite):
        return list(keras_layer.weights)
    if isinstance(layer, BlockLayer):
        own: list[Any] = list(keras_layer.own_weights)
        inner: dict[str, Any] = {item.name: item for item in keras_layer.inner}
        find = inner.__getitem__
    else:
        own, find = [], keras_layer.get_layer
    for part in layer.graph.layers:
        if isinstance(part.layer, Layer):
            own += weights_in_order(part.layer, find(part.name))
    return own


def normalizing_layers(keras_layer: Any) -> list[Any]:
    """The layers in a layer or model that compute with a copy of their variables."""
    inside: list[Any] = keras_layer._flatten_layers()
    return [layer for layer in inside if hasattr(layer, "adapt_mean")]


def refresh_statistics(keras_model: Any) -> None:
    """Make Normalization layers compute with the variables they have now."""
    for layer in normalizing_layers(keras_model):
        layer.finalize_state()
