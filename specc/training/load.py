"""From a `data` block to parts that a model can be trained on.

    read         the source, and the sources of the test and the validation where they are others
    classes      names become numbers
    agree        each column against an input or, through the loss, an output of the model
    part         test first, then validation, from what is left the training
    settle       small columns become arrays

Everything that can be wrong is found here, before anything trains: what is given then fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from specc.api import Model, Program
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.errors import data as errors
from specc.records import record
from specc.training.batches import Batch, batches, blocks
from specc.training.block import Block, block_of
from specc.training.classes import Names, class_names, coded
from specc.training.columns import Held, chosen, settled
from specc.training.dataset import Array, Column, Dataset, Part
from specc.training.inputs import agree_inputs
from specc.training.sources import read
from specc.training.sources.base import Samples, Unreadable
from specc.training.splits import Indices, parted
from specc.training.targets import agree_targets

__all__ = ["Batch", "batches", "blocks", "load_dataset"]

T = TypeVar("T")


@record
class _Whole:
    """The samples of a source, ready for the model, before they are parted."""

    inputs: list[Column]
    targets: list[Column]
    labels: Array | None
    """The class of each sample, where it has one."""

    def __len__(self) -> int:
        return len((*self.inputs, *self.targets)[0])

    def choose(self, indices: Indices) -> _Whole:
        return _Whole(
            [chosen(column, indices) for column in self.inputs],
            [chosen(column, indices) for column in self.targets],
            None if self.labels is None else self.labels[indices],
        )

    def part(self) -> Part:
        inputs = tuple(settled(column) for column in self.inputs)
        return Part(inputs, tuple(settled(column) for column in self.targets))


def load_dataset(program: Program, model: Model) -> Dataset:
    """The data that a model is trained on, checked against it.

    They are those that the model's `train` block names; without one the only ones of the file.
    Keras's own sets import Keras: who wants another backend than TensorFlow imports it before.

    Raises:
        SpecError: where they cannot be read or do not fit, at the entry at fault.
        UsageError: where a package that reads them is not installed.
    """
    block = block_of(program, model)
    wanted = _at(block, "source", block.wanted)
    samples = _at(block, "source", lambda: read(block.entry("source"), wanted))
    names = _at(block, "source", lambda: class_names(block, samples))
    whole = _agreed(block, samples, names, "source", "")
    if block.entry("shuffle"):
        whole = whole.choose(np.random.default_rng(block.seed).permutation(len(whole)))
    rest, test = _taken(block, whole, names, "test", samples.test)
    rest, validation = _taken(block, rest, names, "validation", None)
    return Dataset(
        block.name,
        rest.part(),
        None if validation is None else validation.part(),
        None if test is None else test.part(),
        names.classes,
    )


def _taken(
    block: Block, whole: _Whole, names: Names, entry: str, own: Samples | None
) -> tuple[_Whole, _Whole | None]:
    """What is left, and the part that an entry says.

    Args:
        own: samples that the source keeps for this part.
    """
    said = block.entry(entry)
    if said is None:
        if own is None:
            return whole, None
        return whole, _agreed(block, own, names, "source", f"{entry} ")
    if own is not None:
        why = f"the source has samples for the {entry} of its own"
        raise SpecError([errors.entry_without_use(block.span(entry), entry, why)])
    if said.category == "split":
        labels = whole.labels
        two = _at(
            block, entry, lambda: parted(said, len(whole), f"the {entry}", labels, block.seed)
        )
        return whole.choose(two.rest), whole.choose(two.taken)
    wanted = _at(block, entry, block.wanted)
    other = _at(block, entry, lambda: read(said, wanted))
    return whole, _agreed(block, other, names, entry, "")


def _agreed(block: Block, samples: Samples, names: Names, entry: str, which: str) -> _Whole:
    """The samples of a source as the model takes them.

    Args:
        which: of which part they are, "test ", where an entry has several.

    Raises:
        SpecError: with everything in which they do not fit.
    """
    _check_lengths(block, samples, entry)
    targets = _at(block, entry, lambda: _coded(block, samples, names, which))
    mistakes: list[Diagnostic] = []
    inputs = agree_inputs(block, samples, entry, which, mistakes.append)
    fitting = agree_targets(block, targets, names, entry, which, mistakes.append)
    if mistakes:
        raise SpecError(mistakes)
    return _Whole(inputs, fitting, _labels(targets))


def _coded(block: Block, samples: Samples, names: Names, which: str) -> list[Column]:
    """The targets, with numbers for the names of classes where a loss tells classes apart."""
    return [
        column if block.predicts_numbers(index) else coded(column, names, which)
        for index, column in enumerate(samples.targets)
    ]


def _check_lengths(block: Block, samples: Samples, entry: str) -> None:
    """All columns have one number of samples, and there are any."""
    where = block.span(entry)
    lengths = [len(column) for column in (*samples.inputs, *samples.targets)]
    if len(set(lengths)) > 1:
        counts = [f"{len(column):,} for an input" for column in samples.inputs]
        counts += [f"{len(column):,} for a target" for column in samples.targets]
        raise SpecError([errors.lengths_differ(where, block.name, counts)])
    if not any(lengths):
        raise SpecError([errors.unreadable(where, block.name, "there is no sample in it")])


def _labels(targets: list[Column]) -> Array | None:
    """The classes of samples with one target that is a single whole number."""
    if len(targets) != 1:
        return None
    (column,) = targets
    if column.dtype.kind not in "iub" or column.shape[1:] not in ((), (1,)):
        return None
    array = column.array if isinstance(column, Held) else column.take(np.arange(len(column)))
    return array.reshape(-1)


def _at(block: Block, entry: str, work: Callable[[], T]) -> T:
    """What a reader gives; where it refuses, that is a mistake of an entry of the block."""
    try:
        return work()
    except Unreadable as refusal:
        where = block.span(refusal.entry or entry)
        raise SpecError([refusal.at(where)]) from None
