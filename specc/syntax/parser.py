"""Text to syntax tree."""

from __future__ import annotations

from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import syntax as errors
from specc.source import Source, Span
from specc.syntax import ast
from specc.syntax.build import AstBuilder
from specc.syntax.lalr import MAX_ERRORS, SyntaxFault, run


def parse(source: Source, *, needs_model: bool = True) -> ast.File:
    """Parse a whole source.

    Args:
        needs_model: whether a file without models and blocks is a mistake.

    Raises:
        SpecError: with every syntax error of the text (a line reports one at most).
    """
    builder = AstBuilder(source)
    try:
        file: ast.File = run(source, builder)
    except SyntaxFault as fault:
        from specc.syntax.recover import all_errors

        raise SpecError(all_errors(source, fault)) from None
    if builder.errors:
        raise SpecError(builder.errors[:MAX_ERRORS])
    if needs_model and not file.models and not file.blocks:
        raise SpecError([errors.no_model(Span(source, 0, 0))])
    return file
