"""Hostile texts: each compiles or is refused with errors that can be shown, and soon.

The long runs are started by hand, as fuzz/README.md says; their figures are in
docs/reliability.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from drawn_programs import END, MAY_END, Drawn, Grammar, Tokens, drawn, laid_out, listed, optional
from fuzz import target
from fuzz.seeds import dictionary
from hypothesis import given, settings
from hypothesis import strategies as st

from specc.compiler import compile_source
from specc.files import decode
from specc.semantics.modules import MAX_FILES
from specc.source import Source

HERE = Path(__file__).parent

SECONDS = 5.0
"""Of the processor, for any text of this module."""

CORPUS = sorted((HERE / "fuzz" / "corpus").glob("*.spec"))


def codes_of(text: str | bytes) -> list[str]:
    """The codes of a text's errors, none where it compiles; anything else fails the test."""
    data = text if isinstance(text, bytes) else text.encode()
    with target.limited(SECONDS):
        return target.check(data)


def in_model(*statements: str, before: str = "") -> str:
    lines = "".join(f"    {statement}\n" for statement in statements)
    return f"{before}model m {{\n    input x: float32[8]\n{lines}    x -> Dense(1)\n}}\n"


# ------------------------------------------------------------- programs of wild semantics


def tokens_of(*texts: str) -> Drawn:
    return st.sampled_from([[text] for text in texts])


def suite(*statements: Drawn) -> Drawn:
    """Statements in braces."""
    ended = [drawn(statement, END) for statement in statements]
    return drawn("{", MAY_END, *ended, "}")


def several(statement: Drawn, most: int) -> Drawn:
    """Statements one below the other."""

    def join(drawn_list: list[Tokens]) -> Tokens:
        return list(chain.from_iterable([*tokens, END] for tokens in drawn_list))

    return st.lists(statement, min_size=1, max_size=most).map(join)


