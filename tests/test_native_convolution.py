"""Convolutions, poolings and normalizations, exported natively and compared with Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from native_models import bound, exported, operators, sound

import specc
from specc.backends.native import convert
from specc.layers.convolution import Conv1D, Conv2D

pytestmark = pytest.mark.usefixtures("keras_backend")


def model_of(shape: str, body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"model m {{\n    input x: {shape}\n\n{lines}}}\n"


def without_transposes(text: str) -> list[str]:
    """The operators of a verified model; where transposes stand is for the layouts to say."""
    return [name for name in operators(sound(text)) if name != "Transpose"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ('Conv1D(4, 3, padding="causal", dilation_rate=2)', ["Conv"]),
        # An odd number of zeros in all, of which one more stands at the end.
        ('Conv1D(4, 4, strides=2, padding="same")', ["Conv"]),
        ('MaxPooling1D(2, strides=1, padding="same")', ["MaxPool"]),
        ("DepthwiseConv1D(3, depth_multiplier=2)", ["Conv"]),
        ("SeparableConv1D(5, 3, depth_multiplier=2)", ["Conv", "Conv"]),
        ('Conv1DTranspose(4, 3, strides=2, padding="same")', ["ConvTranspose"]),
        ("Conv1DTranspose(4, 2, strides=3, output_padding=1)", ["ConvTranspose"]),
        ("MaxPooling1D(3, strides=2)", ["MaxPool"]),
        ('AveragePooling1D(3, strides=2, padding="same")', ["AveragePool"]),
        ("GlobalAveragePooling1D", ["GlobalAveragePool", "Flatten"]),
        ("GlobalMaxPooling1D(keepdims=True)", ["GlobalMaxPool"]),
        ("AdaptiveAveragePooling1D(3)", ["AveragePool"]),
        ("AdaptiveMaxPooling1D(5)", ["MaxPool", "MaxPool", "Concat", "Gather"]),
        ("LayerNormalization", ["LayerNormalization"]),
        ("LayerNormalization(axis=(1, 2), center=False)", ["LayerNormalization"]),
        ("BatchNormalization(axis=1)", ["BatchNormalization"]),
        ("GroupNormalization(groups=-1)", ["InstanceNormalization"]),
        ("ZeroPadding1D((2, 1))", ["Pad"]),
        ("Cropping1D((2, 1))", ["Slice"]),
        ("UpSampling1D(3)", ["Resize"]),
        ("SpectralNormalization(Conv1D(4, 3))", ["Conv"]),
    ],
)
def test_operators(layer: str, expected: list[str]) -> None:
    assert without_transposes(model_of("float32[9, 6]", layer)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Conv2D(4, 3)\nBatchNormalization", ["Conv"]),
        ('Conv2D(4, 3, padding="same", use_bias=False)\nBatchNormalization', ["Conv"]),
        ("Conv2D(4, 3, groups=2)\nBatchNormalization(scale=False)", ["Conv"]),
        ("DepthwiseConv2D(3, depth_multiplier=2)\nBatchNormalization", ["Conv"]),
        ("SeparableConv2D(4, 3)\nBatchNormalization", ["Conv", "Conv"]),
        ("Conv2DTranspose(4, 3, strides=2)\nBatchNormalization", ["ConvTranspose"]),
        ("BatchNormalization\nConv2D(4, 3)", ["Conv"]),
        ("BatchNormalization\nConv2D(4, 3, groups=2, use_bias=False)", ["Conv"]),
        ("BatchNormalization\nDepthwiseConv2D(3, depth_multiplier=2)", ["Conv"]),
        ("BatchNormalization\nSeparableConv2D(4, 3)\nBatchNormalization", ["Conv", "Conv"]),
        ('BatchNormalization\nConv2D(4, 1, padding="same")', ["Conv"]),
        ("Normalization(mean=(1.0, 2.0, 3.0, 4.0), variance=(1, 4, 9, 2))\nConv2D(4, 3)", ["Conv"]),
        ("Normalization(mean=2.0, variance=4.0, invert=True)\nConv2D(4, 3)", ["Conv"]),
        ("Normalization\nConv2D(4, 3)", ["Conv"]),
        ("Normalization(axis=None)\nConv2D(4, 3)", ["Conv"]),
        ("Rescaling(1 / 255, offset=-1)\nConv2D(4, 3)", ["Conv"]),
        # Zeros stay zeros where they are only scaled.
        ('Rescaling(1 / 255)\nConv2D(4, 3, padding="same")', ["Conv"]),
        ("Rescaling(0.5)\nConv2DTranspose(4, 3)", ["ConvTranspose"]),
        # But no offset comes through zeros that are put around the input, nor a window's borders.
        ('BatchNormalization\nConv2D(4, 3, padding="same")', ["BatchNormalization", "Conv"]),
        ("BatchNormalization\nConv2DTranspose(4, 3)", ["BatchNormalization", "ConvTranspose"]),
        # Nor does a scale along another axis than the channels.
        ("Conv2D(4, 3)\nBatchNormalization(axis=1)", ["Conv", "BatchNormalization"]),
        ("Normalization(axis=(1, 3))\nConv2D(4, 3)", ["Sub", "Div", "Conv"]),
        (
            'Conv2D(4, 3, activation="relu")\nBatchNormalization',
            ["Conv", "Relu", "BatchNormalization"],
        ),
    ],
)
def test_folding(body: str, expected: list[str]) -> None:
    assert without_transposes(model_of("float32[6, 7, 4]", body)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{conv}\nBatchNormalization(axis=1)", ["Conv"]),
        ("BatchNormalization(axis=-3)\n{conv}", ["Conv"]),
        ("Rescaling(2.0, 1.0)\n{conv}", ["Conv"]),
        ("{conv}\nBatchNormalization", ["Conv", "Transpose", "BatchNormalization", "Transpose"]),
    ],
)
def test_folding_with_channels_first(body: str, expected: list[str]) -> None:
    """Keras cannot do these on a CPU: compared is the model in which nothing is folded."""
    body = body.format(conv='Conv2D(6, 3, data_format="channels_first")')
    graph = specc.compile_text(model_of("float32[4, 6, 7]", body)).models[-1].graph
    variables = [variable for layer in graph.layers for variable in layer.variables]
    random = np.random.default_rng(0)
    arrays = [random.random(v.shape).astype(v.dtype) + 0.5 for v in variables]
    x = random.random((2, 4, 6, 7)).astype(np.float32)
    outputs: list[Any] = []
    for without in ((), ("fold",)):
        proto = bound(convert.lower(graph, 18, without).model, variables, arrays)
        assert without or operators(proto) == expected
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        outputs += session.run(None, {"x0": x})
    np.testing.assert_allclose(*outputs, rtol=1e-5)


def test_whole_numbers_are_normalized_by_the_first_layer() -> None:
    model = sound(model_of("uint8[6, 6, 3]", "Rescaling(1 / 255)\nConv2D(4, 3)\nFlatten\nDense(2)"))
    assert operators(model)[0] == "Cast"
    assert "Mul" not in operators(model)


def test_a_network() -> None:
    """Every normalization is gone, and one convolution is left of each."""
    found = without_transposes(
        model_of(
            "float32[16, 16, 3]",
            'Conv2D(8, 3, padding="same", use_bias=False)\nBatchNormalization\nReLU\n'
            'DepthwiseConv2D(3, strides=2, padding="same")\nBatchNormalization\nReLU\n'
            "MaxPooling2D\nGlobalAveragePooling2D\nDense(4)",
        )
    )
    assert found == [
        *["Conv", "Relu", "Conv", "Relu", "MaxPool"],
        *["GlobalAveragePool", "Flatten", "Gemm"],
    ]


def test_unknown_sizes_are_padded_when_the_model_runs() -> None:
    """Where the stride is 1 the pads are the same for all sizes."""
    body = 'Conv2D(4, 3, padding="same")\nMaxPooling2D(3, strides=2, padding="same")'
    model = sound(model_of("float32[None, width, 3]", body))
    pads = {n.op_type: {a.name for a in n.attribute} for n in model.graph.node}
    assert "pads" in pads["Conv"]
    assert "auto_pad" not in pads["Conv"]
    assert "auto_pad" in pads["MaxPool"]


def test_the_mean_leaves_out_masked_steps() -> None:
    sound("""
