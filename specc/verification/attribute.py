"""Which layer is the first to part ways."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.keras_model import BuiltModel, run_graph
from specc.backends.onnx_names import LAYER_KEY
from specc.backends.runtime import open_session
from specc.graph import GraphLayer
from specc.verification.inputs import Case
from specc.verification.tolerance import gates, rounding_steps, tolerance

Array = np.ndarray[Any, Any]


class Parting(NamedTuple):
    """The first layer whose output differs, in the order of the graph."""

    layer: GraphLayer
    max_abs_error: float
    last_agreeing: str | None
    """The layer before it whose output was seen to be right."""


def first_difference(
    built: BuiltModel, model: onnx.ModelProto, case: Case, provider: str
) -> Parting | None:
    """Run both with every layer's output visible and find the first that differs.

    The exporter may move an activation's transpose past a layer or fuse two layers into
    one, so a layer's output may be there in another layout or not at all; a layer of which
    nothing can be seen is passed over. None where every layer that can be seen agrees.
    """
    layers = built.callables()
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    keras_values = run_graph(built.graph, layers, inputs, inference=True)
    visible = _all_values(model, case, provider)
    steps, sigmoids = rounding_steps(built.graph), gates(built.graph)
    agreeing: str | None = None
    for node in built.graph.nodes:
        candidates = visible.get(node.layer.name, [])
        want = np.asarray(keras_values[node.outputs[0]], np.float64)
        alike = [array for c in candidates for array in _in_layout(c, want.shape)]
        if not alike:
            continue
        error = min(_error(want, array) for array in alike)
        scale = float(np.max(np.abs(want[~np.isnan(want)]), initial=0.0))
        if not error <= tolerance(steps, scale, gates=sigmoids):
            return Parting(node.layer, error, agreeing)
        agreeing = node.layer.name
    return None


def _all_values(model: onnx.ModelProto, case: Case, provider: str) -> dict[str, list[Array]]:
    """What every node computes, by layer."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    present = {output.name for output in shown.graph.output}
    names: dict[str, str] = {}
    for node in shown.graph.node:
        layer = next((p.value for p in node.metadata_props if p.key == LAYER_KEY), None)
        if layer is None:
            continue
        for output in node.output:
            if output and output not in present:
                shown.graph.output.append(onnx.ValueInfoProto(name=output))
            names[output] = layer
    session = open_session(shown.SerializeToString(), provider)
    values: dict[str, list[Array]] = {}
    for name, array in session.run(case.inputs).items():
        if name in names:
            values.setdefault(names[name], []).append(array)
    return values


def _in_layout(array: Array, shape: tuple[int, ...]) -> list[Array]:
    """The array as it is, or with its channels moved last, where that gives the shape."""
    found = [array] if array.shape == shape else []
    if array.ndim > 2:
        moved = np.moveaxis(array, 1, -1)
        if moved.shape == shape:
            found.append(moved)
    return found


def _error(want: Array, have: Array) -> float:
    if have.dtype.kind not in "fiub":
        return 0.0
    with np.errstate(invalid="ignore"):
        difference = np.abs(want - have.astype(np.float64))
    # What Keras has no number for tells nothing of the file.
    return float(np.max(difference[~np.isnan(want)], initial=0.0))
