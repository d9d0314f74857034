"""Programs of the whole grammar, drawn as tokens and then laid out at random."""

from __future__ import annotations

from itertools import chain
from random import Random

from hypothesis import strategies as st

Tokens = list[str]
Drawn = st.SearchStrategy[Tokens]

SOFT_KEYWORDS = ["block", "import", "param", "weight", "data", "train", "export"]

END = "END"
"""In place of a token: a statement ends here, and so does its line."""
MAY_END = "MAY_END"
"""In place of a token: a line can end here."""


def drawn(*parts: str | Drawn) -> Drawn:
    """One part after the other, a string being a token."""
    strategies = [st.just([part]) if isinstance(part, str) else part for part in parts]
    return st.tuples(*strategies).map(lambda lists: list(chain.from_iterable(lists)))


def optional(*parts: str | Drawn) -> Drawn:
    return st.just([]) | drawn(*parts)


def listed(item: Drawn, least: int = 0, most: int = 3, trailing: bool = False) -> Drawn:
    """Items with commas between them, and at times one after the last."""

    def join(drawn_list: tuple[list[Tokens], bool]) -> Tokens:
        items, comma_last = drawn_list
        tokens = [token for item in items for token in [*item, ","]]
        return tokens if comma_last or not tokens else tokens[:-1]

    comma = st.booleans() if trailing else st.just(False)
    return st.tuples(st.lists(item, min_size=least, max_size=most), comma).map(join)


def one_of_tokens(*texts: str) -> Drawn:
    return st.sampled_from([[text] for text in texts])


def _quoted(drawn_string: tuple[str, list[str]]) -> Tokens:
    quote, characters = drawn_string
    return [quote + "".join(c for c in characters if c != quote) + quote]


