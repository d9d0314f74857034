"""Transpositions between a sequence's steps and its batch, before a product with a matrix.

onnxruntime 1.26 ends the process where a float16 matrix product on the CPU reads such a
transposition: its fusion of the two goes wrong with the Casts that it has put around the product.
The product does as well before the transposition, which is then behind it.
"""

from __future__ import annotations

import onnx_ir as ir

from specc.backends.native.tensors import TENSORS_KEY

CRASHING = {(1, 0, 2), (1, 2, 0)}
"""The orders of axes with which that was seen, of all of three axes and some of four."""

BATCH_AND_STEPS = [1, 0, 2]


def move_transpositions(graph: ir.Graph) -> None:
    """Have products with a matrix read what was transposed, where they can."""
    for node in list(graph):
        maker = node.inputs[0].producer() if node.inputs and node.inputs[0] else None
        if not is_product_with_matrix(node, 0) or maker is None or maker.op_type != "Transpose":
            continue
        perm, source, made = maker.attributes.get("perm"), maker.inputs[0], node.outputs[0]
        if perm is None or list(perm.as_ints()) != BATCH_AND_STEPS or source is None:
            continue
        moved = ir.node("Transpose", [made], {"perm": BATCH_AND_STEPS})
        moved.name = f"{node.name}/Transpose"
        moved.metadata_props.update(node.metadata_props)
        node.metadata_props.pop(TENSORS_KEY, None)  # the layer's output is behind it now
        behind = moved.outputs[0]
        behind.type, behind.shape = made.type, made.shape
        for user, index in list(made.uses()):
            if user is not moved:
                user.replace_input_with(index, behind)
        if made.is_graph_output():
            for index, output in enumerate(graph.outputs):
                if output is made:
                    graph.outputs[index] = behind
        made.name, behind.name = f"{made.name}/product", made.name
        made.shape = _swapped(made.shape)
        node.replace_input_with(0, source)
        graph.insert_after(node, moved)
        if not maker.outputs[0].uses() and not maker.outputs[0].is_graph_output():
            graph.remove(maker, safe=True)


def is_product_with_matrix(node: ir.Node, index: int) -> bool:
    """Whether a node multiplies its input of a number with a matrix."""
    if node.op_type != "MatMul" or node.domain:
        return False
    other = node.inputs[1 - index]
    return other is not None and other.shape is not None and len(other.shape) == 2


def _swapped(shape: ir.Shape | None) -> ir.Shape | None:
    return None if shape is None else ir.Shape([shape[axis] for axis in BATCH_AND_STEPS])
