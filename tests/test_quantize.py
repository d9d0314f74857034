"""`specc export --quantize int8`: weights in 8 bits, what they lose, refusals."""

from __future__ import annotations

import copy
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from conftest import Golden

import specc
from specc.backends import read, write
from specc.backends.adopt import adopt
from specc.backends.export import Exporter, current_weights
from specc.backends.keras_model import BuiltModel
from specc.backends.quantize import Quantization
from specc.backends.runtime import open_session
from specc.cli.main import main
from specc.cli.reduction import MIN_SNR
from specc.verification import inputs as inputs_module
from specc.verification import quantized as quantized_module
from specc.verification.report import Report
from specc.verification.verified_export import quantized_export
from specc.verification.verify import verify_onnx

SPECS = Path(__file__).parent.parent / "specs"

pytestmark = pytest.mark.usefixtures("keras_backend")

Array = np.ndarray[Any, Any]

SHIPPED = ["bn_after", "convnet", "sentiment", "wide_and_deep"]


@pytest.fixture(autouse=True)
def one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two alone: it is the quantized file that is under test."""
    monkeypatch.setattr(inputs_module, "BATCH_SIZES", (2,))


class Subject(NamedTuple):
    built: BuiltModel
    exporter: Exporter
    original: onnx.ModelProto
    file: onnx.ModelProto

    def verify(self, file: onnx.ModelProto | None = None, **more: Any) -> Report:
        return verify_onnx(
            self.built.graph,
            self.built.keras_model,
            file or self.file,
            provider="cpu",
            exporter=self.exporter,
            built=self.built,
            **more,
        )


def made(model: specc.Model, how: Quantization) -> Subject:
    built = adopt(model.graph, model.to_keras(seed=0))
    exporter = Exporter(built, model.source)
    exported = exporter.export(current_weights(built))
    return Subject(built, exporter, exported.model, quantized_export(exported, how).model)


@cache
def dynamic(name: str) -> Subject:
    return made(specc.compile(SPECS / f"{name}.spec").model(), Quantization())


def initializers(model: onnx.ModelProto) -> dict[str, Array]:
    return {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}


# ----------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs(name: str) -> None:
    subject = dynamic(name)
    report = subject.verify()
    assert report.ok, report.diagnostics
    assert report.params.closes
    found = report.quantized
    assert found is not None
    assert (found.to, found.mode, found.min_snr) == ("int8", "dynamic", MIN_SNR)
    assert all(figure.snr is not None and figure.snr > 30 for figure in found.figures)
    assert 0.8 * report.params.onnx_total < found.elements < report.params.onnx_total
    if name != "wide_and_deep":  # of 1,207 numbers, which are less than what is around them
        ratio = subject.file.ByteSize() / subject.original.ByteSize()
        assert 0.25 < ratio < 0.3


def test_weights_stand_for_the_nearest_number() -> None:
    """Worked out here from the file's bytes, with the formula of ONNX's DequantizeLinear."""
    subject = dynamic("convnet")
    exact, found = initializers(subject.original), initializers(subject.file)
    checked = 0
    for name, want in exact.items():
        if f"{name}_quantized" not in found:
            continue
        scale, zero = found[f"{name}_scale"], found[f"{name}_zero_point"]
        assert found[f"{name}_quantized"].dtype == np.uint8
        q = found[f"{name}_quantized"].astype(np.float64)
        assert np.max(np.abs(want - scale * (q - zero))) <= 0.500002 * scale
        checked += want.size
    report = subject.verify().quantized
    assert report is not None
    assert report.elements == checked


def test_the_same_bytes() -> None:
    subject = dynamic("bn_after")
    again = made(specc.compile(SPECS / "bn_after.spec").model(), Quantization())
    assert again.file.SerializeToString(deterministic=True) == subject.file.SerializeToString(
        deterministic=True
    )


@pytest.fixture
def a_small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of more than 200 kB are "more than 2 GB": they go through files of their own."""
    monkeypatch.setattr(read, "WEIGHTS_LIMIT", 200_000)
    monkeypatch.setattr(write, "WEIGHTS_LIMIT", 200_000)


