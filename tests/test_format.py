"""`specc fmt`: nothing but the layout changes, no comment is lost, and once is enough."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_programs import Grammar
from hypothesis import HealthCheck, given, settings

import specc.layers
from specc.cli.main import main
from specc.diagnostics.diagnostic import SpecError
from specc.source import Source
from specc.syntax import ast
from specc.syntax.formatting import format_source
from specc.syntax.formatting.layout import WIDTH
from specc.syntax.parser import parse

HERE = Path(__file__).parent
SPECS = sorted((HERE.parent / "specs").rglob("*.spec"))
EXAMPLES = re.findall(
    r"^```spec\n(.*?)^```$",
    (HERE.parent / "docs" / "language.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
LAYOUTS = sorted((HERE / "layouts").glob("*.spec"))


def formatted(text: str) -> str:
    return format_source(Source("test", text))


def tree(text: str) -> ast.File:
    return parse(Source("test", text), needs_model=False)


def same(left: Any, right: Any) -> bool:
    """Whether two trees are equal but for their spans."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, (list, tuple)):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif type(one).__module__ == ast.__name__:
            names = [name for name in type(one).__annotations__ if name != "span"]
            pairs += [(getattr(one, name), getattr(other, name)) for name in names]
        elif one != other:
            return False
    return True


def starts(node: Any) -> list[int]:
    """Where each definition and statement of a tree starts, in order."""
    found: list[int] = []
    for item in node:
        found.append(item.span.start)
        if isinstance(item, (ast.Model, ast.Block, ast.For)):
            found += starts(item.body)
        elif isinstance(item, ast.Section):
            found += starts(item.entries)
        elif isinstance(item, ast.If):
            for _, body in item.branches:
                found += starts(body)
            found += starts(item.otherwise)
    return found


def places_of_comments(text: str) -> list[tuple[str, int]]:
    """Each drawn comment, and how many statements start above it."""
    begun = starts(tree(text).definitions)
    return [
        (comment[0], sum(start < comment.start() for start in begun))
        for comment in re.finditer(r"# c\d+", text)
    ]


# --------------------------------------------------------------------- for any program


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(Grammar(valid=True).programs())
def test_drawn_programs_keep_their_meaning_and_their_comments(text: str) -> None:
    once = formatted(text)
    assert same(tree(once), tree(text))
    assert formatted(once) == once
    assert places_of_comments(once) == places_of_comments(text)
    assert once.endswith("\n")
    assert not re.search(r"[ \t\r]$|\n\n\n|\n\n\Z|\{\n\n|^ *\t", once, re.MULTILINE)
    assert not re.search(r"\n\n *\}", once)


def test_the_comparison_sees_a_difference() -> None:
    """Of the tests themselves: what they compare is not always equal."""
    text = "model m { a = f(1, b=[2]) }"
    assert same(tree(text), tree(text.replace(" = ", "=")))
    for other in ("1", "c", "(2)", "[2, 3]", "[2.0]", "[True]"):
        assert not same(tree(text), tree(text.replace("[2]", other)))
    assert places_of_comments("model m {\na # c1\nb\n}") != places_of_comments(
        "model m {\na\nb # c1\n}"
    )


# ------------------------------------------------------------------ what was laid out well


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_stay_as_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_of_the_language_stay_as_they_are(text: str) -> None:
    assert formatted(text) == text


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_layouts(path: Path, golden: Callable[[str, str], None]) -> None:
    result = formatted(path.read_bytes().decode())
    golden(f"format/{path.stem}.spec", result)
    assert formatted(result) == result


# ------------------------------------------------------------------------ single rules


