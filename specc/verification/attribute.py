"""Which layer is the first to part ways."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.keras_model import BuiltModel, run_graph
from specc.backends.native.tensors import Place, read, tensor_names
from specc.backends.onnx_names import LAYER_KEY
from specc.backends.runtime import open_session
from specc.graph import GraphLayer, Node
from specc.verification.inputs import Case
from specc.verification.tolerance import gates, rounding_steps, tolerance

Array = np.ndarray[Any, Any]


class Parting(NamedTuple):
    """The first layer whose output differs, in the order of the graph."""

    layer: GraphLayer
    max_abs_error: float
    last_agreeing: str | None
    """The layer before it whose output was seen to be right."""
    joined: tuple[str, ...] = ()
    """Other layers that the file computes together with it."""


class Shown(NamedTuple):
    """What a node of the file computes."""

    layer: str
    array: Array


def first_difference(
    built: BuiltModel,
    model: onnx.ModelProto,
    expected: dict[str, Place],
    case: Case,
    provider: str,
) -> Parting | None:
    """Run both with every layer's output visible and find the first that differs.

    The native exporter says which of a file's values are a layer's output. In other files all
    that the nodes of a layer give are looked at, as an activation's transposition may have been
    moved past the layer; a layer of which nothing can be seen is passed over. None where every
    layer that can be seen agrees.

    Args:
        expected: where the layers' outputs stand in a sound file; where one is not there, its
            layer is the first to look at.
    """
    layers = built.callables()
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    keras_values = run_graph(built.graph, layers, inputs, inference=True)
    visible = _all_values(model, case, provider)
    own, names = read(model), tensor_names(built.graph)
    places = {**expected, **own} if own else {}
    steps, sigmoids = rounding_steps(built.graph), gates(built.graph)
    agreeing: str | None = None
    unseen: set[Node] = set()
    for node in built.graph.nodes:
        tensor = node.outputs[0]
        want = np.asarray(keras_values[tensor], np.float64)
        if places:
            alike = _at_place(visible, places.get(names[tensor]))
        else:
            alike = _of_layer(visible, node.layer.name, want.shape)
        if not alike:
            unseen.add(node)
            continue
        error = min(_error(want, shown.array) for shown in alike)
        scale = float(np.max(np.abs(want[~np.isnan(want)]), initial=0.0))
        if not error <= tolerance(steps, scale, gates=sigmoids):
            together = _together(node, unseen)
            missing = [n.layer.name for n in together if names[n.outputs[0]] in places][:-1]
            layer = built.graph.layer([*missing, alike[0].layer][0])
            others = dict.fromkeys(n.layer.name for n in together if n.layer is not layer)
            return Parting(layer, error, agreeing, tuple(others))
        agreeing = node.layer.name
    return None


def _together(node: Node, unseen: set[Node]) -> list[Node]:
    """What was not seen on the way to a node, and the node itself at the end."""
    makers = [tensor.node for tensor in node.taken if tensor.node is not None]
    before = [n for maker in makers if maker in unseen for n in _together(maker, unseen)]
    return list(dict.fromkeys([*before, node]))


def _all_values(model: onnx.ModelProto, case: Case, provider: str) -> dict[str, Shown]:
    """What every node that belongs to a layer computes, by the value's name."""
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
    found = session.run(case.inputs)
    return {name: Shown(names[name], array) for name, array in found.items() if name in names}


def _at_place(visible: dict[str, Shown], place: Place | None) -> list[Shown]:
    """What stands where a tensor is; a wrong shape is as it comes, and differs."""
    shown = visible.get(place.value) if place is not None else None
    if place is None or shown is None:
        return []
    if place.perm is None or shown.array.ndim != len(place.perm):
        return [shown]
    return [shown._replace(array=shown.array.transpose(place.perm))]


def _of_layer(visible: dict[str, Shown], layer: str, shape: tuple[int, ...]) -> list[Shown]:
    """Everything of a layer that has the shape of its output, in whatever layout."""
    return [
        shown._replace(array=array)
        for shown in visible.values()
        if shown.layer == layer
        for array in _in_layout(shown.array, shape)
    ]


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
    if want.shape != have.shape:
        return float("nan")
    with np.errstate(invalid="ignore"):
        difference = np.abs(want - have.astype(np.float64))
    # What Keras has no number for tells nothing of the file.
    return float(np.max(difference[~np.isnan(want)], initial=0.0))
