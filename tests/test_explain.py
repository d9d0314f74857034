"""Every error code has one function and one page, and each page's examples do what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import specc
from specc.cli.main import main
from specc.diagnostics import errors
from specc.diagnostics.diagnostic import SpecError

EXPLAIN = Path(errors.__file__).parent.parent / "explain"
PAGES = sorted(EXPLAIN.glob("E*.md"))
EVERY_PAGE = sorted(EXPLAIN.glob("*.md"))
"""Those of the lints too, which tests/test_lint.py holds to what they say."""

INDEX = Path(__file__).parent.parent / "docs" / "errors.md"

WITHOUT_EXAMPLE = {"E0101", "E0102"}
"""No text of a spec raises these, nor any code of the hundreds E06 and E07: they speak of bytes,
of what was made from a spec that is in order, or of data."""

BLOCKS = """block head(units) {
    input x
    Dense(units)
}
"""
"""The file `blocks.spec`, which stands beside each example; the example is `example.spec`."""

GROUPS = {
    "E01": "Reading and syntax",
    "E02": "Names and arguments",
    "E03": "Shapes and dtypes",
    "E04": "Structure of a model",
    "E05": "Expectations",
    "E06": "The built or exported model",
    "E07": "Data and training",
}


def codes_by_function() -> dict[str, set[str]]:
    """The codes that stand in each function of the `errors` package."""
    modules = sorted(Path(errors.__file__).parent.glob("*.py"))
    functions = [
        function
        for module in modules
        if module.stem not in ("__init__", "words")
        for function in ast.parse(module.read_text(encoding="utf-8")).body
    ]
    return {
        function.name: {
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"E\d{4}", node.value)
        }
        for function in functions
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_")
    }


def examples(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```spec\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def title(page: Path) -> str:
    """The first line, as `E0301: the inputs of a layer do not fit together`."""
    return page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def compiled(text: str, folder: Path) -> specc.Program:
    """The program of an example."""
    (folder / "blocks.spec").write_text(BLOCKS)
    path = folder / "example.spec"
    path.write_text(text)
    return specc.compile(path)


WITH_EXAMPLES = [page for page in PAGES if examples(page)]


def test_a_function_has_one_code_and_a_code_one_function() -> None:
    by_function = codes_by_function()
    assert {name: codes for name, codes in by_function.items() if len(codes) != 1} == {}
    every = sorted(code for codes in by_function.values() for code in codes)
    assert sorted(set(every)) == every


def test_codes_and_pages_agree() -> None:
    codes = {code for codes in codes_by_function().values() for code in codes}
    assert codes == {page.stem for page in PAGES}


def test_pages_without_an_example_are_those_that_can_have_none() -> None:
    without = {page.stem for page in PAGES if not examples(page)}
    assert {code for code in without if not code.startswith(("E06", "E07"))} == WITHOUT_EXAMPLE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_form(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {page.stem}: [^\n]*[^.\n]\n\n\S", text)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert len(examples(page)) in (0, 2)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_wrong_example_raises_its_code_alone(page: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        compiled(examples(page)[0], tmp_path)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [page.stem]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_right_example_compiles(page: Path, tmp_path: Path) -> None:
    assert compiled(examples(page)[1], tmp_path).models


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.stem)
def test_command_prints_the_page(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", page.stem.lower()]) == 0
    assert capsys.readouterr().out == page.read_text(encoding="utf-8")


def test_command_lists_the_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.splitlines() == [title(page) for page in EVERY_PAGE]


def index() -> str:
    lines = [
        "# Errors",
        "",
        "Every error has a code. `specc explain CODE` prints its page, with an example that",
        "raises it and one that does not; the pages are the files of",
        "[`specc/diagnostics/explain`](../specc/diagnostics/explain).",
    ]
    for prefix, group in GROUPS.items():
        lines += ["", f"## {prefix}: {group.lower()}", "", "| code | what is wrong |", "|---|---|"]
        for page in PAGES:
            if page.stem.startswith(prefix):
                code, _, said = title(page).partition(": ")
                link = f"../specc/diagnostics/explain/{code}.md"
                lines.append(f"| [{code}]({link}) | {said} |")
    return "\n".join(lines) + "\n"


def test_index_is_that_of_the_pages(request: pytest.FixtureRequest) -> None:
    """After a new page `pytest --update-golden` writes docs/errors.md anew."""
    if request.config.getoption("--update-golden"):
        INDEX.write_text(index(), encoding="utf-8")
    assert INDEX.read_text(encoding="utf-8") == index()
