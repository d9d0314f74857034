"""Operations that keep the elements and change the shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import cannot_reshape
from specc.diagnostics.place import Refused
from specc.layers.arguments import Axes, Int, Ints, Optional, TargetShape, arg
from specc.lowering import Builder, NotLowered, Value
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import TENSOR, BatchShape
from specc.ops.lower import (
    LAST,
    equal,
    flat,
    part,
    places,
    rank_of,
    reduce,
    reordered,
    size_at,
    turned,
    where,
    worked,
)
from specc.ops.shapes import (
    Shape,
    broadcast,
    require_axes,
    require_axis,
    require_rank,
    result,
    sample_axes,
    sample_axis,
    total,
)
from specc.types import BATCH, Dimension, TensorType, shape_text


def as_tuple(axes: int | tuple[int, ...]) -> tuple[int, ...]:
    """One axis or several, as a tuple."""
    return axes if isinstance(axes, tuple) else (axes,)


class Reshape(Operation, name="reshape"):
    """The same elements in another shape.

    The first size of the new shape must be -1 where there is a batch: it stays the batch axis
    where the other sizes take up a sample, and is an axis of unknown size where they do not.
    """

    may_merge_batch = True

    x: TensorType = arg(TENSOR)
    newshape: tuple[int, ...] = arg(TargetShape())

    def infer(self) -> TensorType:
        if self.x.batched:
            return self._infer_batched()
        return result(self.x.dtype, self._filled(self.x.whole_shape))

    def _infer_batched(self) -> TensorType:
        if self.newshape[:1] != (-1,):
            raise Refused(errors.batch_axis_used, "newshape")
        rest = total(self.newshape[1:])
        sample = total(self.x.shape)
        keeps = sample is not None and sample == rest
        return result(self.x.dtype, (BATCH if keeps else None, *self.newshape[1:]))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return op.Reshape(v["x"], list(self.newshape))

    def _filled(self, shape: Shape) -> Shape:
        """The new shape with its -1 worked out."""
        target = self.newshape
        known = total(size for size in shape if isinstance(size, int)) or 1
        unknown = [size for size in shape if not isinstance(size, int)]
        wanted = total(size for size in target if size != -1) or 1
        if unknown:
            if -1 not in target:
                if wanted % known:
                    self._refuse(known)
                return target
            # All that is unknown goes where -1 stands, if the rest is taken up.
            left: Dimension = unknown[0] if len(unknown) == 1 and wanted == known else None
            return tuple(left if size == -1 else size for size in target)
        if -1 not in target:
            if wanted != known:
                self._refuse(known)
            return target
        if known % wanted:
            self._refuse(known)
        return tuple(known // wanted if size == -1 else size for size in target)

    def _refuse(self, size: int) -> None:
        text = shape_text(self.newshape)
        raise Refused(cannot_reshape, "newshape", size, f"{text} does not take so many")


class Ravel(Operation, name="ravel"):
    """All elements in a row, those of the samples of a batch after each other."""

    may_merge_batch = True

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        shape = self.x.whole_shape
        if len(shape) == 1:
            return self.x
        return TensorType(self.x.dtype, (None if self.x.batched else total(shape),), batched=False)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return flat(op, v["x"])


class BroadcastTo(Operation, name="broadcast_to"):
    """The tensor repeated until it has a shape, as element-wise operations do."""

    x: TensorType = arg(TENSOR)
    shape: tuple[int | None, ...] = arg(BatchShape())

    def infer(self) -> TensorType:
        # Keras has no way to say "the batch" in a shape, and refuses None when it runs.
        shape = self.x.whole_shape
        if self.x.batched or None in self.shape:
            raise Refused(errors.batch_axis_used, "shape")
        if len(shape) > len(self.shape):
            raise Refused(errors.wrong_count, "shape", len(self.shape), len(shape))
        offset = len(self.shape) - len(shape)
        for axis, (size, target) in enumerate(
            zip(shape, self.shape[offset:], strict=True), start=offset
        ):
            if isinstance(size, int) and size not in (1, target):
                raise Refused(errors.shape_not_reached, "shape", axis, size, target)
        return result(self.x.dtype, broadcast([self.shape]))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return op.Expand(v["x"], list(self.shape))


class ExpandDims(Operation, name="expand_dims"):
    """New axes of size 1; their numbers are those of the result."""

    x: TensorType = arg(TENSOR)
    axis: int | tuple[int, ...] = arg(Axes())

    def infer(self) -> TensorType:
        axes = as_tuple(self.axis)
        rank = len(self.x.whole_shape) + len(axes)
        new = require_axes("axis", axes, rank)
        rest = iter(self.x.whole_shape)
        return result(self.x.dtype, [1 if axis in new else next(rest) for axis in range(rank)])

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return op.Unsqueeze(v["x"], list(as_tuple(self.axis)))


class Squeeze(Operation, name="squeeze"):
    """The tensor without axes of size 1."""

    x: TensorType = arg(TENSOR)
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        gone = self._gone()
        shape = self.x.whole_shape
        return result(self.x.dtype, [s for axis, s in enumerate(shape) if axis not in gone])

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        gone = self._gone()
        return op.Squeeze(v["x"], gone) if gone else v["x"]

    def _gone(self) -> list[int]:
        """The axes that are left out."""
        shape = self.x.whole_shape
        if self.axis is None:
            if self.x.batched:
                raise Refused(errors.batch_axis_used, None)
            # An unknown size would be dropped where it is 1.
            for axis, size in enumerate(shape):
                if not isinstance(size, int):
                    raise Refused(errors.shape_not_reached, "axis", axis, size, 1)
            return [axis for axis, size in enumerate(shape) if size == 1]
        gone = sample_axes("axis", self.axis, self.x)
        for axis in gone:
            if shape[axis] != 1:
                raise Refused(errors.shape_not_reached, "axis", axis, shape[axis], 1)
        return gone


class _Reordering(Operation):
    """What puts the axes in another order."""

    x: TensorType = arg(TENSOR)

    def order(self) -> list[int]:
        """The axes as they come after each other in the result."""
        raise NotImplementedError

    def infer(self) -> TensorType:
        return result(self.x.dtype, [self.x.whole_shape[axis] for axis in self.order()])

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return reordered(op, v["x"], self.order())


class Transpose(_Reordering, name="transpose"):
    """The axes in another order; without `axes`, in the opposite one."""

    axes: tuple[int, ...] | None = arg(Optional(Ints()), default=None)

    def order(self) -> list[int]:
        rank = rank_of(self.x)
        axes = tuple(reversed(range(rank))) if self.axes is None else self.axes
        if len(axes) != rank:
            raise Refused(errors.wrong_count, "axes", len(axes), rank)
        return require_axes("axes", axes, rank)


class Swapaxes(_Reordering, name="swapaxes"):
    """Two axes in each other's place."""

    axis1: int = arg(Int())
    axis2: int = arg(Int())

    def order(self) -> list[int]:
        rank = rank_of(self.x)
        first = require_axis("axis1", self.axis1, rank)
        second = require_axis("axis2", self.axis2, rank)
        order = list(range(rank))
        order[first], order[second] = second, first
        return order


