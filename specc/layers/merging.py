"""Layers that make one tensor of several.

The element-wise ones broadcast as Keras does: shapes are aligned at their ends, and sizes of 1
and missing axes stretch. Keras says float32 for whole numbers; inferred is what it computes.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_letters as LETTERS  # noqa: N812
from typing import ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Axes, Int, arg
from specc.layers.base import Layer, require_axis, require_float
from specc.lowering import Builder, Value, Values, calculable, where
from specc.types import FLOAT_DTYPES, Dimension, TensorType

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
    of_many: ClassVar[str | None] = None
    """ONNX's operator of any number of inputs, if there is one."""

    def onnx(self, op: Builder, x: list[Value], w: Values) -> Value:
        rank = max(value.type.rank for value in x)
        missing = [list(range(1, 1 + rank - value.type.rank)) for value in x]
        # As in Keras, what is given new axes has no mask any more.
        return self._merged(
            op,
            [op.Unsqueeze(v, axes) if axes else v for v, axes in zip(x, missing, strict=True)],
        )

    def onnx_mask(self, op: Builder, x: list[Value], w: Values) -> Value | None:
        """True where any of the masks is; no input may be without one."""
        masks = [value.mask for value in x if value.mask is not None]
        return any_of(op, masks) if len(masks) == len(x) else None

    def _merged(self, op: Builder, x: list[Value]) -> Value:
        """The inputs, which have the same rank now, merged pair by pair."""
        if self.of_many and len(x) > 2 and x[0].dtype in FLOAT_DTYPES and same_dtype(x):
            return getattr(op, self.of_many)(*x)
        y, *others = x
        for other in others:
            y = self._merged_pair(op, y, other)
        return y

    def _merged_pair(self, op: Builder, x: Value, y: Value) -> Value:
        x, y = in_one_dtype(op, [x, y])
        made = getattr(op, self.operator)(calculable(op, x), calculable(op, y))
        return op.cast(made, x.dtype)


class Add(_Elementwise):
    """The sum.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8]] -> Add -> float32[8]
    """

    operator = "Add"
    of_many = "Sum"


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

    def _merged(self, op: Builder, x: list[Value]) -> Value:
        """What is masked counts as 1, and as 0 where it is so in every input."""
        masks = [value.mask for value in x if value.mask is not None]
        y = super()._merged(op, [kept(op, value.mask, value, 1) for value in x])
        return kept(op, any_of(op, masks), y, 0) if len(masks) == len(x) else y


class _Extreme(_Elementwise):
    """What `Maximum` and `Minimum` have in common: where one is masked, it is the other."""

    def _merged(self, op: Builder, x: list[Value]) -> Value:
        if all(value.mask is None for value in x):
            return super()._merged(op, x)
        y, *others = x
        mask = y.mask
        for other in others:
            first, second = in_one_dtype(op, [y, other])
            second = kept(op, other.mask, second, first)
            first = kept(op, mask, first, second)
            both = mask is not None and other.mask is not None
            mask = op.Or(mask, other.mask) if both else None
            y = self._merged_pair(op, first, second)
        return y


class Maximum(_Extreme):
    """The larger of each.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8], float32[8]] -> Maximum -> float32[8]
    """

    operator = of_many = "Max"


class Minimum(_Extreme):
    """The smaller of each.

    Shapes: (*any), ... -> (*broadcast)

    Example: [float32[8], float32[8], float32[8]] -> Minimum -> float32[8]
    """

    operator = of_many = "Min"


