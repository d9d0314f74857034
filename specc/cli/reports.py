"""A verification's report for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from specc.cli.tables import WIDTH
from specc.verification.inputs import BATCH_SIZES, KINDS
from specc.verification.report import Report

if TYPE_CHECKING:
    from specc.backends.native.passes.pipeline import Change


def print_report(report: Report, outcome: str, *, layers: bool = False) -> None:
    """Print what was compared and how close it came; with `layers` each layer's account."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(f"[bold]{report.model}[/]: {outcome}")
    batches = ", ".join(str(size) for size in BATCH_SIZES)
    console.print(
        f"  outputs     {len(report.runs)} runs agree with Keras on onnxruntime "
        f"({report.provider})",
        f"              batch {batches}; {', '.join(KINDS)} inputs; own and randomised weights",
        sep="\n",
    )
    closest = report.closest_call
    if closest is not None:
        console.print(
            f"  difference  at most {report.max_abs_error:.1e}, "
            f"relative {report.max_rel_error:.1e}; "
            f"closest call {closest.max_abs_error:.1e} of {closest.allowed:.1e} allowed"
        )
    if report.undefined:
        console.print(f"  undefined   {report.undefined} runs in which Keras itself gives NaN")
    rows = sum(run.rows for run in report.runs)
    if rows:
        agreeing = sum(run.rows_agreeing for run in report.runs)
        console.print(f"  arg-max     {agreeing:,} of {rows:,} rows agree")
    account = report.params
    parts = [f"{account.keras_total:,} in Keras"]
    if account.folded_from:
        parts.append(f"- {account.folded_from - account.folded_into:,} folded "
                     f"({account.folded_from:,} into {account.folded_into:,})")  # fmt: skip
    if account.dropped:
        parts.append(f"- {account.dropped:,} dropped")
    if account.copies:
        parts.append(f"+ {account.copies:,} copies")
    console.print(f"  parameters  {' '.join(parts)} = {account.onnx_total:,} in ONNX")
    if layers:
        _print_layers(console, report)


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
