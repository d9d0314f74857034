"""A `data` block at hand: its entries, where they stand, and what the model says of its data."""

from __future__ import annotations

import os
from typing import Any

from specc.api import Model, Program
from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import data as errors
from specc.graph import Tensor
from specc.layers.arguments import is_tuple
from specc.lints.losses import Loss, data_of, loss_of
from specc.records import record
from specc.semantics.sections import Section
from specc.source import Span
from specc.training.sources.base import Unreadable, Wanted
from specc.types import Port

TABLES = ("Csv", "Parquet")
"""Sources with columns, which `features` and `target` are for."""

OF_NUMBERS = (
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
)
"""Losses that are never about classes."""


@record
class Block:
    """The data block of a model."""

    program: Program
    model: Model
    section: Section

    @property
    def name(self) -> str:
        return self.section.name

    def entry(self, name: str) -> Any:
        """What an entry says; None where there is none."""
        return self.section.entries.get(name)

    def span(self, name: str) -> Span:
        """Where an entry stands; where it does not, the block's name."""
        return self.section.spans.get(name, self.section.span)

    @property
    def seed(self) -> int:
        return self.entry("seed") or 0

    def loss(self, output: int) -> Loss | None:
        return loss_of(list(self.program.sections), self.model.graph, output)

    def predicts_numbers(self, output: int) -> bool:
        """Whether the loss of an output is about numbers, for which no name can stand."""
        loss = self.loss(output) if output < len(self.model.graph.outputs) else None
        return loss is not None and loss.kind in OF_NUMBERS

    def input_tensor(self, index: int) -> Tensor:
        return self.model.graph.inputs[index]

    def wanted(self) -> Wanted:
        """What the block's sources are asked for.

        Raises:
            Unreadable: where `features` or `target` are not for this model or these sources.
        """
        model = self.model
        folder = os.path.dirname(self.program.source.path or "")
        features = target = None
        if self.entry("features") is not None:
            self._only_for_tables("features")
            features = _features(self.entry("features"), model.inputs)
        if self.entry("target") is not None:
            self._only_for_tables("target")
            target = self.entry("target")
            target = target if is_tuple(target) else (target,)
        return Wanted(folder, model.inputs, model.outputs, features, target)

    def _only_for_tables(self, entry: str) -> None:
        title = type(self.entry("source")).__name__
        if title not in TABLES:
            why = "the source has no columns; it says by its own arguments what it gives"
            raise Unreadable(errors.entry_without_use, entry, why).of(entry)


def _features(value: Any, inputs: tuple[Port, ...]) -> tuple[tuple[str, ...], ...]:
    """The columns for each input."""
    items: tuple[Any, ...] = value if is_tuple(value) else (value,)
    flat = all(isinstance(item, str) for item in items)
    if flat and len(inputs) == 1:
        return (items,)
    if len(items) != len(inputs):
        names = [port.name for port in inputs]
        given = 1 if flat else len(items)
        help = 'a list of columns for each: `features = [["a", "b"], ["c"]]`'
        error = errors.wrong_number_of_columns
        raise Unreadable(error, "inputs", given, len(inputs), names, help).of("features")
    return tuple(item if is_tuple(item) else (item,) for item in items)


def block_of(program: Program, model: Model) -> Block:
    """The data block that a model's `train` block names; without one the only one of the file.

    Raises:
        SpecError: where there is none, or it has no source.
    """
    sections = list(program.sections)
    section = data_of(sections, model.graph)
    if section is None:
        names = [section.name for section in sections if section.kind == "data"]
        raise SpecError([errors.which_data(model.graph.span, model.name, names)])
    if "source" not in section.entries:
        raise SpecError([errors.no_source(section.span, section.name)])
    return Block(program, model, section)
