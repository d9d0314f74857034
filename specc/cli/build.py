"""`specc build`."""

from __future__ import annotations

import argparse
import json
import os

from specc.api import Model
from specc.cli.select import (
    add_model_option,
    add_output_option,
    add_seed_option,
    chosen_models,
    progress,
    saying_what_was_written,
)
from specc.cli.tables import print_summary, summary_as_json
from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError, replacing
from specc.manifest import as_text, manifest
from specc.semantics.expectations import check_expectations

EXAMPLES = """examples:
  specc build specs/bn_after.spec               writes build/bn_after.keras and .json
  specc build specs/bn_after.spec -o models
  specc build specs/bn_after.spec --seed 42     other fresh weights"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC")
    add_model_option(parser)
    add_output_option(parser)
    add_seed_option(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Check, build, compare and write each model of the spec."""
    results: list[dict[str, object]] = []
    written: list[str] = []
    with saying_what_was_written(written):
        models = chosen_models(options, options.spec, options.model)
        for model in models:
            path = os.path.join(options.output_dir, f"{model.name}.keras")
            build_model(model, path, options.seed)
            written.append(path)
    for index, (model, path) in enumerate(zip(models, written, strict=True)):
        if options.json:
            results.append({**summary_as_json(model.graph, options.spec), "written": path})
            continue
        if index:
            print()
        print_summary(model.graph, options.spec)
        held = len(model.graph.expectations)
        expectations = f", {held} expectation{'s' * (held != 1)} met" if held else ""
        print(f" Keras agrees with the spec on every layer{expectations}.")
        print(f" Written: {path} and {os.path.splitext(path)[0]}.json")
    if options.json:
        print(json.dumps({"ok": True, "models": results}, indent=2))
    return 0


def build_model(model: Model, path: str, seed: int) -> None:
    """Build a model, prove that Keras agrees with the checker, and write it with a manifest.

    Raises:
        SpecError: where Keras disagrees or an expectation does not hold; nothing is written.
    """
    from specc.backends.compare import compare_with_keras, measure_keras
    from specc.backends.keras_model import build_keras

    graph = model.graph
    text_path = os.path.splitext(path)[0] + ".json"
    for target in (path, text_path):
        # Known before either of the two is replaced: they belong together.
        if os.path.isdir(target):
            raise UsageError(f"cannot write `{target}`: it is a directory")
    with progress(f"building {model.name} with Keras"):
        built = build_keras(graph, seed=seed)
        diagnostics = compare_with_keras(built)
        diagnostics = diagnostics or check_expectations(graph, measure_keras(built))
        if diagnostics:
            raise SpecError(diagnostics)
        content = manifest(graph, model.source, {"seed": seed})
        with replacing(path) as model_file, replacing(text_path) as text:
            built.keras_model.save(model_file)
            with open(text, "w", encoding="utf-8") as file:
                file.write(as_text(content))
