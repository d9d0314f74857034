"""Samples of a spec's own `data` block to run a model with: only what is on this machine."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from specc.api import Model, Program
from specc.files import UsageError
from specc.inference.interface import Interface, cast
from specc.inference.samples import Samples, labels_of
from specc.training.block import Block, block_of
from specc.training.dataset import Part
from specc.training.load import load_dataset
from specc.training.sources.keras_sets import FILES, keras_home
from specc.verification.given import interface_of

MOST = 1000
"""How many samples are taken; of more than this every so many-th."""

PARTS = ("test", "validation", "train")
"""Which are taken, the first that there is."""

Array = np.ndarray[Any, Any]


def samples_of_data(program: Program, model: Model) -> Samples:
    """Samples for the test of a model's data, with labels where they are classes of one output;
    without a test those for validation, else those for training.

    Raises:
        SpecError: where the data cannot be read, or do not fit the model.
        UsageError: where they would have to be downloaded, or a package for them is missing.
    """
    block = block_of(program, model)
    _refuse_downloads(block)
    dataset = load_dataset(program, model)
    found = {name: getattr(dataset, name) for name in PARTS}
    name, part = next((name, part) for name, part in found.items() if part is not None)
    interface = interface_of(model.graph)
    indices = _spread(len(part), interface.batch)
    inputs = {
        port.name: cast(port, column.take(indices))
        for port, column in zip(interface.inputs.values(), part.inputs, strict=True)
    }
    labels = _classes(block, interface, part, indices)
    file = f"{dataset.name}/{name}"
    return Samples(file, interface, inputs, labels, len(indices), len(part))


def _refuse_downloads(block: Block) -> None:
    for entry in ("source", "test", "validation"):
        source = block.entry(entry)
        if type(source).__name__ != "KerasDataset":
            continue
        home = keras_home()
        missing = [f for f in FILES[source.name] if not os.path.exists(os.path.join(home, f))]
        if missing:
            raise UsageError(
                f"`{source.name}` is not in Keras's cache, and `specc verify` downloads nothing",
                f"`specc data {block.program.source.name}` gets it",
            )


def _spread(count: int, batch: int | None) -> Array:
    """Which samples are taken, in whole batches where their size is fixed."""
    most = min(count, MOST)
    if batch is not None:
        if count < batch:
            raise UsageError(f"the data have {count:,} samples, and a batch of the model {batch}")
        most = max(most // batch, 1) * batch
    return np.arange(most) * count // most


def _classes(block: Block, interface: Interface, part: Part, indices: Array) -> Array | None:
    """The class of each sample; None where the targets are no classes of the only output."""
    if len(part.targets) != 1 or block.predicts_numbers(0):
        return None
    targets = part.targets[0].take(indices)
    if targets.dtype.kind not in "biuf":
        return None
    if targets.ndim > 1 and targets.shape[1] > 1:
        one = np.sort(targets, axis=1) == np.eye(targets.shape[1])[-1]
        if targets.ndim > 2 or not one.all():
            return None  # numbers, or several classes of one sample
    try:
        return labels_of(block.name, targets, interface, len(indices))
    except UsageError:
        return None
