"""Histograms as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, isfinite, log10

WIDTH, HEIGHT = 480, 170
LEFT, RIGHT, TOP, BOTTOM = 30, 12, 26, 34
LOWEST, HIGHEST = -6, 4
"""The decades shown; what is beyond them stands in the first and in the last bar."""
PER_DECADE = 2


def histogram(title: str, shares: Sequence[float]) -> str:
    """How errors are spread, as shares of what is allowed, on a logarithmic scale.

    Args:
        shares: 1 is just allowed; NaN and infinity count as beyond everything.
    """
    bins = [0] * ((HIGHEST - LOWEST) * PER_DECADE)
    for share in shares:
        bins[_bin(share)] += 1
    most = max(bins, default=0) or 1
    step = (WIDTH - LEFT - RIGHT) / len(bins)
    room = HEIGHT - TOP - BOTTOM
    limit = -LOWEST * PER_DECADE
    parts = [f'<text x="{LEFT}" y="14">{escape(title)}</text>']
    for number, count in enumerate(bins):
        if count:
            height = room * count / most
            x, y = LEFT + number * step, TOP + room - height
            off = " off" if number >= limit else ""
            parts.append(
                f'<rect class="bar{off}" x="{x + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" '
                f'height="{height:.1f}" rx="2"><title>{count:,}</title></rect>'
                f'<text x="{x + step / 2:.1f}" y="{y - 3:.1f}" text-anchor="middle">'
                f"{count:,}</text>"
            )
    base = TOP + room
    x = LEFT + limit * step
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}"/>')
    parts.append(f'<line class="limit" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{base}"/>')
    parts.append(f'<text x="{x + 4:.1f}" y="{TOP}">allowed</text>')
    for decade in range(LOWEST, HIGHEST + 1, 2):
        at = LEFT + (decade - LOWEST) * PER_DECADE * step
        label = {0: "1", -2: "1 %", LOWEST: f"≤ 1e{LOWEST}", HIGHEST: f"1e{HIGHEST} ≤"}.get(
            decade, f"1e{decade}"
        )
        parts.append(f'<text x="{at:.1f}" y="{base + 14}" text-anchor="middle">{label}</text>')
    parts.append(
        f'<text x="{(WIDTH + LEFT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">'
        "error, as a share of what is allowed</text>"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _bin(share: float) -> int:
    last = (HIGHEST - LOWEST) * PER_DECADE - 1
    if not isfinite(share):
        return last
    if share <= 0:
        return 0
    place = floor((log10(share) - LOWEST) * PER_DECADE)
    if share <= 1:  # what is just allowed is allowed
        place = min(place, -LOWEST * PER_DECADE - 1)
    return max(0, min(last, place))
