"""Reductions to syntax nodes: one method for each rule and alias of the grammar."""

from __future__ import annotations

from typing import Any

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
        self.errors: list[Diagnostic] = []
        """What the grammar lets pass but the language does not."""

    # ------------------------------------------------------------ file and models

    def start(self, children: list[Any], start: int, end: int) -> ast.File:
        return ast.File(children, Span(self._source, start, end))

    def model(self, children: list[Any], start: int, end: int) -> ast.Model:
        return ast.Model(children[0], children[1:], Span(self._source, start, end))

    # ------------------------------------------------------------------ statements

    def input(self, children: list[Any], start: int, end: int) -> ast.Input:
        return ast.Input(children[0], children[1], Span(self._source, start, end))

    def output(self, children: list[Any], start: int, end: int) -> ast.Output:
        return ast.Output(children, Span(self._source, start, end))

    def layer_declaration(self, children: list[Any], start: int, end: int) -> ast.LayerDeclaration:
        return ast.LayerDeclaration(children[0], children[1], Span(self._source, start, end))

    def targets(self, children: list[Any], start: int, end: int) -> list[Token]:
        return children

    def binding(self, children: list[Any], start: int, end: int) -> ast.Binding:
        return ast.Binding(children[0], children[1], Span(self._source, start, end))

    def line(self, children: list[Any], start: int, end: int) -> ast.Line:
        return ast.Line(children[0], Span(self._source, start, end))

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
        return ast.Type(children[0], tuple(children[1:]), Span(self._source, start, end))

    def size(self, children: list[Any], start: int, end: int) -> int:
        return self._integer(children[0])

    def unknown_size(self, children: list[Any], start: int, end: int) -> None:
        return None

    def named_size(self, children: list[Any], start: int, end: int) -> str:
        return children[0].text

    # ----------------------------------------------------------------- expressions

    def chain(self, children: list[Any], start: int, end: int) -> ast.Chain:
        return ast.Chain(children[0], children[1:], Span(self._source, start, end))

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
        return ast.Index(children[0], children[1], Span(self._source, start, end))

    def attribute(self, children: list[Any], start: int, end: int) -> ast.Attribute:
        return ast.Attribute(children[0], children[1], Span(self._source, start, end))

    def keyword_argument(self, children: list[Any], start: int, end: int) -> ast.KeywordArgument:
        return ast.KeywordArgument(children[0], children[1], Span(self._source, start, end))

    def argument_name(self, children: list[Any], start: int, end: int) -> Token:
        return children[0]

    def _word(self, children: list[Any], start: int, end: int) -> Token:
        return Token(self._source.text[start:end], Span(self._source, start, end))

    word_layer = word_input = word_output = _word

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

    def group(self, children: list[Any], start: int, end: int) -> ast.Expression:
        return children[0]

    def tuple_display(self, children: list[Any], start: int, end: int) -> ast.Sequence:
        return ast.Sequence(children, True, Span(self._source, start, end))

    def list_display(self, children: list[Any], start: int, end: int) -> ast.Sequence:
        return ast.Sequence(children, False, Span(self._source, start, end))

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
        body = token.text[1:-1]
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
                    start = token.span.start + 1 + position
                    where = Span(self._source, start, start + 2)
                    self.errors.append(errors.unknown_escape(where, ESCAPES))
                position += 1
            pieces.append(character)
            position += 1
        return "".join(pieces)