def in_model(*statements: str) -> str:
    return "model m {\n" + "".join(f"    {s}\n" for s in statements) + "}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f( a,b = 1 , )", "f(a, b=1)"),
        ("x=a+b *-c**d", "x = a + b * -c ** d"),
        ("x=((a+b))*c", "x = (a + b) * c"),
        ("x=(a*b)+c", "x = a * b + c"),
        ("x=a-(b-c)-(d)", "x = a - (b - c) - d"),
        ("x=(-a)**b", "x = (-a) ** b"),
        ("x=-(a**b)", "x = -a ** b"),
        ("x=(a**b)**c", "x = (a ** b) ** c"),
        ("x=a**(b**c)", "x = a ** b ** c"),
        ("x=(not a)==b", "x = (not a) == b"),
        ("x=not(a==b)", "x = not a == b"),
        ("x=(a or b)and c", "x = (a or b) and c"),
        ("x=(a and b)or c", "x = a and b or c"),
        ("x=a<(b<c)", "x = a < (b < c)"),
        ("x=a is  not b not   in c", "x = a is not b not in c"),
        ("x=(a if b else c)if d else(e if f else g)",
         "x = (a if b else c) if d else e if f else g"),
        ("x=(a->b)->c", "x = (a -> b) -> c"),
        ("x=a->(b->c)", "x = a -> (b -> c)"),
        ("x=(a->b)if c else d", "x = a -> b if c else d"),
        ("x=(a,)+(b,c,)+()+[d,]", "x = (a,) + (b, c) + () + [d]"),
        ("x=(f)(a)(b).c[0]", "x = f(a)(b).c[0]"),
        ("x=(a+b).c", "x = (a + b).c"),
        ("x=1 .real", "x = (1).real"),
        ("x=1..real", "x = 1..real"),
        ("a[ 1 : 2,: ,:: ,::2]", "a[1:2, :, :, ::2]"),
        ("a[ i+1 : ,:f(x),-1:b.c]", "a[i + 1 :, : f(x), -1:b.c]"),
        ("x=[ a for b,(c,d),in e if f]", "x = [a for b, (c, d) in e if f]"),
        ("f('a', \"b\", 'say \"hi\"', 'it\\'s', \"a\\\"b\")",
         "f(\"a\", \"b\", 'say \"hi\"', \"it's\", 'a\"b')"),
        (r"""f('\\', '\n\'', "\"'")""", r"""f("\\", "\n'", "\"'")"""),
        ("f(f'a{b}',f\"{c['d']}\")", "f(f\"a{b}\", f\"{c['d']}\")"),
        ("f(5_000,1e-3,.5,1.,1E5)", "f(5_000, 1e-3, .5, 1., 1E5)"),
        ("a ,* b=c", "a, *b = c"),
        ("a  +=  1", "a += 1"),
        ("input x:float32 [ 1,None ,t ],dtype = 'a'", 'input x: float32[1, None, t], dtype="a"'),
        ("weight w:float32[1]='zeros',trainable=False",
         'weight w: float32[1] = "zeros", trainable=False'),
        ("weight w=a.b", "weight w = a.b"),
        ("param p:int in[1,2]=1", "param p: int in [1, 2] = 1"),
        ("param p=1", "param p = 1"),
        ("output a,b->c", "output a, b -> c"),
        ("layer l=Dense( 1 )", "layer l = Dense(1)"),
        ("expect layer 'a b' params=1*2", 'expect layer "a b" params = 1 * 2'),
        ("expect output a=float32[ ]", "expect output a = float32[]"),
        ("for i,(a,b)in c{}", "for i, (a, b) in c {}"),
        ("x\n -> a\n -> b", "x -> a -> b"),
    ],
)  # fmt: skip
def test_statement(text: str, expected: str) -> None:
    assert formatted(in_model(text)) == in_model(expected)
    assert same(tree(in_model(text)), tree(in_model(expected)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model a {}\nmodel b {}", "model a {}\n\nmodel b {}\n"),
        ("\n\nmodel a {}\n\n\n\nmodel b {}\n\n", "model a {}\n\nmodel b {}\n"),
        ("import 'a'\nimport 'b'\nmodel m {}", 'import "a"\nimport "b"\n\nmodel m {}\n'),
        ("import 'a'\n\n\nimport 'b'", 'import "a"\n\nimport "b"\n'),
        ("block b() { x }", "block b {\n    x\n}\n"),
        ("block b(a,c=1,d:int=2,e:t in[1]=1) {}",
         "block b(a, c=1, d: int = 2, e: t in [1] = 1) {}\n"),
        ("train t{\n\na=1\n\n\nlayer='b'\n\n}", 'train t {\n    a = 1\n\n    layer = "b"\n}\n'),
        ("model m {\n\n\n a\n\n\n\n b\n\n}", "model m {\n    a\n\n    b\n}\n"),
        ("model m { if a { b } elif c { d } else { e } }",
         in_model("if a {", "    b", "} elif c {", "    d", "} else {", "    e", "}")),
        ("model m {\n if a {} # 1\n # 2\n else {}\n}",
         "model m {\n    if a {}  # 1\n    # 2\n    else {}\n}\n"),
        ("# a\n\n\n\n# b\nmodel m {}#c\n#d\nmodel n {}\n\n\n# e",
         "# a\n\n# b\nmodel m {}  #c\n\n#d\nmodel n {}\n\n# e\n"),
        ("model a {}\n# of a\n\nmodel b {}", "model a {}\n# of a\n\nmodel b {}\n"),
        ("model m { # a\n\n# b\n\n}", "model m {  # a\n    # b\n}\n"),
        ("model m {\r\n\ta\r\n}\r\n", "model m {\n    a\n}\n"),
        ("model m {\na     # 1\nbc    # 2\n}", "model m {\n    a     # 1\n    bc    # 2\n}\n"),
        ("model m {\na # 1\nbc+d # 2\n}", "model m {\n    a  # 1\n    bc + d  # 2\n}\n"),
        ("model m {\na+b # 1\nc   # 2\n}", "model m {\n    a + b  # 1\n    c      # 2\n}\n"),
        ("model m {\na\t# 1\n}", "model m {\n    a  # 1\n}\n"),
    ],
)  # fmt: skip
def test_lines(text: str, expected: str) -> None:
    assert formatted(text) == expected
    assert formatted(expected) == expected


