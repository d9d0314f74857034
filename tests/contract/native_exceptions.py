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

ARGUMENTS_NOT_YET: dict[str, Callable[[Case], Any]] = {}
"""Layers that have one, but not for all arguments: whether a case is one of these."""

UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {
    # onnxruntime makes a scale part of a product of float64, and rounds it to float32 there.
    "Attention": lambda case: case.dtype == "float64" and case.arguments.get("use_scale"),
    # Keras multiplies the narrow matrices of LoRA in float32.
    "Embedding": lambda case: case.dtype == "float64" and case.arguments.get("lora_rank"),
}
"""Where Keras's own answer is wrong or no answer, or onnxruntime's is: whether a case is one of
these."""

SAFE = ("EinsumDense",)
"""Layers with which TensorFlow ends the process only where shapes do not fit, which specc refuses
before."""
