"""`specc check`."""

from __future__ import annotations

import argparse
import gc

from specc.cli.select import add_program_options, program_of
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.graph import Graph

EXAMPLES = """examples:
  specc check specs/bn_after.spec
  specc check specs/*.spec
  specc check examples/resnet.spec -p classes=100
  specc check --json specs/bn_after.spec"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="+", metavar="SPEC", help="a spec to check")
    add_program_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Check every spec; all are checked before any mistake is reported."""
    status = _run(options)
    # At its end Python looks through every object for cycles. For a spec of 20,000 layers
    # that takes half as long as checking it, and the process is about to be gone.
    gc.freeze()
    return status


def _run(options: argparse.Namespace) -> int:
    diagnostics: list[Diagnostic] = []
    checked: list[tuple[str, Graph]] = []
    blocks: list[tuple[str, int]] = []
    """Files of blocks alone, with their number."""
    for path in options.specs:
        try:
            program = program_of(options, path)
            checked += [(path, model.graph) for model in program.models]
            if not program.models:
                blocks.append((path, len(program.module.file.blocks)))
        except SpecError as error:
            diagnostics += error.diagnostics
    if diagnostics:
        raise SpecError(diagnostics)
    if options.json:
        import json

        print(json.dumps({"ok": True, "models": [_as_json(*item) for item in checked]}, indent=2))
        return 0
    for path, number in blocks:
        print(f"{path}: {_counted(number, 'block')}, read and checked where a model uses them")
    for path, graph in checked:
        total, trainable, _ = graph.params
        types = f"{_types(graph, 'inputs')} -> {_types(graph, 'outputs')}"
        held = len(graph.expectations)
        expectations = f", {_counted(held, 'expectation')} met" if held else ""
        print(
            f"{path}: {graph.name} is sound: {types}, {_counted(len(graph.layers), 'layer')}, "
            f"{total:,} parameters ({trainable:,} trainable){expectations}"
        )
    return 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _types(graph: Graph, which: str) -> str:
    tensors = graph.inputs if which == "inputs" else graph.outputs
    return ", ".join(str(tensor.type) for tensor in tensors)


def _as_json(path: str, graph: Graph) -> dict[str, object]:
    return {
        "file": path,
        "model": graph.name,
        "inputs": {tensor.name: str(tensor.type) for tensor in graph.inputs},
        "outputs": {
            name: str(tensor.type)
            for name, tensor in zip(graph.output_names, graph.outputs, strict=True)
        },
        "layers": len(graph.layers),
        "params": graph.params._asdict(),
        "expectations": len(graph.expectations),
    }
