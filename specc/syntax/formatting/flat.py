"""Expressions on one line, with no more parentheses than they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from specc.syntax import ast
from specc.syntax.formatting.comments import Comments
from specc.syntax.formatting.strings import normal_formatted, normal_string

# From the loosest to the tightest, in the order of grammars/specc.lark.
EXPRESSION, CHAIN, OR, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY, POWER, POSTFIX, ATOM = range(12)

RANKS: dict[type, int] = {
    ast.Conditional: EXPRESSION,
    ast.Chain: CHAIN,
    ast.Negated: NOT,
    ast.Compared: COMPARISON,
    ast.Signed: UNARY,
    ast.Call: POSTFIX,
    ast.Index: POSTFIX,
    ast.Attribute: POSTFIX,
}

Item = ast.Expression | ast.KeywordArgument | ast.Slice | ast.Parameter
"""What can stand in a list with commas."""

BREAK = "\n"
"""In a one-line form: there must be a line end somewhere in this."""

LONG_CHAIN = 3
"""Chains with so many arrows stay on several lines, if they were written so."""


def rank(node: Item) -> int:
    """How tightly the outermost operator of an expression binds."""
    if isinstance(node, ast.Arithmetic):
        operator = node.rest[0][0].text
        return POWER if operator == "**" else SUM if operator in "+-" else PRODUCT
    if isinstance(node, ast.Boolean):
        return OR if node.operator == "or" else AND
    return RANKS.get(type(node), ATOM)


def operations(
    node: ast.Arithmetic | ast.Compared | ast.Boolean | ast.Conditional,
) -> list[tuple[str, ast.Expression, int]]:
    """The operands, each with the operator before it and the loosest it may be unbracketed."""
    if isinstance(node, ast.Conditional):
        return [
            ("", node.then, CHAIN),
            ("if", node.condition, OR),
            ("else", node.otherwise, EXPRESSION),
        ]
    own = rank(node)
    if isinstance(node, ast.Boolean):
        first, *others = node.operands
        pairs = [(node.operator, operand) for operand in others]
    else:
        first, pairs = node.first, [(operator.text, operand) for operator, operand in node.rest]
    if own == POWER:  # `(-a) ** b`, but `a ** -b`
        return [("", first, POSTFIX), *((operator, other, UNARY) for operator, other in pairs)]
    return [("", first, own + 1), *((operator, other, own + 1) for operator, other in pairs)]


class Flat:
    """The one-line form of the expressions of one source.

    A form with `BREAK` in it says that there is none: comments stand inside, or a long chain
    is to stay on the lines that it was written on.
    """

    def __init__(
        self,
        text: str,
        comments: Comments,
        groups: dict[int, list[tuple[int, int]]],
        renamed: dict[int, str],
    ) -> None:
        self._text = text
        self._comments = comments
        self._groups = groups
        self._renamed = renamed
        self._known: dict[int, str] = {}
        self._forms: dict[type, Callable[[Any], str]] = {
            ast.Literal: self._literal,
            ast.Name: self._name,
            ast.Formatted: self._formatted,
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

    def start(self, node: Item | ast.Type) -> int:
        """Where the text of a node starts, parentheses around it included."""
        groups = self._groups.get(id(node))
        return groups[-1][0] if groups else node.span.start

    def end(self, node: Item | ast.Type) -> int:
        groups = self._groups.get(id(node))
        return groups[-1][1] if groups else node.span.end

    def has_parentheses(self, node: Item, least: int) -> bool:
        """Whether parentheses must stand around a node: for its rank, or for a comment."""
        return rank(node) < least or self._holds_comment(node)

    def _holds_comment(self, node: Item) -> bool:
        groups = self._groups.get(id(node), ())
        return any(self._comments.between(start, end) for start, end in groups)

    def of(self, node: Item, least: int = EXPRESSION) -> str:
        """The node on one line, in parentheses where it binds less tightly than `least`."""
        found = self._known.get(id(node))
        if found is None:
            found = self._known[id(node)] = self._forms[type(node)](node)
        if self._holds_comment(node):
            return f"({found}){BREAK}"
        return f"({found})" if rank(node) < least else found

    def bare(self, node: Item) -> str:
        """The node on one line, without parentheses around it."""
        self.of(node)
        return self._known[id(node)]

    def bracketed(
        self, opening: str, items: Sequence[Item], closing: str, start: int, end: int
    ) -> str:
        """Items with commas in brackets that stand in a part of the text."""
        forms: list[str] = []
        for item in items:  # a comprehension would take one more frame for each level
            forms.append(self.of(item))
        must_break = BREAK if self._comments.between(start, end) else ""
        return f"{opening}{', '.join(forms)}{closing}{must_break}"

    def parts_of_slice(self, node: ast.Slice) -> list[tuple[str, ast.Expression | None]]:
        """The bounds of a slice, each with what stands before it."""
        bounds = (
            [node.start, node.stop] if node.step is None else [node.start, node.stop, node.step]
        )
        spaced = not all(bound is None or _is_simple(bound) for bound in bounds)
        parts: list[tuple[str, ast.Expression | None]] = [("", bounds[0])]
        for bound in bounds[1:]:
            left = " " if spaced and (parts[-1][1] is not None or len(parts) > 1) else ""
            right = " " if spaced and bound is not None else ""
            parts.append((f"{left}:{right}", bound))
        return parts

    def parts_of_parameter(self, node: ast.Parameter) -> list[tuple[str, ast.Expression | None]]:
        """The values in a parameter, each with what stands before it."""
        head = node.name.text + (f": {node.type.text}" if node.type else "")
        parts: list[tuple[str, ast.Expression | None]] = [(head, None)]
        if node.choices is not None:
            parts.append((" in ", node.choices))
        if node.default is not None:
            parts.append((" = " if node.type else "=", node.default))
        return parts

    def tensor_type(self, node: ast.Type) -> str:
        start, end = node.dtype.span.end, node.span.end
        return node.dtype.text + self.bracketed("[", node.shape, "]", start, end)

    def _in_parts(self, parts: list[tuple[str, ast.Expression | None]]) -> str:
        form = ""
        for before, value in parts:
            form += before if value is None else before + self.of(value)
        return form

    # Each kind of node has a form. They call each other through `of` alone: so they stay within
    # Python's recursion at any depth that the parser lets pass.

    def _literal(self, node: ast.Literal) -> str:
        text = node.span.text
        return normal_string(text) if isinstance(node.value, str) else text

    def _name(self, node: ast.Name) -> str:
        return self._renamed.get(id(node), node.text)

    def _formatted(self, node: ast.Formatted) -> str:
        return normal_formatted(node.span.text)

    def _sequence(self, node: ast.Sequence) -> str:
        opening, closing = "()" if node.is_tuple else "[]"
        if node.is_tuple and len(node.items) == 1:
            closing = ",)"
        return self.bracketed(opening, node.items, closing, node.span.start, node.span.end)

    def _keyword(self, node: ast.KeywordArgument) -> str:
        return f"{node.name.text}={self.of(node.value)}"

    def _parameter(self, node: ast.Parameter) -> str:
        return self._in_parts(self.parts_of_parameter(node))

    def _call(self, node: ast.Call) -> str:
        callee = self.of(node.callee, POSTFIX)
        items = [*node.positional, *node.keywords]
        return callee + self.bracketed("(", items, ")", self.end(node.callee), node.span.end)

    def _index(self, node: ast.Index) -> str:
        value = self.of(node.value, POSTFIX)
        return value + self.bracketed(
            "[", node.subscripts, "]", self.end(node.value), node.span.end
        )

    def _slice(self, node: ast.Slice) -> str:
        return self._in_parts(self.parts_of_slice(node))

    def _attribute(self, node: ast.Attribute) -> str:
        return f"{self.of(node.value, least_before_dot(node.value))}.{node.name.text}"

    def _chain(self, node: ast.Chain) -> str:
        form = self.of(node.source, OR)
        before = self.end(node.source)
        on_lines = False
        for step in node.steps:
            start = self.start(step)
            form += f" -> {self.of(step, OR)}"
            if self._comments.between(before, start):
                form += BREAK
            on_lines = on_lines or "\n" in self._text[before:start]
            before = self.end(step)
        return form + BREAK if on_lines and len(node.steps) >= LONG_CHAIN else form

    def _operation(
        self, node: ast.Arithmetic | ast.Compared | ast.Boolean | ast.Conditional
    ) -> str:
        form = ""
        before = 0
        for operator, operand, least in operations(node):
            if operator:
                form += f" {operator} "
                if self._comments.between(before, self.start(operand)):
                    form += BREAK
            form += self.of(operand, least)
            before = self.end(operand)
        return form

    def _negated(self, node: ast.Negated) -> str:
        return f"not {self.of(node.operand, NOT)}"

    def _signed(self, node: ast.Signed) -> str:
        return node.operator.text + self.of(node.operand, UNARY)

    def _comprehension(self, node: ast.Comprehension) -> str:
        form = self.of(node.item)
        for generator in node.generators:
            form += f" for {target_text(generator.target)} in {self.of(generator.iterable, OR)}"
            if generator.condition is not None:
                form += f" if {self.of(generator.condition, OR)}"
        holds_comment = self._comments.between(node.span.start, node.span.end)
        return f"[{form}]" + (BREAK if holds_comment else "")


def least_before_dot(value: ast.Expression) -> int:
    """`1.real` would start with the number `1.`, so a whole number gets parentheses."""
    is_whole = isinstance(value, ast.Literal) and type(value.value) is int
    return ATOM + 1 if is_whole else POSTFIX


def target_text(target: ast.Target, *, inner: bool = False) -> str:
    """The names that a loop binds."""
    if isinstance(target, ast.Token):
        return target.text
    text = ", ".join([target_text(part, inner=True) for part in target])
    return f"({text})" if inner else text


def _is_simple(bound: ast.Expression) -> bool:
    """Whether a slice needs no spaces for a bound."""
    while isinstance(bound, (ast.Signed, ast.Attribute)):
        bound = bound.operand if isinstance(bound, ast.Signed) else bound.value
    return isinstance(bound, (ast.Literal, ast.Name))
