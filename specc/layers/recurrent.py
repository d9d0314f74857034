"""SimpleRNN, LSTM, GRU."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    AutoBool,
    Float,
    Int,
    Kind,
    Optional,
    arg,
)
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


class _Recurrent(Layer):
    """What the three have in common; each class lists its arguments itself."""

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSOR,
        "mask": TENSOR,
        "training": BOOL,
    }

    gates = 1
    """How many times `units` wide the weights are."""

    states = 1
    """How many tensors are handed on from step to step."""

    units: int
    use_bias: bool
    dropout: float
    recurrent_dropout: float
    return_sequences: bool
    return_state: bool
    stateful: bool
    unroll: bool

    @property
    def output_count(self) -> int:
        return 1 + (self.states if self.return_state else 0)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        require_rank(x, "steps", "features")
        if 0 < self.dropout < 1:
            require_float(x)
        if self.stateful:
            raise Refused(errors.size_needed, "stateful", 0)
        if self.unroll and not isinstance(x.shape[0], int):
            raise Refused(errors.size_needed, "unroll", 1)
        state = TensorType("float32", (self.units,))
        sequence = TensorType("float32", (x.shape[0], self.units))
        output = sequence if self.return_sequences else state
        return (output, *[state] * (self.output_count - 1))

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        given = call.get("initial_state")
        if given is not None:
            states = cast("list[TensorType]", given if isinstance(given, list) else [given])
            state = TensorType("float32", (self.units,))
            require_call_types("initial_state", states, [state] * self.states)
        if call.get("mask") is not None:
            steps = inputs[0].shape[:1]
            require_call_types("mask", [call["mask"]], [TensorType("bool", steps)])

    def weights(self, x: TensorType) -> Weights:
        width = self.gates * self.units
        kernels = (
            Weight("kernel", (known_size(x, -1), width)),
            Weight("recurrent_kernel", (self.units, width), arguments="recurrent"),
        )
        return (*kernels, Weight("bias", self.bias_shape(width))) if self.use_bias else kernels

    def bias_shape(self, width: int) -> tuple[int, ...]:
        return (width,)

    def refuse_cudnn(self, *needed: tuple[str, object]) -> None:
        """Refuse `use_cudnn=True` with arguments that are not as cuDNN needs them."""
        for argument, value in needed:
            if getattr(self, argument) != value:
                reason = f"use_cudnn=True needs {argument}={value!r}"
                raise Refused(errors.arguments_conflict, argument, reason)


class SimpleRNN(_Recurrent):
    """A dense layer over the steps, fed back.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then the state (units,)
    Weights: kernel (features, units); recurrent_kernel (units, units); bias (units,) if use_bias
    """

    units: int = arg(Int(at_least=1))
    activation: str | None = arg(ACTIVATION, default="tanh")
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str = arg(INITIALIZER, default="glorot_uniform")
    recurrent_initializer: str = arg(INITIALIZER, default="orthogonal")
    bias_initializer: str = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | None = arg(REGULARIZER, default=None)
    recurrent_regularizer: str | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    return_sequences: bool = arg(BOOL, default=False)
    return_state: bool = arg(BOOL, default=False)
    go_backwards: bool = arg(BOOL, default=False)
    stateful: bool = arg(BOOL, default=False)
    unroll: bool = arg(BOOL, default=False)
    seed: int | None = arg(SEED, default=None)


class LSTM(_Recurrent):
    """Long short-term memory.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then the hidden and the carry state, (units,) each
    Weights: kernel (features, 4 * units); recurrent_kernel (units, 4 * units);
             bias (4 * units,) if use_bias
    """

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSORS,
        "mask": TENSOR,
        "training": BOOL,
    }

    gates = 4
    states = 2

    units: int = arg(Int(at_least=1))
    activation: str | None = arg(ACTIVATION, default="tanh")
    recurrent_activation: str | None = arg(ACTIVATION, default="sigmoid")
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str = arg(INITIALIZER, default="glorot_uniform")
    recurrent_initializer: str = arg(INITIALIZER, default="orthogonal")
    bias_initializer: str = arg(INITIALIZER, default="zeros")
    unit_forget_bias: bool = arg(BOOL, default=True)
    kernel_regularizer: str | None = arg(REGULARIZER, default=None)
    recurrent_regularizer: str | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | None = arg(CONSTRAINT, default=None)
    dropout: float = arg(RATE, default=0.0)
    recurrent_dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None)
    return_sequences: bool = arg(BOOL, default=False)
    return_state: bool = arg(BOOL, default=False)
    go_backwards: bool = arg(BOOL, default=False)
    stateful: bool = arg(BOOL, default=False)
    unroll: bool = arg(BOOL, default=False)
    use_cudnn: bool | str = arg(AutoBool(), default="auto")

    def validate(self) -> None:
        if self.use_cudnn is True:
            self.refuse_cudnn(*CUDNN_NEEDS)


class GRU(_Recurrent):
    """Gated recurrent unit.

    Shapes:  (steps, features) -> (units,), or (steps, units) if return_sequences;
             with return_state, then the state (units,)
    Weights: kernel (features, 3 * units); recurrent_kernel (units, 3 * units);
             bias (2, 3 * units) if use_bias, or (3 * units,) if not reset_after
    """

    gates = 3

    units: int = arg(Int(at_least=1))
    activation: str | None = arg(ACTIVATION, default="tanh")
    recurrent_activation: str | None = arg(ACTIVATION, default="sigmoid")
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str = arg(INITIALIZER, default="glorot_uniform")
    recurrent_initializer: str = arg(INITIALIZER, default="orthogonal")
    bias_initializer: str = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | None = arg(REGULARIZER, default=None)
    recurrent_regularizer: str | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | None = arg(CONSTRAINT, default=None)
    recurrent_constraint: str | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | None = arg(CONSTRAINT, default=None)
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

    def validate(self) -> None:
        if self.use_cudnn is True:
            self.refuse_cudnn(*CUDNN_NEEDS, ("reset_after", True))

    def bias_shape(self, width: int) -> tuple[int, ...]:
        return (2, width) if self.reset_after else (width,)


CUDNN_NEEDS: tuple[tuple[str, object], ...] = (
    ("activation", "tanh"),
    ("recurrent_activation", "sigmoid"),
    ("use_bias", True),
    ("unroll", False),
    ("recurrent_dropout", 0.0),
)
