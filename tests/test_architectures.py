"""Architectures of the literature, written as a newcomer would, against Keras models of them.

Each spec of tests/architectures has an oracle that knows nothing of specc: a model of
keras.applications, or the functional Keras model below that bears the spec's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import specc
from specc.api import Model

pytestmark = pytest.mark.usefixtures("keras_backend")

ARCHITECTURES = Path(__file__).with_name("architectures")
NAMES = sorted(path.stem for path in ARCHITECTURES.glob("*.spec"))

Oracle = Callable[[Any], Any]
"""Of `keras.layers`, with `keras.ops` as its `ops`, a Keras model."""
ORACLES: dict[str, Oracle] = {}

APPLICATIONS = {
    "convnext_tiny": "ConvNeXtTiny",
    "densenet121": "DenseNet121",
    "efficientnet_b0": "EfficientNetB0",
    "inception_v3": "InceptionV3",
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "resnet50_v2": "ResNet50V2",
    "vgg16": "VGG16",
}
OWN_CLASSES = {"layer_scale": "LayerScale"}
"""Blocks with weights, and the classes of Keras that they are."""

RANDOM_OUTPUTS = {"vae": (0,)}
"""Outputs that are drawn anew in each call."""

VOCABULARIES = {
    "education": ["school", "master", "none of these", "doctor"],
    "user": ["user3", "user99", "nobody", "user0"],
    "item": ["item3", "item0", "nothing", "item49"],
}
"""What strings the inputs of a name are given."""

LARGE = {"alexnet", "siamese", "vgg16"}
"""More than 30,000,000 parameters."""


def oracle(function: Oracle) -> Oracle:
    ORACLES[function.__name__.removeprefix("_")] = function
    return function


def _model(inputs: Any, outputs: Any) -> Any:
    import keras

    return keras.Model(inputs, outputs)


def _chain(x: Any, *layers: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def _sequential(k: Any, shape: tuple[int | None, ...], *layers: Any, **given: Any) -> Any:
    x = k.Input(shape, **given)
    return _model(x, _chain(x, *layers))


# ------------------------------------------------------------------ convolutional networks


@oracle
def _lenet5(k: Any) -> Any:
    return _sequential(
        k, (28, 28, 1),
        k.Conv2D(6, 5, padding="same", activation="tanh"), k.AveragePooling2D(2),
        k.Conv2D(16, 5, activation="tanh"), k.AveragePooling2D(2), k.Flatten(),
        k.Dense(120, activation="tanh"), k.Dense(84, activation="tanh"),
        k.Dense(10, activation="softmax"),
    )  # fmt: skip


@oracle
def _alexnet(k: Any) -> Any:
    def conv(filters: int, groups: int) -> Any:
        return k.Conv2D(filters, 3, padding="same", groups=groups, activation="relu")

    return _sequential(
        k, (227, 227, 3),
        k.Conv2D(96, 11, strides=4, activation="relu"), k.MaxPooling2D(3, strides=2),
        k.Conv2D(256, 5, padding="same", groups=2, activation="relu"),
        k.MaxPooling2D(3, strides=2), conv(384, 1), conv(384, 2), conv(256, 2),
        k.MaxPooling2D(3, strides=2), k.Flatten(),
        k.Dense(4096, activation="relu"), k.Dropout(0.5),
        k.Dense(4096, activation="relu"), k.Dropout(0.5),
        k.Dense(1000, activation="softmax"),
    )  # fmt: skip


@oracle
def _googlenet(k: Any) -> Any:
    def conv(x: Any, filters: int, size: int) -> Any:
        return k.Conv2D(filters, size, padding="same", activation="relu")(x)

    def inception(x: Any, a: int, b1: int, b2: int, c1: int, c2: int, d: int) -> Any:
        pooled = k.MaxPooling2D(3, strides=1, padding="same")(x)
        branches = [conv(x, a, 1), conv(conv(x, b1, 1), b2, 3), conv(conv(x, c1, 1), c2, 5)]
        return k.Concatenate()([*branches, conv(pooled, d, 1)])

    def auxiliary(x: Any) -> Any:
        return _chain(
            conv(k.AveragePooling2D(5, strides=3)(x), 128, 1), k.Flatten(),
            k.Dense(1024, activation="relu"), k.Dropout(0.7), k.Dense(1000, activation="softmax"),
        )  # fmt: skip

    image = k.Input((224, 224, 3))
    x = k.Conv2D(64, 7, strides=2, padding="same", activation="relu")(image)
    x = k.MaxPooling2D(3, strides=2, padding="same")(x)
    x = conv(conv(x, 64, 1), 192, 3)
    x = k.MaxPooling2D(3, strides=2, padding="same")(x)
    x = inception(x, 64, 96, 128, 16, 32, 32)
    x = inception(x, 128, 128, 192, 32, 96, 64)
    x = k.MaxPooling2D(3, strides=2, padding="same")(x)
    low = inception(x, 192, 96, 208, 16, 48, 64)
    first = auxiliary(low)
    x = inception(low, 160, 112, 224, 24, 64, 64)
    x = inception(x, 128, 128, 256, 24, 64, 64)
    middle = inception(x, 112, 144, 288, 32, 64, 64)
    second = auxiliary(middle)
    x = inception(middle, 256, 160, 320, 32, 128, 128)
    x = k.MaxPooling2D(3, strides=2, padding="same")(x)
    x = inception(x, 256, 160, 320, 32, 128, 128)
    x = inception(x, 384, 192, 384, 48, 128, 128)
    main = _chain(
        x, k.GlobalAveragePooling2D(), k.Dropout(0.4), k.Dense(1000, activation="softmax")
    )
    return _model(image, [main, first, second])


@oracle
def _se_resnet(k: Any) -> Any:
    def conv_bn(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        conv = k.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)
        return k.BatchNormalization()(conv(x))

    image = k.Input((32, 32, 3))
    x = k.ReLU()(conv_bn(image, 16, 3))
    for filters, strides in [(16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)]:
        plain = strides == 1 and x.shape[-1] == filters
        shortcut = x if plain else conv_bn(x, filters, 1, strides)
        y = conv_bn(k.ReLU()(conv_bn(x, filters, 3, strides)), filters, 3)
        scale = _chain(
            y, k.GlobalAveragePooling2D(),
            k.Dense(filters // 8, activation="relu", use_bias=False),
            k.Dense(filters, activation="sigmoid", use_bias=False), k.Reshape((1, 1, filters)),
        )  # fmt: skip
        x = k.ReLU()(k.Add()([k.Multiply()([y, scale]), shortcut]))
    return _model(image, k.Dense(10, activation="softmax")(k.GlobalAveragePooling2D()(x)))


@oracle
def _resnext(k: Any) -> Any:
    def conv_bn(x: Any, filters: int, size: int, **given: Any) -> Any:
        conv = k.Conv2D(filters, size, padding="same", use_bias=False, **given)
        return k.BatchNormalization()(conv(x))

    image = k.Input((32, 32, 3))
    x = k.Conv2D(32, 3, padding="same")(image)
    for filters, strides in [(32, 1), (64, 2), (64, 1)]:
        plain = strides == 1 and x.shape[-1] == 2 * filters
        shortcut = x if plain else conv_bn(x, 2 * filters, 1, strides=strides)
        y = k.ReLU()(conv_bn(x, filters, 1))
        y = k.ReLU()(conv_bn(y, filters, 3, strides=strides, groups=8))
        x = k.ReLU()(k.Add()([conv_bn(y, 2 * filters, 1), shortcut]))
    return _model(image, k.Dense(10, activation="softmax")(k.GlobalAveragePooling2D()(x)))


@oracle
def _squeezenet(k: Any) -> Any:
    image = k.Input((227, 227, 3))
    x = k.Conv2D(64, 3, strides=2, activation="relu")(image)
    x = k.MaxPooling2D(3, strides=2)(x)
    for i, size in enumerate([16, 16, 32, 32, 48, 48, 64, 64]):
        y = k.Conv2D(size, 1, activation="relu")(x)
        wide = k.Conv2D(4 * size, 3, padding="same", activation="relu")
        x = k.Concatenate()([k.Conv2D(4 * size, 1, activation="relu")(y), wide(y)])
        if i in (1, 3):
            x = k.MaxPooling2D(3, strides=2)(x)
    x = k.Conv2D(1000, 1, activation="relu")(k.Dropout(0.5)(x))
    return _model(image, k.Softmax()(k.GlobalAveragePooling2D()(x)))


@oracle
def _shufflenet(k: Any) -> Any:
    def unit(x: Any, filters: int) -> Any:
        y = k.Conv2D(filters // 4, 1, groups=4, use_bias=False)(x)
        y = k.ReLU()(k.BatchNormalization()(y))
        y = k.Reshape((16, 16, 4, filters // 16))(y)
        y = k.Reshape((16, 16, filters // 4))(k.Permute((1, 2, 4, 3))(y))
        y = k.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = k.BatchNormalization()(y)
        y = k.Conv2D(filters, 1, groups=4, use_bias=False)(y)
        return k.ReLU()(k.Add()([x, k.BatchNormalization()(y)]))

    image = k.Input((32, 32, 3))
    x = k.Conv2D(32, 3, strides=2, padding="same")(image)
    x = k.Conv2D(64, 1)(unit(unit(x, 32), 32))
    x = k.GlobalAveragePooling2D()(unit(x, 64))
    return _model(image, k.Dense(10, activation="softmax")(x))


@oracle
def _fractalnet(k: Any) -> Any:
    def unit(x: Any, filters: int) -> Any:
        conv = k.Conv2D(filters, 3, padding="same", use_bias=False)
        return _chain(x, conv, k.BatchNormalization(), k.ReLU())

    def fractal(x: Any, columns: int, filters: int) -> Any:
        if columns == 1:
            return unit(x, filters)
        long = fractal(fractal(x, columns - 1, filters), columns - 1, filters)
        return k.Average()([unit(x, filters), long])

    image = k.Input((32, 32, 3))
    x = image
    for filters in (16, 32):
        x = k.MaxPooling2D()(fractal(x, 3, filters))
    return _model(image, k.Dense(10, activation="softmax")(k.Flatten()(x)))


@oracle
def _highway(k: Any) -> Any:
    image = k.Input((28, 28))
    x = k.Dense(50, activation="relu")(k.Flatten()(image))
    for _ in range(10):
        hidden = k.Dense(50, activation="relu")(x)
        gate = k.Dense(50, activation="sigmoid")(x)
        x = k.Add()([gate * hidden, (1 - gate) * x])
    return _model(image, k.Dense(10, activation="softmax")(x))


@oracle
def _channels_first(k: Any) -> Any:
    first = {"data_format": "channels_first"}
    return _sequential(
        k, (3, 32, 32),
        k.Conv2D(16, 3, **first), k.BatchNormalization(axis=1), k.ReLU(),
        k.MaxPooling2D(2, **first),
        k.Conv2D(32, 3, **first), k.BatchNormalization(axis=1), k.ReLU(),
        k.MaxPooling2D(2, **first),
        k.GlobalAveragePooling2D(**first), k.Dense(10, activation="softmax"),
    )  # fmt: skip


@oracle
def _mixed_precision(k: Any) -> Any:
    mixed = {"dtype": "mixed_float16"}
    image = k.Input((28, 28, 1))
    x = image
    for filters in (16, 32):
        x = k.Conv2D(filters, 3, **mixed)(x)
        x = k.ReLU(**mixed)(k.BatchNormalization(**mixed)(x))
        x = k.MaxPooling2D(**mixed)(x)
    x = k.Dense(64, activation="relu", **mixed)(k.Flatten(**mixed)(x))
    return _model(image, k.Dense(10, activation="softmax", dtype="float32")(x))


@oracle
def _capsules(k: Any) -> Any:
    def squash(s: Any) -> Any:
        square = k.ops.sum(k.ops.square(s), axis=-1, keepdims=True)
        return square / (1 + square) * s / k.ops.sqrt(square + 1e-7)

    class Capsules(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[1], 10, shape[2], 16))

        def call(self, u: Any) -> Any:
            votes = k.ops.einsum("bnd,ncde->bnce", u, self.kernel)
            agreement = k.ops.zeros_like(votes[..., 0])
            for i in range(3):
                coupling = k.ops.softmax(agreement, axis=2)[..., None]
                v = squash(k.ops.sum(coupling * votes, axis=1))
                if i < 2:
                    agreement = agreement + k.ops.sum(votes * v[:, None], axis=-1)
            return v

    image = k.Input((28, 28, 1))
    x = k.Conv2D(64, 9, strides=2)(k.Conv2D(64, 9, activation="relu")(image))
    x = Capsules()(squash(k.Reshape((-1, 8))(x)))
    return _model(image, k.ops.norm(x, axis=-1))


@oracle
def _feature_pyramid(k: Any) -> Any:
    def conv_bn(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        conv = k.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)
        return k.BatchNormalization()(conv(x))

    def residual(x: Any, filters: int, strides: int = 1) -> Any:
        plain = strides == 1 and x.shape[-1] == filters
        shortcut = x if plain else conv_bn(x, filters, 1, strides)
        y = conv_bn(k.ReLU()(conv_bn(x, filters, 3, strides)), filters, 3)
        return k.ReLU()(k.Add()([y, shortcut]))

    def head(outputs: int) -> list[Any]:
        middle = [k.Conv2D(64, 3, padding="same", activation="relu") for _ in range(2)]
        return [*middle, k.Conv2D(outputs, 3, padding="same")]

    image = k.Input((128, 128, 3))
    x = k.Conv2D(32, 7, strides=2)(k.ZeroPadding2D(3)(image))
    x = k.ReLU()(k.BatchNormalization(epsilon=1.001e-5)(x))
    x = residual(k.MaxPooling2D(3, strides=2)(k.ZeroPadding2D(1)(x)), 32)
    c3 = residual(x, 64, 2)
    c4 = residual(c3, 128, 2)
    p5 = k.Conv2D(64, 1)(residual(c4, 256, 2))
    p4 = k.UpSampling2D()(p5) + k.Conv2D(64, 1)(c4)
    p3 = k.UpSampling2D()(p4) + k.Conv2D(64, 1)(c3)
    classes, boxes = head(9 * 20), head(9 * 4)
    levels = [k.Conv2D(64, 3, padding="same")(p) for p in (p3, p4, p5)]
    outputs = [
        k.Concatenate(axis=1)([k.Reshape((-1, n))(_chain(p, *layers)) for p in levels])
        for layers, n in [(classes, 20), (boxes, 4)]
    ]
    return _model(image, outputs)


@oracle
def _unet(k: Any) -> Any:
    def double(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = k.ReLU()(k.Conv2D(filters, 3, padding="same")(x))
        return x

    image = k.Input((64, 64, 1))
    x, skips = image, []
    for filters in (16, 32, 64):
        skips.append(double(x, filters))
        x = k.MaxPooling2D()(skips[-1])
    x = double(x, 128)
    for filters in (64, 32, 16):
        x = k.Conv2DTranspose(filters, 2, strides=2)(x)
        x = double(k.Concatenate()([skips.pop(), x]), filters)
    return _model(image, k.Conv2D(2, 1, activation="softmax")(x))


@oracle
def _srgan(k: Any) -> Any:
    def prelu() -> Any:
        return k.PReLU(shared_axes=[1, 2])

    def shuffle(x: Any) -> Any:
        _, height, width, channels = x.shape
        x = k.Permute((1, 3, 2, 4, 5))(k.Reshape((height, width, 2, 2, channels // 4))(x))
        return k.Reshape((2 * height, 2 * width, channels // 4))(x)

    image = k.Input((24, 24, 3))
    start = prelu()(k.Conv2D(32, 9, padding="same")(image))
    x = start
    for _ in range(4):
        y = k.Conv2D(32, 3, padding="same", use_bias=False)(x)
        y = prelu()(k.BatchNormalization()(y))
        y = k.Conv2D(32, 3, padding="same", use_bias=False)(y)
        x = k.Add()([x, k.BatchNormalization()(y)])
    x = k.BatchNormalization()(k.Conv2D(32, 3, padding="same")(x))
    x = k.Add()([start, x])
    for _ in range(2):
        x = prelu()(shuffle(k.Conv2D(128, 3, padding="same")(x)))
    return _model(image, k.Conv2D(3, 9, padding="same", activation="tanh")(x))


@oracle
def _cyclegan(k: Any) -> Any:
    def normalized(x: Any, layer: Any, active: bool = True) -> Any:
        x = k.GroupNormalization(-1)(layer(x))
        return k.ReLU()(x) if active else x

    def conv(filters: int, size: int, strides: int = 1) -> Any:
        return k.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)

    image = k.Input((64, 64, 3))
    x = normalized(image, conv(16, 7))
    x = normalized(normalized(x, conv(32, 3, 2)), conv(64, 3, 2))
    for _ in range(3):
        x = k.Add()([x, normalized(normalized(x, conv(64, 3)), conv(64, 3), active=False)])
    for filters in (32, 16):
        up = k.Conv2DTranspose(filters, 3, strides=2, padding="same", use_bias=False)
        x = normalized(x, up)
    return _model(image, k.Conv2D(3, 7, padding="same", activation="tanh")(x))


@oracle
def _dueling_dqn(k: Any) -> Any:
    frames = k.Input((84, 84, 4))
    x = _chain(
        k.Rescaling(1 / 255)(frames), k.Conv2D(32, 8, strides=4, activation="relu"),
        k.Conv2D(64, 4, strides=2, activation="relu"), k.Conv2D(64, 3, activation="relu"),
        k.Flatten(),
    )  # fmt: skip
    value = k.Dense(1)(k.Dense(512, activation="relu")(x))
    advantages = k.Dense(4)(k.Dense(512, activation="relu")(x))
    return _model(frames, value + advantages - k.ops.mean(advantages, axis=1, keepdims=True))


# -------------------------------------------------------------- sequences and point clouds


@oracle
def _text_cnn(k: Any) -> Any:
    words = k.Input((56,), dtype="int32")
    x = k.SpatialDropout1D(0.1)(k.Embedding(20_000, 300)(words))
    x = k.Concatenate()(
        [k.GlobalMaxPooling1D()(k.Conv1D(100, n, activation="relu")(x)) for n in (3, 4, 5)]
    )
    return _model(words, k.Dense(1, activation="sigmoid")(k.Dropout(0.5)(x)))


@oracle
def _wavenet(k: Any) -> Any:
    samples = k.Input((None, 1))
    x = k.Conv1D(32, 2, padding="causal")(samples)
    skips = []
    for n in range(16):
        signal, gate = (
            k.Conv1D(32, 2, padding="causal", dilation_rate=2 ** (n % 8), activation=activation)(x)
            for activation in ("tanh", "sigmoid")
        )
        z = k.Multiply()([signal, gate])
        skips.append(k.Conv1D(64, 1)(z))
        if n < 15:
            x = k.Add()([k.Conv1D(32, 1)(z), x])
    x = k.Conv1D(64, 1, activation="relu")(k.ReLU()(k.Add()(skips)))
    return _model(samples, k.Conv1D(256, 1, activation="softmax")(x))


@oracle
def _tcn(k: Any) -> Any:
    start = k.Input((None, 4))
    x = start
    for i, filters in enumerate([16, 16, 32, 32]):
        y = x
        for _ in range(2):
            y = k.Conv1D(filters, 3, padding="causal", dilation_rate=2**i)(y)
            y = _chain(y, k.LayerNormalization(), k.ReLU(), k.SpatialDropout1D(0.2))
        shortcut = x if x.shape[-1] == filters else k.Conv1D(filters, 1)(x)
        x = k.ReLU()(k.Add()([shortcut, y]))
    return _model(start, k.Dense(1)(x))


@oracle
def _gated_convolution(k: Any) -> Any:
    words = k.Input((None,), dtype="int32")
    x = k.Embedding(1000, 32)(words)
    for _ in range(4):
        signal, gate = k.ops.split(k.Conv1D(64, 4, padding="causal")(x), 2, axis=-1)
        x = k.Add()([x, signal * k.ops.sigmoid(gate)])
    return _model(words, k.Dense(1000, activation="softmax")(x))


@oracle
def _pointnet(k: Any) -> Any:
    def bn(x: Any, layer: Any) -> Any:
        return k.ReLU()(k.BatchNormalization(momentum=0.0)(layer(x)))

    class Bias(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.bias = self.add_weight(shape=shape[1:])

        def call(self, x: Any) -> Any:
            return x + self.bias

    def tnet(x: Any) -> Any:
        n = x.shape[-1]
        bias = Bias()
        bias.build((None, n, n))
        y = x
        for filters in (32, 64, 512):
            y = bn(y, k.Conv1D(filters, 1))
        y = bn(bn(k.GlobalMaxPooling1D()(y), k.Dense(256)), k.Dense(128))
        y = k.Dense(n * n, kernel_initializer="zeros", use_bias=False)(y)
        return k.Dot(axes=(2, 1))([x, bias(k.Reshape((n, n))(y))])

    points = k.Input((2048, 3))
    x = bn(bn(tnet(points), k.Conv1D(32, 1)), k.Conv1D(32, 1))
    x = tnet(x)
    for filters in (32, 64, 512):
        x = bn(x, k.Conv1D(filters, 1))
    x = k.Dropout(0.3)(bn(k.GlobalMaxPooling1D()(x), k.Dense(256)))
    x = k.Dropout(0.3)(bn(x, k.Dense(128)))
    return _model(points, k.Dense(10, activation="softmax")(x))


@oracle
def _deep_sets(k: Any) -> Any:
    items = k.Input((None, 3))
    x = k.Dense(64, activation="tanh")(k.Dense(64, activation="tanh")(items))
    return _model(items, k.Dense(1)(k.Dense(30, activation="tanh")(k.ops.sum(x, axis=1))))


@oracle
def _nbeats(k: Any) -> Any:
    series = k.Input((35,))
    residual, forecast = series, None
    for i in range(6):
        y = residual
        for _ in range(4):
            y = k.Dense(128, activation="relu")(y)
        theta = k.Dense(42)(y)
        forecast = theta[:, 35:] if forecast is None else forecast + theta[:, 35:]
        if i < 5:
            residual = k.Subtract()([residual, theta[:, :35]])
    return _model(series, forecast)


@oracle
def _seq2seq(k: Any) -> Any:
    source, target = k.Input((None, 71)), k.Input((None, 93))
    _, h, c = k.LSTM(256, return_state=True)(source)
    x = k.LSTM(256, return_sequences=True)(target, initial_state=[h, c])
    return _model([source, target], k.Dense(93, activation="softmax")(x))


@oracle
def _bahdanau(k: Any) -> Any:
    source, target = k.Input((None,), dtype="int32"), k.Input((None,), dtype="int32")
    x = k.Embedding(5000, 128, mask_zero=True)(source)
    both = k.Bidirectional(k.LSTM(64, return_sequences=True, return_state=True))
    encoded, h, c, h2, c2 = both(x)
    states = [k.Concatenate()([h, h2]), k.Concatenate()([c, c2])]
    x = k.Embedding(6000, 128, mask_zero=True)(target)
    x = k.LSTM(128, return_sequences=True)(x, initial_state=states)
    x = k.Concatenate()([x, k.AdditiveAttention()([x, encoded])])
    return _model([source, target], k.Dense(6000, activation="softmax")(x))


@oracle
def _luong(k: Any) -> Any:
    source, target = k.Input((20,), dtype="int32"), k.Input((15,), dtype="int32")
    gru = k.GRU(48, return_sequences=True, return_state=True)
    encoded, state = gru(k.Embedding(1000, 32)(source))
    x = k.GRU(48, return_sequences=True)(k.Embedding(1200, 32)(target), initial_state=state)
    attention = k.Attention(use_scale=True)
    context, scores = attention([x, encoded], return_attention_scores=True)
    x = k.Dense(48, activation="tanh", use_bias=False)(k.Concatenate()([context, x]))
    return _model([source, target], [k.Dense(1200, activation="softmax")(x), scores])


@oracle
def _gru4rec(k: Any) -> Any:
    return _sequential(
        k, (1,),
        k.Embedding(3000, 100), k.GRU(100, stateful=True), k.Dropout(0.2),
        k.Dense(3000, activation="softmax"),
        dtype="int32", batch_size=32,
    )  # fmt: skip


@oracle
def _deepar(k: Any) -> Any:
    series = k.Input((24,), batch_size=16, dtype="int32")
    covariates, last = k.Input((24, 5), batch_size=16), k.Input((24, 1), batch_size=16)
    x = k.Concatenate()([last, covariates, k.Embedding(370, 20)(series)])
    for _ in range(3):
        x = k.LSTM(40, return_sequences=True, stateful=True)(x)
    outputs = [k.Dense(1)(x), k.Dense(1, activation="softplus")(x)]
    return _model([series, covariates, last], outputs)


@oracle
def _char_rnn(k: Any) -> Any:
    return _sequential(
        k, (None,),
        k.Embedding(65, 64), k.LSTM(128, return_sequences=True),
        k.LSTM(128, return_sequences=True), k.Dropout(0.5), k.Dense(65, activation="softmax"),
        dtype="int32",
    )  # fmt: skip


@oracle
def _bilstm_tagger(k: Any) -> Any:
    spelling = _sequential(
        k, (12,), k.Embedding(100, 25, mask_zero=True), k.Bidirectional(k.LSTM(25)), dtype="int32"
    )
    words = k.Input((None,), dtype="int32")
    characters = k.Input((None, 12), dtype="int32")
    x = k.Concatenate()([k.Embedding(8000, 100)(words), k.TimeDistributed(spelling)(characters)])
    lstm = k.LSTM(100, return_sequences=True)
    x = k.Bidirectional(lstm, merge_mode="sum")(k.Dropout(0.5)(x))
    return _model([words, characters], k.Dense(9, activation="softmax")(x))


@oracle
def _han(k: Any) -> Any:
    def attend(x: Any) -> Any:
        context = k.Dense(1, use_bias=False)
        context.build((None, None, 100))
        scores = context(k.Dense(100, activation="tanh")(x))
        return k.ops.sum(x * k.ops.softmax(scores, axis=1), axis=1)

    def gru() -> Any:
        return k.Bidirectional(k.GRU(50, return_sequences=True))

    words = k.Input((30,), dtype="int32")
    sentence = _model(words, attend(gru()(k.Embedding(10_000, 100)(words))))
    sentences = k.Input((15, 30), dtype="int32")
    x = attend(gru()(k.TimeDistributed(sentence)(sentences)))
    return _model(sentences, k.Dense(5, activation="softmax")(x))


@oracle
def _cbhg(k: Any) -> Any:
    def conv_bn(x: Any, size: int, activation: str | None = "relu") -> Any:
        conv = k.Conv1D(128, size, padding="same", activation=activation, use_bias=False)
        return k.BatchNormalization()(conv(x))

    start = k.Input((None, 128))
    y = k.Concatenate()([conv_bn(start, size) for size in range(1, 9)])
    y = k.MaxPooling1D(2, strides=1, padding="same")(y)
    x = k.Add()([start, conv_bn(conv_bn(y, 3), 3, None)])
    for _ in range(4):
        gate = k.Dense(128, activation="sigmoid")(x)
        x = k.Dense(128, activation="relu")(x) * gate + x * (1.0 - gate)
    return _model(start, k.Bidirectional(k.GRU(128, return_sequences=True))(x))


@oracle
def _crnn(k: Any) -> Any:
    def conv(filters: int) -> Any:
        return k.Conv2D(filters, 3, padding="same", activation="relu")

    image = k.Input((32, None, 1))
    x = _chain(
        image, conv(64), k.MaxPooling2D(), conv(128), k.MaxPooling2D(), conv(256), conv(256),
        k.MaxPooling2D((2, 1)), conv(512), k.BatchNormalization(), conv(512),
        k.BatchNormalization(), k.MaxPooling2D((2, 1)), k.Conv2D(512, 2, activation="relu"),
    )  # fmt: skip
    x = x[:, 0]
    for _ in range(2):
        x = k.Bidirectional(k.LSTM(256, return_sequences=True))(x)
    return _model(image, k.Dense(37, activation="softmax")(x))


# --------------------------------------------------------------------------- attention


def _encoder(
    k: Any, x: Any, heads: int, key: int, units: int, activation: str = "relu",
    epsilon: float = 1e-6,
) -> Any:  # fmt: skip
    y = k.Dropout(0.1)(k.MultiHeadAttention(heads, key)(x, x))
    x = k.LayerNormalization(epsilon=epsilon)(x + y)
    y = k.Dense(x.shape[-1])(k.Dense(units, activation=activation)(x))
    return k.LayerNormalization(epsilon=epsilon)(x + k.Dropout(0.1)(y))


def _positions(k: Any) -> Any:
    """Learned positions, added."""

    class Positions(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=shape[1:])

        def call(self, x: Any) -> Any:
            return x + self.table

    return Positions()


@oracle
def _transformer(k: Any) -> Any:
    angles = np.arange(20)[:, None] / 10_000 ** (2 * np.arange(32) / 64)
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype("float32")

    source, target = k.Input((20,), dtype="int32"), k.Input((20,), dtype="int32")
    encoded = k.Embedding(1000, 64, mask_zero=True)(source) * 8.0 + table
    for _ in range(2):
        encoded = _encoder(k, encoded, 4, 16, 256)
    x = k.Embedding(1000, 64, mask_zero=True)(target) * 8.0 + table
    for _ in range(2):
        y = k.MultiHeadAttention(4, 16)(x, x, use_causal_mask=True)
        x = k.LayerNormalization(epsilon=1e-6)(x + k.Dropout(0.1)(y))
        y = k.MultiHeadAttention(4, 16)(x, encoded)
        x = k.LayerNormalization(epsilon=1e-6)(x + k.Dropout(0.1)(y))
        y = k.Dense(64)(k.Dense(256, activation="relu")(x))
        x = k.LayerNormalization(epsilon=1e-6)(x + k.Dropout(0.1)(y))
    return _model([source, target], k.Dense(1000, activation="softmax")(x))


@oracle
def _bert(k: Any) -> Any:
    tokens, segments = k.Input((32,), dtype="int32"), k.Input((32,), dtype="int32")

    class Tokens(k.Layer):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.table = self.add_weight(shape=(32, 64))
            self.embedding = k.Embedding(1000, 64, mask_zero=True)

        def call(self, x: Any) -> Any:
            return self.embedding(x) + self.table

    x = Tokens()(tokens) + k.Embedding(2, 64)(segments)
    x = k.Dropout(0.1)(k.LayerNormalization(epsilon=1e-12)(x))
    for _ in range(2):
        x = _encoder(k, x, 4, 16, 256, "gelu", 1e-12)
    pooled = k.Dense(64, activation="tanh")(x[:, 0])
    y = k.LayerNormalization(epsilon=1e-12)(k.Dense(64, activation="gelu")(x))
    return _model([tokens, segments], [k.Dense(1000)(y), k.Dense(2)(pooled)])


@oracle
def _vit(k: Any) -> Any:
    class ClassToken(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, shape[-1]))

        def call(self, x: Any) -> Any:
            shape = (k.ops.shape(x)[0], 1, x.shape[-1])
            return k.ops.concatenate([k.ops.broadcast_to(self.token, shape), x], axis=1)

    image = k.Input((32, 32, 3))
    x = k.Reshape((64, 64))(k.Conv2D(64, 4, strides=4)(image))
    x = k.Dropout(0.1)(_positions(k)(ClassToken()(x)))
    for _ in range(4):
        y = k.LayerNormalization(epsilon=1e-6)(x)
        x = x + k.Dropout(0.1)(k.MultiHeadAttention(4, 16)(y, y))
        y = k.LayerNormalization(epsilon=1e-6)(x)
        y = k.Dense(64)(k.Dense(128, activation="gelu")(y))
        x = x + k.Dropout(0.1)(y)
    x = k.LayerNormalization(epsilon=1e-6)(x)
    return _model(image, k.Dense(10)(x[:, 0]))


@oracle
def _gpt(k: Any) -> Any:
    tokens = k.Input((32,), dtype="int32")
    embed = k.ReversibleEmbedding(1000, 64)
    x = _positions(k)(embed(tokens))
    for _ in range(3):
        y = k.LayerNormalization()(x)
        x = x + k.Dropout(0.1)(k.MultiHeadAttention(4, 16)(y, y, use_causal_mask=True))
        y = k.Dense(64)(k.Dense(256, activation="gelu")(k.LayerNormalization()(x)))
        x = x + k.Dropout(0.1)(y)
    return _model(tokens, embed(k.LayerNormalization()(x), reverse=True))


@oracle
def _albert(k: Any) -> Any:
    attend, inner, outer = k.MultiHeadAttention(4, 16), k.Dense(128, activation="gelu"), k.Dense(64)
    norm, norm2 = (k.LayerNormalization(epsilon=1e-6) for _ in range(2))
    tokens = k.Input((16,), dtype="int32")
    x = k.Dense(64)(_positions(k)(k.Embedding(1000, 16)(tokens)))
    for _ in range(4):
        x = norm(x + attend(x, x))
        x = norm2(x + outer(inner(x)))
    return _model(tokens, k.Dense(2)(k.GlobalAveragePooling1D()(x)))


@oracle
def _conformer(k: Any) -> Any:
    def feedforward(x: Any) -> Any:
        y = k.Dense(128, activation="silu")(k.LayerNormalization()(x))
        return x + 0.5 * k.Dense(64)(y)

    def convolution(x: Any) -> Any:
        a, b = k.ops.split(k.Conv1D(128, 1)(k.LayerNormalization()(x)), 2, axis=-1)
        y = k.DepthwiseConv1D(7, padding="same")(a * k.ops.sigmoid(b))
        return x + k.Conv1D(64, 1)(k.Activation("silu")(k.BatchNormalization()(y)))

    sound = k.Input((None, 80))
    x = k.Conv1D(64, 3, strides=2, padding="same")(sound)
    for _ in range(2):
        x = feedforward(x)
        y = k.LayerNormalization()(x)
        x = convolution(x + k.MultiHeadAttention(4, 16)(y, y))
        x = k.LayerNormalization()(feedforward(x))
    return _model(sound, k.Dense(30, activation="softmax")(x))


@oracle
def _relative_attention(k: Any) -> Any:
    place = np.stack(np.meshgrid(range(3), range(3), indexing="ij"), axis=-1).reshape(9, 2)
    index = (place[:, None] - place + 2) @ [5, 1]
    causal = np.tril(np.ones((9, 9), dtype=bool))[:4, :4]

    class Bias(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(25, shape[2]))

        def call(self, scores: Any) -> Any:
            return scores + k.ops.transpose(k.ops.take(self.table, index, axis=0), (2, 0, 1))

    bias = Bias()
    bias.build((None, 4, 2, 9, 9))
    start = k.Input((4, 9, 8))
    qkv = k.Dense(24)(start)
    heads = [k.Reshape((4, 9, 2, 4))(part) for part in k.ops.split(qkv, 3, axis=-1)]
    scores = k.ops.einsum("bwihd,bwjhd->bwhij", heads[0], heads[1]) / 2
    y = k.ops.einsum("bwhij,bwjhd->bwihd", k.Softmax()(bias(scores)), heads[2])
    x = k.ops.mean(k.Dense(8)(k.Reshape((4, 9, 8))(y)), axis=2)
    query, key, value = (k.Dense(8)(x) for _ in range(3))
    scores = k.Dot(axes=2)([query, key]) / 8**0.5
    y = k.Dot(axes=(2, 1))([k.Softmax()(scores, mask=k.ops.array(causal)), value])
    return _model(start, k.Dense(2)(y))


@oracle
def _mlp_mixer(k: Any) -> Any:
    image = k.Input((32, 32, 3))
    x = k.Reshape((64, 48))(k.Conv2D(48, 4, strides=4)(image))
    for _ in range(4):
        y = k.Permute((2, 1))(k.LayerNormalization()(x))
        y = k.Permute((2, 1))(k.Dense(64)(k.Dense(32, activation="gelu")(y)))
        x = x + y
        x = x + k.Dense(48)(k.Dense(192, activation="gelu")(k.LayerNormalization()(x)))
    return _model(image, k.Dense(10)(k.GlobalAveragePooling1D()(k.LayerNormalization()(x))))


@oracle
def _attention_pooling(k: Any) -> Any:
    bag = k.Input((8, 28, 28, 1))
    x = k.Dense(128, activation="relu")(k.Reshape((8, 784))(bag))
    v = k.Dense(64, activation="tanh", use_bias=False)(x)
    u = k.Dense(64, activation="sigmoid", use_bias=False)(x)
    weights = k.Softmax(axis=1)(k.Dense(1, use_bias=False)(k.Multiply()([v, u])))
    pooled = k.Flatten()(k.Dot(axes=1)([weights, x]))
    return _model(bag, [k.Dense(1, activation="sigmoid")(pooled), k.Reshape((8,))(weights)])


@oracle
def _masked_attention(k: Any) -> Any:
    nodes, adjacency = k.Input((50, 16)), k.Input((50, 50), dtype="bool")
    x = k.Dense(32)(nodes)
    for _ in range(2):
        y = k.MultiHeadAttention(4, 8)(x, x, attention_mask=adjacency)
        x = k.LayerNormalization()(k.Add()([x, y]))
    x = k.Dense(3, activation="softmax")(k.GlobalAveragePooling1D()(x))
    return _model([nodes, adjacency], x)


@oracle
def _swin(k: Any) -> Any:
    def windowed(x: Any, shift: int, heads: int) -> Any:
        _, height, width, dim = x.shape
        rows, columns = height // 4, width // 4
        y = k.LayerNormalization(epsilon=1e-5)(x)
        y = k.ops.roll(y, (-shift, -shift), axis=(1, 2))
        y = k.Permute((1, 3, 2, 4, 5))(k.Reshape((rows, 4, columns, 4, dim))(y))
        y = k.Reshape((rows * columns, 16, dim))(y)
        y = k.MultiHeadAttention(heads, dim // heads, attention_axes=2)(y, y)
        y = k.Permute((1, 3, 2, 4, 5))(k.Reshape((rows, columns, 4, 4, dim))(y))
        x = x + k.ops.roll(k.Reshape((height, width, dim))(y), (shift, shift), axis=(1, 2))
        y = k.Dense(4 * dim, activation="gelu")(k.LayerNormalization(epsilon=1e-5)(x))
        return x + k.Dense(dim)(y)

    image = k.Input((64, 64, 3))
    x = k.LayerNormalization(epsilon=1e-5)(k.Conv2D(32, 4, strides=4)(image))
    for stage, heads in enumerate([2, 4]):
        if stage > 0:
            parts = [x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]]
            x = k.LayerNormalization(epsilon=1e-5)(k.Concatenate()(parts))
            x = k.Dense(64, use_bias=False)(x)
        x = windowed(windowed(x, 0, heads), 2, heads)
    x = k.GlobalAveragePooling2D()(k.LayerNormalization(epsilon=1e-5)(x))
    return _model(image, k.Dense(10)(x))


@oracle
def _set_transformer(k: Any) -> Any:
    def attend(x: Any, y: Any) -> Any:
        h = k.LayerNormalization()(x + k.MultiHeadAttention(4, 8)(x, y))
        return k.LayerNormalization()(h + k.Dense(32, activation="relu")(h))

    class Seeds(k.Layer):  # type: ignore[name-defined,misc]
        def __init__(self, count: int) -> None:
            super().__init__()
            self.points = self.add_weight(shape=(1, count, 32))

        def call(self, x: Any) -> Any:
            return k.ops.repeat(self.points, k.ops.shape(x)[0], axis=0)

    items = k.Input((None, 4))
    x = k.Dense(32)(items)
    for _ in range(2):
        x = attend(x, attend(Seeds(8)(x), x))
    x = attend(Seeds(1)(x), x)
    return _model(items, k.Dense(1)(x[:, 0]))


@oracle
def _graph_convolution(k: Any) -> Any:
    features, adjacency = k.Input((34, 16)), k.Input((34, 34))

    class Bias(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.bias = self.add_weight(shape=shape[-1:])

        def call(self, x: Any) -> Any:
            return x + self.bias

    x = Bias()(k.Dot(axes=(2, 1))([adjacency, k.Dense(16, use_bias=False)(features)]))
    x = k.Dense(4, use_bias=False)(k.Dropout(0.5)(k.ReLU()(x)))
    x = Bias()(k.Dot(axes=(2, 1))([adjacency, x]))
    return _model([features, adjacency], k.Softmax()(x))


# --------------------------------------------------------------- autoencoders and GANs


@oracle
def _stacked_autoencoder(k: Any) -> Any:
    def selu(units: int) -> Any:
        return k.Dense(units, activation="selu", kernel_initializer="lecun_normal")

    return _sequential(
        k, (28, 28), k.Flatten(), selu(100), selu(30), selu(100),
        k.Dense(784, activation="sigmoid"), k.Reshape((28, 28)),
    )  # fmt: skip


@oracle
def _tied_autoencoder(k: Any) -> Any:
    class Transposed(k.Layer):  # type: ignore[name-defined,misc]
        def __init__(self, dense: Any, activation: Any) -> None:
            super().__init__()
            self.source, self.activation = [dense.kernel], activation
            self.bias = self.add_weight(shape=(dense.kernel.shape[0],))

        def call(self, x: Any) -> Any:
            return self.activation(x @ k.ops.transpose(self.source[0]) + self.bias)

    image = k.Input((784,))
    first, second = k.Dense(100, activation="relu"), k.Dense(30, activation="relu")
    x = second(first(k.GaussianNoise(0.2)(image)))
    x = Transposed(second, k.ops.relu)(x)
    return _model(image, Transposed(first, k.ops.sigmoid)(x))


@oracle
def _conv_autoencoder(k: Any) -> Any:
    def up(filters: int) -> Any:
        return k.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")

    return _sequential(
        k, (28, 28, 1), k.Dropout(0.5),
        k.Conv2D(16, 3, padding="same", activation="relu"), k.MaxPooling2D(),
        k.Conv2D(32, 3, padding="same", activation="relu"), k.MaxPooling2D(),
        up(32), up(16), k.Conv2D(1, 3, padding="same", activation="sigmoid"),
    )  # fmt: skip


@oracle
def _sparse_autoencoder(k: Any) -> Any:
    return _sequential(
        k, (784,), k.Dense(100, activation="relu"),
        k.Dense(300, activation="sigmoid", activity_regularizer="l1"),
        k.Dense(100, activation="relu"), k.Dense(784, activation="sigmoid"),
    )  # fmt: skip


@oracle
def _recurrent_autoencoder(k: Any) -> Any:
    return _sequential(
        k, (28, 28), k.LSTM(100, return_sequences=True), k.LSTM(30), k.RepeatVector(28),
        k.LSTM(100, return_sequences=True), k.Dense(28, activation="sigmoid"),
    )  # fmt: skip


@oracle
def _vae(k: Any) -> Any:
    image = k.Input((28, 28))
    x = k.Dense(100, activation="relu")(k.Dense(150, activation="relu")(k.Flatten()(image)))
    mean, log_variance = k.Dense(10)(x), k.Dense(10)(x)
    x = _chain(
        mean + k.ops.exp(log_variance / 2), k.Dense(100, activation="relu"),
        k.Dense(150, activation="relu"), k.Dense(784, activation="sigmoid"),
        k.Reshape((28, 28)),
    )  # fmt: skip
    return _model(image, [x, mean, log_variance])


def _frozen(model: Any) -> Any:
    model.trainable = False
    return model


@oracle
def _dcgan(k: Any) -> Any:
    def conv(filters: int) -> Any:
        return k.Conv2D(filters, 5, strides=2, padding="same")

    generator = _sequential(
        k, (100,), k.Dense(7 * 7 * 128), k.Reshape((7, 7, 128)), k.BatchNormalization(),
        k.Conv2DTranspose(64, 5, strides=2, padding="same", activation="selu"),
        k.BatchNormalization(),
        k.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh"),
    )  # fmt: skip
    discriminator = _sequential(
        k, (28, 28, 1), conv(64), k.LeakyReLU(0.2), k.Dropout(0.4), conv(128), k.LeakyReLU(0.2),
        k.Dropout(0.4), k.Flatten(), k.Dense(1, activation="sigmoid"),
    )  # fmt: skip
    return _sequential(k, (100,), generator, _frozen(discriminator))


@oracle
def _conditional_gan(k: Any) -> Any:
    def conditioned(label: Any, x: Any, size: int) -> Any:
        plane = k.Dense(size * size)(k.Embedding(10, 50)(label))
        return k.Concatenate()([x, k.Reshape((size, size, 1))(plane)])

    noise, label = k.Input((100,)), k.Input((1,), dtype="int32")
    x = k.Reshape((7, 7, 128))(k.LeakyReLU(0.2)(k.Dense(7 * 7 * 128)(noise)))
    x = conditioned(label, x, 7)
    for _ in range(2):
        x = k.LeakyReLU(0.2)(k.Conv2DTranspose(128, 4, strides=2, padding="same")(x))
    x = k.Conv2D(1, 7, padding="same", activation="tanh")(x)
    generator = _model([noise, label], x)

    image, label = k.Input((28, 28, 1)), k.Input((1,), dtype="int32")
    x = conditioned(label, image, 28)
    for _ in range(2):
        x = k.LeakyReLU(0.2)(k.Conv2D(128, 3, strides=2, padding="same")(x))
    x = k.Dense(1, activation="sigmoid")(k.Dropout(0.4)(k.Flatten()(x)))
    discriminator = _frozen(_model([image, label], x))

    noise, label = k.Input((100,)), k.Input((1,), dtype="int32")
    return _model([noise, label], discriminator([generator([noise, label]), label]))


@oracle
def _pix2pix(k: Any) -> Any:
    def down(x: Any, filters: int, normalize: bool = True) -> Any:
        x = k.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(x)
        return k.LeakyReLU(0.3)(k.BatchNormalization()(x) if normalize else x)

    def up(x: Any, filters: int, dropout: bool) -> Any:
        x = k.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
        x = k.BatchNormalization()(x)
        return k.ReLU()(k.Dropout(0.5)(x) if dropout else x)

    image = k.Input((64, 64, 3))
    x, skips = image, []
    for filters in (16, 32, 64, 128, 128):
        x = down(x, filters, normalize=filters > 16)
        skips.append(x)
    for i, skip in enumerate(reversed(skips[:-1])):
        x = k.Concatenate()([up(x, skip.shape[-1], i < 2), skip])
    x = k.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(x)
    generator = _model(image, x)

    image, target = k.Input((64, 64, 3)), k.Input((64, 64, 3))
    x = down(down(k.Concatenate()([image, target]), 16, normalize=False), 32)
    x = k.Conv2D(128, 4, use_bias=False)(k.ZeroPadding2D()(x))
    x = k.ZeroPadding2D()(k.LeakyReLU(0.3)(k.BatchNormalization()(x)))
    discriminator = _frozen(_model([image, target], k.Conv2D(1, 4)(x)))

    image = k.Input((64, 64, 3))
    made = generator(image)
    return _model(image, [made, discriminator([image, made])])


# ------------------------------------------------- several inputs, experts, recommenders


@oracle
def _siamese(k: Any) -> Any:
    layers: list[Any] = []
    for filters, size in [(64, 10), (128, 7), (128, 4)]:
        layers += [k.Conv2D(filters, size, activation="relu"), k.MaxPooling2D()]
    layers += [
        k.Conv2D(256, 4, activation="relu"), k.Flatten(), k.Dense(4096, activation="sigmoid")
    ]  # fmt: skip
    left, right = k.Input((105, 105, 1)), k.Input((105, 105, 1))
    distance = k.ops.absolute(_chain(left, *layers) - _chain(right, *layers))
    return _model([left, right], k.Dense(1, activation="sigmoid")(distance))


@oracle
def _triplet(k: Any) -> Any:
    layers: list[Any] = []
    for filters in (16, 32, 64):
        layers.append(k.Conv2D(filters, 3, padding="same", activation="relu"))
        layers += [k.BatchNormalization(), k.MaxPooling2D()]
    layers += [k.GlobalAveragePooling2D(), k.Dense(32), k.UnitNormalization()]
    inputs = [k.Input((32, 32, 3)) for _ in range(3)]
    anchor, positive, negative = (_chain(x, *layers) for x in inputs)
    return _model(inputs, [k.ops.sum((anchor - x) ** 2, axis=-1) for x in (positive, negative)])


@oracle
def _two_tower(k: Any) -> Any:
    def tower(x: Any, vocabulary: list[str]) -> Any:
        return _chain(
            k.StringLookup(vocabulary=vocabulary)(x), k.Embedding(len(vocabulary) + 1, 32),
            k.Dense(64, activation="relu"), k.Dense(32), k.UnitNormalization(),
        )  # fmt: skip

    user, item = k.Input((), dtype="string"), k.Input((), dtype="string")
    query = tower(user, [f"user{i}" for i in range(100)])
    candidate = tower(item, [f"item{i}" for i in range(50)])
    return _model([user, item], k.Dot(axes=1)([query, candidate]))


@oracle
def _ncf(k: Any) -> Any:
    user, item = k.Input((), dtype="int32"), k.Input((), dtype="int32")
    linear = k.Multiply()([k.Embedding(6040, 8)(user), k.Embedding(3706, 8)(item)])
    x = k.Concatenate()([k.Embedding(6040, 32)(user), k.Embedding(3706, 32)(item)])
    for units in (32, 16, 8):
        x = k.Dense(units, activation="relu")(x)
    x = k.Dense(1, activation="sigmoid")(k.Concatenate()([linear, x]))
    return _model([user, item], x)


@oracle
def _wide_and_deep(k: Any) -> Any:
    age, hours = k.Input((1,)), k.Input((1,))
    education, occupation = k.Input((1,), dtype="string"), k.Input((1,), dtype="int32")
    levels = k.StringLookup(vocabulary=["school", "bachelor", "master", "doctor"])(education)
    jobs = k.IntegerLookup(vocabulary=list(range(14)))(occupation)
    crossed = k.HashedCrossing(num_bins=16, output_mode="one_hot")([education, education])
    wide = k.Concatenate()([k.CategoryEncoding(5, output_mode="one_hot")(levels), crossed])
    x = k.Concatenate()(
        [
            k.Normalization(mean=38.6, variance=186.0)(age),
            k.Normalization(mean=40.4, variance=152.0)(hours),
            k.Flatten()(k.Embedding(5, 4)(levels)),
            k.Flatten()(k.Embedding(15, 8)(jobs)),
        ]
    )
    x = k.Dense(50, activation="relu")(k.Dense(100, activation="relu")(x))
    x = k.Dense(1, activation="sigmoid")(k.Concatenate()([wide, x]))
    return _model([age, hours, education, occupation], x)


@oracle
def _deep_cross(k: Any) -> Any:
    class Cross(k.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[0][-1], 1))
            self.bias = self.add_weight(shape=(shape[0][-1],))

        def call(self, inputs: Any) -> Any:
            start, x = inputs
            return start * (x @ self.kernel) + self.bias + x

    numbers, categories = k.Input((13,)), k.Input((26,), dtype="int32")
    start = k.Concatenate()([numbers, k.Flatten()(k.Embedding(1000, 6)(categories))])
    crossed = start
    for _ in range(3):
        crossed = Cross()([start, crossed])
    x = start
    for _ in range(2):
        x = k.ReLU()(k.BatchNormalization()(k.Dense(64, use_bias=False)(x)))
    x = k.Dense(1, activation="sigmoid")(k.Concatenate()([crossed, x]))
    return _model([numbers, categories], x)


@oracle
def _deepfm(k: Any) -> Any:
    fields = k.Input((20,), dtype="int32")
    linear = k.ops.sum(k.Embedding(5000, 1)(fields), axis=1)
    vectors = k.Embedding(5000, 8)(fields)
    squares = k.ops.square(k.ops.sum(vectors, axis=1)) - k.ops.sum(k.ops.square(vectors), axis=1)
    x = k.Flatten()(vectors)
    for units in (64, 32):
        x = k.Dropout(0.2)(k.Dense(units, activation="relu")(x))
    x = linear + 0.5 * k.ops.sum(squares, axis=1, keepdims=True) + k.Dense(1)(x)
    return _model(fields, k.ops.sigmoid(x))


@oracle
def _mixture_of_experts(k: Any) -> Any:
    def mixture(x: Any, units: int) -> Any:
        gate = k.Dense(4, activation="softmax")(x)
        experts = [k.Dense(units)(k.Dense(64, activation="relu")(x)) for _ in range(4)]
        return k.Add()([expert * gate[:, i : i + 1] for i, expert in enumerate(experts)])

    x = k.Input((16,))
    return _model(x, mixture(k.ReLU()(mixture(x, 32)), 1))


@oracle
def _mmoe(k: Any) -> Any:
    x = k.Input((32,))
    experts = [k.Dense(16, activation="relu")(x) for _ in range(4)]
    heads = []
    for _ in range(2):
        gate = k.Dense(4, activation="softmax", use_bias=False)(x)
        mixed = k.Add()([expert * gate[:, i : i + 1] for i, expert in enumerate(experts)])
        heads.append(k.Dense(1)(k.Dense(8, activation="relu")(mixed)))
    return _model(x, heads)


@oracle
def _film(k: Any) -> Any:
    image, question = k.Input((32, 32, 3)), k.Input((None,), dtype="int32")
    condition = k.GRU(64)(k.Embedding(100, 32)(question))
    x = image
    for _ in range(2):
        x = k.Conv2D(32, 4, strides=2, padding="same")(x)
        x = k.ReLU()(k.BatchNormalization()(x))
    for _ in range(3):
        y = k.Conv2D(32, 1, activation="relu")(x)
        z = k.Conv2D(32, 3, padding="same")(y)
        z = k.BatchNormalization(center=False, scale=False)(z)
        given = k.Reshape((1, 1, 64))(k.Dense(64)(condition))
        x = k.Add()([y, k.ReLU()(z * (1 + given[..., :32]) + given[..., 32:])])
    x = k.Dense(64, activation="relu")(k.GlobalMaxPooling2D()(x))
    return _model([image, question], k.Dense(28, activation="softmax")(x))


@oracle
def _gated_residual(k: Any) -> Any:
    def gated(x: Any) -> Any:
        y = k.Dropout(0.1)(k.Dense(16)(k.Dense(16, activation="elu")(x)))
        y = k.Dense(16)(y) * k.Dense(16, activation="sigmoid")(y)
        shortcut = x if x.shape[-1] == 16 else k.Dense(16)(x)
        return k.LayerNormalization()(shortcut + y)

    inputs = [k.Input((n,)) for n in (4, 6, 1)]
    weights = k.Dense(3, activation="softmax")(gated(k.Concatenate()(inputs)))
    x = k.Dot(axes=1)([weights, k.ops.stack([gated(x) for x in inputs], axis=1)])
    return _model(inputs, k.Dense(1, activation="sigmoid")(x))


# ------------------------------------------------------------------------------- tests


@cache
def compiled(name: str) -> Model:
    """The model of a spec, which is the last one in its file."""
    return specc.compile(ARCHITECTURES / f"{name}.spec").models[-1]


def _counts(model: Any) -> tuple[int, int, int]:
    trainable, non_trainable = (
        sum(prod(weight.shape) for weight in weights)
        for weights in (model.trainable_weights, model.non_trainable_weights)
    )
    return model.count_params(), trainable, non_trainable


def _parts(model: Any) -> list[Any]:
    """The layers of a Keras model and of the models in it."""
    found: list[Any] = []
    for layer in model.layers:
        found += _parts(layer) if hasattr(layer, "layers") else [layer]
    return found


def _shapes(keras_model: Any) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in keras_model.outputs]


def _give_the_same_weights(first: Any, second: Any) -> None:
    """In the order in which they were made: Keras's own goes by depth."""
    here, there = (
        sorted(model.weights, key=lambda weight: int(weight.value._unique_id.rpartition("_")[2]))
        for model in (first, second)
    )
    assert [tuple(weight.shape) for weight in here] == [tuple(weight.shape) for weight in there]
    drawn = np.random.default_rng(1)
    for weight, other in zip(here, there, strict=True):
        value = weight.numpy()
        if value.ndim == 1:  # biases, which are zeros, and scales, which are ones
            value = value + drawn.uniform(0.01, 0.2, value.shape).astype(value.dtype)
        weight.assign(value)
        other.assign(value)


