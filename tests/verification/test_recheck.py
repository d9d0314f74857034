"""`specc verify FILE.onnx`: a file against what its manifest says of it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx_files
import onnxruntime
import pytest

import specc
from specc.cli.main import main
from specc.verification.samples import Recipe
from verification.subjects import SMALL, change, one_percent

Printed = pytest.CaptureFixture[str]

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from specc.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""specc on a machine that has onnxruntime, onnx and numpy, and no other of its dependencies."""

MISSING = ("tensorflow", "keras", "tf2onnx", "onnx_ir", "lark", "rich", "jax", "torch", "scipy")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, keras_backend: Any) -> Path:  # noqa: ARG001
    """A directory with small.spec and build/small.onnx, as `specc export` writes it."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "small.spec").write_text(SMALL, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["export", "--onnx", "small.spec", "--provider", "cpu"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to spoil."""
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    shutil.copy("build/small.onnx", "small.onnx")
    return tmp_path


def spoil(function: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load("small.onnx")
    function(model)
    onnx.save(model, "small.onnx")


def manifest_of(model: onnx.ModelProto) -> onnx.StringStringEntryProto:
    (entry,) = (p for p in model.metadata_props if p.key == "specc.manifest")
    return entry


def edit_record(function: Callable[[dict[str, Any]], None]) -> None:
    def edit(model: onnx.ModelProto) -> None:
        entry = manifest_of(model)
        content = json.loads(entry.value)
        function(content["record"])
        entry.value = json.dumps(content)

    spoil(edit)


# -------------------------------------------------------------------------- sound files


def test_a_sound_file(here: Path, capsys: Printed) -> None:
    before = (here / "small.onnx").read_bytes()
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0] == "small: small.onnx is what was exported"
    assert "74 in the file, in 3 layers, as recorded; 94 in Keras" in lines[2]
    assert "3 recorded outputs agree" in lines[3]
    assert (here / "small.onnx").read_bytes() == before


def test_weights_that_are_single_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    """Their hashes are those of numbers without an axis."""
    monkeypatch.chdir(tmp_path)
    Path("single.spec").write_text(
        "model single {\n    input x: float32[4, 6]\n\n"
        "    [x, x] -> Attention(use_scale=True)\n}\n",
        encoding="utf-8",
    )
    assert main(["export", "--onnx", "single.spec", "--provider", "cpu"]) == 0
    file = onnx.load(Path("build", "single.onnx"))
    assert [list(i.dims) for i in file.graph.initializer if i.name.endswith("/scale")] == [[]]
    capsys.readouterr()
    assert main(["verify", os.path.join("build", "single.onnx"), "--provider", "cpu"]) == 0


