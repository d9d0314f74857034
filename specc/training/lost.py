"""What is said of a run that JAX ended because it had lost a process."""

from __future__ import annotations

import re
import signal

from specc.files import DeviceError
from specc.training.checkpoint import Checkpoints
from specc.training.distribution import JOINED, Distribution

UNHEALTHY = re.compile(r"unhealthy \(stopped sending heartbeats\):\n((?:[^\n]*\b\d+\n)+)")
"""What JAX's coordination service writes, with a line for each process that is lost."""

LEADER = "Failed to send RPC to coordination service"
"""What it writes where that service is lost, which is in process 0."""


def lost(number: int, log: str, wished: Distribution, folder: str) -> DeviceError:
    """The error for a process that a signal ended.

    Args:
        number: of the signal.
        log: what native code wrote.
        folder: of the checkpoints.
    """
    if JOINED not in log and number == signal.SIGABRT:
        return DeviceError(*_not_met(wished))
    what = _lost(log)
    of = f" of {wished.processes}" if wished.processes else ""
    if number != signal.SIGABRT or what is None:
        name = signal.Signals(number).name
        lines = [line for line in log.splitlines() if line.strip() and not line.startswith(" ")]
        said = f": {lines[-1][:200]}" if lines and lines[-1] != JOINED else ""
        return DeviceError(f"the training was ended by {name}{said}", _go_on(folder))
    if len(what) == 1:
        found = f"process {what[0]}{of} is lost: it has ended, or cannot be reached"
    else:
        numbers = ", ".join(map(str, what))
        found = f"processes {numbers}{of} are lost: they have ended, or cannot be reached"
    return DeviceError(found, _go_on(folder))


def _not_met(wished: Distribution) -> tuple[str, str]:
    """What is said where not all processes have come together, and what helps."""
    again = "start all of them within that time, or allow more: --timeout"
    if wished.process:
        return (
            f"process 0 does not answer at {wished.coordinator} within {wished.timeout} s",
            f"{again}; a firewall may keep them apart, too",
        )
    of = f"the {wished.processes}" if wished.processes else "the"
    return f"not all of {of} processes have come within {wished.timeout} s", again


def _lost(log: str) -> list[int] | None:
    """The numbers of the processes that are lost, where JAX says them."""
    found = UNHEALTHY.search(log)
    if found:
        return sorted({int(re.findall(r"\d+", line)[-1]) for line in found[1].splitlines()})
    return [0] if LEADER in log else None


def _go_on(folder: str) -> str:
    paths = Checkpoints(folder).paths()
    if not paths:
        return "what it has said itself tells more; the same commands start the run again"
    return (
        f"what it has said itself tells more; the same commands go on from `{paths[-1]}`, and so "
        "does one process without --distribute"
    )
