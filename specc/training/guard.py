"""A loss that is no number is seen soon after the step where it appears."""

from __future__ import annotations

import math
from typing import Any

from specc.training.hooks import plain

EVERY = 8
"""Of so many executions the loss of one is looked at. It is the mean of the epoch so far: once NaN,
it stays so, and which step it was is found when the run is repeated."""

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
        self._count = 0
        self._chosen: tuple[int, Any] | None = None
        self._last: tuple[int, Any] | None = None

    def watch(self, step: int, logs: Any) -> None:
        """The loss after a step.

        Raises:
            NotFinite: where one before it is not finite.
        """
        self._last = (step, logs["loss"])
        turn = self._count % EVERY
        self._count += 1
        if turn == 0:
            self._chosen = self._last
        elif turn == BEHIND and self._chosen is not None:
            self._look(self._chosen)

    def flush(self) -> None:
        """Look at the last one."""
        if self._last is not None:
            self._look(self._last)

    def _look(self, seen: tuple[int, Any]) -> None:
        step, loss = seen
        value = plain(loss)
        if not math.isfinite(value):
            raise NotFinite(self._epoch, self._good, step, value)
        self._good = step
