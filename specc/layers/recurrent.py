"""SimpleRNN, LSTM, GRU, and RNN for any cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    AutoBool,
    Cells,
    Int,
    KerasObject,
    Kind,
    arg,
    is_tuple,
)
from specc.layers.base import TENSOR, TENSORS, Layer, Weights, apply_within, variables_within
from specc.layers.cells import StackedRNNCells
from specc.layers.gates import Gated, GRUGates, LSTMGates
from specc.layers.lower import computed
from specc.layers.recurrence import Reading
from specc.layers.sequence import (
    IMPLEMENTATION,
    RATE,
    SEED,
    Cell,
    Recurrent,
    Structure,
    as_list,
)
from specc.lowering import Builder, Value, Values
from specc.types import TensorType

CUDNN_NEEDS: tuple[tuple[str, object], ...] = (
    ("activation", "tanh"),
    ("recurrent_activation", "sigmoid"),
    ("use_bias", True),
    ("unroll", False),
    ("recurrent_dropout", 0.0),
)


class SimpleRNN(Gated, Recurrent):
    """A dense layer over the steps, fed back.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then the state (units,)
    Weights: kernel (features, units); recurrent_kernel (units, units); bias (units,) if use_bias

    Example: float32[10, 8] -> SimpleRNN(4) -> float32[4]
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
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    return_sequences: bool = arg(BOOL, default=False)
    return_state: bool = arg(BOOL, default=False)
    go_backwards: bool = arg(BOOL, default=False)
    stateful: bool = arg(BOOL, default=False)
    unroll: bool = arg(BOOL, default=False)
    seed: int | None = arg(SEED, default=None)
    zero_output_for_mask: bool = arg(BOOL, default=False, by_name=True)


class LSTM(LSTMGates, Recurrent):
    """Long short-term memory.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then the hidden and the carry state, (units,) each
    Weights: kernel (features, 4 * units); recurrent_kernel (units, 4 * units);
             bias (4 * units,) if use_bias

    Example: float32[10, 8] -> LSTM(4, return_state=True) -> float32[4], float32[4], float32[4]
    """

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSORS,
        "mask": TENSOR,
        "training": BOOL,
    }

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
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None)
    return_sequences: bool = arg(BOOL, default=False)
    return_state: bool = arg(BOOL, default=False)
    go_backwards: bool = arg(BOOL, default=False)
    stateful: bool = arg(BOOL, default=False)
    unroll: bool = arg(BOOL, default=False)
    use_cudnn: bool | str = arg(AutoBool(), default="auto")
    zero_output_for_mask: bool = arg(BOOL, default=False, by_name=True)
    implementation: int = arg(IMPLEMENTATION, default=2, by_name=True)

    def validate(self) -> None:
        if self.use_cudnn is True:
            self.refuse_cudnn(*CUDNN_NEEDS)


class GRU(GRUGates, Recurrent):
    """Gated recurrent unit.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then the state (units,)
    Weights: kernel (features, 3 * units); recurrent_kernel (units, 3 * units);
             bias (2, 3 * units) if use_bias, or (3 * units,) if not reset_after

    Example: float32[10, 8] -> GRU(4, return_sequences=True) -> float32[10, 4]
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
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None)
    return_sequences: bool = arg(BOOL, default=False)
    return_state: bool = arg(BOOL, default=False)
    go_backwards: bool = arg(BOOL, default=False)
    stateful: bool = arg(BOOL, default=False)
    unroll: bool = arg(BOOL, default=False)
    reset_after: bool = arg(BOOL, default=True)
    use_cudnn: bool | str = arg(AutoBool(), default="auto")
    zero_output_for_mask: bool = arg(BOOL, default=False, by_name=True)
    implementation: int = arg(IMPLEMENTATION, default=2, by_name=True)

    def validate(self) -> None:
        if self.use_cudnn is True:
            self.refuse_cudnn(*CUDNN_NEEDS, ("reset_after", True))


class RNN(Recurrent):
    """Any cell, or a stack of them.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then every state of every cell, (units,) each
    Weights: those of the cell; of a list of cells, as `cell_0/kernel`

    Example: float32[10, 8] -> RNN(LSTMCell(4)) -> float32[4]
    """

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSORS,
        "mask": TENSOR,
        "training": BOOL,
    }

    cell: Cell | tuple[Cell, ...] = arg(Cells(alone=True))
    return_sequences: bool = arg(BOOL, default=False)
    return_state: bool = arg(BOOL, default=False)
    go_backwards: bool = arg(BOOL, default=False)
    stateful: bool = arg(BOOL, default=False)
    unroll: bool = arg(BOOL, default=False)
    zero_output_for_mask: bool = arg(BOOL, default=False)

    def validate(self) -> None:
        cell = self.cell
        self.step = cell if isinstance(cell, Cell) else StackedRNNCells(cells=cell)
        structure = self.step.state_structure
        if self.unroll and len(structure) == 1 and is_tuple(structure[0]) and len(structure[0]) > 1:
            # After the first step, Keras hands the cell the first of its states alone.
            reason = "not with a list of one cell; give the cell by itself"
            raise Refused(errors.arguments_conflict, "unroll", reason)

        cells = self.step.cells if isinstance(self.step, StackedRNNCells) else (self.step,)
        for one in cells:
            if getattr(one, "dropout", 0) and one.compute_dtype != self.compute_dtype:
                # Keras draws what to drop in the layer's dtype, and the cell multiplies with it.
                reason = f"with dropout its dtype must be the layer's, {self.compute_dtype}"
                raise Refused(errors.arguments_conflict, "cell", reason)

    @property
    def state_structure(self) -> Structure:
        return self.step.state_structure

    @property
    def output_size(self) -> int:
        return self.step.output_size

    def check_step(self, x: TensorType) -> None:
        apply_within(self.step, [x], {"states": self.step.state_types})

    def reading(
        self, op: Builder, w: Values, states: Value | Sequence[Value] | None, reverse: bool
    ) -> Reading:
        # The cell may compute in another dtype.
        given = None if states is None else computed(op, self.step, as_list(states))
        return Reading(self.step, computed(op, self.step, w), given, reverse, self.unroll)

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        return variables_within(self.step, [x.with_shape(*x.shape[1:])])
