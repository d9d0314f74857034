"""Joins concatenations along one axis: what one of them puts together for another alone.

Needs: nothing.
Keeps: what is computed, to the bit.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native import tensors


def join_concats(graph: ir.Graph) -> int:
    """Run the pass; returns how many `Concat` it took out."""
    before = len(graph)
    for node in list(graph):
        if node.op_type == "Concat" and not node.domain:
            _take_in(graph, node)
    return before - len(graph)


def _take_in(graph: ir.Graph, node: ir.Node) -> None:
    """The inner ones come first in the graph, and so have been joined themselves."""
    inner = {x: maker for x in node.inputs if x is not None and (maker := _joins(x, node))}
    if not inner:
        return
    inputs: list[ir.Value | None] = []
    for x in node.inputs:
        inputs += _parts(inner[x]) if x in inner else [x]
    made = ir.Node("", "Concat", inputs, list(node.attributes.values()), name=node.name)
    old, new = node.outputs[0], made.outputs[0]
    new.type, new.shape, new.name = old.type, old.shape, old.name
    tensors.moved(old, new)
    graph.insert_before(node, made)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    old.name = f"{old.name}/joined"
    graph.remove([node, *inner.values()], safe=True)


def _parts(node: ir.Node) -> list[ir.Value | None]:
    return list(node.inputs)


def _joins(x: ir.Value, node: ir.Node) -> ir.Node | None:
    """What makes an input, if it is a concatenation along the same axis for this one alone."""
    maker = x.producer()
    if maker is None or maker.op_type != "Concat" or maker.domain:
        return None
    alone = len(x.uses()) == 1 and not x.is_graph_output()
    return maker if alone and _axis(maker) == _axis(node) else None


def _axis(node: ir.Node) -> int:
    """Counted from the front, where the rank is known."""
    axis = node.attributes["axis"].as_int()
    shape = node.outputs[0].shape
    return axis % len(shape) if shape is not None else axis
