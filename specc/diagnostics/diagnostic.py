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
class Edit:
    """Other text for a place in the source; at an empty span it is put in."""

    span: Span
    text: str


@record
class Fix:
    """What mends a mistake."""

    edits: list[Edit]
    applicability: str = "safe"
    """"safe" where the model goes on meaning the same, else "unsafe"."""


@record
class Diagnostic:
    """One mistake: its code, what it is, where it is, and how it may be mended."""

    code: str
    message: str
    primary: Label
    secondary: list[Label] = fresh(default_factory=list[Label])
    notes: list[str] = fresh(default_factory=list[str])
    help: str | None = None
    severity: str = "error"
    """"error", or of a lint "warning" or "hint"."""
    source: str | None = None
    """Where the advice comes from: a paper or a documentation."""
    fix: Fix | None = None

    def __str__(self) -> str:
        return f"{self.primary.span}: {self.severity}[{self.code}]: {self.message}"


class SpecError(Exception):
    """The spec is wrong. `diagnostics` holds every mistake of the stage that failed."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = list(diagnostics)
        self.aftermath = ""
        """What to say after the number of errors, such as "nothing was written"."""
