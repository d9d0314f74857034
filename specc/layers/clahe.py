"""Contrast limited adaptive histogram equalization (CLAHE) in ONNX.

Each tile of an image gets a curve from its histogram; a pixel is what the curves of the four
tiles around it say, by how near it is to the middles of those.
"""

from __future__ import annotations

from specc.layers.categories import counted
from specc.lowering import Builder, Value

VALUES = 256
"""How many values a pixel has."""


def equalized(
    op: Builder, x: Value, size: tuple[int, int], grid: tuple[int, int], clip_limit: float
) -> Value:
    """Images (batch, channels, rows, columns) of floats from 0 to 255, equalized.

    Args:
        size: the rows and columns.
        grid: how many tiles there are along each of these axes.
    """
    tile = (-(-size[0] // grid[0]), -(-size[1] // grid[1]))
    # The fraction is cut off, so that the order of the two does not matter.
    pixels = op.cast(op.Clip(x, 0.0, VALUES - 1.0), "int64")
    curves = _curves(op, _tiles(op, pixels, size, grid, tile), tile[0] * tile[1], clip_limit)
    curves = op.reshape(curves, [0, 0, -1])
    above, below, down = _neighbours(size[0], grid[0], tile[0])
    left, right, across = _neighbours(size[1], grid[1], tile[1])

    def read(rows: list[int], columns: list[int]) -> Value:
        """What the curve of one tile for each pixel says."""
        starts = [[(row * grid[1] + column) * VALUES for column in columns] for row in rows]
        places = op.reshape(op.Add(pixels, op.constant(starts, "int64")), [0, 0, -1])
        return op.reshape(op.GatherElements(curves, places, axis=2), [0, 0, *size])

    columns = op.constant(across, x.dtype)
    upper = _between(op, read(above, left), read(above, right), columns)
    lower = _between(op, read(below, left), read(below, right), columns)
    return _between(op, upper, lower, op.constant([[share] for share in down], x.dtype))


def _tiles(
    op: Builder, x: Value, size: tuple[int, int], grid: tuple[int, int], tile: tuple[int, int]
) -> Value:
    """Images as (batch, channels, tile rows, tile columns, pixels of a tile).

    What is missing to whole tiles is the image mirrored, its last pixel included.
    """
    for axis, (pixels, tiles, each) in enumerate(zip(size, grid, tile, strict=True), 2):
        missing = tiles * each - pixels
        if missing:
            mirrored = [*range(pixels), *range(pixels - 1, pixels - 1 - missing, -1)]
            x = op.Gather(x, mirrored, axis=axis)
    x = op.reshape(x, [0, 0, grid[0], tile[0], grid[1], tile[1]])
    x = op.Transpose(x, perm=[0, 1, 2, 4, 3, 5])
    return op.reshape(x, [0, 0, *grid, tile[0] * tile[1]])


def _curves(op: Builder, tiles: Value, pixels: int, clip_limit: float) -> Value:
    """The new value (..., 256) of each value of a tile."""
    counts = counted(op, tiles, VALUES, "float32")
    if clip_limit > 0:
        kept = op.Min(counts, clip_limit * pixels / VALUES)
        excess = op.ReduceSum(op.Sub(counts, kept), [-1], keepdims=1)
        counts = op.Add(kept, op.Div(excess, float(VALUES)))
    sums = op.CumSum(counts, op.constant(-1, "int64"))
    least = op.Slice(sums, [0], [1], [-1])
    span = op.Sub(op.constant(pixels, "float32"), least)
    empty = op.Equal(span, 0.0, dtype="bool")
    span = op.Where(empty, op.constant(1.0, "float32"), span, dtype="float32")
    curves = op.Div(op.Mul(op.Sub(sums, least), VALUES - 1.0), span)
    return op.Clip(curves, 0.0, VALUES - 1.0)


def _neighbours(pixels: int, tiles: int, each: int) -> tuple[list[int], list[int], list[float]]:
    """For each pixel of an axis the tile before it, the one behind it, and how near it is to that.

    The distances are those between the middles of tiles; at a border both are the same tile.
    """
    places = [(pixel - each / 2) / each for pixel in range(pixels)]
    before = [int(place // 1) for place in places]
    shares = [place - tile for place, tile in zip(places, before, strict=True)]
    return (
        [min(max(tile, 0), tiles - 1) for tile in before],
        [min(max(tile + 1, 0), tiles - 1) for tile in before],
        shares,
    )


def _between(op: Builder, a: Value, b: Value, share: Value) -> Value:
    return op.Add(op.Mul(a, op.Sub(1.0, share)), op.Mul(b, share))
