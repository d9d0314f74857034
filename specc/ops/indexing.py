"""Operations that pick elements, put them in order, or go along an axis."""

from __future__ import annotations

from types import EllipsisType

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import dtype_refused
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Int, Optional, arg
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import DTYPE, TENSOR, IndexTensor, Indices, Key
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


class Sort(Operation, name="sort"):
    """The elements in order along an axis; without an axis, all of them."""

    x: TensorType = arg(TENSOR)
    axis: int | None = arg(Optional(Int()), default=-1)

    def infer(self) -> TensorType:
        return along_axis(self.x, self.axis)


class Argsort(Operation, name="argsort"):
    """Where the elements in order are."""

    x: TensorType = arg(TENSOR)
    axis: int | None = arg(Optional(Int()), default=-1)

    def infer(self) -> TensorType:
        return along_axis(self.x, self.axis)._replace(dtype="int32")


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

    def infer(self) -> TensorType:
        outcome = along_axis(self.x, self.axis)
        return outcome._replace(dtype=rules.as_number(self.dtype or self.x.dtype))


class Cumsum(_Cumulative, name="cumsum"):
    """The sums of the elements so far."""


class Cumprod(_Cumulative, name="cumprod"):
    """The products of the elements so far."""


class Nancumsum(_Cumulative, name="nancumsum"):
    """The sums of the numbers so far."""


class Nancumprod(_Cumulative, name="nancumprod"):
    """The products of the numbers so far."""


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
