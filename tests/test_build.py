"""`specc build` and `specc summary`: Keras's own figures, the files, and what a failure leaves."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from contextlib import redirect_stdout
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specc._version import __version__
from specc.cli.main import main
from specc.layers.base import Weight
from specc.layers.core import Dense

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.spec"))
NAMES = [path.stem for path in SPECS]

# Published with the two networks: what `model.summary()` prints for them.
PUBLISHED_LAYERS = {
    "bn_after": {
        "flatten": 0,
        "batch_normalization": 3_136,
        "dense": 235_500,
        "batch_normalization_1": 1_200,
        "dense_1": 30_100,
        "batch_normalization_2": 400,
        "dense_2": 1_010,
    },
    "bn_before": {
        "flatten": 0,
        "batch_normalization": 3_136,
        "dense": 235_200,
        "batch_normalization_1": 1_200,
        "activation": 0,
        "dense_1": 30_000,
        "batch_normalization_2": 400,
        "activation_1": 0,
        "dense_2": 1_010,
    },
}
PUBLISHED_TOTALS = {
    "bn_after": (271_346, 268_978, 2_368),
    "bn_before": (270_946, 268_578, 2_368),
    "bn_before_as_printed": (269_936, 267_568, 2_368),
    "wide_and_deep": (1_207, 1_207, 0),
}

# No expectations: they would be the first to find what the tests below break.
SMALL = """\
model small {
    input x: float32[4]

    Dense(3)
    BatchNormalization
    Dense(2)
}
"""


def specc(*words: str) -> tuple[int, str]:
    """The status and standard output of a command line."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(words)
    return status, printed.getvalue()


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory, keras_backend: Any) -> Path:  # noqa: ARG001
    """A directory with copies of the shipped specs, each built once with `--json`."""
    place = tmp_path_factory.mktemp("build")
    shutil.copytree(SPECS[0].parent, place / "specs")
    before = Path.cwd()
    os.chdir(place)
    try:
        for name in NAMES:
            status, printed = specc("build", f"specs/{name}.spec", "--json")
            assert status == 0
            (place / f"{name}.printed").write_text(printed, encoding="utf-8")
    finally:
        os.chdir(before)
    return place


@pytest.fixture
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras_backend: Any) -> Path:  # noqa: ARG001
    """An empty directory but for small.spec."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.spec").write_text(SMALL, encoding="utf-8")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones included, byte for byte."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def trainable_size(layer: Any) -> int:
    return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


# ------------------------------------------------------------------------- figures


@pytest.mark.parametrize("name", NAMES)
def test_three_countings_agree(name: str, here: Path, keras_backend: Any) -> None:
    """specc's summary, the `--json` of the build, and the saved model as plain Keras loads it."""
    loaded = keras_backend.saving.load_model(here / "build" / f"{name}.keras")
    layers = [layer for layer in loaded.layers if type(layer).__name__ != "InputLayer"]
    of_keras = [
        (layer.name, type(layer).__name__, layer.count_params(), trainable_size(layer))
        for layer in layers
    ]
    status, printed = specc("summary", f"specs/{name}.spec", "--json")
    assert status == 0
    (of_summary,) = json.loads(printed)["models"]
    built = json.loads((here / f"{name}.printed").read_text(encoding="utf-8"))
    (of_build,) = built["models"]
    assert built["ok"] is True
    assert of_build.pop("written") == os.path.join("build", f"{name}.keras")
    assert of_build == of_summary
    found = [
        (layer["name"], layer["type"], layer["params"]["total"], layer["params"]["trainable"])
        for layer in of_summary["layers"]
    ]
    assert found == of_keras
    assert of_summary["params"]["total"] == loaded.count_params()
    assert of_summary["params"]["trainable"] == sum(trainable_size(layer) for layer in layers)
    variables = [v for layer in of_summary["layers"] for v in layer["variables"]]
    assert [(v["name"], tuple(v["shape"])) for v in variables] == [
        (v.name, tuple(v.shape)) for layer in layers for v in layer.weights
    ]


@pytest.mark.parametrize("name", PUBLISHED_TOTALS)
def test_the_published_totals(name: str, here: Path, keras_backend: Any) -> None:
    total, trainable, non_trainable = PUBLISHED_TOTALS[name]
    _, printed = specc("summary", f"specs/{name}.spec", "--json")
    (summary,) = json.loads(printed)["models"]
    assert summary["params"] == {
        "total": total,
        "trainable": trainable,
        "non_trainable": non_trainable,
    }
    loaded = keras_backend.saving.load_model(here / "build" / f"{name}.keras")
    assert loaded.count_params() == total
    assert sum(int(np.prod(v.shape)) for v in loaded.non_trainable_variables) == non_trainable