@pytest.mark.usefixtures("a_small_limit")
@pytest.mark.parametrize("calibrated", [False, True])
def test_more_than_one_file_holds(calibrated: bool, folder: Path) -> None:
    shutil.copy(SPECS / "convnet.spec", folder)
    model = specc.compile("convnet.spec").model()
    (name,) = (tensor.name for tensor in model.graph.inputs)
    put(folder, **{name: np.random.default_rng(0).random((20, 28, 28)).astype(np.float32)})
    how = Quantization(calibrate="s.npz") if calibrated else Quantization()
    large = made(model, how)
    assert read.is_large(large.original)
    report = large.verify(samples="s.npz")
    assert report.ok, report.diagnostics
    assert report.quantized is not None
    assert report.quantized.elements > 90_000
    with pytest.MonkeyPatch.context() as usual:
        usual.setattr(read, "WEIGHTS_LIMIT", 2**31)
        small = made(model, how)
    ours, theirs = initializers(large.file), initializers(small.file)
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(array, theirs[key])


@pytest.mark.usefixtures("a_small_limit")
def test_files_of_float32_beside_their_weights(folder: Path) -> None:
    """The way of models of more than 2 GB: neither written nor opened as one message."""
    shutil.copy(SPECS / "convnet.spec", folder)
    assert export("convnet.spec") == 0
    assert export("convnet.spec", "--precision", "float16", "-o", "half") == 0
    built = Path("build/convnet.onnx")
    assert built.stat().st_size < 20_000
    onnx.checker.check_model(str(built), full_check=True)


def test_still_more_than_one_file_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(SPECS / "convnet.spec", folder)
    monkeypatch.setattr(read, "WEIGHTS_LIMIT", 80_000)
    assert export("convnet.spec", "--quantize", "int8") == 2
    said = capsys.readouterr().err
    assert "in 8 bits too the weights of `convnet` are more than 2 GB" in said
    assert "leave out `--quantize`" in said
    assert not (folder / "build" / "convnet.onnx").exists()


def test_figures_against_numpy() -> None:
    before = np.array([[1.0, 2.0], [3.0, 5.0]])
    after = before + np.array([[0.1, 0.0], [2.5, 0.0]])
    figure = quantized_module._figure("y", before, after)  # pyright: ignore[reportPrivateUsage]
    assert figure.snr is not None
    assert figure.snr == pytest.approx(10 * np.log10(np.var(before) * 4 / (0.01 + 6.25)))
    assert figure.max_abs_error == 2.5
    assert (figure.rows, figure.rows_agreeing) == (2, 1)
    broken = quantized_module._figure(  # pyright: ignore[reportPrivateUsage]
        "y", before, np.full_like(before, np.nan)
    )
    assert broken.snr == -np.inf


def test_nothing_is_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    handlers = list(logging.getLogger().handlers)
    before = set(Path(tempfile.gettempdir()).iterdir())
    made(specc.compile(SPECS / "wide_and_deep.spec").model(), Quantization())
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    new = set(Path(tempfile.gettempdir()).iterdir()) - before
    assert not [path for path in new if path.name.startswith(("specc-", "ort.quant"))]
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger().manager.disable == logging.NOTSET


# --------------------------------------------------------------------------- the samples


