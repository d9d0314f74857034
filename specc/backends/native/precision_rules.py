"""What may, what should and what must not compute in a lower precision.

What an operator takes and gives is read from its schema. What should stay in float32 though it
could be lower is a rule of the field: the operators that PyTorch's autocast computes in float32
(https://docs.pytorch.org/docs/stable/amp.html), because they sum many numbers or leave the range
of float16, and those that make a small difference a large one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

Array = np.ndarray[Any, Any]

LOWER = {"float16": ir.DataType.FLOAT16, "bfloat16": ir.DataType.BFLOAT16}

SUMS = {
    "CumSum", "GlobalAveragePool", "GlobalLpPool", "LpNormalization", "MeanVarianceNormalization",
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceProd",
    "ReduceSum", "ReduceSumSquare",
}  # fmt: skip
RANGES = {
    "Acos", "Asin", "Cosh", "Exp", "Log", "LogSoftmax", "Pow", "Reciprocal", "Sinh", "Softmax",
    "Softplus", "Tan",
}  # fmt: skip
STEPS = {"Ceil", "Floor", "Mod", "Range", "Resize", "Round"}
"""A difference in the last place is one of a whole step, or a position: float16 has no 2,049."""
STATISTICS = {"GroupNormalization", "InstanceNormalization", "LayerNormalization",
              "RMSNormalization"}  # fmt: skip

WIDE = {"Exp", "Pow", "Reciprocal"}
"""What gives numbers that are large or small enough to leave the range of float16, so that what
reads them stays float32 too. So does a division: its divisor is often kept from zero by a number
that float16 does not have."""

IN_FLOAT32 = SUMS | RANGES | STEPS
MUCH_WORK = {
    "Attention", "Conv", "ConvTranspose", "Einsum", "GRU", "Gather", "Gemm", "LSTM", "MatMul",
    "RNN",
}  # fmt: skip
"""What a lower precision is asked for. These accumulate in float32 wherever they run, and their
weights are stored in the lower type even where they compute in float32."""

EXACT_IN_ANY = {ir.DataType.BOOL, ir.DataType.INT8, ir.DataType.UINT8}
"""Types whose every value is one of float16 and of bfloat16."""


class Ports(NamedTuple):
    """The places of a node where it takes or gives a float32."""

    inputs: list[int]
    outputs: list[int]
    fixed_inputs: list[int]
    """Those that are float32 whatever the others are, such as the scales of a Resize."""
    fixed_outputs: list[int]


@cache
def _schema(op_type: str, version: int, domain: str) -> Any:
    if not onnx.defs.has(op_type, version, domain):
        return None
    return onnx.defs.get_schema(op_type, version, domain)


def ports_of(node: ir.Node, opsets: dict[str, int], lower: ir.DataType) -> Ports:
    """Where a node has float32, by its schema: which of it could be of the lower type.

    Of an operator without a schema everything stays as it is.
    """
    schema = _schema(node.op_type, opsets.get(node.domain, 1), node.domain)
    ports = Ports([], [], [], [])
    name = f"tensor({lower.name.lower()})"
    sides = (
        (node.inputs, schema.inputs if schema else (), ports.inputs, ports.fixed_inputs),
        (node.outputs, schema.outputs if schema else (), ports.outputs, ports.fixed_outputs),
    )
    for values, formal, free, fixed in sides:
        for index, value in enumerate(values):
            if value is None or value.dtype != ir.DataType.FLOAT:
                continue
            said = formal[min(index, len(formal) - 1)].types if formal else ()
            (free if name in said else fixed).append(index)
    return ports


def wants_float32(node: ir.Node, opsets: dict[str, int]) -> bool:
    """Whether a node computes in float32, whatever its schema allows.

    Normalizations whose schema has a `stash_type` compute their statistics in float32 as it is.
    Scatters that sum are sums, and onnxruntime has none of float16.
    """
    reduction = node.attributes.get("reduction")
    if reduction is not None and reduction.as_string() != "none":
        return True
    if node.op_type in STATISTICS:
        schema = _schema(node.op_type, opsets.get(node.domain, 1), node.domain)
        stash = node.attributes.get("stash_type")
        in_float32 = stash is None or stash.as_int() == ir.DataType.FLOAT
        return schema is None or "stash_type" not in schema.attributes or not in_float32
    return node.op_type in IN_FLOAT32


def represents(lower: ir.DataType, array: Array) -> bool:
    """Whether every number keeps its size in a lower type: none overflows, none loses more than
    the type's rounding because it is too small."""
    numbers = array[np.isfinite(array) & (array != 0)]
    sizes = np.abs(numbers.astype(np.float64))
    limits = finfo(lower)
    within = (sizes <= float(limits.max)) & (sizes >= float(limits.smallest_normal))
    return bool(within.all())


def overflows(lower: ir.DataType, array: Array) -> int:
    """How many finite numbers have no finite number of a lower type near them."""
    with np.errstate(over="ignore"):
        rounded = array.astype(lower.numpy())
    return int(np.sum(np.isfinite(array) & ~np.isfinite(rounded)))


def finfo(lower: ir.DataType) -> Any:
    """What NumPy says of a floating-point type, also of bfloat16."""
    import ml_dtypes

    return ml_dtypes.finfo(lower.numpy())


def bodies_of(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs inside of a node."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
