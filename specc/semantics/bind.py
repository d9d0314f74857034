"""Arguments to signatures: which value each argument has, and whether it may have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as errors
from specc.diagnostics.errors.words import short
from specc.layers.arguments import Argument, Kind, is_tuple
from specc.semantics.values import UNKNOWN, is_tensors, shown
from specc.syntax import ast

Evaluate = Callable[[ast.Expression, Kind], Any]
Report = Callable[[Diagnostic], None]


def match(
    title: str,
    call: ast.Call | None,
    positional: Sequence[str],
    known: Sequence[str],
    report: Report,
    way_out: Callable[[ast.KeywordArgument], str | None] = lambda _: None,
) -> tuple[dict[str, ast.Expression], bool]:
    """Which expression each argument is given, and whether that is all there is to it: mistakes
    are reported.

    Args:
        way_out: what to write instead of an argument that is not known.
    """
    if call is None:
        return {}, True
    given: dict[str, ast.Expression] = dict(zip(positional, call.positional, strict=False))
    right = True
    if len(call.positional) > len(positional):
        surplus = call.positional[len(positional)]
        report(errors.too_many_arguments(surplus.span, title, positional))
        right = False
    for keyword in call.keywords:
        name = keyword.name
        if name.text not in known:
            report(errors.unknown_argument(name.span, title, known, way_out(keyword)))
        elif name.text in given:
            report(errors.argument_twice(keyword.span, given[name.text].span, name.text))
        else:
            given[name.text] = keyword.value
            continue
        right = False
    return given, right


def evaluate_arguments(
    title: str,
    given: Mapping[str, ast.Expression],
    kinds: Mapping[str, Kind],
    evaluate: Evaluate,
    report: Report,
) -> dict[str, Any] | None:
    """The value of each argument; None where one has a mistake in it."""
    values: dict[str, Any] = {}
    right = True
    for argument, expression in given.items():
        kind = kinds[argument]
        value = evaluate(expression, kind)
        if value is UNKNOWN:
            right = False
        elif not kind.accepts(value):
            right = False
            expression, kind, value = _at_fault(expression, kind, value)
            if is_tensors(value):
                report(errors.not_a_constant(expression.span))
                continue
            reason = kind.reasons.get(value) if isinstance(value, str) else None
            if kind.items is not None and kind.items.accepts(value):
                reason = f"put it in a list: `[{short(expression.span.text)}]`"
            report(
                errors.wrong_argument(
                    expression.span,
                    title,
                    argument,
                    kind.expected,
                    kind.choices,
                    shown(value),
                    reason,
                )
            )
        else:
            values[argument] = value
    return values if right else None


def _at_fault(
    expression: ast.Expression, kind: Kind, value: Any
) -> tuple[ast.Expression, Kind, Any]:
    """What of a value is not accepted: the value, or the first such item of a list."""
    if isinstance(expression, ast.Sequence) and kind.items is not None and is_tuple(value):
        for item, found in zip(expression.items, value, strict=False):
            if not kind.items.accepts(found):
                return _at_fault(item, kind.items, found)
    return expression, kind, value


def missing(
    title: str,
    whole: ast.Expression,
    given: Mapping[str, Any],
    signature: Mapping[str, Argument],
    report: Report,
) -> bool:
    """Whether a required argument is missing, which is reported."""
    absent = [a for a in signature.values() if a.required and a.name not in given]
    for argument in absent:
        report(errors.missing_argument(whole.span, title, argument.name, argument.kind.expected))
    return bool(absent)
