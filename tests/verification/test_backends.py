"""One model on every backend."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

import specc
from specc.backends.adopt import adopt
from specc.backends.frameworks import keras_backend as own_backend
from specc.backends.keras_model import assign, build_keras
from specc.cli.main import main
from specc.testing import assert_backends_agree
from specc.verification.backends import layers_elsewhere, side_by_side
from specc.verification.backends.names import BACKENDS, backends_named
from specc.verification.backends.worker import (
    Answers,
    Fault,
    Job,
    Search,
    Step,
    compute,
    search,
)
from specc.verification.differences import keras_outputs
from specc.verification.inputs import draw_cases
from specc.verification.reference import OWN, Reference
from specc.verification.report import Report
from verification.subjects import SPECS, Subjects, has_driver, subject

ON_CPUS = [name for name in BACKENDS if name not in ("cuda", "cuda-tf32", "tensorrt")]
SHIPPED = sorted(path.name for path in SPECS.glob("*.spec") if "as_printed" not in path.name)


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("name", SHIPPED)
def test_every_backend_agrees(name: str) -> None:
    """JAX and PyTorch in processes of their own; all beside Keras in float64."""
    report = assert_backends_agree(SPECS / name)
    by_name = {backend.backend: backend for backend in report.backends}
    assert list(by_name) == list(BACKENDS)
    for key in ON_CPUS:
        assert by_name[key].ran, by_name[key].status
        assert by_name[key].status == "agrees"
        assert len(by_name[key].runs) == len(by_name["cpu"].runs) > 0
    assert by_name["jax"].name.startswith("Keras on jax ")
    assert by_name["torch"].name.startswith("Keras on torch ")
    if not has_driver():
        assert not by_name["cuda"].ran
        assert "there is no NVIDIA driver" in by_name["cuda"].status


def verified(subjects: Subjects, file: onnx.ModelProto, *backends: str) -> Report:
    return subjects("small").verify(file, backends=backends)


def test_errors_are_those_against_float64(subjects: Subjects) -> None:
    """The largest error of Keras's own float32 is what Keras in float64 says it is."""
    small = subjects("small")
    (report,) = verified(subjects, small.file, "tensorflow").backends
    assert 0 < report.max_abs_error == max(run.keras_error for run in report.runs) < 1e-5
    assert report.max_rel_error == report.keras_rel_error
    assert report.max_ulp_error >= 0.5


