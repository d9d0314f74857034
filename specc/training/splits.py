"""Which samples a part takes: `first`, `last`, `random`, `stratified`."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.training.dataset import Array
from specc.training.sources.base import Unreadable

Indices: TypeAlias = "Array | slice"


class Parted(NamedTuple):
    """Two sets of samples that have none in common, and together all."""

    taken: Indices
    rest: Indices
    """In the order that they had."""


def parted(split: Any, count: int, part: str, labels: Array | None, seed: int) -> Parted:
    """Part `count` samples.

    Args:
        split: one of `specc.objects.data`.
        part: what it is for, in words.
        labels: the class of each sample, which `stratified` needs.
        seed: where the split has none of its own.

    Raises:
        Unreadable: where no sample would be taken, or none left, or a class cannot be parted.
    """
    size = size_of(split.size, count, part)
    kind = type(split).__name__
    if kind == "First":
        return Parted(slice(0, size), slice(size, count))
    if kind == "Last":
        return Parted(slice(count - size, count), slice(0, count - size))
    own = split.seed if split.seed is not None else seed
    random = np.random.default_rng(own)
    if kind == "Random":
        taken = random.permutation(count)[:size]
    else:
        taken = _stratified(size, labels, count, random)
    is_taken = np.zeros(count, bool)
    is_taken[taken] = True
    return Parted(np.flatnonzero(is_taken), np.flatnonzero(~is_taken))


def size_of(size: float, count: int, part: str) -> int:
    """How many samples a number or a share of them is.

    Raises:
        Unreadable: where it is none, or leaves none.
    """
    number = size if isinstance(size, int) else round(size * count)
    if number >= count:
        raise Unreadable(errors.part_too_large, part, number, count)
    if number < 1:
        raise Unreadable(errors.part_empty, part, size, count)
    return number


def _stratified(size: int, labels: Array | None, count: int, random: np.random.Generator) -> Array:
    """`size` samples, of each class its share: rounded down, and what is left over to the classes
    with the largest remainders (Hamilton's method), so that each is off by less than one."""
    if labels is None or labels.shape != (count,) or labels.dtype.kind == "f":
        raise Unreadable(errors.cannot_stratify, "a target is no class")
    names, of, numbers = np.unique(labels, return_inverse=True, return_counts=True)
    if numbers.min() < 2:
        lone = names[numbers.argmin()]
        raise Unreadable(errors.cannot_stratify, f"the class {lone} has one sample")
    exact = numbers * (size / count)
    shares = np.floor(exact).astype(int)
    # Equal remainders go to the class that comes first: argsort is stable.
    last = np.argsort(-(exact - shares), kind="stable")[: size - shares.sum()]
    shares[last] += 1
    taken = [
        random.permutation(np.flatnonzero(of == index))[:share]
        for index, share in enumerate(shares)
    ]
    return np.concatenate(taken)