WIDE = ("int32", "int64", "uint32", "uint64")
"""The whole numbers whose mean is of float64."""


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
        wide = total.dtype in WIDE
        return TensorType("float64" if wide else "float32", total.shape)

    operator = "Add"
    of_many = "Sum"

    def _merged(self, op: Builder, x: list[Value]) -> Value:
        total = super()._merged(op, x)
        if total.dtype in FLOAT_DTYPES:
            return op.Mul(total, 1 / len(x))
        wide = total.dtype in WIDE
        return op.Div(op.cast(total, "float64" if wide else "float32"), len(x))


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
        return op.Concat(*in_one_dtype(op, x, only_where_they_differ=True), axis=self.axis)

    def onnx_mask(self, op: Builder, x: list[Value], w: Values) -> Value | None:
        """The masks one after the other; along the features, True where any of them is."""
        masks = [value.mask for value in x]
        found = [mask for mask in masks if mask is not None]
        features = x[0].type.rank
        if self.axis not in (-1, features):
            if not found:
                return None
            whole = [
                op.Expand(op.constant(True, "bool"), op.Shape(value, end=-1, dtype="int64"))
                if mask is None
                else mask
                for value, mask in zip(x, masks, strict=True)
            ]
            return op.Concat(*whole, axis=self.axis % (features + 1))
        # Keras makes a mask of nothing but True where one input has none; that hides nothing.
        return any_of(op, found) if len(found) == len(x) else None


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

    def onnx(self, op: Builder, x: list[Value], w: Values) -> Value:
        ranks = [value.type.rank for value in x]
        given = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        first, second = (axis % (rank + 1) for axis, rank in zip(given, ranks, strict=True))
        if self.normalize:
            x = [normalized(op, x[0], first), normalized(op, x[1], second)]
        a, b = (calculable(op, value) for value in in_one_dtype(op, x))
        if max(ranks) > 2:
            return op.Einsum(a, b, equation=_dot_equation(ranks, first, second))
        a = op.Unsqueeze(a, [1]) if ranks[0] == 1 else moved(op, a, first, to=2)
        b = op.Unsqueeze(b, [2]) if ranks[1] == 1 else moved(op, b, second, to=1)
        y = op.MatMul(a, b)
        if ranks[0] == 1:
            return op.Squeeze(y, [1])
        return op.Squeeze(y, [2]) if ranks[1] == 1 else y


def _dot_equation(ranks: list[int], first: int, second: int) -> str:
    """The products summed along these axes; the first letter is the batch axis of both."""
    batch, summed, *others = LETTERS
    of_x, of_y = others[: ranks[0] - 1], others[ranks[0] - 1 :][: ranks[1] - 1]
    x = [batch, *of_x[: first - 1], summed, *of_x[first - 1 :]]
    y = [batch, *of_y[: second - 1], summed, *of_y[second - 1 :]]
    return f"{''.join(x)},{''.join(y)}->{''.join([batch, *of_x, *of_y])}"


def moved(op: Builder, x: Value, axis: int, to: int) -> Value:
    """With axis 1 or 2 of three in the place of the other."""
    return x if axis == to else op.Transpose(x, perm=[0, 2, 1])


def normalized(op: Builder, x: Value, axis: int) -> Value:
    """Divided by the norm along an axis, but by no less than Keras's epsilon."""
    norm = op.ReduceL2(x, [axis], keepdims=1)
    return op.Div(x, op.Max(norm, 1e-7))


# ------------------------------------------------------- what the lowerings share


def same_dtype(x: list[Value]) -> bool:
    return len({value.dtype for value in x}) == 1


def in_one_dtype(op: Builder, x: list[Value], only_where_they_differ: bool = False) -> list[Value]:
    """The values in the dtype in which Keras computes with them; see `promoted`."""
    floats = [value.dtype for value in x if value.dtype in FLOAT_DTYPES]
    known = ["float32" if value.dtype in floats else value.dtype for value in x]
    dtype = promoted(known, only_where_they_differ)
    dtype = floats[0] if floats and dtype == "float32" else dtype
    return [op.cast(value, dtype) for value in x]


def kept(op: Builder, mask: Value | None, x: Value, other: Value | int) -> Value:
    """`x` where the mask of its steps is True, and the other thing elsewhere."""
    if mask is None:
        return x
    other = other if isinstance(other, int) else calculable(op, other)
    chosen = where(op, op.Unsqueeze(mask, [-1]), calculable(op, x), other)
    return op.cast(chosen, x.dtype)


def any_of(op: Builder, masks: list[Value]) -> Value:
    first, *others = masks
    for other in others:
        first = op.Or(first, other)
    return first


# ------------------------------------------------------- what the rules share


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
