"""Cells run over the steps of a sequence in ONNX.

A cell that ONNX has as an operator, LSTM, GRU or RNN, becomes that; every other one is a Scan of
its step. Sequences are (batch, time, ...) as in Keras, but between operators of ONNX, whose time
comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from specc.lowering import Builder, NotLowered, Value, Values


class Steps(Protocol):
    """What a Scan needs of a cell."""

    def step_weights(self, op: Builder, w: Values) -> Values:
        """The weights as a step wants them; computed outside the Scan, at export."""
        ...

    def onnx_input(self, op: Builder, x: Value, w: Values) -> Value:
        """What a step takes of the input that does not depend on states, for all steps at once."""
        ...

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        """The output and the next states, of what `onnx_input` gives for one step."""
        ...

    def stack(self, w: Values) -> list[tuple[Gates, Values]]:
        """The cells upon each other that it consists of, with their weights.

        None where ONNX has no such cells.
        """
        ...


class Gates(Protocol):
    """What one of ONNX's operators needs of a cell."""

    operator: ClassVar[str]
    usual_activations: ClassVar[tuple[str, ...]]
    """Those that the operator has unless told."""
    states: ClassVar[int]
    """How many it hands on from step to step."""
    units: int

    @property
    def operator_activations(self) -> list[Any]:
        """Keras's activations in the order of the operator's."""
        ...

    @property
    def operator_arguments(self) -> dict[str, Any]: ...

    def operator_weights(self, op: Builder, w: Values) -> list[Value | None]:
        """W, R and B of the operator, without the axis of directions."""
        ...


class Reading(NamedTuple):
    """A cell about to read a sequence."""

    cell: Steps
    w: Values
    states: Sequence[Value] | None
    """Those before the first step; None is zeros."""
    reverse: bool
    """Whether it starts at the end."""
    unrolled: bool = False
    """Whether Keras makes no loop of it."""

    @property
    def stack(self) -> Sequence[tuple[Gates, Values]]:
        return self.cell.stack(self.w)

    def states_of(self, level: int) -> Sequence[Value] | None:
        """The states that a cell of the stack starts with."""
        if self.states is None:
            return None
        before = sum(cell.states for cell, _ in self.stack[:level])
        return self.states[before : before + self.stack[level][0].states]


class Read(NamedTuple):
    """What came of it."""

    output: Value
    """That of every step, in the order of the input, or that of the last step alone. Of two
    readings in one operator the directions have an axis of their own, the last but one."""
    states: list[Value]


OPERATOR_ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "elu": ("Elu", 1.0, None),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": ("LeakyRelu", 0.2, None),
    "linear": ("Affine", 1.0, 0.0),
    "relu": ("Relu", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "softsign": ("Softsign", None, None),
    "tanh": ("Tanh", None, None),
}
"""What the operators call Keras's activations, with alpha and beta where they take them.

Not softplus: onnxruntime's is infinite from 89 on within these operators.
"""


def has_operators(reading: Reading) -> bool:
    """Whether a cell can be operators of ONNX, which onnxruntime has not for float64."""
    return bool(reading.stack) and all(
        w["kernel"].dtype != "float64"
        and all(isinstance(a, str) and a in OPERATOR_ACTIVATIONS for a in cell.operator_activations)
        for cell, w in reading.stack
    )


def _refuse_turned_mask(readings: Sequence[Reading], *, masked_zeros: bool) -> None:
    """Refuse what Keras does for masked steps that put out zeros, when it unrolls from the end.

    It puts the zeros where steps are masked that are as far from the other end.
    """
    if masked_zeros and any(reading.reverse and reading.unrolled for reading in readings):
        raise NotLowered("`unroll` from the end, with zeros for masked steps")


def one_operator(first: Reading, second: Reading) -> bool:
    """Whether two readings are the two directions of one operator."""
    return (
        has_operators(first)
        and has_operators(second)
        and len(first.stack) == len(second.stack) == 1
        and (first.reverse, second.reverse) == (False, True)
        and _nature(first) == _nature(second)
    )


def _nature(reading: Reading) -> tuple[Any, ...]:
    """What an operator has once for both directions, and which of its inputs are there."""
    cell, w = reading.stack[0]
    activations, arguments = cell.operator_activations, cell.operator_arguments
    given = (sorted(w), w["kernel"].dtype, reading.states is None)
    return (cell.operator, cell.units, activations, arguments, *given)


# ----------------------------------------------------------- by operators of ONNX


