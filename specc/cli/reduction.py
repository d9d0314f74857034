"""Options of `specc export` and `specc verify` for files of fewer bits."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from specc.files import UsageError

if TYPE_CHECKING:
    from specc.backends.native.precision import Precision
    from specc.backends.quantize import Quantization

MIN_SNR = 10.0
"""As `verification.quantized` has it, which is not imported for `--help`."""


def add_reduction_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        choices=("float16", "bfloat16"),
        help="compute in this type, and store the weights in it; what would lose too much stays "
        "float32",
    )
    parser.add_argument(
        "--io",
        choices=("float32", "same"),
        help="with --precision: the type of inputs and outputs of floats, float32 or the same as "
        "inside (default: float32)",
    )
    parser.add_argument(
        "--quantize",
        choices=("int8",),
        help="store the weights in 8 bits and compute in whole numbers, by onnxruntime's quantizer",
    )
    parser.add_argument(
        "--calibrate",
        metavar="FILE",
        help="with --quantize: samples from which the ranges of values are taken (default: they "
        "are found in each run)",
    )
    add_judging_options(parser)


def add_judging_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--evaluate",
        metavar="FILE",
        help="samples to judge weights in 8 bits with (default: those it was calibrated with, else "
        "normal inputs); with `labels` the accuracy before and after, of a lower precision too",
    )
    parser.add_argument(
        "--min-snr",
        type=_decibels,
        metavar="DB",
        help="refuse weights in 8 bits whose outputs are less than this above the noise "
        f"(default: {MIN_SNR:g})",
    )


def _decibels(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of decibels")
    return number


def check_reduction(options: argparse.Namespace) -> None:
    """Refuse what does not go together.

    Raises:
        UsageError: where it does not.
    """
    if options.precision and options.quantize:
        raise UsageError(
            "--precision and --quantize are two ways to a smaller file", "one at a time"
        )
    if options.io and not options.precision:
        raise UsageError(
            "--io says what a file of lower precision takes and gives",
            "add `--precision float16` or `--precision bfloat16`",
        )
    if options.evaluate and not (options.precision or options.quantize):
        raise UsageError(
            "--evaluate is for files of fewer bits", "add `--precision float16`, `--quantize int8`"
        )
    for name in ("calibrate", "min_snr"):
        if getattr(options, name) is not None and not options.quantize:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for weights in 8 bits", "add `--quantize int8`")
    asked = "--precision" if options.precision else "--quantize" if options.quantize else None
    if asked and options.via != "native":
        raise UsageError(
            f"{asked} is for specc's own exporter, not for tf2onnx", "leave out `--via tf2onnx`"
        )
    if options.quantize and options.external_data:
        raise UsageError(
            "weights in 8 bits stay in the model's file", "leave out `--external-data`"
        )


def precision_of(options: argparse.Namespace) -> Precision | None:
    from specc.backends.native.precision import Precision

    return Precision(options.precision, options.io or "float32") if options.precision else None


def quantization_of(options: argparse.Namespace) -> Quantization | None:
    from specc.backends.quantize import Quantization

    if not options.quantize:
        return None
    least = MIN_SNR if options.min_snr is None else options.min_snr
    return Quantization(options.quantize, options.calibrate, least)
