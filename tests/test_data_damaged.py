"""Files with bytes changed or cut off: they load, or are refused; nothing else may happen."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from training_data import IMAGES, SPARSE, drawn, every, idx_bytes, load

from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError

CASES = 60
TABLE = """model m {
    input x: float32[2]

    Dense(1)
}
"""


def npz(path: Path) -> None:
    images, labels = drawn(5)
    np.savez(path, x=images[:, ::4, ::4], y=labels)


def compressed(path: Path) -> None:
    images, labels = drawn(5)
    np.savez_compressed(path, x=images[:, ::4, ::4], y=labels)


def idx(path: Path) -> None:
    images, labels = drawn(5)
    path.mkdir()
    (path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images[:, ::4, ::4]))
    (path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))


def idx_gzip(path: Path) -> None:
    idx(path)
    for file in list(path.iterdir()):
        file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


def csv(path: Path) -> None:
    lines = [f"{row * 0.5},{row},{-row}" for row in range(9)]
    path.write_text("a,b,y\n" + "\n".join(lines) + "\n")


def parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    numbers = np.arange(9)
    table = pyarrow.table({"a": numbers * 0.5, "b": numbers, "y": -numbers})
    parquet.write_table(table, path)


def images(path: Path) -> None:
    from PIL import Image

    for kind, ending in (("a", "png"), ("b", "jpg")):
        (path / kind).mkdir(parents=True)
        Image.fromarray(drawn(1)[0][0]).save(path / kind / f"1.{ending}")


def tfrecord(path: Path) -> None:
    from test_data_sources import write_records

    pictures, labels = drawn(5)
    small = pictures[:, ::4, ::4]
    write_records(
        path,
        [
            {"x": ("bytes", [x.tobytes()]), "y": ("int", [int(y)])}
            for x, y in zip(small, labels, strict=True)
        ],
    )


FORMATS: dict[str, tuple[Callable[[Path], None], str]] = {
    "npz": (npz, 'source = npz("f")'),
    "compressed": (compressed, 'source = npz("f")'),
    "idx": (idx, 'source = idx("f")'),
    "idx_gzip": (idx_gzip, 'source = idx("f")'),
    "csv": (csv, 'source = csv("f")\ntarget = "y"'),
    "parquet": (parquet, 'source = parquet("f")\ntarget = "y"'),
    "images": (images, 'source = images("f")'),
    "tfrecord": (tfrecord, 'source = tfrecord("f")'),
}


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged(name: str, tmp_path: Path) -> None:
    write, entries = FORMATS[name]
    table = name in ("csv", "parquet")
    model = TABLE if table else IMAGES.replace("28", "7")
    loss = '"mse"' if table else SPARSE
    original = tmp_path / ("o.npz" if "npz" in name or name == "compressed" else "o")
    write(original)
    random = np.random.default_rng(0)
    place = tmp_path / "f"
    outcomes = {"loaded": 0, "refused": 0}
    for case in range(CASES):
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
        (shutil.copytree if original.is_dir() else shutil.copy)(original, place)
        files = sorted(file for file in [place, *place.rglob("*")] if file.is_file())
        file = files[random.integers(len(files))]
        content = bytearray(file.read_bytes())
        if case % 4 == 0:
            content = content[: random.integers(len(content))]
        else:
            for _ in range(1 + case % 3):
                content[random.integers(len(content))] = random.integers(256)
        file.write_bytes(content)
        try:
            every(load(tmp_path, entries, model, loss).train)
            outcomes["loaded"] += 1
        except (SpecError, UsageError):
            outcomes["refused"] += 1
    assert outcomes["refused"] > CASES // 10
