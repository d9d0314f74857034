"""Every operation's lowering against Keras, on arguments and operands that are drawn.

Keras runs eagerly and is the oracle, onnxruntime runs what was lowered. An operation has no
lowering where its class has none; only those, and what `UNSAID` names, may say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import strategies as st

from specc.backends.native.builder import DTYPES, OnnxBuilder, OnnxValue
from specc.backends.native.convert import OPSETS, ir_version
from specc.diagnostics.place import Refused
from specc.graph import Graph, GraphLayer, Variable
from specc.lowering import NotLowered
from specc.ops import FAMILIES, OPERATION_NAMES
from specc.ops.base import Operation
from specc.ops.lower import lower_operation
from specc.types import BATCH, TensorType

from .drawing import SEED, enough, hold
from .test_native import NOWHERE, NoKernel, agree, run_onnx
from .test_ops import SUBSTITUTES, Case, as_list, cases, creations, is_type, mapped, operation_class

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES, MANY_EXAMPLES = 12, 300
SAMPLES = 5

NOT_YET = {name for name in OPERATION_NAMES if operation_class(name).onnx is Operation.onnx}
"""Operations without any lowering: those whose class has none."""


def of_unknown_size(case: Case) -> bool:
    return any(not isinstance(size, int) for x in case.tensors for size in x.shape)


UNSAID: dict[str, Callable[[Case], Any]] = {
    "erfinv": lambda case: case.tensors[0].dtype == "float64",
    "max_pool": lambda case: case.tensors[0].dtype == "int64",
    "norm": lambda case: case.arguments.get("ord") in ("nuc", 2, -2),
    **dict.fromkeys(("median", "percentile", "quantile"), of_unknown_size),
    **dict.fromkeys(("diagonal", "trace", "array_split"), of_unknown_size),
}
"""Operations that have one, but not for all arguments: whether a case is one of these."""


def wraps_around(case: Case) -> bool:
    """Whether the distance from one end to the other is none of the numbers of the dtype."""
    dtype = case.arguments.get("dtype", "float32")
    if "int" not in dtype:
        return False
    distance = case.arguments["stop"] - case.arguments["start"]
    return not np.iinfo(dtype).min <= distance <= np.iinfo(dtype).max


def taken_for_a_bias(case: Case) -> bool:
    """Whether Keras adds a column as a row, which it takes for the bias of the last axis."""
    if len(case.tensors) < 2:
        return False
    x, y = (tensor.whole_shape for tensor in case.tensors[:2])
    sizes = [n for n in y if n != 1]
    return len(sizes) == 1 and y[-1] == 1 and (None in (sizes[0], x[-1]) or sizes[0] == x[-1])


def wider_than_the_image(case: Case) -> bool:
    """Whether a dilated window may be wider than what turns out to be there: TensorFlow, which
    takes it apart, answers then too.
    """
    rate = case.arguments.get("dilation_rate", 1)
    rates = rate if isinstance(rate, tuple) else (rate,)
    spatial = case.arguments["kernel"].shape[:-2]
    widest = max((size - 1) * max(rates) + 1 for size in spatial if isinstance(size, int))
    return of_unknown_size(case) and max(rates) > 1 and widest > SUBSTITUTES[0][0]


UNLIKE_KERAS: dict[str, Callable[[Case], Any]] = {
    "add": taken_for_a_bias,
    "depthwise_conv": wider_than_the_image,
    # Keras takes the ends from each other in the dtype of the result, where they wrap around.
    "linspace": wraps_around,
    # It leaves open in which order the largest elements are; here they are always sorted.
    "top_k": lambda case: not case.arguments.get("sorted", True),
    # Channels of unknown number are taken in groups where they turn out to be more.
    "conv": lambda case: None in (case.arguments["inputs"].shape[i] for i in (0, -1)),
    # TensorFlow takes sizes that differ where their products agree.
    "tensordot": lambda case: (
        of_unknown_size(case) and isinstance(case.arguments.get("axes", 2), int)
    ),
}
"""Where Keras's answer is one of several, or of another question: whether a case is one."""

WITH_SPECIAL_NUMBERS = ("nan", "is", "fmax", "fmin", "sign")
"""How the names of operations start that are about NaN, infinity and the sign of zero."""

