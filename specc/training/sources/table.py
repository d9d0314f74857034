"""Tables: which columns are for which input, and blocks of rows put together to arrays."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.records import record
from specc.training.columns import Held
from specc.training.dataset import Array
from specc.training.sources.base import Samples, Unreadable, Wanted

Values = Sequence[str] | Array
"""A column of some rows: the texts of a .csv, or numbers."""


@record
class Bad:
    """A value that is none: where it is in its block, and what is said of it."""

    row: int
    text: str
    expected: str


@record
class Group:
    """Columns that become one array, [rows, columns]."""

    names: tuple[str, ...]
    dtype: np.dtype[Any] | None
    """None where the values say it: whole numbers, others, or strings where `text` allows it."""
    text: bool = False
    """Whether strings may stand in it."""


def groups(wanted: Wanted, known: Sequence[str], file: str) -> tuple[list[Group], list[Group]]:
    """The columns for each input and for each output.

    Without `features` they are all that are no target, for a model with one input.

    Raises:
        Unreadable: where a column is not there, or it is not said which are wanted.
    """
    if wanted.target is None:
        what = f"`{file}` is a table, and one of its columns is what is to be predicted"
        example = f'"{known[-1] if known else "price"}"'
        raise Unreadable(errors.needs_entry, "target", what, example)
    _known(wanted.target, known, file, "target")
    features = wanted.features
    if features is None:
        if len(wanted.inputs) > 1:
            what = f"the model has {len(wanted.inputs)} inputs, and `{file}` has columns for them"
            raise Unreadable(errors.needs_entry, "features", what, '[["a", "b"], ["c"]]')
        features = (tuple(name for name in known if name not in wanted.target),)
    for names in features:
        _known(names, known, file, "features")
    inputs: list[Group] = []
    for names, port in zip(features, wanted.inputs, strict=True):
        dtype = np.dtype(object) if port.type.dtype == "string" else None
        if port.type.is_float:
            dtype = np.dtype("float64" if port.type.dtype == "float64" else "float32")
        inputs.append(Group(names, dtype))
    if len(wanted.outputs) == 1:
        return inputs, [Group(wanted.target, None, text=True)]
    return inputs, [Group((name,), None, text=True) for name in wanted.target]


def _known(names: Sequence[str], known: Sequence[str], file: str, entry: str) -> None:
    for name in names:
        if name not in known:
            raise Unreadable(errors.no_such_name, "column", name, file, known).of(entry)


class Table:
    """The arrays of some groups, that grow block by block.

    Args:
        line_of: the line of a row of the current block, for messages.
    """

    def __init__(self, file: str, inputs: list[Group], targets: list[Group]) -> None:
        self.file = file
        self._inputs = [_Growing(group) for group in inputs]
        self._targets = [_Growing(group) for group in targets]

    @property
    def names(self) -> list[str]:
        """Every column that is wanted, once."""
        every = [*self._inputs, *self._targets]
        return list(dict.fromkeys(name for one in every for name in one.group.names))

    def add(self, block: Mapping[str, Values], line_of: Callable[[int], int]) -> None:
        """Add some rows.

        Args:
            block: the values of each column that is wanted.
            line_of: the line of the file that a row of the block stands on.

        Raises:
            Unreadable: where a value is none, or not one that is wanted.
        """
        for growing in (*self._inputs, *self._targets):
            for name in growing.group.names:
                bad = growing.check(block[name])
                if bad is not None:
                    line = line_of(bad.row)
                    raise Unreadable(
                        errors.bad_value, self.file, line, name, bad.text, bad.expected
                    )
            growing.add([block[name] for name in growing.group.names])

    def samples(self) -> Samples:
        inputs = [Held(growing.array()) for growing in self._inputs]
        targets = [growing.array() for growing in self._targets]
        # A single column is a number for each sample.
        flat = [Held(y[:, 0] if y.shape[1] == 1 else y) for y in targets]
        return Samples(inputs, flat, flat=True)


class _Growing:
    """The array of a group. `array.array` grows by an eighth at a time and in place, so that a
    table takes little more memory than its numbers."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.kind = "O" if group.dtype == object else "f" if group.dtype else ""
        """numpy's letter for what the values are: "i", "f" or "O"; "" before the first."""
        self._bytes = array("b")
        self._texts: list[Sequence[str]] = []

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype({"i": np.int64, "f": self.group.dtype or np.float64}[self.kind])

    def check(self, values: Values) -> Bad | None:
        """The first value that is missing, or no number where there are to be numbers."""
        if not self.kind and self.group.text and len(values):
            self.kind = "O" if _is_name(values[0]) else ""
        if self.kind == "O":
            missing = (row for row, value in enumerate(values) if not str(value).strip())
            row = next(missing, None)
            return None if row is None else Bad(row, "", "")
        if isinstance(values, np.ndarray):  # NaN is found with all other values, later
            text = values.dtype == object
            return Bad(0, str(values[0]), "a string") if text and len(values) else None
        numbers = numbers_of(values)
        if numbers is not None:
            return None
        for row, value in enumerate(values):
            if _as_number(value) is None:
                return Bad(row, str(value), "no number")
        return None

    def add(self, columns: Sequence[Values]) -> None:
        if self.kind == "O":
            self._texts.append([str(value) for value in columns[0]])
            if len(columns) > 1:
                rows = zip(*columns, strict=True)
                self._texts[-1] = [str(value) for row in rows for value in row]
            return
        found = [numbers_of(column) for column in columns]
        block = np.stack([column for column in found if column is not None], axis=1)
        kind = "f" if block.dtype.kind == "f" else "i"
        if self.kind == "i" and kind == "f":  # up to here they were whole
            before = np.frombuffer(self._bytes, np.int64).astype(np.float64)
            self._bytes = array("b", before.tobytes())
        self.kind = "f" if "f" in (self.kind, kind) else "i"
        with np.errstate(over="ignore"):  # what becomes infinite is reported as such
            self._bytes.frombytes(np.ascontiguousarray(block, self.dtype).tobytes())

    def array(self) -> Array:
        """[rows, columns]."""
        width = len(self.group.names)
        if self.kind == "O":
            return np.array([t for block in self._texts for t in block], object).reshape(-1, width)
        if not self.kind:
            return np.empty((0, width))
        return np.frombuffer(self._bytes, self.dtype).reshape(-1, width)


def numbers_of(values: Values) -> Array | None:
    """int64 where all are whole numbers, else float64; None where one is no number."""
    if isinstance(values, np.ndarray):
        kind = values.dtype.kind
        if kind == "f":
            return values.astype(np.float64, copy=False)
        return values.astype(np.int64) if kind in "biu" else None
    for type_, dtype in ((int, np.int64), (float, np.float64)):
        try:
            found = np.array(list(map(type_, values)), dtype)
        except (ValueError, OverflowError):
            continue
        # Python reads `1_000`; in a table that is no number. `nan` stands for a missing value.
        if any("_" in value for value in values) or not np.isfinite(found).all():
            return None
        return found
    return None


def _is_name(value: Any) -> bool:
    """Whether a value is a string that does not stand for a number; a .parquet has strings."""
    return isinstance(value, str) and bool(value.strip()) and _as_number(value) is None


def _as_number(value: Any) -> float | None:
    """The number that a text is; None for what is none, and for `nan`, which says that one is
    missing."""
    if not isinstance(value, str):
        return float(value) if isinstance(value, int | float | np.number) else None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) and "_" not in value else None
