"""Keras on other backends, from here."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec

from specc.backends.silence import last_line
from specc.files import UsageError
from specc.verification.backends.pickles import pickle_into
from specc.verification.backends.worker import Answers, Fault, Job, Search, Step


def run_elsewhere(job: Job) -> Answers:
    """Run a job in a process of its own.

    Raises:
        UsageError: where the backend is missing or does not run the model.
    """
    answers = _ask(job)
    assert isinstance(answers, Answers)
    return answers


def search_elsewhere(job: Search, steps: Iterable[Step]) -> Fault | None:
    """Have a process of its own run a model's layers by themselves.

    Args:
        steps: they are written to a file before it starts, and only one is in memory.

    Raises:
        UsageError: where the backend is missing or does not run one of the layers.
    """
    found = _ask(job, steps)
    assert not isinstance(found, Answers)
    return found


def _ask(job: Job | Search, more: Iterable[Step] = ()) -> Answers | Fault | None:
    if find_spec(job.backend) is None:
        raise UsageError(
            f"{job.backend} is not installed",
            f'python -m pip install "specc-nn[{job.backend}]" brings it',
        )
    with tempfile.TemporaryDirectory(prefix="specc-") as folder:
        asked, answered = os.path.join(folder, "job"), os.path.join(folder, "answers")
        with open(asked, "wb") as file:
            try:
                pickle_into(file, job)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise UsageError(f"the model is for this process alone: {error}") from error
            for step in more:
                pickle_into(file, step)
        module = "specc.verification.backends.worker"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "KERAS_BACKEND": job.backend,  # a file of layers may import Keras when it is read
        }
        process = subprocess.run(
            [sys.executable, "-m", module, asked, answered],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            check=False,
        )
        if process.returncode or not os.path.exists(answered):
            why = last_line(process.stderr) or f"exit status {process.returncode}"
            raise UsageError(f"Keras on {job.backend} ended: {why}")
        with open(answered, "rb") as file:
            result: Answers | Fault | str | None = pickle.load(file)
    if isinstance(result, str):
        raise UsageError(result)
    return result
