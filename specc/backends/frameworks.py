"""The frameworks, imported late and quietly."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from specc.backends.silence import Output, captured
from specc.files import UsageError


def import_keras() -> Any:
    """Keras on the TensorFlow backend, without TensorFlow's greetings on stderr.

    Raises:
        UsageError: where Keras or TensorFlow is missing, or Keras already runs on another
            backend in this process.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # TensorFlow greets before it has read that variable, when it is imported and when it
        # first looks for devices.
        with captured(Output()):
            _import("tensorflow").config.list_physical_devices()
    keras: Any = _import("keras")
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()} in this process, and specc needs TensorFlow",
            "set KERAS_BACKEND=tensorflow before Keras is imported",
        )
    return keras


def import_tensorflow() -> Any:
    """TensorFlow, quietly.

    Raises:
        UsageError: where it is missing.
    """
    import_keras()
    return _import("tensorflow")


def _import(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed",
            "python -m pip install specc-nn brings it",
        ) from None
