"""Diagnostics for people: the text, the place in it, the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.source import Span

MAX_WIDTH = 160
"""Characters of source shown of one line; a longer line is cut around what matters."""

TEXT_WIDTH = 96
"""Columns after which a note or help goes on in the next line."""

CUT = "..."

STYLES = {
    "error": "\033[1;31m",
    "warning": "\033[1;33m",
    "hint": "\033[1;36m",
    "other": "\033[1;34m",
    "bold": "\033[1m",
}
RESET = "\033[0m"


def render_all(diagnostics: Sequence[Diagnostic], *, color: bool, footer: str = "") -> str:
    """Every diagnostic, then how many there were and `footer`."""
    blocks = [render(diagnostic, color=color) for diagnostic in diagnostics]
    return "\n\n".join(blocks) + f"\n\n{_counted(diagnostics)}{footer}\n"


def _counted(diagnostics: Sequence[Diagnostic]) -> str:
    """How many there are of each severity: `2 warnings, 1 hint`."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    counts = {severity: severities.count(severity) for severity in ("error", "warning", "hint")}
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for kind, n in counts.items() if n)


def render(diagnostic: Diagnostic, *, color: bool) -> str:
    """One diagnostic as lines of text without the last line end."""

    def styled(style: str, text: str) -> str:
        return f"{STYLES[style]}{text}{RESET}" if color else text

    primary, severity = diagnostic.primary, diagnostic.severity
    lines = [
        styled(severity, f"{severity}[{diagnostic.code}]")
        + styled("bold", f": {printable(diagnostic.message)}")
    ]
    rows = _rows(diagnostic)
    width = max(len(str(label.span.line)) for label in [primary, *diagnostic.secondary])
    gutter = styled("other", " " * (width + 1) + "|")
    lines.append(f"{' ' * width}{styled('other', '-->')} {printable(str(primary.span))}")
    if primary.span.source.text:
        lines.append(gutter)
        previous = 0
        for line, labels in rows:
            if previous and line > previous + 1:
                lines.append(styled("other", " " * (width + 1) + "..."))
            previous = line
            text, start, end = _window(primary, line, labels)
            lines.append(f"{styled('other', f'{line:>{width}} |')} {text}".rstrip())
            for label in sorted(labels, key=lambda item: -item.span.start):
                is_primary = label is primary
                mark = _underline(label.span, start, end, "^" if is_primary else "-")
                if not mark:
                    continue
                said = f" {printable(label.text)}" if label.text else ""
                shown = styled(severity if is_primary else "other", mark.strip() + said)
                lines.append(f"{gutter} {mark[: len(mark) - len(mark.lstrip())]}{shown}")
        lines.append(gutter)
    lines += _elsewhere(diagnostic, styled, width)
    for note in diagnostic.notes:
        lines.append(f"{styled('bold', 'note')}: {_wrapped(note)}")
    if diagnostic.source is not None:
        lines.append(f"{styled('bold', 'source')}: {_wrapped(diagnostic.source)}")
    more = f"`specc explain {diagnostic.code}` says more"
    if diagnostic.fix is not None:
        options = " --hints" * (severity == "hint") + " --fix"
        options += " --unsafe-fixes" * (diagnostic.fix.applicability == "unsafe")
        more = f"`specc lint{options}` does it, {more}"
    if diagnostic.help:
        lines += [f"{styled('bold', 'help')}: {_wrapped(diagnostic.help)}", f"      {more}"]
    else:
        lines.append(f"{styled('bold', 'help')}: {more}")
    return "\n".join(lines)


def _elsewhere(diagnostic: Diagnostic, styled: Callable[[str, str], str], width: int) -> list[str]:
    """The labels in other files than the mistake's own, such as a use of an imported block."""
    lines: list[str] = []
    gutter = styled("other", " " * (width + 1) + "|")
    for label in diagnostic.secondary:
        if label.span.source is diagnostic.primary.span.source:
            continue
        number = label.span.line
        text, start, end = _window(label, number, [label])
        mark = _underline(label.span, start, end, "-")
        said = f" {printable(label.text)}" if label.text else ""
        lines += [
            f"{' ' * width}{styled('other', ':::')} {printable(str(label.span))}",
            f"{styled('other', f'{number:>{width}} |')} {text}".rstrip(),
            f"{gutter} {mark[: len(mark) - len(mark.lstrip())]}"
            + styled("other", mark.strip() + said),
            gutter,
        ]
    return lines


def _wrapped(text: str) -> str:
    """Text in lines that are not too long, all but the first indented like the first."""
    words: list[str] = []
    for item in printable(text).replace(", ", ",\n").split("\n"):
        words += [item] if len(item) <= 40 else item.split(" ")  # `dense_1 235,500,` is one word
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= TEXT_WIDTH - 6:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n      ".join(lines)


def printable(text: str) -> str:
    """Text in which nothing can steer a terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _rows(diagnostic: Diagnostic) -> list[tuple[int, list[Label]]]:
    """The lines to show, each with its labels, in the order of the file."""
    by_line: dict[int, list[Label]] = {}
    for label in [diagnostic.primary, *diagnostic.secondary]:
        if label.span.source is diagnostic.primary.span.source:
            by_line.setdefault(label.span.line, []).append(label)
    return sorted(by_line.items())


def _window(primary: Label, line: int, labels: list[Label]) -> tuple[str, int, int]:
    """A line's text as shown, and from where to where it is the source's."""
    text = primary.span.source.line_text(line)
    if len(text) <= MAX_WIDTH:
        return printable(text), 0, len(text)
    centre = primary if primary in labels else labels[0]
    start = max(0, centre.span.column - 1 - MAX_WIDTH // 4)
    end = min(len(text), start + MAX_WIDTH)
    part = printable(text[start:end])
    shown = (CUT if start else "") + part + (CUT if end < len(text) else "")
    return shown, start, end


def _underline(span: Span, start: int, end: int, mark: str) -> str:
    """Marks below a span (the part on its first line), aligned under the shown text.

    Nothing where the span lies outside of the shown part `[start, end)` of its line.
    """
    text = span.source.line_text(span.line)
    first = span.column - 1
    last = min(first + max(1, span.end - span.start), max(len(text), first + 1))
    if first < start or (first >= end and end < len(text)):
        return ""
    skipped, marked = printable(text[start:first]), printable(text[first : min(last, end)])
    before = "".join("\t" if c == "\t" else " " * _columns(c) for c in skipped)
    width = sum(_columns(c) for c in marked) or 1
    return " " * (len(CUT) if start else 0) + before + mark * width


def _columns(character: str) -> int:
    """The columns a character takes on a terminal: two where it is a wide one."""
    if character.isascii():
        return 1
    from unicodedata import combining, east_asian_width

    return 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
