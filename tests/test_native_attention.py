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
    ("layer", "call", "selections"),
    [
        ("MultiHeadAttention(4, 2, dropout=0.1)", "use_causal_mask=True", 1),
        ("MultiHeadAttention(4, 2)", "attention_mask=seen", 1),
        ("MultiHeadAttention(4, 2)", "value_mask=m, key_mask=m, use_causal_mask=True", 1),
        ("MultiHeadAttention(2, 2, sliding_window=2)", "use_causal_mask=True", 1),
        ("GroupQueryAttention(2, 4, 2)", "query_mask=m, attention_mask=seen", 1),
        ("GroupQueryAttention(2, 4, 2, sliding_window=2)", "value_mask=m", 1),
        # In Keras, what sees nothing has shares of 0 and not equal ones in these.
        ("MultiHeadAttention(4, 2, dropout=0.1)", "attention_mask=seen", 2),
        ("GroupQueryAttention(2, 4, 2, dropout=0.1)", "value_mask=m", 2),
    ],
)
def test_masks_of_attention(layer: str, call: str, selections: int) -> None:
    kinds = {"m": "m: bool[5]", "seen": "seen: bool[5, 5]"}
    inputs = ["x: float32[5, 8]", *[kinds[name] for name in kinds if f"={name}" in call]]
    model = model_of(f"x -> {layer}(value=x, {call})", "; ".join(inputs))
    assert count(model)["Where"] == selections


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
@pytest.mark.parametrize(
    "layers",
    [
        """
        p = e -> LayerNormalization
        q = e -> LayerNormalization
        r = e -> LayerNormalization
        a = p -> MultiHeadAttention(2, 3)(value=p)
        b = q -> MultiHeadAttention(2, 3, dropout=0.2)(value=q, use_causal_mask=True)
        c = r -> MultiHeadAttention(2, 3)(value=x, key=r)
        d = e -> GroupQueryAttention(3, 4, 2)(value=f)
        """,
        """
        a = [e, f] -> Attention
        b = [e, f, e] -> Attention(use_scale=True)(use_causal_mask=True)
        c = [e, f] -> Attention(score_mode="concat", use_scale=True)
        d = [e, f] -> AdditiveAttention(use_scale=False)
        """,
        """
        a = [e, f] -> Maximum
        b = [e, f, e] -> Minimum
        c = [e, f] -> Multiply
        d = [e, f] -> Concatenate -> Dense(6)
        """,
        """
        a = [e, x] -> Multiply
        b = [x, e, f] -> Maximum
        c = [e, x] -> Concatenate -> Dense(6)
        d = x -> Masking -> Dense(6)
        """,
    ],
    ids=["heads", "lists", "merges", "merges of which one has none"],
)
def test_masks_brought_along(layers: str) -> None:
    """Embeddings bring masks that hide word 0; a later attention shows what came of them.

    Each goes to one `MultiHeadAttention`, which in Keras takes the masks off its inputs.
    """
    body = [
        "e = words -> Embedding(3, 6, mask_zero=True)",
        "f = more -> Embedding(3, 6, mask_zero=True)",
    ]
    names = "abcd"
    body += layers.strip().splitlines()
    body += [f"shown_{n} = {n} -> MultiHeadAttention(1, 2, dropout=0.1)(value=x)" for n in names]
    body += [
        "long = [e, x, f] -> Concatenate(axis=1) -> MultiHeadAttention(1, 2, dropout=0.1)(value=x)"
    ]
    outputs = [*names, *[f"shown_{n}" for n in names], "long"]
    model_of(
        "\n".join([*body, f"output {', '.join(outputs)}"]),
        "words: int32[4]; more: int32[4]; x: float32[4, 6]",
    )


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
    layer table = ReversibleEmbedding(9, 4, mask_zero=True, logit_soft_cap=5.0)
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
    found = operators(
        model_of("x -> Softmax(axis=(1, 2))(mask=m)", "x: float32[4, 5]; m: bool[4, 5]")
    )
    assert found == ["Where", "ReduceLogSumExp", "Sub", "Exp", "Where"]
