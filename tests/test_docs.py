"""The documentation is true: its specs compile and its links lead somewhere."""

from __future__ import annotations

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
