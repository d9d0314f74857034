"""Exported files at work: `specc.load` and `specc run`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx_files
import pytest
from conftest import Golden
from onnx import TensorProto

import specc
from specc.cli.main import main
from specc.files import UsageError
from specc.inference import predictor as predictor_module

Capture = pytest.CaptureFixture[str]
SPECS = Path(__file__).parent.parent / "specs"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    status = main(["run", *words, "--provider", "cpu"])
    said = capsys.readouterr()
    return status, said.out, said.err


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    """Different numbers, of which each float32 holds all digits."""
    return (np.arange(np.prod(shape)).reshape(shape) / 4).astype(dtype)


def absolute(shape: tuple[int | str | None, ...] = ("batch", 2, 3), dtype: int = 1) -> str:
    """y = |x|."""
    return onnx_files.one_operator("abs.onnx", "Abs", shape, dtype)


def softmax(manifest: Any = None, classes: int = 3) -> str:
    return onnx_files.one_operator(
        "softmax.onnx", "Softmax", ["batch", classes], manifest=manifest, axis=-1
    )


# ----------------------------------------------------------------------- the interface


def test_a_model_of_specc(keras_backend: Any) -> None:  # noqa: ARG001
    program = specc.compile(SPECS / "bn_after.spec")
    model = program.model()
    keras_model = model.to_keras(seed=3)
    file = model.to_onnx(keras_model)
    Path("bn_after.onnx").write_bytes(file.SerializeToString())
    predictor = specc.load("bn_after.onnx", provider="cpu")
    assert predictor.inputs == model.inputs
    assert [port.type for port in predictor.outputs] == [port.type for port in model.outputs]
    assert predictor.provider == "cpu"
    assert predictor.manifest["model"] == "bn_after"
    assert predictor.labels == {}
    images = np.random.default_rng(0).random((70, 28, 28))
    found = predictor.predict(images)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, keras_model.predict(images, verbose=0), atol=1e-5)


def test_the_example_of_the_page_runs(keras_backend: Any) -> None:  # noqa: ARG001
    model = specc.compile(SPECS / "bn_after.spec").model()
    Path("build").mkdir()
    file = model.to_onnx(model.to_keras(seed=3))
    Path("build/bn_after.onnx").write_bytes(file.SerializeToString())
    page = (SPECS.parent / "docs" / "inference.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    assert names["probabilities"].shape == (64, 10)


def test_importing_and_describing_take_no_framework() -> None:
    program = (
        "import sys, specc; specc.load; "
        "print([m for m in ('numpy', 'onnxruntime', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_a_path_object_and_the_text_of_a_predictor(place: Path) -> None:
    predictor = specc.load(place / absolute(), provider="cpu")
    assert repr(predictor).endswith(
        "abs.onnx', x: float32[batch, 2, 3] -> y: float32[batch, 2, 3], on cpu>"
    )


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_are_put_together(size: int) -> None:
    x = -numbers(7, 2, 3)
    np.testing.assert_array_equal(specc.load(absolute()).predict(x, batch_size=size), -x)


def test_several_inputs_and_outputs() -> None:
    predictor = specc.load(onnx_files.sums("sums.onnx"))
    a, b = numbers(5, 2), numbers(5, 2) + 1
    found = predictor.predict({"b": b, "a": a}, batch_size=2)
    assert isinstance(found, dict)
    assert list(found) == ["total", "product"]
    np.testing.assert_array_equal(found["total"], a + b)
    np.testing.assert_array_equal(found["product"], a * b)


def test_a_list_is_an_array() -> None:
    found = specc.load(absolute(("batch", 2))).predict([[-1, 2], [3, -4]])
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


def test_no_more_than_a_batch_is_read_at_a_time() -> None:
    taken: list[slice] = []

    class Rows:
        shape, dtype = (7, 2, 3), np.dtype(np.float32)

        def __getitem__(self, rows: Any, /) -> Any:
            taken.append(rows)
            return numbers(*self.shape)[rows]

    list(specc.load(absolute()).batches({"x": Rows()}, 3))
    assert taken == [slice(0, 3), slice(3, 6), slice(6, 7)]


# -------------------------------------------------------------------- files of others


def test_a_fixed_batch_size() -> None:
    predictor = specc.load(absolute((2, 3)))
    assert predictor.inputs[0].type.shape == (3,)
    x = -numbers(6, 3)
    np.testing.assert_array_equal(predictor.predict(x), -x)
    with pytest.raises(UsageError, match="2 samples at a time, and 5 cannot be divided"):
        predictor.predict(x[:5])


def test_no_batch_axis() -> None:
    """Of different first sizes, none is a batch's."""
    path = onnx_files.one_operator("turned.onnx", "Transpose", [2, 3], result=[3, 2])
    predictor = specc.load(path)
    x = numbers(2, 3)
    np.testing.assert_array_equal(predictor.predict(x), x.T)
    with pytest.raises(UsageError, match=r"float32\[2, 3\].* has the shape \[4, 3\]"):
        predictor.predict(numbers(4, 3))


