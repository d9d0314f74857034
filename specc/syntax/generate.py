"""From `grammars/specc.lark` to the tables that `lalr.py` runs.

Lark reads the grammar, orders the terminals and builds the LALR(1) automaton. That takes
longer than a whole `specc check`, so its result is kept in `_tables.py`:

    python -m specc.syntax.generate

The tables carry a checksum of the grammar; with an edited grammar the old ones are not
used (see `tables.py`), and a test fails until they are written anew.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from pprint import pformat
from typing import Any, cast
from zlib import crc32

from lark import Lark, Token
from lark.lark import PostLex

from specc.syntax.automaton import Reduction, Tables, grammar_path

STARTS = ("start", "expression")
"""The rules that a text can be read as: a file, and what stands in an f-string's braces."""

BRACKETS = {"_LPAR": 1, "_LBRACKET": 1, "_RPAR": -1, "_RBRACKET": -1}


class NewlinesInBracketsDropped(PostLex):
    """Inside ( ) and [ ] a newline is white space."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            depth = max(0, depth + BRACKETS.get(token.type, 0))
            if token.type != "_NL" or depth == 0:
                yield token


def lark_parser(grammar: str) -> Lark:
    """The grammar as Lark itself would run it: the oracle of the parser's tests."""
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        start=list(STARTS),
        postlex=NewlinesInBracketsDropped(),
        maybe_placeholders=False,
        propagate_positions=True,
    )


def compile_grammar(grammar: str) -> Tables:
    """Build the parser's tables from the text of a grammar."""
    parser = cast(Any, lark_parser(grammar))  # what is read of it below has no types
    serialized = BytesIO()
    parser.save(serialized)
    data = pickle.loads(serialized.getvalue())
    automaton = data["data"]["parser"]["parser"]
    memo = data["memo"]
    symbol_names: dict[int, str] = automaton["tokens"]
    states: dict[int, dict[str, tuple[int, Any]]] = {
        number: {symbol_names[symbol]: action for symbol, action in row.items()}
        for number, row in automaton["states"].items()
    }

    lexer = parser.parser.lexer.lexer
    keywords, pattern, terminals = _lexer(parser, [t.name for t in lexer.terminals])
    # Lark numbers states as its sets happen to iterate; the tables should not change
    # from one run to the next, so states are numbered as a walk from the start meets them.
    order = _walk(states, [automaton["start_states"][rule] for rule in STARTS])
    number_of = {state: number for number, state in enumerate(order)}
    terminal_number = {name: number for number, name in enumerate(terminals)}
    nonterminals = sorted({s for row in states.values() for s in row} - set(terminals))
    nonterminal_number = {name: number for number, name in enumerate(nonterminals)}

    reductions: list[Reduction] = []
    reduction_number: dict[int, int] = {}
    actions: list[dict[int, int]] = []
    gotos: list[dict[int, int]] = []
    for state in order:
        action_row: dict[int, int] = {}
        goto_row: dict[int, int] = {}
        for symbol, (is_reduce, argument) in sorted(states[state].items()):
            if is_reduce:
                rule_id = argument["@"]
                if rule_id not in reduction_number:
                    reduction_number[rule_id] = len(reductions)
                    reductions.append(_reduction(memo[rule_id], nonterminal_number))
                action_row[terminal_number[symbol]] = ~reduction_number[rule_id]
            elif symbol in terminal_number:
                action_row[terminal_number[symbol]] = number_of[argument]
            else:
                goto_row[nonterminal_number[symbol]] = number_of[argument]
        actions.append(action_row)
        gotos.append(goto_row)
    return Tables(
        crc32(grammar.encode()),
        pattern,
        tuple(terminals),
        keywords,
        frozenset(terminal_number[name] for name in parser.ignore_tokens),
        tuple(reductions),
        tuple(actions),
        tuple(gotos),
        {
            rule: (number_of[first], number_of[automaton["end_states"][rule]])
            for rule, first in automaton["start_states"].items()
        },
    )


def _lexer(parser: Lark, names: list[str]) -> tuple[dict[str, int], str, list[str]]:
    """One regular expression whose n-th group is the n-th terminal, keywords apart.

    A keyword is a string terminal that NAME matches too; Lark's lexer tells the two
    apart after the match, and so does ours.
    """
    patterns = {t.name: t.pattern for t in parser.terminals}
    name_pattern = re.compile(patterns["NAME"].to_regexp())
    words = [
        name
        for name in names
        if patterns[name].type == "str" and name_pattern.fullmatch(patterns[name].value)
    ]
    matched = [name for name in names if name not in words]
    terminals = [*matched, *sorted(words), "$END"]
    keywords = {patterns[name].value: terminals.index(name) for name in sorted(words)}
    return keywords, "|".join(f"({patterns[n].to_regexp()})" for n in matched), terminals


def _walk(states: dict[int, dict[str, tuple[int, Any]]], starts: list[int]) -> list[int]:
    order = list(starts)
    seen = set(starts)
    for state in order:
        for _, (is_reduce, target) in sorted(states[state].items(), key=lambda item: item[0]):
            if not is_reduce and target not in seen:
                seen.add(target)
                order.append(target)
    return order


def _reduction(rule: dict[str, Any], nonterminal_number: dict[str, int]) -> Reduction:
    """What a reduction keeps of its right-hand side, by Lark's tree-shaping rules."""
    origin: str = rule["origin"]["name"]
    expansion = rule["expansion"]
    keep: list[tuple[int, bool]] = []
    for index, symbol in enumerate(expansion):
        if symbol["__type__"] == "Terminal":
            if not symbol["filter_out"]:
                keep.append((index, False))
        else:
            keep.append((index, symbol["name"].startswith("_")))
    alias = rule["alias"]
    expand_single = bool(rule["options"]["expand1"]) and alias is None
    if origin.startswith("_"):
        builder = ""
    elif expand_single and len(keep) == 1 and not keep[0][1]:
        builder = "="
    else:
        builder = alias or origin
    return Reduction(nonterminal_number[origin], len(expansion), builder, tuple(keep))


def render(tables: Tables) -> str:
    """The tables as the module `_tables.py`."""
    fields = (f"    {name}={_indented(getattr(tables, name))},\n" for name in Tables._fields)
    return (
        '"""Generated from grammars/specc.lark by `python -m specc.syntax.generate`."""\n\n'
        "# fmt: off\n"
        "from specc.syntax.automaton import Reduction, Tables\n\n"
        f"TABLES = Tables(\n{''.join(fields)})\n"
    )


def _indented(value: object) -> str:
    if isinstance(value, str):
        return repr(value)
    return pformat(value, width=96, compact=True).replace("\n", "\n    ")


def main() -> None:
    grammar = Path(grammar_path()).read_text(encoding="utf-8")
    target = Path(__file__).with_name("_tables.py")
    target.write_text(render(compile_grammar(grammar)), encoding="utf-8")
    print(f"{target.name}: written from {grammar_path()}")


if __name__ == "__main__":
    main()
