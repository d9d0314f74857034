"""The dtype in which Keras computes with operands of several dtypes.

A number in a program is weakly typed: "int" and "float" stand for it, and take the precision of
the tensor beside them. True and False are of dtype "bool".
"""

from __future__ import annotations

from collections.abc import Iterable

from specc.types import FLOAT_DTYPES, INTEGER_DTYPES, TensorType

WEAK_INT = "int"
WEAK_FLOAT = "float"

_WIDE_FLOATS = ("float64", "float32")


def promoted(*dtypes: str) -> str:
    """What `keras.backend.result_type` says of these dtypes with TensorFlow."""
    every = set(dtypes)
    floats = every.intersection(FLOAT_DTYPES)
    if floats:
        return next(iter(floats)) if len(floats) == 1 else _wider(floats)
    if WEAK_FLOAT in every:
        return "float32"
    unsigned = [int(dtype[4:]) for dtype in every if dtype.startswith("uint")]
    signed = [int(dtype[3:]) for dtype in every if dtype.startswith("int") and dtype != WEAK_INT]
    if signed:
        bits = max(*signed, *[2 * size for size in unsigned], 0)
        return f"int{bits}" if bits <= 64 else "float32"
    if unsigned:
        # Keras computes with 32 bits where it is asked for uint64.
        return f"uint{min(32, max(unsigned))}"
    return "int32" if WEAK_INT in every else "bool"


def _wider(floats: set[str]) -> str:
    for dtype in _WIDE_FLOATS:
        if dtype in floats:
            return dtype
    # bfloat16 and float16: neither holds every number of the other.
    return "float32"


def weak(operand: TensorType | float) -> str:
    """The dtype of a tensor, or the weak one of a number."""
    if isinstance(operand, TensorType):
        return operand.dtype
    if isinstance(operand, bool):
        return "bool"
    return WEAK_INT if isinstance(operand, int) else WEAK_FLOAT


def strong(operand: TensorType | float) -> str:
    """The dtype of a tensor, or that of the tensor that is made of a number."""
    return {WEAK_INT: "int32", WEAK_FLOAT: "float32"}.get(weak(operand), weak(operand))


def of_weak(operands: Iterable[TensorType | float]) -> str:
    """The promoted dtype, with numbers taking the precision of the tensors."""
    return promoted(*[weak(operand) for operand in operands])


def of_strong(operands: Iterable[TensorType | float]) -> str:
    """The promoted dtype, with numbers being int32 and float32."""
    return promoted(*[strong(operand) for operand in operands])


def holds(dtype: str, number: float) -> bool:
    """Whether a whole number is within a dtype's range; True for all other dtypes."""
    if dtype not in INTEGER_DTYPES or not isinstance(number, int):
        return True
    if dtype.startswith("uint"):
        return 0 <= number < 2 ** int(dtype[4:])
    bits = int(dtype[3:]) - 1
    return -(2**bits) <= number < 2**bits
