"""Two models compared with each other, without a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from specc.inference.interface import cast
from specc.inference.samples import Samples, read_samples
from specc.records import fresh, record
from specc.verification.apart import first_layers_apart
from specc.verification.differences import (
    largest_difference,
    largest_ulps,
    numbered,
    ranked_alike,
    with_numbers,
)
from specc.verification.findings import Finding, finite, listed_findings
from specc.verification.given import accuracy_of, cases_of
from specc.verification.inputs import BATCH_SIZES, DRAWS, MANY, farthest, moved
from specc.verification.pairing import Pair, pair_ports
from specc.verification.samples import Recipe
from specc.verification.sides import KerasSide, ModelSide, OnnxSide
from specc.verification.tolerance import Bounds, Rounding, tolerance

KINDS = ("normal", "zeros", "large")
UNKNOWN_TOP = 9
"""The largest whole number in inputs of which nothing else is known."""

Array = np.ndarray[Any, Any]


@record
class PairRun:
    """One output of both models for one set of inputs."""

    case: str
    output: str
    max_abs_error: float
    max_rel_error: float
    """The same, divided by the largest absolute value of the output."""
    max_ulp_error: float
    """The same in units of the last place of the value that is off, float32's."""
    allowed: float
    rows: int
    rows_agreeing: int
    """Rows whose arg-max is the same, or too close to tell."""

    @property
    def ok(self) -> bool:
        return self.max_abs_error <= self.allowed and self.rows == self.rows_agreeing


@record
class PairReport:
    """What comparing two models found."""

    files: tuple[str, str]
    runs_on: tuple[str, str]
    inputs: list[Pair]
    outputs: list[Pair]
    params: tuple[int, int]
    runs: list[PairRun]
    undefined: int
    """Outputs that could not be compared, as the first model gives NaN."""
    layers: list[Finding]
    """Layers whose weights or operators are not the same, in the order of the first model."""
    compared_layers: bool
    """Whether both files say which layers they have."""
    findings: list[Finding] = fresh(default_factory=list[Finding])
    notes: list[str] = fresh(default_factory=list[str])
    bounds: Bounds | None = None
    """A tolerance that was set by hand."""
    accuracy: tuple[float, float] | None = None
    """Of both models, where there are samples with labels."""

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "pair",
            "ok": self.ok,
            "files": self.files,
            "runs_on": self.runs_on,
            "inputs": [_pair_as_json(pair) for pair in self.inputs],
            "outputs": [_pair_as_json(pair) for pair in self.outputs],
            "params": self.params,
            "undefined": self.undefined,
            "runs": [{key: finite(value) for key, value in vars(run).items()} for run in self.runs],
            "tolerance": self.bounds.as_json() if self.bounds else None,
            "accuracy": self.accuracy,
            "layers": listed_findings(self.layers) if self.compared_layers else None,
            "notes": self.notes,
            "errors": listed_findings(self.findings),
        }


def _pair_as_json(pair: Pair) -> dict[str, str]:
    return {"first": pair.first.name, "second": pair.second.name, "by": pair.how}


class Inputs(NamedTuple):
    """A set of inputs for the first model."""

    case: str
    feeds: dict[str, Array]


def compare_pair(
    first: OnnxSide | KerasSide,
    second: OnnxSide | KerasSide,
    *,
    seed: int = 0,
    bounds: Bounds | None = None,
    inputs: str | None = None,
) -> PairReport:
    """Run the same inputs through two models, and compare what can be paired.

    Args:
        seed: of the inputs that are drawn.
        bounds: a tolerance that is set by hand; what float32's rounding explains without it.
        inputs: a file of samples for the first model, to run besides drawn ones; where it has
            labels, the accuracy of both is told.

    Raises:
        UsageError: where the inputs or outputs of the two are not of the same types.
    """
    pairs = pair_ports("inputs", first.interface, second.interface)
    outputs = pair_ports("outputs", first.interface, second.interface)
    report = PairReport(
        (first.path, second.path),
        (first.runs_on, second.runs_on),
        pairs,
        outputs,
        (first.params, second.params),
        [],
        0,
        *first_layers_apart(first, second),
        bounds=bounds,
    )
    worse = [side.rounding for side in (first, second)]
    rounding = Rounding(max(r.steps for r in worse), max(r.gates for r in worse))
    compared: set[str] = set()
    samples = read_samples(inputs, first.interface) if inputs is not None else None
    for case in _cases(first, second, pairs, seed, samples):
        feeds = _for_second(pairs, case.feeds)
        every = first.run(case.feeds), second.run(feeds)
        beside = _beside(first, case.feeds, every[0], seed)
        tf32 = first.tf32_noise(case.feeds), second.tf32_noise(feeds)
        for pair in outputs:
            arrays = (
                every[0][pair.first.name],
                every[1][pair.second.name],
                beside[pair.first.name],
            )
            short = tf32[0].get(pair.first.name, 0.0), tf32[1].get(pair.second.name, 0.0)
            run = _compare(case.case, pair.first.name, rounding, bounds, max(short), *arrays)
            if run is None:
                report.undefined += 1
                continue
            compared.add(run.output)
            report.runs.append(run)
    if samples is not None and samples.labels is not None:
        (output,) = outputs
        report.accuracy = (
            accuracy_of(samples, lambda feeds: first.run(feeds)[output.first.name]),
            accuracy_of(
                samples, lambda feeds: second.run(_for_second(pairs, feeds))[output.second.name]
            ),
        )
    _judge(report, compared)
    return report


