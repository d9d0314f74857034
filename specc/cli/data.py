"""`specc data`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from specc.cli.select import add_model_option, chosen_models, program_of, progress, progress_bar
from specc.files import UsageError

if TYPE_CHECKING:
    from specc.api import Model
    from specc.training.dataset import Dataset
    from specc.training.describe import ColumnInfo, PartInfo

EXAMPLES = """examples:
  specc data specs/digits_bn_after.spec
  specc data --json specs/digits_bn_after.spec

All samples are read. What does not fit the model or its loss is an error at the entry of the
`data` block that is at fault.

exit status: 0 where the data fit, 1 where they do not or cannot be read"""

SHOWN = 20
"""Classes that are counted in the table; with more, the smallest and the largest."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a spec with a data block")
    add_model_option(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Load the data of each model that has any, or of the one that is named."""
    from specc.training.describe import as_json, describe, parts_of
    from specc.training.load import load_dataset

    models = chosen_models(options, options.spec, options.model)
    program = program_of(options, options.spec)
    if not any(section.kind == "data" for section in program.sections):
        help = "`data digits { source = digits() }` is one"
        raise UsageError(f"`{options.spec}` has no data block", help)
    found: list[tuple[Model, Dataset, list[PartInfo]]] = []
    for model in models:
        with progress(f"loading the data of {model.name}"):
            dataset = load_dataset(program, model)
        columns = len(model.inputs) + len(model.outputs)
        total = sum(len(part) for part in parts_of(dataset).values()) * columns
        with progress_bar(f"looking through {dataset.name}", total) as advance:
            found.append((model, dataset, describe(dataset, model, advance)))
    if options.json:
        import json

        shown = [as_json(dataset, model, parts) for model, dataset, parts in found]
        print(json.dumps({"ok": True, "file": options.spec, "models": shown}, indent=2))
        return 0
    for model, dataset, parts in found:
        _print(options.spec, model, dataset, parts)
    return 0


def _print(spec: str, model: Model, dataset: Dataset, parts: list[PartInfo]) -> None:
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table

    from specc.cli.tables import WIDTH

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(box=HEAVY_HEAD)
    for title in ("Part", "Samples", "For", "Type", "Values"):
        table.add_column(title, justify="right" if title == "Samples" else "left", overflow="fold")
    for part in parts:
        first = (part.name, f"{part.samples:,}")
        for column in (*part.inputs, *part.targets):
            table.add_row(*first, column.name, column.type, _values(column))
            first = ("", "")
    console.print(f"{spec}: the data [bold]{dataset.name}[/] fit {model.name}")
    console.print(table)
    counted = [part for part in parts if part.targets and part.targets[0].counts]
    if counted:
        console.print(_classes(dataset, counted))
    for part in parts:
        how = "as arrays" if part.in_memory else "made batch by batch"
        console.print(f" {part.name}: {part.nbytes / 1e6:,.1f} MB, {how}")


def _values(column: ColumnInfo) -> str:
    if column.low is None or column.high is None:
        return "strings"
    text = f"{column.low:.6g} to {column.high:.6g}"
    if column.counts is None:
        return text
    return f"{text}; {min(column.counts):,} to {max(column.counts):,} a class"


def _classes(dataset: Dataset, parts: list[PartInfo]) -> object:
    """How many samples each part has of each class."""
    from rich.box import HEAVY_HEAD
    from rich.table import Table

    counts = [part.targets[0].counts or [] for part in parts]
    number = max(len(one) for one in counts)
    names = [str(index) for index in range(number)]
    if isinstance(dataset.classes, tuple):
        names = [*dataset.classes, *names[len(dataset.classes) :]]
    if number > SHOWN:
        return f" {number} classes; `--json` counts them"
    table = Table(box=HEAVY_HEAD)
    table.add_column("Class", overflow="fold")
    for part in parts:
        table.add_column(part.name, justify="right")
    for index, name in enumerate(names):
        table.add_row(name, *(f"{one[index]:,}" if index < len(one) else "0" for one in counts))
    return table
