"""Which layer a file computes wrongly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.frameworks import array_of, full_float32
from specc.backends.keras_model import BuiltModel, run_graph
from specc.backends.native.tensors import Place, read, tensor_names
from specc.backends.onnx_names import LAYER_KEY
from specc.backends.opened import open_model
from specc.graph import GraphLayer
from specc.verification.inputs import Case, draw_cases
from specc.verification.layers import check_layers
from specc.verification.pieces import Pieces
from specc.verification.reference import OWN, Reference
from specc.verification.report import LayerCheck
from specc.verification.tf32 import apart, may_use_tf32, with_tf32
from specc.verification.tolerance import gates, rounding_steps, tolerance

Array = np.ndarray[Any, Any]


class Parting(NamedTuple):
    """The first layer that a file computes wrongly, in the order of the graph."""

    layer: GraphLayer
    max_abs_error: float
    last_agreeing: str | None
    """The layer before it that was seen to be right."""
    joined: tuple[str, ...] = ()
    """Other layers that the file computes together with it."""


def first_difference(
    single: BuiltModel,
    wide: BuiltModel,
    model: onnx.ModelProto,
    expected: dict[str, Place],
    case: Case,
    provider: str,
) -> Parting | None:
    """The first layer whose own computation is at fault.

    The native exporter says which of a file's values are the outputs of layers, so each of them is
    checked by itself. With other files both sides run from beginning to end (`_end_to_end`).

    Args:
        single: Keras in float32, with the weights of the file.
        wide: the same in float64.
        expected: where the outputs of layers stand in a sound file.
    """
    own = read(model)
    if not own:
        return _end_to_end(single, model, case, provider)
    places, names = {**expected, **own}, tensor_names(single.graph)
    pieces = Pieces(model, single.graph, places)
    agreeing: str | None = None
    for checked in check_layers(single, wide, pieces, case, provider):
        if checked.ok:
            agreeing = checked.layer.name
            continue
        # Of what is computed together, what is missing though it should be there.
        missing = [n.layer.name for n in checked.nodes[:-1] if names[n.outputs[0]] in places]
        # What the file says may be anything.
        of_spec = {n.layer.name for n in checked.nodes}
        by = checked.computed_by
        said = by if by is not None and by in of_spec else checked.layer.name
        layer = single.graph.layer([*missing, said][0])
        others = dict.fromkeys(n.layer.name for n in checked.nodes if n.layer is not layer)
        return Parting(layer, checked.error, agreeing, tuple(others))
    return None


def each_layer(reference: Reference, model: onnx.ModelProto, provider: str) -> list[LayerCheck]:
    """Every layer of a file by itself, on the first inputs of a verification and with the weights
    as they are; none where the file does not say where the outputs of layers are.
    """
    own, graph = read(model), reference.built.graph
    if not own:
        return []
    reference.load(OWN)
    pieces = Pieces(model, graph, {**reference.places, **own})
    case = next(draw_cases(graph, reference.seed))
    found = check_layers(reference.built, reference.double, pieces, case, provider)
    return [
        LayerCheck(
            checked.layer.name,
            checked.layer.line,
            [n.layer.name for n in checked.nodes if n.layer is not checked.layer],
            checked.error,
            checked.allowed,
            checked.keras_error,
            checked.scale,
        )
        for checked in found
    ]


def _end_to_end(
    built: BuiltModel, model: onnx.ModelProto, case: Case, provider: str
) -> Parting | None:
    """The first layer whose output differs.

    All that the nodes of a layer give is looked at, as an activation's transposition may have been
    moved past the layer; a layer of which nothing can be seen is passed over. None where every
    layer that can be seen agrees.
    """
    layers = built.callables()
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    with full_float32():
        keras_values = run_graph(built.graph, layers, inputs, inference=True)
    visible = _all_values(model, case, provider)
    noise = _tf32_noise(model, case) if may_use_tf32(provider) else {}
    steps, sigmoids = rounding_steps(built.graph.nodes), gates(built.graph.nodes)
    agreeing: str | None = None
    for node in built.graph.nodes:
        candidates = visible.get(node.layer.name, [])
        want = array_of(keras_values[node.outputs[0]]).astype(np.float64)
        alike = [array for c in candidates for array in _in_layout(c, want.shape)]
        if not alike:
            continue
        error = min(_error(want, array) for array in alike)
        scale = float(np.max(np.abs(want[~np.isnan(want)]), initial=0.0))
        tf32 = noise.get(node.layer.name, 0.0)
        if not error <= tolerance(steps, scale, gates=sigmoids, tf32=tf32):
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
    session = open_model(shown, provider)
    values: dict[str, list[Array]] = {}
    for name, array in session.run(case.inputs).items():
        if name in names:
            values.setdefault(names[name], []).append(array)
    return values


def _tf32_noise(model: onnx.ModelProto, case: Case) -> dict[str, float]:
    """How far TF32's factors move what the nodes of each layer compute."""
    exact, short = (_all_values(m, case, "cpu") for m in (model, with_tf32(model)))
    return {
        layer: max(apart(a, b) for a, b in zip(arrays, short[layer], strict=True))
        for layer, arrays in exact.items()
    }


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
