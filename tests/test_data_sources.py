"""npz, csv, parquet, images, tfrecord, digits: against numpy, scikit-learn, pyarrow, Keras and
TensorFlow, and each file that is not what it should be."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Golden
from training_data import IMAGES, drawn, every, load, mistake, mistakes, program, shown

TABLE = """model m {
    input x: float32[3]

    Dense(1)
}
"""
THREE = """model m {
    input x: float32[3]

    Dense(3, activation="softmax")
}
"""
MSE = '"mse"'


# ------------------------------------------------------------------------------- digits


def test_digits_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    model = IMAGES.replace("28", "8")
    found = load(tmp_path, "source = digits()\nscale = 1 / 16", model)
    (x,), (y,) = every(found.train)
    theirs = load_digits()
    np.testing.assert_array_equal(x, theirs.images.astype("float32") / 16)
    np.testing.assert_array_equal(y, theirs.target)
    assert found.classes == 10


# ---------------------------------------------------------------------------------- npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(tmp_path: Path, save: Any, order: Any) -> None:
    images, labels = drawn(50)
    save(tmp_path / "a.npz", a=np.ones(7), x=np.asarray(images, order=order), y=labels)
    found = load(tmp_path, 'source = npz("a.npz")\nscale = 0.5\nvalidation = last(0.2)')
    (x,), (y,) = every(found.train)
    np.testing.assert_array_equal(x, images[:40] * np.float32(0.5))
    np.testing.assert_array_equal(y, labels[:40])
    (x,), (y,) = every(found.validation)
    np.testing.assert_array_equal(x, images[40:] * np.float32(0.5))
    np.testing.assert_array_equal(y, labels[40:])


def test_npz_of_other_names_and_big_endian(tmp_path: Path) -> None:
    images, labels = drawn(50)
    arrays = {"images": images.astype(">f8"), "labels": labels.astype(">i8")}
    np.savez(tmp_path / "a.npz", **arrays)
    found = load(tmp_path, 'source = npz("a.npz", x="images", y="labels")')
    (x,), (y,) = every(found.train)
    np.testing.assert_array_equal(x, images)
    np.testing.assert_array_equal(y, labels)


def test_npz_stays_in_its_file(tmp_path: Path) -> None:
    images = np.zeros((4_000, 28, 28), np.uint8)
    np.savez(tmp_path / "a.npz", x=images.astype("f4"), y=np.zeros(4_000, "u1"))
    (column,) = load(tmp_path, 'source = npz("a.npz")').train.inputs
    base: Any = column
    base = base.array
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_npz_of_several_inputs_and_outputs(tmp_path: Path) -> None:
    model = """model m {
    input wide: float32[5]
    input deep: float32[6]

    hidden = deep -> Dense(3)
    main = [wide, hidden] -> Concatenate -> Dense(1, name="main")
    aux = hidden -> Dense(1, name="aux")

    output main, aux
}
"""
    random = np.random.default_rng(0)
    arrays = {
        "deep": random.normal(size=(9, 6)),
        "wide": random.normal(size=(9, 5)),
        "main": random.normal(size=9),
        "aux": random.normal(size=(9, 1)),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    losses = '["mse", "mse"]'
    named = load(tmp_path, 'source = npz("a.npz")', model, losses)
    lists = 'source = npz("a.npz", x=["wide", "deep"], y=["main", "aux"])'
    for found in (named, load(tmp_path, lists, model, losses)):
        (wide, deep), (main, aux) = every(found.train)
        np.testing.assert_array_equal(wide, arrays["wide"].astype("float32"))
        np.testing.assert_array_equal(deep, arrays["deep"].astype("float32"))
        np.testing.assert_array_equal(main, arrays["main"].astype("float32").reshape(9, 1))
        np.testing.assert_array_equal(aux, arrays["aux"].astype("float32"))
    found = mistakes(tmp_path, 'source = npz("a.npz", x="deep")', model, losses)
    assert [one.code for one in found] == ["E0706"]


NPZ_BROKEN = ["missing", "text", "cut", "bit", "no_array", "objects", "number", "lengths"]


@pytest.mark.parametrize("case", NPZ_BROKEN)
def test_broken_npz(tmp_path: Path, case: str, golden: Golden) -> None:
    images, labels = drawn(20)
    path = tmp_path / "a.npz"
    np.savez(path, x=images, y=labels)
    if case == "missing":
        path.unlink()
    elif case == "text":
        path.write_text("hello")
    elif case == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif case == "bit":
        content = bytearray(path.read_bytes())
        content[9_000] ^= 1
        path.write_bytes(content)
    elif case == "no_array":
        np.savez(path, x=images, labels=labels, Y=labels)
    elif case == "objects":
        np.savez(path, x=np.array([{}, 1], object), y=labels)
    elif case == "number":
        np.savez(path, x=images, y=np.array(3))
    else:
        np.savez(path, x=images, y=labels[:-1])
    found = mistake(tmp_path, 'source = npz("a.npz")')
    golden(f"data/npz_{case}.txt", shown(tmp_path, [found]))


# ------------------------------------------------------------------------------- tables


def write_table(path: Path, count: int = 30, header: bool = True) -> dict[str, Any]:
    """A table of numbers, whole numbers, and a class, as csv writes it."""
    random = np.random.default_rng(0)
    table = {
        "a": random.normal(size=count),
        "kind": random.choice(["cat", "dog", "cow"], count),
        "b": random.integers(-5, 5, count),
        "c": random.normal(size=count) * 1e-9,
        "price": random.normal(size=count),
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(table)
        writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return table


def test_csv_by_column(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", 10_000)
    entries = 'source = csv("t.csv")\nfeatures = ["c", "a", "b"]\ntarget = "price"'
    found = load(tmp_path, entries, TABLE, MSE)
    (x,), (y,) = every(found.train)
    expected = np.stack([table[name] for name in "cab"], axis=1).astype("float32")
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y, table["price"].astype("float32").reshape(-1, 1))


def test_csv_with_names_of_classes(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv")
    entries = 'source = csv("t.csv")\nfeatures = ["a", "b", "c"]\ntarget = "kind"'
    found = load(tmp_path, entries, THREE)
    _, (y,) = every(found.train)
    assert found.classes == ("cat", "cow", "dog")
    assert [found.classes[label] for label in y] == table["kind"].tolist()
    found = load(tmp_path, f'{entries}\nclasses = ["dog", "cow", "cat"]', THREE)
    _, (y,) = every(found.train)
    assert found.classes == ("dog", "cow", "cat")
    assert [found.classes[label] for label in y] == table["kind"].tolist()
    wrong = mistake(tmp_path, f'{entries}\nclasses = ["dog", "cow", "bird"]', THREE)
    assert wrong.code == "E0715"
    one_hot = load(tmp_path, f"{entries}\none_hot = True", THREE, '"categorical_crossentropy"')
    _, (vectors,) = every(one_hot.train)
    np.testing.assert_array_equal(vectors, np.eye(3, dtype="float32")[vectors.argmax(axis=1)])
    assert [("cat", "cow", "dog")[i] for i in vectors.argmax(axis=1)] == table["kind"].tolist()


def test_csv_without_header_and_with_another_separator(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", header=False)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8").replace(",", ";")
    (tmp_path / "t.csv").write_text("\ufeff" + text, encoding="utf-8")
    entries = 'source = csv("t.csv", separator=";", header=False)'
    entries += '\nfeatures = ["0", "2", "3"]\ntarget = "4"'
    (x,), (y,) = every(load(tmp_path, entries, TABLE, MSE).train)
    np.testing.assert_array_equal(x[:, 1], table["b"])
    np.testing.assert_array_equal(y[:, 0], table["price"].astype("float32"))


def test_csv_for_several_inputs_and_targets(tmp_path: Path) -> None:
    model = """model m {
    input a: float32[2]
    input b: int32[1]

    y = b -> Embedding(10, 2) -> Flatten
    [a, y] -> Concatenate -> Dense(2)
}
"""
    table = write_table(tmp_path / "t.csv")
    table["b"] += 5
    rows = zip(table["a"], table["c"], table["b"], table["price"], strict=True)
    lines = [",".join(map(str, row)) for row in rows]
    (tmp_path / "t.csv").write_text("a,c,b,price\n" + "\n".join(lines) + "\n\n")
    entries = 'source = csv("t.csv")\nfeatures = [["a", "c"], "b"]\ntarget = ["price", "a"]'
    (a, b), (y,) = every(load(tmp_path, entries, model, MSE).train)
    np.testing.assert_array_equal(a, np.stack([table["a"], table["c"]], 1).astype("float32"))
    np.testing.assert_array_equal(b, table["b"].reshape(-1, 1))
    assert b.dtype == np.int32
    np.testing.assert_array_equal(y, np.stack([table["price"], table["a"]], 1).astype("float32"))
    flat = mistake(tmp_path, entries.replace('[["a", "c"], "b"]', '["a", "b", "c"]'), model, MSE)
    assert flat.code == "E0706"
    assert flat.primary.span.text.startswith("features")
    none = mistake(tmp_path, 'source = csv("t.csv")\ntarget = "price"', model, MSE)
    assert none.code == "E0721"


CSV_BROKEN = {
    "missing_value": "a,b,c,price\n1,2,3,4\n1,,3,4\n",
    "nan": "a,b,c,price\n1,2,3,4\n\n1,2,NaN,4\n",
    "word": "a,b,c,price\n1,2,3,4\n1,two,3,4\n",
    "underscore": "a,b,c,price\n1,2,3,4\n1_0,2,3,4\n",
    "late_word": "a,b,c,price\n" + "1,2,3,4\n" * 5000 + "1,2,3,x\n",
    "too_few": "a,b,c,price\n1,2,3\n",
    "other_separator": "a;b;c;price\n1;2;3;4\n",
    "empty": "",
    "no_rows": "a,b,c,price\n",
    "twice": "a,b,a,price\n1,2,3,4\n",
    "no_such_column": "a,b,c,Price\n1,2,3,4\n",
    "too_many_features": "a,b,c,d,price\n1,2,3,4,5\n",
    "quote": 'a,b,c,price\n1,2,"3,4\n',
    "too_large": "a,b,c,price\n1,2,1e300,4\n",
}


@pytest.mark.parametrize("case", CSV_BROKEN)
def test_broken_csv(tmp_path: Path, case: str, golden: Golden) -> None:
    (tmp_path / "t.csv").write_text(CSV_BROKEN[case])
    found = mistakes(tmp_path, 'source = csv("t.csv")\ntarget = "price"', TABLE, MSE)
    golden(f"data/csv_{case}.txt", shown(tmp_path, found))


def test_csv_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b,c,price\n1,2,3,\xff\n")
    found = mistake(tmp_path, 'source = csv("t.csv")\ntarget = "price"', TABLE, MSE)
    assert "no UTF-8 text" in found.message
    assert mistake(tmp_path, 'source = csv("t.csv")', TABLE, MSE).code in ("E0721", "E0703")


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = write_table(tmp_path / "t.csv", 5_000)
    columns = dict(table)
    columns["kind"] = arrow.array(table["kind"].tolist()).dictionary_encode()
    columns["b"] = table["b"].astype("int8")
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet", row_group_size=700)
    source = 'source = parquet("t.parquet")\nfeatures = ["a", "b", "c"]'
    (x,), (y,) = every(load(tmp_path, f'{source}\ntarget = "price"', TABLE, MSE).train)
    expected = np.stack([table[name] for name in "abc"], axis=1).astype("float32")
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(y[:, 0], table["price"].astype("float32"))
    found = load(tmp_path, f'{source}\ntarget = "kind"', THREE)
    _, (y,) = every(found.train)
    assert isinstance(found.classes, tuple)
    assert [found.classes[label] for label in y] == table["kind"].tolist()


def test_broken_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    entries = 'source = parquet("t.parquet")\ntarget = "y"'
    path = tmp_path / "t.parquet"
    assert "there is no such file" in mistake(tmp_path, entries, TABLE, MSE).message
    path.write_bytes(b"PAR1 and nothing more")
    assert mistake(tmp_path, entries, TABLE, MSE).code == "E0703"
    good: dict[str, Any] = {"a": [1.0, 2.0, 3.0], "b": [1, 2, 3], "c": [1, 2, 3], "y": [1, 2, 3]}
    for column, values, expected in (
        ("b", [1, None, 3], "line 2, column `b`: a value is missing"),
        ("b", ["1", "2", "3"], "line 1, column `b`: `1`"),
        ("c", [[1], [2], [3]], "the column `c` holds list"),
        ("a", [1.0, float("nan"), 3.0], "sample 1 for `x` holds nan"),
        ("y", [1.0, 2.0, float("inf")], "sample 2 for `dense` holds inf"),
    ):
        parquet.write_table(arrow.table({**good, column: values}), path)
        assert expected in mistake(tmp_path, entries, TABLE, MSE).message


# ------------------------------------------------------------------------------- images


def write_images(folder: Path) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for kind, (mode, size) in {"b": ("RGB", (40, 30)), "a": ("L", (20, 50))}.items():
        (folder / kind).mkdir(parents=True)
        for number in range(3):
            shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
            image = Image.fromarray(random.integers(0, 256, shape, np.uint8))
            image.save(folder / kind / f"{number}.png")
    (folder / "b" / "notes.txt").write_text("no image")


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("shape", ["32, 24, 3", "3, 32, 24", "32, 24", "32, 24, 1"])
def test_images_are_as_keras_loads_them(
    tmp_path: Path, keras_backend: Any, interpolation: str, shape: str
) -> None:
    write_images(tmp_path / "pets")
    model = f"""model m {{
    input image: float32[{shape}]

    Flatten
    Dense(2, activation="softmax")
}}
"""
    source = f'source = images("pets", interpolation="{interpolation}")\nscale = 1 / 255'
    found = load(tmp_path, source, model)
    assert found.classes == ("a", "b")
    (x,), (y,) = every(found.train)
    np.testing.assert_array_equal(y, [0, 0, 0, 1, 1, 1])
    utils = keras_backend.utils
    for index, path in enumerate(sorted((tmp_path / "pets").glob("*/*.png"))):
        image = utils.load_img(
            path,
            color_mode="rgb" if "3," in shape[:2] or ", 3" in shape[-3:] else "grayscale",
            target_size=(32, 24),
            interpolation=interpolation,
        )
        theirs = utils.img_to_array(image, data_format="channels_last") / np.float32(255)
        if shape.startswith("3, "):
            theirs = np.moveaxis(theirs, -1, 0)
        np.testing.assert_array_equal(x[index], theirs.reshape(x[index].shape))


def test_broken_images(tmp_path: Path) -> None:
    model = IMAGES.replace("10", "2")
    source = 'source = images("pets")'
    assert "there is no such file" in mistake(tmp_path, source, model).message
    (tmp_path / "pets").mkdir()
    assert "there is no folder in it" in mistake(tmp_path, source, model).message
    (tmp_path / "pets" / "cat").mkdir()
    assert "there is no image in it" in mistake(tmp_path, source, model).message
    (tmp_path / "pets" / "cat" / "1.png").write_text("no image")
    found = mistake(tmp_path, source, model)
    assert "1.png`: it is no image" in found.message
    flat = """model m {
    input x: float32[784]

    Dense(2, activation="softmax")
}
"""
    assert "which no image is resized to" in mistake(tmp_path, source, flat).message


# ----------------------------------------------------------------------------- tfrecord


def write_records(path: Path, features: list[dict[str, Any]], compression: str = "") -> None:
    import tensorflow as tf

    kinds = {
        "bytes": lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=v)),
        "float": lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v)),
        "int": lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v)),
    }
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for one in features:
            feature = {name: kinds[kind](values) for name, (kind, values) in one.items()}
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


@pytest.mark.usefixtures("keras_backend")
def test_tfrecord(tmp_path: Path) -> None:
    import tensorflow as tf

    images, labels = drawn(3_000)

    def records(image: Any) -> list[dict[str, Any]]:
        return [
            {"x": image(x), "y": ("int", [int(y)])} for x, y in zip(images, labels, strict=True)
        ]

    raw = records(lambda x: ("bytes", [x.tobytes()]))
    floats = [
        {"x": ("float", r.ravel()), "y": ("int", [int(y)])}
        for r, y in zip(images[:100], labels[:100], strict=True)
    ]
    png = [
        {"x": ("bytes", [tf.io.encode_png(x[..., None]).numpy()]), "y": ("int", [int(y)])}
        for x, y in zip(images[:100], labels[:100], strict=True)
    ]
    write_records(tmp_path / "raw-0.tfrecord", raw[:1_500], "GZIP")
    write_records(tmp_path / "raw-1.tfrecord", raw[1_500:], "GZIP")
    write_records(tmp_path / "floats.tfrecord", floats)
    write_records(tmp_path / "png.tfrecord", png)
    for source, count in (
        ('tfrecord("raw-*.tfrecord", compression="GZIP")', 3_000),
        ('tfrecord("floats.tfrecord")', 100),
        ('tfrecord("png.tfrecord", bytes="image")', 100),
    ):
        (x,), (y,) = every(load(tmp_path, f"source = {source}").train)
        np.testing.assert_array_equal(x, images[:count])
        np.testing.assert_array_equal(y, labels[:count])


@pytest.mark.usefixtures("keras_backend")
def test_broken_tfrecord(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    source = 'source = tfrecord("a.tfrecord")'
    assert "there is no such file" in mistake(tmp_path, source).message
    path.write_bytes(b"nothing of the kind, and long enough for a header")
    assert "behind record 0: corrupted record" in mistake(tmp_path, source).message
    path.write_bytes(b"")
    assert "there is no record" in mistake(tmp_path, source).message
    good = {"x": ("float", [0.0] * 784), "y": ("int", [1])}
    write_records(path, [good, good])
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated record" in mistake(tmp_path, source).message
    write_records(path, [good, {**good, "x": ("float", [0.0] * 783)}])
    assert "record 1 has another number of values for `x`" in mistake(tmp_path, source).message
    write_records(path, [good])
    found = mistake(tmp_path, 'source = tfrecord("a.tfrecord", y="label")')
    assert (found.code, found.notes) == ("E0704", ["it has `x`, `y`"])
    write_records(path, [{**good, "x": ("bytes", [b"\0" * 783])}])
    assert mistake(tmp_path, source).code == "E0707"
    write_records(path, [{**good, "x": ("bytes", [b"\0" * 784])}, {**good, "x": ("bytes", [b""])}])
    assert "[0, 784] bytes a record" in mistake(tmp_path, source).message
    write_records(path, [{**good, "x": ("bytes", [b"no image"])}])
    found = mistake(tmp_path, 'source = tfrecord("a.tfrecord", bytes="image")')
    assert found.code == "E0703"


# -------------------------------------------------------------------------------- paths


def test_paths_start_from_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = drawn(20)
    (tmp_path / "specs").mkdir()
    np.savez(tmp_path / "a.npz", x=images, y=labels)
    monkeypatch.chdir(tmp_path.parent)
    assert len(load(tmp_path / "specs", 'source = npz("../a.npz")').train) == 20
    absolute = str(tmp_path / "a.npz").replace("\\", "\\\\")
    assert len(load(tmp_path / "specs", f'source = npz("{absolute}")').train) == 20
    assert program(tmp_path, 'source = npz("nowhere.npz")').models  # `check` reads no data
