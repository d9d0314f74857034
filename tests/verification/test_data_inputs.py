"""`specc verify SPEC --data`: samples of the spec's own data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import specc
from specc.cli.main import main
from specc.verification.data import samples_of_data

Printed = pytest.CaptureFixture[str]
CPU = ("--provider", "cpu")

DIGITS = """\
model small {
    input image: float32[8, 8]

    Flatten
    Dense(10, activation="softmax")
}

data digits {
    source = digits()
    scale = 1 / 16
    test = last(100)
    validation = last(50)
}

train small {
    data = digits
    optimizer = SGD()
    loss = "sparse_categorical_crossentropy"
}
"""

NUMBERS = """\
model line {
    input x: float32[3]

    Dense(1)
}

data points {
    source = npz("points.npz", x="x", y="y")
}

train line {
    data = points
    optimizer = SGD()
    loss = "mean_squared_error"
}
"""


def written(text: str) -> tuple[specc.Program, specc.Model]:
    Path("here.spec").write_text(text, encoding="utf-8")
    program = specc.compile("here.spec")
    return program, program.model()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("here")
def test_the_samples_are_those_of_the_test() -> None:
    """As scikit-learn has them."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    samples = samples_of_data(*written(DIGITS))
    assert (samples.file, samples.count, samples.total) == ("digits/test", 100, 100)
    np.testing.assert_array_equal(
        samples.inputs["image"], (images[-100:].reshape(-1, 8, 8) / 16).astype(np.float32)
    )
    assert samples.labels is not None
    np.testing.assert_array_equal(samples.labels, labels[-100:])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("changes", "file", "count", "total"),
    [
        ([("    test = last(100)\n", "")], "digits/validation", 50, 50),
        (
            [("    test = last(100)\n", ""), ("    validation = last(50)\n", "")],
            "digits/train",
            1000,
            1797,
        ),
        ([("[8, 8]", "[8, 8], batch_size=32")], "digits/test", 96, 100),
    ],
)
def test_which_samples(changes: list[tuple[str, str]], file: str, count: int, total: int) -> None:
    text = DIGITS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    samples = samples_of_data(*written(text))
    assert (samples.file, samples.count, samples.total) == (file, count, total)
    assert samples.labels is not None
    assert len(samples.inputs["image"]) == len(samples.labels) == count
    # Of all classes also where only some are taken.
    assert np.bincount(samples.labels).min() >= count // 25


