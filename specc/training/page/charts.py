"""What came of variants as inline SVG: each run as a dot, and curves over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

from specc.records import record
from specc.training.curves import Band
from specc.training.page.axis import Axis
from specc.training.statistics import Interval

WIDTH = 480
LEFT, RIGHT, TOP = 14, 14, 26
ROW = 46
"""Of a variant: its name, below it its dots, below them the mean and the interval."""
FOOT = 36
CURVES_HEIGHT, CURVES_LEFT = 250, 52
COLORS = 8
"""The page has so many; where there are more variants they come again, and lines are dashed."""


@record
class Dots:
    """A row: the values of a variant's runs."""

    name: str
    series: int
    """Which variant it is, from 0; it has the same colour on the whole page."""
    values: Sequence[float]
    titles: Sequence[str]
    """What a dot says when one points at it."""
    interval: Interval


def dots(title: str, axis_title: str, rows: Sequence[Dots], *, zero: bool = False) -> str:
    """A row for each variant: a dot for each run, the mean and its interval.

    Args:
        axis_title: what the values are.
        zero: have a line at zero.
    """
    every = [0.0] if zero else []
    for row in rows:
        every += row.values
        every += _ends(row.interval)
    axis = Axis(every, LEFT, WIDTH - RIGHT)
    base = TOP + ROW * len(rows)
    parts = [f'<text x="{LEFT}" y="14">{escape(title)}</text>', _below(axis, base, axis_title)]
    if zero:
        x = axis.place(0)
        parts.append(f'<line class="zero" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{base}"/>')
    for number, row in enumerate(rows):
        parts.append(_row(axis, TOP + ROW * number, row))
    return _svg(title, base + FOOT, parts)


def _ends(interval: Interval) -> list[float]:
    half = interval.half if isfinite(interval.half) else 0.0
    return [interval.mean - half, interval.mean + half]


def _row(axis: Axis, top: float, row: Dots) -> str:
    middle = top + 34
    parts = [f'<text class="name" x="{LEFT}" y="{top + 11:.1f}">{escape(row.name)}</text>']
    if isfinite(row.interval.half):
        low, high = map(axis.place, _ends(row.interval))
        parts.append(
            f'<path class="interval" d="M{low:.1f} {middle:.1f}H{high:.1f}'
            f'M{low:.1f} {middle - 5:.1f}v10M{high:.1f} {middle - 5:.1f}v10"/>'
        )
    for value, title in zip(row.values, row.titles, strict=True):
        if isfinite(value):
            parts.append(
                f'<circle class="dot" cx="{axis.place(value):.1f}" cy="{middle - 12:.1f}" r="4">'
                f"<title>{escape(title)}</title></circle>"
            )
    if isfinite(row.interval.mean):
        x = axis.place(row.interval.mean)
        parts.append(
            f'<path class="mean" d="M{x:.1f} {middle - 6:.1f}l5 6l-5 6l-5 -6z">'
            f"<title>mean {row.interval.mean:.4g}</title></path>"
        )
    return f'<g class="{_color(row.series)}">{"".join(parts)}</g>'


def curves(title: str, bands: Sequence[Band]) -> str:
    """A line for each variant over the epochs, the mean of its runs, in a band from the least to
    the most of them."""
    base = CURVES_HEIGHT - FOOT
    longest = max(len(band.mean) for band in bands)
    across = Axis([1, longest], CURVES_LEFT, WIDTH - RIGHT, whole=True)
    every = [value for band in bands for value in (*band.low, *band.high)]
    up = Axis(every, base, TOP)
    parts = [f'<text x="{LEFT}" y="14">{escape(title)}</text>', _below(across, base, "epoch")]
    for tick in up.ticks:
        y = up.place(tick)
        parts.append(
            f'<line class="axis" x1="{CURVES_LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" '
            f'y2="{y:.1f}"/><text x="{CURVES_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{up.label(tick)}</text>"
        )
    for number, band in enumerate(bands):
        parts.append(_curve(across, up, number, band))
    return _svg(title, CURVES_HEIGHT, parts)


def _curve(across: Axis, up: Axis, series: int, band: Band) -> str:
    def points(values: Sequence[float]) -> list[str]:
        return [
            f"{across.place(epoch):.1f} {up.place(value):.1f}"
            for epoch, value in enumerate(values, start=1)
            if isfinite(value)
        ]

    low, mean, high = points(band.low), points(band.mean), points(band.high)
    again = " again" * (series >= COLORS)
    inside = f"<title>{escape(band.variant)}</title>"
    if len(mean) > 1:
        around = "L".join([*low, *reversed(high)])
        inside += f'<path class="band" d="M{around}z"/>'
        inside += f'<path class="line{again}" d="M{"L".join(mean)}"/>'
    for point in mean if len(mean) <= 30 else ():
        x, y = point.split()
        inside += f'<circle class="mean" cx="{x}" cy="{y}" r="2.4"/>'
    return f'<g class="{_color(series)}">{inside}</g>'


def legend(names: Sequence[str]) -> str:
    """Which colour is which variant."""
    entries = "".join(
        f'<span><svg class="key {_color(n)}" viewBox="0 0 26 10" aria-hidden="true">'
        f'<path class="line{" again" * (n >= COLORS)}" d="M1 5H25"/></svg>{escape(name)}</span>'
        for n, name in enumerate(names)
    )
    return f'<p class="legend">{entries}</p>'


def _below(axis: Axis, base: float, title: str) -> str:
    start, end = min(axis.start, axis.end), max(axis.start, axis.end)
    parts = [f'<line class="axis" x1="{start}" y1="{base}" x2="{end}" y2="{base}"/>']
    for tick in axis.ticks:
        x = axis.place(tick)
        parts.append(
            f'<line class="axis" x1="{x:.1f}" y1="{base}" x2="{x:.1f}" y2="{base + 4}"/>'
            f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{axis.label(tick)}</text>'
        )
    middle = (start + end) / 2
    parts.append(f'<text x="{middle}" y="{base + 31}" text-anchor="middle">{escape(title)}</text>')
    return "".join(parts)


def _color(series: int) -> str:
    return f"s{series % COLORS}"


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
