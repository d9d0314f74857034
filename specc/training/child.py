"""One run of a comparison, in a process of its own.

    python -m specc.training.child JOB ANSWER

Both are files of pickles that the process which starts this one makes and reads. Standard input
is a pipe that it holds: once that is closed the other one is gone, and the run ends with a
checkpoint.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback

from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError
from specc.training.load import load_dataset
from specc.training.machine import choose_device
from specc.training.progress import Silent
from specc.training.runs import Answer, Failure, Job, failure, perform
from specc.training.signals import Stopped


def answer(job: Job) -> Answer | None:
    """Make a run; None where it was stopped."""
    try:
        dataset = load_dataset(job.program, job.model)
        settings = job.settings
        choose_device(job.device, settings.backend, deterministic=settings["deterministic"])
        return perform(job, dataset, Silent())
    except Stopped:
        return None
    except (SpecError, UsageError) as error:
        return failure(job, error)
    except Exception as error:  # of a framework, such as that a device has no memory left
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        return Failure(job.variant, job.seed, said)


def main(job_file: str, answer_file: str) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open(job_file, "rb") as file:
        job: Job = pickle.load(file)
    found = answer(job)
    with open(f"{answer_file}.partial", "wb") as file:
        pickle.dump(found, file, protocol=pickle.HIGHEST_PROTOCOL)
    os.replace(f"{answer_file}.partial", answer_file)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    # What was pickled elsewhere names its classes by the module, which here is `__main__`.
    from specc.training import child

    child.main(sys.argv[1], sys.argv[2])
