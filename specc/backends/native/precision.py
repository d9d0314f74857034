"""Turns a graph of float32 into one of a lower precision.

Needs: the types of the values; weights that are inputs still, so that none is computed here but
to see whether it fits.
Keeps: what is computed but for rounding; names; which layer a node is of.

Each node is put on one of two sides, float32 or the lower type, and where a value passes from one
to the other stands a Cast. What has to be on a side says `precision_rules`; for the rest a minimum
cut finds the sides with the fewest Casts. A body's inputs and outputs are tied to those of its
node: what comes out of both branches of an If has one type. Loops stay float32, as what they carry
from step to step would be rounded at each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

from specc.backends.native.min_cut import divide
from specc.backends.native.precision_rules import (
    EXACT_IN_ANY,
    LOWER,
    MUCH_WORK,
    bodies_of,
    overflows,
    ports_of,
    represents,
    wants_float32,
)
from specc.backends.native.transposed_products import (
    CRASHING,
    is_product_with_matrix,
    move_transpositions,
)
from specc.backends.onnx_names import LAYER_KEY, PLACE_KEY
from specc.records import fresh, record

FLOAT = ir.DataType.FLOAT

Array = np.ndarray[Any, Any]
Tensors = Sequence[ir.TensorProtocol]


class Precision(NamedTuple):
    """What an export is asked for."""

    to: str
    """"float16" or "bfloat16"."""
    io: str = "float32"
    """The type of inputs and outputs that would be float32: that, or "same" as the rest."""


class Lowered(NamedTuple):
    """A graph in a lower precision."""

    skeleton: onnx.ModelProto
    tensors: list[ir.TensorProtocol]
    """The parameters, some of them rounded when their numbers are asked for."""
    nodes: int
    """How many compute in the lower type."""
    casts: int
    kept: dict[str, int]
    """How many nodes of each operator compute in float32."""
    beyond: dict[str, int]
    """The parameters that stay float32 because some of their numbers are beyond the range of the
    type, with how many."""


def lower_precision(skeleton: onnx.ModelProto, tensors: Tensors, precision: Precision) -> Lowered:
    """Lower a model.

    Args:
        skeleton: the model without its parameters.
        tensors: the parameters.
    """
    lower = LOWER[precision.to]
    stand_in = onnx.ModelProto()
    stand_in.CopyFrom(skeleton)
    own_inputs = len(stand_in.graph.input)
    for tensor in tensors:
        info = onnx.helper.make_tensor_value_info(
            tensor.name or "", int(tensor.dtype), tensor.shape.numpy()
        )
        stand_in.graph.input.append(info)
    model = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(stand_in))
    beyond = {
        tensor.name or "": count
        for tensor in tensors
        if tensor.dtype == FLOAT and (count := overflows(lower, tensor.numpy()))
    }
    move_transpositions(model.graph)
    plan = _Plan(model, lower, own_inputs, beyond, lowers_ports=precision.io == "same")
    plan.settle()
    plan.apply()
    proto = ir.serde.serialize_model(model)
    stored = {value.name: value.dtype for value in model.graph.inputs[own_inputs:]}
    proto = onnx.shape_inference.infer_shapes(proto)
    del proto.graph.input[own_inputs:]
    rounded = [
        round_tensor(t, lower) if stored[t.name] == lower and t.dtype != lower else t
        for t in tensors
    ]
    return Lowered(
        proto, rounded, plan.lowered, plan.casts, dict(sorted(plan.kept.items())), beyond
    )


def round_tensor(tensor: ir.TensorProtocol, lower: ir.DataType) -> ir.TensorProtocol:
    """A tensor in a lower type, rounded to the nearest, ties to even, when it is read."""

    def rounded() -> ir.TensorProtocol:
        return ir.Tensor(round_to(tensor.numpy(), lower), dtype=lower, name=tensor.name)

    shape = ir.Shape(tensor.shape.numpy())
    return ir.LazyTensor(rounded, lower, shape, name=tensor.name)


def round_to(array: Array, lower: ir.DataType) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(array.astype(lower.numpy()), order="C")


@record
class _Unit:
    """What is in one type: a node's values, a state of a loop, an input or an output."""

    reads: list[tuple[ir.Node | ir.Graph, int]] = fresh(
        default_factory=list["tuple[ir.Node | ir.Graph, int]"]
    )
    """Which inputs of nodes, and which outputs of graphs."""
    makes: list[ir.Value] = fresh(default_factory=list[ir.Value])
    side: bool | None = None
    """Whether it is of the lower type; None where that is free."""
    node: ir.Node | None = None


