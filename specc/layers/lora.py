"""LoRA: a matrix that stays as it is, and the product of two narrow ones that is added to it and
trained in its place.
"""

from __future__ import annotations

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import Float, Int, KerasObject, Optional
from specc.layers.base import Layer, Weight, Weights
from specc.lowering import NotLowered

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


def refuse_adapted(layer: Layer, rank: int | None) -> None:
    """Stop a lowering: the kernel of a layer with LoRA is a sum, which none computes yet."""
    if rank:
        raise NotLowered(f"`{layer.kind}` with `lora_rank`")
