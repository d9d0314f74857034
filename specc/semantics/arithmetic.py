"""Python's operators on constants, bounded: whatever a spec says, the answer comes at once."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, cast

MAX_BITS = 256
"""Bits an integer may grow to: keeps `9 ** 9 ** 9` from taking the machine with it."""

MAX_LENGTH = 100_000
"""Items of a list, and characters of a string."""


MAX_NESTING = 64
"""Lists inside each other."""


def size_within_bounds(value: tuple[Any, ...]) -> int | None:
    """How many items a list holds, those of the lists in it included; None if too many."""
    size = 0
    pending = [(value, 1)]
    while pending:
        items, level = pending.pop()
        size += len(items)
        size += sum(len(item) // 64 for item in items if isinstance(item, str))
        if size > MAX_LENGTH or level > MAX_NESTING:
            return None
        pending += [(item, level + 1) for item in items if isinstance(item, tuple)]
    return size


class NotComputable(Exception):
    """There is no such value; `reason` says why, in words for an error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
    "is": lambda a, b: a is b,
    "is not": lambda a, b: a is not b,
}


def operate(sign: str, left: Any, right: Any) -> Any:
    """`left sign right` for numbers; `+` and `*` for lists and strings too.

    Raises:
        NotComputable: where Python raises, and where the result would be too large.
    """
    if not (is_number(left) and is_number(right)):
        return _join_or_repeat(sign, left, right)
    if sign not in OPERATORS:
        raise NotComputable(f"`{sign}` is not for numbers")
    whole = isinstance(left, int) and isinstance(right, int)
    if sign == "**" and whole and int(left).bit_length() * abs(right) > MAX_BITS:
        raise NotComputable("the number is too large")
    try:
        value = OPERATORS[sign](left, right)
    except ZeroDivisionError:
        raise NotComputable("division by zero") from None
    except OverflowError:
        raise NotComputable("the number is too large") from None
    if isinstance(value, complex):
        raise NotComputable("the result is not a real number")
    return checked(value)


def checked(value: int | float) -> int | float:
    """A number, if it is not too large.

    Raises:
        NotComputable: for what is, and for infinity and what is not a number.
    """
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise NotComputable("the number is too large")
    if isinstance(value, float) and not isfinite(value):
        raise NotComputable("the result is not a number")
    return value


def _join_or_repeat(sign: str, left: Any, right: Any) -> Any:
    lengths = [
        len(cast("str", value)) if isinstance(value, tuple | str) else None
        for value in (left, right)
    ]
    length = 0
    match sign, lengths:
        case "+", [int(first), int(second)] if type(left) is type(right):
            length = first + second
        case "*", [int(first), None] if is_whole(right):
            length = first * right
        case "*", [None, int(second)] if is_whole(left):
            length = left * second
        case _:
            _refuse_operands(sign, left, right)
    if length > MAX_LENGTH:
        raise NotComputable(f"it would be longer than {MAX_LENGTH:,}")
    return OPERATORS[sign](left, right)


def _refuse_operands(sign: str, left: Any, right: Any) -> None:
    for value in (left, right):
        if value is None:
            raise NotComputable(f"`{sign}` is not for None, such as a size that is not known")
        if isinstance(value, bool):
            raise NotComputable(f"`{sign}` is not for {value!r}")
    raise NotComputable(f"`{sign}` is not for {kind_of(left)} and {kind_of(right)}")


def compare(sign: str, left: Any, right: Any) -> bool:
    """`left sign right`.

    Raises:
        NotComputable: where Python raises.
    """
    if sign in ("is", "is not") and not (right is None or isinstance(right, bool)):
        raise NotComputable(f"`{sign}` is for None, True and False; write `==` or `!=`")
    try:
        return bool(COMPARISONS[sign](left, right))
    except TypeError:
        what = f"{kind_of(left)} and {kind_of(right)}"
        if sign in ("in", "not in"):
            what = kind_of(right)
        raise NotComputable(f"`{sign}` is not for {what}") from None


def negate(value: Any) -> Any:
    """`-value`.

    Raises:
        NotComputable: for what is not a number.
    """
    if not is_number(value):
        raise NotComputable("a number is needed here")
    return -value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """What a constant is, in words."""
    if isinstance(value, float):
        return f"{value:g}" if value % 1 else f"{value:.1f}"
    if is_number(value):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, tuple) else repr(value)
