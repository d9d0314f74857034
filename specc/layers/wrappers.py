"""Bidirectional, SpectralNormalization, TimeDistributed: layers around other layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Choice, Int, Kind, Nothing, Optional, Wrapped, arg
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    Weight,
    Weights,
    apply_within,
    require_call_types,
    variables_within,
)
from specc.layers.lower import lower_layer
from specc.layers.sequence import Handing, Recurrent, Structure
from specc.lowering import Builder, Value, Values, inside
from specc.types import TensorType

if TYPE_CHECKING:
    from specc.layers.conv_lstm import ConvLSTM1D

RECURRENT = Wrapped("recurrent", "a recurrent layer, such as `LSTM(8)`")


class Bidirectional(Handing):
    """A recurrent layer, and another one that reads the steps from the end.

    Shapes:  (steps, features) -> (2 * units,), or (steps, 2 * units) if the layer returns
             sequences; units where merge_mode is not "concat", and twice where it is None;
             if the layer returns states, then those of both
    Weights: those of the layer, as `forward/kernel` and `backward/kernel`

    Example: float32[10, 8] -> Bidirectional(LSTM(4)) -> float32[8]
    """

    supports_masking = True

    states_argument = "initial_state"

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSORS,
        "mask": TENSOR,
        "training": BOOL,
    }

    layer: Recurrent | ConvLSTM1D = arg(RECURRENT)
    merge_mode: str | None = arg(Optional(Choice("sum", "mul", "concat", "ave")), default="concat")
    initial_weights: None = arg(Nothing(), default=None, name="weights")
    backward_layer: Recurrent | ConvLSTM1D | None = arg(Optional(RECURRENT), default=None)

    def validate(self) -> None:
        self.backward = self.backward_layer or self.layer
        back = self.backward_layer.go_backwards if self.backward_layer else True
        if self.layer.go_backwards == back:
            reason = f"go_backwards is {back} in both directions"
            raise Refused(errors.arguments_conflict, self._at_fault, reason)
        if self.layer.stateful and self.layer.return_state:
            reason = "Keras cannot return the states of a stateful layer here"
            raise Refused(errors.arguments_conflict, "layer", reason)
        for name in ("stateful", "return_sequences", "return_state"):
            first, second = getattr(self.layer, name), getattr(self.backward, name)
            if first != second:
                reason = f"{name} of the two layers differ: {first} and {second}"
                raise Refused(errors.arguments_conflict, self._at_fault, reason)

    @property
    def _at_fault(self) -> str:
        return "backward_layer" if self.backward_layer else "layer"

    @property
    def _merged(self) -> int:
        return 2 if self.merge_mode is None else 1

    @property
    def state_structure(self) -> Structure:
        both = (self.layer, self.backward)
        if isinstance(self.layer, Handing) and isinstance(self.backward, Handing):
            return (*self.layer.state_structure, *self.backward.state_structure)
        return (None,) * sum(layer.output_count - 1 for layer in both)

    @property
    def hands_mask_on(self) -> bool:
        return self.layer.return_sequences

    @property
    def output_count(self) -> int:
        return self._merged + 2 * (self.layer.output_count - 1)

    def states_for(self, x: TensorType) -> list[TensorType]:
        return [*self.layer.states_for(x), *self.backward.states_for(x)]

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        forward = apply_within(self.layer, [x])
        backward = apply_within(self.backward, [x])
        # Of sizes that differ, Keras would say that both are the forward layer's.
        if [x.shape for x in forward] != [x.shape for x in backward]:
            first, second = (", ".join(map(str, types)) for types in (forward, backward))
            reason = f"the outputs of the two layers differ: {first} and {second}"
            raise Refused(errors.arguments_conflict, self._at_fault, reason)
        output = forward[0]
        channels = output.shape[-1]
        if self.merge_mode == "concat" and isinstance(channels, int):
            output = output.with_shape(*output.shape[:-1], 2 * channels)
        merged = TensorType("float32", output.shape)
        return (*[merged] * self._merged, *forward[1:], *backward[1:])

    def computed(self, outputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        # The states have the dtypes of the layers inside.
        return (*super().computed(outputs[: self._merged]), *outputs[self._merged :])

    def check_batch(self, batch_size: int | None) -> None:
        self.layer.check_batch(batch_size)

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        forward = variables_within(self.layer, [x], prefix="forward/")
        return (*forward, *variables_within(self.backward, [x], prefix="backward/"))


class WithKernel(Wrapped):
    """A layer to normalize. Whether it has a kernel is known when its weights are."""

    def __init__(self) -> None:
        super().__init__("layer", "a layer with a kernel or embeddings, such as `Dense(8)`")


class SpectralNormalization(Layer):
    """A layer whose kernel is divided by its largest singular value while training.

    The layer has a `kernel`, or `embeddings`. At inference it is used as it is. The output is cast
    to the dtype of the input: around an `Embedding` of whole numbers it is whole numbers.

    Shapes:  (*any) -> what the layer makes of it
    Weights: the layer's kernel or embeddings; vector_u (1, n), not trainable, where n is the
             kernel's last size; then the other weights of the layer

    Example: float32[10, 10, 1] -> SpectralNormalization(Conv2D(2, 2)) -> float32[9, 9, 2]
    """

    layer: Layer = arg(WithKernel())
    power_iterations: int = arg(Int(at_least=1), default=1)

    def validate(self) -> None:
        if self.layer.takes_list:
            raise Refused(errors.arguments_conflict, "layer", "it takes a list of tensors")

    @property
    def index_limit(self) -> int | None:
        return self.layer.index_limit

    def infer(self, x: TensorType) -> TensorType:
        outputs = apply_within(self.layer, [x])
        if len(outputs) != 1:
            reason = f"it gives {len(outputs)} tensors"
            raise Refused(errors.arguments_conflict, "layer", reason)
        return TensorType(x.dtype, outputs[0].shape)

    def check_batch(self, batch_size: int | None) -> None:
        self.layer.check_batch(batch_size)

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        return variables_within(self.layer, [x], prefix="layer/")

    def variables(self, inputs: list[TensorType], call: Mapping[str, Any] | None = None) -> Weights:
        """The kernel comes first: Keras keeps it as a variable of the wrapper, too."""
        name = f"layer/{self._kernel_name(inputs)}"
        inner = super().variables(inputs, call)
        kernel = next(weight for weight in inner if weight.name == name)
        vector = Weight("vector_u", (1, kernel.shape[-1]), False, kernel.dtype)
        return (kernel, vector, *(other for other in inner if other is not kernel))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        (y,) = lower_layer(op, self.layer, [x], inside(w, "layer/"))
        return op.cast(y, x.dtype)

    def _kernel_name(self, inputs: list[TensorType]) -> str:
        """What the layer calls its kernel; that of a recurrent layer is its cell's."""
        if isinstance(self.layer, SpectralNormalization):
            return f"layer/{self.layer._kernel_name(inputs)}"
        if getattr(self.layer, "lora_rank", None):
            reason = "the kernel of a layer with `lora_rank` is a sum, which Keras cannot normalize"
            raise Refused(errors.arguments_conflict, "layer", reason)
        if not self.layer.is_a("recurrent"):
            for weight in self.layer.weights(*inputs):
                if weight.name in ("kernel", "embeddings"):
                    return weight.name
        reason = f"`{self.layer.kind}` has no kernel and no embeddings"
        raise Refused(errors.arguments_conflict, "layer", reason)


