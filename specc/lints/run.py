"""Running the lints over a compiled spec."""

from __future__ import annotations

import re
from collections.abc import Collection

from specc.diagnostics.diagnostic import Diagnostic
from specc.lints import lints
from specc.lints.base import HINT, Report
from specc.lints.subject import Subject
from specc.records import record
from specc.source import Span

ALLOWED = re.compile(r"#\s*lint:\s*allow\s+(L\d{4}(?:\s*,\s*L\d{4})*)")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')


@record
class Choice:
    """Which lints are wanted."""

    select: Collection[str] = ()
    """Only these codes, their hints included; nothing is all."""
    ignore: Collection[str] = ()
    hints: bool = False
    """Whether hints are shown of lints that were not asked for by their codes."""

    def runs(self, code: str) -> bool:
        return (not self.select or code in self.select) and code not in self.ignore

    def shows(self, diagnostic: Diagnostic) -> bool:
        return diagnostic.severity != HINT or self.hints or diagnostic.code in self.select


def lint(subject: Subject, choice: Choice) -> list[Diagnostic]:
    """What the lints have to say, in the order of the text; one finding for each place."""
    found: dict[tuple[str, Span], Diagnostic] = {}
    for item in lints():
        if not choice.runs(item.code):
            continue
        report = Report(item, subject)
        item.check(subject, report)
        for diagnostic in report.diagnostics:
            if choice.shows(diagnostic) and not _is_foreign(diagnostic):
                key = (diagnostic.code, diagnostic.primary.span)
                # A place in a block may be found at fault for more than one of its uses.
                if key not in found or found[key].severity == HINT:
                    found[key] = diagnostic
    kept = [item for item in found.values() if not _is_allowed(item)]
    own = subject.source
    return sorted(kept, key=lambda item: _order(item, item.primary.span.source is not own))


def _order(diagnostic: Diagnostic, foreign: bool) -> tuple[bool, str, int, str]:
    span = diagnostic.primary.span
    return foreign, span.source.name, span.start, diagnostic.code


def _is_foreign(diagnostic: Diagnostic) -> bool:
    """Whether it is about a file that ships with specc, where no one can mend it."""
    return diagnostic.primary.span.source.name.startswith("std/")


def _is_allowed(diagnostic: Diagnostic) -> bool:
    """Whether a comment on the line, or alone on the line above, allows it."""
    span = diagnostic.primary.span
    source = span.source
    first, last = span.line, source.line_of(max(span.start, span.end - 1))
    texts = [source.line_text(line) for line in range(first, last + 1)]
    if first > 1 and source.line_text(first - 1).lstrip().startswith("#"):
        texts.append(source.line_text(first - 1))
    return any(diagnostic.code in _allowed_by(text) for text in texts)


def _allowed_by(line: str) -> list[str]:
    """The codes that the comment of a line allows."""
    found = ALLOWED.search(STRING.sub("", line))
    return [] if found is None else [code.strip() for code in found[1].split(",")]
