"""Keeps onnxruntime from having a maximum pooling pad by itself.

`MaxPool(Pad(x))` takes the zeros around `x` into its maxima. onnxruntime (1.26 does) makes one
pooling with pads of it, which leaves them out: where all numbers of a window at the border are
below zero the result is another one. It lets a `Pad` alone that names its axes. Where no number is
below zero, `padding.py` has made one pooling of the two before.

Needs: to be the last pass, as no other reads such a `Pad`.
Keeps: what is computed, to the bit.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native.constants import ints, make_constant

PASSED_BY = ("Identity", "Transpose")
"""What onnxruntime moves or takes out before it looks for such a pair."""


def guard_pads(graph: ir.Graph) -> None:
    """Run the pass."""
    for node in ir.traversal.RecursiveGraphIterator(graph):
        if node.op_type != "Pad" or node.domain or len(node.inputs) > 3:
            continue
        pads = ints(node.inputs[1])
        if pads is None or not _reaches_pooling(node.outputs[0]):
            continue
        axes = make_constant(graph, list(range(len(pads) // 2)), ir.DataType.INT64)
        node.resize_inputs(4)
        node.replace_input_with(3, axes)


def _reaches_pooling(x: ir.Value) -> bool:
    return any(
        user.op_type == "MaxPool"
        or (user.op_type in PASSED_BY and _reaches_pooling(user.outputs[0]))
        for user, _ in x.uses()
    )
