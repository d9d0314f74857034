"""A run: epochs by Keras's `fit`, with checkpoints, and with an eye on the loss."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from specc.files import UsageError
from specc.training.checkpoint import Checkpoint, Checkpoints
from specc.training.csv_logs import close_logs
from specc.training.distribution import Spread
from specc.training.feed import Feed
from specc.training.guard import Guard, NotFinite
from specc.training.hooks import Hooks
from specc.training.progress import Progress, Row
from specc.training.settings import Settings
from specc.training.signals import Stopped, StopRequest
from specc.training.state import (
    Arrays,
    capture,
    capture_callbacks,
    restore,
    restore_callbacks,
    restore_metrics,
    variables_of,
)

SHARE = 0.01
"""How much of the time checkpoints may take, unless it is said how often they are written."""


class Fit:
    """A model being trained; what it has come to can be written down and read again.

    Attributes:
        epoch: how many are done.
        step: steps of the next one that are done.
        history: a row for each epoch that is done.
        finished: no epoch is to come, unless more are asked for.
        stopped_early: a callback has ended it.
    """

    def __init__(
        self,
        model: Any,
        settings: Settings,
        feed: Feed,
        validation: Feed | None,
        callbacks: list[Any],
        checkpoints: Checkpoints,
        identity: dict[str, str],
        progress: Progress,
        request: StopRequest,
        spread: Spread,
    ) -> None:
        self.model = model
        self.settings = settings
        self.feed = feed
        self.validation = validation
        self.callbacks = callbacks
        self.checkpoints = checkpoints
        self.identity = identity
        self.progress = progress
        self.request = request
        self.spread = spread
        self.guard = Guard()
        self.epoch = 0
        self.step = 0
        self.history: list[Row] = []
        self.seconds: list[float | None] = []
        self.finished = self.stopped_early = False
        self._metrics: Arrays = {}
        self._states: list[dict[str, Any]] | None = None
        self._arrays: Arrays = {}
        self._due = time.monotonic()
        self._schedule(0.01)
        # Done once at the end: `fit` would replace the weights by their averages in each epoch.
        self._finalize = model.optimizer.finalize_variable_values
        model.optimizer.finalize_variable_values = lambda *_: None

    def take(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this run."""
        values = checkpoint.values
        restore(self.model, checkpoint.arrays)
        self.epoch, self.step = checkpoint.epoch, checkpoint.step
        self.history, self.seconds = list(values["history"]), list(values["seconds"])
        self.stopped_early = values["stopped_early"]
        self.finished = self.stopped_early or self.epoch >= self.settings.epochs
        self._states, self._arrays = values["callbacks"], checkpoint.arrays
        if self.step:
            self._metrics = checkpoint.arrays

    def run(self) -> None:
        """Train until the last epoch, or until a callback ends it; the weights are then final.

        Raises:
            Stopped: where someone wanted it to; a checkpoint has been written.
            NotFinite: where the loss is no number.
            UsageError: where a checkpoint cannot be written.
        """
        hooks = Hooks(self.callbacks, self.model, self, self.settings.epochs, self.feed.steps)
        self._hooks = hooks
        hooks.begin()
        if self._states is not None:
            restore_callbacks(self.callbacks, self._states, self._arrays)
        if not self.finished:
            try:
                while self.epoch < self.settings.epochs and not self.stopped_early:
                    self._one_epoch(hooks)
            except BaseException:
                close_logs(self.callbacks)
                raise
            self.finished = True
            self.save()
        hooks.end()
        self._finalize(self.model.trainable_variables)

    def _one_epoch(self, hooks: Hooks) -> None:
        hooks.first = self._first = self.step
        self.guard.reset(self.epoch, self.step)
        self._began = time.perf_counter()
        validation = self.validation
        self.model.fit(
            self.feed.begin(self.epoch, self._first),
            initial_epoch=self.epoch,
            epochs=self.epoch + 1,
            steps_per_epoch=self.feed.steps - self._first,
            shuffle=False,  # the feed does
            validation_data=None if validation is None else validation.begin(0),
            validation_steps=None if validation is None else validation.steps,
            validation_freq=self.settings["validation_freq"],
            callbacks=hooks,
            verbose=0,
        )

    def epoch_begins(self) -> None:
        if self._metrics:  # `fit` has just set them to zero
            restore_metrics(self.model, self._metrics)
            self._metrics = {}

    def step_done(self, steps: int, logs: Any) -> None:
        step = min(self._first + steps, self.feed.steps)
        self.step = step
        self.guard.watch(step, logs)
        self.progress.step(self.epoch, step)
        if step == self.feed.steps:
            return  # the end of the epoch is near, and there is more to keep then
        wish = self.spread.wish(self.request)
        if wish is not None:
            self.save()
            raise Stopped(wish, self.epoch, step)
        if time.monotonic() >= self._due:
            self.save()

    def epoch_done(self, epoch: int, row: Row) -> None:
        self.guard.flush()
        seconds = time.perf_counter() - self._began
        self.history.append(row)
        self.seconds.append(seconds if self._first == 0 else None)  # a part is no epoch
        self.epoch, self.step = epoch + 1, 0
        self.stopped_early = bool(self.model.stop_training)
        self.progress.epoch(epoch, row, seconds)
        last = self.stopped_early or self.epoch >= self.settings.epochs
        wish = self.spread.wish(self.request)
        if wish is not None:
            self.save()
            if not last:
                raise Stopped(wish, self.epoch, 0)
        elif not last and time.monotonic() >= self._due:
            self.save()

    def validation_begins(self) -> None:
        self.spread.whole = self.validation is not None and self.validation.whole

    def validation_ends(self) -> None:
        self.spread.whole = False

    def save(self) -> None:
        """Write a checkpoint, unless the last step has spoilt the weights: then the loss of the
        next one will be no number, and the checkpoint before is what is needed."""
        began = time.monotonic()
        if not self.spread.first:
            return
        try:
            self.guard.flush()
        except NotFinite:
            if self.spread.alone:
                raise
            return  # the others, who write nothing now, will see it when this one does
        arrays = capture(self.model)
        if not all(np.isfinite(np.asarray(w, "float32")).all() for w in self._trained(arrays)):
            return
        states, own = capture_callbacks(self.callbacks)
        values = {
            "identity": self.identity,
            "history": self.history,
            "seconds": self.seconds,
            "callbacks": states,
            "stopped_early": self.stopped_early,
        }
        try:
            self.checkpoints.save(Checkpoint(self.epoch, self.step, values, {**arrays, **own}))
        except UsageError as error:
            raise UsageError(str(error), self._what_is_left()) from None
        self._schedule(time.monotonic() - began)

    def _trained(self, arrays: Arrays) -> list[Any]:
        trained = {id(variable) for variable in self.model.trainable_variables}
        every = variables_of(self.model)
        return [arrays[name] for name, variable in every.items() if id(variable) in trained]

    def _what_is_left(self) -> str:
        paths = self.checkpoints.paths()
        if not paths:
            return "there is no checkpoint yet; make room and run the same command"
        return f"`{paths[-1]}` is intact; make room, and the same command goes on from there"

    def _schedule(self, took: float) -> None:
        """When the next checkpoint is due, after one that took so many seconds."""
        every = self.settings.checkpoint_every
        self._due = time.monotonic() + (took / SHARE if every is None else every)