class TimeDistributed(Layer):
    """A layer, applied to each step by itself.

    Shapes:  (steps, *each) -> (steps, *each)
    Weights: those of the layer

    Example: float32[10, 28, 28, 1] -> TimeDistributed(Conv2D(4, 3)) -> float32[10, 26, 26, 4]
    """

    supports_masking = True

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL, "mask": TENSOR}

    layer: Layer = arg(Wrapped("layer", "a layer, such as `Dense(8)`"))

    def validate(self) -> None:
        # Keras calls the layer in a way that leaves out its own casts.
        if self.layer.compute_dtype != self.compute_dtype:
            reason = f"its dtype is {self.layer.compute_dtype}, not {self.compute_dtype}"
            raise Refused(errors.arguments_conflict, "layer", reason)
        if self.layer.takes_list:
            raise Refused(errors.arguments_conflict, "layer", "it takes a list of tensors")

    @property
    def index_limit(self) -> int | None:
        return self.layer.index_limit

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 2:
            raise Refused(errors.wrong_rank, "(steps, features, ...)", 2)
        outputs = apply_within(self.layer, [x.with_shape(*x.shape[1:])])
        if len(outputs) != 1:
            reason = f"it gives {len(outputs)} tensors"
            raise Refused(errors.arguments_conflict, "layer", reason)
        return outputs[0].with_shape(x.shape[0], *outputs[0].shape)

    def computed(self, outputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return outputs

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        if call.get("mask") is not None:
            steps = inputs[0].shape[:1]
            require_call_types("mask", [call["mask"]], [TensorType("bool", steps)])

    def check_batch(self, batch_size: int | None) -> None:
        self.layer.check_batch(batch_size)

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        return variables_within(self.layer, [x.with_shape(*x.shape[1:])])