def _cases(
    first: ModelSide, second: ModelSide, pairs: list[Pair], seed: int, samples: Samples | None
) -> Iterator[Inputs]:
    yield from drawn(first, second, pairs, seed)
    if samples is not None:
        yield from (Inputs(str(case), case.inputs) for case in cases_of(samples))


def _for_second(pairs: list[Pair], feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Inputs of the first model as the second one takes them."""
    return {p.second.name: cast(p.second, feeds[p.first.name]) for p in pairs}


def _judge(report: PairReport, compared: set[str]) -> None:
    """The headline: the first layer that is not the same, where outputs are not."""
    bad = next((run for run in report.runs if not run.ok), None)
    for pair in report.outputs:
        if pair.first.name not in compared:
            text = f"`{report.files[0]}` gives NaN in `{pair.first.name}` for every input"
            report.findings.append(Finding("", None, text))
    if bad is None:
        return
    effect = (
        f"output `{bad.output}` is off by {bad.max_abs_error:.2g} with {bad.case}, "
        f"allowed {bad.allowed:.2g}"
    )
    if bad.max_abs_error <= bad.allowed:
        effect = (
            f"output `{bad.output}` has its arg-max elsewhere in {bad.rows - bad.rows_agreeing} "
            f"of {bad.rows} rows with {bad.case}"
        )
    report.findings += report.layers or [Finding("", None, effect)]
    if report.layers:
        report.notes.append(effect)
    elif report.compared_layers:
        report.notes.append("every layer has the same weights and operators in both")


def drawn(first: ModelSide, second: ModelSide, inputs: list[Pair], seed: int) -> Iterator[Inputs]:
    """Inputs of several kinds and batch sizes; what one of the models knows of them is used."""
    known = {p.first.name: _recipe(first, second, p) for p in inputs}
    fixed = first.interface.batch or second.interface.batch
    for number, batch in enumerate((fixed,) if fixed else BATCH_SIZES):
        for index, kind in enumerate(KINDS if fixed or batch <= MANY else KINDS[:1]):
            feeds: dict[str, Array] = {}
            for place, (name, recipe) in enumerate(known.items()):
                batched = first.interface.inputs[name].type.batched
                array = recipe.make(kind, batch if batched else 1, (seed, number, index, place))
                feeds[name] = array if batched else array[0]
            yield Inputs(f"{kind} inputs, batch {batch}", feeds)


def _recipe(first: ModelSide, second: ModelSide, pair: Pair) -> Recipe:
    """How to make an input: as narrow as either model wants it."""
    ours, theirs = first.recipes.get(pair.first.name), second.recipes.get(pair.second.name)
    best = ours or theirs
    sizes = pair.first.type.shape, pair.second.type.shape
    both = (
        zip(*sizes, strict=True) if len(sizes[0]) == len(sizes[1]) else ((n, n) for n in sizes[0])
    )
    shape = tuple(
        next((int(n) for n in pair_of_sizes if isinstance(n, int)), None) for pair_of_sizes in both
    )
    dtype = pair.first.type.dtype
    tops = [r.top for r in (ours, theirs) if r is not None]
    top = min(tops, default=UNKNOWN_TOP)
    return Recipe(dtype, shape, top, best.known if best is not None else ())


def _beside(
    side: ModelSide, feeds: Mapping[str, Array], outputs: Mapping[str, Array], seed: int
) -> dict[str, Array]:
    """What a model gives with its inputs moved by one rounding, in their own dtypes; of several
    draws the farthest numbers."""
    each: list[Mapping[str, Array]] = []
    for draw in range(DRAWS):
        random = np.random.default_rng(seed + draw)
        nudged = {
            name: moved(x, random, zeros=True).astype(x.dtype) if x.dtype.kind == "f" else x
            for name, x in feeds.items()
        }
        each.append(side.run(nudged))
    return {name: farthest(x, [found[name] for found in each]) for name, x in outputs.items()}


def _compare(
    case: str,
    output: str,
    rounding: Rounding,
    bounds: Bounds | None,
    tf32: float,
    want: Array,
    have: Array,
    beside: Array,
) -> PairRun | None:
    """None where there is nothing to compare."""
    want, have, beside = numbered(want, have, beside)
    if want.shape != have.shape:
        nan = float("nan")
        return PairRun(case, output, nan, nan, nan, 0.0, 0, 0)
    if want.ndim:
        samples = with_numbers(want, beside)
        if not samples.any():
            return None
        want, have, beside = want[samples], have[samples], beside[samples]
    error = largest_difference(want, have)
    scale = float(np.max(np.abs(want.astype(np.float64)), initial=0.0))
    if bounds is not None:
        allowed = bounds.allowed(scale)
    elif want.dtype.kind != "f":
        allowed = 0.0
    else:
        sensitivity = largest_difference(want, beside)
        allowed = tolerance(rounding.steps, scale, sensitivity, 0.0, rounding.gates, tf32)
    rows, agreeing = ranked_alike(want, have, allowed)
    relative = error / scale if scale else error
    return PairRun(case, output, error, relative, largest_ulps(want, have), allowed, rows, agreeing)