model m {
    input x: float32[8, 3]
    input kept: bool[8]

    x -> GlobalAveragePooling1D()(mask=kept)
}
""")


@pytest.mark.parametrize("opset", range(18, 23))
def test_every_opset(opset: int) -> None:
    """Operators that came later, or whose axes were attributes once, have others in their place."""
    body = "LayerNormalization\nRMSNormalization\nUnitNormalization\nGlobalMaxPooling1D"
    text = model_of("float32[5, 8]", body)
    graph = specc.compile_text(text).models[-1].graph
    found = {node.op_type for node in convert.lower(graph, opset).model.graph}
    assert ("LayerNormalization" in found) == (opset >= 17)


@pytest.mark.parametrize(
    ("cls", "body", "shape"),
    [
        (Conv2D, "BatchNormalization\nConv2D(4, 3)", "float32[6, 6, 3]"),
        (Conv2D, "Conv2D(4, 3)\nBatchNormalization", "float32[6, 6, 3]"),
        (Conv1D, "BatchNormalization\nConv1D(4, 3, groups=2)", "float32[9, 4]"),
    ],
)
def test_a_wrong_fold_is_refused(
    cls: Any, body: str, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "fold_before" if body.startswith("Batch") else "fold_after"
    right = getattr(cls, name)
    monkeypatch.setattr(
        cls, name, lambda self, op, w, scale, offset: right(self, op, w, scale, op.Neg(offset))
    )
    text = model_of(shape, body)
    _, _, report = exported(specc.compile_text(text).models[-1])
    assert not report.ok


@pytest.mark.parametrize(
    "lines",
    [
        ["ZeroPadding2D(1)", "MaxPooling2D(3, strides=2)"],
        ["Conv2D(4, 3)", "ZeroPadding2D(((0, 2), (1, 0)))", "MaxPooling2D(2)"],
        ["Permute((3, 1, 2))", "ZeroPadding2D(1)", "MaxPooling2D(3)"],
        [
            'ZeroPadding2D(1, data_format="channels_first")',
            'MaxPooling2D(2, strides=1, data_format="channels_first")',
        ],
        ["Reshape((25, 4))", "ZeroPadding1D(2)", "MaxPooling1D(3)"],
        ["TimeDistributed(ZeroPadding1D(2))", "TimeDistributed(MaxPooling1D(3))"],
    ],
)
def test_zeros_take_part_in_maxima(lines: list[str]) -> None:
    """onnxruntime's own optimizer leaves them out, if it can."""
    model = specc.compile_text(model_of("float32[5, 5, 4]", "\n".join(lines))).models[-1]
    _, made, report = exported(model)
    assert report.ok, report.diagnostics
    x = -np.ones((2, 5, 5, 4), np.float32)
    session = onnxruntime.InferenceSession(made.model.SerializeToString())
    (name,) = (port.name for port in session.get_inputs())
    have = session.run(None, {name: x})[0]
    want = np.asarray(model.to_keras(seed=0)(x))
    np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)
