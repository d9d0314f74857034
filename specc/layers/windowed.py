"""Windows that move over spatial axes: what convolutions and poolings have in common.

Keras's channels stand last, unless `data_format` is "channels_first"; those of ONNX's operators
stand first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activation_functions import activated
from specc.layers.base import (
    Layer,
    Weight,
    Weights,
    join_channels,
    known_size,
    require_float,
    spatial_axis,
    split_channels,
    window_output,
)
from specc.layers.layouts import axis_to_back, axis_to_front, channel_axis
from specc.lowering import Builder, Value, Values, folded
from specc.types import Dimension, TensorType

SPATIAL_AXES = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class Windowed(Layer):
    """What all convolutions have in common; each class lists its arguments itself."""

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str | None
    dilation_rate: tuple[int, ...]
    activation: str | Layer | None
    use_bias: bool

    def validate(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise Refused(
                errors.arguments_conflict,
                "dilation_rate",
                f"with strides {self.strides}, there can be no dilation",
            )

    def split(self, x: TensorType) -> tuple[tuple[Dimension, ...], Dimension]:
        return split_channels(x, self.data_format, *SPATIAL_AXES[len(self.kernel_size)])

    def known_channels(self, x: TensorType) -> int:
        self.split(x)
        return known_size(x, 0 if self.data_format == "channels_first" else -1)

    def convolved(self, x: TensorType, channels: int) -> TensorType:
        """The output for a window that moves over the input."""
        spatial, _ = self.split(x)
        require_float(x)
        sizes: list[Dimension] = []
        for i, size in enumerate(spatial):
            output = window_output(
                size, self.windows()[i], self.strides[i], self.padding != "valid"
            )
            if output == 0 and isinstance(size, int):
                axis = spatial_axis(i, self.data_format)
                raise Refused(errors.window_too_large, "kernel_size", axis, self.windows()[i], size)
            sizes.append(output)
        return x.with_shape(*join_channels(tuple(sizes), channels, self.data_format))

    def windows(self) -> tuple[int, ...]:
        """How far the kernel reaches on each axis."""
        pairs = zip(self.kernel_size, self.dilation_rate, strict=True)
        return tuple([dilation * (size - 1) + 1 for size, dilation in pairs])

    def with_bias(self, size: int, *kernels: Weight) -> Weights:
        return (*kernels, Weight("bias", (size,))) if self.use_bias else kernels

    # ----------------------------------------------------------------- in ONNX

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        axis, rank = self.channel_axis(x.type), x.type.rank + 1
        y = self.convolve(op, axis_to_front(op, x, axis, rank), x.type, w)
        (type_,) = self.apply([x.type])
        return activated(op, self.activation, op.typed(axis_to_back(op, y, axis, rank), type_))

    def convolve(self, op: Builder, x: Value, type_: TensorType, w: Values) -> Value:
        """The convolution alone, channels first.

        Args:
            type_: the type of the input as Keras has it.
        """
        raise NotImplementedError

    def conv(
        self,
        op: Builder,
        x: Value,
        type_: TensorType,
        kernel: Value,
        bias: Value | None,
        groups: int,
    ) -> Value:
        """ONNX's operator with a kernel (*kernel_size, channels / groups, filters)."""
        spatial, _ = self.split(type_)
        return op.Conv(
            x,
            *kernel_and_bias(op, kernel, bias, len(spatial)),
            kernel_shape=list(self.kernel_size),
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            group=groups,
            **padding_of(spatial, self.windows(), self.strides, self.padding),
        )

    @property
    def pads(self) -> bool:
        """Whether windows may reach beyond the input, where there are zeros."""
        return self.padding != "valid" and max(self.kernel_size) > 1

    def folds_before(self, x: TensorType, has_offset: bool) -> int | None:
        return None if has_offset and self.pads else self.channel_axis(x)

    def folds_after(self, y: TensorType) -> int | None:
        return self.channel_axis(y) if self.activation in (None, "linear") else None

    def channel_axis(self, x: TensorType) -> int:
        return channel_axis(x, self.data_format)


