"""Operations that make a tensor of constants. It has no batch axis, as a weight has none.

Keras computes it at once, while the model is built; what uses it holds it as a constant.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Choice, Float, Int, Nothing, Optional, arg, is_tuple
from specc.lowering import Builder, Value
from specc.ops.base import Operation
from specc.ops.kinds import CONSTANT, DTYPE, SIZE, Constants, Extent, Shape
from specc.ops.promotion import holds
from specc.ops.shapes import require_axis
from specc.types import FLOAT_DTYPES, TensorType

MAX_ELEMENTS = 1_000_000
"""So many are kept in a saved model."""

Nested = int | float | tuple["Nested", ...]

# `tf.range` has no kernel for uint8; neither counts in truth values.
COUNTED = Optional(Choice(*(dtype for dtype in DTYPE.choices if dtype not in ("bool", "uint8"))))
MEASURED = Optional(Choice(*(dtype for dtype in DTYPE.choices if dtype != "bool")))


def rounded(number: float, dtype: str) -> float:
    """A number as a dtype of floats holds it.

    Raises:
        OverflowError: where it is beyond its range.
    """
    if dtype == "float64":
        return float(number)
    (single,) = struct.unpack("<f", struct.pack("<f", number))
    if dtype == "float16":
        (single,) = struct.unpack("<e", struct.pack("<e", single))
    elif dtype == "bfloat16":  # the upper half of a float32, rounded to even
        (bits,) = struct.unpack("<I", struct.pack("<f", single))
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
        (single,) = struct.unpack("<f", struct.pack("<I", bits))
    if math.isinf(single):
        raise OverflowError
    return single


def require_number(number: float, dtype: str) -> None:
    """Refuse a number that the dtype does not hold.

    Keras cuts some of them to fit, and refuses others. None beyond 64 bits gets to TensorFlow,
    and True is no bfloat16 for it.
    """
    fits = holds(dtype, number) and holds("int64", number)
    if isinstance(number, float) and dtype not in FLOAT_DTYPES:
        fits = False
    if fits and dtype in FLOAT_DTYPES:
        try:
            rounded(number, dtype)
        except OverflowError:
            fits = False
    if not fits or (isinstance(number, bool) and dtype == "bfloat16"):
        raise Refused(errors.number_out_of_range, number, dtype)


def constants(argument: str, dtype: str, shape: tuple[int, ...]) -> TensorType:
    """The type of a tensor of constants; `argument` is blamed for its size."""
    size = math.prod(shape)
    if size > MAX_ELEMENTS:
        why = f"it would have {size:,} elements, and {MAX_ELEMENTS:,} are the most"
        raise Refused(errors.no_tensor_of_constants, argument, why)
    if size == 0:
        raise Refused(errors.no_tensor_of_constants, argument, "it would have no elements")
    return TensorType(dtype, shape, batched=False)


class _Creation(Operation):
    """An operation without operands that are tensors."""

    makes_constants = True

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        import numpy as np

        (made,) = self.apply()
        shape = [size for size in made.shape if isinstance(size, int)]
        numbers: Any = np.asarray(self.elements(made.dtype, *shape))
        return op.constant(np.broadcast_to(numbers, shape), made.dtype)

    def elements(self, dtype: str, *shape: int) -> Any:
        """The elements, or one for all of them."""
        raise NotImplementedError


# ----------------------------------------------------------------------- sequences


class Arange(_Creation, name="arange"):
    """The numbers from one to before another, in equal steps."""

    start: float = arg(Float())
    stop: float | None = arg(Optional(Float()), default=None)
    step: float | None = arg(Optional(Float()), default=None)
    dtype: str | None = arg(COUNTED, default=None)

    def infer(self) -> TensorType:
        start, stop = (0, self.start) if self.stop is None else (self.start, self.stop)
        step = 1 if self.step is None else self.step
        every = (self.start, self.stop, self.step)
        dtype = self.dtype or (
            "float32" if any(isinstance(number, float) for number in every) else "int32"
        )
        for number in (start, stop, step):
            require_number(number, dtype)
        if step == 0 or rounded_to_zero(step, dtype):
            raise Refused(errors.no_tensor_of_constants, "step", "no end is reached in steps of 0")
        size = length_of_range(start, stop, step, dtype)
        return constants("start" if self.stop is None else "stop", dtype, (size,))

    def elements(self, dtype: str, *shape: int) -> Any:
        import numpy as np

        first = 0 if self.stop is None else self.start
        step = 1 if self.step is None else self.step
        return first + step * np.arange(shape[0])


def rounded_to_zero(number: float, dtype: str) -> bool:
    """Whether a number is too small for a dtype of floats."""
    return dtype in FLOAT_DTYPES and rounded(number, dtype) == 0


def length_of_range(start: float, stop: float, step: float, dtype: str) -> int:
    """How many numbers there are, reckoned in the precision of the dtype, as TensorFlow does."""
    if dtype not in FLOAT_DTYPES:
        return max(0, -int((start - stop) // step))
    try:
        start, stop, step = (rounded(number, dtype) for number in (start, stop, step))
        distance = rounded(stop - start, dtype)
        return max(0, math.ceil(rounded(distance / step, dtype)))
    except OverflowError:
        return MAX_ELEMENTS + 1 if (stop > start) == (step > 0) else 0


class Linspace(_Creation, name="linspace"):
    """So many numbers from one to another, all as far apart."""

    start: float = arg(Float())
    stop: float = arg(Float())
    num: int = arg(SIZE, default=50)
    endpoint: bool = arg(BOOL, default=True)
    retstep: bool = arg(BOOL, default=False)
    dtype: str | None = arg(MEASURED, default=None)
    axis: int = arg(Int(), default=0)

    def validate(self) -> None:
        if self.retstep:  # the step is a number, which a spec can work out
            raise Refused(errors.not_together, "retstep", "num")

    def infer(self) -> TensorType:
        dtype = self.dtype or "float32"
        require_number(self.start, dtype)
        require_number(self.stop, dtype)
        require_axis("axis", self.axis, 1)
        return constants("num", dtype, (self.num,))

    def elements(self, dtype: str, *shape: int) -> Any:
        import numpy as np

        found = np.linspace(self.start, self.stop, self.num, endpoint=self.endpoint)
        return found if dtype in FLOAT_DTYPES else np.floor(found)


# ------------------------------------------------------------------- of one number


class _Filled(_Creation):
    """A number in every place."""

    shape: int | tuple[int, ...] = arg(Extent())
    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        shape = self.shape if isinstance(self.shape, tuple) else (self.shape,)
        return constants("shape", self.dtype or "float32", shape)


class Zeros(_Filled, name="zeros"):
    """A tensor of zeros."""

    def elements(self, dtype: str, *shape: int) -> Any:
        return 0


class Ones(_Filled, name="ones"):
    """A tensor of ones."""

    def elements(self, dtype: str, *shape: int) -> Any:
        return 1


class Full(_Creation, name="full"):
    """A tensor with a number in every place."""

    shape: tuple[int, ...] = arg(Shape())
    fill_value: float = arg(CONSTANT)
    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        dtype = self.dtype or "float32"
        require_number(self.fill_value, dtype)
        return constants("shape", dtype, self.shape)

    def elements(self, dtype: str, *shape: int) -> Any:
        return self.fill_value


# ------------------------------------------------------------------------ matrices


class Tri(_Creation, name="tri"):
    """A matrix with ones up to a diagonal and zeros above it."""

    N: int = arg(SIZE)
    M: int | None = arg(Optional(SIZE), default=None)
    k: int = arg(Int(), default=0)
    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        columns = self.N if self.M is None else self.M
        return constants("N", self.dtype or "float32", (self.N, columns))

    def elements(self, dtype: str, *shape: int) -> Any:
        import numpy as np

        return np.tri(self.N, self.M, self.k)


class Eye(Tri, name="eye"):
    """A matrix with ones on a diagonal and zeros elsewhere."""

    def validate(self) -> None:
        columns = self.N if self.M is None else self.M
        if not -self.N <= self.k <= columns:
            raise Refused(errors.no_diagonal, "k", self.k, (self.N, columns))
        # Keras gives a larger matrix than it was asked for where a diagonal above the main one
        # ends before the last column, or one below it before the last row.
        if (columns - self.k > self.N) if self.k > 0 else (self.k and self.N + self.k > columns):
            raise Refused(errors.not_together, "k", "M")

    def elements(self, dtype: str, *shape: int) -> Any:
        import numpy as np

        return np.eye(self.N, self.M, self.k)


class Identity(_Creation, name="identity"):
    """A square matrix with ones on its diagonal and zeros elsewhere."""

    n: int = arg(SIZE)
    dtype: str | None = arg(Optional(DTYPE), default=None)

    def infer(self) -> TensorType:
        return constants("n", self.dtype or "float32", (self.n, self.n))

    def elements(self, dtype: str, *shape: int) -> Any:
        import numpy as np

        return np.eye(self.n)


# ----------------------------------------------------------------------- from lists


def shape_of(x: Nested) -> tuple[int, ...]:
    """The shape of nested lists of numbers, which must be as long as their neighbours."""
    if not is_tuple(x):
        return ()
    shapes = [shape_of(item) for item in x]
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            first, other = (_in_words(found) for found in (shapes[0], shape))
            why = f"item {index} of a list is {other}, and item 0 is {first}"
            raise Refused(errors.no_tensor_of_constants, "x", why)
    return (len(x), *(shapes[0] if shapes else ()))


def _in_words(shape: tuple[int, ...]) -> str:
    if len(shape) > 1:
        return "a list of lists of " + " by ".join(str(size) for size in shape)
    return f"a list of length {shape[0]}" if shape else "a number"


def numbers_in(x: Nested) -> list[float]:
    """The numbers in nested lists."""
    if isinstance(x, int | float):
        return [x]
    return [number for item in x for number in numbers_in(item)]


class ConvertToTensor(_Creation, name="convert_to_tensor"):
    """A tensor of a number, or of the numbers in a list of lists."""

    x: Nested = arg(Constants())
    dtype: str | None = arg(Optional(DTYPE), default=None)
    sparse: None = arg(Nothing(), default=None)
    ragged: None = arg(Nothing(), default=None)

    def infer(self) -> TensorType:
        shape = shape_of(self.x)
        numbers = numbers_in(self.x)
        truths = sum([isinstance(number, bool) for number in numbers])
        if 0 < truths < len(numbers):
            why = "it has both numbers and truth values"
            raise Refused(errors.no_tensor_of_constants, "x", why)
        dtype = self.dtype or _dtype_of(numbers)
        for number in numbers:
            require_number(number, dtype)
        return constants("x", dtype, shape)

    def elements(self, dtype: str, *shape: int) -> Any:
        return self.x


class Array(_Creation, name="array"):
    """A tensor of a number, or of the numbers in a list of lists."""

    x: Nested = arg(Constants())
    dtype: str | None = arg(Optional(DTYPE), default=None)

    infer = ConvertToTensor.infer
    elements = ConvertToTensor.elements


def _dtype_of(numbers: list[float]) -> str:
    """What TensorFlow makes of numbers that are all of one kind, or of whole ones and others."""
    if any(isinstance(number, float) for number in numbers) or not numbers:
        return "float32"
    if isinstance(numbers[0], bool):
        return "bool"
    return "int32" if all(holds("int32", number) for number in numbers) else "int64"
