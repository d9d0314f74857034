"""`specc verify`: every fault that is put into a file is found, and sound files are never refused.

The faults are made by the test, in the protobuf or in the exporter.
"""

from __future__ import annotations

import copy
import ctypes
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

import specc
from specc.backends import export as export_module
from specc.backends.adopt import adopt
from specc.backends.export import Exporter, current_weights
from specc.cli.main import main
from specc.graph import Variable
from specc.verification import verify as verify_module
from specc.verification.report import Report
from specc.verification.verify import verify_onnx

SPECS = Path(__file__).parent.parent / "specs"

Array = np.ndarray[Any, Any]

SMALL = """\
model small {
    input x: float32[6]

    Dense(5, activation="elu")
    BatchNormalization
    Dense(4, activation="elu")
    Dense(3, activation="softmax")
}
"""


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


class Subject(NamedTuple):
    """A model whose file the tests spoil; the conversion is done once."""

    model: specc.Model
    keras: Any
    exporter: Exporter
    file: onnx.ModelProto

    def copy(self) -> onnx.ModelProto:
        return copy.deepcopy(self.file)

    def verify(self, file: onnx.ModelProto, **options: Any) -> Report:
        options = {"provider": "cpu", "exporter": self.exporter, **options}
        return verify_onnx(self.model.graph, self.keras, file, **options)


def subject(model: specc.Model, seed: int = 0) -> Subject:
    keras_model = model.to_keras(seed=seed)
    built = adopt(model.graph, keras_model)
    exporter = Exporter(built, model.source)
    file = exporter.export(current_weights(built), {"seed": seed}).model
    return Subject(model, keras_model, exporter, file)


@pytest.fixture(scope="session")
def subjects(keras_backend: Any) -> Callable[[str], Subject]:  # noqa: ARG001
    """A shipped spec by name, or "small"; made when first asked for."""
    made: dict[str, Subject] = {}

    def get(name: str) -> Subject:
        if name not in made:
            text = SMALL if name == "small" else (SPECS / f"{name}.spec").read_text("utf-8")
            made[name] = subject(specc.compile_text(text, f"{name}.spec").model())
        return made[name]

    return get


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subjects: Callable[[str], Subject]
) -> Path:
    """A directory with small.spec and the sound file build/small.onnx."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.spec").write_text(SMALL, encoding="utf-8")
    (tmp_path / "build").mkdir()
    onnx.save(subjects("small").file, tmp_path / "build" / "small.onnx")
    return tmp_path


def line_of(model: specc.Model, layer: str) -> int:
    """The line a layer stands on, found in the text: its class and its number among those."""
    (info,) = (x for x in model.layers if x.name == layer)
    alike = [x.name for x in model.layers if x.kind == info.kind]
    lines = model.source.text.splitlines()
    word = re.compile(rf"\b{info.kind}\b")
    found = [n for n, line in enumerate(lines, 1) if line[:1] != "#" for _ in word.findall(line)]
    return found[alike.index(layer)]


def node_of(file: onnx.ModelProto, layer: str, operator: str) -> onnx.NodeProto:
    """The first node of an operator in a layer."""
    return next(
        node
        for node in file.graph.node
        if node.op_type == operator
        and any(p.key == "specc.layer" and p.value == layer for p in node.metadata_props)
    )


def change(file: onnx.ModelProto, name: str, function: Callable[[Array], None]) -> None:
    """Change an initializer in place."""
    (initializer,) = (i for i in file.graph.initializer if i.name == name)
    array = onnx.numpy_helper.to_array(initializer).copy()
    function(array)
    initializer.CopyFrom(onnx.numpy_helper.from_array(array, name))


def one_percent(array: Array) -> None:
    """Change one number that is not zero, somewhere."""
    places = np.argwhere(array)
    place = tuple(places[np.random.default_rng(array.size).integers(len(places))])
    array[place] *= 1.01


# ------------------------------------------------------------------------ sound files


def test_the_example_of_the_interface(tmp_path: Path, keras_backend: Any) -> None:  # noqa: ARG001
    """specc/api.py's text, twice: the function must still be there when its module is loaded."""
    for _ in range(2):
        program = specc.compile(SPECS / "wide_and_deep.spec")
        model = program.model()
        keras_model = model.to_keras()
        onnx_model = model.to_onnx(keras_model)
        report = specc.verify(model, keras_model, onnx_model)
        assert report.ok
        assert report.diagnostics == []
    onnx.save(onnx_model, tmp_path / "saved.onnx")
    assert specc.verify(model, keras_model, tmp_path / "saved.onnx", provider="cpu").ok


