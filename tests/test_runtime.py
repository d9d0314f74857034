"""onnxruntime sessions: the provider that was asked for, or an error that says why not.

On a machine with a GPU and its libraries the tests ask for the opposite of what they ask
for on one without.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from specc.backends import runtime, silence
from specc.backends.opened import Apart, open_model
from specc.backends.read import is_large, load_onnx
from specc.backends.runtime import Provider, explain_refusal, open_session, probe
from specc.cli import main as command_line
from specc.files import DeviceError, UsageError


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


CUDA = _has_driver() and _installed("nvidia-cudnn-cu12") and _installed("onnxruntime-gpu")
HERE = {
    "cpu": True,
    "cuda": CUDA,
    "tensorrt": CUDA and _installed("tensorrt-cu12"),
}


@pytest.fixture(scope="module")
def model() -> bytes:
    """The outputs total = a + b and product = a * b, each float32[2]."""
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
        for name in ("a", "b", "total", "product")
    }
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["a", "b"], ["total"]),
            helper.make_node("Mul", ["a", "b"], ["product"]),
        ],
        "sums",
        [values["a"], values["b"]],
        [values["total"], values["product"]],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


INPUTS = {
    "a": numpy.array([1, 2], numpy.float32),
    "b": numpy.array([3, 5], numpy.float32),
}


def test_runs_on_the_cpu(model: bytes) -> None:
    session = open_session(model, "cpu")
    assert session.provider == "cpu"
    assert session.input_names == ["a", "b"]
    assert session.output_names == ["total", "product"]
    results = session.run(INPUTS)
    assert list(results) == ["total", "product"]
    numpy.testing.assert_array_equal(results["total"], [4, 7])
    numpy.testing.assert_array_equal(results["product"], [3, 10])


def test_runs_what_is_asked_for(model: bytes) -> None:
    results = open_session(model, "cpu").run(INPUTS, ["product"])
    assert list(results) == ["product"]


def test_opens_a_file(model: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sums.onnx"
    path.write_bytes(model)
    assert open_session(str(path), "cpu").output_names == ["total", "product"]


def test_auto_takes_the_best_that_works(model: bytes) -> None:
    assert open_session(model).provider == ("cuda" if CUDA else "cpu")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_named_provider_or_an_error(model: bytes, provider: str) -> None:
    if HERE[provider]:
        session = open_session(model, provider)
        assert session.provider == provider
        numpy.testing.assert_array_equal(session.run(INPUTS)["total"], [4, 7])
        return
    with pytest.raises(DeviceError) as caught:
        open_session(model, provider)
    message = str(caught.value)
    assert caught.value.status == 1
    assert f"`{provider}` was asked for" in message
    assert f"runs on `{'cuda' if CUDA else 'cpu'}` instead" in message
    assert "\n" not in message
    assert caught.value.help


@pytest.mark.parametrize("provider", list(HERE))
def test_a_probe_agrees(provider: str) -> None:
    outcome = probe(Provider(provider))
    assert outcome.works == HERE[provider]
    assert bool(outcome.reason) != outcome.works


@pytest.mark.parametrize("provider", ["auto", "cpu", "cuda", "tensorrt"])
def test_nothing_is_printed(provider: str) -> None:
    """Not by native code either: the banner and the fall-back lines are written to 1 and 2."""
    program = (
        "from specc.backends import runtime\n"
        "from specc.files import DeviceError\n"
        "try:\n"
        f"    runtime.open_session(runtime.ONE_NODE, {provider!r})\n"
        "except DeviceError:\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b""
    assert done.stderr == b""


def test_what_python_and_native_code_write_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    output = silence.Output()
    with silence.captured(output):
        print("from Python")
        ctypes.CDLL(None).puts(b"from C")
        ctypes.CDLL(None).fflush(None)
    print("after")
    assert "from Python" in output.text
    assert "from C" in output.text
    assert capfd.readouterr().out == "after\n"


def test_output_is_kept_when_the_block_fails() -> None:
    output = silence.Output()

    def fail() -> None:
        with silence.captured(output):
            print("what came before")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert output.text == "what came before\n"


def test_the_probe_is_a_sound_model() -> None:
    model = onnx.load_model_from_string(runtime.ONE_NODE)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Add"]


@pytest.mark.parametrize("provider", [name for name in HERE if HERE[name]])
def test_a_bad_model_is_not_the_providers_fault(provider: str) -> None:
    with pytest.raises(Exception, match="ONNX") as caught:
        open_session(b"not a model", provider)
    assert not isinstance(caught.value, UsageError)


def test_an_unknown_provider(model: bytes) -> None:
    with pytest.raises(UsageError, match="no provider `tpu`") as caught:
        open_session(model, "tpu")
    assert caught.value.status == 2
    assert "`cuda`" in (caught.value.help or "")


def test_without_onnxruntime(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="onnxruntime is not installed") as caught:
        open_session(model, "cpu")
    assert "pip install" in (caught.value.help or "")


def test_half_an_onnxruntime(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(UsageError, match="not complete") as caught:
        open_session(model, "cpu")
    assert "pip uninstall -y onnxruntime onnxruntime-gpu &&" in (caught.value.help or "")


def test_a_wheel_without_cuda(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(runtime, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(runtime, "_load_libraries", lambda _: None)
    with pytest.raises(DeviceError, match=r"runs on `cpu` instead: .* built without cuda"):
        open_session(model, "cuda")


MISSING = "with error: {}: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("wanted", "log", "driver", "built_in", "reason", "command"),
    [
        ("cuda", "", False, True, "no NVIDIA driver", "nvidia-smi"),
        ("cuda", "", True, False, "without cuda", "pip uninstall -y onnxruntime"),
        ("cuda", MISSING.format("libcudnn.so.9"), True, True, "libcudnn.so.9", "specc-nn[gpu]"),
        ("tensorrt", MISSING.format("libcublas.so.12"), True, True, "libcublas.so.12", "[gpu]"),
        (
            "tensorrt",
            MISSING.format("libnvinfer.so.10"),
            True,
            True,
            "libnvinfer.so.10 is missing",
            '"tensorrt-cu12<11"',
        ),
        (
            "cuda",
            "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; line=123",
            True,
            True,
            "CUDA says: no CUDA-capable device is detected",
            "nvidia-smi",
        ),
        ("cuda", "something new", True, True, "does not say why", "specc doctor"),
    ],
)
def test_reasons(
    wanted: str, log: str, driver: bool, built_in: bool, reason: str, command: str
) -> None:
    said, help_text = explain_refusal(Provider(wanted), log, driver=driver, built_in=built_in)
    assert reason in said
    assert command in help_text


@pytest.mark.parametrize(
    ("error", "status"), [(DeviceError("a", "b"), 1), (UsageError("a", "b"), 2)]
)
def test_the_exit_status(
    error: UsageError,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(command_line, "_dispatch", fail)
    assert command_line.main(["verify"]) == status
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "error: a\nhelp: b\n")


@pytest.mark.slow
def test_more_than_protobuf_holds(tmp_path: Path) -> None:
    """A model of 2.2 GB: from its files, and opened, where no message could be made of it."""
    size = 23_500
    places = numpy.arange(size), numpy.arange(size) * 7 % size
    weights = numpy.zeros((size, size), numpy.float32)
    weights[places] = numpy.arange(size)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "large",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", size])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", size])],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    tensor = model.graph.initializer.add(dims=weights.shape, data_type=1, name="w")
    tensor.raw_data = weights.tobytes()
    del weights
    Apart.of(model).write(str(tmp_path / "large.onnx"))
    assert (tmp_path / "large.onnx").stat().st_size < 1000
    del model, tensor
    read = load_onnx(tmp_path / "large.onnx")
    assert is_large(read)
    x = numpy.ones((2, size), numpy.float32)
    want = numpy.zeros_like(x)
    want[:, places[1]] = numpy.arange(size)
    numpy.testing.assert_array_equal(open_model(read, "cpu").run({"x": x})["y"], want)
