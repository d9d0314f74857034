"""Tables and figures as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

Row = tuple[bool, Sequence[Any]]
"""Whether all is well, and the cells: numbers are set to the right."""

WORDS = ("Account", "What differs")
"""Columns of text."""

MANY = 400
"""Rows beyond this are left out of a table, and that is said."""

TIMES = "\N{MULTIPLICATION SIGN}"


def section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inside}</section>"


def table(titles: Iterable[str], rows: Sequence[Row]) -> str:
    """A table without the columns that are empty; those of numbers are set to the right."""
    heads = list(titles)
    shown = [n for n in range(len(heads)) if any(row[n] != "" for _, row in rows)]
    heads = [heads[n] for n in shown]
    rows = [(fine, [row[n] for n in shown]) for fine, row in rows]
    numeric = [
        all(_is_number(row[n]) for _, row in rows if row[n] != "") for n in range(len(heads))
    ]
    style = [
        ' class="n"' if is_number else ' class="words"' if head in WORDS else ""
        for is_number, head in zip(numeric, heads, strict=True)
    ]
    head = "".join(f"<th{s}>{escape(h)}</th>" for s, h in zip(style, heads, strict=True))
    lines: list[str] = []
    for fine, row in rows[:MANY]:
        cells = "".join(
            f"<td{s}>{escape(f'{c:,}' if isinstance(c, int) else str(c))}</td>"
            for s, c in zip(style, row, strict=True)
        )
        off = "" if fine else ' class="off"'
        lines.append(f"<tr{off}>{cells}</tr>")
    left = len(rows) - MANY
    more = f'<p class="quiet">{left:,} more rows are in the JSON report.</p>' if left > 0 else ""
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>{more}"
    )


def _is_number(cell: Any) -> bool:
    text = str(cell).removesuffix(" %").removesuffix(f" {TIMES}").replace(",", "")
    if text == "beyond":
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def marked(text: str) -> str:
    """A text with what stands in backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def number(value: Any) -> str:
    """An error in few digits; nothing where there is none."""
    if value is None:
        return ""
    return "0" if value == 0 else f"{float(value):.2g}"


def share_text(share: float) -> str:
    """An error as a share of what is allowed, which is a multiple of it where it is beyond."""
    if share > 1e9:
        return "beyond"
    if share >= 10:
        return f"{share:,.0f} {TIMES}"
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"
