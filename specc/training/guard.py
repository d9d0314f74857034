"""A loss that is no number is seen at the step where it appears."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from specc.training.hooks import plain

BEHIND = 2
"""How many executions lie between one and the look at its loss: by then a device has it, and
nothing has to wait."""


class NotFinite(Exception):
    """The loss of a step is NaN or infinite."""

    def __init__(self, epoch: int, after: int, step: int, value: float) -> None:
        super().__init__(f"loss {value} in epoch {epoch}, after step {step}")
        self.epoch = epoch
        self.after = after
        """Steps of the epoch after which it was a number still."""
        self.step = step
        self.value = value


class Guard:
    """Looks at the losses of an epoch, in their order."""

    def __init__(self) -> None:
        self.reset(0, 0)

    def reset(self, epoch: int, step: int) -> None:
        self._epoch = epoch
        self._good = step
        self._waiting: deque[tuple[int, Any]] = deque()

    def watch(self, step: int, logs: Any) -> None:
        """The loss after a step, which is the mean of the epoch so far: once NaN, always NaN.

        Raises:
            NotFinite: where it, or one before it, is not finite.
        """
        self._waiting.append((step, logs["loss"]))
        if len(self._waiting) > BEHIND:
            self._look()

    def flush(self) -> None:
        """Look at those that are left."""
        while self._waiting:
            self._look()

    def _look(self) -> None:
        step, loss = self._waiting.popleft()
        value = plain(loss)
        if not math.isfinite(value):
            raise NotFinite(self._epoch, self._good, step, value)
        self._good = step
