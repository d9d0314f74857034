"""`specc verify FILE` and `specc verify FILE FILE`: files without a spec."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from specc.cli.file_reports import print_file, print_findings, print_pair
from specc.cli.pages import write_page
from specc.cli.select import progress
from specc.files import UsageError

if TYPE_CHECKING:
    from specc.verification.report import Report
    from specc.verification.sides import KerasSide, OnnxSide

ENDINGS = (".onnx", ".keras")
OF_A_SPEC = {"model": "--model", "param": "-p", "allow_python": "--allow-python",
             "weights": "--weights", "data": "--data", "min_snr": "--min-snr"}  # fmt: skip
"""Options that make sense where there is a spec, by their names in the parsed arguments."""

NO_BACKENDS = (
    "--backends is for a model that Keras can build, and a file exported from it",
    "`specc verify SPEC FILE.onnx --backends all`, `specc verify A.keras B.onnx --backends all`",
)


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
                f"`specc verify {first} FILE.onnx` compares it with a file",
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
    if options.backends:
        raise UsageError(*NO_BACKENDS)
    from specc.verification.recheck import check_file
    from specc.verification.tolerance import bounds_of

    with progress(f"checking {path}"):
        bounds = bounds_of(options.rtol, options.atol)
        report = check_file(path, options.provider, options.inputs, bounds)
    if options.html:
        write_page(options.html, report.as_json())
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    elif report.ok:
        print_file(report)
    else:
        print_findings([str(f) for f in report.findings], report.notes)
    return 0 if report.ok else 1


def _compare(first: str, second: str, options: argparse.Namespace) -> int:
    from specc.verification.sides import open_side

    with progress(f"comparing {first} and {second}"):
        sides = open_side(first, options.provider), open_side(second, options.provider)
        whole = _verified(*sides, options)
    if whole is not None:
        from specc.cli.reports import finish

        return finish(whole, f"{first} and {second} agree", options)
    if options.backends:
        raise UsageError(*NO_BACKENDS)
    from specc.verification.pair import compare_pair
    from specc.verification.tolerance import bounds_of

    with progress(f"comparing {first} and {second}"):
        bounds = bounds_of(options.rtol, options.atol)
        report = compare_pair(*sides, seed=options.seed, bounds=bounds, inputs=options.inputs)
    if options.html:
        write_page(options.html, report.as_json())
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    elif report.ok:
        print_pair(report)
    else:
        print_findings([str(f) for f in report.findings], report.notes)
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
    same = [
        list(a) == list(b) for a, b in zip(keras.interface[1:3], file.interface[1:3], strict=True)
    ]
    if keras.graph is None or not file.manifest or not all(same):
        return None
    if (options.rtol, options.atol) != (None, None):
        return None  # weights may be others, and outputs are to be as near as that
    from specc.verification.backends.names import backends_named
    from specc.verification.verify import verify_onnx

    return verify_onnx(
        keras.graph,
        keras.model,
        file.model,
        built=keras.built,
        provider=options.provider,
        seed=options.seed,
        file=file.path,
        layers=options.layers or options.html is not None,
        samples=options.evaluate,
        inputs=options.inputs,
        backends=backends_named(options.backends) if options.backends else (),
    )
