"""Which layers of two models are not the same: their weights, their operators, their arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx.numpy_helper

from specc.verification.findings import Finding
from specc.verification.fingerprint import digests_of_layers, layer_of
from specc.verification.sides import KerasSide, OnnxSide

Array = np.ndarray[Any, Any]
Weights = dict[str, dict[str, Array]]
"""By layer and by role."""

NOT_COMPARED = ("name", "trainable", "dtype", "batch_shape", "build_config")
"""Entries of a Keras layer's configuration that its outputs do not depend on, or not here."""

ENDS_NOT_COMPARED = ("_initializer", "_regularizer", "_constraint", "seed")


def first_layers_apart(
    first: OnnxSide | KerasSide, second: OnnxSide | KerasSide
) -> tuple[list[Finding], bool]:
    """The layers that are not the same, in the first model's order; and whether it could be seen.

    Two ONNX files are compared where both say which layers their operators are of; two Keras models
    by the names of layers.
    """
    if isinstance(first, OnnxSide) and isinstance(second, OnnxSide):
        if not (_names_layers(first) and _names_layers(second)):
            return [], False
        return list(_of_files(first, second)), True
    if isinstance(first, KerasSide) and isinstance(second, KerasSide):
        return list(_of_keras(first.model, second.model)), True
    return [], False


def _names_layers(side: OnnxSide) -> bool:
    return any(layer_of(node) for node in side.model.graph.node)


def _of_files(first: OnnxSide, second: OnnxSide) -> Iterator[Finding]:
    places = {**_places(second), **_places(first)}
    weights = _weights(first), _weights(second)
    operators = [digests_of_layers(side.model.graph) for side in (first, second)]
    said = first.manifest.get("layers")
    known = dict.fromkeys(said) if isinstance(said, dict) else {}
    names = dict.fromkeys([*known, *(layer for o in operators for layer in o), *weights[0]])
    for layer in names:
        changes = list(_changes(weights[0].get(layer, {}), weights[1].get(layer, {})))
        if operators[0].get(layer) != operators[1].get(layer):
            kinds = [_kinds(side, layer) for side in (first, second)]
            changes.append(
                "its operators differ"
                if kinds[0] == kinds[1]
                else f"it is {kinds[0] or 'none'} in one and {kinds[1] or 'none'} in the other"
            )
        if changes:
            yield Finding(layer, places.get(layer), "; ".join(changes))


def _places(side: OnnxSide) -> Mapping[str, str]:
    found = side.record.get("places")
    return found if isinstance(found, dict) else {}


def _kinds(side: OnnxSide, layer: str) -> str:
    return ", ".join(n.op_type for n in side.model.graph.node if layer_of(n) == layer)


def _weights(side: OnnxSide) -> Weights:
    found: Weights = {}
    for tensor in side.model.graph.initializer:
        layer, slash, role = tensor.name.partition("/")
        if slash:
            found.setdefault(layer, {})[role] = onnx.numpy_helper.to_array(tensor)
    return found


def _changes(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> Iterator[str]:
    """What is different about the weights of a layer, in words."""
    for role in {**ours, **theirs}:
        a, b = ours.get(role), theirs.get(role)
        if a is None or b is None:
            yield f"{role} is in {'the second' if a is None else 'the first'} alone"
        elif a.shape != b.shape:
            yield f"{role} has the shape {list(a.shape)} in one and {list(b.shape)} in the other"
        elif a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
            if not np.array_equal(a, b):
                yield f"{role} differs"
        else:
            x, y = a.astype(np.float64), b.astype(np.float64)
            with np.errstate(invalid="ignore"):
                off = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
            count = int(np.count_nonzero(off))  # NaN counts
            if count:
                at = [int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape)]
                by = f"by {float(off[tuple(at)]):.2g} at {at}"
                yield f"{role} differs in {count:,} of {off.size:,} numbers, {by}"


def _of_keras(first: Any, second: Any) -> Iterator[Finding]:
    theirs = {layer.name: layer for layer in second.layers}
    if not any(layer.name in theirs for layer in first.layers if layer.weights):
        # Names that Keras counts go on from model to model of a process.
        theirs = dict(zip([x.name for x in first.layers], second.layers, strict=False))
    for layer in first.layers:
        other = theirs.get(layer.name)
        if other is None:
            yield Finding(layer.name, None, "the second model has no such layer")
            continue
        changes = list(_arguments(layer, other))
        weights = [{f"{w.path}".split("/", 1)[-1]: np.asarray(w) for w in side.weights}
                   for side in (layer, other)]  # fmt: skip
        changes += _changes(*weights)
        if changes:
            yield Finding(layer.name, None, "; ".join(changes))


def _arguments(first: Any, second: Any) -> Iterator[str]:
    kinds = type(first).__name__, type(second).__name__
    if kinds[0] != kinds[1]:
        yield f"it is a {kinds[0]} in one and a {kinds[1]} in the other"
        return
    if hasattr(first, "layers"):
        return  # a model inside: its weights tell
    ours, theirs = first.get_config(), second.get_config()
    for key, value in ours.items():
        if key in NOT_COMPARED or key.endswith(ENDS_NOT_COMPARED):
            continue
        if value != theirs.get(key):
            yield f"{key} is {value!r} in one and {theirs.get(key)!r} in the other"
