"""Weights into the ONNX graph, with an account of every one.

`convert` leaves the weights as inputs. Here they become initializers; operations that read
nothing but weights and constants go (`static.py` carries them out). Of each initializer it is
known which variables went into it, so the account is a fact of the data flow and not a guess
from names or values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir

from specc.backends.scope import layer_number
from specc.backends.static import LAYOUT_OPERATORS, Evaluator, Static
from specc.graph import Variable
from specc.records import record


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


@record
class Bound:
    """What a graph has instead of its weight inputs."""

    accounting: Accounting
    statics: dict[str, Static]
    """How each parameter comes about, by its name in the file."""
    opsets: dict[str, int]

    def tensors(self, arrays: Sequence[np.ndarray[Any, Any]]) -> list[ir.TensorProtocol]:
        """The parameters, each computed when its numbers are asked for.

        Args:
            arrays: the values of the variables; they are read then.
        """
        evaluator = Evaluator(self.opsets, arrays)
        return [_tensor(name, static, evaluator) for name, static in self.statics.items()]


def bind_weights(model: ir.Model, variables: list[Variable], layers: Sequence[str] = ()) -> Bound:
    """Put the parameters that a file has in the place of the weight inputs w0, w1, ... of a
    converted model, and take out what computes them. They stay inputs, without numbers.

    The shapes of what is made of weights must have been inferred.

    Args:
        layers: the names of the layers whose numbers stand in the names of the nodes.
    """
    graph = model.graph
    weight_inputs = {
        number: value
        for value in list(graph.inputs)
        if (number := _weight_number(value.name)) is not None
    }
    statics = _known_constants(graph)
    for number, value in weight_inputs.items():
        statics[value] = Static(value, frozenset([number]), True)
    folded_nodes = _fold(model, statics)

    names = _Names(variables, layers)
    removed = set(folded_nodes)
    holdings: dict[str, Holding] = {}
    held: dict[str, Static] = {}
    for value, static in statics.items():
        users = [(user, index) for user, index in value.uses() if user not in removed]
        if not static.sources or not users:
            continue
        name = names.choose(static, *users[0])
        _stand_in(graph, static, name)
        held[name] = static
        holdings[name] = Holding(static.size, static.sources, static.layout_only)
    graph.remove(folded_nodes, safe=True)
    for value in weight_inputs.values():
        graph.inputs.remove(value)
    _remove_unread(graph)
    others = sum(
        value.const_value.size
        for value in graph.initializers.values()
        if value.const_value is not None
    )
    accounting = Accounting(_account(variables, holdings), holdings, others)
    return Bound(accounting, held, dict(model.opset_imports))


def _account(variables: list[Variable], holdings: dict[str, Holding]) -> list[Parameter]:
    held_in: dict[int, list[str]] = {}
    for name, holding in holdings.items():
        for number in holding.sources:
            held_in.setdefault(number, []).append(name)
    parameters: list[Parameter] = []
    for number, variable in enumerate(variables):
        held = held_in.get(number, [])
        whole = [name for name in held if holdings[name].is_variable]
        how = "kept" if whole else "folded" if held else "dropped"
        parameters.append(Parameter(variable, how, whole or held))
    return parameters


def _weight_number(name: str | None) -> int | None:
    return int(name[1:]) if name and name[0] == "w" and name[1:].isdigit() else None


def _known_constants(graph: ir.Graph) -> dict[ir.Value, Static]:
    known: dict[ir.Value, Static] = {}
    for value in graph.initializers.values():
        if value.const_value is not None:
            known[value] = Static(value, frozenset(), False, value.const_value.numpy)
    for node in graph:
        if node.op_type == "Constant" and "value" in node.attributes:
            tensor = node.attributes["value"].as_tensor()
            output = node.outputs[0]
            output.shape = ir.Shape(tensor.shape.numpy())
            known[output] = Static(output, frozenset(), False, tensor.numpy)
    return known


def _fold(model: ir.Model, statics: dict[ir.Value, Static]) -> list[ir.Node]:
    """The operations whose inputs are known and include a weight; their outputs become known."""
    folded: list[ir.Node] = []
    for node in model.graph:
        inputs = [value for value in node.inputs if value is not None]
        if not inputs or any(value not in statics for value in inputs):
            continue
        known = [statics[value] for value in inputs]
        sources = frozenset[int]().union(*(static.sources for static in known))
        has_body = any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
                       for a in node.attributes.values())  # fmt: skip
        if not sources or has_body or node.domain not in ("", "ai.onnx"):
            continue
        if any(value.is_graph_output() for value in node.outputs):
            continue
        layout_only = node.op_type in LAYOUT_OPERATORS and known[0].layout_only
        operands = [None if value is None else statics[value] for value in node.inputs]
        made = [
            Static(x, sources, layout_only and len(sources) == 1, node=node, operands=operands)
            for x in node.outputs
        ]
        if any(x.value.shape is None or not x.value.shape.is_static() for x in made):
            continue
        if sum(x.size for x in made) > sum(x.size for x in known):
            continue  # an expansion: better done by the runtime than stored in the file
        statics.update({x.value: x for x in made})
        folded.append(node)
    return folded


def _stand_in(graph: ir.Graph, static: Static, name: str) -> None:
    """Put a parameter in the place of a value that is computed of weights."""
    assert static.value.dtype is not None
    type_ = ir.TensorType(static.value.dtype)
    parameter = ir.Value(name=name, shape=ir.Shape(static.shape), type=type_)
    ir.convenience.replace_all_uses_with(static.value, parameter)
    graph.inputs.append(parameter)


def _tensor(name: str, static: Static, evaluator: Evaluator) -> ir.TensorProtocol:
    dtype = static.value.dtype
    assert dtype is not None

    def made() -> ir.TensorProtocol:
        return ir.Tensor(evaluator.array(static), dtype=dtype, name=name)

    return ir.LazyTensor(made, dtype, ir.Shape(static.shape), name=name)


def _remove_unread(graph: ir.Graph) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses():
            del graph.initializers[name]


class _Names:
    """Names of initializers: those of the variables that they hold, or take the place of."""

    def __init__(self, variables: list[Variable], layers: Sequence[str]) -> None:
        self._variables = variables
        self._layers = layers
        self._taken: dict[str, int] = {}

    def choose(self, static: Static, user: ir.Node, index: int) -> str:
        """A name.

        Args:
            user: the node that reads it, and as which of its inputs.
        """
        base = self._base(static, user, index)
        number = self._taken.get(base, 0)
        self._taken[base] = number + 1
        return f"{base}_{number}" if number else base

    def _base(self, static: Static, user: ir.Node, index: int) -> str:
        sources = [self._variables[number] for number in sorted(static.sources)]
        if static.layout_only:
            return sources[0].path
        number = layer_number(user.name)
        known = number is not None and number < len(self._layers)
        layer = self._layers[number or 0] if known else sources[0].layer
        own = [variable for variable in sources if variable.layer == layer]
        if not own:
            layer, own = sources[0].layer, [v for v in sources if v.layer == sources[0].layer]
        return f"{layer}/{_role(own, user.op_type, index)}"


def _role(own: list[Variable], operator: str, index: int) -> str:
    """What an initializer is to the layer, some of whose variables it is made of."""
    if len(own) == 1:
        return own[0].name
    if operator in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return "bias" if index == 2 else max(own, key=lambda variable: variable.size).name
    if any(variable.name == "bias" for variable in own):
        return "bias"
    return {"Mul": "scale", "Add": "offset"}.get(operator, "folded")