def test_the_report(subjects: Callable[[str], Subject]) -> None:
    bn_after = subjects("bn_after")
    report = bn_after.verify(bn_after.file)
    assert report.ok
    assert report.model == "bn_after"
    assert report.provider == "cpu"
    # Three batch sizes, four kinds of input, own and randomised weights.
    assert len(report.runs) == 24
    assert len({(run.case, run.weights) for run in report.runs}) == 24
    assert {run.output for run in report.runs} == {"dense_2"}
    assert 0 < report.max_abs_error < 1e-4
    assert report.max_abs_error == max(run.max_abs_error for run in report.runs)
    assert report.max_rel_error == max(run.max_rel_error for run in report.runs)
    closest = report.closest_call
    assert closest is not None
    ratios = [run.max_abs_error / run.allowed for run in report.runs]
    assert closest.max_abs_error / closest.allowed == max(ratios) <= 1
    assert (report.params.keras_total, report.params.onnx_total) == (271_346, 268_978)
    assert report.params.closes
    layers = [(x.name, x.line, x.keras_params, x.onnx_params) for x in report.layers]
    assert layers == [
        ("flatten", 5, 0, 0),
        ("batch_normalization", 6, 3_136, 1_568),
        ("dense", 7, 235_500, 235_500),
        ("batch_normalization_1", 8, 1_200, 600),
        ("dense_1", 9, 30_100, 30_100),
        ("batch_normalization_2", 10, 400, 200),
        ("dense_2", 11, 1_010, 1_010),
    ]
    assert report.layers[1].account == (
        "gamma, beta, moving_mean, moving_variance folded into scale, offset"
    )
    assert report.layers[2].account == "kernel, bias kept"
    assert report.layers[0].account == "no parameters"
    data = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert data["ok"] is True
    assert data["errors"] == []
    assert len(data["runs"]) == 24


def no_false_alarms(names: tuple[str, ...], seeds: range) -> None:
    """Other weights and other inputs each time."""
    for name in names:
        model = specc.compile(SPECS / f"{name}.spec").model()
        converted = subject(model)
        for seed in seeds:
            keras_model = model.to_keras(seed=seed)
            built = adopt(model.graph, keras_model)
            file = converted.exporter.export(current_weights(built)).model
            report = converted._replace(keras=keras_model).verify(file, seed=seed)
            assert report.ok, (name, seed, report.diagnostics)


def test_no_false_alarms(keras_backend: Any) -> None:  # noqa: ARG001
    no_false_alarms(("bn_after", "wide_and_deep"), range(100, 103))


@pytest.mark.slow
def test_no_false_alarms_for_many_seeds(keras_backend: Any) -> None:  # noqa: ARG001
    no_false_alarms(("bn_after", "wide_and_deep"), range(30))


@pytest.mark.slow
def test_no_false_alarms_for_other_families(keras_backend: Any) -> None:  # noqa: ARG001
    no_false_alarms(("bn_before", "convnet", "sentiment"), range(4))


# ------------------------------------------------------------------------- one number


def initializers(name: str) -> list[str]:
    """The names of a shipped spec's initializers, known before anything is converted."""
    names = {
        "bn_after": [
            *[f"dense{n}/{v}" for n in ("", "_1", "_2") for v in ("kernel", "bias")],
            *[f"batch_normalization{n}/{v}" for n in ("", "_1", "_2") for v in ("scale", "offset")],
        ],
        "convnet": [
            *["conv2d/kernel", "conv2d_1/kernel", "conv2d_2/kernel", "conv2d_2/bias"],
            *[f"batch_normalization{n}/{v}" for n in ("", "_1") for v in ("scale", "offset")],
            *["dense/kernel", "dense/bias"],
        ],
        "sentiment": [
            "embedding/embeddings",
            *["gru/kernel", "gru/recurrent_kernel", "gru/bias", "gru/offset", "gru/offset_1"],
            *["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias"],
            *["dense/kernel", "dense/bias"],
        ],
    }
    return names[name]


