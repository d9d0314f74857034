"""The same inputs through Keras and onnxruntime: how far the outputs are apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.keras_model import BuiltModel
from specc.backends.native.tensors import Place
from specc.backends.runtime import Session, blaming, open_session
from specc.backends.silence import Output, captured
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.files import UsageError
from specc.graph import Graph
from specc.verification.attribute import first_difference
from specc.verification.differences import largest_difference, numbered, with_numbers
from specc.verification.inputs import Case, draw_cases, nudged
from specc.verification.report import Run
from specc.verification.tolerance import gates, rounding_steps, tolerance

Array = np.ndarray[Any, Any]


class Side(NamedTuple):
    """One set of weights: the file with them, and Keras with them in two precisions."""

    weights: str
    model: onnx.ModelProto
    keras32: BuiltModel
    """The model that the file is compared with."""
    fresh32: BuiltModel
    """One built from the spec. Where that is another model, its difference to `keras64` is
    rounding and nothing else, whatever `keras32` may be."""
    keras64: BuiltModel
    expected: dict[str, Place]
    """Where the outputs of layers stand in a sound file."""


class Outcome(NamedTuple):
    """What comparing the outputs gave."""

    runs: list[Run]
    undefined: int
    """Comparisons that could not be made: Keras itself gives NaN for these inputs."""
    provider: str
    diagnostics: list[Diagnostic]


def compare_outputs(
    graph: Graph, sides: Iterator[Side], provider: str, seed: int, file: str
) -> Outcome:
    """Every case on both sides; the first failing one is traced to its layer.

    NaN never passes: where Keras gives numbers, the file must, and each output must have been
    compared in some case with each set of weights.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where onnxruntime or Keras cannot run the model at all.
    """
    steps = rounding_steps(graph.nodes)
    runs: list[Run] = []
    undefined = 0
    ran_on = ""
    for side in sides:
        session = open_file(side.model, provider, file)
        ran_on = str(session.provider)
        compared: set[str] = set()
        for case in draw_cases(graph, seed):
            new = _run_case(graph, side, session, case, steps, seed, file)
            runs += new
            undefined += len(graph.outputs) - len(new)
            compared |= {run.output for run in new}
            failed = next((run for run in new if not run.ok), None)
            if failed is not None:
                found = _trace(graph, side, case, failed, provider, file)
                return Outcome(runs, undefined, ran_on, [found])
        for name, tensor in zip(graph.output_names, graph.outputs, strict=True):
            if name not in compared:
                found = errors.never_a_number(tensor.span, name, side.weights)
                return Outcome(runs, undefined, ran_on, [found])
    return Outcome(runs, undefined, ran_on, [])


def open_file(model: onnx.ModelProto, provider: str, file: str) -> Session:
    """Open a model in onnxruntime; `file` is what messages call it.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where onnxruntime does not take the model.
    """
    with captured(Output()), blaming(file):  # it logs what it raises
        return open_session(model.SerializeToString(), provider)


def _run_case(
    graph: Graph, side: Side, session: Session, case: Case, steps: float, seed: int, file: str
) -> list[Run]:
    """One run for each output that Keras has numbers for."""
    with captured(Output()), blaming(file):
        found = session.run(case.inputs, session.output_names)
    single = _keras_outputs(side.keras32, case)
    fresh = single if side.fresh32 is side.keras32 else _keras_outputs(side.fresh32, case)
    double = _keras_outputs(side.keras64, case)
    moved = _keras_outputs(side.keras64, nudged(case, seed))
    runs: list[Run] = []
    for index, (name, have) in enumerate(zip(graph.output_names, found.values(), strict=True)):
        every = (have, single[index], fresh[index], double[index], moved[index])
        have, *arrays = numbered(*every)
        samples = with_numbers(*arrays)
        if not samples.any():
            continue
        want, again, truth, beside = (array[samples] for array in arrays)
        if len(have) == len(samples):
            have = have[samples]
        error = largest_difference(want, have)
        noise = largest_difference(truth, again)
        scale = float(np.max(np.abs(truth), initial=0.0))
        sensitivity = largest_difference(truth, beside)
        allowed = tolerance(steps, scale, sensitivity, noise, gates(graph.nodes))
        rows, agreeing = _ranked_alike(want, have, allowed)
        relative = error / scale if scale else error
        runs.append(
            Run(str(case), side.weights, name, error, relative, allowed, noise, rows, agreeing)
        )
    return runs


def _keras_outputs(built: BuiltModel, case: Case) -> list[Array]:
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    try:
        outputs = built.keras_model(inputs if len(inputs) > 1 else inputs[0], training=False)
    except Exception as error:  # TensorFlow has no kernel for some layers on some devices
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = re.sub(r"\x1b\[[0-9;]*m|\{\{.*?\}\} ?", "", " ".join(lines[:2]))
        raise UsageError(f"Keras cannot run `{built.graph.name}` on this machine: {why}") from error
    every = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output) for output in every]


def _ranked_alike(want: Array, have: Array, allowed: float) -> tuple[int, int]:
    """How many rows have an arg-max, and in how many it is the same.

    A row whose two largest values are too close to tell counts as the same; an output that is
    one number wide has no arg-max.
    """
    if want.ndim < 2 or want.shape[-1] < 2:
        return 0, 0
    rows = int(np.prod(want.shape[:-1]))
    if want.shape != have.shape:
        return rows, 0
    a = want.reshape(-1, want.shape[-1]).astype(np.float64)
    b = have.reshape(-1, want.shape[-1])
    top = np.sort(a, axis=-1)
    with np.errstate(invalid="ignore"):
        undecided = top[:, -1] - top[:, -2] <= 2 * allowed
    return rows, int(np.sum((a.argmax(-1) == b.argmax(-1)) | undecided))


def _trace(graph: Graph, side: Side, case: Case, run: Run, provider: str, file: str) -> Diagnostic:
    """The error for a failing case: the first layer that parts ways, by name and line."""
    parting = first_difference(
        side.keras32, side.keras64, side.model, side.expected, case, provider
    )
    where = f"{case}, {side.weights} weights"
    if parting is None:
        span = graph.outputs[graph.output_names.index(run.output)].span
        return errors.outputs_differ(span, run.output, file, run.max_abs_error, run.allowed, where)
    return errors.layer_differs(
        parting.layer.span,
        parting.layer.name,
        file,
        parting.max_abs_error,
        where,
        parting.last_agreeing,
        f"output `{run.output}` is off by {run.max_abs_error:.2g}, allowed {run.allowed:.2g}",
        parting.joined,
    )
