"""`specc layers`: what people and scripts are told about the catalogue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import Golden

from specc.cli.main import main
from specc.layers import FAMILIES, LAYER_NAMES, find_layer
from specc.layers.refused import REFUSED

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    status = main(["layers", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(
    ("name", "words", "status"),
    [
        ("every", [], 0),
        ("Dense", ["Dense"], 0),
        ("LSTM", ["LSTM"], 0),
        ("PReLU", ["PReLU"], 0),
        ("StackedRNNCells", ["StackedRNNCells"], 0),
        ("alias", ["Convolution2D"], 0),
        ("refused", ["Lambda"], 1),
        ("part_of_a_name", ["transpose"], 0),
        ("second_name", ["AvgPool"], 0),
        ("sentence", ["table"], 0),
        ("misspelt", ["Dnese"], 2),
        ("unknown", ["nonsense"], 2),
    ],
)
def test_what_is_shown(
    name: str, words: list[str], status: int, golden: Golden, capsys: Capture
) -> None:
    found, out, err = run(capsys, *words)
    assert found == status
    golden(f"layers/{name}.txt", out + (f"--- stderr\n{err}" if err else ""))


@pytest.mark.parametrize("word", ["dense", "DENSE", "Dense"])
def test_letter_case_does_not_matter(word: str, capsys: Capture) -> None:
    assert run(capsys, word) == run(capsys, "Dense")


def test_a_second_name_in_another_case(capsys: Capture) -> None:
    status, out, _ = run(capsys, "maxpool2d")
    assert status == 0
    assert "MaxPooling2D(pool_size" in out


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_every_layer_has_a_page(name: str, capsys: Capture) -> None:
    status, out, err = run(capsys, name)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 96
    cls = find_layer(name)
    assert cls is not None
    for argument in (*cls.signature, *cls.call_arguments, "name"):
        assert f"\n  {argument} " in out


def test_list_as_json(capsys: Capture) -> None:
    status, out, _ = run(capsys, "--json")
    report = json.loads(out)
    assert (status, report["ok"]) == (0, True)
    assert {row["name"] for row in report["layers"]} == set(LAYER_NAMES)
    assert {row["family"] for row in report["layers"]} == set(FAMILIES)
    assert {row["name"]: (row["why"], row["instead"]) for row in report["refused"]} == REFUSED
    for row in report["layers"]:
        assert set(row) == {"name", "family", "package", "summary"}
        assert row["summary"]


def layer_as_json(capsys: Capture, name: str) -> dict[str, Any]:
    status, out, _ = run(capsys, "--json", name)
    report = json.loads(out)
    assert (status, report["ok"]) == (0, True)
    return report["layer"]


def test_layer_as_json(capsys: Capture) -> None:
    layer = layer_as_json(capsys, "MultiHeadAttention")
    assert list(layer) == [
        *("name", "family", "package", "aliases", "summary", "notes", "arguments", "common"),
        *("call_arguments", "inputs", "shapes", "weights", "example", "exports", "signature"),
    ]
    assert layer["arguments"][0] == {
        "name": "num_heads",
        "default": None,
        "takes": "a whole number, 1 or more",
        "choices": [],
        "by_name": False,
    }
    example = layer["example"]
    assert list(example) == ["text", "inputs", "outputs", "weights", "params"]
    assert example["inputs"] == ["float32[4, 8]", "float32[6, 8]"]
    assert example["outputs"] == ["float32[4, 8]"]
    assert example["weights"][0] == {
        "name": "query/kernel",
        "shape": [8, 2, 4],
        "dtype": "float32",
        "trainable": True,
        "params": 64,
    }
    # Four projections of 8 to 2 * 4, or back, each with a bias.
    assert example["params"] == 4 * (8 * 8 + 8)


def test_choices_are_in_the_json(capsys: Capture) -> None:
    arguments = {a["name"]: a for a in layer_as_json(capsys, "Conv1D")["arguments"]}
    assert arguments["padding"]["choices"] == ["valid", "same", "causal"]
    assert arguments["padding"]["default"] == '"valid"'
    assert "gelu" in arguments["activation"]["choices"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_layer_as_json(name: str, capsys: Capture) -> None:
    """But `add`, which a spec cannot have, leads to `Add`."""
    status, out, _ = run(capsys, "--json", name)
    report = json.loads(out)
    if status == 0:
        assert report["layer"]["name"] == name.capitalize()
        return
    assert status == 1
    assert report == {"ok": False, "name": name, **REFUSED[name]._asdict()}
