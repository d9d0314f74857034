"""What a run is made of, so that a checkpoint is continued by the same run only."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import numpy as np

from specc.api import Model
from specc.manifest import manifest
from specc.training.dataset import Array, Column, Dataset, Part
from specc.training.settings import Settings

WHOLE = 256 << 20
"""Bytes up to which every sample of a column is looked at; of larger ones, some all over it."""

SOME = 256


def identity_of(model: Any, data: str, settings: Settings, executed: int) -> dict[str, str]:
    """The parts of a run, each as a text; two runs with the same ones give the same weights.

    Args:
        data: what `digest` gives.
        executed: steps of an execution.
    """
    config = json.dumps(json.loads(model.to_json())["config"], sort_keys=True)
    return {
        "model": sha256(config.encode()).hexdigest(),
        "data": data,
        **settings.identity(),
        "steps_per_execution": str(executed),
    }


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What has changed, in words."""
    found: list[str] = []
    for name in sorted({*before, *now}):
        was, is_now = before.get(name, "not said"), now.get(name, "not said")
        if was != is_now:
            hidden = name in ("model", "data")
            found.append(f"the {name}" if hidden else f"`{name}` (was {was}, is {is_now})")
    return found


def unbuilt(model: Model, data: str, settings: Settings) -> dict[str, str]:
    """What processes have to have in common before they make a model together."""
    found = manifest(model.graph, model.source, {})
    found["spec"] = found["spec"]["sha256"]
    texts = {name: json.dumps(value) for name, value in found.items() if name != "weights"}
    return {**texts, "data": data, **settings.identity(), "epochs": str(settings.epochs)}


def digest(dataset: Dataset) -> str:
    """The data that a run is trained on, and those that callbacks look at, as a checksum."""
    found = sha256()
    for part in (dataset.train, dataset.validation):
        for column in _columns(part):
            found.update(f"{column.shape} {column.dtype};".encode())
            for array in _looked_at(column):
                is_text = array.dtype == object
                found.update(repr(array.tolist()).encode() if is_text else array.tobytes())
    return found.hexdigest()


def _columns(part: Part | None) -> tuple[Column, ...]:
    return () if part is None else (*part.inputs, *part.targets)


def _looked_at(column: Column) -> list[Array]:
    count = len(column)
    if not count:
        return []
    size = int(np.prod(column.shape[1:], dtype=np.int64)) * column.dtype.itemsize
    if size * count > WHOLE:
        return [column.take(np.linspace(0, count - 1, SOME).astype(int))]
    step = max(1, (4 << 20) // max(1, size))
    return [column.take(np.arange(i, min(i + step, count))) for i in range(0, count, step)]
