"""How samples are parted and put into batches, and `specc data`, which shows it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY, Golden
from hypothesis import given
from hypothesis import strategies as st
from training_data import IMAGES, drawn, every, load

import specc
from specc.cli.main import main
from specc.objects.data import First, Last, Random, Stratified
from specc.training.columns import Held, Padded
from specc.training.dataset import Part
from specc.training.load import batches, load_dataset
from specc.training.sources.base import Unreadable
from specc.training.splits import Parted, parted

SPLITS = st.sampled_from([First, Last, Random, Stratified])
SIZES = st.one_of(st.integers(1, 200), st.floats(0.001, 0.999))


def indices(parts: Parted, count: int) -> tuple[Any, Any]:
    taken, rest = (np.arange(count)[rows] for rows in parts)
    return taken, rest


def two(kind: Any, size: float, labels: Any, seed: int) -> tuple[Any, Any] | None:
    """The samples of both parts; None where there would be none in one."""
    try:
        return indices(parted(kind(size=size), len(labels), "a part", labels, seed), len(labels))
    except Unreadable:
        return None


@given(SPLITS, SIZES, st.lists(st.integers(0, 4), min_size=2, max_size=200), st.integers(0, 99))
def test_parts_are_disjoint_complete_and_in_order(
    kind: Any, size: float, classes: list[int], seed: int
) -> None:
    labels = np.array(classes)
    found = two(kind, size, labels, seed)
    number = size if isinstance(size, int) else round(size * len(labels))
    lone = kind is Stratified and np.unique(labels, return_counts=True)[1].min() < 2
    if not 1 <= number < len(labels) or lone:
        assert found is None
        return
    assert found is not None
    taken, rest = found
    assert len(taken) == number
    assert sorted([*taken, *rest]) == list(range(len(labels)))
    assert (np.diff(taken) > 0).all()
    assert (np.diff(rest) > 0).all()
    again = two(kind, size, labels, seed)
    assert again is not None
    np.testing.assert_array_equal(again[0], taken)
    if kind is First:
        assert taken[-1] < rest[0]
    if kind is Last:
        assert rest[-1] < taken[0]
    if kind is Stratified:  # each class has its share, to less than one sample
        share = np.bincount(labels[taken], minlength=5)
        exact = np.bincount(labels, minlength=5) * (number / len(labels))
        assert (np.abs(share - exact) < 1).all()


def test_stratified_is_as_even_as_scikit_learns() -> None:
    from sklearn.model_selection import train_test_split

    labels = np.random.default_rng(0).choice(4, 997, p=[0.7, 0.2, 0.07, 0.03])
    found = two(Stratified, 200, labels, 3)
    assert found is not None
    _, theirs = train_test_split(labels, test_size=200, stratify=labels, random_state=0)
    np.testing.assert_array_equal(
        np.bincount(labels[found[0]]), np.bincount(theirs), "the same shares"
    )


@pytest.mark.parametrize("kind", [Random, Stratified])
def test_seeds(kind: Any) -> None:
    labels = np.arange(300) % 3
    of_data = [two(kind, 90, labels, seed) for seed in (0, 1)]
    assert of_data[0] is not None
    assert of_data[1] is not None
    assert (of_data[0][0] != of_data[1][0]).any()
    own = indices(parted(kind(size=90, seed=1), 300, "a part", labels, 0), 300)
    np.testing.assert_array_equal(own[0], of_data[1][0])


def test_test_first_then_validation(tmp_path: Path) -> None:
    x, y = drawn(100)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    found = load(tmp_path, 'source = npz("a.npz")\ntest = last(20)\nvalidation = last(0.25)')
    parts = (found.train, found.validation, found.test)
    for part, rows in zip(parts, (slice(0, 60), slice(60, 80), slice(80, 100)), strict=True):
        (images,), (labels,) = every(part)
        np.testing.assert_array_equal(images, x[rows])
        np.testing.assert_array_equal(labels, y[rows])


def test_shuffled_once(tmp_path: Path) -> None:
    x, y = drawn(100)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    orders: list[Any] = []
    for seed in (0, 0, 1):
        entries = f'source = npz("a.npz")\nshuffle = True\nseed = {seed}\nvalidation = first(50)'
        found = load(tmp_path, entries)
        images = np.concatenate([every(found.validation)[0][0], every(found.train)[0][0]])
        sums = images.sum(axis=(1, 2))
        assert sorted(sums) == sorted(x.astype("float32").sum(axis=(1, 2)))
        orders.append(sums)
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


# ------------------------------------------------------------------------------ batches


def part(count: int, width: int = 3) -> Part:
    x = np.arange(count * width, dtype="float32").reshape(count, width)
    return Part((Held(x),), (Held(np.arange(count)),))


@given(st.integers(1, 300), st.integers(1, 70), st.integers(0, 5), st.integers(0, 3))
def test_batches(count: int, size: int, seed: int, epoch: int) -> None:
    data = part(count)
    found = list(batches(data, size, seed=seed, epoch=epoch))
    assert [len(batch.targets[0]) for batch in found[:-1]] == [size] * (len(found) - 1)
    order = np.concatenate([batch.targets[0] for batch in found])
    assert sorted(order) == list(range(count))
    for batch in found:
        np.testing.assert_array_equal(batch.inputs[0][:, 0], 3 * batch.targets[0])
        assert batch.inputs[0].flags.c_contiguous
    # A run that is resumed sees the rest of the same order.
    rest = list(batches(data, size, seed=seed, epoch=epoch, start=1))
    assert len(rest) == len(found) - 1
    for ours, theirs in zip(rest, found[1:], strict=True):
        np.testing.assert_array_equal(ours.targets[0], theirs.targets[0])


def test_orders_of_epochs_differ_and_none_is_that_of_the_part() -> None:
    orders = [
        np.concatenate([b.targets[0] for b in batches(part(100), 7, seed=seed, epoch=epoch)])
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (None, 0))
    ]
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(orders[3], np.arange(100))


def test_blocks_do_not_change_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = list(batches(part(100), 8, seed=0, epoch=0))
    monkeypatch.setattr("specc.training.batches.BLOCK", 1)
    for ours, theirs in zip(batches(part(100), 8, seed=0, epoch=0), at_once, strict=True):
        np.testing.assert_array_equal(ours.inputs[0], theirs.inputs[0])


def test_arrays_are_not_copied() -> None:
    data = part(10)
    arrays = data.arrays()
    assert arrays is not None
    assert np.shares_memory(arrays[0][0], data.inputs[0].array)  # pyright: ignore
    words = Padded(np.array([[1, 2]], object), 4, np.dtype("int32"))
    assert Part((words,), ()).arrays() is None


# -------------------------------------------------------------------------- the examples


def examples() -> Any:
    path = REPOSITORY / "examples" / "make_data.py"
    spec = importlib.util.spec_from_file_location("make_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_data_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_data = examples()
    for name in ("reber", "mackey_glass"):
        shutil.copy(REPOSITORY / "examples" / f"{name}.spec", tmp_path)
    monkeypatch.setattr(make_data, "FOLDER", tmp_path / "data")
    make_data.main()
    program = specc.compile(tmp_path / "reber.spec")
    found = load_dataset(program, program.model())
    assert found.test is not None
    assert (len(found.train), len(found.test)) == (4_500, 1_000)
    (words,), (labels,) = every(found.train)
    texts = ["".join(" BEPSTVX"[symbol] for symbol in word).strip() for word in words]
    assert [make_data.is_reber(text) for text in texts] == labels[:, 0].tolist()
    program = specc.compile(tmp_path / "mackey_glass.spec")
    found = load_dataset(program, program.model())
    (last,), (target,) = every(found.train)
    (first,), _ = every(found.validation)
    # In the order of time: the window behind the last one goes on with it.
    np.testing.assert_array_equal(first[0, :-1], last[-1, 1:])
    np.testing.assert_array_equal(target[: len(target) - 6, 0], last[6:, -1, 0])


def test_mackey_glass_is_what_scipy_integrates() -> None:
    """Between two delays it is an ordinary equation: the delayed value is known."""
    from scipy.integrate import solve_ivp

    fine = examples().mackey_glass(3_000, step=0.01)
    coarse = examples().mackey_glass(40)
    np.testing.assert_allclose(coarse, fine[:40], atol=5e-3)
    times = np.arange(3_000)
    now = 1_000

    def change(t: float, x: Any) -> Any:
        late = np.interp(now + t - 17, times, fine)
        return 0.2 * late / (1 + late**10) - 0.1 * x

    solved = solve_ivp(change, (0, 10), [fine[now]], rtol=1e-8, t_eval=[10]).y[0, -1]
    assert abs(solved - fine[now + 10]) < 5e-3


# --------------------------------------------------------------------------- the command


def test_data_command(
    golden: Golden, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert main(["data", "specs/digits_bn_after.spec"]) == 0
    golden("data/command.txt", capsys.readouterr().out)
    assert main(["data", "--json", "specs/digits_bn_after.spec"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (model,) = shown["models"]
    assert model["parts"]["test"]["samples"] == 360
    counts = [part["targets"][0]["counts"] for part in model["parts"].values()]
    from sklearn.datasets import load_digits

    np.testing.assert_array_equal(np.sum(counts, axis=0), np.bincount(load_digits().target))
    golden("data/command.json", json.dumps(shown, indent=2) + "\n")


def test_data_command_on_names_and_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("a,kind\n1,cat\n2,dog\n3,cat\n")
    spec = tmp_path / "m.spec"
    spec.write_text(
        'data d {\n    source = csv("t.csv")\n    target = "kind"\n    one_hot = True\n}\n'
        'model m {\n    input a: float32[1]\n\n    Dense(2, activation="softmax")\n}\n'
        'train m {\n    loss = "categorical_crossentropy"\n}\n'
    )
    assert main(["data", "--json", str(spec)]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["classes"] == ["cat", "dog"]
    assert model["parts"]["train"]["targets"][0]["counts"] == [2, 1]
    assert main(["data", str(spec)]) == 0
    assert "│ dog" in capsys.readouterr().out


def test_data_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "m.spec"
    spec.write_text(IMAGES)
    assert main(["data", str(spec)]) == 2
    assert "has no data block" in capsys.readouterr().err
    spec.write_text(f'data d {{\n    source = npz("a.npz")\n}}\n\n{IMAGES}')
    assert main(["data", str(spec)]) == 1
    out, err = capsys.readouterr()
    assert "E0703" in err
    assert out == ""
    assert main(["data", "--json", str(spec)]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["errors"][0]["code"] == "E0703"


def test_what_needs_no_framework_imports_none() -> None:
    statements = """
import sys
from specc.cli.main import main
main(["data", "specs/digits_bn_after.spec"])
print(*sorted({"tensorflow", "keras", "onnx", "pyarrow"} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", statements], capture_output=True, text=True, cwd=REPOSITORY,
        check=True,
    )  # fmt: skip
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("source", "package", "extra"),
    [("digits()", "sklearn.datasets", "digits"), ('parquet("a.parquet")', "pyarrow", "parquet"),
     ('images("a")', "PIL.Image", "images")],
)  # fmt: skip
def test_a_package_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    source: str, package: str, extra: str,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, package, None)
    spec = tmp_path / "m.spec"
    spec.write_text(
        f'data d {{\n    source = {source}\n    target = "y"\n}}\n\n{IMAGES}'
        if "parquet" in source
        else f"data d {{\n    source = {source}\n}}\n\n{IMAGES}"
    )
    assert main(["data", str(spec)]) == 2
    assert f'"specc-nn[{extra}]"' in capsys.readouterr().err
