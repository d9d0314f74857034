"""The comments of a source, which the syntax tree does not hold."""

from __future__ import annotations

import re
from bisect import bisect_left

from specc.records import record

PIECES = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*')
"""Strings, in which a `#` starts nothing, and comments."""


@record
class Comment:
    text: str
    offset: int
    end: int
    trailing: bool
    """Whether it stands behind something on its line."""
    gap: int
    """The spaces before a trailing comment; 0 where there are tabs among them."""
    column: int
    """Where a trailing comment stands on its line; -1 where tabs leave that open."""


class Comments:
    """All comments of a text that parses, to be asked for by place and taken in order."""

    def __init__(self, text: str) -> None:
        self._all = list(_comments(text)) if "#" in text else []
        self._offsets = [comment.offset for comment in self._all]
        self._taken = 0

    def between(self, start: int, end: int) -> bool:
        """Whether a comment stands in a part of the text."""
        index = bisect_left(self._offsets, start)
        return index < len(self._offsets) and self._offsets[index] < end

    def take(self, until: int) -> list[Comment]:
        """The comments before an offset that have not been taken yet."""
        first = self._taken
        if first < len(self._offsets) and self._offsets[first] < until:
            self._taken = bisect_left(self._offsets, until)
            return self._all[first : self._taken]
        return []


def _comments(text: str) -> list[Comment]:
    pieces = PIECES.finditer(text)
    return [_comment(text, *piece.span()) for piece in pieces if text[piece.start()] == "#"]


def _comment(text: str, offset: int, end: int) -> Comment:
    line_start = text.rfind("\n", 0, offset) + 1
    before = text[line_start:offset]
    code = before.rstrip()
    blanks = before[len(code) :]
    spaces_only = not blanks.strip(" ")
    return Comment(
        text[offset:end].rstrip(),
        offset,
        end,
        bool(code),
        len(blanks) if spaces_only else 0,
        offset - line_start if spaces_only else -1,
    )
