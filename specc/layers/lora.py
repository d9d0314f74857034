"""LoRA: a matrix that stays as it is, and the product of two narrow ones that is added to it and
trained in its place.
"""

from __future__ import annotations

from math import prod
from typing import cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Float, Int, KerasObject, Optional
from specc.layers.base import Weight, Weights
from specc.lowering import Builder, Value, Values

RANK = Optional(Int(at_least=0))
ALPHA = Optional(Float())


def adapted(weights: Weights, rank: int | None) -> Weights:
    """The weights of a layer whose first one is adapted; Keras adds the narrow ones last.

    They are of float32 whatever the layer's dtype is.
    """
    if not rank:
        return weights
    whole, *others = weights
    first = Weight(f"lora_{whole.name}_a", (*whole.shape[:-1], rank), as_it_is=True)
    second = Weight(f"lora_{whole.name}_b", (rank, whole.shape[-1]), as_it_is=True)
    return (whole._replace(trainable=False), *others, first, second)


def refuse_constraint(
    argument: str, constraint: str | KerasObject | None, rank: int | None
) -> None:
    """Refuse a constraint on a matrix that is adapted."""
    if rank and constraint is not None:
        reason = "with `lora_rank`, there can be no constraint"
        raise Refused(errors.arguments_conflict, argument, reason)


def merged(op: Builder, w: Values, name: str, factor: float = 1.0) -> Value:
    """A weight with the product of its narrow ones added, where it has them.

    Args:
        factor: of the product. It is `lora_alpha / lora_rank` in Keras, but most of its layers
            set `lora_alpha` to the rank, whatever was given, when they are built.
    """
    whole, a, b = w[name], w.get(f"lora_{name}_a"), w.get(f"lora_{name}_b")
    if a is None or b is None:
        return whole
    *lead, last = cast("tuple[int, ...]", whole.type.shape)
    # In one operator: the product by itself is larger than what it is made of, and not folded.
    flat = op.reshape(op.cast(a, whole.dtype), [prod(lead), -1])
    matrix = op.reshape(whole, [prod(lead), last])
    sum_ = op.Gemm(flat, op.cast(b, whole.dtype), matrix, alpha=factor)
    return op.reshape(sum_, [*lead, last])
