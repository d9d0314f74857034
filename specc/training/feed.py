"""Batches as a backend likes them.

Small batches cost more in calls than in copying, so numpy gathers a block of about a megabyte at
a time (see `batches`). TensorFlow then cuts it in its own threads, ahead of the steps; the other
backends get the views that numpy makes of it. Either way the order of an epoch depends on the
seed and the epoch alone, and an epoch can be begun at any of its steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from specc.backends.frameworks import import_tensorflow
from specc.files import UsageError
from specc.training.batches import ALL, BLOCK, Share, batches, order
from specc.training.columns import Chosen
from specc.training.dataset import Array, Column, Part


class Weighted:
    """The weight of each sample by its class, as `class_weight` says."""

    dtype: np.dtype[Any] = np.dtype("float32")

    def __init__(self, labels: Column, weights: tuple[float, ...]) -> None:
        self.labels = labels
        self.weights = np.asarray(weights, "float32")
        self.shape = (len(labels),)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> Array:
        labels = self.labels.take(indices).reshape(len(indices), -1)
        classes = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
        return self.weights[classes.astype(int)]


def weighted(part: Part, weights: tuple[float, ...]) -> Weighted:
    """The weights of a part's samples.

    Raises:
        UsageError: where the model has several outputs, or a class has no weight.
    """
    if len(part.targets) != 1:
        raise UsageError("`class_weight` is for a model with one output")
    found = Weighted(part.targets[0], weights)
    labels = part.targets[0].take(np.arange(len(part))).reshape(len(part), -1)
    classes = labels.shape[1] if labels.shape[1] > 1 else int(labels.max()) + 1
    if classes > len(weights):
        raise UsageError(
            f"`class_weight` has {len(weights)} weights, and there are {classes} classes"
        )
    return found


def limited(part: Part, count: int) -> Part:
    """The first samples of a part."""
    indices = np.arange(count)
    inputs = tuple(Chosen(column, indices) for column in part.inputs)
    return Part(inputs, tuple(Chosen(column, indices) for column in part.targets))


class Feed(Protocol):
    """What `fit` and `evaluate` are given."""

    steps: int
    """Batches of an epoch."""
    whole: bool
    """Whether each of several devices is to have all of each batch, and not a part."""

    def begin(self, epoch: int, start: int = 0) -> Any:
        """The batches of an epoch, from number `start` on."""
        ...


class Samples:
    """The columns of a feed, and how they are put together again for Keras."""

    def __init__(self, part: Part, weights: Weighted | None) -> None:
        self.inputs = part.inputs
        self.targets = part.targets
        self.weights = () if weights is None else (weights,)
        self.columns: tuple[Column, ...] = (*self.inputs, *self.targets, *self.weights)

    def packed(self, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        first, second = len(self.inputs), len(self.inputs) + len(self.targets)
        x, y = arrays[:first], arrays[first:second]
        found = (x[0] if len(x) == 1 else tuple(x), y[0] if len(y) == 1 else tuple(y))
        return (*found, *arrays[second:])


class NumpyFeed:
    """For JAX and PyTorch: a generator of arrays."""

    def __init__(
        self,
        part: Part,
        batch_size: int,
        seed: int | None,
        steps: int | None = None,
        weights: Weighted | None = None,
        share: Share = ALL,
    ) -> None:
        self.samples = Samples(part, weights)
        self.whole = False
        self.share = share
        self.part = Part(part.inputs, (*part.targets, *self.samples.weights))
        self.batch_size = batch_size
        self.seed = seed
        self.steps = steps or -(-len(part) // batch_size)

    def begin(self, epoch: int, start: int = 0) -> Iterator[Any]:
        found = batches(
            self.part, self.batch_size, seed=self.seed, epoch=epoch, start=start, share=self.share
        )
        for _, batch in zip(range(self.steps - start), found, strict=False):
            yield self.samples.packed((*batch.inputs, *batch.targets))


class TensorFlowFeed:
    """For TensorFlow: one `tf.data.Dataset`, whose graph is made once; what it gives is set anew
    for each epoch."""

    def __init__(
        self,
        part: Part,
        batch_size: int,
        seed: int | None,
        steps: int | None = None,
        weights: Weighted | None = None,
    ) -> None:
        self.samples = Samples(part, weights)
        self.whole = False
        self.count = len(part)
        self.batch_size = batch_size
        self.seed = seed
        self.steps = steps or -(-self.count // batch_size)
        bytes_of_one = max(1, part.nbytes // max(1, self.count))
        self.at_once = max(1, BLOCK // (bytes_of_one * batch_size)) * batch_size
        self.indices = np.arange(0)
        self._dataset = self._made()

    def begin(self, epoch: int, start: int = 0) -> Any:
        everything = order(self.count, self.seed, epoch)
        self.indices = everything[start * self.batch_size : self.steps * self.batch_size]
        self._blocks.assign(-(-len(self.indices) // self.at_once))
        return self._dataset

    def _block(self, index: int) -> list[Array]:
        block = self.indices[index * self.at_once : (index + 1) * self.at_once]
        return [column.take(block) for column in self.samples.columns]

    def _made(self) -> Any:
        tf: Any = import_tensorflow()
        columns, size = self.samples.columns, self.batch_size
        dtypes = [tf.as_dtype(column.dtype) for column in columns]
        # A variable, as the length is to be read when an epoch begins.
        self._blocks = blocks = tf.Variable(0, dtype=tf.int64, trainable=False)

        def load(index: Any) -> Any:
            # It reads `indices`, but for TensorFlow that is no state: an operation with state
            # would be run in the graph's order, one by one.
            arrays = tf.numpy_function(self._block, [index], dtypes, stateful=False)
            return tuple(
                tf.ensure_shape(array, (None, *column.shape[1:]))
                for array, column in zip(arrays, columns, strict=True)
            )

        def cut(*arrays: Any) -> Any:
            whole = tf.shape(arrays[0])[0] // size
            full = tuple(
                tf.reshape(array[: whole * size], (-1, size, *column.shape[1:]))
                for array, column in zip(arrays, columns, strict=True)
            )
            rest = tuple(array[whole * size :] for array in arrays)
            last = tf.data.Dataset.from_tensors(rest).filter(lambda *a: tf.shape(a[0])[0] > 0)
            return tf.data.Dataset.from_tensor_slices(full).concatenate(last)

        indices = tf.data.Dataset.range(1).flat_map(lambda _: tf.data.Dataset.range(blocks))
        dataset = indices.map(load, num_parallel_calls=1).flat_map(cut)
        dataset = dataset.map(lambda *arrays: self.samples.packed(arrays))
        options = tf.data.Options()
        # They rewrite the graph each time that an epoch begins, and find nothing.
        options.experimental_optimization.apply_default_optimizations = False
        return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def feed_of(
    backend: str,
    part: Part,
    batch_size: int,
    *,
    seed: int | None = None,
    steps: int | None = None,
    weights: Weighted | None = None,
    share: Share = ALL,
) -> Feed:
    """What gives the batches of a part to a backend.

    Args:
        seed: of the order; None for the order of the part.
        steps: batches of an epoch, where it is not to see every sample.
        share: of each batch, for one of several processes; not on TensorFlow.
    """
    if backend == "tensorflow":
        return TensorFlowFeed(part, batch_size, seed, steps, weights)
    return NumpyFeed(part, batch_size, seed, steps, weights, share)
