"""`train`: from a spec, its data and its settings to trained weights in files."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from specc.api import Model
from specc.backends.frameworks import keras_backend
from specc.backends.keras_model import BuiltModel
from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import training as errors
from specc.files import UsageError
from specc.records import record
from specc.training.checkpoint import Checkpoint, Checkpoints
from specc.training.compiled import callbacks_of, compiled_model, plain_model
from specc.training.csv_logs import continue_log
from specc.training.curves import draw_curves
from specc.training.dataset import Dataset
from specc.training.executions import steps_of_an_execution
from specc.training.feed import Feed, feed_of, weighted
from specc.training.fit import Fit
from specc.training.guard import NotFinite
from specc.training.identity import differences, identity_of
from specc.training.locate import Replay, first_not_finite
from specc.training.machine import be_deterministic, device_in_use
from specc.training.outputs import Paths, Result, paths_of, read_result, write_result
from specc.training.progress import Plan, Progress, Row, Silent
from specc.training.resident import resident_feed, stays_on_device
from specc.training.settings import Settings
from specc.training.signals import StopRequest, stop_requests

WRITERS = ("CSVLogger", "ModelCheckpoint", "TensorBoard")
"""Callbacks that a repeated run does without."""


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
        resident: bool | None = None,
    ) -> None:
        self.model = model
        self.settings = settings
        self.progress = progress
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
        self.executed = steps_of_an_execution(model.graph, settings, steps, self.device)
        here = stays_on_device(train, keras_backend(), self.device)
        self.resident = here if resident is None else resident
        self.validation = self._other(dataset.validation)
        self.test = self._other(dataset.test)

    def feed(self) -> Feed:
        return feed_of(keras_backend(), self.train, self.settings.batch_size, **self._epochs())

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

    def _other(self, part: Any) -> Feed | None:
        size = self.settings["validation_batch_size"] or self.settings.batch_size
        return None if part is None else feed_of(keras_backend(), part, size)

    def compiled(self, executed: int) -> tuple[BuiltModel, Feed]:
        feed = self.feed()
        batch = next(iter(feed.begin(0)))
        return compiled_model(self.model.graph, self.settings, batch, executed), feed


def train(
    model: Model,
    dataset: Dataset,
    settings: Settings,
    *,
    out: str = "build",
    name: str | None = None,
    restart: bool = False,
    progress: Progress | None = None,
    resident: bool | None = None,
) -> TrainedRun:
    """Train a model, or go on where an earlier run of the same ended.

    Args:
        out: the folder for the results and the checkpoints.
        name: what they are called; the model's name unless it is said.
        restart: forget an earlier run.
        resident: whether the data stay on the device; where they gain by it unless it is said.

    Raises:
        UsageError: where an earlier run was another one, or a file cannot be written.
        Stopped: where SIGINT or SIGTERM came; there is a checkpoint then.
        SpecError: where the loss becomes NaN or infinite, at the layer where that began.
    """
    began = time.perf_counter()
    progress = progress or Silent()
    paths = paths_of(out, name or model.name)
    checkpoints = Checkpoints(paths.checkpoints)
    be_deterministic(settings)
    progress.say(f"building {model.name} with Keras")
    run = _Run(model, dataset, settings, progress, resident)
    with checkpoints.locked(), stop_requests() as request:
        built, feed = run.compiled(run.executed)
        identity = identity_of(built.keras_model, dataset, settings, run.executed)
        if restart:
            checkpoints.clear()
        checkpoint = _found(checkpoints, identity, progress)
        done = read_result(paths)
        if checkpoint is not None and done is not None and _same(done, checkpoint, settings):
            return _run_of(model, done, paths, time.perf_counter() - began, already=True)
        callbacks, notes = callbacks_of(settings)
        for note in notes:
            progress.note(note)
        fit = Fit(
            built.keras_model, settings, run.settled(built, feed), run.validation, callbacks,
            checkpoints, identity, progress, request,
        )  # fmt: skip
        if checkpoint is not None:
            fit.take(checkpoint)
            for callback in callbacks:
                continue_log(callback, checkpoint.epoch)
        _fit(run, fit, checkpoints)
        progress.say(f"evaluating {model.name}")
        metrics, metrics_of = _judged(run, built, fit)
        result = Result(
            settings.epochs, identity, fit.history, fit.seconds, metrics, metrics_of,
            fit.stopped_early,
        )  # fmt: skip
        final = plain_model(model.graph, built.keras_model, settings.seed)
        progress.say(f"writing {paths.keras}")
        if not draw_curves(fit.history, model.name, paths.curves):
            progress.note('no learning curves were drawn: `pip install "specc-nn[plots]"`')
        write_result(result, final, model, paths, settings.seed)
    found = _run_of(model, result, paths, time.perf_counter() - began)
    found.built, found.resumed = final, checkpoint is not None
    return found


def _found(
    checkpoints: Checkpoints, identity: dict[str, str], progress: Progress
) -> Checkpoint | None:
    """The checkpoint to go on from.

    Raises:
        UsageError: where it is of another run.
    """
    checkpoint, damaged = checkpoints.newest()
    for path in damaged:
        progress.note(f"`{path}` is damaged; the checkpoint before it is taken")
    if checkpoint is None:
        return None
    changed = differences(checkpoint.values["identity"], identity)
    if changed:
        raise UsageError(
            f"the checkpoints in `{checkpoints.folder}` are of another run: what has changed is "
            + ", ".join(changed),
            "start anew with --restart, write elsewhere with `-o DIR`, or undo the change",
        )
    return checkpoint


def _same(done: Result, checkpoint: Checkpoint, settings: Settings) -> bool:
    """Whether a result is what a checkpoint would lead to."""
    over = checkpoint.values["stopped_early"] or checkpoint.epoch >= settings.epochs
    return (
        over
        and done.identity == checkpoint.values["identity"]
        and (len(done.history) == checkpoint.epoch)
    )


def _fit(run: _Run, fit: Fit, checkpoints: Checkpoints) -> None:
    settings = run.settings
    run.progress.begin(
        Plan(
            run.model.name, len(run.train), run.steps, settings.epochs, settings.batch_size,
            run.executed, keras_backend(), run.device, fit.epoch, fit.step,
            run.resident,
        )
    )  # fmt: skip
    try:
        fit.run()
    except NotFinite as seen:
        run.progress.end()
        run.progress.say("looking for the layer where it began")
        raise SpecError([_explained(run, seen, checkpoints)]) from None
    finally:
        run.progress.end()


def _explained(run: _Run, seen: NotFinite, checkpoints: Checkpoints) -> Any:
    """The error for a loss that is not finite, with what was not finite first."""
    built, feed = run.compiled(1)
    callbacks, _ = callbacks_of(run.settings)
    quiet = [c for c in callbacks if type(c).__name__ not in WRITERS]
    replay = Replay(
        built.keras_model, run.settings, feed, run.validation, quiet, checkpoints, {},
        Silent(), StopRequest(),
    )  # fmt: skip
    checkpoint, _ = checkpoints.newest()
    if checkpoint is not None:
        states: list[Any] = checkpoint.values["callbacks"]
        pairs = zip(callbacks, states, strict=True)
        checkpoint.values["callbacks"] = [s for c, s in pairs if c in quiet]
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
        return evaluated(built.keras_model, run.test), "test"
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
