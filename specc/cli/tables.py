"""The summary that Keras users know, as a table and as data."""

from __future__ import annotations

import sys
from typing import Any

from specc.graph import Graph, GraphLayer
from specc.types import TensorType

WIDTH = 100
"""Columns where the output is no terminal."""

BYTES_OF_A_PARAMETER = 4
"""Every variable of the catalogue is float32 today."""


def print_summary(graph: Graph, title: str, *, variables: bool = False) -> None:
    """Print layer, output shape and parameters, and the totals; with `variables` each of them."""
    from rich.box import HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    chain = _is_chain(graph)
    table = Table(box=HEAVY_HEAD)
    table.add_column("Layer (type)", overflow="fold")
    table.add_column("Output Shape", overflow="fold")
    table.add_column("Param #", justify="right")
    if variables:
        table.add_column("Trainable")
    if not chain:
        table.add_column("Connected to", overflow="fold")

    def row(name: Text, shape: str, params: int, trainable: str, connected: str) -> None:
        cells: list[Any] = [name, shape, f"{params:,}"]
        cells += [trainable] if variables else []
        table.add_row(*cells, *([] if chain else [connected]))

    for tensor in graph.inputs:
        row(_title(tensor.name, "InputLayer"), _batched(tensor.type), 0, "", "-")
    for layer in graph.layers:
        shapes = ", ".join(_batched(tensor.type) for tensor in layer.outputs)
        sources = ", ".join(_sources(layer))
        row(_title(layer.name, layer.kind), shapes, layer.params.total, "", sources)
        if variables:
            for v in layer.variables:
                name = Text(f"  {v.name}", style="dim")
                row(name, str(v.shape), v.size, "yes" if v.trainable else "no", "")
    console.print(f'Model: "{graph.name}"', style="bold", end="")
    console.print(f"  ({title})")
    console.print(table)
    for label, number in zip(("Total", "Trainable", "Non-trainable"), graph.params, strict=True):
        console.print(
            f" {label} params: [bold]{number:,}[/] ({_size(number * BYTES_OF_A_PARAMETER)})"
        )


def _title(name: str, kind: str) -> Any:
    from rich.text import Text

    return Text.assemble(name, " (", (kind, "cyan"), ")")


def _batched(type_: TensorType) -> str:
    """A shape as Keras's summary shows it, the unknown batch size first."""
    sizes = [*(["None"] if type_.batched else []), *(str(size) for size in type_.shape)]
    return f"({', '.join(sizes)})" if len(sizes) > 1 else "(None,)"


def _is_chain(graph: Graph) -> bool:
    previous = graph.inputs[0]
    for node in graph.nodes:
        if len(node.layer.nodes) > 1 or node.taken != [previous] or len(node.outputs) > 1:
            return False
        previous = node.outputs[0]
    return len(graph.inputs) == 1


def _sources(layer: GraphLayer) -> list[str]:
    """The layers and inputs that feed a layer, over all its uses."""
    return [
        tensor.node.layer.name if tensor.node else tensor.name
        for node in layer.nodes
        for tensor in node.taken
    ]


def _size(number: int) -> str:
    size = float(number)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"


def summary_as_json(graph: Graph, file: str) -> dict[str, Any]:
    """The summary as JSON-serialisable data; shapes are without the batch axis."""
    return {
        "file": file,
        "model": graph.name,
        "inputs": {tensor.name: _type(tensor.type) for tensor in graph.inputs},
        "outputs": {
            name: _type(tensor.type)
            for name, tensor in zip(graph.output_names, graph.outputs, strict=True)
        },
        "layers": [
            {
                "name": layer.name,
                "type": layer.kind,
                "outputs": [_type(tensor.type) for tensor in layer.outputs],
                "params": layer.params._asdict(),
                "line": layer.line,
                "inputs": _sources(layer),
                "variables": [
                    {
                        "name": v.name,
                        "shape": list(v.shape),
                        "dtype": v.dtype,
                        "trainable": v.trainable,
                        "params": v.size,
                    }
                    for v in layer.variables
                ],
            }
            for layer in graph.layers
        ],
        "params": graph.params._asdict(),
    }


def _type(type_: TensorType) -> dict[str, Any]:
    return {"dtype": type_.dtype, "shape": list(type_.shape)}