class Wild:
    """Programs whose names and layers come from small pools, so that much of it fits."""

    def __init__(self) -> None:
        self.tensors = tokens_of("x", "x", "y", "z", "h")
        self.names = tokens_of("x", "y", "z", "n", "i", "s", "rest", "shared")
        self.constants = self._constants()
        self.layers = self._layers()
        self.flows = self._flows()
        self.statements = self._statements()

    def _constants(self) -> Drawn:
        atoms = tokens_of(
            *("0", "1", "2", "3", "8", "0.5", "n", "n", "i", "s", "[]", "[3, 4]", "(2, 2)"),
            *("True", "None", '"relu"', '"same"', "x.shape", "x.shape[-1]", "range(3)", 'f"a{i}"'),
        )

        def larger(inner: Drawn) -> Drawn:
            sign = tokens_of("+", "-", "*", "/", "//", "%", "**", "==", "<", "in", "and", "or")
            bound = optional(inner)
            function = tokens_of("len", "sum", "max", "abs", "range", "zip", "enumerate", "int")
            return st.one_of(
                drawn("(", inner, sign, inner, ")"),
                drawn("[", listed(inner, most=3), "]"),
                drawn("[", inner, "for", "i", "in", inner, optional("if", inner), "]"),
                drawn("[", inner, "for", "i", ",", "n", "in", "enumerate", "(", inner, ")", "]"),
                drawn("(", inner, "if", inner, "else", inner, ")"),
                drawn(function, "(", listed(inner, least=1, most=2), ")"),
                drawn("s", "[", bound, ":", bound, optional(":", bound), "]"),
                drawn("s", "[", inner, "]"),
                drawn("-", inner),
                drawn("not", inner),
            )

        return st.recursive(atoms, larger, max_leaves=5)

    def _layers(self) -> Drawn:
        number = tokens_of("1", "2", "3", "8", "n", "i")
        argument = number | self.constants
        taking = tokens_of(
            *("Dense", "LSTM", "GRU", "Conv1D", "Reshape", "Dropout", "Embedding", "Activation"),
            *("RepeatVector", "MaxPooling1D", "UpSampling1D", "GroupNormalization", "b1", "b2"),
            *("MultiHeadAttention", "Permute", "ops.reshape", "ops.expand_dims", "ops.repeat"),
        )
        option = drawn(
            tokens_of("activation", "name", "trainable", "axis", "units", "strides", "n", "dtype"),
            "=",
            argument,
        )
        return st.one_of(
            tokens_of(
                *("Flatten", "ReLU", "BatchNormalization", "Concatenate", "Add", "Dot", "b0", "m0"),
                *("GlobalAveragePooling1D", "Softmax", "shared", "ops.relu", "ops.sum", "Identity"),
                *("LayerNormalization", "Attention", "w0", "ops.stack"),
            ),
            drawn(taking, "(", number, ")"),
            drawn(taking, "(", argument, optional(",", option), ")"),
            drawn(tokens_of("Bidirectional", "TimeDistributed", "b2"), "(", taking, "(2)", ")"),
            drawn("TimeDistributed", "(", tokens_of("b0", "m0", "w0", "Dense"), ")"),
            drawn("LSTM", "(", "2", ",", "return_sequences=True", ",", "return_state=True", ")"),
            drawn("BatchNormalization", "(", ")", "(", "training", "=", argument, ")"),
            drawn("b1", "(", "n", "-", "1", ")"),
        )

    def _flows(self) -> Drawn:
        def larger(inner: Drawn) -> Drawn:
            grouped = drawn("(", inner, ")")
            sign = tokens_of("+", "-", "*", "/", "//", "%", "**", "@", "<", "==")
            subscript = tokens_of(":", "0", "-1", "...", "None", "::2", "1:", "n", "i")
            return st.one_of(
                drawn(grouped, "->", self.layers),
                drawn(grouped, "->", self.layers, "->", self.layers),
                drawn("[", listed(inner, least=1), "]", "->", self.layers),
                drawn("[", inner, "for", "i", "in", self.constants, "]", "->", self.layers),
                drawn(grouped, sign, grouped | self.constants),
                drawn(self.constants, sign, grouped),
                drawn(grouped, "[", ":", ",", listed(subscript, least=1), "]"),
                drawn(
                    "ops", ".", tokens_of("where", "matmul", "exp", "mean", "stack", "einsum")
                ).flatmap(lambda name: drawn("".join(name), "(", listed(inner, least=1), ")")),
                drawn(grouped, "if", self.constants, "else", grouped),
            )

        return st.recursive(self.tensors, larger, max_leaves=4)

    def _statements(self) -> Drawn:
        size = tokens_of("n", "2", "8", "None", "time", "x.shape[-1]")
        simple = st.one_of(
            drawn(self.tensors, "=", self.flows),
            drawn(self.names, "=", self.constants),
            drawn(self.names, tokens_of("+=", "*="), self.constants | self.flows),
            drawn(self.names, ",", "*", "rest", "=", self.constants),
            drawn("y", ",", "h", ",", "z", "=", self.flows),
            drawn("layer", "shared", "=", self.layers),
            drawn("weight", self.names, ":", "float32", "[", listed(size), "]"),
            drawn("weight", "w", "=", "shared", ".", tokens_of("kernel", "bias")),
            self.layers,
            self.flows,
            drawn("output", listed(self.flows, least=1, most=2)),
            drawn("expect", tokens_of("params", "trainable"), "=", self.constants),
            drawn("expect", "output", "=", "float32", "[", listed(size), "]"),
            drawn("expect", "layer", tokens_of("dense", "b0", "shared"), "params", "=", "8"),
            drawn("param", "n", "=", self.constants),
        )

        def larger(inner: Drawn) -> Drawn:
            return st.one_of(
                drawn("for", "i", "in", self.constants, suite(inner)),
                drawn("for", "i", ",", "n", "in", "enumerate(s)", suite(inner, inner)),
                drawn("if", self.constants, suite(inner), "else", suite(inner)),
                drawn("if", "n", ">", "0", suite(inner)),
            )

        return st.recursive(simple, larger, max_leaves=3)

    def programs(self) -> st.SearchStrategy[str]:
        body = several(self.statements, 4)
        start = drawn("n", "=", tokens_of("2", "8"), END, "s", "=", "[2, 8]", END)
        type_ = tokens_of(
            *("float32[8]", "float32[4, 8]", "float32[n, 8]", "int32[time]", "float32[4, 4, 2]"),
            *("float32[None, 2]", "string[3]", "bool[]"),
        )
        block = drawn("{", MAY_END, "input", "x", END, body, "}")
        model = drawn("{", MAY_END, start, "input", "x", ":", type_, END, body, "}")
        weights = drawn("weight", "w", ":", "float32[8, n]", END, "x @ w", END)
        parts = st.tuples(
            drawn("block", "b0", block),
            drawn("block", "b1", "(", "n", "=", self.constants, ")", block),
            drawn("block", "b2", "(", "layer_", ",", "n", ":", "int", "=", "2", ")", block),
            drawn(
                "block", "w0", "(", "n", "=", "8", ")", "{", MAY_END, "input x", END, weights, "}"
            ),
            drawn("model", "m0", model),
            drawn("model", "m1", model),
        ).map(list)
        return st.builds(laid_out, parts, st.just(0) | st.integers(0, 2**32))


