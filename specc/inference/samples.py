"""Samples with or without labels, to calibrate and to judge a model with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from specc.files import UsageError, reason
from specc.inference.interface import Array, Interface, cast
from specc.records import record

LABELS = "labels"
BATCH_SIZE = 32


@record
class Samples:
    """Arrays by the names of the inputs, in their dtypes."""

    file: str
    interface: Interface
    inputs: dict[str, Array]
    labels: Array | None
    """The right class of each sample, as whole numbers."""
    count: int
    total: int | None = None
    """Of how many they are taken, where they are some of more."""

    def batches(self) -> Iterator[dict[str, Array]]:
        size = self.interface.batch or BATCH_SIZE
        for start in range(0, self.count, size):
            rows = slice(start, min(start + size, self.count))
            yield {
                name: array[rows] if self.interface.inputs[name].type.batched else array
                for name, array in self.inputs.items()
            }

    def accuracy(self, output: Array) -> float:
        """How many of the samples a model's output has right, as a share."""
        assert self.labels is not None
        if output.ndim == 2 and output.shape[1] > 1:
            chosen = output.argmax(axis=1)
        else:
            chosen = (output.reshape(len(output), -1)[:, 0] > 0.5).astype(np.int64)
        return float(np.mean(chosen == self.labels))


def read_samples(path: str, interface: Interface) -> Samples:
    """Read a .npz with an array for each input, and perhaps `labels`; or a .npy for the only one.

    Labels are whole numbers, one a sample, or rows with a one in the place of the class.

    Raises:
        UsageError: where the file cannot be read, or its arrays do not fit the model.
    """
    arrays = _arrays(path, interface)
    given = arrays.pop(LABELS) if LABELS in arrays and LABELS not in interface.inputs else None
    count = interface.count(arrays)
    inputs = {name: cast(port, arrays[name]) for name, port in interface.inputs.items()}
    labels = None if given is None else labels_of(path, given, interface, count)
    return Samples(path, interface, inputs, labels, count)


def _arrays(path: str, interface: Interface) -> dict[str, Array]:
    ending = os.path.splitext(path)[1].lower()
    names = ", ".join(f"`{name}`" for name in interface.inputs)
    hint = f"a .npz with arrays called {names}, and `{LABELS}` where they are known"
    if ending not in (".npz", ".npy"):
        raise UsageError(f"`{path}` is no .npz or .npy", hint)
    try:
        with open(path, "rb") as file:
            found: Any = np.load(file, allow_pickle=False)
            if ending == ".npz":
                with found:
                    return {name: found[name] for name in found.files}
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}", hint) from None
    except Exception as error:  # what zipfile and numpy raise for broken files
        raise UsageError(f"`{path}` cannot be read: {error}", hint) from None
    if len(interface.inputs) != 1:
        raise UsageError(f"`{path}` is one array, and the model has the inputs {names}", hint)
    return dict.fromkeys(interface.inputs, np.asarray(found))


def labels_of(path: str, labels: Array, interface: Interface, count: int) -> Array:
    """Labels as whole numbers, one a sample.

    Raises:
        UsageError: where they are none for the model's only output.
    """
    outputs = list(interface.outputs.values())
    if len(outputs) != 1:
        raise UsageError(
            f"`{path}` has `{LABELS}`, and the model has {len(outputs)} outputs",
            f"leave `{LABELS}` out: accuracy is told for models of one output",
        )
    (output,) = outputs
    classes = output.type.shape[0] if len(output.type.shape) == 1 else None
    if not isinstance(classes, int):
        raise UsageError(
            f"`{path}` has `{LABELS}`, and the output `{output.name}` is "
            f"{interface.described(output)}, which is no row of classes",
            f"leave `{LABELS}` out",
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.shape[1] == classes:
        labels = labels.argmax(axis=1)
    wrong = (
        f"has the shape {list(labels.shape)}"
        if labels.shape != (count,)
        else f"is of dtype {labels.dtype}"
        if labels.dtype.kind not in "biuf"
        else None
    )
    if wrong is None:
        whole = labels.astype(np.int64)
        outside = (whole != labels) | (whole < 0) | (whole >= max(classes, 2))
        if not outside.any():
            return whole
        wrong = f"has {labels[outside][0]}"
    raise UsageError(
        f"`{LABELS}` in `{path}` {wrong}",
        f"a class for each of the {count:,} samples, 0 to {max(classes, 2) - 1}",
    )
