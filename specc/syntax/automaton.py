"""An LALR(1) automaton as plain data, and the grammar it is made from."""

from __future__ import annotations

import os.path
from typing import NamedTuple


class Reduction(NamedTuple):
    """What to do when a rule's right-hand side is complete."""

    nonterminal: int
    length: int
    """How many symbols the right-hand side has."""
    builder: str
    """The `AstBuilder` method to call; "=" hands the single child on, "" makes a list."""
    keep: tuple[tuple[int, bool], ...]
    """Which symbols become children, and whether their own list is spliced in."""


class Tables(NamedTuple):
    """An LALR(1) automaton and its lexer, as plain data."""

    grammar_crc32: int
    pattern: str
    """The regular expression whose n-th group is terminal n - 1."""
    terminals: tuple[str, ...]
    keywords: dict[str, int]
    ignored: frozenset[int]
    reductions: tuple[Reduction, ...]
    actions: tuple[dict[int, int], ...]
    """By state and terminal: shift to state n, or, where negative, reduce by ~n."""
    gotos: tuple[dict[int, int], ...]
    starts: dict[str, tuple[int, int]]
    """The first and the last state for each rule that a text can be read as."""


def grammar_path() -> str:
    """The grammar: inside an installed package, or beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(__file__))
    installed = os.path.join(package, "grammars", "specc.lark")
    if os.path.exists(installed):
        return installed
    return os.path.join(os.path.dirname(package), "grammars", "specc.lark")
