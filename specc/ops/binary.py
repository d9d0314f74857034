"""Operations on the elements of several tensors that stand in the same places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partialmethod
from typing import Any, ClassVar

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import arguments_conflict, dtype_refused, inputs_differ
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Float, Optional, arg
from specc.lowering import Builder, Value
from specc.ops import pairs, promotion
from specc.ops.base import Operation
from specc.ops.kinds import OPERAND, TENSOR
from specc.ops.lower import (
    equal,
    is_float,
    is_nan,
    maximum,
    minimum,
    plain,
    strong,
    truth,
    where,
    worked,
)
from specc.ops.pairs import Lowering
from specc.ops.rules import INTEGERS, NUMBERS
from specc.ops.shapes import Shape, broadcast, result
from specc.types import BATCH, INTEGER_DTYPES, TensorType

Operand = TensorType | float

Pair = Callable[[Operand, Operand], str]
"""The dtype of the result for two operands."""


# -------------------------------------------------------------------- of dtypes


def arithmetic(x1: Operand, x2: Operand) -> str:
    """The promoted dtype; there is no arithmetic of truth values alone."""
    dtype = promotion.of_weak((x1, x2))
    if dtype == "bool":
        raise Refused(dtype_refused, NUMBERS)
    _require_range(dtype, x1, x2)
    return dtype


def division(x1: Operand, x2: Operand) -> str:
    """The promoted dtype, a float in any case."""
    return promotion.promoted(promotion.weak(x1), promotion.weak(x2), promotion.WEAK_FLOAT)


def comparison(x1: Operand, x2: Operand) -> str:
    """Truth values, of numbers of one dtype."""
    _require_range(promotion.of_weak((x1, x2)), x1, x2)
    return "bool"


def order(x1: Operand, x2: Operand) -> str:
    """Truth values, of anything but truth values."""
    arithmetic(x1, x2)
    return "bool"


def logic(_x1: Operand, _x2: Operand) -> str:
    """Truth values, of anything."""
    return "bool"


def remainder(x1: Operand, x2: Operand) -> str:
    """The promoted dtype, with numbers made tensors first."""
    dtype = promotion.of_strong((x1, x2))
    _require_range("int32", x1, x2)
    return "int32" if dtype == "bool" else dtype


def real(x1: Operand, x2: Operand) -> str:
    """As `division`, with numbers made tensors first."""
    strong = promotion.strong(x1), promotion.strong(x2)
    _require_range("int32", x1, x2)
    return promotion.promoted(*strong, promotion.WEAK_FLOAT)


def real_numbers(x1: Operand, x2: Operand) -> str:
    """As `real`, without truth values alone, and with 64 bits where whole numbers have them."""
    dtype = promotion.of_strong((x1, x2))
    if dtype == "bool":
        raise Refused(dtype_refused, NUMBERS)
    return "float64" if dtype == "int64" else real(x1, x2)


def bits(x1: Operand, x2: Operand) -> str:
    """The promoted dtype of whole numbers, with numbers made tensors first."""
    dtype = promotion.of_strong((x1, x2))
    if dtype not in INTEGER_DTYPES:
        raise Refused(dtype_refused, INTEGERS)
    _require_range("int32", x1, x2)
    return dtype


def whole_numbers(x1: Operand, x2: Operand) -> str:
    """As `bits`, and neither operand may be of truth values."""
    if "bool" in (promotion.weak(x1), promotion.weak(x2)):
        raise Refused(dtype_refused, INTEGERS)
    return bits(x1, x2)


def scaled(x1: Operand, x2: Operand) -> str:
    """As `division`, and the second must be a whole number."""
    if promotion.strong(x2) not in INTEGER_DTYPES:
        raise Refused(dtype_refused, INTEGERS, 1 if isinstance(x1, TensorType) else 0)
    return division(x1, x2)


def _require_range(dtype: str, *operands: Operand) -> None:
    for number in operands:
        if not isinstance(number, TensorType) and not promotion.holds(dtype, number):
            raise Refused(errors.number_out_of_range, number, dtype)


def shape_of(operand: Operand) -> Shape:
    """The whole shape of a tensor; a number has none."""
    return operand.whole_shape if isinstance(operand, TensorType) else ()


def spread(*operands: Operand) -> Shape:
    """The shape of an element-wise result."""
    return broadcast([shape_of(x) for x in operands if isinstance(x, TensorType)])


# ------------------------------------------------------------------ of operands


def _weak(op: Builder, operand: Any, dtype: str) -> Value:
    """An operand in a dtype; a number takes its precision."""
    if isinstance(operand, int | float):
        return op.constant(operand, dtype)
    return op.cast(operand, dtype)


class _OfTwo(Operation):
    """What operations on two operands have in common, whatever these are called."""

    pair: ClassVar[Pair] = staticmethod(arithmetic)
    """The dtype of the result."""

    def operands(self, op: Builder, v: Mapping[str, Any]) -> list[Value]:
        """Both operands in the dtype in which is computed."""
        pair = type(self).pair
        first, second = list(self.signature)[:2]
        types: list[Operand] = [getattr(self, first), getattr(self, second)]
        if pair is logic:
            return [strong(op, v[name], "bool") for name in (first, second)]
        if pair in (arithmetic, division):
            dtype = worked(pair(types[0], types[1]))
            return [_weak(op, v[name], dtype) for name in (first, second)]
        truths = pair in (comparison, order)
        dtype = plain(promotion.of_strong(types)) if truths else worked(pair(types[0], types[1]))
        return [strong(op, v[name], dtype) for name in (first, second)]


class Binary(_OfTwo):
    """What operations on two operands have in common."""

    x1: Operand = arg(OPERAND)
    x2: Operand = arg(OPERAND)

    def infer(self) -> TensorType:
        dtype = type(self).pair(self.x1, self.x2)
        return result(dtype, spread(self.x1, self.x2))


class TensorFirst(_OfTwo):
    """Operations of which Keras wants the operands to be tensors."""

    pair: ClassVar[Pair] = staticmethod(bits)

    x: TensorType = arg(TENSOR)
    y: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        dtype = type(self).pair(self.x, self.y)
        shape, other = self.x.whole_shape, self.y.whole_shape
        # Keras says that the result is of the shape of the first, whatever the second is of.
        if len(other) > len(shape):
            raise Refused(errors.wrong_rank_beside, len(shape), 1)
        aligned = (1,) * (len(shape) - len(other)) + other
        for axis, sizes in enumerate(zip(shape, aligned, strict=True)):
            if sizes[0] == 1 and sizes[1] != 1:
                if sizes[1] == BATCH:
                    raise Refused(errors.batch_axis_meets_size, axis, 1)
                raise Refused(inputs_differ, axis, sizes)
        return result(dtype, spread(self.x, self.y))


class TensorPair(_OfTwo):
    """Operations of which Keras wants both operands to be tensors."""

    pair: ClassVar[Pair] = staticmethod(real_numbers)

    x1: TensorType = arg(TENSOR)
    x2: TensorType = arg(TENSOR)

    def infer(self) -> TensorType:
        dtype = type(self).pair(self.x1, self.x2)
        return result(dtype, spread(self.x1, self.x2))


def binary(
    names: str,
    keras_class: str,
    pair: Pair,
    text: str,
    lowering: str | Lowering | None,
    base: type[_OfTwo] = Binary,
) -> None:
    """Make the classes of an operation: one for each of its names.

    Args:
        lowering: an operator of ONNX, or what makes several of two operands and the dtype that
            they have for Keras; None where it cannot be said.
    """
    body: dict[str, Any] = {"__doc__": text, "__module__": __name__, "pair": staticmethod(pair)}
    if lowering is not None:
        body["onnx"] = partialmethod(_onnx, lowering)
    for name in names.split():
        type(keras_class, (base,), dict(body), name=name, keras_class=keras_class)


def _onnx(self: _OfTwo, lowering: str | Lowering, op: Builder, v: Mapping[str, Any]) -> Value:
    a, b = self.operands(op, v)
    dtype = self.apply()[0].dtype
    if not isinstance(lowering, str):
        return lowering(op, a, b, dtype)
    return getattr(op, lowering)(a, b, dtype="bool" if dtype == "bool" else None)


class Add(Binary, name="add"):
    """The sum."""

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        return _onnx(self, "Add", op, v)

    def infer(self) -> TensorType:
        outcome = super().infer()
        if isinstance(self.x1, TensorType) and isinstance(self.x2, TensorType):
            self._refuse_bias(self.x1.whole_shape, self.x2.whole_shape)
        return outcome

    @staticmethod
    def _refuse_bias(shape: Shape, other: Shape) -> None:
        """Refuse what Keras adds along another axis than it says.

        With TensorFlow it takes a second operand with a single axis that is longer than 1 for a
        bias of the last axis, or else of axis 1, if the size is the same there.
        """
        longer = [axis for axis, size in enumerate(other) if size != 1]
        if len(longer) != 1 or len(shape) < 2 or not isinstance(other[longer[0]], int):
            return
        size = other[longer[0]]
        if size not in (shape[1], shape[-1]):
            return
        taken = len(shape) - 1 if shape[-1] == size else 1
        meant = len(shape) - len(other) + longer[0]
        if taken != meant or len(other) > len(shape) or shape[taken] != size:
            raise Refused(arguments_conflict, "x2", "Keras adds it along another axis: swap them")


binary("arctan2", "Arctan2", real, "The angle of a point (x2, x1).", pairs.arctan2)
binary(
    "bitwise_and",
    "BitwiseAnd",
    bits,
    "The bits that both have.",
    pairs.bitwise("BitwiseAnd"),
    TensorFirst,
)
binary(
    "bitwise_left_shift",
    "BitwiseLeftShift",
    bits,
    "The bits moved up.",
    pairs.shift("LEFT"),
    TensorFirst,
)
binary(
    "bitwise_or",
    "BitwiseOr",
    bits,
    "The bits that either has.",
    pairs.bitwise("BitwiseOr"),
    TensorFirst,
)
binary(
    "bitwise_right_shift",
    "BitwiseRightShift",
    bits,
    "The bits moved down.",
    pairs.shift("RIGHT"),
    TensorFirst,
)
binary(
    "bitwise_xor",
    "BitwiseXor",
    bits,
    "The bits that one of them has.",
    pairs.bitwise("BitwiseXor"),
    TensorFirst,
)
binary("divide", "Divide", division, "The first divided by the second.", "Div")
binary(
    "divide_no_nan",
    "DivideNoNan",
    division,
    "As `divide`, and zero where the second is.",
    pairs.divide_no_nan,
)
binary("equal", "Equal", comparison, "Whether both are equal.", "Equal")
binary("floor_divide", "FloorDivide", arithmetic, "The quotient, rounded down.", pairs.floor_divide)
binary("fmax", "Fmax", arithmetic, "The larger, or the one that is a number.", pairs.fmax)
binary("fmin", "Fmin", arithmetic, "The smaller, or the one that is a number.", pairs.fmin)
binary("fmod", "Fmod", remainder, "The remainder, with the sign of the first.", pairs.fmod)
binary("gcd", "Gcd", bits, "The greatest common divisor.", pairs.gcd)
binary("greater", "Greater", order, "Whether the first is larger.", "Greater")
binary(
    "greater_equal",
    "GreaterEqual",
    order,
    "Whether the first is larger or equal.",
    "GreaterOrEqual",
)
binary(
    "heaviside",
    "Heaviside",
    real_numbers,
    "The step at zero, and its value there.",
    pairs.heaviside,
    TensorPair,
)
binary("hypot", "Hypot", real_numbers, "The hypotenuse.", pairs.hypot, TensorPair)
binary("lcm", "Lcm", whole_numbers, "The least common multiple.", pairs.lcm)
binary("ldexp", "Ldexp", scaled, "The first times two to the power of the second.", pairs.ldexp)
binary("left_shift", "LeftShift", bits, "The bits moved up.", pairs.shift("LEFT"), TensorFirst)
binary("less", "Less", order, "Whether the first is smaller.", "Less")
binary("less_equal", "LessEqual", order, "Whether the first is smaller or equal.", "LessOrEqual")
binary("logaddexp", "Logaddexp", real, "log(exp(x1) + exp(x2)).", pairs.logaddexp)
binary("logaddexp2", "Logaddexp2", real, "log2(2 ** x1 + 2 ** x2).", pairs.logaddexp2)
binary("logical_and", "LogicalAnd", logic, "Whether neither is zero.", "And")
binary("logical_or", "LogicalOr", logic, "Whether one is not zero.", "Or")
binary("logical_xor", "LogicalXor", logic, "Whether exactly one is not zero.", "Xor")
binary("maximum", "Maximum", arithmetic, "The larger.", lambda op, a, b, _: maximum(op, a, b))
binary("minimum", "Minimum", arithmetic, "The smaller.", lambda op, a, b, _: minimum(op, a, b))
binary("mod", "Mod", remainder, "The remainder, with the sign of the second.", pairs.mod)
binary("multiply", "Multiply", arithmetic, "The product.", "Mul")
binary("nextafter", "Nextafter", real, "The next number from the first to the second.", None)
binary("not_equal", "NotEqual", comparison, "Whether both are different.", pairs.unequal)
binary("power", "Power", arithmetic, "The first to the power of the second.", pairs.power)
binary("right_shift", "RightShift", bits, "The bits moved down.", pairs.shift("RIGHT"), TensorFirst)
binary("subtract", "Subtract", arithmetic, "The first minus the second.", "Sub")
binary("true_divide", "TrueDivide", division, "The first divided by the second.", "Div")


class Isclose(Operation, name="isclose"):
    """Whether two elements are equal but for rounding."""

    x1: Operand = arg(OPERAND)
    x2: Operand = arg(OPERAND)
    rtol: float = arg(Float(), default=1e-5)
    atol: float = arg(Float(), default=1e-8)
    equal_nan: bool = arg(BOOL, default=False)

    def infer(self) -> TensorType:
        return result("bool", spread(self.x1, self.x2))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        dtype = plain(promotion.of_strong((self.x1, self.x2)))
        a, b = (strong(op, v[name], dtype) for name in ("x1", "x2"))
        if not is_float(a):
            return equal(op, a, b)
        apart = op.Abs(op.Sub(a, b))
        allowed = op.Add(op.Mul(op.Abs(b), self.rtol), self.atol)
        close = op.LessOrEqual(apart, allowed, dtype="bool")
        if not self.equal_nan:
            return close
        return op.Or(close, op.And(is_nan(op, a), is_nan(op, b)))


class Where(Operation, name="where"):
    """One operand where a condition is met, the other elsewhere."""

    condition: TensorType = arg(TENSOR)
    x1: Operand | None = arg(Optional(OPERAND), default=None)
    x2: Operand | None = arg(Optional(OPERAND), default=None)

    def infer(self) -> TensorType:
        # Without operands Keras gives the places where the condition is met, of any number.
        if self.x1 is None or self.x2 is None:
            raise Refused(errors.argument_needed, "x1" if self.x1 is None else "x2")
        dtype = promotion.of_weak((self.x1, self.x2))
        _require_range(dtype, self.x1, self.x2)
        return result(dtype, spread(self.condition, self.x1, self.x2))

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Value:
        dtype = worked(self.infer().dtype)
        return where(
            op, truth(op, v["condition"]), _weak(op, v["x1"], dtype), _weak(op, v["x2"], dtype)
        )
