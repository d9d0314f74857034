"""Operations that pick elements, put them in order, or go along an axis."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import dtype_refused
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Int, Optional, arg
from specc.lowering import Builder, Value
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import DTYPE, TENSOR, IndexTensor, Indices, Key
from specc.ops.lower import (
    FIRST,
    LAST,
    along,
    expanded,
    filled,
    flat,
    numbers_only,
    part,
    plain,
    rank_of,
    worked,
)
from specc.ops.shapes import (
    replaced,
    result,
    sample_axis,
    stretched,
    total,
)
from specc.types import INTEGER_DTYPES, Dimension, TensorType

KeyItem = int | slice | EllipsisType | None

WHOLE = slice(None)


class GetItem(Operation, name="get_item"):
    """What `x[...]` picks."""

    x: TensorType = arg(TENSOR)
    key: tuple[KeyItem, ...] = arg(Key())

    def infer(self) -> TensorType:
        items = self._spelled_out()
        if self.x.batched and items[:1] != [WHOLE]:
            raise Refused(errors.batch_axis_subscript, "key")
        sizes = iter(self.x.whole_shape)
        axis = 0
        shape: list[Dimension] = []
        for item in items:
            if item is None:
                shape.append(1)
                continue
            size = next(sizes)
            if isinstance(item, slice):
                shape.append(self._sliced(size, item))
            elif isinstance(item, int) and isinstance(size, int) and not -size <= item < size:
                raise Refused(errors.index_out_of_range, "key", axis, item, size)
            axis += 1
        return result(self.x.dtype, shape)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x, items = v["x"], self._spelled_out()
        sizes = self.x.whole_shape
        of_axes = [item for item in items if item is not None]
        cuts = {
            axis: _bounds(item, sizes[axis]) for axis, item in enumerate(of_axes) if item != WHOLE
        }
        if cuts:
            starts, ends, steps = (list(bounds) for bounds in zip(*cuts.values(), strict=True))
            x = op.Slice(x, starts, ends, list(cuts), steps)
        gone = [axis for axis, item in enumerate(of_axes) if isinstance(item, int)]
        x = op.Squeeze(x, gone) if gone else x
        kept = [item for item in items if not isinstance(item, int)]
        new = [axis for axis, item in enumerate(kept) if item is None]
        return op.Unsqueeze(x, new) if new else x

    def _spelled_out(self) -> list[KeyItem]:
        """The key with a slice of everything for each axis that it says nothing of."""
        rank = len(self.x.whole_shape)
        count = sum(item is not None and item is not Ellipsis for item in self.key)
        ellipses = self.key.count(Ellipsis)
        if count > rank or ellipses > 1:
            raise Refused(errors.too_many_subscripts, "key", count, rank)
        key = self.key if ellipses else (*self.key, Ellipsis)
        place = key.index(Ellipsis)
        return [*key[:place], *[WHOLE] * (rank - count), *key[place + 1 :]]

    @staticmethod
    def _sliced(size: Dimension, item: slice) -> Dimension:
        if isinstance(size, int):
            start, stop, step = item.indices(size)
            # `len(range(...))` fails where a machine word ends.
            return max(0, -(-(stop - start) // step))
        # The step is what remains to be looked at where both ends are open.
        whole = item.start in (None, 0) and item.stop is None and item.step in (None, 1)
        turned = item.start is None and item.stop is None and item.step == -1
        return size if whole or turned else None


def _bounds(item: int | slice | EllipsisType, size: Dimension) -> tuple[int, int, int]:
    """Start, end and step as ONNX has them; a number is a slice of one.

    Where the size is known Python reckons them: ONNX brings a start before the first element
    back to that also where it would go further down.
    """
    if isinstance(item, int):
        return item, LAST if item == -1 else item + 1, 1
    assert isinstance(item, slice)
    step = 1 if item.step is None else item.step
    if isinstance(size, int):
        start, end, step = item.indices(size)
        if (end - start) * step <= 0:
            return 0, 0, 1
        return start, FIRST if end < 0 else end, step
    open_ends = (0, LAST) if step > 0 else (LAST, FIRST)
    start = open_ends[0] if item.start is None else item.start
    return start, open_ends[1] if item.stop is None else item.stop, step


class Take(Operation, name="take"):
    """The elements at indices along an axis; without an axis, of all elements in a row."""

    x: TensorType = arg(TENSOR)
    indices: TensorType | int | tuple[int, ...] = arg(Indices())
    axis: int | None = arg(Optional(Int()), default=None)

    def infer(self) -> TensorType:
        if self.axis is None:
            if self.x.batched:
                raise Refused(errors.batch_axis_used, None)
            size: Dimension = total(self.x.whole_shape)
            before, after, axis = (), (), 0
        else:
            axis = sample_axis("axis", self.axis, self.x)
            shape = self.x.whole_shape
            before, size, after = shape[:axis], shape[axis], shape[axis + 1 :]
        return result(self.x.dtype, (*before, *self._picked(axis, size), *after))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x, axis = along(op, v["x"], self.axis)
        indices = v["indices"]
        if not isinstance(self.indices, TensorType):
            return op.Gather(x, op.constant(indices, "int64"), axis=axis)
        return op.Gather(x, op.cast(indices, worked(indices.dtype)), axis=axis)

    def _picked(self, axis: int, size: Dimension) -> tuple[Dimension, ...]:
        if isinstance(self.indices, TensorType):
            if self.indices.dtype not in ("int16", "int32", "int64"):
                raise Refused(dtype_refused, "indices of int16, int32 or int64", 1)
            return self.indices.whole_shape
        several = self.indices if isinstance(self.indices, tuple) else (self.indices,)
        for index in several:
            if isinstance(size, int) and not -size <= index < size:
                raise Refused(errors.index_out_of_range, "indices", axis, index, size)
        return (len(several),) if isinstance(self.indices, tuple) else ()


class TakeAlongAxis(Operation, name="take_along_axis"):
    """For each place its own element along an axis."""

    x: TensorType = arg(TENSOR)
    indices: TensorType = arg(IndexTensor())
    axis: int | None = arg(Optional(Int()), default=None)

    def infer(self) -> TensorType:
        if self.indices.dtype not in INTEGER_DTYPES:
            raise Refused(dtype_refused, rules.INTEGERS, 1)
        shape = self.x.whole_shape
        if self.axis is None:
            if self.x.batched:
                raise Refused(errors.batch_axis_used, None)
            shape, axis = (total(shape),), 0
        else:
            axis = sample_axis("axis", self.axis, self.x)
        picked = self.indices.whole_shape
        if len(picked) != len(shape):
            raise Refused(errors.wrong_rank_beside, len(shape), 1)
        return result(
            self.x.dtype,
            [
                there if place == axis else stretched(place, (here, there))
                for place, (here, there) in enumerate(zip(shape, picked, strict=True))
            ],
        )

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x, indices = v["x"], op.cast(v["indices"], "int64")
        if self.axis is None:
            return op.GatherElements(flat(op, x), indices, axis=0)
        axis = self.axis % rank_of(self.x)
        both = expanded(op, x, indices, axis), expanded(op, indices, x, axis)
        return op.GatherElements(*both, axis=axis)


class OneHot(Operation, name="one_hot"):
    """A vector for each whole number, with one at its place and zeros elsewhere."""

    x: TensorType = arg(TENSOR)
    num_classes: int = arg(Int(at_least=1))
    axis: int = arg(Int(), default=-1)
    dtype: str | None = arg(Optional(DTYPE), default=None)
    sparse: bool = arg(BOOL, default=False)

    def validate(self) -> None:
        if self.sparse:
            raise Refused(errors.not_together, "sparse", "x")

    def infer(self) -> TensorType:
        shape = self.x.whole_shape
        if self.axis != -1 and not 0 <= self.axis < len(shape):
            raise Refused(errors.no_such_axis, "axis", self.axis, len(shape))
        axis = len(shape) if self.axis == -1 else self.axis
        return result(self.dtype or "float32", (*shape[:axis], self.num_classes, *shape[axis:]))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        # ONNX's own counts negative numbers from the end; for Keras they are nowhere.
        x = v["x"] if v["x"].dtype == "int32" else op.cast(v["x"], "int64")
        axis = rank_of(self.x) if self.axis == -1 else self.axis
        classes = op.constant(range(self.num_classes), x.dtype)
        beside = op.Unsqueeze(classes, list(range(1, rank_of(self.x) - axis + 1)))
        return op.Equal(op.Unsqueeze(x, [axis]), beside, dtype="bool")


# ---------------------------------------------------------------------- in order


class TopK(Operation, name="top_k"):
    """The largest elements along the last axis, and where they are."""

    x: TensorType = arg(TENSOR)
    k: int = arg(Int(at_least=1))
    sorted: bool = arg(BOOL, default=True)

    def infer(self) -> tuple[TensorType, TensorType]:
        rules.numbers(self.x.dtype)
        axis = sample_axis("x", -1, self.x)
        shape = self.x.whole_shape
        size = shape[axis]
        if isinstance(size, int) and self.k > size:
            raise Refused(errors.index_out_of_range, "k", axis, self.k, size)
        largest = result(self.x.dtype, replaced(shape, axis, self.k))
        return largest, largest._replace(dtype="int32")

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> tuple[Value, Value]:
        x = op.cast(v["x"], worked(self.x.dtype))
        return _ordered(op, x, [self.k], -1, largest=1)


def _ordered(op: Builder, x: Value, count: Any, axis: int, largest: int = 0) -> tuple[Value, Value]:
    """So many of the smallest or largest elements in order, and where they are."""
    values, places = op.TopK(x, count, axis=axis, largest=largest, outputs=2)
    places.dtype = "int64"
    return values, places


class Sort(Operation, name="sort"):
    """The elements in order along an axis; without an axis, all of them."""

    x: TensorType = arg(TENSOR)
    axis: int | None = arg(Optional(Int()), default=-1)

    def infer(self) -> TensorType:
        return along_axis(self.x, self.axis)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return self.sorted(op, v)[0]

    def sorted(self, op: Builder, v: Mapping[str, Any]) -> tuple[Value, Value]:
        """All elements in order, and where they are."""
        x, axis = along(op, op.cast(v["x"], worked(self.x.dtype)), self.axis)
        return _ordered(op, x, op.size(x, axis), axis)


class Argsort(Sort, name="argsort"):
    """Where the elements in order are."""

    def infer(self) -> TensorType:
        return super().infer()._replace(dtype="int32")

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return self.sorted(op, v)[1]


def along_axis(x: TensorType, axis: int | None) -> TensorType:
    """What goes along an axis; without one, along all elements in a row."""
    if axis is None:
        if x.batched:
            raise Refused(errors.batch_axis_used, None)
        return result(x.dtype, (total(x.whole_shape),))
    sample_axis("axis", axis, x)
    return x


# --------------------------------------------------------------------- in a row


class _Cumulative(Operation):
    """What goes along an axis and keeps every step."""

    x: TensorType = arg(TENSOR)
    axis: int | None = arg(Optional(Int()), default=None)
    dtype: str | None = arg(Optional(DTYPE), default=None)

    instead_of_nan: ClassVar[float | None] = None
    """What NaN counts as; None where it is NaN."""

    def infer(self) -> TensorType:
        outcome = along_axis(self.x, self.axis)
        return outcome._replace(dtype=rules.as_number(self.dtype or self.x.dtype))

    def accumulate(self, op: Builder, x: Value, axis: int, rank: int) -> Value:
        """What comes of the elements up to each one along an axis."""
        raise NotImplementedError

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if self.instead_of_nan is not None:
            x = op.typed(numbers_only(op, x, self.x.dtype, self.instead_of_nan), x.type)
        if self.dtype is not None:
            x = op.cast(x, plain(self.dtype))
        x, axis = along(op, op.cast(x, worked(self.infer().dtype)), self.axis)
        return self.accumulate(op, x, axis, 1 if self.axis is None else rank_of(self.x))


class Cumsum(_Cumulative, name="cumsum"):
    """The sums of the elements so far."""

    def accumulate(self, op: Builder, x: Value, axis: int, rank: int) -> Value:
        return op.CumSum(x, op.constant(axis, "int64"))


class Cumprod(_Cumulative, name="cumprod"):
    """The products of the elements so far."""

    def accumulate(self, op: Builder, x: Value, axis: int, rank: int) -> Value:
        # The axis comes where `scan` has the time steps.
        x = op.Unsqueeze(x, [0])
        order = [0, axis + 1, *[other for other in range(1, rank + 1) if other != axis + 1]]
        steps = op.Transpose(x, perm=order)
        first = op.Gather(steps, op.constant(0, "int64"), axis=1)

        def step(held: list[Value], items: list[Value]) -> tuple[list[Value], list[Value]]:
            product = op.Mul(held[0], items[0])
            return [product], [product]

        _, (every,) = op.scan(step, [filled(op, first, 1, x.dtype)], [steps])
        back = [order.index(place) for place in range(rank + 1)]
        return op.Squeeze(op.Transpose(every, perm=back), [0])


class Nancumsum(Cumsum, name="nancumsum"):
    """The sums of the numbers so far."""

    instead_of_nan = 0.0


class Nancumprod(Cumprod, name="nancumprod"):
    """The products of the numbers so far."""

    instead_of_nan = 1.0


class Diff(Operation, name="diff"):
    """The differences between neighbours along an axis."""

    a: TensorType = arg(TENSOR)
    n: int = arg(Int(at_least=0), default=1)
    axis: int = arg(Int(), default=-1)

    def infer(self) -> TensorType:
        axis = sample_axis("axis", self.axis, self.a)
        shape = self.a.whole_shape
        size = shape[axis]
        if isinstance(size, int):
            shape = replaced(shape, axis, max(0, size - self.n))
        elif self.n:
            shape = replaced(shape, axis, None)
        return result(self.a.dtype, shape)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        axis = self.axis % rank_of(self.a)
        truths = self.a.dtype == "bool"
        x = v["a"] if truths else op.cast(v["a"], worked(self.a.dtype))
        for _ in range(self.n):
            later, earlier = part(op, x, axis, 1, LAST), part(op, x, axis, 0, -1)
            x = op.Xor(later, earlier) if truths else op.Sub(later, earlier)
        return x
