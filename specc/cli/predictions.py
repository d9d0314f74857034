"""What a model gave, for people and for scripts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from specc.cli.tables import WIDTH

if TYPE_CHECKING:
    from specc.inference.interface import Array
    from specc.inference.predictor import Predictor

NUMBERS = 8
"""How many numbers of a row are shown."""

CLASSES = 3
"""How many of the classes are shown, the most probable first."""


def print_table(predictor: Predictor, count: int, outputs: dict[str, Array], most: int) -> None:
    """Print a row for each sample: its classes where an output looks like classes, or numbers.

    Args:
        count: how many samples there are; `outputs` may be of the first ones alone.
        most: how many samples are shown.
    """
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(box=HEAVY_HEAD)
    table.add_column("Sample", justify="right")
    columns: list[list[str]] = []
    others: dict[str, Array] = {}
    shown = min(count, most)
    for name, found in outputs.items():
        if not predictor.interface.batched or not found.ndim or len(found) < shown:
            others[name] = found
            continue
        labels = predictor.labels.get(name)
        if looks_like_classes(found, labels):
            table.add_column(Text(name), overflow="fold")
            table.add_column("value", justify="right")
            table.add_column("next", overflow="fold")
            columns += map(
                list, zip(*(_classes(row, labels) for row in found[:shown]), strict=True)
            )
        else:
            table.add_column(Text(name), overflow="fold")
            columns.append([_numbers(row) for row in found[:shown]])
    for number, cells in enumerate(zip(*columns, strict=True)):
        table.add_row(str(number), *map(Text, cells))
    if columns:
        console.print(table)
    for name, found in others.items():
        console.print(Text(f"{name}: {found.dtype}{list(found.shape)}: {_numbers(found)}"))
    if columns and count > shown:
        console.print(f"{count - shown:,} more; `--output FILE` writes what all of them give")


def looks_like_classes(found: Array, labels: tuple[str, ...] | None) -> bool:
    """Whether rows have names for their numbers, or are probabilities that sum to one."""
    if found.ndim != 2 or found.shape[1] < 2 or found.dtype.kind != "f":
        return False
    sums = found.astype("float64").sum(axis=1)
    return bool(labels) or bool((found >= 0).all() and (abs(sums - 1) < 1e-2).all())


def _classes(row: Array, labels: tuple[str, ...] | None) -> tuple[str, str, str]:
    """The class of a sample, its number, and the classes that come next."""
    order: list[int] = (-row).argsort(kind="stable")[:CLASSES].tolist()
    named = [(labels[i] if labels else str(i), f"{float(row[i]):.3f}") for i in order]
    return (*named[0], ", ".join(" ".join(pair) for pair in named[1:]))


def _numbers(row: Array) -> str:
    numbers = row.reshape(-1)
    texts = [f"{x:.4g}" if row.dtype.kind == "f" else str(x) for x in numbers[:NUMBERS].tolist()]
    more = f", … {numbers.size - NUMBERS:,} more" if numbers.size > NUMBERS else ""
    return ", ".join(texts) + more


def print_json(
    predictor: Predictor,
    count: int,
    outputs: dict[str, Array] | None = None,
    written: str | None = None,
) -> None:
    """Print outputs, or where they were written, as JSON; docs/inference.md says how."""
    content: dict[str, Any] = {
        "ok": True,
        "model": predictor.file,
        "provider": predictor.provider,
        "samples": count,
    }
    if written is not None:
        content["written"] = written
    if outputs is not None:
        labels = predictor.labels
        content["outputs"] = {name: _as_json(x, labels.get(name)) for name, x in outputs.items()}
    print(json.dumps(content, allow_nan=False))


def _as_json(found: Array, labels: tuple[str, ...] | None) -> dict[str, Any]:
    content: dict[str, Any] = {"dtype": str(found.dtype), "shape": list(found.shape)}
    if found.dtype.kind == "O":
        content["dtype"] = "string"
    if looks_like_classes(found, labels):
        classes: list[int] = found.argmax(axis=1).tolist()
        content["classes"] = classes
        if labels:
            content["labels"] = [labels[i] for i in classes]
    content["values"] = _with_nulls(found)
    return content


def _with_nulls(found: Array) -> Any:
    """Nested lists; JSON has no NaN and no infinity."""
    import numpy as np

    if found.dtype.kind != "f" or np.isfinite(found).all():
        return found.tolist()
    values = found.astype(object)
    values[~np.isfinite(found)] = None
    return values.tolist()
