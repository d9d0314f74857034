"""SimpleRNNCell, LSTMCell, GRUCell, and stacks of cells: one step each.

`RNN` runs them over a sequence. In a chain they take their states in the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Cells,
    Int,
    KerasObject,
    arg,
)
from specc.layers.base import Layer, Weights, apply_within, variables_within
from specc.layers.gates import Gated, GRUGates, LSTMGates
from specc.layers.lower import computed
from specc.layers.recurrence import Gates
from specc.layers.sequence import IMPLEMENTATION, RATE, SEED, Cell, Structure
from specc.lowering import Builder, Value, Values, inside
from specc.types import TensorType


class SimpleRNNCell(Gated, Cell):
    """A step of `SimpleRNN`.

    Shapes:  (features) -> (units,), then the state (units,)
    Weights: kernel (features, units); recurrent_kernel (units, units); bias (units,) if use_bias

    Example: float32[8] -> SimpleRNNCell(4)(states=float32[4]) -> float32[4], float32[4]
    """

    units: int = arg(Int(at_least=1))
    activation: str | Layer | None = arg(ACTIVATION, default="tanh")
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    recurrent_initializer: str | KerasObject = arg(INITIALIZER, default="orthogonal")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    recurrent_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None)


class LSTMCell(LSTMGates, Cell):
    """A step of `LSTM`.

    Shapes:  (features) -> (units,), then the hidden and the carry state
    Weights: kernel (features, 4 * units); recurrent_kernel (units, 4 * units);
             bias (4 * units,) if use_bias

    Example: float32[8] -> LSTMCell(4)(states=[float32[4], float32[4]])
             -> float32[4], float32[4], float32[4]
    """

    units: int = arg(Int(at_least=1))
    activation: str | Layer | None = arg(ACTIVATION, default="tanh")
    recurrent_activation: str | Layer | None = arg(ACTIVATION, default="sigmoid")
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    recurrent_initializer: str | KerasObject = arg(INITIALIZER, default="orthogonal")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    unit_forget_bias: bool = arg(BOOL, default=True)
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    recurrent_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None)
    implementation: int = arg(IMPLEMENTATION, default=2, by_name=True)


class GRUCell(GRUGates, Cell):
    """A step of `GRU`.

    Shapes:  (features) -> (units,), then the state (units,)
    Weights: kernel (features, 3 * units); recurrent_kernel (units, 3 * units);
             bias (2, 3 * units) if use_bias, or (3 * units,) if not reset_after

    Example: float32[8] -> GRUCell(4)(states=float32[4]) -> float32[4], float32[4]
    """

    units: int = arg(Int(at_least=1))
    activation: str | Layer | None = arg(ACTIVATION, default="tanh")
    recurrent_activation: str | Layer | None = arg(ACTIVATION, default="sigmoid")
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    recurrent_initializer: str | KerasObject = arg(INITIALIZER, default="orthogonal")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    recurrent_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    reset_after: bool = arg(BOOL, default=True)
    seed: int | None = arg(SEED, default=None)
    implementation: int = arg(IMPLEMENTATION, default=2, by_name=True)


class StackedRNNCells(Cell):
    """Cells on top of each other: each takes what the one below gives.

    Shapes:  (features) -> (units,) of the last cell, then every state of every cell
    Weights: those of the cells, as `cell_0/kernel`

    Example: float32[8]
             -> StackedRNNCells([GRUCell(4), GRUCell(3)])(states=[float32[4], float32[3]])
             -> float32[3], float32[4], float32[3]
    """

    cells: tuple[Cell, ...] = arg(Cells(alone=False))

    def validate(self) -> None:
        for cell in self.cells:
            if isinstance(cell, StackedRNNCells):
                raise Refused(errors.arguments_conflict, "cells", "a stack stands in the stack")
            # Keras keeps the states in the stack's dtype, and a cell gives its own.
            if cell.compute_dtype != self.compute_dtype:
                reason = f"the dtype of a cell is {cell.compute_dtype}, not {self.compute_dtype}"
                raise Refused(errors.arguments_conflict, "cells", reason)

    @property
    def state_structure(self) -> Structure:
        return tuple(cell.state_structure for cell in self.cells)

    @property
    def output_size(self) -> int:
        return self.cells[-1].output_size

    def check_step(self, x: TensorType) -> None:
        for cell in self.cells:
            x = apply_within(cell, [x], {"states": cell.state_types})[0]

    # What `recurrence.Steps` says.

    def step_weights(self, op: Builder, w: Values) -> Values:
        return {
            _prefix(index) + name: value
            for index, cell in enumerate(self.cells)
            for name, value in cell.step_weights(
                op, computed(op, cell, inside(w, _prefix(index)))
            ).items()
        }

    def onnx_input(self, op: Builder, x: Value, w: Values) -> Value:
        return self.cells[0].onnx_input(op, x, inside(w, _prefix(0)))

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        waiting = iter(states)
        following: list[Value] = []
        y = taken
        for index, cell in enumerate(self.cells):
            own = inside(w, _prefix(index))
            taken = cell.onnx_input(op, y, own) if index else taken
            before = list(islice(waiting, len(cell.state_types)))
            y, after = cell.onnx_step(op, taken, before, own)
            following += after
        return y, following

    def stack(self, w: Values) -> list[tuple[Gates, Values]]:
        return [
            one
            for index, cell in enumerate(self.cells)
            for one in cell.stack(inside(w, _prefix(index)))
        ]

    def refuse_dropout(self) -> None:
        for cell in self.cells:
            cell.refuse_dropout()

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        found: Weights = ()
        for index, cell in enumerate(self.cells):
            found += variables_within(cell, [x], prefix=_prefix(index))
            x = TensorType("float32", (cell.output_size,))
        return found


def _prefix(index: int) -> str:
    """What the weights of a cell start with."""
    return f"cell_{index}/"
