"""Joins reshapes that follow each other, and drops those that change nothing.

Needs: shapes of the values.
Keeps: what is computed, to the bit.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native import tensors
from specc.backends.native.constants import make_constant

RESHAPING = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"}


def join_reshapes(graph: ir.Graph) -> int:
    """Run the pass; returns by how many nodes the graph is smaller."""
    before = len(graph)
    for node in list(graph):
        if node.op_type in RESHAPING and not node.domain:
            _skip_the_one_before(graph, node)
    return before - len(graph)


def _skip_the_one_before(graph: ir.Graph, node: ir.Node) -> None:
    x, y = node.inputs[0], node.outputs[0]
    maker = x.producer() if x is not None else None
    if x is None:
        return
    joined = maker is not None and maker.op_type in RESHAPING and not maker.domain
    source = maker.inputs[0] if maker is not None and joined else x
    assert source is not None
    if source.shape is not None and y.shape is not None and _same(source.shape, y.shape):
        if y.is_graph_output():
            return
        for user, index in list(y.uses()):
            user.replace_input_with(index, source)
        tensors.moved(y, source)
        graph.remove(node, safe=True)
    elif joined:
        sizes = _target(y.shape)
        if sizes is None or not _once(x):
            return
        made = ir.node("Reshape", [source, make_constant(graph, sizes, ir.DataType.INT64)])
        made.name = node.name
        new = made.outputs[0]
        new.name, new.type, new.shape = y.name, y.type, y.shape
        tensors.moved(y, new)
        graph.insert_before(node, made)
        ir.convenience.replace_all_uses_with(y, new, replace_graph_outputs=True)
        y.name = f"{y.name}/joined"
        graph.remove(node, safe=True)
    if maker is not None and not x.uses() and not x.is_graph_output():
        graph.remove(maker, safe=True)


def _once(x: ir.Value) -> bool:
    return len(x.uses()) == 1 and not x.is_graph_output()


def _same(a: ir.Shape, b: ir.Shape) -> bool:
    """Whether two shapes are sure to be the same: at most the batch axis may be unknown."""
    pairs = list(zip(a, b, strict=False))
    return (
        len(a) == len(b)
        and all(isinstance(n, int) and n == m for n, m in pairs[1:])
        and (not pairs or pairs[0][0] == pairs[0][1] or _unknown(*pairs[0]))
    )


def _unknown(n: object, m: object) -> bool:
    """With every other size the same, the one that is not known must be the same too."""
    return not isinstance(n, int) and not isinstance(m, int)


def _target(shape: ir.Shape | None) -> list[int] | None:
    """What a reshape to a shape is told; None where two sizes are unknown, or none can be -1."""
    if shape is None:
        return None
    sizes = [n if isinstance(n, int) else -1 for n in shape]
    return None if sizes.count(-1) > 1 or 0 in sizes else sizes
