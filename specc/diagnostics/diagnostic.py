"""A diagnostic as data. Renderers live beside this module; wording lives in `errors/`."""

from __future__ import annotations

from collections.abc import Sequence

from specc.records import fresh, record
from specc.source import Span


@record
class Label:
    """A place in the source and what is to be said of it."""

    span: Span
    text: str = ""


@record
class Diagnostic:
    """One mistake: its code, what it is, where it is, and how it may be mended."""

    code: str
    message: str
    primary: Label
    secondary: list[Label] = fresh(default_factory=list[Label])
    notes: list[str] = fresh(default_factory=list[str])
    help: str | None = None

    def __str__(self) -> str:
        return f"{self.primary.span}: error[{self.code}]: {self.message}"


class SpecError(Exception):
    """The spec is wrong. `diagnostics` holds every mistake of the stage that failed."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = list(diagnostics)
        self.aftermath = ""
        """What to say after the number of errors, such as "nothing was written"."""