def _drawn(model: Model) -> list[Any]:
    """Random numbers for each input, of two samples or of the fixed number."""
    import tensorflow as tf

    drawn = np.random.default_rng(0)
    values: list[Any] = []
    for tensor in model.graph.inputs:
        sizes = [size if isinstance(size, int) else 12 for size in tensor.type.shape]
        shape = (model.graph.batch_size or 4, *sizes)
        match str(tensor.type.dtype):
            case "string":
                words = np.array(VOCABULARIES[tensor.name]).reshape(shape)
                values.append(words)
            case "bool":
                values.append(drawn.random(shape) < 0.5)
            case "int32":
                values.append(drawn.integers(0, 2, shape).astype("int32"))
            case _:
                values.append(drawn.normal(size=shape).astype("float32"))
    return [tf.constant(value) for value in values]


def test_every_spec_has_an_oracle() -> None:
    assert set(NAMES) == set(ORACLES) | set(APPLICATIONS)
    assert len(NAMES) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_first_line_says_what_it_is(name: str) -> None:
    first = (ARCHITECTURES / f"{name}.spec").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _compare(name: str, expected: Any) -> None:
    from specc.backends.compare import compare_with_keras
    from specc.backends.keras_model import build_keras

    model = compiled(name)
    built = build_keras(model.graph, seed=1)
    assert [str(diagnostic) for diagnostic in compare_with_keras(built)] == []
    found = built.keras_model
    assert model.params == _counts(found) == _counts(expected)
    assert _shapes(found) == _shapes(expected)
    _give_the_same_weights(found, expected)
    inputs = _drawn(model)
    values = [
        _listed(keras_model(inputs if len(inputs) > 1 else inputs[0], training=False))
        for keras_model in (found, expected)
    ]
    for i, (mine, theirs) in enumerate(zip(*values, strict=True)):
        if i not in RANDOM_OUTPUTS.get(name, ()):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
            assert np.asarray(mine).std() > 0


