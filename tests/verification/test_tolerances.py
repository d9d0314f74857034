"""How far outputs may be apart: TF32's factors, and tolerances that are set by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest

import specc
from specc.backends import opened as opened_models
from specc.backends import runtime
from specc.backends.frameworks import full_float32
from specc.backends.runtime import Provider, Session
from specc.cli.main import main
from specc.verification import layers, outputs, verify
from specc.verification.backends import side_by_side
from specc.verification.inputs import draw_cases
from specc.verification.tf32 import Tf32Noise, may_use_tf32, with_tf32
from verification.subjects import Subject, Subjects, change, has_driver, subject

Array = np.ndarray[Any, Any]
CPU = ("--provider", "cpu")
Printed = pytest.CaptureFixture[str]

# ------------------------------------------------------------------------ TF32's rounding


def rounded(array: Array) -> Array:
    """To TF32 by the bits: 13 of the 23 written ones go, half to even."""
    bits = array.astype(np.float32).view(np.uint32).astype(np.uint64)
    kept = (bits + 0x0FFF + ((bits >> 13) & 1)) >> 13 << 13
    return kept.astype(np.uint32).view(np.float32)


def network(kind: str) -> specc.Model:
    """One product with many terms."""
    lines = {
        "Gemm": ("float32[400]", "Dense(60)"),
        "Conv": ("float32[12, 12, 16]", "Conv2D(24, 3)"),
    }
    taken, layer = lines[kind]
    return specc.compile_text(
        f"model one {{\n    input x: {taken}\n\n    {layer}\n}}\n", "one.spec"
    ).model()


def exact(model: onnx.ModelProto, x: Array, short: bool) -> Array:
    """The same product in float64, by onnx's own evaluator; with `short` from TF32's factors."""
    import onnx.reference

    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for initializer in wide.graph.initializer:
        if initializer.data_type != onnx.TensorProto.FLOAT:
            continue
        array = onnx.numpy_helper.to_array(initializer)
        if short and array.ndim > 1:
            array = rounded(array)
        made = onnx.numpy_helper.from_array(array.astype(np.float64), initializer.name)
        initializer.CopyFrom(made)
    for port in (*wide.graph.input, *wide.graph.output, *wide.graph.value_info):
        if port.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            port.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    given = (rounded(x) if short else x).astype(np.float64)
    evaluator = onnx.reference.ReferenceEvaluator(wide)
    return evaluator.run(None, {wide.graph.input[0].name: given})[0]  # type: ignore[arg-type]


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("kind", ["Gemm", "Conv"])
def test_the_allowance_for_tf32(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the error of TF32's factors in float64, and half of it would hardly."""
    model = network(kind)
    keras = model.to_keras(seed=0)
    file = model.to_onnx(keras)
    assert [n.op_type for n in file.graph.node if n.op_type in ("Gemm", "Conv")] == [kind]
    plain = specc.verify(model, keras, file, provider="cpu")
    for module in outputs, verify:
        monkeypatch.setattr(module, "may_use_tf32", lambda _: True)
    report = specc.verify(model, keras, file, provider="cpu")
    assert report.tolerance.tf32
    assert not plain.tolerance.tf32
    checked = 0
    cases = list(draw_cases(model.graph, 0))
    for case, run, without in zip(cases, report.runs, plain.runs, strict=False):
        (x,) = case.inputs.values()
        error = float(np.max(np.abs(exact(file, x, True) - exact(file, x, False))))
        assert error <= run.allowed, case
        if case.kind in ("normal", "large", "negative"):
            assert error > 0.4 * run.allowed, case
            assert error > 2 * without.allowed, case
            checked += 1
    assert checked == 6


TWO_LAYERS = """\
model two {
    input x: float32[64]

    Dense(64, activation="relu")
    Dense(8)
}
"""


@pytest.fixture(scope="module")
def two(keras_backend: Any) -> Subject:  # noqa: ARG001
    return subject(specc.compile_text(TWO_LAYERS, "two.spec").model())


