"""Lets convolutions pad by themselves.

`Conv(Pad(x))` is a convolution with larger pads where the padding is of zeros and of the spatial
axes alone; so it is where a transposition stands between them.

Needs: nothing.
Keeps: what is computed, to the bit.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native import tensors
from specc.backends.native.constants import ints, scalar


def fold_padding(graph: ir.Graph) -> int:
    """Run the pass; returns how many `Pad` it took out."""
    folded = 0
    for node in list(graph):
        if node.op_type == "Pad" and not node.domain:
            folded += _fold(graph, node)
    return folded


def _fold(graph: ir.Graph, pad: ir.Node) -> bool:
    pads = _zeros_around(pad)
    turned = _only_user(pad, "Transpose")
    if pads is not None and turned is not None:
        perm = turned.attributes["perm"].as_ints()
        pads = [pads[half + axis] for half in (0, len(perm)) for axis in perm]
    last = turned or pad
    output = last.outputs[0]
    users = [user for user, _ in output.uses()]
    if pads is None or not users or output.is_graph_output():
        return False
    if not all(_takes_pads(user, output) for user in users):
        return False
    half = len(pads) // 2
    if any([*pads[:2], *pads[half : half + 2]]):
        return False
    inside = [*pads[2:half], *pads[half + 2 :]]
    for user in users:
        own = user.attributes.get("pads")
        before = list(own.as_ints()) if own else [0] * len(inside)
        together = [a + b for a, b in zip(before, inside, strict=True)]
        user.attributes["pads"] = ir.AttrInt64s("pads", together)
    source = pad.inputs[0]
    assert source is not None
    if turned is not None:
        turned.replace_input_with(0, source)
        tensors.forget(output)
        perm = turned.attributes["perm"].as_ints()
        shape = source.shape
        output.shape = None if shape is None else ir.Shape([shape[axis] for axis in perm])
    else:
        for user in users:
            user.replace_input_with(0, source)
    graph.remove(pad, safe=True)
    return True


def _only_user(node: ir.Node, op_type: str) -> ir.Node | None:
    """The one node that reads what a node gives, if it is of this kind."""
    output = node.outputs[0]
    users = [user for user, _ in output.uses()]
    found = users[0] if len(users) == 1 and not output.is_graph_output() else None
    return found if found is not None and found.op_type == op_type else None


def _zeros_around(node: ir.Node) -> list[int] | None:
    """The pads of zeros along each axis; None where a `Pad` does something else."""
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return None
    if len(node.inputs) > 2 and node.inputs[2] is not None and scalar(node.inputs[2]) != 0:
        return None
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        return None
    pads = ints(node.inputs[1])
    return None if pads is None or min(pads) < 0 else pads


def _takes_pads(node: ir.Node, x: ir.Value) -> bool:
    automatic = node.attributes.get("auto_pad")
    return (
        node.op_type == "Conv"
        and not node.domain
        and node.inputs[0] is x
        and all(value is not x for value in node.inputs[1:])
        and (automatic is None or automatic.as_string() == "NOTSET")
    )
