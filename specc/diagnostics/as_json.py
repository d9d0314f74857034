"""Diagnostics for programs."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Diagnostic, Edit, Label
from specc.source import Span


def diagnostic_as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as JSON-serialisable data; lines and columns count from 1."""
    data = {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_label(diagnostic.primary),
        "related": [_label(label) for label in diagnostic.secondary],
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    }
    if diagnostic.source is not None:
        data["source"] = diagnostic.source
    if diagnostic.fix is not None:
        edits = [_edit(edit) for edit in diagnostic.fix.edits]
        data["fix"] = {"applicability": diagnostic.fix.applicability, "edits": edits}
    return data


def _edit(edit: Edit) -> dict[str, Any]:
    return {**_place(edit.span), "text": edit.text}


def _label(label: Label) -> dict[str, Any]:
    return {**_place(label.span), "label": label.text}


def _place(span: Span) -> dict[str, Any]:
    source = span.source
    return {
        "file": source.name,
        "line": span.line,
        "column": span.column,
        "end_line": source.line_of(span.end),
        "end_column": source.column_of(span.end),
    }
