"""The files that a run leaves."""

from __future__ import annotations

import json
import math
import os
from typing import Any, cast

from specc.api import Model
from specc.backends.keras_model import BuiltModel
from specc.backends.weights import describe_file
from specc.files import UsageError, reason, replacing
from specc.manifest import as_text, manifest
from specc.records import record
from specc.training.progress import Row


@record
class Paths:
    """Where things of a model are."""

    keras: str
    manifest: str
    history: str
    curves: str
    onnx: str
    checkpoints: str


def paths_of(folder: str, name: str) -> Paths:
    stem = os.path.join(folder, name)
    return Paths(
        f"{stem}.keras",
        f"{stem}.json",
        f"{stem}.history.json",
        f"{stem}.curves.png",
        f"{stem}.onnx",
        f"{stem}.checkpoints",
    )


@record
class Result:
    """What came of a run, as its history file has it."""

    epochs: int
    """That were asked for."""
    identity: dict[str, str]
    history: list[Row]
    """A row an epoch."""
    seconds: list[float | None]
    """Of each epoch; None for one that was interrupted."""
    metrics: Row
    """Of the test samples; without such of the validation, as the last row has it."""
    metrics_of: str
    """"test" or "validation", or "training"."""
    stopped_early: bool
    weights: str = ""
    """SHA-256 of the file with the model."""


def write_result(result: Result, built: BuiltModel, model: Model, paths: Paths, seed: int) -> None:
    """Write the trained model, its manifest and its history, the last one last."""
    try:
        with replacing(paths.keras) as temporary:
            built.keras_model.save(temporary)
    except (OSError, RuntimeError) as error:  # h5py has RuntimeErrors for a full disk
        raise UsageError(f"cannot write `{paths.keras}`: {reason(error)}") from None
    result.weights = describe_file(paths.keras)["sha256"]
    settings = {name: text for name, text in result.identity.items() if name not in ("model",)}
    trained = {"epochs": len(result.history), **settings}
    content = manifest(model.graph, model.source, {"seed": seed}, trained=trained)
    _write_text(paths.manifest, as_text(content))
    fields = {name: getattr(result, name) for name in Result.__annotations__}
    _write_text(paths.history, json.dumps(_finite(fields), indent=1) + "\n")


def read_result(paths: Paths) -> Result | None:
    """The result of a run that is complete and whose model is still what was written."""
    try:
        with open(paths.history, encoding="utf-8") as file:
            found = Result(**json.load(file))
        if describe_file(paths.keras)["sha256"] == found.weights:
            return found
    except (OSError, UsageError, ValueError, TypeError):
        pass
    return None


def _write_text(path: str, text: str) -> None:
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def _finite(value: Any) -> Any:
    """Numbers that JSON does not have as null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_finite(item) for item in cast("list[Any]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