class Moveaxis(_Reordering, name="moveaxis"):
    """Axes moved to other places, the others in their old order."""

    source: int | tuple[int, ...] = arg(Axes())
    destination: int | tuple[int, ...] = arg(Axes())

    def order(self) -> list[int]:
        rank = rank_of(self.x)
        source = require_axes("source", as_tuple(self.source), rank)
        target = require_axes("destination", as_tuple(self.destination), rank)
        if len(source) != len(target):
            raise Refused(errors.wrong_count, "destination", len(target), len(source))
        moved = dict(zip(target, source, strict=True))
        rest = iter(axis for axis in range(rank) if axis not in source)
        return [moved[axis] if axis in moved else next(rest) for axis in range(rank)]


# ---------------------------------------------------- in another order, same shape


class Flip(Operation, name="flip"):
    """The elements in the opposite order along axes."""

    x: TensorType = arg(TENSOR)
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        sample_axes("axis", self.axis, self.x)
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        axes = sample_axes("axis", self.axis, self.x)
        return turned(op, v["x"], axes) if axes else v["x"]


class Fliplr(Operation, name="fliplr"):
    """The elements in the opposite order along axis 1."""

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        require_rank(self.x, 2)
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return turned(op, v["x"], [1])


class Flipud(Operation, name="flipud"):
    """The elements in the opposite order along axis 0."""

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        require_rank(self.x, 1)
        if self.x.batched:
            raise Refused(errors.batch_axis_used, None)
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return turned(op, v["x"], [0])


class Roll(Operation, name="roll"):
    """The elements moved along axes, the last ones coming back at the front."""

    x: TensorType = arg(TENSOR)
    shift: int | tuple[int, ...] = arg(Axes())
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        axes = sample_axes("axis", self.axis, self.x)
        if self.axis is None:
            if isinstance(self.shift, tuple):
                raise Refused(errors.wrong_count, "shift", len(self.shift), 1)
        elif isinstance(self.shift, tuple) != isinstance(self.axis, tuple) or (
            len(as_tuple(self.shift)) != len(axes)
        ):
            raise Refused(errors.wrong_count, "shift", len(as_tuple(self.shift)), len(axes))
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = v["x"]
        if self.axis is None:
            row = op.typed(flat(op, x), TensorType(x.dtype, (total(self.x.shape),), batched=False))
            return op.Reshape(
                _rolled(op, row, 0, as_tuple(self.shift)[0]), op.Shape(x, dtype="int64")
            )
        for axis, shift in zip(as_tuple(self.axis), as_tuple(self.shift), strict=True):
            x = op.typed(_rolled(op, x, axis % rank_of(self.x), shift), x.type)
        return x


