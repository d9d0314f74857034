"""Lets convolutions pad by themselves.

`Conv(Pad(x))` is a convolution with larger pads where the padding is of zeros and of the spatial
axes alone.

Needs: nothing.
Keeps: what is computed, to the bit.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native.constants import ints, scalar


def fold_padding(graph: ir.Graph) -> int:
    """Run the pass; returns how many `Pad` it took out."""
    folded = 0
    for node in list(graph):
        pads = _zeros_around(node) if node.op_type == "Pad" else None
        output = node.outputs[0]
        users = [user for user, _ in output.uses()]
        if pads is None or output.is_graph_output() or not users:
            continue
        if not all(_takes_pads(user, output) for user in users):
            continue
        half = len(pads) // 2
        inside = [*pads[2:half], *pads[half + 2 :]]
        for user in users:
            own = user.attributes.get("pads")
            before = list(own.as_ints()) if own else [0] * len(inside)
            together = [a + b for a, b in zip(before, inside, strict=True)]
            user.attributes["pads"] = ir.AttrInt64s("pads", together)
            source = node.inputs[0]
            assert source is not None
            user.replace_input_with(0, source)
        graph.remove(node, safe=True)
        folded += 1
    return folded


def _zeros_around(node: ir.Node) -> list[int] | None:
    """The pads of zeros along the spatial axes; None where a `Pad` does something else."""
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return None
    if len(node.inputs) > 2 and node.inputs[2] is not None and scalar(node.inputs[2]) != 0:
        return None
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        return None
    pads = ints(node.inputs[1])
    if pads is None or min(pads) < 0:
        return None
    half = len(pads) // 2
    return None if any([*pads[:2], *pads[half : half + 2]]) else pads


def _takes_pads(node: ir.Node, x: ir.Value) -> bool:
    automatic = node.attributes.get("auto_pad")
    return (
        node.op_type == "Conv"
        and not node.domain
        and node.inputs[0] is x
        and all(value is not x for value in node.inputs[1:])
        and (automatic is None or automatic.as_string() == "NOTSET")
    )