def clusters(count: int, seed: int) -> tuple[Array, Array]:
    """Points around three corners, and which corner it is."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    return (4 * np.eye(3)[labels] + random.standard_normal((count, 3))).astype(np.float32), labels


CLASSIFIER = """
model corners {
    input point: float32[3]

    Dense(16, activation="relu")
    Dense(3, activation="softmax")
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corners.spec").write_text(CLASSIFIER.lstrip())
    for name in ("train", "test"):
        points, labels = clusters(200, len(name))
        np.savez(tmp_path / f"{name}.npz", point=points, labels=labels)
    shutil.copy(SPECS / "bn_after.spec", tmp_path)
    return tmp_path


def export(*words: str) -> int:
    return main(["export", "--onnx", "--provider", "cpu", *words])


def test_a_trained_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Accuracy before and after, against predictions made here."""
    model = specc.compile(folder / "corners.spec").model()
    keras_model = model.to_keras(seed=1)
    keras_model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    points, labels = clusters(200, 5)
    keras_model.fit(points, labels, epochs=20, verbose=0)
    keras_model.save("corners.keras")
    words = ["corners.spec", "--weights", "corners.keras", "--quantize", "int8"]
    assert export(*words, "--calibrate", "train.npz", "--evaluate", "test.npz", "--json") == 0
    (report,) = json.loads(capsys.readouterr().out)["exports"]
    found = report["quantized"]
    assert (found["mode"], found["count"], found["samples"]) == ("static", 200, "`test.npz`")
    points, labels = clusters(200, 4)
    after = specc.load("build/corners.onnx", provider="cpu").predict(points, 200)
    assert isinstance(after, np.ndarray)
    before = np.asarray(keras_model(points))
    shares = [float(np.mean(out.argmax(-1) == labels)) for out in (before, after)]
    assert found["accuracy"] == shares
    assert min(shares) > 0.9
    # Verified again by the file it was calibrated with, as long as that is there.
    words = ["verify", "corners.spec", "--provider", "cpu", "--weights", "corners.keras"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "on 200 samples of `train.npz`" in said
    assert "accuracy" in said
    (folder / "train.npz").unlink()
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "not judged" in said
    assert "`--evaluate FILE` gives some" in said


def test_labels_may_be_rows_or_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points, labels = clusters(50, 0)
    accuracies: list[Any] = []
    for given in (labels, labels[:, None], np.eye(3)[labels]):
        np.savez(folder / "e.npz", point=points, labels=given)
        assert export("corners.spec", "--quantize", "int8", "--evaluate", "e.npz", "--json") == 0
        (report,) = json.loads(capsys.readouterr().out)["exports"]
        accuracies.append(report["quantized"]["accuracy"])
    assert accuracies[0] == accuracies[1] == accuracies[2]


def test_static_files_keep_their_outputs_exact(folder: Path) -> None:
    """The last value is not one of 256."""
    np.save(folder / "x.npy", clusters(64, 0)[0])
    model = specc.compile(folder / "corners.spec").model()
    subject = made(model, Quantization(calibrate="x.npy"))
    assert subject.file.graph.node[-1].op_type == "Softmax"
    session = open_session(subject.file.SerializeToString(), "cpu")
    (out,) = session.run({"point": clusters(500, 1)[0]}).values()
    assert len(np.unique(out)) > 300
    report = subject.verify(samples="x.npy")
    assert report.ok, report.diagnostics


# ------------------------------------------------------------------------------- faults


def change(model: onnx.ModelProto, name: str, how: Callable[[Array], Array]) -> onnx.ModelProto:
    spoiled = copy.deepcopy(model)
    (initializer,) = [i for i in spoiled.graph.initializer if i.name == name]
    array = how(onnx.numpy_helper.to_array(initializer).copy())
    initializer.CopyFrom(onnx.numpy_helper.from_array(array, name))
    return spoiled


def one_more(array: Array) -> Array:
    flat = array.reshape(-1)
    flat[7] = flat[7] + 1 if flat[7] < 255 else flat[7] - 1
    return array


@pytest.mark.parametrize(
    ("name", "initializer", "how", "codes"),
    [
        ("bn_after", "dense/kernel_quantized", one_more, ["E0614"]),
        ("sentiment", "lstm/kernel_quantized", one_more, ["E0614"]),
        ("sentiment", "embedding/embeddings_quantized", one_more, ["E0614"]),
        ("convnet", "conv2d_1/kernel_scale", lambda a: a * np.float32(1.01), ["E0614"]),
        ("convnet", "conv2d_1/kernel_zero_point", lambda a: a + 1, ["E0614"]),
        ("bn_after", "dense/bias", lambda a: np.nextafter(a, 1) + np.float32(1e-3), ["E0602"]),
    ],
)
def test_a_wrong_weight_is_refused(
    name: str, initializer: str, how: Callable[[Array], Array], codes: list[str]
) -> None:
    subject = dynamic(name)
    how_: Callable[[Array], Array] = lambda a: how(a).astype(a.dtype)  # noqa: E731
    report = subject.verify(change(subject.file, initializer, how_))
    assert [d.code for d in report.diagnostics][: len(codes)] == codes


def test_a_graph_that_computes_something_else_is_refused() -> None:
    subject = dynamic("bn_after")
    spoiled = copy.deepcopy(subject.file)
    (first, *_) = [node for node in spoiled.graph.node if node.op_type == "Elu"]
    first.op_type = "Relu"
    del first.attribute[:]
    report = subject.verify(spoiled)
    assert [d.code for d in report.diagnostics] == ["E0615"]
    assert "dB above the noise, 10 are asked for" in report.diagnostics[0].primary.text
    assert subject.verify(spoiled, min_snr=-20.0).ok


def test_a_weight_that_is_missing_is_told() -> None:
    subject = dynamic("bn_after")
    spoiled = copy.deepcopy(subject.file)
    for node in spoiled.graph.node:
        node.input[:] = ["w" if n == "dense_1/kernel_quantized" else n for n in node.input]
    (weight,) = [i for i in spoiled.graph.initializer if i.name == "dense_1/kernel_quantized"]
    weight.name = "w"
    assert [d.code for d in subject.verify(spoiled).diagnostics] == ["E0603"]


# --------------------------------------------------------------------------- the command


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str], golden: Golden) -> None:
    assert folder.exists()
    assert export("bn_after.spec", "--quantize", "int8") == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  int8"))
    shown = [line for line in lines[start:] if "dB" not in line]
    golden("quantized_report.txt", "\n".join([lines[0], *shown]) + "\n")
    assert main(["verify", "bn_after.spec", "--provider", "cpu", "--layers"]) == 0
    assert "quantized" in capsys.readouterr().out
    np.save(folder / "images.npy", np.zeros((2, 28, 28), np.float32))
    assert main(["run", "build/bn_after.onnx", "-i", "images.npy", "--provider", "cpu"]) == 0
    capsys.readouterr()


def test_what_loses_too_much_is_not_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("bn_after.spec", "--quantize", "int8", "--min-snr", "90") == 1
    said = capsys.readouterr().err
    assert "E0615" in said
    assert "90 are asked for" in said
    assert not (folder / "build" / "bn_after.onnx").exists()


def put(folder: Path, **arrays: Any) -> None:
    np.savez(folder / "s.npz", **arrays)


POINTS, LABELS = clusters(10, 0)


@pytest.mark.parametrize(
    ("arrays", "message", "way_out"),
    [
        ({"other": POINTS}, "has no input `other`", "`point`"),
        ({"labels": LABELS}, "is given nothing for `point`", "its inputs are"),
        ({"point": POINTS[:, :2]}, "the shape [10, 2]", "axis 1 has to be 3"),
        ({"point": POINTS.astype("U")}, "cannot take text", ""),
        ({"point": POINTS[:0]}, "there are no samples", ""),
        (
            {"point": POINTS, "labels": LABELS[:3]},
            "`labels` in `s.npz` has the shape [3]",
            "0 to 2",
        ),
        ({"point": POINTS, "labels": LABELS + 7}, "`labels` in `s.npz` has ", "0 to 2"),
        ({"point": POINTS, "labels": LABELS.astype("U")}, "is of dtype <U", "a class for each"),
    ],
)
def test_samples_that_do_not_fit(
    arrays: dict[str, Any],
    message: str,
    way_out: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(folder, **arrays)
    assert export("corners.spec", "--quantize", "int8", "--calibrate", "s.npz") == 2
    said = capsys.readouterr().err
    assert message in said
    assert way_out in said
    assert not (folder / "build" / "corners.onnx").exists()


@pytest.mark.parametrize("name", ["none.npz", "broken.npz", "words.txt", "pickled.npy"])
def test_files_that_are_no_samples(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 not at all")
    (folder / "words.txt").write_text("1, 2, 3\n")
    np.save(folder / "pickled.npy", np.array([{}]), allow_pickle=True)
    assert export("corners.spec", "--quantize", "int8", "--evaluate", name) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "help: a .npz with arrays called `point`" in said


def test_labels_of_models_that_are_no_classifiers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(SPECS / "wide_and_deep.spec", folder)
    put(folder, wide=np.zeros((4, 5)), deep=np.zeros((4, 6)), labels=np.zeros(4))
    words = ["--quantize", "int8", "--evaluate", "s.npz"]
    assert export("wide_and_deep.spec", *words) == 2
    assert "the model has 2 outputs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message", "way_out"),
    [
        (["--calibrate", "train.npz"], "--calibrate is for weights in 8 bits", "--quantize int8"),
        (["--min-snr", "5"], "--min-snr is for weights in 8 bits", "--quantize int8"),
        (["--quantize", "int8", "--min-snr", "loud"], "loud is no number of decibels", ""),
        (
            ["--quantize", "int8", "--via", "tf2onnx"],
            "not for tf2onnx",
            "leave out `--via tf2onnx`",
        ),
        (["--quantize", "int8", "--external-data"], "stay in the model's file", "leave out"),
        (["--quantize", "int4"], "invalid choice: 'int4'", ""),
    ],
)
def test_misuse(
    words: list[str], message: str, way_out: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("corners.spec", *words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert way_out in said
    assert not (folder / "build").exists()


def test_a_model_with_nothing_to_quantize(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "m.spec").write_text("model m {\n    input x: float32[4]\n\n    ReLU\n}\n")
    assert export("m.spec", "--quantize", "int8") == 2
    said = capsys.readouterr().err
    assert "there is nothing in `m` that onnxruntime computes in 8 bits" in said
    assert "leave out `--quantize`" in said


def test_the_default_is_the_same_everywhere() -> None:
    assert MIN_SNR == quantized_module.MIN_SNR == Quantization().min_snr