@pytest.mark.usefixtures("here", "keras_backend")
def test_the_command(capsys: Printed) -> None:
    """Accuracy and arg-max of each backend, by onnxruntime alone."""
    written(DIGITS)
    assert main(["export", "--onnx", "here.spec", *CPU]) == 0
    capsys.readouterr()
    words = ["verify", "here.spec", *CPU, "--data"]
    assert main([*words, "--backends", "tensorflow,reference"]) == 0
    printed = capsys.readouterr().out
    samples = samples_of_data(*written(DIGITS))
    session = onnxruntime.InferenceSession("build/small.onnx")
    (found,) = session.run(None, samples.inputs)
    right = f"{np.mean(np.asarray(found).argmax(1) == samples.labels):.2%}"
    assert "  samples     100 of digits/test\n" in printed
    assert f"  accuracy    {right} in Keras, {right} in the file\n" in printed
    assert "  on samples  digits/test: the arg-max as in float64; the accuracy\n" in printed
    rows = [line for line in printed.splitlines() if "of 100 rows" in line]
    assert len(rows) == 2
    assert all(row.endswith(f"100 of 100 rows  {right}") for row in rows)
    assert main([*words, "--backends", "reference", "--json", "--html", "page.html"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["given"] == {
        "samples": "digits/test",
        "count": 100,
        "total": 100,
        "labelled": True,
    }
    (backend,) = data["backends"]
    assert (backend["given_rows"], backend["given_rows_agreeing"]) == (100, 100)
    assert f"{backend['accuracy']:.2%}" == right
    page = Path("page.html").read_text("utf-8")
    assert "100 of 100" in page
    assert right in page


@pytest.mark.usefixtures("here", "keras_backend")
def test_numbers_have_no_accuracy(capsys: Printed) -> None:
    random = np.random.default_rng(0)
    np.savez("points.npz", x=random.random((40, 3)), y=random.integers(0, 2, 40))
    written(NUMBERS)
    assert main(["export", "--onnx", "here.spec", *CPU]) == 0
    capsys.readouterr()
    assert main(["verify", "here.spec", *CPU, "--data", "--backends", "tensorflow"]) == 0
    printed = capsys.readouterr().out
    assert "  samples     40 of points/train\n" in printed
    assert "  accuracy  " not in printed
    assert "no arg-max" in printed


@pytest.mark.usefixtures("here")
def test_classes_as_vectors() -> None:
    plain = samples_of_data(*written(DIGITS))
    text = DIGITS.replace("sparse_categorical_crossentropy", "categorical_crossentropy")
    text = text.replace("    scale = 1 / 16\n", "    scale = 1 / 16\n    one_hot = True\n")
    samples = samples_of_data(*written(text))
    assert samples.labels is not None
    np.testing.assert_array_equal(samples.labels, plain.labels)


@pytest.mark.usefixtures("here")
def test_several_classes_of_one_sample() -> None:
    """A row of zeros and ones that is no class."""
    random = np.random.default_rng(0)
    np.savez("points.npz", x=random.random((40, 3)), y=random.integers(0, 2, (40, 5)))
    text = NUMBERS.replace("Dense(1)", 'Dense(5, activation="sigmoid")')
    samples = samples_of_data(*written(text.replace("mean_squared_error", "binary_crossentropy")))
    assert samples.labels is None


# ------------------------------------------------------------------------------- refused


def refused(capsys: Printed, *options: str) -> str:
    status = main(["verify", "here.spec", "here.onnx", *CPU, *options])
    printed = capsys.readouterr()
    assert status in (1, 2)
    assert printed.out == ""
    assert "Traceback" not in printed.err
    return printed.err


@pytest.fixture
def exported(here: None, keras_backend: Any, capsys: Printed) -> None:  # noqa: ARG001
    written(DIGITS)
    assert main(["export", "--onnx", "here.spec", *CPU, "-o", "."]) == 0
    Path("small.onnx").rename("here.onnx")
    capsys.readouterr()


@pytest.mark.usefixtures("exported")
def test_nothing_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Printed
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "empty"))
    text = DIGITS.replace("    test = last(100)\n", "").replace("[8, 8]", "[28, 28]")
    written(text.replace("digits()", 'keras_dataset("mnist")'))
    error = refused(capsys, "--data")
    assert error.startswith("error: `mnist` is not in Keras's cache, and `specc verify` downloads")
    assert "`specc data here.spec` gets it" in error
    assert not (tmp_path / "empty").exists()


@pytest.mark.usefixtures("exported")
def test_what_cannot_be_had(capsys: Printed) -> None:
    assert "--data and --inputs both give samples" in refused(capsys, "--data", "--inputs", "x.npz")
    written(DIGITS[: DIGITS.index("data digits")])
    assert "error[E0701]" in refused(capsys, "--data")
    written(DIGITS.replace("digits()", 'npz("missing.npz", x="x", y="y")'))
    error = refused(capsys, "--data")
    assert "missing.npz" in error
    assert " --> here.spec:" in error
    written(DIGITS.replace("[8, 8]", "[8, 8], batch_size=128"))
    assert "the data have 100 samples, and a batch of the model 128" in refused(capsys, "--data")
    assert main(["verify", "here.onnx", "--data"]) == 2
    assert "--data is for a file and its spec" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_backends_of_files_alone(capsys: Printed) -> None:
    file = str(Path("build", "small.onnx"))
    for files in [file], [file, file]:
        assert main(["verify", *files, *CPU, "--backends", "all"]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("error: --backends is for a model that Keras can build")