def test_an_output_of_free_size_is_no_batch_where_no_input_is() -> None:
    node = onnx_files.helper.make_node("Range", ["x", "limit", "step"], ["y"])
    ports = {name: (1, []) for name in ("x", "limit", "step")}
    predictor = specc.load(onnx_files.save("range.onnx", [node], ports, {"y": (1, ["n"])}))
    assert str(predictor.outputs[0].type) == "float32[n]"
    assert predictor.predict({"x": 1, "limit": 4, "step": 1}).tolist() == [1, 2, 3]


def test_a_scalar() -> None:
    assert specc.load(absolute(())).predict(-3.0) == 3


def test_an_output_without_a_row_for_each_sample() -> None:
    path = onnx_files.one_operator("sum.onnx", "ReduceSum", ["batch", 2], result=[], keepdims=0)
    predictor = specc.load(path)
    x = numbers(5, 2)
    assert predictor.predict(x) == x.sum()
    with pytest.raises(UsageError, match="`y` has no row for each sample") as caught:
        predictor.predict(x, batch_size=2)
    assert "of 5" in (caught.value.help or "")


def test_an_output_of_another_shape_in_each_batch() -> None:
    """Products of each sample with each of its batch."""
    nodes = [
        onnx_files.helper.make_node("Transpose", ["x"], ["t"]),
        onnx_files.helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    ports = {"x": (1, ["batch", 2])}, {"y": (1, ["batch", "batch"])}
    predictor = specc.load(onnx_files.save("products.onnx", nodes, *ports))
    x = numbers(5, 2)
    np.testing.assert_array_equal(predictor.predict(x), x @ x.T)
    with pytest.raises(UsageError, match="rows of another shape in each batch"):
        predictor.predict(x, batch_size=3)


def test_axes_of_free_size() -> None:
    predictor = specc.load(absolute(("batch", "time", None)))
    assert predictor.inputs[0].type.shape == ("time", None)
    assert predictor.predict(numbers(2, 5, 4)).shape == (2, 5, 4)


def test_text() -> None:
    path = onnx_files.one_operator("text.onnx", "Identity", ["batch"], TensorProto.STRING)
    predictor = specc.load(path)
    assert predictor.inputs[0].type.dtype == "string"
    for words in (["a", "bé"], np.array(["a", "bé"], object), np.array(["a", "bé"])):
        assert predictor.predict(words).tolist() == ["a", "bé"]
    assert predictor.predict(np.array(["bé".encode()])).tolist() == ["bé"]
    with pytest.raises(UsageError, match="cannot take float64"):
        predictor.predict([1.5])


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_a_manifest_that_is_none(text: str) -> None:
    assert specc.load(softmax(text)).manifest == {}


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["cat", "dog", "cow"], {"y": ("cat", "dog", "cow")}),
        ({"y": ["cat", "dog", 3]}, {"y": ("cat", "dog", "3")}),
        (["cat", "dog"], {}),
        ({"z": ["cat", "dog", "cow"]}, {}),
        ("cat", {}),
        (None, {}),
    ],
)
def test_labels(labels: Any, found: Any) -> None:
    assert specc.load(softmax({"labels": labels})).labels == found


def test_what_numpy_has_no_array_for() -> None:
    path = onnx_files.one_operator("b.onnx", "Identity", ["batch"], TensorProto.BFLOAT16)
    with pytest.raises(UsageError, match=r"`x` of `b.onnx` is a tensor\(bfloat16\)"):
        specc.load(path)


