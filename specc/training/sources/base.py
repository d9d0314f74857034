"""What readers are told, and what they give."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Concatenate, ParamSpec

import numpy as np

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import data as errors
from specc.files import UsageError, reason
from specc.records import record
from specc.source import Span
from specc.training.dataset import Array, Column
from specc.types import Port

P = ParamSpec("P")


@record
class Wanted:
    """What a model wants of a source."""

    folder: str
    """That relative paths start from."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    features: tuple[tuple[str, ...], ...] | None = None
    """Columns of a table, for each input; None for all that are no target."""
    target: tuple[str, ...] | None = None
    """Columns of a table, one for each output or all for the only one."""

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def names(self, given: str | Sequence[str], default: str, ports: tuple[Port, ...]) -> list[str]:
        """Names of arrays, one for each port: those given, or for the default those of several
        ports."""
        if isinstance(given, str):
            several = given == default and len(ports) > 1
            return [port.name for port in ports] if several else [given]
        return list(given)


@record
class Samples:
    """Columns as a source has them."""

    inputs: Sequence[Column]
    targets: Sequence[Column]
    classes: tuple[str, ...] | int | None = None
    """Names of classes, or their number, where the source knows them."""
    test: Samples | None = None
    """Samples that the source keeps apart for the test."""
    sequences: bool = False
    """Whether inputs are lists of different lengths."""
    flat: bool = False
    """Whether inputs are rows of a table, the numbers of which can be of any shape."""

    def __len__(self) -> int:
        return len((*self.inputs, *self.targets)[0])


class Unreadable(Exception):
    """Data that cannot be had. A reader knows what is wrong, and not where the spec speaks of it.

    So it raises the error's function with its facts, as layers do (`specc.diagnostics.place`), and
    the name of the entry at fault where that is not the source itself.
    """

    def __init__(
        self,
        error: Callable[Concatenate[Span, P], Diagnostic],
        *args: P.args,
        **facts: P.kwargs,
    ) -> None:
        super().__init__(error.__name__, args, facts)
        self._make: Callable[[Span], Diagnostic] = lambda where: error(where, *args, **facts)
        self.entry: str | None = None

    def of(self, entry: str) -> Unreadable:
        """The same, where another entry of the block is at fault."""
        self.entry = entry
        return self

    def at(self, where: Span) -> Diagnostic:
        return self._make(where)


def damaged(file: str, what: str, help: str | None = None, notes: Sequence[str] = ()) -> Unreadable:
    """A file that is not what it should be."""
    return Unreadable(errors.unreadable, file, what, help, notes)


def cannot_open(file: str, error: Exception) -> Unreadable:
    """A file that is not there, or may not be read."""
    return damaged(file, reason(error))


def package(module: str, title: str, extra: str, what: str) -> Any:
    """A package that not everyone installs.

    Args:
        extra: of specc, which brings it; "" where specc itself does.

    Raises:
        UsageError: where it is not there.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise UsageError(
            f"{title} is not installed, which reads {what}",
            f'`python -m pip install "specc-nn[{extra}]"`' if extra else None,
        ) from None


def is_text(array: Array | Column) -> bool:
    return array.dtype.kind in "OSUT"


def as_text(array: Array) -> Array:
    """Strings as Python's, in an array of objects."""
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    return array.astype(object)
