"""Turns a graph of float32 into one of a lower precision.

Needs: the types of the values; weights that are inputs still, so that none is computed here but
to see whether it fits.
Keeps: what is computed but for rounding; names; which layer a node is of.

What is of the lower type says `precision_plan`; where a value passes to what is of the other type,
there stands a Cast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

from specc.backends.native.precision_plan import Plan, Reader
from specc.backends.native.precision_rules import LOWER, MUCH_WORK, bodies_of, overflows
from specc.backends.native.transposed_products import move_transpositions
from specc.backends.onnx_names import LAYER_KEY, PLACE_KEY
from specc.files import UsageError

FLOAT = ir.DataType.FLOAT

Array = np.ndarray[Any, Any]
Tensors = Sequence[ir.TensorProtocol]


class Precision(NamedTuple):
    """What an export is asked for."""

    to: str
    """"float16" or "bfloat16"."""
    io: str = "float32"
    """The type of inputs and outputs that would be float32: that, or "same" as the rest."""


def precision_named(to: str | None, io: str) -> Precision | None:
    """What was asked for by names; None where nothing was.

    Raises:
        UsageError: where there is no such type.
    """
    for given, known in ((to, LOWER), (io, ("float32", "same"))):
        if given is not None and given not in known:
            names = ", ".join(f"`{name}`" for name in known)
            raise UsageError(f"there is no `{given}` to compute in", f"there are {names}")
    return Precision(to, io) if to else None


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
    plan = Plan(model, lower, own_inputs, beyond, lowers_ports=precision.io == "same")
    plan.settle()
    change = _Change(plan)
    change.apply()
    proto = ir.serde.serialize_model(model)
    stored = {value.name: value.dtype for value in model.graph.inputs[own_inputs:]}
    proto = onnx.shape_inference.infer_shapes(proto)
    del proto.graph.input[own_inputs:]
    rounded = [
        round_tensor(t, lower) if stored[t.name] == lower and t.dtype != lower else t
        for t in tensors
    ]
    return Lowered(
        proto, rounded, change.lowered, change.casts, dict(sorted(change.kept.items())), beyond
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


class _Change:
    """A plan carried out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.kept: Counter[str] = Counter()
        self.casts = 0
        self.lowered = 0

    def apply(self) -> None:
        """Change the graph."""
        sides: dict[ir.Node, bool] = {}
        for unit in self._plan.units:
            if unit.node is not None and unit.node.op_type not in ("Cast", "If", "Loop", "Scan"):
                sides[unit.node] = sides.get(unit.node, False) or bool(unit.side)
        self.lowered = sum(sides.values())
        self.kept = Counter(node.op_type for node, lower in sides.items() if not lower)
        for unit in self._plan.units:
            if unit.side:
                for value in unit.makes:
                    value.type = ir.TensorType(self._plan.lower)
                    self._retarget(value.producer())
        for value in list(self._plan.constants):
            self._lower_constant(value)
        for value in self._plan.parameters:
            self._lower_parameter(value)
        for value, unit in list(self._plan.maker.items()):
            other = [item for item in self._plan.reading(value) if item[0].side != unit.side]
            if other:
                self._cast(value, FLOAT if unit.side else self._plan.lower, other)
        self._drop_idle_casts(self._plan.graph)

    def _retarget(self, node: ir.Node | None) -> None:
        """Have a node that is told what to make, make the lower type."""
        if node is None:
            return
        if node.op_type == "Cast":
            node.attributes["to"] = ir.AttrInt64("to", int(self._plan.lower))
        elif node.op_type == "ConstantOfShape":
            given = node.attributes.get("value")
            array = given.as_tensor().numpy() if given is not None else np.zeros(1, np.float32)
            tensor = ir.Tensor(round_to(array, self._plan.lower), dtype=self._plan.lower)
            node.attributes["value"] = ir.AttrTensor("value", tensor)

    def _lower_constant(self, value: ir.Value) -> None:
        readers = self._plan.reading(value)
        wanting = [item for item in readers if item[0].side]
        if not wanting:
            return
        array = round_to(self._plan.constants[value], self._plan.lower)
        node = value.producer()
        if len(wanting) == len(readers) == len(value.uses()) + value.is_graph_output():
            value.type = ir.TensorType(self._plan.lower)
            tensor = ir.Tensor(array, dtype=self._plan.lower, name=value.name)
            if node is not None:
                node.attributes["value"] = ir.AttrTensor("value", tensor)
            else:
                value.const_value = tensor
            return
        name = f"{value.name}/{self._plan.lower.name.lower()}"
        made = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(self._plan.lower),
            const_value=ir.Tensor(array, dtype=self._plan.lower, name=name),
        )
        self._plan.owner[value].register_initializer(made)
        _rewire(wanting, made)

    def _lower_parameter(self, value: ir.Value) -> None:
        readers = self._plan.reading(value)
        working = any(
            unit.side or (isinstance(user, ir.Node) and user.op_type in MUCH_WORK)
            for unit, user, _ in readers
        )
        if value.dtype != FLOAT or value.name in self._plan.beyond or not working:
            return
        value.type = ir.TensorType(self._plan.lower)
        other = [item for item in readers if not item[0].side]
        if other:
            self._cast(value, FLOAT, other)

    def _cast(
        self,
        value: ir.Value,
        to: ir.DataType,
        readers: list[Reader],
    ) -> None:
        """Put a Cast behind a value, for those that read it in the other type."""
        node = ir.node("Cast", [value], {"to": int(to)})
        node.name = f"{value.name}/to_{_short(to)}"
        made = node.outputs[0]
        made.name = f"{value.name}/{_short(to)}"
        made.type, made.shape = ir.TensorType(to), value.shape
        graph, producer = self._plan.owner[value], value.producer()
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


def _rewire(readers: list[Reader], value: ir.Value) -> None:
    for _, user, index in readers:
        if isinstance(user, ir.Graph):
            user.outputs[index] = value
        else:
            user.replace_input_with(index, value)


def _short(dtype: ir.DataType | None) -> str:
    return "float32" if dtype == FLOAT or dtype is None else dtype.name.lower()
