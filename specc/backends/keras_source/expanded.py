"""A graph as Python, one line for each use of a layer: for what has no structured form.

Blocks and loops are expanded here and sizes are numbers; everything that compiles can be said.
"""

from __future__ import annotations

from typing import Any, cast

from specc.backends.keras_source.layout import (
    Compound,
    Doc,
    Statement,
    Suite,
    call,
    items_of,
    keyword,
    tuple_of,
)
from specc.backends.keras_source.names import camel_case, constant, quoted, safe
from specc.backends.keras_source.parts import Parts, names_kept, value_doc
from specc.graph import Graph, GraphLayer, Node, Tensor
from specc.layers.base import Layer
from specc.ops.base import Operation
from specc.semantics.composite import BlockLayer, ModelLayer
from specc.semantics.naming import snake_case

ATTRIBUTES = frozenset({
    *("activity_regularizer", "add_loss", "add_weight", "autocast", "build", "built", "call"),
    *("compute_dtype", "compute_mask", "count_params", "dtype", "dtype_policy", "input"),
    *("input_dtype", "input_spec", "losses", "metrics", "name", "output", "path", "trainable"),
    *("supports_masking", "trainable_variables", "trainable_weights", "variable_dtype"),
    *("variables", "weights", "non_trainable_variables", "non_trainable_weights", "get_config"),
    *("get_weights", "set_weights", "save_own_variables", "load_own_variables", "quantize"),
})  # fmt: skip
"""What every Keras layer has: no weight or layer of a class of one's own may hide it."""


OUTPUT_SHAPE = (
    "def compute_output_shape(self, input_shape):",
    "    return self.call(keras.KerasTensor(input_shape)).shape",
)
"""What wrappers such as `TimeDistributed` ask a layer."""


def attribute(name: str, taken: set[str] | frozenset[str] = frozenset()) -> str:
    """A name as an attribute of a layer."""
    return safe(name, ATTRIBUTES | taken)


