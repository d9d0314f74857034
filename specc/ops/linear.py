"""Operations that sum products of two tensors or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import dtype_refused
from specc.diagnostics.place import Refused
from specc.layers.arguments import arg
from specc.lowering import Builder, Value
from specc.ops.base import Operation
from specc.ops.kinds import OPERAND, TENSOR, TENSORS, ContractedAxes, Notation
from specc.ops.lower import plain, rank_of, strong
from specc.ops.promotion import WEAK_FLOAT, of_strong, promoted
from specc.ops.rules import NUMBERS
from specc.ops.shapes import (
    Shape,
    agreed,
    broadcast,
    contracted,
    contradict,
    require_axes,
    require_rank,
    result,
    without,
)
from specc.types import BATCH, Dimension, TensorType


def product_dtype(x1: TensorType, x2: TensorType) -> str:
    """The dtype of a sum of products; those of two int8 are added up with 32 bits."""
    return "int32" if x1.dtype == x2.dtype == "int8" else promoted(x1.dtype, x2.dtype)


def computed_dtype(dtypes: Sequence[str]) -> str:
    """In which Keras computes a sum of products: those of whole numbers with floats.

    But those of two int8, which are exact.
    """
    if set(dtypes) == {"int8"}:
        return "int32"
    return plain(promoted(*dtypes, WEAK_FLOAT))


def contract(
    op: Builder, x: Value, axes: Sequence[int], y: Value, other_axes: Sequence[int]
) -> Value:
    """The sum of products over axes of both, the axes that are left after each other."""
    rank, other_rank = rank_of(x.type), rank_of(y.type)
    letters = iter(Einsum.LETTERS)
    own = [next(letters) for _ in range(rank)]
    other = [next(letters) for _ in range(other_rank)]
    for axis, other_axis in zip(axes, other_axes, strict=True):
        other[other_axis] = own[axis]
    rest = [letter for letter in own if letter not in other]
    rest += [letter for letter in other if letter not in own]
    return einsum(op, ["".join(own), "".join(other)], "".join(rest), [x, y])


def einsum(op: Builder, inputs: Sequence[str], output: str, operands: Sequence[Value]) -> Value:
    """A sum of products, as the product of matrices that it may be."""
    if len(inputs) == 2:
        left, right = inputs
        for turned in (False, True):
            read = right[:-2] + right[:-3:-1] if turned else right
            if _multiplies_matrices(left, read, output):
                y = operands[1]
                if turned:
                    count = len(right)
                    y = op.Transpose(y, perm=[*range(count - 2), count - 1, count - 2])
                return op.MatMul(operands[0], y)
    return op.Einsum(*operands, equation=f"{','.join(inputs)}->{output}")


def _multiplies_matrices(left: str, right: str, output: str) -> bool:
    """Whether subscripts are those of `MatMul`: `bij,bjk->bik`, or `bij,jk->bik`."""
    if len(left) < 2 or len(right) < 2:
        return False
    if len(set(left)) < len(left) or len(set(right)) < len(right):
        return False
    summed, made = right[-2], right[-1]
    before = right[:-2]
    return (
        left[-1] == summed
        and made not in left
        and output == left[:-1] + made
        and before in ("", left[:-2])
    )


class _Product(Operation):
    """What products of two tensors have in common."""

    x1: TensorType = arg(TENSOR)
    x2: TensorType = arg(TENSOR)


class Matmul(_Product, name="matmul"):
    """The product of matrices; what comes before the last two axes broadcasts."""

    def infer(self) -> TensorType:
        require_rank(self.x1, 1, 0)
        require_rank(self.x2, 1, 1)
        first, second = self.x1.whole_shape, self.x2.whole_shape
        contracted(self.x1, len(first) - 1, self.x2, max(0, len(second) - 2))
        rows = first[-2:-1]
        columns = second[-1:] if len(second) > 1 else ()
        before = broadcast([first[:-2], second[:-2]])
        return result(product_dtype(self.x1, self.x2), (*before, *rows, *columns))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        dtype = computed_dtype([self.x1.dtype, self.x2.dtype])
        return op.MatMul(op.cast(v["x1"], dtype), op.cast(v["x2"], dtype))


class Dot(Operation, name="dot"):
    """The sum of products over the last axis of one and the last but one of the other."""

    x1: TensorType | float = arg(OPERAND)
    x2: TensorType | float = arg(OPERAND)

    def infer(self) -> TensorType:
        dtype = of_strong((self.x1, self.x2))
        if not isinstance(self.x1, TensorType) or not isinstance(self.x2, TensorType):
            x = self.x1 if isinstance(self.x1, TensorType) else self.x2
            assert isinstance(x, TensorType)
            return x._replace(dtype=dtype)
        first, second = self.x1.whole_shape, self.x2.whole_shape
        if not first or not second:
            if dtype == "bool":
                raise Refused(dtype_refused, NUMBERS)
            return result(dtype, first or second)
        axis = max(0, len(second) - 2)
        contracted(self.x1, len(first) - 1, self.x2, axis)
        return result(dtype, (*first[:-1], *without(second, [axis])))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        dtype = plain(promoted(of_strong((self.x1, self.x2)), WEAK_FLOAT))
        x, y = (strong(op, v[name], dtype) for name in ("x1", "x2"))
        rank, other_rank = rank_of(x.type), rank_of(y.type)
        if not rank or not other_rank:
            return op.Mul(x, y)
        if other_rank <= 2:
            return op.MatMul(x, y)
        return contract(op, x, [rank - 1], y, [other_rank - 2])


class Inner(Operation, name="inner"):
    """The sum of products over the last axes of both."""

    x1: TensorType = arg(TENSOR)
    x2: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        dtype = promoted(self.x1.dtype, self.x2.dtype)
        first, second = self.x1.whole_shape, self.x2.whole_shape
        if not first or not second:
            return result(dtype, first or second)
        contracted(self.x1, len(first) - 1, self.x2, len(second) - 1)
        return result(dtype, (*first[:-1], *second[:-1]))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        dtype = plain(promoted(self.x1.dtype, self.x2.dtype, WEAK_FLOAT))
        x, y = (op.cast(v[name], dtype) for name in ("x1", "x2"))
        rank, other_rank = rank_of(self.x1), rank_of(self.x2)
        if not rank or not other_rank:
            return op.Mul(x, y)
        return contract(op, x, [rank - 1], y, [other_rank - 1])


class Tensordot(_Product, name="tensordot"):
    """The sum of products over several axes of both."""

    axes: int | tuple[tuple[int, ...], tuple[int, ...]] = arg(ContractedAxes(), default=2)

    def infer(self) -> TensorType:
        shapes = self.x1.whole_shape, self.x2.whole_shape
        first, second = self._summed()
        for axis, other in zip(first, second, strict=True):
            contracted(self.x1, axis, self.x2, other)
        rest = (*without(shapes[0], first), *without(shapes[1], second))
        return result(promoted(self.x1.dtype, self.x2.dtype), rest)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        dtype = promoted(self.x1.dtype, self.x2.dtype)
        if dtype not in ("int32", "int64"):
            dtype = plain(promoted(dtype, WEAK_FLOAT))
        first, second = self._summed()
        return contract(op, op.cast(v["x1"], dtype), first, op.cast(v["x2"], dtype), second)

    def _summed(self) -> tuple[list[int], list[int]]:
        """The axes that are summed over, of both."""
        rank, other_rank = rank_of(self.x1), rank_of(self.x2)
        if isinstance(self.axes, int):
            count = self.axes
            require_rank(self.x1, count, 0)
            require_rank(self.x2, count, 1)
            return list(range(rank - count, rank)), list(range(count))
        first = require_axes("axes", self.axes[0], rank, 0)
        return first, require_axes("axes", self.axes[1], other_rank, 1)


class Einsum(Operation, name="einsum"):
    """A sum of products that is written with a letter for each axis."""

    variadic = "operands"

    subscripts: str = arg(Notation())
    operands: tuple[TensorType, ...] = arg(TENSORS)

    LETTERS: ClassVar[str] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def infer(self) -> TensorType:
        inputs, output = self._notation()
        if len(inputs) != len(self.operands):
            raise Refused(errors.wrong_count, "operands", len(self.operands), len(inputs))
        sizes: dict[str, list[Dimension]] = {}
        rest: list[Shape] = []
        for text, x in zip(inputs, self.operands, strict=True):
            self._read(text, x.whole_shape, sizes, rest)
        wild = broadcast(rest)
        if output is None:
            output = self._usual_output(inputs)
        for letter in output.replace("...", ""):
            if letter not in sizes or output.count(letter) > 1:
                raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, letter)
        for letter, every in sizes.items():
            if BATCH not in every and contradict(every):
                raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, letter)
        known = {letter: agreed(0, every) for letter, every in sizes.items()}
        for letter, size in known.items():
            if size == BATCH and letter not in output:
                raise Refused(errors.batch_axis_used, "subscripts")
        if "..." not in output and wild:
            raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, "...")
        shape: list[Dimension] = []
        for piece in output.replace("...", "."):
            if piece == ".":
                shape += wild
            else:
                shape.append(known[piece])
        return result(self._dtype(), shape)

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        inputs, output = self._notation()
        dtype = computed_dtype([x.dtype for x in self.operands])
        operands = [op.cast(x, dtype) for x in v["operands"]]
        output = self._usual_output(inputs) if output is None else output
        # ONNX wants `...` to be as many axes everywhere, so they are given letters.
        counts = [
            rank_of(x) - len(text.replace("...", ""))
            for text, x in zip(inputs, self.operands, strict=True)
        ]
        free = [x for x in self.LETTERS if not any(x in text for text in inputs)][: max(counts)]
        every = "".join(free)
        spelled = [
            text.replace("...", every[len(every) - count :])
            for text, count in zip(inputs, counts, strict=True)
        ]
        return einsum(op, spelled, output.replace("...", every), operands)

    def _notation(self) -> tuple[list[str], str | None]:
        """The subscripts of each operand, and those of the result where they are given."""
        text = self.subscripts
        before, arrow, after = text.partition("->")
        for part in (*before.split(","), after):
            for piece in part.replace("...", ""):
                if piece not in self.LETTERS:
                    raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, piece)
            if part.count("...") > 1:
                raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, part)
        return before.split(","), after if arrow else None

    def _read(
        self, text: str, shape: Shape, sizes: dict[str, list[Dimension]], rest: list[Shape]
    ) -> None:
        """Note what each letter stands for in one operand."""
        before, dots, after = text.partition("...")
        spare = len(shape) - len(before) - len(after)
        if spare < 0 or (spare > 0 and not dots):
            raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, text)
        rest.append(shape[len(before) : len(before) + spare])
        letters = [*before, *[""] * spare, *after]
        for letter, size in zip(letters, shape, strict=True):
            if letter:
                sizes.setdefault(letter, []).append(size)

    def _usual_output(self, inputs: list[str]) -> str:
        """Without an arrow: what stands once, in the order of the alphabet.

        Keras gives the letters other names first, in the order in which they come.
        """
        every = "".join(inputs).replace("...", "")
        once = [letter for letter in every if every.count(letter) == 1]
        if once != sorted(once):
            raise Refused(errors.subscripts_refused, "subscripts", self.subscripts, "".join(once))
        return ("..." if any("..." in text for text in inputs) else "") + "".join(once)

    def _dtype(self) -> str:
        dtypes = {x.dtype for x in self.operands}
        dtype = promoted(*dtypes)
        if dtype == "bool":
            raise Refused(dtype_refused, NUMBERS)
        return "int32" if dtypes == {"int8"} else dtype
