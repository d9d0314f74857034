"""What the arguments of operations may be, besides the kinds that layers have too."""

from __future__ import annotations

from typing import cast

from specc.layers.arguments import Choice, Float, Int, Kind, Optional, is_tuple
from specc.types import DTYPES, TensorType

Number = int | float | bool
"""A constant among the operands; it has no dtype of its own, as a number in Python has none."""


def is_number(value: object) -> bool:
    """Whether a value is a number; truth values are numbers here."""
    return isinstance(value, int | float)


class Tensor(Kind):
    """A tensor."""

    expected = "a tensor"

    def accepts(self, value: object) -> bool:
        return isinstance(value, TensorType)


class Operand(Kind):
    """A tensor, or a number that stands for a tensor of it."""

    expected = "a tensor or a number"

    def accepts(self, value: object) -> bool:
        return isinstance(value, TensorType) or is_number(value)


class Tensors(Kind):
    """A list of one tensor or more."""

    expected = "a list of tensors"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else ()
        return bool(items) and all(isinstance(item, TensorType) for item in items)


class Constant(Kind):
    """A number, or True or False."""

    expected = "a number, True or False"

    def accepts(self, value: object) -> bool:
        return is_number(value)


class Positive(Kind):
    """A number that something is divided by."""

    expected = "a number above 0"

    def accepts(self, value: object) -> bool:
        return Float(at_least=0.0).accepts(value) and value != 0


class Indices(Kind):
    """A tensor of whole numbers, a whole number, or a tuple of them."""

    expected = "a tensor of whole numbers, a whole number or a tuple of them"

    def accepts(self, value: object) -> bool:
        if isinstance(value, TensorType):  # which is a tuple too
            return True
        if is_tuple(value):
            return bool(value) and all(Int().accepts(item) for item in value)
        return Int().accepts(value)


class Key(Kind):
    """What stands between the brackets of `x[...]`."""

    expected = "whole numbers, slices, `...` and None"

    def accepts(self, value: object) -> bool:
        return is_tuple(value) and all(self._accepts_item(item) for item in value)

    @staticmethod
    def _accepts_item(item: object) -> bool:
        if isinstance(item, slice):
            one = Optional(Int())
            part = cast("slice[object, object, object]", item)
            bounds = (part.start, part.stop, part.step)
            return all(one.accepts(bound) for bound in bounds) and part.step != 0
        return item is None or item is Ellipsis or Int().accepts(item)


class Sections(Kind):
    """How many parts to make, or where to cut."""

    expected = "a whole number, 1 or more, or a tuple of places to cut"

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            return bool(value) and all(Int(at_least=0).accepts(item) for item in value)
        return Int(at_least=1).accepts(value)


class PadWidth(Kind):
    """What to add to each axis: `1`, `(1, 2)` or `((0, 0), (1, 2))`."""

    expected = "a whole number, a pair (before, after), or a pair for each axis"

    def accepts(self, value: object) -> bool:
        one = Int(at_least=0)
        if not is_tuple(value):
            return one.accepts(value)
        if all(one.accepts(item) for item in value):
            return len(value) == 2
        return bool(value) and all(
            is_tuple(pair) and len(pair) == 2 and all(one.accepts(item) for item in pair)
            for pair in value
        )


class Counts(Kind):
    """How many times, or how many times each."""

    expected = "a whole number, 1 or more, or a tuple of them"

    def accepts(self, value: object) -> bool:
        one = Int(at_least=1)
        if is_tuple(value):
            return bool(value) and all(one.accepts(item) for item in value)
        return one.accepts(value)


class ContractedAxes(Kind):
    """How many axes to sum over, or which of each operand."""

    expected = "a whole number, 0 or more, or a pair of axes or tuples of axes"

    def accepts(self, value: object) -> bool:
        if not is_tuple(value):
            return Int(at_least=0).accepts(value)
        if len(value) != 2:
            return False
        first, second = value
        if is_tuple(first) and is_tuple(second):
            return len(first) == len(second) and all(Int().accepts(x) for x in (*first, *second))
        return False


class AnySizes(Kind):
    """A whole number for every spatial axis, or one for all, whatever their number is."""

    expected = "a whole number, 1 or more, or a tuple of one for each spatial axis"

    def accepts(self, value: object) -> bool:
        one = Int(at_least=1)
        if is_tuple(value):
            return 1 <= len(value) <= 3 and all(one.accepts(item) for item in value)
        return one.accepts(value)


class Shape(Kind):
    """A tuple of sizes."""

    expected = "a tuple of sizes"

    def accepts(self, value: object) -> bool:
        return is_tuple(value) and all(Int(at_least=1).accepts(item) for item in value)


class Extent(Shape):
    """A tuple of sizes, or a single one for a tensor of one axis."""

    expected = "a size or a tuple of sizes"

    def accepts(self, value: object) -> bool:
        return Int(at_least=1).accepts(value) or super().accepts(value)


class Constants(Kind):
    """A number, or lists of lists of numbers; whether they make a tensor is seen later."""

    expected = "a number or a list of numbers, or of lists of them"

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            return all(self.accepts(item) for item in value)
        return is_number(value)


class BatchShape(Kind):
    """A tuple of sizes, the first of which may be None: the batch."""

    expected = "a tuple of sizes, with None first for the batch"

    def accepts(self, value: object) -> bool:
        one = Int(at_least=1)
        if not is_tuple(value):
            return False
        first = value[:1]
        return all(one.accepts(item) or item is None for item in first) and all(
            one.accepts(item) for item in value[1:]
        )


class Notation(Kind):
    """The subscripts of `einsum`: `"bij,jk->bik"`."""

    expected = 'a string of subscripts, as "bij,jk->bik"'

    def accepts(self, value: object) -> bool:
        return isinstance(value, str)


class Order(Kind):
    """Which norm."""

    choices = ("fro", "nuc")
    expected = 'a number, "fro" or "nuc"'

    def accepts(self, value: object) -> bool:
        return value in self.choices or Float().accepts(value)


class IndexTensor(Tensor):
    """A tensor that holds indices."""


TENSOR = Tensor()
OPERAND = Operand()
TENSORS = Tensors()
CONSTANT = Constant()
SIZE = Int(at_least=1)
DTYPE = Choice(*(dtype for dtype in DTYPES if dtype != "string"))
