"""Predictions to files, as they come: arrays and tables."""

from __future__ import annotations

import csv
import os
import tempfile
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any, Protocol

import numpy as np

from specc.files import UsageError, replacing
from specc.inference.interface import Array, Interface
from specc.inference.predictor import Batch, Collected

ENDINGS = (".npy", ".npz", ".csv")


class Sink(Protocol):
    """Where batches go."""

    def put(self, batch: Batch) -> None: ...


@contextmanager
def writing(
    path: str, interface: Interface, count: int, labels: Mapping[str, tuple[str, ...]]
) -> Generator[Sink]:
    """A sink that writes a file of the kind its ending says.

    The file takes its name when the block has succeeded.

    Args:
        count: how many samples there will be.
        labels: the names of classes, by output; columns of a .csv are called so.

    Raises:
        UsageError: where there is no such kind, or it does not hold what the model gives.
    """
    ending = check_ending(path, interface)
    with replacing(path) as temporary:
        if ending == ".csv":
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                yield Table(csv.writer(file), labels)
        elif ending == ".npy":
            yield _MappedArrays(interface, count, lambda _: temporary)
        else:
            with tempfile.TemporaryDirectory(dir=os.path.dirname(path) or ".") as folder:
                arrays = _MappedArrays(
                    interface, count, lambda name: os.path.join(folder, _number(interface, name))
                )
                yield arrays
                with zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
                    for name in arrays.arrays:
                        archive.write(os.path.join(folder, _number(interface, name)), f"{name}.npy")


def check_ending(path: str, interface: Interface) -> str:
    """The ending of a path, where outputs can be written to a file of that kind.

    Raises:
        UsageError: where they cannot.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise UsageError(
            f"cannot write `{path}`: its ending says nothing that specc knows",
            f"there are {', '.join(ENDINGS)}",
        )
    if ending == ".npy" and len(interface.outputs) > 1:
        names = ", ".join(f"`{name}`" for name in interface.outputs)
        raise UsageError(
            f"a .npy holds one array, and the model gives {names}", "a .npz holds them all"
        )
    for port in interface.outputs.values():
        if ending != ".csv" and port.type.dtype == "string":
            raise UsageError(f"the output `{port.name}` is text, which only a .csv holds")
    return ending


def _number(interface: Interface, name: str) -> str:
    """A file name for an output, whose own name may have slashes."""
    return f"{list(interface.outputs).index(name)}.npy"


class _MappedArrays(Collected):
    """Outputs put together in files, of which only what is written lies in memory."""

    def __init__(self, interface: Interface, count: int, path_of: Callable[[str], str]) -> None:
        def allocate(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
            if 0 in shape:  # nothing to map
                np.save(path_of(name), np.empty(shape, dtype))
                return np.empty(shape, dtype)
            return np.lib.format.open_memmap(path_of(name), "w+", dtype, shape)

        super().__init__(interface, count, allocate)


class Table:
    """Outputs as rows of text, with a header."""

    def __init__(self, writer: Any, labels: Mapping[str, tuple[str, ...]]) -> None:
        self._writer = writer
        self._labels = labels
        self._begun = False

    def put(self, batch: Batch) -> None:
        size = batch.stop - batch.start
        for name, found in batch.outputs.items():
            if found.shape[:1] != (size,):
                raise UsageError(
                    f"the output `{name}` has no row for each sample, so it makes no table",
                    "a .npz holds it",
                )
        if not self._begun:
            self._begun = True
            self._writer.writerow(
                [c for name, found in batch.outputs.items() for c in self._columns(name, found)]
            )
        rows = [found.reshape(size, -1) for found in batch.outputs.values()]
        for parts in zip(*rows, strict=True):
            # `str` of numpy's numbers: the shortest text that reads as the same float32.
            self._writer.writerow([str(number) for part in parts for number in part])

    def _columns(self, name: str, found: Array) -> list[str]:
        if found.ndim == 1 or found.shape[1:] == (1,):
            return [name]
        labels = self._labels.get(name)
        if labels and found.ndim == 2:
            return list(labels)
        places = product(*(range(size) for size in found.shape[1:]))
        return ["_".join([name, *map(str, place)]) for place in places]