@settings(max_examples=100, deadline=None)
@given(Wild().programs())
def test_programs_of_wild_semantics(text: str) -> None:
    codes_of(text)


@settings(max_examples=50, deadline=None)
@given(Grammar(valid=True).programs())
def test_programs_of_the_whole_grammar(text: str) -> None:
    codes_of(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"model m {\n", b"\xef\xbb\xbf", b"\xff\xfe"]))
def test_any_bytes(data: bytes, before: bytes) -> None:
    codes_of(before + data)


# ------------------------------------------------------------------------------- nesting


def around(before: str, core: str, after: str) -> Callable[[int], str]:
    return lambda n: in_model(f"y = {before * n}{core}{after * n}")


def bodies(head: str) -> Callable[[int], str]:
    return lambda n: in_model(f"{head} {{\n" * n + "y = x -> Dense(1)\n" + "}\n" * n)


def chain_of_blocks(body: str) -> Callable[[int], str]:
    """Blocks each of which uses the next."""

    def text(n: int) -> str:
        blocks = "".join(
            f"block b{i} {{\n    input x\n    {body.format(next=f'b{i + 1}')}\n}}\n"
            for i in range(n)
        )
        last = f"block b{n} {{\n    input x\n    Dense(2)\n}}\n"
        return in_model("y = x -> b0", "y -> Dense(1)", before=blocks + last)

    return text


def chain_of_models(n: int) -> str:
    texts = [
        f"model m{i} {{\n    input x: float32[8]\n    m{i + 1}\n    m{i + 1}(w={i})\n}}\n"
        for i in range(n)
    ]
    last = f"model m{n} {{\n    param w = 1\n    input x: float32[8]\n    Dense(8)\n}}\n"
    return "".join(texts) + last


