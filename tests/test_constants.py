"""Tensors of constants in a spec: what they are worth, in which models, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specc
from specc.backends.compare import compare_with_keras
from specc.backends.keras_model import BuiltModel, build_keras
from specc.backends.keras_source import keras_source
from specc.diagnostics.diagnostic import SpecError

pytestmark = pytest.mark.usefixtures("keras_backend")

ENCODED = """
block positions {
    input x: float32[length, dim]

    exponents = [2 * i / dim for i in range(dim // 2)]
    wavelengths = ops.convert_to_tensor([[10_000 ** exponent for exponent in exponents]])
    angles = ops.expand_dims(ops.arange(length, dtype="float32"), axis=1) / wavelengths
    x + ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
}

model encoded {
    input x: float32[10, 8]

    positions
}
"""

DEEPER = (
    ENCODED
    + """
model deeper {
    input x: float32[10, 8]

    Dense(6)
    positions
    Dense(3)
}
"""
)

OWN = """
block causal(units) {
    input x: float32[length, dim]

    weight kernel: float32[dim, units] = "glorot_uniform"
    weight scale: float32[length] = "ones"

    past = ops.tri(length) / ops.expand_dims(ops.arange(1, length + 1, dtype="float32"), 1)
    ramp = ops.linspace(0.5, 1, units)
    past @ (x @ kernel) * ramp * ops.expand_dims(scale * ops.ones(length), 1)
}

model own {
    input x: float32[10, 8]

    causal(4)
    causal(3)
    Dense(2)
}
"""

MASKED = """
model masked {
    input x: float32[6, 4]

    past = ops.expand_dims(ops.tri(6, dtype="bool"), axis=0)
    scores = x @ ops.transpose(x, axes=(0, 2, 1))
    weights = ops.where(past, scores, ops.full((6, 6), -1e9)) -> ops.softmax(axis=-1)
    weights @ x
}
"""

SEVERAL = ENCODED + OWN + MASKED


def built(text: str, name: str | None = None) -> BuiltModel:
    """A model of a spec in Keras, which agrees with the checker on everything."""
    models = {model.name: model for model in specc.compile_text(text).models}
    made = build_keras(models[name or list(models)[-1]].graph, seed=1)
    assert [d.message for d in compare_with_keras(made)] == []
    return made


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def encoding(length: int, dim: int) -> np.ndarray[Any, Any]:
    angles = np.arange(length)[:, None] / 10_000 ** (2 * np.arange(dim // 2) / dim)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


# -------------------------------------------------------------------------- values


def test_encoding_of_positions() -> None:
    x = drawn(3, 10, 8)
    y = built(ENCODED).keras_model.predict(x, verbose=0)
    np.testing.assert_allclose(y, x + encoding(10, 8), rtol=1e-5, atol=1e-6)


def test_block_with_weights() -> None:
    model = specc.compile_text(OWN.replace("    causal(3)\n    Dense(2)\n", "")).models[-1]
    made = build_keras(model.graph, seed=1)
    assert compare_with_keras(made) == []
    x = drawn(3, 10, 8)
    scale, kernel = sorted((v.numpy() for v in made.keras_model.weights), key=lambda v: v.ndim)
    past = np.tri(10) / np.arange(1, 11)[:, None]
    expected = past @ (x @ kernel) * np.linspace(0.5, 1, 4) * scale[:, None]
    np.testing.assert_allclose(
        made.keras_model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ops.arange(3)", np.arange(3)),
        ("ops.arange(3.0)", np.arange(3.0)),
        ("ops.arange(1, 2, 0.25)", np.arange(1, 2, 0.25)),
        ("ops.arange(4, 0, -1)", np.arange(4, 0, -1)),
        ("ops.array([1, 2.5, -3])", np.array([1, 2.5, -3])),
        ("ops.array([True, False])", np.array([True, False])),
        ("ops.array([[1], [2]])", np.array([[1], [2]])),
        ("ops.convert_to_tensor(0.5)", np.array(0.5)),
        ("ops.convert_to_tensor([1, 2], dtype=\"float16\")", np.array([1, 2])),
        ("ops.eye(3, 2, k=-1)", np.eye(3, 2, k=-1)),
        ("ops.full((2, 1), 7)", np.full((2, 1), 7)),
        ("ops.identity(2)", np.identity(2)),
        ("ops.linspace(0, 1, 5, endpoint=False)", np.linspace(0, 1, 5, endpoint=False)),
        ("ops.ones((2, 3))", np.ones((2, 3))),
        ("ops.tri(2, 3, 1)", np.tri(2, 3, 1)),
        ("ops.zeros(4)", np.zeros(4)),
    ],
)  # fmt: skip
def test_values(expression: str, expected: np.ndarray[Any, Any]) -> None:
    text = f"""
model m {{
    input x: float32[1, 1]

    y = ops.cast({expression}, "float32")
    x + y
}}
"""
    x = drawn(2, 1, 1)
    np.testing.assert_allclose(
        built(text).keras_model.predict(x, verbose=0), x + expected, rtol=1e-6
    )


def test_rows_taken_of_constants() -> None:
    text = """
model m {
    input i: int32[3]

    ops.take(ops.array([[1.0, 2.0], [3.0, 4.0]]), i, axis=0)
}
"""
    i = np.array([[0, 1, 1]], "int32")
    y = built(text).keras_model.predict(i, verbose=0)
    np.testing.assert_array_equal(y, [[[1, 2], [3, 4], [3, 4]]])


def test_dtypes_meet() -> None:
    text = """
model m {
    input x: int32[3]

    y = x + ops.arange(3)
    z = x / ops.arange(1, 4)
    w = x + ops.ones(3, dtype="bfloat16")
    output y, z, w
}
"""
    made = built(text)
    assert [tensor.type.dtype for tensor in made.graph.outputs] == ["int32", "float32", "bfloat16"]


# --------------------------------------------------------------- files and exports


@pytest.mark.parametrize("name", ["encoded", "own", "masked"])
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    import keras

    made = built(SEVERAL, name).keras_model
    x = drawn(2, *made.input_shape[1:])
    path = tmp_path / "model.keras"
    made.save(path)
    again: Any = keras.models.load_model(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), made.predict(x, verbose=0))


@pytest.mark.parametrize("text", [ENCODED, DEEPER, OWN, MASKED])
def test_exported_and_verified(text: str) -> None:
    model = specc.compile_text(text).models[-1]
    keras_model = model.to_keras(seed=1)
    report = specc.verify(model, keras_model, model.to_onnx(keras_model))
    assert report.ok, report


@pytest.mark.parametrize("name", ["encoded", "own", "masked"])
def test_written_as_keras(name: str) -> None:
    import keras

    program = specc.compile_text(SEVERAL)
    (graph,) = [model.graph for model in program.models if model.name == name]
    written = keras_source(program.module, [graph])
    scope: dict[str, Any] = {"__name__": "generated"}
    exec(compile(written.text, f"{name}.py", "exec"), scope)
    keras.utils.set_random_seed(1)
    theirs: Any = scope[written.functions[name]]()
    ours = build_keras(graph).keras_model
    theirs.set_weights(ours.get_weights())
    x = drawn(2, *ours.input_shape[1:])
    np.testing.assert_allclose(
        theirs.predict(x, verbose=0), ours.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


# ------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("expression", "code", "words"),
    [
        ("ops.zeros(-1)", "E0204", "a size or a tuple of sizes"),
        ("ops.ones((2, 0))", "E0204", "a size or a tuple of sizes"),
        ("ops.eye(0)", "E0204", "1 or more"),
        ("ops.linspace(0, 1, -5)", "E0204", "1 or more"),
        ("ops.full((2,), \"a\")", "E0204", "a number"),
        ("ops.array([\"a\", \"b\"])", "E0204", "a list of numbers"),
        ("ops.array([x, x])", "E0204", "a list of numbers"),
        ("ops.convert_to_tensor(x)", "E0204", "a number or a list"),
        ("ops.array([[1, 2], [3]])", "E0362", "item 1 of a list is a list of length 1"),
        ("ops.array([[1, 2], 3])", "E0362", "item 1 of a list is a number"),
        ("ops.array([])", "E0362", "no elements"),
        ("ops.array([1, True])", "E0362", "both numbers and truth values"),
        ("ops.array(300, dtype=\"int8\")", "E0352", "300 is no int8"),
        ("ops.arange(-3)", "E0362", "no elements"),
        ("ops.arange(3, 8, -1)", "E0362", "no elements"),
        ("ops.arange(3, 8, 0)", "E0362", "steps of 0"),
        ("ops.arange(10_000_000)", "E0362", "10,000,000 elements"),
        ("ops.arange(2.5, dtype=\"int32\")", "E0352", "2.5 is no int32"),
        ("ops.arange(3, dtype=\"uint8\")", "E0204", "uint8"),
        ("ops.zeros((10_000, 10_000))", "E0362", "1,000,000 are the most"),
        ("ops.identity(1_001)", "E0362", "1,002,001 elements"),
        ("ops.eye(3, k=5)", "E0358", "no diagonal 5"),
        ("ops.eye(3, 50, 1)", "E0359", "`k` of `ops.eye` does not go with this `M`"),
        ("ops.linspace(0, 1, retstep=True)", "E0359", "retstep"),
    ],
)  # fmt: skip
def test_refused(expression: str, code: str, words: str) -> None:
    text = f"model m {{\n    input x: float32[4]\n\n    c = {expression}\n    x + c\n}}\n"
    with pytest.raises(SpecError) as caught:
        specc.compile_text(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert words in f"{diagnostic.message}: {diagnostic.primary.text}"


@pytest.mark.parametrize(
    "lines",
    [
        "ops.arange(4)",
        "c = ops.arange(4)\n    c -> Dense(3)",
        "y = x + 1\n    output y, ops.ones(4)",
    ],
)
def test_no_sample_of_a_batch(lines: str) -> None:
    with pytest.raises(SpecError):
        specc.compile_text(f"model m {{\n    input x: float32[4]\n\n    {lines}\n}}\n")
