"""The numbers behind spectrograms, as TensorFlow and Keras have them."""

from __future__ import annotations

from typing import Any

COSINE_WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}

MEL_BREAK, MEL_SCALE = 700.0, 1127.0


def fourier_kernel(
    window: str | tuple[float, ...] | None, length: int, fft_length: int
) -> tuple[Any, int]:
    """The Fourier transform of a frame as the kernel (2 * bins, 1, length) of a convolution.

    Real parts come first. The window stands in the middle of a frame; samples beside it, which it
    leaves out, have no place in the kernel.

    Returns:
        The kernel, and at which sample of a frame it starts.
    """
    import numpy as np

    if window is None:
        length = fft_length
    offset = (fft_length - length) // 2
    places = offset + np.arange(length)
    turns = np.outer(np.arange(fft_length // 2 + 1), places) % fft_length / fft_length
    parts = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)])
    return (parts * _weights(window, length))[:, None], offset


def _weights(window: str | tuple[float, ...] | None, length: int) -> Any:
    """Those of the samples in a window. Of an odd length, TensorFlow's are not periodic."""
    import numpy as np

    if window is None or length == 1:
        return np.ones(length)
    if not isinstance(window, str):
        return np.array(window)
    base, swing = COSINE_WINDOWS[window]
    period = length if length % 2 == 0 else length - 1
    return base - swing * np.cos(2 * np.pi * np.arange(length) / period)


def mel_bands(bands: int, bins: int, rate: float, lowest: float, highest: float) -> Any:
    """How much each frequency adds to each band (bands, bins): triangles on the scale of mel.

    The lowest frequency, which is 0, adds to none.
    """
    import numpy as np

    # In float32 step by step, as Keras does: neighbours differ in their last digits alone.
    single = np.float32

    def mel(hertz: Any) -> Any:
        return single(MEL_SCALE) * np.log(single(1) + hertz / single(MEL_BREAK))

    def evenly(first: Any, last: Any, number: int) -> Any:
        step = (last - first) / single(max(number - 1, 1))
        found = first + step * np.arange(number, dtype=single)
        found[1:][-1:] = last
        return found

    frequencies = mel(evenly(single(0), single(rate) / single(2), bins)[1:])
    edges = evenly(mel(single(lowest)), mel(single(highest)), bands + 2)[:, None]
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (frequencies - lower) / (center - lower)
        falling = (upper - frequencies) / (upper - center)
        found = np.maximum(single(0), np.minimum(rising, falling))
    return np.pad(found, [(0, 0), (1, 0)])
