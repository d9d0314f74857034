"""The functions of the language: Python's own, on constants and lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.semantics.arithmetic import (
    MAX_LENGTH,
    NotComputable,
    checked,
    is_number,
    is_whole,
    kind_of,
)


def _several(value: Any) -> tuple[Any, ...]:
    """The items of a list, the characters of a string."""
    if isinstance(value, tuple | str | range):
        return tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise NotComputable(f"a list is needed, and this is {kind_of(value)}")


def _numbers(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for value in values:
        if not is_number(value):
            raise NotComputable(f"numbers are needed, and one is {kind_of(value)}")
    return values


def _range(*bounds: Any) -> range:
    for bound in bounds:
        if not is_whole(bound):
            raise NotComputable(f"`range` takes whole numbers, and one is {kind_of(bound)}")
    if not 1 <= len(bounds) <= 3:
        raise NotComputable("`range` takes one to three numbers")
    if len(bounds) == 3 and bounds[2] == 0:
        raise NotComputable("the step of `range` is 0")
    numbers = range(*bounds)
    # `len` of a huge range raises, its first and last item do not.
    if numbers and abs(numbers[-1] - numbers[0]) // abs(numbers.step) >= MAX_LENGTH:
        raise NotComputable(f"`range` goes over more than {MAX_LENGTH:,} numbers")
    return numbers


def _enumerate(items: Any, start: Any = 0) -> tuple[Any, ...]:
    if not is_whole(start):
        raise NotComputable("`enumerate` starts at a whole number")
    return tuple(enumerate(_several(items), start))


def _zip(*lists: Any) -> tuple[Any, ...]:
    every = [_several(items) for items in lists]
    for items in every:
        if len(items) != len(every[0]):
            lengths = " and ".join(str(len(items)) for items in every)
            raise NotComputable(f"the lists are of different lengths: {lengths}")
    return tuple(zip(*every, strict=True))


def _len(items: Any) -> int:
    return len(_several(items))


def _extreme(choose: Callable[..., Any], name: str) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        several = _several(values[0]) if len(values) == 1 else values
        if not several:
            raise NotComputable(f"`{name}` of nothing")
        return choose(_numbers(several))

    return extreme


def _round(value: Any, digits: Any = None) -> Any:
    _numbers((value,))
    if digits is not None and not is_whole(digits):
        raise NotComputable("`round` takes a whole number of digits")
    if digits is not None and abs(digits) > 100:
        raise NotComputable("`round` to so many digits")
    return round(value, digits)


def _int(value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    try:
        return int(checked(int(value)))
    except (TypeError, ValueError, OverflowError):
        raise NotComputable(f"`int` of {kind_of(value)}") from None


def _float(value: Any) -> float:
    try:
        return float(checked(float(value)))
    except (TypeError, ValueError, OverflowError):
        raise NotComputable(f"`float` of {kind_of(value)}") from None


def _abs(value: Any) -> Any:
    return abs(_numbers((value,))[0])


def _sum(items: Any) -> Any:
    return checked(sum(_numbers(_several(items))))


def _str(value: Any) -> str:
    if isinstance(value, tuple):
        raise NotComputable("`str` of a list")
    return str(value)


def _reversed(items: Any) -> tuple[Any, ...]:
    return _several(items)[::-1]


def _list(items: Any = ()) -> tuple[Any, ...]:
    return _several(items)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _abs,
    "enumerate": _enumerate,
    "float": _float,
    "int": _int,
    "len": _len,
    "list": _list,
    "max": _extreme(max, "max"),
    "min": _extreme(min, "min"),
    "range": _range,
    "reversed": _reversed,
    "round": _round,
    "str": _str,
    "sum": _sum,
    "tuple": _list,
    "zip": _zip,
}


def call_function(name: str, values: list[Any]) -> Any:
    """Call a function of the language.

    Raises:
        NotComputable: where it does not take these.
    """
    try:
        result = FUNCTIONS[name](*values)
    except TypeError:
        raise NotComputable(f"`{name}` does not take {len(values)} arguments") from None
    return tuple(result) if isinstance(result, range) else result
