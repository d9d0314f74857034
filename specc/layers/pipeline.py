"""Pipeline: layers one after another, as one layer."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, Kind, Wrapped, arg, is_tuple, place
from specc.layers.base import TENSOR, Layer, Weights, apply_within, variables_within
from specc.layers.lower import lower_layer
from specc.layers.tracing import require_traceable
from specc.lowering import Builder, Value, Values, inside
from specc.types import TensorType


class Layers(Kind):
    """Layers of which each takes what the one before gives."""

    category = "layer"
    expected = "a list of layers, such as `[RandomFlip(), RandomRotation(0.1)]`"
    one = Wrapped("layer", "a layer")

    def accepts(self, value: object) -> bool:
        return is_tuple(value) and bool(value) and all(map(self.one.accepts, value))


class Pipeline(Layer):
    """Layers one after another; at inference they do what each does there.

    Shapes:  (*any) -> (*any)
    Weights: those of the layers, as `layer_0/kernel`

    Example: float32[64, 64, 3] -> Pipeline([RandomFlip(), CenterCrop(8, 8)]) -> float32[8, 8, 3]
    """

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL, "mask": TENSOR}

    common = ("name",)
    autocasts = False  # Each of the layers does that.
    takes_strings = True

    layers: tuple[Layer, ...] = arg(Layers())
    name = place()

    def validate(self) -> None:
        for layer in self.layers:
            if layer.takes_list:
                reason = f"{layer.kind} takes a list of tensors"
                raise Refused(errors.arguments_conflict, "layers", reason)

    @property
    def index_limit(self) -> int | None:
        return self.layers[0].index_limit

    @property
    def known_inputs(self) -> tuple[str | int, ...]:
        return self.layers[0].known_inputs

    def infer(self, x: TensorType) -> TensorType:
        for layer in self.layers:
            x = self._step(layer, x)
        return x

    def _step(self, layer: Layer, x: TensorType) -> TensorType:
        outputs = apply_within(layer, [x])
        if len(outputs) != 1:
            reason = f"{layer.kind} gives {len(outputs)} tensors"
            raise Refused(errors.arguments_conflict, "layers", reason)
        return outputs[0]

    def computed(self, outputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return outputs  # in the dtype of the last layer

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        if call.get("mask") is not None and "mask" in self.layers[0].call_arguments:
            self.layers[0].check_call(inputs, mask=call["mask"])

    def check_batch(self, batch_size: int | None) -> None:
        require_traceable("layers", self.layers, batch_size)
        for layer in self.layers:
            layer.check_batch(batch_size)

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        found: Weights = ()
        for index, layer in enumerate(self.layers):
            found += variables_within(layer, [x], prefix=f"layer_{index}/")
            x = self._step(layer, x)
        return found

    def onnx(self, op: Builder, x: Value, w: Values, **_: Any) -> Value:
        for index, layer in enumerate(self.layers):
            (x,) = lower_layer(op, layer, [x], inside(w, f"layer_{index}/"))
        return x
