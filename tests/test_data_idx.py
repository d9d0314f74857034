"""IDX files of the true format, sound and broken, by themselves and from Keras's cache."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Golden
from training_data import every, idx_bytes, load, mistake, program, shown, write_mnist

from specc.cli.main import main
from specc.training.sources import keras_sets
from specc.training.sources.idx import read_idx

SEED = 'source = idx("files")\nscale = 1 / 255\nvalidation = first(10)'


@pytest.mark.parametrize("squeezed", [True, False], ids=["gzip", "plain"])
def test_folder(tmp_path: Path, squeezed: bool) -> None:
    parts = write_mnist(tmp_path / "files", squeezed=squeezed)
    found = load(tmp_path, SEED)
    assert found.validation is not None
    assert found.test is not None
    assert (len(found.validation), len(found.train), len(found.test)) == (10, 50, 20)
    images, labels = parts["train"]
    for part, rows in ((found.validation, slice(0, 10)), (found.train, slice(10, None))):
        (x,), (y,) = every(part)
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, images[rows] / np.float32(255))
        np.testing.assert_array_equal(y, labels[rows])
    (x,), (y,) = every(found.test)
    np.testing.assert_array_equal(x, parts["t10k"][0] / np.float32(255))
    np.testing.assert_array_equal(y, parts["t10k"][1])


def test_two_files_with_a_dot(tmp_path: Path) -> None:
    images, labels = write_mnist(tmp_path / "files", squeezed=False)["train"]
    (tmp_path / "files" / "train-images-idx3-ubyte").rename(tmp_path / "x.idx3-ubyte")
    (tmp_path / "files" / "train-labels-idx1-ubyte").rename(tmp_path / "y.idx1-ubyte")
    found = load(tmp_path, 'source = idx("x.idx3-ubyte", "y.idx1-ubyte")')
    (x,), (y,) = every(found.train)
    np.testing.assert_array_equal(x, images)
    np.testing.assert_array_equal(y, labels)
    assert found.test is None


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("squeezed", [True, False], ids=["gzip", "plain"])
def test_every_type_of_number(tmp_path: Path, dtype: str, squeezed: bool) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(idx_bytes(array)) if squeezed else idx_bytes(array))
    found = read_idx(str(path), "x", 3, "images")
    np.testing.assert_array_equal(found, array)


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
X = np.zeros((60, 28, 28), np.uint8)
Y = np.zeros(60, np.uint8)
WHOLE = idx_bytes(X)
BROKEN: dict[str, tuple[str, bytes]] = {
    "not_compressed_to_the_end": (IMAGES, gzip.compress(WHOLE, mtime=0)[:-40]),
    "cut_before_it_was_compressed": (IMAGES, gzip.compress(WHOLE[:-100], mtime=0)),
    "bytes_behind": (IMAGES, gzip.compress(WHOLE + b"abc", mtime=0)),
    "labels_for_images": (IMAGES, gzip.compress(idx_bytes(Y), mtime=0)),
    "images_for_labels": (LABELS, gzip.compress(WHOLE, mtime=0)),
    "wrong_magic": (IMAGES, gzip.compress(b"PK\3\4" + WHOLE[4:], mtime=0)),
    "little_endian_magic": (IMAGES, gzip.compress(b"\3\x08\0\0" + WHOLE[4:], mtime=0)),
    "unknown_type": (IMAGES, gzip.compress(idx_bytes(X, magic=0x00000A03), mtime=0)),
    "fewer_labels": (LABELS, gzip.compress(idx_bytes(Y[:59]), mtime=0)),
    "no_header": (IMAGES, gzip.compress(b"\0\0", mtime=0)),
    "sizes_cut": (IMAGES, gzip.compress(WHOLE[:9], mtime=0)),
    "absurd_sizes": (IMAGES, gzip.compress(idx_bytes(X, sizes=(2**32 - 1,) * 3), mtime=0)),
    "checksum": (IMAGES, gzip.compress(WHOLE, mtime=0)[:-8] + b"\0" * 8),
    "deflate": (IMAGES, gzip.compress(WHOLE, mtime=0)[:10] + b"\xff" * 50),
    "plain_cut": (IMAGES, WHOLE[:1000]),
    "plain_longer": (IMAGES, WHOLE + b"\0"),
    "empty": (IMAGES, b""),
    "label_of_no_class": (LABELS, gzip.compress(idx_bytes(np.full(60, 10, "u1")), mtime=0)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file(tmp_path: Path, case: str, golden: Golden) -> None:
    """The message names the file and the byte."""
    name, content = BROKEN[case]
    write_mnist(tmp_path / "files")
    (tmp_path / "files" / name).write_bytes(content)
    found = mistake(tmp_path, SEED)
    assert name in found.message or found.code == "E0711"
    assert found.primary.span.text.startswith("source")
    golden(f"data/idx_{case}.txt", shown(tmp_path, [found]))


def test_missing_files(tmp_path: Path) -> None:
    assert "there is no such folder" in mistake(tmp_path, SEED).message
    write_mnist(tmp_path / "files")
    (tmp_path / "files" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "t10k-labels-idx1-ubyte.gz`: there is no such file" in mistake(tmp_path, SEED).message
    (tmp_path / "files" / IMAGES).unlink()
    (tmp_path / "files" / LABELS).unlink()
    assert "there is no `train-images-idx3-ubyte.gz`" in mistake(tmp_path, SEED).message
    (tmp_path / "file").write_bytes(b"")
    found = mistake(tmp_path, 'source = idx("file")')
    assert "it is no folder" in found.message


# ------------------------------------------------------------------------ keras_dataset

FASHION = 'source = keras_dataset("fashion_mnist")\nscale = 1 / 255\nvalidation = first(10)'


@pytest.fixture
def home(tmp_path: Path, keras_backend: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's home in this process, which Keras found when it was imported."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(folder))
    monkeypatch.setattr(keras_backend.src.backend.config, "_KERAS_DIR", str(folder))
    # What no test asks for it is not to ask of a network either.
    monkeypatch.setattr(keras_backend.src.utils.file_utils, "urlretrieve", _no_network)
    return folder


def _no_network(*_: object) -> None:
    raise OSError("no network")


def test_fashion_mnist_from_the_cache(tmp_path: Path, home: Path, keras_backend: Any) -> None:
    write_mnist(home / "datasets" / "fashion-mnist")
    found = load(tmp_path, FASHION)
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (50, 20)
    assert isinstance(found.classes, tuple)
    assert found.classes[9] == "Ankle boot"
    (x, y), (x_test, y_test) = keras_backend.datasets.fashion_mnist.load_data()
    (images,), (labels,) = every(found.train)
    np.testing.assert_array_equal(images, x[10:] / np.float32(255))
    np.testing.assert_array_equal(labels, y[10:])
    (images,), (labels,) = every(found.test)
    np.testing.assert_array_equal(images, x_test / np.float32(255))
    np.testing.assert_array_equal(labels, y_test)


def test_training_on_all_three_is_the_same(tmp_path: Path, home: Path) -> None:
    """`specc train` on IDX files, on the same in Keras's cache and on arrays: the same weights."""
    write_mnist(tmp_path / "files")
    parts = write_mnist(home / "datasets" / "fashion-mnist")
    (x, y), (x_test, y_test) = parts["train"], parts["t10k"]
    np.savez(tmp_path / "a.npz", x=np.concatenate([x, x_test]), y=np.concatenate([y, y_test]))
    results: list[dict[str, Any]] = []
    weights: list[bytes] = []
    for source in (
        'idx("files")',
        'keras_dataset("fashion_mnist")',
        'npz("a.npz")\ntest = last(20)',
    ):
        program(tmp_path, f"source = {source}\nscale = 1 / 255\nvalidation = first(10)")
        out = tmp_path / f"out{len(results)}"
        assert main(["train", str(tmp_path / "m.spec"), "--epochs", "2", "-o", str(out)]) == 0
        results.append(json.loads((out / "m.history.json").read_text("utf-8")))
        with zipfile.ZipFile(out / "m.keras") as file:
            weights.append(file.read("model.weights.h5"))
    first, *others = ({key: found[key] for key in ("history", "metrics")} for found in results)
    assert len(first["history"]) == 2
    assert all(found == first for found in others)
    arrays_of = [h5_arrays(content) for content in weights]
    assert arrays_of[0].keys() == arrays_of[1].keys() == arrays_of[2].keys() != set()
    for name, array in arrays_of[0].items():
        assert array == arrays_of[1][name] == arrays_of[2][name], name


