"""The exporter by way of tf2onnx: its files against Keras, numpy and onnxruntime.

The tests of specc's own are in the modules test_native*.py.

Nothing here asks specc whether an export is right; tests/verification asks whether specc can
tell.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest

import specc
from specc.backends import export as export_module
from specc.cli.main import main
from specc.layers.names import ACTIVATIONS

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.spec"))
NAMES = [path.stem for path in SPECS]
UNKNOWN_LENGTH = 6
EXPORT = ("export", "--onnx", "--via", "tf2onnx")

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


# ------------------------------------------------------------------------ fixtures


class Shipped(NamedTuple):
    """A shipped spec, exported by the command line, beside the same model from Keras."""

    path: Path
    model: specc.Model
    keras: Any
    onnx: onnx.ModelProto
    report: dict[str, Any]
    """What `--json` printed."""

    @property
    def initializers(self) -> Arrays:
        return {i.name: onnx.numpy_helper.to_array(i) for i in self.onnx.graph.initializer}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, keras_backend: Any) -> dict[str, Shipped]:  # noqa: ARG001
    """Every shipped spec, by one `specc export --onnx` that finds them under specs/ by itself."""
    place = tmp_path_factory.mktemp("export")
    shutil.copytree(SPECS[0].parent, place / "specs")
    printed = io.StringIO()
    with inside(place), redirect_stdout(printed):
        status = main([*EXPORT, "--json", "--provider", "cpu", "--seed", "5"])
    assert status == 0
    assert sorted(path.name for path in (place / "build").iterdir()) == [f"{n}.onnx" for n in NAMES]
    shipped: dict[str, Shipped] = {}
    for report in json.loads(printed.getvalue())["exports"]:
        name = report["model"]
        with inside(place):
            model = specc.compile(f"specs/{name}.spec").model()
        path = place / "build" / f"{name}.onnx"
        shipped[name] = Shipped(path, model, model.to_keras(seed=5), onnx.load(path), report)
    assert list(shipped) == NAMES
    return shipped


@pytest.fixture(params=NAMES)
def shipped(request: pytest.FixtureRequest, exported: dict[str, Shipped]) -> Shipped:
    return exported[request.param]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras_backend: Any) -> Path:  # noqa: ARG001
    """An empty working directory with Keras imported."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compiled(body: str) -> specc.Model:
    """A model of these statements."""
    lines = "\n".join(f"    {line.strip()}" for line in body.strip().splitlines())
    return specc.compile_text(f"model m {{\n{lines}\n}}\n", "m.spec").model()


def random_weights(keras_model: Any, seed: int = 0) -> None:
    """Numbers in place of fresh zeros and ones; variances stay positive."""
    random = np.random.default_rng(seed)
    for variable in keras_model.weights:
        shape = tuple(variable.shape)
        positive = "variance" in variable.name or "stddev" in variable.name
        new = random.uniform(0.5, 2, shape) if positive else 0.4 * random.standard_normal(shape)
        variable.assign(new)


def draw(model: specc.Model, batch: int, seed: int = 0, length: int = UNKNOWN_LENGTH) -> Arrays:
    """Inputs; whole numbers are below 5, which every Embedding below has a row for."""
    random = np.random.default_rng([seed, batch])
    inputs: Arrays = {}
    for port in model.inputs:
        shape = (batch, *(n if isinstance(n, int) else length for n in port.type.shape))
        if port.type.dtype == "bool":
            inputs[port.name] = random.random(shape) < 0.5
        elif "int" in port.type.dtype:
            inputs[port.name] = random.integers(0, 5, shape).astype(port.type.dtype)
        else:
            inputs[port.name] = random.standard_normal(shape).astype(port.type.dtype)
    return inputs


def by_keras(keras_model: Any, inputs: Arrays) -> list[Array]:
    values = list(inputs.values())
    outputs = keras_model(values if len(values) > 1 else values[0])
    return [np.asarray(x) for x in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def by_onnxruntime(model: onnx.ModelProto, inputs: Arrays) -> list[Array]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, inputs))


def assert_same(found: list[Array], wanted: list[Array], tolerance: float = 2e-5) -> None:
    """Equal shapes and dtypes, and values up to a few roundings of the largest."""
    assert len(found) == len(wanted)
    for have, want in zip(found, wanted, strict=True):
        assert have.shape == want.shape
        assert have.dtype == want.dtype
        scale = max(1.0, float(np.max(np.abs(want), initial=0)))
        np.testing.assert_allclose(have, want, rtol=0, atol=tolerance * scale)


