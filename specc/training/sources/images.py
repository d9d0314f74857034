"""`images(...)`: a folder with a folder of images for each class."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from specc.files import UsageError
from specc.inference.read import IMAGES, MODES
from specc.training.columns import Held
from specc.training.dataset import Array
from specc.training.sources.base import Samples, Wanted, cannot_open, damaged, package
from specc.types import Dimension


class ImageFiles:
    """Images that are decoded when they are asked for, by as many threads as there are cores:
    Pillow lets others work while it decodes and resizes.

    What is read of a file is the same as by `keras.utils.load_img` with the size, the colours and
    the interpolation.
    """

    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, files: list[str], frame: Frame, interpolation: str, pillow: Any) -> None:
        self._files = files
        self._frame = frame
        self._pillow = pillow
        self._how = getattr(pillow.Resampling, interpolation.upper())
        self.shape = (len(files), *frame.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Array) -> Array:
        found = np.empty((len(indices), *self._frame.shape), np.uint8)

        def decode(place: int) -> None:
            found[place] = self.image(self._files[indices[place]])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(decode, range(len(indices))))
        return found

    def image(self, path: str) -> Array:
        """An image in the shape of the model's input.

        Raises:
            UsageError: where it cannot be decoded.
        """
        frame = self._frame
        try:
            with self._pillow.open(path) as image:
                _check_bits(image, path)
                pixels = image.convert(MODES[frame.channels])
                size = (frame.width, frame.height)
                if pixels.size != size:
                    pixels = pixels.resize(size, self._how)
                array = np.asarray(pixels)
        except UsageError:
            raise
        except Exception as error:  # Pillow's readers raise what they meet
            raise UsageError(f"cannot read `{path}`: {_why(error)}") from None
        if frame.grey:
            return array
        array = array.reshape(frame.height, frame.width, frame.channels)
        return np.moveaxis(array, -1, 0) if frame.channels_first else array


def _check_bits(image: Any, path: str) -> None:
    if image.mode.startswith(("I", "F")):  # those of 16 and 32 bits would be cut off at 255
        raise UsageError(f"`{path}` has more than 8 bits a channel")


def _why(error: Exception) -> str:
    return "it is no image" if type(error).__name__ == "UnidentifiedImageError" else str(error)


class Frame:
    """What an input takes for an image."""

    def __init__(self, height: int, width: int, channels: int, channels_first: bool, grey: bool):
        self.height = height
        self.width = width
        self.channels = channels
        self.channels_first = channels_first
        self.grey = grey
        """Whether there is no axis of channels."""

    @property
    def shape(self) -> tuple[int, ...]:
        if self.grey:
            return self.height, self.width
        if self.channels_first:
            return self.channels, self.height, self.width
        return self.height, self.width, self.channels


def _frame(shape: tuple[Dimension, ...]) -> Frame | None:
    """What images have to be for an input of a shape; None where it takes no images."""
    sizes = [size for size in shape if isinstance(size, int)]
    if len(sizes) < len(shape):
        return None
    if len(sizes) == 2:
        return Frame(sizes[0], sizes[1], 1, False, True)
    if len(sizes) == 3 and sizes[2] in MODES:
        return Frame(sizes[0], sizes[1], sizes[2], False, False)
    if len(sizes) == 3 and sizes[0] in MODES:
        return Frame(sizes[1], sizes[2], sizes[0], True, False)
    return None


def read(source: Any, wanted: Wanted) -> Samples:
    """The images of all folders in the order of the folders' names, then of their own."""
    pillow = package("PIL.Image", "Pillow", "images", f"`{source.path}`")
    place = wanted.path(source.path)
    frame = _frame(wanted.inputs[0].type.shape)
    if frame is None:
        what = f"the input `{wanted.inputs[0].name}` is {wanted.inputs[0].type}, which no image is "
        what += "resized to"
        help = "images are [height, width], or with 1, 3 or 4 channels as the last or first axis"
        raise damaged(source.path, what, help)
    try:
        classes = sorted(entry.name for entry in os.scandir(place) if _is_class(entry))
        files = {name: sorted(_images(os.path.join(place, name))) for name in classes}
    except OSError as error:
        raise cannot_open(source.path, error) from None
    if not classes:
        what = "there is no folder in it; the images of each class stand in one of its name"
        raise damaged(source.path, what)
    empty = next((name for name in classes if not files[name]), None)
    if empty is not None:
        endings = ", ".join(IMAGES)
        raise damaged(os.path.join(source.path, empty), f"there is no image in it ({endings})")
    every = [path for name in classes for path in files[name]]
    _look(pillow, every)
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(files[n]) for n in classes])
    images = ImageFiles(every, frame, source.interpolation, pillow)
    return Samples([images], [Held(labels)], tuple(classes))


def _is_class(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _images(folder: str) -> list[str]:
    """Every image of a folder and the folders in it."""
    found: list[str] = []
    for where, _, names in os.walk(folder):
        found += [os.path.join(where, name) for name in names if name.lower().endswith(IMAGES)]
    return found


def _look(pillow: Any, files: list[str]) -> None:
    """Open every file as far as its header, so that what is no image is known before training."""

    def look(path: str) -> str | None:
        try:
            with pillow.open(path) as image:
                _check_bits(image, path)
        except UsageError as error:
            return str(error)
        except Exception as error:  # Pillow's readers raise what they meet
            return f"cannot read `{path}`: {_why(error)}"
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, wrong in zip(files, pool.map(look, files, chunksize=64), strict=True):
            if wrong is not None:
                why = wrong.partition(": ")[2] or wrong
                raise damaged(path, why, "take it out of the folder")
