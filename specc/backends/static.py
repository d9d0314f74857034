"""Values that depend on weights and constants alone, worked out when they are asked for.

What an exporter leaves in the graph that reads nothing but weights is carried out once and for
all: floating point in float64, and what merely moves numbers about in the dtype that it has.
Nothing is computed before somebody wants the numbers, so that a model is written tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnx_ir as ir

from specc.records import fresh, record

Array = np.ndarray[Any, Any]

LAYOUT_OPERATORS = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"}
"""What moves numbers about and changes none: a weight behind these is kept, not folded."""

SHARED_SIZE = 65_536
"""Results up to this many elements are kept for others that need them: scales, statistics."""

ELEMENTWISE: dict[str, np.ufunc] = {"Add": np.add, "Mul": np.multiply, "Sub": np.subtract}
"""What is computed in float64 and rounded number by number, without an array in float64."""


@record
class Static:
    """A value that is known while exporting."""

    value: ir.Value
    sources: frozenset[int]
    """Which variables it is computed from, by number."""
    layout_only: bool
    """Whether it holds the numbers of one variable, in whatever layout."""
    read: Callable[[], Array] | None = None
    """The numbers of a constant."""
    node: ir.Node | None = None
    """What makes it, where it is neither a constant nor a weight."""
    operands: list[Static | None] = fresh(default_factory=list["Static | None"])

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        assert self.value.shape is not None
        return self.value.shape.numpy()


class Evaluator:
    """Works out static values.

    Args:
        arrays: the values of the variables, read when they are needed.
    """

    def __init__(self, opsets: dict[str, int], arrays: Sequence[Array]) -> None:
        self._opsets = opsets
        self._arrays = arrays
        self._shared: dict[ir.Value, Array] = {}

    def array(self, static: Static) -> Array:
        """The numbers, in the dtype of the graph."""
        dtype = static.value.dtype
        assert dtype is not None
        return in_c_order(np.asarray(self._rounded(static, dtype.numpy()), dtype.numpy()))

    def _rounded(self, static: Static, dtype: Any) -> Array:
        """A value that is rounded to a dtype anyway, or will be: a kernel times a scale, in
        whatever layout, is by far the most of what is computed.
        """
        node, first = static.node, static.operands[0] if static.operands else None
        if node is None or node.domain or first is None or static.size <= SHARED_SIZE:
            return self._compute(static)
        if node.op_type in LAYOUT_OPERATORS:
            others = [None if x is None else self._compute(x) for x in static.operands[1:]]
            return evaluate(node, [self._rounded(first, dtype), *others], self._opsets)[0]
        operation = ELEMENTWISE.get(node.op_type)
        inputs = [self._compute(x) for x in static.operands if operation and x is not None]
        if operation is None or any(x.kind != "f" for x in (dtype, *(y.dtype for y in inputs))):
            return self._compute(static)
        out = np.empty(static.shape, dtype)
        return operation(*inputs, out=out, dtype=np.float64, casting="same_kind")

    def _compute(self, static: Static) -> Array:
        """The numbers in float64, where they are computed of floating-point numbers."""
        if static.read is not None:
            return static.read()
        known = self._shared.get(static.value)
        if known is not None:
            return known
        node = static.node
        if node is None:
            (number,) = static.sources
            return self._arrays[number]
        inputs = [None if x is None else self._compute(x) for x in static.operands]
        if node.op_type not in LAYOUT_OPERATORS and node.op_type != "Cast":
            inputs = [_wide(x) for x in inputs]
        results = evaluate(node, inputs, self._opsets)
        for output, result in zip(node.outputs, results, strict=True):
            if result.size <= SHARED_SIZE:
                self._shared[output] = result
        return results[static.value.index() or 0]


LINE = 16
"""So many numbers in float32 fill a cache line of 64 bytes."""


def in_c_order(x: Array) -> Array:
    """An array whose numbers lie in the order of its axes; a copy where they did not.

    NumPy copies a transposed array element after element in the order of the result, and a line
    that it reads is out of the cache before its next number is wanted. Here a few numbers of each
    row are copied at a time, which is several times as fast.
    """
    if x.flags.c_contiguous or x.size <= SHARED_SIZE:
        return np.asarray(x, order="C")  # `ascontiguousarray` gives a single number an axis
    made = np.empty(x.shape, x.dtype)
    axis, run = x.ndim - 1, x.shape[-1]
    while axis > 1 and run < LINE:
        axis -= 1
        run *= x.shape[axis]
    step = max(1, LINE * x.shape[axis] // run)
    for start in range(0, x.shape[axis], step):
        part = (*[slice(None)] * axis, slice(start, start + step))
        made[part] = x[part]
    return made


def _wide(x: Array | None) -> Array | None:
    return x.astype(np.float64) if x is not None and x.dtype.kind in "fV" else x


def evaluate(node: ir.Node, inputs: Sequence[Array | None], opsets: dict[str, int]) -> list[Array]:
    """The outputs of one node."""
    rule = RULES.get(node.op_type) if not node.domain else None
    if rule is not None:
        return [np.asarray(rule(node, *inputs))]
    return _by_reference(node, inputs, opsets)


def _by_reference(
    node: ir.Node, inputs: Sequence[Array | None], opsets: dict[str, int]
) -> list[Array]:
    proto = ir.serde.serialize_node(node)
    given = {f"i{number}": array for number, array in enumerate(inputs) if array is not None}
    proto.input[:] = [f"i{number}" if x is not None else "" for number, x in enumerate(inputs)]
    undefined = onnx.TensorProto.UNDEFINED
    one_node = onnx.helper.make_graph(
        [proto],
        "one_node",
        [onnx.helper.make_tensor_value_info(name, undefined, None) for name in given],
        [onnx.helper.make_tensor_value_info(name, undefined, None) for name in proto.output],
    )
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    evaluator = onnx.reference.ReferenceEvaluator(
        onnx.helper.make_model(one_node, opset_imports=imports)
    )
    results: Any = evaluator.run(None, given)
    return [np.asarray(result) for result in results]


def _reshape(_: ir.Node, x: Array, shape: Array) -> Array:
    sizes = [x.shape[i] if n == 0 else int(n) for i, n in enumerate(shape)]
    return x.reshape(sizes)


def _transpose(node: ir.Node, x: Array) -> Array:
    perm = node.attributes.get("perm")
    return x.transpose(perm.as_ints() if perm else None)


def _div(_: ir.Node, a: Array, b: Array) -> Array:
    """The quotient; of whole numbers it is cut, and not rounded down as Python's is."""
    if a.dtype.kind == "f":
        return a / b
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _squeeze(_: ir.Node, x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, None if axes is None else tuple(int(n) for n in axes))


def _concat(node: ir.Node, *xs: Array) -> Array:
    return np.concatenate(xs, node.attributes["axis"].as_int())


RULES: dict[str, Callable[..., Array]] = {
    "Add": lambda _, a, b: a + b,
    "Concat": _concat,
    "Div": _div,
    "Identity": lambda _, x: x,
    "MatMul": lambda _, a, b: a @ b,
    "Mul": lambda _, a, b: a * b,
    "Neg": lambda _, x: -x,
    "Reciprocal": lambda _, x: 1 / x,
    "Reshape": _reshape,
    "Sqrt": lambda _, x: np.sqrt(x),
    "Squeeze": _squeeze,
    "Sub": lambda _, a, b: a - b,
    "Transpose": _transpose,
    "Unsqueeze": lambda _, x, axes: np.expand_dims(x, tuple(int(n) for n in axes)),
}
"""What weights mostly go through, by NumPy; the rest is for ONNX's reference evaluator."""
