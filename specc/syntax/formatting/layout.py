"""Expressions over several lines, where one is too short or a comment stands inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from specc.syntax import ast
from specc.syntax.formatting.flat import (
    BREAK,
    EXPRESSION,
    NOT,
    OR,
    POSTFIX,
    UNARY,
    Flat,
    Item,
    least_before_dot,
    operations,
    target_text,
)
from specc.syntax.formatting.writer import INDENT, Writer

WIDTH = 100
"""Columns of a line, its comment not counted."""

OPERATIONS = (ast.Conditional, ast.Boolean, ast.Compared, ast.Arithmetic)

Values = Sequence[tuple[str, ast.Expression | None]]


class Layout:
    """Writes expressions, from the outermost inward: what fits on the line stays on it."""

    def __init__(self, flat: Flat, writer: Writer) -> None:
        self.flat = flat
        self.writer = writer
        self.indent = 0
        self._in_brackets = False
        """Whether a line may end anywhere, as it may inside of ( ) and [ ]."""
        self._broken: dict[type, Callable[[Any, int], None]] = {
            ast.Literal: self._as_it_is,
            ast.Name: self._as_it_is,
            ast.Formatted: self._as_it_is,
            ast.Sequence: self._sequence,
            ast.KeywordArgument: self._keyword,
            ast.Parameter: self._parameter,
            ast.Call: self._call,
            ast.Index: self._index,
            ast.Slice: self._slice,
            ast.Attribute: self._attribute,
            ast.Chain: self._chain,
            ast.Conditional: self._operation,
            ast.Boolean: self._operation,
            ast.Compared: self._operation,
            ast.Arithmetic: self._operation,
            ast.Negated: self._negated,
            ast.Signed: self._signed,
            ast.Comprehension: self._comprehension,
        }

    def expression(self, node: Item, least: int = EXPRESSION, tail: int = 0) -> None:
        """Write an expression.

        Args:
            least: the loosest operator that needs no parentheses here.
            tail: columns that must be left on the last line for what follows.
        """
        form = self.flat.of(node, least)
        if self._fits(form, tail):
            self.writer.write(form)
        elif self.flat.has_parentheses(node, least) or (
            not self._in_brackets and isinstance(node, OPERATIONS)
        ):
            self._parentheses(node)
        else:
            self._broken[type(node)](node, tail)

    def tensor_type(self, node: ast.Type) -> None:
        self.writer.write(node.dtype.text)
        self.items("[", node.shape, "]", node.dtype.span.end, node.span.end, 0)

    def items(
        self,
        opening: str,
        items: Sequence[Item],
        closing: str,
        start: int,
        end: int,
        tail: int,
        *,
        last_comma: bool = True,
    ) -> None:
        """Write items in brackets, all on this line or each on its own.

        Args:
            start, end: the part of the text in which they stand, the closing bracket included.
            last_comma: whether a comma follows the last of items on lines of their own.
        """
        one_line = self.flat.bracketed(opening, items, closing, start, end)
        if self._fits(one_line, tail) or (not items and BREAK not in one_line):
            self.writer.write(one_line)
            return
        outer = self._open(opening)
        for index, item in enumerate(items, start=1):
            self.writer.new_line(self.flat.start(item), self.indent)
            # In `name=value` a line may not end anywhere: operators on the lines below would
            # seem to stand outside of the argument.
            self._in_brackets = not isinstance(item, (ast.KeywordArgument, ast.Parameter))
            self.expression(item, tail=1)
            if last_comma or index < len(items):
                self.writer.write(",")
        self._close(closing[-1], end - 1, outer)

    # ----------------------------------------------------------------------- parts

    def _fits(self, form: str, tail: int) -> bool:
        return BREAK not in form and len(self.writer.line) + len(form) + tail <= WIDTH

    def _open(self, opening: str) -> bool:
        self.writer.write(opening)
        self.indent += INDENT
        outer, self._in_brackets = self._in_brackets, True
        return outer

    def _close(self, closing: str, before: int, outer: bool) -> None:
        self._in_brackets = outer
        self.indent -= INDENT
        self.writer.new_line(before, self.indent, self.indent + INDENT)
        self.writer.write(closing)

    def _parentheses(self, node: Item) -> None:
        end = self.flat.end(node)
        outer = self._open("(")
        self.writer.new_line(node.span.start, self.indent)
        bare = self.flat.bare(node)
        if self._fits(bare, 0):
            self.writer.write(bare)
        else:
            self._broken[type(node)](node, 0)
        self._close(")", end - 1 if end > node.span.end else end, outer)

    def _values(self, values: Values, tail: int) -> None:
        for index, (before, value) in enumerate(values):
            self.writer.write(before)
            if value is not None:
                self.expression(value, tail=tail if index + 1 == len(values) else 1)

    # ------------------------------------------------- what is too long, by its kind

    def _as_it_is(self, node: Item, _tail: int) -> None:
        self.writer.write(self.flat.bare(node))

    def _sequence(self, node: ast.Sequence, tail: int) -> None:
        opening, closing = "()" if node.is_tuple else "[]"
        if node.is_tuple and len(node.items) == 1:
            closing = ",)"
        start, end = node.span.start, node.span.end
        self.items(opening, node.items, closing, start, end, tail)

    def _keyword(self, node: ast.KeywordArgument, tail: int) -> None:
        self.writer.write(f"{node.name.text}=")
        self.expression(node.value, tail=tail)

    def _parameter(self, node: ast.Parameter, tail: int) -> None:
        self._values(self.flat.parts_of_parameter(node), tail)

    def _slice(self, node: ast.Slice, tail: int) -> None:
        self._values(self.flat.parts_of_slice(node), tail)

    def _call(self, node: ast.Call, tail: int) -> None:
        self.expression(node.callee, POSTFIX, 1)
        items = [*node.positional, *node.keywords]
        self.items("(", items, ")", self.flat.end(node.callee), node.span.end, tail)

    def _index(self, node: ast.Index, tail: int) -> None:
        self.expression(node.value, POSTFIX, 1)
        start, end = self.flat.end(node.value), node.span.end
        # Python would make a tuple of `x[a,]`.
        several = len(node.subscripts) > 1
        self.items("[", node.subscripts, "]", start, end, tail, last_comma=several)

    def _attribute(self, node: ast.Attribute, tail: int) -> None:
        after = f".{node.name.text}"
        self.expression(node.value, least_before_dot(node.value), tail + len(after))
        self.writer.write(after)

    def _chain(self, node: ast.Chain, tail: int) -> None:
        self.expression(node.source, OR)
        self.indent += INDENT
        for index, step in enumerate(node.steps, start=1):
            self.writer.new_line(self.flat.start(step), self.indent)
            self.writer.write("-> ")
            self.expression(step, OR, tail if index == len(node.steps) else 0)
        self.indent -= INDENT

    def _operation(
        self, node: ast.Arithmetic | ast.Compared | ast.Boolean | ast.Conditional, tail: int
    ) -> None:
        operands = operations(node)
        for index, (operator, operand, least) in enumerate(operands, start=1):
            if operator:
                self.writer.new_line(self.flat.start(operand), self.indent)
                self.writer.write(f"{operator} ")
            inner = isinstance(operand, OPERATIONS) and not self.flat.has_parentheses(
                operand, least
            )
            self.indent += INDENT * inner
            self.expression(operand, least, tail if index == len(operands) else 0)
            self.indent -= INDENT * inner

    def _negated(self, node: ast.Negated, tail: int) -> None:
        self.writer.write("not ")
        self.expression(node.operand, NOT, tail)

    def _signed(self, node: ast.Signed, tail: int) -> None:
        self.writer.write(node.operator.text)
        self.expression(node.operand, UNARY, tail)

    def _comprehension(self, node: ast.Comprehension, _tail: int) -> None:
        outer = self._open("[")
        self.writer.new_line(self.flat.start(node.item), self.indent)
        self.expression(node.item)
        for generator in node.generators:
            self.writer.new_line(generator.span.start, self.indent)
            self.writer.write(f"for {target_text(generator.target)} in ")
            self.expression(generator.iterable, OR)
            if generator.condition is not None:
                self.writer.new_line(self.flat.start(generator.condition), self.indent)
                self.writer.write("if ")
                self.expression(generator.condition, OR)
        self._close("]", node.span.end - 1, outer)
