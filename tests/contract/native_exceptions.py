"""What has no lowering yet, and where a lowering differs from Keras on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.layers import LAYER_NAMES, find_layer
from specc.layers.base import Layer

from .oracle import inner_layers
from .strategies import Case

NOT_YET: set[str] = {
    name
    for name in LAYER_NAMES
    if (cls := find_layer(name)) and cls.onnx is Layer.onnx and not cls.passes_on
}
"""Layers without any lowering: those whose class has none."""

ARGUMENTS_NOT_YET: dict[str, Callable[[Case], Any]] = {
    "Dense": lambda case: case.arguments.get("lora_rank") or "activation" in case.arguments,
    "IntegerLookup": lambda case: case.arguments.get("oov_method") == "farmhash",
    "StringLookup": lambda case: case.arguments.get("num_oov_indices", 1) > 1,
    "TextVectorization": lambda case: (
        not (
            # What is left at opset 18: rows of words as they are, or in lower case.
            "split" in case.arguments
            and case.arguments["split"] is None
            and case.arguments.get("standardize", "") in (None, "lower")
            and case.arguments.get("ngrams") in (None, 1)
        )
    ),
    "Embedding": lambda case: case.arguments.get("lora_rank"),
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
}
"""Layers that have one, but not for all arguments: whether a case is one of these."""

UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {}
"""Where Keras's own answer is wrong or no answer: whether a case is one of these."""

ROUNDING = ("Resizing",)
"""Layers that round floats to whole numbers: what lies half way between two may become either."""

IN_FLOAT32 = ("ContrastLimitedAdaptiveHistogramEqualization", "MelSpectrogram", "Resizing")
"""Layers of which Keras computes in float32 whatever their dtype is."""

RARELY = ("RandomCrop", "TextVectorization")
"""Layers whose lowering takes so few arguments that hardly any of those drawn is among them."""
