"""Reports of files that are checked without a spec, for people.

Without rich, which a machine that only runs models need not have.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.verification.pair import PairReport
    from specc.verification.recheck import FileReport
    from specc.verification.tolerance import Bounds


def bounds_text(bounds: Bounds) -> str:
    return f"{bounds.rtol:g} of an output's largest value, and {bounds.atol:g}"


def print_findings(findings: list[str], notes: list[str]) -> None:
    for finding in findings:
        print(f"error: {finding}", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def print_file(report: FileReport) -> None:
    """What was compared."""
    found = sum(found for _, found in report.params.values())
    print(f"{report.model}: {report.file} is what was exported")
    print(f"  weights     {report.initializers:,} initializers, sha256 {report.weights[:12]}…")
    print(
        f"  parameters  {found:,} in the file, in {len(report.params):,} layers, as recorded; "
        f"{report.keras_params:,} in Keras"
    )
    if report.runs:
        closest = max(report.runs, key=lambda run: run.max_abs_error / (run.allowed or 1e-300))
        print(
            f"  samples     {len(report.runs)} recorded outputs agree with Keras in float64 on "
            f"onnxruntime ({report.provider});\n              closest call "
            f"{closest.max_abs_error:.1e} of {closest.allowed:.1e} allowed"
        )
        if report.bounds is not None:
            print(f"              allowed by hand: {bounds_text(report.bounds)}")
        part = [run for run in report.runs if run.compared < run.size]
        for output in dict.fromkeys(run.output for run in part):
            run = next(run for run in part if run.output == output)
            print(f"              {run.compared:,} of {run.size:,} numbers of `{output}` compared")
    else:
        print(f"  samples     none are recorded: {report.no_samples}")
    if report.accuracy is not None:
        print(f"  accuracy    {report.accuracy:.2%}")
    for note in report.notes:
        print(f"  note        {note}")


def print_pair(report: PairReport) -> None:
    first, second = report.files
    print(f"{first} and {second} agree")
    print(f"  run on      {report.runs_on[0]}; {report.runs_on[1]}")
    for what, pairs in (("inputs", report.inputs), ("outputs", report.outputs)):
        said = ", ".join(
            p.first.name if p.first.name == p.second.name else f"{p.first.name} = {p.second.name}"
            for p in pairs
        )
        print(f"  {what:<11} {said}; paired by {pairs[0].how}" if pairs else f"  {what:<11} none")
    worst = max(report.runs, key=lambda run: run.max_abs_error / (run.allowed or 1e-300))
    print(
        f"  difference  at most {max(r.max_abs_error for r in report.runs):.1e}, relative "
        f"{max(r.max_rel_error for r in report.runs):.1e}, "
        f"{max(r.max_ulp_error for r in report.runs):.0f} ULP, in {len(report.runs)} runs;\n"
        f"              closest call {worst.max_abs_error:.1e} of {worst.allowed:.1e} allowed"
    )
    if report.bounds is not None:
        print(f"  tolerance   set by hand: {bounds_text(report.bounds)}")
    rows = sum(run.rows for run in report.runs)
    if rows:
        agreeing = sum(run.rows_agreeing for run in report.runs)
        print(f"  arg-max     {agreeing:,} of {rows:,} rows agree")
    if report.accuracy is not None:
        print("  accuracy    {:.2%} and {:.2%}".format(*report.accuracy))
    same = report.params[0] == report.params[1]
    print(f"  parameters  {report.params[0]:,}" + (" in both" if same else
          f" and {report.params[1]:,}"))  # fmt: skip
    if report.compared_layers:
        print(f"  layers      {len(report.layers)} differ" if report.layers else
              "  layers      the same weights and operators in each")  # fmt: skip
        for layer in report.layers:
            print(f"              {layer}")
    for note in report.notes:
        print(f"  note        {note}")
