"""The runs of a comparison, one after the other; `processes` and `on_ray` make several at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from specc.api import Model, Program
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.files import UsageError
from specc.records import fresh, record
from specc.training.dataset import Dataset
from specc.training.load import load_dataset
from specc.training.progress import Progress, Row
from specc.training.settings import Settings
from specc.training.variants import Variant, folder_of


class Job(NamedTuple):
    """A run to be made, wherever: it can be pickled."""

    variant: str
    seed: int
    program: Program
    model: Model
    settings: Settings
    out: str
    """The folder of the run, from `place` on."""
    place: str
    """The working directory, from which the data are found too."""
    device: str | None
    """As `machine.choose_device` takes it."""


@record
class Outcome:
    """One run: a variant with one seed."""

    variant: str
    seed: int
    metrics: Row
    metrics_of: str
    history: list[Row]
    seconds_per_epoch: float | None
    keras: str
    """The path of the trained model."""
    already: bool
    """It was finished before."""


@record
class Failure:
    """A run that came to nothing."""

    variant: str
    seed: int
    said: str
    """Why, in a sentence."""
    help: str | None = None
    diagnostics: list[Diagnostic] = fresh(default_factory=list[Diagnostic])
    status: int = 1
    """The exit status that it stands for."""
    everyones: bool = False
    """The others would fail as well, so that none is begun any more: no device, a full disk."""


Answer = Outcome | Failure


def jobs_of(
    variants: Sequence[Variant], seeds: Sequence[int], out: str, device: str | None = None
) -> list[Job]:
    """The runs of every variant with every seed; seed by seed, so that what there is of an
    interrupted comparison is paired."""
    return [
        Job(
            variant.name,
            seed,
            variant.program,
            variant.model,
            variant.settings.instead(seed=seed),
            os.path.join(out, folder_of(variant.name), f"seed-{seed}"),
            os.getcwd(),
            device,
        )
        for seed in seeds
        for variant in variants
    ]


def load_data(jobs: Sequence[Job]) -> dict[str, Dataset]:
    """The data of each variant, by its name: what is wrong with them is said before a run begins.

    Raises:
        SpecError, UsageError: where there is something.
    """
    first = {job.variant: job for job in reversed(jobs)}
    return {name: load_dataset(job.program, job.model) for name, job in first.items()}


def in_turn(
    jobs: Sequence[Job], datasets: dict[str, Dataset], progress: Progress
) -> Iterator[Answer]:
    """Make runs in this process, or take what is there.

    Raises:
        Stopped: where SIGINT or SIGTERM came; the same call goes on there.
        UsageError: where the other runs would fail as well.
    """
    for job in jobs:
        try:
            yield perform(job, datasets[job.variant], progress)
        except SpecError as error:
            yield failure(job, error)


def perform(job: Job, dataset: Dataset, progress: Progress) -> Outcome:
    """Make a run in this process, whose device has been chosen.

    Raises:
        Stopped, SpecError, UsageError: as `engine.train` raises them.
    """
    from specc.training.engine import train

    run = train(job.model, dataset, job.settings, out=job.out, progress=progress)
    return Outcome(
        job.variant, job.seed, run.metrics, run.metrics_of, run.history, run.seconds_per_epoch,
        run.paths.keras, run.already,
    )  # fmt: skip


def failure(job: Job, error: SpecError | UsageError) -> Failure:
    """What an error says of a run."""
    if isinstance(error, SpecError):
        first = error.diagnostics[0]
        said = f"error[{first.code}]: {first.message}"
        return Failure(job.variant, job.seed, said, None, error.diagnostics)
    return Failure(
        job.variant, job.seed, str(error), error.help, status=error.status, everyones=True
    )
