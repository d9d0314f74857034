"""Pickles of graphs, in which layers of Python files that were allowed have the names of those.

The class of such a layer is in no module that another process could import. It runs the file again.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import cache
from io import BufferedReader
from typing import Any, BinaryIO

from specc.layers.base import Layer
from specc.plugins import file_of_layer, layers_of_file


def pickle_into(file: BinaryIO, item: object) -> None:
    """Write one more pickle to a file."""
    _Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(item)


def unpickled(file: BufferedReader) -> Iterator[Any]:
    """What was written to a file, one after another."""
    while file.peek(1):
        yield _Unpickler(file).load()


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[str, str] | None:
        path = file_of_layer(obj) if isinstance(obj, type) and issubclass(obj, Layer) else None
        return (path, obj.__name__) if path and isinstance(obj, type) else None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: tuple[str, str]) -> type[Layer]:
        path, name = pid
        return _layers(path)[name]


@cache
def _layers(path: str) -> dict[str, type[Layer]]:
    """Once for each file: the same layer is to be the same class."""
    return layers_of_file(path)
