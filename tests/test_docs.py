"""The documentation is true: its specs compile and its links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from specc.compiler import compile_source
from specc.diagnostics import errors
from specc.semantics.functions import FUNCTIONS
from specc.source import Source
from specc.syntax.build import MAX_DIGITS
from specc.syntax.lalr import MAX_DEPTH, MAX_ERRORS, machine
from specc.types import DTYPES

DOCS = Path(__file__).parent.parent / "docs"
LANGUAGE = (DOCS / "language.md").read_text(encoding="utf-8")
SPEC = re.compile(r"^```spec\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, text in enumerate(SPEC.findall(page.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_example_compiles(text: str) -> None:
    assert compile_source(Source("example.spec", text))


def test_contents_are_the_sections() -> None:
    sections = re.findall(r"^## (.+)$", LANGUAGE, re.MULTILINE)
    entries = re.findall(r"^- \[(.+)\]\(#(.+)\)$", LANGUAGE, re.MULTILINE)
    assert entries == [
        (title, re.sub(r"[^a-z0-9-]", "", title.lower().replace(" ", "-"))) for title in sections
    ]


def test_language_names_every_keyword_and_dtype() -> None:
    missing = [word for word in (*machine()[0].keywords, *DTYPES) if f"`{word}`" not in LANGUAGE]
    assert missing == []


def test_language_says_the_limits() -> None:
    from specc.files import MAX_BYTES
    from specc.semantics import arithmetic, context
    from specc.semantics.modules import MAX_FILES

    limits = LANGUAGE.partition("## Limits")[2].partition("\n## ")[0]
    numbers = {int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*\b", limits)}
    assert numbers == {
        MAX_BYTES >> 20,
        MAX_FILES,
        MAX_DEPTH,
        MAX_DIGITS,
        MAX_ERRORS,
        arithmetic.MAX_BITS,
        arithmetic.MAX_LENGTH,
        arithmetic.MAX_NESTING,
        context.MAX_AXES,
        context.MAX_DEPTH,
        context.MAX_MISTAKES,
        context.MAX_NESTING,
        context.MAX_NODES,
        context.MAX_STEPS,
    }


def test_language_names_every_function_and_standard_block() -> None:
    from specc.library import STANDARD, standard_modules

    for name in standard_modules():
        text = (Path(STANDARD) / f"{name[4:]}.spec").read_text(encoding="utf-8")
        for block in re.findall(r"^block (\w+)", text, re.MULTILINE):
            assert f"`{block}`" in LANGUAGE
    assert [name for name in FUNCTIONS if f"`{name}`" not in LANGUAGE] == []


@pytest.mark.parametrize(
    "page", ["adding-a-layer.md", "errors.md", "language.md", "layers.md", "lints.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    assert [target for target in targets if not (DOCS / target).exists()] == []


def test_errors_module_is_the_one_place_of_codes() -> None:
    """No module outside `diagnostics/errors` makes up a code."""
    package = Path(errors.__file__).parent.parent.parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r'"E0\d{3}"', path.read_text(encoding="utf-8"))
    }
    assert {Path(name).parent.as_posix() for name in found} == {"diagnostics/errors"}


def test_lints_package_is_the_one_place_of_their_codes() -> None:
    package = Path(errors.__file__).parent.parent.parent
    found = {
        path.parent.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r'"L\d{4}"', path.read_text(encoding="utf-8"))
    }
    assert found == {"lints"}


# ------------------------------------------------------------- docs/adding-a-layer.md

ADDING = (DOCS / "adding-a-layer.md").read_text(encoding="utf-8")


def block_after(words: str) -> str:
    """The fenced block that follows some words of the page."""
    found = re.search(r"```\w*\n(.*?)```", ADDING.partition(words)[2], re.DOTALL)
    assert found, words
    return found[1]


def test_the_layer_of_the_catalogue_is_the_one_that_is_there() -> None:
    """The page shows the class as it stands in the catalogue, so the contract tests hold for it."""
    import inspect

    from specc.layers.activations import PReLU

    assert block_after("<!-- PReLU -->") == inspect.getsource(PReLU)


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.filterwarnings("ignore")
def test_the_layer_of_ones_own_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's files, written and used as it says: every command, and the test in it."""
    import subprocess
    import sys

    from specc.cli.main import main

    files = ("gated.py", "gated.spec", "test_gated.py")
    for name in files:
        (tmp_path / name).write_text(block_after(f"`{name}`"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(
        r"^(specc .+|pytest .+)$", block_after("named on the command line:"), re.M
    )
    assert [command.split()[1] for command in commands[:4]] == [
        "layers",
        "check",
        "build",
        "export",
    ]
    for command in commands[:4]:
        assert main(command.split()[1:]) == 0
    said = capsys.readouterr().out
    assert "GatedDense(units, use_bias=True" in said
    assert "gate_kernel (8, 4): 32" in said
    assert "416 parameters" in said
    assert (tmp_path / "build" / "gated.onnx").is_file()

    assert commands[4] == "pytest test_gated.py"
    path = os.pathsep.join([str(DOCS.parent), str(tmp_path)])
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", *commands[4].split(), "-q", "-W", "ignore"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "9 passed" in done.stdout


def test_what_the_page_says_of_kinds_and_attributes_is_there() -> None:
    from specc.layers import api
    from specc.layers.base import Layer

    tables = ADDING.partition("## What a class says")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", tables, re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`(\w+)", cell)}
    assert {"Sizes", "infer", "shaped_by_call", "weights"} <= names
    missing = [n for n in names if not hasattr(api, n) and not hasattr(Layer, n)]
    assert [name for name in missing if name not in ("layer", "Dense")] == []
