"""The native exporter: layers that lower themselves, normalizations folded into others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from native_models import exported, operators, sound

import specc
from specc.backends.export import origin_of
from specc.backends.native.passes import pipeline
from specc.cli.export import PASSES
from specc.cli.main import main
from specc.layers.activation_functions import FUNCTIONS
from specc.layers.base import Layer
from specc.layers.normalization import BatchNormalization
from specc.layers.reshaping import Reshape

SPECS = Path(__file__).parent.parent / "specs"

pytestmark = pytest.mark.usefixtures("keras_backend")


@pytest.mark.parametrize("name", ["bn_after", "bn_before"])
def test_the_seed_models_come_to_seven_nodes(name: str) -> None:
    model = specc.compile(SPECS / f"{name}.spec").model()
    _, made, report = exported(model)
    assert report.ok, report.diagnostics
    assert operators(made.model) == ["Flatten", "Gemm", "Elu", "Gemm", "Elu", "Gemm", "Softmax"]
    # 784 * 300 + 300, 300 * 100 + 100, 100 * 10 + 10: each Dense with a bias, and nothing else.
    assert made.accounting.onnx_total == 266_610
    assert sum(int(np.prod(i.dims)) for i in made.model.graph.initializer) == 266_610
    assert made.accounting.closes
    assert model.params.total - made.accounting.onnx_total == {"bn_after": 4_736}.get(name, 4_336)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("BatchNormalization\nDense(3)", ["Gemm"]),
        ("Dense(3)\nBatchNormalization", ["Gemm"]),
        ("Dense(3, use_bias=False)\nBatchNormalization(scale=False)", ["Gemm"]),
        ("Dense(3)\nDropout(0.5)\nBatchNormalization(center=False)", ["Gemm"]),
        ("Dense(3)\nBatchNormalization\nBatchNormalization\nDense(2)", ["Gemm", "Gemm"]),
        ("BatchNormalization\nDropout(0.5)\nDense(3)\nBatchNormalization", ["Gemm"]),
        # Never across an activation, nor where somebody else sees what is folded away.
        ('Dense(3, activation="relu")\nBatchNormalization', ["Gemm", "Relu", "BatchNormalization"]),
        ("BatchNormalization\nReLU\nDense(3)", ["BatchNormalization", "Relu", "Gemm"]),
        ("y = x -> BatchNormalization\ny -> Dense(5)\nz = y -> Dense(5)\n[y, z] -> Add", None),
        ("y = x -> Dense(5)\nz = y -> BatchNormalization\n[y, z] -> Add", None),
        ("y = x -> BatchNormalization\nz = y -> Dense(3)\noutput y, z", None),
    ],
)
def test_folding(body: str, expected: list[str] | None) -> None:
    body = body.replace("y -> Dense(5)\nz =", "z =")
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    model = sound(f"model m {{\n    input x: float32[5]\n\n{lines}}}\n")
    if expected is None:
        assert "BatchNormalization" in operators(model)
    else:
        assert operators(model) == expected


@pytest.mark.parametrize("activation", sorted(FUNCTIONS))
def test_activations(activation: str) -> None:
    sound(f"""
model m {{
    input x: float32[6]

    y = x -> Dense(5, activation="{activation}")
    z = x -> Dense(5) -> Activation("{activation}")

    output y, z
}}
""")


def test_layers_of_a_stack() -> None:
    sound("""
