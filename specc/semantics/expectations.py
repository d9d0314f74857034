"""Whether a model is what its spec expects: the checked graph, and later the built model."""

from __future__ import annotations

from typing import NamedTuple

from specc.diagnostics import errors
from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.graph import Graph, GraphLayer, Params
from specc.semantics.resolved import Expected
from specc.types import TensorType, shape_text


class Measured(NamedTuple):
    """What expectations speak of, as found in the graph or in a built model."""

    params: Params
    layer_params: dict[str, Params]
    layer_outputs: dict[str, TensorType]
    outputs: dict[str, TensorType]
    found_in: str = ""
    """Words for errors, such as " in the Keras model"; nothing for the spec itself."""


def measure(graph: Graph) -> Measured:
    """The graph's own figures."""
    return Measured(
        graph.params,
        {layer.name: layer.params for layer in graph.layers},
        {layer.name: layer.outputs[0].type for layer in graph.layers},
        {name: tensor.type for name, tensor in zip(graph.output_names, graph.outputs, strict=True)},
    )


def check_expectations(graph: Graph, measured: Measured) -> list[Diagnostic]:
    """The expectations of a graph that do not hold for these figures."""
    diagnostics: list[Diagnostic] = []
    for expected in graph.expectations:
        if isinstance(expected.value, TensorType):
            diagnostic = _check_output(graph, expected, expected.value, measured)
        else:
            diagnostic = _check_count(graph, expected, expected.value, measured)
        if diagnostic is not None:
            diagnostics.append(diagnostic)
    return diagnostics


def _check_count(
    graph: Graph, expected: Expected, value: int, measured: Measured
) -> Diagnostic | None:
    if expected.layer is None:
        params, what, layer = measured.params, f"`{graph.name}`", None
    elif expected.layer in measured.layer_params:
        params, what = measured.layer_params[expected.layer], f"layer `{expected.layer}`"
        layer = graph.layer(expected.layer)
    else:
        return errors.no_such_layer(
            expected.target_span, expected.layer, list(measured.layer_params)
        )
    found = {"params": params.total, "trainable": params.trainable}.get(
        expected.measure, params.non_trainable
    )
    if found == value:
        return None
    title = {"params": "parameters", "trainable": "trainable parameters"}.get(
        expected.measure, "non-trainable parameters"
    )
    if layer is not None:
        culprit, notes = Label(layer.span, _weights_in_words(layer)), list[str]()
    else:
        culprit, notes = _where_they_part(graph, found - value)
    return errors.count_not_met(
        expected.span, f"{title} of {what}", value, found, culprit, notes, measured.found_in
    )


def _where_they_part(graph: Graph, difference: int) -> tuple[Label | None, list[str]]:
    """The layer that accounts for a difference, where one does, and every layer's count.

    A layer accounts for it that has, in all its weights or in one of them, just as many
    parameters as there are too many.
    """
    counts = [f"{layer.name} {layer.params.total:,}" for layer in graph.layers]
    notes = ["found by layer: " + ", ".join(counts)] if len(counts) <= 40 else []
    for layer in graph.layers:
        if difference > 0 and layer.params.total == difference:
            return Label(layer.span, f"this layer alone has {difference:,}"), notes
    for layer in graph.layers:
        for variable in layer.variables:
            if variable.size == difference:
                text = f"the {variable.name} of this layer has {difference:,}"
                return Label(layer.span, text), notes
    largest = max(graph.layers, key=lambda layer: layer.params.total)
    return Label(largest.span, f"the most are here: {_weights_in_words(largest)}"), notes


def _weights_in_words(layer: GraphLayer) -> str:
    if not layer.variables:
        return "this layer has no weights"
    parts = [f"{v.name} {shape_text(v.shape)}" for v in layer.variables]
    return f"{layer.params.total:,} = " + " + ".join(parts)


def _check_output(
    graph: Graph, expected: Expected, value: TensorType, measured: Measured
) -> Diagnostic | None:
    if expected.layer is not None:
        if expected.layer not in measured.layer_outputs:
            return errors.no_such_layer(
                expected.target_span, expected.layer, list(measured.layer_outputs)
            )
        found = measured.layer_outputs[expected.layer]
        maker = graph.layer(expected.layer).span
        what = f"output of layer `{expected.layer}`"
    else:
        names = graph.output_names
        if expected.output is None and len(names) > 1:
            return errors.which_output(expected.target_span, names)
        name = expected.output or names[0]
        if name not in measured.outputs:
            return errors.no_such_output(expected.target_span, name, names)
        found = measured.outputs[name]
        maker = graph.outputs[names.index(name)].span
        what = f"output of `{graph.name}`" if expected.output is None else f"output `{name}`"
    if found == value:
        return None
    return errors.output_not_met(
        expected.span, what, value, found, Label(maker, f"gives {found}"), measured.found_in
    )
