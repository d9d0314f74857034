"""Images resized in ONNX as TensorFlow resizes them.

Not by ONNX's Resize: onnxruntime reckons where a new pixel lies among the old ones by other
float32 operations than TensorFlow, so that hundreds of pixels from the border the weights differ
by more than rounding explains, and "nearest" takes the pixel beside the right one. It smooths
otherwise, and TensorFlow's "bicubic" rounds places to parts of a pixel.

Sizes are numbers where they are known, and otherwise vectors of one int64 as `Builder.size` gives
them; `reckoned` works on both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from specc.lowering import Builder, NotLowered, Value

Size = int | Value

STEPS = 1024
"""To parts of a pixel as small as this TensorFlow's "bicubic" rounds positions."""

OVERSHOOTING = ("bicubic", "lanczos3", "lanczos5")
"""Interpolations with negative weights: what they give may lie outside of the pixels' range."""


def sizes_of(op: Builder, x: Value, axes: Sequence[int]) -> list[Size]:
    """The sizes of axes, the batch axis being 0."""
    sizes = [x.type.shape[axis - 1] for axis in axes]
    return [
        size if isinstance(size, int) else op.size(x, axis)
        for axis, size in zip(axes, sizes, strict=True)
    ]


def reckoned(op: Builder, operator: str, a: Size, b: Size) -> Size:
    """Sizes added, multiplied, ...: right now where both are known, else by an operator."""
    if isinstance(a, int) and isinstance(b, int):
        return KNOWN[operator](a, b)
    return getattr(op, operator)(*[[x] if isinstance(x, int) else x for x in (a, b)], dtype="int64")


KNOWN: dict[str, Callable[[int, int], int]] = {
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a // b,
    "Add": lambda a, b: a + b,
    "Min": min,
    "Max": max,
}


def vector(op: Builder, sizes: Sequence[Size]) -> Any:
    """Sizes as one vector."""
    if all(isinstance(size, int) for size in sizes):
        return list(sizes)
    parts = [[size] if isinstance(size, int) else size for size in sizes]
    return op.Concat(*parts, axis=0, dtype="int64")


# -------------------------------------------------------------------- cut and padded


def middle(
    op: Builder, x: Value, axes: Sequence[int], sizes: Sequence[Size], kept: Sequence[Size]
) -> Value:
    """As many pixels of the middle of each axis as are kept."""
    if all(isinstance(n, int) and n == size for n, size in zip(kept, sizes, strict=True)):
        return x
    starts = [
        reckoned(op, "Div", reckoned(op, "Sub", size, n), 2)
        for size, n in zip(sizes, kept, strict=True)
    ]
    ends = [reckoned(op, "Add", start, n) for start, n in zip(starts, kept, strict=True)]
    return op.Slice(x, vector(op, starts), vector(op, ends), list(axes))


def in_proportion(
    op: Builder, sizes: Sequence[Size], target: Sequence[int], bound: str
) -> list[Size]:
    """The sizes with the sides' ratio of the target: the largest within the image ("Min"), or the
    smallest around it ("Max")."""
    (height, width), (rows, columns) = sizes, target
    by_width = reckoned(op, "Div", reckoned(op, "Mul", width, rows), columns)
    by_height = reckoned(op, "Div", reckoned(op, "Mul", height, columns), rows)
    found = [reckoned(op, bound, height, by_width), reckoned(op, bound, width, by_height)]
    return [reckoned(op, "Max", size, 1) for size in found]


def cropped(
    op: Builder, x: Value, axes: Sequence[int], sizes: Sequence[Size], target: Sequence[int]
) -> tuple[Value, list[Size]]:
    """The largest middle that has the sides' ratio of the target, with its sizes."""
    kept = in_proportion(op, sizes, target, "Min")
    return middle(op, x, axes, sizes, kept), kept


def padded(
    op: Builder,
    x: Value,
    axes: Sequence[int],
    sizes: Sequence[Size],
    target: Sequence[int],
    fill: float,
) -> tuple[Value, list[Size]]:
    """Borders around the image that bring it near to the sides' ratio of the target.

    Both borders of an axis are of the same size, so that an odd pixel is left out.
    """
    wanted = in_proportion(op, sizes, target, "Max")
    borders = [
        reckoned(op, "Div", reckoned(op, "Sub", want, size), 2)
        for want, size in zip(wanted, sizes, strict=True)
    ]
    grown = [
        reckoned(op, "Add", size, reckoned(op, "Mul", border, 2))
        for size, border in zip(sizes, borders, strict=True)
    ]
    if all(isinstance(border, int) and border == 0 for border in borders):
        return x, grown
    one_end: list[Size] = [0] * 4
    for axis, border in zip(axes, borders, strict=True):
        one_end[axis] = border
    return op.Pad(x, vector(op, one_end * 2), op.constant(fill, x.dtype)), grown


# --------------------------------------------------------------------------- resized


