"""Every operation of tensor expressions against Keras: what it takes, and what it gives.

The operations are found by themselves, arguments and operands are drawn from what the classes
say, and Keras is the oracle: its symbolic answer, and what happens when the operation runs. A
run of one sample shows that the samples of a batch do not mix.
"""

from __future__ import annotations

import inspect
import itertools
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import specc.ops
from specc.diagnostics.place import Operand, Place, Refused
from specc.layers import arguments
from specc.layers.arguments import Kind
from specc.ops import (
    FAMILIES,
    NOT_OPERATIONS,
    OPERATION_NAMES,
    OPERATORS,
    UNARY_OPERATORS,
    find_operation,
    kinds,
)
from specc.ops.base import REGISTRY, Operation
from specc.ops.binary import bits, whole_numbers
from specc.ops.promotion import WEAK_FLOAT, WEAK_INT, holds, promoted
from specc.source import Source, Span
from specc.types import BATCH, DTYPES, FLOAT_DTYPES, Dimension, TensorType

from .drawing import enough, hold

pytestmark = pytest.mark.filterwarnings("ignore")

OF_TENSORS = [name for name in OPERATION_NAMES if name not in FAMILIES["creation"]]
"""The others make tensors of constants, and have a test of their own below."""

SAMPLES = 7
"""The batch size of runs: no other size that is drawn."""

SUBSTITUTES = ((6, 6), (4, 4), (12, 12), (3, 3), (2, 2), (1, 1), (5, 1), (5, 7), (1, 7), (5, 4))
"""What is tried for sizes with a name and without one, until one pair can be run."""

Strategy = st.SearchStrategy[Any]


def operation_class(name: str) -> type[Operation]:
    cls = find_operation(name)
    assert cls is not None
    return cls


class Case(NamedTuple):
    """An operation with arguments, perhaps such that it must refuse them."""

    operation: str
    arguments: dict[str, Any]

    @property
    def tensors(self) -> list[TensorType]:
        found: list[TensorType] = []
        for value in self.arguments.values():
            items: Any = (value,) if is_type(value) or not isinstance(value, tuple) else value
            found += [item for item in items if is_type(item)]
        return found


def is_type(value: object) -> TypeGuard[TensorType]:
    return isinstance(value, TensorType)


# ------------------------------------------------------------------ exceptions


class Stricter(NamedTuple):
    """Where specc refuses, on purpose, what Keras seems to take."""

    why: str
    applies: Callable[[Case], bool]


def of_whole_numbers(case: Case) -> bool:
    return not case.tensors[0].is_float


def of_another_length(case: Case) -> bool:
    """A tuple that has not one number for each inner axis."""
    rank = case.tensors[0].rank - 1
    values_ = [case.arguments.get(key, 1) for key in ("pool_size", "strides", "dilation_rate")]
    return any(isinstance(value, tuple) and len(value) != rank for value in values_)


def held_exactly(dtype: str, number: float | None) -> bool:
    """Whether a dtype has a place for a number, and one of whole numbers for no fraction."""
    of_kind = dtype in FLOAT_DTYPES or not isinstance(number, float)
    return number is None or (of_kind and holds(dtype, number))


def without_batch(case: Case) -> bool:
    return not case.tensors[0].batched


STRICTER: dict[str, Stricter] = {
    **dict.fromkeys(
        ("hard_shrink", "soft_shrink", "threshold", "moments"),
        Stricter("some whole numbers with some arguments work, most do not", of_whole_numbers),
    ),
    "full_like": Stricter(
        "a number that the dtype does not hold is cut to fit",
        lambda case: "float" not in (case.arguments.get("dtype") or case.tensors[0].dtype),
    ),
    **dict.fromkeys(
        ("max", "min"),
        Stricter(
            "a number that the dtype does not hold is cut to fit",
            lambda case: not held_exactly(case.tensors[0].dtype, case.arguments.get("initial")),
        ),
    ),
    "add": Stricter(
        "Keras adds what looks like a bias along another axis than it says, sometimes the same",
        lambda case: str(specc_answer(case)).startswith("('arguments_conflict'"),
    ),
    "einsum": Stricter(
        "without an arrow Keras says one order of the axes and computes another",
        lambda case: "->" not in case.arguments["subscripts"],
    ),
    "norm": Stricter(
        "an axis twice",
        lambda case: isinstance(axis := case.arguments["axis"], tuple) and len(axis) == 2,
    ),
    "normalize": Stricter(
        "whole numbers work with some orders; a tensor without axes gets one",
        lambda case: of_whole_numbers(case) or not case.tensors[0].whole_shape,
    ),
    "one_hot": Stricter(
        "a sparse tensor; truth values", lambda case: case.arguments.get("sparse", False)
    ),
    "roll": Stricter(
        "an axis twice adds up", lambda case: isinstance(case.arguments.get("axis"), tuple)
    ),
    "saturate_cast": Stricter(
        "uint64 works with some numbers",
        lambda case: "uint64" in (case.tensors[0].dtype, case.arguments["dtype"]),
    ),
    "sparsemax": Stricter(
        "float16, of which no graph can be made", lambda case: case.tensors[0].dtype == "float16"
    ),
    "squeeze": Stricter(
        "whether an unknown size is 1 is seen when it runs",
        lambda case: any(not isinstance(size, int) for size in case.tensors[0].shape),
    ),
    "take_along_axis": Stricter(
        "indices that are no whole numbers",
        lambda case: "int" not in case.tensors[1].dtype,
    ),
    "tensordot": Stricter(
        "TensorFlow takes sizes that differ where their products agree",
        lambda case: isinstance(case.arguments.get("axes", 2), int),
    ),
    "where": Stricter(
        "of a condition alone, the number of results depends on the numbers",
        lambda case: case.arguments.get("x1") is None,
    ),
    **dict.fromkeys(
        ("average_pool", "max_pool"),
        Stricter(
            "Keras says a shape, and computes with one number; axis 0 taken for the batch",
            lambda case: of_another_length(case) or without_batch(case),
        ),
    ),
    "conv": Stricter(
        "whole numbers work on a CPU; Keras computes with one number of several",
        lambda case: of_whole_numbers(case) or of_another_length(case),
    ),
    "depthwise_conv": Stricter(
        "as for `conv`; strides together with a dilation work for some sizes",
        lambda case: (
            of_whole_numbers(case)
            or of_another_length(case)
            or not {"strides", "dilation_rate"} - set(case.arguments)
            or None in case.tensors[0].shape
        ),
    ),
}

