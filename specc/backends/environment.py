"""What is installed, which devices are really there, and what does not go together.

`collect` looks; the checks below it are functions of what it found, and of nothing else.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from typing import Any

from specc._version import __version__
from specc.backends.frameworks import KERAS_BACKENDS
from specc.backends.runtime import (
    CUDA_LIBRARIES,
    FRESH_WHEEL,
    GPU_WHEEL,
    ONNXRUNTIME_RANGE,
    PLACES,
    Probe,
    Provider,
    probe,
)
from specc.backends.silence import Output, captured
from specc.backends.training_probe import Trained, probe_training
from specc.plugins import Problem, offered_layers, plugin_problems

PIP = "python -m pip"

RANGES = {
    "tensorflow": ">=2.21,<2.22",
    "keras": ">=3.15,<3.16",
    "tf2onnx": ">=1.17,<2",
    "onnx": ">=1.20,<2",
    "onnx-ir": ">=1.1,<2",
    "onnxruntime-gpu": ONNXRUNTIME_RANGE,
    "onnxruntime": ONNXRUNTIME_RANGE,
    "lark": ">=1.3,<2",
    "numpy": ">=2.1,<3",
    "rich": ">=14,<16",
}
"""The dependencies of pyproject.toml; a test holds the two together."""

ONNXRUNTIMES = ("onnxruntime-gpu", "onnxruntime")
"""The same module in two wheels; one of them is enough, both are too many."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The surroundings of specc."""

    specc: str
    python: str
    system: str
    """Operating system and processor, such as "Linux x86_64"."""
    packages: Mapping[str, str]
    """The version of every installed distribution, by its name in lower case with hyphens."""
    driver: str | None
    """The version of the NVIDIA driver, or "unknown"; None without one."""
    gpus: int
    """How many GPUs the driver gives this process; CUDA_VISIBLE_DEVICES can hide some."""
    keras_backend: str | None
    """The environment variable KERAS_BACKEND."""
    tensorflow_devices: tuple[str, ...] | None
    """The devices that TensorFlow lists, such as "CPU:0"; None where it cannot be imported."""
    tensorflow_problem: str
    """Why it cannot, otherwise empty."""
    providers: tuple[Probe, ...]
    """What came of a one-node session on each of onnxruntime's providers."""
    trained: tuple[Trained, ...] = ()
    """What came of a step of training on each of Keras's backends that is installed."""
    plugins: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The layers that installed packages offer, by the package with its version."""
    plugin_problems: tuple[Problem, ...] = ()

    @property
    def onnxruntime_wheel(self) -> str:
        """Which of the two onnxruntimes specc depends on here."""
        return ONNXRUNTIMES[0] if self.system == "Linux x86_64" else ONNXRUNTIMES[1]


@dataclass(frozen=True)
class Conflict:
    """Something that does not go together, and the command that mends it."""

    what: str
    command: str


# ------------------------------------------------------------------------- collecting


def collect() -> Environment:
    """Look at everything; takes seconds, as TensorFlow is imported.

    Nothing is printed. The environment variables KERAS_BACKEND and TF_CPP_MIN_LOG_LEVEL are
    set for the rest of the process.
    """
    keras_backend = os.environ.get("KERAS_BACKEND")
    driver, gpus = driver_and_gpus()
    trained = probe_training()
    devices, problem = _tensorflow_devices()
    return Environment(
        specc=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=_packages(),
        driver=driver,
        gpus=gpus,
        keras_backend=keras_backend,
        tensorflow_devices=devices,
        tensorflow_problem=problem,
        providers=tuple(probe(p) for p in PLACES),
        trained=trained,
        plugins=_plugins(),
        plugin_problems=tuple(plugin_problems()),
    )


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a half-removed one has none
            # Of two with a name, Python imports the one that comes first.
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return found


def _plugins() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, offers in offered_layers().items():
        for offer in offers:
            found[str(offer)] = (*found.get(str(offer), ()), name)
    return dict(sorted(found.items()))


def driver_and_gpus() -> tuple[str | None, int]:
    """The driver's version and the number of GPUs that it gives this process."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None, 0
    count = ctypes.c_int(0)
    if cuda.cuInit(0) == 0:
        cuda.cuDeviceGetCount(ctypes.byref(count))
    text = ctypes.create_string_buffer(96)
    try:
        management = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return "unknown", count.value
    if management.nvmlInit_v2() == 0:
        management.nvmlSystemGetDriverVersion(text, len(text))
        management.nvmlShutdown()
    return text.value.decode(errors="replace") or "unknown", count.value


