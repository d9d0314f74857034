"""Arguments to signatures: which value each argument has, and whether it may have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as errors
from specc.diagnostics.place import Place, Refused
from specc.layers.arguments import BOOL, Kind, Text
from specc.layers.base import Layer, TensorArgument
from specc.semantics.constants import NotConstant, evaluate
from specc.semantics.resolved import ResolvedLayer, Value
from specc.source import Span
from specc.syntax import ast

COMMON: dict[str, Kind] = {"name": Text(), "trainable": BOOL}
"""The arguments that every layer has; they are given by name."""


class BoundLayer(NamedTuple):
    layer: Layer
    name: ast.Literal | None
    argument_spans: dict[str, Span]


def bind_layer(
    layer_class: type[Layer],
    expression: ast.Expression,
    call: ast.Call | None,
    diagnostics: list[Diagnostic],
) -> BoundLayer | None:
    """The layer that a constructor call makes; None, with diagnostics, after a mistake."""
    title = layer_class.__name__
    signature = layer_class.signature
    before = len(diagnostics)
    given: dict[str, ast.Expression] = {}
    if call is not None:
        given = _match(title, call, list(signature), (*signature, *COMMON), diagnostics)
    name = given.get("name")
    values: dict[str, Any] = {}
    for argument, value in given.items():
        kind = COMMON[argument] if argument in COMMON else signature[argument].kind
        constant = _constant(title, argument, kind, value, diagnostics)
        if argument != "name":
            values[argument] = constant
    for argument in signature.values():
        if argument.required and argument.name not in given:
            diagnostics.append(
                errors.missing_argument(
                    expression.span, title, argument.name, argument.kind.expected
                )
            )
    if len(diagnostics) > before:
        return None
    spans = {argument: value.span for argument, value in given.items()}
    try:
        layer = layer_class(**values)
    except Refused as refused:
        diagnostics.append(refused.at(Place(title, expression.span, spans)))
        return None
    return BoundLayer(layer, name if isinstance(name, ast.Literal) else None, spans)


def bind_call(
    layer: ResolvedLayer,
    call: ast.Call,
    tensors: Callable[[ast.Expression], list[Value]],
    diagnostics: list[Diagnostic],
) -> dict[str, Any]:
    """The call arguments of a use: constants, and `Value`s where tensors are taken."""
    title = type(layer.layer).__name__
    kinds = layer.layer.call_arguments
    bound: dict[str, Any] = {}
    if call.positional:
        diagnostics.append(errors.input_in_parentheses(call.positional[0].span, title))
        return bound
    for argument, value in _match(title, call, [], tuple(kinds), diagnostics).items():
        kind = kinds[argument]
        if not isinstance(kind, TensorArgument):
            bound[argument] = _constant(title, argument, kind, value, diagnostics)
            continue
        values = tensors(value)
        if kind.several:
            bound[argument] = values
        elif len(values) == 1:
            bound[argument] = values[0]
        else:
            diagnostics.append(errors.not_one_tensor(value.span, len(values)))
    return bound


def _match(
    title: str,
    call: ast.Call,
    positional: list[str],
    known: tuple[str, ...],
    diagnostics: list[Diagnostic],
) -> dict[str, ast.Expression]:
    """Which expression each argument is given."""
    given: dict[str, ast.Expression] = dict(zip(positional, call.positional, strict=False))
    if len(call.positional) > len(positional):
        surplus = call.positional[len(positional)]
        diagnostics.append(errors.too_many_arguments(surplus.span, title, positional))
    for keyword in call.keywords:
        name = keyword.name
        if name.text not in known:
            diagnostics.append(errors.unknown_argument(name.span, title, known))
        elif name.text in given:
            diagnostics.append(
                errors.argument_twice(keyword.span, given[name.text].span, name.text)
            )
        else:
            given[name.text] = keyword.value
    return given


def _constant(
    title: str,
    argument: str,
    kind: Kind,
    expression: ast.Expression,
    diagnostics: list[Diagnostic],
) -> Any:
    try:
        value = evaluate(expression)
    except NotConstant as not_constant:
        diagnostics.append(not_constant.diagnostic)
        return None
    if not kind.accepts(value):
        diagnostics.append(
            errors.wrong_argument(
                expression.span, title, argument, kind.expected, kind.choices, value
            )
        )
    return value
