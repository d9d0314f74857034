"""The Keras model of a spec, compiled as its `train` block says, with every variable made."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from specc.backends.frameworks import import_keras
from specc.backends.keras_model import BuiltModel, build_keras
from specc.backends.keras_objects import keras_value, refresh_statistics
from specc.graph import Graph
from specc.training.settings import Settings

OWN_CHECKPOINTS = "BackupAndRestore"
"""A callback that does what every run does anyway; the two would be in each other's way."""

OWN_GUARD = "TerminateOnNaN"
"""Another one."""

WRITERS = ("CSVLogger", "ModelCheckpoint", "TensorBoard")
"""Callbacks that a repeated run does without, and all processes but the first."""

COMPILED = ("loss_weights", "metrics", "weighted_metrics", "jit_compile", "auto_scale_loss")


def compiled_model(graph: Graph, settings: Settings, batch: Any, executed: int) -> BuiltModel:
    """A fresh model, ready for `fit`.

    Args:
        batch: a batch of its data, from which metrics learn their shapes.
        executed: steps of an execution.
    """
    keras = import_keras()
    with _policy(keras, settings["dtype_policy"]):
        built = build_keras(graph, seed=settings.seed)
    model = built.keras_model
    model.compile(
        optimizer=keras_value(keras, settings["optimizer"]),
        loss=_lists(keras_value(keras, settings["loss"])),
        steps_per_execution=executed,
        **{name: _lists(_value(keras, settings[name])) for name in COMPILED},
    )
    # Before a checkpoint can be read into them all variables have to be there.
    model._symbolic_build(data_batch=batch)
    return built


def _value(keras: Any, value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(keras, item) for item in value]
    return keras_value(keras, value)


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def callbacks_of(settings: Settings) -> tuple[list[Any], list[str]]:
    """The callbacks as Keras's, and what is to be said of those that are left out."""
    from specc.training.hooks import ModelCheckpoint

    keras = import_keras()
    found: list[Any] = []
    notes: list[str] = []
    for callback in settings.callbacks:
        kind = type(callback).__name__
        if kind == OWN_CHECKPOINTS:
            notes.append(f"`{kind}` is left out: every run can go on where it was interrupted")
        elif kind == OWN_GUARD:
            continue
        elif kind == "ModelCheckpoint":
            found.append(ModelCheckpoint(**callback.given))
        else:
            found.append(keras_value(keras, callback))
    return found, notes


def without_writers(callbacks: list[Any]) -> list[Any]:
    """The same callbacks, with one that does nothing in the place of each that writes files."""
    nothing = import_keras().callbacks.Callback
    return [nothing() if type(c).__name__ in WRITERS else c for c in callbacks]


def plain_model(graph: Graph, trained: Any, seed: int) -> BuiltModel:
    """The model as the spec has it, with trained weights, without optimizer and policy."""
    built = build_keras(graph, seed=seed)
    built.keras_model.set_weights([np.array(w) for w in trained.get_weights()])
    refresh_statistics(built.keras_model)
    return built


@contextmanager
def _policy(keras: Any, name: str | None) -> Generator[None]:
    """The dtype policy of the layers that say none themselves."""
    if name is None:
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