class Grammar:
    """Strategies for the parts of a program.

    With `valid` they keep the rules that the grammar leaves to the tree builder: how numbers
    are written, positional arguments first, one star, defaults last.
    """

    def __init__(self, *, valid: bool) -> None:
        self.names = one_of_tokens(
            *("x", "Dense", "_", "e1", "E", "models", "outputs", "Nonesuch", "layer_", "_1"),
            *("a_rather_long_name_of_a_tensor", "GlobalAveragePooling2D", "else_", "f"),
            *("Models", "in_", "iffy", "notes", "A9", "z_9_Q", "expected"),
            *SOFT_KEYWORDS,
        )
        wrong_integers = [] if valid else ["007", "1__", "9" * 70]
        wrong_reals = [] if valid else ["1._"]
        numbers = one_of_tokens(
            *("0", "7", "300", "1_000", *wrong_integers),
            *(".5", "1.", "0.25", "1e3", "1e-3", "1_0.5E+2", ".1e9", *wrong_reals),
        )
        characters = [*" abz09#()[]{},->=\t\u00e9\u4e2d", r"\n", r"\\", r"\"", r"\'", *"\"'"]
        self.strings = st.tuples(
            st.sampled_from("\"'"), st.lists(st.sampled_from(characters), max_size=8)
        ).map(_quoted)
        formatted = one_of_tokens(
            *('f""', "f'a'", 'f"stage_{i + 1}"', "f'{x}{y}'", 'f"{{}}"', "f\"{g('a')[0]} it\""),
            *("f'say \"{x}\"'", r'f"\n{ a if b else c }"'),
        )
        words = one_of_tokens("True", "False", "None", "...")
        self.valid = valid
        atoms = self.names | self.names | numbers | self.strings | words | formatted
        self.expressions: Drawn = st.recursive(atoms, self._larger, max_leaves=12)
        self.types = drawn(self.names, "[", self._items(self.expressions), "]")
        self.statements = self._statements()

    def _items(self, item: Drawn) -> Drawn:
        return listed(item, least=1, trailing=True) | st.just([])

    def arguments(self, expression: Drawn) -> Drawn:
        name = self.names | one_of_tokens("input", "output", "layer", "model")
        keyword = drawn(name, "=", expression)
        if not self.valid:
            return self._items(expression | keyword)
        positional = listed(expression, least=1, most=2)
        keywords = listed(keyword, least=1, most=2, trailing=True)
        return st.one_of(
            st.just([]),
            positional,
            keywords,
            drawn(positional, ",", keywords),
            drawn(expression, ","),
        )

    def targets(self) -> Drawn:
        """What a loop binds."""
        inner = self.names | drawn("(", listed(self.names, least=1, trailing=True), ")")
        return listed(inner, least=1, trailing=True)

    def _larger(self, expression: Drawn) -> Drawn:
        group = drawn("(", expression, ")")
        atom = self.names | group
        # What may not start with `not`, or hold an arrow or a choice, without parentheses.
        operand = expression.map(
            lambda tokens: ["(", *tokens, ")"] if {"not", "->", "if"} & {*tokens} else tokens
        )
        arguments = self.arguments(expression)
        bound = optional(expression)
        cut = drawn(bound, ":", bound, optional(":", bound))
        subscripts = listed(expression | cut, least=1, trailing=True)
        generator = drawn("for", self.targets(), "in", operand, optional("if", operand))
        arithmetic = one_of_tokens("+", "-", "*", "/", "//", "%", "@", "**")
        comparison = one_of_tokens("==", "!=", "<", "<=", ">", ">=", "in", "is") | st.sampled_from(
            [["not", "in"], ["is", "not"]]
        )
        return st.one_of(
            drawn(atom, "(", arguments, ")"),
            drawn(atom, "(", arguments, ")", "(", arguments, ")"),
            drawn(atom, "[", subscripts, "]"),
            drawn(atom, ".", self.names),
            drawn("[", self._items(expression), "]"),
            drawn("(", expression, ",", self._items(expression), ")"),
            drawn("(", ")"),
            group,
            drawn("[", expression, generator, optional(generator), "]"),
            drawn(operand, arithmetic, operand),
            drawn(expression, arithmetic, operand),
            drawn(operand, comparison, operand),
            drawn(one_of_tokens("+", "-"), operand),
            drawn("not", expression),
            drawn(expression, one_of_tokens("and", "or"), expression),
            drawn(expression, "if", operand, "else", expression),
            drawn(expression, "->", expression),
            drawn(expression, "->", expression, "->", self.names),
            drawn(expression, "->", self.names, "->", expression, "->", self.names),
        )

    def parameter(self, default: Drawn) -> Drawn:
        kind = drawn(":", self.names, optional("in", self.expressions))
        return drawn(self.names, kind | st.just([]), default)

    def parameters(self) -> Drawn:
        with_default = drawn("=", self.expressions)
        if not self.valid:
            return self._items(self.parameter(with_default | st.just([])))
        required = self.parameter(st.just([]))
        both = drawn(required, ",", self.parameter(with_default))
        return (
            listed(required, trailing=True, least=1)
            | drawn(both, optional(","))
            | listed(self.parameter(with_default), least=1, trailing=True)
            | st.just([])
        )

    def _statements(self) -> Drawn:
        names, expressions, types = self.names, self.expressions, self.types
        option = drawn(",", names, "=", expressions)
        layer_name = names | self.strings
        star = drawn("*", names)
        simple = st.one_of(
            expressions,
            drawn("param", self.parameter(optional("=", expressions))),
            drawn("input", names, optional(":", types), optional(option)),
            drawn(
                "weight", names, optional(":", types), optional("=", expressions), optional(option)
            ),
            drawn("output", listed(expressions, least=1)),
            drawn("layer", names, "=", expressions),
            drawn(listed(names, least=1), "=", expressions),
            drawn(names, ",", star if self.valid else listed(star, least=1), "=", expressions),
            drawn(names, one_of_tokens("+=", "-=", "*=", "/="), expressions),
            drawn("expect", names, "=", expressions),
            drawn("expect", "output", "=", types),
            drawn("expect", "output", names, "=", types),
            drawn("expect", "layer", layer_name, names, "=", expressions),
            drawn("expect", "layer", layer_name, "output", "=", types),
        )
        return st.recursive(simple, self._compound, max_leaves=4)

    def suite(self, statement: Drawn) -> Drawn:
        return st.tuples(st.lists(statement, max_size=3), st.sampled_from([END, MAY_END])).map(
            lambda parts: [
                *("{", MAY_END),
                *chain.from_iterable([*tokens, END] for tokens in parts[0][:-1]),
                *((*parts[0][-1], parts[1]) if parts[0] else ()),
                "}",
            ]
        )

    def _compound(self, statement: Drawn) -> Drawn:
        suite = self.suite(statement)
        return st.one_of(
            drawn("for", self.targets(), "in", self.expressions, suite),
            drawn("if", self.expressions, suite),
            drawn("if", self.expressions, suite, "else", suite),
            drawn(
                *("if", self.expressions, suite, "elif", self.expressions, suite),
                optional("else", suite),
            ),
        )

    def definitions(self) -> Drawn:
        suite = self.suite(self.statements)
        return st.one_of(
            drawn("model", self.names, suite),
            drawn("model", self.names, suite),
            drawn("block", self.names, optional("(", self.parameters(), ")"), suite),
            drawn("import", self.strings),
            drawn(
                *(one_of_tokens("data", "train", "export"), self.names),
                self.suite(drawn(self.names | one_of_tokens("layer"), "=", self.expressions)),
            ),
        )

    def programs(self) -> st.SearchStrategy[str]:
        tokens = st.lists(self.definitions(), min_size=1, max_size=3)
        return st.builds(laid_out, tokens, st.integers(0, 2**32))