def test_a_wrong_backend_is_named(subjects: Subjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that gives the second class what is the first's, though each layer is right."""

    twin = build_keras(subjects("small").model.graph)

    def swapped(job: Job) -> Answers:
        outputs: list[Any] = []
        for arrays, cases in job.runs:
            assign(twin, arrays)
            outputs.append([[x[..., [1, 0, 2]] for x in keras_outputs(twin, c)] for c in cases])
        return Answers("0.0", "cpu", outputs)

    def here(job: Search, steps: Iterable[Step]) -> Fault | None:
        searched.append(job.backend)
        return search(job._replace(backend=own_backend()), iter(steps))

    searched: list[str] = []
    monkeypatch.setattr(side_by_side, "run_elsewhere", swapped)
    monkeypatch.setattr(layers_elsewhere, "search_elsewhere", here)
    report = verified(subjects, subjects("small").file, "jax", "cpu")
    assert not report.ok
    jax, cpu = report.backends
    assert (jax.status, cpu.status) == ("differs", "agrees")
    (error,) = report.diagnostics
    assert error.message == "the output `dense_2` of Keras on jax 0.0 (cpu) is not Keras's"
    assert error.primary.span.line == 7
    assert error.notes[1] == "every layer whose output can be seen agrees"
    assert searched == ["jax"]


def test_the_layer_of_a_wrong_file_is_named(subjects: Subjects) -> None:
    """In ONNX's own evaluator, with a bias that the file has and Keras does not."""
    small = subjects("small")
    built = adopt(small.model.graph, small.keras)
    reference = Reference(built, small.exporter, keep=True)
    file = small.copy()
    (bias,) = [i for i in file.graph.initializer if i.name == "dense_1/bias"]
    moved = onnx.numpy_helper.to_array(bias) + np.float32(0.5)
    bias.CopyFrom(onnx.numpy_helper.from_array(moved, bias.name))
    drawn = draw_cases(small.model.graph, 0)
    trials = [side_by_side.Trial(OWN, number, case) for number, case in enumerate(drawn)]
    reports, errors = side_by_side.compare_backends(
        reference, {OWN: file}, trials, ["reference", "tf2onnx"]
    )
    assert [report.status for report in reports] == ["differs", "agrees"]
    assert "parts from Keras in `dense_1`" in errors[0].message
    assert errors[0].message.startswith("onnx ")


def test_every_size_goes_to_every_backend(
    keras_backend: Any,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batches of three sizes, and two sizes of an axis that is free."""
    text = "model free {\n    input x: float32[time, 3]\n\n    LSTM(2)\n}\n"
    free = subject(specc.compile_text(text, "free.spec").model())
    taken: list[Job] = []

    def here(job: Job) -> Answers:
        taken.append(job)
        return compute(job._replace(backend=own_backend()))

    monkeypatch.setattr(side_by_side, "run_elsewhere", here)
    report = free.verify(free.file, backends=["jax", "reference"])
    assert report.ok, report.diagnostics
    (job,) = taken
    for _, cases in job.runs:
        shapes = {case.inputs["x"].shape for case in cases}
        assert shapes == {(1, 12, 3), (2, 7, 3), (17, 12, 3)}
    assert len(report.backends[0].runs) == len(report.backends[1].runs) == len(report.runs)


def test_names() -> None:
    assert backends_named("all") == BACKENDS
    assert backends_named("jax, torch,jax") == ("jax", "torch")
    with pytest.raises(specc.UsageError, match="there is no backend `mxnet`"):
        backends_named("jax,mxnet")


# ------------------------------------------------------------------------ the command


def command(place: Path, *options: str) -> int:
    assert (place / "small.spec").exists()
    return main(["verify", "small.spec", *options])


def test_a_line_for_each_backend(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(place, "--backends", "tensorflow,cpu,reference,tf2onnx") == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  backends"))
    rows = lines[start + 1 :]
    assert [row.split()[0] for row in rows] == ["Keras", "onnxruntime", "onnx", "tf2onnx's"]
    assert all("agrees" in row for row in rows)


def test_what_is_not_installed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named, it is an error; of all, it is said."""
    there = importlib.util.find_spec
    monkeypatch.setattr(
        "specc.verification.backends.processes.find_spec",
        lambda name: None if name in ("jax", "torch") else there(name),
    )
    assert command(place, "--backends", "cpu,torch") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(
        "error: `torch` was asked for and not run: torch is not installed\n"
    )
    assert command(place, "--backends", "all") == 0
    assert "jax: not run: jax is not installed" in capsys.readouterr().out


def test_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keras has strings on TensorFlow, and characters are given by an operator of onnxruntime's."""
    layer = 'TextVectorization(vocabulary=["a", "b"], split="character", output_sequence_length=5)'
    spec = tmp_path / "texts.spec"
    spec.write_text(f"model texts {{\n    input x: string[]\n    {layer}\n}}\n")
    file = str(tmp_path / "texts.onnx")
    assert main(["export", "--onnx", str(spec), "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["verify", str(spec), file, "--backends", "tensorflow,cpu"]) == 0
    assert capsys.readouterr().out.count("0.0e+00  agrees") == 2
    reasons = {
        "jax": "Keras takes texts on TensorFlow alone",
        "reference": "the reference evaluator stops: NotImplementedError: Node type 'Tokenizer'",
    }
    for backend, reason in reasons.items():
        assert main(["verify", str(spec), file, "--backends", backend]) == 1
        assert f"`{backend}` was asked for and not run: {reason}" in capsys.readouterr().err


@pytest.mark.skipif(has_driver(), reason="there is a GPU")
def test_cuda_without_a_gpu(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(place, "--backends", "cuda") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "onnxruntime runs on `cpu` instead: there is no NVIDIA driver" in printed.err


def test_an_unknown_backend(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(place, "--backends", "theano") == 2
    assert "there is no backend `theano`" in capsys.readouterr().err


def test_a_worker_that_dies(subjects: Subjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it ended with is the reason."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    (jax,) = verified(subjects, subjects("small").file, "jax").backends
    assert not jax.ran
    assert jax.status == "Keras on jax ended: exit status 1"


# ------------------------------------------------------- the layer of a wrong backend

WARMER = '''\
import keras

from specc.layers.api import Layer


class Warmer(Layer):
    """Adds a tenth, and on JAX by mistake another hundredth.

    Shapes:  (*any) -> (*any)
    Weights: none

    Example: float32[8] -> Warmer -> float32[8]
    """

    supports_masking = True

    def infer(self, x):
        return x

    def onnx(self, op, x, w):
        return op.Add(x, op.constant(0.1, x.dtype))

    def keras_layer(self):
        return KerasWarmer


@keras.saving.register_keras_serializable(package="warmer")
class KerasWarmer(keras.layers.Layer):
    def __init__(self, **common):
        super().__init__(**common)
        self.supports_masking = True

    def call(self, x):
        return x + (0.11 if keras.backend.backend() == "jax" else 0.1)

    def compute_output_shape(self, input_shape):
        return input_shape
'''

WARMED = """\
model warmed {
    input words: int32[time]

    Embedding(3, 4, mask_zero=True)
    Dense(4, activation="tanh")
    GlobalAveragePooling1D
    Warmer
    Dense(4, activation="softmax")
}
"""


def test_the_layer_of_a_wrong_backend_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a layer from a Python file, which the other process has to read too; behind masks."""
    monkeypatch.chdir(tmp_path)
    Path("warmer.py").write_text(WARMER, encoding="utf-8")
    Path("warmed.spec").write_text(WARMED, encoding="utf-8")
    words = ["warmed.spec", "--allow-python", "warmer.py", "--provider", "cpu"]
    assert main(["export", "--onnx", *words]) == 0
    capsys.readouterr()
    assert main(["verify", *words, "--backends", "jax,cpu"]) == 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert [line.split()[-1] for line in lines if "Keras on jax" in line] == ["differs"]
    first, where, *notes = [line.strip() for line in printed.err.splitlines()]
    assert first.startswith("error[E0605]: Keras on jax ")
    assert first.endswith(" parts from the model in float64 in `warmer`")
    assert where == "--> warmed.spec:7:5"
    assert "its output is off by 0.01" in printed.err
    assert "note: the last layer that agrees is `global_average_pooling1d`" in notes
