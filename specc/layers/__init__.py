"""The catalogue: every layer specc knows, by name.

The index says in which module a layer lives, so that a spec pays only for the families it
uses; a test holds it equal to the classes that are there.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.layers.base import Layer

FAMILIES: dict[str, tuple[str, ...]] = {
    "activations": ("ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    "convolution": (
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
    ),
    "core": ("Activation", "Dense", "Embedding", "Identity", "Masking"),
    "merging": (
        "Add",
        "Average",
        "Concatenate",
        "Dot",
        "Maximum",
        "Minimum",
        "Multiply",
        "Subtract",
    ),
    "normalization": ("BatchNormalization", "LayerNormalization"),
    "pooling": (
        "AveragePooling1D",
        "AveragePooling2D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "MaxPooling1D",
        "MaxPooling2D",
    ),
    "preprocessing": ("Rescaling",),
    "recurrent": ("GRU", "LSTM", "SimpleRNN"),
    "regularization": (
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
    ),
    "reshaping": (
        "Cropping1D",
        "Cropping2D",
        "Flatten",
        "Permute",
        "RepeatVector",
        "Reshape",
        "UpSampling1D",
        "UpSampling2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
    ),
}

LAYER_NAMES = tuple(sorted(name for names in FAMILIES.values() for name in names))

_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}


@cache
def find_layer(name: str) -> type[Layer] | None:
    """The class of a layer, or None where there is no such layer."""
    family = _FAMILY_OF.get(name)
    if family is None:
        return None
    return getattr(import_module(f"specc.layers.{family}"), name)
