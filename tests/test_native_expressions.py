"""Tensor expressions, blocks with weights of their own and models in models, exported natively."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import scipy.special
from native_models import exported, operators, sound

import specc
from specc.backends.native.convert import lower
from specc.lowering import NotLowered

pytestmark = pytest.mark.usefixtures("keras_backend")


def model_of(shape: str, *lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"model m {{\n    input x: {shape}\n\n{body}}}\n"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x + 1", ["Add"]),
        ("2 ** x", ["Pow"]),
        ("-x / 3", ["Neg", "Div"]),
        ("x // 0.5", ["Div", "Floor"]),
        ("ops.where(x > 0, x, 0.1 * x)", ["Greater", "Mul", "Where"]),
        ("ops.clip(x, -1, 1)", ["Clip"]),
        ("ops.gelu(x, approximate=False)", ["Mul", "Mul", "Erf", "Add", "Mul"]),
        ("ops.mean(x, axis=-1, keepdims=True)", ["ReduceMean"]),
        ("ops.logsumexp(x, axis=(1, 2))", ["ReduceLogSumExp"]),
        ("ops.softmax(x, axis=1)", ["Softmax"]),
        ("x[:, 0]", ["Slice", "Squeeze"]),
        ("x[:, ::2, None, -1]", ["Slice", "Squeeze", "Unsqueeze"]),
        ("ops.reshape(x, (-1, 12))", ["Reshape"]),
        ("ops.swapaxes(x, 1, 2)", ["Transpose"]),
        ("ops.flip(x, axis=1)", ["Slice"]),
        ("ops.repeat(x, 2, axis=1)", ["Gather"]),
        ("ops.take(x, (2, 0), axis=2)", ["Gather"]),
        ("ops.concatenate([x, x], axis=1)", ["Concat"]),
        ("x @ ops.transpose(x, (0, 2, 1))", ["Transpose", "MatMul"]),
        ('ops.einsum("bij,bjk->bik", x, ops.swapaxes(x, 1, 2))', ["Transpose", "MatMul"]),
        ('ops.einsum("bij,bkj->bik", x, x)', ["Transpose", "MatMul"]),
        ('ops.einsum("bij->bji", x)', ["Einsum"]),
        ("ops.cumsum(x, axis=1)", ["CumSum"]),
        ("ops.normalize(x)", ["ReduceL2", "Max", "Div"]),
        ("x + ops.arange(3.0)", ["Add"]),
    ],
)
def test_operators(expression: str, expected: list[str]) -> None:
    """Few operators, and those of ONNX that say just this."""
    assert operators(sound(model_of("float32[4, 3]", expression))) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "x % 3 - x // 3",
        "ops.cast(x, 'float32') / 2 + ops.mean(x, axis=1, keepdims=True)",
        "x ** 2 + ops.sum(x, axis=-1, keepdims=True)",
        "ops.bitwise_right_shift(x, ops.ones_like(x))",
        "ops.gcd(x, 6)",
        "ops.one_hot(x, 3)",
        "ops.where(x > 1, x, -x)",
        "ops.argmax(x, axis=1)",
    ],
)
def test_whole_numbers(expression: str) -> None:
    sound(model_of("int32[4]", expression.replace("'", '"')))


def test_sizes_that_are_known_when_it_runs() -> None:
    sound("""
model m {
    input x: float32[time, 4]
    input y: float32[steps, 4]

    scores = x @ ops.swapaxes(y, 1, 2) / 2
    mixed = ops.softmax(scores, axis=-1) @ y
    turned = ops.flip(mixed, axis=1) + ops.roll(x, 2, axis=1)
    repeated = ops.repeat(turned, 2, axis=1)[:, 1:-1]
    sorted = ops.sort(repeated, axis=1)
    picked = ops.take_along_axis(sorted, ops.argsort(sorted, axis=1), axis=1)
    ops.max(picked, axis=1)
}
""")


def test_several_results() -> None:
    model = sound("""
model m {
    input x: float32[6, 4]

    a, b = ops.split(x, 2, axis=1)
    largest, places = ops.top_k(a * b, 2)
    mean, variance = ops.moments(x, axes=(1, 2))

    output largest, places, mean, variance
}
""")
    assert "Split" in operators(model)
    assert "TopK" in operators(model)


SHARED = """
block transposed(dense) {
    input x

    weight kernel = dense.kernel
    weight bias: float32[kernel.shape[0]] = "zeros"

    x @ ops.transpose(kernel) + bias
}