# ----------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        ("FLOAT", np.array([[0.1, 2]], np.float64)),
        ("FLOAT", np.array([[0.1, 2]], np.float16)),
        ("FLOAT", np.array([[0.1, 2]], ">f4")),
        ("FLOAT", np.array([[0, 255]], np.uint8)),
        ("FLOAT", np.array([[1, 2]], np.int64)),
        ("FLOAT", np.array([[True, False]])),
        ("FLOAT", np.array([[np.nan, np.inf]])),
        ("FLOAT16", np.array([[0.1, 2]], np.float32)),
        ("INT32", np.array([[1, 2]], np.int64)),
        ("INT32", np.array([[1, 2]], np.float64)),
        ("INT32", np.array([[1, 2]], ">i4")),
        ("UINT8", np.array([[1, 255]], np.int32)),
    ],
)
def test_dtypes_that_are_taken(dtype: str, given: np.ndarray[Any, Any]) -> None:
    path = onnx_files.one_operator("x.onnx", "Identity", ["batch", 2], getattr(TensorProto, dtype))
    found = specc.load(path).predict(given)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, given.astype(found.dtype))


@pytest.mark.parametrize(
    ("dtype", "given", "why"),
    [
        ("FLOAT", np.array([[1, 2**24 + 1]]), "which has no 16777217"),
        ("FLOAT", np.array([[1e39, 1.0]]), r"which has no 1e\+39"),
        ("INT32", np.array([[1, 2**31]]), "which has no 2147483648"),
        ("INT32", np.array([[1, 1.5]]), r"which has no 1\.5"),
        ("INT32", np.array([[1, np.nan]]), "which has no nan"),
        ("UINT8", np.array([[-1, 1]]), "which has no -1"),
        ("BOOL", np.array([[2, 1]]), "which has no 2"),
        ("FLOAT", np.array([[1j, 1]]), "cannot take complex128"),
        ("FLOAT", np.array([["1", "2"]]), "cannot take text"),
        ("FLOAT", np.array([["2020-01-01"] * 2], "datetime64[D]"), "cannot take datetime64"),
    ],
)
def test_values_that_would_be_lost(dtype: str, given: np.ndarray[Any, Any], why: str) -> None:
    path = onnx_files.one_operator("x.onnx", "Identity", ["batch", 2], getattr(TensorProto, dtype))
    with pytest.raises(UsageError, match=why):
        specc.load(path).predict(given)


# -------------------------------------------------------------------- what does not fit


def refused(predict: Any) -> str:
    with pytest.raises(UsageError) as caught:
        predict()
    error = caught.value
    return f"error: {error}\n" + (f"help: {error.help}\n" if error.help else "")


def test_what_does_not_fit(golden: Golden) -> None:
    one, two = specc.load(absolute()), specc.load(onnx_files.sums("sums.onnx"))
    a = numbers(3, 2)
    cases = {
        "one sample without its batch axis": lambda: one.predict(numbers(2, 3)),
        "another rank": lambda: one.predict(numbers(5, 6)),
        "another size": lambda: one.predict(numbers(5, 2, 4)),
        "no samples": lambda: one.predict(numbers(0, 2, 3)),
        "a ragged list": lambda: one.predict([[1, 2], [3]]),
        "a batch size of zero": lambda: one.predict(numbers(5, 2, 3), batch_size=0),
        "a misspelt name": lambda: two.predict({"A": a, "b": a}),
        "an unknown name": lambda: two.predict({"colour": a, "b": a}),
        "a missing input": lambda: two.predict({"b": a}),
        "one array for two inputs": lambda: two.predict(a),
        "different numbers of samples": lambda: two.predict({"a": a, "b": a[:2]}),
    }
    golden("run/refused.txt", "\n".join(f"{name}\n{refused(f)}" for name, f in cases.items()))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.onnx", "there is no such file"),
        (".", "it is a directory"),
        ("text.onnx", "onnxruntime cannot run `text.onnx`"),
        ("a.spec", "is a spec, not an ONNX file"),
    ],
)
def test_files_that_are_no_models(name: str, why: str) -> None:
    Path("text.onnx").write_text("no model")
    Path("a.spec").write_text("model m {\n}\n")
    with pytest.raises(UsageError, match=why):
        specc.load(name)


