"""Models exported natively and verified, for the tests of the native exporter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import onnx_ir as ir

import specc
from specc.backends.adopt import adopt
from specc.backends.export import Exported, Exporter, current_weights
from specc.backends.fold import bind_weights
from specc.backends.write import with_tensors
from specc.graph import Variable
from specc.verification.verify import verify_onnx


def exported(model: specc.Model, seed: int = 0) -> tuple[Exporter, Exported, specc.Report]:
    """A model exported natively, and the report on it."""
    keras_model = model.to_keras(seed=seed)
    built = adopt(model.graph, keras_model)
    exporter = Exporter(built, model.source, via="native")
    assert exporter.via == "native", exporter.fallen_back
    made = exporter.export(current_weights(built))
    onnx.checker.check_model(made.model, full_check=True)
    report = verify_onnx(model.graph, keras_model, made.model, provider="cpu", exporter=exporter)
    return exporter, made, report


def bound(model: ir.Model, variables: list[Variable], arrays: Sequence[Any]) -> onnx.ModelProto:
    """A lowered model with weights, as the exporter binds them."""
    made = bind_weights(model, variables)
    proto = ir.serde.serialize_model(model)
    inputs = [x for x in proto.graph.input if x.name not in made.statics]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    return with_tensors(proto, made.tensors(arrays))


def sound(text: str) -> onnx.ModelProto:
    """The ONNX model of the last model of a spec, verified."""
    _, made, report = exported(specc.compile_text(text).models[-1])
    assert report.ok, report.diagnostics
    return made.model


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]
