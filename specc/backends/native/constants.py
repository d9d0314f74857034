"""Constants of a graph as the passes read them."""

from __future__ import annotations

import onnx_ir as ir


def ints(x: ir.Value | None) -> list[int] | None:
    """The numbers of a constant vector; None where it is none."""
    if x is None or x.const_value is None:
        return None
    return [int(n) for n in x.const_value.numpy().ravel()]