def test_a_model_that_fails_as_it_runs(capfd: Capture) -> None:
    """The one error is the exception: onnxruntime's log line is not printed as well."""
    nodes = [onnx_files.helper.make_node("MatMul", ["a", "b"], ["y"])]
    ports = {"a": (1, ["batch", "n"]), "b": (1, ["batch", "m"])}
    path = onnx_files.save("matmul.onnx", nodes, ports, {"y": (1, ["batch", "m"])})
    with pytest.raises(UsageError, match=r"cannot run `matmul.onnx`: .*MatMul"):
        specc.load(path).predict({"a": numbers(2, 3), "b": numbers(2, 3)})
    assert capfd.readouterr().err == ""


# ----------------------------------------------------------------------------- the files


def test_what_is_shown(golden: Golden, capsys: Capture) -> None:
    np.save("few.npy", np.eye(3)[[0, 2, 1, 1]] * 4)
    np.save("many.npy", np.eye(3)[np.arange(1000) % 3])
    np.save("wide.npy", numbers(3, 2, 6))
    np.savez("both.npz", a=numbers(2, 2), b=numbers(2, 2))
    classes = softmax()
    labelled = onnx_files.one_operator(
        "labelled.onnx",
        "Identity",
        ["batch", 3],
        manifest={"labels": ["[cat]", "dog", "cow"]},
    )
    total = onnx_files.one_operator("sum.onnx", "ReduceSum", ["n", 3], result=[], keepdims=0)
    said = [
        run(capsys, *words)
        for words in (
            [classes, "--input", "few.npy"],
            [classes, "--input", "many.npy"],
            [labelled, "--input", "few.npy"],
            [absolute(("batch", 2, 6)), "--input", "wide.npy"],
            [onnx_files.sums("sums.onnx"), "--input", "both.npz"],
            [total, "--input", "few.npy"],
        )
    ]
    assert [status for status, _, _ in said] == [0] * 6
    golden("run/shown.txt", "\n".join(f"{err}{out}" for _, out, err in said))


def test_json(capsys: Capture) -> None:
    x = np.array([[0, 9, 0], [9, 0, 0]], np.float32)
    np.save("x.npy", x)
    path = softmax({"labels": ["cat", "dog", "cow"]})
    status, out, _ = run(capsys, path, "--input", "x.npy", "--json")
    report = json.loads(out)
    assert status == 0
    assert (report["ok"], report["provider"], report["samples"]) == (True, "cpu", 2)
    found = report["outputs"]["y"]
    assert (found["dtype"], found["shape"]) == ("float32", [2, 3])
    assert (found["classes"], found["labels"]) == ([1, 0], ["dog", "cat"])
    np.testing.assert_allclose(found["values"], specc.load(path).predict(x))


def test_json_has_no_nan(capsys: Capture) -> None:
    np.save("x.npy", np.array([[np.nan, np.inf, 1.5]]))
    path = onnx_files.one_operator("x.onnx", "Identity", ["batch", 3])
    _, out, _ = run(capsys, path, "--input", "x.npy", "--json")
    assert json.loads(out)["outputs"]["y"]["values"] == [[None, None, 1.5]]


def test_json_of_what_is_written(capsys: Capture) -> None:
    np.save("x.npy", numbers(4, 2, 3))
    _, out, _ = run(capsys, absolute(), "--input", "x.npy", "--output", "y.npy", "--json")
    assert json.loads(out) == {
        "ok": True,
        "model": "abs.onnx",
        "provider": "cpu",
        "samples": 4,
        "written": "y.npy",
    }


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
def test_outputs_are_written(ending: str, capsys: Capture) -> None:
    x = -numbers(70, 2, 3)
    np.save("x.npy", x)
    target = f"new/y.{ending}"
    status, out, err = run(capsys, absolute(), "--input", "x.npy", "--output", target)
    assert status == 0
    assert out.startswith(f"{target} written, ")
    assert err == "abs.onnx: 70 samples on cpu\n"
    assert os.listdir("new") == [f"y.{ending}"]
    if ending == "csv":
        lines = Path(target).read_text().splitlines()
        assert lines[0] == "y_0_0,y_0_1,y_0_2,y_1_0,y_1_1,y_1_2"
        assert lines[1] == "0.0,0.25,0.5,0.75,1.0,1.25"
        found = np.loadtxt(target, delimiter=",", skiprows=1).reshape(x.shape)
    elif ending == "npz":
        with np.load(target) as archive:
            assert archive.files == ["y"]
            found = archive["y"]
    else:
        found = np.load(target)
    np.testing.assert_array_equal(found, -x)