EXCUSED: dict[str, Stricter] = dict.fromkeys(
    ("conv", "depthwise_conv", "average_pool", "max_pool"),
    Stricter(
        "what runs with channels first, or 64 bits, depends on the device",
        lambda case: (
            case.arguments.get("data_format") == "channels_first"
            or case.tensors[0].dtype != "float32"
        ),
    ),
)
EXCUSED["tile"] = Stricter(
    "TensorFlow has no such kernel", lambda case: case.tensors[0].dtype == "uint16"
)
"""What a machine without an accelerator may not run."""

BATCH_ERRORS = (
    "batch_axis_used",
    "batch_axis_moved",
    "batch_axis_meets_size",
    "batch_axis_subscript",
)
"""Refusals that are about the batch axis, which Keras does not know."""

# --------------------------------------------------------------------- drawing

SIZES: st.SearchStrategy[Dimension] = st.sampled_from([4, 2, 3, 6, 1, 4, 3, 4, None, "time"])
ELEMENTS = st.sampled_from(
    ["float32"] * 12 + ["int32"] * 3 + ["bool"] + [dtype for dtype in DTYPES if dtype != "string"]
)
NUMBERS = st.sampled_from([2, 0.5, 1, 3, -1, 2.0, True])


@st.composite
def tensor_types(draw: st.DrawFn) -> TensorType:
    rank = draw(st.sampled_from([2, 1, 3, 2, 0, 2]))
    shape = tuple(draw(SIZES) for _ in range(rank))
    return TensorType(draw(ELEMENTS), shape, draw(st.integers(0, 5)) > 0)


@st.composite
def companions(draw: st.DrawFn, x: TensorType) -> TensorType:
    """A type that might go together with another."""
    shape = x.shape
    change = draw(st.sampled_from(["", "", "size", "suffix", "turned", "one", "more"]))
    if change == "size" and shape:
        place = draw(st.integers(0, len(shape) - 1))
        shape = (*shape[:place], draw(SIZES), *shape[place + 1 :])
    elif change == "suffix":
        shape = shape[draw(st.integers(0, len(shape))) :]
    elif change == "turned":
        shape = (*shape[:-2], *reversed(shape[-2:]))
    elif change == "one" and shape:
        shape = (*shape[:-1], 1)
    elif change == "more":
        shape = (*shape[-1:], draw(SIZES))
    dtype = draw(ELEMENTS) if draw(st.integers(0, 3)) == 0 else x.dtype
    batched = x.batched if draw(st.integers(0, 2)) else not x.batched
    return TensorType(dtype, shape, batched)


def axes(x: TensorType) -> st.SearchStrategy[int]:
    rank = len(x.whole_shape)
    inner = [axis for axis in range(-rank, rank) if axis % rank] if rank else [0]
    return st.sampled_from([*inner * 2, 0, rank, -rank - 1]) if inner else st.integers(-2, 1)


def several_axes(x: TensorType) -> Strategy:
    rank = len(x.whole_shape)
    inner = st.permutations(range(1, rank)).flatmap(
        lambda order: st.integers(1, max(1, rank - 1)).map(lambda n: tuple(order[:n]))
    )
    drawn = st.lists(axes(x), min_size=1, max_size=3).map(tuple)
    return axes(x) | drawn | (inner if rank > 1 else axes(x))


def order_of_axes(x: TensorType) -> Strategy:
    rank = len(x.whole_shape)
    keeping = st.permutations(range(1, rank)).map(lambda order: (0, *order))
    drawn = st.lists(axes(x), max_size=3).map(tuple)
    pair = st.tuples(axes(x), axes(x))
    return keeping | pair | st.permutations(range(rank)).map(tuple) | drawn


@st.composite
def target_shapes(draw: st.DrawFn, x: TensorType) -> tuple[int, ...]:
    shape = [size if isinstance(size, int) else 6 for size in x.shape]
    total = int(np.prod(shape))
    first = draw(st.sampled_from([-1, -1, -1, 1, 2]))
    rest: list[int] = []
    while total > 1 and draw(st.booleans()):
        factor = draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0]))
        rest.append(factor)
        total //= factor
    if draw(st.integers(0, 4)):
        rest.append(total)
    return (first, *rest) if x.batched or draw(st.booleans()) else tuple(rest)


@st.composite
def keys(draw: st.DrawFn, x: TensorType) -> tuple[Any, ...]:
    bound = st.none() | st.integers(-5, 5)
    piece = st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1, -2]))
    item = st.one_of(st.integers(-3, 3), st.none(), piece, st.just(slice(None)))
    items: list[Any] = draw(st.lists(item, max_size=3))
    if draw(st.integers(0, 2)) == 0:
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    start = [slice(None)] if x.batched and draw(st.integers(0, 8)) else []
    return (*start, *items)


def pads(x: TensorType) -> Strategy:
    one = st.tuples(st.integers(0, 2), st.integers(0, 2))
    rank = len(x.whole_shape)
    inner = st.lists(one, min_size=max(0, rank - 1), max_size=max(0, rank - 1))
    each = inner.map(lambda pairs: ((0, 0), *pairs))
    return each | each | st.integers(0, 2) | one


def sized(one: Strategy) -> Strategy:
    return one | st.lists(one, min_size=1, max_size=3).map(tuple)


