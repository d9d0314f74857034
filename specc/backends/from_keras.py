"""The graph of a Keras model that no spec was written for.

Every layer of a functional or Sequential model becomes the layer of the catalogue of the same
name, with the arguments that it was made with; what it takes and gives is what Keras says. From
there on such a model goes the way of all others.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, ClassVar, cast

from specc.backends.collection import no_collection
from specc.backends.frameworks import import_keras
from specc.backends.keras_model import BuiltModel
from specc.files import UsageError
from specc.graph import Graph, GraphLayer, Node, Tensor, Variable
from specc.layers import find_layer
from specc.layers.arguments import Float, Int, arg
from specc.layers.base import Layer, Weight, Weights
from specc.lowering import Builder, Value, Values
from specc.ops import OPERATION_NAMES, find_operation
from specc.ops.base import Operation
from specc.semantics.composite import ModelLayer
from specc.source import Source, Span
from specc.types import TensorType

TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
"""Ends of the names of arguments that do not matter for what a trained model computes."""


@no_collection()
def from_keras(keras_model: Any, name: str | None = None) -> BuiltModel:
    """Pair a Keras model with the graph that is read from it.

    Args:
        name: what messages call it; the model's own name otherwise.

    Raises:
        UsageError: naming the first layer that the catalogue has not, or where the model is of
            another kind.
    """
    source = Source(name or keras_model.name, "")
    return BuiltModel(_graph_of(keras_model, Span(source, 0, 0)), keras_model)


def _graph_of(keras_model: Any, span: Span) -> Graph:
    functional = getattr(keras_model, "_functional", None) or keras_model
    if not hasattr(functional, "_nodes_by_depth"):
        raise UsageError(
            f"`{keras_model.name}` is neither a functional nor a Sequential model",
            "a class with a `call` of its own is code, whose graph is not known; a Sequential "
            "model must have been built",
        )
    return _Reader(functional, keras_model.name, span).read()


class _Reader:
    def __init__(self, functional: Any, name: str, span: Span) -> None:
        self.keras = import_keras()
        self.functional = functional
        self.name = name
        self.span = span
        self.tensors: dict[int, Tensor] = {}
        """By the identity of the Keras tensor."""
        self.layers: dict[int, GraphLayer] = {}
        self.taken: set[str] = set()

    def read(self) -> Graph:
        flatten = self.keras.tree.flatten
        inputs: list[Tensor] = []
        for x in flatten(self.functional._inputs):
            tensor = Tensor(self.unique(x._keras_history.operation.name), type_of(x), self.span)
            self.tensors[id(x)] = tensor
            inputs.append(tensor)
        nodes: list[Node] = []
        for depth in sorted(self.functional._nodes_by_depth, reverse=True):
            nodes += [
                self.node(node)
                for node in self.functional._nodes_by_depth[depth]
                if not node.is_input
            ]
        outputs = [self.tensors[id(x)] for x in flatten(self.functional._outputs)]
        names: dict[str, None] = {}
        for x in flatten(self.functional._outputs):
            base = getattr(x._keras_history.operation, "name", "output")
            names[_free(base, names)] = None
        layers = list(self.layers.values())
        batch = {x.shape[0] for x in flatten(self.functional._inputs)}
        size = batch.pop() if len(batch) == 1 else None
        return Graph(self.name, inputs, outputs, list(names), nodes, layers, [], self.span, size)

    def unique(self, base: str) -> str:
        name = _free(base, self.taken)
        self.taken.add(name)
        return name

    def node(self, node: Any) -> Node:
        operation = node.operation
        layer = self.layers.get(id(operation))
        arguments = node.arguments
        if isinstance(operation, self.keras.layers.Layer):
            args: list[Any] = list(arguments.args)
            first = args.pop(0) if args else None
            names = list(inspect.signature(operation.call).parameters)[1:]
            call = {**dict(zip(names, args, strict=False)), **arguments.kwargs}
            call = {k: self.converted(v) for k, v in call.items() if v is not None}
            taken = [self.tensors[id(x)] for x in self.keras.tree.flatten(first)]
            if layer is None:
                layer = self.layer(operation, taken, call)
        else:
            found = operation_for(operation, arguments)
            call = {name: self.converted(value) for name, value in found.items()}
            taken = []
            if layer is None:
                layer = self.operation(operation, call)
        outputs = [
            Tensor(self.unique(layer.name), type_of(x), self.span)
            for x in self.keras.tree.flatten(node.outputs)
        ]
        made = Node(layer, taken, call, outputs, self.span)
        for x, tensor in zip(self.keras.tree.flatten(node.outputs), outputs, strict=True):
            tensor.node = made
            self.tensors[id(x)] = tensor
        layer.nodes.append(made)
        return made

    def converted(self, value: Any) -> Any:
        """An argument of a call: Keras's tensors become the graph's."""
        if isinstance(value, list | tuple):
            items: list[Any] = [self.converted(item) for item in cast("list[Any]", value)]
            return items if isinstance(value, list) else tuple(items)
        return self.tensors.get(id(value), value)

    def layer(self, keras_layer: Any, inputs: list[Tensor], call: dict[str, Any]) -> GraphLayer:
        layer = self.made_of(keras_layer)
        types = [x.type for x in inputs]
        shaping = {k: v.type if isinstance(v, Tensor) else v for k, v in call.items()}
        weights = layer.variables(types, shaping)
        variables = [Variable(keras_layer.name, w.name, w.shape, w.dtype, w.trainable)
                     for w in weights]  # fmt: skip
        found = GraphLayer(keras_layer.name, layer, variables, self.span)
        self.layers[id(keras_layer)] = found
        return found

    def made_of(self, keras_layer: Any) -> Layer:
        if isinstance(keras_layer, self.keras.Model):
            graph = _graph_of(keras_layer, self.span)
            return ModelLayer(keras_layer.name, graph, trainable=keras_layer.trainable)
        return layer_like(keras_layer)

    def operation(self, operation: Any, call: dict[str, Any]) -> GraphLayer:
        types = {k: _types_of(v) for k, v in call.items()}
        made = operation_class(operation)(**types)
        found = GraphLayer(self.unique(operation.name), made, [], self.span)
        self.layers[id(operation)] = found
        return found


def _types_of(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple([_types_of(item) for item in cast("list[Any]", value)])
    return value.type if isinstance(value, Tensor) else value


def _free(base: str, taken: Any) -> str:
    name, number = base, 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def type_of(x: Any) -> TensorType:
    """The type of a symbolic Keras tensor."""
    return TensorType(x.dtype, tuple(x.shape[1:]))


# ------------------------------------------------------------------------- layers


def layer_like(keras_layer: Any) -> Layer:
    """The layer of the catalogue that a Keras layer is.

    Raises:
        UsageError: where there is none.
    """
    kind = type(keras_layer).__name__
    own = type(keras_layer).__module__.startswith("keras.")
    cls = (APPLICATIONS.get(kind) or find_layer(kind)) if own else None
    if cls is None:
        raise UsageError(
            f"the layer `{keras_layer.name}` is a `{kind}`, which is not of Keras's catalogue",
            "a model of Keras's own layers can be read; `examples/` shows how a layer of one's "
            "own is made known in a spec",
        )
    return _layer_of_config(cls, keras_layer.get_config())


def _layer_of_config(cls: type[Layer], config: dict[str, Any]) -> Layer:
    arguments: dict[str, Any] = {}
    for name in cls.signature:
        if name in config and not name.endswith(TRAINING_ONLY):
            value = _value_of_config(config[name])
            if value is not None:
                arguments[name] = value
    common: dict[str, Any] = {}
    policy = config.get("dtype")
    if "dtype" in cls.common and policy is not None:
        dtype = policy["config"]["name"] if isinstance(policy, dict) else policy
        common["dtype"] = None if dtype == "float32" else dtype
    if "trainable" in cls.common and not config.get("trainable", True):
        common["trainable"] = False
    return cls(**common, **arguments)


def _value_of_config(value: Any) -> Any:
    """An argument as the catalogue has it, from a layer's configuration."""
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        kind, config = entries.get("class_name"), entries.get("config")
        if kind == "function":
            return config
        if kind == "__tuple__":
            return tuple([_value_of_config(item) for item in entries["items"]])
        cls = find_layer(str(kind))
        if cls is not None and isinstance(config, dict):
            return _layer_of_config(cls, cast("dict[str, Any]", config))
        raise UsageError(f"an argument is a `{kind}`, which is not of Keras's catalogue")
    if isinstance(value, list | tuple):
        return tuple([_value_of_config(item) for item in cast("list[Any]", value)])
    return value


