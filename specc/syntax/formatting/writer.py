"""Lines of formatted text, and where the comments go between them.

A comment can only stand where a line ends. So it is carried along until the next line end
is written, at the latest the one that ends its statement: what comes first goes behind the
line, if it stood behind something before, and all others get lines of their own. A bracket
that holds a comment is always broken over lines, so the comment does not leave it.
"""

from __future__ import annotations

from specc.records import record
from specc.syntax.formatting.comments import Comment, Comments

INDENT = 4
MIN_GAP = 2
"""Spaces between a line and its comment, at least."""


@record
class Row:
    code: str
    comment: Comment | None


class Writer:
    """Text under way: finished rows, and the line that is being written."""

    def __init__(self, text: str, comments: Comments) -> None:
        self._text = text
        self._comments = comments
        self._rows: list[Row] = []
        self.line = ""

    def write(self, text: str) -> None:
        self.line += text

    def new_line(self, before: int, indent: int, comment_indent: int | None = None) -> None:
        """End the line inside of a statement, and take the comments before an offset along."""
        comments = self._end_line(before)
        padding = " " * (indent if comment_indent is None else comment_indent)
        self._rows += [Row(padding + comment.text, None) for comment in comments]
        self.line = " " * indent

    def start_line(
        self, before: int, indent: int, after: int, *, first: bool, apart: bool = False
    ) -> None:
        """End the line of a statement and start that of the next.

        Args:
            before: where the next statement starts.
            after: where the one before ends; blank lines in between are kept as one.
            first: whether nothing stands above it in its body.
            apart: whether there must be a blank line, also where the source has none.
        """
        ends, comments = self._ended(before, after)
        starts = [comment.offset for comment in comments] + [before]
        blank = [
            self._text.count("\n", end, start) > 1 for end, start in zip(ends, starts, strict=True)
        ]
        if apart and not any(blank):
            blank[0] = True
        blank[0] = blank[0] and not first
        padding = " " * indent
        for comment, has_blank in zip(comments, blank, strict=False):
            if has_blank:
                self._rows.append(Row("", None))
            self._rows.append(Row(padding + comment.text, None))
        if blank[-1]:
            self._rows.append(Row("", None))
        self.line = padding

    def close_body(self, before: int, indent: int, after: int, *, first: bool) -> None:
        """End the last line of a body, with the comments that stand below it."""
        ends, comments = self._ended(before, after)
        padding = " " * (indent + INDENT)
        for end, comment in zip(ends, comments, strict=False):
            if not first and self._text.count("\n", end, comment.offset) > 1:
                self._rows.append(Row("", None))
            self._rows.append(Row(padding + comment.text, None))
            first = False
        self.line = " " * indent

    def finish(self, after: int) -> str:
        """All of the text, with the comments at its end."""
        self.close_body(len(self._text) + 1, -INDENT, after, first=False)
        return _joined(self._rows)

    def _ended(self, before: int, after: int) -> tuple[list[int], list[Comment]]:
        """End the line; where each of the following things' forerunner ends, and comments."""
        known = len(self._rows)
        comments = self._end_line(before)
        last = self._rows[-1].comment if len(self._rows) > known else None
        return [last.end if last else after, *(comment.end for comment in comments)], comments

    def _end_line(self, before: int) -> list[Comment]:
        """End the line with the comment that belongs to it; the other comments until there."""
        comments = self._comments.take(before)
        if self.line or self._rows:
            behind = comments.pop(0) if comments and comments[0].trailing else None
            self._rows.append(Row(self.line.rstrip(), behind))
        return comments


def _joined(rows: list[Row]) -> str:
    """The rows with their comments; comments that stood below each other still do.

    Of rows below each other whose comments stood in one column, the longest keeps the
    spaces before its comment, as far as another does not have fewer.
    """
    lines: list[str] = []
    index = 0
    while index < len(rows):
        run = _run(rows, index)
        comments = [row.comment for row in run if row.comment]
        if comments:
            widest = max(len(row.code) for row in run)
            column = widest + max(MIN_GAP, min(comment.gap for comment in comments))
            lines += [
                row.code.ljust(column) + row.comment.text if row.comment else row.code
                for row in run
            ]
        else:
            lines += [row.code for row in run]
        index += len(run)
    return "\n".join(lines) + "\n"


def _run(rows: list[Row], index: int) -> list[Row]:
    first = rows[index].comment
    end = index + 1
    if first is None or first.column < 0:
        return rows[index:end]
    while end < len(rows):
        comment = rows[end].comment
        if comment is None or comment.column != first.column:
            break
        end += 1
    return rows[index:end]
