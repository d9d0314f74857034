"""`specc export`."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from specc.api import Model
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
from specc.files import UsageError, replacing

if TYPE_CHECKING:
    from specc.verification.report import Report

SPECS = "specs"

EXAMPLES = """examples:
  specc export --onnx                                every spec under specs/
  specc export --onnx specs/bn_after.spec            writes build/bn_after.onnx
  specc export --onnx specs/bn_after.spec --weights trained.keras
  specc export --onnx specs/bn_after.spec --via native"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--onnx", action="store_true", help="export to ONNX")
    parser.add_argument(
        "specs", nargs="*", metavar="SPEC", help=f"specs to export (default: {SPECS}/*.spec)"
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
        "--opset", type=int, default=18, metavar="N", help="ONNX operator set (default: 18)"
    )
    parser.add_argument(
        "--via",
        choices=("tf2onnx", "native"),
        default="tf2onnx",
        help="the exporter: tf2onnx, or specc's own, which folds normalizations into the layers "
        "beside them and knows stacks of dense layers so far; tf2onnx does what it does not know "
        "(default: tf2onnx)",
    )
    add_provider_option(parser)
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")


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
    reports: list[tuple[str, Report]] = []
    failures: list[Diagnostic] = []
    with saying_what_was_written(written):
        models = _models(paths, options)
        for model in models:
            target = os.path.join(options.output_dir, f"{model.name}.onnx")
            report = export_model(model, target, options)
            if not report.ok:
                failures += report.diagnostics
                continue
            written.append(target)
            reports.append((target, report))
            if not options.json:
                from specc.cli.reports import print_report

                size = os.path.getsize(target)
                print_report(report, f"{target} written, {size / 1e6:.2f} MB")
        if failures:
            raise SpecError(failures)
    if options.json:
        results = [{"written": target, **report.as_json()} for target, report in reports]
        print(json.dumps({"ok": True, "exports": results}, indent=2))
    return 0


def _models(paths: list[str], options: argparse.Namespace) -> list[Model]:
    """The models to export, each spec checked before the first export begins."""
    diagnostics: list[Diagnostic] = []
    models: list[Model] = []
    for path in paths:
        try:
            models += chosen_models(options, path, options.model)
        except SpecError as error:
            diagnostics += error.diagnostics
    if diagnostics:
        raise SpecError(diagnostics)
    first: dict[str, str] = {}
    for model in models:
        other = first.setdefault(model.name, model.source.name)
        if other != model.source.name:
            raise UsageError(
                f"`{other}` and `{model.source.name}` both have a model `{model.name}`",
                "export them one by one, to different directories (-o)",
            )
    if options.weights and len(models) != 1:
        raise UsageError(
            f"--weights is for one model, and these are {len(models)}",
            "name one spec, and one of its models with --model",
        )
    return models


def export_model(model: Model, target: str, options: argparse.Namespace) -> Report:
    """Export, check and verify one model; the file appears only where the report is good."""
    from specc.backends.adopt import adopt
    from specc.backends.export import Exporter, current_weights
    from specc.backends.weights import describe_file, fresh_keras, load_keras
    from specc.verification.verify import verify_onnx

    graph = model.graph
    with progress(f"exporting {model.name}") as say:
        weights: dict[str, Any] = {"seed": options.seed}
        if options.weights:
            weights = describe_file(options.weights)
            keras_model = load_keras(options.weights, graph)
        else:
            keras_model = fresh_keras(graph, options.seed)
        built = adopt(graph, keras_model)
        say(f"converting {model.name} to ONNX")
        exporter = Exporter(built, model.source, options.opset, options.via)
        if exporter.fallen_back:
            print(f"{model.name}: by tf2onnx, as {exporter.fallen_back}", file=sys.stderr)
        exported = exporter.export(current_weights(built), weights)
        try:
            with replacing(target) as temporary:
                exported.check()
                exported.write(temporary)
                say(f"verifying {model.name}")
                report = verify_onnx(
                    graph,
                    keras_model,
                    temporary,
                    provider=options.provider,
                    file=target,
                    exporter=exporter,
                )
                if not report.ok:
                    raise _Refused(report)
        except _Refused as refused:
            return refused.report
    return report


class _Refused(Exception):
    """Leaves the block that writes a file, so that the file does not appear."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report
