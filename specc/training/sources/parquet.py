"""`parquet(...)`: tables of Apache Parquet."""

from __future__ import annotations

from typing import Any

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.training.dataset import Array
from specc.training.sources.base import (
    Samples,
    Unreadable,
    Wanted,
    cannot_open,
    damaged,
    package,
)
from specc.training.sources.table import Table, groups

ROWS = 65_536
"""Rows that are read at a time; only the columns that are wanted are."""


def read(source: Any, wanted: Wanted) -> Samples:
    """The columns for each input and each output."""
    arrow = package("pyarrow", "pyarrow", "parquet", f"`{source.path}`")
    parquet = package("pyarrow.parquet", "pyarrow", "parquet", f"`{source.path}`")
    path = wanted.path(source.path)
    try:
        with open(path, "rb"):
            pass
        with parquet.ParquetFile(path) as file:
            known = list(file.schema_arrow.names)
            table = Table(source.path, *groups(wanted, known, source.path))
            start = 1
            for batch in file.iter_batches(ROWS, columns=table.names):
                block = {
                    name: _values(arrow, batch.column(name), name, source.path, start)
                    for name in table.names
                }
                first = start
                table.add(block, lambda row, first=first: first + row)
                start += batch.num_rows
    except arrow.ArrowInvalid as error:
        raise damaged(source.path, str(error).splitlines()[0]) from None
    except OSError as error:
        raise cannot_open(source.path, error) from None
    return table.samples()


def _values(arrow: Any, column: Any, name: str, file: str, start: int) -> Array:
    """A column of some rows as numbers or as strings.

    Args:
        start: the row of the file that the first one is, from 1.
    """
    types = arrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise Unreadable(errors.bad_value, file, start + row, name, "", "")
    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
        return column.to_numpy(zero_copy_only=False)
    if types.is_decimal(kind):
        return column.cast(arrow.float64()).to_numpy(zero_copy_only=False)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return column.to_numpy(zero_copy_only=False)
    raise damaged(file, f"the column `{name}` holds {kind}, which is neither numbers nor strings")
