"""Classes that declare their arguments, and the kinds of value that arguments take.

A kind says which values it accepts, in words for errors and as data for completion and for
the tests, which draw arguments from it. `None` is accepted by `Optional` kinds alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeGuard, dataclass_transform

from specc.layers import names
from specc.types import FLOAT_DTYPES

REQUIRED: Any = object()
"""The default of an argument that has none."""


def is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    """`isinstance`, for tuples of items of which nothing is known."""
    return isinstance(value, tuple)


class Kind:
    """What an argument may be."""

    expected: str
    choices: tuple[str, ...] = ()
    """Every accepted string, where they can be listed."""
    items: Kind | None = None
    """What the items of a list are, where it takes lists of any length."""
    reasons: Mapping[str, str] = {}
    """Why it does not take some strings that Keras knows."""
    category: str | None = None
    """Where a constructor call in this argument is looked up: among the layers for "layer",
    "cell" and "activation", among the objects of that category otherwise."""

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

    def __init__(
        self,
        at_least: float | None = None,
        at_most: float | None = None,
        below: float | None = None,
    ) -> None:
        self.at_least = at_least
        self.at_most = at_most
        self.below = below
        self.expected = "a number"
        if at_least is not None and at_most is not None:
            self.expected = f"a number from {at_least:g} to {at_most:g}"
        elif at_least is not None and below is not None:
            self.expected = f"a number from {at_least:g} to less than {below:g}"
        elif at_least is not None:
            self.expected = f"a number, {at_least:g} or more"
        elif at_most is not None:
            self.expected = f"a number, at most {at_most:g}"

    def accepts(self, value: object) -> bool:
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
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


class AnyCase(Choice):
    """A choice that Keras takes in capital letters too."""

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value.lower() in self.choices

    def normalize(self, value: Any) -> str:
        return value.lower()


class Named(Kind):
    """One of Keras's many activations, initializers, ...: its name, or an object."""

    def __init__(self, category: str, what: str, choices: tuple[str, ...]) -> None:
        self.category = category
        self.choices = choices
        self.reasons = names.REASONS.get(category, {})
        self.expected = f"the name of {what}"

    def accepts(self, value: object) -> bool:
        if isinstance(value, Configurable):
            return value.is_a(self.category or "")
        return value in self.choices


class Wrapped(Kind):
    """A layer that another one makes use of; `wanted` is what it has to be."""

    category = "layer"

    def __init__(self, wanted: str, expected: str) -> None:
        self.wanted = wanted
        self.expected = expected

    def accepts(self, value: object) -> bool:
        return isinstance(value, Configurable) and value.is_a(self.wanted)


class Cells(Kind):
    """Several cells, or, with `alone`, a single one that does not stand in a list."""

    category = "cell"

    def __init__(self, alone: bool) -> None:
        self.alone = alone
        self.one = Wrapped("cell", "a cell, such as `LSTMCell(8)`")
        self.expected = f"{self.one.expected}, or a list of cells" if alone else "a list of cells"

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            return bool(value) and all(self.one.accepts(item) for item in value)
        return self.alone and self.one.accepts(value)


class Sizes(Kind):
    """A whole number for every spatial axis, or one for all: `3` or `(3, 3)`."""

    def __init__(self, rank: int, at_least: int = 1) -> None:
        self.rank = rank
        self.at_least = at_least
        self._one = Int(at_least)
        several = f" or a tuple of {rank} of them" if rank > 1 else ""
        self.expected = self._one.expected + several

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            return len(value) == self.rank and all(self._one.accepts(item) for item in value)
        return self._one.accepts(value)

    def normalize(self, value: Any) -> tuple[int, ...]:
        return value if is_tuple(value) else (value,) * self.rank


class Ints(Kind):
    """A tuple of whole numbers."""

    def __init__(self, at_least: int | None = None) -> None:
        self._one = Int(at_least)
        self.at_least = at_least
        self.expected = "a tuple of whole numbers"

    def accepts(self, value: object) -> bool:
        return is_tuple(value) and all(self._one.accepts(item) for item in value)


class TargetShape(Kind):
    """Sizes of which one may be -1: what is left over."""

    expected = "a tuple of sizes, one of which may be -1"

    def accepts(self, value: object) -> bool:
        if not is_tuple(value):
            return False
        one = Int(at_least=1)
        return value.count(-1) <= 1 and all(one.accepts(item) or item == -1 for item in value)


class NoiseShape(Kind):
    """Sizes, with None for those of the input; the first is the batch's."""

    expected = "a tuple of sizes and None"

    def accepts(self, value: object) -> bool:
        one = Optional(Int(at_least=1))
        return is_tuple(value) and all(one.accepts(item) for item in value)


class Numbers(Kind):
    """A number, or one for each channel: `2` or `(0.5, 0.25)`."""

    expected = "a number or a tuple of numbers"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,)
        return bool(items) and all(Float().accepts(item) for item in items)


class Borders(Kind):
    """What to add to or cut off each spatial axis: `1`, `(1, 2)` or `((0, 1), (2, 2))`."""

    expected = "a whole number, or one for each axis, or for each axis a pair (before, after)"

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,) * self.rank
        one = Sizes(2, at_least=0)
        return len(items) == self.rank and all(one.accepts(item) for item in items)

    def normalize(self, value: Any) -> tuple[tuple[int, int], ...]:
        items = value if is_tuple(value) else (value,) * self.rank
        return tuple(item if is_tuple(item) else (item, item) for item in items)