@pytest.mark.parametrize("name", PUBLISHED_LAYERS)
def test_the_published_layers(name: str, here: Path, keras_backend: Any) -> None:
    loaded = keras_backend.saving.load_model(here / "build" / f"{name}.keras")
    layers = {layer.name: layer.count_params() for layer in loaded.layers[1:]}
    assert layers == PUBLISHED_LAYERS[name]
    assert list(layers) == list(PUBLISHED_LAYERS[name])
    _, printed = specc("summary", f"specs/{name}.spec", "--json")
    (summary,) = json.loads(printed)["models"]
    assert {x["name"]: x["params"]["total"] for x in summary["layers"]} == PUBLISHED_LAYERS[name]


@pytest.mark.parametrize("name", ["bn_after", "wide_and_deep", "sentiment"])
def test_the_tables(name: str, here: Path, golden: Any) -> None:  # noqa: ARG001
    for options, file in ([], name), (["--variables"], f"{name}_variables"):
        status, printed = specc("summary", f"specs/{name}.spec", *options)
        assert status == 0
        golden(f"summary/{file}.txt", printed)


def test_what_build_prints(here: Path) -> None:
    status, printed = specc("build", "specs/bn_after.spec", "-o", "other")
    _, summary = specc("summary", "specs/bn_after.spec")
    assert status == 0
    assert printed.startswith(summary)
    assert printed[len(summary) :].splitlines() == [
        " Keras agrees with the spec on every layer, 5 expectations met.",
        f" Written: {os.path.join('other', 'bn_after')}.keras and other{os.sep}bn_after.json",
    ]
    assert sorted(p.name for p in (here / "other").iterdir()) == ["bn_after.json", "bn_after.keras"]


# ------------------------------------------------------------------------ manifest


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest(name: str, here: Path) -> None:
    content = json.loads((here / "build" / f"{name}.json").read_text(encoding="utf-8"))
    spec = here / "specs" / f"{name}.spec"
    assert content["model"] == name
    assert content["spec"] == {
        "file": f"specs/{name}.spec",
        "sha256": sha256(spec.read_bytes()).hexdigest(),
    }
    assert content["weights"] == {"seed": 0}
    assert content["specc"] == __version__
    for package in ("tensorflow", "keras", "tf2onnx", "onnx", "numpy"):
        assert content["versions"][package] == version(package)
    assert content["versions"]["onnxruntime"]
    assert content["params"]["total"] == sum(content["layers"].values())
    if name in PUBLISHED_LAYERS:
        assert content["layers"] == PUBLISHED_LAYERS[name]
        assert content["inputs"] == {"image": "float32[28, 28]"}
        assert content["outputs"] == {"dense_2": "float32[10]"}


def test_the_manifest_knows_the_seed(small: Path) -> None:
    assert specc("build", "small.spec", "--seed", "42")[0] == 0
    content = json.loads((small / "build" / "small.json").read_text(encoding="utf-8"))
    assert content["weights"] == {"seed": 42}


# ------------------------------------------------------------------------- weights


def test_the_same_seed_gives_the_same_weights(small: Path, keras_backend: Any) -> None:
    for folder, seed in ("a", 7), ("b", 7), ("c", 8):
        assert specc("build", "small.spec", "-o", folder, "--seed", str(seed))[0] == 0
    a, b, c = (
        keras_backend.saving.load_model(small / folder / "small.keras").get_weights()
        for folder in "abc"
    )
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)
    # The vectors are zeros and ones whatever the seed.
    assert [np.array_equal(x, y) for x, y in zip(a, c, strict=True) if x.ndim > 1] == [False, False]


