"""Work in a process of its own, so that an end without a word still gets one.

JAX ends a process that has lost another one by `abort`, from a thread of its own: no Python of
that process can say anything then. So another one looks on, which has imported nothing, and tells
what happened. What native code writes goes to a log meanwhile, which says it at length.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

Explain = Callable[[int, str], Exception]
"""What to raise for a signal that ended the work, with its log."""


def supervised(work: Callable[[], int], explain: Explain) -> int:
    """The exit status of some work, which may end its process.

    Args:
        work: has to report its errors itself.

    Raises:
        Exception: what `explain` gives, where a signal ended it.
    """
    if not hasattr(os, "fork"):  # Windows
        return work()
    with tempfile.TemporaryFile() as log:
        sys.stdout.flush()
        sys.stderr.flush()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            _work(work, log.fileno(), reading)
        os.close(reading)
        with _forwarding(child):
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(writing)
        if status >= 0:
            return status
        log.seek(0)
        raise explain(-status, log.read().decode(errors="replace"))


def _work(work: Callable[[], int], log: int, parent: int) -> NoReturn:
    status = 3
    try:
        os.setpgid(0, 0)  # Ctrl-C comes by way of the parent, once
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        sys.stdout = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding)
        sys.stderr = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, buffering=1)
        os.dup2(log, 1)
        os.dup2(log, 2)
        status = work()
        sys.stdout.flush()
    except BaseException:  # as Python would, where someone wants to see it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)  # at once: JAX would wait for the others


def _end_with(parent: int) -> None:
    """End this process when the other one has, however it did."""
    os.read(parent, 1)
    os._exit(1)


@contextmanager
def _forwarding(child: int) -> Generator[None]:
    """Have SIGINT and SIGTERM go to another process."""

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        os.kill(child, number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
