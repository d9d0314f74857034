"""`specc verify A B`: two models without a spec."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx_files
import onnxruntime
import pytest
from onnx import TensorProto, helper

from specc.cli.main import main
from specc.verification.differences import largest_ulps
from verification.subjects import Subjects, change, one_percent

Printed = pytest.CaptureFixture[str]

CPU = ("--provider", "cpu")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subjects: Subjects) -> Path:
    """A directory with a.onnx and a.keras of one model."""
    monkeypatch.chdir(tmp_path)
    small = subjects("small")
    onnx.save(small.file, "a.onnx")
    small.keras.save("a.keras")
    return tmp_path


def dense(path: str, names: tuple[str, str], kernel: Any, shape: tuple[Any, ...]) -> str:
    """y = x @ kernel, as a file of no tool that names layers."""
    constant = onnx.numpy_helper.from_array(np.asarray(kernel, np.float32), "k")
    node = helper.make_node("MatMul", [names[0], "k"], [names[1]])
    ports = {names[0]: (TensorProto.FLOAT, shape)}, {names[1]: (TensorProto.FLOAT, (*shape[:1], 3))}
    return onnx_files.save(path, [node], *ports, constants=[constant])


# ------------------------------------------------------------------------------ two files


@pytest.mark.usefixtures("here")
def test_a_file_and_its_copy(capsys: Printed) -> None:
    assert main(["verify", "a.onnx", "a.onnx", *CPU]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = [line.split(maxsplit=1) for line in printed.out.splitlines()]
    assert lines[0] == ["a.onnx", "and a.onnx agree"]
    assert ["inputs", "x; paired by name"] in lines
    assert ["parameters", "74 in both"] in lines
    assert ["layers", "the same weights and operators in each"] in lines


@pytest.mark.usefixtures("here")
def test_the_first_layer_that_differs(subjects: Subjects, capsys: Printed) -> None:
    """Two weights are changed; the earlier one is named first, and how much it is off."""
    file = subjects("small").copy()
    change(file, "dense_2/kernel", one_percent)
    change(file, "dense_1/kernel", one_percent)
    onnx.save(file, "b.onnx")
    assert main(["verify", "a.onnx", "b.onnx", *CPU]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second, note = printed.err.splitlines()
    assert re.fullmatch(
        r"error: dense_1: kernel differs in 1 of 20 numbers, by \S+ at \[\d, \d\]", first
    )
    assert second.startswith("error: dense_2: kernel differs in 1 of 12 numbers")
    assert note.startswith("note: output `dense_2` is off by ")
    assert main(["verify", "a.onnx", "b.onnx", *CPU, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["kind"], data["ok"]) == ("pair", False)
    assert [error["layer"] for error in data["errors"]] == ["dense_1", "dense_2"]
    # The figures, counted anew with onnxruntime alone.
    x = np.zeros((1, 6), np.float32)
    outputs = [
        onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        for name in ("a.onnx", "b.onnx")
    ]
    (zeros,) = (run for run in data["runs"] if run["case"] == "zeros inputs, batch 1")
    off = float(np.abs(outputs[0][0].astype(float) - outputs[1][0].astype(float)).max())
    assert zeros["max_abs_error"] == off


@pytest.mark.usefixtures("here")
def test_how_far_may_be_said(subjects: Subjects, capsys: Printed) -> None:
    file = subjects("small").copy()
    change(file, "dense_1/kernel", one_percent)
    onnx.save(file, "b.onnx")
    assert main(["verify", "a.onnx", "b.onnx", *CPU, "--atol", "0.5"]) == 0
    assert "layers      1 differ" in capsys.readouterr().out
    assert main(["verify", "a.onnx", "b.onnx", *CPU, "--rtol", "1e-9"]) == 1
    capsys.readouterr()
    assert main(["verify", "a.keras", "b.onnx", *CPU, "--rtol", "0.5"]) == 0
    assert "  tolerance   set by hand: 0.5 of an output's largest value, and 0\n" in (
        capsys.readouterr().out
    )
    for wrong in "-1", "nan", "much":
        assert main(["verify", "a.onnx", "b.onnx", "--atol", wrong]) == 2
    assert "argument --atol: much is no number from 0 on" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_other_names_are_paired_by_position(capsys: Printed) -> None:
    kernel = np.arange(12).reshape(4, 3) / 7
    dense("one.onnx", ("x", "y"), kernel, ("batch", 4))
    dense("two.onnx", ("input", "output"), kernel, ("n", 4))
    assert main(["verify", "one.onnx", "two.onnx", *CPU]) == 0
    printed = capsys.readouterr().out
    assert "inputs      x = input; paired by position" in printed
    assert "outputs     y = output; paired by position" in printed
    dense("other.onnx", ("input", "output"), kernel + 1e-3, (2, 4))
    assert main(["verify", "one.onnx", "other.onnx", *CPU]) == 1
    assert re.match(r"error: output `y` is off by \S+ with normal inputs, batch 2, allowed",
                    capsys.readouterr().err)  # fmt: skip


@pytest.mark.usefixtures("here")
def test_models_that_cannot_be_paired(capsys: Printed) -> None:
    dense("one.onnx", ("x", "y"), np.ones((4, 3)), ("batch", 4))
    dense("wide.onnx", ("x", "y"), np.ones((5, 3)), ("batch", 5))
    onnx_files.sums("sums.onnx")
    for other, said in [
        ("wide.onnx", "are of different types\nhelp: float32[batch, 4] and float32[batch, 5]\n"),
        ("sums.onnx", "`one.onnx` has 1 inputs, and `sums.onnx` has 2\n"),
        ("missing.onnx", "cannot read `missing.onnx`: there is no such file\n"),
        ("text.txt", "`text.txt` is neither an .onnx nor a .keras file\n"),
    ]:
        assert main(["verify", "one.onnx", other, *CPU]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert said in printed.err


# ---------------------------------------------------------------------------- Keras models


@pytest.mark.usefixtures("here")
def test_a_keras_model_and_its_file(subjects: Subjects, capsys: Printed) -> None:
    """As with a spec: every parameter, and the layer at fault."""
    for words in ("a.keras", "a.onnx"), ("a.onnx", "a.keras"):
        assert main(["verify", *words, *CPU]) == 0
        printed = capsys.readouterr()
        assert "94 in Keras - 20 folded (44 into 24) = 74 in ONNX" in printed.out
        assert printed.err == ""
    file = subjects("small").copy()
    node = next(n for n in file.graph.node if n.op_type == "Elu")
    node.op_type = "Relu"
    del node.attribute[:]
    onnx.save(file, "b.onnx")
    assert main(["verify", "a.keras", "b.onnx", *CPU]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error[E0605]: b.onnx parts from Keras in `dense`" in printed.err


@pytest.mark.usefixtures("here")
def test_a_keras_model_and_its_file_on_a_backend(capsys: Printed) -> None:
    assert main(["verify", "a.keras", "a.onnx", *CPU, "--backends", "reference"]) == 0
    assert "reference evaluator" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_keras_model_and_a_file_of_another_tool(keras_backend: Any, capsys: Printed) -> None:
    keras = keras_backend
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    model.save("dense.keras")
    dense("dense.onnx", ("x", "y"), model.layers[0].kernel.numpy(), ("batch", 4))
    assert main(["verify", "dense.keras", "dense.onnx", *CPU]) == 0
    assert "run on      Keras on tensorflow; onnxruntime (cpu)" in capsys.readouterr().out
    dense("spoilt.onnx", ("x", "y"), model.layers[0].kernel.numpy().T.reshape(4, 3), ("batch", 4))
    assert main(["verify", "dense.keras", "spoilt.onnx", *CPU]) == 1


@pytest.mark.usefixtures("here")
def test_two_keras_models(subjects: Subjects, capsys: Printed) -> None:
    small = subjects("small")
    assert main(["verify", "a.keras", "a.keras"]) == 0
    assert "74" not in capsys.readouterr().out
    other = small.model.to_keras(seed=0)
    other.get_layer("dense_1").bias.assign([0, 0, 0.5, 0])
    other.save("b.keras")
    assert main(["verify", "a.keras", "b.keras"]) == 1
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "error: dense_1: bias differs in 1 of 4 numbers, by 0.5 at [2]"


def test_units_in_the_last_place() -> None:
    one = np.ones(3, np.float32)
    assert largest_ulps(one, one) == 0
    assert largest_ulps(one, np.nextafter(one, np.float32(2))) == 1
    assert (
        largest_ulps(np.float32([1024.0]), np.nextafter(np.float32([1024.0]), np.float32(9999)))
        == 1
    )
    assert np.isnan(largest_ulps(one, one * np.float32("nan")))
