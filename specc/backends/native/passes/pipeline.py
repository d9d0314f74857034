"""The passes in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from specc.backends.native.passes.clamps import join_clamps
from specc.backends.native.passes.concats import join_concats
from specc.backends.native.passes.constants import fold_constants
from specc.backends.native.passes.guarded_pads import guard_pads
from specc.backends.native.passes.layout import sink_transpositions
from specc.backends.native.passes.padding import fold_padding
from specc.backends.native.passes.reshapes import join_reshapes
from specc.backends.native.tensors import mark, write_down


class Pass(NamedTuple):
    """A pass over the graph; what it promises is in the text of its module."""

    name: str
    """What it is called on the command line: `--no-layout`."""
    run: Callable[[ir.Model], int]
    """Changes the model; returns a number of nodes."""
    did: str
    """What was done, after the number."""


PASSES = (
    Pass("constants", fold_constants, "operators on constants carried out"),
    Pass("layout", lambda m: sink_transpositions(m.graph), "transpositions cancelled"),
    Pass("reshapes", lambda m: join_reshapes(m.graph), "reshapes joined or dropped"),
    Pass("concats", lambda m: join_concats(m.graph), "concatenations joined"),
    Pass("padding", lambda m: fold_padding(m.graph), "paddings left to convolutions and poolings"),
    Pass("clamps", lambda m: join_clamps(m.graph), "nodes joined into bounds"),
)


class Change(NamedTuple):
    """What a pass did."""

    pass_name: str
    text: str


def run_passes(
    model: ir.Model,
    without: Collection[str] = (),
    tensors: Mapping[str, list[str]] | None = None,
) -> list[Change]:
    """Run the passes over a model, and say what they did.

    Its values have shapes afterwards: each pass gives those of what it makes, so that they are
    inferred but once.

    Args:
        without: the names of passes to leave out.
        tensors: which tensors of the spec each value is, by its name.
    """
    changes: list[Change] = []
    infer_shapes(model)
    mark(model, tensors or {})
    for step in PASSES:
        if step.name in without:
            continue
        number = step.run(model)
        if number:
            changes.append(Change(step.name, f"{number} {step.did}"))
    common.RemoveUnusedNodesPass()(model)
    guard_pads(model.graph)
    write_down(model)
    return changes


def infer_shapes(model: ir.Model) -> None:
    """Give values the types and shapes that can be inferred."""
    # What follows the numbers of shapes takes most of the time, and there may be none to follow.
    has_sizes = any(node.op_type in ("Shape", "Size") for node in model.graph.all_nodes())
    proto = onnx.shape_inference.infer_shapes(ir.serde.serialize_model(model), data_prop=has_sizes)
    _take_over(model.graph, proto.graph)


def _take_over(graph: ir.Graph, inferred: onnx.GraphProto) -> None:
    known = {info.name: info.type for info in (*inferred.value_info, *inferred.output)}
    for node, proto in zip(graph, inferred.node, strict=True):
        for value in node.outputs:
            if type_ := known.get(value.name or ""):
                value.type = ir.serde.deserialize_type_proto_for_type(type_)
                value.shape = ir.serde.deserialize_type_proto_for_shape(type_)
        bodies = {a.name: a.g for a in proto.attribute if a.type == onnx.AttributeProto.GRAPH}
        for name, body in bodies.items():
            _take_over(node.attributes[name].as_graph(), body)
