"""What the tests of data share: a spec around a data block, IDX files of the true format."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

import specc
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.terminal import render_all
from specc.training.dataset import Dataset, Part
from specc.training.load import load_dataset

IMAGES = """model m {
    input image: float32[28, 28]

    Flatten
    Dense(10, activation="softmax")
}
"""
SPARSE = '"sparse_categorical_crossentropy"'


def program(folder: Path, data: str, model: str = IMAGES, loss: str = SPARSE) -> specc.Program:
    """A spec in a folder, with the entries of a data block."""
    lines = "".join(f"    {line}\n" for line in data.strip().splitlines())
    train = f"train m {{\n    data = d\n    loss = {loss}\n}}\n"
    path = folder / "m.spec"
    path.write_text(f"data d {{\n{lines}}}\n\n{model}\n{train}", encoding="utf-8")
    return specc.compile(path)


def load(folder: Path, data: str, model: str = IMAGES, loss: str = SPARSE) -> Dataset:
    made = program(folder, data, model, loss)
    return load_dataset(made, made.model())


def mistakes(folder: Path, data: str, model: str = IMAGES, loss: str = SPARSE) -> list[Diagnostic]:
    """What is wrong with the data, all of it in the data block."""
    try:
        load(folder, data, model, loss)
    except SpecError as error:
        return error.diagnostics
    raise AssertionError("nothing was wrong")


def mistake(folder: Path, data: str, model: str = IMAGES, loss: str = SPARSE) -> Diagnostic:
    (only,) = mistakes(folder, data, model, loss)
    return only


def shown(folder: Path, found: list[Diagnostic]) -> str:
    """Mistakes as people see them, wherever the test runs."""
    text = render_all(found, color=False, footer=".")
    return text.replace(f"{folder}{os.sep}", "").replace(os.sep, "/")


def every(part: Part | None) -> tuple[list[Any], list[Any]]:
    """All samples of a part."""
    assert part is not None
    indices = np.arange(len(part))
    return [c.take(indices) for c in part.inputs], [c.take(indices) for c in part.targets]


def idx_bytes(array: Any, magic: int | None = None, sizes: tuple[int, ...] | None = None) -> bytes:
    """A file of the format that Y. LeCun describes, written by its description and not by specc.

    Args:
        magic, sizes: what the header says where it is not the truth.
    """
    code = {"u1": 8, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    header = struct.pack(">I", code << 8 | array.ndim if magic is None else magic)
    header += b"".join(struct.pack(">I", size) for size in sizes or array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def drawn(count: int, seed: int = 0) -> tuple[Any, Any]:
    """Images and labels as those of MNIST are, by chance."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 28, 28), np.uint8)
    return images, random.integers(0, 10, count).astype(np.uint8)


def write_mnist(folder: Path, train: int = 60, test: int = 20, *, squeezed: bool = True) -> Any:
    """The four files in a folder, and what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": drawn(train, 1), "t10k": drawn(test, 2)}
    for name, (images, labels) in parts.items():
        for what, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(array)
            path = folder / f"{name}-{what}-ubyte{'.gz' if squeezed else ''}"
            path.write_bytes(gzip.compress(content) if squeezed else content)
    return parts
