"""What several commands ask for: which model, where results go, progress on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from specc.api import Model, Program, compile_program
from specc.diagnostics.diagnostic import SpecError
from specc.files import DeviceError, UsageError, read_source

if TYPE_CHECKING:
    from specc.layers.base import Layer

OUTPUT_DIRECTORY = "build"


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Which model of a spec, with which parameters."""
    parser.add_argument("--model", metavar="NAME", help="only this model of the spec")
    add_program_options(parser)


def add_program_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="the value of a `param` of the spec; may be given several times",
    )
    add_python_option(parser)


def add_python_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-python",
        action="append",
        default=[],
        metavar="FILE",
        help="run this Python file and let the spec use the layers it defines",
    )


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise argparse.ArgumentTypeError(f"`{text}` is not of the form NAME=VALUE")
    return name.strip(), value


def program_of(options: argparse.Namespace, path: str) -> Program:
    """The compiled spec of a path, with the parameters and layers that were given.

    Raises:
        SpecError: where the spec is wrong.
        UsageError: where a file cannot be read, or there is no such parameter.
    """
    params: dict[str, Any] = {}
    if options.param:
        from specc.settings import Written

        params = {name: Written(value) for name, value in options.param}
    layers: dict[str, type[Layer]] = {}
    if options.allow_python:
        from specc.plugins import layers_of_files

        layers = layers_of_files(options.allow_python)
    return compile_program(read_source(path), params, layers)


def add_output_option(parser: argparse.ArgumentParser, default: str = OUTPUT_DIRECTORY) -> None:
    parser.add_argument(
        "-o",
        "--output-dir",
        metavar="DIR",
        default=default,
        help=f"where the files go (default: {default})",
    )


def add_provider_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--provider",
        "--device",
        choices=("auto", "cpu", "cuda", "cuda-tf32", "tensorrt"),
        default="auto",
        help="where onnxruntime runs (default: auto, a GPU where one works)",
    )


def add_seed_option(parser: argparse.ArgumentParser, what: str = "fresh weights") -> None:
    parser.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help=f"of {what} (default: 0)"
    )


def seed_number(text: str) -> int:
    """What NumPy and Keras take for a seed."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def not_negative(text: str, what: str) -> float:
    """A finite number from zero on, as an option's value.

    Args:
        what: what the message says that a wrong one is none of.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no {what}")
    return value


def positive(text: str) -> int:
    """A whole number above zero, as an option's value."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)


def chosen_models(options: argparse.Namespace, path: str, name: str | None) -> tuple[Model, ...]:
    """The models of a spec, or the one that was asked for.

    Raises:
        UsageError: where the spec has no model of that name.
    """
    program = program_of(options, path)
    if not program.models:
        raise UsageError(f"`{path}` has no model", "its blocks are for models that import it")
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


@contextmanager
def progress_bar(what: str, total: int, *, alive: bool = True) -> Generator[Callable[[int], None]]:
    """Show on a terminal's stderr how far something has come.

    Gives a function that is told by how much it has come further.

    Args:
        alive: draw it several times a second, which takes time of what is being done; else
            only where that function is called.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=alive) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int) -> None:
            bar.advance(task, done)
            if not alive:
                bar.refresh()

        yield advance


@contextmanager
def refusals_in_one_line() -> Generator[None]:
    """Say why a device is not to be had, and what helps, in one line: what scripts log."""
    try:
        yield
    except DeviceError as error:
        raise DeviceError(f"{error}; {error.help}" if error.help else str(error)) from None
