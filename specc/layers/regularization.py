"""Layers that disturb their input while training, and otherwise pass it on.

Keras passes whole numbers on as well, but could not train with them; they are refused.
"""

from __future__ import annotations

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import DATA_FORMAT, Float, Int, NoiseShape, Optional, arg, place
from specc.layers.base import Layer, require_float, split_channels
from specc.types import TensorType

RATE = Float(at_least=0, at_most=1)
SEED = Optional(Int())


class _Dropping(Layer):
    """What these layers have in common."""

    supports_masking = True
    passes_on = True

    rate: float

    def infer(self, x: TensorType) -> TensorType:
        if 0 < self.rate < 1:
            require_float(x)
        return x


class Dropout(_Dropping):
    """Zeros at random, everything else scaled up.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> Dropout(0.5) -> float32[8]
    """

    rate: float = arg(RATE)
    noise_shape: tuple[int | None, ...] | None = arg(Optional(NoiseShape()), default=None)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        if 0 < self.rate < 1 and self.noise_shape is not None:
            self._check_noise_shape(x, self.noise_shape)
        return super().infer(x)

    def _check_noise_shape(self, x: TensorType, noise_shape: tuple[int | None, ...]) -> None:
        """The noise must broadcast to the input: None counts from the front, sizes align at the
        end, and no number stands for the batch.
        """
        batch = "the batch"
        sizes = (batch, *x.shape)
        fits = len(noise_shape) <= len(sizes)
        if fits:
            noise = [sizes[i] if size is None else size for i, size in enumerate(noise_shape)]
            for wanted, size in zip(reversed(noise), reversed(sizes), strict=False):
                # Sizes that are not known may be the same, but for the batch's.
                unknown = not isinstance(wanted, int) or not isinstance(size, int)
                open_ended = unknown and batch not in (wanted, size)
                fits = fits and (wanted in (1, size) or open_ended)
        if not fits:
            reason = f"does not fit an input with {x.rank} axes after the batch axis: {x}"
            raise Refused(errors.arguments_conflict, "noise_shape", reason)


class AlphaDropout(Dropout):
    """The least that a self-normalizing activation gives at random, mean and variance kept.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> AlphaDropout(0.1) -> float32[8]
    """

    rate: float = arg(Float(at_least=0, below=1))


class SpatialDropout1D(_Dropping):
    """Zeros for whole channels of a sequence at random.

    Shapes: (steps, channels) -> (steps, channels)

    Example: float32[10, 8] -> SpatialDropout1D(0.2) -> float32[10, 8]
    """

    common = ("name", "dtype")

    rate: float = arg(RATE)
    seed: int | None = arg(SEED, default=None)
    name = place()
    dtype = place()

    def infer(self, x: TensorType) -> TensorType:
        split_channels(x, None, "steps")
        return super().infer(x)


class SpatialDropout2D(_Dropping):
    """Zeros for whole channels of an image at random.

    Shapes: (height, width, channels) -> (height, width, channels)

    Example: float32[16, 16, 8] -> SpatialDropout2D(0.2) -> float32[16, 16, 8]
    """

    common = ("name", "dtype")

    rate: float = arg(RATE)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)
    name = place()
    dtype = place()

    def infer(self, x: TensorType) -> TensorType:
        split_channels(x, self.data_format, "height", "width")
        return super().infer(x)


class SpatialDropout3D(_Dropping):
    """Zeros for whole channels of a volume at random.

    Shapes: (depth, height, width, channels) -> (depth, height, width, channels)

    Example: float32[8, 8, 8, 4] -> SpatialDropout3D(0.2) -> float32[8, 8, 8, 4]
    """

    common = ("name", "dtype")

    rate: float = arg(RATE)
    data_format: str | None = arg(DATA_FORMAT, default=None)
    seed: int | None = arg(SEED, default=None)
    name = place()
    dtype = place()

    def infer(self, x: TensorType) -> TensorType:
        split_channels(x, self.data_format, "depth", "height", "width")
        return super().infer(x)


class GaussianNoise(Layer):
    """Noise added.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> GaussianNoise(0.1) -> float32[8]
    """

    supports_masking = True
    passes_on = True

    stddev: float = arg(RATE)
    seed: int | None = arg(SEED, default=None)

    def infer(self, x: TensorType) -> TensorType:
        if self.stddev:
            require_float(x)
        return x


class GaussianDropout(_Dropping):
    """Noise multiplied.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> GaussianDropout(0.2) -> float32[8]
    """

    rate: float = arg(Float(at_least=0, below=1))
    seed: int | None = arg(SEED, default=None)


class ActivityRegularization(Layer):
    """The input, whose size adds to the loss.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> ActivityRegularization(l2=0.01) -> float32[8]
    """

    supports_masking = True

    common = ("name", "trainable", "dtype", "autocast")
    passes_on = True

    l1: float = arg(Float(at_least=0), default=0.0)
    l2: float = arg(Float(at_least=0), default=0.0)

    def infer(self, x: TensorType) -> TensorType:
        require_float(x)
        return x
