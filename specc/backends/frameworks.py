"""The frameworks, imported late and quietly."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from specc.backends.silence import Output, captured
from specc.files import UsageError

KERAS_BACKENDS = ("tensorflow", "jax", "torch")
"""What Keras computes with, by Keras's names."""

DEFAULT = "tensorflow"

SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Variables for processes that share a GPU: each framework would take all of its memory at once."""

GIVE_BACK = {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}
"""Variables for a process that holds a model several times over: TensorFlow would keep what it has
freed for tensors to come, which is faster where they come as fast as in training."""

_EXTRAS = {"jax": "jax", "torch": "torch"}
"""The extra that brings a package; the others come with specc."""


def choose_backend(name: str) -> None:
    """Have Keras compute with a framework in this process, whatever KERAS_BACKEND says.

    Raises:
        UsageError: where Keras already runs on another one, or the framework is missing.
    """
    loaded = sys.modules.get("keras")
    if loaded is None:
        _import_backend(name)
    elif loaded.backend.backend() != name:
        raise UsageError(
            f"Keras runs on {loaded.backend.backend()} in this process, and {name} was asked for",
            f"set KERAS_BACKEND={name} before Keras is imported",
        )


def import_keras() -> Any:
    """Keras, quietly: as this process has it; else on the backend that was chosen; else on
    TensorFlow.

    Raises:
        UsageError: where Keras or what it computes with is missing.
    """
    if "keras" not in sys.modules and os.environ.get("KERAS_BACKEND") not in _imported():
        choose_backend(DEFAULT)
    return _import("keras")


def give_back_memory() -> None:
    """Have TensorFlow return the memory of tensors that are gone. Once it is imported it is too
    late for that; what the user has set stays.
    """
    for name, value in GIVE_BACK.items():
        os.environ.setdefault(name, value)


def keras_backend() -> str:
    """What Keras computes with in this process."""
    return str(import_keras().backend.backend())


def import_tensorflow() -> Any:
    """TensorFlow as Keras's backend, quietly.

    Raises:
        UsageError: where it is missing, or Keras runs on another backend in this process.
    """
    if "keras" not in sys.modules:
        choose_backend("tensorflow")
    if keras_backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras_backend()} in this process, and this needs TensorFlow",
            "set KERAS_BACKEND=tensorflow before Keras is imported",
        )
    return _import("tensorflow")


def seed_everything(seed: int) -> None:
    """Set the seeds of Python, NumPy, Keras and the framework, from which initializers draw."""
    keras = import_keras()
    with captured(Output()):  # Keras imports TensorFlow for this on every backend
        keras.utils.set_random_seed(seed)


def array_of(tensor: Any) -> Any:
    """What a backend computed as a NumPy array."""
    detach = getattr(tensor, "detach", None)  # PyTorch's may be on a GPU, or wait for gradients
    return np.asarray(tensor if detach is None else detach().cpu())


def allow_float64() -> None:
    """Let what is said to be float64 be computed in it. JAX takes float32 unless told."""
    if keras_backend() == "jax":
        _import("jax").config.update("jax_enable_x64", True)


@contextmanager
def full_float32() -> Generator[None]:
    """Have the products of float32 take all bits of their factors in a block; on a GPU the
    frameworks use TF32 for some or all of them unless told."""
    backend = keras_backend()
    framework: Any = _import(backend)
    if backend == "jax":
        with framework.default_matmul_precision("highest"):
            yield
        return
    if backend == "tensorflow":
        config = framework.config.experimental
        before = config.tensor_float_32_execution_enabled()
        config.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            config.enable_tensor_float_32_execution(before)
        return
    kinds = framework.backends.cuda.matmul, framework.backends.cudnn
    allowed = [kind.allow_tf32 for kind in kinds]
    for kind in kinds:
        kind.allow_tf32 = False
    try:
        yield
    finally:
        for kind, before in zip(kinds, allowed, strict=True):
            kind.allow_tf32 = before


def _imported() -> tuple[str, ...]:
    """The backends that were chosen in this process, or imported by the user."""
    return tuple(name for name in KERAS_BACKENDS if name in sys.modules)


def _import_backend(name: str) -> None:
    # TensorFlow greets before it has read its variable: when it is imported, and when it first
    # looks for devices.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = name
    with captured(Output()):
        framework: Any = _import(name)
        if name == "tensorflow":
            framework.config.list_physical_devices()
        _import("keras")


def _import(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name))
        package = f'"specc-nn[{extra}]"' if extra else "specc-nn"
        raise UsageError(
            f"{error.name} is not installed",
            f"python -m pip install {package} brings it",
        ) from None
