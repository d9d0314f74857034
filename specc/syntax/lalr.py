"""The automaton that reads a spec.

Its tables are Lark's (see `generate.py`); this module runs them. A parse costs one
regular-expression match a token and one table look-up a shift or reduction, and every
symbol carries its offsets, so each node of the tree knows its span.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast

from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import syntax as errors
from specc.source import Source, Span
from specc.syntax.ast import Token
from specc.syntax.automaton import Tables
from specc.syntax.tables import load_tables

MAX_ERRORS = 20
"""After so many, the rest would hardly be read."""

MAX_DEPTH = 256
"""How many symbols may be open at once, and how deep the tree may be: bounds every recursion."""


class SyntaxFault(Exception):
    """The first place at which a text stops being a spec."""

    def __init__(self, start: int, end: int, states: list[int], opened: list[int]) -> None:
        self.start = start
        self.end = end
        self.states = states
        """The automaton's stack there; empty where no token could be read."""
        self.opened = opened
        """Offsets of the brackets and braces that are open there, the innermost last."""


@cache
def machine() -> tuple[Tables, re.Pattern[str]]:
    """The tables in force and their lexer."""
    tables = load_tables()
    return tables, re.compile(tables.pattern)


def _reductions(tables: Tables, builder: Any) -> list[tuple[int, int, bool, Any, Any]]:
    """What to do at each reduction, with the builder's methods, which it keeps."""
    kept = cast("dict[str, Any]", vars(builder))
    if kept.get("reductions") is None:
        kept["reductions"] = [
            (r.nonterminal, r.length, r.builder == "=", getattr(builder, r.builder, None), r.keep)
            for r in tables.reductions
        ]
    return kept["reductions"]


def run(
    source: Source, builder: Any, rule: str = "start", begin: int = 0, end: int | None = None
) -> Any:
    """Run the automaton over a source; `builder` has a method for each rule and alias.

    The methods are looked up once for a builder, which keeps them as `reductions`: an f-string
    has a run of its own for each pair of braces.

    Args:
        rule: what to read the text as: "start", a file, or "expression".
        begin, end: the part of the source to read; all of it otherwise.

    Raises:
        SyntaxFault: at the first token that cannot stand where it stands.
        SpecError: where the text is nested deeper than `MAX_DEPTH`.
    """
    tables, pattern = machine()
    actions, gotos, ignored, keywords = (
        tables.actions, tables.gotos, tables.ignored, tables.keywords,
    )  # fmt: skip
    terminal = tables.terminals.index
    newline, name, end_of_text = terminal("_NL"), terminal("NAME"), terminal("$END")
    brace = terminal("_LBRACE")
    openers = (terminal("_LPAR"), terminal("_LBRACKET"), brace)
    closers = (terminal("_RPAR"), terminal("_RBRACKET"), terminal("_RBRACE"))
    reductions = _reductions(tables, builder)
    text, match = source.text, pattern.match
    first_state, end_state = tables.starts[rule]

    # Five stacks of one height: the automaton's states, and what has been read in them.
    states: list[int] = [first_state]
    values: list[Any] = [None]
    starts: list[int] = [begin]
    ends: list[int] = [begin]
    depths: list[int] = [0]
    opened: list[int] = []
    opened_kinds: list[int] = []
    position, length = begin, len(text) if end is None else end
    while True:
        start = position
        if start < length:
            token = match(text, start, length)
            if token is None:
                raise SyntaxFault(start, start + 1, [], opened)
            kind, position = (token.lastindex or 0) - 1, token.end()
            if kind in ignored or (kind == newline and opened_kinds and opened_kinds[-1] != brace):
                continue
            value = Token(text[start:position], Span(source, start, position))
            if kind == name:
                kind = keywords.get(value.text, name)
        else:
            kind, value = end_of_text, None

        action = actions[states[-1]].get(kind)
        while action is not None and action < 0:
            nonterminal, count, passes_on, make, keep = reductions[~action]
            if passes_on and count == 1:
                states[-1] = gotos[states[-2]][nonterminal]
            else:
                children: list[Any] = []
                base = len(values) - count
                for index, spliced in keep:
                    child = values[base + index]
                    if not spliced:
                        children.append(child)
                    elif children:
                        children += child
                    else:  # a list that grows by one at its end is carried on, not copied
                        children = child
                # What is empty starts at the next token and ends at the last: neither end counts.
                first, last = (starts[base], ends[-1]) if count else (start, ends[-1])
                # `f()()()` deepens the tree and not the stack, so that is counted as well.
                if count > 1:
                    depth = max(depths[base:]) + (make is not None)
                    if depth > MAX_DEPTH:
                        where = Span(source, starts[-1], ends[-1])
                        raise SpecError([errors.nested_too_deeply(where)])
                else:
                    depth = depths[-1] if count else 0
                del states[base:], values[base:], starts[base:], ends[base:], depths[base:]
                if passes_on:
                    values.append(children[0])
                else:
                    values.append(make(children, first, last) if make else children)
                starts.append(first)
                ends.append(last)
                depths.append(depth)
                states.append(gotos[states[-1]][nonterminal])
            action = actions[states[-1]].get(kind)

        if kind == end_of_text and states[-1] == end_state:
            return values[-1]
        if action is None:
            raise SyntaxFault(start, position, states, opened)
        if kind in openers:
            opened.append(start)
            opened_kinds.append(kind)
        elif kind in closers:
            opened.pop()
            opened_kinds.pop()
        if len(states) > MAX_DEPTH:
            raise SpecError([errors.nested_too_deeply(Span(source, start, position))])
        states.append(action)
        values.append(value)
        starts.append(start)
        ends.append(position)
        depths.append(0)
