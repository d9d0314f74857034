"""What a lint is, and how it says what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from specc.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label
from specc.lints.subject import Subject
from specc.records import fresh, record
from specc.source import Span

WARNING, HINT = "warning", "hint"


@record
class Report:
    """Takes the findings of one lint."""

    lint: Lint
    subject: Subject
    diagnostics: list[Diagnostic] = fresh(default_factory=list[Diagnostic])

    def __call__(
        self,
        where: Span,
        message: str,
        label: str = "",
        *,
        also: Sequence[Label] = (),
        help: str | None = None,
        notes: Sequence[str] = (),
        edits: Sequence[Edit] = (),
        safe: bool = False,
        severity: str = "",
    ) -> None:
        """Add a finding.

        Args:
            also: other places that have to do with it.
            edits: what mends it; they are dropped where they are not all in the spec itself.
            safe: whether the model means the same after them.
            severity: where it is another than the lint's own.
        """
        fix = None
        if edits and all(edit.span.source is self.subject.source for edit in edits):
            fix = Fix(list(edits), "safe" if safe else "unsafe")
        self.diagnostics.append(
            Diagnostic(
                self.lint.code,
                message,
                Label(where, label),
                list(also),
                list(notes),
                help,
                severity or self.lint.severity,
                self.lint.source,
                fix,
            )
        )


@record
class Lint:
    """One piece of advice."""

    code: str
    severity: str
    """"warning", or "hint" for what is shown only when it is asked for."""
    source: str
    """The paper or documentation that the advice comes from."""
    check: Callable[[Subject, Report], None]
    fixes: tuple[str, ...] = ()
    """How far its fixes may be applied: "safe", "unsafe", or the one or the other."""
