"""Constant expressions: what an argument may be, computed while compiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as errors
from specc.syntax import ast

MAX_BITS = 256
"""Bits an integer may grow to: keeps `9 ** 9 ** 9` from taking the machine with it."""

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}

Constant = int | float | str | bool | tuple[Any, ...] | None


class NotConstant(Exception):
    """The expression has no value at compile time; `diagnostic` says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def evaluate(expression: ast.Expression) -> Constant:
    """The value of a constant expression; a list gives a tuple.

    Raises:
        NotConstant: for names and layers, and where Python could not compute it.
    """
    if isinstance(expression, ast.Literal):
        return expression.value
    if isinstance(expression, ast.Sequence):
        return tuple([evaluate(item) for item in expression.items])
    if isinstance(expression, ast.Signed):
        operand = _number(expression.operand)
        return -operand if expression.operator.text == "-" else operand
    if isinstance(expression, ast.Arithmetic):
        value = _number(expression.first)
        for sign, operand in expression.rest:
            value = _apply(expression, sign.text, value, _number(operand))
        return value
    raise NotConstant(errors.not_a_constant(expression.span))


def _number(expression: ast.Expression) -> int | float:
    value = evaluate(expression)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise NotConstant(errors.not_computable(expression.span, "a number is needed here"))


def _apply(whole: ast.Arithmetic, sign: str, left: int | float, right: int | float) -> int | float:
    if sign not in OPERATORS:
        raise NotConstant(errors.not_computable(whole.span, f"`{sign}` is not for numbers"))
    whole_numbers = isinstance(left, int) and isinstance(right, int)
    if sign == "**" and whole_numbers and int(left).bit_length() * abs(right) > MAX_BITS:
        raise NotConstant(errors.not_computable(whole.span, "the number is too large"))
    try:
        value = OPERATORS[sign](left, right)
    except ZeroDivisionError:
        raise NotConstant(errors.not_computable(whole.span, "division by zero")) from None
    except OverflowError:
        raise NotConstant(errors.not_computable(whole.span, "the number is too large")) from None
    if isinstance(value, complex):
        raise NotConstant(errors.not_computable(whole.span, "the result is not a real number"))
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise NotConstant(errors.not_computable(whole.span, "the number is too large"))
    return value
