"""`csv(...)`: tables of text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from specc.training.sources.base import Samples, Wanted, cannot_open, damaged
from specc.training.sources.table import Table, groups

ROWS = 4_096
"""Rows that are made numbers at a time."""

Row = tuple[int, list[str]]
"""The line that it ends on, from 1, and its cells."""


def read(source: Any, wanted: Wanted) -> Samples:
    """The columns for each input and each output."""
    path = wanted.path(source.path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = _lines(csv.reader(file, delimiter=source.separator), source.path)
            return _table(lines, source, wanted)
    except OSError as error:
        raise cannot_open(source.path, error) from None


def _lines(reader: Any, shown: str) -> Iterator[Row]:
    """The lines that are not empty."""
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise damaged(shown, f"line {reader.line_num}: {error}") from None
        except UnicodeDecodeError:
            raise damaged(shown, f"behind line {reader.line_num} it is no UTF-8 text") from None
        if cells is None:
            return
        if cells:
            yield reader.line_num, cells


def _table(lines: Iterator[Row], source: Any, wanted: Wanted) -> Samples:
    first = next(lines, None)
    if first is None:
        raise damaged(source.path, "it is empty")
    if source.header:
        names = [name.strip() for name in first[1]]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise damaged(source.path, f"two columns are called `{twice}`")
        rows: list[Row] = []
    else:
        names = [str(index) for index in range(len(first[1]))]
        rows = [first]
    table = Table(source.path, *groups(wanted, names, source.path))
    places = [(name, names.index(name)) for name in table.names]
    for number, cells in lines:
        rows.append((number, cells))
        if len(rows) == ROWS:
            _add(table, rows, places, len(names), source)
            rows = []
    _add(table, rows, places, len(names), source)
    return table.samples()


def _add(
    table: Table, rows: list[Row], places: list[tuple[str, int]], width: int, source: Any
) -> None:
    for number, cells in rows:
        if len(cells) != width:
            what = f"line {number} has {len(cells)} columns, and the first has {width}"
            help = None
            if len(cells) == 1 or width == 1:
                help = (
                    f'the columns are separated by `{source.separator}`: `separator=";"` changes it'
                )
            raise damaged(source.path, what, help)
    if rows:
        block = {name: [cells[place].strip() for _, cells in rows] for name, place in places}
        table.add(block, lambda row: rows[row][0])
