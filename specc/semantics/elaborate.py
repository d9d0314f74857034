"""Syntax tree to typed graphs.

Blocks are expanded, loops run and shapes inferred in one walk, since each may depend on the
others: `x.shape[-1]` in an argument, a choice on a size. All mistakes of the walk are
gathered; what depends on one is unknown and passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import programs as errors
from specc.graph import Graph, Tensor
from specc.layers.base import Layer
from specc.semantics.body import run_body
from specc.semantics.context import MAX_DEPTH, Context
from specc.semantics.frame import Building, Frame
from specc.semantics.modules import Definition, Module
from specc.semantics.nodes import with_batch
from specc.semantics.structure import check_structure
from specc.source import Span
from specc.syntax import ast
from specc.types import TensorType

if TYPE_CHECKING:
    from specc.semantics.sections import Section


def elaborate(
    module: Module, params: dict[str, Any], extra_layers: dict[str, type[Layer]]
) -> tuple[list[Graph], list[Section]]:
    """The graph of every model of a file, and its blocks about data, training and export.

    Args:
        params: values for the models' parameters, by name.
        extra_layers: layers that were brought in from Python.

    Raises:
        SpecError: with all the mistakes of this stage.
    """
    context = Context(run_body, extra_layers)
    graphs: list[Graph] = []
    for tree in module.file.models:
        definition = module.definitions[tree.name.text]
        own = {item.parameter.name.text for item in tree.body if isinstance(item, ast.Param)}
        values = {name: value for name, value in params.items() if name in own}
        graph = elaborate_model(context, definition, values, tree.name.span)
        if graph is not None:
            graphs.append(graph)
    sections: list[Section] = []
    if any(isinstance(item, ast.Section) for item in module.file.definitions):
        from specc.semantics.sections import read_sections

        sections = read_sections(context, module, graphs)
    if context.diagnostics:
        raise SpecError(context.diagnostics)
    return graphs, sections


def elaborate_model(
    context: Context, definition: Definition, params: dict[str, Any], where: Span
) -> Graph | None:
    """The graph of a model with these parameters; None after a mistake, which is reported."""
    key = (id(definition.tree), repr(sorted(params.items())))
    if key not in context.graphs:
        if len(context.uses) >= MAX_DEPTH:
            context.give_up(errors.expanded_too_deep(where, definition.name, MAX_DEPTH, "model"))
        frame = Frame(
            definition.module, Building(definition.name), definition, "model", definition.name
        )
        frame.params = params
        nested = where is not definition.tree.name.span
        uses, context.uses = context.uses, context.uses
        if nested:
            context.uses = [*uses, (definition.name, where)]
        context.graphs[key] = _graph(context, frame, definition)
        context.uses = uses
    return context.graphs[key]


def elaborate_layer(
    context: Context,
    definition: Definition,
    arguments: dict[str, Any],
    types: list[TensorType],
    where: Span,
) -> Graph | None:
    """The inside of a block as a layer, for inputs of these types."""
    if len(context.uses) >= MAX_DEPTH:
        context.give_up(errors.expanded_too_deep(where, definition.name, MAX_DEPTH))
    frame = Frame(
        definition.module,
        Building(definition.name, is_layer=True),
        definition,
        "layer",
        definition.name,
        dict(arguments),
    )
    frame.given = [Tensor("", type_, where) for type_ in types]
    context.uses.append((definition.name, where))
    graph = _graph(context, frame, definition)
    context.uses.pop()
    return graph


def _graph(context: Context, frame: Frame, definition: Definition) -> Graph | None:
    tree = definition.tree
    mistakes = len(context.diagnostics)
    context.run_body(context, frame, tree.body)
    if len(context.diagnostics) > mistakes or (frame.current_unknown and not frame.outputs):
        return None
    if frame.given:
        declared = frame.input_names
        where = context.uses[-1][1]
        number = len(frame.inputs) + len(frame.given)
        context.report(errors.wrong_inputs_of_block(where, definition.name, declared, number, []))
        return None
    outputs = frame.outputs or _last_line(frame)
    building = frame.building
    graph = Graph(
        definition.name,
        frame.inputs,
        [tensor for _, tensor in outputs],
        [name for name, _ in outputs],
        building.nodes,
        building.layers,
        frame.expectations,
        tree.name.span,
        building.batch[0] if building.batch else None,
        building.blocks,
        building.weights,
        {
            item.parameter.name.text: frame.names.get(item.parameter.name.text)
            for item in tree.body
            if isinstance(item, ast.Param)
        },
    )
    for diagnostic in check_structure(graph, frame.kind, building.declared):
        context.report(diagnostic)
    _outputs_with_batch(context, graph)
    return graph if len(context.diagnostics) == mistakes else None


def _last_line(frame: Frame) -> list[tuple[str, Tensor]]:
    """Without an `output` line the last line's tensor is the output."""
    if frame.inputs_alone:
        return []
    return [(tensor.name, tensor) for tensor in frame.current]


def _outputs_with_batch(context: Context, graph: Graph) -> None:
    """What a model or a layer gives starts with the batch axis."""
    for tensor in graph.outputs:
        if tensor.type.batched:
            continue
        type_ = with_batch(tensor.type)
        if type_ is None:
            context.report(errors.result_has_no_batch(tensor.span, tensor.type))
        else:
            tensor.type = type_