class LayerScale(Layer):
    """What ConvNeXt multiplies each of its blocks with: one number for each channel.

    Shapes:  (*lead, n) -> (*lead, n)
    Weights: gamma (n,)
    """

    init_values: float = arg(Float())
    projection_dim: int = arg(Int(at_least=1))

    def infer(self, x: TensorType) -> TensorType:
        return x

    def weights(self, *_: TensorType, **__: Any) -> Weights:
        return (Weight("gamma", (self.projection_dim,)),)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return op.Mul(x, w["gamma"])

    def keras_layer(self) -> Any:
        from keras.src.applications.convnext import LayerScale as Made

        return Made


class StochasticDepth(Layer):
    """Drops blocks of ConvNeXt in training; at inference it hands its input on.

    Shapes: (*any) -> (*any)
    """

    passes_on: ClassVar[bool] = True

    drop_path_rate: float = arg(Float())

    def infer(self, x: TensorType) -> TensorType:
        return x

    def keras_layer(self) -> Any:
        from keras.src.applications.convnext import StochasticDepth as Made

        return Made


class CustomScaleLayer(Layer):
    """The first input plus the scaled second one, in InceptionResNetV2.

    Shapes: (*any), (*any) -> (*any)
    """

    minimum_inputs: ClassVar[int] = 2
    maximum_inputs: ClassVar[int | None] = 2

    scale: float = arg(Float())

    def infer(self, x: TensorType, y: TensorType) -> TensorType:
        return x

    def onnx(self, op: Builder, x: list[Value], w: Values) -> Value:
        return op.Add(x[0], op.Mul(x[1], self.scale))

    def keras_layer(self) -> Any:
        from keras.src.applications.inception_resnet_v2 import CustomScaleLayer as Made

        return Made


