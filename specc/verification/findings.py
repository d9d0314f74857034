"""What is wrong with files that are checked without a spec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from specc.records import record


@record
class Finding:
    """One thing that is wrong."""

    layer: str
    """Empty where it is of no layer."""
    place: str | None
    """`specs/x.spec:9`, where a file says where the layer stands."""
    message: str

    def __str__(self) -> str:
        if not self.layer:
            return self.message
        return f"{self.layer}{f' ({self.place})' if self.place else ''}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        file, _, line = (self.place or "").rpartition(":")
        return {
            "severity": "error",
            "message": self.message,
            "layer": self.layer or None,
            "file": file or None,
            "line": int(line) if file and line.isdecimal() else None,
        }


def listed_findings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [finding.as_json() for finding in findings]


def finite(value: Any) -> Any:
    """A value for JSON, which has no NaN and no infinity."""
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return str(value)
    return value
