"""A spec as a Keras file for people: readable, and in need of nothing but Keras.

Models and blocks become functions with their loops and choices; a model that says something
the structured form has no words for is written from its graph, one line a layer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from specc.backends.keras_source.expanded import Expanded
from specc.backends.keras_source.parts import CannotExpress, Parts
from specc.backends.keras_source.scope import reads
from specc.backends.keras_source.structured import Structured, docstring_of
from specc.backends.keras_source.trace import Trace, trace
from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import artifacts as errors
from specc.graph import Graph
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.records import fresh, record
from specc.semantics.composite import Composite
from specc.semantics.modules import Definition, Module
from specc.syntax import ast


@record
class KerasSource:
    """A generated file."""

    text: str
    functions: dict[str, str]
    """The function that builds each model."""
    expanded: dict[str, str] = fresh(default_factory=dict[str, str])
    """The models that are written without their structure, and why."""


def keras_source(module: Module, graphs: Sequence[Graph]) -> KerasSource:
    """The Keras file of some models of a program.

    Raises:
        SpecError: where a model uses layers that are not Keras's.
    """
    for graph in graphs:
        _check_layers(graph)
    package = re.sub(r"\W", "_", os.path.splitext(os.path.basename(module.source.name))[0])
    parts = Parts(package)
    functions: dict[str, str] = {}
    expanded: dict[str, str] = {}
    traces: dict[str, Trace | None] = {}
    given: dict[str, dict[str, Any]] = {}
    for graph in graphs:
        traces[graph.name], given[graph.name] = _trace(module, graph)
    plain = [graph.name for graph in graphs]
    structured = _structured(parts, graphs[0], [t for t in traces.values() if t], given)
    fallback = Expanded(parts)
    for graph in graphs:
        definition = module.definitions[graph.name]
        before = (list(parts.definitions), set(parts.names), set(parts.helpers))
        written = set(structured.written)
        try:
            if traces[graph.name] is None:
                raise CannotExpress("it could not be looked at again")
            functions[graph.name] = structured.model(definition)
        except CannotExpress as reason:
            parts.definitions, parts.names, parts.helpers = before
            structured.written = written
            expanded[graph.name] = reason.reason
            functions[graph.name] = _expand(
                fallback, graph, definition, reason.reason, structured.functions
            )
    text = parts.text(_docstring(module, plain, functions), _ending(functions))
    return KerasSource(text, functions, expanded)


def _structured(
    parts: Parts, graph: Graph, traces: list[Trace], given: dict[str, dict[str, Any]]
) -> Structured:
    """The writer of all models, which share their blocks."""
    merged = Trace(graph)
    for each in traces:
        merged.runs += each.runs
        merged.going_on.update(each.going_on)
        for key, values in each.values.items():
            merged.values.setdefault(key, []).extend(values)
        for place, found in each.nodes.items():
            merged.nodes.setdefault(place, []).extend(found)
        for place, uses in each.uses.items():
            merged.uses.setdefault(place, []).extend(uses)
    return Structured(parts, merged, given)


def _trace(module: Module, graph: Graph) -> tuple[Trace | None, dict[str, Any]]:
    """An elaboration that gives a graph's parameters, and those that it needs to be given: not
    those that have their defaults anyway, which may be worked out from others.
    """
    values = graph.params_given
    tree = module.definitions[graph.name].tree
    worked_out = {
        item.parameter.name.text
        for item in tree.body
        if isinstance(item, ast.Param) and item.parameter.default and reads(item.parameter.default)
    }
    found = trace(module, graph.name, {})
    if found is not None and found.graph.params_given == values:
        return found, {}
    known = found.graph.params_given if found is not None else {}
    differing = {k: v for k, v in values.items() if k not in known or known[k] != v}
    chosen = {k: v for k, v in differing.items() if k not in worked_out}
    for given in (chosen, differing, values):
        found = trace(module, graph.name, given)
        if found is not None and found.graph.params_given == values:
            return found, given
    return None, {}


def _expand(
    fallback: Expanded,
    graph: Graph,
    definition: Definition,
    reason: str,
    names: dict[int, str],
) -> str:
    lines = docstring_of(definition.tree.span)
    lines.append(f"# Without the structure of the spec, because {reason}.")
    return fallback.model(graph, lines, names.get(id(definition.tree)))


def _docstring(module: Module, models: list[str], functions: dict[str, str]) -> str:
    spec = os.path.basename(module.source.name)
    what = "the model" if len(models) == 1 else "the models"
    listed = ", ".join([f"`{name}`" for name in models])
    first = next(iter(functions.values()))
    return (
        f'"""Keras code for {what} {listed} of {spec}.\n\n'
        f"`{first}()` builds a `keras.Model` with fresh weights, ready to compile and fit.\n"
        '"""'
    )


def _ending(functions: dict[str, str]) -> list[str]:
    return [
        'if __name__ == "__main__":',
        *[f"    {function}().summary()" for function in functions.values()],
    ]


def _check_layers(graph: Graph) -> None:
    """Refuse layers that are defined in Python: their code is not the spec's to give.

    Raises:
        SpecError: with each of them.
    """
    refused = [
        errors.layer_not_of_keras(layer.span, layer.kind)
        for layer in graph.layers
        if isinstance(layer.layer, Layer) and not _is_of_keras(layer.layer)
    ]
    if refused:
        raise SpecError(refused)


def _is_of_keras(layer: Layer) -> bool:
    if isinstance(layer, Composite):
        inside = [part.layer for part in layer.graph.layers]
    else:
        if find_layer(type(layer).__name__) is not type(layer):
            return False
        inside = [
            item
            for value in layer.given.values()
            for item in (value if isinstance(value, tuple) else (value,))
        ]
    return all(_is_of_keras(item) for item in inside if isinstance(item, Layer))