def resized(
    op: Builder,
    x: Value,
    axes: Sequence[int],
    sizes: Sequence[Size],
    target: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
) -> Value:
    """Images (batch, rows, columns, channels), or with `axes=(2, 3)` the channels in front.

    Of floats, but for "nearest", which takes pixels as they are.
    """
    if list(sizes) == list(target):
        return x
    if interpolation == "nearest" or (interpolation == "bilinear" and not antialias):
        along = nearest if interpolation == "nearest" else between_pixels
        # TensorFlow interpolates along the rows first.
        for axis, size, to in reversed([*zip(axes, sizes, target, strict=True)]):
            x = along(op, x, axis, size, to)
        return x
    last = list(axes) == [1, 2]
    y = op.Transpose(x, perm=[0, 3, 1, 2]) if last else x
    rows, columns = [
        weights(interpolation, antialias, size, to) for size, to in zip(sizes, target, strict=True)
    ]
    y = op.MatMul(op.constant(rows, x.dtype), y)
    y = op.MatMul(y, op.constant(columns.T, x.dtype))
    return op.Transpose(y, perm=[0, 2, 3, 1]) if last else y


def saturated(op: Builder, y: Value, dtype: str, interpolation: str) -> Value:
    """The float32 pixels of an interpolation as whole numbers of a dtype."""
    y = op.Round(y)
    if interpolation in OVERSHOOTING:
        unsigned = dtype.startswith("u")
        bits = int(dtype.lstrip("uint")) - (not unsigned)
        # The largest float32 that is not above the largest number of the dtype.
        y = op.Clip(y, 0.0 if unsigned else -(2.0**bits), 2.0**bits - 2.0 ** max(0, bits - 24))
    return op.cast(y, dtype)


def nearest(op: Builder, x: Value, axis: int, size: Size, to: int) -> Value:
    """An axis of the pixels that the middles of new ones fall into."""
    if size == to:
        return x
    return op.Gather(x, _pixels(op, op.Floor(_places(op, size, to)), size), axis=axis)


def between_pixels(op: Builder, x: Value, axis: int, size: Size, to: int) -> Value:
    """An axis interpolated between two pixels, to the last bit as TensorFlow does it.

    Of whole numbers many come to lie half way between two, and must be rounded the same way.
    """
    if size == to:
        return x
    places = op.Sub(_places(op, size, to), 0.5)
    before = op.Floor(places)
    share = op.reshape(op.Sub(places, before), [-1, *[1] * (3 - axis)])
    left = op.Gather(x, _pixels(op, before, size), axis=axis)
    right = op.Gather(x, _pixels(op, op.Ceil(places), size), axis=axis)
    return op.Add(left, op.Mul(op.Sub(right, left), share))


def _places(op: Builder, size: Size, to: int) -> Value:
    """Where the middles of the new pixels of an axis lie on the old one, in float32 as in
    TensorFlow."""
    middles = op.constant([i + 0.5 for i in range(to)], "float32")
    old = op.constant([size], "int64") if isinstance(size, int) else size
    return op.Mul(middles, op.Div(op.cast(old, "float32"), float(to)))


def _pixels(op: Builder, places: Value, size: Size) -> Value:
    """The pixels at places, those beyond the borders being the last ones."""
    found = op.Max(op.cast(places, "int64"), 0)
    return op.Min(found, reckoned(op, "Sub", size, 1))


def weights(interpolation: str, antialias: bool, size: Size, to: int) -> Any:
    """The matrix (new, old) of an interpolation along one axis; places are in float32."""
    if not isinstance(size, int):
        smooth = " and `antialias`" if antialias else ""
        raise NotLowered(f'`interpolation="{interpolation}"`{smooth}, for images of unknown size')
    import numpy as np

    pixels = np.arange(size)
    scale = np.float32(size) / np.float32(to)
    if interpolation == "area":
        starts, ends = [
            np.arange(to + 1, dtype=np.float32)[i : to + i, None] * scale for i in (0, 1)
        ]
        overlap = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
        inside = (starts > pixels) & (ends < pixels + 1)
        return np.where(inside, scale, np.maximum(overlap, 0)) / scale
    kernel, radius = KERNELS[interpolation]
    middles = np.arange(to, dtype=np.float32) + np.float32(0.5)
    if interpolation == "bicubic" and not antialias:
        places = middles * scale - np.float32(0.5)
        places = np.floor(places) + np.round((places - np.floor(places)) * STEPS) / STEPS
    else:
        scale = np.float32(1) / (np.float32(to) / np.float32(size))
        places = middles * scale - 0.5
    width = max(scale, 1.0) if antialias else 1.0
    distances = np.abs(pixels - places[:, None]) / width
    found = np.where(distances < radius, kernel(distances), 0.0)
    return found / found.sum(axis=1, keepdims=True)


def _triangle(x: Any) -> Any:
    return 1 - x


def _cubic(x: Any) -> Any:
    """Keys's, with a slope of -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return (x < 1) * near + (x >= 1) * far


def _lanczos(radius: int) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        import numpy as np

        return np.sinc(x) * np.sinc(x / radius)

    return kernel


KERNELS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}
"""The weight of a pixel by its distance, and the distance where the weights end."""


def pixels_read(interpolation: str) -> int:
    """How many pixels a new one is made of, without `antialias`."""
    _, radius = KERNELS.get(interpolation, (None, 1))
    return 1 if interpolation == "nearest" else (2 * radius) ** 2
