"""Faults of an exporter that fresh weights do not show."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specc
from specc.backends.fold import Bound
from specc.cli.main import main
from specc.graph import Variable
from specc.verification import reference as reference_module
from verification.subjects import Array, Subjects

# --------------------------------------------------- faults that fresh weights do not show

Arrays = list[Array]


def swapped(variables: list[Variable], arrays: Arrays) -> Arrays:
    """beta for moving_mean and the other way round: both zero in fresh weights."""
    place = {v.path: number for number, v in enumerate(variables)}
    other = {"beta": "moving_mean", "moving_mean": "beta"}
    return [arrays[place[f"{v.layer}/{other.get(v.name, v.name)}"]] for v in variables]


def without_variance(variables: list[Variable], arrays: Arrays) -> Arrays:
    return [
        np.ones_like(array) if v.name == "moving_variance" else array
        for v, array in zip(variables, arrays, strict=True)
    ]


def without_biases(variables: list[Variable], arrays: Arrays) -> Arrays:
    return [
        np.zeros_like(array) if v.name == "bias" else array
        for v, array in zip(variables, arrays, strict=True)
    ]


HIDDEN = [swapped, without_variance, without_biases]


@pytest.fixture
def faulty_exporter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Make the exporter bind other numbers to the graph than it is given."""
    right = Bound.tensors

    def install(fault: Callable[[list[Variable], Arrays], Arrays]) -> None:
        def faulty(bound: Bound, arrays: Arrays) -> Any:
            variables = [parameter.variable for parameter in bound.accounting.parameters]
            return right(bound, fault(variables, list(arrays)))

        monkeypatch.setattr(Bound, "tensors", faulty)

    return install


@pytest.mark.parametrize("fault", HIDDEN)
def test_a_faulty_exporter_writes_nothing(
    fault: Any,
    faulty_exporter: Callable[[Any], None],
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An older file stays as it is, and a new one does not appear."""
    before = (place / "build" / "small.onnx").read_bytes()
    faulty_exporter(fault)
    for words in ["small.spec"], ["small.spec", "-o", "new"]:
        assert main(["export", "--onnx", *words, "--provider", "cpu"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        # Into which `batch_normalization` is folded.
        layer, line = ("dense", 4) if fault is without_biases else ("dense_1", 6)
        target = os.path.join(words[-1] if words[-1] == "new" else "build", "small.onnx")
        first, where, *_ = printed.err.splitlines()
        assert first == f"error[E0605]: {target} parts from Keras in `{layer}`"
        assert where.strip() == f"--> small.spec:{line}:5"
        assert "randomised weights" in printed.err
        together = "the file computes `batch_normalization` together with it"
        assert (together in printed.err) == (layer == "dense_1")
        assert printed.err.endswith("1 error; nothing was written.\n")
    assert (place / "build" / "small.onnx").read_bytes() == before
    left = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    assert left == [os.path.join("build", "small.onnx"), "small.spec"]


@pytest.mark.parametrize("fault", HIDDEN)
def test_only_randomised_weights_find_it(
    fault: Any,
    faulty_exporter: Callable[[Any], None],
    subjects: Subjects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the randomised weights are for: without them, the faults above pass unseen."""
    sound = subjects("small")
    faulty_exporter(fault)
    file = sound.model.to_onnx(sound.keras)
    assert not specc.verify(sound.model, sound.keras, file, provider="cpu").ok
    monkeypatch.setattr(reference_module, "randomise", lambda arrays, *_: arrays)
    assert specc.verify(sound.model, sound.keras, file, provider="cpu").ok
