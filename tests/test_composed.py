"""Whole programs in Keras and onnxruntime: models in models, layers of one's own, masks, dtypes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specc
from specc.backends.compare import compare_with_keras
from specc.backends.keras_model import BuiltModel, build_keras

pytestmark = pytest.mark.usefixtures("keras_backend")


def built(text: str, **params: Any) -> BuiltModel:
    """The last model of a spec in Keras, which agrees with the checker on everything."""
    model = specc.compile_text(text, params=params).models[-1]
    made = build_keras(model.graph, seed=1)
    assert [d.message for d in compare_with_keras(made)] == []
    return made


def exported(text: str) -> specc.Report:
    """The report of the last model of a spec, exported and verified."""
    model = specc.compile_text(text).models[-1]
    keras_model = model.to_keras(seed=1)
    report = specc.verify(model, keras_model, model.to_onnx(keras_model))
    assert report.ok, report
    return report


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


TIED = """
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

OWN = """
block scaled(units) {
    input x: float32[n]

    weight kernel: float32[n, units] = "glorot_uniform"
    weight scale: float32[units] = Constant(2.0), trainable=False

    hidden = x @ kernel * scale
    hidden -> Dense(units, activation="tanh") -> BatchNormalization
}

model own {
    input x: float32[4]

    Dense(5, activation="relu")
    scaled(3)
    scaled(3)
    Dense(1)
}
"""

NESTED = """
model encoder {
    input image: float32[8, 8, 1]

    Conv2D(2, 3, activation="relu")
    BatchNormalization
    Flatten
    Dense(4)
}

model siamese {
    input left: float32[8, 8, 1]
    input right: float32[8, 8, 1]

    a = left -> encoder
    b = right -> encoder
    distance = ops.sqrt(ops.sum((a - b) ** 2, axis=1, keepdims=True) + 1e-6)
    distance -> BatchNormalization -> Dense(1, activation="sigmoid")
}
"""

BLOCKS = """
block residual(filters, strides=1) {
    input x

    shortcut = x
    if strides > 1 or x.shape[-1] != filters {
        shortcut = x -> Conv2D(filters, 1, strides=strides)
    }
    y = x -> Conv2D(filters, 3, strides=strides, padding="same") -> BatchNormalization -> ReLU
    [shortcut, y] -> Add
}

model blocks {
    input image: float32[16, 16, 3]

    layer shared = residual(4)
    residual(4)
    shared
    shared
    residual(8, strides=2)
    GlobalAveragePooling2D
    Dense(2)
}
"""

EXPRESSIONS = """
model expressions {
    input x: float32[5, 4]
    input y: float32[4]

    a = x[:, -1] * 2 - y / 3
    b = ops.where(a > 0, a, 0.1 * a)
    c = x @ ops.expand_dims(b, axis=-1)
    d = ops.reshape(c, (-1, 5))
    e = ops.concatenate([d, -b], axis=-1)
    f = ops.softmax(e, axis=-1) ** 2
    f -> ops.mean(axis=-1, keepdims=True) -> Dense(2)
}
"""

MASKED = """
model masked {
    input words: int32[time]

    Embedding(20, 4, mask_zero=True)
    Bidirectional(LSTM(3, return_sequences=True))
    GRU(2)
}
"""

ATTENTION = """
import "std/transformer"

model attention {
    input tokens: int32[6]
    input memory: float32[5, 8]

    tokens -> token_and_position_embedding(30, 8)
    transformer_encoder(2, 4, 16)
    transformer_decoder(2, 4, 16)(memory=memory)
    GlobalAveragePooling1D
    Dense(3, activation="softmax")
}
"""

WRAPPED = """
block pair(n) {
    input x
    y = x -> Dense(n, activation="relu")
    [x, y] -> Concatenate
}

model head {
    input x: float32[6]
    Dense(2)
}

model wrapped {
    input x: float32[5, 4]

    TimeDistributed(pair(2))
    TimeDistributed(head)
    RNN([GRUCell(3), SimpleRNNCell(2)])
}
"""

MIXED = """
model mixed {
    input x: float32[4]

    Dense(8, dtype="mixed_float16", activation="relu")
    Dense(2, dtype="float64")
}
"""

FIXED = """
model fixed {
    input x: float32[5, 4], batch_size=3

    LSTM(2, stateful=True)
    Dense(1)
}
"""

NORMALIZED = """
model normalized {
    input x: float32[4], batch_size=3

    Normalization
    Dense(2)
}
"""

STRINGS = """
model embedded {
    input category: string[]

    StringLookup(vocabulary=["a", "b", "c"])
    Embedding(4, 2)
}

model strings {
    input number: float32[3]
    input category: string[]

    [number, category -> embedded] -> Concatenate -> Dense(1)
}
"""

