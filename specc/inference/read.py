"""Samples from files: arrays, tables and images, for the inputs of a model."""

from __future__ import annotations

import csv
import io
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import EllipsisType
from typing import Any

import numpy as np

from specc.files import UsageError, reason
from specc.inference.interface import Array, Interface, Rows, cast, numpy_dtype
from specc.types import Port, size_of

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's names for what so many channels hold."""

PILLOW = '`python -m pip install "specc-nn[images]"`'
STDIN = "-"


def read_inputs(
    words: Sequence[str], interface: Interface, scale: float | None = None
) -> dict[str, Rows]:
    """The samples that a command line names.

    Args:
        words: `FILE`, where the model has one input or the file has arrays by name, or
            `name=FILE`. Images of one input are samples, one behind the other.
        scale: what floating-point inputs are divided by.

    Raises:
        UsageError: where a file cannot be read, or it is not plain which input it is for.
    """
    files: dict[str, list[str]] = {}
    arrays: dict[str, Rows] = {}
    for word in words:
        name, path = _split(word, interface)
        if name is None and _ending(path) == ".npz":
            arrays |= _npz(path, interface)
            continue
        files.setdefault(name or _only_input(path, interface), []).append(path)
    for name, paths in files.items():
        if name in arrays:
            raise UsageError(f"the input `{name}` is given twice")
        # A name that the model does not have is refused together with the shapes.
        port = interface.inputs.get(name)
        arrays[name] = _read(paths, port, interface) if port else np.empty(0)
    return arrays if scale is None else _scaled(arrays, interface, scale)


def _split(word: str, interface: Interface) -> tuple[str | None, str]:
    """`name=FILE` in two; a path may have an equals sign of its own."""
    name, equals, path = word.partition("=")
    if not equals or (name not in interface.inputs and os.path.exists(word)):
        return None, word
    return name, path


def _only_input(path: str, interface: Interface) -> str:
    if len(interface.inputs) == 1:
        return next(iter(interface.inputs))
    names = ", ".join(f"`{name}`" for name in interface.inputs)
    raise UsageError(
        f"`{interface.file}` has the inputs {names}, and it is not said which `{path}` is for",
        f"`--input {next(iter(interface.inputs))}={path}`",
    )


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _read(paths: Sequence[str], port: Port, interface: Interface) -> Rows:
    if all(_ending(path) in IMAGES for path in paths):
        return np.stack([_image(path, port, interface) for path in paths])
    if len(paths) > 1:
        raise UsageError(
            f"the input `{port.name}` is given {len(paths)} files; only images come one by one"
        )
    (path,) = paths
    if path == STDIN:
        return _loaded(io.BytesIO(sys.stdin.buffer.read()), "standard input", port)
    ending = _ending(path)
    if ending == ".npz":
        with _opened(path) as file:
            return _loaded(io.BytesIO(file.read()), path, port)
    if ending == ".npy":
        return _npy(path)
    if ending == ".csv":
        return _csv(path, port, interface)
    raise UsageError(
        f"cannot read `{path}`: its ending says nothing that specc knows",
        f"there are .npy, .npz, .csv, {', '.join(IMAGES)}, and `-` for .npy on standard input",
    )


def _opened(path: str) -> io.BufferedReader:
    try:
        return open(path, "rb")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None


# ----------------------------------------------------------------------------- arrays


def _npy(path: str) -> Array:
    """An array that stays in its file; what is needed of it is read when it is needed."""
    _opened(path).close()
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _no_array(path, error) from None


def _npz(path: str, interface: Interface) -> dict[str, Rows]:
    """The arrays of a file, by input name; those with other names are left where they are."""
    found = _archive(_opened(path), path)
    inputs = interface.inputs
    arrays: dict[str, Rows] = {name: found[name] for name in found if name in inputs}
    if not arrays and len(found) == len(inputs) == 1:
        # What `numpy.savez(file, x)` writes: it has a name, but nobody gave it.
        arrays = dict(zip(inputs, found.values(), strict=True))
    if not arrays:
        raise UsageError(
            f"`{path}` has no array with the name of an input; it has "
            + (", ".join(f"`{name}`" for name in found) or "none at all"),
            f"the inputs are {', '.join(f'`{name}`' for name in inputs)}",
        )
    return arrays


def _loaded(file: io.BufferedIOBase, path: str, port: Port) -> Array:
    """The array of a `.npy`, or of a `.npz` that has one, or one of the input's name."""
    content = file.read()
    if not content.startswith(b"PK"):
        try:
            return np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise _no_array(path, error) from None
    found = _archive(io.BytesIO(content), path)
    if port.name in found:
        return found[port.name]
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(f"`{name}`" for name in found) or "none at all"
    raise UsageError(f"`{path}` has no array `{port.name}`; it has {names}")


def _archive(file: io.BufferedIOBase, path: str) -> Mapping[str, Array]:
    try:
        with file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise _no_array(path, error) from None