def assert_exports(body: str, *, tolerance: float = 2e-5) -> onnx.ModelProto:
    """Export a model with random weights and compare it with Keras at three batch sizes."""
    model = compiled(body)
    keras_model = model.to_keras(seed=0)
    random_weights(keras_model)
    exported = model.to_onnx(keras_model, via="tf2onnx")
    onnx.checker.check_model(exported, full_check=True)
    for batch in (1, 2, 17):
        inputs = draw(model, batch)
        found = by_onnxruntime(exported, inputs)
        assert_same(found, by_keras(keras_model, inputs), tolerance)
    return exported


# ------------------------------------------------------------------- the file itself


def test_it_is_a_sound_file(shipped: Shipped) -> None:
    onnx.checker.check_model(str(shipped.path), full_check=True)
    assert shipped.onnx.ir_version == 8
    assert [(o.domain, o.version) for o in shipped.onnx.opset_import] == [("", 18)]
    assert shipped.onnx.producer_name == "specc"
    assert shipped.onnx.graph.name == shipped.model.name


def test_inputs_and_outputs(shipped: Shipped) -> None:
    def described(values: Any) -> list[tuple[str, list[str | int]]]:
        return [
            (v.name, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim])
            for v in values
        ]

    graph = shipped.onnx.graph
    model = shipped.model
    assert described(graph.input) == [(p.name, ["batch", *p.type.shape]) for p in model.inputs]
    assert described(graph.output) == [(p.name, ["batch", *p.type.shape]) for p in model.outputs]
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)}
    for port in (*model.inputs, *model.outputs):
        wanted = {"float32": onnx.TensorProto.FLOAT, "int32": onnx.TensorProto.INT32}
        assert types[port.name] == wanted[port.type.dtype]


def test_the_named_axis(exported: dict[str, Shipped]) -> None:
    (words,) = exported["sentiment"].onnx.graph.input
    assert [d.dim_param for d in words.type.tensor_type.shape.dim] == ["batch", "time"]


def test_nodes_say_where_they_are_from(shipped: Shipped) -> None:
    """The lines are looked up in the text by the test itself, by the name of the class."""
    text = (shipped.path.parent.parent / "specs" / f"{shipped.model.name}.spec").read_text()
    lines = text.splitlines()
    kinds = {layer.name: layer.kind for layer in shipped.model.layers}
    seen: set[str] = set()
    for node in shipped.onnx.graph.node:
        metadata = {p.key: p.value for p in node.metadata_props}
        layer = metadata["specc.layer"]
        file, line, _ = metadata["specc.source"].rsplit(":", 2)
        assert file == f"specs/{shipped.model.name}.spec"
        assert kinds[layer] in lines[int(line) - 1]
        assert node.name.startswith(f"{layer}/")
        seen.add(layer)
    with_weights = {layer.name for layer in shipped.model.layers if layer.params.total}
    assert with_weights <= seen


def test_names_are_unique(shipped: Shipped) -> None:
    graph = shipped.onnx.graph
    assert len({node.name for node in graph.node}) == len(graph.node)
    initializers = [i.name for i in graph.initializer]
    assert len(set(initializers)) == len(initializers)


def test_the_manifest(shipped: Shipped) -> None:
    (text,) = (p.value for p in shipped.onnx.metadata_props if p.key == "specc.manifest")
    content = json.loads(text)
    assert content["model"] == shipped.model.name
    assert content["weights"] == {"seed": 5}
    assert content["opset"] == 18
    assert content["params"]["total"] == shipped.keras.count_params()
    assert content["layers"] == {
        layer.name: layer.count_params()
        for layer in shipped.keras.layers
        if type(layer).__name__ != "InputLayer"
    }
    assert content["onnx"]["params"] == shipped.report["params"]["onnx"]


# --------------------------------------------------------------------- the account

ONNX_PARAMS = {
    "bn_after": 268_978,
    "bn_before": 268_578,
    "bn_before_as_printed": 267_568,
    # Two BatchNormalizations of 32 and 64 channels: 4 * 96 numbers become 2 * 96.
    "convnet": 94_250 - 192,
    "digits_bn_after": 12_488,
    "digits_bn_before": 12_338,
    # The first step of the GRU reads the rows of its bias, (2, 96), one by one.
    "sentiment": 171_833 + 192,
    "wide_and_deep": 1_207,
}


