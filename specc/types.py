"""Tensor types: what is known of a tensor before anything runs."""

from __future__ import annotations

from typing import NamedTuple

Dimension = int | str | None
"""A known size; an unknown size with a name; an unknown size."""

FLOAT_DTYPES = ("bfloat16", "float16", "float32", "float64")
INTEGER_DTYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip
DTYPES = ("bool", *FLOAT_DTYPES, *INTEGER_DTYPES, "string")

BATCH = "*batch*"
"""The batch axis where a whole shape is spoken of; no name in a spec can be this."""


class TensorType(NamedTuple):
    """A dtype and a shape. The batch axis, which a model's tensors have, is not in the shape."""

    dtype: str
    shape: tuple[Dimension, ...]
    batched: bool = True
    """False for a weight and what is computed of weights alone."""

    def __str__(self) -> str:
        return f"{self.dtype}{shape_text(self.shape)}"

    @property
    def whole_shape(self) -> tuple[Dimension, ...]:
        """Every axis, `BATCH` in front where there is a batch axis."""
        return (BATCH, *self.shape) if self.batched else self.shape

    @staticmethod
    def of_whole_shape(dtype: str, shape: tuple[Dimension, ...]) -> TensorType:
        """The inverse of `whole_shape`."""
        if shape and shape[0] == BATCH:
            return TensorType(dtype, shape[1:])
        return TensorType(dtype, shape, batched=False)

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
        return self._replace(shape=shape)


class Port(NamedTuple):
    """An input or an output of a model."""

    name: str
    type: TensorType
    """Dtype and shape; the batch axis is implied."""


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
