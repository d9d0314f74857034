"""Kinds of value that the arguments of objects take, beside those of `layers/arguments.py`."""

from __future__ import annotations

from typing import Any

from specc.layers.arguments import Float, Int, Kind, Optional, Text, is_tuple

AMOUNT = Float(at_least=0)
FRACTION = Float(at_least=0, at_most=1)


class Positive(Float):
    """A number above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = "a number above 0"

    def accepts(self, value: object) -> bool:
        return super().accepts(value) and value != 0 and AMOUNT.accepts(value)


class Share(Positive):
    """A number above zero, at most one."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = "a number above 0, at most 1"

    def accepts(self, value: object) -> bool:
        return super().accepts(value) and FRACTION.accepts(value)


class Real(Kind):
    """A number that Keras wants as Python's float: `1.0`, and not `1`.

    Args:
        above: what it has to be more than.
    """

    def __init__(
        self,
        at_least: float | None = None,
        at_most: float | None = None,
        above: float | None = None,
    ) -> None:
        self.at_least = at_least
        self.at_most = at_most
        self.above = above
        bounds = [f"{at_least:.1f} or more"] if at_least is not None else []
        bounds += [f"above {above:.1f}"] if above is not None else []
        bounds += [f"at most {at_most:.1f}"] if at_most is not None else []
        self.expected = ", ".join(["a number with a point, such as 0.5", *bounds])

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, float)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
        )


class Between(Kind):
    """A number between two others, and neither of them."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high
        self.expected = f"a number between {low:g} and {high:g}"

    def accepts(self, value: object) -> bool:
        return Float().accepts(value) and self.low < value < self.high  # pyright: ignore


class Listed(Kind):
    """A list of values of another kind."""

    def __init__(self, one: Kind, what: str, at_least: int = 1) -> None:
        self.one = self.items = one
        self.at_least = at_least
        """How many there must be."""
        self.category = one.category
        self.choices = one.choices
        self.reasons = one.reasons
        self.expected = f"a list of {what}"

    def accepts(self, value: object) -> bool:
        if not is_tuple(value) or len(value) < self.at_least:
            return False
        return all(self.one.accepts(item) for item in value)

    def normalize(self, value: Any) -> Any:
        return tuple(self.one.normalize(item) for item in value)


class Either(Kind):
    """A value of one of two kinds, such as one thing or a list of such."""

    def __init__(self, first: Kind, second: Kind) -> None:
        self.first = first
        self.second = second
        self.category = first.category or second.category
        self.choices = first.choices or second.choices
        self.items = first.items or second.items
        self.reasons = first.reasons or second.reasons
        self.expected = f"{first.expected}, or {second.expected}"

    def accepts(self, value: object) -> bool:
        return self.first.accepts(value) or self.second.accepts(value)

    def normalize(self, value: Any) -> Any:
        kind = self.first if self.first.accepts(value) else self.second
        return kind.normalize(value)


class Values(Kind):
    """A number, or numbers in lists that are all of one length: `[[1, 0], [0, 1]]`."""

    expected = "a number, or a list of numbers of the weight's shape"

    def accepts(self, value: object) -> bool:
        return Float().accepts(value) or shape_of(value) is not None


def shape_of(value: object) -> tuple[int, ...] | None:
    """The shape of nested lists of numbers; None where they are empty or not of one length."""
    if not is_tuple(value):
        return () if Float().accepts(value) else None
    inner = {shape_of(item) for item in value}
    first = next(iter(inner)) if len(inner) == 1 else None
    return None if first is None else (len(value), *first)


class Name(Kind):
    """What Keras opens a scope of, for which TensorFlow takes few characters."""

    expected = "a string of letters, digits, `_`, `.`, `-` and `>` that starts with a letter"

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and value.isascii()
            and value[:1].isalpha()
            and all(character.isalnum() or character in "_.->" for character in value)
        )


class Thing(Kind):
    """An object of a category; its name alone will not do."""

    def __init__(self, category: str, expected: str) -> None:
        self.category = category
        self.expected = expected

    def accepts(self, value: object) -> bool:
        return getattr(value, "category", None) == self.category


class FileName(Text):
    """A path, which is not empty; with `endings` it has one of these."""

    def __init__(self, *endings: str) -> None:
        self.endings = endings
        ends = " that ends in " + " or ".join(f"`{end}`" for end in endings) if endings else ""
        self.expected = f"the path of a file{ends}"

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str) or not value:
            return False
        return not self.endings or value.endswith(self.endings)


class Folder(Text):
    """A path of a folder, which is not empty."""

    expected = "the path of a folder"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and bool(value)


def as_lists(value: Any) -> Any:
    """Lists of a spec as Keras has them in its configurations; tuples would be told apart."""
    return [as_lists(item) for item in value] if is_tuple(value) else value


def within(axes: tuple[int, ...], shape: tuple[Any, ...]) -> bool:
    """Whether a shape has all of these axes."""
    return all(-len(shape) <= axis < len(shape) for axis in axes)


SEED = Optional(Int())
NAME = Optional(Name())
NAMES = Either(Text(), Listed(Text(), "strings"))
"""One name, or several."""
