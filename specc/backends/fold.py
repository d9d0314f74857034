"""Weights into the ONNX graph, with an account of every one.

`convert` leaves the weights as inputs. Here they become initializers; operations that read
nothing but weights and constants are carried out once and for all, in float64. Of each
initializer it is known which variables went into it, so the account is a fact of the
data flow and not a guess from names or values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.reference
import onnx_ir as ir

from specc.graph import Variable
from specc.records import record

LAYOUT_OPERATORS = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"}
"""What moves numbers about and changes none: a weight behind these is kept, not folded."""


class Constant(NamedTuple):
    """A value that is known while exporting."""

    array: np.ndarray[Any, Any]
    sources: frozenset[int]
    """Which variables it was computed from, by number."""
    layout_only: bool
    dtype: np.dtype[Any]
    """The dtype in the graph; floats are computed in float64."""


@record
class Parameter:
    """What became of one Keras variable."""

    variable: Variable
    how: str
    """kept (its numbers are in the file), folded (what was computed from them is) or dropped."""
    initializers: list[str]
    """The initializers that hold it, or what it was folded into."""


class Holding(NamedTuple):
    """An initializer that holds parameters."""

    size: int
    sources: frozenset[int]
    """The variables it is or was computed from, by number."""
    is_variable: bool
    """Whether it holds the numbers of one variable, in whatever layout."""


@record
class Accounting:
    """Every Keras parameter and every ONNX parameter, so that the sum closes.

    `keras_total - folded_from + folded_into - dropped + copies == onnx_total`
    """

    parameters: list[Parameter]
    holdings: dict[str, Holding]
    """By the name of the initializer."""
    constants: int
    """Elements of the other initializers: shapes, epsilons; they are no parameters."""

    def _from(self, how: str) -> int:
        return sum(p.variable.size for p in self.parameters if p.how == how)

    def _among(self, how: str, sources: frozenset[int]) -> bool:
        return any(self.parameters[number].how == how for number in sources)

    @property
    def keras_total(self) -> int:
        return sum(p.variable.size for p in self.parameters)

    @property
    def kept(self) -> int:
        return self._from("kept")

    @property
    def folded_from(self) -> int:
        """Elements of the variables of which only something computed is in the file."""
        return self._from("folded")

    @property
    def folded_into(self) -> int:
        """Elements of what was computed from them."""
        return sum(
            holding.size
            for holding in self.holdings.values()
            if not holding.is_variable and self._among("folded", holding.sources)
        )

    @property
    def dropped(self) -> int:
        return self._from("dropped")

    @property
    def copies(self) -> int:
        """Elements that stand in the file besides the variable that is kept in it.

        A weight that is needed in two layouts is one; so is a part of a weight that a
        recurrent layer's first step reads by itself.
        """
        seen: set[int] = set()
        elements = 0
        for holding in self.holdings.values():
            if holding.is_variable:
                elements += holding.size * (not seen.isdisjoint(holding.sources))
                seen |= holding.sources
            elif not self._among("folded", holding.sources):
                elements += holding.size
        return elements

    @property
    def onnx_total(self) -> int:
        return sum(holding.size for holding in self.holdings.values())

    @property
    def closes(self) -> bool:
        expected = (
            self.keras_total - self.folded_from + self.folded_into - self.dropped + self.copies
        )
        return expected == self.onnx_total


def bind_weights(
    model: ir.Model, variables: list[Variable], arrays: list[np.ndarray[Any, Any]]
) -> Accounting:
    """Turn the weight inputs w0, w1, ... of a converted model into initializers, in place."""
    graph = model.graph
    weight_inputs = {
        number: value
        for value in list(graph.inputs)
        if (number := _weight_number(value.name)) is not None
    }
    constants = _known_constants(graph)
    for number, value in weight_inputs.items():
        array = arrays[number]
        constants[value] = Constant(array, frozenset([number]), True, array.dtype)
    folded_nodes = _fold(model, constants)

    names = _Names(variables)
    removed = set(folded_nodes)
    holdings: dict[str, Holding] = {}
    for value, constant in constants.items():
        users = [user for user, _ in value.uses() if user not in removed]
        if not constant.sources or not users:
            continue
        name = names.choose(constant, users[0].op_type)
        array = constant.array.astype(constant.dtype, copy=False)
        _materialize(graph, value, name, array)
        holdings[name] = Holding(array.size, constant.sources, constant.layout_only)
    graph.remove(folded_nodes, safe=True)
    for value in weight_inputs.values():
        graph.inputs.remove(value)
    _remove_unread(graph)
    others = sum(
        value.const_value.size
        for name, value in graph.initializers.items()
        if name not in holdings and value.const_value is not None
    )
    return Accounting(_account(variables, holdings), holdings, others)


def _account(variables: list[Variable], holdings: dict[str, Holding]) -> list[Parameter]:
    parameters: list[Parameter] = []
    for number, variable in enumerate(variables):
        held_in = {name: h for name, h in holdings.items() if number in h.sources}
        whole = [name for name, holding in held_in.items() if holding.is_variable]
        how = "kept" if whole else "folded" if held_in else "dropped"
        parameters.append(Parameter(variable, how, whole or list(held_in)))
    return parameters


def _weight_number(name: str | None) -> int | None:
    return int(name[1:]) if name and name[0] == "w" and name[1:].isdigit() else None


def _known_constants(graph: ir.Graph) -> dict[ir.Value, Constant]:
    known: dict[ir.Value, Constant] = {}
    for value in graph.initializers.values():
        if value.const_value is not None:
            array = value.const_value.numpy()
            known[value] = Constant(array, frozenset(), False, array.dtype)
    for node in graph:
        if node.op_type == "Constant" and "value" in node.attributes:
            array = node.attributes["value"].as_tensor().numpy()
            known[node.outputs[0]] = Constant(array, frozenset(), False, array.dtype)
    return known


def _fold(model: ir.Model, constants: dict[ir.Value, Constant]) -> list[ir.Node]:
    """Carry out every operation whose inputs are known and include a weight."""
    folded: list[ir.Node] = []
    for node in model.graph:
        inputs = [value for value in node.inputs if value is not None]
        if not inputs or any(value not in constants for value in inputs):
            continue
        known = [constants[value] for value in inputs]
        sources = frozenset[int]().union(*(constant.sources for constant in known))
        has_body = any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
                       for a in node.attributes.values())  # fmt: skip
        if not sources or has_body or node.domain not in ("", "ai.onnx"):
            continue
        results = _evaluate(node, [c.array for c in known], model.opset_imports)
        if sum(array.size for array in results) > sum(c.array.size for c in known):
            continue  # an expansion: better done by the runtime than stored in the file
        layout_only = node.op_type in LAYOUT_OPERATORS and known[0].layout_only
        for output, array in zip(node.outputs, results, strict=True):
            kept = layout_only and len(sources) == 1
            constants[output] = Constant(array, sources, kept, _dtype(node, array, known))
        folded.append(node)
    return folded


def _dtype(node: ir.Node, result: np.ndarray[Any, Any], inputs: list[Constant]) -> np.dtype[Any]:
    """What the dtype of a result is in the graph, where floats have not 64 bits for a while."""
    if result.dtype.kind != "f" or node.op_type == "Cast":
        return result.dtype
    return next((c.dtype for c in inputs if c.dtype.kind == "f"), result.dtype)


def _evaluate(
    node: ir.Node, inputs: list[np.ndarray[Any, Any]], opsets: dict[str, int]
) -> list[np.ndarray[Any, Any]]:
    """The outputs of one node, floating point in float64."""
    proto = ir.serde.serialize_node(node)
    undefined = onnx.TensorProto.UNDEFINED
    names = [name for name in proto.input if name]
    one_node = onnx.helper.make_graph(
        [proto],
        "one_node",
        [
            onnx.helper.make_tensor_value_info(name, undefined, None)
            for name in dict.fromkeys(names)
        ],
        [onnx.helper.make_tensor_value_info(name, undefined, None) for name in proto.output],
    )
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    evaluator = onnx.reference.ReferenceEvaluator(
        onnx.helper.make_model(one_node, opset_imports=imports)
    )
    wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in inputs]
    results: Any = evaluator.run(None, dict(zip(names, wide, strict=True)))
    return [np.asarray(result) for result in results]


def _materialize(graph: ir.Graph, value: ir.Value, name: str, array: np.ndarray[Any, Any]) -> None:
    """Put an initializer in the place of a value."""
    tensor = ir.Tensor(np.ascontiguousarray(array), name=name)
    initializer = ir.Value(
        name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor
    )
    ir.convenience.replace_all_uses_with(value, initializer)
    graph.register_initializer(initializer)


def _remove_unread(graph: ir.Graph) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses():
            del graph.initializers[name]


class _Names:
    """Names of initializers: a kept weight has Keras's, a folded one says what it does."""

    def __init__(self, variables: list[Variable]) -> None:
        self._variables = variables
        self._taken: dict[str, int] = {}

    def choose(self, constant: Constant, operator: str) -> str:
        first = self._variables[min(constant.sources)]
        role = {"Mul": "scale", "Add": "offset"}.get(operator, "folded")
        base = first.path if constant.layout_only else f"{first.layer}/{role}"
        number = self._taken.get(base, 0)
        self._taken[base] = number + 1
        return f"{base}_{number}" if number else base
