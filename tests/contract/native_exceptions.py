"""What has no lowering yet, and where a lowering differs from Keras on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.layers import LAYER_NAMES, find_layer
from specc.layers.base import Layer
from specc.layers.images import Images

from .oracle import inner_layers
from .strategies import Case

NOT_YET: set[str] = {
    name
    for name in LAYER_NAMES
    if (cls := find_layer(name)) and cls.onnx is Layer.onnx and not cls.passes_on
}
"""Layers without any lowering: those whose class has none."""


def within(case: Case) -> Case:
    """The layer within another one, with the inputs that reach it."""
    layer: Layer = case.arguments["layer"]
    steps = case.layer == "TimeDistributed"
    inputs = [x.with_shape(*x.shape[1:]) if steps else x for x in case.inputs]
    return Case(layer.kind, layer.given, inputs, layer.trainable, dtype=layer.dtype)


def unlowered(case: Case) -> bool:
    """Whether a layer has no lowering for its arguments and inputs."""
    skip = ARGUMENTS_NOT_YET.get(case.layer)
    return case.layer in NOT_YET or bool(skip and skip(case))


def unlike_keras(case: Case) -> bool:
    """Whether a case is one where Keras and the lowering differ on purpose."""
    unlike = UNLIKE_KERAS.get(case.layer)
    return bool(unlike and unlike(case))


def _zeros_unrolled(case: Case) -> bool:
    needed = ("go_backwards", "unroll", "zero_output_for_mask")
    return "mask" in case.call and all(case.arguments.get(name) for name in needed)


ARGUMENTS_NOT_YET: dict[str, Callable[[Case], Any]] = {
    # onnxruntime pools no int64, and no other dtype has room for it.
    **dict.fromkeys(
        [f"{kind}Pooling{n}D" for kind in ("Max", "AdaptiveMax") for n in (1, 2)],
        lambda case: case.inputs[0].dtype == "int64",
    ),
    # No reduction of uint64 in ONNX's operators as onnxruntime has them.
    **dict.fromkeys(
        [f"GlobalMaxPooling{n}D" for n in (1, 2, 3)],
        lambda case: case.inputs[0].dtype == "uint64",
    ),
    # The weights of these depend on the size of the images.
    "UpSampling2D": lambda case: (
        case.arguments.get("interpolation", "").lower() in ("bicubic", "lanczos3", "lanczos5")
        and not all(isinstance(size, int) for size in case.inputs[0].shape)
    ),
    **dict.fromkeys(
        ["Hashing", "HashedCrossing"], lambda case: any(x.dtype == "string" for x in case.inputs)
    ),
    "StringLookup": lambda case: case.arguments.get("num_oov_indices", 1) > 1,
    "Pipeline": lambda case: any(
        layer.kind in NOT_YET or layer.kind in ARGUMENTS_NOT_YET
        for layer in inner_layers(case.arguments)
    ),
    "RandomCrop": lambda case: case.make().apply(case.inputs)[0].shape != case.inputs[0].shape,
    "Resizing": lambda case: (
        (
            case.arguments.get("interpolation") in ("area", "bicubic", "lanczos3", "lanczos5")
            or case.arguments.get("antialias")
        )
        and any(not isinstance(size, int) for size in case.inputs[0].shape)
    ),
    "SpectralNormalization": lambda case: unlowered(within(case)),
    # Keras hands the states on from step to step there.
    "TimeDistributed": lambda case: (
        unlowered(within(case)) or getattr(case.arguments["layer"], "stateful", False)
    ),
    # From the end Keras puts the zeros for masked steps where others are masked.
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN"), _zeros_unrolled),
    "Bidirectional": lambda case: any(
        getattr(layer, "unroll", False) for layer in inner_layers(case.arguments)
    ),
}
"""Layers that have one, but not for all arguments: whether a case is one of these."""


def _bias_along_steps(case: Case) -> bool:
    """Whether Keras takes the last axis for that of the channels, which come first.

    It asks which axis of the output is as long as the bias, and the last one first.
    """
    layer: Any = case.make()
    if layer.data_format != "channels_first" or not layer.use_bias:
        return False
    (y,) = layer.apply(case.inputs)
    return y.shape[0] != 1 and y.shape[-1] in (y.shape[0], None)


def _bias_along_heads(case: Case) -> bool:
    """Whether Keras takes the steps for the heads, where both are as many and a head has size 1.

    It adds the bias of a dense layer, which has an axis of heads and one of size 1, along the
    first axis that is as long.
    """
    layer: Any = case.make()
    if not layer.use_bias:
        return False
    sizes = {(len(w.shape), *w.shape) for w in layer.variables(case.inputs, case.call)}
    heads = {n for rank, n, *rest in sizes if rank == 2 and rest == [1] and n > 1}
    steps = {case.inputs[0].shape[0], case.call["value"].shape[0]}
    return bool(heads & steps)


def _adapted_in_float32(case: Case) -> Any:
    """Whether Keras multiplies the narrow matrices of LoRA in fewer bits than the layer has."""
    return case.dtype == "float64" and case.arguments.get("lora_rank")


def _magnified_roundings(case: Case) -> bool:
    """Whether roots or decibels are taken of what is left of a sum that cancels."""
    layer: Any = case.make()
    return layer.mag_exp < 1 or (layer.power_to_db and layer.min_power < 1e-5**layer.mag_exp)


UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {
    **dict.fromkeys(
        [
            *[f"Conv{n}D" for n in (1, 2, 3)],
            *[f"Conv{n}DTranspose" for n in (1, 2, 3)],
            *[f"{kind}Conv{n}D" for kind in ("Depthwise", "Separable") for n in (1, 2)],
        ],
        lambda case: _bias_along_steps(case) or _adapted_in_float32(case),
    ),
    # onnxruntime makes a scale part of a product of float64, and rounds it to float32 there.
    "Attention": lambda case: case.dtype == "float64" and case.arguments.get("use_scale"),
    **dict.fromkeys(("GroupQueryAttention", "MultiHeadAttention"), _bias_along_heads),
    **dict.fromkeys(("Dense", "EinsumDense", "Embedding"), _adapted_in_float32),
    # TensorFlow interpolates in float32; what it gives as float64 is no more exact.
    "UpSampling2D": lambda case: (
        case.dtype == "float64" and case.arguments.get("interpolation", "nearest") != "nearest"
    ),
    # Negative results as unsigned numbers: each machine has its own.
    **dict.fromkeys(
        ["GroupNormalization", "SpectralNormalization"],
        lambda case: case.inputs[0].dtype.startswith("uint"),
    ),
    # So here; and onnxruntime takes the variance for a difference of two means, of which nothing
    # may be left where there is no epsilon.
    "LayerNormalization": lambda case: (
        case.inputs[0].dtype.startswith("uint")
        or case.arguments.get("epsilon") == 0
        # The root of a number below zero, as a whole number.
        or (case.arguments.get("epsilon", 1) < 0 and not case.inputs[0].is_float)
    ),
    "MelSpectrogram": _magnified_roundings,
    # Keras leaves out the casts of the layer within.
    "TimeDistributed": lambda case: (
        unlike_keras(within(case))
        or (isinstance(case.arguments["layer"], Images) and not case.inputs[0].is_float)
    ),
}
"""Where Keras's own answer is wrong or no answer, or onnxruntime's is: whether a case is one of
these."""

SAFE = ("AugMix", "EinsumDense")
"""Layers with which TensorFlow ends the process only where shapes do not fit, if at all; specc
refuses these before. All that is drawn of AugMix is set aside elsewhere."""

ROUNDING = ("Resizing",)
"""Layers that round floats to whole numbers: what lies half way between two may become either."""

IN_FLOAT32 = ("ContrastLimitedAdaptiveHistogramEqualization", "MelSpectrogram", "Resizing")
"""Layers of which Keras computes in float32 whatever their dtype is."""

RARELY = ("AdaptiveAveragePooling3D", "RandomCrop")
"""Layers that take so few arguments, or have a lowering for so few, that hardly any of those drawn
is among them."""
