"""How far two float32 computations of one model may part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod, sqrt
from typing import Any, NamedTuple, cast

import numpy as np

from specc.files import UsageError
from specc.graph import Node
from specc.layers.base import Layer
from specc.semantics.composite import Composite
from specc.semantics.naming import snake_case

EPSILON = float(np.finfo(np.float32).eps)
NOISE = 4.0
"""How many times Keras's own rounding error another runtime may be off."""

SIGMOIDS = ("sigmoid", "silu", "swish", "elu", "celu", "selu", "tanh_shrink")
RECURRENT = "tanh"
"""Of the operators for recurrent layers that is one too; of its own operator it is not."""
SIGMOID_ERROR = 1.5 * EPSILON
"""How far onnxruntime's sigmoid may be off, however small the result: it is as exact as float32 is
near 1, and 0 from about -18 on. A closed gate lets through that much of what it should not. What
is computed as a difference of numbers near 1, as `exp(x) - 1`, is as exact for a small input."""

TF32_NOISE = 2.0
"""How many times the error that TF32's factors make on the CPU a GPU may be off: it rounds the
same factors, and those of later layers may fall to the other side."""

FLOOR = 1e-20
"""What is always allowed: an output that is nothing else than numbers this small has underflowed
in a sigmoid or a softmax, whose kernels stop there at different points."""


class Bounds(NamedTuple):
    """A tolerance that is set by hand, in the place of what rounding explains."""

    rtol: float = 0.0
    """Times the largest absolute value of the output."""
    atol: float = 0.0

    def allowed(self, scale: float) -> float:
        return self.atol + self.rtol * scale

    def as_json(self) -> dict[str, float]:
        return {"rtol": self.rtol, "atol": self.atol}


def bounds_of(rtol: float | None, atol: float | None) -> Bounds | None:
    """The tolerance that two options say; None where neither is given.

    Raises:
        UsageError: where one is no finite number from 0 on.
    """
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"{name} is {value}", "a number from 0 on")
    return None if rtol is None and atol is None else Bounds(rtol or 0.0, atol or 0.0)


class Rounding(NamedTuple):
    """What a model's structure says of its rounding errors."""

    steps: float
    """`rounding_steps` of it."""
    gates: int
    """`gates` of it."""


def rounding_steps(nodes: Sequence[Node]) -> float:
    """The expected growth of rounding errors through layers, in units of float32's epsilon.

    A sum of n products rounded at each step is off by about sqrt(n) units (Higham, Accuracy
    and Stability of Numerical Algorithms, section 2.8, errors as a random walk); errors of
    layers in a row add up. A recurrent layer makes its sums once for every time step.
    """
    return sum(_steps(node) for node in nodes)


def _steps(node: Node) -> float:
    layer = node.layer.layer
    own = layer.summed if isinstance(layer, Layer) else 1
    terms = max([own, *[prod(v.shape[:-1]) for v in node.layer.variables]])
    return 1 + sqrt(terms) * _times(node)


def _times(node: Node) -> int:
    """How often a layer does its work: a recurrent one for each time step."""
    if not any(v.name.endswith("recurrent_kernel") for v in node.layer.variables):
        return 1
    length = node.inputs[0].type.shape[0]
    return length if isinstance(length, int) else 16


def gates(nodes: Sequence[Node]) -> int:
    """How many sigmoids stand on the way through layers, those of each time step of a layer."""
    return sum(_times(node) * _sigmoids(node) for node in nodes)


def _sigmoids(node: Node) -> int:
    """How many sigmoids one step of a layer has at most: as many as it has matrices."""
    recurrent = [v.shape for v in node.layer.variables if v.name.endswith("recurrent_kernel")]
    names = (*SIGMOIDS, RECURRENT) if recurrent else SIGMOIDS
    if not _has_any(node.layer.layer, names):
        return 0
    return max([shape[-1] // shape[-2] for shape in recurrent], default=1)


def _has_any(thing: Any, names: Collection[str]) -> bool:
    """Whether a layer, or what stands among its arguments, is or has one of these activations."""
    if isinstance(thing, Composite):
        return any(_has_any(node.layer.layer, names) for node in thing.graph.nodes)
    if isinstance(thing, Layer):
        return any(_has_any(getattr(thing, name), names) for name in thing.signature)
    if isinstance(thing, tuple):
        return any(_has_any(item, names) for item in cast("tuple[Any, ...]", thing))
    return (thing if isinstance(thing, str) else snake_case(type(thing).__name__)).lower() in names


def tolerance(
    steps: float,
    scale: float,
    sensitivity: float = 0.0,
    keras_noise: float = 0.0,
    gates: int = 0,
    tf32: float = 0.0,
) -> float:
    """The largest absolute difference that rounding explains.

    Args:
        steps: `rounding_steps` of the model.
        scale: the largest absolute value of the output.
        sensitivity: how far the output moves, computed in float64, when every input is moved
            by one rounding: a model that amplifies that amplifies its own roundings too, as a
            softmax over large numbers does.
        keras_noise: the largest difference between Keras in float32 and in float64 on the
            same inputs.
        gates: `gates` of the model.
        tf32: how far TF32's factors move the output; 0 where products take all bits.
    """
    rounding = steps * (EPSILON * scale + sensitivity) + NOISE * keras_noise
    return rounding + gates * SIGMOID_ERROR + TF32_NOISE * tf32 + FLOOR
