"""Runs as tasks of a Ray cluster. Needs Ray, the extra `ray`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

from specc.files import UsageError, reason
from specc.training.processes import OFTEN, Process
from specc.training.runs import Answer, Failure, Job
from specc.training.signals import Stopped, stop_requests

LOCAL = "local"
"""The address that starts a cluster of this machine alone, and ends it."""

GIVEN_BY_RAY = "OMP_NUM_THREADS"
"""Ray sets it to 1 for its tasks; a run is to be as one of a bare process."""


def on_ray(jobs: Sequence[Job], address: str, at_once: int | None) -> Iterator[Answer]:
    """Make runs as tasks, or take what is there; in the order in which they end.

    A task takes one core, and one GPU where the cluster has some and the device is not "cpu". Where
    one fails for a reason that holds for all, no other is begun.

    Args:
        address: of a cluster that is there, "auto" for that of this machine, or "local".
        at_once: at most so many at a time; None for as many as the cluster has room for.

    Raises:
        UsageError: where Ray is missing, or there is no cluster.
        Stopped: where SIGINT or SIGTERM came; the same call goes on there.
    """
    ray = _ray()
    _connect(ray, address, at_once)
    try:
        # Inside, as Ray puts a handler of its own in place.
        with stop_requests() as request:
            run = _task(ray, jobs[0].device if jobs else None)
            waiting = list(jobs)
            running: dict[Any, Job] = {}
            most = len(jobs) if at_once is None else at_once
            while waiting or running:
                while waiting and len(running) < most:
                    job = waiting.pop(0)
                    running[run.remote(job, os.environ.get(GIVEN_BY_RAY))] = job
                done, _ = ray.wait(list(running), num_returns=1, timeout=0.2)
                if request.signal is not None:
                    _cancel(ray, list(running))
                    raise Stopped(request.signal, 0, 0)
                for reference in done:
                    found = _answer(ray, reference, running.pop(reference))
                    if isinstance(found, Failure) and found.everyones:
                        waiting.clear()
                    yield found
    finally:
        ray.shutdown()


def _ray() -> Any:
    # It would tell its makers how it is used, on the network.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError(
            "Ray is not installed", 'python -m pip install "specc-nn[ray]" brings it'
        ) from None
    return ray


def _connect(ray: Any, address: str, at_once: int | None) -> None:
    mine: dict[str, Any] = {}
    if address == LOCAL:
        mine = {"num_cpus": at_once, "include_dashboard": False}
    try:
        _see(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **mine)
    except Exception as error:
        lines = reason(error).strip().splitlines() or [type(error).__name__]
        raise UsageError(
            f"there is no Ray cluster at `{address}`: {lines[0]}",
            "`ray start --head` starts one, whose address it says; `--ray local` takes this "
            "machine alone",
        ) from None


def _see(address: str) -> None:
    """Ray itself would try for many minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    elif address not in (LOCAL, "auto"):
        raise ValueError("it is neither HOST:PORT nor `auto` nor `local`")


def _task(ray: Any, device: str | None) -> Any:
    gpus = 1 if device != "cpu" and ray.cluster_resources().get("GPU", 0) else 0
    # A failed run is told, and tried by the next call; Ray is not to try it again by itself.
    return ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(made_by_ray)


def made_by_ray(job: Job, threads: str | None) -> Answer | None:
    """A run in a process of its own, started by a task; when that is cancelled it ends with a
    checkpoint.

    Args:
        threads: what the process that was asked for the runs has for `OMP_NUM_THREADS`.
    """
    if threads is None:
        os.environ.pop(GIVEN_BY_RAY, None)
    else:
        os.environ[GIVEN_BY_RAY] = threads
    try:
        process = Process(job, {})
    except UsageError as error:
        return Failure(job.variant, job.seed, str(error), error.help)
    try:
        while not process.over():
            time.sleep(OFTEN)
    finally:
        process.stop()
        found = process.answer()
    return found


def _answer(ray: Any, reference: Any, job: Job) -> Answer:
    said = "it was stopped by someone"
    try:
        found: Answer | None = ray.get(reference)
        if found is not None:
            return found
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = f"Ray says: {lines[0]}"
    return Failure(job.variant, job.seed, said)


def _cancel(ray: Any, references: list[Any]) -> None:
    """Have tasks end, with checkpoints, and wait for it."""
    for reference in references:
        ray.cancel(reference)
    if references:
        ray.wait(references, num_returns=len(references), timeout=60)
