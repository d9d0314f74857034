"""Several runs at a time, each in a process of its own, and with a GPU of its own where there are
some."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence

from specc.backends.frameworks import SHARED_GPU
from specc.files import UsageError, reason
from specc.training.runs import Answer, Failure, Job
from specc.training.signals import Stopped, stop_requests

OFTEN = 0.05
"""Seconds between two looks at the processes."""
OUTPUT = "output.txt"
"""In the folder of a run that failed: what its process said."""


class Process:
    """A run in a process of its own, being made."""

    def __init__(self, job: Job, environment: dict[str, str]) -> None:
        """
        Args:
            environment: variables besides those of this process.

        Raises:
            UsageError: where it cannot be started.
        """
        self.job = job
        self._asked = False
        self._folder = tempfile.mkdtemp(prefix="specc-")
        asked, self._answered = (os.path.join(self._folder, n) for n in ("job", "answer"))
        self._output = os.path.join(self._folder, OUTPUT)
        with open(asked, "wb") as file:
            pickle.dump(job, file, protocol=pickle.HIGHEST_PROTOCOL)
        path = os.pathsep.join(p for p in sys.path if p)
        try:
            with open(self._output, "wb") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "specc.training.child", asked, self._answered],
                    cwd=job.place,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env={**os.environ, **environment, "PYTHONPATH": path},
                    # A Ctrl-C of the terminal would come to it as well, and be its second one.
                    start_new_session=True,
                )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise UsageError(
                f"cannot start a process in `{job.place}`: {reason(error)}",
                "the working directory has to be there on every machine that runs are made on",
            ) from None

    def over(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Have it end after the step at hand, with a checkpoint."""
        if not self._asked and not self.over():
            self._asked = True  # a second signal would end it at once
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Have it end at once."""
        if not self.over():
            self._process.kill()

    def answer(self) -> Answer | None:
        """What came of it, once it is over; None where it was stopped."""
        status = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            with open(self._answered, "rb") as file:
                found: Answer | None = pickle.load(file)
        except OSError:
            said = f"its process ended with status {status}"
            if status < 0:
                said = f"its process was ended by {signal.Signals(-status).name}"
            found = Failure(self.job.variant, self.job.seed, said)
        if isinstance(found, Failure) and not found.diagnostics:
            self._keep_output(found)
        shutil.rmtree(self._folder, ignore_errors=True)
        return found

    def _keep_output(self, found: Failure) -> None:
        """What the process said goes where the run is, as far as the disk has room."""
        if not os.path.getsize(self._output):
            return
        kept = os.path.join(self.job.place, self.job.out, OUTPUT)
        try:
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            shutil.copyfile(self._output, kept)
        except OSError:
            return
        found.help = found.help or f"what it said is in `{os.path.join(self.job.out, OUTPUT)}`"


def in_processes(jobs: Sequence[Job], at_once: int) -> Iterator[Answer]:
    """Make runs in processes, so many at a time, or take what is there; in the order in which
    they end.

    Where one fails for a reason that holds for all, no other is begun.

    Raises:
        Stopped: where SIGINT or SIGTERM came, once all processes have ended, with checkpoints; the
            same call goes on there. The second signal ends them at once.
    """
    waiting = deque(jobs)
    running: dict[Process, dict[str, str]] = {}
    places = places_of(jobs[0].device if jobs else None, at_once)
    with stop_requests() as request:
        try:
            while waiting or running:
                if request.signal is not None:
                    waiting.clear()
                    for process in running:
                        process.stop()
                while waiting and places:
                    place = places.pop(0)
                    running[Process(waiting.popleft(), place)] = place
                for process in [process for process in running if process.over()]:
                    places.append(running.pop(process))
                    found = process.answer()
                    if isinstance(found, Failure):
                        if request.signal is not None:  # it was ended while it was loading
                            continue
                        if found.everyones:
                            waiting.clear()
                    if found is not None:
                        yield found
                time.sleep(OFTEN)
            if request.signal is not None:
                raise Stopped(request.signal, 0, 0)
        finally:
            for process in running:
                process.kill()
                process.answer()


def places_of(device: str | None, at_once: int) -> list[dict[str, str]]:
    """For each of the processes that there are at a time what says which GPU is its own."""
    if device not in (None, "gpu"):  # one that was named is that of all
        shared: dict[str, str] = dict(SHARED_GPU) if device != "cpu" and at_once > 1 else {}
        return [dict(shared) for _ in range(at_once)]
    return shared_out(visible_gpus(), at_once)


def shared_out(gpus: Sequence[str], at_once: int) -> list[dict[str, str]]:
    """GPUs for so many processes: one each, or the same for several where there are too few."""
    if not gpus:
        return [{} for _ in range(at_once)]
    more: dict[str, str] = dict(SHARED_GPU) if at_once > len(gpus) else {}
    return [{"CUDA_VISIBLE_DEVICES": gpus[n % len(gpus)], **more} for n in range(at_once)]


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    from specc.backends.environment import driver_and_gpus

    count = driver_and_gpus()[1]
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(n) for n in range(count)] if said is None else said.split(",")
    return [name.strip() for name in names[:count]]