def test_columns_of_a_table(capsys: Capture) -> None:
    np.save("x.npy", np.zeros((1, 3)))
    run(capsys, softmax({"labels": ["a", "b", "c"]}), "--input", "x.npy", "-o", "y.csv")
    assert Path("y.csv").read_text().splitlines()[0] == "a,b,c"
    np.save("x.npy", numbers(3))
    run(capsys, absolute(("batch",)), "--input", "x.npy", "-o", "y.csv")
    assert Path("y.csv").read_text().splitlines() == ["y", "0.0", "0.25", "0.5"]


def test_several_outputs_are_written(capsys: Capture) -> None:
    np.savez("in.npz", a=numbers(5, 2), b=numbers(5, 2) + 1)
    words = [onnx_files.sums("sums.onnx"), "--input", "in.npz", "--batch-size", "2", "--output"]
    assert run(capsys, *words, "out.npz")[0] == 0
    with np.load("out.npz") as archive:
        assert archive.files == ["total", "product"]
        np.testing.assert_array_equal(archive["product"], numbers(5, 2) * (numbers(5, 2) + 1))
    assert run(capsys, *words, "out.csv")[0] == 0
    assert Path("out.csv").read_text().startswith("total_0,total_1,product_0,product_1\n1.0,")


def test_a_failure_leaves_the_old_file(capsys: Capture) -> None:
    """In the second batch is a number that the input has not."""
    x = np.arange(64.0)
    x[40] = 0.5
    np.save("x.npy", x)
    Path("y.npy").write_text("old")
    path = absolute(("batch",), TensorProto.INT32)
    status, out, err = run(capsys, path, "--input", "x.npy", "--output", "y.npy")
    assert (status, out) == (2, "")
    assert "which has no 0.5" in err
    assert Path("y.npy").read_text() == "old"
    assert sorted(os.listdir()) == ["abs.onnx", "x.npy", "y.npy"]


def test_arrays_in_an_archive(capsys: Capture) -> None:
    x = -numbers(2, 2, 3)
    for name, arrays in {
        "unnamed.npz": {"arr_0": x},
        "named.npz": {"x": x, "labels": np.arange(2)},
    }.items():
        np.savez(name, **arrays)
        for word in (name, f"x={name}"):
            status, _, _ = run(capsys, absolute(), "--input", word, "--output", "y.npy")
            assert status == 0
            np.testing.assert_array_equal(np.load("y.npy"), -x)


def test_a_path_with_an_equals_sign(capsys: Capture) -> None:
    np.save("n=3.npy", numbers(3, 2, 3))
    assert run(capsys, absolute(), "--input", "n=3.npy", "-o", "y.npy")[0] == 0
    assert run(capsys, absolute(), "--input", "x=n=3.npy", "-o", "y.npy")[0] == 0


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_standard_input(save: Any, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    save(file, -numbers(2, 2, 3))
    file.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
    assert run(capsys, absolute(), "--input", "-", "--output", "y.npy")[0] == 0
    np.testing.assert_array_equal(np.load("y.npy"), numbers(2, 2, 3))


@pytest.mark.parametrize("header", ["", "a,b,c,d,e,f\n", '\ufeff"a",b,c,d,e,6\n'])
def test_a_table(header: str, capsys: Capture) -> None:
    Path("x.csv").write_text(f"{header}-1,2,3,4,5,6\n\n7,8,9,10,-1.5,1e3\n", encoding="utf-8")
    assert run(capsys, absolute(), "--input", "x.csv", "--output", "y.npy")[0] == 0
    expected = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 1.5, 1000]]]
    np.testing.assert_array_equal(np.load("y.npy"), expected)


def test_a_table_of_large_whole_numbers(capsys: Capture) -> None:
    Path("x.csv").write_text(f"{2**53 + 1}\n-3\n")
    path = absolute(("batch",), TensorProto.INT64)
    assert run(capsys, path, "--input", "x.csv", "--output", "y.npy")[0] == 0
    assert np.load("y.npy").tolist() == [2**53 + 1, 3]


