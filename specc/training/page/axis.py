"""An axis: where a value stands, and which values are written beside it."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, isfinite, log10

STEPS = (1, 2, 2.5, 5, 10)


class Axis:
    """From values to places, linear.

    Attributes:
        low, high: the values at its ends, which have those that it was made for between them.
        ticks: values to be written.
    """

    def __init__(
        self, values: Iterable[float], start: float, end: float, *, whole: bool = False
    ) -> None:
        """
        Args:
            values: what is to be shown; those that are not finite are passed over.
            start, end: where the axis begins and ends on the page.
            whole: the values are whole numbers, and so are the ticks.
        """
        known = [value for value in values if isfinite(value)] or [0.0]
        least, most = min(known), max(known)
        if whole:
            self.low, self.high = least, max(most, least + 1)
        else:
            room = 0.06 * (most - least) or 0.05 * abs(most) or 1.0
            self.low, self.high = least - room, most + room
        self.start, self.end = start, end
        step = _step((self.high - self.low) / 5)
        self._step = max(1.0, ceil(step)) if whole else step
        first, last = ceil(self.low / self._step), floor(self.high / self._step)
        self.ticks = [n * self._step for n in range(first, last + 1)]

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def label(self, tick: float) -> str:
        """A tick in as few digits as tell it from its neighbours."""
        if max(map(abs, self.ticks)) >= 1e5 or self._step < 1e-5:
            return f"{tick:.3g}"
        digits = max(0, -floor(log10(self._step) + 1e-9))
        if round(self._step, digits) != round(self._step, digits + 1):  # 0.25, 0.025
            digits += 1
        return f"{tick:.{digits}f}"


def _step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return next(power * step for step in STEPS if power * step >= rough * (1 - 1e-9))
