"""Reports as data that keep to their schema, and as a page, looked at in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import onnx
import pytest

from specc.cli.main import main
from specc.verification.page.histogram import histogram
from specc.verification.page.render import page
from tests.browser import CHROMIUM, SCREEN, chromium, laid_out
from verification.subjects import Subjects, change, node_of, one_percent

Printed = pytest.CaptureFixture[str]

CPU = ("--provider", "cpu")


@pytest.fixture(scope="session")
def schema(repository: Path) -> Any:
    found = json.loads((repository / "docs" / "verification-report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@pytest.fixture
def files(place: Path, subjects: Subjects) -> Path:
    """Beside the sound file one with another activation, and one with another weight."""
    file = subjects("small").copy()
    node = node_of(file, "dense_1", "Elu")
    node.op_type = "Relu"
    del node.attribute[:]
    onnx.save(file, "activation.onnx")
    file = subjects("small").copy()
    change(file, "dense_2/kernel", one_percent)
    onnx.save(file, "weight.onnx")
    return place


# --------------------------------------------------------------------------------- data


@pytest.mark.usefixtures("files")
def test_reports_keep_to_the_schema(schema: Any, capsys: Printed) -> None:
    sound = str(Path("build") / "small.onnx")
    assert main(["export", "--onnx", "small.spec", *CPU]) == 0
    assert main(["export", "--onnx", "small.spec", *CPU, "--precision", "float16", "--io", "same",
                 "-o", "half"]) == 0  # fmt: skip
    assert main(["export", "--onnx", "small.spec", *CPU, "--quantize", "int8", "-o", "whole"]) == 0
    capsys.readouterr()
    for words, kind, status in [
        ([], "spec", 0),
        (["--layers"], "spec", 0),
        (["activation.onnx", "--layers"], "spec", 1),
        (["weight.onnx"], "spec", 1),
        (["half/small.onnx"], "spec", 0),
        (["whole/small.onnx"], "spec", 0),
    ]:
        assert main(["verify", "small.spec", *words, *CPU, "--json"]) == status
        data = json.loads(capsys.readouterr().out)
        jsonschema.validate(data, schema)
        assert (data["kind"], data["ok"]) == (kind, not status)
    for words, kind, status in [
        ([sound], "file", 0),
        (["half/small.onnx"], "file", 0),
        ([sound, sound], "pair", 0),
        ([sound, "weight.onnx"], "pair", 1),
    ]:
        assert main(["verify", *words, *CPU, "--json"]) == status
        data = json.loads(capsys.readouterr().out)
        jsonschema.validate(data, schema)
        assert (data["kind"], data["ok"]) == (kind, not status)


def test_the_schema_refuses_what_is_none(schema: Any) -> None:
    for wrong in {}, {"kind": "spec"}, {"kind": "other", "ok": True}, []:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


# -------------------------------------------------------------------------------- pages


@pytest.mark.usefixtures("files")
def test_a_page_needs_nothing_else(capsys: Printed) -> None:
    """No address of anything; the report is printed as without it; old pages stay whole."""
    assert main(["verify", "small.spec", *CPU, "--html", "report.html"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("small: ")
    text = Path("report.html").read_text("utf-8")
    assert not re.findall(r"https?://|src=|@import|url\(", text)
    assert not re.findall(r"<(?:script|link|img|iframe)\b", text)
    assert main(["verify", "small.spec", "missing.onnx", "--html", "report.html"]) == 2
    assert Path("report.html").read_text("utf-8") == text
    capsys.readouterr()
    assert main(["verify", "small.spec", *CPU, "--html", "build"]) == 2
    assert capsys.readouterr() == ("", "error: cannot write `build`: it is a directory\n")


@pytest.mark.usefixtures("files")
def test_the_page_of_every_form() -> None:
    assert main(["export", "--onnx", "small.spec", *CPU]) == 0
    for words in ["small.spec"], ["build/small.onnx"], ["build/small.onnx", "weight.onnx"]:
        status = main(["verify", *words, *CPU, "--html", "report.html"])
        text = Path("report.html").read_text("utf-8")
        verdict = "does not agree" if status else "agrees"
        assert f">{verdict}</span></" in text or f">{verdict}</span><" in text
        for title in "Backends", "Errors", "Layers", "Parameters", "Inputs", "Tolerance":
            assert f"<h2>{title}</h2>" in text, (words, title)


def test_texts_are_escaped() -> None:
    report = {
        "kind": "pair", "ok": False, "files": ["<a>.onnx", "b&c.onnx"], "runs_on": ["x", "y"],
        "inputs": [], "outputs": [], "params": [1, 1], "undefined": 0, "runs": [],
        "accuracy": None, "layers": None, "notes": ["<i>"],
        "errors": [{"message": "<b>`<u>`", "layer": None, "file": None, "line": None}],
    }  # fmt: skip
    text = page(report)
    assert "&lt;b&gt;<code>&lt;u&gt;</code>" in text
    assert "b&amp;c.onnx" in text
    assert not re.findall(r"<[aiu]>|<b>", text)


def test_every_error_is_in_the_histogram() -> None:
    shares = [0.0, 1e-9, 0.3, 1.0, 1.1, 50.0, 1e9, float("inf"), float("nan")]
    text = histogram("all", shares)
    counts = [int(x) for x in re.findall(r"<title>(\d+)</title>", text)]
    assert sum(counts) == len(shares)
    wrong = [int(x) for x in re.findall(r'class="bar off"[^>]*><title>(\d+)</title>', text)]
    assert sum(wrong) == 5  # those above 1: what is just allowed is allowed


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package is `chromium`)")
@pytest.mark.usefixtures("files")
def test_the_first_screen_names_layer_and_line(tmp_path: Path) -> None:
    """In a real browser of 1280 x 800: where the texts stand, as it lays them out."""
    assert main(["verify", "small.spec", "activation.onnx", *CPU, "--html", "report.html"]) == 1
    text = Path("report.html").read_text("utf-8")
    wanted = ["First difference", "dense_1", "small.spec:6", 'Dense(4, activation="elu")']
    data = laid_out(text, wanted, tmp_path)
    assert set(data["found"]) == set(wanted)
    for what, (left, top, right, bottom) in data["found"].items():
        assert 0 <= left < right <= SCREEN[0], what
        assert 0 <= top < bottom <= SCREEN[1], what
    assert data["width"] <= SCREEN[0]  # nothing to scroll sideways for

    picture = tmp_path / "report.png"
    chromium(Path("report.html"), f"--screenshot={picture}")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000  # an empty page of that size has some 5 KB
