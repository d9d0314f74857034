"""`train`: from a spec, its data and its settings to trained weights in files."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any, NoReturn

import numpy as np

from specc.api import Model
from specc.backends.frameworks import keras_backend
from specc.backends.keras_model import BuiltModel
from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import training as errors
from specc.files import DeviceError, UsageError
from specc.records import record
from specc.training.batches import ALL, Share
from specc.training.checkpoint import Checkpoints
from specc.training.compiled import callbacks_of, compiled_model, plain_model, without_writers
from specc.training.csv_logs import continue_log
from specc.training.curves import draw_curves
from specc.training.dataset import Dataset, Part
from specc.training.distribution import Spread, require_parts
from specc.training.executions import steps_of_an_execution
from specc.training.feed import Feed, feed_of, weighted
from specc.training.fit import Fit
from specc.training.guard import NotFinite
from specc.training.identity import digest, identity_of, unbuilt
from specc.training.locate import Replay, first_not_finite
from specc.training.machine import be_deterministic, device_in_use
from specc.training.outputs import Paths, Result, paths_of, read_result, write_result
from specc.training.progress import Plan, Progress, Row, Silent
from specc.training.resident import resident_feed, stays_on_device
from specc.training.settings import Settings
from specc.training.signals import Stopped, StopRequest, stop_requests
from specc.training.start import Start, earlier, require_checkpoint, shared_start, start_of


@record
class TrainedRun:
    """A model that is trained, and how that went."""

    model: str
    history: list[Row]
    metrics: Row
    metrics_of: str
    seconds_per_epoch: float | None
    """The median of the epochs that were not interrupted; the first one, which compiles, is left
    out where there are others."""
    stopped_early: bool
    resumed: bool
    already: bool
    """It was finished before; nothing was done."""
    paths: Paths
    curves: bool
    """Whether there is a picture of the learning curves."""
    built: BuiltModel | None
    """The trained model; None where nothing was done, and the file is there to be read."""
    seconds: float


class _Run:
    """What the steps of `train` share."""

    def __init__(
        self,
        model: Model,
        dataset: Dataset,
        settings: Settings,
        progress: Progress,
        spread: Spread,
        resident: bool | None = None,
    ) -> None:
        self.model = model
        self.settings = settings
        self.progress = progress
        self.spread = spread
        self.device = device_in_use()
        weights = settings["class_weight"]
        train = dataset.train
        self.weights = None if weights is None else weighted(train, weights)
        most = -(-len(train) // settings.batch_size)
        steps: int = settings["steps_per_epoch"] or most
        if steps > most:
            raise UsageError(
                f"`steps_per_epoch` is {steps}, and the data have {most} batches",
                "an epoch sees each sample once at most",
            )
        self.steps = steps
        self.train = train
        require_parts(spread, len(train), settings.batch_size, steps)
        self.executed = steps_of_an_execution(model.graph, settings, steps, self.device)
        here = stays_on_device(train, keras_backend(), self.device) and spread.devices == 1
        self.resident = here if resident is None else resident
        self.dataset = dataset
        self.validation = self.other(dataset.validation)
        self.test = self.other(dataset.test)

    def feed(self, *, apart: bool = False) -> Feed:
        """The batches of the training.

        Args:
            apart: all of each, whatever other processes have.
        """
        size, share = self.settings.batch_size, ALL if apart else self._share
        return feed_of(keras_backend(), self.train, size, share=share, **self._epochs())

    def _epochs(self) -> dict[str, Any]:
        seed = self.settings.seed if self.settings["shuffle"] else None
        return {"seed": seed, "steps": self.steps, "weights": self.weights}

    def settled(self, built: BuiltModel, feed: Feed) -> Feed:
        """What a compiled model is trained with: the feed, or one of data on the device."""
        if not self.resident:
            return feed
        size = self.settings.batch_size
        found = resident_feed(keras_backend(), self.train, size, **self._epochs())
        found.attach(built.keras_model)
        return found

    @property
    def _share(self) -> Share:
        return self.spread.process, self.spread.processes

    def other(self, part: Part | None, *, apart: bool = False) -> Feed | None:
        if part is None:
            return None
        size = self.settings["validation_batch_size"] or self.settings.batch_size
        parts = not apart and self.spread.parts(len(part), size)
        found = feed_of(keras_backend(), part, size, share=self._share if parts else ALL)
        found.whole = not parts
        return found

    def compiled(self, executed: int) -> BuiltModel:
        batch = next(iter(self.feed(apart=True).begin(0)))
        return compiled_model(self.model.graph, self.settings, batch, executed)


def train(
    model: Model,
    dataset: Dataset,
    settings: Settings,
    *,
    out: str = "build",
    name: str | None = None,
    restart: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    resident: bool | None = None,
    spread: Spread | None = None,
) -> TrainedRun:
    """Train a model, or go on where an earlier run of the same ended.

    Args:
        out: the folder for the results and the checkpoints.
        name: what they are called; the model's name unless it is said.
        restart: forget an earlier run.
        resume: there has to be one.
        resident: whether the data stay on the device; where they gain by it unless it is said.
        spread: over several devices, begun; of several processes only the first one writes.

    Raises:
        UsageError: where an earlier run was another one, or a file cannot be written.
        DeviceError: where another process is lost, if JAX does not end this one.
        Stopped: where SIGINT or SIGTERM came; there is a checkpoint then.
        SpecError: where the loss becomes NaN or infinite, at the layer where that began.
    """
    began = time.perf_counter()
    spread = spread or Spread()
    progress = (progress if spread.first else None) or Silent()
    paths = paths_of(out, name or model.name)
    checkpoints = Checkpoints(paths.checkpoints)
    be_deterministic(settings)
    progress.say(f"building {model.name} with Keras")
    for note in spread.check(model.graph, settings):
        progress.note(note)
    run = _Run(model, dataset, settings, progress, spread, resident)
    with ExitStack() as stack:
        request = stack.enter_context(stop_requests(alone=spread.alone))
        feed = run.feed()
        with spread.scope():
            data = digest(dataset)
            spread.agree(lambda: unbuilt(model, data, settings))
            built = run.compiled(1 if spread.one_step else run.executed)
            spread.built(built.keras_model)
            # Of the steps that the rule gives: they matter as little as the devices do.
            identity = identity_of(built.keras_model, data, settings, run.executed)

            def look() -> Start:
                if resume:
                    require_checkpoint(checkpoints.folder)
                stack.enter_context(checkpoints.locked())
                if restart:
                    checkpoints.clear()
                checkpoint = earlier(checkpoints, identity, progress)
                return start_of(checkpoint, read_result(paths), settings)

            start = shared_start(spread, look)
            checkpoint = start.checkpoint
            if start.done is not None:
                spread.end()
                seconds = time.perf_counter() - began
                return _run_of(model, start.done, paths, seconds, already=True)
            callbacks, notes = callbacks_of(settings)
            if not spread.first:
                callbacks = without_writers(callbacks)
            for note in notes:
                progress.note(note)
            fit = Fit(
                built.keras_model, settings, run.settled(built, feed), run.validation, callbacks,
                checkpoints, identity, progress, request, spread,
            )  # fmt: skip
            if checkpoint is not None:
                fit.take(checkpoint)
                for callback in callbacks:
                    continue_log(callback, checkpoint.epoch)
            seen = _fit(run, fit)
            metrics, metrics_of = ({}, "") if seen else _judged(run, built, fit)
            spread.end()
        if seen is not None:
            _explain(run, seen, checkpoints)
        result = Result(
            settings.epochs, identity, fit.history, fit.seconds, metrics, metrics_of,
            fit.stopped_early,
        )  # fmt: skip
        final = None
        if spread.first:
            final = plain_model(model.graph, built.keras_model, settings.seed)
            progress.say(f"writing {paths.keras}")
            if not draw_curves(fit.history, model.name, paths.curves):
                progress.note('no learning curves were drawn: `pip install "specc-nn[plots]"`')
            write_result(result, final, model, paths, settings.seed)
    found = _run_of(model, result, paths, time.perf_counter() - began)
    found.built, found.resumed = final, checkpoint is not None
    return found


def _fit(run: _Run, fit: Fit) -> NotFinite | None:
    """Train to the end, or to a loss that is no number.

    Raises:
        Stopped: where someone wanted it to end; all processes have then.
    """
    settings, spread = run.settings, run.spread
    run.progress.begin(
        Plan(
            run.model.name, len(run.train), run.steps, settings.epochs, settings.batch_size,
            1 if spread.one_step else run.executed, keras_backend(), run.device, spread.devices,
            spread.processes, fit.epoch, fit.step, run.resident,
        )
    )  # fmt: skip
    try:
        fit.run()
    except NotFinite as seen:
        return seen
    except Stopped:
        spread.end()
        raise
    finally:
        run.progress.end()
    run.progress.say(f"evaluating {run.model.name}")
    return None


def _explain(run: _Run, seen: NotFinite, checkpoints: Checkpoints) -> NoReturn:
    """Say where a loss began to be no number.

    Raises:
        SpecError: with the layer, in the first process.
        DeviceError: in the others.
    """
    if not run.spread.first:
        raise DeviceError("the loss is not finite; process 0 says where that began")
    run.progress.say("looking for the layer where it began")
    raise SpecError([_explained(run, seen, checkpoints)])


def _explained(run: _Run, seen: NotFinite, checkpoints: Checkpoints) -> Any:
    """The error for a loss that is not finite, with what was not finite first. The run is repeated
    on one device."""
    built, feed = run.compiled(1), run.feed(apart=True)
    callbacks, _ = callbacks_of(run.settings)
    validation = run.other(run.dataset.validation, apart=True)
    replay = Replay(
        built.keras_model, run.settings, feed, validation, without_writers(callbacks),
        checkpoints, {}, Silent(), StopRequest(), Spread(),
    )  # fmt: skip
    checkpoint, _ = checkpoints.newest()
    if checkpoint is not None:
        replay.take(checkpoint)
    again = replay.reach(seen)
    graph = run.model.graph
    if again is None:
        what = "the loss, which was finite when the step was repeated"
        return errors.loss_not_finite(
            graph.span, graph.name, seen.value, seen.epoch + 1, seen.step, what, None
        )
    found = first_not_finite(built, replay, feed, again)
    where = graph.span if found.layer is None else found.layer.span
    layer = None if found.layer is None else found.layer.name
    return errors.loss_not_finite(
        where, graph.name, again.value, again.epoch + 1, found.step, found.what, layer
    )


def _judged(run: _Run, built: BuiltModel, fit: Fit) -> tuple[Row, str]:
    """What the metrics are of the test samples, or else of the others."""
    if run.test is not None:
        run.spread.whole = run.test.whole
        found = evaluated(built.keras_model, run.test)
        run.spread.whole = False
        return found, "test"
    last = fit.history[-1] if fit.history else {}
    of_validation = {n.removeprefix("val_"): v for n, v in last.items() if n.startswith("val_")}
    if of_validation:
        return of_validation, "validation"
    return last, "training"


def evaluated(keras_model: Any, feed: Feed) -> Row:
    """The loss and the metrics of a compiled model."""
    from specc.training.hooks import plain

    logs = keras_model.evaluate(feed.begin(0), steps=feed.steps, verbose=0, return_dict=True)
    return {name: plain(value) for name, value in logs.items()}


def _run_of(
    model: Model, result: Result, paths: Paths, seconds: float, *, already: bool = False
) -> TrainedRun:
    whole = [s for s in result.seconds if s is not None]
    whole = whole[1:] or whole
    return TrainedRun(
        model.name, result.history, result.metrics, result.metrics_of,
        float(np.median(whole)) if whole else None,
        result.stopped_early, already, already, paths, os.path.exists(paths.curves), None, seconds,
    )  # fmt: skip