# Seconds each, as a changed row of the table is not seen in most outputs and so all cases run.
OFTEN = ("embedding/embeddings", "gru/bias", "gru/offset_1", "lstm/recurrent_kernel")

CHANGED = [
    pytest.param(n, i, marks=[pytest.mark.slow] if n == "sentiment" and i not in OFTEN else [])
    for n in ("bn_after", "convnet", "sentiment")
    for i in initializers(n)
]


@pytest.mark.parametrize(("name", "initializer"), CHANGED)
def test_one_number(name: str, initializer: str, subjects: Callable[[str], Subject]) -> None:
    """A number off by one per cent; a bias of zeros gets a number instead."""
    sound = subjects(name)
    file = sound.copy()
    parameters = [i.name for i in file.graph.initializer if "/" in i.name]
    assert sorted(parameters) == sorted(initializers(name))

    def spoil(array: Array) -> None:
        if array.any():
            one_percent(array)
        else:
            array.flat[array.size // 2] = 0.01

    change(file, initializer, spoil)
    report = sound.verify(file)
    assert not report.ok
    first = report.diagnostics[0]
    layer = initializer.split("/")[0]
    assert first.code == "E0602"
    assert first.message == f"`{initializer}` in the ONNX model is not what Keras has"
    assert first.primary.span.line == line_of(sound.model, layer)
    total = onnx.numpy_helper.to_array(
        next(i for i in file.graph.initializer if i.name == initializer)
    ).size
    assert first.notes[0] == f"1 of {total:,} numbers differ"
    # What it does to the layer's output is no second mistake.
    places = [diagnostic.primary.span for diagnostic in report.diagnostics]
    assert places.count(first.primary.span) == 1


def test_the_smallest_change(subjects: Callable[[str], Subject]) -> None:
    """A kept weight must be the same to the last bit."""
    sound = subjects("small")
    file = sound.copy()

    def last_bit(array: Array) -> None:
        array[2, 1] = np.nextafter(array[2, 1], np.float32(9))

    change(file, "dense/kernel", last_bit)
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0602"
    assert "[2, 1]" in error.primary.text


def test_a_parameter_that_is_gone(subjects: Callable[[str], Subject]) -> None:
    sound = subjects("small")
    file = sound.copy()
    change(file, "dense_2/bias", lambda _: None)
    initializer = next(i for i in file.graph.initializer if i.name == "dense_2/bias")
    initializer.name = "another"
    node_of(file, "dense_2", "Add").input[1] = "another"
    codes = [d.code for d in sound.verify(file).diagnostics]
    assert codes[0] == "E0603"


def test_a_parameter_of_another_type(subjects: Callable[[str], Subject]) -> None:
    sound = subjects("small")
    file = sound.copy()
    initializer = next(i for i in file.graph.initializer if i.name == "dense_2/bias")
    array = onnx.numpy_helper.to_array(initializer)[None]
    initializer.CopyFrom(onnx.numpy_helper.from_array(array, "dense_2/bias"))
    first, *_ = sound.verify(file).diagnostics
    assert first.code == "E0604"
    assert first.primary.span.line == 7


# -------------------------------------------------------------------------- the graph


def relu_for_elu(file: onnx.ModelProto) -> None:
    node = node_of(file, "dense_1", "Elu")
    node.op_type = "Relu"
    del node.attribute[:]


def alpha_of_elu(file: onnx.ModelProto) -> None:
    node = node_of(file, "dense", "Elu")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("alpha", 0.9))


def axis_of_softmax(file: onnx.ModelProto) -> None:
    node = node_of(file, "dense_2", "Softmax")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("axis", 0))


def scale_for_offset(file: onnx.ModelProto) -> None:
    multiply = node_of(file, "batch_normalization", "Mul")
    add = node_of(file, "batch_normalization", "Add")
    multiply.input[1], add.input[1] = add.input[1], multiply.input[1]


