"""Whether a model is what its spec expects: the checked graph, and later the built model."""

from __future__ import annotations

from typing import NamedTuple

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors import expectations as errors
from specc.graph import Graph, GraphLayer, Params, total_of
from specc.semantics.declared import Expected
from specc.source import Span
from specc.types import TensorType, shape_text

TITLES = {
    "params": "parameters",
    "trainable": "trainable parameters",
    "non_trainable": "non-trainable parameters",
}


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
    params = {layer.name: layer.params for layer in graph.layers}
    outputs = {layer.name: layer.outputs[0].type for layer in graph.layers}
    inside = graph.layers_by_block()
    for block in graph.blocks:
        params[block.name] = total_of([layer.params for layer in inside[block.name]])
        outputs[block.name] = block.outputs[0].type
    return Measured(
        graph.params,
        params,
        outputs,
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
        parts = graph.layers
    elif expected.layer in measured.layer_params:
        params, what = measured.layer_params[expected.layer], f"layer `{expected.layer}`"
        layer = _layer_of(graph, expected.layer)
        parts = graph.layers_by_block().get(expected.layer, graph.layers)
    else:
        return errors.no_such_layer(
            expected.target_span, expected.layer, list(measured.layer_params)
        )
    found = _of(expected.measure, params)
    if found == value:
        return None
    title = TITLES[expected.measure]
    if layer is not None:
        culprit, notes = Label(layer.span, _weights_in_words(layer, expected.measure)), list[str]()
    else:
        culprit, notes = _where_they_part(parts, expected.measure, found - value)
    return errors.count_not_met(
        expected.span, f"{title} of {what}", value, found, culprit, notes, measured.found_in
    )


def _layer_of(graph: Graph, name: str) -> GraphLayer | None:
    """The layer of a name; None where it names a block."""
    return next((layer for layer in graph.layers if layer.name == name), None)


def _place_of(graph: Graph, name: str) -> Span:
    """Where a layer or the use of a block stands."""
    return next(item.span for item in (*graph.layers, *graph.blocks) if item.name == name)


def _of(measure: str, params: Params) -> int:
    return {"params": params.total, "trainable": params.trainable}.get(
        measure, params.non_trainable
    )


def _where_they_part(
    layers: list[GraphLayer], measure: str, difference: int
) -> tuple[Label | None, list[str]]:
    """The layer that accounts for a difference, where one does, and every layer's count."""
    layers = [layer for layer in layers if not layer.is_operation]
    if not layers:
        return None, []
    counts = [f"{layer.name} {_of(measure, layer.params):,}" for layer in layers]
    notes = [f"{TITLES[measure]} by layer: {', '.join(counts)}"] if len(counts) <= 40 else []
    for explanation in (_whole_layer, _other_kind, _one_weight, _missing_bias):
        for layer in layers:
            text = explanation(layer, measure, difference)
            if text is not None:
                return Label(layer.span, text), notes
    most = max(layers, key=lambda layer: _of(measure, layer.params))
    return Label(most.span, f"the layer with the most: {_weights_in_words(most, measure)}"), notes


def _whole_layer(layer: GraphLayer, measure: str, difference: int) -> str | None:
    """Without this layer the count would be met."""
    if _of(measure, layer.params) != difference:
        return None
    return f"this layer has {difference:,} {TITLES[measure]}"


def _other_kind(layer: GraphLayer, measure: str, difference: int) -> str | None:
    """Were this layer's weights of the other kind, the count would be met."""
    if measure == "trainable" and layer.params.non_trainable == -difference:
        return f"{-difference:,} parameters of this layer are not trainable"
    if measure == "non_trainable" and layer.params.trainable == -difference:
        return f"the {-difference:,} parameters of this layer are trainable"
    return None


def _one_weight(layer: GraphLayer, measure: str, difference: int) -> str | None:
    """Without one weight of this layer the count would be met."""
    for variable in layer.variables:
        counted = measure == "params" or variable.trainable == (measure == "trainable")
        if counted and variable.size == difference:
            return f"the `{variable.name}` of this layer has {difference:,}"
    return None


def _missing_bias(layer: GraphLayer, measure: str, difference: int) -> str | None:
    """With a bias in this layer the count would be met."""
    size = layer.outputs[0].type.shape[-1:]
    if getattr(layer.layer, "use_bias", True) or measure == "non_trainable" or not size:
        return None
    return f"a bias would add {size[0]:,} here" if size[0] == -difference else None


def _weights_in_words(layer: GraphLayer, measure: str) -> str:
    weights = [
        variable
        for variable in layer.variables
        if measure == "params" or variable.trainable == (measure == "trainable")
    ]
    if not weights:
        return f"this layer has no {TITLES[measure]}"
    parts = [f"{v.name} {shape_text(v.shape)}" for v in weights]
    return f"{_of(measure, layer.params):,} = " + " + ".join(parts)


def _check_output(
    graph: Graph, expected: Expected, value: TensorType, measured: Measured
) -> Diagnostic | None:
    if expected.layer is not None:
        if expected.layer not in measured.layer_outputs:
            return errors.no_such_layer(
                expected.target_span, expected.layer, list(measured.layer_outputs)
            )
        found = measured.layer_outputs[expected.layer]
        maker = _place_of(graph, expected.layer)
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