def _own(name: str) -> None:
    import keras

    _compare(name, ORACLES[name](SimpleNamespace(**vars(keras.layers), ops=keras.ops)))


@pytest.mark.parametrize("name", sorted(ORACLES.keys() - LARGE))
def test_keras_computes_the_same(name: str) -> None:
    _own(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ORACLES.keys() & LARGE))
def test_keras_computes_the_same_of_large_models(name: str) -> None:
    _own(name)


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_layers_are_those_of_keras_applications(name: str) -> None:
    import keras

    expected = getattr(keras.applications, APPLICATIONS[name])(weights=None)
    model = compiled(name)
    assert model.params == _counts(expected)
    mine = Counter(
        (OWN_CLASSES.get(layer.kind, layer.kind), layer.params.total)
        for layer in model.layers
        if layer.params.total
    )
    theirs = Counter((type(part).__name__, part.count_params()) for part in _parts(expected))
    assert mine == Counter({kind: n for kind, n in theirs.items() if kind[1]})
    assert [port.type.shape for port in model.outputs] == [shape[1:] for shape in _shapes(expected)]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_keras_computes_the_same_as_keras_applications(name: str) -> None:
    import keras

    _compare(name, getattr(keras.applications, APPLICATIONS[name])(weights=None))


@pytest.mark.parametrize("name", sorted(LARGE))
def test_counts_of_large_models(name: str) -> None:
    """As their papers or Keras's own models say them."""
    counts = {"alexnet": 60_965_224, "siamese": 38_951_745, "vgg16": 138_357_544}
    assert compiled(name).params == (counts[name], counts[name], 0)
