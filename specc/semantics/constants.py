"""Constants given as text, outside a spec."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import SpecError
from specc.semantics.body import run_body
from specc.semantics.context import Context
from specc.semantics.evaluate import Evaluator
from specc.semantics.frame import Building, Frame
from specc.semantics.modules import Module
from specc.semantics.values import UNKNOWN, is_constant
from specc.source import Source, Span
from specc.syntax import ast
from specc.syntax.build import AstBuilder
from specc.syntax.lalr import SyntaxFault, run


def constant_of_text(text: str) -> Any:
    """The value of a constant expression, such as `1e-3` or `[64, 128]`; `...` if it has none."""
    source = Source("<param>", text)
    builder = AstBuilder(source)
    try:
        expression: ast.Expression = run(source, builder, "expression")
        context = Context(run_body)
        module = Module(source, ast.File([], Span(source, 0, 0)))
        frame = Frame(module, Building("param"), None, "model", "param")
        value = Evaluator(context, frame).evaluate(expression)
    except (SyntaxFault, SpecError):
        return ...
    if builder.errors or context.diagnostics or value is UNKNOWN:
        return ...
    return value if is_constant(value) else ...
