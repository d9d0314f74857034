"""Batches of a part, in an order that depends on a seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from specc.training.dataset import Array, Part

BLOCK = 1 << 20
"""Bytes that are gathered at a time. numpy takes about 10 us for a call, as long as the copying
of a small batch: so that small batches are cut from a larger block."""


class Batch(NamedTuple):
    """Samples side by side."""

    inputs: list[Array]
    targets: list[Array]


def order(count: int, seed: int | None, epoch: int) -> Array:
    """The indices of all samples as an epoch goes through them.

    Args:
        seed: None for the order in which they are.
        epoch: from 0.
    """
    if seed is None:
        return np.arange(count)
    return np.random.default_rng([seed, epoch]).permutation(count)


Share = tuple[int, int]
"""Which of how many equal parts of each batch: (0, 2) is the first half."""

ALL: Share = (0, 1)


def shared(indices: Array, batch_size: int, share: Share) -> Array:
    """What is in a share of each batch, in the order of the batches.

    Args:
        indices: of samples, batch after batch; the last one may be smaller, and is left out where
            it does not go into equal parts.
    """
    number, of = share
    whole = len(indices) // batch_size * batch_size
    rest = indices[whole:] if (len(indices) - whole) % of == 0 else indices[:0]
    parts = (indices[:whole].reshape(-1, of, batch_size // of), rest.reshape(1, of, -1))
    return np.concatenate([part[:, number].reshape(-1) for part in parts])


def blocks(
    part: Part,
    batch_size: int,
    *,
    seed: int | None,
    epoch: int,
    start: int = 0,
    share: Share = ALL,
) -> Iterator[Batch]:
    """The samples of one epoch in pieces of whole batches, `BLOCK` bytes or one batch each.

    For who cuts batches natively, as `tf.data` does by `rebatch`: Python then has to do with each
    block and not with each batch.

    Args:
        seed: of the order; with the epoch it determines it, so that a run that is resumed sees
            what it would have seen. None for the order of the part.
        epoch: from 0.
        start: how many batches to pass over, without reading them.
        share: of each batch, which has to go into equal parts; nothing else is read.
    """
    count = len(part)
    indices = order(count, seed, epoch)
    if share != ALL:
        indices = shared(indices, batch_size, share)
        batch_size //= share[1]
    at_once = max(1, BLOCK // max(1, part.nbytes // max(1, count) * batch_size)) * batch_size
    for first in range(start * batch_size, len(indices), at_once):
        rows = indices[first : first + at_once]
        yield Batch(
            [column.take(rows) for column in part.inputs],
            [column.take(rows) for column in part.targets],
        )


def batches(
    part: Part,
    batch_size: int,
    *,
    seed: int | None,
    epoch: int,
    start: int = 0,
    share: Share = ALL,
) -> Iterator[Batch]:
    """The batches of one epoch; the last one may be smaller.

    Args:
        seed, epoch, start, share: as for `blocks`.

    Yields:
        Arrays for each input and each target. They are views of a block that is not touched
        again: they may be kept, but each keeps its block.
    """
    size = batch_size // share[1]
    for block in blocks(part, batch_size, seed=seed, epoch=epoch, start=start, share=share):
        count = len((*block.inputs, *block.targets)[0])
        for low in range(0, count, size):
            rows = slice(low, low + size)
            yield Batch([x[rows] for x in block.inputs], [y[rows] for y in block.targets])