def test_a_table_of_text(capsys: Capture) -> None:
    Path("x.csv").write_text('"one, two"\n3\n')
    path = onnx_files.one_operator("text.onnx", "Identity", ["batch"], TensorProto.STRING)
    assert run(capsys, path, "--input", "x.csv", "--output", "y.csv")[0] == 0
    assert Path("y.csv").read_text() == 'y\n"one, two"\n3\n'


def test_scaling(capsys: Capture) -> None:
    np.save("x.npy", np.array([[0, 51, 255]], np.uint8))
    path = onnx_files.one_operator("x.onnx", "Identity", ["batch", 3])
    assert run(capsys, path, "--input", "x.npy", "--scale", "255", "-o", "y.npy")[0] == 0
    expected = np.array([[0, 51, 255]], np.float32) / np.float32(255)
    np.testing.assert_array_equal(np.load("y.npy"), expected)
    whole = absolute(("batch", 3), TensorProto.INT32)
    status, _, err = run(capsys, whole, "--input", "x.npy", "--scale", "255")
    assert status == 2
    assert "there is nothing to scale" in err


def test_only_whole_batches_are_shown_where_nothing_else_runs(capsys: Capture) -> None:
    np.save("x.npy", numbers(96, 2))
    status, out, err = run(capsys, absolute((32, 2)), "--input", "x.npy")
    assert status == 0
    assert err == "abs.onnx: 32 of 96 samples on cpu\n"
    assert "76 more" in out


def test_all_samples_run_where_an_output_is_of_all(capsys: Capture) -> None:
    np.save("x.npy", numbers(100, 2))
    path = onnx_files.one_operator("sum.onnx", "ReduceSum", ["batch", 2], result=[], keepdims=0)
    words = [path, "--input", "x.npy", "--batch-size", "100"]
    assert run(capsys, *words) == (0, "y: float32[]: 4975\n", "sum.onnx: 100 samples on cpu\n")


# ----------------------------------------------------------------------------- images


@pytest.fixture
def pillow() -> Any:
    return pytest.importorskip("PIL.Image", reason="Pillow comes with the extra `images`")


@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        (("batch", 2, 3), "L"),
        (("batch", 2, 3, 1), "L"),
        (("batch", 2, 3, 3), "RGB"),
        (("batch", 2, 3, 4), "RGBA"),
        (("batch", 3, 2, 3), "RGB"),  # as many columns as channels: they are taken as channels
        (("batch", 1, 2, 5), "L"),
        (("batch", None, None, 3), "RGB"),
    ],
)
def test_images(shape: Any, mode: str, pillow: Any, capsys: Capture) -> None:
    path = onnx_files.one_operator("x.onnx", "Identity", shape)
    first = shape == ("batch", 1, 2, 5)
    sizes = shape[2:] if first else shape[1:3]
    height, width = (size or 4 for size in sizes)
    expected = []
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(len(expected)).integers(
            0, 256, (height, width, len(mode)), dtype=np.uint8
        )
        pillow.fromarray(pixels.squeeze(-1) if mode == "L" else pixels).save(name)
        expected.append(np.moveaxis(pixels, -1, 0) if first else pixels)
    assert run(capsys, path, "--input", "a.png", "b.png", "-o", "y.npy")[0] == 0
    found = np.load("y.npy")
    np.testing.assert_array_equal(found, np.stack(expected).reshape(found.shape))


def test_colours_become_grey_where_the_input_is(pillow: Any, capsys: Capture) -> None:
    image = pillow.new("RGB", (3, 2), (200, 100, 50))
    image.save("a.png")
    assert run(capsys, absolute(), "--input", "a.png", "-o", "y.npy")[0] == 0
    assert (
        np.load("y.npy").tolist()
        == np.full((1, 2, 3), image.convert("L").getpixel((0, 0))).tolist()
    )


