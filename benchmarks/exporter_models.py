"""The models of `exporters.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPECS = Path(__file__).resolve().parent.parent / "specs"
SEED_MODELS = ("bn_after", "bn_before", "convnet")
APPLICATIONS = ("ResNet50", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "DenseNet121",
                "ConvNeXtTiny", "InceptionV3", "NASNetMobile", "VGG16")  # fmt: skip
ENCODERS = {"encoder": 12, "encoder4": 4}
BUILT = (*ENCODERS, "lstm")
"""A BERT-base-sized encoder, four blocks of it for exporters that want more memory than there is
for twelve, and two layers of LSTM."""

LARGE = "large"
LARGE_LAYERS, LARGE_UNITS = 8, 9_600


def make(name: str) -> Any:
    """A Keras model with weights that no layer can lose unseen."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    if name in SEED_MODELS:
        import specc

        model = specc.compile(SPECS / f"{name}.spec").models[0].to_keras(seed=0)
    elif name in ENCODERS:
        model = encoder(keras, ENCODERS[name])
    elif name == LARGE:
        dense = [keras.layers.Dense(LARGE_UNITS) for _ in range(LARGE_LAYERS)]
        model = keras.Sequential([keras.Input((LARGE_UNITS,)), *dense])
    elif name == "lstm":
        x = keras.Input((64, 32))
        y = keras.layers.LSTM(128, return_sequences=True)(x)
        model = keras.Model(x, keras.layers.Dense(10)(keras.layers.LSTM(128)(y)))
    else:
        model = getattr(keras.applications, name)(weights=None)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(random.normal(0, 0.1, shape))
            layer.moving_variance.assign(random.uniform(0.5, 1.5, shape))
    return model


def encoder(keras: Any, blocks: int) -> Any:
    """Blocks 768 wide, twelve of them as in BERT-base, on 128 tokens."""
    layers = keras.layers
    ids = keras.Input((128,), dtype="int32")
    x = layers.Embedding(30_522, 768)(ids)
    x = layers.LayerNormalization(epsilon=1e-12)(x)
    for _ in range(blocks):
        y = layers.MultiHeadAttention(12, 64)(x, x)
        x = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, y]))
        y = layers.Dense(768)(layers.Dense(3072, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, y]))
    return keras.Model(ids, x)


def inputs_for(model: Any, batch: int) -> Any:
    import numpy as np

    (x,) = model.inputs
    shape = (batch, *[n or 224 for n in x.shape[1:]])
    random = np.random.default_rng(1)
    if "int" in x.dtype:
        return random.integers(0, 1000, shape).astype(x.dtype)
    return (random.random(shape, np.float32) * (255 if shape[-1] == 3 else 1)).astype(x.dtype)
