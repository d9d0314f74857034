"""What the layers take, give and own. No framework is imported here."""

from __future__ import annotations

from typing import Any

from specc.layers.api import (
    ACTIVATION,
    Builder,
    Float,
    Int,
    Layer,
    Refused,
    TensorType,
    Value,
    Values,
    Weight,
    Weights,
    apply_within,
    arg,
    errors,
    known_size,
    require_float,
    require_rank,
    variables_within,
)
from specc.layers.core import Dense


class LayerScale(Layer):
    """Each feature times a learned factor that starts small.

    Shapes:  (*lead, n) -> (*lead, n)
    Weights: gamma (n,)

    Example: float32[196, 384] -> LayerScale(0.1) -> float32[196, 384]
    """

    init_value: float = arg(Float(), default=1e-5)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        if x.rank < 1:
            raise Refused(errors.wrong_rank, "(..., features)", 1)
        return x

    def weights(self, x: TensorType) -> Weights:
        return (Weight("gamma", (known_size(x, -1),)),)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return op.Mul(x, w["gamma"])

    def keras_layer(self) -> Any:
        from specc_squeeze_excite.keras_layers import LayerScale

        return LayerScale


class SqueezeExcite(Layer):
    """Channels weighted by what the whole image has of them.

    The mean of each channel goes through two dense layers, the first of which has `ratio` times
    fewer units than there are channels, and at least one.

    Shapes:  (height, width, channels) -> (height, width, channels)
    Weights: squeeze/kernel (channels, channels // ratio), squeeze/bias; excite/kernel
             (channels // ratio, channels), excite/bias

    Example: float32[14, 14, 64] -> SqueezeExcite(16) -> float32[14, 14, 64]
    """

    ratio: int = arg(Int(at_least=1), default=16)
    activation: str | Layer = arg(ACTIVATION, default="relu")

    def infer(self, x: TensorType) -> TensorType:
        require_rank(x, "height", "width", "channels")
        require_float(x)
        return x

    def inner_variables(self, x: TensorType, **_: Any) -> Weights:
        channels = known_size(x, -1)
        squeeze = Dense(units=max(1, channels // self.ratio), dtype=self.dtype)
        excite = Dense(units=channels, dtype=self.dtype)
        pooled = TensorType(self.compute_dtype, (channels,))
        (squeezed,) = apply_within(squeeze, [pooled])
        return (
            *variables_within(squeeze, [pooled], prefix="squeeze/"),
            *variables_within(excite, [squeezed], prefix="excite/"),
        )

    def activated(self, outputs: tuple[TensorType, ...]) -> TensorType:
        """The activation works on the squeezed channels, not on the image."""
        channels = outputs[0].shape[-1]
        units = max(1, channels // self.ratio) if isinstance(channels, int) else None
        return TensorType("float32", (units,))

    def keras_layer(self) -> Any:
        from specc_squeeze_excite.keras_layers import SqueezeExcite

        return SqueezeExcite