def test_a_file_whose_products_take_tf32(two: Subject) -> None:
    """Not float32's rounding; and each layer and the whole as they are allowed where it is said."""
    short = with_tf32(two.file)
    report = two.verify(two.file)
    assert report.ok
    given = draw_cases(two.model.graph, 0)
    noise = Tf32Noise(two.file)
    for case, run in zip(given, report.runs, strict=False):
        if case.kind == "zeros":
            continue
        (moved,) = noise.of(case.inputs).values()
        session = onnxruntime.InferenceSession(short.SerializeToString())
        (found,) = session.run(None, case.inputs)
        session = onnxruntime.InferenceSession(two.file.SerializeToString())
        (full,) = session.run(None, case.inputs)
        assert float(np.max(np.abs(found - full))) == moved > run.allowed


def test_on_a_gpu_that_takes_tf32(two: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is the CPU with a file that rounds factors as one does: sound, and with a
    mistake that is larger than that."""
    there = runtime.open_session

    def opened(model: bytes, provider: str = "auto", **options: Any) -> Session:
        if provider == "cuda-tf32":
            model = with_tf32(onnx.ModelProto.FromString(model)).SerializeToString()
        return there(model, "cpu", **options)

    monkeypatch.setattr(opened_models, "open_session", opened)
    file = two.copy()
    change(file, "dense_1/kernel", lambda array: array.__imul__(1.05))
    options: dict[str, Any] = {"provider": "cuda-tf32", "layers": True}
    # What runs is the CPU, so that this is not allowed for.
    assert not two.verify(two.file, **options).ok
    for module in outputs, layers, side_by_side, verify:
        monkeypatch.setattr(module, "may_use_tf32", lambda _: True)
    report = two.verify(two.file, backends=["cuda-tf32"], **options)
    assert report.ok, report.diagnostics
    assert report.backends[0].ran
    assert all(check.ok for check in report.checks)
    assert max(check.max_abs_error / check.allowed for check in report.checks) > 0.3
    assert report.max_abs_error > 1e-4
    wrong = two.verify(file, **options)
    assert [check.ok for check in wrong.checks] == [True, False]


def test_rounding_is_that_of_the_bits() -> None:
    random = np.random.default_rng(0)
    x = (random.standard_normal((1, 64)) * 10.0 ** random.uniform(-9, 9, (1, 64))).astype("f4")
    make = onnx.helper
    ports = [make.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None, 64]) for n in "xy"]
    eye = onnx.numpy_helper.from_array(np.eye(64, dtype="f4"), "eye")
    node = make.make_node("MatMul", ["x", "eye"], ["y"])
    graph = make.make_graph([node], "g", ports[:1], ports[1:], [eye])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(with_tf32(model).SerializeToString())
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], rounded(x))
    assert np.max(np.abs(rounded(x) / x - 1)) <= 2.0**-11


def test_which_providers_take_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    taking = [p for p in Provider if may_use_tf32(p)]
    assert taking == [Provider.CUDA_TF32, Provider.TENSORRT]
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert not any(may_use_tf32(p) for p in Provider)


@pytest.mark.parametrize("asked", ["cuda", "cuda-tf32"])
def test_the_option_of_the_provider(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime is told, and what it says of a session is what is reported."""
    told: list[Any] = []

    class Opened:
        def __init__(self, *_: Any, providers: Any, **__: Any) -> None:
            told.extend(providers)

        def disable_fallback(self) -> None: ...
        def get_providers(self) -> list[str]:
            return [told[0][0]]

        def get_provider_options(self) -> dict[str, dict[str, str]]:
            return {told[0][0]: told[0][1]}

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [
        "CUDAExecutionProvider", "CPUExecutionProvider"])  # fmt: skip
    monkeypatch.setattr(onnxruntime, "InferenceSession", Opened)
    assert runtime.open_session(runtime.ONE_NODE, asked).provider == asked
    assert told[0] == ("CUDAExecutionProvider", {"use_tf32": str(int(asked == "cuda-tf32"))})


