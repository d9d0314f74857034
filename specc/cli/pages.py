"""Reports written as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specc.files import replacing


def write_page(
    path: str, report: Mapping[str, Any], sources: Mapping[str, str] | None = None
) -> None:
    """Write the page of a report; what stood there before stays until it is complete.

    Args:
        report: as its `as_json` gives it.
        sources: the texts of the specs that its errors point to.

    Raises:
        UsageError: where nothing can be written there.
    """
    from specc.verification.page.render import page

    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(page(report, sources))
