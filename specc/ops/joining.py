"""Operations that put tensors together, take them apart, or repeat what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import arguments_conflict, size_needed
from specc.diagnostics.place import Refused
from specc.layers.arguments import Choice, Int, Optional, arg
from specc.lowering import Builder, NotLowered, Value
from specc.ops.base import Operation
from specc.ops.kinds import CONSTANT, TENSOR, TENSORS, Counts, PadWidth, Sections
from specc.ops.lower import (
    FIRST,
    along,
    part,
    plain,
    rank_of,
    size_at,
    sizes_of,
    vector,
    worked,
)
from specc.ops.promotion import holds, promoted
from specc.ops.shapes import (
    Shape,
    added,
    agreed,
    replaced,
    require_axis,
    require_rank,
    result,
    sample_axis,
    total,
)
from specc.types import BATCH, FLOAT_DTYPES, Dimension, TensorType


def joined(tensors: tuple[TensorType, ...], axis: int, argument: str | None = "axis") -> TensorType:
    """Tensors after each other along an axis that was counted from the front."""
    rank = len(tensors[0].whole_shape)
    for index, x in enumerate(tensors):
        if len(x.whole_shape) != rank:
            raise Refused(errors.wrong_rank_beside, rank, index)
        if x.batched and axis == 0:
            raise Refused(errors.batch_axis_used, argument, index)
    shape = _beside([x.whole_shape for x in tensors], axis)
    size = added([x.whole_shape[axis] for x in tensors])
    return result(joined_dtype(tensors), replaced(shape, axis, size))


def joined_dtype(tensors: tuple[TensorType, ...]) -> str:
    """The dtype of several tensors in one; where they are alike it is theirs."""
    dtypes = {x.dtype for x in tensors}
    return dtypes.pop() if len(dtypes) == 1 else promoted(*dtypes)


def _beside(shapes: list[Shape], but: int | None = None) -> Shape:
    """The one shape that these are, except along an axis."""
    first = shapes[0]
    return tuple(
        size if axis == but else _as_keras(size, agreed(axis, [shape[axis] for shape in shapes]))
        for axis, size in enumerate(first)
    )


def _as_keras(first: Dimension, best: Dimension) -> Dimension:
    """Keras takes the sizes of the first; a name may still stand for an unknown one."""
    return first if first is not None or isinstance(best, int) else best


def in_one(op: Builder, xs: Sequence[Value], dtype: str, axis: int) -> Value:
    """Values after each other along an axis."""
    cast = [op.cast(x, plain(dtype)) for x in xs]
    return op.Concat(*cast, axis=axis) if len(cast) > 1 else cast[0]


class Concatenate(Operation, name="concatenate"):
    """Tensors after each other along an axis."""

    xs: tuple[TensorType, ...] = arg(TENSORS)
    axis: int = arg(Int(), default=0)

    def infer(self) -> TensorType:
        return joined(self.xs, require_axis("axis", self.axis, len(self.xs[0].whole_shape)))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return in_one(op, v["xs"], self.infer().dtype, self.axis)


class Append(Operation, name="append"):
    """One tensor after another along an axis; without an axis, all elements in a row."""

    x1: TensorType = arg(TENSOR)
    x2: TensorType = arg(TENSOR)
    axis: int | None = arg(Optional(Int()), default=None)

    def infer(self) -> TensorType:
        both = (self.x1, self.x2)
        if self.axis is None:
            sizes = [total(x.whole_shape) for x in both]
            return result(promoted(*[x.dtype for x in both]), (added(sizes),))
        axis = require_axis("axis", self.axis, len(self.x1.whole_shape))
        outcome = joined(both, axis)
        # Keras adds up the sizes without looking whether it knows them.
        if not all(isinstance(x.whole_shape[axis], int) for x in both):
            raise Refused(size_needed, "axis", axis)
        return outcome._replace(dtype=promoted(*[x.dtype for x in both]))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        both = [along(op, v[name], self.axis) for name in ("x1", "x2")]
        return in_one(op, [x for x, _ in both], self.infer().dtype, both[0][1])


class _Stacks(Operation):
    """What stacks with other names have in common."""

    xs: tuple[TensorType, ...] = arg(TENSORS)


class Hstack(_Stacks, name="hstack"):
    """Tensors after each other along axis 1."""

    def infer(self) -> TensorType:
        for index, x in enumerate(self.xs):
            require_rank(x, 2, index)
        return joined(self.xs, 1, None)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return in_one(op, v["xs"], self.infer().dtype, 1)


class Dstack(_Stacks, name="dstack"):
    """Tensors after each other along axis 2."""

    def infer(self) -> TensorType:
        deep = tuple(_deep(x) for x in self.xs)
        return joined(deep, 2, None)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        new = {0: [0, 1, 2], 1: [0, 2], 2: [2]}
        ranks = [rank_of(x.type) for x in v["xs"]]
        deep = [
            op.Unsqueeze(x, new[rank]) if rank in new else x
            for x, rank in zip(v["xs"], ranks, strict=True)
        ]
        return in_one(op, deep, self.infer().dtype, 2)


def _deep(x: TensorType) -> TensorType:
    """The tensor with three axes or more."""
    shape = x.whole_shape
    before = {0: (1, 1), 1: (1,)}.get(len(shape), ())
    return x if len(shape) > 2 else result(x.dtype, (*before, *shape, 1))


class Stack(Operation, name="stack"):
    """Tensors of one shape beside each other along a new axis."""

    x: tuple[TensorType, ...] = arg(TENSORS)
    axis: int = arg(Int(), default=0)

    def infer(self) -> TensorType:
        rank = len(self.x[0].whole_shape)
        for index, x in enumerate(self.x):
            if len(x.whole_shape) != rank:
                raise Refused(errors.wrong_rank_beside, rank, index)
        axis = require_axis("axis", self.axis, rank + 1)
        shape = _beside([x.whole_shape for x in self.x])
        return result(joined_dtype(self.x), (*shape[:axis], len(self.x), *shape[axis:]))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        axis = self.axis % (rank_of(self.x[0]) + 1)
        return in_one(op, [op.Unsqueeze(x, [axis]) for x in v["x"]], self.infer().dtype, axis)


# ---------------------------------------------------------------------- apart


MAX_RESULTS = 1_000
"""Tensors that one operation may give."""


def require_few(argument: str, count: int) -> None:
    """Refuse to make more tensors than anyone could use."""
    if count > MAX_RESULTS:
        raise Refused(errors.too_many_results, argument, count, MAX_RESULTS)


class Split(Operation, name="split"):
    """Parts along an axis: so many of one size, or cut in these places."""

    x: TensorType = arg(TENSOR)
    indices_or_sections: int | tuple[int, ...] = arg(Sections())
    axis: int = arg(Int(), default=0)

    def infer(self) -> tuple[TensorType, ...]:
        axis = sample_axis("axis", self.axis, self.x)
        return parts(self.x, self.indices_or_sections, axis)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> tuple[Value, ...]:
        x, axis = along(op, v["x"], self.axis)
        sections = self.indices_or_sections
        if isinstance(sections, int):
            return apart(op, x, None, sections, axis)
        size = size_at(op, x, axis)
        last = size - sections[-1] if isinstance(size, int) else op.Sub(size, sections[-1])
        sizes = [after - before for before, after in pairwise([0, *sections])]
        return apart(op, x, [*sizes, last], len(sizes) + 1, axis)


def parts(x: TensorType, sections: int | tuple[int, ...], axis: int) -> tuple[TensorType, ...]:
    """What `split` makes, along an axis counted from the front."""
    shape = x.whole_shape
    size = shape[axis]
    if isinstance(sections, int):
        require_few("indices_or_sections", sections)
        if not isinstance(size, int):
            one: Dimension = size if sections == 1 else None
        elif size % sections:
            raise Refused(errors.does_not_divide, "indices_or_sections", axis, size, sections)
        else:
            one = size // sections
        return (result(x.dtype, replaced(shape, axis, one)),) * sections
    places = [0, *sections]
    if any(after < before for before, after in pairwise(places)):
        raise Refused(arguments_conflict, "indices_or_sections", "its places are not in order")
    if isinstance(size, int) and places[-1] > size:
        raise Refused(errors.index_out_of_range, "indices_or_sections", axis, places[-1], size)
    sizes: list[Dimension] = [after - before for before, after in pairwise(places)]
    sizes.append(size - places[-1] if isinstance(size, int) else None)
    return tuple(result(x.dtype, replaced(shape, axis, one)) for one in sizes)


def apart(
    op: Builder, x: Value, sizes: Sequence[int | Value] | None, count: int, axis: int
) -> tuple[Value, ...]:
    """Parts along an axis, of these sizes or so many of one size."""
    if count == 1:
        return (x,)
    if sizes is None:
        return op.Split(x, axis=axis, num_outputs=count, outputs=count)
    return op.Split(x, vector(op, sizes), axis=axis, outputs=count)


class ArraySplit(Operation, name="array_split"):
    """So many parts along an axis, the first ones larger where the size does not divide."""

    x: TensorType = arg(TENSOR)
    indices_or_sections: int = arg(Int(at_least=1))
    axis: int = arg(Int(), default=0)

    def infer(self) -> tuple[TensorType, ...]:
        axis = sample_axis("axis", self.axis, self.x)
        shape = self.x.whole_shape
        size, count = shape[axis], self.indices_or_sections
        require_few("indices_or_sections", count)
        return tuple(
            result(
                self.x.dtype,
                replaced(
                    shape,
                    axis,
                    size // count + (index < size % count) if isinstance(size, int) else None,
                ),
            )
            for index in range(count)
        )

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> tuple[Value, ...]:
        x, axis = along(op, v["x"], self.axis)
        sizes = [one.whole_shape[axis] for one in self.infer()]
        known = [size for size in sizes if isinstance(size, int)]
        if len(known) < len(sizes):
            raise NotLowered("`array_split` along an axis of unknown size")
        return apart(op, x, known, len(known), axis)


class Unstack(Operation, name="unstack"):
    """What stands along an axis, each a tensor of its own."""

    x: TensorType = arg(TENSOR)
    num: int | None = arg(Optional(Int(at_least=1)), default=None)
    axis: int = arg(Int(), default=0)

    def infer(self) -> tuple[TensorType, ...]:
        axis = sample_axis("axis", self.axis, self.x)
        shape = self.x.whole_shape
        size = shape[axis]
        if self.num is not None and isinstance(size, int) and self.num != size:
            raise Refused(errors.wrong_count, "num", self.num, size)
        count = self.num if self.num is not None else size
        if not isinstance(count, int):
            raise Refused(size_needed, "num", axis)
        require_few("num", count)
        return (result(self.x.dtype, (*shape[:axis], *shape[axis + 1 :])),) * count

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> tuple[Value, ...]:
        places = [op.constant(index, "int64") for index in range(len(self.infer()))]
        return tuple([op.Gather(v["x"], place, axis=self.axis) for place in places])


# ------------------------------------------------------------------- repeated


class Repeat(Operation, name="repeat"):
    """Each element several times."""

    x: TensorType = arg(TENSOR)
    repeats: int | tuple[int, ...] = arg(Counts())
    axis: int | None = arg(Optional(Int()), default=None)

    def infer(self) -> TensorType:
        counts = self.repeats if isinstance(self.repeats, tuple) else (self.repeats,)
        if self.axis is None:
            size: Dimension = total(self.x.whole_shape)
            shape, axis = (size,), 0
        else:
            axis = sample_axis("axis", self.axis, self.x)
            shape = self.x.whole_shape
            size = shape[axis]
        if len(counts) == 1:
            longer = size * counts[0] if isinstance(size, int) else None
            if counts[0] == 1:
                longer = size
        else:
            if isinstance(size, int) and size != len(counts):
                raise Refused(errors.wrong_count, "repeats", len(counts), size)
            longer = sum(counts) if isinstance(size, int) else None
        return result(self.x.dtype, replaced(shape, axis, longer))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        x, axis = along(op, v["x"], self.axis)
        counts = list(self.repeats) if isinstance(self.repeats, tuple) else [self.repeats]
        size = self.x.whole_shape[axis] if self.axis is not None else total(self.x.whole_shape)
        if len(counts) > 1 or isinstance(size, int):
            each = counts * size if len(counts) == 1 and isinstance(size, int) else counts
            places = [index for index, count in enumerate(each) for _ in range(count)]
            return op.Gather(x, places, axis=axis)
        if counts == [1]:
            return x
        # Beside each element its copies, which then come into the same axis.
        sizes: list[int | Value] = sizes_of(op, v["x"]) if self.axis is not None else [-1]
        beside = [1] * (len(sizes) + 1)
        beside[axis + 1] = counts[0]
        many = op.Tile(op.Unsqueeze(x, [axis + 1]), beside)
        sizes[axis] = -1
        return op.reshape(many, sizes)


class Tile(Operation, name="tile"):
    """The whole tensor several times along its axes."""

    x: TensorType = arg(TENSOR)
    repeats: int | tuple[int, ...] = arg(Counts())

    def infer(self) -> TensorType:
        counts = self.repeats if isinstance(self.repeats, tuple) else (self.repeats,)
        shape = self.x.whole_shape
        rank = max(len(shape), len(counts))
        shape = (1,) * (rank - len(shape)) + shape
        counts = (1,) * (rank - len(counts)) + counts
        longer: list[Dimension] = []
        for size, count in zip(shape, counts, strict=True):
            if size == BATCH and count != 1:
                raise Refused(errors.batch_axis_used, "repeats")
            if count == 1:
                longer.append(size)
            else:
                longer.append(size * count if isinstance(size, int) else None)
        return result(self.x.dtype, longer)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        counts = list(self.repeats) if isinstance(self.repeats, tuple) else [self.repeats]
        missing = len(counts) - rank_of(self.x)
        x = op.Unsqueeze(v["x"], list(range(missing))) if missing > 0 else v["x"]
        return op.Tile(x, [1] * -missing + counts)


class Pad(Operation, name="pad"):
    """The tensor with elements added before and after it along its axes."""

    x: TensorType = arg(TENSOR)
    pad_width: int | tuple[int, int] | tuple[tuple[int, int], ...] = arg(PadWidth())
    mode: str = arg(Choice("constant", "reflect", "symmetric"), default="constant")
    constant_values: float | None = arg(Optional(CONSTANT), default=None)

    def validate(self) -> None:
        if self.constant_values is not None and self.mode != "constant":
            raise Refused(errors.not_together, "constant_values", "mode")

    def infer(self) -> TensorType:
        require_rank(self.x, 1)
        shape = self.x.whole_shape
        longer: list[Dimension] = []
        for axis, (size, borders) in enumerate(zip(shape, self._borders(len(shape)), strict=True)):
            before, after = borders
            if size == BATCH and before + after:
                raise Refused(errors.batch_axis_used, "pad_width")
            if isinstance(size, int):
                self._require_room(axis, size, max(before, after))
                longer.append(size + before + after)
            else:
                longer.append(size if before == after == 0 else None)
        self._require_constant()
        return result(self.x.dtype, longer)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        borders = self._borders(rank_of(self.x))
        if self.mode == "symmetric":
            return _mirrored(op, v["x"], borders)
        # Runtimes have it for few whole numbers.
        x = op.cast(v["x"], worked(self.x.dtype))
        pads = [before for before, _ in borders] + [after for _, after in borders]
        number = (
            None if self.constant_values is None else op.constant(self.constant_values, x.dtype)
        )
        return op.Pad(x, pads, number, mode=self.mode)

    def _borders(self, rank: int) -> list[tuple[int, int]]:
        """A pair for each axis; Keras runs one pair for all of them along a single axis alone."""
        pairs = list(as_pairs(self.pad_width))
        if len(pairs) != rank:
            raise Refused(errors.wrong_count, "pad_width", len(pairs), rank)
        return pairs

    def _require_room(self, axis: int, size: int, width: int) -> None:
        """Refuse to reflect more elements than there are."""
        most = {"constant": width, "reflect": size - 1, "symmetric": size}[self.mode]
        if width > most:
            raise Refused(errors.index_out_of_range, "pad_width", axis, width, size)

    def _require_constant(self) -> None:
        number = self.constant_values
        if number is None:
            return
        dtype = self.x.dtype
        fraction = isinstance(number, float) and dtype not in FLOAT_DTYPES
        if fraction or not holds(dtype, number):
            raise Refused(errors.number_out_of_range, number, dtype)


def as_pairs(
    width: int | tuple[int, int] | tuple[tuple[int, int], ...],
) -> tuple[tuple[int, int], ...]:
    """The borders as Keras reads them: a number is two, and two numbers are one pair."""
    if isinstance(width, int):
        return ((width, width),)
    pairs: list[tuple[int, int]] = [pair for pair in width if isinstance(pair, tuple)]
    numbers: list[int] = [number for number in width if isinstance(number, int)]
    return ((numbers[0], numbers[1]),) if numbers else tuple(pairs)


def _mirrored(op: Builder, x: Value, borders: Sequence[tuple[int, int]]) -> Value:
    """The elements at the ends of axes once more, in the opposite order."""
    for axis, (before, after) in enumerate(borders):
        pieces = [x]
        if before:
            pieces.insert(0, part(op, x, axis, before - 1, FIRST, -1))
        if after:
            pieces.append(part(op, x, axis, -1, -after - 1, -1))
        x = op.Concat(*pieces, axis=axis) if len(pieces) > 1 else x
    return x
