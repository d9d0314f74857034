"""Spectrograms of sampled sound."""

from __future__ import annotations

import math
from typing import cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    DATA_FORMAT,
    DTYPE_POLICY,
    Choice,
    Float,
    Int,
    Kind,
    Optional,
    arg,
    is_tuple,
)
from specc.layers.base import (
    Layer,
    Weight,
    Weights,
    join_channels,
    require_float,
    require_rank,
    spatial_axis,
    split_channels,
    window_output,
)
from specc.layers.spectra import fourier_kernel, mel_bands
from specc.lowering import Builder, Value, Values
from specc.types import Dimension, TensorType

EPSILON = 1e-7
"""Keras's, the least that it takes logarithms of."""


class Window(Kind):
    """The weights of the samples of a frame: a name, or a number for each."""

    def __init__(self, *names: str) -> None:
        self.choices = names
        self.expected = "the name of a window, or a tuple of a number for each sample of a frame"

    def accepts(self, value: object) -> bool:
        if is_tuple(value):
            return bool(value) and all(Float().accepts(item) for item in value)
        return value in self.choices


SCIPY_WINDOWS = (
    "bartlett", "bart", "brt", "barthann", "brthan", "bth", "blackman", "black", "blk",
    "blackmanharris", "blackharr", "bkh", "bohman", "bman", "bmn", "boxcar", "box", "ones",
    "rect", "rectangular", "cosine", "halfcosine", "exponential", "poisson", "flattop", "flat",
    "flt", "hamming", "hamm", "ham", "hann", "han", "lanczos", "sinc", "nuttall", "nutl", "nut",
    "parzen", "parz", "par", "taylor", "taylorwin", "triangle", "triang", "tri", "tukey", "tuk",
)  # fmt: skip
"""The windows of scipy's `get_window` that need no parameters; a test holds them equal."""