class Expanded:
    """Writes the functions and classes of expanded graphs."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.made: dict[int, str] = {}
        """The function or class of a graph, by its `id`."""

    def model(self, graph: Graph, docstring: list[str], name: str | None = None) -> str:
        """Add the function that builds a model, and give its name; `name` if it has one."""
        if id(graph) in self.made:
            return self.made[id(graph)]
        name = self.made[id(graph)] = name or self.parts.claim(graph.name)
        body = Suite([*docstring, *names_kept(self.parts, graph)])
        writer = _Writer(self, graph, body)
        for tensor in graph.inputs:
            body.assign(writer.name(tensor), input_doc(tensor, graph.batch_size))
        writer.run()
        inputs = [writer.name(tensor) for tensor in graph.inputs]
        outputs = [writer.name(tensor) for tensor in graph.outputs]
        body.add(Statement("return ", model_doc(list(inputs), list(outputs))))
        head = Statement(f"def {name}(name={quoted(graph.name)}):", "")
        self.parts.definitions.append(Suite([Compound(head, body)]))
        return name

    def layer(self, graph: Graph, title: str, *, wrapped: bool = False) -> str:
        """Add the class of a block that is a layer, and give its name.

        Args:
            wrapped: whether it is an argument of another layer.
        """
        if id(graph) in self.made:
            return self.made[id(graph)]
        name = self.made[id(graph)] = self.parts.claim(camel_case(title))
        start, build, run = Suite(), Suite(), Suite()
        tied = [safe(item.tensor.name) for item in graph.weights if item.shared_with]
        writer = _Writer(self, graph, run, start)
        start.add("super().__init__(**kwargs)")
        start.items += [f"self._{weight} = {weight}" for weight in tied]
        for item in graph.weights:
            own = attribute(item.tensor.name)
            if item.shared_with is not None:
                writer.names[item.tensor] = f"self._{safe(item.tensor.name)}()"
                continue
            options: list[Doc] = [
                keyword("name", quoted(item.weight.name)),
                keyword("shape", constant(item.weight.shape)),
            ]
            if item.weight.dtype != "float32":
                options.append(keyword("dtype", quoted(item.weight.dtype)))
            if not item.weight.trainable:
                options.append(keyword("trainable", "False"))
            options += [keyword(k, value_doc(v)) for k, v in item.options.items()]
            build.assign(f"self.{own}", call("self.add_weight", options))
            writer.names[item.tensor] = f"self.{own}"
        for layer in graph.layers:
            if isinstance(layer.layer, Layer):
                made = attribute(layer.name)
                start.assign(f"self.{made}", writer.constructor(layer))
                writer.variables[layer] = f"self.{made}"
        several = len(graph.inputs) > 1
        if writer.variables:
            shapes = "[keras.KerasTensor(shape) for shape in input_shape]"
            build.add("# A first call builds the layers within.")
            build.add(f"self.call({shapes if several else 'keras.KerasTensor(input_shape)'})")
        names = [writer.name(tensor) for tensor in graph.inputs]
        taken = "inputs" if several else names[0]
        if several:
            run.add(f"{', '.join(names)} = inputs")
        writer.run()
        run.add(f"return {', '.join([writer.name(tensor) for tensor in graph.outputs])}")
        keywords = "".join([f"{weight}, " for weight in tied])
        body = Suite([
            Compound(Statement(f"def __init__(self, *, {keywords}**kwargs):" if tied
                               else "def __init__(self, **kwargs):", ""), start),
        ])  # fmt: skip
        if build.items:
            body.items += ["", Compound(Statement("def build(self, input_shape):", ""), build)]
        body.items += ["", Compound(Statement(f"def call(self, {taken}):", ""), run)]
        if wrapped:
            body.items += ["", *OUTPUT_SHAPE]
        self.parts.definitions.append(class_suite(self.parts, name, body))
        return name


def class_suite(parts: Parts, name: str, body: Suite) -> Suite:
    """`class name(layers.Layer):`, registered with Keras."""
    decorator = f"@keras.saving.register_keras_serializable(package={quoted(parts.package)})"
    return Suite([decorator, Compound(Statement(f"class {name}(layers.Layer):", ""), body)])


def input_doc(tensor: Tensor, batch_size: int | None) -> Doc:
    """`keras.Input((28, 28), name="image")`."""
    sizes = tuple([n if isinstance(n, int) else None for n in tensor.type.shape])
    options: list[Doc] = [constant(sizes)]
    if batch_size is not None:
        options.append(keyword("batch_size", str(batch_size)))
    if tensor.type.dtype != "float32":
        options.append(keyword("dtype", quoted(tensor.type.dtype)))
    return call("keras.Input", [*options, keyword("name", quoted(tensor.name))])


def model_doc(inputs: list[Doc], outputs: list[Doc]) -> Doc:
    """`keras.Model(image, x, name=name)`."""
    sides = [side[0] if len(side) == 1 else items_of(side) for side in (inputs, outputs)]
    return call("keras.Model", [*sides, keyword("name", "name")])


class _Writer:
    """Writes the statements of one graph."""

    def __init__(
        self, expanded: Expanded, graph: Graph, body: Suite, start: Suite | None = None
    ) -> None:
        self.expanded = expanded
        self.graph = graph
        self.body = body
        self.start = start
        self.names: dict[Tensor, str] = {}
        self.taken: set[str] = set()
        self.variables: dict[GraphLayer, str] = {}
        """The variable of a layer that is used more than once, or is an attribute."""

    def name(self, tensor: Tensor) -> str:
        """The variable of a tensor."""
        made = self.names.get(tensor)
        if made is None:
            made = self.names[tensor] = safe(tensor.name, self.taken)
            self.taken.add(made)
        return made

    def run(self) -> None:
        for tensor in self.graph.inputs:
            self.name(tensor)
        owners = {
            item.shared_with
            for layer in self.graph.layers
            if isinstance(layer.layer, BlockLayer)
            for item in layer.layer.graph.weights
        }
        for node in self.graph.nodes:
            layer = node.layer
            if isinstance(layer.layer, Operation):
                self._assign(node, self._operation(node, layer.layer))
                continue
            made = self.variables.get(layer)
            if made is None:
                made = self.constructor(layer)
                if len(layer.nodes) > 1 or layer in owners or _is_frozen(layer):
                    variable = safe(f"{layer.name}_layer", self.taken)
                    self.taken.add(variable)
                    self.body.assign(variable, made)
                    if _is_frozen(layer):
                        self.body.add(f"{variable}.trainable = False")
                    made = self.variables[layer] = variable
            self._assign(node, call(made, self._arguments(node, layer.layer)))

    def _assign(self, node: Node, value: Doc) -> None:
        self.body.assign(", ".join([self.name(tensor) for tensor in node.outputs]), value)

    def _arguments(self, node: Node, layer: Layer) -> list[Doc]:
        taken: list[Doc] = [self.name(tensor) for tensor in node.inputs]
        first = items_of(taken) if layer.takes_list else taken[0]
        more = layer.keras_call(node.call).items()
        return [first, *[keyword(name, self._value(value)) for name, value in more]]

    def _operation(self, node: Node, operation: Operation) -> Doc:
        arguments: list[Doc] = []
        by_name = False
        for name, argument in operation.signature.items():
            if name not in node.call:
                by_name = True
                continue
            value = node.call[name]
            if name == operation.variadic:
                arguments += [self._value(item) for item in value]
            elif by_name or not argument.required:
                arguments.append(keyword(name, self._value(value)))
            else:
                arguments.append(self._value(value))
        return call(f"ops.{operation.operation_name}", arguments)

    def _value(self, value: Any) -> Doc:
        if isinstance(value, Tensor):
            return self.name(value)
        if isinstance(value, list):
            return items_of([self._value(item) for item in cast("list[Any]", value)])
        if isinstance(value, tuple):
            several = cast("tuple[Any, ...]", value)
            docs = [self._value(item) for item in several]
            holds_tensors = any(isinstance(item, Tensor) for item in several)
            return items_of(docs) if holds_tensors else tuple_of(docs)
        return value_doc(value)

    def constructor(self, layer: GraphLayer) -> Doc:
        """What makes a layer."""
        made = layer.layer
        named = keyword("name", quoted(layer.name))
        if isinstance(made, ModelLayer):
            return call(self.expanded.model(made.graph, []), [named])
        if isinstance(made, BlockLayer):
            tied: list[Doc] = []
            for item in made.graph.weights:
                if item.shared_with is not None:
                    owner = item.shared_with
                    index = [v.name for v in owner.variables].index(item.weight.name)
                    variable = self.variables.get(owner, "")
                    text = f"lambda: {variable}.weights[{index}]"
                    tied.append(keyword(safe(item.tensor.name), text))
            frozen = [] if made.trainable else [keyword("trainable", "False")]
            return call(self.expanded.layer(made.graph, made.title), [*tied, *frozen, named])
        assert isinstance(made, Layer)
        arguments: list[Doc] = [
            keyword(name, self._argument(value, frozen=not made.trainable))
            for name, value in made.keras_arguments().items()
        ]
        return call(f"layers.{made.kind}", [*arguments, named])

    def _argument(self, value: Any, *, frozen: bool) -> Doc:
        """An argument of a layer, which may be a model or a block."""
        if isinstance(value, ModelLayer | BlockLayer):
            name = getattr(value, "inner_name", None) or snake_case(value.title)
            named = keyword("name", quoted(name))
            if isinstance(value, ModelLayer):
                return call(self.expanded.model(value.graph, []), [named])
            return call(self.expanded.layer(value.graph, value.title, wrapped=True), [named])
        return value_doc(value, frozen=frozen)


def _is_frozen(layer: GraphLayer) -> bool:
    return isinstance(layer.layer, ModelLayer) and not layer.layer.trainable
