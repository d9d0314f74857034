"""`specc lint`: every lint speaks up where it should, is quiet elsewhere, and mends what it says.

tests/lint has two specs for each lint: `<code>_found.spec`, whose findings are in
tests/golden/lint, and `<code>_quiet.spec`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from specc.cli.main import main
from specc.diagnostics import errors
from specc.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label
from specc.lints import lints
from specc.lints.bench import Bench
from specc.lints.fix import (
    Mending,
    _apart,  # pyright: ignore[reportPrivateUsage]
    _apply_all,  # pyright: ignore[reportPrivateUsage]
)
from specc.lints.run import Choice, lint
from specc.lints.windows import _idle  # pyright: ignore[reportPrivateUsage]
from specc.source import Source, Span

HERE = Path(__file__).parent
SPECS = HERE / "lint"
SHIPPED = sorted((HERE.parent / "specs").glob("*.spec"))
PAGES = sorted((Path(errors.__file__).parent.parent / "explain").glob("L*.md"))
DOC = HERE.parent / "docs" / "lints.md"
HEADING = "## The lints\n"

LINTS = {item.code: item for item in lints()}
WARNINGS = [code for code, item in LINTS.items() if item.severity == "warning"]
FIXED = [code for code, item in LINTS.items() if item.fixes]
each_lint = pytest.mark.parametrize("code", LINTS)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Messages name files from here."""
    monkeypatch.chdir(SPECS)


def found(text: str, *select: str, hints: bool = False) -> list[Diagnostic]:
    """What is said of a text."""
    return lint(Bench().subject(Source("a.spec", text)), Choice(select, (), hints))


def codes(diagnostics: list[Diagnostic]) -> list[str]:
    return [diagnostic.code for diagnostic in diagnostics]