def by_operators(
    op: Builder,
    x: Value,
    readings: Sequence[Reading],
    *,
    sequences: bool,
    zero_masked: bool,
) -> Read:
    """Read a sequence with operators of ONNX, one for each cell of a stack.

    Args:
        x: with its mask.
        readings: one, or two that are `one_operator`.
        sequences: whether the output is that of every step.
        zero_masked: whether masked steps put out zeros, and not what the step before did; with
            sequences and masks, two readings can do nothing else.
    """
    kept = Unmasked(op, x.mask) if x.mask is not None else None
    _refuse_turned_mask(readings, masked_zeros=sequences and zero_masked and x.mask is not None)
    y = op.cast(kept.moved(x) if kept else x, readings[0].stack[0][1]["kernel"].dtype)
    y = op.Transpose(y, perm=[1, 0, 2])
    states: list[list[Value]] = [[] for _ in readings]
    hidden = y
    for level in range(len(readings[0].stack)):
        y = op.Squeeze(y, [1]) if level else y
        starts = [reading.states_of(level) for reading in readings]
        y, hidden, *more = _operator(op, y, readings, level, starts, kept.lengths if kept else None)
        for direction, start in enumerate(starts):
            last = [_of_direction(op, s, direction, len(readings)) for s in (hidden, *more)]
            states[direction] += kept.states(last, start) if kept else last
    if len(readings) == 1:
        output = op.Transpose(op.Squeeze(y, [1]), perm=[1, 0, 2])
        output = output if sequences else op.Squeeze(hidden, [0])
    else:
        output = op.Transpose(y, perm=[2, 0, 1, 3])
        output = output if sequences else op.Transpose(hidden, perm=[1, 0, 2])
    if kept:
        axes = len(readings)
        reverse = readings[0].reverse
        restore = kept.put_back if sequences else kept.last
        output = restore(output, axes, reverse=reverse, zero_masked=zero_masked)
    return Read(output, [state for found in states for state in found])


def _operator(
    op: Builder,
    x: Value,
    readings: Sequence[Reading],
    level: int,
    starts: Sequence[Sequence[Value] | None],
    lengths: Value | None,
) -> tuple[Value, ...]:
    """All outputs of one operator: (time, direction, batch, units), then the last states."""
    cell, _ = readings[0].stack[level]
    weights = [gates.operator_weights(op, w) for gates, w in (r.stack[level] for r in readings)]
    given = [start for start in starts if start is not None]
    inputs = [*zip(*weights, strict=True), (None,), *zip(*given, strict=True)]
    stacked = [_by_direction(op, each) for each in inputs]
    stacked[3] = lengths
    direction = "reverse" if readings[0].reverse else "forward"
    return getattr(op, cell.operator)(
        x,
        *stacked,
        outputs=1 + cell.states,
        hidden_size=cell.units,
        direction="bidirectional" if len(readings) == 2 else direction,
        **_activations(cell, len(readings)),
        **cell.operator_arguments,
    )


def _by_direction(op: Builder, each: Sequence[Value | None]) -> Value | None:
    """An input of the operator, of those of its directions."""
    parts = [op.Unsqueeze(x, [0]) for x in each if x is not None]
    return op.Concat(*parts, axis=0) if len(parts) > 1 else parts[0] if parts else None


def _of_direction(op: Builder, state: Value, direction: int, directions: int) -> Value:
    """The inverse of `_by_direction`."""
    if directions == 1:
        return op.Squeeze(state, [0])
    return op.Gather(state, op.constant(direction, "int64"), axis=0)


def _activations(cell: Gates, directions: int) -> dict[str, Any]:
    """The attributes that name the activations, where they are not the usual ones.

    Of alpha and beta the operator takes the next one in the list for each that has one.
    """
    each = [OPERATOR_ACTIVATIONS[name] for name in cell.operator_activations] * directions
    names = tuple(name for name, _, _ in each)
    if names == cell.usual_activations * directions:
        return {}
    return {
        "activations": list(names),
        "activation_alpha": [alpha for _, alpha, _ in each if alpha is not None] or None,
        "activation_beta": [beta for _, _, beta in each if beta is not None] or None,
    }


