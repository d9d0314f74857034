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
    "adaptive": (
        "AdaptiveAveragePooling1D",
        "AdaptiveAveragePooling2D",
        "AdaptiveAveragePooling3D",
        "AdaptiveMaxPooling1D",
        "AdaptiveMaxPooling2D",
        "AdaptiveMaxPooling3D",
    ),
    "attention": ("AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention"),
    "audio": ("MelSpectrogram", "STFTSpectrogram"),
    "cells": ("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"),
    "colour": (
        "AutoContrast",
        "ContrastLimitedAdaptiveHistogramEqualization",
        "Equalization",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomHue",
        "RandomInvert",
        "RandomPosterization",
        "RandomSaturation",
        "RandomSharpness",
        "Solarization",
    ),
    "conv_lstm": ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    "convolution": (
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
    ),
    "core": ("Activation", "Dense", "Embedding", "Identity", "Masking"),
    "geometry": (
        "CenterCrop",
        "RandomCrop",
        "RandomElasticTransform",
        "RandomFlip",
        "RandomPerspective",
        "RandomRotation",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
        "Resizing",
    ),
    "lookup": (
        "CategoryEncoding",
        "Discretization",
        "HashedCrossing",
        "Hashing",
        "IntegerLookup",
        "StringLookup",
        "TextVectorization",
    ),
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
    "mixing": (
        "AugMix",
        "CutMix",
        "MixUp",
        "RandAugment",
        "RandomErasing",
    ),
    "normalization": (
        "BatchNormalization",
        "GroupNormalization",
        "LayerNormalization",
        "Normalization",
        "RMSNormalization",
        "UnitNormalization",
    ),
    "pipeline": ("Pipeline",),
    "pooling": (
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
    ),
    "preprocessing": ("Rescaling",),
    "projection": ("EinsumDense", "ReversibleEmbedding"),
    "recurrent": ("GRU", "LSTM", "RNN", "SimpleRNN"),
    "regularization": (
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    ),
    "reshaping": (
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Flatten",
        "Permute",
        "RepeatVector",
        "Reshape",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ),
    "wrappers": ("Bidirectional", "SpectralNormalization", "TimeDistributed"),
}

LAYER_NAMES = tuple(sorted(name for names in FAMILIES.values() for name in names))

ALIASES: dict[str, str] = {
    **{f"AvgPool{n}D": f"AveragePooling{n}D" for n in (1, 2, 3)},
    **{f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)},
    **{f"Convolution{n}DTranspose": f"Conv{n}DTranspose" for n in (1, 2, 3)},
    **{f"GlobalAvgPool{n}D": f"GlobalAveragePooling{n}D" for n in (1, 2, 3)},
    **{f"GlobalMaxPool{n}D": f"GlobalMaxPooling{n}D" for n in (1, 2, 3)},
    **{f"MaxPool{n}D": f"MaxPooling{n}D" for n in (1, 2, 3)},
    **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
}
"""Keras's second names for some layers, and the first ones."""

_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}


@cache
def find_layer(name: str) -> type[Layer] | None:
    """The class of a layer, or None where there is no such layer."""
    name = ALIASES.get(name, name)
    family = _FAMILY_OF.get(name)
    if family is None:
        return None
    return getattr(import_module(f"specc.layers.{family}"), name)
