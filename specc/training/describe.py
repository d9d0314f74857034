"""What data are, for people and for programs: parts, types, ranges, how many of each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specc.api import Model
from specc.records import record
from specc.training.columns import chunks
from specc.training.dataset import Array, Column, Dataset, Part
from specc.training.shapes import sample_text

MOST_CLASSES = 100_000
"""Whole numbers beyond this are not counted one by one."""


@record
class ColumnInfo:
    """A column that was looked through."""

    name: str
    """Of the input or the output of the model."""
    type: str
    """Of a sample, as a spec writes it."""
    low: float | None
    """The smallest and the largest number; None for strings."""
    high: float | None
    counts: list[int] | None
    """How many samples each class has; None where a target is no class, and for inputs."""


@record
class PartInfo:
    """A part that was looked through."""

    name: str
    """"train", "validation" or "test"."""
    samples: int
    nbytes: int
    """Of all samples in the form that the model takes."""
    in_memory: bool
    """Whether they are kept in this form; else each batch is made when it is wanted."""
    inputs: list[ColumnInfo]
    targets: list[ColumnInfo]


def parts_of(dataset: Dataset) -> dict[str, Part]:
    """The parts that there are, by name."""
    every = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: part for name, part in every.items() if part is not None}


def describe(
    dataset: Dataset, model: Model, advance: Callable[[int], None] = lambda _: None
) -> list[PartInfo]:
    """Look through all samples of all parts.

    Args:
        advance: is told how many samples of a column have been looked at since the last time.
    """
    found: list[PartInfo] = []
    for name, part in parts_of(dataset).items():
        inputs = [
            _column(column, port.name, advance)
            for column, port in zip(part.inputs, model.inputs, strict=True)
        ]
        targets = [
            _target(column, port.name, dataset, advance)
            for column, port in zip(part.targets, model.outputs, strict=True)
        ]
        in_memory = part.arrays() is not None
        found.append(PartInfo(name, len(part), part.nbytes, in_memory, inputs, targets))
    return found


def _column(
    column: Column,
    name: str,
    advance: Callable[[int], None],
    also: Callable[[Array], None] = lambda _: None,
) -> ColumnInfo:
    low, high = np.inf, -np.inf
    numbers = column.dtype.kind in "biuf"
    for _, values in chunks(column):
        if numbers and values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        also(values)
        advance(len(values))
    if not numbers:
        return ColumnInfo(name, sample_text(column), None, None, None)
    return ColumnInfo(name, sample_text(column), low, high, None)


def _target(
    column: Column, name: str, dataset: Dataset, advance: Callable[[int], None]
) -> ColumnInfo:
    counter = _Classes(dataset.classes)
    info = _column(column, name, advance, counter.add)
    info.counts = counter.counts
    return info


class _Classes:
    """Counts classes, as long as the values it sees can be such: whole numbers, or vectors with
    a one."""

    def __init__(self, classes: int | tuple[str, ...] | None) -> None:
        number = len(classes) if isinstance(classes, tuple) else classes
        self.counts: list[int] | None = [0] * (number or 0)

    def add(self, values: Array) -> None:
        if self.counts is None:
            return
        labels = _labels(values)
        if labels is None:
            self.counts = None
            return
        found = np.bincount(labels, minlength=len(self.counts))
        found[: len(self.counts)] += np.array(self.counts, found.dtype)
        self.counts = [int(number) for number in found]


def _labels(values: Array) -> Array | None:
    """The classes that targets stand for; None where they stand for numbers."""
    if values.dtype.kind not in "iuf":
        return None
    if values.ndim == 2 and values.shape[1] > 1 and values.dtype.kind == "f":
        one_hot = np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()
        return values.argmax(axis=1) if one_hot else None
    flat = values.ravel()
    if flat.dtype.kind == "f" and not np.isin(flat, (0, 1)).all():
        return None
    whole = flat.astype(np.int64)
    return whole if whole.size and whole.min() >= 0 and whole.max() < MOST_CLASSES else None


def as_json(dataset: Dataset, model: Model, parts: list[PartInfo]) -> dict[str, Any]:
    """The same as data for programs; shapes are without the axis of samples."""
    classes = dataset.classes
    return {
        "model": model.name,
        "data": dataset.name,
        "classes": list(classes) if isinstance(classes, tuple) else classes,
        "parts": {
            part.name: {
                "samples": part.samples,
                "bytes": part.nbytes,
                "in_memory": part.in_memory,
                "inputs": [_column_as_json(column) for column in part.inputs],
                "targets": [_column_as_json(column) for column in part.targets],
            }
            for part in parts
        },
    }


def _column_as_json(column: ColumnInfo) -> dict[str, Any]:
    data: dict[str, Any] = {"name": column.name, "type": column.type}
    if column.low is not None:
        data |= {"min": column.low, "max": column.high}
    if column.counts is not None:
        data["counts"] = column.counts
    return data
