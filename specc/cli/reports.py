"""A verification's report for people."""

from __future__ import annotations

import argparse
import json
import sys
from textwrap import fill
from typing import TYPE_CHECKING

from specc.cli.file_reports import bounds_text
from specc.cli.pages import write_page
from specc.cli.tables import WIDTH
from specc.diagnostics.diagnostic import SpecError
from specc.files import DeviceError
from specc.verification.backends.names import ALL
from specc.verification.report import (
    BackendReport,
    LowReport,
    Report,
    Run,
    closest_of,
    largest,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from specc.backends.native.passes.pipeline import Change
    from specc.inference.samples import Samples
    from specc.verification.quantized import QuantizedReport


def finish(report: Report, outcome: str, options: argparse.Namespace) -> int:
    """Write and print a report as the options of `specc verify` say; the exit status.

    Raises:
        DeviceError: where a backend that was named was not run.
        SpecError: where the report is bad, with what is wrong.
    """
    absent = next((b for b in report.backends if not b.ran), None)
    if absent is not None and options.backends.strip() != ALL:
        raise DeviceError(f"`{absent.backend}` was asked for and not run: {absent.status}")
    if options.html:
        write_page(options.html, report.as_json(), report.sources)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
        return 0 if report.ok else 1
    if not report.ok:
        print_backends(report)
        print_checks(report)
        raise SpecError([*report.diagnostics, *report.warnings])
    print_report(report, outcome, layers=options.layers)
    return 0


def print_report(report: Report, outcome: str, *, layers: bool = False) -> None:
    """Print what was compared and how close it came; with `layers` each layer's account."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(f"[bold]{report.model}[/]: {outcome}")
    low = report.lower
    runs = report.runs if low is None else low.outcome.runs
    on = f"onnxruntime ({report.provider})"
    made_of = ", before quantizing" if report.quantized else ""
    console.print(
        f"  outputs     {len(runs)} runs agree with Keras on {on}{made_of}",
        _batches(runs),
        "              own and randomised weights",
        sep="\n",
    )
    if low is not None and low.outcome.rounded:
        to = low.precision.to
        lines = [f"the file, and with every value of {to} rounded to it, as a GPU does"]
        if not low.outcome.ran:
            lines = [
                f"not the file, as onnxruntime has no kernels for {to} here: computed",
                f"in float32, every value of {to} rounded to it",
            ]
        console.print(*(f"{' ' * 14}{line}" for line in lines), sep="\n")
    _print_difference(console, "difference", runs)
    _print_tolerance(console, report)
    if report.undefined:
        console.print(f"  undefined   {report.undefined} runs in which Keras itself gives NaN")
    if low is not None:
        _print_lower(console, report, low)
    rows = sum(run.rows for run in runs)
    if rows:
        agreeing = sum(run.rows_agreeing for run in runs)
        console.print(f"  arg-max     {agreeing:,} of {rows:,} rows agree")
    if report.given is not None:
        console.print(f"  samples     {_given_text(report.given)}")
    if report.accuracy is not None:
        keras, file = report.accuracy
        console.print(f"  accuracy    {keras:.2%} in Keras, {file:.2%} in the file")
    account = report.params
    parts = [f"{account.keras_total:,} in Keras"]
    if account.folded_from:
        less = account.folded_from - account.folded_into
        parts.append(f"{'-' if less >= 0 else '+'} {abs(less):,} folded "
                     f"({account.folded_from:,} into {account.folded_into:,})")  # fmt: skip
    if account.dropped:
        parts.append(f"- {account.dropped:,} dropped")
    if account.copies:
        parts.append(f"+ {account.copies:,} copies")
    console.print(f"  parameters  {' '.join(parts)} = {account.onnx_total:,} in ONNX")
    for warning in report.warnings:
        at = f"{warning.primary.span.source.name}:{warning.primary.span.line}"
        console.print(f"  warning     {warning.message} ({at})", soft_wrap=True)
    if report.quantized is not None:
        _print_quantized(console, report.quantized)
    print_backends(report)
    if layers:
        _print_layers(console, report)
        print_checks(report)


def print_backends(report: Report) -> None:
    """Print a line for each backend: how far it is from the model in float64."""
    if not report.backends:
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    ran = [backend for backend in report.backends if backend.ran]
    keras = largest([backend.keras_rel_error for backend in ran])
    console.print(f"  backends    off float64 by, relative (Keras's own float32: {keras:.1e})")
    width = max((len(backend.name) for backend in ran), default=0)
    for backend in report.backends:
        if not backend.ran:
            said = f"{backend.backend}: not run: {backend.status}"
            console.print(fill(said, WIDTH, initial_indent=" " * 14, subsequent_indent=" " * 16))
            continue
        error = f"{backend.max_rel_error:.1e}"
        console.print(f"              {backend.name:<{width}}  {error}  {_verdict(backend)}")
    given = report.given
    if given is None:
        return
    console.print(f"  on samples  {given.file}: the arg-max as in float64; the accuracy")
    for backend in ran:
        rows = sum(run.rows for run in backend.on_given)
        alike = sum(run.rows_agreeing for run in backend.on_given)
        said = f"{alike:,} of {rows:,} rows" if rows else "no arg-max"
        right = "" if backend.accuracy is None else f"  {backend.accuracy:.2%}"
        console.print(f"              {backend.name:<{width}}  {said}{right}")


def _given_text(given: Samples) -> str:
    if given.total is None or given.total == given.count:
        return f"{given.count:,} of {given.file}"
    return f"{given.count:,} of the {given.total:,} of {given.file}, evenly spread"


AS_CLOSE = 2.0
"""Up to how many times Keras's own error counts as being as close to the truth."""


def _verdict(backend: BackendReport) -> str:
    if not backend.ok or not backend.runs:
        return backend.status
    if backend.max_rel_error <= AS_CLOSE * backend.keras_rel_error:
        return "agrees, as close as Keras itself"
    return "agrees, within its rounding"


def _print_difference(console: Console, title: str, runs: list[Run]) -> None:
    closest = closest_of(runs)
    if closest is not None:
        console.print(
            f"  {title:<11} at most {largest([run.max_abs_error for run in runs]):.1e}, "
            f"relative {largest([run.max_rel_error for run in runs]):.1e}; "
            f"closest call {closest.max_abs_error:.1e} of {closest.allowed:.1e} allowed"
        )


def _print_tolerance(console: Console, report: Report) -> None:
    """What is beside the rule for float32, or in its place."""
    found = report.tolerance
    if found.bounds is not None:
        console.print(f"  tolerance   set by hand: {bounds_text(found.bounds)}")
    elif found.tf32:
        console.print(
            "  tolerance   what rounding explains: float32's, and TF32's in factors of products"
        )


def _print_lower(console: Console, report: Report, low: LowReport) -> None:
    """How much of the file is in the lower type, and what is not."""
    _print_difference(console, "in float32", report.runs)
    lowered, to = low.lowered, low.precision.to
    kept = ", ".join(f"{n} {name}" if n > 1 else name for name, n in lowered.kept.items())
    nodes = f"{lowered.nodes} of {lowered.nodes + sum(lowered.kept.values())} nodes"
    casts = "1 Cast" if lowered.casts == 1 else f"{lowered.casts} Casts"
    console.print(f"  {to:<11} {nodes}, {casts}" + (f"; in float32: {kept}" if kept else ""))
    for name, count in lowered.beyond.items():
        console.print(
            f"              {name} stays float32: {count:,} of its numbers are beyond {to}'s range"
        )
    outcome = low.outcome
    if outcome.beyond:
        console.print(
            f"  range       {outcome.beyond:,} of {outcome.samples:,} samples go beyond {to}'s, "
            f"the first {outcome.first_beyond}"
        )
    _print_accuracy(console, low.accuracy, to)


def _print_quantized(console: Console, found: QuantizedReport) -> None:
    console.print(
        f"  {found.to:<11} {found.elements:,} of them quantized, each the nearest its scale "
        f"allows; {found.scales:,} scales and zero points"
    )
    asked = "not judged" if found.min_snr is None else f"{found.min_snr:g} dB asked for"
    for figure in found.figures:
        parts = [f"at most {figure.max_abs_error:.1e} off"]
        if figure.snr is not None:
            parts = [f"{figure.snr:.1f} dB above the noise ({asked})", *parts]
        if figure.rows:
            share = f"{figure.rows_agreeing:,} of {figure.rows:,}"
            parts.append(f"arg-max the same in {share} rows")
        name = f"{figure.output}: " if len(found.figures) > 1 else ""
        console.print(f"              {name}{', '.join(parts)}", soft_wrap=True)
    console.print(f"              {found.mode}; on {found.count:,} samples of {found.samples}")
    if found.min_snr is None:
        console.print("              its ranges are those of samples: `--evaluate FILE` gives some")
    _print_accuracy(console, found.accuracy, found.to)


def _print_accuracy(console: Console, found: tuple[float, float] | None, to: str) -> None:
    if found is not None:
        console.print(f"  accuracy    {found[0]:.2%} in float32, {found[1]:.2%} in {to}")


def _batches(runs: Sequence[Run]) -> str:
    """Which inputs were run, in batches of which sizes."""
    sizes: dict[str, dict[str, None]] = {}
    for run in runs:
        kind, _, batch = run.case.partition(" inputs, batch ")
        kind = kind.partition("[")[0]  # of a file all at once
        sizes.setdefault(kind, {})[batch] = None
    alike: dict[tuple[str, ...], list[str]] = {}
    for kind, found in sizes.items():
        alike.setdefault(tuple(found), []).append(kind)
    parts = [f"{', '.join(kinds)} of {', '.join(batches)}" for batches, kinds in alike.items()]
    text = f"{'; '.join(parts)};".replace(" of ", " in batches of ", 1)
    return fill(text, WIDTH, initial_indent=" " * 14, subsequent_indent=" " * 14)


def print_changes(changes: list[Change]) -> None:
    """Print what each pass of the native exporter did."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print("  passes" if changes else "  passes      none had anything to do")
    for change in changes:
        console.print(f"    {change.pass_name:<10}{change.text}", soft_wrap=True)


def _print_layers(console: object, report: Report) -> None:
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    table = Table(box=HEAVY_HEAD)
    table.add_column("Layer (type)", overflow="fold")
    table.add_column("Line", justify="right")
    table.add_column("Keras", justify="right")
    table.add_column("ONNX", justify="right")
    table.add_column("Account", overflow="fold")
    for layer in report.layers:
        table.add_row(
            f"{layer.name} ({layer.kind})",
            str(layer.line),
            f"{layer.keras_params:,}",
            f"{layer.onnx_params:,}",
            layer.account,
        )
    console.print(table)


def print_checks(report: Report) -> None:
    """Print how far each layer of the file is from Keras's in float64, where that was looked at."""
    if not report.checks:
        return
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=HEAVY_HEAD)
    table.add_column("Layer by itself", overflow="fold")
    for title in ("Line", "Error", "Allowed", "Keras float32", "Largest value"):
        table.add_column(title, justify="right")
    for check in report.checks:
        others = f" with {', '.join(check.together)}" if check.together else ""
        error = f"{check.max_abs_error:.1e}"
        table.add_row(
            f"{check.name}{others}",
            str(check.line),
            error if check.ok else f"[bold red]{error}[/]",
            f"{check.allowed:.1e}",
            f"{check.keras_error:.1e}",
            f"{check.scale:.1e}",
        )
    Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False).print(table)
