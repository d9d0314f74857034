"""What a run tells while it is going on."""

from __future__ import annotations

from typing import Any, Protocol

from specc.records import record

Row = dict[str, Any]
"""Of an epoch: the loss and the metrics, with `val_` before those of the validation. Numbers, or
lists of them where a metric is of each class."""


@record
class Plan:
    """What a run is going to do, as far as people want to know it beforehand."""

    model: str
    samples: int
    steps: int
    """Of an epoch."""
    epochs: int
    batch_size: int
    steps_per_execution: int
    backend: str
    device: str
    devices: int = 1
    processes: int = 1
    epoch: int = 0
    """The epochs that are done already."""
    step: int = 0
    resident: bool = False
    """The data stay on the device."""


class Progress(Protocol):
    """Is told how far a run has come. All of it may be called very often, and has to be quick."""

    def say(self, what: str) -> None:
        """What is being done now, where it is no training."""
        ...

    def note(self, what: str) -> None:
        """Something that people should know."""
        ...

    def begin(self, plan: Plan) -> None: ...

    def step(self, epoch: int, step: int) -> None:
        """So many steps of an epoch are done."""
        ...

    def epoch(self, epoch: int, row: Row, seconds: float) -> None:
        """An epoch is done."""
        ...

    def end(self) -> None:
        """The training is over, in whatever way."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, what: str) -> None: ...
    def note(self, what: str) -> None: ...
    def begin(self, plan: Plan) -> None: ...
    def step(self, epoch: int, step: int) -> None: ...
    def epoch(self, epoch: int, row: Row, seconds: float) -> None: ...
    def end(self) -> None: ...