def contractions(x: TensorType) -> Strategy:
    pair = st.integers(1, 2).flatmap(
        lambda n: st.tuples(*[st.lists(axes(x), min_size=n, max_size=n).map(tuple)] * 2)
    )
    return st.sampled_from([1, 1, 1, 2, 0, 3]) | pair


NOTATIONS = (
    "bij,jk->bik", "bij,bjk->bik", "bi,ij->bj", "bi,i->b", "bij->bji", "bij->b", "bij,bij->bij",
    "bi,bj->bij", "...ij,...jk->...ik", "...i,...i->...", "b...->b", "bij,ij", "bij, bj -> bi",
    "bij->jib", "ij,bjk", "i,i->i", "bij,kj->bik", "b...i->b...", "bi,bi->", "bij,jk->bikk",
    "bij;jk->bik", "bij,jk->bxk", "b..i->b", "bij,jk,kl->bil", "bij,bkj->bik", "...,...->...",
)  # fmt: skip

STRATEGIES: dict[type[Kind], Callable[[Any, TensorType], Strategy]] = {
    arguments.Bool: lambda _, _x: st.booleans(),
    arguments.Int: lambda kind, x: (
        axes(x) if kind.at_least is None else st.integers(kind.at_least, kind.at_least + 3)
    ),
    arguments.Float: lambda kind, _x: st.sampled_from(
        [n for n in (0, 0.25, 0.5, 1, 1.0, 2.5, -0.5, 30) if kind.accepts(n)]
    ),
    arguments.Choice: lambda kind, _x: st.sampled_from(kind.choices),
    arguments.AnyCase: lambda kind, _x: st.sampled_from(kind.choices),
    arguments.Axes: lambda _, x: several_axes(x),
    arguments.Ints: lambda _, x: order_of_axes(x),
    arguments.TargetShape: lambda _, x: target_shapes(x),
    arguments.Nothing: lambda _, _x: st.none(),
    arguments.Optional: lambda kind, x: st.none() | values(kind.kind, x) | values(kind.kind, x),
    kinds.Constant: lambda _, _x: NUMBERS,
    kinds.Tensor: lambda _, x: companions(x),
    kinds.IndexTensor: lambda _, x: companions(x).map(lambda y: y._replace(dtype="int32")),
    kinds.Operand: lambda _, x: companions(x) | companions(x) | NUMBERS,
    kinds.Tensors: lambda _, x: st.lists(companions(x), max_size=2).map(lambda more: (x, *more)),
    kinds.Positive: lambda _, _x: st.sampled_from([1e-6, 0.5, 1]),
    kinds.Indices: lambda _, x: sized(st.integers(-2, 3)) | companions(x._replace(dtype="int32")),
    kinds.Key: lambda _, x: keys(x),
    kinds.Sections: lambda _, _x: (
        st.integers(1, 4) | st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)
    ),
    kinds.PadWidth: lambda _, x: pads(x),
    kinds.Counts: lambda _, _x: sized(st.integers(1, 3)),
    kinds.ContractedAxes: lambda _, x: contractions(x),
    kinds.AnySizes: lambda _, _x: sized(st.integers(1, 3)),
    kinds.BatchShape: lambda _, x: st.lists(st.sampled_from([4, 2, 3, 6, 1]), max_size=2).map(
        lambda more: (
            (*more, *[s if isinstance(s, int) and s > 1 else 4 for s in x.whole_shape])
            if not x.batched
            else (None, 4)
        )
    ),
    kinds.Notation: lambda _, _x: st.sampled_from(NOTATIONS),
    kinds.Order: lambda _, _x: st.sampled_from([1, 2, -1, 0.5, 3, "fro", "nuc", 0]),
}


def values(kind: Kind, x: TensorType) -> Strategy:
    """Small values that a kind accepts, for a first operand."""
    return STRATEGIES[type(kind)](kind, x)


@st.composite
def einsums(draw: st.DrawFn, x: TensorType) -> dict[str, Any]:
    """A notation and operands that mostly fit it."""
    notation = draw(st.sampled_from(NOTATIONS))
    sizes = {letter: draw(SIZES) for letter in "ijklx"}
    operands: list[TensorType] = []
    for text in notation.partition("->")[0].replace(" ", "").split(","):
        letters = text.replace("...", "bi" if "j" in text else "b" if "b" not in text else "k")
        batched = letters.startswith("b")
        shape = tuple(sizes.get(letter, 3) for letter in letters[batched:])
        operands.append(TensorType(x.dtype, shape, batched))
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(operands) - 1))
        operands[place] = draw(companions(operands[place]))
    return {"subscripts": notation, "operands": tuple(operands)}


@st.composite
def convolutions(draw: st.DrawFn, x: TensorType) -> dict[str, Any]:
    """An image, and a kernel that mostly fits it."""
    rank = draw(st.integers(1, 2))
    sizes = st.sampled_from([6, 4, 5, 3, None, "time"])
    image = tuple(draw(sizes) for _ in range(rank))
    channels = draw(st.sampled_from([2, 4, 1, None]))
    first = draw(st.booleans())
    shape = (channels, *image) if first else (*image, channels)
    window = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    taken = channels if channels and draw(st.integers(0, 4)) else 2
    kernel = (*window, taken, draw(st.sampled_from([2, 4])))
    dtype = x.dtype if x.is_float or draw(st.integers(0, 4)) == 0 else "float32"
    return {
        "inputs": TensorType(dtype, shape),
        "kernel": TensorType(dtype, kernel, False),
        "data_format": "channels_first"
        if first
        else draw(st.sampled_from([None, "channels_last"])),
    }


@st.composite
def images(draw: st.DrawFn, x: TensorType) -> dict[str, Any]:
    """An image of which blocks can be made."""
    sizes = st.sampled_from([4, 6, 2, 8, 3, None, "time"])
    shape = tuple(draw(sizes) for _ in range(draw(st.sampled_from([3, 3, 3, 2]))))
    return {"x": TensorType(x.dtype, shape), "block_size": draw(st.integers(2, 3))}


