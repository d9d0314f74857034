"""Diagnostics for programs."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Diagnostic, Label


def diagnostic_as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as JSON-serialisable data; lines and columns count from 1."""
    return {
        "code": diagnostic.code,
        "severity": "error",
        "message": diagnostic.message,
        **_label(diagnostic.primary),
        "related": [_label(label) for label in diagnostic.secondary],
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    }


def _label(label: Label) -> dict[str, Any]:
    span = label.span
    source = span.source
    return {
        "file": source.name,
        "line": span.line,
        "column": span.column,
        "end_line": source.line_of(span.end),
        "end_column": source.column_of(span.end),
        "label": label.text,
    }
