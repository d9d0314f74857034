"""`specc bench`."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from specc.cli.select import (
    add_model_option,
    chosen_models,
    positive,
    progress,
    progress_bar,
    refusals_in_one_line,
)
from specc.files import UsageError

if TYPE_CHECKING:
    from specc.inference.bench import Plan

PROVIDERS = ("auto", "cpu", "cuda", "cuda-tf32", "tensorrt")

EXAMPLES = """examples:
  specc bench build/bn_after.onnx
  specc bench build/bn_after.onnx --batch 1,32,256 --threads 1,4
  specc bench build/bn_after.onnx --provider cpu,cuda --seconds 5 --json
  specc bench build/bn_after.onnx --against specs/bn_after.spec       Keras, on the same inputs

Every configuration has its share of five rounds, one after another. p50 is the median of the
rounds' medians, and the spread says how far these are apart: a difference that is smaller than the
spread is none."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="MODEL.onnx", help="of specc or of another tool")
    parser.add_argument(
        "--batch", type=_positives, metavar="N,N", help="sizes of batches (default: 1,32)"
    )
    parser.add_argument(
        "--threads",
        type=_positives,
        metavar="N,N",
        help="threads on the CPU (default: as many as there are cores)",
    )
    parser.add_argument(
        "--provider",
        "--device",
        type=_providers,
        default=["auto"],
        metavar="NAME,NAME",
        help=f"where onnxruntime runs, of {', '.join(PROVIDERS)} (default: auto)",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=2.0,
        metavar="S",
        help="how long each configuration is timed (default: 2)",
    )
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        type=_size,
        metavar="AXIS=N",
        help="the size of an axis that the file leaves open; may be given several times",
    )
    parser.add_argument(
        "--against", metavar="FILE", help="time Keras too: a spec with fresh weights, or a .keras"
    )
    add_model_option(parser)
    parser.add_argument("--json", action="store_true", help="print the times as JSON")


def _positives(text: str) -> list[int]:
    return list(dict.fromkeys(positive(part.strip()) for part in text.split(",")))


def _providers(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in PROVIDERS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(PROVIDERS)}")
    return list(dict.fromkeys(names))


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return number


def _size(text: str) -> tuple[str, int]:
    name, equals, number = text.rpartition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"`{text}` is not of the form AXIS=N")
    return name, positive(number)


def run(options: argparse.Namespace) -> int:
    """Time every configuration and print what was found."""
    from specc.cli.timings import as_json, print_timings
    from specc.inference.bench import plan
    from specc.inference.timing import ROUNDS, measure

    threads: list[int] = options.threads or [cores()]
    with progress(f"opening {options.file}") as say:
        with refusals_in_one_line():
            ways = plan(
                options.file,
                providers=options.provider,
                threads=threads,
                batches=options.batch,
                sizes=dict(options.size),
            )
        if options.against:
            say(f"building {options.against}")
            ways = _with_keras(ways, threads, options)
    with progress_bar("timing", ROUNDS * len(ways.calls), alive=False) as advance:
        timings = measure(ways.calls, options.seconds, advance=advance)
    if options.json:
        report = as_json(timings, ways.not_run, file=options.file, seconds=options.seconds)
        print(json.dumps(report, indent=2))
    else:
        print_timings(timings, ways.not_run, file=options.file, seconds=options.seconds)
    return 0


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_keras(ways: Plan, threads: list[int], options: argparse.Namespace) -> Plan:
    from specc.inference.bench import keras_calls, prepare_tensorflow

    # TensorFlow has one number of threads for a process.
    prepare_tensorflow(max(threads))
    found = keras_calls(_keras_model(options), ways.inputs)
    return ways._replace(calls={**ways.calls, **found})


def _keras_model(options: argparse.Namespace) -> Any:
    from specc.backends.weights import fresh_keras, load_keras

    path: str = options.against
    if path.endswith(".keras"):
        return load_keras(path)
    models = chosen_models(options, path, options.model)
    if len(models) != 1:
        names = ", ".join(model.name for model in models)
        raise UsageError(f"`{path}` has several models: {names}", "choose one with --model")
    return fresh_keras(models[0].graph, seed=0)
