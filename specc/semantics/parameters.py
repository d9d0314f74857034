"""Parameters of blocks and models: their types, defaults and allowed values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.layers import LAYER_NAMES
from specc.semantics.arithmetic import is_number, is_whole
from specc.semantics.modules import Definition
from specc.semantics.values import UNKNOWN, shown
from specc.source import Span
from specc.syntax import ast

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator

TYPES: dict[str, str] = {
    "bool": "True or False",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "str": "a string",
    "tuple": "a list",
}
"""The types a parameter may have, and what a value must be then."""


def is_of_type(value: Any, type_: str) -> bool:
    """Whether a value is one of a parameter's type; a whole number is a number."""
    return {
        "bool": isinstance(value, bool),
        "float": is_number(value),
        "int": is_whole(value),
        "str": isinstance(value, str),
    }.get(type_, isinstance(value, tuple))


def check_parameter(
    evaluator: Evaluator, parameter: ast.Parameter, value: Any, where: Span
) -> bool:
    """Whether a parameter may have this value; reported where not."""
    report = evaluator.context.report
    name = parameter.name.text
    if parameter.type is not None:
        type_ = parameter.type.text
        if type_ not in TYPES:
            report(errors.unknown_parameter_type(parameter.type.span, tuple(TYPES)))
            return False
        by_default = value is None and where is not parameter.name.span
        if not is_of_type(value, type_) and not by_default:
            report(errors.wrong_parameter(where, name, TYPES[type_], shown(value)))
            return False
    if parameter.choices is not None:
        choices = evaluator.evaluate(parameter.choices)
        if choices is UNKNOWN:
            return False
        if not isinstance(choices, tuple):
            report(name_errors.not_computable(parameter.choices.span, "a list is needed here"))
            return False
        if value not in choices:
            one_of = f"one of {parameter.choices.span.text}"
            report(errors.wrong_parameter(where, name, one_of, shown(value)))
            return False
    return True


def bind_parameters(
    evaluator: Evaluator,
    definition: Definition,
    parameters: list[ast.Parameter],
    values: dict[str, Any],
    places: dict[str, Span],
    where: Span,
) -> dict[str, Any] | None:
    """The value of each parameter of a block: what is given, or the default.

    A default is evaluated among the parameters before it.
    """
    report = evaluator.context.report
    bound: dict[str, Any] = {}
    inside = _inside(evaluator, definition, bound)
    for parameter in parameters:
        name = parameter.name.text
        if name in bound:
            first = next(p for p in parameters if p.name.text == name)
            report(errors.definition_twice(parameter.span, first.span, name, "parameter"))
            return None
        if name in LAYER_NAMES:
            report(name_errors.name_is_a_layer(parameter.name.span))
            return None
        if name in values:
            value = values[name]
        elif parameter.default is None:
            expected = TYPES.get(parameter.type.text, "a value") if parameter.type else "a value"
            report(name_errors.missing_argument(where, definition.name, name, expected))
            return None
        else:
            value = inside.evaluate(parameter.default)
            if value is UNKNOWN:
                return None
        default = parameter.default.span if parameter.default is not None else where
        at = places.get(name, default)
        if not check_parameter(inside, parameter, value, at):
            return None
        bound[name] = value
    return bound


def check_given(
    evaluator: Evaluator,
    definition: Definition,
    parameters: list[ast.Parameter],
    values: dict[str, Any],
    places: dict[str, Span],
) -> bool:
    """Whether the parameters of a nested model may have the values given; reported where not."""
    inside = _inside(evaluator, definition, {})
    fine = True
    for parameter in parameters:  # each, so that every mistake is reported
        name = parameter.name.text
        if name in values:
            fine = check_parameter(inside, parameter, values[name], places[name]) and fine
    return fine


def _inside(evaluator: Evaluator, definition: Definition, names: dict[str, Any]) -> Evaluator:
    """Evaluates what stands in a definition, among these names."""
    from specc.semantics.evaluate import Evaluator
    from specc.semantics.frame import Building, Frame

    building = Building(definition.name)
    frame = Frame(definition.module, building, definition, "block", definition.name, names)
    return Evaluator(evaluator.context, frame)
