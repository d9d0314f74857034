"""Tensor types: what is known of a tensor before anything runs."""

from __future__ import annotations

from typing import NamedTuple

Dimension = int | str | None
"""A known size; an unknown size with a name; an unknown size."""

FLOAT_DTYPES = ("bfloat16", "float16", "float32", "float64")
INTEGER_DTYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip
DTYPES = ("bool", *FLOAT_DTYPES, *INTEGER_DTYPES)


class TensorType(NamedTuple):
    """A dtype and a shape. The batch axis, which every tensor has, is not in the shape."""

    dtype: str
    shape: tuple[Dimension, ...]

    def __str__(self) -> str:
        return f"{self.dtype}{shape_text(self.shape)}"

    @property
    def rank(self) -> int:
        """The number of axes, the batch axis not counted."""
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOAT_DTYPES

    def anonymous(self) -> TensorType:
        """The type as Keras can say it, which has no names for unknown sizes."""
        return self.with_shape(*(n if isinstance(n, int) else None for n in self.shape))

    def with_shape(self, *shape: Dimension) -> TensorType:
        return TensorType(self.dtype, shape)


def shape_text(shape: tuple[Dimension, ...]) -> str:
    """A shape as a spec writes it: `[28, None, time]`."""
    return "[" + ", ".join(str(size) for size in shape) + "]"


def size_of(shape: tuple[Dimension, ...]) -> int | None:
    """The number of elements of a shape; None where an axis is unknown."""
    total = 1
    for size in shape:
        if not isinstance(size, int):
            return None
        total *= size
    return total