class _Plan:
    """Which parts of a graph are of the lower type."""

    def __init__(
        self,
        model: ir.Model,
        lower: ir.DataType,
        own_inputs: int,
        beyond: dict[str, int],
        *,
        lowers_ports: bool,
    ) -> None:
        self._graph = model.graph
        self._opsets = dict(model.opset_imports)
        self._lower = lower
        self._beyond = beyond
        self._parameters = dict.fromkeys(model.graph.inputs[own_inputs:])
        self._constants: dict[ir.Value, Array] = {}
        self._in_loop = False
        self._owner: dict[ir.Value, ir.Graph] = {}
        self._units: list[_Unit] = []
        self.kept: Counter[str] = Counter()
        self.casts = 0
        self.lowered = 0
        for value in model.graph.inputs[:own_inputs]:
            if value.dtype == FLOAT:
                self._add(_Unit(makes=[value], side=lowers_ports))
        self._visit(model.graph)
        for index, value in enumerate(model.graph.outputs):
            if value.dtype == FLOAT:
                self._add(_Unit(reads=[(model.graph, index)], side=lowers_ports))
        self._maker = {value: unit for unit in self._units for value in unit.makes}
        self._readers: dict[ir.Value, list[tuple[_Unit, ir.Node | ir.Graph, int]]] = {}
        for unit in self._units:
            for user, index in unit.reads:
                value = _read(user, index)
                self._readers.setdefault(value, []).append((unit, user, index))

    def _add(self, unit: _Unit) -> None:
        if unit.reads or unit.makes:
            self._units.append(unit)

    # ----------------------------------------------------------------- what there is

    def _visit(self, graph: ir.Graph) -> None:
        for value in (*graph.inputs, *graph.initializers.values()):
            self._owner[value] = graph
        for value in graph.initializers.values():
            if value.dtype == FLOAT and value.const_value is not None:
                self._constants[value] = value.const_value.numpy()
        for node in graph:
            self._owner |= dict.fromkeys(node.outputs, graph)
            self._give_types(node)
            if any(True for _ in bodies_of(node)):
                outside, self._in_loop = self._in_loop, self._in_loop or node.op_type != "If"
                for body in bodies_of(node):
                    self._visit(body)
                self._tie(node)
                self._in_loop = outside
            elif node.op_type == "Constant" and node.outputs[0].dtype == FLOAT:
                tensor = node.attributes.get("value")
                if tensor is not None:
                    self._constants[node.outputs[0]] = tensor.as_tensor().numpy()
                else:
                    self._add(_Unit(makes=list(node.outputs), side=False))
            elif node.op_type == "Cast":
                self._add_cast(node)
            else:
                self._add_node(node)

    def _give_types(self, node: ir.Node) -> None:
        """The types that inference left out, as it does in the bodies of loops."""
        if all(value.dtype is not None for value in node.outputs):
            return
        if any(True for _ in bodies_of(node)):
            for body in bodies_of(node):
                skipped = len(body.outputs) - len(node.outputs)
                for value, inner in zip(node.outputs, body.outputs[skipped:], strict=False):
                    value.type = value.type or inner.type
            return
        one = onnx.helper.make_graph([ir.serde.serialize_node(node)], "one", [], [])
        taken = [x for x in node.inputs if x is not None and x.dtype is not None]
        for value in dict.fromkeys(taken):
            assert value.dtype is not None
            one.input.append(
                onnx.helper.make_tensor_value_info(value.name or "", int(value.dtype), None)
            )
        imports = [onnx.helper.make_opsetid(*item) for item in self._opsets.items()]
        found = onnx.shape_inference.infer_shapes(
            onnx.helper.make_model(one, opset_imports=imports)
        )
        types = {v.name: v.type.tensor_type.elem_type for v in found.graph.value_info}
        for value in node.outputs:
            if value.dtype is None and types.get(value.name):
                value.type = ir.TensorType(ir.DataType(types[value.name]))

    def _add_cast(self, node: ir.Node) -> None:
        """What a Cast reads may be of any type; to whole numbers it should come from float32."""
        taken, made = node.inputs[0], node.outputs[0]
        assert taken is not None
        if taken.dtype == FLOAT and (made.dtype is None or _is_whole(made.dtype)):
            self._add(_Unit(reads=[(node, 0)], side=False))
        if made.dtype == FLOAT:
            exact = taken.dtype in EXACT_IN_ANY or taken.dtype in LOWER.values()
            self._add(_Unit(makes=[made], side=None if exact else False, node=node))

    def _add_node(self, node: ir.Node) -> None:
        ports = ports_of(node, self._opsets, self._lower)
        for index in ports.fixed_inputs:
            self._add(_Unit(reads=[(node, index)], side=False, node=node))
        for index in ports.fixed_outputs:
            self._add(_Unit(makes=[node.outputs[index]], side=False, node=node))
        reads = [(node, index) for index in ports.inputs]
        makes = [node.outputs[index] for index in ports.outputs]
        if "dtype" in node.attributes:
            self._add(_Unit(makes=makes, side=False))
            makes = []
        side = None
        if self._stays(node) or _may_crash(node):
            side = False
        elif node.op_type in MUCH_WORK and (
            node.op_type != "Gather" or node.inputs[0] in self._parameters
        ):
            side = True
        self._add(_Unit(reads, makes, side, node))

    def _stays(self, node: ir.Node) -> bool:
        """Whether a node stays float32: of its own, or for the sake of what it reads."""
        if self._in_loop or wants_float32(node, self._opsets):
            return True
        for value in node.inputs:
            if value is None:
                continue
            if value.name in self._beyond:
                return True
            constant = self._constants.get(value)
            if constant is not None and not represents(self._lower, constant):
                return True
            maker = value.producer()
            if maker is not None and maker.op_type == "Cast" and node.op_type not in MUCH_WORK:
                source = maker.inputs[0]
                assert source is not None
                if (
                    source.dtype is not None
                    and _is_whole(source.dtype)
                    and source.dtype not in EXACT_IN_ANY
                ):
                    return True
        return False

    def _tie(self, node: ir.Node) -> None:
        """One unit for what is the same thing outside and inside of a node with bodies."""
        bodies = list(bodies_of(node))
        ties: list[_Unit] = []
        if node.op_type == "If":
            for index, made in enumerate(node.outputs):
                ties.append(_Unit([(body, index) for body in bodies], [made], node=node))
        elif node.op_type in ("Loop", "Scan"):
            (body,) = bodies
            ahead = 2 if node.op_type == "Loop" else 0  # a count and a condition
            scanned = node.attributes.get("num_scan_inputs")
            sequences = scanned.as_int() if scanned is not None else 0
            states = len(node.inputs) - ahead - sequences
            behind = 1 if node.op_type == "Loop" else 0
            for index in range(len(node.inputs) - ahead):
                tie = _Unit([(node, index + ahead)], [body.inputs[index + ahead]], node=node)
                if index < states:
                    tie.reads.append((body, index + behind))
                    tie.makes.append(node.outputs[index])
                ties.append(tie)
            for index in range(states, len(node.outputs)):
                ties.append(_Unit([(body, index + behind)], [node.outputs[index]], node=node))
        else:
            for body in bodies:
                ties += [_Unit(makes=[value], side=False) for value in body.inputs]
                ties += [_Unit([(body, i)], side=False) for i in range(len(body.outputs))]
            ties += [_Unit([(node, i)], side=False) for i, x in enumerate(node.inputs) if x]
            ties += [_Unit(makes=[value], side=False) for value in node.outputs]
        for tie in ties:
            values = [*(_value(*read) for read in tie.reads), *tie.makes]
            if not any(value is not None and value.dtype == FLOAT for value in values):
                continue
            names = [value.name for value in values if value is not None]
            constants = [self._constants[x] for x in values if x in self._constants]
            if (
                self._in_loop
                or any(name in self._beyond for name in names)
                or not all(represents(self._lower, array) for array in constants)
            ):
                tie.side = False
            self._add(tie)

    # ------------------------------------------------------------------ which it is

    def settle(self) -> None:
        """Give every unit a side."""
        numbers = {id(unit): number for number, unit in enumerate(self._units)}
        groups: list[tuple[set[int], int]] = []
        for value, unit in self._maker.items():
            together = {numbers[id(unit)], *(numbers[id(u)] for u, _, _ in self._reading(value))}
            groups.append((together, 1))
        near = [number for number, unit in enumerate(self._units) if unit.side is True]
        far = [number for number, unit in enumerate(self._units) if unit.side is False]
        lowered = divide(len(self._units), groups, near, far)
        for number, unit in enumerate(self._units):
            unit.side = number in lowered
        for value, unit in self._maker.items():
            # A whole number that only the lower type wants is cast to that at once.
            is_cast = unit.node is not None and unit.node.op_type == "Cast"
            readers = self._reading(value)
            if is_cast and readers and all(reader.side for reader, _, _ in readers):
                unit.side = True

    def _reading(self, value: ir.Value) -> list[tuple[_Unit, ir.Node | ir.Graph, int]]:
        return self._readers.get(value, [])

    # --------------------------------------------------------------------- doing it

    def apply(self) -> None:
        """Change the graph."""
        sides: dict[ir.Node, bool] = {}
        for unit in self._units:
            if unit.node is not None and unit.node.op_type not in ("Cast", "If", "Loop", "Scan"):
                sides[unit.node] = sides.get(unit.node, False) or bool(unit.side)
        self.lowered = sum(sides.values())
        self.kept = Counter(node.op_type for node, lower in sides.items() if not lower)
        for unit in self._units:
            if unit.side:
                for value in unit.makes:
                    value.type = ir.TensorType(self._lower)
                    self._retarget(value.producer())
        for value in list(self._constants):
            self._lower_constant(value)
        for value in self._parameters:
            self._lower_parameter(value)
        for value, unit in list(self._maker.items()):
            other = [item for item in self._reading(value) if item[0].side != unit.side]
            if other:
                self._cast(value, FLOAT if unit.side else self._lower, other)
        self._drop_idle_casts(self._graph)

    def _retarget(self, node: ir.Node | None) -> None:
        """Have a node that is told what to make, make the lower type."""
        if node is None:
            return
        if node.op_type == "Cast":
            node.attributes["to"] = ir.AttrInt64("to", int(self._lower))
        elif node.op_type == "ConstantOfShape":
            given = node.attributes.get("value")
            array = given.as_tensor().numpy() if given is not None else np.zeros(1, np.float32)
            tensor = ir.Tensor(round_to(array, self._lower), dtype=self._lower)
            node.attributes["value"] = ir.AttrTensor("value", tensor)

    def _lower_constant(self, value: ir.Value) -> None:
        readers = self._reading(value)
        wanting = [item for item in readers if item[0].side]
        if not wanting:
            return
        array = round_to(self._constants[value], self._lower)
        node = value.producer()
        if len(wanting) == len(readers) == len(value.uses()) + value.is_graph_output():
            value.type = ir.TensorType(self._lower)
            tensor = ir.Tensor(array, dtype=self._lower, name=value.name)
            if node is not None:
                node.attributes["value"] = ir.AttrTensor("value", tensor)
            else:
                value.const_value = tensor
            return
        name = f"{value.name}/{self._lower.name.lower()}"
        made = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(self._lower),
            const_value=ir.Tensor(array, dtype=self._lower, name=name),
        )
        self._owner[value].register_initializer(made)
        _rewire(wanting, made)

    def _lower_parameter(self, value: ir.Value) -> None:
        readers = self._reading(value)
        working = any(
            unit.side or (isinstance(user, ir.Node) and user.op_type in MUCH_WORK)
            for unit, user, _ in readers
        )
        if value.dtype != FLOAT or value.name in self._beyond or not working:
            return
        value.type = ir.TensorType(self._lower)
        other = [item for item in readers if not item[0].side]
        if other:
            self._cast(value, FLOAT, other)

    def _cast(
        self,
        value: ir.Value,
        to: ir.DataType,
        readers: list[tuple[_Unit, ir.Node | ir.Graph, int]],
    ) -> None:
        """Put a Cast behind a value, for those that read it in the other type."""
        node = ir.node("Cast", [value], {"to": int(to)})
        node.name = f"{value.name}/Cast"
        made = node.outputs[0]
        made.name = f"{value.name}/{'float32' if to == FLOAT else to.name.lower()}"
        made.type, made.shape = ir.TensorType(to), value.shape
        graph, producer = self._owner[value], value.producer()
        beside = producer or next(
            (user for _, user, _ in readers if isinstance(user, ir.Node)), None
        )
        for key in (LAYER_KEY, PLACE_KEY):
            if beside is not None and key in beside.metadata_props:
                node.metadata_props[key] = beside.metadata_props[key]
        if producer is not None:
            graph.insert_after(producer, node)
        elif len(graph):
            graph.insert_before(graph[0], node)
        else:
            graph.append(node)
        self.casts += 1
        if any(isinstance(user, ir.Graph) for _, user, _ in readers):
            # An output keeps its name.
            name, value.name = value.name, f"{value.name}/{_short(value.dtype)}"
            made.name = name
        _rewire(readers, made)

    def _drop_idle_casts(self, graph: ir.Graph) -> None:
        """Take out the Casts of the model's own that have become ones to the type there is."""
        for node in list(graph):
            for body in bodies_of(node):
                self._drop_idle_casts(body)
            if node.op_type != "Cast":
                continue
            taken, made = node.inputs[0], node.outputs[0]
            if taken is None or taken.dtype != made.dtype:
                continue
            if made.is_graph_output():
                node.op_type = "Identity"
                node.attributes.clear()
                continue
            ir.convenience.replace_all_uses_with(made, taken)
            graph.remove(node, safe=True)


def _value(user: ir.Node | ir.Graph, index: int) -> ir.Value | None:
    return user.outputs[index] if isinstance(user, ir.Graph) else user.inputs[index]


def _read(user: ir.Node | ir.Graph, index: int) -> ir.Value:
    value = _value(user, index)
    assert value is not None
    return value


def _rewire(readers: list[tuple[_Unit, ir.Node | ir.Graph, int]], value: ir.Value) -> None:
    for _, user, index in readers:
        if isinstance(user, ir.Graph):
            user.outputs[index] = value
        else:
            user.replace_input_with(index, value)


def _may_crash(node: ir.Node) -> bool:
    """Whether a lower type would make it a transposition that `transposed_products` is about."""
    perm = node.attributes.get("perm")
    return (
        node.op_type == "Transpose"
        and perm is not None
        and tuple(perm.as_ints()) in CRASHING
        and any(is_product_with_matrix(user, index) for user, index in node.outputs[0].uses())
    )


def _is_whole(dtype: ir.DataType) -> bool:
    return dtype != ir.DataType.BOOL and np.issubdtype(dtype.numpy(), np.integer)


def _short(dtype: ir.DataType | None) -> str:
    return "float32" if dtype == FLOAT or dtype is None else dtype.name.lower()
