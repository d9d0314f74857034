"""The classes of the data: their names, and the numbers that stand for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.layers.arguments import is_tuple
from specc.records import record
from specc.training.block import Block
from specc.training.columns import Held
from specc.training.dataset import Array, Column
from specc.training.sources.base import Samples, Unreadable, as_text, is_text


@record
class Names:
    """What is known of the classes."""

    classes: int | tuple[str, ...] | None
    values: tuple[str | int, ...] | None
    """What stands for each class in the data, where that is not its number."""
    said: bool
    """Whether the block says how many there are."""

    @property
    def number(self) -> int | None:
        return len(self.classes) if is_tuple(self.classes) else self.classes  # pyright: ignore


def class_names(block: Block, samples: Samples) -> Names:
    """The classes that the block says; else those that the source knows, or that it is found to
    have: strings, in their order.

    Names that are whole numbers are what the labels are. Where names are strings and labels are
    numbers, these are the places of the names.
    """
    said: Any = block.entry("classes")
    labels = samples.targets[0] if len(samples.targets) == 1 else None
    text = labels is not None and is_text(labels)
    if is_tuple(said):
        names = tuple(str(name) for name in said)
        numbers = all(isinstance(name, int) for name in said)
        if samples.classes is not None and is_tuple(samples.classes):
            return Names(_in_order(names, samples.classes), None, True)
        return Names(names, said if text or numbers else None, True)
    if said is not None:
        return Names(said, _found(labels) if labels is not None and text else None, True)
    if samples.classes is not None:
        return Names(samples.classes, None, False)
    if labels is not None and text:
        found = _found(labels)
        return Names(found, found, False)
    return Names(None, None, False)


def _in_order(said: tuple[str, ...], found: tuple[str, ...]) -> tuple[str, ...]:
    """The names of a source that numbers its classes by their names: there must be these."""
    if tuple(sorted(said)) != tuple(sorted(found)):
        have = "the classes " + ", ".join(found)
        what = "the block says " + ", ".join(said)
        raise Unreadable(errors.classes_differ, have, what).of("classes")
    return found


def _found(labels: Column) -> tuple[str, ...]:
    every = as_text(labels.take(np.arange(len(labels))))
    return tuple(sorted({str(name) for name in every.ravel()}))


def coded(column: Column, names: Names, which: str) -> Column:
    """Targets with the number of its class in the place of each name.

    Raises:
        Unreadable: where one is of no class.
    """
    if names.values is None or (column.dtype.kind == "f" and not is_text(column)):
        return column
    values = column.take(np.arange(len(column)))
    if is_text(values):
        values = as_text(values).astype(str)
        known = np.array([str(name) for name in names.values])
    elif isinstance(names.values[0], int):
        known = np.array(names.values)
    else:
        return column
    return Held(_places(values, known, which))


def _places(values: Array, known: Array, which: str) -> Array:
    order = np.argsort(known)
    at = np.searchsorted(known, values, sorter=order).clip(max=len(known) - 1)
    places = order[at]
    wrong = known[places] != values
    if wrong.any():
        index = int(np.argwhere(wrong)[0][0])
        name = str(values[wrong].flat[0])
        names = [str(name) for name in known]
        raise Unreadable(errors.unknown_class, name, f"{which}sample {index:,}", names)
    return places.astype(np.int32)
