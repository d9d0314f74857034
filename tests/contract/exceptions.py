"""Where specc and Keras may differ, and why: what `test_layers.py` lets pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import NamedTuple

import keras

from specc.layers import FAMILIES
from specc.layers.images import Images
from specc.types import TensorType

from .strategies import Case


class Stricter(NamedTuple):
    """Where specc refuses, on purpose, what Keras seems to take."""

    why: str
    applies: Callable[[Case], bool]


def unknown_target(case: Case) -> bool:
    """A target without -1, which no size of the unknown axes can lead to."""
    target = case.arguments["target_shape"]
    known = prod(size for size in case.inputs[0].shape if isinstance(size, int))
    return -1 not in target and prod(target) % known != 0


def broadcasts(case: Case) -> bool:
    """Inputs of which axes of size 1, or missing ones, would have to stretch."""
    shapes = [x.shape for x in case.inputs]
    ranks = {len(shape) for shape in shapes}
    return ranks in ({0}, {1}) or len(ranks) > 1 or any(1 in shape for shape in shapes)


def one_position(case: Case) -> bool:
    """Whether an axis has one position before or after an adaptive pooling."""
    first = case.arguments.get("data_format") == "channels_first"
    spatial = case.inputs[0].shape[1:] if first else case.inputs[0].shape[:-1]
    return 1 in (*keras.tree.flatten(case.arguments["output_size"]), *spatial)


def unknown_sizes(x: TensorType) -> bool:
    return any(not isinstance(size, int) for size in x.shape)


def mask_value_fits(case: Case) -> bool:
    """Whether a mask value is of the kind of the categories, which Keras does not look at."""
    value = case.arguments.get("mask_value")
    return value is None or isinstance(value, str) == (case.inputs[0].dtype == "string")


UNKNOWN = ((None,), ("time",))

IMAGES = (*FAMILIES["colour"], *FAMILIES["geometry"], *FAMILIES["mixing"])

CHANNELS_OR_TILES = ("ContrastLimitedAdaptiveHistogramEqualization", "RandomGrayscale")

SIZES_KNOWN = (
    *("AugMix", "CutMix", "Equalization", "RandAugment", "RandomColorDegeneration", "RandomCrop"),
    *("RandomElasticTransform", "RandomErasing", "RandomPerspective"),
)
"""Layers that ask Keras for a number of pixels or channels, which a graph may not know."""

STRICTER = {
    **dict.fromkeys(
        ("Attention", "AdditiveAttention"),
        Stricter(
            "axes that broadcast, attention over the batch, and whole numbers beside floats",
            lambda case: broadcasts(case) or not all(x.is_float for x in case.inputs),
        ),
    ),
    **dict.fromkeys(
        FAMILIES["adaptive"],
        Stricter(
            "unknown sizes, with which Keras fails when a model meets its second size; other axes, "
            "which Keras does not look at; and axes of one position, of which no graph can be made",
            lambda case: (
                unknown_sizes(case.inputs[0])
                or case.inputs[0].rank != int(case.layer[-2]) + 1
                or one_position(case)
            ),
        ),
    ),
    **dict.fromkeys(
        IMAGES,
        Stricter(
            "a batch of matrices is no image of channels; an unknown size that has to be known "
            "when a model is trained; channels of which a layer that is drawn takes no such number",
            lambda case: (
                case.inputs[0].rank == 2
                or (case.layer in SIZES_KNOWN and unknown_sizes(case.inputs[0]))
                or case.layer == "AugMix"
            ),
        ),
    ),
    **dict.fromkeys(
        (
            *("RandomBrightness", "RandomContrast", "RandomGrayscale"),
            "ContrastLimitedAdaptiveHistogramEqualization",
        ),
        Stricter(
            "whole numbers, which would be rounded outside of a graph; a batch of matrices, which "
            "is no image; unknown channels, which are neither 1 nor 3 when a model is trained",
            lambda case: (
                case.inputs[0].rank == 2
                or not case.inputs[0].is_float
                or (case.layer in CHANNELS_OR_TILES and unknown_sizes(case.inputs[0]))
            ),
        ),
    ),
    **dict.fromkeys(
        ("RandomColorJitter", "RandomErasing"),
        Stricter(
            "channels in front where Keras takes the last axis for them; a batch of matrices",
            lambda case: (
                case.inputs[0].rank == 2
                or case.arguments.get("data_format") == "channels_first"
                or unknown_sizes(case.inputs[0])
            ),
        ),
    ),
    **dict.fromkeys(
        FAMILIES["lookup"],
        Stricter(
            "several axes, or none, where samples are rows; floats and truth values as categories, "
            "and numbers that some modes do not take; an unknown size that may be 1",
            lambda case: (
                any(x.rank != 1 or x.shape in UNKNOWN for x in case.inputs)
                or any(x.dtype not in ("int32", "int64", "string") for x in case.inputs)
                or (case.layer == "Hashing" and case.arguments.get("output_mode") == "one_hot")
                or (case.layer == "Hashing" and not mask_value_fits(case))
            ),
        ),
    ),
    "Resizing": Stricter(
        "whole numbers padded by fractions, which Keras finds out where there is padding to do; a "
        "batch of matrices",
        lambda case: (
            case.inputs[0].rank == 2
            or (not case.inputs[0].is_float and case.arguments.get("pad_to_aspect_ratio", False))
        ),
    ),
    "ReversibleEmbedding": Stricter(
        "whole numbers as vectors",
        lambda case: case.call.get("reverse", False) and not case.inputs[0].is_float,
    ),
    **dict.fromkeys(
        ("ActivityRegularization", "AlphaDropout"),
        Stricter(
            "whole numbers, with which nothing can be trained",
            lambda case: not case.inputs[0].is_float,
        ),
    ),
    **dict.fromkeys(
        FAMILIES["normalization"],
        Stricter(
            "weights for each sample of a batch of known size",
            lambda case: case.batch is not None,
        ),
    ),
    "RMSNormalization": Stricter(
        "whole numbers, with which nothing can be trained; axes that are not the last, where Keras "
        "multiplies along others; weights for each sample of a batch of known size",
        lambda case: (
            not case.inputs[0].is_float or "axis" in case.arguments or case.inputs[0].rank == 0
        ),
    ),
    "EinsumDense": Stricter(
        "TensorFlow's einsum ends the process where shapes do not fit, so Keras is not asked",
        lambda _: True,
    ),
    **dict.fromkeys(
        (
            *("Average", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
            *("GlobalAveragePooling3D", "LeakyReLU"),
        ),
        Stricter(
            "whole numbers and another dtype than float32, which Keras does not keep",
            lambda case: case.dtype is not None and not all(x.is_float for x in case.inputs),
        ),
    ),
    "MultiHeadAttention": Stricter(
        "no flash attention with TensorFlow, though Keras asks for it with some ranks only; causal "
        "and windowed masks over other axes than the one of steps; attention over the batch, the "
        "features or the heads",
        lambda case: (
            case.arguments.get("flash_attention", False)
            or case.inputs[0].rank != 2
            or case.arguments.get("attention_axes") is not None
        ),
    ),
    "Concatenate": Stricter(
        "along axis 0, the batch would no longer be that of the inputs; with a single input, Keras "
        "does not look at the axis",
        lambda case: (
            case.arguments.get("axis", -1) in (0, -case.inputs[0].rank - 1) or len(case.inputs) == 1
        ),
    ),
    "Dot": Stricter(
        "Keras lets a single axis below the first one wrap around",
        lambda case: (
            isinstance(axes := case.arguments["axes"], int)
            and axes < -min(x.rank for x in case.inputs) - 1
        ),
    ),
    "GaussianDropout": Stricter(
        "truth values times noise are truth values",
        lambda case: case.inputs[0].dtype == "bool",
    ),
    "PReLU": Stricter(
        "axes from 0 down: Keras takes 0 for the last axis and -1 for the one before",
        lambda case: any(
            axis is not None and axis < 1
            for axis in keras.tree.flatten(case.arguments.get("shared_axes"))
        ),
    ),
    "ReLU": Stricter(
        "whole numbers with several arguments: Keras tells a slope of 1 from one of 1.0; or with "
        "another dtype than float32, which Keras does not keep",
        lambda case: (
            not case.inputs[0].is_float and (len(case.arguments) > 1 or case.dtype is not None)
        ),
    ),
    "Reshape": Stricter("no size of the unknown axes can lead to the target", unknown_target),
    "Rescaling": Stricter(
        "Keras broadcasts an axis of size 1, or the batch, and gives the shape before that",
        lambda case: case.inputs[0].shape[-1:] in ((), (1,)),
    ),
    **dict.fromkeys(
        ("SimpleRNN", "LSTM", "GRU", "RNN"),
        Stricter(
            "unrolling over unknown steps: Keras finds out when a graph is traced; and steps that "
            "are no vectors",
            lambda case: (
                (case.arguments.get("unroll", False) and case.inputs[0].shape[:1] in UNKNOWN)
                or case.inputs[0].rank != 2
            ),
        ),
    ),
    **dict.fromkeys(
        ("SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells"),
        Stricter(
            "dropout, which Keras draws once outside of an RNN; and steps that are no vectors",
            lambda case: "dropout" in str(case.arguments) or case.inputs[0].rank != 1,
        ),
    ),
    "TimeDistributed": Stricter(
        "a regularizer of the activity inside that cannot work: Keras does not call it there; "
        "whole numbers as images, which Keras says it casts",
        lambda case: (
            "activity_regularizer" in repr(case.arguments["layer"])
            or (isinstance(case.arguments["layer"], Images) and not case.inputs[0].is_float)
        ),
    ),
    "Bidirectional": Stricter(
        "directions of different sizes: Keras says that both have those of the forward one",
        lambda case: case.arguments.get("backward_layer") is not None,
    ),
}
"""By layer, what specc refuses on purpose while Keras seems to take it."""

NOT_EVERYWHERE = re.compile(
    "NotFoundError|AbortedError"
    "|only supports (the )?ND?HWC"
    "|not yet support dilation rates larger than 1"
    "|only supports equal length strides"
)
"""Errors of TensorFlow where a device cannot compute what others can: pooling of volumes in
float16, and convolutions in dtypes for which oneDNN has nothing on this processor, with channels
first, transposed with dilation, or depthwise with strides that differ."""

FATAL = ("EinsumDense", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D")
"""Layers with which TensorFlow ends the process for some inputs, so that Keras cannot be asked."""

MISTAKEN = {
    "Pipeline": Stricter(
        "images of unknown sizes that are cropped: Keras keeps what its own trace could not tell",
        lambda case: unknown_sizes(case.inputs[0]),
    ),
    "MultiHeadAttention": Stricter(
        "Keras gives the scores as many steps as the query has, and no other axes",
        lambda case: case.call.get("return_attention_scores", False),
    ),
}
"""By layer, where the shapes that Keras says are not those that it computes."""
