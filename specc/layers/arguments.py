"""The kinds of value that layer arguments take.

A kind says which values it accepts, in words for errors and as data for completion and for
the tests, which draw arguments from it. `None` is accepted by `Optional` kinds alone.
"""

from __future__ import annotations

from typing import Any

from specc.layers import names

REQUIRED: Any = object()
"""The default of an argument that has none."""


class Kind:
    """What an argument may be."""

    expected: str
    choices: tuple[str, ...] = ()
    """Every accepted string, where they can be listed."""

    def accepts(self, value: object) -> bool:
        raise NotImplementedError

    def normalize(self, value: Any) -> Any:
        """The value as layers read it, for a value that was accepted."""
        return value


class Bool(Kind):
    expected = "True or False"

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)


class Int(Kind):
    """A whole number; Python's bool does not pass for one."""

    def __init__(self, at_least: int | None = None) -> None:
        self.at_least = at_least
        self.expected = {None: "a whole number", 0: "a whole number, 0 or more"}.get(
            at_least, f"a whole number, {at_least} or more"
        )

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and (self.at_least is None or value >= self.at_least)
        )


class Float(Kind):
    """A number; `1` stands for `1.0`."""

    def __init__(self, at_least: float | None = None, at_most: float | None = None) -> None:
        self.at_least = at_least
        self.at_most = at_most
        self.expected = "a number"
        if at_least is not None and at_most is not None:
            self.expected = f"a number from {at_least:g} to {at_most:g}"
        elif at_least is not None:
            self.expected = f"a number, {at_least:g} or more"

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
        )


class Text(Kind):
    expected = "a string"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str)


class Choice(Kind):
    """One of a few strings."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        self.expected = "one of " + ", ".join(f'"{choice}"' for choice in choices)

    def accepts(self, value: object) -> bool:
        return value in self.choices


class Named(Kind):
    """The name of one of Keras's many activations, initializers, ..."""

    def __init__(self, what: str, choices: tuple[str, ...]) -> None:
        self.choices = choices
        self.expected = f"the name of {what}"

    def accepts(self, value: object) -> bool:
        return value in self.choices


class Sizes(Kind):
    """A whole number for every spatial axis, or one for all: `3` or `(3, 3)`."""

    def __init__(self, rank: int, at_least: int = 1) -> None:
        self.rank = rank
        self.at_least = at_least
        self._one = Int(at_least)
        several = f" or a tuple of {rank} of them" if rank > 1 else ""
        self.expected = self._one.expected + several

    def accepts(self, value: object) -> bool:
        if isinstance(value, tuple):
            return len(value) == self.rank and all(self._one.accepts(item) for item in value)
        return self._one.accepts(value)

    def normalize(self, value: Any) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * self.rank


class Ints(Kind):
    """A tuple of whole numbers."""

    def __init__(self, at_least: int | None = None) -> None:
        self._one = Int(at_least)
        self.at_least = at_least
        self.expected = "a tuple of whole numbers"

    def accepts(self, value: object) -> bool:
        return isinstance(value, tuple) and all(self._one.accepts(item) for item in value)


class Axes(Kind):
    """One axis or several: `-1` or `(1, 2)`; axis 0 is the batch axis."""

    expected = "an axis or a tuple of axes"

    def accepts(self, value: object) -> bool:
        items = value if isinstance(value, tuple) else (value,)
        return bool(items) and all(
            isinstance(item, int) and not isinstance(item, bool) for item in items
        )


class Optional(Kind):
    """`None` or a value of another kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.choices = kind.choices
        self.expected = f"{kind.expected}, or None"

    def accepts(self, value: object) -> bool:
        return value is None or self.kind.accepts(value)

    def normalize(self, value: Any) -> Any:
        return None if value is None else self.kind.normalize(value)


class Argument:
    """An argument of a layer: its name, its kind, and its default unless it is required."""

    __slots__ = ("default", "kind", "name")

    def __init__(self, kind: Kind, default: Any) -> None:
        self.name = ""
        self.kind = kind
        self.default = default

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def arg(kind: Kind, *, default: Any = REQUIRED) -> Any:
    """Declare an argument in the body of a `Layer` class."""
    return Argument(kind, default)


BOOL = Bool()
ACTIVATION = Optional(Named("an activation", names.ACTIVATIONS))
INITIALIZER = Named("an initializer", names.INITIALIZERS)
REGULARIZER = Optional(Named("a regularizer", names.REGULARIZERS))
CONSTRAINT = Optional(Named("a constraint", names.CONSTRAINTS))
DATA_FORMAT = Optional(Choice("channels_last", "channels_first"))
