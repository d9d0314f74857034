"""Where data come from: a reader for each source of `specc.objects.data`, one a file.

A reader takes a source and what the model wants, and gives columns as they are in the files. What
is made of them is the same for all: see `specc.training.load`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from specc.training.sources.base import Samples, Wanted

READERS = {
    "Csv": "csv_table",
    "Digits": "digits",
    "Idx": "idx",
    "Images": "images",
    "KerasDataset": "keras_sets",
    "Npz": "npz",
    "Parquet": "parquet",
    "Tfrecord": "tfrecord",
}
"""By the class of the source the module that has `read`."""


def read(source: Any, wanted: Wanted) -> Samples:
    """The samples of a source.

    Raises:
        Unreadable: where there are none, or not those that are wanted.
        UsageError: where a package that reads them is not installed.
    """
    module = import_module(f"specc.training.sources.{READERS[type(source).__name__]}")
    reader: Callable[[Any, Wanted], Samples] = module.read
    return reader(source, wanted)