def _tensorflow_devices() -> tuple[tuple[str, ...] | None, str]:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"  # TensorFlow imports Keras
    try:
        with captured(Output()):
            tensorflow: Any = import_module("tensorflow")
            devices: list[Any] = tensorflow.config.list_physical_devices()
    except ModuleNotFoundError as error:
        return None, f"{error.name} is not installed"
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return None, f"{type(error).__name__}: {first}"
    return tuple(device.name.removeprefix("/physical_device:") for device in devices), ""


# --------------------------------------------------------------------------- checking


def find_conflicts(environment: Environment) -> list[Conflict]:
    """All that does not go together, the causes before what may follow from them."""
    return [conflict for check in CHECKS for conflict in check(environment)]


def both_onnxruntimes(environment: Environment) -> Iterator[Conflict]:
    if not all(name in environment.packages for name in ONNXRUNTIMES):
        return
    # Uninstalling one takes files away from the other: both have to go.
    yield Conflict(
        "onnxruntime and onnxruntime-gpu are both installed; they share one directory, and "
        "which of the two runs is chance",
        f"{PIP} uninstall -y onnxruntime onnxruntime-gpu && "
        f'{PIP} install "{environment.onnxruntime_wheel}{ONNXRUNTIME_RANGE}"',
    )


def onnxruntime_for_cuda_13(environment: Environment) -> Iterator[Conflict]:
    installed = environment.packages.get("onnxruntime-gpu")
    if installed and _at_least(installed, "1.27") and "tensorflow" in environment.packages:
        yield Conflict(
            f"onnxruntime-gpu {installed} is built for CUDA 13, TensorFlow for CUDA 12; "
            "their CUDA libraries overwrite each other's files",
            GPU_WHEEL,
        )


def two_cuda_generations(environment: Environment) -> Iterator[Conflict]:
    twelve, thirteen = (_cuda_wheels(environment, generation) for generation in ("12", "13"))
    if not twelve or not thirteen:
        return
    command = f"{PIP} uninstall -y {' '.join(f'{name}-cu13' for name in thirteen)}"
    # Wheels of both generations with one name have files in common, which are now gone.
    damaged = [
        f'"{name}-cu12=={environment.packages[f"{name}-cu12"]}"'
        for name in twelve
        if name in thirteen
    ]
    if damaged:
        command += f" && {PIP} install --force-reinstall --no-deps {' '.join(damaged)}"
    yield Conflict(
        "CUDA libraries of two generations are installed, nvidia-*-cu12 and nvidia-*-cu13; "
        "TensorFlow and onnxruntime want cu12",
        command,
    )


def versions_out_of_range(environment: Environment) -> Iterator[Conflict]:
    told = {"onnxruntime-gpu"} if any(onnxruntime_for_cuda_13(environment)) else set[str]()
    for name, wanted in RANGES.items():
        installed = environment.packages.get(name)
        if installed and name not in told and not _in_range(installed, wanted):
            yield Conflict(
                f"{name} {installed} is installed; specc is made for {wanted}",
                f'{PIP} install "{name}{wanted}"',
            )


def missing_packages(environment: Environment) -> Iterator[Conflict]:
    wanted = [name for name in RANGES if name not in ONNXRUNTIMES]
    if not any(name in environment.packages for name in ONNXRUNTIMES):
        wanted.append(environment.onnxruntime_wheel)
    missing = [name for name in wanted if name not in environment.packages]
    if missing:
        arguments = " ".join(f'"{name}{RANGES[name]}"' for name in missing)
        yield Conflict(f"not installed: {', '.join(missing)}", f"{PIP} install {arguments}")


def unusable_keras_backend(environment: Environment) -> Iterator[Conflict]:
    wanted = environment.keras_backend
    if not wanted or wanted in (trained.backend for trained in environment.trained):
        return
    if wanted not in KERAS_BACKENDS:
        yield Conflict(
            f"KERAS_BACKEND is {wanted}; specc runs Keras on {', '.join(KERAS_BACKENDS)}",
            "unset KERAS_BACKEND",
        )
    elif wanted not in environment.packages:
        yield Conflict(
            f"KERAS_BACKEND is {wanted}, which is not installed",
            f'{PIP} install "specc-nn[{wanted}]"'
            if wanted != "tensorflow"
            else f"{PIP} install {wanted}",
        )