def _no_array(path: str, error: Exception) -> UsageError:
    why = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, EOFError):
        why = "it ends too early"
    elif "pickle" in why.lower() or "python objects" in why.lower():
        why = "it is no file of numpy's, or holds Python objects"
    return UsageError(f"cannot read `{path}`: {why}")


class Scaled:
    """Samples in the dtype of an input, divided as they are read."""

    def __init__(self, array: Rows, port: Port, scale: float) -> None:
        self._array, self._port, self._scale = array, port, scale
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows: slice | EllipsisType, /) -> Array:
        numbers = cast(self._port, self._array[rows])
        return numbers / numpy_dtype(self._port).type(self._scale)


def _scaled(arrays: Mapping[str, Rows], interface: Interface, scale: float) -> dict[str, Rows]:
    floats = {name: port for name, port in interface.inputs.items() if port.type.is_float}
    if not floats:
        raise UsageError(
            "there is nothing to scale: no input is a floating-point one",
            "leave out --scale",
        )
    return {
        name: Scaled(array, floats[name], scale) if name in floats else array
        for name, array in arrays.items()
    }


# ----------------------------------------------------------------------------- tables


def _csv(path: str, port: Port, interface: Interface) -> Array:
    """A sample a row: its numbers in the order of the input's axes, the last one fastest.

    The first line is a header where something in it is no number, except for text.
    """
    with io.TextIOWrapper(_opened(path), encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            lines = [(reader.line_num, line) for line in reader if line]
        except (csv.Error, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read `{path}`: {error}") from None
    width = size_of(port.type.shape)
    if width is None:
        raise UsageError(
            f"the input `{port.name}`, {interface.described(port)}, has an axis of unknown size, "
            "and a .csv does not say it",
            "a .npy does",
        )
    if lines and port.type.dtype != "string" and not all(_is_number(x) for x in lines[0][1]):
        del lines[0]
    for number, line in lines:
        if len(line) != width:
            raise UsageError(
                f"`{path}`, line {number}: {len(line)} columns, and a sample of `{port.name}`, "
                f"{interface.described(port)}, has {width}"
            )
        for column, text in enumerate(line, 1):
            if port.type.dtype != "string" and not _is_number(text):
                raise UsageError(f"`{path}`, line {number}, column {column}: {text!r} is no number")
    shape = (len(lines), *(size for size in port.type.shape if isinstance(size, int)))
    table = np.array([line for _, line in lines], dtype=str).reshape(shape)
    if not port.type.batched:
        table = table.reshape(shape[1:])
    return table if port.type.dtype == "string" else _numbers(table)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(table: Array) -> Array:
    """Whole numbers where all are, which may be larger than a float64 can tell apart."""
    try:
        return table.astype(np.int64)
    except (ValueError, OverflowError):
        return table.astype(np.float64)


# ----------------------------------------------------------------------------- images


def _image(path: str, port: Port, interface: Interface) -> Array:
    """An image as the input takes it: grey or in colours, channels last or first, uint8.

    Raises:
        UsageError: where it has another size, or the input takes no images.
    """
    height, width, channels, first = _frame(port, interface)
    _opened(path).close()
    try:
        pillow: Any = import_module("PIL.Image")
    except ModuleNotFoundError:
        raise UsageError(f"Pillow is not installed, which reads `{path}`", PILLOW) from None
    try:
        with pillow.open(path) as image:
            # Those of 16 and 32 bits would be cut off at 255.
            if image.mode.startswith(("I", "F")):
                raise UsageError(f"`{path}` has more than 8 bits a channel")
            pixels = np.asarray(image.convert(MODES[channels]))
    except UsageError:
        raise
    except Exception as error:  # Pillow's readers raise what they meet
        why = "it is no image" if type(error).__name__ == "UnidentifiedImageError" else str(error)
        raise UsageError(f"cannot read `{path}`: {why}") from None
    found = pixels.shape[:2]
    wanted = (height or found[0], width or found[1])
    if found != wanted:
        sizes = f"{found[1]} x {found[0]} pixels, and `{port.name}` takes {width or 'any width'} x "
        raise UsageError(
            f"`{path}` has {sizes}{height or 'any height'} (width x height)",
            "images are not resized: how that is done is a part of what a model was trained on",
        )
    if len(port.type.shape) == 2:
        return pixels
    pixels = pixels.reshape(*found, channels)
    return np.moveaxis(pixels, -1, 0) if first else pixels


def _frame(port: Port, interface: Interface) -> tuple[int | None, int | None, int, bool]:
    """Height, width and channels of an input that takes images, and whether channels are first."""
    sizes = [size if isinstance(size, int) else None for size in port.type.shape]
    if port.type.batched:
        if len(sizes) == 2:
            return sizes[0], sizes[1], 1, False
        if len(sizes) == 3 and sizes[2] in MODES:
            return sizes[0], sizes[1], sizes[2], False
        if len(sizes) == 3 and sizes[0] in MODES:
            return sizes[1], sizes[2], sizes[0], True
    raise UsageError(
        f"the input `{port.name}` is {interface.described(port)}, which no image is",
        "images are [height, width], or with 1, 3 or 4 channels as the last or first axis",
    )
