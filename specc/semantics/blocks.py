"""Blocks and models applied to tensors: their inputs by place and by name, and expansion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.graph import BlockUse, Tensor
from specc.semantics import construct
from specc.semantics.bind import evaluate_arguments, match
from specc.semantics.composite import BlockLayer, Composite
from specc.semantics.context import MAX_DEPTH
from specc.semantics.frame import Frame
from specc.semantics.modules import Definition
from specc.semantics.nodes import result_of
from specc.semantics.values import UNKNOWN, BlockInstance, LayerUse
from specc.source import Span
from specc.syntax import ast

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator


EXPANSION_STEPS = 20
"""What expanding a block counts for, beside what stands in it."""


def named_inputs(
    evaluator: Evaluator, definition: Definition, call: ast.Call | None
) -> dict[str, tuple[Any, Span]] | None:
    """The inputs that a block or model is given by name, in the second parentheses."""
    if call is None:
        return {}
    report = evaluator.context.report
    if call.positional:
        report(name_errors.input_in_parentheses(call.positional[0].span, definition.name))
        return None
    names = construct.input_names(definition)
    given, right = match(definition.name, call, [], names, report)
    if not right:
        return None
    named: dict[str, tuple[Any, Span]] = {}
    for name, expression in given.items():
        value = evaluator.evaluate(expression)
        tensors = evaluator.tensors_of(value, expression)
        if tensors is None:
            return None
        named[name] = (value, expression.span)
    return named


def inputs_of_composite(
    evaluator: Evaluator, use: LayerUse, inputs: list[Tensor] | None, call: ast.Call | None
) -> tuple[list[Tensor] | None, dict[str, Any]]:
    """The inputs of a model or of a block with weights, in their order, and `training`."""
    layer = use.layer
    assert isinstance(layer, Composite)
    if isinstance(layer, BlockLayer):
        names = layer.input_names
    else:
        names = [tensor.name for tensor in layer.graph.inputs]
    if call is not None and call.positional:
        where = call.positional[0].span
        evaluator.context.report(name_errors.input_in_parentheses(where, layer.title))
        return None, {}
    kinds = layer.call_arguments
    report = evaluator.context.report
    given, right = match(layer.title, call, [], [*names, *kinds], report)
    own = {name: given.pop(name) for name in kinds if name in given and name not in names}
    training = evaluate_arguments(layer.title, own, kinds, evaluator.argument, report)
    if inputs is None or not right or training is None:
        return None, {}
    left = iter(inputs)
    ordered: list[Tensor] = []
    missing: list[str] = []
    for name in names:
        if name in given:
            tensors = evaluator.tensors_of(evaluator.evaluate(given[name]), given[name])
            if tensors is None:
                return None, {}
            ordered += tensors
        else:
            tensor = next(left, None)
            if tensor is None:
                missing.append(name)
            else:
                ordered.append(tensor)
    if missing or next(left, None) is not None or len(ordered) != len(names):
        where = call.span if call is not None else use.span
        evaluator.context.report(
            errors.wrong_inputs_of_block(where, layer.title, names, len(inputs), missing)
        )
        return None, {}
    return ordered, training


def expand(
    evaluator: Evaluator,
    instance: BlockInstance,
    inputs: list[Tensor],
    named: dict[str, tuple[Any, Span]],
    span: Span,
) -> Any:
    """A block's body in the place of its use; gives what the block gives."""
    context, frame = evaluator.context, evaluator.frame
    definition = instance.definition
    if len(context.uses) >= MAX_DEPTH:
        context.give_up(errors.expanded_too_deep(span, definition.name, MAX_DEPTH))
    tree = definition.tree
    assert isinstance(tree, ast.Block)
    names = {name: value for name, value in instance.arguments.items() if name}
    inner = Frame(definition.module, frame.building, definition, "block", definition.name, names)
    inner.prefix = f"{instance.name}."
    inner.instance = instance
    inner.trainable = instance.arguments.get("", True)
    inner.given = list(inputs)
    inner.named = {name: value for name, (value, _) in named.items()}
    context.step(span, EXPANSION_STEPS)
    mistakes = len(context.diagnostics)
    context.uses.append((definition.name, span))
    context.run_body(context, inner, tree.body)
    context.uses.pop()
    first_use = not instance.expanded
    instance.expanded = True
    if len(context.diagnostics) > mistakes or inner.current_unknown:
        return UNKNOWN
    left_out = [use for name, use in instance.layers.items() if name not in inner.made]
    if left_out:
        first = left_out[0]
        return evaluator.fail(errors.shared_block_differs(span, first.span, first.name))
    declared = inner.input_names
    if inner.given or set(inner.named) - set(declared):
        return evaluator.fail(
            errors.wrong_inputs_of_block(span, definition.name, declared, len(inputs), [])
        )
    outputs = [tensor for _, tensor in inner.outputs] or inner.current
    if not outputs:
        return evaluator.fail(errors.block_gives_nothing(span, definition.name))
    if first_use:
        use = BlockUse(instance.name, definition.name, span, outputs)
        frame.building.blocks.append(use)
    return result_of(outputs)
