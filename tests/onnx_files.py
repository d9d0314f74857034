"""Small ONNX models, made by hand: what files of other tools may be like."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

FLOAT = TensorProto.FLOAT

Ports = Mapping[str, tuple[int, Sequence[int | str | None] | None]]


def save(
    path: Path | str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Ports,
    outputs: Ports,
    manifest: Any = None,
    constants: Sequence[onnx.TensorProto] = (),
) -> str:
    """Write a model; `manifest` is what stands in its metadata."""
    infos = [
        [helper.make_tensor_value_info(name, dtype, shape) for name, (dtype, shape) in side.items()]
        for side in (inputs, outputs)
    ]
    graph = helper.make_graph(list(nodes), "made", *infos, initializer=list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    if manifest is not None:
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        helper.set_model_props(model, {"specc.manifest": text})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return str(path)


def one_operator(
    path: Path | str,
    operator: str,
    shape: Sequence[int | str | None],
    dtype: int = FLOAT,
    result: Sequence[int | str | None] | None = None,
    manifest: Any = None,
    **attributes: Any,
) -> str:
    """y = operator(x), where y has the dtype of x, and its shape unless told."""
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    shapes = (shape, shape if result is None else result)
    ports = [{name: (dtype, s)} for name, s in zip("xy", shapes, strict=True)]
    return save(path, [node], *ports, manifest=manifest)


def sums(path: Path | str, first: int | str | None = "batch") -> str:
    """total = a + b and product = a * b, of a: float32[batch, 2] and b: float32[batch, 2]."""
    nodes = [
        helper.make_node("Add", ["a", "b"], ["total"]),
        helper.make_node("Mul", ["a", "b"], ["product"]),
    ]
    port = (FLOAT, [first, 2])
    return save(path, nodes, {"a": port, "b": port}, {"total": port, "product": port})
