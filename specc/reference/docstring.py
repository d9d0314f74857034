"""The text of a layer's class, taken apart."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

_SECTION = re.compile(r"(Shapes|Weights|Example):\s*(.*)")


class Docstring(NamedTuple):
    """What a class says of itself. Each text is in one line; a part that is missing is empty."""

    summary: str
    """The first paragraph."""
    notes: tuple[str, ...]
    """The paragraphs after it that are none of the following."""
    shapes: str
    weights: str
    example: str


def parse_docstring(cls: type) -> Docstring:
    """The text of a class in parts.

    `Shapes:`, `Weights:` and `Example:` start a part that goes on to the next one or to the
    end of the paragraph.
    """
    parts: dict[str, str] = {}
    paragraphs: list[str] = []
    for paragraph in inspect.cleandoc(cls.__doc__ or "").split("\n\n"):
        section = ""
        plain: list[str] = []
        for line in paragraph.splitlines():
            start = _SECTION.match(line)
            if start:
                section = start[1]
                parts[section] = start[2].strip()
            elif section:
                parts[section] += " " + line.strip()
            else:
                plain.append(line.strip())
        if plain:
            paragraphs.append(" ".join(plain))
    return Docstring(
        paragraphs[0] if paragraphs else "",
        tuple(paragraphs[1:]),
        parts.get("Shapes", ""),
        parts.get("Weights", ""),
        parts.get("Example", ""),
    )
