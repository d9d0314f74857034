"""A report, as JSON says it, as a page for a browser.

The page is made of nothing but the report: what is in the one can be found in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from specc.verification.page.document import document, footer
from specc.verification.page.sections import (
    backends,
    charts,
    inputs,
    layers,
    parameters,
    tiles,
    tolerance,
)
from specc.verification.page.tables import marked

CONTEXT = 2
"""Lines of a spec that are shown around the one at fault."""

Data = Mapping[str, Any]


def page(report: Data, sources: Mapping[str, str] | None = None) -> str:
    """The page of a report.

    Args:
        report: what a report's `as_json` gives.
        sources: the texts of the specs that errors point to, by name.
    """
    body = "\n".join(
        part
        for part in (
            _header(report),
            _headline(report, sources or {}),
            tiles(report),
            *(
                section(report)
                for section in (backends, charts, layers, parameters, inputs, tolerance)
            ),
            footer("The same report as data: <code>specc verify --json</code>."),
        )
        if part
    )
    return document(_title(report), body)


def _title(report: Data) -> str:
    if report["kind"] == "pair":
        return f"{report['files'][0]} and {report['files'][1]}"
    return str(report["model"])


def _about(report: Data) -> str:
    if report["kind"] == "pair":
        return "two models compared with each other"
    if report["kind"] == "file":
        return f"{report['file']} against its own manifest"
    file = report.get("file")
    return f"{file} against Keras" if file else "the file against Keras"


def _header(report: Data) -> str:
    ok = report["ok"]
    verdict = '<span class="badge good">agrees</span>' if ok else (
        '<span class="badge bad">does not agree</span>'
    )  # fmt: skip
    return (
        f"<header><h1>{escape(_title(report))}</h1>{verdict}"
        f'<span class="quiet">{escape(_about(report))}</span></header>'
    )


def _headline(report: Data, sources: Mapping[str, str]) -> str:
    warnings = "".join(_warning(warning) for warning in report.get("warnings", ()))
    if report["ok"]:
        return (
            '<div class="headline"><p class="label good">Verdict</p>'
            f'<p class="first">{escape(_said(report))}</p>{warnings}{_notes(report)}</div>'
        )
    first, *others = report["errors"]
    more = "".join(f"<li>{_one_line(error)}</li>" for error in others)
    return (
        '<div class="headline bad-card" id="first-difference">'
        '<p class="label bad">First difference</p>'
        f'<p class="first">{_marked(first)}</p>'
        f"{_place(first)}{_source(first, sources)}"
        + _listed(first.get("notes", ()))
        + (f'<p class="quiet">{len(others)} more:</p><ul class="notes">{more}</ul>' if more else "")
        + warnings
        + _notes(report)
        + "</div>"
    )


def _said(report: Data) -> str:
    if report["kind"] == "pair":
        return "The two models give the same outputs, within what is allowed."
    if report["kind"] == "file":
        return "The file is what was exported: weights, operators and recorded outputs."
    return "Every output agrees with Keras, and every parameter is accounted for."


def _marked(error: Data) -> str:
    """A message, the layer first where it is known."""
    text = marked(str(error["message"]))
    layer = error.get("layer")
    return f"<code>{escape(layer)}</code>: {text}" if layer else text


def _place(error: Data) -> str:
    if not error.get("file") or error.get("line") is None:
        return ""
    code = f" · <code>{escape(error['code'])}</code>" if error.get("code") else ""
    label = f" · {marked(error['label'])}" if error.get("label") else ""
    where = f"{escape(error['file'])}:{error['line']}"
    return f'<p><span class="place code">{where}</span>{label}{code}</p>'


def _one_line(error: Data) -> str:
    place = f" ({escape(error['file'])}:{error['line']})" if error.get("line") else ""
    label = f": {marked(error['label'])}" if error.get("label") else ""
    return f"{_marked(error)}{place}{label}"


def _warning(warning: Data) -> str:
    return f'<p class="warn">Warning: {_one_line(warning)}</p>'


def _source(error: Data, sources: Mapping[str, str]) -> str:
    """The line at fault with some around it."""
    text = sources.get(str(error.get("file")))
    if not text or not error.get("line"):
        return ""
    lines, line = text.splitlines(), int(error["line"])
    rows: list[str] = []
    for number in range(max(1, line - CONTEXT), min(len(lines), line + CONTEXT) + 1):
        hit = ' class="hit"' if number == line else ""
        rows.append(
            f'<span{hit}><span class="number">{number}</span>{escape(lines[number - 1])}</span>'
        )
    return f'<pre class="source">{"".join(rows)}</pre>'


def _notes(report: Data) -> str:
    return _listed(report.get("notes", ()))


def _listed(notes: Iterable[str]) -> str:
    rows: Sequence[str] = [f"<li>{marked(note)}</li>" for note in notes]
    return f'<ul class="notes">{"".join(rows)}</ul>' if rows else ""
