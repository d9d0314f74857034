"""Operators and `ops.*` applied to tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.place import Operand, Place, Refused
from specc.graph import GraphLayer, Tensor, collect_tensors, replace_tensors
from specc.layers.base import Layer
from specc.semantics.apply import layer_as_tensor
from specc.semantics.bind import match
from specc.semantics.context import MAX_AXES
from specc.semantics.nodes import make_node, shaped_by, type_of
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    LayerName,
    LayerUse,
    WeightOf,
    in_words,
    shown,
)
from specc.source import Span
from specc.syntax import ast

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator


def operator(evaluator: Evaluator, sign: str, left: Any, right: Any, span: Span) -> Any:
    """`left sign right`, of which at least one is a tensor."""
    from specc.ops import OPERATORS, find_operation

    cls = find_operation(OPERATORS[sign])
    assert cls is not None
    values: list[Any] = []
    for value, argument in zip((left, right), cls.signature.values(), strict=False):
        fits = argument.kind.accepts(type_of(value) if isinstance(value, Tensor) else value)
        if isinstance(value, Tensor | int | float) and fits:
            values.append(value)
        elif isinstance(value, WeightOf):
            return evaluator.fail(errors.weight_outside(span, value.variable.path))
        else:
            reason = f"`{sign}` does not go with a tensor and {in_words(value)}"
            return evaluator.fail(name_errors.not_computable(span, reason))
    return _operate(evaluator, OPERATORS[sign], {"x1": values[0], "x2": values[1]}, span)


def negative(evaluator: Evaluator, value: Tensor, span: Span) -> Any:
    """`-value`."""
    return _operate(evaluator, "negative", {"x": value}, span)


def get_item(evaluator: Evaluator, value: Tensor, key: tuple[Any, ...], span: Span) -> Any:
    """`value[key]`."""
    for item in key:
        if not (item is None or item is ... or isinstance(item, int | slice)):
            reason = "a subscript is a whole number, a slice, None or `...`"
            return evaluator.fail(name_errors.not_computable(span, reason))
    return _operate(evaluator, "get_item", {"x": value, "key": key}, span)


def operation(
    evaluator: Evaluator,
    name: str,
    whole: ast.Expression,
    call: ast.Call | None,
    first: Any = None,
    *,
    is_step: bool = False,
) -> Any:
    """`ops.name(...)`, or as a step `first -> ops.name(...)`."""
    from specc.ops import OPERATION_NAMES, find_operation

    cls = find_operation(name)
    report = evaluator.context.report
    if cls is None:
        callee = call.callee if call is not None else whole
        return evaluator.fail(name_errors.unknown_operation(callee.span, name, OPERATION_NAMES))
    title = f"ops.{name}"
    order = list(cls.signature)
    taken = order[1:] if is_step else order
    arguments, several = _spread(cls.variadic, taken, call)
    given, right = match(title, arguments, taken, taken, report)
    values: dict[str, Any] = {order[0]: first} if is_step and first is not None else {}
    places: dict[str, Span] = {}
    right = right and (not is_step or first is not None)
    for argument, expression in given.items():
        value = evaluator.evaluate(expression)
        values[argument] = value
        places[argument] = expression.span
        right = right and value is not UNKNOWN
    if several:
        tensors = [evaluator.evaluate(expression) for expression in several]
        right = right and UNKNOWN not in tensors
        assert cls.variadic is not None
        values[cls.variadic] = (*values.get(cls.variadic, ()), *tensors)
    for argument in cls.signature.values():
        if right and argument.required and argument.name not in values:
            kind = argument.kind
            report(name_errors.missing_argument(whole.span, title, argument.name, kind.expected))
            right = False
    if not right:
        return UNKNOWN
    for argument, value in values.items():
        kind = cls.signature[argument].kind
        if not kind.accepts(replace_tensors(value, type_of)):
            where = places.get(argument, whole.span)
            if isinstance(value, Layer | LayerName | LayerUse | BlockInstance):
                return evaluator.fail(layer_as_tensor(evaluator, given[argument]))
            return evaluator.fail(
                name_errors.wrong_argument(
                    where, title, argument, kind.expected, kind.choices, shown(value)
                )
            )
    return _operate(evaluator, name, values, whole.span, places)


def _spread(
    variadic: str | None, order: list[str], call: ast.Call | None
) -> tuple[ast.Call | None, list[ast.Expression]]:
    """The call without the arguments that a variadic parameter takes, and these."""
    if variadic is None or call is None or variadic not in order:
        return call, []
    index = order.index(variadic)
    kept, several = call.positional[:index], call.positional[index:]
    return ast.Call(call.callee, kept, call.keywords, call.span), several


def _operate(
    evaluator: Evaluator,
    name: str,
    values: dict[str, Any],
    span: Span,
    places: dict[str, Span] | None = None,
) -> Any:
    from specc.ops import find_operation

    context, frame = evaluator.context, evaluator.frame
    context.node(span)
    for value in (values.get("axis"), values.get("axes")):
        if isinstance(value, tuple) and len(cast("tuple[Any, ...]", value)) > MAX_AXES:
            return evaluator.fail(errors.too_many_axes(span, MAX_AXES))
    cls = find_operation(name)
    assert cls is not None
    tensors: list[Tensor] = []
    for argument in cls.signature:
        collect_tensors(values.get(argument), tensors)
    try:
        made = cls(**{key: replace_tensors(value, type_of) for key, value in values.items()})
        outputs = made.apply()
    except Refused as refused:
        operands = [Operand(t.name, t.type, t.span, shaped_by(t)) for t in tensors]
        title = f"ops.{name}" if span.text.startswith("ops.") else _sign_or(name, span)
        return evaluator.fail(refused.at(Place(title, span, places or {}, operands)))
    if any(len(type_.shape) > MAX_AXES for type_ in outputs):
        return evaluator.fail(errors.too_many_axes(span, MAX_AXES))
    names = frame.building.names
    full_name = frame.prefix + frame.automatic_name(cls.keras_class)
    while full_name in names:  # taken by a layer's name, or by another use of a shared block
        full_name = frame.prefix + frame.automatic_name(cls.keras_class)
    names[full_name] = span
    layer = GraphLayer(full_name, made, [], span, context.used_at)
    frame.building.layers.append(layer)
    return make_node(evaluator, layer, [], values, outputs, span)


def _sign_or(name: str, span: Span) -> str:
    """What a spec calls an operation: its operator, or its name."""
    from specc.ops import OPERATORS

    signs = [sign for sign, operation in OPERATORS.items() if operation == name]
    return signs[0] if signs and signs[0] in span.text else f"ops.{name}"