APPLICATIONS: dict[str, type[Layer]] = {
    cls.__name__: cls for cls in (CustomScaleLayer, LayerScale, StochasticDepth)
}
"""Layers of `keras.applications` that are not in `keras.layers`."""


# --------------------------------------------------------------------- operations


@cache
def _operations() -> dict[str, type[Operation]]:
    """The catalogue's operations by the class of Keras's node."""
    found: dict[str, type[Operation]] = {}
    for name in OPERATION_NAMES:
        cls = find_operation(name)
        if cls is not None:
            found.setdefault(cls.keras_class, cls)
    return found


def operation_class(operation: Any) -> type[Operation]:
    """The class of the catalogue for an operation in a Keras model.

    Raises:
        UsageError: where there is none.
    """
    cls = _operations().get(type(operation).__name__)
    if cls is None:
        raise UsageError(
            f"the operation `{operation.name}` is a `{type(operation).__name__}`, which specc "
            "does not know"
        )
    return cls


def operation_for(operation: Any, arguments: Any) -> dict[str, Any]:
    """The arguments of an operation as the catalogue has them: Keras keeps some in the operation
    and hands it the others when it is called.
    """
    cls = operation_class(operation)
    bound = inspect.signature(operation.call).bind(*arguments.args, **arguments.kwargs)
    found: dict[str, Any] = {}
    for name in cls.signature:
        value = bound.arguments.get(name, getattr(operation, name, None))
        if value is not None:
            found[name] = value
    return found