def test_the_saved_model_trains(here: Path, keras_backend: Any) -> None:
    model = keras_backend.saving.load_model(here / "build" / "wide_and_deep.keras")
    model.compile(loss={"main": "mse", "aux": "mse"}, optimizer="sgd")
    random = np.random.default_rng(0)
    inputs = {"wide": random.standard_normal((8, 5)), "deep": random.standard_normal((8, 6))}
    targets = {"main": np.ones((8, 1)), "aux": np.ones((8, 1))}
    before = [w.copy() for w in model.get_weights()]
    model.fit(inputs, targets, epochs=1, verbose=0)
    after = model.get_weights()
    assert not any(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


# ------------------------------------------------------------------------ failures


@pytest.fixture
def built_before(small: Path) -> dict[str, bytes]:
    """A directory in which a build has succeeded; its files."""
    assert specc("build", "small.spec")[0] == 0
    before = contents(small)
    assert sorted(before) == ["build/small.json", "build/small.keras", "small.spec"]
    return before


def test_keras_disagrees(
    small: Path,
    built_before: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = (Weight("kernel", (4, 5)), Weight("bias", (3,)))
    monkeypatch.setattr(Dense, "weights", lambda *_, **__: wrong)
    assert main(["build", "small.spec", "--seed", "1"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error[E0601]: Keras makes another set of variables of `dense` ")
    assert "--> small.spec:4:5" in printed.err
    assert "(4, 5)" in printed.err
    assert "(4, 3)" in printed.err
    assert printed.err.endswith("nothing was written.\n")
    assert contents(small) == built_before


def test_keras_disagrees_on_a_shape(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Dense.infer

    def wrong(self: Dense, *inputs: Any, **rest: Any) -> Any:
        output = right(self, *inputs, **rest)
        return output.with_shape(*output.shape[:-1], 9) if self.units == 2 else output

    monkeypatch.setattr(Dense, "infer", wrong)
    assert main(["build", "small.spec", "--json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["code"], error["file"], error["line"]) == ("E0601", "small.spec", 6)
    assert "`dense_1`" in error["message"]
    assert list(contents(small)) == ["small.spec"]


def test_an_unmet_expectation(
    small: Path, built_before: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = small / "small.spec"
    spec.write_text(SMALL.replace("}", "\n    expect params = 36\n}"), encoding="utf-8")
    before = {**built_before, "small.spec": spec.read_bytes()}
    assert main(["build", "small.spec"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "small.spec:8:" in printed.err
    # 4 * 3 + 3, four vectors of 3, 3 * 2 + 2
    assert "35" in printed.err
    assert printed.err.endswith("nothing was written.\n")
    assert contents(small) == before


def test_the_output_directory_is_a_file(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "taken").write_bytes(b"mine")
    before = contents(small)
    assert main(["build", "small.spec", "-o", "taken"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: cannot write `taken")
    assert contents(small) == before


@pytest.mark.parametrize("extension", [".keras", ".json"])
def test_a_target_is_a_directory(
    extension: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two files belong together: where one cannot be replaced, the other is not either."""
    other = {".keras": ".json", ".json": ".keras"}[extension]
    (small / "build" / f"small{extension}").mkdir(parents=True)
    (small / "build" / f"small{other}").write_bytes(b"of a build before")
    before = contents(small)
    assert main(["build", "small.spec"]) == 2
    assert capsys.readouterr().err == (
        f"error: cannot write `{os.path.join('build', f'small{extension}')}`: it is a directory\n"
    )
    assert contents(small) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_must_not_be_written(
    small: Path, built_before: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "build").chmod(0o555)
    try:
        assert main(["build", "small.spec", "--seed", "1"]) == 2
    finally:
        (small / "build").chmod(0o755)
    assert "permission denied" in capsys.readouterr().err
    assert contents(small) == built_before


def test_the_disk_is_full(
    small: Path,
    built_before: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keras_backend: Any,
) -> None:
    def save(_: Any, path: str) -> None:
        Path(path).write_bytes(b"half a mod")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(keras_backend.Model, "save", save)
    assert main(["build", "small.spec", "--seed", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no space left on device" in printed.err
    assert contents(small) == built_before


def test_an_interrupted_build(
    small: Path,
    built_before: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    keras_backend: Any,
) -> None:
    def save(_: Any, path: str) -> None:
        Path(path).write_bytes(b"half a mod")
        raise KeyboardInterrupt

    monkeypatch.setattr(keras_backend.Model, "save", save)
    assert main(["build", "small.spec", "--seed", "1"]) == 130
    assert contents(small) == built_before


def test_a_failing_model_after_a_good_one(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What has been written before the failure stays and is said."""
    second = "model second {\n    input x: float32[4]\n\n    Dense(7)\n}\n"
    (small / "small.spec").write_text(SMALL + second, encoding="utf-8")
    right = Dense.weights

    def wrong(self: Dense, *inputs: Any, **rest: Any) -> Any:
        return right(self, *inputs, **rest)[: 1 if self.units == 7 else 2]

    monkeypatch.setattr(Dense, "weights", wrong)
    assert main(["build", "small.spec"]) == 1
    printed = capsys.readouterr()
    assert "--> small.spec:11:5" in printed.err
    assert printed.err.endswith(f"written: {os.path.join('build', 'small.keras')}.\n")
    assert sorted(contents(small)) == ["build/small.json", "build/small.keras", "small.spec"]


def test_one_model_of_several(small: Path) -> None:
    second = "model second {\n    input x: float32[4]\n\n    Dense(7)\n}\n"
    (small / "small.spec").write_text(SMALL + second, encoding="utf-8")
    status, printed = specc("build", "small.spec", "--model", "second", "--json")
    assert status == 0
    assert [model["model"] for model in json.loads(printed)["models"]] == ["second"]
    assert sorted(contents(small)) == ["build/second.json", "build/second.keras", "small.spec"]