OF_LARGE_NUMBERS = ("maximum", "minimum", "fmax", "fmin", "relu", "sort", "where")
"""Those that might look at 32 bits of 64 alone; the reductions of onnxruntime 1.26 do."""


class Drawn:
    """Arrays for the tensors of a case, with two sizes for the unknown ones."""

    def __init__(self, operation: str, sizes: tuple[int, int]) -> None:
        self.operation = operation
        self.sizes = sizes
        self.random = np.random.default_rng(7)

    def array(self, x: TensorType) -> Any:
        shape = tuple([self._size(size) for size in x.whole_shape])
        if x.dtype == "bool":
            return np.asarray(self.random.random(shape) < 0.5)
        drawn = self._floats(shape) if x.is_float else self._whole_numbers(shape, x.dtype)
        return np.asarray(drawn).astype(x.dtype)

    def _size(self, size: int | str | None) -> int:
        if isinstance(size, int):
            return size
        return SAMPLES if size == BATCH else self.sizes[size is None]

    def _floats(self, shape: tuple[int, ...]) -> Any:
        array = self.random.standard_normal(shape)
        if self.operation in ("cast", "one_hot") or "cum" in self.operation:
            # Some dtypes have no place below 0.
            return np.abs(array) * 3
        if self.random.random() < 0.3:
            array = np.abs(array) + 0.1
        if self.operation.startswith(WITH_SPECIAL_NUMBERS):
            # Keras takes -0.0 for smaller than 0.0 in `argmax`, which nothing else does.
            zero = 0.0 if "arg" in self.operation else -0.0
            special = self.random.choice([np.nan, np.inf, -np.inf, 0.0, zero], shape)
            array = np.where(self.random.random(shape) < 0.4, special, array)
        return array

    def _whole_numbers(self, shape: tuple[int, ...], dtype: str) -> Any:
        if self.operation.startswith("take"):  # most are indices
            return self.random.integers(0, 1, shape)
        numbers = self.random.integers(1, 6, shape)
        if dtype == "int64" and self.operation in OF_LARGE_NUMBERS:
            return (numbers - 3) * 2**31 + numbers
        if self.operation in ("floor_divide", "mod", "fmod", "power") or dtype[0] == "u":
            signed = dtype[0] != "u" and self.operation != "power"
            return -numbers if signed and self.random.random() < 0.5 else numbers
        return numbers - 3


def check_native(case: Case, opset: int) -> bool:
    """Compare; False where there is nothing to compare."""
    dtypes = [*[x.dtype for x in case.tensors], case.arguments.get("dtype")]
    unlike = UNLIKE_KERAS.get(case.operation)
    if "bfloat16" in dtypes or (unlike is not None and unlike(case)):
        return False  # onnxruntime's Python takes no arrays of bfloat16
    try:
        operation_class(case.operation)(**case.arguments).apply()
    except Refused:
        return False
    for sizes in SUBSTITUTES if of_unknown_size(case) else SUBSTITUTES[:1]:
        drawn = Drawn(case.operation, sizes)
        arrays = [drawn.array(x) for x in case.tensors]
        wanted = by_keras(case, arrays)
        if wanted is not None:
            break
    else:
        return False
    try:
        lowered = Lowered(case, arrays, opset)
    except NotLowered as reason:
        skip = UNSAID.get(case.operation)
        if case.operation in NOT_YET or (skip and skip(case)):
            return False
        raise AssertionError(f"{case}: {reason}") from reason
    try:
        found = lowered.run()
    except NoKernel:
        return False
    for want, have in zip(wanted, found, strict=True):
        # Its parameter has 32 bits in TensorFlow, too.
        single = case.operation == "leaky_relu"
        agree(case, want, want, have, ["float32"] if single and want.dtype.kind == "f" else [])
    return True


def by_keras(case: Case, arrays: list[Any]) -> list[Any] | None:
    """What Keras gives; None where it cannot."""
    following = iter(arrays)
    positional, named = mapped(case, lambda _: keras.ops.convert_to_tensor(next(following)))
    try:
        found = getattr(keras.ops, case.operation)(*positional, **named)
    except Exception:
        return None
    return [np.asarray(x) for x in as_list(found)]


