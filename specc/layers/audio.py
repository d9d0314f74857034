"""Spectrograms of sampled sound."""

from __future__ import annotations

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
from specc.types import Dimension, TensorType


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

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        (samples,), channels = split_channels(x, self.data_format, "samples")
        if not isinstance(channels, int):
            axis = 1 if self.data_format == "channels_first" else 2
            raise Refused(errors.size_needed, "data_format", axis)
        step = self.frame_step or self.frame_length // 2
        frames = window_output(samples, self.frame_length, step, self.padding == "same")
        if frames == 0 and isinstance(samples, int):
            axis = spatial_axis(0, self.data_format)
            raise Refused(errors.window_too_large, "frame_length", axis, self.frame_length, samples)
        bins = 2 * self.bins if self.mode == "stft" else self.bins
        if not self.expand_dims:
            return x.with_shape(*join_channels((frames,), channels * bins, self.data_format))
        return x.with_shape(*join_channels((frames, bins), channels, self.data_format))

    def weights(self, x: TensorType) -> Weights:
        parts = ("real", "imag") if self.mode not in ("real", "imag") else (self.mode,)
        shape = (self.frame_length, 1, self.bins)
        return tuple(Weight(f"{part}_kernel", shape) for part in parts)


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


def require_window(
    argument: str, window: str | tuple[float, ...] | None, length_argument: str, length: int
) -> None:
    """Refuse a window of numbers that has not one for each sample of a frame."""
    if is_tuple(window) and len(window) != length:
        reason = f"it has {len(window)} numbers, and `{length_argument}` is {length}"
        raise Refused(errors.arguments_conflict, argument, reason)
