"""What cells and the layers that run them over a sequence have in common.

States are handed on from step to step: one for each cell, two for an LSTM, and for a stack of
cells those of every cell. In a spec they are a flat list; Keras wants those of a stack as a list
of lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Float, Int, Kind, Optional, is_tuple
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    Weight,
    Weights,
    known_size,
    require_call_types,
    require_float,
    require_rank,
)
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


class Gated(Handing):
    """The weights of a cell; each class lists its arguments itself."""

    gates: ClassVar[int] = 1
    """How many times `units` wide the weights are."""

    states: ClassVar[int] = 1
    """How many tensors are handed on from step to step."""

    units: int
    use_bias: bool
    dropout: float

    @property
    def state_structure(self) -> Structure:
        return (self.units,) * self.states

    @property
    def output_size(self) -> int:
        return self.units

    def check_step(self, x: TensorType) -> None:
        """Refuse what a step cannot be."""
        if 0 < self.dropout < 1:
            require_float(x)
        if getattr(self, "implementation", 2) == 1 and self.dropout:
            # Keras takes one mask apart as if it were several.
            reason = "with dropout, it can only be 2"
            raise Refused(errors.arguments_conflict, "implementation", reason)

    def weights(self, x: TensorType, **_: Any) -> Weights:
        width = self.gates * self.units
        kernels = (
            Weight("kernel", (known_size(x, -1), width)),
            Weight("recurrent_kernel", (self.units, width), arguments="recurrent"),
        )
        return (*kernels, Weight("bias", self.bias_shape(width))) if self.use_bias else kernels

    def bias_shape(self, width: int) -> tuple[int, ...]:
        return (width,)


class LSTMGates(Gated):
    """Input, forget, candidate and output."""

    gates = 4
    states = 2


class GRUGates(Gated):
    """Update, reset and candidate."""

    gates = 3

    reset_after: bool

    def bias_shape(self, width: int) -> tuple[int, ...]:
        return (2, width) if self.reset_after else (width,)


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

    def check_step(self, x: TensorType) -> None:
        """Refuse what a step cannot be."""

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        super().check_call(inputs, **call)
        self.refuse_dropout()

    def refuse_dropout(self) -> None:
        """Refuse it where no `RNN` runs the cell, as nobody has Keras draw it anew then."""
        for argument in ("dropout", "recurrent_dropout"):
            if getattr(self, argument, 0):
                reason = "an RNN around the cell is needed for this"
                raise Refused(errors.arguments_conflict, argument, reason)


class Recurrent(Handing):
    """A cell, run over the steps of a sequence."""

    supports_masking = True

    category = "recurrent"
    states_argument = "initial_state"

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSOR,
        "mask": TENSOR,
        "training": BOOL,
    }

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool
    unroll: bool

    @property
    def hands_mask_on(self) -> bool:
        return self.return_sequences

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

    def check_step(self, x: TensorType) -> None:
        """Refuse what a step cannot be."""

    def check_batch(self, batch_size: int | None) -> None:
        if self.stateful and batch_size is None:
            raise Refused(errors.size_needed, "stateful", 0)

    def refuse_cudnn(self, *needed: tuple[str, object]) -> None:
        """Refuse `use_cudnn=True` with arguments that are not as cuDNN needs them."""
        for argument, value in needed:
            if getattr(self, argument) != value:
                reason = f"use_cudnn=True needs {argument}={value!r}"
                raise Refused(errors.arguments_conflict, argument, reason)