def test_the_account_closes(shipped: Shipped) -> None:
    """With the ONNX side counted anew: every initializer that is named after a layer."""
    layers = {layer.name for layer in shipped.model.layers}
    counted = sum(
        array.size
        for name, array in shipped.initializers.items()
        if name.split("/")[0] in layers and "/" in name
    )
    account = shipped.report["params"]
    assert counted == account["onnx"] == ONNX_PARAMS[shipped.model.name]
    assert account["keras"] == shipped.keras.count_params()
    assert account["closes"] is True
    assert account["onnx"] == (
        account["keras"]
        - account["folded_from"]
        + account["folded_into"]
        - account["dropped"]
        + account["copies"]
    )
    rest = sum(array.size for array in shipped.initializers.values()) - counted
    assert account["constants"] == rest


def test_the_published_account(exported: dict[str, Shipped]) -> None:
    account = exported["bn_after"].report["params"]
    assert {key: value for key, value in account.items() if key != "variables"} == {
        "keras": 271_346,
        "kept": 266_610,
        "folded_from": 4_736,
        "folded_into": 2_368,
        "dropped": 0,
        "copies": 0,
        "onnx": 268_978,
        "constants": 2,  # the shape that Flatten reshapes to
        "closes": True,
    }
    # All floating-point numbers in the file, whatever they are called.
    floats = [a for a in exported["bn_after"].initializers.values() if a.dtype == np.float32]
    assert sum(a.size for a in floats) == 268_978


@pytest.mark.parametrize("name", ["bn_after", "bn_before", "bn_before_as_printed", "convnet"])
def test_normalization_is_folded(name: str, exported: dict[str, Shipped]) -> None:
    shipped = exported[name]
    count = 0
    for layer in shipped.keras.layers:
        if type(layer).__name__ != "BatchNormalization":
            continue
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in layer.weights)
        scale = gamma / np.sqrt(variance + layer.epsilon)
        offset = beta - mean * scale
        found = shipped.initializers
        np.testing.assert_allclose(found[f"{layer.name}/scale"], scale, rtol=2e-7)
        np.testing.assert_allclose(found[f"{layer.name}/offset"], offset, rtol=2e-7, atol=1e-9)
        assert found[f"{layer.name}/scale"].dtype == np.float32
        count += 1
    assert count >= 2


def test_kernels_are_kept(shipped: Shipped) -> None:
    """Bit by bit, a convolution's in ONNX's order (out, in, height, width)."""
    found = shipped.initializers
    kernels = 0
    for layer in shipped.keras.layers:
        for variable in layer.weights:
            want = np.asarray(variable)
            if type(layer).__name__ == "Conv2D" and variable.name == "kernel":
                want = want.transpose(3, 2, 0, 1)
            if variable.name in ("kernel", "recurrent_kernel", "embeddings"):
                np.testing.assert_array_equal(found[f"{layer.name}/{variable.name}"], want)
                kernels += 1
    assert kernels >= 2


# --------------------------------------------------------------------- the outputs


@pytest.mark.parametrize("batch", [1, 2, 17])
def test_outputs_are_those_of_keras(shipped: Shipped, batch: int) -> None:
    inputs = draw(shipped.model, batch, seed=11)
    assert_same(by_onnxruntime(shipped.onnx, inputs), by_keras(shipped.keras, inputs))


def test_outputs_are_those_of_predict(exported: dict[str, Shipped]) -> None:
    """`predict` compiles the model, unlike the call above."""
    shipped = exported["bn_after"]
    inputs = draw(shipped.model, 17, seed=12)
    predicted = shipped.keras.predict(inputs["image"], verbose=0)
    assert_same(by_onnxruntime(shipped.onnx, inputs), [predicted])


