"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: long short-term memory whose gates are convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activation_functions import NOT_ELEMENTWISE, activated
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    DATA_FORMAT,
    INITIALIZER,
    REGULARIZER,
    AnyCase,
    Float,
    Int,
    KerasObject,
    Kind,
    Optional,
    Sizes,
    arg,
)
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    Weight,
    Weights,
    join_channels,
    known_size,
    require_call_types,
    require_float,
    require_rank,
    window_output,
)
from specc.layers.gates import lstm_step
from specc.layers.recurrence import Gates, Read, Reading, by_scan
from specc.layers.sequence import OverTime, as_list
from specc.layers.windowed import SPATIAL_AXES, padding_of
from specc.lowering import Builder, Value, Values
from specc.types import Dimension, TensorType

RATE = Float(at_least=0, at_most=1)
SEED = Optional(Int())


class ConvLSTM1D(OverTime):
    """Long short-term memory over a sequence of sequences.

    Shapes:  (time, steps, channels) -> (windows, filters), or (time, windows, filters) if
             return_sequences; with return_state, then the hidden and the carry state,
             (windows, filters) each
    Weights: kernel (*kernel_size, channels, 4 * filters); recurrent_kernel
             (*kernel_size, filters, 4 * filters); bias (4 * filters,) if use_bias

    Example: float32[5, 16, 3] -> ConvLSTM1D(4, 3) -> float32[14, 4]
    """

    copies_train = True

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSORS,
        "mask": TENSOR,
        "training": BOOL,
    }

    filters: int = arg(Int(at_least=1))
    kernel_size: tuple[int, ...] = arg(Sizes(1))
    strides: tuple[int, ...] = arg(Sizes(1), default=1)
    padding: str = arg(AnyCase("valid", "same"), default="valid")
    data_format: str | None = arg(DATA_FORMAT, default=None)
    dilation_rate: tuple[int, ...] = arg(Sizes(1), default=1)
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

    def validate(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise Refused(
                errors.arguments_conflict,
                "dilation_rate",
                f"with strides {self.strides}, there can be no dilation",
            )

    @property
    def output_count(self) -> int:
        return 3 if self.return_state else 1

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        require_float(x)
        state = self.state(x)
        output = state
        if self.return_sequences:
            output = TensorType("float32", (x.shape[0], *state.shape))
        return (output, *[state] * (self.output_count - 1))

    def states_for(self, x: TensorType) -> list[TensorType]:
        """The types of the hidden and the carry state."""
        return [self.state(x)] * 2

    def state(self, x: TensorType) -> TensorType:
        """The type of the hidden state, which is that of an output."""
        spatial, _ = self.split(x)
        sizes: list[Dimension] = []
        for i, size in enumerate(spatial):
            window = self.dilation_rate[i] * (self.kernel_size[i] - 1) + 1
            output = window_output(size, window, self.strides[i], self.padding == "same")
            if output == 0:
                axis = self.spatial_axis(i)
                raise Refused(errors.window_too_large, "kernel_size", axis, window, size)
            sizes.append(output)
        shape = join_channels(tuple(sizes), self.filters, self.data_format)
        return TensorType("float32", shape)

    def split(self, x: TensorType) -> tuple[tuple[int, ...], int]:
        """The spatial sizes and the channels, all of which the layer must know."""
        axes = SPATIAL_AXES[len(self.kernel_size)]
        first = self.data_format == "channels_first"
        require_rank(x, "time", *(("channels", *axes) if first else (*axes, "channels")))
        sizes = tuple(known_size(x, axis) for axis in range(1, x.rank))
        return (sizes[1:], sizes[0]) if first else (sizes[:-1], sizes[-1])

    def spatial_axis(self, index: int) -> int:
        """The number of a spatial axis for errors: after those of batch, time and channels."""
        return index + (3 if self.data_format == "channels_first" else 2)

    def activated(self, outputs: tuple[TensorType, ...]) -> TensorType:
        return outputs[-1] if self.return_state else outputs[0]

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        given = call.get("initial_state")
        if given is not None:
            states = cast("list[TensorType]", given if isinstance(given, list) else [given])
            require_call_types("initial_state", states, self.states_for(inputs[0]))
        if call.get("mask") is not None:
            steps = inputs[0].shape[:1]
            require_call_types("mask", [call["mask"]], [TensorType("bool", steps)])

    def weights(self, x: TensorType) -> Weights:
        _, channels = self.split(x)
        width = 4 * self.filters
        kernels = (
            Weight("kernel", (*self.kernel_size, channels, width)),
            Weight(
                "recurrent_kernel",
                (*self.kernel_size, self.filters, width),
                arguments="recurrent",
            ),
        )
        return (*kernels, Weight("bias", (width,))) if self.use_bias else kernels

    def reading(
        self, op: Builder, w: Values, states: Value | Sequence[Value] | None, reverse: bool
    ) -> Reading:
        return Reading(self, w, as_list(states), reverse)

    def read(self, op: Builder, x: Value, reading: Reading, *, zero_masked: bool) -> Read:
        """Between the steps the channels come first, where ONNX's convolutions have them."""
        mask = self._spread(op, x.mask, self.state(x.type)) if x.mask is not None else None
        if reading.states is not None:
            states = [self._channels_first(op, state, 1) for state in reading.states]
            reading = reading._replace(states=states)
        shape = (self.filters, *self._output_sizes(x.type))
        sequences = self.return_sequences
        made = by_scan(
            op, x, mask, reading, [shape] * 3, sequences=sequences, zero_masked=zero_masked
        )
        output = self._as_in_keras(op, made.output, 2 if sequences else 1)
        return Read(output, [self._as_in_keras(op, state, 1) for state in made.states])

    def _output_sizes(self, x: TensorType) -> tuple[int, ...]:
        shape = cast("tuple[int, ...]", self.state(x).shape)
        return shape[1:] if self.data_format == "channels_first" else shape[:-1]

    def _channels_first(self, op: Builder, x: Value, lead: int) -> Value:
        """With the channels before the spatial axes, behind `lead` others."""
        if self.data_format == "channels_first":
            return x
        last = lead + len(self.kernel_size)
        return op.Transpose(x, perm=[*range(lead), last, *range(lead, last)])

    def _as_in_keras(self, op: Builder, x: Value, lead: int) -> Value:
        """The inverse of `_channels_first`."""
        if self.data_format == "channels_first":
            return x
        last = lead + len(self.kernel_size)
        return op.Transpose(x, perm=[*range(lead), *range(lead + 1, last + 1), lead])

    def _spread(self, op: Builder, mask: Value, state: TensorType) -> Value:
        """A mask over steps, or over all axes but the last, with the axes of a state."""
        sizes = cast("tuple[int, ...]", state.shape[:-1])
        each = op.Expand(op.Reshape(mask, [0, 0, -1]), [1, 1, math.prod(sizes)])
        return self._channels_first(op, op.Reshape(each, [0, 0, *sizes, 1]), 2)

    # What `recurrence.Steps` says.

    def step_weights(self, op: Builder, w: Values) -> Values:
        rank = len(self.kernel_size)
        perm = [rank + 1, rank, *range(rank)]
        kernels = ("kernel", "recurrent_kernel")
        return {**w, **{name: op.Transpose(w[name], perm=perm) for name in kernels}}

    def onnx_input(self, op: Builder, x: Value, w: Values) -> Value:
        sizes, channels = self.split(x.type)
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation_rate, self.kernel_size, strict=True)]
        made = op.Conv(
            op.reshape(self._channels_first(op, x, 2), [-1, channels, *sizes]),
            w["kernel"],
            w.get("bias"),
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            **padding_of(sizes, reach, self.strides, self.padding),
        )
        steps = x.type.shape[0]
        time = steps if isinstance(steps, int) else op.size(x, 1)
        return op.reshape(made, [-1, time, 4 * self.filters, *self._output_sizes(x.type)])

    def onnx_step(
        self, op: Builder, taken: Value, states: Sequence[Value], w: Values
    ) -> tuple[Value, list[Value]]:
        hidden, carry = states
        ones = [1] * len(self.kernel_size)
        pads = padding_of(ones, self.kernel_size, ones, "same")
        gates = op.Add(taken, op.Conv(hidden, w["recurrent_kernel"], **pads))
        each = op.Split(gates, [self.filters] * 4, axis=1, outputs=4)
        return lstm_step(op, each, carry, self._activated, self)

    def _activated(self, op: Builder, activation: Any, x: Value) -> Value:
        if activation is None or (
            isinstance(activation, str) and activation not in NOT_ELEMENTWISE
        ):
            return activated(op, activation, x)
        shape = (*[None] * len(self.kernel_size), self.filters)
        x = self._as_in_keras(op, x, 1)
        y = activated(op, activation, op.typed(x, TensorType(x.dtype, shape)))
        return self._channels_first(op, y, 1)

    def stack(self, w: Values) -> list[tuple[Gates, Values]]:
        return []