class Unmasked:
    """The steps of each sequence that are not masked, moved to its front, and back again.

    A masked step changes no state. So reading a sequence is reading its other steps alone, and
    the operators take how many there are of each sequence.
    """

    def __init__(self, op: Builder, mask: Value) -> None:
        self._op = op
        self._mask = mask
        numbers = op.cast(mask, "int64")
        self._counts = op.ReduceSum(numbers, [1], keepdims=1)
        self._through = op.CumSum(numbers, op.constant(1, "int64"))
        """How many there are up to each step and with it."""
        # Of equals, TopK takes the first ones first.
        _, order = op.TopK(numbers, op.size(mask, 1), axis=1, outputs=2)
        self._order = op.Unsqueeze(order, [2])
        self.lengths = op.cast(op.Squeeze(self._counts, [1]), "int32")

    def moved(self, x: Value) -> Value:
        return self._op.GatherND(x, self._order, batch_dims=1)

    def put_back(self, y: Value, axes: int, *, reverse: bool, zero_masked: bool) -> Value:
        """The outputs of every step.

        Args:
            axes: how many `y` has besides batch and time.
        """
        op = self._op
        # A masked step puts out what the last one before it did. In reverse, that is the next.
        index = op.Sub(self._through, 1)
        known = self._mask
        if not zero_masked and not reverse:
            known = op.GreaterOrEqual(index, 0, dtype="bool")
        elif not zero_masked:
            index = op.Sub(self._through, op.cast(self._mask, "int64"))
            known = op.Less(index, self._counts, dtype="bool")
        found = op.GatherND(y, op.Unsqueeze(index, [2]), batch_dims=1)
        known = op.Unsqueeze(known, list(range(2, 2 + axes)))
        return _where(op, known, found)

    def last(self, y: Value, axes: int, *, reverse: bool, zero_masked: bool) -> Value:
        """The output of the last step, of the last hidden state."""
        op = self._op
        known = self._any
        if zero_masked:
            known = op.Gather(self._mask, op.constant([0 if reverse else -1], "int64"), axis=1)
        known = op.Unsqueeze(known, list(range(2, 1 + axes))) if axes > 1 else known
        return _where(op, known, y)

    def states(self, last: Sequence[Value], start: Sequence[Value] | None) -> list[Value]:
        """The last states; those of a sequence of which all is masked are the first ones."""
        given = start or [None] * len(last)
        return [
            _where(self._op, self._any, state, before)
            for state, before in zip(last, given, strict=True)
        ]

    @property
    def _any(self) -> Value:
        return self._op.Greater(self._counts, 0, dtype="bool")


def _where(op: Builder, condition: Value, x: Value, other: Value | None = None) -> Value:
    """Zeros, unless told, where a condition does not hold."""
    other = op.constant(0.0, x.dtype) if other is None else other
    return op.Where(condition, x, other, dtype=x.dtype)


# ------------------------------------------------------------------------ by Scan


def by_scan(
    op: Builder,
    x: Value,
    mask: Value | None,
    reading: Reading,
    shapes: Sequence[Sequence[int]],
    *,
    sequences: bool,
    zero_masked: bool,
) -> Read:
    """Read a sequence with any cell.

    Args:
        mask: with the axes of an output, each of its size or 1.
        shapes: of an output and of the states.
        sequences, zero_masked: as for `by_operators`.
    """
    _refuse_turned_mask([reading], masked_zeros=sequences and zero_masked and mask is not None)
    cell, w = reading.cell, reading.cell.step_weights(op, reading.w)
    taken = cell.onnx_input(op, x, w)
    blank, *first = (_zeros(op, x, shape, taken.dtype) for shape in shapes)

    def step(carried: list[Value], items: list[Value]) -> tuple[list[Value], list[Value]]:
        previous, *before = carried
        y, after = cell.onnx_step(op, items[0], before, w)
        if mask is not None:
            y = _where(op, items[1], y, None if zero_masked else previous)
            after = [_where(op, items[1], a, b) for a, b in zip(after, before, strict=True)]
        return [y, *after], [y] if sequences else []

    states = first if reading.states is None else reading.states
    items = [taken] if mask is None else [taken, mask]
    (last, *following), outputs = op.scan(step, [blank, *states], items, reading.reverse)
    return Read(outputs[0] if sequences else last, following)


def _zeros(op: Builder, x: Value, sizes: Sequence[int], dtype: str) -> Value:
    """Zeros for each sequence of a batch."""
    shape = op.Concat(op.size(x, 0), op.constant(list(sizes), "int64"), axis=0)
    return op.Expand(op.constant(0.0, dtype), shape)


def flipped(op: Builder, x: Value) -> Value:
    """The steps from the last to the first."""
    return op.Slice(x, [-1], [-(2**63)], [1], [-1])
