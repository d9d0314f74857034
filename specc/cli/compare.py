"""`specc compare`."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from typing import TYPE_CHECKING

from specc.api import Program, compile_program
from specc.cli.select import add_output_option, positive
from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError, read_source
from specc.settings import Written
from specc.training.progress import Silent

if TYPE_CHECKING:
    from specc.training.compare import Comparison, Outcome
    from specc.training.variants import Variant

EXAMPLES = """examples:
  specc compare specs/digits_bn_after.spec specs/digits_bn_before.spec --seeds 5
  specc compare mlp.spec --sweep units=100,300,500 --sweep depth=1,2
  specc compare a.spec b.spec --seeds 10 --metric val_loss --epochs 30 --json

Each variant is trained with the seeds 0, 1, ..., on its own data and for its own number of epochs.
The first one is what the others are compared with, paired by seed. The same command again goes on
where it was interrupted; what is finished is not done again."""

DIRECTORY = os.path.join("build", "compare")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="+", metavar="SPEC")
    parser.add_argument(
        "--seeds", type=positive, default=5, metavar="N", help="how many runs of each (default: 5)"
    )
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="NAME=V1,V2",
        help="a variant for each value of a `param`; several give every combination",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME",
        help="what is compared (default: the first metric that is not the loss)",
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="instead of what specs say")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="the same")
    parser.add_argument(
        "--backend",
        choices=("tensorflow", "jax", "torch"),
        help="what Keras computes with (default: KERAS_BACKEND, or else tensorflow)",
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, gpu or gpu:1")
    parser.add_argument(
        "--no-latency", action="store_true", help="do not time the models in onnxruntime"
    )
    add_output_option(parser)
    parser.set_defaults(output_dir=DIRECTORY)
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(options: argparse.Namespace) -> int:
    """Train every variant with every seed, and say what that tells."""
    from specc.training.machine import backend_wanted, choose_device
    from specc.training.signals import Stopped
    from specc.training.variants import sweep_of, unlike, variants_of

    def read(path: str, params: dict[str, str]) -> Program:
        values = {name: Written(value) for name, value in params.items()}
        return compile_program(read_source(path), values)

    backend = options.backend or backend_wanted()
    variants = variants_of(
        options.specs,
        sweep_of(options.sweep),
        read,
        epochs=options.epochs,
        batch_size=options.batch_size,
        backend=backend,
    )
    if len(variants) < 2:
        raise UsageError(
            f"`{variants[0].name}` alone is nothing to compare", "a second spec, or `--sweep`"
        )
    for note in unlike(variants):
        print(f"note: {note}", file=sys.stderr)
    choose_device(options.device, backend)
    from specc.training.compare import latencies

    done: list[Outcome] = []
    try:
        comparison = _compared(variants, options, done)
    except Stopped as stopped:
        total = len(variants) * options.seeds
        said = f"stopped after {len(done)} of {total} runs; the same command goes on from there"
        print(said, file=sys.stderr)
        return stopped.status
    except SpecError as error:
        error.aftermath = f"{len(done)} runs are finished, and stay"
        raise
    if not options.no_latency:
        times = latencies(variants, done, 1.0)
        for standing in comparison.standings:
            standing.latency = times[standing.variant]
    from specc.training.compare import as_json, write_results
    from specc.training.curves import draw_comparison

    paths = write_results(options.output_dir, variants, done, comparison)
    picture = os.path.join(options.output_dir, "curves.png")
    if draw_comparison({v.name: [o.history for o in done if o.variant == v.name] for v in variants},
                       comparison.metric, picture):  # fmt: skip
        paths.append(picture)
    if options.json:
        print(json.dumps({**as_json(comparison), "written": paths}, indent=2))
    else:
        _print(comparison, paths)
    return 0


def _compared(
    variants: list[Variant], options: argparse.Namespace, done: list[Outcome]
) -> Comparison:
    """Run what is to be run; what is finished is in `done` also where this is interrupted."""
    from specc.training.compare import judge, metric_of, run_variants, write_results

    seeds = range(options.seeds)
    total = len(variants) * len(seeds)
    for outcome in run_variants(variants, seeds, options.output_dir, Silent()):
        done.append(outcome)
        write_results(options.output_dir, variants, done, None)
        metric = metric_of(done, options.metric)
        how = "was there" if outcome.already else "done"
        print(
            f"{len(done):>{len(str(total))}}/{total}  {outcome.variant}, seed {outcome.seed}: "
            f"{metric} {outcome.metrics[metric]:.4f}, {how}",
            file=sys.stderr,
            flush=True,
        )
    return judge(variants, done, list(seeds), metric_of(done, options.metric))


def _print(comparison: Comparison, paths: list[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from specc.cli.tables import WIDTH

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    of = comparison.metrics_of
    console.print(f"{comparison.metric} of the {of} samples, {len(comparison.seeds)} seeds")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for title in ("mean ± 95 %", "difference", "p", "params", "s/epoch", "latency"):
        table.add_column(title, justify="right")
    for standing in comparison.standings:
        difference = standing.difference
        table.add_row(
            standing.variant,
            _pair(*standing.metric),
            "" if difference is None else _pair(difference.mean, difference.half, sign=True),
            "" if difference is None or math.isnan(difference.p) else f"{difference.p:.2g}",
            f"{standing.params:,}",
            "" if standing.seconds_per_epoch is None else f"{standing.seconds_per_epoch:.3g}",
            "" if standing.latency is None else f"{standing.latency * 1e6:,.0f} us",
        )
    console.print(table)
    for sentence in comparison.verdict.split("; "):
        console.print(sentence)
    console.print(f"written: {', '.join(paths)}", soft_wrap=True)


def _pair(mean: float, half: float, *, sign: bool = False) -> str:
    first = f"{mean:+.4f}" if sign else f"{mean:.4f}"
    return first if math.isnan(half) else f"{first} ± {half:.4f}"