def h5_arrays(content: bytes) -> dict[str, bytes]:
    import h5py

    found: dict[str, bytes] = {}
    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: np.asarray(item).tobytes()})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def test_broken_file_of_the_cache(tmp_path: Path, home: Path) -> None:
    """Keras looks at no header: it would take labels for images."""
    folder = home / "datasets" / "fashion-mnist"
    write_mnist(folder)
    (folder / LABELS).write_bytes(gzip.compress(WHOLE))
    found = mistake(tmp_path, FASHION)
    assert f"{LABELS}`: byte 3: it has 3 axes" in found.message


@pytest.mark.usefixtures("home")
def test_no_network_and_no_file(tmp_path: Path, golden: Golden) -> None:
    found = mistake(tmp_path, FASHION)
    golden("data/no_network.txt", shown(tmp_path, [found]))


def test_a_file_of_another_checksum_stays(tmp_path: Path, home: Path) -> None:
    """Keras would delete it when it cannot get another."""
    path = home / "datasets" / "mnist.npz"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    found = mistake(tmp_path, 'source = keras_dataset("mnist")')
    assert "mnist.npz`: it is not the file that Keras knows: the checksum" in found.message
    assert path.read_bytes() == b"mine"
    assert [one.name for one in path.parent.iterdir()] == ["mnist.npz"]


