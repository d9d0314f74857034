"""Types and expectations as a spec writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.graph import Tensor
from specc.records import record
from specc.semantics.arithmetic import is_whole
from specc.semantics.context import MAX_AXES
from specc.semantics.values import UNKNOWN, in_words
from specc.source import Span
from specc.syntax import ast
from specc.types import DTYPES, Dimension, TensorType

if TYPE_CHECKING:
    from specc.semantics.evaluate import Evaluator

COUNTS = ("params", "trainable", "non_trainable")


@record
class Expected:
    """One expectation, of the whole model, of a layer or block, or of an output."""

    measure: str
    layer: str | None
    output: str | None
    value: int | TensorType
    span: Span
    target_span: Span


def read_type(evaluator: Evaluator, written: ast.Type) -> TensorType | None:
    """The type that is written; None after a mistake, which is reported."""
    dtype = written.dtype.text
    right = _known_dtype(evaluator, written)
    shape: list[Dimension] = []
    for size in written.shape:
        value = _dimension(evaluator, size)
        if value is UNKNOWN:
            right = False
        else:
            shape.append(value)
    if len(shape) > MAX_AXES:
        evaluator.context.report(errors.too_many_axes(written.span, MAX_AXES))
        return None
    return TensorType(dtype, tuple(shape)) if right else None


def _known_dtype(evaluator: Evaluator, written: ast.Type) -> bool:
    if written.dtype.text in DTYPES:
        return True
    evaluator.context.report(name_errors.unknown_dtype(written.dtype.span, DTYPES))
    return False


def _dimension(evaluator: Evaluator, size: ast.Expression) -> Any:
    """A size, None, or a name that stands for an unknown size; UNKNOWN after a mistake."""
    if isinstance(size, ast.Name):
        value = evaluator.frame.names.get(size.text)
        if value is UNKNOWN:
            return UNKNOWN
        if value is None and size.text in evaluator.frame.names:
            return None
        if value is None or isinstance(value, Tensor):
            return size.text
    else:
        value = evaluator.evaluate(size)
    if value is UNKNOWN or value is None:
        return value
    if isinstance(value, _NamedSize):
        return str(value)
    if not is_whole(value):
        reason = f"a size is a whole number, and this is {in_words(value)}"
        return evaluator.fail(name_errors.not_computable(size.span, reason))
    if value < 1:
        return evaluator.fail(name_errors.empty_axis(size.span))
    return value


class _NamedSize(str):
    """The name of an unknown size that a block's input has bound to a name of the block."""


def match_input(evaluator: Evaluator, statement: ast.Input, tensor: Tensor) -> bool:
    """Whether what a block is given is of the type its input declares.

    A name in the type that stands for nothing yet is bound to the size found there:
    `input x: float32[steps, n]` makes `n` a number for the lines below.
    """
    written = statement.type
    if written is None:
        return True
    if not _known_dtype(evaluator, written):
        return False
    names = evaluator.frame.names
    found = tensor.type
    sizes = list(written.shape)
    leading = sizes and isinstance(sizes[0], ast.Literal) and sizes[0].value is ...
    if leading:
        sizes = sizes[1:]
    fit = found.rank >= len(sizes) if leading else found.rank == len(sizes)
    fit = fit and found.dtype == written.dtype.text
    new: dict[str, Any] = {}
    if fit:
        for size, actual in zip(sizes, found.shape[found.rank - len(sizes) :], strict=True):
            if isinstance(size, ast.Name) and not is_whole(names.get(size.text)):
                bound = new.setdefault(size.text, actual)
                fit = fit and (bound is None or actual is None or bound == actual)
                continue
            value = _dimension(evaluator, size)
            if value is UNKNOWN:
                return False
            fit = fit and (value is None or not isinstance(actual, int) or value == actual)
    if not fit:
        evaluator.context.report(
            errors.input_type_differs(
                written.span, statement.name.text, written.span.text, str(found)
            )
        )
        return False
    for name, actual in new.items():
        names[name] = _NamedSize(actual) if isinstance(actual, str) else actual
    return True


def read_expectation(evaluator: Evaluator, statement: ast.Expectation) -> Expected | None:
    """The expectation that is written; None after a mistake, which is reported."""
    measure = statement.measure
    if isinstance(statement.value, ast.Type):
        value: Any = read_type(evaluator, statement.value)
    elif measure.text in COUNTS:
        value = evaluator.evaluate(statement.value)
        if value is not UNKNOWN and not is_whole(value):
            reason = "a whole number is needed here"
            value = evaluator.fail(name_errors.not_computable(statement.value.span, reason))
    else:
        known = (*COUNTS, "output", "layer")
        value = evaluator.fail(name_errors.unknown_measure(measure.span, known))
    if value is UNKNOWN or value is None:
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
