"""An audit of batch normalization, whose mistakes leave no trace in a fresh model's outputs.

A node in training mode normalizes with the batch at hand; another epsilon on the way moves outputs
by less than one notices; statistics that were never updated make a trained model useless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.fold import Accounting
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.graph import Graph, GraphLayer, Variable
from specc.layers.normalization import BatchNormalization
from specc.manifest import LAYER_KEY

Array = np.ndarray[Any, Any]

FIT = 4e-6
"""How far, relatively, folded numbers may be from what one epsilon explains: roundings to float32
on both sides, and that of their quotient."""

DIFFERENT = 0.01
"""How far, relatively, an epsilon must be from the spec's to be another one: `FIT` of a variance
near 1 is nearly as much."""

ONNX_DEFAULTS = {"epsilon": 1e-5, "momentum": 0.9}
"""Of attributes that a BatchNormalization node does not have."""


class Sides(NamedTuple):
    """What an audit looks at."""

    graph: Graph
    variables: Sequence[Variable]
    arrays: Sequence[Array]
    """The values that Keras has for them."""
    accounting: Accounting
    expected: Mapping[str, Array]
    """The initializers that an export of these values gives."""
    found: Mapping[str, Array]
    """Those of the file."""


def audit_file(sides: Sides, expected: onnx.ModelProto, model: onnx.ModelProto) -> list[Diagnostic]:
    """What is wrong with the batch normalizations of a file.

    Nodes in training mode, and epsilons and momenta that are not the spec's: those of nodes, and
    the epsilons in what normalizations were folded into.

    Args:
        expected: the file that an export gives: what its nodes say, others may say too.
    """
    layers = {x.name: x for x in sides.graph.layers if isinstance(x.layer, BatchNormalization)}
    sound = [_attributes(node) for node in _nodes(expected)]
    found: list[Diagnostic] = []
    for node in _nodes(model):
        name = next((p.value for p in node.metadata_props if p.key == LAYER_KEY), None)
        layer = layers.get(name or "")
        span = layer.span if layer else sides.graph.span
        said = _attributes(node)
        if said.pop("training_mode", 0) or len([x for x in node.output if x]) > 1:
            found.append(errors.batchnorm_in_training(span, name or node.name))
        if layer is None or any(said.items() <= other.items() for other in sound):
            continue
        for key, default in ONNX_DEFAULTS.items():
            wanted = _argument(layer, key)
            value = said.get(key, default if key == "epsilon" else wanted)
            if abs(value - wanted) > DIFFERENT * wanted:
                found.append(errors.batchnorm_differs(span, layer.name, key, value, wanted, []))
    for layer in layers.values():
        other = _folded_epsilon(sides, layer)
        if other is not None:
            value, where = other
            wanted = _argument(layer, "epsilon")
            found.append(
                errors.batchnorm_differs(layer.span, layer.name, "epsilon", value, wanted, where)
            )
    return found


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    return (node for node in model.graph.node if node.op_type == "BatchNormalization")


def _attributes(node: onnx.NodeProto) -> dict[str, float]:
    return {a.name: a.i if a.type == onnx.AttributeProto.INT else a.f for a in node.attribute}


def _argument(layer: GraphLayer, name: str) -> float:
    return float(getattr(layer.layer, name))


def _folded_epsilon(sides: Sides, layer: GraphLayer) -> tuple[float, list[str]] | None:
    """The epsilon that a file was folded with, where it is another one; and where it shows.

    What a normalization is folded into is multiplied by `gamma / sqrt(variance + epsilon)` for each
    channel, so the quotient of the file's numbers and the sound ones is
    `sqrt((variance + sound) / (variance + epsilon))`.
    """
    own = [n for n, v in enumerate(sides.variables) if v.layer == layer.name]
    variances = [n for n in own if sides.variables[n].name == "moving_variance"]
    if len(variances) != 1:
        return None
    variance = sides.arrays[variances[0]].astype(np.float64)
    sound = _argument(layer, "epsilon")
    values: list[float] = []
    where: list[str] = []
    for name, holding in sides.accounting.holdings.items():
        multiplied = not name.endswith(("/bias", "/offset"))
        if holding.sources.isdisjoint(variances) or not multiplied or name not in sides.found:
            continue
        want, have = sides.expected[name], sides.found[name]
        if want.shape != have.shape or want.size < 2 or want.dtype.kind != "f":
            continue
        value = epsilon_of(want, have, variance, sound)
        if value is not None and abs(value - sound) > DIFFERENT * sound:
            values.append(value)
            where.append(name)
    return (values[0], where) if values else None


def epsilon_of(want: Array, have: Array, variance: Array, sound: float) -> float | None:
    """The epsilon that explains numbers; None where none does.

    Args:
        want: the numbers with the epsilon `sound`.
        have: those of the file.
    """
    fine = np.abs(want) > 1e-30
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.where(fine, have.astype(np.float64) / want.astype(np.float64), np.nan)
    channels = variance.size
    for axis, size in enumerate(want.shape):
        if size % channels:
            continue
        # With a Flatten between, the channels come around again and again.
        rows = np.moveaxis(quotient, axis, -1).reshape(-1, channels)
        if np.isnan(rows).all(axis=0).any():
            continue
        factor = np.nanmedian(rows, axis=0)
        if not (factor > 0).all():
            continue
        # The channels of little variance tell the most.
        weight = 1 / (variance + sound)
        value = float(np.average((variance + sound) / factor**2 - variance, weights=weight))
        if not value > 0:
            continue
        explained = np.sqrt((variance + sound) / (variance + value))
        with np.errstate(invalid="ignore"):
            off = np.abs(rows / explained - 1)
        if np.nanmax(off) <= FIT:
            return value
    return None


def audit_statistics(sides: Sides) -> list[Diagnostic]:
    """Warnings of normalizations whose moving statistics are those of a fresh model, where the
    weights elsewhere are not.
    """
    values = {v.path: a for v, a in zip(sides.variables, sides.arrays, strict=True)}
    fresh = [layer for layer in sides.graph.layers if _is_fresh(layer, values)]
    if not fresh or not any(_is_trained(layer, values) for layer in sides.graph.layers):
        return []
    return [errors.batchnorm_not_updated(layer.span, layer.name) for layer in fresh]


def _is_fresh(layer: GraphLayer, values: Mapping[str, Array]) -> bool:
    """Whether it is a normalization with the statistics 0 and 1, which no data has."""
    if not isinstance(layer.layer, BatchNormalization):
        return False
    mean = values[f"{layer.name}/moving_mean"]
    variance = values[f"{layer.name}/moving_variance"]
    defaults = layer.layer.moving_mean_initializer, layer.layer.moving_variance_initializer
    return (
        defaults == ("zeros", "ones")
        and bool((np.asarray(mean) == 0).all())
        and bool((np.asarray(variance) == 1).all())
    )


STARTS = {"bias": 0.0, "beta": 0.0, "gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}
"""What variables of a fresh layer are, if its initializers are Keras's defaults."""

DEFAULTS = {0.0: "zeros", 1.0: "ones"}


def _is_trained(layer: GraphLayer, values: Mapping[str, Array]) -> bool:
    """Whether a variable has moved that every fresh model has alike.

    The biases of recurrent layers do not begin with zeros alone, so they are not looked at.
    """
    names = {variable.name for variable in layer.variables}
    if any(name.endswith("recurrent_kernel") for name in names):
        return False
    for name, start in STARTS.items():
        initializer = getattr(layer.layer, f"{name}_initializer", None)
        if name in names and initializer == DEFAULTS[start]:
            array = np.asarray(values[f"{layer.name}/{name}"])
            if bool((array != start).any()):
                return True
    return False
