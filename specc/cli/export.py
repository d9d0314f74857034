"""`specc export`."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from specc.api import Model
from specc.cli.reduction import (
    add_reduction_options,
    check_reduction,
    precision_of,
    quantization_of,
)
from specc.cli.select import (
    add_model_option,
    add_output_option,
    add_provider_option,
    add_seed_option,
    chosen_models,
    progress,
    saying_what_was_written,
)
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.files import UsageError

if TYPE_CHECKING:
    from specc.backends.keras_model import BuiltModel
    from specc.source import Source
    from specc.verification.verified_export import VerifiedExport

SPECS = "specs"

PASSES = {
    "fold": "makes normalizations part of the layers beside them",
    "constants": "carries out operators on constants",
    "layout": "cancels transpositions between channels last and channels first",
    "reshapes": "joins reshapes",
    "concats": "joins concatenations of concatenations",
    "padding": "leaves paddings to convolutions",
    "clamps": "joins what bounds its input",
}
"""The native exporter's passes; `backends.native.passes.pipeline` has them, and a test that these
are the same.
"""

OPSET = 18
"""As `backends.export.DEFAULT_OPSET`, which is not imported for `--help`."""

EXAMPLES = """examples:
  specc export --onnx                                every spec under specs/
  specc export --onnx specs/bn_after.spec            writes build/bn_after.onnx
  specc export --onnx specs/bn_after.spec --weights trained.keras
  specc export --onnx specs/bn_after.spec --explain    what was folded, and into what
  specc export --onnx model.keras                    a Keras model without a spec
  specc export --onnx specs/bn_after.spec --via tf2onnx
  specc export --onnx specs/bn_after.spec --precision float16    half as large, for GPUs
  specc export --onnx specs/bn_after.spec --precision float16 --io same
  specc export --onnx specs/bn_after.spec --quantize int8        weights in 8 bits
  specc export --onnx specs/bn_after.spec --weights trained.keras --quantize int8 \\
               --calibrate train.npz --evaluate test.npz        ranges and accuracy from samples

What an `export` block of the spec says holds where no option says otherwise.

Files of samples are .npz with an array for each input, by its name, and perhaps `labels`; or .npy
where there is one input."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--onnx", action="store_true", help="export to ONNX")
    parser.add_argument(
        "specs",
        nargs="*",
        metavar="SPEC",
        help=f"specs to export, or models in .keras files (default: {SPECS}/*.spec)",
    )
    add_model_option(parser)
    parser.add_argument(
        "--weights",
        metavar="FILE.keras",
        help="a trained model of the spec (default: fresh weights)",
    )
    add_seed_option(parser)
    add_output_option(parser)
    parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help="ONNX operator set (default: what the spec's `export` block says, "
        f"else {OPSET}, or a later one where a layer needs it)",
    )
    parser.add_argument(
        "--via",
        choices=("native", "tf2onnx"),
        default="native",
        help="the exporter: specc's own, in which each layer lowers itself, or tf2onnx, which also "
        "does what the first one does not know (default: native)",
    )
    add_reduction_options(parser)
    for name, text in PASSES.items():
        parser.add_argument(
            f"--no-{name}",
            dest="without",
            action="append_const",
            const=name,
            default=[],
            help=f"do without the pass that {text}",
        )
    parser.add_argument(
        "--external-data",
        action="store_true",
        help="write the weights to a file beside the model's, MODEL-<hash>.data, as is done with "
        "more than 2 GB in any case",
    )
    parser.add_argument(
        "--explain", action="store_true", help="say what each pass changed, and where weights went"
    )
    add_provider_option(parser)
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")


class Job(NamedTuple):
    """A model to export."""

    name: str
    pair: Callable[[Callable[[str], None]], tuple[BuiltModel, dict[str, Any]]]
    """Makes or loads the Keras model, given what says how far it is; the model paired with its
    graph, and what the manifest says of the weights.
    """
    source: Source | None
    """None for a Keras model without a spec."""
    options: argparse.Namespace
    """Those of the command line, and what the spec says where they say nothing."""
    labels: dict[str, tuple[str, ...]]
    """The names of classes that the spec's data have, by output."""


def run(options: argparse.Namespace) -> int:
    """Export every model asked for; a file takes its name only after it has been verified."""
    if not options.onnx:
        raise UsageError("say what to export to", "`specc export --onnx`")
    paths = options.specs or sorted(glob.glob(os.path.join(SPECS, "*.spec")))
    if not paths:
        raise UsageError(
            f"there are no specs under `{SPECS}/`", "name one: `specc export --onnx SPEC`"
        )
    written: list[str] = []
    exports: list[tuple[str, VerifiedExport]] = []
    failures: list[Diagnostic] = []
    with saying_what_was_written(written):
        for job in _jobs(paths, options):
            target = os.path.join(options.output_dir, f"{job.name}.onnx")
            found = export_model(job, target)
            if not found.report.ok:
                failures += found.report.diagnostics
                continue
            written.append(target)
            exports.append((target, found))
            if not options.json:
                _print_report(target, found, options)
        if failures:
            raise SpecError(failures)
    if options.json:
        results = [
            {
                "written": target,
                "changes": [change._asdict() for change in found.changes],
                **found.report.as_json(),
            }
            for target, found in exports
        ]
        print(json.dumps({"ok": True, "exports": results}, indent=2))
    return 0


