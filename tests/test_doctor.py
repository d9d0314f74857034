"""`specc doctor`: each conflict on an environment made up for it, and the real one as it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specc.backends import environment as environment_module
from specc.backends.environment import RANGES, Conflict, Environment, find_conflicts
from specc.backends.runtime import Probe, Provider
from specc.backends.training_probe import Trained, probe_training
from specc.cli import main as command_line
from specc.cli.doctor import as_json, as_text

CPU = Probe(Provider.CPU, Provider.CPU)
NO_DRIVER = "there is no NVIDIA driver"

SOUND = Environment(
    specc="0.1.0",
    python="3.12.4",
    system="Linux x86_64",
    packages={
        "tensorflow": "2.21.0",
        "keras": "3.15.1",
        "tf2onnx": "1.17.0",
        "onnx": "1.23.2",
        "onnx-ir": "1.1.0",
        "onnxruntime-gpu": "1.26.0",
        "lark": "1.3.1",
        "numpy": "2.4.6",
        "rich": "15.0.0",
        "requests": "2.34.2",
    },
    driver=None,
    gpus=0,
    keras_backend=None,
    tensorflow_devices=("CPU:0",),
    tensorflow_problem="",
    providers=(
        CPU,
        Probe(Provider.CUDA, Provider.CPU, NO_DRIVER, "`nvidia-smi`"),
        Probe(Provider.TENSORRT, Provider.CPU, NO_DRIVER, "`nvidia-smi`"),
    ),
    trained=(Trained("tensorflow", "CPU:0"),),
)

WITH_GPU = replace(
    SOUND,
    packages={**SOUND.packages, "nvidia-cudnn-cu12": "9.8.0.87", "nvidia-cublas-cu12": "12.5.3.2"},
    driver="580.95.05",
    gpus=1,
    tensorflow_devices=("CPU:0", "GPU:0"),
    providers=(
        CPU,
        Probe(Provider.CUDA, Provider.CUDA),
        Probe(
            Provider.TENSORRT,
            Provider.CUDA,
            "libnvinfer.so.10 is missing",
            '`python -m pip install "tensorrt-cu12<11"`',
        ),
    ),
    trained=(Trained("tensorflow", "GPU:0"), Trained("jax", "gpu:0"), Trained("torch", "cuda:0")),
)


def having(environment: Environment, **versions: str | None) -> Environment:
    """The environment with other packages; `_` in a name stands for a hyphen."""
    packages = dict(environment.packages)
    for name, version in versions.items():
        packages.pop(name.replace("_", "-"), None)
        if version is not None:
            packages[name.replace("_", "-")] = version
    return replace(environment, packages=packages)


def only(environment: Environment) -> Conflict:
    """The one conflict of an environment."""
    (conflict,) = find_conflicts(environment)
    return conflict


@pytest.mark.parametrize("environment", [SOUND, WITH_GPU])
def test_sound_environments(environment: Environment) -> None:
    assert find_conflicts(environment) == []


def test_both_onnxruntimes() -> None:
    conflict = only(having(SOUND, onnxruntime="1.26.0"))
    assert "both installed" in conflict.what
    assert conflict.command == (
        "python -m pip uninstall -y onnxruntime onnxruntime-gpu && "
        'python -m pip install "onnxruntime-gpu>=1.24.4,<1.27"'
    )


def test_both_onnxruntimes_on_a_mac() -> None:
    conflict = only(replace(having(SOUND, onnxruntime="1.26.0"), system="Darwin arm64"))
    assert conflict.command.endswith('install "onnxruntime>=1.24.4,<1.27"')


@pytest.mark.parametrize("version", ["1.27.0", "1.28.1", "2.0"])
def test_an_onnxruntime_for_cuda_13(version: str) -> None:
    conflict = only(having(SOUND, onnxruntime_gpu=version))
    assert f"onnxruntime-gpu {version} is built for CUDA 13" in conflict.what
    assert conflict.command == 'python -m pip install "onnxruntime-gpu>=1.24.4,<1.27"'


def test_two_generations_of_one_library() -> None:
    conflict = only(having(WITH_GPU, nvidia_cudnn_cu13="9.12.0", nvidia_nccl_cu13="2.27"))
    assert "nvidia-*-cu12 and nvidia-*-cu13" in conflict.what
    assert conflict.command == (
        "python -m pip uninstall -y nvidia-cudnn-cu13 nvidia-nccl-cu13 && "
        'python -m pip install --force-reinstall --no-deps "nvidia-cudnn-cu12==9.8.0.87"'
    )


def test_two_generations_without_a_common_library() -> None:
    conflict = only(having(WITH_GPU, nvidia_nccl_cu13="2.27"))
    assert conflict.command == "python -m pip uninstall -y nvidia-nccl-cu13"


def test_cuda_13_alone_is_no_conflict_of_its_own() -> None:
    assert find_conflicts(having(SOUND, nvidia_cudnn_cu13="9.12.0")) == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("tensorflow", "2.20.1"),
        ("tensorflow", "2.22.0"),
        ("keras", "3.9.2"),
        ("tf2onnx", "1.16.1"),
        ("onnx", "2.0.0"),
        ("onnx-ir", "0.9"),
        ("onnxruntime-gpu", "1.24.3"),
        ("lark", "1.2.2"),
        ("numpy", "1.26.4"),
        ("rich", "16.0.0"),
    ],
)
def test_a_version_out_of_range(name: str, version: str) -> None:
    conflict = only(having(SOUND, **{name: version}))
    assert conflict.what == f"{name} {version} is installed; specc is made for {RANGES[name]}"
    assert conflict.command == f'python -m pip install "{name}{RANGES[name]}"'


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("tensorflow", "2.21"),
        ("tensorflow", "2.21.3"),
        ("onnxruntime-gpu", "1.24.4"),
        ("numpy", "2.10.0"),
        ("rich", "14.0.0"),
    ],
)
def test_a_version_in_range(name: str, version: str) -> None:
    assert find_conflicts(having(SOUND, **{name: version})) == []


def test_missing_packages() -> None:
    conflict = only(having(SOUND, tf2onnx=None, onnxruntime_gpu=None))
    assert conflict.what == "not installed: tf2onnx, onnxruntime-gpu"
    assert conflict.command == (
        'python -m pip install "tf2onnx>=1.17,<2" "onnxruntime-gpu>=1.24.4,<1.27"'
    )


def test_either_onnxruntime_will_do() -> None:
    assert find_conflicts(having(SOUND, onnxruntime_gpu=None, onnxruntime="1.26.0")) == []


def test_a_keras_backend_that_is_not_installed() -> None:
    conflict = only(replace(SOUND, keras_backend="jax"))
    assert conflict.what == "KERAS_BACKEND is jax, which is not installed"
    assert conflict.command == 'python -m pip install "specc-nn[jax]"'


def test_a_keras_backend_that_specc_does_not_know() -> None:
    conflict = only(replace(SOUND, keras_backend="openvino"))
    assert conflict.what == "KERAS_BACKEND is openvino; specc runs Keras on tensorflow, jax, torch"
    assert conflict.command == "unset KERAS_BACKEND"


@pytest.mark.parametrize("name", ["tensorflow", "jax", "torch"])
def test_a_keras_backend_that_is_there(name: str) -> None:
    assert find_conflicts(replace(WITH_GPU, keras_backend=name)) == []


def test_a_backend_that_leaves_the_gpu_unused() -> None:
    trained = (Trained("tensorflow", "GPU:0"), Trained("jax", "cpu:0"), Trained("torch", "cuda:0"))
    conflict = only(replace(WITH_GPU, trained=trained))
    assert conflict.what == "Keras on jax trains on the CPU, though there is a GPU"
    assert conflict.command == 'python -m pip install "jax[cuda12]"'


def test_a_backend_that_does_not_train() -> None:
    trained = (*SOUND.trained, Trained("torch", None, "ImportError: no symbol"))
    conflict = only(replace(SOUND, trained=trained))
    assert conflict.what == "Keras on torch does not train: ImportError: no symbol"


def test_a_tensorflow_that_fails() -> None:
    broken = replace(
        SOUND,
        tensorflow_devices=None,
        tensorflow_problem="ImportError: no symbol",
        trained=(Trained("tensorflow", None, "ImportError: no symbol"),),
    )
    conflict = only(broken)
    assert conflict.what == "TensorFlow cannot be imported: ImportError: no symbol"
    assert "--force-reinstall" in conflict.command


UNSEEN = replace(
    WITH_GPU,
    tensorflow_devices=("CPU:0",),
    providers=(CPU, Probe(Provider.CUDA, Provider.CPU, "libcudnn.so.9 is missing", "`pip`")),
    trained=(Trained("tensorflow", "CPU:0"),),
)


def test_a_driver_without_the_gpu_extra() -> None:
    conflict = only(having(UNSEEN, nvidia_cudnn_cu12=None, nvidia_cublas_cu12=None))
    assert "TensorFlow sees no GPU, though there is a driver" in conflict.what
    assert conflict.command == 'python -m pip install "specc-nn[gpu]"'


def test_cuda_libraries_that_do_not_load() -> None:
    conflict = only(UNSEEN)
    assert "TensorFlow sees no GPU" in conflict.what
    assert conflict.command.startswith("python -m pip install --force-reinstall")


def test_gpus_hidden_on_purpose() -> None:
    """CUDA_VISIBLE_DEVICES= leaves the driver and no GPU; that is no conflict."""
    assert find_conflicts(replace(UNSEEN, gpus=0)) == []


def test_an_onnxruntime_that_leaves_the_gpu_unused() -> None:
    refused = Probe(
        Provider.CUDA,
        Provider.CPU,
        "the installed onnxruntime is built without cuda",
        "`python -m pip install this` and more words",
    )
    environment = having(WITH_GPU, onnxruntime_gpu=None, onnxruntime="1.26.0")
    conflict = only(replace(environment, providers=(CPU, refused)))
    assert conflict.what.endswith("there is a GPU: the installed onnxruntime is built without cuda")
    assert conflict.command == "python -m pip install this"


def test_the_ranges_are_those_of_the_project(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = dict(re.fullmatch(r"([\w-]+)([^;]*).*", d).groups() for d in project["dependencies"])
    assert stated == RANGES


def test_the_text(golden: Any) -> None:
    pairs = [
        (SOUND, "cpu"),
        (WITH_GPU, "gpu"),
        (replace(having(UNSEEN, onnxruntime="1.26.0", keras=None), keras_backend="jax"), "bad"),
    ]
    for environment, name in pairs:
        golden(f"doctor/{name}.txt", as_text(environment, find_conflicts(environment)))


def test_the_json() -> None:
    environment = replace(WITH_GPU, keras_backend="openvino")
    report = json.loads(json.dumps(as_json(environment, find_conflicts(environment))))
    assert report["ok"] is False
    assert report["driver"] == "580.95.05"
    assert report["tensorflow"] == {"devices": ["CPU:0", "GPU:0"], "problem": None}
    assert report["onnxruntime"]["tensorrt"] == {
        "works": False,
        "runs_on": "cuda",
        "reason": "libnvinfer.so.10 is missing",
    }
    assert report["training"]["jax"] == {"runs_on": "gpu:0", "problem": None}
    assert [conflict["command"] for conflict in report["conflicts"]] == ["unset KERAS_BACKEND"]


@pytest.mark.parametrize(("environment", "status"), [(SOUND, 0), (UNSEEN, 1)])
def test_the_exit_status(
    environment: Environment,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(environment_module, "collect", lambda: environment)
    assert command_line.main(["doctor"]) == status
    printed = capsys.readouterr()
    assert printed.out == as_text(environment, find_conflicts(environment))
    assert printed.err == ""


def test_the_real_environment() -> None:
    """All that is printed is the report, and its status goes with it."""
    command = [sys.executable, "-m", "specc", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    report = json.loads(done.stdout)
    assert done.stderr == b""
    assert done.returncode == (0 if report["ok"] else 1)
    assert "CPU:0" in report["tensorflow"]["devices"]
    assert report["onnxruntime"]["cpu"]["works"]
    assert report["onnxruntime"]["cuda"]["works"] == bool(report["gpus"])
    assert set(report["training"]) >= {"tensorflow", "jax", "torch"}
    for backend, outcome in report["training"].items():
        on_gpu = outcome["runs_on"].lower().startswith(("gpu", "cuda"))
        assert on_gpu == bool(report["gpus"]), backend


def test_a_step_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A framework that cannot be imported: its error is told."""
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text("raise OSError('libcudart is missing')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (outcome,) = probe_training(["jax"])
    assert (outcome.device, outcome.problem) == (None, "OSError: libcudart is missing")