@pytest.mark.parametrize("name", keras_sets.FILES)
def test_files_are_those_that_keras_asks_for(
    name: str, home: Path, keras_backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, str] = {}

    def retrieve(origin: str, target: str, *_: object) -> None:
        asked[os.path.relpath(target, home)] = origin
        if name != "fashion_mnist":
            raise OSError("no network")
        Path(target).write_bytes(gzip.compress(idx_bytes(Y if "labels" in target else X)))

    monkeypatch.setattr(keras_backend.src.utils.file_utils, "urlretrieve", retrieve)
    loader = getattr(keras_backend.datasets, name)
    if name == "fashion_mnist":
        loader.load_data()
    else:
        with pytest.raises(OSError, match="no network"):
            loader.load_data()
    assert asked == keras_sets.FILES[name]
    assert str(home) == keras_sets.keras_home()


def test_imdb_is_padded_as_keras_pads(
    tmp_path: Path, home: Path, keras_backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file as IMDB's is: lists of words. Its checksum is another, so that is not looked at."""
    random = np.random.default_rng(0)
    lists = [list(map(int, random.integers(1, 50, n))) for n in random.integers(2, 30, 40)]
    words = np.array(lists, dtype=object)
    labels = random.integers(0, 2, 40)
    path = home / "datasets" / "imdb.npz"
    path.parent.mkdir()
    np.savez(path, x_train=words, y_train=labels, x_test=words, y_test=labels)
    monkeypatch.setattr(keras_backend.src.utils.file_utils, "validate_file", lambda *_, **__: True)
    model = """model m {
    input words: int32[12]

    Embedding(60, 8)
    Flatten
    Dense(1, activation="sigmoid")
}
"""
    source = 'source = keras_dataset("imdb", num_words=40)'
    (x, y), _ = keras_backend.datasets.imdb.load_data(num_words=40)
    for entries, arguments in (
        ("", {}),
        ('padding = "post"\ntruncating = "post"', {"padding": "post", "truncating": "post"}),
    ):
        found = load(tmp_path, f"{source}\n{entries}", model, '"binary_crossentropy"')
        (mine,), (targets,) = every(found.train)
        theirs = keras_backend.utils.pad_sequences(x, 12, **arguments)
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(targets, y.reshape(-1, 1))
    open_axis = model.replace("[12]", "[time]").replace("Flatten", "GlobalAveragePooling1D")
    found = load(tmp_path, source, open_axis, '"binary_crossentropy"')
    (mine,), _ = every(found.train)
    np.testing.assert_array_equal(mine, keras_backend.utils.pad_sequences(x))


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_reading_takes_no_more_memory_than_the_images(tmp_path: Path) -> None:
    """The files of Fashion MNIST's size: 47 MB of images, kept as bytes."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60_000, 28, 28), np.uint8)
    labels = random.integers(0, 10, 60_000).astype(np.uint8)
    (tmp_path / IMAGES).write_bytes(gzip.compress(idx_bytes(images), 1))
    (tmp_path / LABELS).write_bytes(gzip.compress(idx_bytes(labels), 1))
    statements = f"""
import specc, numpy
from specc.training import load
program = specc.compile_text('''
data d {{
    source = idx({str(tmp_path)!r})
    scale = 1 / 255
    validation = first(5_000)
}}
model m {{
    input image: float32[28, 28]
    Flatten
    Dense(10, activation="softmax")
}}
''')
import specc.training.inputs, specc.training.sources.idx
def peak():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
before = peak()
dataset = load.load_dataset(program, program.model())
for batch in load.batches(dataset.train, 32, seed=0, epoch=0):
    assert batch.inputs[0].dtype == numpy.float32
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", statements], capture_output=True, text=True, check=True
    )
    held = images.nbytes / 1024
    # Of the first 5,000 the floats are 15.7 MB, less than are kept as bytes: see `columns.SMALL`.
    assert held < int(done.stdout) < held + 40_000
