"""The same inputs through Keras and onnxruntime: how far the outputs are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.export import Exported
from specc.backends.opened import Apart
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
from specc.verification.tf32 import Tf32Noise, may_use_tf32
from specc.verification.tolerance import Bounds, Rounding, gates, rounding_steps

Array = np.ndarray[Any, Any]


class Side(NamedTuple):
    """The file with one set of weights, and Keras with them."""

    weights: str
    file: Apart
    reference: Reference
    """With its twins having these weights."""
    sound: Exported
    """An export of the model in float32, with the same weights."""
    low: LowSide | None = None
    """The file, where it is of a lower precision; `file` is its twin in float32 then."""


class Allowance(NamedTuple):
    """What an output's tolerance is made of, beside what Keras gives."""

    rounding: Rounding
    bounds: Bounds | None
    tf32: Tf32Noise | None

    def noise(self, case: Case) -> dict[str, float]:
        """How far TF32's factors move each output; nothing where products take all bits."""
        return self.tf32.of(case.inputs) if self.tf32 is not None else {}


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
    bounds: Bounds | None = None,
) -> Outcome:
    """Every case on both sides; the first failing one is traced to its layer.

    NaN never passes: where Keras gives numbers, the file must, and each output must have been
    compared in some case with each set of weights.

    Args:
        given: samples to run as well, with the weights as they are.
        bounds: a tolerance that is set by hand; of a file of lower precision, not of its twin.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where onnxruntime or Keras cannot run the model at all.
    """
    rounding = Rounding(rounding_steps(graph.nodes), gates(graph.nodes))
    found = Outcome([], 0, "", [])
    low = LowOutcome(bounds=bounds)
    for side in sides:
        session = open_apart(side.file, provider, file)
        found = found._replace(provider=str(session.provider))
        if side.low is not None:
            found = found._replace(low=low)
            low.open(side.low, provider, file)
        allowance = Allowance(
            rounding,
            bounds if side.low is None else None,
            Tf32Noise(side.sound.model) if may_use_tf32(session.provider) else None,
        )
        compared: set[str] = set()
        for number, case in enumerate(cases_for(graph, seed, side.weights, given)):
            answers = side.reference.answers(side.weights, number, case)
            new = _run_case(graph, side, session, case, answers, allowance, file)
            found.runs.extend(new)
            found = found._replace(undefined=found.undefined + len(graph.outputs) - len(new))
            failed = next((run for run in new if not run.ok), None)
            if failed is not None:
                by_hand = allowance.bounds is not None
                error = _trace(graph, side, case, failed, provider, file, by_hand)
                found.diagnostics.append(error)
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
        del session, side  # each with weights; there is no need to have those of two sides
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
    return open_apart(Apart.of(model), provider, file)


def open_apart(model: Apart, provider: str, file: str) -> Session:
    """The same for a model whose weights are kept apart."""
    with captured(Output()), blaming(file):  # it logs what it raises
        return model.open(provider)


def _run_case(
    graph: Graph,
    side: Side,
    session: Session,
    case: Case,
    answers: Answers,
    allowance: Allowance,
    file: str,
) -> list[Run]:
    """One run for each output that Keras has numbers for."""
    with captured(Output()), blaming(file):
        found = session.run(case.inputs, session.output_names)
    tf32 = allowance.noise(case)
    runs: list[Run] = []
    for index, (name, port) in enumerate(zip(graph.output_names, found, strict=True)):
        made = compare_output(
            found[port],
            answers,
            index,
            allowance.rounding,
            with_truth=False,
            bounds=allowance.bounds,
            tf32=tf32.get(port, 0.0),
        )
        if made is not None:
            about = (str(case), side.weights, name)
            noise = made.keras_error
            ranks = (made.rows, made.rows_agreeing)
            runs.append(Run(*about, made.error, made.relative, made.allowed, noise, *ranks))
    return runs


def _trace(
    graph: Graph, side: Side, case: Case, run: Run, provider: str, file: str, by_hand: bool
) -> Diagnostic:
    """The error for a failing case: the first layer that parts ways, by name and line."""
    reference = side.reference
    single = reference.compared_with(side.weights)
    parting = first_difference(
        single, reference.double, side.file.whole(), reference.places, case, provider
    )
    where = f"{case}, {side.weights} weights"
    if parting is None:
        span = graph.outputs[graph.output_names.index(run.output)].span
        off = run.max_abs_error, run.allowed
        return errors.outputs_differ(span, run.output, file, *off, where, set_by_hand=by_hand)
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
