"""Types and expectations as a spec writes them."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as errors
from specc.semantics.constants import NotConstant, evaluate
from specc.semantics.resolved import Expected
from specc.syntax import ast
from specc.types import DTYPES, TensorType

COUNTS = ("params", "trainable", "non_trainable")


def read_type(written: ast.Type, diagnostics: list[Diagnostic]) -> TensorType:
    """The type that is written; after a mistake, which is reported, what was written of it."""
    if written.dtype.text not in DTYPES:
        diagnostics.append(errors.unknown_dtype(written.dtype.span, DTYPES))
    if 0 in written.shape:
        diagnostics.append(errors.empty_axis(written.span))
    return TensorType(written.dtype.text, written.shape)


def read_expectation(statement: ast.Expectation, diagnostics: list[Diagnostic]) -> Expected | None:
    """The expectation that is written; None after a mistake, which is reported."""
    measure = statement.measure
    if isinstance(statement.value, ast.Type):
        value: int | TensorType | None = read_type(statement.value, diagnostics)
    elif measure.text in COUNTS:
        value = _whole_number(statement.value, diagnostics)
    else:
        diagnostics.append(errors.unknown_measure(measure.span, (*COUNTS, "output", "layer")))
        value = None
    if value is None:
        return None
    target = statement.layer or statement.output
    return Expected(
        measure.text,
        statement.layer and statement.layer.text,
        statement.output and statement.output.text,
        value,
        statement.value.span,
        target.span if target else measure.span,
    )


def _whole_number(expression: ast.Expression, diagnostics: list[Diagnostic]) -> int | None:
    try:
        value = evaluate(expression)
    except NotConstant as not_constant:
        diagnostics.append(not_constant.diagnostic)
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    diagnostics.append(errors.not_computable(expression.span, "a whole number is needed here"))
    return None