def test_width() -> None:
    room = WIDTH - len("    f(a, )")
    fits, too_long = in_model(f"f(a, {'b' * room})"), in_model(f"f(a, {'b' * (room + 1)})")
    assert formatted(fits) == fits
    assert max(map(len, fits.splitlines())) == WIDTH
    name = "b" * (room + 1)
    assert formatted(too_long) == in_model("f(", "    a,", f"    {name},", ")")


@pytest.mark.parametrize("after", [" {}", ""])
def test_what_follows_counts_for_the_width(after: str) -> None:
    head = "for a in " if after else "x = "
    name = "b" * (WIDTH - len(f"    {head}f(){after}"))
    assert formatted(in_model(f"{head}f({name}){after}")) == in_model(f"{head}f({name}){after}")
    broken = formatted(in_model(f"{head}f({name}b){after}"))
    assert f"{head}f(\n        {name}b,\n    ){after}\n" in broken


def test_aliases_become_main_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specc.layers, "ALIASES", {"MaxPool2D": "MaxPooling2D"}, raising=False)
    text = in_model("MaxPool2D", "MaxPool2D(2)", "x -> MaxPool2D -> f(MaxPool2D)", "MaxPool2D.x")
    main = "MaxPooling2D"
    assert formatted(text) == in_model(
        main, f"{main}(2)", f"x -> {main} -> f(MaxPool2D)", "MaxPool2D.x"
    )
    assert formatted(in_model("layer a = MaxPool2D")) == in_model(f"layer a = {main}")


@pytest.mark.parametrize(
    ("before", "core", "after"),
    [("(", "1", ")"), ("[", "1", "]"), ("f(", "1", ")"), ("f(a=", "1", ")"), ("-", "1", ""),
     ("x[", "1", "]"), ("x[1:", "1", "]"), ("(1 + ", "1", ")"), ("not ", "1", ""),
     ("(a -> ", "b", ")"), ("f(x)(", "1", ")"), ("", "f", "()"), ("", "f", ".a"),
     ("2 ** ", "1", ""),
     ("[a for b in ", "c", "]"), ("a if b else ", "c", ""), ("(a if (", "b", ") else c)")],
)  # fmt: skip
def test_deep_nesting(before: str, core: str, after: str) -> None:
    """As deep as the parser lets pass, and with a comment within, so that all is broken."""
    deepest = 0
    for count in range(4, 256, 4):
        for comment in ("", "# c1\n"):
            inner = f"({comment}{core})" if comment else core
            text = in_model(f"x = {before * count}{inner}{after * count}")
            try:
                expected = tree(text)
            except SpecError:
                continue
            deepest = count
            if count % 16 == 0 or count == 100:
                result = formatted(text)
                assert same(tree(result), expected)
                assert formatted(result) == result
    assert deepest >= 48


def test_time_grows_with_the_length() -> None:
    def seconds(lines: int) -> float:
        text = in_model(*["x = [x, y]->Dense(300,activation='elu') # why"] * lines)
        began = time.process_time()
        formatted(text)
        return time.process_time() - began

    seconds(100)
    short, long = seconds(2_000), seconds(20_000)
    assert long < max(30 * short, 2.0)
    assert long < 30


