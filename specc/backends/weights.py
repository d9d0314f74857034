"""Keras models with the weights that were asked for."""

from __future__ import annotations

import os
from hashlib import file_digest
from typing import Any

import numpy as np

from specc.backends.frameworks import import_keras, import_tensorflow, keras_backend
from specc.backends.keras_model import build_keras
from specc.backends.keras_objects import python_classes
from specc.backends.spec_layer import layer_class
from specc.files import UsageError, reason
from specc.graph import Graph


def load_keras(path: str, graph: Graph | None = None) -> Any:
    """A Keras model from a `.keras` file. Code in the file is never run.

    Args:
        graph: says which layers from Python there may be in it; none without it.

    Raises:
        UsageError: where there is no such file or it holds no model.
    """
    if not os.path.isfile(path):
        why = "it is a directory" if os.path.isdir(path) else "there is no such file"
        raise UsageError(f"cannot read `{path}`: {why}")
    keras = import_keras()
    layer_class(keras)  # registers the class of blocks with weights
    try:
        classes = python_classes(keras, graph) if graph else {}
        with keras.saving.custom_object_scope(classes):
            return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises what its many loaders raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"`{path}` is not a Keras model: {first}") from None


def fresh_keras(graph: Graph, seed: int) -> Any:
    """A Keras model of the graph with the fresh weights of a seed."""
    return build_keras(graph, seed=seed).keras_model


SHAREABLE = ("float16", "float32", "float64", "int8", "int16", "int32", "int64",
             "uint8", "uint16", "uint32", "uint64")  # fmt: skip
"""The dtypes that DLPack hands over to NumPy."""


def numbers_of(keras_variable: Any) -> np.ndarray[Any, Any]:
    """What a Keras variable holds now; not to be written to.

    TensorFlow copies what it gives to NumPy, but for DLPack. What is shared by that stays as it
    is: a variable is given new memory when it changes while somebody else has the old one.
    """
    if keras_backend() == "tensorflow" and keras_variable.dtype in SHAREABLE:
        tensor = import_tensorflow().convert_to_tensor(keras_variable)
        if tensor.device.endswith("CPU:0"):
            return np.from_dlpack(tensor)
    return np.asarray(keras_variable)


def describe_file(path: str) -> dict[str, str]:
    """What a manifest says of a weights file.

    Raises:
        UsageError: where it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return {"file": path, "sha256": file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
