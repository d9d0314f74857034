"""Reductions to syntax nodes: one method for each rule and alias of the grammar."""

from __future__ import annotations

from typing import Any, cast

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import syntax as errors
from specc.source import Source, Span
from specc.syntax import ast
from specc.syntax.ast import Token

MAX_DIGITS = 64
"""Digits a number may have: no size, seed or rate needs more."""

INFINITY = float("inf")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class AstBuilder:
    """Builds the tree of one source.

    Each method takes what the grammar keeps of its rule, nodes and tokens, with the
    offsets of the rule's whole text.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.reductions: Any = None
        self.errors: list[Diagnostic] = []
        """What the grammar lets pass but the language does not."""

    # ---------------------------------------------------------------- definitions

    def start(self, children: list[Any], start: int, end: int) -> ast.File:
        return ast.File(children, Span(self._source, start, end))

    def import_(self, children: list[Any], start: int, end: int) -> ast.Import:
        path = children[1]
        unquoted = Token(self._unquoted(path), path.span)
        return ast.Import(unquoted, Span(self._source, start, end))

    def model(self, children: list[Any], start: int, end: int) -> ast.Model:
        name, body = children
        return ast.Model(name, body, Span(self._source, start, end))

    def block(self, children: list[Any], start: int, end: int) -> ast.Block:
        _, name, *parameters, body = children
        optional = False
        for parameter in parameters:
            if parameter.default is not None:
                optional = True
            elif optional:
                self.errors.append(errors.required_after_default(parameter.span))
        return ast.Block(name, parameters, body, Span(self._source, start, end))

    def parameter(self, children: list[Any], start: int, end: int) -> ast.Parameter:
        name, rest = children[0], children[1:]
        type_, choices = rest.pop(0) if rest and isinstance(rest[0], tuple) else (None, None)
        default = cast("ast.Expression | None", rest[0] if rest else None)
        return ast.Parameter(name, type_, choices, default, Span(self._source, start, end))

    def annotation(
        self, children: list[Any], start: int, end: int
    ) -> tuple[Token, ast.Expression | None]:
        return children[0], children[1] if len(children) > 1 else None

    def section(self, children: list[Any], start: int, end: int) -> ast.Section:
        kind, name, *entries = children
        return ast.Section(kind, name, entries, Span(self._source, start, end))

    def suite(self, children: list[Any], start: int, end: int) -> list[ast.Statement]:
        return children

    # ------------------------------------------------------------------ statements

    def param(self, children: list[Any], start: int, end: int) -> ast.Param:
        return ast.Param(children[1], Span(self._source, start, end))

    def input(self, children: list[Any], start: int, end: int) -> ast.Input:
        name, *rest = children
        type_ = rest.pop(0) if rest and isinstance(rest[0], ast.Type) else None
        return ast.Input(name, type_, rest, Span(self._source, start, end))

    def weight(self, children: list[Any], start: int, end: int) -> ast.Weight:
        _, name, *rest = children
        type_ = rest.pop(0) if rest and isinstance(rest[0], ast.Type) else None
        initializer = None
        if rest and not isinstance(rest[0], ast.KeywordArgument):
            initializer = rest.pop(0)
        return ast.Weight(name, type_, initializer, rest, Span(self._source, start, end))

    def output(self, children: list[Any], start: int, end: int) -> ast.Output:
        return ast.Output(children, Span(self._source, start, end))

    def layer_declaration(self, children: list[Any], start: int, end: int) -> ast.LayerDeclaration:
        return ast.LayerDeclaration(children[0], children[1], Span(self._source, start, end))

    def targets(self, children: list[Any], start: int, end: int) -> list[Token | ast.Starred]:
        starred = [child for child in children if isinstance(child, ast.Starred)]
        for surplus in starred[1:]:
            self.errors.append(errors.second_star(surplus.span, starred[0].span))
        return children

    def starred(self, children: list[Any], start: int, end: int) -> ast.Starred:
        return ast.Starred(children[1], Span(self._source, start, end))

    def binding(self, children: list[Any], start: int, end: int) -> ast.Binding:
        return ast.Binding(children[0], children[1], Span(self._source, start, end))

    def augmented(self, children: list[Any], start: int, end: int) -> ast.Augmented:
        name, sign, value = children
        operator = Token(sign.text[:-1], sign.span)
        return ast.Augmented(name, operator, value, Span(self._source, start, end))

    def line(self, children: list[Any], start: int, end: int) -> ast.Line:
        return ast.Line(children[0], Span(self._source, start, end))

    def for_(self, children: list[Any], start: int, end: int) -> ast.For:
        target, iterable, body = children
        return ast.For(target, iterable, body, Span(self._source, start, iterable.span.end))

    def loop_targets(self, children: list[Any], start: int, end: int) -> ast.Target:
        return children[0] if len(children) == 1 else children

    def if_(self, children: list[Any], start: int, end: int) -> ast.If:
        condition, body, *rest = children
        branches: list[tuple[ast.Expression, list[ast.Statement]]] = [(condition, body)]
        otherwise: list[ast.Statement] = []
        for part in rest:
            if isinstance(part, list):
                otherwise = cast("list[ast.Statement]", part)
            else:
                branches.append(part)
        return ast.If(branches, otherwise, Span(self._source, start, condition.span.end))

    def elif_(
        self, children: list[Any], start: int, end: int
    ) -> tuple[ast.Expression, list[ast.Statement]]:
        return children[0], children[1]

    def else_(self, children: list[Any], start: int, end: int) -> list[ast.Statement]:
        return children[0]

    def _output_measure(self, after: int) -> Token:
        """The word `output`, which the grammar does not keep: only blanks stand before it."""
        position = self._source.text.index("output", after)
        return Token("output", Span(self._source, position, position + len("output")))

    def expect_count(self, children: list[Any], start: int, end: int) -> ast.Expectation:
        measure, value = children
        return ast.Expectation(measure, None, None, value, Span(self._source, start, end))

    def expect_output(self, children: list[Any], start: int, end: int) -> ast.Expectation:
        measure = self._output_measure(start + len("expect"))
        return ast.Expectation(measure, None, None, children[0], Span(self._source, start, end))

    def expect_named_output(self, children: list[Any], start: int, end: int) -> ast.Expectation:
        output, value = children
        measure = Token("output", output.span)
        return ast.Expectation(measure, None, output, value, Span(self._source, start, end))

    def expect_layer_count(self, children: list[Any], start: int, end: int) -> ast.Expectation:
        layer, measure, value = children
        return ast.Expectation(measure, layer, None, value, Span(self._source, start, end))

    def expect_layer_output(self, children: list[Any], start: int, end: int) -> ast.Expectation:
        layer, value = children
        measure = self._output_measure(layer.span.end)
        return ast.Expectation(measure, layer, None, value, Span(self._source, start, end))

    def layer_name(self, children: list[Any], start: int, end: int) -> Token:
        token: Token = children[0]
        if token.text[0] in "\"'":
            return Token(self._unquoted(token), token.span)
        return token

    # ----------------------------------------------------------------------- types

    def tensor_type(self, children: list[Any], start: int, end: int) -> ast.Type:
        return ast.Type(children[0], children[1:], Span(self._source, start, end))

    # ----------------------------------------------------------------- expressions

    def conditional(self, children: list[Any], start: int, end: int) -> ast.Conditional:
        then, condition, otherwise = children
        return ast.Conditional(then, condition, otherwise, Span(self._source, start, end))

    def steps(self, children: list[Any], start: int, end: int) -> ast.Chain:
        return ast.Chain(children[0], children[1:], Span(self._source, start, end))

    def boolean(self, children: list[Any], start: int, end: int) -> ast.Boolean:
        return ast.Boolean(children[1].text, children[::2], Span(self._source, start, end))

    def negated(self, children: list[Any], start: int, end: int) -> ast.Negated:
        return ast.Negated(children[0], Span(self._source, start, end))

    def compared(self, children: list[Any], start: int, end: int) -> ast.Compared:
        rest = list(zip(children[1::2], children[2::2], strict=True))
        return ast.Compared(children[0], rest, Span(self._source, start, end))

    def comparator(self, children: list[Any], start: int, end: int) -> Token:
        return children[0]

    # The words of an operator may have comments between them.

    def is_in(self, children: list[Any], start: int, end: int) -> Token:
        return Token("in", Span(self._source, start, end))

    def is_not_in(self, children: list[Any], start: int, end: int) -> Token:
        return Token("not in", Span(self._source, start, end))

    def is_(self, children: list[Any], start: int, end: int) -> Token:
        return Token("is", Span(self._source, start, end))

    def is_not(self, children: list[Any], start: int, end: int) -> Token:
        return Token("is not", Span(self._source, start, end))

    def arithmetic(self, children: list[Any], start: int, end: int) -> ast.Arithmetic:
        rest = list(zip(children[1::2], children[2::2], strict=True))
        return ast.Arithmetic(children[0], rest, Span(self._source, start, end))

    def signed(self, children: list[Any], start: int, end: int) -> ast.Signed:
        return ast.Signed(children[0], children[1], Span(self._source, start, end))

    def call(self, children: list[Any], start: int, end: int) -> ast.Call:
        positional: list[ast.Expression] = []
        keywords: list[ast.KeywordArgument] = []
        for argument in children[1:]:
            if isinstance(argument, ast.KeywordArgument):
                keywords.append(argument)
            elif keywords:
                self.errors.append(errors.positional_after_keyword(argument.span))
            else:
                positional.append(argument)
        return ast.Call(children[0], positional, keywords, Span(self._source, start, end))

    def index(self, children: list[Any], start: int, end: int) -> ast.Index:
        return ast.Index(children[0], children[1:], Span(self._source, start, end))

    def slice(self, children: list[Any], start: int, end: int) -> ast.Slice:
        first, stop, step = (*children, None)[:3]
        return ast.Slice(first, stop, step, Span(self._source, start, end))

    def absent(self, children: list[Any], start: int, end: int) -> None:
        return None

    def attribute(self, children: list[Any], start: int, end: int) -> ast.Attribute:
        return ast.Attribute(children[0], children[1], Span(self._source, start, end))

    def keyword_argument(self, children: list[Any], start: int, end: int) -> ast.KeywordArgument:
        return ast.KeywordArgument(children[0], children[1], Span(self._source, start, end))

    def argument_name(self, children: list[Any], start: int, end: int) -> Token:
        return children[0]

    def word(self, children: list[Any], start: int, end: int) -> Token:
        return Token(self._source.text[start:end], Span(self._source, start, end))

    def name(self, children: list[Any], start: int, end: int) -> ast.Name:
        return ast.Name(children[0].text, children[0].span)

    def integer_literal(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(self._integer(children[0]), children[0].span)

    def float_literal(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(self._real(children[0]), children[0].span)

    def string_literal(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(self._unquoted(children[0]), children[0].span)

    def true(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(True, children[0].span)

    def false(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(False, children[0].span)

    def none(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(None, children[0].span)

    def ellipsis(self, children: list[Any], start: int, end: int) -> ast.Literal:
        return ast.Literal(..., children[0].span)

    def group(self, children: list[Any], start: int, end: int) -> ast.Expression:
        return children[0]

    def tuple_display(self, children: list[Any], start: int, end: int) -> ast.Sequence:
        return ast.Sequence(children, True, Span(self._source, start, end))

    def list_display(self, children: list[Any], start: int, end: int) -> ast.Sequence:
        return ast.Sequence(children, False, Span(self._source, start, end))

    def comprehension(self, children: list[Any], start: int, end: int) -> ast.Comprehension:
        return ast.Comprehension(children[0], children[1:], Span(self._source, start, end))

    def generator(self, children: list[Any], start: int, end: int) -> ast.Generator:
        target, iterable, *condition = children
        return ast.Generator(
            target, iterable, condition[0] if condition else None, Span(self._source, start, end)
        )

    def formatted(self, children: list[Any], start: int, end: int) -> ast.Formatted:
        """`f"..."`: text, and expressions in braces; `{{` and `}}` are braces."""
        token: Token = children[0]
        last = token.span.end - 1
        text = self._source.text
        parts: list[str | ast.Expression] = []
        piece = position = token.span.start + 2
        while position < last:
            character = text[position]
            if character == "\\":
                position += 2
                continue
            if character in "{}":
                parts.append(self._plain(text[piece:position], piece))
                piece = position + 1
                if text[position + 1] == character:  # the quote is still ahead
                    parts.append(character)
                    piece += 1
                elif character == "{":
                    closing = text.find("}", position, last)
                    if closing < 0:
                        where = Span(self._source, position, last)
                        self.errors.append(errors.not_in_braces(where))
                        piece = last
                        break
                    parts.append(self._in_braces(position, closing))
                    piece = closing + 1
                else:
                    where = Span(self._source, position, position + 1)
                    self.errors.append(errors.not_in_braces(where))
                position = piece
                continue
            position += 1
        parts.append(self._plain(text[piece:last], piece))
        return ast.Formatted([part for part in parts if part != ""], token.span)

    def _in_braces(self, opening: int, closing: int) -> ast.Expression:
        from specc.syntax.lalr import SyntaxFault, run

        try:
            return run(self._source, self, "expression", opening + 1, closing)
        except SyntaxFault:
            where = Span(self._source, opening, closing + 1)
            self.errors.append(errors.not_in_braces(where))
            return ast.Literal(None, where)

    # -------------------------------------------------------------------- literals
    # The grammar takes digits and escapes loosely; Python's own rules are held here.

    def _integer(self, token: Token) -> int:
        text = token.text
        padded = text[0] == "0" and bool(text.strip("0_"))  # 007
        try:
            if len(text) <= MAX_DIGITS and not padded:
                return int(text)
        except ValueError:
            pass
        self.errors.append(errors.not_a_number(token.span))
        return 1

    def _real(self, token: Token) -> float:
        try:
            value = float(token.text) if len(token.text) <= MAX_DIGITS else INFINITY
        except ValueError:
            value = INFINITY
        if value == INFINITY:
            self.errors.append(errors.not_a_number(token.span))
            return 1.0
        return value

    def _unquoted(self, token: Token) -> str:
        return self._plain(token.text[1:-1], token.span.start + 1)

    def _plain(self, body: str, offset: int) -> str:
        """A piece of a string that starts at `offset`, its escapes taken for what they mean."""
        if "\\" not in body:
            return body
        pieces: list[str] = []
        position = 0
        while position < len(body):
            character = body[position]
            if character == "\\":
                escape = body[position : position + 2]
                character = ESCAPES.get(escape[1], "")
                if not character:
                    start = offset + position
                    where = Span(self._source, start, start + 2)
                    self.errors.append(errors.unknown_escape(where, ESCAPES))
                position += 1
            pieces.append(character)
            position += 1
        return "".join(pieces)
