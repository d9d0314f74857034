"""A comparison as a page for a browser: the verdict first, then what it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

from specc.training.compare import Comparison
from specc.training.curves import bands_of
from specc.training.page.charts import Dots, curves, dots, legend
from specc.training.statistics import Interval
from specc.verification.page.document import document, footer
from specc.verification.page.tables import Row, marked, section, table


def page(comparison: Comparison, notes: Sequence[str] = ()) -> str:
    """The page of a comparison.

    Args:
        notes: what people should know of it, such as that variants had not the same budget.
    """
    title = _title(comparison)
    about = f'<span class="quiet">{escape(_about(comparison))}</span>'
    parts = (
        f"<header><h1>{escape(title)}</h1>{about}</header>",
        _headline(comparison, notes),
        _standings(comparison),
        _seeds(comparison),
        _curves(comparison),
        _runs(comparison),
        footer("The same as data: <code>comparison.json</code> and <code>runs.csv</code>."),
    )
    return document(title, "\n".join(part for part in parts if part))


def _title(comparison: Comparison) -> str:
    names = [standing.variant for standing in comparison.standings]
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1} others"


def _about(comparison: Comparison) -> str:
    count = len(comparison.seeds)
    seeds = f"{count} seed{'s' * (count != 1)}"
    return f"{comparison.metric} of the {comparison.metrics_of} samples, {seeds}"


def _headline(comparison: Comparison, notes: Sequence[str]) -> str:
    said = "".join(
        f'<p class="first">{marked(sentence[0].upper() + sentence[1:])}</p>'
        for sentence in comparison.verdict.split("; ")
    )
    listed = "".join(f"<li>{marked(note)}</li>" for note in notes)
    more = f'<ul class="notes">{listed}</ul>' if listed else ""
    return f'<div class="headline plain-card"><p class="label quiet">Verdict</p>{said}{more}</div>'


def _standings(comparison: Comparison) -> str:
    rows: list[Row] = []
    digits = comparison.decimals
    for standing in comparison.standings:
        difference = standing.difference
        compared = ["", "", ""]
        if difference is not None:
            p = f"{difference.p:.2g}" if isfinite(difference.p) else ""
            compared = [f"{difference.mean:+.{digits}f}", _half(difference.half, digits), p]
        seconds = standing.seconds_per_epoch
        rows.append(
            (
                True,
                [
                    standing.variant,
                    f"{standing.metric.mean:.{digits}f}",
                    _half(standing.metric.half, digits),
                    *compared,
                    standing.params,
                    "" if seconds is None else f"{seconds:.3g}",
                    "" if standing.latency is None else f"{standing.latency * 1e6:,.0f}",
                ],
            )
        )
    titles = (
        "Variant", "Mean", "± 95 %", "Difference", "± 95 %", "p", "Parameters", "s/epoch",
        "Latency, us",
    )  # fmt: skip
    first = comparison.standings[0].variant
    note = (
        f'<p class="quiet under">Differences are to {marked(f"`{first}`")}, paired by seed; '
        "p by a paired t-test, corrected by Holm's method; intervals by Student's t.</p>"
    )
    return section("Variants", table(titles, rows) + note)


def _half(half: float, digits: int) -> str:
    return f"{half:.{digits}f}" if isfinite(half) else ""


def _seeds(comparison: Comparison) -> str:
    """Each run as a dot; and what each variant is above the first with the same seed."""
    values = values_by_variant(comparison)
    seeds, metric = comparison.seeds, comparison.metric
    standings = comparison.standings
    runs = [
        Dots(
            standing.variant,
            number,
            values[standing.variant],
            [f"seed {s}: {v:.4g}" for s, v in zip(seeds, values[standing.variant], strict=True)],
            standing.metric,
        )
        for number, standing in enumerate(standings)
    ]
    first = standings[0].variant
    pairs: list[Dots] = []
    for number, standing in enumerate(standings):
        difference = standing.difference
        if difference is not None:
            own, base = values[standing.variant], values[first]
            apart = [a - b for a, b in zip(own, base, strict=True)]
            titles = [f"seed {s}: {d:+.4g}" for s, d in zip(seeds, apart, strict=True)]
            interval = Interval(difference.mean, difference.half)
            pairs.append(Dots(standing.variant, number, apart, titles, interval))
    charts = dots("Each run, and the mean with its 95 % interval", metric, runs)
    if pairs:
        charts += dots(
            "Above the first variant, with the same seed", f"difference of {metric}", pairs,
            zero=True,
        )  # fmt: skip
    return section("Seeds", f'<div class="charts">{charts}</div>')


def values_by_variant(comparison: Comparison) -> dict[str, list[float]]:
    """The metric of each run, in the order of the seeds."""
    return {
        standing.variant: [
            float(o.metrics[comparison.metric])
            for o in comparison.outcomes
            if o.variant == standing.variant
        ]
        for standing in comparison.standings
    }


def _curves(comparison: Comparison) -> str:
    names = [standing.variant for standing in comparison.standings]
    histories = {n: [o.history for o in comparison.outcomes if o.variant == n] for n in names}
    charts = ""
    for metric in dict.fromkeys([comparison.metric, "loss"]):
        found = bands_of(histories, metric)
        if found is not None and all(band.mean for band in found[1]):
            charts += curves(f"{metric} ({found[0]}), mean and range of the seeds", found[1])
    if not charts:
        return ""
    return section("Learning curves", legend(names) + f'<div class="charts">{charts}</div>')


def _runs(comparison: Comparison) -> str:
    rows: list[Row] = []
    for outcome in comparison.outcomes:
        seconds = outcome.seconds_per_epoch
        rows.append(
            (
                True,
                [
                    outcome.variant,
                    outcome.seed,
                    f"{outcome.metrics[comparison.metric]:.{comparison.decimals}f}",
                    len(outcome.history),
                    "" if seconds is None else f"{seconds:.3g}",
                ],
            )
        )
    metric = comparison.metric
    return section("Runs", table(("Variant", "Seed", metric, "Epochs", "s/epoch"), rows))