def examples(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```spec\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def title(page: Path) -> str:
    return page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


# --------------------------------------------------------------------- lint by lint


@each_lint
def test_finds(code: str, golden: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["lint", "--select", code, f"{code}_found.spec"])
    shown = capsys.readouterr()
    assert shown.err == ""
    assert status == ("warning[" in shown.out)
    assert set(re.findall(r"^\w+\[(L\d+)\]", shown.out, re.MULTILINE)) == {code}
    golden(f"lint/{code}.txt", shown.out)


@each_lint
def test_is_quiet(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--select", code, f"{code}_quiet.spec"]) == 0
    assert main(["lint", f"{code}_quiet.spec"]) == 0
    assert capsys.readouterr().out == ""


@each_lint
def test_no_other_lint_warns(code: str) -> None:
    """One mistake, one finding."""
    text = (SPECS / f"{code}_found.spec").read_text(encoding="utf-8")
    if "import" not in text:
        assert set(codes(found(text))) <= {code}


@each_lint
def test_has_its_severity_and_fixes(code: str) -> None:
    """The lint's own severity is the most that a finding has."""
    path = f"{code}_found.spec"
    source = Source(path, Path(path).read_text(encoding="utf-8"), path)
    diagnostics = lint(Bench().subject(source), Choice([code]))
    severities = {diagnostic.severity for diagnostic in diagnostics}
    assert LINTS[code].severity in severities
    assert severities <= ({"hint"} if LINTS[code].severity == "hint" else {"hint", "warning"})
    fixes = {diagnostic.fix.applicability for diagnostic in diagnostics if diagnostic.fix}
    assert fixes == set(LINTS[code].fixes)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specs_are_quiet(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["lint", str(path)])
    shown = capsys.readouterr()
    if path.stem == "bn_before_as_printed":
        assert status == 1
        assert "warning[L000" in shown.out
        assert "100" in shown.out
    else:
        assert (status, shown.out, shown.err) == (0, "", "")


def test_as_printed_with_its_data_is_found_by_its_classes() -> None:
    text = (HERE.parent / "specs" / "bn_before_as_printed.spec").read_text(encoding="utf-8")
    text += """
data clothes {
    source = keras_dataset("fashion_mnist")
}

train bn_before_as_printed {
    data = clothes
    loss = "sparse_categorical_crossentropy"
}
"""
    findings = found(text)
    assert codes(findings) == ["L0003"]
    assert findings[0].message == "`bn_before_as_printed` gives 100 numbers for 10 classes"


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ('"bce"', ["L0002"]),
        ('"BCE"', ["L0002"]),
        ('"BinaryCrossentropy"', ["L0002"]),
        ("BinaryCrossentropy", ["L0002"]),
        ("BinaryCrossentropy(True)", []),
        ("BinaryFocalCrossentropy(False, 0.25, 2.0, True)", []),
        ("BinaryFocalCrossentropy(True)", ["L0002"]),
        ('"crossentropy"', ["L0002"]),
        ('"mse"', []),
        ('["bce"]', ["L0002"]),
        ("None", []),
    ],
)
def test_losses_by_any_of_their_names(loss: str, expected: list[str]) -> None:
    text = f"""model m {{
    input x: float32[8]

    Dense(1)
}}

train m {{
    loss = {loss}
}}
"""
    assert codes(found(text, "L0002")) == expected


# ---------------------------------------------------------------------------- pages


def test_codes_pages_and_specs_agree() -> None:
    assert [page.stem for page in PAGES] == list(LINTS)
    specs = {path.stem for path in SPECS.glob("L*.spec")}
    assert specs == {f"{code}_{kind}" for code in LINTS for kind in ("found", "quiet")}
    golden = HERE / "golden" / "lint"
    fixed = {f"{code}_fixed" for code in FIXED}
    assert {path.stem for path in golden.glob("L*.txt")} == {*LINTS, *fixed}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_keeps_the_form(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {page.stem}: \S.*[^.]\n\n", text)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert len(examples(page)) == 2
    assert max(map(len, text.splitlines())) <= 100
    assert f"Source: {LINTS[page.stem].source}." in " ".join(text.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_do_what_the_page_says(page: Path) -> None:
    """The first is found by the lint and by no other that warns, the second by none."""
    wrong, right = examples(page)
    assert codes(found(wrong, *WARNINGS, page.stem)) == [page.stem]
    assert codes(found(right, *WARNINGS, page.stem)) == []


def index() -> str:
    lines = [
        "`specc explain CODE` prints the page of a lint, with an example that it finds and one",
        "that it does not.",
        "",
        "| code | what it finds | severity | fix | source |",
        "|---|---|---|---|---|",
    ]
    for page in PAGES:
        code, _, said = title(page).partition(": ")
        item = LINTS[code]
        link = f"../specc/diagnostics/explain/{code}.md"
        fix = " or ".join(item.fixes)
        lines.append(f"| [{code}]({link}) | {said} | {item.severity} | {fix} | {item.source} |")
    return "\n".join(lines) + "\n"


def test_index_is_that_of_the_pages(request: pytest.FixtureRequest) -> None:
    """After a new page `pytest --update-golden` writes the table of docs/lints.md anew."""
    text = DOC.read_text(encoding="utf-8")
    wanted = text.partition(HEADING)[0] + HEADING + "\n" + index()
    if request.config.getoption("--update-golden"):
        DOC.write_text(wanted, encoding="utf-8")
    assert DOC.read_text(encoding="utf-8") == wanted


# ---------------------------------------------------------------------------- fixing


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The specs, to be written to."""
    folder = tmp_path / "lint"
    shutil.copytree(SPECS, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("code", FIXED)
def test_fixes(code: str, copies: Path, golden: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left and what is written after safe fixes, and then after the others."""
    path = f"{code}_found.spec"
    before = (copies / path).read_text(encoding="utf-8")
    report: list[str] = []
    for options in (["--fix"], ["--fix", "--unsafe-fixes"]):
        status = main(["lint", "--select", code, *options, path])
        shown = capsys.readouterr()
        left = re.findall(r"^\w+\[L\d+\]", shown.out, re.MULTILINE)
        report += [f"$ specc lint {' '.join(options)}: exit status {status}, {len(left)} left"]
        report += shown.err.splitlines()
    after = (copies / path).read_text(encoding="utf-8")
    assert after != before
    golden(f"lint/{code}_fixed.txt", "\n".join(report) + "\n\n" + after)
    assert codes(lint(Bench().subject(Source(path, after, path)), Choice([code]))) == (
        ["L0011"] if code == "L0011" else []  # the parameter of a block is not removed
    )


@pytest.mark.parametrize("code", LINTS)
def test_fix_leaves_what_is_in_order(code: str, copies: Path) -> None:
    path = copies / f"{code}_quiet.spec"
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert main(["lint", "--fix", "--unsafe-fixes", path.name]) == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


BIASED = """model m {
    input x: float32[8]

    Dense(4)
    BatchNormalization
    ReLU
    Dense(1)
}
"""


def test_safe_fix_keeps_line_ends_and_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.spec"
    path.write_bytes(BIASED.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    link = tmp_path / "b.spec"
    link.symlink_to(path)
    assert main(["lint", "--fix", str(link)]) == 0
    fixed = BIASED.replace("Dense(4)", "Dense(4, use_bias=False)").replace("\n", "\r\n")
    assert path.read_bytes() == fixed.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a.spec", "b.spec"]


def test_fix_with_which_the_spec_does_not_compile_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The number that is expected is computed, so that it cannot be written anew."""
    path = tmp_path / "a.spec"
    text = BIASED.replace("}\n", "\n    expect params = 50 + 7\n}\n")
    path.write_text(text, encoding="utf-8")
    assert main(["lint", "--fix", "--unsafe-fixes", str(path)]) == 1
    assert path.read_text(encoding="utf-8") == text
    assert "not fixed, since then: parameters of `m`: expected 57" in capsys.readouterr().err


def test_fixes_at_one_place_come_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "a.spec"
    path.write_text(
        'import "std/mlp"\nimport "std/resnet"\n'
        + BIASED.replace("Dense(1)", 'Dense(4, activation="selu")\n    Dense(4, "relu")'),
        encoding="utf-8",
    )
    assert main(["lint", "--fix", "--unsafe-fixes", "--hints", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith("model m {")
    assert 'Dense(4, activation="selu", kernel_initializer="lecun_normal")' in text
    assert 'Dense(4, "relu", kernel_initializer="he_normal")' in text


def test_one_fix_that_cannot_be_made_keeps_none_of_the_others_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.spec"
    part = "    Dense(4)\n    BatchNormalization\n    ReLU\n"
    text = BIASED.replace(part, part * 3)
    text = text.replace("}\n", "\n    expect layer dense_1 params = 10 + 10\n}\n")
    path.write_text(text, encoding="utf-8")
    assert main(["lint", "--fix", "--unsafe-fixes", str(path)]) == 1
    fixed = "    Dense(4, use_bias=False)\n    BatchNormalization\n    ReLU\n"
    assert path.read_text(encoding="utf-8") == text.replace(part * 3, fixed + part + fixed)
    said = capsys.readouterr().err
    assert said.count(": fixed: ") == 2
    assert said.count(": not fixed, since then: ") == 1


def edit(source: Source, start: int, end: int, text: str = "") -> Diagnostic:
    span = Span(source, start, end)
    return Diagnostic("L0001", "", Label(span), fix=Fix([Edit(span, text)]))


def test_fixes_that_touch_wait_for_each_other() -> None:
    source = Source("a.spec", "0123456789")
    places = [(7, 9), (0, 2), (4, 6), (2, 3), (5, 5)]
    given = [edit(source, *place) for place in places]
    assert _apart(given) == [given[1], given[2], given[0]]


def test_fixes_keep_their_places_where_they_are_made_one_by_one() -> None:
    source = Source("a.spec", "# one\n" + BIASED + "# two")
    end, wrong = len(source.text), source.text.index("4)")
    given = [edit(source, 2, 2, "number "), edit(source, wrong, wrong + 1, "-4")]
    mending = Mending(source)
    _apply_all(mending, [*given, edit(source, end - 3, end, "three")], Bench())
    assert mending.source.text == "# number one\n" + BIASED + "# three"
    assert [diagnostic for diagnostic, _ in mending.refused] == given[1:]


@pytest.mark.parametrize(
    ("written", "mended"),
    [
        ("Dense(4,)", "Dense(4, use_bias=False,)"),
        ("Dense(4, use_bias=True)", "Dense(4, use_bias=False)"),
        ("Dense(4, None, True)", "Dense(4, None, False)"),
        (
            "Dense(\n        units=4,  # few\n    )",
            "Dense(\n        units=4, use_bias=False,  # few\n    )",
        ),
        ("Dense(4, use_bias=1 < 2)", None),
        ("Dense(4)  # lint: allow L0001", None),
    ],
)
def test_argument_is_put_where_it_belongs(written: str, mended: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.spec"
    text = BIASED.replace("Dense(4)", written)
    path.write_text(text, encoding="utf-8")
    main(["lint", "--fix", str(path)])
    wanted = text if mended is None else text.replace(written, mended)
    assert path.read_text(encoding="utf-8") == wanted


def test_layer_given_to_a_block_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """block normalized(inner) {
    input x
    x -> inner -> BatchNormalization -> ReLU
}

model m {
    input x: float32[8]

    normalized(Dense(4))
    Dense(1)
}
"""
    path = tmp_path / "a.spec"
    path.write_text(text, encoding="utf-8")
    assert main(["lint", "--fix", str(path)]) == 1
    assert path.read_text(encoding="utf-8") == text
    assert capsys.readouterr().err == ""


# ----------------------------------------------------------------------- the command


def test_json(capsys: pytest.CaptureFixture[str], golden: Any) -> None:
    assert main(["lint", "--json", "L0009_found.spec", "L0004_found.spec"]) == 1
    golden("lint/json.txt", capsys.readouterr().out)
    assert main(["lint", "--json", "L0004_quiet.spec"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {"ok": True, "findings": [], "fixed": [], "not_fixed": []}


def test_json_says_what_was_fixed(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--json", "--fix", "L0009_found.spec"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["findings"]) == (True, [])
    assert [item["code"] for item in result["fixed"]] == ["L0009"]
    assert copies.exists()


def test_errors_are_shown_as_check_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(HERE / "bad" / "unknown_layer.spec")
    for options in ([], ["--json"]):
        assert main(["check", *options, path]) == 1
        checked = capsys.readouterr()
        assert main(["lint", *options, "L0001_found.spec", path]) == 1
        assert capsys.readouterr() == checked


def test_hints_alone_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "L0018_found.spec"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["lint", "--hints", "L0018_found.spec"]) == 0
    assert capsys.readouterr().out.endswith("\n4 hints.\n")


def test_select_and_ignore(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--ignore", "l0001", "L0001_found.spec"]) == 0
    assert main(["lint", "--select", "L0006, L0002", "L0001_found.spec"]) == 0
    assert main(["lint", "--select", "L0001", "--ignore", "L0001", "L0001_found.spec"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["lint", "--select", "L9999", "L0001_found.spec"]) == 2
    assert main(["lint", "--unsafe-fixes", "L0001_found.spec"]) == 2


def test_parameters_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "a.spec"
    path.write_text(
        "model m {\n    param units: int = 4\n    input x: float32[8]\n\n"
        '    Dense(units, activation="softmax")\n}\n',
        encoding="utf-8",
    )
    assert main(["lint", str(path)]) == 0
    assert main(["lint", "-p", "units=1", str(path)]) == 1
    assert main(["lint", "-p", "unit=1", str(path)]) == 2


def test_imported_file_is_reported_on_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its blocks are used, if only by others."""
    (tmp_path / "blocks.spec").write_text(
        "block unit {\n    input x\n    x -> Dense(4) -> BatchNormalization -> ReLU\n}\n"
        "block unused {\n    input x\n    x -> Flatten\n}\n"
        "model m {\n    input x: float32[8]\n    Dense(1)\n}\n",
        encoding="utf-8",
    )
    for name in ("a", "b"):
        (tmp_path / f"{name}.spec").write_text(
            f'import "blocks.spec"\nmodel {name} {{\n    input x: float32[8]\n'
            + "    unit\n" * 10
            + "    Dense(1)\n}\n",
            encoding="utf-8",
        )
    paths = [str(tmp_path / f"{name}.spec") for name in ("a", "b", "blocks")]
    assert main(["lint", *paths]) == 1
    shown = capsys.readouterr().out
    assert shown.count("L0001]") == 1
    assert shown.endswith("\n1 warning.\n")
    before = (tmp_path / "blocks.spec").read_bytes()
    assert main(["lint", "--fix", *paths[:2]]) == 1
    assert (tmp_path / "blocks.spec").read_bytes() == before
    capsys.readouterr()
    assert main(["lint", paths[2]]) == 1
    assert capsys.readouterr().out.count("L0010]") == 2


@pytest.mark.parametrize(
    ("line", "quiet"),
    [
        ("Dense(4)  # lint: allow L0001", True),
        ("Dense(4)  # why not; lint: allow L0001", False),
        ("Dense(4)  #lint:allow L0006 ,L0001 (as trained)", True),
        ("Dense(4)  # lint: allow L0006", False),
        ("# lint: allow L0001\n    Dense(4)", True),
        ("# lint: allow L0001\n\n    Dense(4)", False),
        ('Dense(4, name="d")  # lint: allow L0001', True),
        ('Dense(4, name="d" if "# lint: allow L0001" != "" else "e")', False),
        ("Dense(\n        4\n    )  # lint: allow L0001", True),
    ],
)
def test_allowing(line: str, quiet: bool) -> None:
    assert (found(BIASED.replace("Dense(4)", line)) == []) is quiet


def test_comment_of_the_line_before_is_not_for_the_next() -> None:
    text = BIASED.replace(
        "    Dense(4)", "    Dense(4, activation='tanh')  # lint: allow L0001\n    Dense(4)"
    )
    assert codes(found(text)) == ["L0001"]


# --------------------------------------------------------------- what Keras says of it


def test_idle_positions_are_those_that_keras_never_uses(keras_backend: Any) -> None:
    import numpy as np

    cases = [(s, k, t, 1) for s in (1, 2, 3, 4) for k in (2, 3, 5, 8) for t in (1, 2, 3)]
    for size, taps, stride, dilation in [*cases, (10, 3, 1, 10), (4, 3, 1, 3), (5, 3, 1, 2)]:
        layer = keras_backend.layers.Conv1D(
            1, taps, strides=stride, padding="same", dilation_rate=dilation, use_bias=False
        )
        layer.build((None, size, 1))
        used = 0
        for tap in range(taps):
            kernel = np.zeros((taps, 1, 1), "float32")
            kernel[tap] = 1
            layer.set_weights([kernel])
            used += bool(np.any(layer(np.ones((1, size, 1), "float32"))))
        assert _idle(size, taps, stride, dilation) == taps - used, (size, taps, stride, dilation)
