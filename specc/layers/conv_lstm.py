"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: long short-term memory whose gates are convolutions."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
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
from specc.layers.windowed import SPATIAL_AXES
from specc.types import Dimension, TensorType

RATE = Float(at_least=0, at_most=1)
SEED = Optional(Int())


class ConvLSTM1D(Layer):
    """Long short-term memory over a sequence of sequences.

    Shapes:  (time, steps, channels) -> (windows, filters), or (time, windows, filters) if
             return_sequences; with return_state, then the hidden and the carry state,
             (windows, filters) each
    Weights: kernel (*kernel_size, channels, 4 * filters); recurrent_kernel
             (*kernel_size, filters, 4 * filters); bias (4 * filters,) if use_bias

    Example: float32[5, 16, 3] -> ConvLSTM1D(4, 3) -> float32[14, 4]
    """

    supports_masking = True

    category = "recurrent"

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
    def hands_mask_on(self) -> bool:
        return self.return_sequences

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

    def check_batch(self, batch_size: int | None) -> None:
        if self.stateful and batch_size is None:
            raise Refused(errors.size_needed, "stateful", 0)

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


class ConvLSTM2D(ConvLSTM1D):
    """Long short-term memory over a sequence of images.

    Shapes:  (time, height, width, channels) -> (rows, columns, filters), or (time, rows, columns,
             filters) if return_sequences; with return_state, then the hidden and the carry
             state, (rows, columns, filters) each
    Weights: kernel (*kernel_size, channels, 4 * filters); recurrent_kernel
             (*kernel_size, filters, 4 * filters); bias (4 * filters,) if use_bias

    Example: float32[5, 16, 16, 3] -> ConvLSTM2D(4, 3, padding="same") -> float32[16, 16, 4]
    """

    kernel_size: tuple[int, ...] = arg(Sizes(2))
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

    kernel_size: tuple[int, ...] = arg(Sizes(3))
    strides: tuple[int, ...] = arg(Sizes(3), default=1)
    dilation_rate: tuple[int, ...] = arg(Sizes(3), default=1)
