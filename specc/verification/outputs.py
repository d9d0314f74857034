"""The same inputs through Keras and onnxruntime: how far the outputs are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.opened import open_model
from specc.backends.runtime import Session, blaming
from specc.backends.silence import Output, captured
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.graph import Graph
from specc.inference.samples import Samples
from specc.verification.attribute import first_difference
from specc.verification.compared import compare_output
from specc.verification.differences import keras_outputs
from specc.verification.given import cases_of
from specc.verification.inputs import Case, draw_cases, nudged
from specc.verification.lowered import Exactly, LowOutcome, LowSide
from specc.verification.reference import OWN, Answers, Reference
from specc.verification.report import Run
from specc.verification.tolerance import Rounding, gates, rounding_steps

Array = np.ndarray[Any, Any]


class Side(NamedTuple):
    """The file with one set of weights, and Keras with them."""

    weights: str
    model: onnx.ModelProto
    reference: Reference
    """With its twins having these weights."""
    low: LowSide | None = None
    """The file, where it is of a lower precision; `model` is its twin in float32 then."""


class Outcome(NamedTuple):
    """What comparing the outputs gave."""

    runs: list[Run]
    undefined: int
    """Comparisons that could not be made: Keras itself gives NaN for these inputs."""
    provider: str
    diagnostics: list[Diagnostic]
    low: LowOutcome | None = None


def compare_outputs(
    graph: Graph,
    sides: Iterator[Side],
    provider: str,
    seed: int,
    file: str,
    given: Samples | None = None,
) -> Outcome:
    """Every case on both sides; the first failing one is traced to its layer.

    NaN never passes: where Keras gives numbers, the file must, and each output must have been
    compared in some case with each set of weights.

    Args:
        given: samples to run as well, with the weights as they are.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where onnxruntime or Keras cannot run the model at all.
    """
    steps = rounding_steps(graph.nodes)
    found = Outcome([], 0, "", [])
    low = LowOutcome()
    for side in sides:
        session = open_file(side.model, provider, file)
        found = found._replace(provider=str(session.provider))
        if side.low is not None:
            found = found._replace(low=low)
            low.open(side.low, provider, file)
        compared: set[str] = set()
        for number, case in enumerate(cases_for(graph, seed, side.weights, given)):
            answers = side.reference.answers(side.weights, number, case)
            new = _run_case(graph, side, session, case, answers, steps, file)
            found.runs.extend(new)
            found = found._replace(undefined=found.undefined + len(graph.outputs) - len(new))
            failed = next((run for run in new if not run.ok), None)
            if failed is not None:
                found.diagnostics.append(_trace(graph, side, case, failed, provider, file))
                return found
            if side.low is not None:
                exact = Exactly(
                    answers.double,
                    keras_outputs(side.reference.double, nudged(case, seed, side.low.epsilon)),
                    {run.output: run.allowed for run in new},
                    seed,
                )
                new, error = low.run(side.low, case, side.weights, exact, provider, file)
                if error is not None:
                    found.diagnostics.append(error)
                    return found
            compared |= {run.output for run in new}
        for name, tensor in zip(graph.output_names, graph.outputs, strict=True):
            if name not in compared:
                never = errors.never_a_number if side.low is None else errors.never_in_range
                found.diagnostics.append(never(tensor.span, name, side.weights))
                return found
    return found


def cases_for(graph: Graph, seed: int, weights: str, given: Samples | None) -> Iterator[Case]:
    """What a model is run with: drawn inputs, and with the weights as they are those of a file."""
    yield from draw_cases(graph, seed)
    if given is not None and weights == OWN:
        yield from cases_of(given)


def open_file(model: onnx.ModelProto, provider: str, file: str) -> Session:
    """Open a model in onnxruntime; `file` is what messages call it.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where onnxruntime does not take the model.
    """
    with captured(Output()), blaming(file):  # it logs what it raises
        return open_model(model, provider)


def _run_case(
    graph: Graph,
    side: Side,
    session: Session,
    case: Case,
    answers: Answers,
    steps: float,
    file: str,
) -> list[Run]:
    """One run for each output that Keras has numbers for."""
    with captured(Output()), blaming(file):
        found = session.run(case.inputs, session.output_names)
    rounding = Rounding(steps, gates(graph.nodes))
    runs: list[Run] = []
    for index, (name, have) in enumerate(zip(graph.output_names, found.values(), strict=True)):
        made = compare_output(have, answers, index, rounding, with_truth=False)
        if made is not None:
            about = (str(case), side.weights, name)
            noise = made.keras_error
            ranks = (made.rows, made.rows_agreeing)
            runs.append(Run(*about, made.error, made.relative, made.allowed, noise, *ranks))
    return runs


def _trace(graph: Graph, side: Side, case: Case, run: Run, provider: str, file: str) -> Diagnostic:
    """The error for a failing case: the first layer that parts ways, by name and line."""
    reference = side.reference
    single = reference.compared_with(side.weights)
    parting = first_difference(
        single, reference.double, side.model, reference.places, case, provider
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