SOUND = """
model sound {
    input signal: float32[1024, 1]

    STFTSpectrogram(frame_length=64, mode="magnitude")
    SpectralNormalization(Dense(4, activation="relu"), power_iterations=2)
    AdaptiveAveragePooling1D(3)
    Flatten
    Dense(3)
}
"""

MEL = """
model mel {
    input signal: float32[1024]

    MelSpectrogram(fft_length=256, sequence_stride=128, num_mel_bins=16, sampling_rate=8_000)
    Permute((2, 1))
    Bidirectional(LSTM(4))
    Dense(3)
}
"""

FRAMES = """
model frames {
    input film: float32[4, 8, 8, 1]

    x = film -> Bidirectional(ConvLSTM2D(3, 3, padding="same", return_sequences=True))
    x -> SpectralNormalization(Conv3D(4, 3))
    MaxPooling3D(1)
    AdaptiveMaxPooling3D(2)
    Flatten
    Dense(3)
}
"""

AUGMENTED = """
model augmented {
    input image: float32[16, 16, 3]

    Rescaling(1 / 255)
    RandomHue(0.1, value_range=(0, 1))
    RandomErasing(0.5, value_range=(0, 1))
    AutoContrast(value_range=(0, 1))
    Pipeline([Equalization(value_range=(0, 1)), RandomFlip(), Conv2D(4, 3), CenterCrop(12, 12)])
    GlobalAveragePooling2D
    Dense(2)
}
"""

PROGRAMS = {
    "sound": SOUND, "mel": MEL, "frames": FRAMES,
    "tied": TIED, "own": OWN, "nested": NESTED, "blocks": BLOCKS, "expressions": EXPRESSIONS,
    "masked": MASKED, "attention": ATTENTION, "wrapped": WRAPPED, "mixed": MIXED,
    "fixed": FIXED, "strings": STRINGS, "normalized": NORMALIZED,
    "augmented": AUGMENTED,
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_keras_agrees(name: str) -> None:
    built(PROGRAMS[name])


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - {"mixed", "strings", "fixed", "mel"}))
def test_exports_and_verifies(name: str) -> None:
    exported(PROGRAMS[name])


@pytest.mark.parametrize("name", ["sound", "mel", "frames"])
def test_trains_and_is_loaded_again(name: str, tmp_path: Path, keras_backend: Any) -> None:
    model = built(PROGRAMS[name]).keras_model
    model.compile("adam", "mse")
    x = drawn(6, *model.inputs[0].shape[1:])
    before = [w.numpy() for w in model.trainable_weights]
    model.fit(x, drawn(6, 3), batch_size=3, verbose=0)
    assert all((a != w.numpy()).any() for a, w in zip(before, model.trainable_weights, strict=True))
    model.save(tmp_path / "m.keras")
    again = keras_backend.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_kernel_is_normalized_while_training() -> None:
    """At inference the kernel is used as it is; its norm comes near 1 by training alone."""
    model = built(SOUND).keras_model
    wrapper = model.get_layer("spectral_normalization")
    kernel = wrapper.layer.kernel
    kernel.assign(kernel * 9)
    x = drawn(2, 1024, 1)
    model(x)
    assert np.linalg.svd(kernel.numpy(), compute_uv=False)[0] > 5
    for _ in range(30):
        model(x, training=True)
    assert abs(np.linalg.svd(kernel.numpy(), compute_uv=False)[0] - 1) < 0.05


def test_scipy_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("scipy", "scipy.signal"):
        monkeypatch.setitem(sys.modules, name, None)
    lazy = importlib.import_module("keras.src.utils.module_utils").scipy
    monkeypatch.setattr(lazy, "module", None)
    monkeypatch.setattr(lazy, "_available", None)
    with pytest.raises(specc.UsageError, match="Keras cannot make `stft_spectrogram`") as caught:
        build_keras(specc.compile_text(SOUND).models[-1].graph)
    assert "specc-nn[audio]" in (caught.value.help or "")


def test_tied_weights_are_one_variable() -> None:
    model = built(TIED).keras_model
    assert [w.path for w in model.weights] == ["encode/kernel", "transposed/bias"]
    x = drawn(2, 6)
    kernel = drawn(6, 3)
    model.get_layer("encode").set_weights([kernel])
    np.testing.assert_allclose(model.predict(x, verbose=0), x @ kernel @ kernel.T, rtol=1e-5)


