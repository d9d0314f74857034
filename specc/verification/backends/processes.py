"""Keras on other backends, from here."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from importlib.util import find_spec

from specc.backends.silence import last_line
from specc.files import UsageError
from specc.verification.backends.worker import Answers, Job


def run_elsewhere(job: Job) -> Answers:
    """Run a job in a process of its own.

    Raises:
        UsageError: where the backend is missing or does not run the model.
    """
    if find_spec(job.backend) is None:
        raise UsageError(
            f"{job.backend} is not installed",
            f'python -m pip install "specc-nn[{job.backend}]" brings it',
        )
    with tempfile.TemporaryDirectory(prefix="specc-") as folder:
        asked, answered = os.path.join(folder, "job"), os.path.join(folder, "answers")
        with open(asked, "wb") as file:
            pickle.dump(job, file, protocol=pickle.HIGHEST_PROTOCOL)
        module = "specc.verification.backends.worker"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
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
            result: Answers | str = pickle.load(file)
    if isinstance(result, str):
        raise UsageError(result)
    return result
