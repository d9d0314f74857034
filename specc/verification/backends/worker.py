"""Keras on one backend, in a process of its own: a process has Keras on one alone.

    python -m specc.verification.backends.worker JOB ANSWERS

Both are files of pickles that the process which starts this one makes and reads.
"""

from __future__ import annotations

import pickle
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from specc.backends.frameworks import choose_backend
from specc.backends.keras_model import BuiltModel, assign, build_keras
from specc.files import UsageError
from specc.graph import Graph
from specc.verification.differences import keras_outputs
from specc.verification.inputs import Case

Array = np.ndarray[Any, Any]


class Job(NamedTuple):
    """Inputs for a model, and the weights to run them with."""

    backend: str
    graph: Graph
    runs: list[tuple[list[Array], list[Case]]]
    """Weights in the order of `pair_variables`, and what is run with them."""


class Answers(NamedTuple):
    """What a backend gives."""

    version: str
    device: str
    outputs: list[list[list[Array]]]
    """By weights, case and output."""


def compute(job: Job) -> Answers:
    """Build the model and run everything.

    Raises:
        UsageError: where the backend is missing, or cannot run the model.
    """
    choose_backend(job.backend)
    built = build_keras(job.graph)
    outputs: list[list[list[Array]]] = []
    with _for_inference(job.backend):
        for arrays, cases in job.runs:
            assign(built, arrays)
            outputs.append([_run(job.backend, built, case) for case in cases])
    framework: Any = sys.modules[job.backend]
    return Answers(str(framework.__version__), _device(job.backend, framework), outputs)


def _for_inference(backend: str) -> AbstractContextManager[Any]:
    torch: Any = sys.modules.get("torch")
    return torch.inference_mode() if backend == "torch" else nullcontext()


def _run(backend: str, built: BuiltModel, case: Case) -> list[Array]:
    if backend != "jax":
        return keras_outputs(built, case)
    # Operation by operation JAX compiles each one for each shape; the whole model takes less.
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    outputs = built.keras_model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    return [np.asarray(x) for x in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def _device(backend: str, framework: Any) -> str:
    if backend == "jax":
        return str(framework.devices()[0].platform)
    if backend == "torch":
        return "cuda" if framework.cuda.is_available() else "cpu"
    return "gpu" if framework.config.list_physical_devices("GPU") else "cpu"


def main(job_file: str, answers_file: str) -> None:
    with open(job_file, "rb") as file:
        job: Job = pickle.load(file)
    result: Answers | str
    try:
        result = compute(job)
    except UsageError as error:
        result = str(error)
    except Exception as error:  # whatever a backend raises, this one does not run the model
        lines = str(error).strip().splitlines()
        result = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    with open(answers_file, "wb") as file:
        pickle.dump(result, file, protocol=pickle.HIGHEST_PROTOCOL)


if __name__ == "__main__":
    # What was pickled elsewhere names its classes by the module, which here is `__main__`.
    from specc.verification.backends import worker

    worker.main(sys.argv[1], sys.argv[2])
