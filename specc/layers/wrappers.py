"""Bidirectional, SpectralNormalization, TimeDistributed: layers around other layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    Choice,
    Int,
    Kind,
    Nothing,
    Optional,
    Wrapped,
    arg,
    is_tuple,
)
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    Weight,
    Weights,
    apply_within,
    require_call_types,
    require_float,
    variables_within,
)
from specc.layers.lower import computed, lower_layer
from specc.layers.recurrence import Reading, by_operators, flipped, one_operator
from specc.layers.sequence import Handing, Recurrent, Structure, as_list
from specc.lowering import Builder, NotLowered, Value, Values, inside
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
        backward = variables_within(self.backward, [x], prefix="backward/")
        if self.layer.copies_train:
            forward = tuple([weight._replace(trainable=True) for weight in forward])
            if self.backward_layer is None:
                backward = tuple([weight._replace(trainable=True) for weight in backward])
        return (*forward, *backward)

    def onnx(
        self,
        op: Builder,
        x: Value,
        w: Values,
        *,
        initial_state: Value | Sequence[Value] | None = None,
    ) -> tuple[Value, ...]:
        given = as_list(initial_state)
        half = len(self.layer.states_for(x.type))
        backwards = self.layer.go_backwards
        forward = self._reading(op, w, "forward/", given and given[:half], backwards)
        backward = self._reading(op, w, "backward/", given and given[half:], not backwards)
        # Keras has both layers put out zeros for masked steps, whatever they were told.
        sequences = zero_masked = self.layer.return_sequences
        if one_operator(forward, backward):
            both = [forward, backward]
            output, states = by_operators(op, x, both, sequences=sequences, zero_masked=zero_masked)
            outputs = self._merged_axis(op, computed(op, self, output))
        else:
            x1, x2 = computed(op, self.layer, x), computed(op, self.backward, x)
            y1, states1 = self.layer.read(op, x1, forward, zero_masked=zero_masked)
            y2, states2 = self.backward.read(op, x2, backward, zero_masked=zero_masked)
            outputs = self._merge(op, computed(op, self, [y1, y2]))
            states = [*states1, *states2]
        if sequences and backwards:
            outputs = [flipped(op, y) for y in outputs]
        return (*outputs, *(states if self.layer.return_state else ()))

    def _reading(
        self,
        op: Builder,
        w: Values,
        prefix: str,
        states: Sequence[Value] | None,
        backwards: bool,
    ) -> Reading:
        layer = self.layer if prefix == "forward/" else self.backward
        before = computed(op, layer, list(states)) if states else None
        return layer.reading(op, computed(op, layer, inside(w, prefix)), before, backwards)

    def _merge(self, op: Builder, both: Sequence[Value]) -> list[Value]:
        if self.merge_mode is None:
            return list(both)
        if self.merge_mode == "concat":
            return [op.Concat(*both, axis=-1)]
        if self.merge_mode == "mul":
            return [op.Mul(*both)]
        total = op.Add(*both)
        return [op.Mul(total, 0.5) if self.merge_mode == "ave" else total]

    def _merged_axis(self, op: Builder, y: Value) -> list[Value]:
        """As `_merge`, where the directions are the last axis but one."""
        if self.merge_mode == "concat":
            lead = 2 if self.layer.return_sequences else 1
            return [op.Reshape(y, [*[0] * lead, -1])]
        parts = op.Split(y, [1, 1], axis=-2, outputs=2)
        return self._merge(op, [op.Squeeze(part, [-2]) for part in parts])

    def onnx_mask(self, op: Builder, x: Value, w: Values, **_: Any) -> Any:
        mask = super().onnx_mask(op, x, w)
        return (*[mask] * self._merged, *[None] * (self.output_count - self._merged))


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
        if self.layer.kind == "Pipeline":
            reason = "Keras's Pipeline does not say the shape of its output, which is needed"
            raise Refused(errors.arguments_conflict, "layer", reason)

    @property
    def index_limit(self) -> int | None:
        return self.layer.index_limit

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 2:
            raise Refused(errors.wrong_rank, "(steps, features, ...)", 2)
        if not getattr(self.layer, "casts_by_itself", True):
            require_float(x)
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

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        """The steps of all sequences are as many samples of a batch, if the layer lets them be.

        It does not where it works along the batch, which is that of one step in Keras, too.
        """
        if getattr(self.layer, "stateful", False):
            raise NotLowered("a stateful layer within `TimeDistributed`")
        steps, *each = x.type.shape
        if _mixes_samples(self.layer, len(each)):
            return self._step_by_step(op, x, w)
        sizes = [n if isinstance(n, int) else op.size(x, axis) for axis, n in enumerate(each, 2)]
        samples = op.typed(op.reshape(x, [-1, *sizes]), x.type.with_shape(*each))
        (y,) = lower_layer(op, self.layer, [samples], w)
        time = steps if isinstance(steps, int) else op.size(x, 1)
        sizes = [
            n if isinstance(n, int) else op.size(y, axis) for axis, n in enumerate(y.type.shape, 1)
        ]
        return op.reshape(y, [-1, time, *sizes])

    def _step_by_step(self, op: Builder, x: Value, w: Values) -> Value:
        each = x.type.with_shape(*x.type.shape[1:])

        def apply(_: list[Value], step: list[Value]) -> tuple[list[Value], list[Value]]:
            return [], list(lower_layer(op, self.layer, [op.typed(step[0], each)], w))

        _, (y,) = op.scan(apply, [], [x])
        return y


def _mixes_samples(layer: Layer, rank: int) -> bool:
    """Whether an axis that a layer names is that of the batch; `rank` does not count it."""
    named: Any = getattr(layer, "axis", None)
    axes = named if is_tuple(named) else (named,)
    inner = [getattr(layer, name) for name in layer.signature]
    return any(isinstance(axis, int) and axis % (rank + 1) == 0 for axis in axes) or any(
        isinstance(one, Layer) and _mixes_samples(one, rank) for one in inner
    )