NESTED: dict[str, Callable[[int], str]] = {
    "parentheses": around("(", "1", ")"),
    "tuples": around("(", "1", ",)"),
    "lists": around("[", "1", "]"),
    "lists of tensors": around("[", "x", "]"),
    "chains in lists": around("[x -> Dense(1), ", "x", "]"),
    "calls": around("abs(", "1", ")"),
    "operations": around("ops.relu(", "x", ")"),
    "unknown calls": around("f(", "1", ")"),
    "layers": around("Dense(", "1", ")"),
    "wrappers": lambda n: in_model(f"x -> {'TimeDistributed(' * n}Dense(1){')' * n}"),
    "bidirectional": lambda n: in_model(f"x -> {'Bidirectional(' * n}LSTM(1){')' * n}"),
    "cells": lambda n: in_model(f"x -> RNN({'StackedRNNCells([' * n}LSTMCell(1){'])' * n})"),
    "keyword arguments": lambda n: in_model(f"x -> {'Dense(units=' * n}1{')' * n}"),
    "signs": around("-", "1", ""),
    "signs of tensors": around("-", "x", ""),
    "not": around("not ", "1", ""),
    "powers": around("1 ** ", "1", ""),
    "powers of tensors": around("x ** ", "1", ""),
    "sums": around("1 + ", "1", ""),
    "sums in parentheses": around("(1 + ", "1", ")"),
    "sums of tensors in parentheses": around("(x + ", "x", ")"),
    "comparisons": around("1 < ", "2", ""),
    "comparisons in parentheses": around("(1 == ", "2", ")"),
    "logic": around("True and ", "1", " or False"),
    "logic in parentheses": around("(True and ", "1", ")"),
    "choices": around("1 if True else ", "2", ""),
    "choices in parentheses": around("(1 if True else ", "2", ")"),
    "choices of layers": lambda n: in_model(f"x -> {'(Dense(1) if x else ' * n}Dense(2){')' * n}"),
    "arrows": around("x -> ", "x", ""),
    "arrows in parentheses": around("(", "x", " -> Dense(1))"),
    "arrows from the right": around("x -> (", "Dense(1)", ")"),
    "long chains": around("", "x", " -> Dense(1)"),
    "attributes": around("", "x", ".shape"),
    "indices": around("", "x", "[0]"),
    "indices of tensors": around("", "x", "[:]"),
    "indices in indices": around("x[", "0", "]"),
    "slices in indices": around("x[:, ", "0", ":]"),
    "calls of calls": around("", "f", "()"),
    "calls of layers": around("", "Dense", "(1)"),
    "comprehensions": around("[", "1", " for i in [1]]"),
    "comprehensions in iterables": around("[i for i in ", "[1]", "]"),
    "generators": lambda n: in_model(f"y = [1{' for i in [1]' * n}]"),
    "conditions of generators": around("[1 for i in [1] if ", "1", "]"),
    "loop targets": lambda n: in_model(f"for {'(' * n}i,{'),' * n} in [1] {{\n}}"),
    "f-strings": lambda n: in_model(f"y = f'{'{' * n}1{'}' * n}'"),
    "lists in f-strings": lambda n: in_model(f"y = {'[' * n}f'{{{'[' * n}1{']' * n}}}'{']' * n}"),
    "braces of f-strings": lambda n: in_model(f"y = f'{'{1}' * n}'"),
    "if": bodies("if True"),
    "for": bodies("for i in [1]"),
    "else": lambda n: in_model("if False {\n} else {\n" * n + "y = 1\n" + "}\n" * n),
    "elif": lambda n: in_model("if False {\n}" + " elif False {\n}" * n),
    "blocks": chain_of_blocks("{next}"),
    "blocks in lists": chain_of_blocks("y = " + "[" * 60 + "x -> {next}" + "]" * 60),
    "blocks in if": chain_of_blocks("if True {{ " * 50 + "{next}" + " }}" * 50),
    "blocks in wrappers": chain_of_blocks("TimeDistributed({next})"),
    "blocks with weights": chain_of_blocks("weight w: float32[1]\n    y = x -> {next}\n    y * w"),
    "blocks as arguments": lambda n: in_model(
        f"x -> {'b(' * n}Dense(1){')' * n}", before="block b(n) {\n    input x\n    n\n}\n"
    ),
    "models": chain_of_models,
    "braces": lambda n: "model m " + "{" * n + "}" * n,
    "opened alone": lambda n: "model m {\n" + "([" * n,
    "closed alone": lambda n: "model m {\n" + "])" * n,
    "weights of types": lambda n: in_model(f"weight w: float32[{'[' * n}1{']' * n}]"),
    "parameters": lambda n: in_model(f"param p: int in {'[' * n}1{']' * n} = 1"),
    "sections": lambda n: f"train m {{\n    a = {'[' * n}1{']' * n}\n}}\n" + in_model(),
}


@pytest.mark.parametrize("levels", [100, 1_000])
@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED.keys())
def test_nesting(text: Callable[[int], str], levels: int) -> None:
    codes_of(text(levels))


def test_thirty_blocks_in_each_other_compile() -> None:
    assert codes_of(chain_of_blocks("{next}")(30)) in ([], ["E0403"])


@pytest.mark.parametrize("use", ["b(n - 1)", "y = [" * 9 + "x -> b(n - 1)" + "]" * 9, "b(n)"])
def test_recursion(use: str) -> None:
    block = f"block b(n) {{\n    input x\n    if n > 0 {{\n        {use}\n    }}\n    ReLU\n}}\n"
    for depth in (3, 30, 10**9):
        codes_of(in_model(f"b({depth})", before=block))