def subtract_for_add(file: onnx.ModelProto) -> None:
    """The bias is zero in fresh weights."""
    node_of(file, "dense_1", "Add").op_type = "Sub"


def no_elu(file: onnx.ModelProto) -> None:
    remove(file, node_of(file, "dense_1", "Elu"))


def no_bias(file: onnx.ModelProto) -> None:
    """Adding zero changes nothing until the model is trained."""
    remove(file, node_of(file, "dense_2", "Add"))


def remove(file: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """Take a node out; who read it reads its input."""
    for reader in file.graph.node:
        for index, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[index] = node.input[0]
    file.graph.node.remove(node)


def bias_of_another(file: onnx.ModelProto) -> None:
    """Two biases of one size, both zero in fresh weights."""
    node_of(file, "dense_1", "Add").input[1] = "dense/bias"


@pytest.mark.parametrize(
    ("fault", "layer", "weights"),
    [
        (relu_for_elu, "dense_1", "own"),
        (alpha_of_elu, "dense", "own"),
        (axis_of_softmax, "dense_2", "own"),
        (scale_for_offset, "batch_normalization", "own"),
        (subtract_for_add, "dense_1", "randomised"),
        (no_elu, "dense_1", "own"),
        (no_bias, "dense_2", "randomised"),
    ],
)
def test_a_fault_in_the_graph(
    fault: Callable[[onnx.ModelProto], None],
    layer: str,
    weights: str,
    subjects: Callable[[str], Subject],
) -> None:
    """Not a weight is changed, and the layer is named all the same."""
    sound = subjects("small")
    file = sound.copy()
    fault(file)
    onnx.checker.check_model(file, full_check=True)
    report = sound.verify(file)
    (error,) = report.diagnostics
    assert error.code == "E0605"
    assert error.message == f"the ONNX model parts from Keras in `{layer}`"
    assert error.primary.span.line == line_of(sound.model, layer)
    assert f"{weights} weights" in error.notes[0]
    assert not report.runs[-1].ok
    names = [x.name for x in sound.model.layers]
    before = names[names.index(layer) - 1] if names.index(layer) else None
    said = f"the last layer that agrees is `{before}`" if before else "no layer before it"
    assert error.notes[1] == said


def test_swapped_inputs_of_a_concatenation(subjects: Callable[[str], Subject]) -> None:
    sound = subjects("wide_and_deep")
    file = sound.copy()
    node = node_of(file, "concatenate", "Concat")
    node.input[0], node.input[1] = node.input[1], node.input[0]
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0605"
    assert "`concatenate`" in error.message
    assert error.primary.span.line == line_of(sound.model, "concatenate")


def test_the_wrong_padding(subjects: Callable[[str], Subject]) -> None:
    """In images, which the file keeps in another layout than Keras."""
    sound = subjects("convnet")
    file = sound.copy()
    node = node_of(file, "conv2d_2", "Conv")
    (pads,) = (a for a in node.attribute if a.name in ("pads", "auto_pad"))
    node.attribute.remove(pads)
    node.attribute.append(onnx.helper.make_attribute("pads", [0, 0, 2, 2]))
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0605"
    assert "`conv2d_2`" in error.message
    assert error.primary.span.line == line_of(sound.model, "conv2d_2")


def test_a_fault_in_a_constant(subjects: Callable[[str], Subject]) -> None:
    """Constants are the file's own: they are not replaced by sound ones while verifying."""
    sound = subjects("sentiment")
    file = sound.copy()
    floats = [
        i.name
        for i in file.graph.initializer
        if "/" not in i.name and i.data_type == onnx.TensorProto.FLOAT
    ]
    assert floats
    for name in floats:
        change(file, name, lambda array: array.__iadd__(0.5))
    assert not sound.verify(file).ok


def test_names_of_constants_do_not_matter(keras_backend: Any) -> None:  # noqa: ARG001
    """Another conversion may call them otherwise; they must not be taken for each other."""
    text = """\
model bent {
    input x: float32[4]

    Dense(3)
    ReLU(max_value=2, negative_slope=0.1, threshold=0.5)
    ELU(alpha=0.5)
}
"""
    sound = subject(specc.compile_text(text, "bent.spec").model())
    file = sound.copy()
    names = [i.name for i in file.graph.initializer if "/" not in i.name]
    assert len(names) > 3
    renamed = dict(zip(names, [*names[1:], names[0]], strict=True))
    values = [onnx.numpy_helper.to_array(i).tolist() for i in file.graph.initializer]
    assert len({str(value) for value in values}) > 3
    for initializer in file.graph.initializer:
        initializer.name = renamed.get(initializer.name, initializer.name)
    for node in file.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    assert sound.verify(file).ok


def test_metadata_is_not_needed(subjects: Callable[[str], Subject]) -> None:
    """Without it a fault is still found; only the layer is not known."""
    sound = subjects("small")
    file = sound.copy()
    relu_for_elu(file)
    for node in file.graph.node:
        del node.metadata_props[:]
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0606"
    assert error.message == "the output `dense_2` of the ONNX model is not Keras's"
    assert error.primary.span.line == 7


def test_other_inputs_and_outputs(subjects: Callable[[str], Subject]) -> None:
    sound = subjects("small")

    def rename(file: onnx.ModelProto) -> None:
        file.graph.output[0].name = "other"
        node_of(file, "dense_2", "Softmax").output[0] = "other"

    def fix_the_batch(file: onnx.ModelProto) -> None:
        file.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    def widen(file: onnx.ModelProto) -> None:
        file.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"

    for fault, ok in (rename, False), (fix_the_batch, False), (widen, True):
        file = sound.copy()
        fault(file)
        report = sound.verify(file)
        assert report.ok == ok
        assert [d.code for d in report.diagnostics] == ([] if ok else ["E0607"])


def test_a_file_that_onnxruntime_does_not_run(subjects: Callable[[str], Subject]) -> None:
    """The checker lets both pass: it knows no shapes while the model runs."""
    sound = subjects("small")
    transposed = sound.copy()
    change(transposed, "dense_1/kernel", lambda _: None)
    initializer = next(i for i in transposed.graph.initializer if i.name == "dense_1/kernel")
    array = onnx.numpy_helper.to_array(initializer).T
    initializer.CopyFrom(onnx.numpy_helper.from_array(array.copy(), "dense_1/kernel"))
    unknown = sound.copy()
    node_of(unknown, "dense", "Elu").op_type = "Elo"
    for file in transposed, unknown:
        with pytest.raises(specc.UsageError, match="onnxruntime cannot run the ONNX model: "):
            sound.verify(file)


def test_a_model_that_is_wired_otherwise(keras_backend: Any) -> None:
    """The same layers and weights, and something between them that the spec does not have.

    However far the model is from the spec's, that must not pass for Keras's rounding.
    """
    model = specc.compile_text(SMALL, "small.spec").model()
    plain = model.to_keras(seed=0)
    layers = [plain.get_layer(info.name) for info in model.layers]
    inputs = keras_backend.Input((6,), name="x")
    x = keras_backend.layers.Rescaling(1.5)(inputs)
    for layer in layers:
        x = layer(x)
    rewired = keras_backend.Model(inputs, x, name="small")
    report = specc.verify(model, rewired, model.to_onnx(rewired), provider="cpu")
    assert not report.ok


# --------------------------------------------------- faults that fresh weights do not show

Arrays = list[Array]


def swapped(variables: list[Variable], arrays: Arrays) -> Arrays:
    """beta for moving_mean and the other way round: both zero in fresh weights."""
    place = {v.path: number for number, v in enumerate(variables)}
    other = {"beta": "moving_mean", "moving_mean": "beta"}
    return [arrays[place[f"{v.layer}/{other.get(v.name, v.name)}"]] for v in variables]


def without_variance(variables: list[Variable], arrays: Arrays) -> Arrays:
    return [
        np.ones_like(array) if v.name == "moving_variance" else array
        for v, array in zip(variables, arrays, strict=True)
    ]


def without_biases(variables: list[Variable], arrays: Arrays) -> Arrays:
    return [
        np.zeros_like(array) if v.name == "bias" else array
        for v, array in zip(variables, arrays, strict=True)
    ]


HIDDEN = [swapped, without_variance, without_biases]


@pytest.fixture
def faulty_exporter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Make the exporter bind other numbers to the graph than it is given."""
    right = export_module.bind_weights

    def install(fault: Callable[[list[Variable], Arrays], Arrays]) -> None:
        monkeypatch.setattr(
            export_module,
            "bind_weights",
            lambda model, variables, arrays, names: right(
                model, variables, fault(variables, arrays), names
            ),
        )

    return install


@pytest.mark.parametrize("fault", HIDDEN)
def test_a_faulty_exporter_writes_nothing(
    fault: Any,
    faulty_exporter: Callable[[Any], None],
    place: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An older file stays as it is, and a new one does not appear."""
    before = (place / "build" / "small.onnx").read_bytes()
    faulty_exporter(fault)
    for words in ["small.spec"], ["small.spec", "-o", "new"]:
        assert main(["export", "--onnx", *words, "--provider", "cpu"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        layer, line = ("dense", 4) if fault is without_biases else ("batch_normalization", 5)
        target = os.path.join(words[-1] if words[-1] == "new" else "build", "small.onnx")
        first, where, *_ = printed.err.splitlines()
        assert first == f"error[E0605]: {target} parts from Keras in `{layer}`"
        assert where.strip() == f"--> small.spec:{line}:5"
        assert "randomised weights" in printed.err
        assert printed.err.endswith("1 error; nothing was written.\n")
    assert (place / "build" / "small.onnx").read_bytes() == before
    left = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    assert left == [os.path.join("build", "small.onnx"), "small.spec"]


@pytest.mark.parametrize("fault", HIDDEN)
def test_only_randomised_weights_find_it(
    fault: Any,
    faulty_exporter: Callable[[Any], None],
    subjects: Callable[[str], Subject],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the randomised weights are for: without them, the faults above pass unseen."""
    sound = subjects("small")
    faulty_exporter(fault)
    file = sound.model.to_onnx(sound.keras)
    assert not specc.verify(sound.model, sound.keras, file, provider="cpu").ok
    monkeypatch.setattr(verify_module, "randomise", lambda arrays, *_: arrays)
    assert specc.verify(sound.model, sound.keras, file, provider="cpu").ok


# ------------------------------------------------------------------------------- NaN


def test_nan_in_a_weight(subjects: Callable[[str], Subject]) -> None:
    sound = subjects("small")
    for name in "dense_1/kernel", "batch_normalization/scale":
        file = sound.copy()
        change(file, name, lambda array: array.flat.__setitem__(1, np.nan))
        report = sound.verify(file)
        assert [d.code for d in report.diagnostics][:1] == ["E0602"]
        assert name in report.diagnostics[0].message
        json.dumps(report.as_json(), allow_nan=False)


def test_nan_on_both_sides(keras_backend: Any) -> None:  # noqa: ARG001
    """A training that went wrong: file and model are the same, and neither is any good."""
    model = specc.compile_text(SMALL, "small.spec").model()
    keras_model = model.to_keras(seed=0)
    weight = keras_model.get_layer("dense_1").weights[1]
    weight.assign(np.full(4, np.nan))
    report = specc.verify(model, keras_model, model.to_onnx(keras_model), provider="cpu")
    assert not report.ok
    assert "`dense_1/bias`" in report.diagnostics[0].message
    assert report.diagnostics[0].code == "E0602"
    # With nothing to compare, nothing is proved.
    assert report.diagnostics[-1].code == "E0610"
    assert report.runs == []


def test_where_keras_gives_nan(keras_backend: Any) -> None:  # noqa: ARG001
    """The mean over a text that is all padding is 0 / 0, in Keras and in the file."""
    text = """\
model mean {
    input words: int32[time]

    Embedding(50, 4, mask_zero=True)
    GlobalAveragePooling1D
}
"""
    model = specc.compile_text(text, "mean.spec").model()
    keras_model = model.to_keras(seed=0)
    assert np.isnan(keras_model(np.zeros((1, 3), np.int32))).all()
    report = specc.verify(model, keras_model, model.to_onnx(keras_model), provider="cpu")
    assert report.ok, report.diagnostics
    assert report.undefined > 0
    assert report.runs
    assert not np.isnan(report.max_abs_error)


def test_nan_in_an_output(subjects: Callable[[str], Subject]) -> None:
    sound = subjects("small")
    file = sound.copy()
    node = node_of(file, "dense", "Elu")
    node.op_type = "Log"  # of negative numbers
    del node.attribute[:]
    report = sound.verify(file)
    assert not report.ok
    assert np.isnan(report.max_abs_error)
    assert np.isnan(report.max_rel_error)
    closest = report.closest_call
    assert closest is not None
    assert not closest.ok
    data = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert data["max_abs_error"] == "nan"
    assert data["errors"][0]["code"] == "E0605"


# ------------------------------------------------------------------- the command line


def test_the_default_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "build" / "small.onnx").read_bytes()
    assert main(["verify", "small.spec", "--provider", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    path = os.path.join("build", "small.onnx")
    lines = printed.out.splitlines()
    assert lines[0] == f"small: {path} agrees with Keras"
    assert lines[1].endswith("24 runs agree with Keras on onnxruntime (cpu)")
    # 35 + 20 + 24 + 15 parameters; four vectors of 5 become two
    assert lines[-1].split("parameters")[1].strip() == (
        "94 in Keras - 10 folded (20 into 10) = 84 in ONNX"
    )
    assert main(["verify", "small.spec", path, "--layers", "--provider", "cpu"]) == 0
    assert "moving_variance folded" in " ".join(capsys.readouterr().out.split())
    assert (place / "build" / "small.onnx").read_bytes() == before


def test_a_changed_number_on_the_command_line(
    place: Path, subjects: Callable[[str], Subject], capsys: pytest.CaptureFixture[str]
) -> None:
    file = subjects("small").copy()
    change(file, "dense_1/kernel", one_percent)
    onnx.save(file, place / "spoilt.onnx")
    assert main(["verify", "small.spec", "spoilt.onnx", "--provider", "cpu"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    first, where, *_ = printed.err.splitlines()
    assert first == "error[E0602]: `dense_1/kernel` in spoilt.onnx is not what Keras has"
    assert where.strip() == "--> small.spec:6:5"
    assert main(["verify", "small.spec", "spoilt.onnx", "--provider", "cpu", "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    data = json.loads(printed.out)
    assert data["ok"] is False
    assert data["errors"][0]["code"] == "E0602"
    assert (data["errors"][0]["file"], data["errors"][0]["line"]) == ("small.spec", 6)


def test_the_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert main(["verify", "small.spec", "--json", "--provider", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    data = json.loads(printed.out)
    assert data["ok"] is True
    assert data["errors"] == []
    assert (data["model"], data["provider"]) == ("small", "cpu")
    assert data["params"]["keras"] == 94
    assert data["params"]["onnx"] == 84
    assert data["max_abs_error"] == max(run["max_abs_error"] for run in data["runs"])
    assert [layer["line"] for layer in data["layers"]] == [4, 5, 6, 7]


def test_files_that_are_none(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "text.onnx").write_text("hello", encoding="utf-8")
    (place / "empty.onnx").write_bytes(b"")
    half = (place / "build" / "small.onnx").read_bytes()
    (place / "half.onnx").write_bytes(half[: len(half) // 2])
    for file, said in [
        ("missing.onnx", "cannot read `missing.onnx`: there is no such file"),
        ("build", "cannot read `build`: it is a directory"),
        ("text.onnx", "`text.onnx` is not a valid ONNX model: "),
        ("empty.onnx", "`empty.onnx` is not a valid ONNX model: "),
        ("half.onnx", "`half.onnx` is not a valid ONNX model: "),
    ]:
        assert main(["verify", "small.spec", file]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"error: {said}")
        assert len(printed.err.splitlines()) == 1


def test_no_file_yet(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(place / "build")
    assert main(["verify", "small.spec"]) == 2
    path = os.path.join("build", "small.onnx")
    assert capsys.readouterr().err == (
        f"error: cannot read `{path}`: there is no such file\n"
        "help: `specc export --onnx small.spec` writes it\n"
    )


def test_a_file_of_another_model(
    place: Path, subjects: Callable[[str], Subject], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "wide_and_deep", "bn_after":
        onnx.save(subjects(name).file, place / "other.onnx")
        assert main(["verify", "small.spec", "other.onnx", "--provider", "cpu"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        assert "error[E0607]: other.onnx has other inputs than the model" in printed.err
        assert "verify a file that `specc export --onnx` wrote for this spec" in printed.err


def test_several_models(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = SMALL.replace("small", "second")
    (place / "small.spec").write_text(SMALL + second, encoding="utf-8")
    assert main(["verify", "small.spec"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: `small.spec` has several models: small, second",
        "help: choose one with --model",
    ]
    assert main(["verify", "small.spec", "--model", "small", "--provider", "cpu"]) == 0


def test_the_weights_the_file_was_exported_from(
    place: Path, subjects: Callable[[str], Subject], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are found by the manifest, unless they are gone or changed."""
    model = subjects("small").model
    model.to_keras(seed=77).save(place / "mine.keras")
    words = ["small.spec", "--provider", "cpu"]
    assert main(["export", "--onnx", *words, "--weights", "mine.keras"]) == 0
    assert main(["verify", *words]) == 0
    capsys.readouterr()

    path = os.path.join("build", "small.onnx")
    hint = f"help: `specc verify small.spec {path} --weights FILE.keras`"
    shutil.move("mine.keras", "moved.keras")
    assert main(["verify", *words]) == 2
    assert capsys.readouterr() == (
        "",
        f"error: `{path}` was exported from `mine.keras`, which is not there\n{hint}\n",
    )
    assert main(["verify", *words, "--weights", "moved.keras"]) == 0
    capsys.readouterr()

    model.to_keras(seed=78).save(place / "mine.keras")
    assert main(["verify", *words]) == 2
    assert capsys.readouterr() == (
        "",
        f"error: `mine.keras` has changed since `{path}` was exported from it\n{hint}\n",
    )
    assert main(["verify", *words, "--weights", "mine.keras"]) == 1
    assert "error[E0602]: `dense/kernel`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "manifest",
    ["no JSON", "[]", "{}", '{"weights": null}', '{"weights": "x"}', '{"weights": {"seed": "x"}}'],
)
def test_a_manifest_of_someone_else(
    manifest: str,
    place: Path,
    subjects: Callable[[str], Subject],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names no weights, so those of seed 0 are taken, which are the right ones here."""
    file = subjects("small").copy()
    (entry,) = (p for p in file.metadata_props if p.key == "specc.manifest")
    entry.value = manifest
    onnx.save(file, place / "build" / "small.onnx")
    assert main(["verify", "small.spec", "--provider", "cpu"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["build"], ["export", "--onnx"], ["verify"]])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "x"])
def test_seeds_that_are_none(
    command: list[str],
    seed: str,
    place: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    """NumPy and Keras take 32 bits."""
    assert main([*command, "small.spec", "--seed", seed]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1] == (
        f"specc {command[0]}: error: argument --seed: "
        f"{seed} is no whole number from 0 to 4294967295"
    )


def test_another_seed_is_in_the_manifest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    words = ["small.spec", "--provider", "cpu"]
    assert main(["export", "--onnx", *words, "--seed", "123"]) == 0
    assert main(["verify", *words, "--seed", "9"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["export", "--onnx"], ["verify"]])
def test_a_gpu_or_an_error(
    command: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (place / "build" / "small.onnx").read_bytes()
    status = main([*command, "small.spec", "--provider", "cuda"])
    printed = capsys.readouterr()
    if has_driver():
        assert status == 0
        assert "onnxruntime (cuda)" in printed.out
        return
    assert status == 1
    assert printed.out == ""
    error, help = printed.err.splitlines()
    assert error == (
        "error: the provider `cuda` was asked for, but onnxruntime runs on `cpu` instead: "
        "there is no NVIDIA driver"
    )
    assert help.startswith("help: ")
    assert (place / "build" / "small.onnx").read_bytes() == before
    assert [path.name for path in (place / "build").iterdir()] == ["small.onnx"]