def _print_report(target: str, found: VerifiedExport, options: argparse.Namespace) -> None:
    from specc.cli.reports import print_changes, print_report

    size = os.path.getsize(target)
    print_report(found.report, f"{target} written, {size / 1e6:.2f} MB", layers=options.explain)
    if options.explain:
        print_changes(found.changes)


def _jobs(paths: list[str], options: argparse.Namespace) -> list[Job]:
    """The models to export, each spec checked before the first export begins."""
    diagnostics: list[Diagnostic] = []
    jobs: list[Job] = []
    for path in paths:
        if path.endswith(".keras"):
            jobs.append(_job_of_file(path, options))
            continue
        try:
            models = chosen_models(options, path, options.model)
            jobs += [_job_of_spec(model, options) for model in models]
        except SpecError as error:
            diagnostics += error.diagnostics
    if diagnostics:
        raise SpecError(diagnostics)
    first: dict[str, str] = {}
    for job in jobs:
        own = job.source.name if job.source else f"{job.name}.keras"
        other = first.setdefault(job.name, own)
        if other != own:
            raise UsageError(
                f"`{other}` and `{own}` both have a model `{job.name}`",
                "export them one by one, to different directories (-o)",
            )
    if options.weights and len(jobs) != 1:
        raise UsageError(
            f"--weights is for one model, and these are {len(jobs)}",
            "name one spec, and one of its models with --model",
        )
    return jobs


def _job_of_spec(model: Model, options: argparse.Namespace) -> Job:
    def pair(_: Callable[[str], None]) -> tuple[BuiltModel, dict[str, Any]]:
        from specc.backends.adopt import adopt
        from specc.backends.weights import describe_file, fresh_keras, load_keras

        if not options.weights:
            keras_model = fresh_keras(model.graph, options.seed)
            return adopt(model.graph, keras_model), {"seed": options.seed}
        weights = describe_file(options.weights)
        return adopt(model.graph, load_keras(options.weights, model.graph)), weights

    return Job(model.name, pair, model.source, with_block(model, options), model.labels)


def _job_of_file(path: str, options: argparse.Namespace) -> Job:
    check_reduction(options)
    if options.weights:
        raise UsageError(
            f"`{path}` has weights of its own", "--weights is for a model that a spec describes"
        )

    def pair(say: Callable[[str], None]) -> tuple[BuiltModel, dict[str, Any]]:
        from specc.backends.from_keras import from_keras
        from specc.backends.weights import describe_file, load_keras

        say(f"reading {path}")
        return from_keras(load_keras(path), path), describe_file(path)

    return Job(os.path.splitext(os.path.basename(path))[0], pair, None, options, {})


def by_block(model: Model, help: str) -> dict[str, Any]:
    """How `specc export --onnx` without an option exports a model: as its `export` block says.

    Args:
        help: what to do where the block asks for samples.

    Returns:
        Arguments of `export_verified`.

    Raises:
        UsageError: where it asks for samples.
    """
    parser = argparse.ArgumentParser()
    configure(parser)
    return arguments_of(with_block(model, parser.parse_args(["--onnx"]), help))


def arguments_of(options: argparse.Namespace) -> dict[str, Any]:
    """What options say, as arguments of `export_verified`."""
    return {
        "opset": options.opset,
        "via": options.via,
        "without": options.without,
        "precision": precision_of(options),
        "quantization": quantization_of(options),
        "evaluate": options.evaluate,
        "external_data": options.external_data,
        "provider": options.provider,
    }


def with_block(
    model: Model, options: argparse.Namespace, help: str = "name some: `--calibrate FILE`"
) -> argparse.Namespace:
    """The options, with what the model's `export` block says where these say nothing.

    Args:
        help: what to do where the block asks for samples, and there are none.

    Raises:
        UsageError: where the two together make no sense.
    """
    block = model.section("export")
    if block is None:
        check_reduction(options)
        return options
    entries = dict(block.entries)
    how = entries.pop("quantize", None)
    if entries.get("precision") == "float32":
        del entries["precision"]
    if how is not None:
        entries["quantize"] = "int8"
    if options.precision or options.quantize:
        entries = {k: v for k, v in entries.items() if k not in ("precision", "quantize")}
        how = None
    if how == "static" and not options.calibrate:
        raise UsageError(
            f'the `export` block of `{model.name}` says quantize = "static", which takes the '
            "ranges of values from samples",
            help,
        )
    both = argparse.Namespace(**vars(options))
    for name, value in entries.items():
        if not getattr(options, name):
            setattr(both, name, value)
    check_reduction(both)
    return both


def export_model(job: Job, target: str) -> VerifiedExport:
    """Export one model; its file appears only where the report is good."""
    from specc.backends.frameworks import give_back_memory
    from specc.verification.verified_export import export_verified

    give_back_memory()
    with progress(f"exporting {job.name}") as say:
        built, weights = job.pair(say)
        found = export_verified(
            built,
            job.source or built.graph.span.source,
            target,
            weights,
            labels=job.labels,
            **arguments_of(job.options),
            say=say,
        )
    if found.fallen_back:
        print(f"{job.name}: by tf2onnx, as {found.fallen_back}", file=sys.stderr)
    return found
