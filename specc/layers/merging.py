"""Layers that make one tensor of several.

The element-wise ones broadcast as Keras does: shapes are aligned at their ends, and sizes of 1
and missing axes stretch. Keras says float32 for whole numbers; inferred is what it computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Axes, Int, arg
from specc.layers.base import Layer, require_axis, require_float
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import Dimension, TensorType

Shape = tuple[Dimension, ...]


class _Elementwise(Layer):
    """What the element-wise merges have in common."""

    supports_masking = True

    maximum_inputs = None
    numbers_to_float32 = True

    def infer(self, *inputs: TensorType) -> TensorType:
        dtype = promoted([x.dtype for x in inputs])
        if len(inputs) > 1:
            refuse_bool(promoted([x.dtype for x in inputs[:2]]))  # Keras starts with these.
        return TensorType(dtype, broadcast([x.shape for x in inputs]))

    operator: ClassVar[str]
    """ONNX's operator of two inputs."""

    def onnx(self, op: Builder, x: list[Value], w: Values) -> Value:
        if len({(value.dtype, value.type.rank) for value in x}) > 1 or not x[0].type.is_float:
            raise NotLowered(f"`{self.kind}` of whole numbers, or of different ranks or dtypes")
        y, *others = x
        for other in others:
            y = getattr(op, self.operator)(y, other)
        return y


class Add(_Elementwise):
    """The sum.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8]] -> Add -> float32[8]
    """

    operator = "Add"


class Subtract(_Elementwise):
    """The first input minus the second.

    Shapes: (*any), (*any) -> (*broadcast)

    Example: [float32[8], float32[8]] -> Subtract -> float32[8]
    """

    operator = "Sub"

    minimum_inputs = 2
    maximum_inputs = 2


class Multiply(_Elementwise):
    """The product.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[16, 16, 3], float32[1, 1, 3]] -> Multiply -> float32[16, 16, 3]
    """

    operator = "Mul"


class Maximum(_Elementwise):
    """The larger of each.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8], float32[8]] -> Maximum -> float32[8]
    """

    operator = "Max"


class Minimum(_Elementwise):
    """The smaller of each.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8], float32[8]] -> Minimum -> float32[8]
    """

    operator = "Min"


class Average(_Elementwise):
    """The mean.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8], float32[8]] -> Average -> float32[8]
    """

    def infer(self, *inputs: TensorType) -> TensorType:
        total = super().infer(*inputs)
        refuse_bool(total.dtype)
        if self.compute_dtype != "float32":
            for index, x in enumerate(inputs):
                require_float(x, index)  # Their mean is of float32 whatever is asked for.
        wide = total.dtype in ("int32", "int64", "uint32", "uint64")
        return TensorType("float64" if wide else "float32", total.shape)

    operator = "Add"

    def onnx(self, op: Builder, x: list[Value], w: Values) -> Value:
        return op.Mul(super().onnx(op, x, w), 1 / len(x))


class Concatenate(Layer):
    """The inputs after each other along an axis.

    Shapes: (*lead, n, *rest), (*lead, m, *rest), ... -> (*lead, n + m + ..., *rest)

    Example: [float32[16, 3], float32[16, 5]] -> Concatenate -> float32[16, 8]
    """

    supports_masking = True

    maximum_inputs = None

    axis: int = arg(Int(), default=-1)

    def infer(self, *inputs: TensorType) -> TensorType:
        rank = inputs[0].rank
        # Along axis 0 the samples of a batch would no longer be those of the input.
        axis = require_axis("axis", self.axis, rank + 1) - 1
        if axis < 0:
            raise Refused(errors.axis_out_of_range, "axis", self.axis, rank + 1)
        for index, x in enumerate(inputs):
            if x.rank != rank:
                sizes = ["*" if i == axis else str(size) for i, size in enumerate(inputs[0].shape)]
                raise Refused(errors.wrong_rank, f"({', '.join(sizes)})", rank, index)
        for i, sizes in enumerate(zip(*[x.shape for x in inputs], strict=True)):
            if i != axis and contradict(sizes):
                raise Refused(errors.inputs_differ, i + 1, sizes)
        joined = [x.shape[axis] for x in inputs]
        known = [size for size in joined if isinstance(size, int)]
        size = sum(known) if len(known) == len(joined) else None
        shape = inputs[0].shape
        return TensorType(
            promoted([x.dtype for x in inputs], only_where_they_differ=True),
            (*shape[:axis], joined[0] if len(joined) == 1 else size, *shape[axis + 1 :]),
        )

    def onnx(self, op: Builder, x: list[Value], w: Values) -> Value:
        if len({value.dtype for value in x}) > 1:
            raise NotLowered("`Concatenate` of different dtypes")
        return op.Concat(*x, axis=self.axis)


