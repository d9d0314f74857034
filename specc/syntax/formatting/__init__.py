"""The one form of a spec's text: `format_source`. docs/formatting.md has its rules."""

from __future__ import annotations

from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import syntax as errors
from specc.source import Source, Span
from specc.syntax import ast
from specc.syntax.formatting.document import Document
from specc.syntax.formatting.marks import Marks
from specc.syntax.lalr import SyntaxFault, run


def format_source(source: Source) -> str:
    """The text of a spec in the form that `specc fmt` gives it.

    Unlike a model to be built, a file to be formatted may hold blocks alone, for others to
    import.

    Raises:
        SpecError: with every syntax error, where the text is no spec.
    """
    marks = Marks(source)
    try:
        file: ast.File = run(source, marks)
    except SyntaxFault as fault:
        from specc.syntax.recover import all_errors

        raise SpecError(all_errors(source, fault)) from None
    if marks.errors:
        raise SpecError(marks.errors)
    if not file.definitions:
        raise SpecError([errors.no_model(Span(source, 0, 0))])
    return Document(source.text, marks, _main_names(marks.layers)).of(file)


def _main_names(layers: list[ast.Name]) -> dict[int, str]:
    """The names of layers that Keras has under two names, each with the one it is known by."""
    import specc.layers

    aliases: dict[str, str] = getattr(specc.layers, "ALIASES", {})
    return {id(name): aliases[name.text] for name in layers if name.text in aliases}
