"""An operation applied in ONNX, and what the lowerings of many operations share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from specc.lowering import Builder, NotLowered, Value, plain, where
from specc.lowering import worked as worked
from specc.ops.base import Operation
from specc.ops.shapes import Shape, total
from specc.types import FLOAT_DTYPES, Dimension, TensorType

FIRST, LAST = -(2**63), 2**63 - 1
"""For the bounds of a slice: from the first element on, up to the last one."""


def lower_operation(
    op: Builder, operation: Operation, given: Mapping[str, Any]
) -> tuple[Value, ...]:
    """What an operation gives for these arguments, with types.

    It is made anew for the types of the values: those of a model within another one may be other
    types than the model was checked with.

    Raises:
        NotLowered: where the operation has no lowering.
    """
    applied = type(operation)(**{name: _type_of(value) for name, value in given.items()})
    outputs = applied.apply()
    made = applied.onnx(op, {name: _computed(op, value) for name, value in given.items()})
    values = cast("Sequence[Value]", made if isinstance(made, tuple) else [made])
    return tuple(
        [
            op.typed(op.cast(value, type_.dtype), type_)
            for value, type_ in zip(values, outputs, strict=True)
        ]
    )


def _type_of(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple([_type_of(item) for item in cast("list[Any]", value)])
    return value.type if hasattr(value, "mask") else value


def _computed(op: Builder, value: Any) -> Any:
    """An argument with float32 in the place of bfloat16, as `lower_layer` computes too."""
    if isinstance(value, list | tuple):
        return tuple([_computed(op, item) for item in cast("list[Any]", value)])
    return op.cast(value, plain(value.dtype)) if hasattr(value, "mask") else value


# ----------------------------------------------------------------------- of dtypes


def strong(op: Builder, operand: Any, dtype: str) -> Value:
    """An operand in a dtype; Keras makes a tensor of int32 or float32 of a number first."""
    if not isinstance(operand, int | float):
        return op.cast(operand, dtype)
    import numpy as np

    return op.constant(np.float32(operand) if isinstance(operand, float) else operand, dtype)


def is_float(x: Value) -> bool:
    return x.dtype in FLOAT_DTYPES


def single(op: Builder, x: Value) -> Value:
    """A value in float32 where it has fewer bits, for operators that runtimes lack for these."""
    return op.cast(x, "float32") if x.dtype == "float16" else x


def truth(op: Builder, x: Value) -> Value:
    """Which elements are not zero."""
    return op.cast(x, "bool")


# ----------------------------------------------------------------------- of shapes


def rank_of(x: TensorType) -> int:
    """The number of axes, the batch axis counted."""
    return len(x.whole_shape)


def filled(op: Builder, x: Value, number: float, dtype: str) -> Value:
    """A number, as many times as a value has elements."""
    return op.Expand(op.constant(number, plain(dtype)), op.Shape(x, dtype="int64"))


def size_at(op: Builder, x: Value, axis: int) -> int | Value:
    """The size of an axis of something with a type: a number, or found at run time."""
    size = x.type.whole_shape[axis]
    return size if isinstance(size, int) else op.size(x, axis)


def sizes_of(op: Builder, x: Value) -> list[int | Value]:
    """The sizes of all axes."""
    return [size_at(op, x, axis) for axis in range(rank_of(x.type))]


def vector(op: Builder, sizes: Sequence[int | Value]) -> Any:
    """Sizes in one tensor of int64."""
    if all(isinstance(size, int) for size in sizes):
        return list(sizes)
    parts = [op.constant([size], "int64") if isinstance(size, int) else size for size in sizes]
    return op.Concat(*parts, axis=0)


def flat(op: Builder, x: Value) -> Value:
    """All elements in a row."""
    return op.Reshape(x, [-1])


def known_sizes(shape: Shape, axes: Sequence[int]) -> int | None:
    """The number of elements along axes; None where it is not known."""
    return total([shape[axis] for axis in axes])


def same_size(a: Dimension, b: Dimension) -> bool:
    """Whether two sizes are known to be one."""
    return a is not None and a == b


def along(op: Builder, x: Value, axis: int | None) -> tuple[Value, int]:
    """A value and an axis of it; without one all elements in a row, along axis 0."""
    if axis is None:
        return flat(op, x), 0
    return x, axis % rank_of(x.type)


def places(op: Builder, x: Value, axis: int) -> Value:
    """0, 1, 2, ... along an axis of something with a type, and sizes of 1 along the others."""
    size = size_at(op, x, axis)
    if isinstance(size, int):
        every = op.constant(range(size), "int64")
    else:
        zero, one = op.constant(0, "int64"), op.constant(1, "int64")
        every = op.Range(zero, op.Squeeze(size, [0]), one)
    shape = [1] * rank_of(x.type)
    shape[axis] = -1
    return op.Reshape(every, shape)


def turned(op: Builder, x: Value, axes: Sequence[int]) -> Value:
    """The elements in the opposite order along axes."""
    count = len(axes)
    return op.Slice(x, [-1] * count, [FIRST] * count, list(axes), [-1] * count)


def part(op: Builder, x: Value, axis: int, start: Any, end: Any, step: int = 1) -> Value:
    """What is between two places along an axis."""
    start, end = (bound if hasattr(bound, "dtype") else [bound] for bound in (start, end))
    return op.Slice(x, start, end, [axis], [step])


def reordered(op: Builder, x: Value, order: Sequence[int]) -> Value:
    """The axes in another order."""
    return x if list(order) == sorted(order) else op.Transpose(x, perm=list(order))


# ------------------------------------------------------------------- of operators


def reduce(
    op: Builder, operator: str, x: Value, axes: Sequence[int], keepdims: bool = False
) -> Value:
    """A `Reduce...` operator along axes, or of a single number that has none."""
    taken = (x, list(axes)) if axes else (x,)
    return getattr(op, operator)(*taken, keepdims=int(keepdims))


def complement(op: Builder, x: Value) -> Value:
    """Whole numbers with every bit turned over."""
    return op.Sub(op.constant(-1, x.dtype), x)


def any_along(op: Builder, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
    """Whether some element is not zero."""
    found = reduce(op, "ReduceMax", op.cast(truth(op, x), "int32"), axes, keepdims)
    return truth(op, found)


def all_along(op: Builder, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
    """Whether no element is zero."""
    found = reduce(op, "ReduceMin", op.cast(truth(op, x), "int32"), axes, keepdims)
    return truth(op, found)


def equal(op: Builder, a: Value, b: Value | float) -> Value:
    return op.Equal(a, b, dtype="bool")


def smaller(op: Builder, a: Value, b: Value | float) -> Value:
    return op.Less(a, b, dtype="bool")


def larger(op: Builder, a: Value, b: Value | float) -> Value:
    return op.Greater(a, b, dtype="bool")


def maximum(op: Builder, a: Value, b: Value | float) -> Value:
    """The larger one of each two.

    onnxruntime 1.26 compares int64 by their lower 32 bits in `Max`, `Min`, `Clip` and `Relu` on
    some processors; its comparisons are right. (Its reductions are not, and have no other way.)
    """
    return where(op, larger(op, a, b), a, b) if a.dtype == "int64" else op.Max(a, b)


def minimum(op: Builder, a: Value, b: Value | float) -> Value:
    """The smaller one of each two; see `maximum`."""
    return where(op, smaller(op, a, b), a, b) if a.dtype == "int64" else op.Min(a, b)


def kept_between(op: Builder, x: Value, low: Any, high: Any) -> Value:
    """Each element, kept between two bounds; see `maximum`."""
    if x.dtype == "int64":
        return maximum(op, minimum(op, x, int(high)), int(low))
    return op.Clip(x, low, high)


def is_nan(op: Builder, x: Value) -> Value:
    return op.IsNaN(x, dtype="bool")


def is_infinite(op: Builder, x: Value, negative: bool = True, positive: bool = True) -> Value:
    """Whether each element is infinite, of the signs that count."""
    signs = {"detect_negative": int(negative), "detect_positive": int(positive)}
    return op.IsInf(single(op, x), dtype="bool", **signs)


def numbers_only(
    op: Builder,
    x: Value,
    dtype: str,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Value:
    """Numbers in place of NaN, and of what is infinite: the ends of the range of a dtype."""
    import ml_dtypes

    if not is_float(x):
        return x
    finfo: Any = ml_dtypes.finfo
    end = float(finfo(dtype).max)
    ends = end if posinf is None else posinf, -end if neginf is None else neginf
    x = where(op, is_nan(op, x), nan, x)
    x = where(op, is_infinite(op, x, negative=False), ends[0], x)
    return where(op, is_infinite(op, x, positive=False), ends[1], x)


def log1p(op: Builder, x: Value) -> Value:
    """`log(1 + x)` that keeps the digits of a small `x`.

    What the sum loses of `x` shows in `(1 + x) - 1`, and the logarithm is nearly linear there.
    """
    y = op.Add(x, 1.0)
    lost = op.Or(equal(op, y, 1.0), is_infinite(op, y))
    return where(op, lost, x, op.Mul(op.Log(y), op.Div(x, op.Sub(y, 1.0))))


def expm1(op: Builder, x: Value) -> Value:
    """`exp(x) - 1` that keeps the digits of a small `x`; see `log1p`."""
    y = op.Exp(x)
    less = op.Sub(y, 1.0)
    near = where(op, equal(op, y, 1.0), x, op.Mul(less, op.Div(x, op.Log(y))))
    return where(op, smaller(op, op.Abs(x), 0.5), near, less)


def repeated(
    op: Builder, times: int, step: Callable[[list[Value]], list[Value]], states: list[Value]
) -> list[Value]:
    """What so many steps make of states, which keep their shapes."""
    beats = op.constant([[0] * times], "int32")
    last, _ = op.scan(lambda held, _: (step(held), []), states, [beats])
    return last


def norm(
    op: Builder, x: Value, order: float | str | None, axes: Sequence[int], keepdims: bool
) -> Value:
    """The norm of vectors, or of matrices along two axes."""
    if order in (None, "fro") or (order == 2 and len(axes) == 1):
        return reduce(op, "ReduceL2", x, axes, keepdims)
    if len(axes) == 2:
        if order not in (1, -1):
            raise NotLowered("a norm of singular values")
        sums = reduce(op, "ReduceL1", x, axes[:1], keepdims=True)
        found = reduce(op, "ReduceMax" if order == 1 else "ReduceMin", sums, axes[1:], True)
        return found if keepdims else op.Squeeze(found, list(axes))
    if order == 0:
        there = op.cast(truth(op, x), x.dtype)
        return reduce(op, "ReduceSum", there, axes, keepdims)
    if order == 1:
        return reduce(op, "ReduceL1", x, axes, keepdims)
    assert isinstance(order, int | float)
    if math.isinf(order):
        operator = "ReduceMax" if order > 0 else "ReduceMin"
        return reduce(op, operator, op.Abs(x), axes, keepdims)
    powers = op.Pow(op.Abs(x), float(order))
    return op.Pow(reduce(op, "ReduceSum", powers, axes, keepdims), 1 / order)


def expanded(op: Builder, x: Value, like: Value, but: int) -> Value:
    """A value with the sizes that another has, except along an axis.

    Both have types of one rank; a size of 1 of either stretches.
    """
    sizes: list[int | Value] = []
    for axis, (own, other) in enumerate(
        zip(x.type.whole_shape, like.type.whole_shape, strict=True)
    ):
        fits = axis == but or same_size(own, other) or other == 1
        sizes.append(1 if fits else size_at(op, like, axis))
    if all(isinstance(size, int) and size == 1 for size in sizes):
        return x
    return op.Expand(x, vector(op, sizes))
