"""Ctrl-C and SIGTERM as wishes, which are granted between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether someone wants the run to end."""

    signal: int | None = None


class Stopped(Exception):
    """A run ended between two steps because someone wanted that."""

    def __init__(self, number: int, epoch: int, step: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.signal = number
        self.epoch = epoch
        self.step = step

    @property
    def status(self) -> int:
        """The exit status that shells give for the signal."""
        return 128 + self.signal


@contextmanager
def stop_requests(*, alone: bool = True) -> Generator[StopRequest]:
    """Take SIGINT and SIGTERM for wishes while the block runs.

    The second one ends the process at once, as without this. Outside the main thread, where
    Python takes no handlers, nothing changes.

    Args:
        alone: no other process has to know. JAX tells them of a SIGTERM, by a handler of its own.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = (signal.SIGINT, signal.SIGTERM) if alone else (signal.SIGINT,)
    before = {number: signal.getsignal(number) for number in numbers}

    def wish(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        request.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)
        if not alone:
            os.kill(os.getpid(), signal.SIGTERM)

    for number in numbers:
        signal.signal(number, wish)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