class Axes(Kind):
    """One axis or several: `-1` or `(1, 2)`; axis 0 is the batch axis."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        """How many there must be where there are several."""
        several = "axes" if number is None else f"{number} axes"
        self.expected = f"an axis or a tuple of {several}"

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            right = len(value) == self.number if self.number else bool(value)
            return right and all(Int().accepts(item) for item in value)
        return Int().accepts(value)


class AutoBool(Kind):
    expected = 'True, False or "auto"'

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool) or value == "auto"


class Nothing(Kind):
    """An argument that keeps its place, and that a spec has no way to write."""

    expected = "None"

    def accepts(self, value: object) -> bool:
        return value is None


class OnlyTrue(Kind):
    expected = "True: a layer casts its inputs to its dtype"

    def accepts(self, value: object) -> bool:
        return value is True


class Optional(Kind):
    """`None` or a value of another kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.choices = kind.choices
        self.reasons = kind.reasons
        self.items = kind.items
        self.category = kind.category
        self.expected = f"{kind.expected}, or None"

    def accepts(self, value: object) -> bool:
        return value is None or self.kind.accepts(value)

    def normalize(self, value: Any) -> Any:
        return None if value is None else self.kind.normalize(value)


class Argument:
    """An argument: its name, its kind, and its default unless it is required."""

    __slots__ = ("attribute", "by_name", "default", "kind", "name")

    def __init__(self, kind: Kind, default: Any, name: str, by_name: bool) -> None:
        self.attribute = ""
        """What the class calls it."""
        self.name = name
        self.kind = kind
        self.default = default
        self.by_name = by_name

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def arg(kind: Kind, *, default: Any = REQUIRED, name: str = "", by_name: bool = False) -> Any:
    """Declare an argument in the body of a class.

    Args:
        name: Keras's name for it, where the class has another use for the word.
        by_name: whether it can be given by its name alone.
    """
    return Argument(kind, default, name, by_name)


class Place:
    """Where one of the arguments that every layer has stands among those of a class."""


def place() -> Any:
    """Say in the body of a class that an argument of every layer can be given by position there."""
    return Place()


@dataclass_transform(field_specifiers=(arg,))
class Configurable:
    """A class that declares its constructor's arguments, in Keras's order, in its body."""

    category: ClassVar[str]
    """What the objects are: "layer", "initializer", ..."""

    signature: ClassVar[dict[str, Argument]] = {}
    """The constructor's arguments in order."""

    positional: ClassVar[tuple[str, ...]] = ()
    """The names of those that can be given without them, in order."""

    def __init_subclass__(cls) -> None:
        own: dict[str, Argument] = {}
        order = list(cls.positional)
        for attribute, argument in list(vars(cls).items()):
            if isinstance(argument, Place):
                delattr(cls, attribute)
                order.append(attribute)
            if not isinstance(argument, Argument):
                continue
            argument.attribute = attribute
            argument.name = argument.name or attribute
            own[argument.name] = argument
            if not argument.by_name and argument.name not in order:
                order.append(argument.name)
            if argument.default is REQUIRED:
                delattr(cls, attribute)
            else:
                setattr(cls, attribute, argument.kind.normalize(argument.default))
        cls.signature = {**cls.signature, **own}
        cls.positional = tuple(order)

    def __init__(self, **arguments: Any) -> None:
        """Set arguments that were accepted by their kinds; the others have their defaults."""
        self.given = arguments
        """The arguments as the spec gives them; the Keras object is made from these."""
        for name, value in arguments.items():
            argument = self.signature[name]
            setattr(self, argument.attribute, argument.kind.normalize(value))
        self.validate()

    def __repr__(self) -> str:
        arguments = self.keras_arguments().items()
        return (
            f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in arguments)})"
        )

    def validate(self) -> None:
        """Refuse arguments that do not go together.

        Raises:
            Refused: with the argument at fault.
        """

    def is_a(self, category: str) -> bool:
        """Whether it can stand where one of this category is wanted."""
        return category == self.category

    def keras_arguments(self) -> dict[str, Any]:
        """Keyword arguments for the Keras class of the same name."""
        return self.given


class KerasObject(Configurable):
    """Base of the initializers, optimizers, losses, ...: see `specc.objects`."""

    def works_on(self, shape: tuple[Any, ...]) -> bool:
        """Whether a tensor of this shape has the axes that the arguments speak of."""
        return True


BOOL = Bool()
ACTIVATION = Optional(Named("activation", "an activation", names.ACTIVATIONS))
INITIALIZER = Named("initializer", "an initializer", names.INITIALIZERS)
REGULARIZER = Optional(Named("regularizer", "a regularizer", names.REGULARIZERS))
CONSTRAINT = Optional(Named("constraint", "a constraint", names.CONSTRAINTS))
DATA_FORMAT = Optional(AnyCase("channels_last", "channels_first"))
MIXED_POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
"""The dtypes that these policies compute in; their variables are float32."""

DTYPE_POLICY = Optional(Choice(*FLOAT_DTYPES, *MIXED_POLICIES))

COMMON: dict[str, Kind] = {
    "name": Optional(Text()),
    "trainable": BOOL,
    "dtype": DTYPE_POLICY,
    "activity_regularizer": REGULARIZER,
    "autocast": OnlyTrue(),
}
"""The arguments of every layer; most classes take them by name alone."""
