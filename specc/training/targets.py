"""Columns for the outputs of a model: labels or numbers, as its losses take them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import data as errors
from specc.graph import Tensor
from specc.lints.losses import Loss
from specc.source import Span
from specc.training.block import Block
from specc.training.classes import Names
from specc.training.columns import Converted, OneHot
from specc.training.dataset import Column
from specc.training.inputs import lost
from specc.training.shapes import arranged, first_where, not_finite, sample_text
from specc.training.sources.base import is_text
from specc.types import TensorType

Report = Callable[[Diagnostic], None]

LABELS = ("SparseCategoricalCrossentropy", "Circle")
"""Losses whose targets are the numbers of classes."""
PROBABILITIES = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
"""Losses whose targets are from 0 to 1."""
ANYTHING = ("CTC",)
"""Losses whose targets have a shape of their own."""

LABEL = np.dtype(np.int32)
NUMBER = np.dtype(np.float32)
"""The dtype in which Keras computes losses."""


def agree_targets(
    block: Block, targets: list[Column], names: Names, entry: str, which: str, report: Report
) -> list[Column]:
    """A column for each output of the model; what does not fit is reported.

    Args:
        targets: names of classes are numbers in them.
        entry: which one the samples come from.
        which: of which part they are, "test ", where the entry has several.
    """
    outputs = block.model.graph.outputs
    if len(targets) != len(outputs):
        known = block.model.graph.output_names
        given = len(targets)
        help = "a source of several targets is `npz` with a list for `y`, or a table with `target`"
        where = block.span(entry)
        report(errors.wrong_number_of_columns(where, "outputs", given, len(outputs), known, help))
        return []
    found: list[Column] = []
    for index, (column, tensor) in enumerate(zip(targets, outputs, strict=True)):
        loss = block.loss(index)
        fitting = _Target(block, tensor, loss, names, entry, which, report).agree(column)
        found += [] if fitting is None else [fitting]
    return found


class _Target:
    """An output of the model, and the column that is to be for it."""

    def __init__(
        self,
        block: Block,
        tensor: Tensor,
        loss: Loss | None,
        names: Names,
        entry: str,
        which: str,
        report: Report,
    ) -> None:
        self.block = block
        self.tensor = tensor
        self.loss = loss
        self.kind = None if loss is None else loss.kind
        self.names = names
        self.where = block.span(entry)
        self.which = which
        self.report = report

    @property
    def type(self) -> TensorType:
        return self.tensor.type

    @property
    def units(self) -> int | None:
        """The size of the last axis: how many classes the output tells apart."""
        size = self.type.shape[-1] if self.type.shape else None
        return size if isinstance(size, int) else None

    def agree(self, column: Column) -> Column | None:
        """The column as the loss takes it; None after a mistake."""
        if is_text(column) or column.dtype.kind in "cMmV":
            found, expected = sample_text(column), "numbers or classes"
            name, made = self.tensor.name, self.tensor.span
            help = '`classes = ["cat", "dog"]` says which number each name has'
            self.report(errors.wrong_dtype(self.where, name, found, expected, made, help))
            return None
        if self.kind in ANYTHING:
            return column
        if not self._finite(column):
            return None
        labels = arranged(column.shape[1:], self.type.shape[:-1]) if self.type.shape else None
        if self.block.entry("one_hot"):
            return self._one_hot(column, labels)
        whole = column.dtype.kind in "iub"
        if self.kind in LABELS or (
            self.kind is None and whole and labels is not None and (self.units or 0) > 1
        ):
            return self._labels(column, labels)
        return self._numbers(column, labels)

    # ------------------------------------------------------------------- classes

    def _labels(self, column: Column, labels: tuple[int, ...] | None) -> Column | None:
        if labels is None:
            vector = arranged(column.shape[1:], self.type.shape) is not None
            help = '`loss = "categorical_crossentropy"` takes vectors' if vector else None
            return self._form(column, "a whole number, the class", help)
        if not self._classes_fit() or not self._in_range(column):
            return None
        return Converted(column, LABEL, labels)

    def _one_hot(self, column: Column, labels: tuple[int, ...] | None) -> Column | None:
        where = self.block.span("one_hot")
        if self.kind in LABELS:
            found, expected = "made a vector by `one_hot`", "a whole number, the class"
            return self._form_at(
                where, found, expected, "leave `one_hot` out, or use `categorical_crossentropy`"
            )
        if labels is None or self.units is None:
            expected = f"{self.type}, which has no axis of classes behind those of the target"
            return self._form(column, expected, "leave `one_hot` out: they are vectors already")
        said = self.block.entry("one_hot")
        if said is not True and said != self.units:
            found = f"made a vector of {said}"
            return self._form_at(where, found, f"{self.type}", "`one_hot = True` takes the size")
        if not self._classes_fit() or not self._in_range(column):
            return None
        return OneHot(Converted(column, LABEL, labels), self.units, NUMBER)

    def _classes_fit(self) -> bool:
        number, units = self.names.number, self.units
        if number is None or units is None or number <= units or self.kind == "Circle":
            return True
        where = self.block.span("classes") if self.names.said else self.where
        found = f"{number} classes"
        output = f"the output tells {units} apart"
        self.report(errors.classes_differ(where, found, output, self.tensor.span, str(self.type)))
        return False

    def _in_range(self, column: Column) -> bool:
        """Whether the labels are whole numbers from 0 to the number of classes."""
        if column.dtype.kind == "f":
            bad = first_where(column, lambda values: lost(values, np.dtype(np.int64)))
            if bad is not None:
                self._out_of_range(bad[0], bad[1], "a whole number, the class")
                return False
        if self.kind == "Circle":
            return True
        classes = self.names.number or self.units or 0
        bad = first_where(column, lambda values: (values < 0) | (values >= classes))
        if bad is None:
            return True
        self.report(
            errors.label_out_of_range(
                self.where,
                int(str(bad[1]).removesuffix(".0")),
                self._sample(bad[0]),
                classes,
                self.tensor.span,
                str(self.type),
            )
        )
        return False

    # ------------------------------------------------------------------- numbers

    def _numbers(self, column: Column, labels: tuple[int, ...] | None) -> Column | None:
        shape = arranged(column.shape[1:], self.type.shape)
        if shape is None:
            help = None
            if labels is not None and column.dtype.kind in "iub":
                help = "`one_hot = True` makes vectors of classes"
                if self.kind == "CategoricalCrossentropy":
                    help += '; `"sparse_categorical_crossentropy"` takes the classes as they are'
            return self._form(column, str(self.type), help)
        if self.kind in PROBABILITIES and not self._from_0_to_1(column):
            return None
        if column.dtype == NUMBER and shape == column.shape[1:]:
            return column
        return Converted(column, NUMBER, shape)

    def _from_0_to_1(self, column: Column) -> bool:
        bad = first_where(column, lambda values: (values < 0) | (values > 1))
        if bad is not None:
            self._out_of_range(bad[0], bad[1], "0 to 1")
        return bad is None

    def _finite(self, column: Column) -> bool:
        if column.dtype.kind != "f":
            return True
        bad = first_where(column, not_finite)
        if bad is not None:
            index, value, number = bad
            name = self.tensor.name
            sample = self._sample(index)
            self.report(errors.not_finite(self.where, name, value, sample, number))
        return bad is None

    # -------------------------------------------------------------------- errors

    def _sample(self, index: int) -> str:
        return f"{self.which}sample {index:,}"

    def _loss(self) -> str:
        return f"`{self.loss.name}`" if self.loss else f"the output `{self.tensor.name}`"

    def _out_of_range(self, index: int, value: object, expected: str) -> None:
        sample = self._sample(index)
        self.report(
            errors.target_out_of_range(
                self.where, self._loss(), value, sample, expected, self._made
            )
        )

    @property
    def _made(self) -> Span:
        """Where it is said what is expected: the loss, else the layer."""
        return self.loss.span if self.loss else self.tensor.span

    def _form(self, column: Column, expected: str, help: str | None) -> None:
        self._form_at(self.where, sample_text(column), expected, help)

    def _form_at(self, where: Span, found: str, expected: str, help: str | None) -> None:
        self.report(
            errors.target_of_another_form(where, found, self._loss(), expected, self._made, help)
        )
