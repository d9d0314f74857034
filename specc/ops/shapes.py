"""Rules of shapes that many operations share. Shapes are whole ones here: with the batch axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors import shapes as shape_errors
from specc.diagnostics.place import Refused
from specc.types import BATCH, Dimension, TensorType

Shape = tuple[Dimension, ...]


def require_axis(argument: str, axis: int, rank: int, index: int = 0) -> int:
    """The axis counted from the front; `rank` counts the batch axis as `axis` does."""
    if not -rank <= axis < rank:
        raise Refused(errors.no_such_axis, argument, axis, rank, index)
    return axis % rank


def require_axes(argument: str, axes: Iterable[int], rank: int, index: int = 0) -> list[int]:
    """The axes counted from the front, all of them different."""
    found = [require_axis(argument, axis, rank, index) for axis in axes]
    if len(set(found)) < len(found):
        raise Refused(errors.axis_twice, argument)
    return found


def sample_axis(argument: str, axis: int, x: TensorType, index: int = 0) -> int:
    """The axis counted from the front, which must not be the batch axis."""
    found = require_axis(argument, axis, len(x.whole_shape), index)
    if x.batched and found == 0:
        raise Refused(errors.batch_axis_used, argument, index)
    return found


def sample_axes(argument: str, axes: int | tuple[int, ...] | None, x: TensorType) -> list[int]:
    """The axes (None is all of them) counted from the front; none may be the batch axis."""
    rank = len(x.whole_shape)
    if axes is None:
        axes = tuple(range(rank))
    found = require_axes(argument, axes if isinstance(axes, tuple) else (axes,), rank)
    if x.batched and 0 in found:
        raise Refused(errors.batch_axis_used, argument, 0)
    return found


def require_rank(x: TensorType, least: int, index: int = 0) -> None:
    """Refuse a tensor of fewer axes, the batch axis counted."""
    if len(x.whole_shape) < least:
        raise Refused(errors.too_few_axes, least, index)


def result(dtype: str, shape: Sequence[Dimension]) -> TensorType:
    """A type of this shape, in which the batch axis may only be the first."""
    for axis, size in enumerate(shape):
        if axis > 0 and size == BATCH:
            raise Refused(errors.batch_axis_moved, axis)
    return TensorType.of_whole_shape(dtype, tuple(shape))


def contradict(sizes: Iterable[Dimension]) -> bool:
    """Whether these cannot be one size: two known ones differ, or two names do."""
    every = set(sizes)
    known = [size for size in every if isinstance(size, int)]
    names = [size for size in every if isinstance(size, str)]
    return len(known) > 1 or len(names) > 1


def agreed(axis: int, sizes: Sequence[Dimension]) -> Dimension:
    """The one size that these are, the best known; `axis` is where, for errors."""
    if BATCH in sizes:
        others = [size for size in sizes if size not in (BATCH, None)]
        if others:
            raise Refused(errors.batch_axis_meets_size, axis, others[0])
        return BATCH
    if contradict(sizes):
        raise Refused(shape_errors.inputs_differ, axis, tuple(sizes))
    known = [size for size in sizes if isinstance(size, int)]
    names = [size for size in sizes if isinstance(size, str)]
    return (known or names or [None])[0]


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an element-wise result: aligned at the ends, sizes of 1 stretch."""
    rank = max(len(shape) for shape in shapes)
    aligned = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(stretched(axis, sizes) for axis, sizes in enumerate(zip(*aligned, strict=True)))


def stretched(axis: int, sizes: Sequence[Dimension]) -> Dimension:
    """The size that an axis of an element-wise result has."""
    longer = [size for size in sizes if size != 1]
    if BATCH in longer:
        return agreed(axis, longer)
    if contradict(longer):
        raise Refused(shape_errors.inputs_differ, axis, tuple(sizes))
    known = [size for size in longer if isinstance(size, int)]
    if known:
        # Keras concludes that an unknown size is this one, or 1, which stretches.
        return known[0]
    # A size without a name may stretch, or be stretched.
    return None if None in longer else (longer or [1])[0]


def without(shape: Shape, axes: Iterable[int], keepdims: bool = False) -> Shape:
    """A shape without these axes, or with sizes of 1 in their places."""
    gone = set(axes)
    if keepdims:
        return tuple(1 if axis in gone else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def replaced(shape: Shape, axis: int, size: Dimension) -> Shape:
    """A shape with another size along an axis."""
    return (*shape[:axis], size, *shape[axis + 1 :])


def total(shape: Iterable[Dimension]) -> int | None:
    """The number of elements; None where a size is unknown."""
    sizes = list(shape)
    known = [size for size in sizes if isinstance(size, int)]
    return prod(known) if len(known) == len(sizes) else None


def added(sizes: Sequence[Dimension]) -> Dimension:
    """The sum of sizes; None where one is unknown."""
    known = [size for size in sizes if isinstance(size, int)]
    if len(sizes) == 1:
        return sizes[0]
    return sum(known) if len(known) == len(sizes) else None


def contracted(
    x: TensorType, axis: int, other: TensorType, other_axis: int, index: int = 0
) -> None:
    """Refuse to sum over axes of two operands whose sizes differ, or over the batch."""
    size, other_size = x.whole_shape[axis], other.whole_shape[other_axis]
    if BATCH in (size, other_size):
        raise Refused(errors.batch_axis_used, None, index if size == BATCH else index + 1)
    if contradict((size, other_size)):
        raise Refused(errors.contraction_differs, (axis, other_axis), (size, other_size))