SPECIAL: dict[str, Callable[[TensorType], st.SearchStrategy[dict[str, Any]]]] = {
    "depth_to_space": images,
    "space_to_depth": images,
    "einsum": einsums,
    "conv": convolutions,
    "depthwise_conv": convolutions,
}
"""Arguments that are hardly ever drawn at random such that they go together."""


@st.composite
def cases(draw: st.DrawFn, name: str) -> Case:
    cls = operation_class(name)
    x = draw(tensor_types())
    if getattr(cls, "pair", None) in (bits, whole_numbers) and draw(st.integers(0, 3)):
        x = x._replace(dtype=draw(st.sampled_from(["int32", "int8", "uint8", "int64"])))
    given_ = draw(SPECIAL[name](x)) if name in SPECIAL else {}
    case = Case(name, given_)
    for key, argument in cls.signature.items():
        if key in given_:
            continue
        if not argument.required and draw(st.integers(0, 2)) == 0:
            continue
        if isinstance(argument.kind, kinds.Tensor | kinds.Operand) and not case.tensors:
            number = isinstance(argument.kind, kinds.Operand) and draw(st.integers(0, 7)) == 0
            case.arguments[key] = draw(NUMBERS) if number else x
        else:
            case.arguments[key] = draw(values(argument.kind, x))
    return case


# ---------------------------------------------------------------------- oracle


class KerasAnswer(NamedTuple):
    symbolic: list[tuple[tuple[int | None, ...], str]]
    node: str
    """The class of the node that was made."""
    run: list[tuple[tuple[int, ...], str]] | Exception
    """Shapes and dtypes of a run, or why there was none."""
    certain: bool
    """Whether the run had the sizes of the case, and not substitutes for unknown ones."""
    mixed: Callable[[], bool]
    """Whether one sample alone gives something else than in its batch."""

    def __str__(self) -> str:
        return f"{self.node} {self.symbolic}, run {self.run}"


def specc_answer(case: Case) -> tuple[TensorType, ...] | Refused:
    try:
        return operation_class(case.operation)(**case.arguments).apply()
    except Refused as refused:
        return refused