def test_recursion_that_doubles_ends() -> None:
    use = "        b(n - 1)\n"
    block = f"block b(n) {{\n    input x\n    if n > 0 {{\n{use}{use}    }}\n    ReLU\n}}\n"
    assert codes_of(in_model("b(35)", before=block))


# ---------------------------------------------------------------------------------- size

MEGABYTE = 1_000_000

LARGE: dict[str, Callable[[], str]] = {
    "a name": lambda: in_model("y = " + "a" * MEGABYTE),
    "a layer's name": lambda: in_model("x -> " + "A" * MEGABYTE),
    "digits": lambda: in_model("y = " + "9" * MEGABYTE),
    "digits of a real": lambda: in_model("y = 0." + "9" * MEGABYTE),
    "a string": lambda: in_model(f"y = '{'a' * MEGABYTE}'"),
    "an open string": lambda: in_model("y = '" + "a" * MEGABYTE),
    "a string of backslashes": lambda: in_model("y = '" + "\\" * MEGABYTE),
    "wrong escapes": lambda: in_model("y = '" + "\\q" * (MEGABYTE // 20) + "'"),
    "an f-string": lambda: in_model(f"y = f'{'a' * MEGABYTE}'"),
    "braces in an f-string": lambda: in_model(f"y = f'{'{1}' * 5_000}'"),
    "wrong braces in an f-string": lambda: in_model(f"y = f'{'{+}' * 5_000}'"),
    "double braces in an f-string": lambda: in_model(f"y = f'{'{{' * 100_000}'"),
    "a comment": lambda: in_model("# " + "a" * MEGABYTE),
    "blanks": lambda: in_model("y = 1" + " " * MEGABYTE + "+ 1"),
    "blanks at the end": lambda: in_model("y = 1" + " " * MEGABYTE),
    "line ends": lambda: in_model("\n" * MEGABYTE + "-> Dense(1)"),
    "returns": lambda: in_model("\r " * MEGABYTE + "?"),
    "comments before an arrow": lambda: in_model("x\n" + "# a\n" * (MEGABYTE // 4) + "-> Dense(1)"),
    "minus signs": lambda: in_model("y = " + "-" * MEGABYTE),
    "strange characters": lambda: in_model("y = " + "?" * MEGABYTE),
    "opening parentheses": lambda: in_model("y = " + "(" * MEGABYTE),
    "closing parentheses": lambda: in_model("y = " + ")" * MEGABYTE),
    "wide characters": lambda: in_model("y = '" + "\u4e2d" * (MEGABYTE // 3) + "' + z"),
    "combining characters": lambda: in_model("y = z + '" + "\u0301" * (MEGABYTE // 2) + "'"),
    "blocks": lambda: "".join(f"block b{i} {{}}\n" for i in range(100_000)) + in_model(),
    "blocks of one name": lambda: "block b {}\n" * 20_000 + in_model(),
    "imports": lambda: 'import "std/mlp"\n' * 5_000 + in_model(),
    "wrong imports": lambda: 'import "std/nothing"\n' * 3_000 + in_model(),
    "sections": lambda: "train m {}\n" * 5_000 + in_model(),
    "names": lambda: in_model("y = [" + "x, " * 100_000 + "]"),
    "a sum of names": lambda: in_model("n = 1", "y = n" + " + n" * 100_000),
    "a sum of tensors": lambda: in_model("y = x" + " + x" * 3_000, "output y"),
    "a product that grows": lambda: in_model("y = 9" + " * 9" * 20_000),
    "strings that grow": lambda: in_model("y = 'a'" + " + 'aaaaaaaa'" * 20_000),
    "unknown names": lambda: in_model("y = [" + ", ".join(f"z{i}" for i in range(10_000)) + "]"),
    "unknown names and known ones": lambda: in_model(
        *[f"a{i}x = 1" for i in range(3_000)], *[f"b{i} = z{i}" for i in range(3_000)]
    ),
    "long unknown names": lambda: in_model(
        *[f"{'a' * 9_000}{i} = {'a' * 9_000}{'b' * i}" for i in range(30)]
    ),
    "unknown layers": lambda: in_model(*[f"Zork{i}" for i in range(20_000)]),
    "unknown arguments": lambda: in_model(f"Dense({', '.join(f'a{i}=1' for i in range(5_000))})"),
    "an argument again and again": lambda: in_model(f"Dense({'units=1, ' * 5_000})"),
    "positional arguments": lambda: in_model(f"Dense({'1, ' * 20_000})"),
    "layers": lambda: in_model(*["Dense(2)"] * 5_000),
    "layers of one name": lambda: in_model(*["Dense(2, name='a')"] * 5_000),
    "layers without output": lambda: in_model(*["y = x -> Dense(2)"] * 3_000),
    "declared layers": lambda: in_model(*[f"layer a{i} = Dense(2)" for i in range(3_000)]),
    "outputs": lambda: in_model(*["output x"] * 5_000),
    "expectations": lambda: in_model(*[f"expect layer a{i} params = 1" for i in range(3_000)]),
    "inputs": lambda: in_model(*[f"input x{i}: float32[1]" for i in range(3_000)]),
    "params": lambda: in_model(*[f"param p{i} = {i}" for i in range(5_000)]),
    "wrong lines": lambda: in_model(*["Dense(3) ? 4"] * 50_000),
    "elif": lambda: in_model("if False {\n}" + " elif False {\n}" * 20_000),
    "subscripts": lambda: in_model("y = x[" + ":, " * 20_000 + "]"),
    "axes": lambda: f"model m {{\n    input x: float32[{'2, ' * 2_000}]\n    Flatten\n}}\n",
    "axes of an operation": lambda: in_model("y = ops.expand_dims(x, range(5_000))"),
    "an unknown layer in a loop": lambda: in_model(
        "for i in range(65_536) {", "y = y -> zork", "}"
    ),
    "loops in loops": lambda: in_model("for i in range(1_000) {\n" * 3 + "n = 1\n" + "}\n" * 3),
    "a list doubled": lambda: in_model("a = [1]", "for i in range(60) {", "a = [a, a]", "}"),
    "long lists compared": lambda: in_model(
        *("s = 'a' * 99_999 + 'b'", "t = 'a' * 99_999 + 'c'", "a = [s] * 49_000"),
        *("for i in range(20) {", "q = t in a", "}"),
    ),
    "powers": lambda: in_model("y = 9 ** 9 ** 9 ** 9"),
    "shifts of strings": lambda: in_model("y = 'a' * 10 ** 60"),
    "huge sizes": lambda: in_model(f"Dense({'9' * 60})", f"Dense({'9' * 60})"),
    "many parts": lambda: in_model("y = ops.array_split(x, 10 ** 9, axis=1)"),
    "many copies": lambda: in_model("y = x -> RepeatVector(10 ** 70)"),
    "many cells": lambda: in_model("x -> RNN([LSTMCell(1)] * 50_000)"),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
def test_large_texts(text: Callable[[], str]) -> None:
    codes_of(text())


def test_import_chains() -> None:
    """A file that imports one that imports one, and one that comes back to the first."""

    def loader(_importer: Source, path: str) -> Source:
        number = int(path)
        block = f"block b{number} {{\n    input x\n    Dense({number})\n}}\n"
        return Source(path, f'import "{(number + 1) % length}"\n{block}')

    for length in (3, MAX_FILES - 2, MAX_FILES + 50, 10_000):
        source = Source("first", 'import "0"\n' + in_model("b0"))
        with target.limited(SECONDS):
            codes = target.check_run(partial(compile_source, source, loader))
        assert codes == (["E0225"] if length < MAX_FILES else ["E0224"])


# ----------------------------------------------------------------------------- characters

VALID = in_model("y = x -> Dense(2)", "Dense(3, name='a')")

STRANGE = {
    "nul": b"\0",
    "bell": b"\x07",
    "escape": b"\x1b[2J",
    "delete": b"\x7f",
    "vertical tab": b"\x0b",
    "form feed": b"\x0c",
    "tab": b"\t",
    "return": b"\r",
    "return and line feed": b"\r\n",
    "line feed and return": b"\n\r",
    "next line": "\x85".encode(),
    "line separator": "\u2028".encode(),
    "paragraph separator": "\u2029".encode(),
    "byte order mark": b"\xef\xbb\xbf",
    "half a byte order mark": b"\xef\xbb",
    "override": "\u202e".encode(),
    "combining": "\u0301".encode(),
    "no-break space": "\u00a0".encode(),
    "full width": "\uff08".encode(),
    "digit of another script": "\u0663".encode(),
    "letter": "\u00e9".encode(),
    "highest": "\U0010ffff".encode(),
    "private": "\ue000".encode(),
    "invalid start": b"\xff",
    "continuation alone": b"\x80",
    "cut short": b"\xe4\xb8",
    "overlong": b"\xc0\x80",
    "surrogate": b"\xed\xa0\x80",
    "above the highest": b"\xf4\x90\x80\x80",
    "utf-16": b"\xff\xfem\0o\0",
}


@pytest.mark.parametrize("piece", STRANGE.values(), ids=STRANGE.keys())
def test_strange_bytes_anywhere(piece: bytes) -> None:
    data = VALID.encode()
    for position in range(0, len(data) + 1, 3):
        codes_of(data[:position] + piece + data[position:])
    codes_of(piece * 50)
    codes_of(data.replace(b"\n", piece))
    codes_of(data.replace(b" ", piece))
    codes_of(data.replace(b"'a'", b"'" + piece + b"'"))
    codes_of(data.replace(b"'a'", b"f'" + piece + b"{" + piece + b"}'"))
    codes_of(data + b"# " + piece)


@pytest.mark.parametrize(
    "text", ["\ud800", "model m { f('\udfff') }", "model \ud800\udc00 {", "\0"]
)
def test_texts_that_no_file_holds(text: str) -> None:
    """A text from Python can hold lone surrogates and NUL."""
    assert target.check_run(lambda: compile_source(Source("text", text)))


def test_a_byte_order_mark_and_windows_lines_are_no_mistake() -> None:
    assert codes_of(in_model()) == []
    assert codes_of(b"\xef\xbb\xbf" + in_model().replace("\n", "\r\n").encode()) == []
    assert codes_of(in_model().replace("    ", "\t")) == []


# --------------------------------------------------------------------------------- fuzzing


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_corpus(path: Path) -> None:
    codes_of(path.read_bytes())


def test_corpus_is_small_and_various() -> None:
    assert 50 <= len(CORPUS) <= 150
    assert max(path.stat().st_size for path in CORPUS) <= target.MAX_SIZE
    runner = target.Runner(None, SECONDS)
    for path in CORPUS:
        runner.run(path.read_bytes())
    assert runner.codes[""] >= 30
    assert len(runner.codes) >= 80


def test_two_thousand_inputs_of_the_fuzzer() -> None:
    runner = target.Runner(None, SECONDS)
    target.plain(2_000, 20261122, runner)
    assert dict(runner.findings) == {}
    assert runner.inputs == 2_000
    assert runner.codes[""] > 100
    assert len(runner.codes) > 50


def test_inputs_are_the_same_for_the_same_seed() -> None:
    mutator, again = target.Mutator(target.seeds()), target.Mutator(target.seeds())
    drawn_inputs = [mutator.draw(Random(f"1:{number}")) for number in range(50)]
    assert drawn_inputs == [again.draw(Random(f"1:{number}")) for number in range(50)]
    assert len(set(drawn_inputs)) > 40


def test_dictionary_has_the_words_of_the_tables() -> None:
    """`python tests/fuzz/seeds.py` writes it anew; a few new words may wait for that."""
    written = (HERE / "fuzz" / "specc.dict").read_text(encoding="utf-8").splitlines()
    missing = {*dictionary().splitlines()} - {*written}
    assert len(missing) < 50


def test_the_target_tells_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: Source) -> None:
        if "hang" in source.text:
            while True:
                pass
        raise IndexError

    monkeypatch.setattr(target, "compile_source", broken)
    runner = target.Runner(None, 0.2)
    assert (runner.run(b"") or "").startswith("IndexError in ")
    assert (runner.run(b"hang") or "").startswith("TooSlow in ")
    assert runner.inputs == 2
    assert decode("a", b"").text == ""


def test_minimising_keeps_what_was_found() -> None:
    text = b"model m {\n    input x: float32[8]\n    Dense(3) -> bad -> Dense(4)\n}\n"
    found = target.minimised(text, "bad", lambda data: "bad" if b"bad" in data else None)
    assert found == b"bad"