def laid_out(definitions: list[Tokens], seed: int) -> str:
    """The text of definitions, spaced at random; plainly where the seed is 0."""
    layout = Layout(seed)
    text = layout.line_end() if layout.odds(0.3) else ""
    for tokens in definitions:
        text += layout.of(tokens) + (layout.line_end() if layout.odds(0.9) else " ")
    return text.removesuffix("\n") if layout.odds(0.1) else text


class Layout:
    """Blanks, line ends and comments at random, each comment with a number of its own."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._plain = seed == 0
        self._breaks = self._random.choice([0, 0, 0.1, 0.4])
        self._comments = self._random.choice([0, 0.2, 0.6])
        self._count = 0

    def odds(self, probability: float) -> bool:
        return not self._plain and self._random.random() < probability

    def _comment(self) -> str:
        self._count += 1
        return f"{self._random.choice(['', ' ', '  ', '      '])}# c{self._count}"

    def line_end(self) -> str:
        """A line end, at times with comments and blank lines around it."""
        if self._plain:
            return "\n"
        choose = self._random.choice
        lines = [self._comment() if self.odds(self._comments) else ""]
        while self.odds(0.3):
            lines.append(self._comment() if self.odds(self._comments) else "")
        end = "\r\n" if self.odds(0.05) else "\n"
        return end.join([*lines, ""]) + choose(["", "", " ", "    ", "\t"])

    def of(self, tokens: Tokens) -> str:
        text, depth = "", 0
        for token in tokens:
            if token in (END, MAY_END):
                text += self.line_end() if token == END or self.odds(0.5) else ""
                continue
            gap = " " if self._plain else self._random.choice(["", "", " ", " ", "  ", "\t"])
            if (depth or token in ("->", "else", "elif")) and self.odds(self._breaks):
                gap = self.line_end()
            if text and not gap and _run_together(text[-1], token[0]):
                gap = " "
            text += gap + token if text else token
            depth += (token in ("(", "[")) - (token in (")", "]"))
        return text


def _run_together(left: str, right: str) -> bool:
    in_word = "_."
    return (left.isalnum() or left in in_word) and (right.isalnum() or right in in_word)
