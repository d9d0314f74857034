"""What has no lowering yet, and where a lowering differs from Keras on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.layers import LAYER_NAMES, find_layer
from specc.layers.base import Layer

from .strategies import Case

NOT_YET: set[str] = {
    name
    for name in LAYER_NAMES
    if (cls := find_layer(name)) and cls.onnx is Layer.onnx and not cls.passes_on
}
"""Layers without any lowering: those whose class has none."""


def unlowered(layer: Layer) -> bool:
    """Whether a layer within another one has no lowering for its arguments."""
    skip = ARGUMENTS_NOT_YET.get(layer.kind)
    case = Case(layer.kind, layer.given, [], layer.trainable)
    return layer.kind in NOT_YET or bool(skip and skip(case))


ARGUMENTS_NOT_YET: dict[str, Callable[[Case], Any]] = {
    "Dense": lambda case: case.arguments.get("lora_rank") or "activation" in case.arguments,
    "Embedding": lambda case: case.arguments.get("lora_rank"),
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
    "SpectralNormalization": lambda case: unlowered(case.arguments["layer"]),
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


UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {
    **dict.fromkeys(
        [
            *[f"Conv{n}D" for n in (1, 2, 3)],
            *[f"Conv{n}DTranspose" for n in (1, 2, 3)],
            *[f"{kind}Conv{n}D" for kind in ("Depthwise", "Separable") for n in (1, 2)],
        ],
        _bias_along_steps,
    ),
    # TensorFlow interpolates in float32; what it gives as float64 is no more exact.
    "UpSampling2D": lambda case: (
        case.dtype == "float64" and case.arguments.get("interpolation", "nearest") != "nearest"
    ),
    # Negative results as unsigned numbers: each machine has its own.
    **dict.fromkeys(
        ["GroupNormalization", "LayerNormalization"],
        lambda case: case.inputs[0].dtype.startswith("uint"),
    ),
}
"""Where Keras's own answer is wrong or no answer: whether a case is one of these."""