class Dot(Layer):
    """The sum of products along an axis of each of two inputs.

    Shapes: (*a, n, *b), (*c, n, *d) -> (*a, *b, *c, *d), or (1,) where that is empty

    Example: [float32[4, 8], float32[6, 8]] -> Dot(axes=2) -> float32[4, 6]
    """

    supports_masking = True

    minimum_inputs = 2
    maximum_inputs = 2

    axes: int | tuple[int, ...] = arg(Axes(2))
    normalize: bool = arg(BOOL, default=False)

    @property
    def hands_mask_on(self) -> bool:
        return False

    def infer(self, x: TensorType, y: TensorType) -> TensorType:
        axes = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        first, second = (
            require_axis("axes", axis, z.rank + 1) for axis, z in zip(axes, (x, y), strict=True)
        )
        if first == 0 or second == 0:
            raise Refused(errors.axis_out_of_range, "axes", 0, (y if first else x).rank + 1)
        n, m = x.shape[first - 1], y.shape[second - 1]
        # Unlike the other merges, Keras takes no unknown size for a known one here.
        if contradict((n, m)) or (n != m and (isinstance(n, int) or isinstance(m, int))):
            raise Refused(errors.inputs_differ, first, (n, m))
        if self.normalize:
            require_float(x, 0)
            require_float(y, 1)
        dtype = "int32" if x.dtype == y.dtype == "int8" else promoted([x.dtype, y.dtype])
        rest = (
            *x.shape[: first - 1],
            *x.shape[first:],
            *y.shape[: second - 1],
            *y.shape[second:],
        )
        return TensorType(dtype, rest or (1,))


def refuse_bool(dtype: str) -> None:
    """Truth values cannot be computed with, except together with numbers."""
    if dtype == "bool":
        raise Refused(errors.dtype_refused, "numbers")


def promoted(dtypes: list[str], only_where_they_differ: bool = False) -> str:
    """The dtype in which Keras computes with these; floats are float32 by now."""
    if len(set(dtypes)) == 1 and (only_where_they_differ or len(dtypes) == 1):
        return dtypes[0]
    if "float32" in dtypes:
        return "float32"
    unsigned = [int(dtype[4:]) for dtype in dtypes if dtype.startswith("uint")]
    signed = [int(dtype[3:]) for dtype in dtypes if dtype.startswith("int")]
    if not signed:
        # Keras computes with 32 bits where it is asked for uint64.
        return f"uint{min(32, max(unsigned))}" if unsigned else "bool"
    bits = max(*signed, *[2 * size for size in unsigned], 0)
    return f"int{bits}" if bits <= 64 else "float32"


def contradict(sizes: Iterable[Dimension]) -> bool:
    """Whether these cannot be one size: two known ones differ, or two names do.

    Keras would wait for two unknown sizes to differ at run time. A name says more than
    "unknown": it agrees wherever it is used, and becomes one dynamic axis in ONNX.
    """
    every = list(sizes)
    known = {size for size in every if isinstance(size, int)}
    names = {size for size in every if isinstance(size, str)}
    return len(known) > 1 or len(names) > 1


def broadcast(shapes: list[Shape]) -> Shape:
    """The shape of an element-wise result."""
    rank = max(len(shape) for shape in shapes)
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result: list[Dimension] = []
    for axis, sizes in enumerate(zip(*aligned, strict=True), start=1):
        longer = {size for size in sizes if size != 1}
        if contradict(longer):
            raise Refused(errors.inputs_differ, axis, sizes)
        # Keras does not conclude from a known size that the unknown one is the same.
        result.append(longer.pop() if len(longer) == 1 else None if longer else 1)
    return tuple(result)
