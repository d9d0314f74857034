"""Data that stay on the device for all epochs.

The steps of a small model take less time than bringing their batch to a GPU. So small data go
there once, and a batch is its samples' numbers, by which it is gathered there: on TensorFlow
inside of the step, on JAX ahead of it. The batches are the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from specc.backends.frameworks import import_tensorflow
from specc.training.batches import order
from specc.training.columns import Held
from specc.training.dataset import Part
from specc.training.feed import NumpyFeed, Samples, TensorFlowFeed, Weighted

LARGEST = 1 << 28
"""Bytes of the samples, in the form that the model takes: 256 MiB."""

DTYPES = ("float16", "float32", "float64", "int32", "int64")
"""What TensorFlow can gather on a GPU; it keeps int32 in the memory of the host, so that it is
int64 there."""


def stays_on_device(part: Part, backend: str, device: str) -> bool:
    """Whether data are small enough, of a kind, and where they gain by it.

    Args:
        device: "cpu" or "gpu"; a processor has its data at hand.
    """
    dtypes = {column.dtype.name for column in (*part.inputs, *part.targets)}
    return (
        device == "gpu"
        and backend in ("tensorflow", "jax")
        and part.nbytes <= LARGEST
        and dtypes <= set(DTYPES)
    )


class TensorFlowResident(TensorFlowFeed):
    """For TensorFlow: batches of the numbers of samples, and a model that knows what they mean."""

    def __init__(
        self,
        part: Part,
        batch_size: int,
        seed: int | None,
        steps: int | None = None,
        weights: Weighted | None = None,
    ) -> None:
        tf: Any = import_tensorflow()
        everything = np.arange(len(part))
        self._whole = Samples(part, weights)
        self._dtypes = [tf.as_dtype(column.dtype) for column in self._whole.columns]
        arrays = [column.take(everything) for column in self._whole.columns]
        self._arrays = [tf.constant(a.astype("int64") if a.dtype == "int32" else a) for a in arrays]
        super().__init__(Part((Held(everything),), ()), batch_size, seed, steps)

    def attach(self, model: Any) -> None:
        """Have the training steps of a compiled model gather their samples."""
        step = model.train_step
        model.train_step = lambda data: step(self.gathered(data[0]))

    def gathered(self, indices: Any) -> tuple[Any, ...]:
        """The samples of a batch, put together for Keras."""
        tf: Any = import_tensorflow()
        found = [tf.gather(array, indices) for array in self._arrays]
        pairs = zip(found, self._dtypes, strict=True)
        return self._whole.packed(tuple(tf.cast(array, dtype) for array, dtype in pairs))


class JaxResident(NumpyFeed):
    """For JAX: arrays of the device, gathered there."""

    def __init__(
        self,
        part: Part,
        batch_size: int,
        seed: int | None,
        steps: int | None = None,
        weights: Weighted | None = None,
    ) -> None:
        import jax

        super().__init__(part, batch_size, seed, steps, weights)
        everything = np.arange(len(part))
        self._arrays = [jax.device_put(c.take(everything)) for c in self.samples.columns]
        self._take = jax.jit(_taken, static_argnums=3)

    def attach(self, model: Any) -> None:
        """The batches are complete."""

    def begin(self, epoch: int, start: int = 0) -> Iterator[Any]:
        import jax

        count = len(self.part)
        indices = jax.device_put(order(count, self.seed, epoch).astype("int32"))
        for step in range(start, self.steps):
            first = step * self.batch_size
            size = min(self.batch_size, count - first)
            yield self.samples.packed(tuple(self._take(self._arrays, indices, first, size)))


def _taken(arrays: list[Any], indices: Any, first: Any, size: int) -> list[Any]:
    from jax import lax

    chosen = lax.dynamic_slice_in_dim(indices, first, size)
    return [array[chosen] for array in arrays]


Resident = TensorFlowResident | JaxResident


def resident_feed(
    backend: str,
    part: Part,
    batch_size: int,
    *,
    seed: int | None = None,
    steps: int | None = None,
    weights: Weighted | None = None,
) -> Resident:
    """As `feed_of`, for data that stay on the device."""
    kind = TensorFlowResident if backend == "tensorflow" else JaxResident
    return kind(part, batch_size, seed, steps, weights)
