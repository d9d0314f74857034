"""Which parts of a graph are of a lower type.

Each node is put on one of two sides, float32 or the lower type. What has to be on a side says
`precision_rules`; for the rest a minimum cut finds the sides between which the fewest values pass.
A body's inputs and outputs are tied to those of its node: what comes out of both branches of an If
has one type. Loops stay float32, as what they carry from step to step would be rounded at each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from specc.backends.native.min_cut import divide
from specc.backends.native.precision_rules import (
    EXACT_IN_ANY,
    LOWER,
    MUCH_WORK,
    WIDE,
    bodies_of,
    ports_of,
    represents,
    wants_float32,
)
from specc.backends.native.transposed_products import CRASHING, is_product_with_matrix
from specc.records import fresh, record

FLOAT = ir.DataType.FLOAT

Array = np.ndarray[Any, Any]

Place = tuple[ir.Node | ir.Graph, int]
"""An input of a node, or an output of a graph."""


@record
class Unit:
    """What is in one type: a node's values, a state of a loop, an input or an output."""

    reads: list[Place] = fresh(default_factory=list["Place"])
    makes: list[ir.Value] = fresh(default_factory=list[ir.Value])
    side: bool | None = None
    """Whether it is of the lower type; None where that is free."""
    node: ir.Node | None = None


Reader = tuple[Unit, ir.Node | ir.Graph, int]
"""A unit with one of the places that it reads."""


