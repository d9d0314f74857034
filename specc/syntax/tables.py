"""Which tables are in force: those that were generated, or fresh ones."""

from __future__ import annotations

from functools import cache
from zlib import crc32

from specc.syntax.automaton import Tables, grammar_path


@cache
def load_tables() -> Tables:
    """The generated tables, or, where the grammar was edited since, fresh ones by Lark."""
    from specc.syntax._tables import TABLES

    with open(grammar_path(), "rb") as file:
        grammar = file.read()
    if crc32(grammar) == TABLES.grammar_crc32:
        return TABLES
    from specc.syntax.generate import compile_grammar

    return compile_grammar(grammar.decode())
