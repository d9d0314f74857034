"""Times, for people and for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from specc.cli.tables import WIDTH

if TYPE_CHECKING:
    from specc.inference.timing import Timing


def print_timings(timings: list[Timing], not_run: list[str], *, file: str, seconds: float) -> None:
    """Print a table, batch size by batch size, the fastest of each in bold."""
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    baseline = keras_baseline(timings)
    table = Table(box=HEAVY_HEAD)
    table.add_column("Batch", justify="right")
    table.add_column("Runs on", overflow="fold")
    for title in ("p50", "p90", "p99", "mean", "samples/s", "spread"):
        table.add_column(title, justify="right")
    if baseline:
        table.add_column("x Keras", justify="right")
    for batch in dict.fromkeys(timing.candidate.batch for timing in timings):
        group = [timing for timing in timings if timing.candidate.batch == batch]
        fastest = min(group, key=lambda timing: timing.p50)
        for timing in group:
            times = (timing.p50, timing.percentile(90), timing.percentile(99), timing.mean)
            cells = [
                f"{batch:,}",
                _place(timing),
                *(_short(seconds * 1000) for seconds in times),
                f"{timing.throughput:,.0f}",
                f"{timing.spread:.0%}",
            ]
            if baseline:
                cells.append(_short(baseline[batch] / timing.p50))
            bold = timing is fastest and len(group) > 1
            table.add_row(*cells, style="bold" if bold else None, end_section=timing is group[-1])
    rounds = len(timings[0].rounds)
    console.print(
        f"{file} on onnxruntime, times in ms: {rounds} rounds, {seconds:g} s for each line",
        markup=False,
    )
    console.print(table)
    for reason in not_run:
        console.print(f"not run: {reason}", markup=False)


def _place(timing: Timing) -> str:
    candidate = timing.candidate
    if candidate.engine == "keras":
        return f"Keras {candidate.way}"
    way = [] if candidate.way == "run" else [candidate.way]
    if candidate.threads is not None:
        way.append(f"{candidate.threads} thread{'s' * (candidate.threads != 1)}")
    return ", ".join([candidate.device, *way])


def _short(number: float) -> str:
    """No more digits than differ from run to run."""
    digits = next((digits for digits in (3, 2, 1) if number < 10 ** (4 - digits)), 0)
    return f"{number:,.{digits}f}"


def keras_baseline(timings: list[Timing]) -> dict[int, float]:
    """The median of the faster of Keras's ways, by batch size; empty without Keras."""
    found: dict[int, float] = {}
    for timing in timings:
        if timing.candidate.engine == "keras":
            batch = timing.candidate.batch
            found[batch] = min(found.get(batch, timing.p50), timing.p50)
    return found


def as_json(
    timings: list[Timing], not_run: list[str], *, file: str, seconds: float
) -> dict[str, Any]:
    """The report that docs/inference.md describes."""
    from specc.manifest import installed_versions

    baseline = keras_baseline(timings)
    return {
        "ok": True,
        "model": file,
        "seconds": seconds,
        "rounds": len(timings[0].rounds),
        "versions": installed_versions(),
        "results": [
            {
                **timing.candidate._asdict(),
                "calls": timing.calls,
                "p50_ms": _rounded(timing.p50),
                "p90_ms": _rounded(timing.percentile(90)),
                "p99_ms": _rounded(timing.percentile(99)),
                "mean_ms": _rounded(timing.mean),
                "samples_per_second": round(timing.throughput, 1),
                "rounds_p50_ms": [_rounded(seconds) for seconds in timing.medians],
                "spread": round(timing.spread, 3),
                "times_keras": (
                    round(baseline[timing.candidate.batch] / timing.p50, 3) if baseline else None
                ),
            }
            for timing in timings
        ],
        "not_run": not_run,
    }


def _rounded(seconds: float) -> float:
    """Milliseconds to the nanosecond, which is all that the clock tells."""
    return round(seconds * 1000, 6)
