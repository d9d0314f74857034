"""`specc run`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from specc.cli.select import (
    add_provider_option,
    positive,
    progress,
    progress_bar,
    refusals_in_one_line,
)

if TYPE_CHECKING:
    from specc.inference.interface import Rows
    from specc.inference.predictor import Predictor
    from specc.inference.write import Sink

SHOWN = 20
"""Samples that are run and shown where nothing is written."""

EXAMPLES = """examples:
  specc run build/bn_after.onnx --input images.npy                 the first samples, as a table
  specc run build/bn_after.onnx --input images.npy --output classes.csv
  specc run build/bn_after.onnx --input a.png b.png --scale 255    pixels 0..255 as 0..1
  specc run wide_and_deep.onnx --input wide=a.npy --input deep=b.npy --output out.npz
  cat images.npy | specc run build/bn_after.onnx --input - --json

Inputs are .npy (read batch by batch), .npz (arrays by the names of the inputs), .csv (a sample a
line, with or without a header) and images of the input's size, each a sample. Outputs are .npy,
.npz or .csv; the file appears when it is complete."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="MODEL.onnx", help="of specc or of another tool")
    parser.add_argument(
        "-i",
        "--input",
        action="extend",
        nargs="+",
        required=True,
        metavar="[NAME=]FILE",
        help="samples, for the input NAME where there are several; `-` is a .npy on standard input",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write the outputs of all samples: .npy, .npz, .csv"
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=32,
        metavar="N",
        help="how many samples run at a time (default: 32)",
    )
    parser.add_argument(
        "--scale", type=_divisor, metavar="X", help="divide floating-point inputs by this"
    )
    add_provider_option(parser)
    parser.add_argument("--json", action="store_true", help="print the outputs as JSON")


def _divisor(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < abs(number) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number to divide by")
    return number


def run(options: argparse.Namespace) -> int:
    """Run the model on the samples; print what it gives, or write it."""
    from specc.inference.predictor import load
    from specc.inference.read import read_inputs

    with progress(f"opening {options.file}"), refusals_in_one_line():
        predictor = load(options.file, options.provider)
    arrays = read_inputs(options.input, predictor.interface, options.scale)
    if options.output:
        _write(predictor, arrays, options)
    else:
        _show(predictor, arrays, options)
    return 0


def _run_all(
    predictor: Predictor, arrays: dict[str, Rows], total: int, sink: Sink, batch_size: int
) -> None:
    """Send the outputs of samples to a sink, and say on stderr where they are computed.

    Args:
        total: how many samples the files have.
    """
    count = predictor.interface.count(arrays)
    share = f"{count:,} of {total:,}" if count < total else f"{count:,}"
    noun = "sample" if total == 1 else "samples"
    print(f"{predictor.file}: {share} {noun} on {predictor.provider}", file=sys.stderr)
    with progress_bar("running", count) as advance:
        for batch in predictor.batches(arrays, batch_size):
            sink.put(batch)
            advance(batch.stop - batch.start)


def _write(predictor: Predictor, arrays: dict[str, Rows], options: argparse.Namespace) -> None:
    from specc.inference.write import writing

    interface = predictor.interface
    count = interface.count(arrays)
    with writing(options.output, interface, count, predictor.labels) as sink:
        _run_all(predictor, arrays, count, sink, options.batch_size)
    if options.json:
        from specc.cli.predictions import print_json

        print_json(predictor, count, written=options.output)
        return
    size = os.path.getsize(options.output)
    print(f"{options.output} written, {size / 1e6:.2f} MB")


def _show(predictor: Predictor, arrays: dict[str, Rows], options: argparse.Namespace) -> None:
    from specc.cli.predictions import print_json, print_table
    from specc.inference.predictor import Collected, empty

    interface = predictor.interface
    count = interface.count(arrays)
    if not options.json and all(port.type.batched for port in interface.outputs.values()):
        # Whole batches, where the file takes nothing else.
        batch = interface.batch or 1
        first = slice(-(-SHOWN // batch) * batch)
        arrays = {
            name: rows[first] if interface.inputs[name].type.batched else rows
            for name, rows in arrays.items()
        }
    outputs = Collected(interface, interface.count(arrays), empty)
    _run_all(predictor, arrays, count, outputs, options.batch_size)
    if options.json:
        print_json(predictor, count, outputs.arrays)
    else:
        print_table(predictor, count, outputs.arrays, SHOWN)