class Transposed(Windowed):
    """What the transposes have in common."""

    filters: int
    output_padding: tuple[int, ...] | None

    def validate(self) -> None:
        super().validate()
        for extra, stride in zip(self.output_padding or (), self.strides, strict=False):
            if extra >= stride:
                raise Refused(
                    errors.arguments_conflict,
                    "output_padding",
                    f"must be less than the stride, which is {stride}",
                )

    def infer(self, x: TensorType) -> TensorType:
        spatial, _ = self.split(x)
        require_float(x)
        sizes = tuple(self._spread(i, size) for i, size in enumerate(spatial))
        return x.with_shape(*join_channels(sizes, self.filters, self.data_format))

    def weights(self, x: TensorType) -> Weights:
        shape = (*self.kernel_size, self.filters, self.known_channels(x))
        return self.with_bias(self.filters, Weight("kernel", shape))

    def convolve(self, op: Builder, x: Value, type_: TensorType, w: Values) -> Value:
        """The windows spread out, then cut to the size of the output.

        Cut off is what the padding of the convolution is that gives the input for the output,
        so as much on both sides as that adds on both.
        """
        pairs = list(zip(self._last_parts(), self.windows(), strict=True))
        cut = [max(window - last, 0) for last, window in pairs]
        return op.ConvTranspose(
            x,
            *kernel_and_bias(op, w["kernel"], w.get("bias"), len(self.kernel_size)),
            kernel_shape=list(self.kernel_size),
            strides=list(self.strides),
            dilations=list(self.dilation_rate),
            pads=[*[n // 2 for n in cut], *[n - n // 2 for n in cut]],
            output_padding=[max(last - window, 0) for last, window in pairs],
        )

    @property
    def pads(self) -> bool:
        """Always: at the borders of the output fewer windows meet, each with an offset in it."""
        return True

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        return {"kernel": op.Mul(w["kernel"], scale)}

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        bias = None if "bias" not in w else op.Mul(w["bias"], scale)
        kernel = op.Mul(w["kernel"], op.Unsqueeze(scale, [1]))
        return folded(op, {"kernel": kernel}, bias, offset)

    def _spread(self, i: int, size: Dimension) -> Dimension:
        if isinstance(size, int):
            return (size - 1) * self.strides[i] + self._last_parts()[i]
        keeps = self.padding == "same" and not self.output_padding and self.strides[i] == 1
        return size if keeps else None

    def _last_parts(self) -> list[int]:
        """How much of each axis of the output lies behind the start of the last window."""
        extras = self.output_padding or (None,) * len(self.strides)
        parts: list[int] = []
        for window, stride, extra in zip(self.windows(), self.strides, extras, strict=True):
            if self.padding == "same":
                parts.append(stride if extra is None else window % 2 + extra)
            else:
                parts.append(max(window, stride) if extra is None else window + extra)
        return parts


def kernel_and_bias(op: Builder, kernel: Value, bias: Value | None, axes: int) -> tuple[Value, ...]:
    """Inputs of ONNX's convolutions, in which the last two axes of a kernel come first, turned."""
    turned = op.Transpose(kernel, perm=[axes + 1, axes, *range(axes)])
    return (turned,) if bias is None else (turned, bias)


def padding_of(
    sizes: Sequence[Dimension], windows: Sequence[int], strides: Sequence[int], padding: str
) -> dict[str, Any]:
    """The attributes that say of ONNX's windows what `padding` says of Keras's.

    The runtime finds the pads itself where they depend on a size that is not known.
    """
    before, after = [0] * len(sizes), [0] * len(sizes)
    for i, (size, window, stride) in enumerate(zip(sizes, windows, strides, strict=True)):
        if padding == "causal":
            before[i] = window - 1
        elif padding == "same":
            if not isinstance(size, int) and stride > 1 and window > 1:
                return {"auto_pad": "SAME_UPPER"}
            # The last window starts at the last position that is a multiple of the stride.
            rest = size % stride if isinstance(size, int) else 0
            total = max(window - (rest or stride), 0)
            before[i], after[i] = total // 2, total - total // 2
    return {"pads": [*before, *after]}
