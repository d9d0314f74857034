"""How far a training is, on stderr: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from specc.training.progress import Plan, Row

OFTEN = 0.1
"""Seconds between two pictures of the bar, which is drawn between two steps."""


def figures(row: Row) -> str:
    """The numbers of an epoch in the order of training, then of validation."""
    own = [name for name in row if not name.startswith("val_")]
    first = sorted(own, key=lambda name: (name != "loss", name == "learning_rate"))
    shown: list[str] = []
    for name in [*first, *(f"val_{n}" for n in first if f"val_{n}" in row)]:
        value = row[name]
        if isinstance(value, int | float):
            shown.append(f"{name} {value:.4g}")
    return "  ".join(shown)


def heading(plan: Plan) -> str:
    """What is going to be done, in a line."""
    at_once = plan.steps_per_execution
    parts = [
        f"{plan.samples:,} samples in {plan.steps:,} steps of {plan.batch_size}",
        f"{plan.backend} on {_where(plan)}",
    ]
    if at_once > 1:
        parts.append(f"{at_once} steps an execution")
    if plan.resident:
        parts.append("data on the device")
    begin = f"training {plan.model}: {', '.join(parts)}"
    if plan.epoch or plan.step:
        after = f", step {plan.step}" if plan.step else ""
        begin += f"; going on after epoch {plan.epoch}{after}"
    return begin


def _where(plan: Plan) -> str:
    if plan.devices == 1:
        return f"the {plan.device}"
    of = f" of {plan.processes} processes" if plan.processes > 1 else ""
    return f"{plan.devices} {plan.device}s{of}"


class Lines:
    """For files and pipes."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._before = 0
        """The step that the epoch was begun with."""

    def say(self, what: str) -> None: ...

    def note(self, what: str) -> None:
        print(f"note: {what}", file=sys.stderr, flush=True)

    def begin(self, plan: Plan) -> None:
        self._plan = plan
        self._before = plan.step
        print(heading(plan), file=sys.stderr, flush=True)

    def step(self, epoch: int, step: int) -> None: ...

    def epoch(self, epoch: int, row: Row, seconds: float) -> None:
        print(self._line(epoch, row, seconds), file=sys.stderr, flush=True)

    def _line(self, epoch: int, row: Row, seconds: float) -> str:
        plan = self._plan
        assert plan is not None
        rate = (plan.steps - self._before) / max(seconds, 1e-9)
        self._before = 0
        width = len(str(plan.epochs))
        return (
            f"epoch {epoch + 1:>{width}}/{plan.epochs}  {seconds:6.1f} s  "
            f"{rate:,.0f} steps/s  {figures(row)}"
        )

    def end(self) -> None: ...


class Terminal(Lines):
    """A bar below the lines of the epochs."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status: Any = None
        self._bar: Any = None
        self._next = 0.0

    def say(self, what: str) -> None:
        self._quiet()
        self._status = self._console.status(what)
        self._status.start()

    def note(self, what: str) -> None:
        self._console.print(f"note: {what}", soft_wrap=True)

    def begin(self, plan: Plan) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._quiet()
        self._plan, self._before = plan, plan.step
        self._console.print(heading(plan), soft_wrap=True)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[step]}/{task.fields[steps]}  {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            auto_refresh=False,  # a thread of its own would take time from the steps
        )
        done = plan.epoch * plan.steps + plan.step
        self._task = self._bar.add_task(
            "", total=plan.epochs * plan.steps, completed=done, epoch=f"{plan.epoch + 1}/"
            f"{plan.epochs}", step=plan.step, steps=plan.steps, rate="",
        )  # fmt: skip
        self._bar.start()
        self._last = (time.monotonic(), done)

    def step(self, epoch: int, step: int) -> None:
        now = time.monotonic()
        if now < self._next or self._plan is None:
            return
        self._next = now + OFTEN
        done = epoch * self._plan.steps + step
        before, was = self._last
        rate = (done - was) / (now - before) if now > before else 0
        self._last = (now, done)
        self._bar.update(
            self._task, completed=done, epoch=f"{epoch + 1}/{self._plan.epochs}", step=step,
            rate=f"{rate:,.0f} steps/s",
        )  # fmt: skip
        self._bar.refresh()

    def epoch(self, epoch: int, row: Row, seconds: float) -> None:
        self._console.print(self._line(epoch, row, seconds), soft_wrap=True)

    def end(self) -> None:
        self._quiet()

    def _quiet(self) -> None:
        for shown in (self._status, self._bar):
            if shown is not None:
                shown.stop()
        self._status = self._bar = None
