"""`keras_dataset(...)`: the data that Keras knows, by its own loaders and from its own cache."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from specc.objects.data import KerasDataset
from specc.training.columns import Held
from specc.training.dataset import Array
from specc.training.sources.base import Samples, Wanted, damaged
from specc.training.sources.idx import read_folder

_STORE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_FASHION = "datasets/fashion-mnist/"
FILES: dict[str, dict[str, str]] = {
    "boston_housing": {"datasets/boston_housing.npz": f"{_STORE}boston_housing.npz"},
    "california_housing": {"datasets/california_housing.npz": f"{_STORE}california_housing.npz"},
    "cifar10": {"datasets/cifar-10-batches-py-target_archive": f"{_TORONTO}cifar-10-python.tar.gz"},
    "cifar100": {"datasets/cifar-100-python-target_archive": f"{_TORONTO}cifar-100-python.tar.gz"},
    "fashion_mnist": {
        f"{_FASHION}{name}": f"{_STORE}{name}"
        for name in (
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        )
    },
    "imdb": {"datasets/imdb.npz": f"{_STORE}imdb.npz"},
    "mnist": {"datasets/mnist.npz": f"{_STORE}mnist.npz"},
    "reuters": {"datasets/reuters.npz": f"{_STORE}reuters.npz"},
}
"""Where below its home Keras looks for the files of a set, and where it gets them from. A test
compares them with what Keras asks for."""

CLASSES: dict[str, tuple[str, ...]] = {
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
    "fashion_mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
        "Bag", "Ankle boot",
    ),
    "imdb": ("negative", "positive"),
}  # fmt: skip
"""As the documentation of `keras.datasets` names them."""

SECONDS = 30.0
"""How long to wait for an answer of a server."""


def keras_home() -> str:
    """The folder of Keras's cache, found as Keras finds it when it is imported."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        user = os.path.expanduser("~")
        home = os.path.join(user if os.access(user, os.W_OK) else "/tmp", ".keras")
    home = os.path.expanduser(home)
    if os.path.exists(home) and not os.access(home, os.W_OK):  # `get_file` looks elsewhere then
        home = os.path.join("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return home


def read(source: Any, wanted: Wanted) -> Samples:  # noqa: ARG001
    """A set in its two parts, as Keras loads it."""
    name: str = source.name
    home = keras_home()
    missing = [file for file in FILES[name] if not os.path.exists(os.path.join(home, file))]
    if name == "fashion_mnist" and not missing:
        # Keras takes these four for what they should be, without a look at a header.
        read_folder(os.path.join(home, _FASHION), os.path.join(home, _FASHION))
    if missing:
        print(f"{name}: Keras looks for it on the network", file=sys.stderr)
    (x, y), (x_test, y_test) = _loaded(source, name, home, missing)
    classes = CLASSES.get(name) or source.classes
    sequences = name in ("imdb", "reuters")
    samples = Samples([_column(x)], [_column(y)], classes, sequences=sequences)
    samples.test = Samples([_column(x_test)], [_column(y_test)], classes, sequences=sequences)
    return samples


def _column(array: Array) -> Held:
    # Keras gives images with channels first where its configuration says so.
    return Held(np.moveaxis(array, 1, -1) if array.shape[1:] == (3, 32, 32) else array)


def _loaded(source: KerasDataset, name: str, home: str, missing: Sequence[str]) -> Any:
    """What the loader of a set gives.

    Raises:
        Unreadable: where it fails; the files that were there are there still.
    """
    from specc.backends.frameworks import import_keras
    from specc.backends.silence import Output, captured

    keras: Any = sys.modules.get("keras") or import_keras()
    loader = getattr(keras.datasets, name)
    arguments = {key: value for key, value in source.given.items() if key != "name"}
    said = Output()
    files = [os.path.join(home, file) for file in FILES[name]]
    try:
        with _kept(files), _patience(), captured(said):
            return loader.load_data(**arguments)
    except Exception as error:  # a loader raises what it meets, plain `Exception` too
        file = files[0]
        if missing:
            file = os.path.join(home, missing[0])
            what = "it is not in Keras's cache, and cannot be downloaded"
        elif "does not match" in said.text:
            what = "it is not the file that Keras knows: the checksum is another"
        else:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            what = f"Keras says: {why}"
        raise damaged(file, what, _help(), _places(name, home)) from None


def _help() -> str:
    text = "get the files on a machine with a network, and put them there"
    return text if os.environ.get("KERAS_HOME") else f"{text}, or where KERAS_HOME says"


def _places(name: str, home: str) -> list[str]:
    """Where the files of a set are to be had, and where they go."""
    return [f"{origin} goes to {os.path.join(home, file)}" for file, origin in FILES[name].items()]


@contextmanager
def _kept(files: Sequence[str]) -> Generator[None]:
    """Keep files: where a checksum is wrong and no network is there, Keras deletes them.

    What it downloads it writes over them; then they are another file, and no other is wanted.
    """
    second: dict[str, str] = {}
    for file in files:
        if os.path.isfile(file):
            copy = f"{file}.{os.getpid()}.kept"
            try:
                os.link(file, copy)
            except OSError:
                shutil.copy2(file, copy)
            second[file] = copy
    try:
        yield
    finally:
        for file, copy in second.items():
            if os.path.exists(file):
                os.unlink(copy)
            else:
                os.replace(copy, file)


@contextmanager
def _patience() -> Generator[None]:
    """Without waiting for ever where a network swallows what is sent."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