@pytest.mark.skipif(has_driver(), reason="there is a GPU")
def test_tf32_without_a_gpu(place: Path, capsys: Printed) -> None:  # noqa: ARG001
    assert main(["verify", "small.spec", "--provider", "cuda-tf32"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "`cuda-tf32` was asked for, but onnxruntime runs on `cpu` instead" in printed.err


def test_keras_takes_all_bits(keras_backend: Any) -> None:  # noqa: ARG001
    import tensorflow as tf

    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    assert enabled()
    with full_float32():
        assert not enabled()
    assert enabled()


# ------------------------------------------------------------------------ set by hand


def test_set_by_hand(place: Path, subjects: Subjects, capsys: Printed) -> None:
    """It decides about outputs, and about nothing else."""
    words = ["verify", "small.spec", *CPU]
    assert main([*words, "--rtol", "1e-3", "--atol", "1e-5"]) == 0
    printed = capsys.readouterr().out
    assert "  tolerance   set by hand: 0.001 of an output's largest value, and 1e-05" in printed
    assert main([*words, "--rtol", "1e-3", "--atol", "1e-5", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["tolerance"]["rtol"], data["tolerance"]["atol"]) == (1e-3, 1e-5)
    for run in data["runs"]:
        scale = run["max_abs_error"] / run["max_rel_error"] if run["max_rel_error"] else None
        if scale is not None:
            assert run["allowed"] == pytest.approx(1e-5 + 1e-3 * scale)
    assert main([*words, "--json"]) == 0
    tolerance = json.loads(capsys.readouterr().out)["tolerance"]
    assert (tolerance["rtol"], tolerance["atol"], tolerance["tf32"]) == (None, None, False)
    assert tolerance["steps"] > 3
    assert tolerance["sigmoids"] == 2

    assert main([*words, "--atol", "1e-12"]) == 1
    error = capsys.readouterr().err
    assert "error[E0606]: the output `dense_2` of build/small.onnx is not Keras's" in error
    assert "allowed 1e-12" in error
    assert (
        "note: every layer whose output can be seen agrees, within what rounding explains" in error
    )
    assert "note: what is allowed was set by hand" in error
    # Nothing is wrong with outputs that may be anything, and a weight is still wrong.
    file = subjects("small").copy()
    change(file, "dense_1/kernel", lambda array: array.__setitem__((0, 0), 5.0))
    onnx.save(file, place / "build" / "small.onnx")
    assert main([*words, "--atol", "9"]) == 1
    assert "E0602" in capsys.readouterr().err


def test_set_by_hand_for_backends_and_for_files(place: Path, capsys: Printed) -> None:  # noqa: ARG001
    words = ["verify", "small.spec", *CPU, "--backends", "reference"]
    assert main([*words, "--atol", "1e-4"]) == 0
    capsys.readouterr()
    small = specc.compile("small.spec").model()
    keras = small.to_keras(seed=0)
    report = specc.verify(small, keras, "build/small.onnx", backends=["reference"], atol=0.25)
    assert {run.allowed for run in report.backends[0].runs} == {0.25}
    with pytest.raises(specc.UsageError, match="rtol is -1"):
        specc.verify(small, keras, "build/small.onnx", rtol=-1)

    assert main(["export", "--onnx", "small.spec", *CPU]) == 0
    capsys.readouterr()
    assert main(["verify", "build/small.onnx", *CPU, "--rtol", "0.5"]) == 0
    assert "allowed by hand: 0.5 of an output's largest value, and 0" in capsys.readouterr().out
    assert main(["verify", "build/small.onnx", *CPU, "--atol", "0"]) == 1
    assert "allowed 0" in capsys.readouterr().err


def test_set_by_hand_for_fewer_bits(place: Path, capsys: Printed) -> None:  # noqa: ARG001
    """Of float16 the file's outputs; of weights in 8 bits nothing."""
    words = ["small.spec", *CPU]
    assert main(["export", "--onnx", *words, "--precision", "float16"]) == 0
    capsys.readouterr()
    assert main(["verify", *words, "--atol", "0.5", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {run["allowed"] for run in data["lower"]["runs"]} == {0.5}
    assert max(run["allowed"] for run in data["runs"]) < 0.1
    assert main(["verify", *words, "--atol", "1e-9"]) == 1
    capsys.readouterr()
    assert main(["export", "--onnx", *words, "--quantize", "int8"]) == 0
    capsys.readouterr()
    assert main(["verify", *words, "--atol", "0.5"]) == 2
    assert "weights in 8 bits are judged by their noise" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--rtol", "--atol"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much"])
def test_no_tolerances(option: str, value: str, capsys: Printed) -> None:
    assert main(["verify", "small.spec", f"{option}={value}"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"argument {option}: {value} is no number from 0 on" in printed.err
