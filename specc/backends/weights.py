"""Keras models with the weights that were asked for."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any

from specc.backends.frameworks import import_keras
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


def describe_file(path: str) -> dict[str, str]:
    """What a manifest says of a weights file.

    Raises:
        UsageError: where it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return {"file": path, "sha256": sha256(file.read()).hexdigest()}
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
