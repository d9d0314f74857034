"""`idx(...)`: the format that MNIST and Fashion MNIST come in.

    bytes 0, 1   zero
    byte 2       the type of the numbers, see `TYPES`
    byte 3       the number of axes
    4 bytes      for each axis its size, big-endian
    then         the numbers, big-endian, the last axis fastest

Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits (1998). The
files may be compressed by gzip, as they are given out.
"""

from __future__ import annotations

import gzip
import os
import zlib
from typing import IO, Any

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.training.columns import Held
from specc.training.dataset import Array
from specc.training.sources.base import Samples, Unreadable, Wanted, cannot_open, damaged

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
MOST_SQUEEZED = 1_100
"""No gzip file holds more than so many times its own bytes; deflate's limit is 1,032."""

PIECE = 1 << 20


def read(source: Any, wanted: Wanted) -> Samples:
    """The images and labels of two files; or of the four of a folder, those for the test apart."""
    place = wanted.path(source.images)
    if source.labels is not None:
        return _pair(place, source.images, wanted.path(source.labels), source.labels)
    if not os.path.exists(place):
        raise damaged(source.images, "there is no such folder")
    if not os.path.isdir(place):
        what = "it is no folder, and the labels of a file of images are in another file"
        raise damaged(source.images, what, 'name both: `idx("images-ubyte", "labels-ubyte")`')
    return read_folder(place, source.images)


def read_folder(place: str, shown: str) -> Samples:
    """The four files of a folder; those for the test may be missing.

    Args:
        shown: the folder as messages show it.
    """
    samples = _part(place, shown, "train")
    if samples is None:
        raise damaged(
            shown,
            "there is no `train-images-idx3-ubyte.gz` in it, nor the same without `.gz`",
            "the files are train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, and for the "
            "test t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz",
        )
    samples.test = _part(place, shown, "t10k")
    return samples


def _part(place: str, shown: str, part: str) -> Samples | None:
    """The images and labels of a part; None where it has neither."""
    images = _found(place, f"{part}-images", "idx3-ubyte")
    labels = _found(place, f"{part}-labels", "idx1-ubyte")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = (
            f"{part}-images-idx3-ubyte.gz" if images is None else f"{part}-labels-idx1-ubyte.gz"
        )
        raise damaged(os.path.join(shown, missing), "there is no such file")
    return _pair(
        os.path.join(place, images),
        os.path.join(shown, images),
        os.path.join(place, labels),
        os.path.join(shown, labels),
    )


def _found(place: str, stem: str, ending: str) -> str | None:
    """The name of a file; both `-idx3-ubyte` and `.idx3-ubyte` are about."""
    names = [f"{stem}{dash}{ending}{gz}" for dash in "-." for gz in (".gz", "")]
    return next((name for name in names if os.path.isfile(os.path.join(place, name))), None)


def _pair(images: str, shown_images: str, labels: str, shown_labels: str) -> Samples:
    y = read_idx(labels, shown_labels, 1, "labels")
    x = read_idx(images, shown_images, 3, "images")
    if len(x) != len(y):
        counts = [f"{len(x):,} images", f"{len(y):,} labels in `{shown_labels}`"]
        raise Unreadable(errors.lengths_differ, shown_images, counts)
    return Samples([Held(x)], [Held(y)])


