"""What cells and the layers that run them over a sequence have in common.

States are handed on from step to step: one for each cell, two for an LSTM, and for a stack of
cells those of every cell. In a spec they are a flat list; Keras wants those of a stack as a list
of lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Float, Int, Kind, Optional, is_tuple
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    require_call_types,
    require_rank,
)
from specc.layers.recurrence import (
    Gates,
    Read,
    Reading,
    by_operators,
    by_scan,
    flipped,
    has_operators,
)
from specc.layers.tracing import layers_in, require_traceable
from specc.lowering import Builder, Value, Values
from specc.types import TensorType

RATE = Float(at_least=0, at_most=1)
SEED = Optional(Int())


class Implementation(Kind):
    """How Keras computes the gates, one by one or together; the results are the same."""

    expected = "1 or 2"

    def accepts(self, value: object) -> bool:
        return Int().accepts(value) and value in (1, 2)


IMPLEMENTATION = Implementation()

Structure = tuple[Any, ...]
"""Sizes of states: `(8,)`, `(8, 8)`, and of a stack `((8, 8), (4,))`."""


class Handing(Layer):
    """What has states: a cell, or a layer that runs one."""

    states_argument: ClassVar[str]
    """The call argument that takes states."""

    @property
    def state_structure(self) -> Structure:
        raise NotImplementedError

    @property
    def output_size(self) -> int:
        raise NotImplementedError

    @property
    def state_types(self) -> list[TensorType]:
        return [TensorType("float32", (size,)) for size in _flat(self.state_structure)]

    def states_for(self, x: TensorType) -> list[TensorType]:
        """The types of the states, for an input."""
        return self.state_types

    def check_step(self, x: TensorType) -> None:
        """Refuse what a step cannot be."""

    # What `recurrence.Steps` says, of the cell.

    def step_weights(self, op: Builder, w: Values) -> Values:
        return w

    def onnx_input(self, op: Builder, x: Value, w: Values) -> Value:
        raise NotImplementedError

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        raise NotImplementedError

    def stack(self, w: Values) -> list[tuple[Gates, Values]]:
        raise NotImplementedError

    def activated(self, outputs: tuple[TensorType, ...]) -> TensorType:
        return TensorType("float32", (self.output_size,))

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        given = call.get(self.states_argument)
        if given is not None:
            states = cast("list[TensorType]", given if isinstance(given, list) else [given])
            require_call_types(self.states_argument, states, self.states_for(inputs[0]))
        if call.get("mask") is not None:
            steps = inputs[0].shape[:1]
            require_call_types("mask", [call["mask"]], [TensorType("bool", steps)])

    def keras_call(self, call: dict[str, Any]) -> dict[str, Any]:
        given = call.get(self.states_argument)
        if not isinstance(given, list):
            return call
        states = iter(cast("list[Any]", given))
        return {**call, self.states_argument: _packed(states, self.state_structure)}


def _flat(structure: Structure) -> list[int]:
    return [n for item in structure for n in (_flat(item) if is_tuple(item) else [item])]


def _packed(states: Iterator[Any], structure: Structure) -> list[Any]:
    return [_packed(states, item) if is_tuple(item) else next(states) for item in structure]


class Cell(Handing):
    """One step. By itself it needs its states in the call: `LSTMCell(8)(states=[h, c])`."""

    category = "cell"
    states_argument = "states"
    shaped_by_call = True

    call_arguments: ClassVar[dict[str, Kind]] = {"states": TENSORS, "training": BOOL}

    @property
    def output_count(self) -> int:
        return 1 + len(self.state_types)

    def infer(
        self, x: TensorType, *, states: list[TensorType] | None = None, **_: Any
    ) -> tuple[TensorType, ...]:
        require_rank(x, "features")
        self.check_step(x)
        if states is None:
            raise Refused(errors.call_argument_missing, "states")
        return (TensorType("float32", (self.output_size,)), *self.state_types)

    def onnx(
        self, op: Builder, x: Value, w: Values, *, states: Value | list[Value]
    ) -> tuple[Value, ...]:
        own = self.step_weights(op, w)
        before = states if isinstance(states, list) else [states]
        y, after = self.onnx_step(op, self.onnx_input(op, x, own), before, own)
        return (y, *after)

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        super().check_call(inputs, **call)
        self.refuse_dropout()

    def check_batch(self, batch_size: int | None) -> None:
        for name, value in self.given.items():
            require_traceable(name, layers_in(value), batch_size)

    def refuse_dropout(self) -> None:
        """Refuse it where no `RNN` runs the cell, as nobody has Keras draw it anew then."""
        for argument in ("dropout", "recurrent_dropout"):
            if getattr(self, argument, 0):
                reason = "an RNN around the cell is needed for this"
                raise Refused(errors.arguments_conflict, argument, reason)


class OverTime(Layer):
    """A layer that reads the steps of a sequence one after another."""

    supports_masking = True

    category = "recurrent"

    copies_train: ClassVar[bool] = False
    """Whether a copy that Keras makes by the configuration, as Bidirectional does, is trainable
    although the layer is not."""

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool

    @property
    def hands_mask_on(self) -> bool:
        return self.return_sequences

    def check_batch(self, batch_size: int | None) -> None:
        if self.stateful and batch_size is None:
            raise Refused(errors.size_needed, "stateful", 0)

    def reading(
        self, op: Builder, w: Values, states: Value | Sequence[Value] | None, reverse: bool
    ) -> Reading:
        """What the layer is about to do with a sequence.

        Args:
            states: those before the first step; None is zeros. A stateful layer has none of its
                own in ONNX, where every run is the first one.
        """
        raise NotImplementedError

    def read(self, op: Builder, x: Value, reading: Reading, *, zero_masked: bool) -> Read:
        """The output, in the order of the input, and the last states."""
        raise NotImplementedError

    def onnx(
        self,
        op: Builder,
        x: Value,
        w: Values,
        *,
        initial_state: Value | Sequence[Value] | None = None,
    ) -> Any:
        reading = self.reading(op, w, initial_state, self.go_backwards)
        zero_masked = getattr(self, "zero_output_for_mask", False)
        output, states = self.read(op, x, reading, zero_masked=zero_masked)
        if self.return_sequences and self.go_backwards:
            output = flipped(op, output)
        return (output, *states) if self.return_state else output

    def onnx_mask(self, op: Builder, x: Value, w: Values, **_: Any) -> Any:
        return (super().onnx_mask(op, x, w), *[None] * (self.output_count - 1))


class Recurrent(OverTime, Handing):
    """A cell, run over the steps of a sequence."""

    states_argument = "initial_state"

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSOR,
        "mask": TENSOR,
        "training": BOOL,
    }

    unroll: bool

    @property
    def output_count(self) -> int:
        return 1 + (len(self.state_types) if self.return_state else 0)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        require_rank(x, "steps", "features")
        self.check_step(x.with_shape(*x.shape[1:]))
        if self.unroll and not isinstance(x.shape[0], int):
            raise Refused(errors.size_needed, "unroll", 1)
        steps = x.shape[:1] if self.return_sequences else ()
        output = TensorType("float32", (*steps, self.output_size))
        return (output, *(self.state_types if self.return_state else ()))

    def reading(
        self, op: Builder, w: Values, states: Value | Sequence[Value] | None, reverse: bool
    ) -> Reading:
        return Reading(self, w, as_list(states), reverse, self.unroll)

    def read(self, op: Builder, x: Value, reading: Reading, *, zero_masked: bool) -> Read:
        sequences = self.return_sequences
        if has_operators(reading):
            return by_operators(op, x, [reading], sequences=sequences, zero_masked=zero_masked)
        sizes = [(size,) for size in (self.output_size, *_flat(self.state_structure))]
        mask = op.Unsqueeze(x.mask, [2]) if x.mask is not None else None
        return by_scan(op, x, mask, reading, sizes, sequences=sequences, zero_masked=zero_masked)

    def refuse_cudnn(self, *needed: tuple[str, object]) -> None:
        """Refuse `use_cudnn=True` with arguments that are not as cuDNN needs them."""
        for argument, value in needed:
            if getattr(self, argument) != value:
                reason = f"use_cudnn=True needs {argument}={value!r}"
                raise Refused(errors.arguments_conflict, argument, reason)


def as_list(states: Value | Sequence[Value] | None) -> Sequence[Value] | None:
    return states if states is None or isinstance(states, Sequence) else [states]