def test_images_that_do_not_fit(pillow: Any, golden: Golden, capsys: Capture) -> None:
    pillow.new("L", (28, 14)).save("small.png")
    pillow.new("I;16", (3, 2)).save("deep.png")
    Path("none.png").write_text("no image")
    said = ""
    for shape, name in [
        (("batch", 28, 28), "small.png"),
        (("batch", None, 32, 3), "small.png"),
        (("batch", 2, 3), "deep.png"),
        (("batch", 2, 3), "none.png"),
        (("batch", 784), "small.png"),
        (("batch", 28, 28, 2), "small.png"),
    ]:
        status, out, err = run(capsys, absolute(shape), "--input", name)
        assert (status, out) == (2, "")
        said += err
    golden("run/images.txt", said)


def test_without_pillow(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    Path("a.png").write_text("")
    status, out, err = run(capsys, absolute(), "--input", "a.png")
    assert (status, out) == (2, "")
    assert "Pillow is not installed" in err
    assert 'pip install "specc-nn[images]"' in err


# ----------------------------------------------------------------------- the bad inputs


def test_bad_inputs(golden: Golden, capsys: Capture) -> None:
    np.save("x.npy", numbers(3, 2, 3))
    np.save("a.npy", numbers(3, 2))
    np.save("objects.npy", np.array([{}], object))
    np.savez("other.npz", p=numbers(3), q=numbers(3))
    Path("empty.npy").write_text("")
    Path("text.npy").write_text("no array")
    Path("text.npz").write_text("no archive")
    Path("x.txt").write_text("1")
    Path("short.csv").write_text("1,2,3,4,5,6\n1,2\n")
    Path("words.csv").write_text("a,b,c,d,e,f\n1,2,3,4,five,6\n")
    Path("header.csv").write_text("a,b,c,d,e,f\n")
    Path("latin.csv").write_bytes(b"\xff\xfe\n")
    absolute()
    onnx_files.sums("sums.onnx")
    onnx_files.one_operator("free.onnx", "Abs", ["batch", "time"])
    one, two = "abs.onnx", "sums.onnx"
    said = ""
    for words in (
        [one, "--input", "missing.npy"],
        [one, "--input", "."],
        [one, "--input", "a.npy"],
        [one, "--input", "objects.npy"],
        [one, "--input", "empty.npy"],
        [one, "--input", "text.npy"],
        [one, "--input", "text.npz"],
        [one, "--input", "other.npz"],
        [one, "--input", "x=other.npz"],
        [one, "--input", "x.txt"],
        [one, "--input", "short.csv"],
        [one, "--input", "words.csv"],
        [one, "--input", "header.csv"],
        [one, "--input", "latin.csv"],
        ["free.onnx", "--input", "header.csv"],
        [one, "--input", "x.npy", "x.npy"],
        [one, "--input", "other.npz", "x=x.npy"],
        [one, "--input", "y=x.npy"],
        [two, "--input", "a.npy"],
        [two, "--input", "a=a.npy"],
        [one, "--input", "x.npy", "--output", "y.txt"],
        [two, "--input", "a=a.npy", "--input", "b=a.npy", "--output", "y.npy"],
        ["missing.onnx", "--input", "x.npy"],
    ):
        status, out, err = run(capsys, *words)
        assert (status, out) == (2, ""), words
        said += f"$ specc run {' '.join(words)}\n{err}"
    golden("run/bad_inputs.txt", said)
    assert not Path("y.npy").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["abs.onnx"],
        ["abs.onnx", "--input", "x.npy", "--batch-size", "0"],
        ["abs.onnx", "--input", "x.npy", "--scale", "0"],
        ["abs.onnx", "--input", "x.npy", "--scale", "much"],
    ],
)
def test_wrong_options(words: list[str], capsys: Capture) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("usage: specc run")


@pytest.mark.parametrize("option", ["--provider", "--device"])
def test_a_provider_that_is_not_to_be_had(
    option: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from specc.files import DeviceError

    def refuse(*_: Any, **__: Any) -> Any:
        raise DeviceError("the provider `cuda` was asked for, but there is none", "buy one")

    monkeypatch.setattr(predictor_module, "open_session", refuse)
    np.save("x.npy", numbers(3, 2, 3))
    status = main(["run", absolute(), "--input", "x.npy", "-o", "y.npy", option, "cuda"])
    said = capsys.readouterr()
    assert (status, said.out) == (1, "")
    assert said.err == "error: the provider `cuda` was asked for, but there is none; buy one\n"
    assert not Path("y.npy").exists()
