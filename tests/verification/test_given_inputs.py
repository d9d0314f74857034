"""`specc verify --inputs FILE.npz`, in each of its forms; and what is drawn without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import specc
from specc.cli.main import main
from specc.verification.inputs import draw_cases
from verification.subjects import Subjects, change, node_of

Printed = pytest.CaptureFixture[str]

CPU = ("--provider", "cpu")
COUNT = 70


@pytest.fixture
def samples(place: Path, capsys: Printed) -> tuple[np.ndarray, np.ndarray, float]:
    """samples.npz with labels, unlabelled.npz; and the accuracy, by onnxruntime alone."""
    random = np.random.default_rng(0)
    x = random.standard_normal((COUNT, 6)).astype(np.float32)
    labels = random.integers(0, 3, COUNT)
    np.savez(place / "samples.npz", x=x, labels=labels)
    np.savez(place / "unlabelled.npz", x=x)
    assert main(["export", "--onnx", "small.spec", *CPU]) == 0
    capsys.readouterr()
    session = onnxruntime.InferenceSession("build/small.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    return x, labels, float(np.mean(found.argmax(1) == labels))


def test_with_a_spec(samples: tuple[np.ndarray, np.ndarray, float], capsys: Printed) -> None:
    assert main(["verify", "small.spec", *CPU, "--inputs", "samples.npz"]) == 0
    printed = capsys.readouterr().out
    share = f"{samples[2]:.2%}"
    assert f"accuracy    {share} in Keras, {share} in the file" in printed
    assert "samples.npz of 32, 6;" in printed.replace("\n", " ")
    assert main(["verify", "small.spec", *CPU, "--inputs", "unlabelled.npz", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    cases = [run["case"] for run in data["runs"] if run["case"].startswith("unlabelled")]
    assert cases == [
        "unlabelled.npz[0:32] inputs, batch 32",
        "unlabelled.npz[32:64] inputs, batch 32",
        "unlabelled.npz[64:70] inputs, batch 6",
    ]
    assert data["accuracy"] is None


def test_what_only_the_samples_show(
    samples: tuple[np.ndarray, np.ndarray, float], subjects: Subjects, capsys: Printed
) -> None:
    """A ceiling above all that is drawn, and below what the samples reach."""
    file = subjects("small").copy()
    node = node_of(file, "dense", "Elu")
    taken = node.input[0]
    bound = onnx.numpy_helper.from_array(np.float32(1e4), "bound")
    file.graph.initializer.append(bound)
    clip = onnx.helper.make_node("Min", [taken, "bound"], ["bounded"])
    node.input[0] = "bounded"
    file.graph.node.insert(list(file.graph.node).index(node), clip)
    onnx.save(file, "bounded.onnx")
    assert main(["verify", "small.spec", "bounded.onnx", *CPU]) == 0
    np.savez("far.npz", x=samples[0] * 1e6)
    capsys.readouterr()
    assert main(["verify", "small.spec", "bounded.onnx", *CPU, "--inputs", "far.npz"]) == 1
    error = capsys.readouterr().err
    assert "error[E0605]: bounded.onnx parts from Keras in `dense`" in error
    assert "with far.npz[0:32] inputs, batch 32, own weights" in error


def test_a_file_and_two(
    samples: tuple[np.ndarray, np.ndarray, float], subjects: Subjects, capsys: Printed
) -> None:
    share = f"{samples[2]:.2%}"
    assert main(["verify", "build/small.onnx", *CPU, "--inputs", "samples.npz"]) == 0
    assert f"  accuracy    {share}\n" in capsys.readouterr().out
    words = ["verify", "build/small.onnx", "build/small.onnx", *CPU]
    assert main([*words, "--inputs", "samples.npz"]) == 0
    assert f"  accuracy    {share} and {share}\n" in capsys.readouterr().out
    file = subjects("small").copy()
    change(file, "dense_2/bias", lambda bias: bias.__iadd__([9, 0, 0]))
    onnx.save(file, "first.onnx")
    words[2] = "first.onnx"
    assert main([*words, "--inputs", "samples.npz", "--json", "--atol", "2"]) == 0
    data = json.loads(capsys.readouterr().out)
    zeros = float(np.mean(samples[1] == 0))  # it always says the first class
    assert data["accuracy"] == [pytest.approx(samples[2]), pytest.approx(zeros)]


@pytest.mark.usefixtures("samples")
def test_samples_that_do_not_fit(capsys: Printed) -> None:
    np.savez("wide.npz", x=np.zeros((3, 7), np.float32))
    np.savez("other.npz", y=np.zeros((3, 6), np.float32))
    for form in ["small.spec"], ["build/small.onnx"], ["build/small.onnx", "build/small.onnx"]:
        for file, said in [
            ("wide.npz", "the size of axis 1 has to be 6, not 7"),
            ("other.npz", "has no input `y`"),
            ("missing.npz", "cannot read `missing.npz`: there is no such file"),
        ]:
            assert main(["verify", *form, *CPU, "--inputs", file]) == 2
            printed = capsys.readouterr()
            assert printed.out == ""
            assert said in printed.err
    assert main(["verify", "build/small.onnx", *CPU, "--inputs", "unlabelled.npz"]) == 2
    assert "has no labels to compare a single model with" in capsys.readouterr().err


# ------------------------------------------------------------------------ drawn inputs


def test_drawn_inputs_have_edges_and_sizes_of_their_own() -> None:
    text = (
        "model m {\n    input a: float32[time, width]\n    input b: float32[width, None]\n\n"
        "    a -> Dropout(0.1)\n    output a, b\n}\n"
    ).replace("    a -> Dropout(0.1)\n", "")
    graph = specc.compile_text(text, "m.spec").model().graph
    cases = list(draw_cases(graph, 0))
    assert {(c.kind, c.batch) for c in cases} >= {("tiny", 1), ("negative", 1), ("normal", 17)}
    sizes = {c.inputs["a"].shape[1:] for c in cases}
    assert sizes == {(7, 10), (12, 15)}
    for case in cases:
        assert case.inputs["b"].shape[1] == case.inputs["a"].shape[2]
    (negative,) = (c for c in cases if c.kind == "negative")
    assert (negative.inputs["a"] <= 0).all()
    (tiny,) = (c for c in cases if c.kind == "tiny")
    assert 0 < np.abs(tiny.inputs["a"]).max() < 1e-3


def test_two_sizes_where_there_is_one_batch_size() -> None:
    text = "model m {\n    input a: float32[time, 3], batch_size=4\n\n    Dense(2)\n}\n"
    graph = specc.compile_text(text, "m.spec").model().graph
    sizes = {c.kind: c.inputs["a"].shape for c in draw_cases(graph, 0)}
    assert sizes["normal"] == (4, 7, 3)
    assert sizes["resized"] == (4, 12, 3)