def mapped(case: Case, convert: Callable[[TensorType], Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments for Keras, positional ones where it takes any number."""
    cls = operation_class(case.operation)

    def one(value: Any) -> Any:
        if isinstance(value, TensorType):
            return convert(value)
        if isinstance(value, tuple) and any(is_type(item) for item in value):
            return [convert(item) for item in value]
        return value

    given_ = {key: one(value) for key, value in case.arguments.items()}
    if cls.variadic is None:
        return [], given_
    several = given_.pop(cls.variadic)
    return [*given_.values(), *several], {}


def anonymous(x: TensorType) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in x.whole_shape)


def keras_answer(case: Case) -> KerasAnswer | Exception:
    inputs: list[Any] = []

    def symbol(x: TensorType) -> Any:
        inputs.append(keras.Input(batch_shape=anonymous(x), dtype=x.dtype))
        return inputs[-1]

    try:
        positional, named = mapped(case, symbol)
        if not inputs:
            raise ValueError("no tensor")
        outputs = as_list(getattr(keras.ops, case.operation)(*positional, **named))
        function = keras.Function(inputs, outputs)
    except Exception as error:
        return error
    symbolic = [(tuple(x.shape), x.dtype) for x in outputs]
    node = type(outputs[0]._keras_history.operation).__name__
    unknown = any(not isinstance(size, int) for x in case.tensors for size in x.shape)
    reason: Exception | None = None
    for pair in SUBSTITUTES if unknown else SUBSTITUTES[:1]:
        try:
            arrays = [concrete(x, pair, case.operation) for x in case.tensors]
            found = as_list(function(arrays))
        except Exception as error:
            reason = reason or error
            continue
        run = [(tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in found]
        mixed = partial(mixes, function, case, arrays, found)
        return KerasAnswer(symbolic, node, run, not unknown, mixed)
    assert reason is not None
    return KerasAnswer(symbolic, node, reason, not unknown, lambda: False)


def concrete(x: TensorType, pair: tuple[int, int], operation: str) -> Any:
    """Ones, and for floats numbers that differ; a fixed shape of the axes that are not known."""
    shape = tuple(
        SAMPLES if size == BATCH else size if isinstance(size, int) else pair[size is None]
        for size in x.whole_shape
    )
    if x.is_float:
        array = 0.25 + (np.arange(np.prod(shape)) * 37 % 11 / 11).reshape(shape)
    elif operation.startswith("take"):
        array = np.zeros(shape)
    else:
        array = np.ones(shape)
    return keras.ops.cast(keras.ops.convert_to_tensor(array, "float64"), x.dtype)


def mixes(function: Any, case: Case, arrays: list[Any], found: list[Any]) -> bool:
    """Whether the first sample alone gives something else than in its batch."""
    if not any(x.batched for x in case.tensors) or not all(len(x.shape) for x in found):
        return False
    alone = [
        keras.ops.convert_to_tensor(np.asarray(array)[:1], x.dtype) if x.batched else array
        for x, array in zip(case.tensors, arrays, strict=True)
    ]
    try:
        single = as_list(function(alone))
    except Exception:
        # An axis without a known size had that of the batch.
        return all(x.batched or None not in x.shape for x in case.tensors)
    # A single sample may look like a bias to `add`, which then drops axes of size 1.
    pairs = [
        (
            np.asarray(a),
            np.asarray(b).reshape((1, *a.shape[1:])) if b.ndim < a.ndim else np.asarray(b),
        )
        for a, b in zip(found, single, strict=True)
    ]
    return not all(
        a.shape[1:] == b.shape[1:]
        and np.allclose(a[:1].astype("float64"), b.astype("float64"), rtol=1e-2, equal_nan=True)
        for a, b in pairs
    )


def as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def contradicts_itself(answer: KerasAnswer) -> bool:
    """Whether Keras says another shape than it computes, so that nothing fits what follows."""
    if isinstance(answer.run, Exception):
        return False
    return any(
        len(said) != len(true) or any(a not in (None, b) for a, b in zip(said, true, strict=True))
        for (said, _), (true, _) in zip(answer.symbolic, answer.run, strict=True)
    )


def agree(case: Case) -> bool:
    """Compare the two answers; True where both accept."""
    ours, theirs = specc_answer(case), keras_answer(case)
    exception = STRICTER.get(case.operation)
    if isinstance(ours, Refused):
        if isinstance(theirs, Exception) or isinstance(theirs.run, Exception):
            return False
        if (
            contradicts_itself(theirs)
            or ours.args[0] in BATCH_ERRORS
            or (exception and exception.applies(case))
        ):
            return False
        raise AssertionError(f"only specc refuses {case}: {ours}; Keras: {theirs}")
    assert not isinstance(theirs, Exception), f"only Keras refuses {case}: {theirs!r}"
    assert theirs.node == operation_class(case.operation).keras_class, str(case)
    assert len(ours) == len(theirs.symbolic), f"{case}: {ours}, {theirs}"
    if isinstance(theirs.run, Exception):
        excuse = EXCUSED.get(case.operation)
        excused = not theirs.certain or (excuse and excuse.applies(case))
        assert excused, f"Keras cannot run {case}: {theirs.run!r}"
        return True
    for x, (symbolic, _), (truth, dtype) in zip(ours, theirs.symbolic, theirs.run, strict=True):
        shape = x.whole_shape
        text = f"{case} gives {x}, Keras {theirs}"
        assert len(shape) == len(truth), text
        assert not contradicts_itself(theirs), text
        for size, said, true in zip(shape, symbolic, truth, strict=True):
            known = SAMPLES if size == BATCH else size
            assert not isinstance(known, int) or known == true, text
            # What Keras knows is known here too.
            assert isinstance(size, int) or said is None, text
        assert x.dtype == dtype, text
    batched = any(x.batched for x in ours)
    assert not batched or not theirs.mixed(), f"{case} mixes samples: {theirs}"
    return True


# ----------------------------------------------------------------------- tests


@pytest.mark.parametrize(("name", "sign"), [("tril", 1), ("triu", -1)])
@pytest.mark.parametrize("beyond", [0, 1])
def test_widest_band(name: str, sign: int, beyond: int) -> None:
    shape = (5, 3) if name == "tril" else (3, 5)
    case = Case(name, {"x": tensor(*shape), "k": sign * (3 + beyond)})
    assert agree(case) == (beyond == 0)


@pytest.mark.parametrize("name", OF_TENSORS)
def test_agrees_with_keras(name: str) -> None:
    # Most of these families are one class under many names.
    alike = name in (*FAMILIES["unary"], *FAMILIES["reductions"])
    hold(agree, cases(name), 30 if alike else 60, until_told=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_TENSORS)
def test_agrees_with_keras_on_many(name: str) -> None:
    enough(hold(agree, cases(name), 600), 600)


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_signature(name: str) -> None:
    cls = operation_class(name)
    parameters = inspect.signature(getattr(keras.ops, name)).parameters.values()
    theirs = [
        (p.name, arguments.REQUIRED if p.default is p.empty else p.default)
        for p in parameters
        if p.kind is not p.VAR_KEYWORD
    ]
    ours = [(argument.name, argument.default) for argument in cls.signature.values()]
    assert ours == theirs
    several = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
    assert several == ([] if cls.variadic is None else [cls.variadic])
    for argument in cls.signature.values():
        assert argument.required or argument.kind.accepts(argument.default)
    assert cls.operation_name == name
    assert cls.__doc__


def test_every_operation_is_listed() -> None:
    for family, names in FAMILIES.items():
        module = import_module(f"specc.ops.{family}")
        found = [name for name, cls in REGISTRY.items() if cls.__module__ == module.__name__]
        assert tuple(sorted(found)) == names
    assert list(FAMILIES) == sorted(FAMILIES)
    assert sorted(REGISTRY) == list(OPERATION_NAMES)
    assert find_operation("nonsense") is None


def test_every_name_of_keras_is_spoken_of() -> None:
    theirs = {name for name in dir(keras.ops) if not name.startswith("_")}
    assert {*OPERATION_NAMES, *NOT_OPERATIONS} == theirs
    assert not set(OPERATION_NAMES) & set(NOT_OPERATIONS)


def test_every_kind_can_be_drawn() -> None:
    used = {type(a.kind) for name in OF_TENSORS for a in operation_class(name).signature.values()}
    assert used <= set(STRATEGIES)


@pytest.mark.parametrize(("operator", "name"), OPERATORS.items())
def test_operators(operator: str, name: str) -> None:
    x = keras.Input((3, 3))
    if operator == "==":
        # Python's own comparison, of objects.
        assert name == "equal"
        return
    node = eval(f"x {operator} x", {"x": x})._keras_history.operation
    assert type(node).__name__ == operation_class(name).keras_class


def test_unary_operators() -> None:
    x: Any = keras.Input((3,))
    node = (-x)._keras_history.operation
    assert type(node).__name__ == operation_class(UNARY_OPERATORS["-"]).keras_class


# --------------------------------------------------------- tensors of constants

WHOLE = st.sampled_from([3, 0, 1, 5, -2, -4, 10, 257, 1000, 2**24 + 1, 2**31, 2**40])
FRACTION = st.sampled_from([0.5, 1.0, 0.1, -0.3, 2.7, 7.0, 1e-3, 70000.0, 1e39, 1e-46, 1 / 3])
NUMBER = WHOLE | WHOLE | FRACTION
EXTENT = st.sampled_from([3, 4, 1, 2, 50])
DIAGONAL = st.integers(-6, 6)
SHAPE = st.lists(EXTENT, max_size=3).map(tuple)
TRUTHS = st.booleans()
MAYBE_DTYPE = st.sampled_from([None, None, *(dtype for dtype in DTYPES if dtype != "string")])


def rows(number: Strategy) -> Strategy:
    """A number, a list of numbers, a matrix, or rows that need not be of one length."""
    row = st.lists(number, min_size=1, max_size=3).map(tuple)
    matrix = st.integers(1, 3).flatmap(
        lambda n: st.lists(st.tuples(*[number] * n), min_size=1, max_size=3).map(tuple)
    )
    return number | row | matrix | st.lists(number | row, max_size=3).map(tuple)


LISTS = rows(WHOLE) | rows(NUMBER) | rows(TRUTHS) | rows(NUMBER | TRUTHS)

CREATED: dict[str, dict[str, Strategy]] = {
    "arange": {"start": NUMBER, "stop": st.none() | NUMBER, "step": st.none() | NUMBER},
    "array": {"x": LISTS},
    "convert_to_tensor": {"x": LISTS},
    "eye": {"N": EXTENT, "M": st.none() | EXTENT, "k": DIAGONAL},
    "full": {"shape": SHAPE, "fill_value": NUMBER | TRUTHS},
    "identity": {"n": EXTENT},
    "linspace": {
        "start": NUMBER,
        "stop": NUMBER,
        "num": EXTENT,
        "endpoint": TRUTHS,
        "axis": st.integers(-2, 1),
    },
    "ones": {"shape": EXTENT | SHAPE},
    "tri": {"N": EXTENT, "M": st.none() | EXTENT, "k": DIAGONAL},
    "zeros": {"shape": EXTENT | SHAPE},
}


@st.composite
def creations(draw: st.DrawFn, name: str) -> dict[str, Any]:
    signature = operation_class(name).signature
    drawn = {
        key: draw(strategy)
        for key, strategy in CREATED[name].items()
        if signature[key].required or draw(st.integers(0, 2))
    }
    dtype = draw(MAYBE_DTYPE)
    return drawn if dtype is None else {**drawn, "dtype": dtype}


def elements(start: float, stop: float | None = None, step: float | None = None) -> float:
    """About how many numbers `arange` gives."""
    start, stop = (0, start) if stop is None else (start, stop)
    return (stop - start) / (step or 1)


def stricter_with_constants(name: str, given_: dict[str, Any], why: str) -> bool:
    """Where specc refuses on purpose what Keras takes."""
    if why == "number_out_of_range":  # Keras cuts it, or makes it infinite
        return True
    if why == "no_tensor_of_constants":
        values_ = given_.get("x", 1)
        if name == "arange":
            rest = {key: value for key, value in given_.items() if key != "dtype"}
            return elements(**rest) > 900_000
        return "e" in str(values_)  # True or False beside numbers
    return False


def is_other(given_: dict[str, Any], found: TensorType) -> bool:
    """Whether `eye` gives a larger matrix than it was asked for."""
    rows = given_.get("N")
    return rows is not None and found.shape != (rows, given_.get("M") or rows)


@pytest.mark.parametrize("name", FAMILIES["creation"])
def test_constants_agree_with_keras(name: str) -> None:
    accepted = 0
    examples = 300 if name in ("arange", "array", "convert_to_tensor", "linspace") else 120

    @settings(max_examples=examples, derandomize=True, deadline=None, database=None)
    @given(creations(name))
    def property_(given_: dict[str, Any]) -> None:
        nonlocal accepted
        cls = operation_class(name)
        kinds_accept = all(cls.signature[key].kind.accepts(value) for key, value in given_.items())
        ours: TensorType | None = None
        why = "wrong_argument"
        if kinds_accept:
            try:
                (ours,) = cls(**given_).apply()
            except Refused as refused:
                why = refused.args[0]
        if ours is None and stricter_with_constants(name, given_, why):
            return  # what Keras makes of it may be very long
        found: TensorType | None = None
        with suppress(Exception):
            theirs = getattr(keras.ops, name)(**given_)
            dtype = keras.backend.standardize_dtype(theirs.dtype)
            found = TensorType(dtype, tuple(theirs.shape), False)
        if ours is None and found is not None and (0 in found.shape or is_other(given_, found)):
            found = None
        assert ours == found, f"{name} {given_}: {why if ours is None else ours}, Keras {found}"
        accepted += ours is not None

    property_()
    assert accepted * 10 >= examples, f"only {accepted} of {examples} examples were accepted"


@pytest.mark.parametrize(
    ("name", "given_", "expected"),
    [
        ("arange", {"start": 3}, "int32[3]"),
        ("arange", {"start": 3.0}, "float32[3]"),
        ("arange", {"start": 2, "stop": 5, "step": 0.5}, "float32[6]"),
        ("arange", {"start": 5, "stop": 2, "step": -1}, "int32[3]"),
        ("arange", {"start": 257, "dtype": "bfloat16"}, "bfloat16[256]"),
        ("array", {"x": ((True, False),)}, "bool[1, 2]"),
        ("convert_to_tensor", {"x": 0.5}, "float32[]"),
        ("convert_to_tensor", {"x": (1, 2.5)}, "float32[2]"),
        ("convert_to_tensor", {"x": (1, 2**31)}, "int64[2]"),
        ("eye", {"N": 3, "M": 4, "k": 1}, "float32[3, 4]"),
        ("full", {"shape": (2, 3), "fill_value": 7}, "float32[2, 3]"),
        ("identity", {"n": 3, "dtype": "int8"}, "int8[3, 3]"),
        ("linspace", {"start": 0, "stop": 1}, "float32[50]"),
        ("tri", {"N": 3, "dtype": "bool"}, "bool[3, 3]"),
        ("zeros", {"shape": 3}, "float32[3]"),
    ],
)
def test_constants(name: str, given_: dict[str, Any], expected: str) -> None:
    (ours,) = operation_class(name)(**given_).apply()
    assert str(ours) == expected
    assert not ours.batched
    theirs = getattr(keras.ops, name)(**given_)
    assert ours == TensorType(str(theirs.dtype.name), tuple(theirs.shape), False)


NUMERIC = [*(dtype for dtype in DTYPES if dtype != "string"), WEAK_INT, WEAK_FLOAT]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_promotion(number: int) -> None:
    for several in itertools.combinations_with_replacement(NUMERIC, number):
        theirs = [{WEAK_INT: int, WEAK_FLOAT: float}.get(dtype, dtype) for dtype in several]
        if several != ("uint64",):
            assert promoted(*several) == keras.backend.result_type(*theirs), several


def test_index_imports_no_family() -> None:
    code = "import sys, specc.ops; print([m for m in sys.modules if m.startswith('specc.ops.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    files = Path(specc.ops.__file__).parent.glob("*.py")
    assert {file.stem for file in files} >= set(FAMILIES)


def infer(name: str, **given_: Any) -> list[tuple[Dimension, ...]]:
    """The whole shapes of the results."""
    return [x.whole_shape for x in operation_class(name)(**given_).apply()]


def tensor(*shape: Dimension, dtype: str = "float32") -> TensorType:
    return TensorType(dtype, shape)


def weight(*shape: Dimension) -> TensorType:
    return TensorType("float32", shape, batched=False)


EVERYTHING = slice(None)


@pytest.mark.parametrize(
    ("name", "given_", "expected"),
    [
        ("add", {"x1": tensor("t", 3), "x2": tensor("t", 1)}, (BATCH, "t", 3)),
        ("add", {"x1": tensor("t", 3), "x2": weight(3)}, (BATCH, "t", 3)),
        ("add", {"x1": weight(None, 3), "x2": tensor(3)}, (BATCH, 3)),
        ("add", {"x1": tensor("t"), "x2": tensor(5)}, (BATCH, 5)),
        ("add", {"x1": tensor("t"), "x2": tensor(None)}, (BATCH, None)),
        ("add", {"x1": weight(3), "x2": 0.5}, (3,)),
        ("broadcast_to", {"x": weight(3), "shape": (2, 3)}, (2, 3)),
        ("concatenate", {"xs": (tensor("t", 3), tensor("t", 4)), "axis": -1}, (BATCH, "t", 7)),
        ("concatenate", {"xs": (tensor(None, 3), tensor("t", 4)), "axis": 2}, (BATCH, "t", 7)),
        ("conv", {"inputs": tensor("t", 3), "kernel": weight(1, 3, 8)}, (BATCH, "t", 8)),
        ("conv", {"inputs": tensor("t", 3), "kernel": weight(2, 3, 8)}, (BATCH, None, 8)),
        (
            "einsum",
            {"subscripts": "bqd,bkd->bqk", "operands": (tensor("t", 8), tensor("s", 8))},
            (BATCH, "t", "s"),
        ),
        (
            "einsum",
            {"subscripts": "...i,ij->...j", "operands": (tensor("t", 8), weight(8, 4))},
            (BATCH, "t", 4),
        ),
        ("expand_dims", {"x": tensor("t"), "axis": (1, -1)}, (BATCH, 1, "t", 1)),
        ("get_item", {"x": tensor("t", 3), "key": (EVERYTHING, -1)}, (BATCH, 3)),
        ("get_item", {"x": tensor("t", 3), "key": (Ellipsis, 0)}, (BATCH, "t")),
        ("get_item", {"x": tensor("t"), "key": (EVERYTHING, None)}, (BATCH, 1, "t")),
        (
            "get_item",
            {"x": tensor("t", 8), "key": (EVERYTHING, EVERYTHING, slice(1, None, 2))},
            (BATCH, "t", 4),
        ),
        ("get_item", {"x": weight(4, 3), "key": (0,)}, (3,)),
        ("matmul", {"x1": tensor("t", 3), "x2": weight(3, 5)}, (BATCH, "t", 5)),
        ("matmul", {"x1": tensor(3), "x2": weight(3, 5)}, (BATCH, 5)),
        ("matmul", {"x1": weight(5, "t"), "x2": tensor("t", 4)}, (BATCH, 5, 4)),
        ("mean", {"x": tensor("t", 3), "axis": 2}, (BATCH, "t")),
        ("pad", {"x": tensor("t"), "pad_width": ((0, 0), (1, 1))}, (BATCH, None)),
        ("ravel", {"x": tensor(4, 3)}, (None,)),
        ("reshape", {"x": tensor(4, 6), "newshape": (-1, 3, 8)}, (BATCH, 3, 8)),
        ("reshape", {"x": tensor(4, 6), "newshape": (-1, 6)}, (None, 6)),
        ("reshape", {"x": weight("t", 6), "newshape": (-1, 3, 2)}, ("t", 3, 2)),
        ("softmax", {"x": tensor("t", 3)}, (BATCH, "t", 3)),
        ("stack", {"x": (tensor("t"), tensor("t")), "axis": -1}, (BATCH, "t", 2)),
        ("swapaxes", {"x": tensor("t", 3), "axis1": 1, "axis2": 2}, (BATCH, 3, "t")),
        ("take", {"x": weight(9, 3), "indices": tensor("t", dtype="int32"), "axis": 0},
         (BATCH, "t", 3)),
        ("tensordot", {"x1": tensor("t", 3), "x2": weight(3, 5), "axes": 1}, (BATCH, "t", 5)),
        ("transpose", {"x": weight("t", 3)}, (3, "t")),
        ("transpose", {"x": tensor("t", 3), "axes": (0, 2, 1)}, (BATCH, 3, "t")),
        ("where", {"condition": tensor("t", 1), "x1": tensor("t", 3), "x2": 0}, (BATCH, "t", 3)),
    ],
)  # fmt: skip
def test_shapes(name: str, given_: dict[str, Any], expected: tuple[Dimension, ...]) -> None:
    assert infer(name, **given_) == [expected]


def test_several_results() -> None:
    assert infer("split", x=tensor(6), indices_or_sections=(1, 3), axis=1) == [
        (BATCH, 1), (BATCH, 2), (BATCH, 3),
    ]  # fmt: skip
    assert infer("unstack", x=tensor(2, "t"), axis=1) == [(BATCH, "t")] * 2
    assert infer("top_k", x=tensor("t"), k=3) == [(BATCH, 3)] * 2


@pytest.mark.parametrize(
    ("name", "given_", "code"),
    [
        ("sum", {"x": tensor(3)}, "E0340"),
        ("concatenate", {"xs": (tensor(3), tensor(3))}, "E0340"),
        ("matmul", {"x1": weight(4, 7), "x2": tensor(3)}, "E0340"),
        ("transpose", {"x": tensor(3)}, "E0341"),
        ("stack", {"x": (tensor(3), tensor(3))}, "E0341"),
        ("add", {"x1": tensor(3), "x2": weight(2, 1, 1)}, "E0341"),
        ("multiply", {"x1": tensor(8, 3), "x2": tensor(3)}, "E0342"),
        ("multiply", {"x1": tensor(8), "x2": weight("n", 8)}, "E0342"),
        ("matmul", {"x1": tensor(2, 3), "x2": weight(4, 5)}, "E0343"),
        ("matmul", {"x1": tensor(2, "t"), "x2": weight("s", 5)}, "E0343"),
        ("get_item", {"x": tensor(3), "key": (EVERYTHING, 3)}, "E0344"),
        ("get_item", {"x": tensor(3), "key": (EVERYTHING, 0, 0)}, "E0345"),
        ("get_item", {"x": tensor(3), "key": (0,)}, "E0346"),
        ("get_item", {"x": tensor(3), "key": (None, Ellipsis)}, "E0346"),
        ("sum", {"x": tensor(3), "axis": 2}, "E0347"),
        ("sum", {"x": tensor(3), "axis": (1, -1)}, "E0348"),
        ("split", {"x": tensor(9), "indices_or_sections": 2, "axis": 1}, "E0349"),
        ("max_pool", {"inputs": tensor(9), "pool_size": 2}, "E0350"),
        ("add", {"x1": 1, "x2": 2}, "E0351"),
        ("add", {"x1": tensor(3, dtype="uint8"), "x2": 300}, "E0352"),
        ("transpose", {"x": tensor(3, 4), "axes": (0, 2)}, "E0353"),
        ("einsum", {"subscripts": "ij->j", "operands": (tensor(3, 4),)}, "E0354"),
        ("einsum", {"subscripts": "bij,jk->bik", "operands": (tensor(3, 4), weight(5, 2))},
         "E0354"),
        ("squeeze", {"x": tensor(3), "axis": 1}, "E0355"),
        ("where", {"condition": tensor(3)}, "E0356"),
        ("concatenate", {"xs": (tensor(3, 4), tensor(4)), "axis": 1}, "E0357"),
        ("diagonal", {"x": tensor(4, 6), "offset": 6, "axis1": 1, "axis2": 2}, "E0358"),
        ("pad", {"x": tensor(4), "pad_width": 0, "mode": "reflect", "constant_values": 1},
         "E0359"),
        ("arange", {"start": 5, "stop": 2}, "E0362"),
        ("arange", {"start": 5, "step": 0}, "E0362"),
        ("arange", {"start": 0.5, "dtype": "int32"}, "E0352"),
        ("arange", {"start": 1_000_001}, "E0362"),
        ("array", {"x": ()}, "E0362"),
        ("array", {"x": ((1, 2), (3,))}, "E0362"),
        ("array", {"x": (1, True)}, "E0362"),
        ("array", {"x": (1, -1), "dtype": "uint8"}, "E0352"),
        ("eye", {"N": 3, "k": 4}, "E0358"),
        ("triu", {"x": tensor(3, None), "k": -4}, "E0358"),
        ("tril", {"x": tensor(4, 3), "k": 4}, "E0358"),
        ("full", {"shape": (2,), "fill_value": 0.5, "dtype": "bool"}, "E0352"),
        ("linspace", {"start": 0, "stop": 1, "axis": 1}, "E0347"),
        ("linspace", {"start": 0, "stop": 1, "retstep": True}, "E0359"),
        ("ones", {"shape": (1000, 1001)}, "E0362"),
        ("add", {"x1": tensor(6, 6), "x2": weight(6, 1)}, "E0310"),
        ("add", {"x1": tensor(3), "x2": tensor(4)}, "E0301"),
        ("add", {"x1": tensor("t"), "x2": tensor("s")}, "E0301"),
        ("reshape", {"x": weight(4), "newshape": (3,)}, "E0306"),
        ("sigmoid", {"x": tensor(3, dtype="int32")}, "E0308"),
        ("abs", {"x": tensor(3, dtype="string")}, "E0308"),
        ("unstack", {"x": tensor("t"), "axis": 1}, "E0312"),
    ],
)  # fmt: skip
def test_errors(name: str, given_: dict[str, Any], code: str) -> None:
    """Each error has its code, and can be said of a use in a program."""
    source = Source("example.spec", "x + y")
    span = Span(source, 0, 5)
    case = Case(name, given_)
    operands = [Operand("x", x, span) for x in case.tensors]
    with pytest.raises(Refused) as caught:
        operation_class(name)(**given_).apply()
    diagnostic = caught.value.at(Place(name, span, {}, operands))
    assert diagnostic.code == code
    assert BATCH not in str(diagnostic)
