"""A block of a spec as a Keras layer with weights of its own."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from specc.backends.keras_objects import construct, keras_value
from specc.graph import Graph, Tensor
from specc.layers.base import Layer
from specc.semantics.composite import BlockLayer


def spec_layer(keras: Any, layer: BlockLayer, name: str | None, dtype: str | None) -> Any:
    """The Keras layer of a block."""
    graph = layer.graph
    inner = [
        construct(keras, part, dtype) for part in graph.layers if isinstance(part.layer, Layer)
    ]
    weights: list[dict[str, Any]] = []
    for item in graph.weights:
        options = {key: keras_value(keras, value) for key, value in item.options.items()}
        weights.append(
            {
                "name": item.weight.name,
                "shape": item.weight.shape,
                "dtype": dtype or item.weight.dtype,
                "trainable": item.weight.trainable,
                "shared": item.shared_with is not None,
                **options,
            }
        )
    made = layer_class(keras)(
        title=layer.title,
        program=program_of(graph),
        own=weights,
        inner=inner,
        name=name or layer.title,
        dtype=dtype,
    )
    made.trainable = layer.trainable
    return made


def program_of(graph: Graph) -> dict[str, Any]:
    """A graph as plain data: which layer or operation makes which tensors of which."""
    numbers: dict[Tensor, int] = {}
    for tensor in [*graph.inputs, *(item.tensor for item in graph.weights)]:
        numbers.setdefault(tensor, len(numbers))
    places = {layer: i for i, layer in enumerate(x for x in graph.layers if not x.is_operation)}
    steps: list[dict[str, Any]] = []
    for node in graph.nodes:
        operation = node.layer.layer
        call = operation.keras_call(node.call) if isinstance(operation, Layer) else node.call
        step: dict[str, Any] = {
            "inputs": [numbers[tensor] for tensor in node.inputs],
            "arguments": {name: _encoded(value, numbers) for name, value in call.items()},
        }
        if isinstance(operation, Layer):
            step["layer"] = places[node.layer]
            step["list"] = operation.takes_list
        else:
            step["operation"] = operation.operation_name
            step["order"] = list(operation.signature)
            step["variadic"] = operation.variadic
        for tensor in node.outputs:
            numbers[tensor] = len(numbers)
        step["outputs"] = [numbers[tensor] for tensor in node.outputs]
        steps.append(step)
    return {
        "inputs": [_sizes(tensor) for tensor in graph.inputs],
        "steps": steps,
        "outputs": [numbers[tensor] for tensor in graph.outputs],
    }


def _sizes(tensor: Tensor) -> list[int | None]:
    return [size if isinstance(size, int) else None for size in tensor.type.shape]


def _encoded(value: Any, numbers: dict[Tensor, int]) -> Any:
    """An argument as JSON can hold it."""
    if isinstance(value, Tensor):
        return {"tensor": numbers[value]}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is ...:
        return {"slice": "..."}
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [_encoded(item, numbers) for item in items]
    return value


def _decoded(value: Any, tensors: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        if "tensor" in items:
            return tensors[items["tensor"]]
        bounds = items["slice"]
        return ... if bounds == "..." else slice(*bounds)
    if isinstance(value, list):
        return tuple([_decoded(item, tensors) for item in cast("list[Any]", value)])
    return value


@cache
def layer_class(keras: Any) -> Any:
    """The class of such layers. It knows plain data alone, so that a saved model can be loaded
    by any program in which this function was called.
    """

    @keras.saving.register_keras_serializable(package="specc", name="SpecLayer")
    class SpecLayer(keras.layers.Layer):
        """Runs a program of layers and operations on its inputs and its own weights."""

        def __init__(
            self,
            *,
            title: str,
            program: dict[str, Any],
            own: list[dict[str, Any]],
            inner: list[Any],
            **common: Any,
        ) -> None:
            super().__init__(**common)
            self.title = title
            self.program = program
            self.own = own
            self.inner = inner
            self.own_weights: list[Any] = []
            self.supports_masking = True
            self._shared: Any = None

        def share(self, variables: dict[str, Any]) -> None:
            """Take the variables of other layers, by the names of the weights that stand for
            them. They stay theirs: this layer does not list them.
            """
            self._shared = lambda name: variables[name]

        def build(self, input_shape: Any) -> None:
            for item in self.own:
                if item["shared"]:
                    continue
                options = {
                    k: item[k] for k in ("initializer", "regularizer", "constraint") if k in item
                }
                made = self.add_weight(
                    name=item["name"],
                    shape=tuple(item["shape"]),
                    dtype=item["dtype"],
                    trainable=item["trainable"],
                    **options,
                )
                self.own_weights.append(made)
            self._run(self._symbolic(input_shape), symbolic=True)
            self.built = True

        def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002  (Keras looks)
            several = len(self.program["inputs"]) > 1
            return self._run(list(inputs) if several else [inputs])

        def compute_output_spec(self, inputs: Any, **_: Any) -> Any:
            several = len(self.program["inputs"]) > 1
            result = self._run(list(inputs) if several else [inputs], symbolic=True)
            results = result if isinstance(result, list) else [result]
            plain = [keras.KerasTensor(x.shape, x.dtype) for x in results]
            return plain if isinstance(result, list) else plain[0]

        def compute_output_shape(self, input_shape: Any) -> Any:
            result = self._run(self._symbolic(input_shape), symbolic=True)
            return [x.shape for x in result] if isinstance(result, list) else result.shape

        def _symbolic(self, input_shape: Any) -> list[Any]:
            shapes = input_shape if len(self.program["inputs"]) > 1 else [input_shape]
            return [keras.KerasTensor(tuple(shape)) for shape in shapes]

        def compute_mask(self, *_: Any) -> Any:
            return None

        def _variables(self, symbolic: bool) -> list[Any]:
            mine = iter(self.own_weights)
            values: list[Any] = []
            for item in self.own:
                variable = self._shared(item["name"]) if item["shared"] else next(mine)
                if symbolic:
                    values.append(keras.KerasTensor(tuple(item["shape"]), variable.dtype))
                else:
                    values.append(keras.ops.convert_to_tensor(variable))
            return values

        def _run(self, inputs: list[Any], symbolic: bool = False) -> Any:
            given = [*inputs, *self._variables(symbolic)]
            tensors: dict[int, Any] = dict(enumerate(given))
            for step in self.program["steps"]:
                arguments = {k: _decoded(v, tensors) for k, v in step["arguments"].items()}
                if "layer" in step:
                    layer = self.inner[step["layer"]]
                    taken = [tensors[number] for number in step["inputs"]]
                    arguments = {
                        k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()
                    }
                    result = layer(taken if step["list"] else taken[0], **arguments)
                else:
                    result = _operate(keras, step, arguments)
                results = keras.tree.flatten(result)
                tensors.update(zip(step["outputs"], results, strict=True))
            results = [tensors[number] for number in self.program["outputs"]]
            return results if len(results) > 1 else results[0]

        def get_config(self) -> dict[str, Any]:
            serialize = keras.saving.serialize_keras_object
            return {
                **super().get_config(),
                "title": self.title,
                "program": self.program,
                "own": [{k: serialize(v) for k, v in item.items()} for item in self.own],
                # Built before this layer, they would not know that they stand in it.
                "inner": [
                    {k: v for k, v in serialize(layer).items() if k != "build_config"}
                    for layer in self.inner
                ],
            }

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            read = keras.saving.deserialize_keras_object
            given: dict[str, Any] = {
                **config,
                "own": [{k: read(v) for k, v in item.items()} for item in config["own"]],
                "inner": [read(layer) for layer in config["inner"]],
            }
            return cls(**given)

    return SpecLayer


def _operate(keras: Any, step: dict[str, Any], arguments: dict[str, Any]) -> Any:
    function = getattr(keras.ops, step["operation"])
    variadic = step["variadic"]
    if variadic is None:
        return function(**arguments)
    before = step["order"][: step["order"].index(variadic)]
    positional = [arguments.pop(name) for name in before]
    return function(*positional, *arguments.pop(variadic), **arguments)
