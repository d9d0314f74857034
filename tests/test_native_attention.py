"""Attention, projections, merges and masks in ONNX: what comes out, verified against Keras."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from native_models import operators, sound

pytestmark = pytest.mark.usefixtures("keras_backend")

HEADS = [
    *["MatMul", "Add", "Reshape", "Transpose"] * 3,
    *["MatMul", "Softmax", "MatMul", "Transpose", "Reshape", "MatMul", "Add"],
]


def model_of(body: str, inputs: str = "x: float32[5, 8]") -> onnx.ModelProto:
    lines = [f"input {line}" for line in inputs.split("; ")] + body.strip().splitlines()
    return sound("model m {\n" + "".join(f"    {line.strip()}\n" for line in lines) + "}\n")


def count(model: onnx.ModelProto) -> Counter[str]:
    return Counter(operators(model))


def test_an_encoder_block() -> None:
    """The block of BERT: no more than 3 + 4 projections, 2 products and what moves the heads."""
    found = count(
        model_of(
            """
            a = x -> MultiHeadAttention(2, 4, dropout=0.1)(value=x) -> Dropout(0.1)
            y = [x, a] -> Add -> LayerNormalization
            z = y -> Dense(16, activation="gelu") -> Dense(8) -> Dropout(0.1)
            [y, z] -> Add -> LayerNormalization
            """
        )
    )
    assert found["MatMul"] == 8
    assert found["Softmax"] == 1
    assert found["LayerNormalization"] == 2
    assert (found["Transpose"], found["Reshape"]) == (4, 4)
    # Six biases, two sums.
    assert found["Add"] - (1 if "Erf" in found else 0) == 8
    assert "Where" not in found


def test_attention_by_heads() -> None:
    model = model_of("x -> MultiHeadAttention(2, 4)(value=x)")
    assert sorted(operators(model)) == sorted(HEADS)
    # The scale of the scores is in the weights, and these are as many as Keras has.
    assert sum(int(np.prod(i.dims)) for i in model.graph.initializer if i.data_type == 1) == 288


@pytest.mark.parametrize(
    "call",
    [
        "MultiHeadAttention(3, 2, value_dim=5, output_shape=(2, 3), use_bias=False)(value=y)",
        "MultiHeadAttention(2, 4, use_gate=True)(value=y, key=y)",
        "GroupQueryAttention(4, 6, 2, use_gate=True)(value=y)",
        "GroupQueryAttention(4, 6, 1)(value=y)",
    ],
)
def test_attention_to_something_else(call: str) -> None:
    found = count(model_of(f"x -> {call}", "x: float32[5, 8]; y: float32[steps, 8]"))
    assert found["MatMul"] == (7 if "gate" in call else 6)
    assert "Tile" not in found
    assert "Expand" not in found


def test_attention_over_several_axes() -> None:
    body = "x -> MultiHeadAttention(2, 3, attention_axes=(1, 3))(value=y)"
    found = count(model_of(body, "x: float32[2, 3, 4, 5]; y: float32[4, 3, 2, 6]"))
    assert found["Softmax"] == 1
    assert "Einsum" not in found


@pytest.mark.parametrize(
    ("call", "selections"),
    [
        ("value=x, use_causal_mask=True", 1),
        ("value=x, attention_mask=seen", 1),
        ("value=x, value_mask=m, key_mask=m, use_causal_mask=True", 1),
        # What sees nothing has shares of 0 here.
        ("value=x, attention_mask=seen, return_attention_scores=True", 2),
        ("value=x, use_causal_mask=True, return_attention_scores=True", 1),
    ],
)
@pytest.mark.parametrize(
    "layer",
    [
        "MultiHeadAttention(4, 2)",
        "MultiHeadAttention(2, 2, sliding_window=2)",
        "GroupQueryAttention(2, 4, 2)",
    ],
)
def test_masks_of_attention(layer: str, call: str, selections: int) -> None:
    names = "y, scores" if "scores" in call else "y"
    inputs = "x: float32[5, 8]; m: bool[5]; seen: bool[5, 5]"
    used = [name for name in ("m", "seen") if f"={name}" in call]
    kept = "; ".join(i for i in inputs.split("; ") if i[0] == "x" or i.split(":")[0] in used)
    model = model_of(f"{names} = x -> {layer}({call})\noutput {names}", kept)
    window = "window" in layer and "scores" in call
    assert count(model)["Where"] == max(selections, 2 if window else 1)


@pytest.mark.parametrize(
    "body",
    [
        "y = e -> MultiHeadAttention(2, 3)(value=e)",
        "y = e -> MultiHeadAttention(2, 3, dropout=0.2)(value=e, use_causal_mask=True)",
        "y = e -> MultiHeadAttention(2, 3)(value=f, key=e)",
        "y = e -> GroupQueryAttention(3, 4, 2)(value=f, query_mask=m)",
        "y = [e, f] -> Attention",
        "y = [e, f, e] -> Attention(use_scale=True)(use_causal_mask=True)",
        'y = [e, f] -> Attention(score_mode="concat", use_scale=True)',
        "y = [e, f] -> AdditiveAttention(use_scale=False)",
        "y = [e, f] -> AdditiveAttention(mask=[m, m])",
        "y = [e, f] -> Maximum",
        "y = [e, f, e] -> Minimum",
        "y = [e, f] -> Multiply",
        "y = [e, x] -> Multiply",
        "y = [x, e, f] -> Maximum",
        "y = [e, f] -> Concatenate",
        "y = [e, x] -> Concatenate",
        "y = [e, x, f] -> Concatenate(axis=1)",
        "y = [[e, f] -> Add, x] -> Subtract",
        "y = x -> Masking -> Dense(4)",
    ],
)
def test_masks_brought_along(body: str) -> None:
    """Of embeddings that hide word 0; a later attention shows the mask of what came before."""
    body = body.replace("AdditiveAttention(mask=", "AdditiveAttention()(mask=")
    inputs = [f"{n}: int32[4]" for n in "ab" if n == "a" or "f" in body.replace("float", "")]
    inputs += ["x: float32[4, 6]"] if "x" in body.split("=", 1)[1].replace("Maximum", "") else []
    inputs += ["m: bool[4]"] if "m]" in body or "=m" in body else []
    lines = ["e = a -> Embedding(3, 6, mask_zero=True)"]
    lines += ["f = b -> Embedding(3, 6, mask_zero=True)"] if "b: int32[4]" in inputs else []
    lines += [body, "z = y -> MultiHeadAttention(1, 2, dropout=0.1)(value=y)"]
    model_of("\n".join([*lines, "output y, z"]), "; ".join(inputs))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ('EinsumDense("abc,cd->abd", (5, 7), bias_axes="d")', ["MatMul", "Add"]),
        ('EinsumDense("...a,ab->...b", 7)', ["MatMul"]),
        ('EinsumDense("...a,ba->...b", 7)', ["MatMul"]),
        ('EinsumDense("abc,cde->abde", (5, 2, 3), bias_axes="de")', ["MatMul", "Add", "Reshape"]),
        ('EinsumDense("abc,bcd->ad", 7, bias_axes="d")', ["Reshape", "Gemm"]),
        ('EinsumDense("abc,ce->aeb", (4, 5), bias_axes="e")', ["Einsum", "Add"]),
        ('EinsumDense("ab...,bc->ac...", 4)', ["Einsum"]),
        ('EinsumDense("abc,cd->abd", (5, 7), lora_rank=2, lora_alpha=3.0)', ["MatMul"]),
        ("Dense(7, lora_rank=2)", ["MatMul", "Add"]),
    ],
)
def test_projections(layer: str, expected: list[str]) -> None:
    assert operators(model_of(f"x -> {layer}")) == expected


def test_tied_embeddings() -> None:
    body = """
    table = ReversibleEmbedding(9, 4, mask_zero=True, logit_soft_cap=5.0)
    words -> table -> Dense(4) -> table(reverse=True)
    """
    assert count(model_of(body, "words: int32[5]"))["MatMul"] == 2


@pytest.mark.parametrize("normalization", ["before", "after"])
def test_normalizations_fold_into_lora(normalization: str) -> None:
    layers = ["BatchNormalization", "Dense(3, lora_rank=2)"]
    order = layers if normalization == "before" else layers[::-1]
    assert operators(model_of(f"x -> {' -> '.join(order)}", "x: float32[6]")) == ["Gemm"]


def test_merges_of_whole_numbers() -> None:
    body = """
    s = [a, b] -> Add
    p = [a, b, a] -> Multiply
    m = [[a, a] -> Average, x] -> Maximum
    d = [a, a] -> Dot(axes=1)
    output s, p, m, d
    """
    model_of(body, "a: int32[4]; b: int8[3, 4]; x: float32[4]")


def test_merges_of_many() -> None:
    body = "[[x, x, y] -> Add, [x, y, x] -> Average, [y, x, x] -> Maximum] -> Minimum"
    found = operators(model_of(body, "x: float32[4]; y: float32[4]"))
    assert sorted(found) == ["Max", "Min", "Mul", "Sum", "Sum"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("Dot(axes=2)", ["Transpose", "MatMul"]),
        ("Dot(axes=(2, 1))", None),
        ("Dot(axes=2, normalize=True)", None),
    ],
)
def test_dot(layer: str, expected: list[str] | None) -> None:
    sizes = "6, 3" if "1)" in layer else "3, 6"
    found = operators(model_of(f"[x, y] -> {layer}", f"x: float32[4, 6]; y: float32[{sizes}]"))
    assert found == (expected or found)
    assert found.count("MatMul") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("max_value=6", ["Clip"]),
        ("threshold=0.5", ["ThresholdedRelu"]),
        ("threshold=0.5, max_value=1", ["ThresholdedRelu", "Min"]),
        ("negative_slope=0.1, max_value=1", ["LeakyRelu", "Min"]),
    ],
)
def test_relu(arguments: str, expected: list[str]) -> None:
    assert operators(model_of(f"x -> ReLU({arguments})")) == expected


def test_softmax_over_several_axes() -> None:
    found = operators(model_of("x -> Softmax(axis=(1, 2))(mask=m)", "x: float32[4, 5]; m: bool[5]"))
    assert found == ["Where", "ReduceLogSumExp", "Sub", "Exp", "Where"]