class Lowered:
    """A model of one operation.

    Tensors with a batch are inputs and the others weights, but where nothing would be left to
    compute at run time.
    """

    def __init__(self, case: Case, arrays: list[Any], opset: int) -> None:
        self.arrays = arrays
        self.has_weights = any(x.batched for x in case.tensors)
        self.op: Any = OnnxBuilder(opset)
        self.inputs: list[OnnxValue] = []
        self.weights: list[OnnxValue] = []
        self.case = case
        call = {name: self._values(argument) for name, argument in case.arguments.items()}
        operation = operation_class(case.operation)(**case.arguments)
        outputs = [
            self._output(x, i) for i, x in enumerate(lower_operation(self.op, operation, call))
        ]
        values = [x.value for x in (*self.inputs, *self.weights)]
        graph = ir.Graph(
            values,
            outputs,
            nodes=self.op.nodes,
            initializers=self.op.constants,
            opset_imports=self.op.opsets,
            name="drawn",
        )
        self.model = ir.Model(graph, ir_version=ir_version(opset))

    def is_weight(self, type_: TensorType) -> bool:
        return self.has_weights and not type_.batched

    def _values(self, argument: Any) -> Any:
        if is_type(argument):
            return self._operand(argument)
        if isinstance(argument, tuple) and any(is_type(item) for item in argument):
            return tuple([self._operand(item) for item in argument])
        return argument

    def _operand(self, type_: TensorType) -> OnnxValue:
        sizes = [size if isinstance(size, int) else None for size in type_.whole_shape]
        if self.is_weight(type_):
            sizes = self.arrays[len(self.inputs) + len(self.weights)].shape
        group, letter = (self.weights, "w") if self.is_weight(type_) else (self.inputs, "x")
        name = f"{letter}{len(group)}"
        value = ir.Value(name=name, shape=ir.Shape(sizes), type=ir.TensorType(DTYPES[type_.dtype]))
        group.append(OnnxValue(value, type_.dtype, type_))
        return group[-1]

    def _output(self, x: OnnxValue, index: int) -> ir.Value:
        sizes = [size if isinstance(size, int) else None for size in x.type.whole_shape]
        value = self.op.node("Identity", self.op.typed(x, x.type)).value
        if value.name.startswith("y"):  # equal results are one value
            node = ir.node("Identity", [value])
            self.op.nodes.append(node)
            value = node.outputs[0]
        value.name, value.type = f"y{index}", ir.TensorType(DTYPES[x.dtype])
        value.shape = ir.Shape(sizes)
        return value

    def run(self) -> list[Any]:
        """What onnxruntime gives for the arrays."""
        tensors = list(zip(self.case.tensors, self.arrays, strict=True))
        inputs = [array for type_, array in tensors if not self.is_weight(type_)]
        weights = [array for type_, array in tensors if self.is_weight(type_)]
        variables = [
            Variable("operation", f"w{i}", array.shape, str(array.dtype), True)
            for i, array in enumerate(weights)
        ]
        operation = operation_class(self.case.operation)(**self.case.arguments)
        layer = GraphLayer("operation", operation, variables, NOWHERE)
        graph = Graph("drawn", [], [], [], [], [layer], [], NOWHERE)
        return run_onnx(self.model, graph, weights, inputs)


def check(name: str, examples: int, drawn_from: str | None = None) -> None:
    drawn = cases(name) if name not in FAMILIES["creation"] else made_cases(name)
    with_opset = st.tuples(drawn, st.sampled_from(OPSETS))
    compared = hold(lambda case: check_native(*case), with_opset, examples, drawn_from)
    if examples > EXAMPLES and name not in NOT_YET:
        enough(compared, examples)


def made_cases(name: str) -> Any:
    """Cases of operations that take no tensors."""
    kinds = operation_class(name).signature
    accepted = creations(name).filter(
        lambda drawn: all(kinds[key].kind.accepts(value) for key, value in drawn.items())
    )
    return accepted.map(lambda drawn: Case(name, drawn))


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_lowers_to_what_keras_computes(name: str) -> None:
    check(name, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_lowers_to_what_keras_computes_on_many(name: str) -> None:
    check(name, MANY_EXAMPLES, SEED)
