"""What several commands ask for: which model, where results go, progress on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from specc.api import Model, compile_program
from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError, read_source

OUTPUT_DIRECTORY = "build"


def add_model_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="only this model of the spec")


def add_output_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output-dir",
        metavar="DIR",
        default=OUTPUT_DIRECTORY,
        help=f"where the files go (default: {OUTPUT_DIRECTORY})",
    )


def add_provider_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--provider",
        choices=("auto", "cpu", "cuda", "tensorrt"),
        default="auto",
        help="where onnxruntime runs (default: auto, a GPU where one works)",
    )


def add_seed_option(parser: argparse.ArgumentParser, what: str = "fresh weights") -> None:
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help=f"of {what} (default: 0)"
    )


def _seed(text: str) -> int:
    """What NumPy and Keras take for a seed."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def chosen_models(path: str, name: str | None) -> tuple[Model, ...]:
    """The models of a spec, or the one that was asked for.

    Raises:
        UsageError: where the spec has no model of that name.
    """
    program = compile_program(read_source(path))
    if name is None:
        return program.models
    try:
        return (program.model(name),)
    except KeyError:
        from specc.diagnostics.suggest import closest

        names = [model.name for model in program.models]
        guess = closest(name, names)
        hint = f"did you mean `{guess}`?" if guess else f"its models: {', '.join(names)}"
        raise UsageError(f"`{path}` has no model `{name}`", hint) from None


@contextmanager
def saying_what_was_written(written: list[str]) -> Generator[None]:
    """Let a `SpecError` that ends the block tell what has been written before it."""
    try:
        yield
    except SpecError as error:
        error.aftermath = f"written: {', '.join(written)}" if written else "nothing was written"
        raise


@contextmanager
def progress(what: str) -> Generator[Callable[[str], None]]:
    """Say on a terminal's stderr what is being done, and take it back when it is done.

    Gives a function that changes what is said.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield status.update
