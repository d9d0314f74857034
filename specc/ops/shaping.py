"""Operations that keep the elements and change the shape."""

from __future__ import annotations

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import cannot_reshape
from specc.diagnostics.place import Refused
from specc.layers.arguments import Axes, Int, Ints, Optional, TargetShape, arg
from specc.ops import rules
from specc.ops.base import Operation
from specc.ops.kinds import TENSOR, BatchShape
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


class Squeeze(Operation, name="squeeze"):
    """The tensor without axes of size 1."""

    x: TensorType = arg(TENSOR)
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        shape = self.x.whole_shape
        if self.axis is None:
            if self.x.batched:
                raise Refused(errors.batch_axis_used, None)
            # An unknown size would be dropped where it is 1.
            for axis, size in enumerate(shape):
                if not isinstance(size, int):
                    raise Refused(errors.shape_not_reached, "axis", axis, size, 1)
            gone = [axis for axis, size in enumerate(shape) if size == 1]
        else:
            gone = sample_axes("axis", self.axis, self.x)
            for axis in gone:
                if shape[axis] != 1:
                    raise Refused(errors.shape_not_reached, "axis", axis, shape[axis], 1)
        return result(self.x.dtype, [s for axis, s in enumerate(shape) if axis not in gone])


class Transpose(Operation, name="transpose"):
    """The axes in another order; without `axes`, in the opposite one."""

    x: TensorType = arg(TENSOR)
    axes: tuple[int, ...] | None = arg(Optional(Ints()), default=None)

    def infer(self) -> TensorType:
        shape = self.x.whole_shape
        axes = tuple(reversed(range(len(shape)))) if self.axes is None else self.axes
        if len(axes) != len(shape):
            raise Refused(errors.wrong_count, "axes", len(axes), len(shape))
        order = require_axes("axes", axes, len(shape))
        return result(self.x.dtype, [shape[axis] for axis in order])


class Swapaxes(Operation, name="swapaxes"):
    """Two axes in each other's place."""

    x: TensorType = arg(TENSOR)
    axis1: int = arg(Int())
    axis2: int = arg(Int())

    def infer(self) -> TensorType:
        shape = list(self.x.whole_shape)
        first = require_axis("axis1", self.axis1, len(shape))
        second = require_axis("axis2", self.axis2, len(shape))
        shape[first], shape[second] = shape[second], shape[first]
        return result(self.x.dtype, shape)


class Moveaxis(Operation, name="moveaxis"):
    """Axes moved to other places, the others in their old order."""

    x: TensorType = arg(TENSOR)
    source: int | tuple[int, ...] = arg(Axes())
    destination: int | tuple[int, ...] = arg(Axes())

    def infer(self) -> TensorType:
        shape = self.x.whole_shape
        source = require_axes("source", as_tuple(self.source), len(shape))
        target = require_axes("destination", as_tuple(self.destination), len(shape))
        if len(source) != len(target):
            raise Refused(errors.wrong_count, "destination", len(target), len(source))
        moved = dict(zip(target, source, strict=True))
        rest = iter(axis for axis in range(len(shape)) if axis not in source)
        order = [moved[axis] if axis in moved else next(rest) for axis in range(len(shape))]
        return result(self.x.dtype, [shape[axis] for axis in order])


# ---------------------------------------------------- in another order, same shape


class Flip(Operation, name="flip"):
    """The elements in the opposite order along axes."""

    x: TensorType = arg(TENSOR)
    axis: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)

    def infer(self) -> TensorType:
        sample_axes("axis", self.axis, self.x)
        return self.x


class Fliplr(Operation, name="fliplr"):
    """The elements in the opposite order along axis 1."""

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        require_rank(self.x, 2)
        return self.x


class Flipud(Operation, name="flipud"):
    """The elements in the opposite order along axis 0."""

    x: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        require_rank(self.x, 1)
        if self.x.batched:
            raise Refused(errors.batch_axis_used, None)
        return self.x


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


class Tril(Operation, name="tril"):
    """The lower triangle of matrices, zeros above."""

    x: TensorType = arg(TENSOR)
    k: int = arg(Int(), default=0)

    def infer(self) -> TensorType:
        require_rank(self.x, 2)
        if self.x.batched and self.x.rank == 1:
            raise Refused(errors.batch_axis_used, None)
        return self.x


class Triu(Tril, name="triu"):
    """The upper triangle of matrices, zeros below."""


class _OfMatrices(Operation):
    """What is along the diagonals of matrices that two axes span."""

    x: TensorType = arg(TENSOR)
    offset: int = arg(Int(), default=0)
    axis1: int = arg(Int(), default=0)
    axis2: int = arg(Int(), default=1)

    def split(self) -> tuple[list[Dimension], Dimension, Dimension]:
        """The other axes, and the sizes of the two."""
        require_rank(self.x, 2)
        first = sample_axis("axis1", self.axis1, self.x)
        second = sample_axis("axis2", self.axis2, self.x)
        if first == second:
            raise Refused(errors.axis_twice, "axis2")
        shape = self.x.whole_shape
        rest = [size for axis, size in enumerate(shape) if axis not in (first, second)]
        return rest, shape[first], shape[second]


class Diagonal(_OfMatrices, name="diagonal"):
    """The diagonals of matrices, as the last axis."""

    def infer(self) -> TensorType:
        rest, rows, columns = self.split()
        length = None
        if isinstance(rows, int) and isinstance(columns, int):
            right, down = max(0, self.offset), max(0, -self.offset)
            length = min(rows - down, columns - right)
            if length <= 0:
                raise Refused(errors.no_diagonal, "offset", self.offset, (rows, columns))
        return result(self.x.dtype, [*rest, length])


class Trace(_OfMatrices, name="trace"):
    """The sums of the diagonals of matrices."""

    def infer(self) -> TensorType:
        rest, _, _ = self.split()
        return result(rules.as_sum(self.x.dtype), rest)