def tensorflow_that_fails(environment: Environment) -> Iterator[Conflict]:
    if environment.tensorflow_devices is None and "tensorflow" in environment.packages:
        yield Conflict(
            f"TensorFlow cannot be imported: {environment.tensorflow_problem}",
            f'{PIP} install --force-reinstall "tensorflow{RANGES["tensorflow"]}"',
        )


def gpu_unseen_by_tensorflow(environment: Environment) -> Iterator[Conflict]:
    devices = environment.tensorflow_devices
    if not environment.gpus or devices is None or _has_gpu(devices):
        return
    if "nvidia-cudnn-cu12" in environment.packages:
        yield Conflict(
            "TensorFlow sees no GPU, though there are a driver and CUDA libraries; these may "
            "be damaged or of other versions than it wants",
            f'{PIP} install --force-reinstall "tensorflow[and-cuda]{RANGES["tensorflow"]}"',
        )
    else:
        yield Conflict(
            "TensorFlow sees no GPU, though there is a driver: its CUDA libraries are missing",
            CUDA_LIBRARIES,
        )


def gpu_unused_by_onnxruntime(environment: Environment) -> Iterator[Conflict]:
    # What hides the GPU from TensorFlow hides it from onnxruntime; once is enough.
    if not environment.gpus or any(gpu_unseen_by_tensorflow(environment)):
        return
    for outcome in environment.providers:
        if outcome.wanted is Provider.CUDA and outcome.got and not outcome.works:
            command = re.match("`([^`]+)`", outcome.help)
            yield Conflict(
                f"onnxruntime runs on the CPU, though there is a GPU: {outcome.reason}",
                command[1] if command else FRESH_WHEEL,
            )


GPU_BUILDS = {"jax": '"jax[cuda12]"', "torch": "--force-reinstall torch"}
"""What pip installs for a backend that can use a GPU."""


def backends_that_train_wrongly(environment: Environment) -> Iterator[Conflict]:
    # TensorFlow that fails, or sees no GPU, has been told above, with the cause.
    for trained in environment.trained:
        if trained.backend == "tensorflow" and (
            environment.tensorflow_devices is None or any(gpu_unseen_by_tensorflow(environment))
        ):
            continue
        install = f"{PIP} install {GPU_BUILDS.get(trained.backend, trained.backend)}"
        if trained.device is None:
            yield Conflict(f"Keras on {trained.backend} does not train: {trained.problem}", install)
        elif environment.gpus and not trained.on_gpu:
            yield Conflict(
                f"Keras on {trained.backend} trains on the CPU, though there is a GPU", install
            )


def unusable_plugins(environment: Environment) -> Iterator[Conflict]:
    for problem in environment.plugin_problems:
        mending = "uninstall" if problem.superfluous else "install --upgrade"
        yield Conflict(problem.what, f"{PIP} {mending} {problem.package}")


CHECKS: tuple[Callable[[Environment], Iterator[Conflict]], ...] = (
    both_onnxruntimes,
    onnxruntime_for_cuda_13,
    two_cuda_generations,
    versions_out_of_range,
    missing_packages,
    unusable_keras_backend,
    tensorflow_that_fails,
    gpu_unseen_by_tensorflow,
    gpu_unused_by_onnxruntime,
    backends_that_train_wrongly,
    unusable_plugins,
)


def _cuda_wheels(environment: Environment, generation: str) -> list[str]:
    """The names, without their ending, of the CUDA wheels of a generation."""
    ending = f"-cu{generation}"
    names = (n for n in environment.packages if n.startswith("nvidia-") and n.endswith(ending))
    return sorted(name.removesuffix(ending) for name in names)


def _has_gpu(devices: tuple[str, ...]) -> bool:
    return any(device.startswith("GPU") for device in devices)


def _in_range(version: str, wanted: str) -> bool:
    """Whether a version lies in a range such as ">=1.2,<2"."""
    low, high = wanted.split(",")
    return _at_least(version, low.removeprefix(">=")) and not _at_least(
        version, high.removeprefix("<")
    )


def _at_least(version: str, bound: str) -> bool:
    """Compare release numbers; what follows them, as in 2.21.0rc1, counts for nothing."""
    return _release(version) >= _release(bound)


def _release(version: str) -> tuple[int, int, int]:
    numbers = [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3]]
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major, minor, patch
