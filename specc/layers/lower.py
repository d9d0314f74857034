"""A layer applied in ONNX, by the graph or by a layer around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from specc.layers.base import Layer
from specc.lowering import Builder, Value, Values
from specc.types import FLOAT_DTYPES


def lower_layer(
    op: Builder,
    layer: Layer,
    inputs: Sequence[Value],
    w: Values,
    call: Mapping[str, Any] | None = None,
) -> tuple[Value, ...]:
    """What a layer gives, with types and masks.

    Args:
        inputs: with types; floats of any dtype.
        w: the layer's weights, as they are stored.
        call: the arguments of the call, values in the place of tensors.

    Raises:
        NotLowered: where the layer has no lowering.
    """
    given = {name: v for name, v in (call or {}).items() if name != "training" and v is not None}
    types = {name: _type_of(value) for name, value in given.items()}
    outputs = layer.apply([x.type for x in inputs], types)
    taken = [computed(op, layer, x) for x in inputs]
    arguments = {name: computed(op, layer, value) for name, value in given.items()}
    # Those of layers within are left to these, which may compute in other dtypes.
    within = {weight.name for weight in layer.inner_variables(*[x.type for x in inputs])}
    weights = {n: v if n in within else computed(op, layer, v) for n, v in w.items()}
    x = taken if layer.takes_list else taken[0]
    masks = layer.onnx_mask(op, x, weights, **arguments)
    if "mask" in arguments and not layer.takes_list:
        x = op.typed(taken[0], taken[0].type, arguments.pop("mask"))
    made = layer.onnx(op, x, weights, **arguments)
    values = cast("Sequence[Value]", made if isinstance(made, tuple) else [made])
    every = cast(
        "Sequence[Value | None]", masks if isinstance(masks, tuple) else [masks] * len(outputs)
    )
    return tuple(
        [
            op.typed(op.cast(value, type_.dtype), type_, mask)
            for value, type_, mask in zip(values, outputs, every, strict=True)
        ]
    )


def _type_of(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_type_of(item) for item in cast("list[Any]", value)]
    return value.type if hasattr(value, "mask") else value


def computed(op: Builder, layer: Layer, value: Any) -> Any:
    """A value, or each of a list or a mapping: floats in the dtype that a layer is lowered in."""
    if not layer.autocasts:
        return value
    if isinstance(value, list):
        return [computed(op, layer, item) for item in cast("list[Any]", value)]
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {name: computed(op, layer, item) for name, item in items}
    if getattr(value, "dtype", "") not in FLOAT_DTYPES:
        return value
    return op.cast(value, layer.lowered_dtype)