class STFTSpectrogram(Layer):
    """The short-time Fourier transform, by convolutions whose kernels can be trained.

    Each channel is transformed by itself. `frame_step` is half of `frame_length` where it is not
    given, `fft_length` the next power of two. Keras needs scipy to make the kernels:
    `pip install "specc-nn[audio]"`. The last bin of a row is the highest frequency,
    `fft_length // 2`; there are twice as many bins with `mode="stft"`, real parts first.

    Shapes:  (samples, channels) -> (frames, channels * bins), or (frames, bins, channels) if
             expand_dims
    Weights: real_kernel and imag_kernel (frame_length, 1, fft_length // 2 + 1); only one of them
             with mode="real" and mode="imag"

    Example: float32[16000, 1] -> STFTSpectrogram(frame_step=128) -> float32[124, 129]
    """

    dtype_kind = Optional(Choice(*(d for d in DTYPE_POLICY.choices if "bfloat16" not in d)))

    mode: str = arg(
        Choice("log", "magnitude", "psd", "real", "imag", "angle", "stft"), default="log"
    )
    frame_length: int = arg(Int(at_least=2), default=256)
    frame_step: int | None = arg(Optional(Int(at_least=1)), default=None)
    fft_length: int | None = arg(Optional(Int(at_least=2)), default=None)
    window: str | tuple[float, ...] | None = arg(Optional(Window(*SCIPY_WINDOWS)), default="hann")
    periodic: bool = arg(BOOL, default=False)
    scaling: str | None = arg(Optional(Choice("density", "spectrum")), default="density")
    padding: str = arg(Choice("valid", "same"), default="valid")
    expand_dims: bool = arg(BOOL, default=False)
    data_format: str | None = arg(DATA_FORMAT, default=None)

    def validate(self) -> None:
        if self.frame_step is not None and self.frame_step > self.frame_length:
            reason = f"it is more than `frame_length`, {self.frame_length}"
            raise Refused(errors.arguments_conflict, "frame_step", reason)
        if self.fft_length is not None and self.fft_length < self.frame_length:
            reason = f"it is less than `frame_length`, {self.frame_length}"
            raise Refused(errors.arguments_conflict, "fft_length", reason)
        require_window("window", self.window, "frame_length", self.frame_length)

    @property
    def bins(self) -> int:
        power_of_two = 2 ** (self.frame_length - 1).bit_length()
        return (self.fft_length or power_of_two) // 2 + 1

    @property
    def rows(self) -> int:
        """How many numbers a frame of a channel comes to."""
        return 2 * self.bins if self.mode == "stft" else self.bins

    @property
    def step(self) -> int:
        return self.frame_step or self.frame_length // 2

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        (samples,), channels = split_channels(x, self.data_format, "samples")
        if not isinstance(channels, int):
            axis = 1 if self.data_format == "channels_first" else 2
            raise Refused(errors.size_needed, "data_format", axis)
        frames = self._frames(samples)
        if frames == 0 and isinstance(samples, int):
            axis = spatial_axis(0, self.data_format)
            raise Refused(errors.window_too_large, "frame_length", axis, self.frame_length, samples)
        if not self.expand_dims:
            return x.with_shape(*join_channels((frames,), channels * self.rows, self.data_format))
        return x.with_shape(*join_channels((frames, self.rows), channels, self.data_format))

    def _frames(self, samples: Dimension) -> Dimension:
        return window_output(samples, self.frame_length, self.step, self.padding == "same")

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of the weights."""
        parts = ("real", "imag") if self.mode not in ("real", "imag") else (self.mode,)
        return tuple(f"{part}_kernel" for part in parts)

    def weights(self, x: TensorType) -> Weights:
        shape = (self.frame_length, 1, self.bins)
        return tuple(Weight(name, shape) for name in self.kernels)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        first = self.data_format == "channels_first"
        (samples,), found = split_channels(x.type, self.data_format, "samples")
        channels = cast("int", found)
        y = x if first else op.Transpose(x, perm=[0, 2, 1])
        if channels != 1:
            # Each channel by itself, as a sample of the batch.
            y = op.reshape(y, [-1, 1, samples if isinstance(samples, int) else op.size(y, 2)])
        y = self._of_parts(op, self._transformed(op, y, [w[name] for name in self.kernels]))
        known = self._frames(samples)
        frames = known if isinstance(known, int) else op.size(y, 2)
        if self.expand_dims:
            y = op.reshape(y, [-1, channels, self.rows, frames])
            return op.Transpose(y, perm=[0, 1, 3, 2] if first else [0, 3, 2, 1])
        if channels != 1:
            y = op.reshape(y, [-1, channels * self.rows, frames])
        return y if first else op.Transpose(y, perm=[0, 2, 1])

    def _transformed(self, op: Builder, x: Value, kernels: list[Value]) -> Value:
        """Real and imaginary parts (..., bins, frames), one after the other, by one convolution.

        The kernels are stored as (samples of a frame, 1, bins).
        """
        kernel = op.Concat(*kernels, axis=2) if len(kernels) > 1 else kernels[0]
        return op.Conv(
            x,
            op.Transpose(kernel, perm=[2, 1, 0]),
            strides=[self.step],
            auto_pad="SAME_UPPER" if self.padding == "same" else "VALID",
        )

    def _of_parts(self, op: Builder, parts: Value) -> Value:
        """What `mode` makes of the real and the imaginary parts."""
        if self.mode in ("real", "imag", "stft"):
            return parts
        if self.mode == "angle":
            from specc.ops.pairs import arctan2

            real, imaginary = op.Split(parts, [self.bins] * 2, axis=1, outputs=2)
            return arctan2(op, imaginary, real, parts.dtype)
        real, imaginary = op.Split(op.Mul(parts, parts), [self.bins] * 2, axis=1, outputs=2)
        power = op.Add(real, imaginary)
        if self.mode == "psd":
            # Each frequency stands for its negative too, but for the first and the last one.
            times = [[1], *[[2]] * (self.bins - 2), [1]]
            return op.Mul(power, op.constant(times, power.dtype))
        magnitude = op.Sqrt(op.Max(power, EPSILON))
        return magnitude if self.mode == "magnitude" else op.Log(op.Max(magnitude, EPSILON))


class MelSpectrogram(Layer):
    """The power of sound in bands that are spaced as the ear hears them, over time.

    The signal is mirrored at both ends by `fft_length // 2` samples. In decibels (`power_to_db`)
    the least value is `top_db` below the largest one of the *whole batch*, so that a sample's
    result may depend on the others. Keras says one frame too many for some lengths; those are
    refused, since layers behind it would be made for the wrong shape.

    It computes in float32 whatever is asked for, and not in float64.

    Shapes: (samples) -> (num_mel_bins, 1 + samples // sequence_stride)

    Example: float32[16000] -> MelSpectrogram(num_mel_bins=80) -> float32[80, 32]
    """

    dtype_kind = Optional(Choice(*(d for d in DTYPE_POLICY.choices if d != "float64")))
    tf2onnx_refuses = "it has nothing for TensorFlow's Fourier transform"

    fft_length: int = arg(Int(at_least=1), default=2048)
    sequence_stride: int = arg(Int(at_least=1), default=512)
    sequence_length: int | None = arg(Optional(Int(at_least=1)), default=None)
    window: str | tuple[float, ...] | None = arg(
        Optional(Window("hann", "hamming")), default="hann"
    )
    sampling_rate: float = arg(Float(at_least=1), default=16000)
    num_mel_bins: int = arg(Int(at_least=1), default=128)
    min_freq: float = arg(Float(at_least=0), default=20.0)
    max_freq: float | None = arg(Optional(Float(at_least=0)), default=None)
    power_to_db: bool = arg(BOOL, default=True)
    top_db: float = arg(Float(), default=80.0)
    mag_exp: float = arg(Float(), default=2.0)
    min_power: float = arg(Float(), default=1e-10)
    ref_power: float = arg(Float(), default=1.0)

    def validate(self) -> None:
        length = self.sequence_length or self.fft_length
        if length > self.fft_length:
            reason = f"it is more than `fft_length`, {self.fft_length}"
            raise Refused(errors.arguments_conflict, "sequence_length", reason)
        require_window("window", self.window, "sequence_length", length)

    @property
    def summed(self) -> int:
        return self.fft_length

    def infer(self, x: TensorType) -> TensorType:
        require_rank(x, "samples")
        return TensorType("float32", (self.num_mel_bins, self._frames(x.shape[0])))

    def _frames(self, samples: Dimension) -> Dimension:
        if not isinstance(samples, int):
            return None
        border = self.fft_length // 2
        if samples <= border:
            reason = f"the ends are mirrored by {border} samples, and there are {samples} in all"
            raise Refused(errors.arguments_conflict, "fft_length", reason)
        frames = 1 + (samples + 2 * border - self.fft_length) // self.sequence_stride
        said = (samples + self.sequence_stride + 1) // self.sequence_stride
        if frames != said:
            reason = f"of {samples} samples Keras says {said} frames and computes {frames}"
            raise Refused(errors.arguments_conflict, "sequence_stride", reason)
        return frames

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        """Frames and their transforms by one convolution, then bands by one matrix product.

        ONNX's STFT would do without a matrix of `fft_length` squared numbers, but onnxruntime's
        is off by a thousandth where that is no power of two, and it is nowhere faster.
        """
        kernel, offset = fourier_kernel(
            self.window, self.sequence_length or self.fft_length, self.fft_length
        )
        after = self.fft_length - offset - kernel.shape[2]
        border = self.fft_length // 2
        y = op.cast(x, "float32")
        y = op.Pad(y, [0, border, 0, border], mode="reflect") if border else y
        y = op.Slice(y, [offset], [-after], [1]) if after else y
        kernel = op.constant(kernel, "float32")
        y = op.Conv(op.Unsqueeze(y, [1]), kernel, strides=[self.sequence_stride])
        y = self._banded(op, op.Mul(y, y))
        return self._decibels(op, y) if self.power_to_db else y

    def _banded(self, op: Builder, squares: Value) -> Value:
        """The bands of the squares of real and imaginary parts."""
        bins = self.fft_length // 2 + 1
        highest = self.max_freq or int(self.sampling_rate / 2)
        bands = mel_bands(self.num_mel_bins, bins, self.sampling_rate, self.min_freq, highest)
        if self.mag_exp == 2:
            # The product adds the two parts up as well.
            bands = [[*row, *row] for row in bands]
            return op.MatMul(op.constant(bands, "float32"), squares)
        real, imaginary = op.Split(squares, [bins] * 2, axis=1, outputs=2)
        spectrum = op.Pow(op.Sqrt(op.Add(real, imaginary)), float(self.mag_exp))
        return op.MatMul(op.constant(bands, "float32"), spectrum)

    def _decibels(self, op: Builder, y: Value) -> Value:
        decibel = 10 / math.log(10)
        y = op.Mul(op.Log(op.Max(y, self.min_power)), decibel)
        reference = max(abs(self.ref_power), self.min_power)
        y = op.Sub(y, decibel * math.log(reference) if reference > 0 else -math.inf)
        return op.Max(y, op.Sub(op.ReduceMax(y, keepdims=0), self.top_db))


def require_window(
    argument: str, window: str | tuple[float, ...] | None, length_argument: str, length: int
) -> None:
    """Refuse a window of numbers that has not one for each sample of a frame."""
    if is_tuple(window) and len(window) != length:
        reason = f"it has {len(window)} numbers, and `{length_argument}` is {length}"
        raise Refused(errors.arguments_conflict, argument, reason)