class Plan:
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
        self.graph = model.graph
        self._opsets = dict(model.opset_imports)
        self.lower = lower
        self.beyond = beyond
        self.parameters = dict.fromkeys(model.graph.inputs[own_inputs:])
        self.constants: dict[ir.Value, Array] = {}
        self._in_loop = False
        self.owner: dict[ir.Value, ir.Graph] = {}
        self.units: list[Unit] = []
        for value in model.graph.inputs[:own_inputs]:
            if value.dtype == FLOAT:
                self._add(Unit(makes=[value], side=lowers_ports))
        self._visit(model.graph)
        for index, value in enumerate(model.graph.outputs):
            if value.dtype == FLOAT:
                self._add(Unit(reads=[(model.graph, index)], side=lowers_ports))
        self.maker = {value: unit for unit in self.units for value in unit.makes}
        self._readers: dict[ir.Value, list[Reader]] = {}
        for unit in self.units:
            for user, index in unit.reads:
                value = _read(user, index)
                self._readers.setdefault(value, []).append((unit, user, index))

    def _add(self, unit: Unit) -> None:
        if unit.reads or unit.makes:
            self.units.append(unit)

    # ----------------------------------------------------------------- what there is

    def _visit(self, graph: ir.Graph) -> None:
        for value in (*graph.inputs, *graph.initializers.values()):
            self.owner[value] = graph
        for value in graph.initializers.values():
            if value.dtype == FLOAT and value.const_value is not None:
                self.constants[value] = value.const_value.numpy()
        for node in graph:
            self.owner |= dict.fromkeys(node.outputs, graph)
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
                    self.constants[node.outputs[0]] = tensor.as_tensor().numpy()
                else:
                    self._add(Unit(makes=list(node.outputs), side=False))
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
            known = types.get(value.name or "")
            if value.dtype is None and known:
                value.type = ir.TensorType(ir.DataType(known))

    def _add_cast(self, node: ir.Node) -> None:
        """What a Cast reads may be of any type; to whole numbers it should come from float32."""
        taken, made = node.inputs[0], node.outputs[0]
        assert taken is not None
        if taken.dtype == FLOAT and (made.dtype is None or _is_whole(made.dtype)):
            self._add(Unit(reads=[(node, 0)], side=False))
        if made.dtype == FLOAT:
            exact = taken.dtype in EXACT_IN_ANY or taken.dtype in LOWER.values()
            self._add(Unit(makes=[made], side=None if exact else False, node=node))

    def _add_node(self, node: ir.Node) -> None:
        ports = ports_of(node, self._opsets, self.lower)
        for index in ports.fixed_inputs:
            self._add(Unit(reads=[(node, index)], side=False, node=node))
        for index in ports.fixed_outputs:
            self._add(Unit(makes=[node.outputs[index]], side=False, node=node))
        reads: list[Place] = [(node, index) for index in ports.inputs]
        makes = [node.outputs[index] for index in ports.outputs]
        if "dtype" in node.attributes:
            self._add(Unit(makes=makes, side=False))
            makes = []
        side = None
        if self._stays(node) or _may_crash(node):
            side = False
        elif node.op_type in MUCH_WORK and (
            node.op_type != "Gather" or node.inputs[0] in self.parameters
        ):
            side = True
        self._add(Unit(reads, makes, side, node))

    def _stays(self, node: ir.Node) -> bool:
        """Whether a node stays float32: of its own, or for the sake of what it reads."""
        if self._in_loop or wants_float32(node, self._opsets):
            return True
        for value in node.inputs:
            if value is None:
                continue
            if value.name in self.beyond:
                return True
            constant = self.constants.get(value)
            if constant is not None and not represents(self.lower, constant):
                return True
            maker = value.producer()
            if maker is None or node.op_type in MUCH_WORK:
                continue
            if maker.op_type in WIDE or (maker.op_type == "Cast" and _counts(maker)):
                return True
        divisor = node.inputs[1] if node.op_type == "Div" else None
        return divisor is not None and not (divisor in self.constants or divisor in self.parameters)

    def _tie(self, node: ir.Node) -> None:
        """One unit for what is the same thing outside and inside of a node with bodies."""
        bodies = list(bodies_of(node))
        ties: list[Unit] = []
        if node.op_type == "If":
            for index, made in enumerate(node.outputs):
                ties.append(Unit([(body, index) for body in bodies], [made], node=node))
        elif node.op_type in ("Loop", "Scan"):
            (body,) = bodies
            ahead = 2 if node.op_type == "Loop" else 0  # a count and a condition
            scanned = node.attributes.get("num_scan_inputs")
            sequences = scanned.as_int() if scanned is not None else 0
            states = len(node.inputs) - ahead - sequences
            behind = 1 if node.op_type == "Loop" else 0
            for index in range(len(node.inputs) - ahead):
                tie = Unit([(node, index + ahead)], [body.inputs[index + ahead]], node=node)
                if index < states:
                    tie.reads.append((body, index + behind))
                    tie.makes.append(node.outputs[index])
                ties.append(tie)
            for index in range(states, len(node.outputs)):
                ties.append(Unit([(body, index + behind)], [node.outputs[index]], node=node))
        else:
            for body in bodies:
                ties += [Unit(makes=[value], side=False) for value in body.inputs]
                ties += [Unit([(body, i)], side=False) for i in range(len(body.outputs))]
            ties += [Unit([(node, i)], side=False) for i, x in enumerate(node.inputs) if x]
            ties += [Unit(makes=[value], side=False) for value in node.outputs]
        for tie in ties:
            values = [*(_value(*read) for read in tie.reads), *tie.makes]
            if not any(value is not None and value.dtype == FLOAT for value in values):
                continue
            names = [value.name for value in values if value is not None]
            constants = [self.constants[x] for x in values if x in self.constants]
            if (
                self._in_loop
                or any(name in self.beyond for name in names)
                or not all(represents(self.lower, array) for array in constants)
            ):
                tie.side = False
            self._add(tie)

    # ------------------------------------------------------------------ which it is

    def settle(self) -> None:
        """Give every unit a side."""
        numbers = {id(unit): number for number, unit in enumerate(self.units)}
        groups: list[tuple[set[int], int]] = []
        for value, unit in self.maker.items():
            together = {numbers[id(unit)], *(numbers[id(u)] for u, _, _ in self.reading(value))}
            groups.append((together, 1))
        near = [number for number, unit in enumerate(self.units) if unit.side is True]
        far = [number for number, unit in enumerate(self.units) if unit.side is False]
        lowered = divide(len(self.units), groups, near, far)
        for number, unit in enumerate(self.units):
            unit.side = number in lowered
        for value, unit in self.maker.items():
            # A whole number that only the lower type wants is cast to that at once.
            is_cast = unit.node is not None and unit.node.op_type == "Cast"
            readers = self.reading(value)
            if is_cast and readers and all(reader.side for reader, _, _ in readers):
                unit.side = True

    def reading(self, value: ir.Value) -> list[Reader]:
        return self._readers.get(value, [])


def _value(user: ir.Node | ir.Graph, index: int) -> ir.Value | None:
    return user.outputs[index] if isinstance(user, ir.Graph) else user.inputs[index]


def _read(user: ir.Node | ir.Graph, index: int) -> ir.Value:
    value = _value(user, index)
    assert value is not None
    return value


def _counts(cast: ir.Node) -> bool:
    """Whether a Cast makes floats of whole numbers that a lower type may not have."""
    source = cast.inputs[0].dtype if cast.inputs[0] is not None else None
    return source is not None and _is_whole(source) and source not in EXACT_IN_ANY


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