# ---------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "E0103"), ("# nothing\n", "E0103"), ("model m {", "E0106"), ("model m { 007 }", "E0110")],
)
def test_mistakes_are_those_of_the_parser(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        formatted(text)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def test_blocks_alone_are_formatted() -> None:
    assert formatted("block b{x}") == "block b {\n    x\n}\n"


# ----------------------------------------------------------------------- the command

UGLY = b"model m{\r\n\tDense( 1 )}"
TIDY = "model m {\n    Dense(1)\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / ".hidden").mkdir(parents=True)
    (tmp_path / "ugly.spec").write_bytes(UGLY)
    (tmp_path / "tidy.spec").write_text(TIDY)
    (tmp_path / "sub" / "ugly.spec").write_bytes(b"\xef\xbb\xbf" + UGLY)
    (tmp_path / "sub" / "other.txt").write_bytes(UGLY)
    (tmp_path / "sub" / ".hidden" / "ugly.spec").write_bytes(UGLY)
    return tmp_path


def test_a_file_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ugly.spec").chmod(0o640)
    assert main(["fmt", "ugly.spec"]) == 0
    assert capsys.readouterr() == ("", "ugly.spec: formatted\n")
    assert (folder / "ugly.spec").read_bytes() == TIDY.encode()
    assert (folder / "ugly.spec").stat().st_mode & 0o777 == 0o640
    assert main(["fmt", "ugly.spec"]) == 0
    assert capsys.readouterr() == ("", "")


def test_an_unchanged_file_is_not_written(folder: Path) -> None:
    before = (folder / "tidy.spec").stat()
    assert main(["fmt", "tidy.spec"]) == 0
    after = (folder / "tidy.spec").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_directory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", ".", "ugly.spec"]) == 0
    inner = os.path.join("sub", "ugly.spec")
    assert sorted(capsys.readouterr().err.splitlines()) == [
        f"{inner}: formatted",
        "ugly.spec: formatted",
    ]
    assert (folder / inner).read_bytes() == TIDY.encode()
    assert (folder / "sub" / "other.txt").read_bytes() == UGLY
    assert (folder / "sub" / ".hidden" / "ugly.spec").read_bytes() == UGLY


def test_a_link_stays_one(folder: Path) -> None:
    (folder / "link.spec").symlink_to("ugly.spec")
    assert main(["fmt", "link.spec"]) == 0
    assert (folder / "link.spec").is_symlink()
    assert (folder / "ugly.spec").read_text() == TIDY


def test_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--check", "tidy.spec"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["fmt", "--check", "tidy.spec", "ugly.spec"]) == 1
    assert capsys.readouterr() == ("ugly.spec: not formatted\n", "")
    assert (folder / "ugly.spec").read_bytes() == UGLY


def test_diff(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "--diff", "tidy.spec"]) == 0
    assert capfd.readouterr() == ("", "")
    (folder / "ugly.spec").write_text("model m {\n    Dense( 1 )\n}")
    assert main(["fmt", "--diff", "ugly.spec"]) == 1
    assert capfd.readouterr().out == (
        "--- ugly.spec\n+++ ugly.spec (formatted)\n@@ -1,3 +1,3 @@\n model m {\n"
        "-    Dense( 1 )\n-}\n\\ No newline at end of file\n+    Dense(1)\n+}\n"
    )
    assert main(["fmt", "--diff", "--check", "ugly.spec"]) == 2


def test_mistakes_of_all_files_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.spec").write_text("model m { f( }")
    (folder / "b.spec").write_text("")
    assert main(["fmt", "a.spec", "ugly.spec", "b.spec"]) == 1
    err = capsys.readouterr().err
    assert "ugly.spec: formatted" in err
    assert "a.spec:1:" in err
    assert "error[E0103]" in err
    assert err.endswith("2 errors.\n")
    assert (folder / "a.spec").read_text() == "model m { f( }"
    assert (folder / "ugly.spec").read_text() == TIDY


def test_nothing_is_written_where_a_file_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    assert main(["fmt", "ugly.spec", "missing.spec"]) == 2
    assert main(["fmt", "ugly.spec", "empty"]) == 2
    assert "there is no spec in `empty`" in capsys.readouterr().err
    assert (folder / "ugly.spec").read_bytes() == UGLY


@pytest.mark.parametrize("words", [[], ["-"]])
@pytest.mark.parametrize(
    ("options", "out", "status"),
    [([], TIDY, 0), (["--check"], "<stdin>: not formatted\n", 1), (["--diff"], None, 1)],
)
def test_standard_input(
    words: list[str],
    options: list[str],
    out: str | None,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(UGLY)))
    assert main(["fmt", *words, *options]) == status
    found = capfd.readouterr().out
    assert found == out if out is not None else found.startswith("--- <stdin>\n")


def test_standard_input_with_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"model m {")))
    assert main(["fmt"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "<stdin>:1:9" in err


def test_output_is_utf8_whatever_the_locale(repository: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "specc", "fmt"],
        input="model m { f('\u4e2d') }".encode(),
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(repository)},
        capture_output=True,
        check=True,
    )
    assert result.stdout.decode() == 'model m {\n    f("\u4e2d")\n}\n'
