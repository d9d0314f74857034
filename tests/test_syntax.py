"""The parser against Lark, which made its tables, and every syntax error."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from drawn_programs import Grammar
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lark import Lark, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from specc.compiler import compile_source
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.source import Source
from specc.syntax import ast
from specc.syntax.automaton import grammar_path
from specc.syntax.generate import compile_grammar, lark_parser, render
from specc.syntax.lalr import MAX_DEPTH, SyntaxFault, run
from specc.syntax.parser import parse

# ------------------------------------------------------------------------ the tables


@pytest.fixture(scope="module")
def grammar() -> str:
    return Path(grammar_path()).read_text(encoding="utf-8")


def test_tables_are_those_of_the_grammar(grammar: str, repository: Path) -> None:
    written = (repository / "specc" / "syntax" / "_tables.py").read_text(encoding="utf-8")
    assert written == render(compile_grammar(grammar)), "run `python -m specc.syntax.generate`"


def test_tables_are_the_same_in_every_process(grammar: str, repository: Path) -> None:
    """Lark walks over sets, whose order changes with the hash seed; the tables must not."""
    program = (
        "import sys; from specc.syntax.generate import compile_grammar, render; "
        "sys.stdout.write(render(compile_grammar(sys.stdin.read())))"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=grammar,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(repository)},
            capture_output=True,
            check=True,
            text=True,
            timeout=120,
        ).stdout
        for seed in ("0", "1", "20261122")
    }
    assert len(results) == 1


# ------------------------------------------------- the same trees and faults as Lark's

Shape = tuple[Any, ...]
"""A node as (rule, span, children), a token as its text and offset: what can be compared."""


class TreeBuilder:
    """Makes of each reduction what Lark makes of it: a tree named for the rule or alias."""

    def __getattr__(self, rule: str) -> Any:
        if not rule.isidentifier():  # "" and "=" build nothing
            raise AttributeError(rule)

        def build(children: list[Any], start: int, end: int) -> Shape:
            shapes = [
                (child.text, child.span.start) if isinstance(child, ast.Token) else child
                for child in children
            ]
            # A rule that matched nothing stands nowhere in Lark's tree.
            return rule, (start, end) if end > start else (0, 0), shapes

        return build


def ours(text: str) -> tuple[str, Any]:
    try:
        return "tree", run(Source("test", text), TreeBuilder())
    except SyntaxFault as fault:
        return "character" if not fault.states else "token", fault.start
    except SpecError as error:
        (diagnostic,) = error.diagnostics
        return diagnostic.code, diagnostic.primary.span.start


@cache
def lark() -> Lark:
    return lark_parser(Path(grammar_path()).read_text(encoding="utf-8"))


def larks(text: str) -> tuple[str, Any]:
    try:
        return "tree", lark_shape(lark().parse(text, start="start"))
    except UnexpectedCharacters as error:
        return "character", error.pos_in_stream
    except UnexpectedToken as error:
        # Lark gives the end of the text the place of the last token.
        return "token", len(text) if error.token.type == "$END" else error.token.start_pos


def lark_shape(node: Any) -> Shape:
    if not isinstance(node, Tree):
        return str(node), node.start_pos
    span = (0, 0) if node.meta.empty else (node.meta.start_pos, node.meta.end_pos)
    return str(node.data), span, [lark_shape(child) for child in node.children]


def in_model(*statements: str) -> str:
    return "model m {\n" + "".join(f"    {s}\n" for s in statements) + "}\n"


PROGRAMS = {
    "nothing": "",
    "blank": "\n\n   \n# only a comment\n",
    "empty model": "model m {}",
    "empty model over lines": "model m {\n\n}\n",
    "two models": "model a { x }\nmodel b { y }",
    "two models on a line": "model a {} model b {}",
    "one line": "model m { input x: float32[8] }",
    "types": in_model("input x: float32[28, None, time,]", "input y: int32[1_0]"),
    "outputs": in_model("output x", "output x, y -> Dense(1), [z]"),
    "layers": in_model('layer shared = Dense(3, name="a")', "x -> shared"),
    "targets": in_model("a = x", "a, b, c = x -> LSTM(4, return_state=True)"),
    "expectations": in_model(
        "expect params = 3_136",
        "expect output = float32[10]",
        "expect output probabilities = float32[10]",
        "expect layer dense_1 trainable = 2 * 3",
        'expect layer "dense 1" output = float32[None]',
    ),
    "calls": in_model("A", "A()", "A(1)", "A(1,)", "A(1, b=2)", "A(b=2, c=3,)", "A()(x)(y)"),
    "words as arguments": in_model("A(input=1, output=2, layer=3)", "A(layer = x)"),
    "postfix": in_model("a.b.c", "a[0][1]", "a.b(1)[2].c"),
    "literals": in_model("f(1, 1_000, .5, 1., 1e3, 1.5E-7, 'a', \"b\", True, False, None)"),
    "quotes": in_model(r"""f("it's", 'a "b"', "\n \" \\", '\'')"""),
    "displays": in_model("f((), (1,), (1, 2), (1, 2,), [], [1], [1, 2,], ((1)), [[], ()])"),
    "precedence": in_model("a + b * c ** -d ** e - -f // g % h @ i / j", "-a ** b", "(a + b) * c"),
    "chains": in_model("a -> b -> c", "[a, b] -> c + d", "y = (a -> b) -> c"),
    "continuation": in_model("a\n -> b\n\n # comment\n\t-> c", "y = a # comment\n -> b"),
    "newlines in brackets": in_model("f(\n a,\n\n b # comment\n , c=[\n1,\n2\n]\n)"),
    "newline before arrow in brackets": in_model("f(a\n -> b)"),
    "comments": "# first\nmodel m { # here\n a # there\n # alone\n} # last",
    "no newline at the end": "model m {\n a\n}",
    "windows": in_model("a", "f(\n1)", "a\n -> b").replace("\n", "\r\n"),
    "tabs": "model\tm\t{\n\ta\t->\tb\n}\n",
    "lone returns are blanks": "model m {\r a\r}\r",
    "form feed": "model m {\n\f a\n}\f\n",
    "imports": 'import "a.spec"\nimport "b.spec" import "c.spec"',
    "blocks": "block a { x }\nblock b() { x } block c(d, e: int, f: g in [1, 2] = 1, h=2,) {}",
    "sections": "data d { a = 1 }\ntrain t { layer = 1\n\n b = 2\n}\nexport e {}",
    "parameters": in_model("param a", "param a: int", "param a: b in c = 1", "param a = 1"),
    "inputs": in_model("input x", "input x, a=1, b=2", "input x: float32[], a=1"),
    "weights": in_model("weight w: t[1]", "weight w: t[1] = x, a=1", "weight w = x", "weight w"),
    "stars": in_model("a, *b = c", "*a, b = c", "a += 1", "a -= 1", "a *= 1", "a /= 1"),
    "loops": in_model("for x in y { a }", "for x, in y {}", "for i, (a, b,) in c {\nd\n}"),
    "choices": in_model("if a { b } else { c }", "if a {}\nelif b {}\n# c\nelif d {} else {}"),
    "nested": in_model("for a in b { if c { for d in e { f } }\ng }"),
    "conditionals": in_model("a if b else c if d else e", "x = a\nelse_ = b", "a if b\nelse c"),
    "logic": in_model("a or b and not c == d < e", "not not a", "a is not b is c not in d in e"),
    "slices": in_model("a[1:2]", "a[:]", "a[::]", "a[:, 1:, :2:3, ...,]", "a[b if c else d : e]"),
    "comprehensions": in_model("[a for b in c]", "[a for b, c in d if e for (f, g) in h]"),
    "f-strings": in_model("f(f'a', f\"{b}{{\", f'it\\'s {c}')", "f'a' + f\"b\""),
    "soft keywords": in_model(
        "block = import + param",
        "weight -> data",
        "train(export=1)",
        "param",
        "weight()",
        "input data: block[train]",
        "for import in export {}",
        "param param: param = param",
    ),
    "words within names": in_model("models = inputs -> layers(Nonesuch, outputs_)", "expected"),
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_written_programs_give_larks_tree(text: str) -> None:
    result = ours(text)
    assert result[0] == "tree"
    assert result == larks(text)


FAULTS = {
    "no model": "a -> b",
    "no name": "model {",
    "end within": "model m {\n f(1,\n",
    "arrow first": "model m {\n -> a\n}",
    "stray closer": "model m {\n a)\n}",
    "wrong closer": "model m {\n (a]\n}",
    "brace in bracket": "model m {\n (a { b\n}",
    "brace ends bracket": "model m {\n f(a\n}\n",
    "two lines in one": "model m {\n a b\n}",
    "comma": "model m {\n a,\n}",
    "strange character": "model m {\n a ? b\n}",
    "strange character in brackets": "model m {\n (a\n ; b)\n}",
    "open string": 'model m {\n f("a\n)\n}',
    "number runs into name": "model m {\n 300x\n}",
    "return before arrow": "model m {\n a\n\r-> b\n}",
    "keyword as a name": "model m {\n layer = 3\n}",
    "keyword as an argument": "model m {\n f(expect=1)\n}",
    "byte order mark": "\ufeffmodel m {}",
    "no-break space": "model\u00a0m {}",
    "else without if": "model m {\n else {}\n}",
    "brace on the next line": "model m {\n if a\n {}\n}",
    "import without quotes": "import a",
    "loop outside": "for a in b {}",
    "statement in a section": "data d {\n for a in b {}\n}",
    "assignment as a condition": "model m {\n if a = 1 {}\n}",
    "not after a sum": "model m { a + not b }",
    "arrow in a condition": "model m { a if b -> c else d }",
    "star alone": "model m { *a }",
    "digits of another script": "model m { f(\u0663) }",
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS.keys())
def test_written_faults_are_where_lark_finds_them(text: str) -> None:
    result = ours(text)
    assert result[0] in ("token", "character")
    assert result == larks(text)


programs = Grammar(valid=False).programs


@settings(max_examples=150, deadline=None)
@given(programs())
def test_drawn_programs_give_larks_tree(text: str) -> None:
    expected = larks(text)
    assert expected[0] == "tree", "the strategy draws programs of the grammar"
    assert ours(text) == expected


SNIPPETS = st.sampled_from(
    [
        *"()[]{},:=.+-*/%@#\"'\\\n\r\t ;?!0a_\u00e9\ufeff",
        *(
            *("->", "**", "//", "+=", "==", "...", "f'", "None", "\r\n", "\n->", "\nelse"),
            *("model", "input ", " output", "layer", "expect", " if ", " else ", "elif"),
            *("for ", " in ", " is ", "not ", " and ", " or "),
            *("block ", "import ", "param ", "weight ", "data ", "train ", "export "),
        ),
    ]
)


@settings(max_examples=200, deadline=None)
@given(programs(), st.data())
def test_damaged_programs_fail_where_lark_fails(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        removed = data.draw(st.sampled_from([0, 0, 1, 1, 2, 5]))
        text = text[:start] + data.draw(SNIPPETS | st.just("")) + text[start + removed :]
    assert ours(text) == larks(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
@example("model m {\n a = 'b\\\n'\n}")
@example("model m {\n\x0b\n}")
@example("model m {\n\u2028\n}")
@example("\x00")
def test_any_text_fails_where_lark_fails(text: str) -> None:
    assert ours(text) == larks(text)


@settings(max_examples=150, deadline=None)
@given(programs(), st.data())
def test_errors_of_any_text_can_be_shown(text: str, data: st.DataObject) -> None:
    """Whatever the text, `parse` gives a tree or errors with a place in that text."""
    start = data.draw(st.integers(0, len(text)))
    inserted = data.draw(SNIPPETS | st.just(""))
    text = text[:start] + inserted + text[start + data.draw(st.sampled_from([0, 0, 1, 3])) :]
    for diagnostic in outcome(parse, text):
        where = diagnostic.primary.span
        assert 0 <= where.start <= where.end <= len(text)
        assert str(diagnostic).startswith(f"test:{where.line}:{where.column}: error[E01")


# ------------------------------------------------------------------------ the errors


def outcome(stage: Callable[[Source], object], text: str) -> list[Diagnostic]:
    """The errors of a text, none where it passes; any other exception is a defect."""
    try:
        stage(Source("test", text))
    except SpecError as error:
        return error.diagnostics
    return []


def errors_of(text: str) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        parse(Source("test", text))
    return caught.value.diagnostics


def found_in(text: str) -> list[tuple[str, str]]:
    """Code and marked text of every error."""
    return [(d.code, d.primary.span.text) for d in errors_of(text)]


DIGITS = "9" * 65

ERRORS = {
    "E0103 empty": ("", "E0103", ""),
    "E0103 only comments": ("# a spec, one day\n\n", "E0103", ""),
    "E0104": (in_model("Dense(3);"), "E0104", ";"),
    "E0104 first": ("?", "E0104", "?"),
    "E0104 backslash": (in_model("Dense(3) \\"), "E0104", "\\"),
    "E0104 no-break space": (in_model("Dense(3)\u00a0"), "E0104", "\u00a0"),
    "E0105": (in_model("Dense(3),"), "E0105", ","),
    "E0105 outside": ("Dense(3)\n", "E0105", "Dense"),
    "E0105 number first": (in_model("input 3: float32[1]"), "E0105", "3"),
    "E0105 end of line": (in_model("x ="), "E0105", "\n"),
    "E0105 end of file": ("model", "E0105", ""),
    "E0105 colon": (in_model("Dense(units: 3)"), "E0105", ":"),
    "E0105 equals": (in_model("Dense(1 = 3)"), "E0105", "="),
    "E0106 parenthesis": (in_model("Dense(3", "Flatten"), "E0106", "("),
    "E0106 bracket": (in_model("input x: float32[3"), "E0106", "["),
    "E0106 brace": ("model m {\n    Flatten\n", "E0106", "{"),
    "E0106 mixed": (in_model("f([1)"), "E0106", "["),
    "E0107": (in_model('f("abc)'), "E0107", '"'),
    "E0107 single": (in_model("f('abc)"), "E0107", "'"),
    "E0107 backslash": (in_model('f("abc\\")'), "E0107", '"'),
    "E0109": (in_model("input layer: float32[3]"), "E0109", "layer"),
    "E0109 model": ("model None {}", "E0109", "None"),
    "E0110 leading zero": (in_model("f(007)"), "E0110", "007"),
    "E0110 underscores": (in_model("f(1__0)"), "E0110", "1__0"),
    "E0110 trailing underscore": (in_model("f(1_)"), "E0110", "1_"),
    "E0110 real": (in_model("f(1_.5)"), "E0110", "1_.5"),
    "E0110 infinite": (in_model("f(1e999)"), "E0110", "1e999"),
    "E0110 size": (in_model("input x: float32[007]"), "E0110", "007"),
    "E0110 too long": (in_model(f"f({DIGITS})"), "E0110", DIGITS),
    "E0110 too long a real": (in_model(f"f(0.{DIGITS})"), "E0110", f"0.{DIGITS}"),
    "E0110 far too long": (in_model(f"f({'9' * 10_000})"), "E0110", "9" * 10_000),
    "E0111": (in_model(r'f("a\qb")'), "E0111", r"\q"),
    "E0111 in a layer's name": (in_model(r'expect layer "\q" params = 1'), "E0111", r"\q"),
    "E0112": (in_model("f(a=1, 2)"), "E0112", "2"),
    "E0114": ("block b(a=1, c) {}\n", "E0114", "c"),
    "E0114 typed": ("block b(a: int = 1, c: int) {}\n", "E0114", "c: int"),
    "E0115": (in_model("a, *b, *c = d"), "E0115", "*c"),
    "E0116": (in_model('f(f"{a")'), "E0116", "{a"),
    "E0116 empty": (in_model('f(f"{}")'), "E0116", "{}"),
    "E0116 two": (in_model('f(f"a {b c} d")'), "E0116", "{b c}"),
    "E0116 a closing one": (in_model('f(f"a} b")'), "E0116", "}"),
    "E0113": (in_model("Dense(3))"), "E0113", ")"),
    "E0113 bracket": (in_model("]"), "E0113", "]"),
    "E0113 brace": ("model m {}\n}\n", "E0113", "}"),
}


@pytest.mark.parametrize(("text", "code", "marked"), ERRORS.values(), ids=ERRORS.keys())
def test_error(text: str, code: str, marked: str) -> None:
    assert found_in(text) == [(code, marked)]


def test_every_code_that_parsing_can_give_is_tested() -> None:
    tested = {code for _, code, _ in ERRORS.values()} | {"E0108"}
    assert tested == {f"E01{number:02}" for number in range(3, 17)}


def test_every_wrong_line_is_reported_once() -> None:
    text = in_model(
        "Dense(3),",
        "Flatten",
        "f(a=1, 2)",
        'g("\\q", 007)',
        "Dense(3) ? 4",
        "layer expect = 3",
        "h(1",
        "x -> -> y",
        "Flatten)",
        "Flatten",
    )
    assert found_in(text) == [
        ("E0105", ","),
        ("E0104", "?"),
        ("E0109", "expect"),
        ("E0106", "("),
        ("E0105", "->"),
        ("E0113", ")"),
        ("E0112", "2"),
        ("E0111", "\\q"),
        ("E0110", "007"),
    ]


def test_errors_of_several_models_are_found_in_one_run() -> None:
    text = in_model("Dense(3),") + in_model("Flatten)")
    assert found_in(text) == [("E0105", ","), ("E0113", ")")]


@pytest.mark.parametrize(
    ("text", "marked", "hint"),
    [
        (in_model("else {", "a", "}", "b c"), ["else", "c"], "follows the `}` of an `if`"),
        (in_model("if a {} elsif b {}"), ["elsif"], "did you mean `elif`?"),
        (in_model("fro i in x {", "a", "}", "b c"), ["i", "c"], "did you mean `for`?"),
        (in_model("wieght w: a[1]"), ["w"], "did you mean `weight`?"),
        (in_model("if x = 1 {", "a", "} else {", "b", "}"), ["="], "to compare, write `==`"),
        (in_model("if x {", "a", "} elif x = 1 {", "}", "b c"), ["=", "c"], "write `==`"),
        (in_model("for a in b", "c", "}", "d e"), ["\n"], "same line: `for ... {`"),
        (in_model("if a { b } else c"), ["c"], "`{` stands on the same line"),
        ("block b\n{}", ["\n"], "same line: `block ... {`"),
        ("import a\nmodel m {}", ["a"], "a path stands in quotes"),
        ("for a in b {}", ["for"], "everything in a spec stands in a model"),
        ("modle m {}", ["modle"], "did you mean `model`?"),
        ("def f(x) {}", ["def"], "a block is written"),
        ("class A {}", ["class"], "a block is written"),
        (in_model("return x"), ["x"], "`return` is not a word of the language"),
        (in_model("while x {", "a", "}", "b c"), ["x", "c"], "loops are written"),
        (in_model("f(lambda x: x)"), ["x"], "`lambda` is not a word"),
    ],
)
def test_a_common_mistake_has_a_hint(text: str, marked: list[str], hint: str) -> None:
    found = errors_of(text)
    assert [diagnostic.primary.span.text.rstrip(" ") for diagnostic in found] == marked
    assert hint in (found[0].help or "")


def test_many_errors_end() -> None:
    found = found_in(in_model(*["Dense(3),"] * 1_000))
    assert set(found) == {("E0105", ",")}
    assert len(found) == 20


DEEP = {
    "parentheses": ("(", "1", ")"),
    "brackets": ("[", "1", "]"),
    "mixed": ("([", "1", "])"),
    "calls": ("f(", "1", ")"),
    "keyword arguments": ("f(a=", "1", ")"),
    "signs": ("-", "1", ""),
    "powers": ("2 ** ", "1", ""),
    "indices": ("x[", "1", "]"),
    "calls of calls": ("", "f", "()"),
    "attributes": ("", "f", ".a"),
    "items of items": ("", "f", "[0]"),
    "calls of calls within": ("f(", "1", ")()()()()"),
    "unclosed": ("(", "", ""),
}


@pytest.mark.parametrize("count", [500, 10_000])
@pytest.mark.parametrize(("before", "core", "after"), DEEP.values(), ids=DEEP.keys())
def test_deep_nesting_is_refused_quickly(before: str, core: str, after: str, count: int) -> None:
    source = Source("test", in_model(f"y = {before * count}{core}{after * count}"))
    began = time.perf_counter()
    with pytest.raises(SpecError) as caught:
        parse(source)
    assert [d.code for d in caught.value.diagnostics] == ["E0108"]
    assert len(caught.value.diagnostics[0].primary.span.text) <= 2
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(("before", "core", "after"), DEEP.values(), ids=DEEP.keys())
def test_what_the_parser_lets_pass_overflows_no_recursion(
    before: str, core: str, after: str
) -> None:
    """The deepest text of each kind that parses goes through every later stage, too."""

    def text(count: int) -> str:
        argument = f"{before * count}{core}{after * count}"
        return in_model("input x: float32[8]", f"x -> Dense({argument})", f"y = {argument}")

    deepest = 0
    for count in range(1, MAX_DEPTH + 2):
        try:
            parse(Source("test", text(count)))
        except SpecError:
            break
        deepest = count
    assert deepest < MAX_DEPTH + 1
    outcome(compile_source, text(deepest))


def test_a_hundred_brackets_are_not_too_many() -> None:
    parse(Source("test", in_model(f"y = {'(' * 100}1{')' * 100}")))


def test_wide_is_not_deep() -> None:
    """Long lists, sums, chains and bodies nest nothing."""
    many = 5_000
    statements = [
        f"a = [{'1, ' * many}]",
        f"b = 1{' + 1' * many}",
        f"c = x{' -> f' * many}",
        f"d = f({'a=1, ' * many})",
        *["Flatten"] * many,
    ]
    (model,) = parse(Source("test", in_model(*statements))).models
    assert len(model.body) == many + 4


# -------------------------------------------------------------- how texts may be written


def literal(text: str) -> object:
    (model,) = parse(Source("test", in_model(text))).models
    (line,) = model.body
    assert isinstance(line, ast.Line)
    assert isinstance(line.value, ast.Literal)
    return line.value.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("00", 0),
        ("1_000", 1_000),
        ("9" * 64, int("9" * 64)),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e-3", 1e-3),
        ("1_0.2_5E+2", 1025.0),
        ("1e-999", 0.0),
        ("True", True),
        ("None", None),
        ('"a\'b"', "a'b"),
        (r'"\n\t\r\\\"\'"', "\n\t\r\\\"'"),
        ('"\u00e9\u4e2d\U0001f40d # -> ("', "\u00e9\u4e2d\U0001f40d # -> ("),
    ],
)
def test_literals_are_python_literals(text: str, value: object) -> None:
    found = literal(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_spans_are_of_the_text_whatever_its_line_ends(line_end: str) -> None:
    text = in_model("input x: float32[8]", "f(1,\n 2)", "y = a\n -> b").replace("\n", line_end)
    (model,) = parse(Source("test", text)).models
    assert [statement.span.text for statement in model.body] == [
        "input x: float32[8]",
        f"f(1,{line_end} 2)",
        f"y = a{line_end} -> b",
    ]
    assert [statement.span.line for statement in model.body] == [2, 3, 5]
    assert model.span.text == text.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "model m {\n\tf(1)\t# tab\n\t}",
        "model m {\r\n\r\n  f(1)\r\n}\r\n",
        "model m { f(1) }",
        "\n\n  model m {\n# comment\nf(1)\n\n}  \n\t",
    ],
    ids=["tabs, no last newline", "windows", "one line", "blank lines"],
)
def test_white_space_changes_nothing(text: str) -> None:
    (model,) = parse(Source("test", text)).models
    assert [statement.span.text for statement in model.body] == ["f(1)"]


@pytest.mark.parametrize(
    "before",
    ["expect ", "expect layer x ", "expect layer '=' ", 'expect layer "output = " '],
)
def test_expected_output_is_marked_by_its_own_word(before: str) -> None:
    (model,) = parse(Source("test", in_model(f"{before}output = float32[output_]"))).models
    (expectation,) = model.body
    assert isinstance(expectation, ast.Expectation)
    measure = expectation.measure
    assert (measure.text, measure.span.text) == ("output", "output")
    assert measure.span.start - expectation.span.start == len(before)


def test_column_of_an_error_counts_a_tab_as_one_character() -> None:
    (error,) = errors_of("model m {\n\t\tDense(3),\r\n}\r\n")
    assert (error.primary.span.line, error.primary.span.column) == (2, 11)


def test_byte_order_mark_is_taken_off_where_files_are_read(tmp_path: Path) -> None:
    """In the text itself it would be a character like any other."""
    from specc.files import read_source

    assert found_in("\ufeffmodel m {}") == [("E0104", "\ufeff")]
    path = tmp_path / "bom.spec"
    path.write_bytes(b"\xef\xbb\xbfmodel m { f }\r\n")
    (model,) = parse(read_source(str(path))).models
    assert model.span.text == "model m { f }"
