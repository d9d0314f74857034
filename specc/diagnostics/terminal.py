"""Diagnostics for people: the text, the place in it, the way out."""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.source import Source, Span

MAX_WIDTH = 160
"""Columns of source shown of one line; a longer line is cut around what matters."""

STYLES = {"error": "\033[1;31m", "mark": "\033[1;31m", "other": "\033[1;34m", "bold": "\033[1m"}
RESET = "\033[0m"


def render_all(diagnostics: Sequence[Diagnostic], *, color: bool, footer: str = "") -> str:
    """Every diagnostic, then how many there were and `footer`."""
    blocks = [render(diagnostic, color=color) for diagnostic in diagnostics]
    number = len(diagnostics)
    count = "1 error" if number == 1 else f"{number} errors"
    return "\n\n".join(blocks) + f"\n\n{count}{footer}\n"


def render(diagnostic: Diagnostic, *, color: bool) -> str:
    """One diagnostic as lines of text without the last line end."""

    def styled(style: str, text: str) -> str:
        return f"{STYLES[style]}{text}{RESET}" if color else text

    primary = diagnostic.primary
    lines = [
        styled("error", f"error[{diagnostic.code}]")
        + styled("bold", f": {printable(diagnostic.message)}")
    ]
    rows = _rows(diagnostic)
    width = max((len(str(line)) for line, _ in rows), default=1)
    gutter = styled("other", " " * (width + 1) + "|")
    lines.append(f"{' ' * width}{styled('other', '-->')} {primary.span}")
    if primary.span.source.text:
        lines.append(gutter)
        previous = 0
        for line, labels in rows:
            if previous and line > previous + 1:
                lines.append(styled("other", " " * (width + 1) + "..."))
            previous = line
            text, shift = _window(primary.span.source, line, labels)
            lines.append(f"{styled('other', f'{line:>{width}} |')} {text}".rstrip())
            for label in sorted(labels, key=lambda item: -item.span.start):
                is_primary = label is primary
                mark = _underline(label.span, line, shift, "^" if is_primary else "-")
                said = f" {printable(label.text)}" if label.text else ""
                shown = styled("mark" if is_primary else "other", mark.strip() + said)
                lines.append(f"{gutter} {mark[: len(mark) - len(mark.lstrip())]}{shown}")
        lines.append(gutter)
    lines += [f"note: {printable(note)}" for note in diagnostic.notes]
    more = f"`specc explain {diagnostic.code}` says more"
    if diagnostic.help:
        lines += [f"{styled('bold', 'help')}: {printable(diagnostic.help)}", f"      {more}"]
    else:
        lines.append(f"{styled('bold', 'help')}: {more}")
    return "\n".join(lines)


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


def _window(source: Source, line: int, labels: list[Label]) -> tuple[str, int]:
    """A line's text as shown, and how many characters were cut from its front."""
    text = printable(source.line_text(line))
    if len(text) <= MAX_WIDTH:
        return text, 0
    first = min(label.span.column for label in labels) - 1
    shift = max(0, first - MAX_WIDTH // 4)
    cut = text[shift : shift + MAX_WIDTH]
    return cut + ("..." if shift + MAX_WIDTH < len(text) else ""), shift


def _underline(span: Span, line: int, shift: int, mark: str) -> str:
    """Marks below a span (the part on its first line), aligned under the shown text."""
    text = span.source.line_text(line)
    start = span.column - 1
    end = min(start + max(1, span.end - span.start), max(len(text), start + 1))
    start, end = start - shift, min(end - shift, MAX_WIDTH)
    before = "".join("\t" if c == "\t" else " " * _columns(c) for c in text[shift:][:start])
    marked = sum(_columns(c) for c in text[shift:][start:end]) or 1
    return before + mark * marked


def _columns(character: str) -> int:
    """The columns a character takes on a terminal: two where it is a wide one."""
    if character.isascii():
        return 1
    from unicodedata import combining, east_asian_width

    return 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
