"""How far two float32 computations of one model may part."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, cast

import numpy as np

from specc.graph import Graph, Node
from specc.layers.base import Layer
from specc.semantics.composite import Composite

EPSILON = float(np.finfo(np.float32).eps)
NOISE = 4.0
"""How many times Keras's own rounding error another runtime may be off."""

SIGMOIDS = ("sigmoid", "silu", "swish")

FLOOR = 1e-20
"""What is always allowed: an output that is nothing else than numbers this small has underflowed
in a sigmoid or a softmax, whose kernels stop there at different points."""


def rounding_steps(graph: Graph) -> float:
    """The expected growth of rounding errors through a model, in units of float32's epsilon.

    A sum of n products rounded at each step is off by about sqrt(n) units (Higham, Accuracy
    and Stability of Numerical Algorithms, section 2.8, errors as a random walk); errors of
    layers in a row add up. A recurrent layer makes its sums once for every time step.
    """
    return sum(_steps(node) for node in graph.nodes)


def _steps(node: Node) -> float:
    layer = node.layer.layer
    own = layer.summed if isinstance(layer, Layer) else 1
    terms = max([own, *[prod(v.shape[:-1]) for v in node.layer.variables]])
    recurrent = any(v.name.endswith("recurrent_kernel") for v in node.layer.variables)
    length = node.inputs[0].type.shape[0] if recurrent else 1
    return 1 + sqrt(terms) * (length if isinstance(length, int) else 16)


def least_scale(graph: Graph) -> float:
    """The size of numbers whose rounding may be seen in outputs, however small these are.

    onnxruntime's sigmoid is as exact as float32 is near 1. So what a closed gate lets through
    is off by as much, beside which it may be nothing.
    """
    return float(any(_has_sigmoid(node.layer.layer) for node in graph.nodes))


def _has_sigmoid(thing: Any) -> bool:
    """Whether a layer, or what stands among its arguments, is or has a sigmoid."""
    if isinstance(thing, Composite):
        return any(_has_sigmoid(node.layer.layer) for node in thing.graph.nodes)
    if isinstance(thing, Layer):
        return any(_has_sigmoid(getattr(thing, name)) for name in thing.signature)
    if isinstance(thing, tuple):
        return any(map(_has_sigmoid, cast("tuple[Any, ...]", thing)))
    return (thing if isinstance(thing, str) else type(thing).__name__).lower() in SIGMOIDS


def tolerance(
    steps: float, scale: float, sensitivity: float = 0.0, keras_noise: float = 0.0
) -> float:
    """The largest absolute difference that rounding explains.

    Args:
        steps: `rounding_steps` of the model.
        scale: the largest absolute value of the output, or `least_scale` where it is larger.
        sensitivity: how far the output moves, computed in float64, when every input is moved
            by one rounding: a model that amplifies that amplifies its own roundings too, as a
            softmax over large numbers does.
        keras_noise: the largest difference between Keras in float32 and in float64 on the
            same inputs.
    """
    return steps * (EPSILON * scale + sensitivity) + NOISE * keras_noise + FLOOR
