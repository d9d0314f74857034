"""Variants trained with the same seeds, and what that says of them."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from specc.files import UsageError, replacing
from specc.records import fresh, record
from specc.training.runs import Outcome
from specc.training.statistics import Difference, Interval, holm, interval_of, paired
from specc.training.variants import Variant

LOWER_IS_BETTER = ("loss", "error", "crossentropy", "divergence", "hinge", "poisson")
"""Parts of the names of metrics that are to be small."""
SIGNIFICANT = 0.05


@record
class Standing:
    """What came of a variant."""

    variant: str
    params: int
    metric: Interval
    difference: Difference | None
    """To the first variant; None for that one."""
    seconds_per_epoch: float | None
    """The median of the runs."""
    latency: float | None = None
    """Seconds of a batch of one sample in onnxruntime, the median; None where it was not timed."""


@record
class Comparison:
    """What came of all."""

    metric: str
    metrics_of: str
    seeds: list[int]
    standings: list[Standing]
    verdict: str
    outcomes: list[Outcome] = fresh(default_factory=list[Outcome])

    @property
    def decimals(self) -> int:
        """Behind the point, as people are shown the metric."""
        return decimals_of(self.standings)


def decimals_of(standings: Sequence[Standing]) -> int:
    """Four digits behind the point, or as many as leave two of the narrowest interval."""
    halves = [standing.metric.half for standing in standings]
    halves += [s.difference.half for s in standings if s.difference is not None]
    least = min((half for half in halves if half > 0), default=1.0)  # NaN is not above 0
    return min(10, max(4, 1 - math.floor(math.log10(least))))


def metric_of(outcomes: Sequence[Outcome], wanted: str | None) -> str:
    """The metric to compare: the one asked for, else the first that is not the loss.

    Raises:
        UsageError: where a run does not have it as a number.
    """
    common = [
        name
        for name, value in outcomes[0].metrics.items()
        if isinstance(value, int | float) and all(name in o.metrics for o in outcomes)
    ]
    if wanted is None:
        wanted = next((name for name in common if name != "loss"), "loss")
    if wanted not in common:
        raise UsageError(
            f"there is no metric `{wanted}` in every run", f"metrics: {', '.join(common)}"
        )
    return wanted


def judge(
    variants: Sequence[Variant], outcomes: Sequence[Outcome], seeds: Sequence[int], metric: str
) -> Comparison:
    """What runs say of variants. The first one is what the others are compared with."""
    values = {
        variant.name: [float(o.metrics[metric]) for o in outcomes if o.variant == variant.name]
        for variant in variants
    }
    base = variants[0].name
    differences = {name: paired(v, values[base]) for name, v in values.items() if name != base}
    adjusted = dict(zip(differences, holm([d.p for d in differences.values()]), strict=True))
    standings: list[Standing] = []
    for variant in variants:
        seconds = [o.seconds_per_epoch for o in outcomes if o.variant == variant.name]
        known = [s for s in seconds if s is not None]
        difference = differences.get(variant.name)
        standings.append(
            Standing(
                variant.name,
                variant.model.params.total,
                interval_of(values[variant.name]),
                None if difference is None else difference._replace(p=adjusted[variant.name]),
                float(np.median(known)) if known else None,
            )
        )
    verdict = _verdict(standings, metric, len(seeds))
    return Comparison(
        metric, outcomes[0].metrics_of, list(seeds), standings, verdict, list(outcomes)
    )


def lower_is_better(metric: str) -> bool:
    return any(part in metric for part in LOWER_IS_BETTER)


def _verdict(standings: Sequence[Standing], metric: str, seeds: int) -> str:
    """What there is to say, in a sentence for each that is compared with the first."""
    first = standings[0].variant
    digits = decimals_of(standings)
    said: list[str] = []
    for standing in standings[1:]:
        difference = standing.difference
        assert difference is not None
        if math.isnan(difference.p):
            said.append(f"one seed tells nothing of `{standing.variant}` and `{first}`: take more")
            continue
        figures = (
            f"{difference.mean:+.{digits}f} ± {difference.half:.{digits}f} {metric}, "
            f"p = {difference.p:.2g}, {seeds} seeds"
        )
        pair = f"`{standing.variant}` and `{first}`"
        if difference.p >= SIGNIFICANT:
            said.append(f"no difference can be told of {pair}: {figures}")
            continue
        better = (difference.mean < 0) == lower_is_better(metric)
        how = "better" if better else "worse"
        said.append(f"`{standing.variant}` is {how} than `{first}`: {figures}")
    return "; ".join(said) or f"`{first}` alone: nothing to compare it with"


def tidy(variants: Sequence[Variant], outcomes: Sequence[Outcome]) -> str:
    """A row for each run, as CSV: variant, spec, parameters of the sweep, seed, metrics."""
    by_name = {variant.name: variant for variant in variants}
    swept = list(dict.fromkeys(name for variant in variants for name in variant.params))
    metrics = list(
        dict.fromkeys(
            name
            for outcome in outcomes
            for name, value in outcome.metrics.items()
            if isinstance(value, int | float)
        )
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    counted = ["epochs", "seconds_per_epoch", "params"]
    writer.writerow(["variant", "spec", *swept, "seed", "metrics_of", *metrics, *counted])
    for outcome in outcomes:
        variant = by_name[outcome.variant]
        writer.writerow(
            [
                variant.name,
                variant.model.source.name,
                *(variant.params.get(name, "") for name in swept),
                outcome.seed,
                outcome.metrics_of,
                *(outcome.metrics.get(name, "") for name in metrics),
                len(outcome.history),
                "" if outcome.seconds_per_epoch is None else outcome.seconds_per_epoch,
                variant.model.params.total,
            ]
        )
    return text.getvalue()


def as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON-serialisable data; NaN as null."""
    return {
        "metric": comparison.metric,
        "metrics_of": comparison.metrics_of,
        "seeds": comparison.seeds,
        "verdict": comparison.verdict,
        "variants": [
            {
                "variant": s.variant,
                "params": s.params,
                "mean": _plain(s.metric.mean),
                "half": _plain(s.metric.half),
                "difference": None
                if s.difference is None
                else {name: _plain(x) for name, x in s.difference._asdict().items()},
                "seconds_per_epoch": s.seconds_per_epoch,
                "latency": s.latency,
            }
            for s in comparison.standings
        ],
        "runs": [
            {"variant": o.variant, "seed": o.seed, "metrics": o.metrics, "already": o.already}
            for o in comparison.outcomes
        ],
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_results(
    out: str, variants: Sequence[Variant], outcomes: Sequence[Outcome], whole: Comparison | None
) -> list[str]:
    """Write `runs.csv`, and `comparison.json` once everything is there; their paths."""
    paths = [os.path.join(out, "runs.csv")]
    _write(paths[0], tidy(variants, outcomes))
    if whole is not None:
        paths.append(os.path.join(out, "comparison.json"))
        _write(paths[1], json.dumps(as_json(whole), indent=2) + "\n")
    return paths


def _write(path: str, text: str) -> None:
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def latencies(
    variants: Sequence[Variant],
    outcomes: Sequence[Outcome],
    seconds: float,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, float]:
    """How long a batch of one sample takes in onnxruntime, in seconds, by variant; all in turn."""
    from specc.backends.opened import open_model
    from specc.backends.weights import load_keras
    from specc.inference.timing import Candidate, measure
    from specc.verification.inputs import draw_cases

    calls: dict[Candidate, Callable[[], object]] = {}
    for variant in variants:
        say(f"exporting {variant.name}")
        trained = next(o for o in outcomes if o.variant == variant.name)
        keras_model = load_keras(trained.keras, variant.model.graph)
        session = open_model(variant.model.to_onnx(keras_model), "auto")
        feeds = next(draw_cases(variant.model.graph, 0)).inputs
        candidate = Candidate("onnxruntime", str(session.provider), variant.name, None, 1)
        calls[candidate] = lambda session=session, feeds=feeds: session.run(feeds)
    say("timing")
    return {timing.candidate.way: timing.p50 for timing in measure(calls, seconds)}