@pytest.mark.usefixtures("here")
def test_without_frameworks() -> None:
    """In a process in which none of them can be imported."""
    code = WITHOUT.format(missing=MISSING)
    for words, status in ((["small.onnx"], 0), (["small.onnx", "build/small.onnx", "--json"], 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, "verify", *words, "--provider", "cpu"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (status, "")
    refused = subprocess.run(
        [sys.executable, "-c", code, "build", "small.spec"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2  # they cannot be imported indeed
    assert refused.stderr.startswith("error: tensorflow is not installed")


def test_however_the_file_stores_its_numbers(here: Path, capsys: Printed) -> None:
    """Beside it, or as lists: the numbers are the same."""

    def as_lists(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                numbers = onnx.numpy_helper.to_array(tensor).ravel().tolist()
                made = onnx.helper.make_tensor(tensor.name, 1, list(tensor.dims), numbers)
                tensor.CopyFrom(made)

    spoil(as_lists)
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 0
    onnx.save(
        onnx.load("build/small.onnx"), "small.onnx", save_as_external_data=True,
        location="small.data", size_threshold=0,
    )  # fmt: skip
    assert (here / "small.data").exists()
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 0
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------- planted faults


def one_initializer(name: str) -> Callable[[onnx.ModelProto], None]:
    return lambda model: change(model, name, one_percent)


def other_activation(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Elu")
    node.op_type = "Relu"
    del node.attribute[:]


def other_alpha(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Elu")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("alpha", 0.5))


def no_bias(model: onnx.ModelProto) -> None:
    (node,) = (n for n in model.graph.node if "dense_2/bias" in n.input)
    node.input.remove("dense_2/bias")
    (gone,) = (i for i in model.graph.initializer if i.name == "dense_2/bias")
    model.graph.initializer.remove(gone)


def other_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "other"
    model.graph.node[-1].output[0] = "other"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (one_initializer("dense_1/kernel"),
         "dense_1 (small.spec:6): kernel is not what was exported"),
        (one_initializer("dense_2/kernel"),
         "dense_2 (small.spec:7): kernel is not what was exported"),
        (other_activation, "dense (small.spec:4): its operators are not what was exported"),
        (other_alpha, "dense (small.spec:4): its operators are not what was exported"),
        (no_bias, "dense_2 (small.spec:7): bias is not in the file"),
        (other_output, "dense_2 (small.spec:7): its operators are not what was exported"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("here")
def test_what_is_wrong_is_named(
    fault: Callable[[onnx.ModelProto], None], said: str, capsys: Printed
) -> None:
    spoil(fault)
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[0] == f"error: {said}"
    assert main(["verify", "small.onnx", "--provider", "cpu", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["ok"] is False
    layer, line = said.split(" (")[0], int(said.split(":")[1].split(")")[0])
    first = data["errors"][0]
    assert (first["layer"], first["file"], first["line"]) == (layer, "small.spec", line)


@pytest.mark.usefixtures("here")
def test_recorded_outputs_are_compared(capsys: Printed) -> None:
    """The file and its hashes as they were, and another output on record."""

    def other(record: dict[str, Any]) -> None:
        first = record["samples"][0]["outputs"]["dense_2"]
        record["samples"][0]["outputs"]["dense_2"] = {
            **first, "float32": record["samples"][1]["outputs"]["dense_2"]["float32"] * 2,
        }  # fmt: skip

    # Two rows of a softmax in place of two others.
    edit_record(other)
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: output `dense_2` is off by ")
    assert error.endswith("; weights and operators are what was exported")


@pytest.mark.usefixtures("here")
def test_the_spec_has_changed_since(here: Path, capsys: Printed) -> None:
    """A note: the file is still what was exported."""
    (here / "small.spec").write_text(SMALL.replace("elu", "relu"), encoding="utf-8")
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    note = (
        "`small.spec` has changed since the file was exported; `specc verify SPEC small.onnx` "
        "compares the file with it"
    )
    assert printed.out.splitlines()[-1].split(maxsplit=1) == ["note", note]


# ------------------------------------------------------------------------------ refusals


def test_files_without_a_record(here: Path, capsys: Printed) -> None:
    onnx_files.sums("sums.onnx")
    edit_record(dict.clear)
    shutil.copy("small.onnx", "older.onnx")
    (here / "text.onnx").write_text("hello", encoding="utf-8")
    remedy = (
        "help: `specc export --onnx` records what a file is checked with; "
        "`specc verify SPEC FILE.onnx` compares a file with a spec, and needs no record"
    )
    for file, said in [
        ("sums.onnx", "`sums.onnx` has no manifest of specc's to check it with"),
        ("older.onnx", "the record in `older.onnx` is of version None"),
        ("text.onnx", "`text.onnx` is not a valid ONNX model: "),
        ("missing.onnx", "cannot read `missing.onnx`: there is no such file"),
    ]:
        assert main(["verify", file]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"error: {said}")
        if file == "sums.onnx":
            assert printed.err.splitlines()[1] == remedy


@pytest.mark.parametrize(
    "key", ["initializers", "operators", "params", "places", "interface", "samples", "inputs"]
)
@pytest.mark.parametrize("value", [None, 7, "x", [1], {"x": 1}])
@pytest.mark.usefixtures("here")
def test_records_of_someone_else(key: str, value: Any, capsys: Printed) -> None:
    """Anything may stand there: no traceback, and never a file that is found sound."""
    edit_record(lambda record: record.update({key: value}))
    status = main(["verify", "small.onnx", "--provider", "cpu"])
    printed = capsys.readouterr()
    if key != "places":
        assert status in (1, 2), printed.out
    assert "Traceback" not in printed.err
    assert "specc has a defect" not in printed.err


@pytest.mark.usefixtures("here")
def test_options_that_are_for_specs(capsys: Printed) -> None:
    assert main(["verify", "small.onnx", "--weights", "x.keras"]) == 2
    assert capsys.readouterr().err.startswith("error: --weights is for a file and its spec\n")
    assert main(["verify", "x.keras"]) == 2
    assert "is a Keras model, which there is nothing to compare with" in capsys.readouterr().err
    assert main(["verify", "small.onnx", "small.spec"]) == 2
    assert "help: the spec comes first: `specc verify small.spec small.onnx`" in (
        capsys.readouterr().err
    )


# -------------------------------------------------------------------------------- inputs


def test_inputs_are_made_of_bits() -> None:
    """NumPy promises PCG64's words, as O'Neill's C code gives them; all else is exact."""
    made = Recipe("float32", (3,), 1, ()).make("normal", 2, (0, 0))
    words = np.random.PCG64([0, 0]).random_raw(6)
    wanted = [
        (sum((int(w) >> (16 * i)) & 0xFFFF for i in range(4)) - 2 * 65535) / 2**15 for w in words
    ]
    assert made.dtype == np.float32
    assert made.ravel().tolist() == wanted
    many = Recipe("float32", (10_000,), 1, ()).make("normal", 1, (1,))
    assert abs(float(many.mean())) < 0.05
    assert abs(float(many.std()) - 1.1547) < 0.02
    whole = Recipe("int32", (1000,), 6, ()).make("normal", 1, (1,))
    assert set(whole.ravel().tolist()) == set(range(7))
    words_of = Recipe("string", (40,), 1, ("a", "b")).make("normal", 1, (1,))
    assert set(words_of.ravel()) == {"a", "b"}


def test_the_record_of_every_kind_of_output(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keras_backend: Any,  # noqa: ARG001
) -> None:
    """Whole numbers, several outputs, more numbers than are recorded; a free axis; 8 bits."""
    monkeypatch.chdir(tmp_path)
    Path("several.spec").write_text(
        "model several {\n    input ids: int32[time]\n    input image: float32[40, 40, 1]\n\n"
        "    wide = image -> Conv2D(2, 3)\n    scores = ids -> Embedding(50, 4) -> LSTM(3)"
        ' -> Dense(4, activation="softmax")\n'
        "    best = ops.argmax(scores, axis=-1)\n    output wide, scores, best\n}\n",
        encoding="utf-8",
    )
    if main(["check", "several.spec"]) != 0:
        pytest.fail("the spec of the test is wrong")
    assert main(["export", "--onnx", "several.spec", "--provider", "cpu"]) == 0
    assert main(["verify", "build/several.onnx", "--provider", "cpu"]) == 0
    model = onnx.load("build/several.onnx")
    record = json.loads(manifest_of(model).value)["record"]
    assert record["inputs"]["ids"] == {"dtype": "int32", "shape": [None], "top": 49}
    outputs = record["samples"][0]["outputs"]
    assert {name: said["count"] for name, said in outputs.items()} == {
        "wide": 1024 // 3, "scores": 8, "best": 2,
    }  # fmt: skip
    assert "int64" in outputs["best"]
    small = ["export", "--onnx", "several.spec", "--provider", "cpu", "--quantize", "int8"]
    assert main([*small, "-o", "small"]) == 0
    assert main(["verify", "small/several.onnx", "--provider", "cpu"]) == 0


DEEP = """\
model deep {
    input x: float32[6]

    scores = x -> Dense(40, activation="tanh") -> Dense(30, activation="tanh") -> Dense(3)
    best = ops.argmax(scores, axis=-1)
    output scores, best
}
"""


@pytest.fixture
def float16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras_backend: Any) -> Any:  # noqa: ARG001
    """Exports a model in float16, a layer's weights times a number; the outputs on record."""
    monkeypatch.chdir(tmp_path)
    Path("deep.spec").write_text(DEEP, encoding="utf-8")

    def export(layer: str, times: float, io: str) -> list[dict[str, Any]]:
        keras_model = specc.compile("deep.spec").model().to_keras(seed=0)
        kernel = keras_model.get_layer(layer).kernel
        kernel.assign(kernel * times)
        keras_model.save("mine.keras")
        words = ["export", "--onnx", "deep.spec", "--provider", "cpu", "--weights", "mine.keras"]
        assert main([*words, "--precision", "float16", "--io", io]) == 0
        assert main(["verify", "build/deep.onnx", "--provider", "cpu"]) == 0
        shutil.copy("build/deep.onnx", "small.onnx")
        record = json.loads(manifest_of(onnx.load("small.onnx")).value)["record"]
        return [sample["outputs"] for sample in record["samples"]]

    return export


def test_samples_of_float16(float16: Any, capsys: Printed) -> None:
    """What is allowed is float16's rounding: more than float32's, and less than a mistake."""
    outputs = float16("dense", 1.0, "float32")
    # The arg-max of rounded numbers may be another one.
    assert [list(found) for found in outputs] == [["scores"]] * 3
    session = onnxruntime.InferenceSession("small.onnx")
    capsys.readouterr()
    assert main(["verify", "small.onnx", "--provider", "cpu", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert runs[0]["max_abs_error"] > 1e-5
    assert all(run["max_abs_error"] <= run["allowed"] < 0.05 for run in runs)
    x = Recipe("float32", (6,), 1, ()).make("normal", 2, (0, 0))
    found, _ = session.run(None, {"x": x})
    wanted = specc.compile("deep.spec").model().to_keras(seed=0)(x)[0].numpy()
    assert float(np.abs(found - wanted).max()) == pytest.approx(runs[0]["max_abs_error"], rel=0.02)

    def other(record: dict[str, Any]) -> None:
        numbers = (np.asarray(wanted, "<f4") * 1.1).tobytes()
        output = record["samples"][0]["outputs"]["scores"]
        output["float32"] = base64.b64encode(numbers).decode()

    edit_record(other)
    assert main(["verify", "small.onnx", "--provider", "cpu"]) == 1
    assert "weights and operators are what was exported" in capsys.readouterr().err


def test_samples_beyond_float16(float16: Any) -> None:
    """Outputs of 1e5 and more are not recorded, and a sound file is none the worse; nor is what
    comes of such numbers inside."""
    for layer in "dense_2", "dense":
        outputs = float16(layer, 1e5, "same")
        assert [list(found) for found in outputs] == [[], ["scores"], []]
