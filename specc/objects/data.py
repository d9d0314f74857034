"""Where data come from, and what is taken from them: specc's own words.

They are written in small letters, as functions are: `keras_dataset("mnist")`.
"""

from __future__ import annotations

from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Choice, Int, KerasObject, Kind, Optional, arg
from specc.objects.kinds import NAMES, Between, FileName, Folder

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


class Separator(Kind):
    """What stands between the columns of a table."""

    expected = "a single character"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and len(value) == 1 and value not in '"\r\n'


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


class Digits(_Source):
    """scikit-learn's 1,797 scanned digits, 8 x 8 pixels from 0 to 16; they are installed with it.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, the part for
    tests (UCI Machine Learning Repository, 1998).
    """


class Npz(_Source):
    """Arrays of numpy, by their names in the file.

    For a model with several inputs `x` is a list of names, one for each, and for several outputs
    so is `y`. Left out, they are the names of the inputs and of the outputs where there are
    several, else "x" and "y".
    """

    path: str = arg(FileName())
    x: str | tuple[str, ...] = arg(NAMES, default="x")
    y: str | tuple[str, ...] = arg(NAMES, default="y")


class Csv(_Source):
    """A table as text; without a header its columns are called "0", "1", and so on."""

    path: str = arg(FileName())
    separator: str = arg(Separator(), default=",")
    header: bool = arg(BOOL, default=True)


class Parquet(_Source):
    """A table of Apache Parquet."""

    path: str = arg(FileName())


class Images(_Source):
    """A folder with a folder of images for each class, which are resized to the model's input."""

    path: str = arg(Folder())
    interpolation: str = arg(
        Choice("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"), default="bilinear"
    )


class Idx(_Source):
    """The files that MNIST comes in: a folder with all four of them, or one or two of them."""

    images: str = arg(FileName())
    labels: str | None = arg(Optional(FileName()), default=None)


class Tfrecord(_Source):
    """TensorFlow's files of records, each a `tf.train.Example` with its features by name.

    A feature of bytes is the numbers of an array ("raw", of `dtype`), or a PNG or JPEG file
    ("image"), or for an input of strings a string.
    """

    path: str = arg(FileName())
    x: str | tuple[str, ...] = arg(NAMES, default="x")
    y: str | tuple[str, ...] = arg(NAMES, default="y")
    bytes: str = arg(Choice("raw", "image"), default="raw")
    dtype: str = arg(
        Choice("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"),
        default="uint8",
    )
    compression: str | None = arg(Optional(Choice("GZIP", "ZLIB")), default=None)


class Part(Kind):
    """How many samples, or which part of them."""

    expected = "a number of samples, or a number between 0 and 1 for a part of them"

    def accepts(self, value: object) -> bool:
        return Int(at_least=1).accepts(value) or Between(0, 1).accepts(value)


class _Split(KerasObject):
    category: ClassVar[str] = "split"

    size: float = arg(Part())


class First(_Split):
    """Those that come first."""


class Last(_Split):
    """Those that come last."""


class Random(_Split):
    """Those that chance takes; the same ones each time. Without a seed it is that of the data."""

    seed: int | None = arg(Optional(Int(at_least=0)), default=None)


class Stratified(_Split):
    """As `random`, and of each class as large a part as of the whole."""

    seed: int | None = arg(Optional(Int(at_least=0)), default=None)
