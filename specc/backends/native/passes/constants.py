"""Carries out what reads constants alone.

Needs: shapes of the values.
Keeps: what is computed. What would be larger than everything it is made of stays: the file would
grow for what the runtime does once, when it opens it.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from specc.backends.static import evaluate

SMALL = 64
"""Results up to this many elements are always worth it."""


def fold_constants(model: ir.Model) -> int:
    """Run the pass; returns how many nodes it took out."""
    graph = model.graph
    opsets = dict(model.opset_imports)
    folded = 0
    for node in list(graph):
        if not _is_constant(node):
            continue
        inputs = [None if x is None or x.const_value is None else x.const_value.numpy()
                  for x in node.inputs]  # fmt: skip
        results = evaluate(node, inputs, opsets)
        read = sum(x.size for x in inputs if x is not None)
        if sum(result.size for result in results) > max(read, SMALL):
            continue
        for output, result in zip(node.outputs, results, strict=True):
            dtype = output.dtype
            array = result if dtype is None else result.astype(dtype.numpy(), copy=False)
            tensor = ir.Tensor(np.asarray(array, order="C"), name=output.name)
            value = ir.Value(
                name=output.name,
                shape=ir.Shape(array.shape),
                type=output.type,
                const_value=tensor,
            )
            for user, index in list(output.uses()):
                user.replace_input_with(index, value)
            output.name = f"{output.name}/folded"
            graph.register_initializer(value)
        graph.remove(node, safe=True)
        folded += 1
    return folded


def _is_constant(node: ir.Node) -> bool:
    inputs = [x for x in node.inputs if x is not None]
    has_body = any(a.type == ir.AttributeType.GRAPH for a in node.attributes.values())
    return (
        bool(inputs)
        and not has_body
        and not node.domain
        and all(x.const_value is not None for x in inputs)
        and not any(y.is_graph_output() for y in node.outputs)
        and not any(x.dtype == ir.DataType.STRING for x in inputs)
    )
