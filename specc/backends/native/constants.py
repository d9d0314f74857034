"""Constants of a graph, as the passes read and make them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir


def ints(x: ir.Value | None) -> list[int] | None:
    """The numbers of a constant vector; None where it is none."""
    if x is None or x.const_value is None:
        return None
    return [int(n) for n in x.const_value.numpy().ravel()]


def scalar(x: ir.Value | None) -> float | None:
    """The number of a constant of one element; None where it is none."""
    if x is None or x.const_value is None or x.const_value.size != 1:
        return None
    return float(x.const_value.numpy().ravel()[0])


def make_constant(
    graph: ir.Graph, numbers: Sequence[int | float] | float, dtype: ir.DataType
) -> ir.Value:
    """A constant vector or scalar, once for all that are equal."""
    items = numbers if isinstance(numbers, Sequence) else [numbers]
    rank = "vector" if isinstance(numbers, Sequence) else "scalar"
    name = f"constant/{rank}/{dtype.name}/{'_'.join(map(str, items))}"
    known = graph.initializers.get(name)
    if known is not None:
        return known
    array = np.asarray(numbers, dtype.numpy())
    value = ir.Value(
        name=name,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(dtype),
        const_value=ir.Tensor(array, name=name),
    )
    graph.register_initializer(value)
    return value