class ConvLSTM2D(ConvLSTM1D):
    """Long short-term memory over a sequence of images.

    Shapes:  (time, height, width, channels) -> (rows, columns, filters), or (time, rows, columns,
             filters) if return_sequences; with return_state, then the hidden and the carry
             state, (rows, columns, filters) each
    Weights: kernel (*kernel_size, channels, 4 * filters); recurrent_kernel
             (*kernel_size, filters, 4 * filters); bias (4 * filters,) if use_bias

    Example: float32[5, 16, 16, 3] -> ConvLSTM2D(4, 3, padding="same") -> float32[16, 16, 4]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(2))  # pyright: ignore[reportGeneralTypeIssues]
    strides: tuple[int, ...] = arg(Sizes(2), default=1)
    dilation_rate: tuple[int, ...] = arg(Sizes(2), default=1)


class ConvLSTM3D(ConvLSTM1D):
    """Long short-term memory over a sequence of volumes.

    Shapes:  (time, depth, height, width, channels) -> (layers, rows, columns, filters), or (time,
             layers, rows, columns, filters) if return_sequences; with return_state, then the
             hidden and the carry state, (layers, rows, columns, filters) each
    Weights: kernel (*kernel_size, channels, 4 * filters); recurrent_kernel
             (*kernel_size, filters, 4 * filters); bias (4 * filters,) if use_bias

    Example: float32[5, 8, 8, 8, 1] -> ConvLSTM3D(4, 3) -> float32[6, 6, 6, 4]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(3))  # pyright: ignore[reportGeneralTypeIssues]
    strides: tuple[int, ...] = arg(Sizes(3), default=1)
    dilation_rate: tuple[int, ...] = arg(Sizes(3), default=1)
