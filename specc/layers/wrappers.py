"""Bidirectional, TimeDistributed: layers around other layers."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Choice, Kind, Nothing, Optional, Wrapped, arg
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    Weights,
    apply_within,
    require_call_types,
    require_rank,
    variables_within,
)
from specc.layers.sequence import Handing, Recurrent, Structure
from specc.types import TensorType

RECURRENT = Wrapped("recurrent", "a recurrent layer, such as `LSTM(8)`")


class Bidirectional(Handing):
    """A recurrent layer, and another one that reads the steps from the end.

    Shapes:  (steps, features) -> (2 * units,), or (steps, 2 * units) if the layer returns
             sequences; units where merge_mode is not "concat", and twice where it is None;
             if the layer returns states, then those of both
    Weights: those of the layer, as `forward/kernel` and `backward/kernel`

    Example: float32[10, 8] -> Bidirectional(LSTM(4)) -> float32[8]
    """

    states_argument = "initial_state"

    call_arguments: ClassVar[dict[str, Kind]] = {
        "initial_state": TENSORS,
        "mask": TENSOR,
        "training": BOOL,
    }

    layer: Recurrent = arg(RECURRENT)
    merge_mode: str | None = arg(Optional(Choice("sum", "mul", "concat", "ave")), default="concat")
    initial_weights: None = arg(Nothing(), default=None, name="weights")
    backward_layer: Recurrent | None = arg(Optional(RECURRENT), default=None)

    def validate(self) -> None:
        self.backward = self.backward_layer or self.layer
        back = self.backward_layer.go_backwards if self.backward_layer else True
        if self.layer.go_backwards == back:
            reason = f"go_backwards is {back} in both directions"
            raise Refused(errors.arguments_conflict, self._at_fault, reason)
        if self.layer.stateful and self.layer.return_state:
            reason = "Keras cannot return the states of a stateful layer here"
            raise Refused(errors.arguments_conflict, "layer", reason)
        for name in ("stateful", "return_sequences", "return_state", "output_size",
                     "state_structure"):  # fmt: skip
            # Of sizes that differ, Keras would say that both are the forward layer's.
            first, second = getattr(self.layer, name), getattr(self.backward, name)
            if first != second:
                what = "units" if "_s" in name[5:] else name
                reason = f"{what} of the two layers differ: {first} and {second}"
                raise Refused(errors.arguments_conflict, self._at_fault, reason)

    @property
    def _at_fault(self) -> str:
        return "backward_layer" if self.backward_layer else "layer"

    @property
    def _merged(self) -> int:
        return 2 if self.merge_mode is None else 1

    @property
    def state_structure(self) -> Structure:
        return (*self.layer.state_structure, *self.backward.state_structure)

    @property
    def output_size(self) -> int:
        return (2 if self.merge_mode == "concat" else 1) * self.layer.output_size

    @property
    def output_count(self) -> int:
        return self._merged + (len(self.state_types) if self.layer.return_state else 0)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        require_rank(x, "steps", "features")
        output, *states = apply_within(self.layer, [x])
        states += apply_within(self.backward, [x])[1:]
        merged = TensorType("float32", (*output.shape[:-1], self.output_size))
        return (*[merged] * self._merged, *states)

    def computed(self, outputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        # The states have the dtypes of the layers inside.
        return (*super().computed(outputs[: self._merged]), *outputs[self._merged :])

    def check_batch(self, batch_size: int | None) -> None:
        self.layer.check_batch(batch_size)

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        forward = variables_within(self.layer, [x], prefix="forward/")
        return (*forward, *variables_within(self.backward, [x], prefix="backward/"))


class TimeDistributed(Layer):
    """A layer, applied to each step by itself.

    Shapes:  (steps, *each) -> (steps, *each)
    Weights: those of the layer

    Example: float32[10, 28, 28, 1] -> TimeDistributed(Conv2D(4, 3)) -> float32[10, 26, 26, 4]
    """

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
