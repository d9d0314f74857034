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
    "SpectralNormalization": lambda case: unlowered(case.arguments["layer"]),
    # Keras hands the states on from step to step there.
    "TimeDistributed": lambda case: (
        unlowered(case.arguments["layer"]) or getattr(case.arguments["layer"], "stateful", False)
    ),
}
"""Layers that have one, but not for all arguments: whether a case is one of these."""

UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {}
"""Where Keras's own answer is wrong or no answer: whether a case is one of these."""