model m {
    input x: float32[4, 6]
    input words: int32[4]

    a = x -> Dense(5) -> LeakyReLU -> PReLU -> ReLU(max_value=2.0) -> GaussianNoise(0.1)
    b = words -> Embedding(9, 5) -> ELU(alpha=0.5) -> ReLU(negative_slope=0.1) -> Identity
    c = [[a, b] -> Add, a] -> Concatenate
    d = [[a, b] -> Multiply, [a, b] -> Maximum, [a, b] -> Minimum] -> Average
    [c, d] -> Concatenate -> Softmax -> Flatten -> Dense(3)
}
""")


@pytest.mark.parametrize(
    "fault",
    [
        lambda op, scale, offset: (scale, op.Neg(offset)),
        lambda op, scale, offset: (op.Mul(scale, 1.01), offset),
    ],
    ids=["offset of the wrong sign", "scale off by a hundredth"],
)
@pytest.mark.parametrize("name", ["bn_after", "bn_before"])
def test_a_wrong_fold_is_refused(name: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account of the parameters follows the exporter; the outputs are Keras's own."""
    affine = BatchNormalization.affine
    monkeypatch.setattr(
        BatchNormalization,
        "affine",
        lambda self, op, w, size: fault(op, *affine(self, op, w, size)),
    )
    _, _, report = exported(specc.compile(SPECS / f"{name}.spec").model())
    assert not report.ok


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bn_after", "convnet"):
        shutil.copy(SPECS / f"{name}.spec", tmp_path)
    monkeypatch.setattr(Reshape, "onnx", Layer.onnx)
    options = ["--provider", "cpu"]
    assert main(["export", "--onnx", "bn_after.spec", *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "= 266,610 in ONNX" in said.out
    assert origin_of(onnx.load("build/bn_after.onnx")).via == "native"
    # Which exporter it was stands in the file: it is checked against the same one.
    assert (
        main(["export", "--onnx", "bn_after.spec", *options, "--via", "tf2onnx", "-o", "other"])
        == 0
    )
    assert origin_of(onnx.load("other/bn_after.onnx")).via == "tf2onnx"
    capsys.readouterr()
    assert main(["verify", "bn_after.spec", "build/bn_after.onnx", "--provider", "cpu"]) == 0
    capsys.readouterr()
    assert main(["export", "--onnx", "convnet.spec", *options]) == 0
    said = capsys.readouterr()
    assert said.err == "convnet: by tf2onnx, as `Reshape` has no lowering yet\n"
    assert origin_of(onnx.load("build/convnet.onnx")).via == "tf2onnx"


def test_the_same_bytes() -> None:
    model = specc.compile(SPECS / "bn_after.spec").model()
    first, second = (exported(model)[1].model.SerializeToString() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.spec")), ids=lambda path: path.stem)
def test_shipped_specs(path: Path) -> None:
    for model in specc.compile(path).models:
        _, made, report = exported(model)
        assert report.ok, report.diagnostics
        assert made.accounting.closes


def test_the_passes_on_the_command_line() -> None:
    assert list(PASSES) == ["fold", *(step.name for step in pipeline.PASSES)]


def test_a_pass_is_left_out_and_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SPECS / "bn_after.spec", tmp_path)
    words = ["export", "--onnx", "bn_after.spec", "--provider", "cpu", "--explain"]
    assert main(words) == 0
    assert "fold      batch_normalization 3,136 -> folded into dense\n" in capsys.readouterr().out
    assert len(onnx.load("build/bn_after.onnx").graph.node) == 7
    assert main([*words, "--no-fold"]) == 0
    assert "-> folded into" not in capsys.readouterr().out
    assert len(onnx.load("build/bn_after.onnx").graph.node) == 10
    assert main(["verify", "bn_after.spec", "build/bn_after.onnx", "--provider", "cpu"]) == 0


def test_weights_beside_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of weights is named after them; the one of the model before goes."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SPECS / "bn_after.spec", tmp_path)
    words = ["export", "--onnx", "bn_after.spec", "--provider", "cpu", "--external-data"]
    assert main(words) == 0
    (first,) = Path("build").glob("*.data")
    assert first.stat().st_size > 4 * 265_000
    assert Path("build/bn_after.onnx").stat().st_size < 20_000
    whole = onnx.load("build/bn_after.onnx")
    assert main([*words, "--seed", "1"]) == 0
    (second,) = Path("build").glob("*.data")
    assert second != first
    assert main(["verify", "bn_after.spec", "build/bn_after.onnx", "--provider", "cpu"]) == 0
    assert main([word for word in words if word != "--external-data"]) == 0
    assert not list(Path("build").glob("*.data"))
    again = onnx.load("build/bn_after.onnx")
    values = [{i.name: i.raw_data for i in m.graph.initializer} for m in (whole, again)]
    assert values[0] == values[1]
    capsys.readouterr()


def test_the_file_is_the_one_that_protobuf_writes(tmp_path: Path) -> None:
    _, made, _ = exported(specc.compile(SPECS / "convnet.spec").model())
    made.write(str(tmp_path / "m.onnx"))
    read = onnx.load(tmp_path / "m.onnx")
    assert read == made.model
    assert (tmp_path / "m.onnx").read_bytes() == read.SerializeToString(deterministic=True)


def test_a_keras_model_without_a_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    layers = keras.layers
    monkeypatch.chdir(tmp_path)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    gate = layers.Conv2D(8, 1, activation="sigmoid")(
        layers.GlobalAveragePooling2D(keepdims=True)(x)
    )
    x = layers.Multiply()([x, gate]) + 0.5
    inner = keras.Sequential([keras.Input((8, 8, 8)), layers.Flatten(), layers.Dense(5)])
    model = keras.Model(image, layers.Softmax(name="classes")(inner(x)))
    assert specc.export(model, "api.onnx", provider="cpu").ok
    model.save("small.keras")
    assert main(["export", "--onnx", "small.keras", "--provider", "cpu"]) == 0
    assert "small.onnx written" in capsys.readouterr().out
    found = onnx.load("build/small.onnx")
    assert operators(found).count("Transpose") == 2, "one in front, one before Flatten"
    assert [x.name for x in (*found.graph.input, *found.graph.output)] == ["image", "classes"]
    assert main(["export", "--onnx", "small.keras", "--weights", "small.keras"]) == 2
    assert "has weights of its own" in capsys.readouterr().err


def test_a_keras_model_with_a_layer_of_its_own(tmp_path: Path) -> None:
    import keras

    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    x = keras.Input((3,))
    model = keras.Model(x, Twice(name="twice")(x))
    with pytest.raises(specc.UsageError, match="the layer `twice` is a `Twice`"):
        specc.export(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
