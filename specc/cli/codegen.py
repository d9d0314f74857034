"""`specc codegen`."""

from __future__ import annotations

import argparse
import sys

from specc.cli.select import add_model_option, program_of
from specc.files import UsageError, replacing

EXAMPLES = """examples:
  specc codegen specs/bn_after.spec                     prints the Python file
  specc codegen specs/bn_after.spec -o bn_after.py      writes it
  specc codegen resnet.spec -p classes=100              with another default for a param
  specc codegen wide_and_deep.spec --model wide_and_deep

The file imports keras and nothing else. Run, it gives the layers, names and weights that
`specc build` gives; blocks are functions in it, loops are loops."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC")
    add_model_option(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write this file (default: standard output)"
    )


def run(options: argparse.Namespace) -> int:
    """Check the spec and write its models as Python; no framework is needed."""
    from specc.backends.keras_source import keras_source

    program = program_of(options, options.spec)
    models = program.models
    if options.model is not None:
        models = tuple([model for model in models if model.name == options.model])
        if not models:
            raise _no_such_model(options, [model.name for model in program.models])
    made = keras_source(program.module, [model.graph for model in models])
    if options.output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(made.text.encode())
    else:
        with (
            replacing(options.output) as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            file.write(made.text)
        print(f"written: {options.output}", file=sys.stderr)
    for name, reason in made.expanded.items():
        print(f"note: `{name}` is written without its structure: {reason}", file=sys.stderr)
    return 0


def _no_such_model(options: argparse.Namespace, names: list[str]) -> UsageError:
    from specc.diagnostics.suggest import closest

    guess = closest(options.model, names)
    hint = f"did you mean `{guess}`?" if guess else f"its models: {', '.join(names)}"
    return UsageError(f"`{options.spec}` has no model `{options.model}`", hint)
