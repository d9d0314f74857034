"""Timing several things beside each other, in turn.

What else the machine does, and how warm it is, changes within seconds. So nothing is timed from
beginning to end before the next: each has a share of every round.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import mean, median
from typing import NamedTuple

import numpy as np

ROUNDS = 5
"""Odd, so that a median is one of them."""

SETTLING = 0.1
"""Seconds that each share runs untimed at first: threads of what ran before it, which spin for
a while as they wait for more work, are asleep then, and its own data are in the caches."""


class Candidate(NamedTuple):
    """What is timed."""

    engine: str
    """ "onnxruntime" or "keras"."""
    device: str
    """A provider of onnxruntime; for Keras "cpu" or "gpu"."""
    way: str
    """How the model is called; one of those that `specc.inference.bench` lists."""
    threads: int | None
    """Threads of an operator; None where the engine chooses."""
    batch: int


class Timing:
    """The seconds that calls of a candidate took, by round."""

    def __init__(self, candidate: Candidate, rounds: list[list[float]]) -> None:
        self.candidate = candidate
        self.rounds = rounds

    @property
    def calls(self) -> int:
        return sum(map(len, self.rounds))

    @property
    def mean(self) -> float:
        return mean(seconds for calls in self.rounds for seconds in calls)

    @property
    def medians(self) -> list[float]:
        """The median of each round."""
        return [median(calls) for calls in self.rounds]

    @property
    def p50(self) -> float:
        """The median of the rounds' medians: one disturbed round does not move it."""
        return median(self.medians)

    def percentile(self, percent: float) -> float:
        """Of the calls of all rounds."""
        return float(np.percentile([s for calls in self.rounds for s in calls], percent))

    @property
    def throughput(self) -> float:
        """Samples a second, call after call: the median of the rounds."""
        batch = self.candidate.batch
        return median(batch * len(calls) / sum(calls) for calls in self.rounds)

    @property
    def spread(self) -> float:
        """How far the rounds' medians are apart, as a share of their median."""
        return (max(self.medians) - min(self.medians)) / self.p50


def measure(
    calls: Mapping[Candidate, Callable[[], object]],
    seconds: float,
    *,
    clock: Callable[[], float] = time.perf_counter,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Timing]:
    """Time calls.

    Args:
        calls: runs each candidate once, to its end.
        seconds: for each candidate, over all rounds; what settling takes comes on top.
        advance: is told of each share that is done; there are `ROUNDS` of each candidate.
    """
    found: dict[Candidate, list[list[float]]] = {candidate: [] for candidate in calls}
    order = list(calls)
    for _ in range(ROUNDS):
        for candidate in order:
            found[candidate].append(_share(calls[candidate], seconds / ROUNDS, clock))
            advance(1)
        # To and fro: what grows slower with time is not always the same one's burden.
        order.reverse()
    return [Timing(candidate, rounds) for candidate, rounds in found.items()]


def _share(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        _calls_within(call, SETTLING, clock)
        return _calls_within(call, seconds, clock)
    finally:
        if collecting:
            gc.enable()


def _calls_within(
    call: Callable[[], object], seconds: float, clock: Callable[[], float]
) -> list[float]:
    """What calls took until the time was over; one at least."""
    latencies: list[float] = []
    begin = before = clock()
    while not latencies or before - begin < seconds:
        call()
        after = clock()
        latencies.append(after - before)
        before = after
    return latencies