model tied {
    input x: float32[6]

    layer encode = Dense(3, use_bias=False)
    encode
    transposed(encode)
}
"""


def test_a_weight_that_a_block_shares_stands_there_once() -> None:
    model = specc.compile_text(SHARED).models[-1]
    _, made, report = exported(model, seed=3)
    assert report.ok, report.diagnostics
    assert made.accounting.closes
    assert made.accounting.keras_total == 6 * 3 + 6


def test_a_shared_weight_is_the_one_without_a_fold() -> None:
    """The normalization goes into the layer, and not into what the block makes of its kernel."""
    text = SHARED.replace("    encode\n", "    encode\n    BatchNormalization\n")
    _, _, report = exported(specc.compile_text(text).models[-1], seed=3)
    assert report.ok, report.diagnostics


def test_blocks_with_weights_of_their_own() -> None:
    sound("""
block scaled(units) {
    input x: float32[n]

    weight kernel: float32[n, units] = "glorot_uniform"
    weight scale: float32[units] = Constant(2.0), trainable=False

    hidden = x @ kernel * scale
    hidden -> Dense(units, activation="tanh") -> BatchNormalization
}

model own {
    input x: float32[4]

    layer twice = scaled(5)
    Dense(5, activation="relu")
    twice
    twice
    scaled(3)
    Dense(1)
}
""")


def test_models_in_models() -> None:
    sound("""
model encoder {
    input features: float32[8]

    Dense(6)
    BatchNormalization
    ReLU
    Dense(4)
}

model siamese {
    input left: float32[8]
    input right: float32[8]

    a = left -> encoder
    b = right -> encoder
    distance = ops.sqrt(ops.sum((a - b) ** 2, axis=1, keepdims=True) + 1e-6)
    distance -> BatchNormalization -> Dense(1, activation="sigmoid")
}
""")


def test_floats_of_a_block_are_those_of_its_layer() -> None:
    """A block's layer takes float32, also where it is given float16."""
    sound("""
block shifted {
    input x

    weight bias: float32[x.shape[-1]] = "ones"

    x + bias
}

model m {
    input x: float32[4]

    Dense(4, dtype="float16")
    shifted
}
""")


@pytest.mark.parametrize("opset", [18, 20, 22])
def test_older_opsets(opset: int) -> None:
    model = specc.compile_text(
        model_of(
            "float32[4, 6]",
            "a, b = ops.split(x, 2, axis=2)",
            "c = ops.max(a, axis=1) + ops.mean(b, axis=1) + ops.prod(a, axis=1)",
            "ops.logsumexp(ops.glu(x), axis=1) * c",
        )
    ).models[-1]
    proto = ir.serde.serialize_model(lower(model.graph, opset).model)
    onnx.checker.check_model(proto, full_check=True)


# ------------------------------------------------------------- functions ONNX has not


def computed(expression: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    model = specc.compile_text(model_of(f"{x.dtype}[1]", expression)).models[-1]
    made = ir.serde.serialize_model(lower(model.graph, 18).model)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return np.asarray(session.run(None, {"x0": x[:, None]})[0])[:, 0]


def test_the_inverse_of_the_error_function() -> None:
    near_one = 1 - 2.0 ** -np.arange(1, 25, 0.01)
    near_zero = 2.0 ** -np.arange(1.0, 126.0)
    x = np.concatenate([np.linspace(-1, 1, 20001), near_one, -near_one, near_zero, [2.0, np.nan]])
    x = x.astype(np.float32)
    with np.errstate(all="ignore"):
        want = scipy.special.erfinv(x.astype(np.float64))
    have = computed("ops.erfinv(x)", x)
    np.testing.assert_allclose(have, want, rtol=4e-7, atol=1e-45)
    assert np.isinf(have[np.abs(x) == 1]).all()
    sound(model_of("float16[4]", "ops.erfinv(ops.tanh(x))"))
    graph = specc.compile_text(model_of("float64[4]", "ops.erfinv(x)")).models[-1].graph
    with pytest.raises(NotLowered, match="`erfinv` in float64"):
        lower(graph, 18)


@pytest.mark.parametrize(
    ("dtype", "top", "within"), [("float32", 88, 6e-7), ("float64", 700, 4e-15)]
)
def test_bessel(dtype: str, top: float, within: float) -> None:
    x = np.concatenate([np.linspace(-top, top, 4001), [0.0, 1e-30, 1e4, np.inf, np.nan]])
    x = x.astype(dtype)
    with np.errstate(all="ignore"):
        want = scipy.special.i0(x.astype(np.float64)).astype(dtype)
    have = computed("ops.i0(x)", x)
    np.testing.assert_allclose(have, want, rtol=within)


def test_bessel_verified() -> None:
    sound(model_of("float32[4, 3]", "ops.i0(x) * ops.erfinv(ops.tanh(x))"))
