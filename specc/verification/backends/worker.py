"""Keras on one backend, in a process of its own: a process has Keras on one alone.

    python -m specc.verification.backends.worker JOB ANSWERS

Both are files of pickles that the process which starts this one makes and reads. Either the job is
a `Job`, or a `Search` and behind it a `Step` for each layer.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from specc.backends.frameworks import array_of, choose_backend, full_float32, import_keras
from specc.backends.keras_model import BuiltModel, assign, build_keras, call_node
from specc.files import UsageError
from specc.graph import Graph, Tensor
from specc.verification.backends.pickles import unpickled
from specc.verification.differences import keras_outputs, largest_difference, numbered
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


class Search(NamedTuple):
    """Which layer of a model a backend computes wrongly: one after another, `Step` by `Step`."""

    backend: str
    graph: Graph
    weights: list[Array]
    """In the order of `pair_variables`."""


class Fed(NamedTuple):
    """What a layer is given in the place of a tensor."""

    array: Array
    mask: Array | None
    """Keras's, where the tensor has one."""


class Wanted(NamedTuple):
    """What the reference has for an output of a layer."""

    truth: Array
    """In float64."""
    samples: Array
    """Of a batch those that have numbers."""
    allowed: float


class Step(NamedTuple):
    """A layer by itself."""

    number: int
    """Which node of the graph it is."""
    fed: list[Fed]
    """For each tensor that it takes, in the order of `takes`."""
    wanted: list[Wanted]


class Fault(NamedTuple):
    """The first layer that is computed wrongly."""

    number: int
    """Which node of the graph it is."""
    error: float


def takes(graph: Graph, number: int) -> list[Tensor]:
    """The tensors that a node of a graph takes, each once."""
    return list(dict.fromkeys(graph.nodes[number].taken))


def search(job: Search, steps: Iterator[Step]) -> Fault | None:
    """Run layers by themselves until one is wrong; None where none is.

    Raises:
        UsageError: where the backend is missing, or cannot run the model.
    """
    choose_backend(job.backend)
    built = build_keras(job.graph)
    assign(built, job.weights)
    layers = built.callables()
    convert = import_keras().ops.convert_to_tensor
    with _for_inference(job.backend):
        for step in steps:
            values: dict[Tensor, Any] = {}
            for tensor, fed in zip(takes(job.graph, step.number), step.fed, strict=True):
                values[tensor] = convert(fed.array, dtype=tensor.type.dtype)
                if fed.mask is not None:
                    values[tensor]._keras_mask = convert(fed.mask)
            node = job.graph.nodes[step.number]
            found = call_node(node, values, layers, inference=True)
            for array, wanted in zip(map(array_of, found), step.wanted, strict=True):
                error = _error(array, wanted)
                if not error <= wanted.allowed:
                    return Fault(step.number, error)
    return None


def _error(array: Array, wanted: Wanted) -> float:
    have, truth = numbered(np.atleast_1d(array), wanted.truth)
    if len(have) == len(wanted.samples):
        have = have[wanted.samples]
    return largest_difference(truth[wanted.samples], have)


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


@contextmanager
def _for_inference(backend: str) -> Generator[None]:
    torch: Any = sys.modules.get("torch")
    with torch.inference_mode() if backend == "torch" else nullcontext(), full_float32():
        yield


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
    result: Answers | Fault | str | None
    try:
        with open(job_file, "rb") as file:
            items = unpickled(file)
            job = next(items)
            result = compute(job) if isinstance(job, Job) else search(job, items)
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