@pytest.mark.parametrize("length", [1, 4, 23])
def test_texts_of_several_lengths(exported: dict[str, Shipped], length: int) -> None:
    """With padding at either end, in the middle, and a text that is nothing else."""
    shipped = exported["sentiment"]
    words = np.random.default_rng(length).integers(1, 5_000, (5, length)).astype(np.int32)
    words[0, length // 2 :] = 0
    words[1, : length // 2] = 0
    words[2, length // 3 : length // 2] = 0
    words[3] = 0
    inputs = {"words": words}
    assert_same(by_onnxruntime(shipped.onnx, inputs), by_keras(shipped.keras, inputs))


def test_padding_is_not_read(exported: dict[str, Shipped]) -> None:
    """What a mask is for: zeros at the end change nothing, for onnxruntime alone."""
    shipped = exported["sentiment"]
    words = np.array([[7, 3000, 12, 4]], np.int32)
    longer = np.pad(words, ((0, 0), (0, 9)))
    assert_same(
        by_onnxruntime(shipped.onnx, {"words": longer}),
        by_onnxruntime(shipped.onnx, {"words": words}),
    )


def test_conversions_do_not_depend_on_what_was_converted_before(keras_backend: Any) -> None:  # noqa: ARG001
    """tf2onnx's names and orders depend on a counter of the process; nothing else may."""
    body = """
        input words: int32[time]
        Embedding(5, 4, mask_zero=True)
        BatchNormalization
        LSTM(3)
    """
    model = compiled(body)
    keras_model = model.to_keras(seed=0)
    found: list[onnx.ModelProto] = []
    for _ in range(3):
        found.append(model.to_onnx(keras_model, via="tf2onnx"))
        for width in (1, 2):
            other = compiled(f"input x: float32[3]\nDense({width})")
            other.to_onnx(other.to_keras(), via="tf2onnx")

    def outline(model: onnx.ModelProto) -> list[object]:
        """All but the order of the nodes inside of loops, which tf2onnx is not sure of."""
        graph = model.graph
        return [
            *[(i.name, onnx.numpy_helper.to_array(i).tolist()) for i in graph.initializer],
            *[(n.op_type, n.name, list(n.input), list(n.output)) for n in graph.node],
            *[[(p.key, p.value) for p in n.metadata_props] for n in graph.node],
        ]

    assert outline(found[1]) == outline(found[0])
    assert outline(found[2]) == outline(found[0])


# ------------------------------------------------------------------ trained weights

TRAINED = """\
model trained {
    input image: float32[8, 8]

    Reshape((8, 8, 1))
    Conv2D(4, 3, use_bias=False)
    BatchNormalization
    Activation("relu")
    Flatten
    Dense(3, activation="softmax")
}
"""


class Trained(NamedTuple):
    """A model after a few steps of training, and where it was saved."""

    keras: Any
    saved: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, keras_backend: Any) -> Trained:  # noqa: ARG001
    place = tmp_path_factory.mktemp("trained")
    (place / "trained.spec").write_text(TRAINED, encoding="utf-8")
    model = specc.compile(place / "trained.spec").model().to_keras(seed=3)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    random = np.random.default_rng(0)
    images = random.standard_normal((64, 8, 8)).astype(np.float32) * 3 + 1
    model.fit(images, random.integers(0, 3, 64), batch_size=16, epochs=2, verbose=0)
    model.save(place / "trained.keras")
    return Trained(model, place / "trained.keras")


def assert_trained(file: onnx.ModelProto, trained: Trained) -> None:
    """The weights in the file are the trained ones, none of which is what it was."""
    normalization = trained.keras.get_layer("batch_normalization")
    gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in normalization.weights)
    assert not np.any(gamma == 1)
    assert not np.any(beta == 0)
    assert not np.any(mean == 0)
    assert not np.any(variance == 1)
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    found = {i.name: onnx.numpy_helper.to_array(i) for i in file.graph.initializer}
    np.testing.assert_allclose(found["batch_normalization/scale"], scale, rtol=2e-7)
    np.testing.assert_allclose(
        found["batch_normalization/offset"], beta - mean * scale, rtol=1e-6, atol=1e-9
    )
    kernel, bias = (np.asarray(w) for w in trained.keras.get_layer("dense").weights)
    np.testing.assert_array_equal(found["dense/kernel"], kernel)
    np.testing.assert_array_equal(found["dense/bias"], bias)
    images = np.random.default_rng(1).standard_normal((17, 8, 8)).astype(np.float32)
    predicted = trained.keras.predict(images, verbose=0)
    assert_same(by_onnxruntime(file, {"image": images}), [predicted])


def test_a_trained_model(trained: Trained, keras_backend: Any) -> None:
    model = specc.compile(trained.saved.with_suffix(".spec")).model()
    assert_trained(model.to_onnx(trained.keras, via="tf2onnx"), trained)
    loaded = keras_backend.saving.load_model(trained.saved)
    file = model.to_onnx(loaded, via="tf2onnx")
    assert_trained(file, trained)
    assert specc.verify(model, trained.keras, file, provider="cpu").ok


def test_a_trained_model_on_the_command_line(
    trained: Trained, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(trained.saved, empty / "mine.keras")
    (empty / "trained.spec").write_text(TRAINED, encoding="utf-8")
    words = ["trained.spec", "--weights", "mine.keras", "--provider", "cpu"]
    assert main([*EXPORT, *words]) == 0
    assert "trained: " in capsys.readouterr().out
    file = onnx.load(empty / "build" / "trained.onnx")
    assert_trained(file, trained)
    (text,) = (p.value for p in file.metadata_props if p.key == "specc.manifest")
    assert json.loads(text)["weights"]["file"] == "mine.keras"


# ----------------------------------------------------------------------- misuse

SMALL = """\
model small {
    input x: float32[4]

    Dense(3, activation="elu")
}
"""


@pytest.fixture
def small(empty: Path) -> Path:
    (empty / "small.spec").write_text(SMALL, encoding="utf-8")
    return empty


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(
    capsys: pytest.CaptureFixture[str], folder: Path, *words: str, status: int = 2
) -> list[str]:
    """What a command line that writes nothing says on stderr."""
    before = files(folder)
    assert main(["export", "--via", "tf2onnx", *words]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert files(folder) == before
    return printed.err.splitlines()


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ("Dense(5, activation='elu')", "its units is 5, not 3"),
        ("Dense(3, activation='relu')", "its activation is 'relu', not 'elu'"),
        ("Dense(3, activation='elu', use_bias=False)", "its use_bias is False, not True"),
        ("Dense(3, name='other')", "it has no such layer"),
        ("Flatten\nDense(3, name='dense', activation='elu')\nFlatten", None),
    ],
)
def test_weights_of_another_model(
    difference: str, said: str | None, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = compiled(f"input x: float32[4]\n{difference}".replace("'", '"')).to_keras()
    other.save(small / "other.keras")
    if said is None:
        # Layers that change nothing do not matter.
        assert main([*EXPORT, "small.spec", "--weights", "other.keras"]) == 0
        return
    lines = refused(capsys, small, "--onnx", "small.spec", "--weights", "other.keras")
    assert "`dense` (small.spec:4:5)" in lines[0]
    assert said in lines[0]
    assert lines[1] == "help: give a model that was built from this spec"


def test_weights_that_are_no_model(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "text.keras").write_text("hello", encoding="utf-8")
    (small / "folder.keras").mkdir()
    for file, said in [
        ("text.keras", "error: `text.keras` is not a Keras model: "),
        ("folder.keras", "error: cannot read `folder.keras`: it is a directory"),
        ("missing.keras", "error: cannot read `missing.keras`: there is no such file"),
    ]:
        lines = refused(capsys, small, "--onnx", "small.spec", "--weights", file)
        assert lines[0].startswith(said)
        assert len(lines) == 1


def test_weights_for_several_models(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small / "two.spec").write_text(SMALL.replace("small", "two"), encoding="utf-8")
    lines = refused(capsys, small, "--onnx", "small.spec", "two.spec", "--weights", "w.keras")
    assert lines[0] == "error: --weights is for one model, and these are 2"


def test_two_models_of_one_name(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("small.spec", "copy.spec")
    lines = refused(capsys, small, "--onnx", "small.spec", "copy.spec")
    assert lines[0] == "error: `small.spec` and `copy.spec` both have a model `small`"


def test_export_to_what(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, small, "small.spec") == [
        "error: say what to export to",
        "help: `specc export --onnx`",
    ]


def test_no_specs(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, empty, "--onnx") == [
        "error: there are no specs under `specs/`",
        "help: name one: `specc export --onnx SPEC`",
    ]


@pytest.mark.parametrize("opset", ["14", "19", "99"])
def test_an_opset_that_is_not_to_be_had(
    opset: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, small, "--onnx", "small.spec", "--opset", opset) == [
        f"error: opset {opset} is not to be had",
        "help: tf2onnx writes opsets 15 to 18",
    ]


@pytest.mark.parametrize("opset", [15, 16, 17])
def test_an_older_opset(opset: int, exported: dict[str, Shipped], empty: Path) -> None:
    source = exported["convnet"].path.parent.parent / "specs" / "convnet.spec"
    shutil.copy(source, empty / "convnet.spec")
    words = ["convnet.spec", "--opset", str(opset), "--provider", "cpu", "--seed", "5", "--json"]
    with redirect_stdout(io.StringIO()):
        assert main([*EXPORT, *words]) == 0
    file = onnx.load(empty / "build" / "convnet.onnx")
    assert [o.version for o in file.opset_import] == [opset]
    inputs = draw(exported["convnet"].model, 2)
    assert_same(by_onnxruntime(file, inputs), by_keras(exported["convnet"].keras, inputs))


def test_a_spec_that_is_wrong_stops_the_others(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every spec is checked before the first is converted."""
    (small / "wrong.spec").write_text(SMALL.replace("elu", "elo"), encoding="utf-8")
    lines = refused(capsys, small, "--onnx", "small.spec", "wrong.spec", status=1)
    assert lines[1].strip() == "--> wrong.spec:4:25"
    assert lines[-1] == "1 error; nothing was written."


# ------------------------------------------------------------------ shapes of graphs


def test_a_shared_layer_is_stored_once(keras_backend: Any) -> None:  # noqa: ARG001
    file = assert_exports("""
        input a: float32[4]
        input b: float32[4]
        layer encode = Dense(8, activation="tanh")
        left = a -> encode
        right = b -> encode
        joined = [left, right] -> Concatenate -> Dense(2)
        output joined, left
    """)
    sizes = {i.name: list(i.dims) for i in file.graph.initializer if "/" in i.name}
    assert sizes == {
        "encode/kernel": [4, 8],
        "encode/bias": [8],
        "dense/kernel": [16, 2],
        "dense/bias": [2],
    }
    assert [node.op_type for node in file.graph.node].count("MatMul") == 3


@pytest.mark.parametrize(
    "body",
    [
        # an output that another layer reads, and an input that is an output
        "input x: float32[4]\na = x -> Dense(3)\nb = a -> Dense(2)\noutput b, a",
        "input x: float32[4]\na = x -> Dense(3)\noutput a, x",
        # nothing to compute
        "input x: float32[4]\nDropout(0.3)",
        "input x: bool[2, 3]\nFlatten",
        "input x: int64[4]\nReshape((2, 2))",
        # dtypes of inputs
        "input x: float64[4]\nDense(3)",
        "input x: float16[4]\nDense(3)",
        "input x: uint8[6, 6, 3]\nRescaling(1 / 255)\nConv2D(2, 3)",
        "input x: bool[4]\nFlatten\nDense(2)",
        # names that look like those inside the exporter
        "input w99: float32[4]\nDense(3)",
        "input w1: float32[4]\ninput y0: float32[4]\n[w1, y0] -> Add -> Dense(3)",
        'input x1: float32[4]\nDense(3, name="a__b")\nDense(2, name="constant")',
        'input x: float32[4]\nDense(3, name="m")',
        # unknown sizes
        "input x: float32[None, 4]\nDense(3)",
        "input x: float32[a, b, 4]\nDense(3)\nLayerNormalization",
        # weights that no output depends on
        "input x: float32[4]\nBatchNormalization(renorm=True)",
        "input x: int32[5]\nEmbedding(5, 4)\nGlobalAveragePooling1D\nDense(2)",
    ],
)
def test_graphs(body: str, keras_backend: Any) -> None:  # noqa: ARG001
    assert_exports(body)


@pytest.mark.parametrize(
    "body",
    [
        """
        input x: float32[t, 4]
        input h: float32[6]
        input c: float32[6]
        y, hidden, cell = x -> LSTM(6, return_state=True)(initial_state=[h, c])
        output y, hidden, cell
        """,
        """
        input x: float32[t, 4]
        input z: float32[5, 3]
        y, state = x -> GRU(6, return_state=True)
        w = z -> GRU(6, return_sequences=True)(initial_state=state)
        output y, w
        """,
        """
        input x: float32[5, 4]
        input m: bool[5]
        x -> GRU(6)(mask=m)
        """,
    ],
    ids=["lstm states", "encoder and decoder", "mask"],
)
def test_call_arguments(body: str, keras_backend: Any) -> None:  # noqa: ARG001
    assert_exports(body)


# --------------------------------------------------------------------- activations

CANNOT = {
    # tf2onnx has no handler for the TensorFlow operator that Keras makes of it.
    "celu": "Expm1",
    "gelu": "Erfc",
}
"""The activations that cannot be exported, with the operator that specc names."""


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str, keras_backend: Any) -> None:  # noqa: ARG001
    body = f'input x: float32[6]\nDense(5, activation="{activation}")'
    if activation not in CANNOT:
        assert_exports(body)
        return
    model = compiled(body)
    with pytest.raises(specc.UsageError) as caught:
        model.to_onnx(model.to_keras(), via="tf2onnx")
    assert str(caught.value) == (
        f"tf2onnx cannot convert {CANNOT[activation]} in `dense` (m.spec:3:5)"
    )
    assert caught.value.help == (
        "Keras can build and train the model, but ONNX has no operator for this"
    )


def test_elu_by_its_formula(exported: dict[str, Shipped]) -> None:
    """The whole of bn_after in numpy, from the initializers alone."""
    shipped = exported["bn_after"]
    w = {name: array.astype(np.float64) for name, array in shipped.initializers.items()}
    inputs = draw(shipped.model, 17, seed=13)
    x = inputs["image"].reshape(17, 784).astype(np.float64)
    for number, suffix in enumerate(("", "_1", "_2")):
        x = x * w[f"batch_normalization{suffix}/scale"] + w[f"batch_normalization{suffix}/offset"]
        x = x @ w[f"dense{suffix}/kernel"] + w[f"dense{suffix}/bias"]
        if number < 2:
            x = np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
    x = np.exp(x - x.max(-1, keepdims=True))
    x /= x.sum(-1, keepdims=True)
    (found,) = by_onnxruntime(shipped.onnx, inputs)
    np.testing.assert_allclose(found, x, rtol=0, atol=2e-5)


# ------------------------------------------------------------------------ families

FAMILIES = {
    "Conv1D causal": "input x: float32[t, 3]\nConv1D(4, 3, padding='causal')",
    "Conv1D causal dilated": "input x: float32[9, 3]\nConv1D(4, 3, padding='causal', "
    "dilation_rate=2)",
    "Conv2D strided": "input x: float32[9, 8, 3]\nConv2D(4, 3, strides=2, padding='same')",
    "Conv2D dilated": "input x: float32[9, 9, 3]\nConv2D(4, 3, dilation_rate=2)",
    "Conv2D uneven": "input x: float32[9, 9, 3]\nConv2D(4, (3, 2), strides=(1, 2), "
    "activation='relu')",
    "DepthwiseConv1D": "input x: float32[9, 3]\nDepthwiseConv1D(3)",
    "DepthwiseConv2D": "input x: float32[9, 9, 3]\nDepthwiseConv2D(3, depth_multiplier=2)",
    "SeparableConv1D": "input x: float32[9, 3]\nSeparableConv1D(4, 3)",
    "SeparableConv2D": "input x: float32[9, 9, 3]\nSeparableConv2D(4, 3, padding='same')",
    "Conv1DTranspose": "input x: float32[9, 3]\nConv1DTranspose(4, 3, strides=2)",
    "Conv2DTranspose": "input x: float32[9, 9, 3]\nConv2DTranspose(4, 3, strides=2, "
    "padding='same')",
    "MaxPooling1D": "input x: float32[9, 3]\nMaxPooling1D(2)",
    "AveragePooling1D": "input x: float32[9, 3]\nAveragePooling1D(3, padding='same')",
    "MaxPooling2D": "input x: float32[9, 9, 3]\nMaxPooling2D(3, strides=2, padding='same')",
    "AveragePooling2D": "input x: float32[9, 9, 3]\nAveragePooling2D(2)",
    "GlobalMaxPooling1D": "input x: float32[t, 3]\nGlobalMaxPooling1D",
    "GlobalAveragePooling1D": "input x: int32[t]\nEmbedding(5, 4, mask_zero=True)\n"
    "GlobalAveragePooling1D",
    "GlobalMaxPooling2D": "input x: float32[9, 9, 3]\nGlobalMaxPooling2D",
    "GlobalAveragePooling2D": "input x: float32[9, 9, 3]\nGlobalAveragePooling2D(keepdims=True)",
    "GRU": "input x: float32[t, 3]\nGRU(5)",
    "GRU reset before": "input x: float32[t, 3]\nGRU(5, reset_after=False)",
    "GRU unrolled": "input x: float32[4, 3]\nGRU(5, unroll=True)",
    "GRU masked": "input x: float32[7, 3]\nMasking\nGRU(4, return_sequences=True)",
    "SimpleRNN": "input x: float32[7, 3]\nSimpleRNN(5, return_sequences=True)",
    "LSTM backwards": "input x: float32[7, 3]\nLSTM(5, go_backwards=True, return_sequences=True)",
    "LayerNormalization": "input x: float32[7, 3]\nLayerNormalization",
    "LayerNormalization axes": "input x: float32[7, 3]\nLayerNormalization(axis=(1, 2))",
    "BatchNormalization axis": "input x: float32[7, 3]\nBatchNormalization(axis=1)",
    "BatchNormalization bare": "input x: float32[7, 3]\nBatchNormalization(scale=False, "
    "center=False)",
    "Permute": "input x: float32[7, 3]\nPermute((2, 1))\nDense(4)",
    "RepeatVector": "input x: float32[7]\nRepeatVector(3)\nDense(2)",
    "borders 1D": "input x: float32[7, 3]\nCropping1D\nZeroPadding1D(2)\nUpSampling1D(2)",
    "borders 2D": "input x: float32[7, 8, 3]\nCropping2D(1)\nZeroPadding2D(2)\nUpSampling2D(2)",
    "UpSampling2D bilinear": "input x: float32[7, 8, 3]\nUpSampling2D(2, interpolation='bilinear')",
    "PReLU": "input x: float32[7, 3]\nPReLU",
    "ReLU": "input x: float32[7]\nReLU(max_value=2, negative_slope=0.1, threshold=0.5)",
    "LeakyReLU": "input x: float32[7]\nLeakyReLU",
    "ELU": "input x: float32[7]\nELU(alpha=0.5)",
    "Softmax": "input x: float32[7, 3]\nSoftmax(axis=1)",
    "Rescaling": "input x: float32[7, 3]\nRescaling(0.5, offset=(1, 2, 3))",
    "noise": "input x: float32[7, 3]\nGaussianNoise(0.1)\nGaussianDropout(0.2)\n"
    "SpatialDropout1D(0.2)",
    "Dot": "input a: float32[4, 3]\ninput b: float32[4, 3]\n[a, b] -> Dot(axes=2, normalize=True)",
    **{
        kind: f"input a: float32[4]\ninput b: float32[4]\n[a, b] -> {kind} -> Dense(3)"
        for kind in (
            "Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("body", FAMILIES.values(), ids=FAMILIES)
def test_families(body: str, keras_backend: Any) -> None:  # noqa: ARG001
    assert_exports(body.replace("'", '"'))


UNCONVERTIBLE = {
    "grouped convolution": ("input x: float32[9, 9, 4]\nConv2D(4, 3, groups=2)", "PartitionedCall"),
    "Lanczos": (
        "input x: float32[7, 8, 3]\nUpSampling2D(2, interpolation='lanczos3')",
        "ScaleAndTranslate",
    ),
}
"""What else tf2onnx leaves as an operator of TensorFlow."""


def test_training_in_a_call(keras_backend: Any) -> None:  # noqa: ARG001
    """Keras's `predict` calls every layer in inference mode, and so does the file."""
    text = """\
model m {
    input x: float32[4]

    y = x -> BatchNormalization()(training=True)
    y -> Dropout(0.5)(training=True) -> Dense(3)
}
"""
    model = specc.compile_text(text, "m.spec").model()
    keras_model = model.to_keras(seed=0)
    file = model.to_onnx(keras_model, via="tf2onnx")
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        file.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": x})
    np.testing.assert_allclose(found, keras_model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert specc.verify(model, keras_model, file, provider="cpu").ok


def test_a_refused_export_leaves_no_directory(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from specc.verification import verified_export

    def always_wrong(*_: Any, **__: Any) -> Any:
        raise specc.UsageError("refused")

    monkeypatch.setattr(verified_export, "verify_onnx", always_wrong)
    with inside(small):
        assert main([*EXPORT, "small.spec", "-o", "new/deep"]) == 2
    assert not (small / "new").exists()


@pytest.mark.parametrize(("body", "operator"), UNCONVERTIBLE.values(), ids=UNCONVERTIBLE)
def test_what_cannot_be_converted(
    body: str, operator: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = body.replace("'", '"').splitlines()
    text = "model m {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"
    (empty / "m.spec").write_text(text, encoding="utf-8")
    said = refused(capsys, empty, "--onnx", "m.spec", "--provider", "cpu")
    assert said[0].startswith(f"error: tf2onnx cannot convert {operator} in `")
    assert "(m.spec:3:" in said[0]
    assert len(said) == 2


def test_what_tf2onnx_raises_is_told(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tf2onnx.convert

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no way\nand more")

    monkeypatch.setattr(tf2onnx.convert, "from_function", fail)
    assert refused(capsys, small, "--onnx", "small.spec") == [
        "error: tf2onnx cannot convert `small`: no way"
    ]


def test_the_exporter_can_be_used_again(keras_backend: Any) -> None:  # noqa: ARG001
    """One conversion gives files for any weights; the first is not changed by the second."""
    model = compiled("input x: float32[4]\nDense(3)\nBatchNormalization")
    keras_model = model.to_keras(seed=0)
    built = export_module.adopt(model.graph, keras_model)
    exporter = export_module.Exporter(built, model.source, via="tf2onnx")
    first = exporter.export(export_module.current_weights(built)).model
    text = first.SerializeToString()
    random_weights(keras_model)
    second = exporter.export(export_module.current_weights(built)).model
    assert first.SerializeToString() == text
    inputs = draw(model, 2)
    assert_same(by_onnxruntime(second, inputs), by_keras(keras_model, inputs))