def read_idx(path: str, shown: str, axes: int, what: str) -> Array:
    """The array of a file.

    A file that is not compressed is mapped into memory; of one that is, the array is all that is
    there at any time.

    Args:
        shown: the file as messages show it.
        axes: how many axes it is to have.
        what: what is in it, for messages: "images", "labels".

    Raises:
        Unreadable: where a byte is not what it should be, with its place.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            squeezed = file.read(2) == GZIP
            file.seek(0)
            if not squeezed:
                dtype, shape, start = _header(file, shown, axes, what)
                _check_size(shown, dtype, shape, start, size)
                return np.asarray(np.memmap(file, dtype, "r", start, shape))
            with gzip.GzipFile(fileobj=file) as inner:
                return _unpacked(inner, shown, axes, what, size)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise damaged(shown, f"it is no sound gzip file ({_lower(error)})") from None
        raise cannot_open(shown, error) from None
    except zlib.error as error:
        raise damaged(shown, f"it is no sound gzip file ({_lower(error)})") from None


def _lower(error: Exception) -> str:
    text = str(error)
    return text if text[:3].isupper() else text[:1].lower() + text[1:]


def _header(
    file: IO[bytes] | gzip.GzipFile, shown: str, axes: int, what: str
) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The dtype, the shape, and where the numbers start."""
    wanted = f"0x{0x0800 + axes:08X}, uint8 {what} with {axes} {'axis' if axes == 1 else 'axes'}"
    magic = _read(file, 4, shown, 0, f"in the magic number, which is {wanted}")
    found = int.from_bytes(magic, "big")
    if magic[:2] != b"\0\0" or magic[2] not in TYPES:
        message = f"byte 0: the magic number is 0x{found:08X}, and that of {what} is {wanted}"
        raise damaged(shown, message, "it is no IDX file, or not of this kind")
    if magic[3] != axes:
        message = f"byte 3: it has {magic[3]} {'axis' if magic[3] == 1 else 'axes'}, "
        message += f"and {what} have {axes} (the magic number is 0x{found:08X}, not {wanted})"
        kind = {1: "labels", 3: "images"}.get(magic[3])
        raise damaged(shown, message, f"these are {kind}, it seems" if kind else None)
    sizes = _read(file, 4 * axes, shown, 4, "in the sizes of its axes")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    return np.dtype(TYPES[magic[2]]), shape, 4 + 4 * axes


def _check_size(
    shown: str, dtype: np.dtype[Any], shape: tuple[int, ...], start: int, size: int
) -> None:
    end = start + _bytes(dtype, shape)
    if size < end:
        raise damaged(shown, _too_short(size, end, shape))
    if size > end:
        raise damaged(shown, _too_long(end, shape))


def _bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    total = dtype.itemsize
    for size in shape:
        total *= size
    return total


def _unpacked(file: gzip.GzipFile, shown: str, axes: int, what: str, squeezed: int) -> Array:
    dtype, shape, start = _header(file, shown, axes, what)
    total = _bytes(dtype, shape)
    if total > squeezed * MOST_SQUEEZED:
        message = (
            f"byte 4: the header says {_times(shape)}, more than {squeezed:,} bytes of gzip hold"
        )
        raise damaged(shown, message)
    numbers = bytearray(total)
    view = memoryview(numbers)
    done = 0
    try:
        while done < total:
            count = file.readinto(view[done : done + PIECE])
            if not count:
                raise damaged(shown, _too_short(start + done, start + total, shape))
            done += count
        # Reading on makes gzip compare its checksum, too.
        if file.read(1):
            raise damaged(shown, _too_long(start + total, shape))
    except EOFError:
        raise damaged(shown, _too_short(start + done, start + total, shape, squeezed)) from None
    return np.frombuffer(numbers, dtype).reshape(shape)


def _read(file: IO[bytes] | gzip.GzipFile, count: int, shown: str, place: int, where: str) -> bytes:
    try:
        found = file.read(count)
    except EOFError:
        found = b""
    if len(found) < count:
        raise damaged(shown, f"it ends at byte {place + len(found)}, {where}")
    return found


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)


def _too_short(end: int, expected: int, shape: tuple[int, ...], squeezed: int = 0) -> str:
    inside = f"; the gzip file itself is cut off after {squeezed:,} bytes" if squeezed else ""
    return f"it ends at byte {end:,}, and {_times(shape)} numbers go on to {expected:,}{inside}"


def _too_long(end: int, shape: tuple[int, ...]) -> str:
    return f"byte {end:,}: more bytes behind the {_times(shape)} numbers of the header"
