"""One wrong number in a file is found, and named."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

import specc
from verification.subjects import (
    SMALL,
    Array,
    Subjects,
    change,
    line_of,
    node_of,
    one_percent,
)

# ------------------------------------------------------------------------- one number


RECURRENT = ("kernel", "recurrent_kernel", "bias")

NATIVE = {
    "bn_after": [f"dense{n}/{v}" for n in ("", "_1", "_2") for v in ("kernel", "bias")],
    "convnet": [
        *[f"conv2d{n}/kernel" for n in ("", "_1", "_2")],
        *["batch_normalization/bias", "batch_normalization_1/bias", "conv2d_2/bias"],
        *["dense/kernel", "dense/bias"],
    ],
    "sentiment": [
        "embedding/embeddings",
        *[f"{layer}/{v}" for layer in ("gru", "lstm") for v in RECURRENT],
        *["dense/kernel", "dense/bias"],
    ],
}
"""The initializers of shipped specs, known before anything is converted."""

TF2ONNX = {
    "bn_after": [
        *NATIVE["bn_after"],
        *[f"batch_normalization{n}/{v}" for n in ("", "_1", "_2") for v in ("scale", "offset")],
    ],
}

# Seconds each, as a changed row of the table is not seen in most outputs and so all cases run.
OFTEN = ("embedding/embeddings", "gru/bias", "lstm/recurrent_kernel")

CHANGED = [
    pytest.param(via, spec, name, marks=[pytest.mark.slow] if is_slow else [])
    for via, files in (("native", NATIVE), ("tf2onnx", TF2ONNX))
    for spec, names in files.items()
    for name in names
    for is_slow in [spec == "sentiment" and name not in OFTEN]
]


@pytest.mark.parametrize(("via", "spec", "initializer"), CHANGED)
def test_one_number(via: str, spec: str, initializer: str, subjects: Subjects) -> None:
    """A number off by one per cent; a bias of zeros gets a number instead."""
    sound = subjects(spec, via)
    file = sound.copy()
    parameters = [i.name for i in file.graph.initializer if "/" in i.name]
    assert sorted(parameters) == sorted((NATIVE if via == "native" else TF2ONNX)[spec])

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


def test_the_smallest_change(subjects: Subjects) -> None:
    """A kept weight must be the same to the last bit."""
    sound = subjects("small")
    file = sound.copy()

    def last_bit(array: Array) -> None:
        array[2, 1] = np.nextafter(array[2, 1], np.float32(9))

    change(file, "dense/kernel", last_bit)
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0602"
    assert "[2, 1]" in error.primary.text


def test_a_parameter_that_is_gone(subjects: Subjects) -> None:
    sound = subjects("small")
    file = sound.copy()
    change(file, "dense_2/bias", lambda _: None)
    initializer = next(i for i in file.graph.initializer if i.name == "dense_2/bias")
    initializer.name = "another"
    node_of(file, "dense_2", "Gemm").input[2] = "another"
    codes = [d.code for d in sound.verify(file).diagnostics]
    assert codes[0] == "E0603"


def test_a_parameter_of_another_type(subjects: Subjects) -> None:
    sound = subjects("small")
    file = sound.copy()
    initializer = next(i for i in file.graph.initializer if i.name == "dense_2/bias")
    array = onnx.numpy_helper.to_array(initializer)[None]
    initializer.CopyFrom(onnx.numpy_helper.from_array(array, "dense_2/bias"))
    first, *_ = sound.verify(file).diagnostics
    assert first.code == "E0604"
    assert first.primary.span.line == 7


# ------------------------------------------------------------------------------- NaN


def test_nan_in_a_weight(subjects: Subjects) -> None:
    sound = subjects("small")
    for name in "dense_1/kernel", "dense_2/bias":
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


def test_nan_in_an_output(subjects: Subjects) -> None:
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
