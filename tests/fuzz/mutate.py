"""Mutations of specs that keep much of their structure, so that they get past the parser."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from seeds import NUMBERS, SIGNS, words

MAX_SIZE = 1_000
"""Bytes of an input: small ones are quick, and a defect needs few."""

TOKEN = re.compile(
    r"""(?x) [A-Za-z_]\w* | \d[\w.]*(?:[eE][+-]?\d+)? | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
    | -> | \*\* | // | [-+*/=!<>]= | \.\.\. | \n[ \t]* | [ \t]+ | \#[^\n]* | (?s:.)"""
)
NAME = re.compile(r"[A-Za-z_]\w*")
OPERAND = re.compile(r"(?<=[(,=\[>] )[\w.]+(?:\([^()\n]*\))?|(?<=[(\[])[\w.]+|(?<= )\[[^][\n]*\]")
CLOSING = {"(": ")", "[": "]", "{": "}"}

STRANGE = [
    *("\u00e9", "\u4e2d", "\U0001f40d", "\u00a0", "\u2028", "\u2029", "\ufeff", "\u202e", "\u0301"),
    *("\x00", "\x07", "\x0b", "\x0c", "\x1b[31m", "\x7f", "\x85", "\r", "\r\n", "\t", "\u0663"),
    *(
        "\uff08",
        "\u201c",
        "\ufffd",
        "\ud7ff",
        "\ue000",
        "\U0010ffff",
        "\\",
        "`",
        "$",
        "~",
        "!",
        ";",
    ),
]
BAD_BYTES = [
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xe4\xb8",
    b"\0",
]

WRAPPINGS = [
    *(("(", ")"), ("[", "]"), ("-", ""), ("not ", ""), ("x -> ", ""), ("", " -> Dense(2)")),
    *(("f(", ")"), ("Dense(", ")"), ("[", " for i in range(3)]"), ("f'{", "}'"), ("", "[0]")),
    *(("len(", ")"), ("ops.relu(", ")"), ("", ".shape"), ("", " if x else 1"), ("2 ** ", "")),
    *(("TimeDistributed(", ")"), ("Bidirectional(", ")"), ("[*", "]"), ("range(", ")")),
]
BODIES = [
    *("if True {\n{}\n}", "for i in range(2) {\n{}\n}", "if x {\n{}\n} else {\n{}\n}"),
    *("block b(n) {\ninput x\n{}\n}", "model n {\ninput x: float32[8]\n{}\n}"),
]


def _balanced(line: str) -> bool:
    return all(line.count(opener) == line.count(closer) for opener, closer in CLOSING.items())


