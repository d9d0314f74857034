"""`specc summary`."""

from __future__ import annotations

import argparse

from specc.cli.select import add_model_option, chosen_models
from specc.cli.tables import print_summary, summary_as_json

EXAMPLES = """examples:
  specc summary specs/bn_after.spec
  specc summary specs/bn_after.spec --variables
  specc summary specs/bn_after.spec --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC")
    add_model_option(parser)
    parser.add_argument(
        "--variables",
        action="store_true",
        help="show each variable with its shape and whether it is trainable",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(options: argparse.Namespace) -> int:
    """Check the spec and print the summary of its models; no framework is needed."""
    models = chosen_models(options, options.spec, options.model)
    if options.json:
        import json

        summaries = [summary_as_json(model.graph, options.spec) for model in models]
        print(json.dumps({"ok": True, "models": summaries}, indent=2))
        return 0
    for index, model in enumerate(models):
        if index:
            print()
        print_summary(model.graph, options.spec, variables=options.variables)
    return 0
