"""Joins what bounds its input: `Relu`, `Clip`, `Max` and `Min` with a constant.

Several in a row are one, and one between `x + 3` and a division by 6 is a `HardSigmoid`, which
times `x` is a `HardSwish`.

Needs: nothing.
Keeps: what is computed; NaN stays NaN.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import onnx_ir as ir

from specc.backends.native import tensors
from specc.backends.native.constants import make_constant, scalar


class Bounds(NamedTuple):
    """`min(max(x, low), high)`."""

    x: ir.Value
    low: float
    high: float


def join_clamps(graph: ir.Graph) -> int:
    """Run the pass; returns by how many nodes the graph is smaller."""
    before = len(graph)
    for node in list(graph):
        _join_with_the_one_before(graph, node)
    for node in list(graph):
        _hard_sigmoid(graph, node)
    for node in list(graph):
        _hard_swish(graph, node)
    return before - len(graph)


def bounds_of(node: ir.Node) -> Bounds | None:
    """What a node bounds, and how; None where it does something else."""
    if node.domain or not node.inputs or node.inputs[0] is None:
        return None
    x = node.inputs[0]
    if node.op_type == "Relu":
        return Bounds(x, 0.0, inf)
    if node.op_type == "Clip":
        given = [*node.inputs[1:], None, None][:2]
        ends = [end if value is None else scalar(value)
                for value, end in zip(given, (-inf, inf), strict=True)]  # fmt: skip
        if None in ends:
            return None
        low, high = (float(end or 0.0) for end in ends)
        return Bounds(x, low, high) if low <= high else None
    return None


def _join_with_the_one_before(graph: ir.Graph, node: ir.Node) -> None:
    outer = bounds_of(node)
    maker = outer.x.producer() if outer else None
    inner = bounds_of(maker) if maker is not None else None
    if outer is None or inner is None or maker is None or not _used_once(outer.x):
        return
    # Applied one after the other: the inner bounds, moved into the outer ones.
    low = min(max(inner.low, outer.low), outer.high)
    high = min(max(inner.high, outer.low), outer.high)
    if (low, high) == (0.0, inf):
        made = ir.node("Relu", [inner.x])
    else:
        dtype = outer.x.dtype or ir.DataType.FLOAT
        ends = [None if end in (-inf, inf) else make_constant(graph, end, dtype)
                for end in (low, high)]  # fmt: skip
        made = ir.node("Clip", [inner.x, *ends])
    _replace(graph, node, made, [maker])


def _hard_sigmoid(graph: ir.Graph, node: ir.Node) -> None:
    """`Clip(x + 3, 0, 6) / 6`, or times 1/6."""
    if node.op_type not in ("Mul", "Div") or node.domain:
        return
    if node.outputs[0].dtype == ir.DataType.DOUBLE:  # the attributes have 32 bits
        return
    x, factor = _with_constant(node)
    clip = x.producer() if x is not None else None
    bounds = bounds_of(clip) if clip is not None else None
    if x is None or factor is None or clip is None or bounds is None or not _used_once(x):
        return
    if node.op_type == "Div" and node.inputs[1] is x:
        return
    factor = 1 / factor if node.op_type == "Div" else factor
    add = bounds.x.producer()
    if add is None or add.op_type != "Add" or add.domain or not _used_once(bounds.x):
        return
    inner, offset = _with_constant(add)
    if inner is None or offset is None:
        return
    # HardSigmoid is max(0, min(1, alpha * x + beta)).
    if bounds.low != 0 or abs(bounds.high * factor - 1) > TOLERANCE or factor <= 0:
        return
    made = ir.node("HardSigmoid", [inner], {"alpha": factor, "beta": offset * factor})
    _replace(graph, node, made, [clip, add])


def _hard_swish(graph: ir.Graph, node: ir.Node) -> None:
    """`x * HardSigmoid(x)` with a slope of 1/6."""
    if node.op_type != "Mul" or node.domain or len(node.inputs) != 2:
        return
    for index in (0, 1):
        gate, x = node.inputs[index], node.inputs[1 - index]
        maker = gate.producer() if gate is not None else None
        if maker is None or gate is None or maker.op_type != "HardSigmoid":
            continue
        alpha, beta = (maker.attributes[name].as_float() if name in maker.attributes else default
                       for name, default in (("alpha", 0.2), ("beta", 0.5)))  # fmt: skip
        exact = abs(alpha * 6 - 1) < TOLERANCE and abs(beta - 0.5) < TOLERANCE
        if exact and maker.inputs[0] is x and _used_once(gate):
            _replace(graph, node, ir.node("HardSwish", [x]), [maker])
            return


TOLERANCE = 1e-6
"""How far constants in float32 may be from the fractions that they stand for."""


def _with_constant(node: ir.Node) -> tuple[ir.Value | None, float | None]:
    """The input of an operator that is computed, and the number that is the other one."""
    if len(node.inputs) != 2:
        return None, None
    first, second = node.inputs
    number = scalar(second)
    return (first, number) if number is not None else (second, scalar(first))


def _used_once(x: ir.Value) -> bool:
    return len(x.uses()) == 1 and not x.is_graph_output()


def _replace(graph: ir.Graph, node: ir.Node, made: ir.Node, others: list[ir.Node]) -> None:
    """Put a node in the place of one and of those that fed it alone, the nearest first."""
    old, new = node.outputs[0], made.outputs[0]
    made.name = node.name
    new.type, new.shape, new.name = old.type, old.shape, old.name
    tensors.moved(old, new)
    graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    old.name = f"{old.name}/joined"
    graph.remove([node, *others], safe=True)