class Mutator:
    """Draws inputs from seeds."""

    def __init__(self, seeds: list[bytes]) -> None:
        self.texts = [seed.decode("utf-8", "replace") for seed in seeds]
        self.words = {kind: entries for kind, entries in words().items() if entries}
        self.kinds = [*self.words, "names", "names", "names"]
        lines = {line.strip() for text in self.texts for line in text.splitlines()}
        self.lines = sorted(
            line
            for line in lines
            if 1 < len(line) < 120 and _balanced(line) and line[0] not in "#}-*" and "?" not in line
        )
        self.names = sorted({name for line in self.lines for name in NAME.findall(line)})
        self.kind_of = {
            word.removeprefix("ops.").removesuffix("="): kind
            for kind, entries in self.words.items()
            for word in entries
            if kind != "keywords"
        }
        self.keywords = {*self.words["keywords"]}
        # Most of them keep the syntax right; the others are for the parser.
        self.mutations: list[tuple[Callable[[str, Random], str], int]] = [
            (self.replace_by_the_like, 16),
            (self.replace_name, 16),
            (self.change_number, 10),
            (self.delete_tokens, 1),
            (self.insert_token, 1),
            (self.swap_tokens, 1),
            (self.delete_line, 6),
            (self.copy_line, 8),
            (self.foreign_line, 10),
            (self.connected_line, 16),
            (self.splice, 4),
            (self.foreign_bracket, 12),
            (self.wrap, 8),
            (self.deepen, 1),
            (self.wrap_lines, 4),
            (self.join, 6),
            (self.strange, 1),
        ]
        self.functions, self.weights = zip(*self.mutations, strict=True)

    def draw(self, random: Random) -> bytes:
        """An input made of a seed."""
        return self.mutate(random.choice(self.texts).encode(), random)

    def mutate(self, data: bytes, random: Random) -> bytes:
        """An input made of another one."""
        text = data.decode("utf-8", "replace")
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 6))):
            [function] = random.choices(self.functions, self.weights)
            changed = function(text, random)
            if len(changed) <= MAX_SIZE or len(changed) < len(text):
                text = changed
        data = text.encode("utf-8", "replace")
        if random.random() < 0.01:
            data = self._damaged(data, random)
        return data[:MAX_SIZE]

    # --------------------------------------------------------------------- tokens

    def _word(self, text: str, random: Random) -> str:
        kind = random.choice(self.kinds)
        if kind != "names":
            return random.choice(self.words[kind])
        return random.choice(NAME.findall(text) or self.names)

    def replace_by_the_like(self, text: str, random: Random) -> str:
        """A word by another of its kind: a layer by a layer, an argument by an argument."""
        words = [m for m in NAME.finditer(text) if m[0] in self.kind_of]
        if not words:
            return self.insert_token(text, random)
        match = random.choice(words)
        word = random.choice(self.words[self.kind_of[match[0]]])
        word = word.removeprefix("ops.").removesuffix("=").strip('"')
        return text[: match.start()] + word + text[match.end() :]

    def replace_name(self, text: str, random: Random) -> str:
        """A name by another of the same text, here or everywhere."""
        names = [m for m in NAME.finditer(text) if m[0] not in self.keywords]
        if not names:
            return text
        match = random.choice(names)
        word = random.choice(names)[0] if random.random() < 0.8 else random.choice(self.names)
        if random.random() < 0.3:
            return re.sub(rf"\b{match[0]}\b", word, text)
        return text[: match.start()] + word + text[match.end() :]

    def change_number(self, text: str, random: Random) -> str:
        numbers = list(re.finditer(r"\b\d[\w.]*", text))
        if not numbers:
            return text
        match = random.choice(numbers)
        number = random.choice(NUMBERS)
        if random.random() < 0.4 and match[0].isdigit() and len(match[0]) < 6:
            number = str(random.choice((int(match[0]) + 1, int(match[0]) - 1, int(match[0]) * 2)))
        return text[: match.start()] + number + text[match.end() :]

    def delete_tokens(self, text: str, random: Random) -> str:
        tokens = TOKEN.findall(text)
        start = random.randint(0, len(tokens))
        del tokens[start : start + random.choice((1, 1, 1, 2, 3, 8))]
        return "".join(tokens)

    def insert_token(self, text: str, random: Random) -> str:
        tokens = TOKEN.findall(text)
        word = random.choice(SIGNS) if random.random() < 0.3 else self._word(text, random)
        start = random.randint(0, len(tokens))
        if random.random() < 0.5 and start < len(tokens):
            tokens[start] = word
        else:
            tokens.insert(start, word if random.random() < 0.5 else f" {word} ")
        return "".join(tokens)

    def swap_tokens(self, text: str, random: Random) -> str:
        tokens = TOKEN.findall(text)
        if tokens:
            one, other = random.randrange(len(tokens)), random.randrange(len(tokens))
            tokens[one], tokens[other] = tokens[other], tokens[one]
        return "".join(tokens)

    # ---------------------------------------------------------------------- lines

    def _statements(self, text: str) -> tuple[list[str], list[int]]:
        """The lines, and which of them are whole statements within a body."""
        lines = text.split("\n")
        whole: list[int] = []
        braces = brackets = 0
        for index, line in enumerate(lines):
            inside = braces > 0 and brackets == 0
            braces += line.count("{") - line.count("}")
            brackets += line.count("(") + line.count("[") - line.count(")") - line.count("]")
            if inside and brackets == 0 and _balanced(line) and line.strip()[:2] != "->":
                whole.append(index)
        return lines, whole

    def delete_line(self, text: str, random: Random) -> str:
        lines, whole = self._statements(text)
        if whole:
            del lines[random.choice(whole)]
        return "\n".join(lines)

    def copy_line(self, text: str, random: Random) -> str:
        lines, whole = self._statements(text)
        if whole:
            line = lines[random.choice(whole)]
            where = random.choice(whole)
            lines[where:where] = [line] * random.choice((1, 1, 1, 2, 20))
        return "\n".join(lines)

    def _put_in(self, text: str, line: str, random: Random) -> str:
        lines, whole = self._statements(text)
        where = random.choice(whole) if whole else random.randint(0, len(lines))
        lines.insert(where, line)
        return "\n".join(lines)

    def foreign_line(self, text: str, random: Random) -> str:
        return self._put_in(text, random.choice(self.lines), random)

    def connected_line(self, text: str, random: Random) -> str:
        """A line of another spec whose names become some of this one."""
        line = random.choice(self.lines)
        known = [name for name in NAME.findall(text) if name not in self.keywords]
        new = {
            name: random.choice(known)
            for name in NAME.findall(line)
            if known and name not in self.kind_of and name not in self.keywords
            if random.random() < 0.7
        }
        return self._put_in(text, NAME.sub(lambda m: new.get(m[0], m[0]), line), random)

    def splice(self, text: str, random: Random) -> str:
        """The start of one spec and the end of another."""
        if random.random() < 0.2:  # cut anywhere
            lines, others = text.split("\n"), random.choice(self.texts).split("\n")
            kept = lines[: random.randint(0, len(lines))]
            return "\n".join(kept + others[random.randint(0, len(others)) :])
        lines, whole = self._statements(text)
        others, others_whole = self._statements(random.choice(self.texts))
        if not whole or not others_whole:
            return text
        start = random.choice(others_whole)
        end = start + random.choice((1, 2, 4, 8))
        piece = [others[i] for i in others_whole if start <= i < end]
        where = random.choice(whole)
        lines[where:where] = piece
        return "\n".join(lines)

    def join(self, text: str, random: Random) -> str:
        """Two specs one after the other: what one defines, the other can use."""
        other = random.choice(self.texts)
        return f"{other}\n{text}" if random.random() < 0.5 else f"{text}\n{other}"

    # -------------------------------------------------------------------- brackets

    def _bracket(self, text: str, random: Random) -> tuple[int, int] | None:
        """The inside of a pair of brackets or braces."""
        openers = [i for i, c in enumerate(text) if c in CLOSING]
        if not openers:
            return None
        start = random.choice(openers)
        depth = 0
        for position in range(start, len(text)):
            depth += (text[position] in "([{") - (text[position] in ")]}")
            if depth == 0:
                return start + 1, position
        return None

    def foreign_bracket(self, text: str, random: Random) -> str:
        """What is in brackets becomes what is in like brackets elsewhere."""
        other = text if random.random() < 0.3 else random.choice(self.texts)
        here, there = self._bracket(text, random), self._bracket(other, random)
        if here is None or there is None or text[here[0] - 1] != other[there[0] - 1]:
            return text
        return text[: here[0]] + other[there[0] : there[1]] + text[here[1] :]

    def wrap(self, text: str, random: Random) -> str:
        """A word or a bracket gets something around it."""
        before, after = random.choice(WRAPPINGS)
        return self._wrapped(text, before, after, random)

    def deepen(self, text: str, random: Random) -> str:
        before, after = random.choice(WRAPPINGS)
        count = random.choice((10, 50, 120))
        if " for " in after:  # 3 ** count steps
            count = 5
        return self._wrapped(text, before * count, after * count, random)

    def _wrapped(self, text: str, before: str, after: str, random: Random) -> str:
        matches = list(OPERAND.finditer(text))
        if not matches:
            return before + text + after
        match = random.choice(matches)
        return text[: match.start()] + before + match[0] + after + text[match.end() :]

    def wrap_lines(self, text: str, random: Random) -> str:
        lines, whole = self._statements(text)
        if whole:
            where = random.choice(whole)
            lines[where] = random.choice(BODIES).replace("{}", lines[where])
        return "\n".join(lines)

    # ------------------------------------------------------------------------ bytes

    def strange(self, text: str, random: Random) -> str:
        start = random.randint(0, len(text))
        return text[:start] + random.choice(STRANGE) + text[start:]

    def _damaged(self, data: bytes, random: Random) -> bytes:
        start = random.randint(0, len(data))
        if random.random() < 0.5:
            return data[:start] + random.choice(BAD_BYTES) + data[start:]
        return data[:start] + random.randbytes(random.randint(1, 4)) + data[start + 1 :]
