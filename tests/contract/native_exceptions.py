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


def bias_along_steps(case: Case) -> bool:
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


UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {
    # onnxruntime makes a scale part of a product of float64, and rounds it to float32 there.
    "Attention": lambda case: case.dtype == "float64" and case.arguments.get("use_scale"),
    **dict.fromkeys(("GroupQueryAttention", "MultiHeadAttention"), bias_along_steps),
    # Keras multiplies the narrow matrices of LoRA in float32.
    "Embedding": lambda case: case.dtype == "float64" and case.arguments.get("lora_rank"),
}
"""Where Keras's own answer is wrong or no answer, or onnxruntime's is: whether a case is one of
these."""

SAFE = ("EinsumDense",)
"""Layers with which TensorFlow ends the process only where shapes do not fit, which specc refuses
before."""
