"""Lets convolutions and poolings pad by themselves.

`Conv(Pad(x))` is a convolution with larger pads where the padding is of zeros and of the spatial
axes alone; so it is where a transposition stands between them. A `MaxPool` pads with nothing that
could be a maximum, which is the same where no number of `x` is below zero and each window reaches
one of them.

Needs: nothing.
Keeps: what is computed, to the bit.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native import tensors
from specc.backends.native.constants import ints, scalar
from specc.backends.native.passes.clamps import bounds_of

MOVING = ("Identity", "MaxPool", "Reshape", "Transpose")
"""What gives no number that it does not take."""

NEVER_NEGATIVE = ("Abs", "Exp", "HardSigmoid", "Sigmoid", "Softmax", "Softplus")


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
    half = len(pads) // 2
    if any([*pads[:2], *pads[half : half + 2]]):
        return False
    inside = [*pads[2:half], *pads[half + 2 :]]
    source = pad.inputs[0]
    assert source is not None
    together = [_together(user, output, inside, source) for user in users]
    if None in together:
        return False
    for user, whole in zip(users, together, strict=True):
        user.attributes["pads"] = ir.AttrInt64s("pads", whole or [])
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


def _together(node: ir.Node, x: ir.Value, pads: list[int], source: ir.Value) -> list[int] | None:
    """The pads of a node that does the padding of its input too; None for one that cannot.

    Args:
        source: what is padded.
    """
    automatic = node.attributes.get("auto_pad")
    if (
        node.op_type not in ("Conv", "MaxPool")
        or node.domain
        or node.inputs[0] is not x
        or any(value is x for value in node.inputs[1:])
        or (automatic is not None and automatic.as_string() != "NOTSET")
    ):
        return None
    own = node.attributes.get("pads")
    before = list(own.as_ints()) if own else [0] * len(pads)
    whole = [a + b for a, b in zip(before, pads, strict=True)]
    if node.op_type == "MaxPool":
        window = list(node.attributes["kernel_shape"].as_ints())
        spread = node.attributes.get("dilations")
        rounded = node.attributes.get("ceil_mode")
        if (
            len(node.outputs) > 1  # where in the input the maxima are
            or any(before)  # these are below all numbers, and the zeros inside of them are not
            or (rounded is not None and rounded.as_int())
            or (spread is not None and any(n != 1 for n in spread.as_ints()))
            or any(pad >= size for pad, size in zip(whole, window * 2, strict=True))
            or not _never_negative(source)
        ):
            return None
    return whole


def _never_negative(x: ir.Value) -> bool:
    maker = x.producer()
    if maker is None or maker.domain or not maker.inputs or maker.inputs[0] is None:
        return False
    if maker.op_type in MOVING:
        return _never_negative(maker.inputs[0])
    if bounds := bounds_of(maker):
        return bounds.low >= 0 or (bounds.high >= 0 and _never_negative(bounds.x))
    return maker.op_type in NEVER_NEGATIVE
