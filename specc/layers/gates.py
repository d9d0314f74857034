"""The gates of SimpleRNN, LSTM and GRU, of cells as of the layers that run them over a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activation_functions import activated
from specc.layers.base import Layer, Weight, Weights, known_size, require_float
from specc.layers.recurrence import Gates
from specc.layers.sequence import Handing, Structure
from specc.lowering import Builder, Value, Values
from specc.types import TensorType


class Gated(Handing):
    """The weights of a cell; each class lists its arguments itself."""

    gates: ClassVar[int] = 1
    """How many times `units` wide the weights are."""

    states: ClassVar[int] = 1
    """How many tensors are handed on from step to step."""

    operator: ClassVar[str] = "RNN"
    """ONNX's, of a cell that is run over a sequence."""

    usual_activations: ClassVar[tuple[str, ...]] = ("Tanh",)
    """Those of the operator, where it is not told."""

    gate_order: ClassVar[tuple[int, ...]] = (0,)
    """Which of Keras's gates stands at each place of the operator's weights."""

    units: int
    activation: str | Layer | None
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
        # Keras tries cuDNN first, for which it takes the masks of the gates for one.
        by_gates = getattr(self, "implementation", 2) == 1 and self.dropout
        alone = not getattr(self, "recurrent_dropout", 0)
        if by_gates and alone and getattr(self, "use_cudnn", False):
            reason = "with dropout alone, it can only be 2, or `use_cudnn` has to be False"
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

    # What `recurrence.Gates` says.

    @property
    def operator_activations(self) -> list[Any]:
        return [self.activation or "linear"]

    @property
    def operator_arguments(self) -> dict[str, Any]:
        return {}

    def operator_weights(self, op: Builder, w: Values) -> list[Value | None]:
        kernels = [self._ordered(op, w[name], 1) for name in ("kernel", "recurrent_kernel")]
        bias = self.operator_bias(op, w["bias"]) if self.use_bias else None
        return [*[op.Transpose(x, perm=[1, 0]) for x in kernels], bias]

    def operator_bias(self, op: Builder, bias: Value) -> Value:
        """That of the input, and behind it that of the states."""
        none = op.constant([0.0] * (self.gates * self.units), bias.dtype)
        return op.Concat(self._ordered(op, bias, 0), none, axis=0)

    def _ordered(self, op: Builder, x: Value, axis: int) -> Value:
        """The gates in the operator's order."""
        if sorted(self.gate_order) == list(self.gate_order):
            return x
        parts = op.Split(x, [self.units] * self.gates, axis=axis, outputs=self.gates)
        return op.Concat(*[parts[gate] for gate in self.gate_order], axis=axis)

    # What `recurrence.Steps` says.

    def onnx_input(self, op: Builder, x: Value, w: Values) -> Value:
        y = op.MatMul(op.cast(x, w["kernel"].dtype), w["kernel"])
        return op.Add(y, w["bias"]) if self.use_bias else y

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        (before,) = states
        y = op.Add(taken, op.MatMul(before, w["recurrent_kernel"]))
        y = self._activated(op, self.activation, y)
        return y, [y]

    def stack(self, w: Values) -> list[tuple[Gates, Values]]:
        """The cells upon each other, of which this is the only one, with their weights."""
        return [(self, w)]

    def _activated(self, op: Builder, activation: Any, x: Value) -> Value:
        return activated(op, activation, op.typed(x, TensorType(x.dtype, (self.units,))))

    def _each_gate(self, op: Builder, x: Value, gates: int) -> tuple[Value, ...]:
        return op.Split(x, [self.units] * gates, axis=-1, outputs=gates)


class LSTMGates(Gated):
    """Input, forget, candidate and output."""

    gates = 4
    states = 2
    operator = "LSTM"
    usual_activations = ("Sigmoid", "Tanh", "Tanh")
    gate_order = (0, 3, 1, 2)

    recurrent_activation: str | Layer | None

    @property
    def operator_activations(self) -> list[Any]:
        activation = self.activation or "linear"
        return [self.recurrent_activation or "linear", activation, activation]

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        hidden, carry = states
        gates = op.Add(taken, op.MatMul(hidden, w["recurrent_kernel"]))
        return lstm_step(op, self._each_gate(op, gates, 4), carry, self._activated, self)


class GRUGates(Gated):
    """Update, reset and candidate."""

    gates = 3
    operator = "GRU"
    usual_activations = ("Sigmoid", "Tanh")
    gate_order = (0, 1, 2)

    recurrent_activation: str | Layer | None
    reset_after: bool

    def bias_shape(self, width: int) -> tuple[int, ...]:
        return (2, width) if self.reset_after else (width,)

    @property
    def operator_activations(self) -> list[Any]:
        return [self.recurrent_activation or "linear", self.activation or "linear"]

    @property
    def operator_arguments(self) -> dict[str, Any]:
        return {"linear_before_reset": int(self.reset_after)}

    def operator_bias(self, op: Builder, bias: Value) -> Value:
        return op.Reshape(bias, [-1]) if self.reset_after else super().operator_bias(op, bias)

    def step_weights(self, op: Builder, w: Values) -> Values:
        """With `reset_after` the two biases by themselves, without it the two recurrent kernels:
        that of the update and the reset gate, and that of the candidate."""
        if not self.reset_after:
            sizes = [2 * self.units, self.units]
            both, candidate = op.Split(w["recurrent_kernel"], sizes, axis=1, outputs=2)
            return {**w, "recurrent_kernel": both, "candidate_kernel": candidate}
        if not self.use_bias:
            return w
        biases = op.Split(w["bias"], [1, 1], axis=0, outputs=2)
        bias, recurrent = (op.Squeeze(part, [0]) for part in biases)
        return {**w, "bias": bias, "recurrent_bias": recurrent}

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        (before,) = states
        x_update, x_reset, x_candidate = self._each_gate(op, taken, 3)
        inner = op.MatMul(before, w["recurrent_kernel"])
        inner = op.Add(inner, w["recurrent_bias"]) if "recurrent_bias" in w else inner
        h_update, h_reset, *h_candidate = self._each_gate(op, inner, 3 if self.reset_after else 2)
        update = self._activated(op, self.recurrent_activation, op.Add(x_update, h_update))
        reset = self._activated(op, self.recurrent_activation, op.Add(x_reset, h_reset))
        if self.reset_after:
            recurrent = op.Mul(reset, h_candidate[0])
        else:
            recurrent = op.MatMul(op.Mul(reset, before), w["candidate_kernel"])
        candidate = self._activated(op, self.activation, op.Add(x_candidate, recurrent))
        y = op.Add(op.Mul(update, before), op.Mul(op.Sub(1.0, update), candidate))
        return y, [y]


class LSTMActivations(Protocol):
    activation: str | Layer | None
    recurrent_activation: str | Layer | None


def lstm_step(
    op: Builder,
    gates: Sequence[Value],
    carry: Value,
    activated: Callable[[Builder, Any, Value], Value],
    cell: LSTMActivations,
) -> tuple[Value, list[Value]]:
    """The hidden state and both, of the gates before their activations."""
    i, f, c, o = gates
    i, f, o = (activated(op, cell.recurrent_activation, gate) for gate in (i, f, o))
    candidate = activated(op, cell.activation, c)
    carry = op.Add(op.Mul(f, carry), op.Mul(i, candidate))
    hidden = op.Mul(o, activated(op, cell.activation, carry))
    return hidden, [hidden, carry]
