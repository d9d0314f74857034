"""Data as models are trained on them: parts of columns, which give the samples asked for.

    dataset = load_dataset(program, model)
    dataset.train.inputs[0].take(np.array([5, 2, 7]))     # three samples, ready for the model

A column says what its samples are without reading them; `take` reads, decodes, casts and scales
the ones it is asked for. So a set that fits into memory as bytes is never there as floats, and one
that fits nowhere stays in its files.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

from specc.records import record

Array: TypeAlias = np.ndarray[Any, Any]


class Column(Protocol):
    """One input, or one target, of all samples of a part."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what `take` gives; `object` for strings."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole column: the number of samples, then the shape of one."""
        ...

    def __len__(self) -> int: ...

    def take(self, indices: Array) -> Array:
        """Samples, in the order of their indices, as a new array in C order.

        Threads may call it at the same time. What it has to read may be gone by then:

        Raises:
            UsageError: where a file cannot be read any more, or an image cannot be decoded.
        """
        ...


@record
class Part:
    """The samples for training, for validation or for the test.

    Every column has the shape and the dtype that the model takes, so that a batch can go to
    `train_on_batch` as it is. For TensorFlow wrap `blocks` (in `batches.py`) with
    `tf.data.Dataset.from_generator`, `rebatch(batch_size)` and `prefetch(8)`: numpy gathers a
    block while the device works, and TensorFlow cuts it. To keep a part on the device take
    `arrays()` where there are arrays, else `take(np.arange(len(part)))`; or the `source` of a
    `columns.Converted`, which is smaller, and leave the conversion to the device.
    """

    inputs: tuple[Column, ...]
    """One for each input of the model, in the model's order."""
    targets: tuple[Column, ...]
    """One for each output of the model."""

    def __len__(self) -> int:
        return len((*self.inputs, *self.targets)[0])

    @property
    def nbytes(self) -> int:
        """How many bytes all samples take as arrays, in the form that the model takes.

        Strings count as pointers.
        """
        columns = (*self.inputs, *self.targets)
        return sum(int(np.prod(c.shape, dtype=np.int64)) * c.dtype.itemsize for c in columns)

    def arrays(self) -> tuple[list[Array], list[Array]] | None:
        """The inputs and the targets as whole arrays, where they are that in memory anyway.

        Nothing is copied: the arrays are not to be written to. None where a column is made when it
        is asked for.
        """
        found: list[list[Array]] = []
        for columns in (self.inputs, self.targets):
            arrays = [getattr(column, "array", None) for column in columns]
            if any(array is None for array in arrays):
                return None
            found.append([array for array in arrays if array is not None])
        return found[0], found[1]


@record
class Dataset:
    """What a `data` block gives to a model."""

    name: str
    """That of the block."""
    train: Part
    validation: Part | None = None
    test: Part | None = None
    classes: int | tuple[str, ...] | None = None
    """How many there are, or their names where these are known, in the order of their numbers;
    None where numbers are predicted."""