def _rolled(op: Builder, x: Value, axis: int, shift: int) -> Value:
    """What comes back at the front and what moves up, both cut where the roll begins."""
    size = size_at(op, x, axis)
    if isinstance(size, int):
        cut: Any = -shift % size
        if cut == 0:
            return x
    else:
        cut = op.Mod(op.constant([-shift], "int64"), size, fmod=0)
    return op.Concat(part(op, x, axis, cut, LAST), part(op, x, axis, 0, cut), axis=axis)


class Tril(Operation, name="tril"):
    """The lower triangle of matrices, zeros above."""

    x: TensorType = arg(TENSOR)
    k: int = arg(Int(), default=0)

    upper: ClassVar[int] = 0

    def infer(self) -> TensorType:
        require_rank(self.x, 2)
        if self.x.batched and self.x.rank == 1:
            raise Refused(errors.batch_axis_used, None)
        # TensorFlow takes no wider band than the matrix is.
        sizes = self.x.whole_shape[-2:]
        size, band = (sizes[0], -self.k) if self.upper else (sizes[1], self.k)
        if isinstance(size, int) and band > size:
            raise Refused(errors.no_diagonal, "k", self.k, sizes)
        return self.x

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        # Of whole numbers, runtimes have it with 64 bits alone.
        x = v["x"] if self.x.is_float or self.x.dtype == "bool" else op.cast(v["x"], "int64")
        return op.Trilu(x, op.constant(self.k, "int64"), upper=self.upper)


class Triu(Tril, name="triu"):
    """The upper triangle of matrices, zeros below."""

    upper = 1


class _OfMatrices(Operation):
    """What is along the diagonals of matrices that two axes span."""

    x: TensorType = arg(TENSOR)
    offset: int = arg(Int(), default=0)
    axis1: int = arg(Int(), default=0)
    axis2: int = arg(Int(), default=1)

    @property
    def axes(self) -> tuple[int, int]:
        """The two axes, counted from the front."""
        require_rank(self.x, 2)
        first = sample_axis("axis1", self.axis1, self.x)
        second = sample_axis("axis2", self.axis2, self.x)
        if first == second:
            raise Refused(errors.axis_twice, "axis2")
        return first, second

    @property
    def rest(self) -> list[int]:
        """The other axes."""
        gone = self.axes
        return [axis for axis in range(rank_of(self.x)) if axis not in gone]

    def others(self) -> list[Dimension]:
        """The sizes of the other axes."""
        return [self.x.whole_shape[axis] for axis in self.rest]


class Diagonal(_OfMatrices, name="diagonal"):
    """The diagonals of matrices, as the last axis."""

    def infer(self) -> TensorType:
        rows, columns = (self.x.whole_shape[axis] for axis in self.axes)
        length = None
        if isinstance(rows, int) and isinstance(columns, int):
            right, down = max(0, self.offset), max(0, -self.offset)
            length = min(rows - down, columns - right)
            if length <= 0:
                raise Refused(errors.no_diagonal, "offset", self.offset, (rows, columns))
        return result(self.x.dtype, [*self.others(), length])

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        rows, columns = (self.x.whole_shape[axis] for axis in self.axes)
        length = self.infer().whole_shape[-1]
        if not (isinstance(rows, int) and isinstance(columns, int) and isinstance(length, int)):
            raise NotLowered("`diagonal` of matrices of unknown size")
        first = max(0, -self.offset) * columns + max(0, self.offset)
        places = [first + index * (columns + 1) for index in range(length)]
        matrices = reordered(op, v["x"], [*self.rest, *self.axes])
        row = op.Reshape(matrices, [0] * len(self.rest) + [rows * columns])
        return op.Gather(row, places, axis=-1)


class Trace(_OfMatrices, name="trace"):
    """The sums of the diagonals of matrices."""

    def infer(self) -> TensorType:
        return result(rules.as_sum(self.x.dtype), self.others())

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x = op.cast(v["x"], worked(self.infer().dtype))
        row, column = (places(op, v["x"], axis) for axis in self.axes)
        diagonal = equal(op, op.Add(row, self.offset), column)
        return reduce(op, "ReduceSum", where(op, diagonal, x, 0), sorted(self.axes))
