"""`specc verify FILE` and `specc verify FILE FILE`: files without a spec."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from specc.cli.select import progress
from specc.files import UsageError

if TYPE_CHECKING:
    from specc.verification.pair import PairReport
    from specc.verification.recheck import FileReport
    from specc.verification.report import Report
    from specc.verification.sides import KerasSide, OnnxSide

ENDINGS = (".onnx", ".keras")
OF_A_SPEC = {"model": "--model", "param": "-p", "allow_python": "--allow-python",
             "weights": "--weights", "min_snr": "--min-snr"}  # fmt: skip
"""Options that make sense where there is a spec, by their names in the parsed arguments."""


def is_model(path: str) -> bool:
    """Whether a path is that of a model, and not of a spec."""
    return path.lower().endswith(ENDINGS)


def run(options: argparse.Namespace) -> int:
    """Check a file by itself, or compare two."""
    first, second = options.spec, options.file
    for name, flag in OF_A_SPEC.items():
        if getattr(options, name, None):
            raise UsageError(f"{flag} is for a file and its spec", "`specc verify SPEC FILE.onnx`")
    if second is None:
        if first.lower().endswith(".keras"):
            raise UsageError(
                f"`{first}` is a Keras model, which there is nothing to compare with",
                f"`specc verify {first} FILE.onnx`, or `specc verify SPEC FILE.onnx --weights {first}`",
            )
        return _check(first, options)
    if not is_model(second):
        raise UsageError(
            f"`{second}` is neither an .onnx nor a .keras file",
            f"the spec comes first: `specc verify {second} {first}`"
            if second.endswith(".spec")
            else "`specc verify A B` compares two models",
        )
    return _compare(first, second, options)


def _check(path: str, options: argparse.Namespace) -> int:
    from specc.verification.recheck import check_file

    with progress(f"checking {path}"):
        report = check_file(path, options.provider)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    elif report.ok:
        _print_file(report)
    else:
        _print_findings([str(f) for f in report.findings], report.notes)
    return 0 if report.ok else 1


def _print_findings(findings: list[str], notes: list[str]) -> None:
    for finding in findings:
        print(f"error: {finding}", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _print_file(report: FileReport) -> None:
    """What was compared. Without rich, which a machine that only runs models may not have."""
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
        part = [run for run in report.runs if run.compared < run.size]
        for output in dict.fromkeys(run.output for run in part):
            run = next(run for run in part if run.output == output)
            print(f"              {run.compared:,} of {run.size:,} numbers of `{output}` compared")
    else:
        print(f"  samples     none are recorded: {report.no_samples}")
    for note in report.notes:
        print(f"  note        {note}")


def _compare(first: str, second: str, options: argparse.Namespace) -> int:
    from specc.verification.sides import open_side

    with progress(f"comparing {first} and {second}"):
        sides = open_side(first, options.provider), open_side(second, options.provider)
        whole = _verified(*sides, options)
        if whole is None:
            from specc.verification.pair import compare_pair

            report = compare_pair(*sides, seed=options.seed, atol=options.atol)
    if whole is not None:
        return _print_whole(whole, first, second, options)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    elif report.ok:
        _print_pair(report)
    else:
        _print_findings([str(f) for f in report.findings], report.notes)
    return 0 if report.ok else 1


def _verified(
    first: OnnxSide | KerasSide, second: OnnxSide | KerasSide, options: argparse.Namespace
) -> Report | None:
    """A Keras model and a file that was exported from one like it, compared as with a spec.

    None where the two are of other kinds: only outputs are compared then.
    """
    from specc.verification.sides import KerasSide, OnnxSide

    pair = (first, second) if isinstance(first, KerasSide) else (second, first)
    keras, file = pair
    if not (isinstance(keras, KerasSide) and isinstance(file, OnnxSide)):
        return None
    same = [list(a) == list(b) for a, b in zip(keras.interface[1:3], file.interface[1:3], strict=True)]
    if keras.graph is None or not file.manifest or not all(same) or options.atol is not None:
        return None
    from specc.verification.verify import verify_onnx

    return verify_onnx(
        keras.graph,
        keras.model,
        file.model,
        built=keras.built,
        provider=options.provider,
        seed=options.seed,
        file=file.path,
        layers=options.layers,
        samples=options.evaluate,
    )


def _print_whole(report: Report, first: str, second: str, options: argparse.Namespace) -> int:
    from specc.cli.reports import print_checks, print_report
    from specc.diagnostics.diagnostic import SpecError

    if options.json:
        print(json.dumps(report.as_json(), indent=2))
        return 0 if report.ok else 1
    if not report.ok:
        print_checks(report)
        raise SpecError(report.diagnostics)
    print_report(report, f"{first} and {second} agree", layers=options.layers)
    return 0


def _print_pair(report: PairReport) -> None:
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
    rows = sum(run.rows for run in report.runs)
    if rows:
        agreeing = sum(run.rows_agreeing for run in report.runs)
        print(f"  arg-max     {agreeing:,} of {rows:,} rows agree")
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
