"""Which dtypes operations take, and of which dtype their results are.

Where Keras says one dtype and computes another, these say what it computes.
"""

from __future__ import annotations

from collections.abc import Callable

from specc.diagnostics.errors.shapes import dtype_refused
from specc.diagnostics.place import Refused
from specc.ops.promotion import WEAK_FLOAT, promoted
from specc.types import FLOAT_DTYPES, INTEGER_DTYPES

Rule = Callable[[str], str]
"""The dtype of the result for that of the operand."""

FLOATS = "floating-point numbers"
NUMBERS = "numbers"
INTEGERS = "whole numbers"


def same(dtype: str) -> str:
    """Every dtype, and the result is of it."""
    return dtype


def numbers(dtype: str) -> str:
    """All but truth values."""
    if dtype == "bool":
        raise Refused(dtype_refused, NUMBERS)
    return dtype


def floats(dtype: str) -> str:
    """Floating-point numbers alone."""
    if dtype not in FLOAT_DTYPES:
        raise Refused(dtype_refused, FLOATS)
    return dtype


def integers(dtype: str) -> str:
    """Whole numbers alone."""
    if dtype not in INTEGER_DTYPES:
        raise Refused(dtype_refused, INTEGERS)
    return dtype


def as_float(dtype: str) -> str:
    """Every dtype; what is no float is made float32."""
    return promoted(dtype, WEAK_FLOAT)


def as_number(dtype: str) -> str:
    """Every dtype; truth values are made int32."""
    return "int32" if dtype == "bool" else dtype


def as_float_numbers(dtype: str) -> str:
    """All but truth values; whole numbers are made float32."""
    return as_float(numbers(dtype))


def as_sum(dtype: str) -> str:
    """Every dtype; small whole numbers are added up with 32 bits."""
    if dtype in ("bool", "int8", "int16"):
        return "int32"
    return "uint32" if dtype in ("uint8", "uint16") else dtype


def as_product(dtype: str) -> str:
    """As `as_sum`, with 32 bits for uint64 too."""
    return "uint32" if dtype == "uint64" else as_sum(dtype)


def truth(_dtype: str) -> str:
    """Every dtype; the result is of truth values."""
    return "bool"


def counts(_dtype: str) -> str:
    """Every dtype; the result counts or points."""
    return "int32"


def but(rule: Rule, **others: str | None) -> Rule:
    """A rule with exceptions: another result for a dtype, or None where it is not taken."""

    def changed(dtype: str) -> str:
        if dtype not in others:
            return rule(dtype)
        other = others[dtype]
        if other is None:
            raise Refused(dtype_refused, "another dtype")
        return other

    return changed