def test_tied_weights_are_trained_together() -> None:
    model = built(TIED).keras_model
    model.compile("sgd", "mse")
    x = drawn(16, 6)
    model.fit(x, x, verbose=0)
    kernel, bias = (w.numpy() for w in model.weights)
    np.testing.assert_allclose(
        model.predict(x, verbose=0), x @ kernel @ kernel.T + bias, rtol=1e-4, atol=1e-5
    )


def test_own_weights_compute_what_the_spec_says() -> None:
    model = built(OWN).keras_model
    layer = model.get_layer("scaled")
    assert [(w.name, tuple(w.shape)) for w in layer.weights][:2] == [
        ("kernel", (5, 3)), ("scale", (3,)),
    ]  # fmt: skip
    assert next(w.name for w in layer.non_trainable_weights) == "scale"
    x = drawn(2, 5)
    kernel, scale, dense, bias = (w.numpy() for w in layer.weights[:4])
    assert scale.tolist() == [2.0, 2.0, 2.0]
    expected = np.tanh((x @ kernel * scale) @ dense + bias) / np.sqrt(1 + 1e-3)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5)


def test_own_layers_are_saved_and_loaded(tmp_path: Path, keras_backend: Any) -> None:
    model = built(OWN).keras_model
    path = tmp_path / "own.keras"
    model.save(path)
    again = keras_backend.saving.load_model(path)
    x = drawn(3, 4)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert [w.path for w in again.weights] == [w.path for w in model.weights]


def test_masks_flow_as_in_keras(keras_backend: Any) -> None:
    keras = keras_backend
    ours = built(MASKED).keras_model
    theirs = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(20, 4, mask_zero=True),
            keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True)),
            keras.layers.GRU(2),
        ]
    )
    theirs.set_weights(ours.get_weights())
    words = np.array([[3, 4, 0, 0], [5, 6, 7, 8]], dtype="int32")
    expected = theirs.predict(words, verbose=0)
    np.testing.assert_allclose(ours.predict(words, verbose=0), expected, rtol=1e-6)
    assert not np.allclose(ours.predict(words[:, :2], verbose=0)[1], expected[1])
    np.testing.assert_allclose(ours.predict(words[:1, :2], verbose=0)[0], expected[0], rtol=1e-5)


def test_expressions_compute_what_they_say() -> None:
    model = built(EXPRESSIONS).keras_model
    x, y = drawn(2, 5, 4), drawn(2, 4)
    a = x[:, -1] * 2 - y / 3
    b = np.where(a > 0, a, 0.1 * a)
    e = np.concatenate([(x @ b[:, :, None])[:, :, 0], -b], axis=-1)
    weights = np.exp(e - e.max(-1, keepdims=True))
    f = (weights / weights.sum(-1, keepdims=True)) ** 2
    kernel, bias = model.get_layer("dense").get_weights()
    expected = f.mean(-1, keepdims=True) @ kernel + bias
    np.testing.assert_allclose(model.predict([x, y], verbose=0), expected, rtol=1e-4, atol=1e-6)


def test_names_of_operations_are_the_specs() -> None:
    model = built(BLOCKS).keras_model
    assert model.get_layer("shared.conv2d") is not None
    operations = [operation.name for operation in built(NESTED).keras_model.operations]
    assert [n for n in operations if n in ("subtract", "power", "sum", "add", "sqrt")] == [
        "subtract", "power", "sum", "add", "sqrt",
    ]  # fmt: skip


def test_a_nested_model_trains_with_the_outer_one() -> None:
    made = built(NESTED)
    model = made.keras_model
    before = [w.numpy().copy() for w in model.get_layer("encoder").trainable_weights]
    model.compile("sgd", "binary_crossentropy")
    pairs = [drawn(8, 8, 8, 1), drawn(8, 8, 8, 1)[::-1]]
    model.fit(pairs, np.ones((8, 1)), verbose=0)
    after = [w.numpy() for w in model.get_layer("encoder").trainable_weights]
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_strings_in_a_nested_model() -> None:
    import tensorflow as tf

    model = built(STRINGS).keras_model
    result = model.predict([drawn(2, 3), tf.constant(["b", "unknown"])], verbose=0)
    assert result.shape == (2, 1)


def test_augmentation_is_for_training_alone() -> None:
    model = built(AUGMENTED).keras_model
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype("float32")
    again = [model.predict(images, verbose=0) for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.allclose(model(images, training=True), again[0])
    kernel = model.get_layer("pipeline").trainable_weights[0]
    before = kernel.numpy().copy()
    model.compile("sgd", "mse")
    model.fit(images, np.ones((8, 2)), batch_size=3, verbose=0)
    assert not np.array_equal(kernel.numpy(), before)
