"""Where data come from, and what is taken from them: specc's own words.

They are written in small letters, as functions are: `keras_dataset("mnist")`.
"""

from __future__ import annotations

from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Choice, Int, KerasObject, Kind, Optional, Text, arg
from specc.objects.kinds import Between, FileName

DATASETS: dict[str, tuple[int | None, tuple[str, ...]]] = {
    "boston_housing": (None, ("test_split", "seed")),
    "california_housing": (None, ("version", "test_split", "seed")),
    "cifar10": (10, ()),
    "cifar100": (100, ("label_mode",)),
    "fashion_mnist": (10, ()),
    "imdb": (2, ("num_words", "skip_top", "maxlen", "seed")),
    "mnist": (10, ()),
    "reuters": (46, ("num_words", "skip_top", "maxlen", "test_split", "seed")),
}
"""Keras's own data: how many classes they have, None where they are numbers to predict, and what
Keras can be told."""


class _Source(KerasObject):
    category: ClassVar[str] = "source"


class KerasDataset(_Source):
    """One of Keras's own; see `keras.datasets`."""

    name: str = arg(Choice(*DATASETS))
    num_words: int | None = arg(Optional(Int(at_least=1)), default=None)
    skip_top: int = arg(Int(at_least=0), default=0)
    maxlen: int | None = arg(Optional(Int(at_least=1)), default=None)
    test_split: float = arg(Between(0, 1), default=0.2)
    seed: int = arg(Int(at_least=0), default=113)
    label_mode: str = arg(Choice("fine", "coarse"), default="fine")
    version: str = arg(Choice("large", "small"), default="large")

    def validate(self) -> None:
        known = DATASETS[self.name][1]
        for argument in self.given:
            if argument not in ("name", *known):
                takes = ", ".join(f"`{name}`" for name in known) or "nothing else"
                reason = f"`{self.name}` takes {takes}"
                raise Refused(errors.arguments_conflict, argument, reason)

    @property
    def classes(self) -> int | None:
        """How many classes there are; None where the data are numbers to predict."""
        number = DATASETS[self.name][0]
        return 20 if number is not None and self.label_mode == "coarse" else number


class Npz(_Source):
    """Arrays of numpy, by their names in the file."""

    path: str = arg(FileName())
    x: str = arg(Text(), default="x")
    y: str = arg(Text(), default="y")


class Csv(_Source):
    """A table."""

    path: str = arg(FileName())
    separator: str = arg(Text(), default=",")
    header: bool = arg(BOOL, default=True)


class Images(_Source):
    """A folder with a folder of images for each class."""

    path: str = arg(FileName())


class Idx(_Source):
    """The files that MNIST comes in."""

    images: str = arg(FileName())
    labels: str | None = arg(Optional(FileName()), default=None)


class Part(Kind):
    """How many samples, or which part of them."""

    expected = "a number of samples, or a number between 0 and 1 for a part of them"

    def accepts(self, value: object) -> bool:
        return Int(at_least=1).accepts(value) or Between(0, 1).accepts(value)


class _Split(KerasObject):
    category: ClassVar[str] = "split"


class First(_Split):
    """Those that come first."""

    size: float = arg(Part())


class Last(_Split):
    """Those that come last."""

    size: float = arg(Part())
