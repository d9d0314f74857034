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
from specc.files import UsageError, check_writable, read_source, replacing
from specc.settings import Written
from specc.training.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from specc.training.compare import Comparison
    from specc.training.dataset import Dataset
    from specc.training.runs import Answer, Failure, Job, Outcome
    from specc.training.variants import Variant

EXAMPLES = """examples:
  specc compare specs/digits_bn_after.spec specs/digits_bn_before.spec --seeds 5
  specc compare mlp.spec --sweep units=100,300,500 --sweep depth=1,2
  specc compare a.spec b.spec --seeds 10 --metric loss --epochs 30 --json
  specc compare a.spec b.spec --html comparison.html     a page with plots
  specc compare a.spec b.spec --jobs 4                   four runs at a time, over the GPUs
  specc compare a.spec b.spec --ray auto                 over a Ray cluster

Each variant is trained with the seeds 0, 1, ..., on its own data and for its own number of epochs.
The first one is what the others are compared with, paired by seed. The same command again goes on
where it was interrupted; what is finished is not done again. Where a run fails the others go on,
and the same command tries it again."""

DIRECTORY = os.path.join("build", "compare")


class RunsFailed(UsageError):
    """Runs failed, and the specs are not at fault."""

    def __init__(self, message: str, help: str | None, status: int) -> None:
        super().__init__(message, help)
        self.status = status


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
        "--jobs",
        type=positive,
        metavar="N",
        help="make N runs at a time, each in a process of its own, with a GPU of its own where "
        "there are some",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="make the runs on a Ray cluster: its address, `auto` for that of this machine, or "
        "`local` to start one here; --jobs says how many at a time (default: as many as fit)",
    )
    parser.add_argument(
        "--no-latency", action="store_true", help="do not time the models in onnxruntime"
    )
    add_output_option(parser, DIRECTORY)
    parser.add_argument(
        "--html", metavar="FILE", help="write the comparison as a page that needs nothing else"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(options: argparse.Namespace) -> int:
    """Train every variant with every seed, and say what that tells."""
    from specc.training.machine import backend_wanted, choose_device
    from specc.training.runs import jobs_of, load_data
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
    if options.ray is not None and (options.device or "").startswith("gpu:"):
        raise UsageError(
            f"Ray says which GPU a run has, and `--device {options.device}` names one",
            "`--device gpu`, or `--device cpu`",
        )
    if options.html is not None:
        check_writable(options.html)
    notes = list(unlike(variants))
    if options.jobs != 1 and (options.jobs or options.ray):
        notes.append("several runs were made at a time, so that s/epoch is not that of a run alone")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    jobs = jobs_of(variants, range(options.seeds), options.output_dir, options.device)
    datasets = load_data(jobs)
    done: list[Outcome] = []
    failures: list[Failure] = []
    try:
        for answer in _answers(jobs, datasets, backend, options):
            _take(answer, done, failures, variants, len(jobs), options)
    except Stopped as stopped:
        said = f"stopped after {len(done)} of {len(jobs)} runs; the same command goes on from there"
        print(said, file=sys.stderr)
        return stopped.status
    if failures:
        raise _failed(failures, len(done))
    from specc.training.compare import judge, latencies, metric_of

    comparison = judge(variants, done, range(options.seeds), metric_of(done, options.metric))
    if not options.no_latency:
        choose_device(options.device, backend)
        times = latencies(variants, done, 1.0)
        for standing in comparison.standings:
            standing.latency = times[standing.variant]
    paths = _written(variants, comparison, notes, options)
    if options.json:
        from specc.training.compare import as_json

        print(json.dumps({**as_json(comparison), "written": paths}, indent=2))
    else:
        _print(comparison, paths)
    return 0


def _answers(
    jobs: list[Job], datasets: dict[str, Dataset], backend: str, options: argparse.Namespace
) -> Iterator[Answer]:
    """The runs, made as the options say."""
    if options.ray is not None or options.jobs is not None:
        datasets.clear()  # they were looked at; processes load their own
    if options.ray is not None:
        from specc.training.on_ray import on_ray

        return on_ray(jobs, options.ray, options.jobs)
    if options.jobs is not None:
        from specc.training.processes import in_processes

        return in_processes(jobs, options.jobs)
    from specc.training.machine import choose_device
    from specc.training.runs import in_turn

    choose_device(options.device, backend)
    return in_turn(jobs, datasets, Silent())


def _take(
    answer: Answer,
    done: list[Outcome],
    failures: list[Failure],
    variants: list[Variant],
    total: int,
    options: argparse.Namespace,
) -> None:
    """Keep what came of a run, and tell it."""
    from specc.training.compare import metric_of, write_results
    from specc.training.runs import Failure

    count = len(done) + len(failures) + 1
    begin = f"{count:>{len(str(total))}}/{total}  {answer.variant}, seed {answer.seed}: "
    if isinstance(answer, Failure):
        failures.append(answer)
        print(f"{begin}failed: {answer.said}", file=sys.stderr, flush=True)
        return
    done.append(answer)
    place = {variant.name: number for number, variant in enumerate(variants)}
    done.sort(key=lambda outcome: (outcome.seed, place[outcome.variant]))
    write_results(options.output_dir, variants, done, None)
    metric = metric_of(done, options.metric)
    how = "was there" if answer.already else "done"
    said = f"{begin}{metric} {answer.metrics[metric]:.4f}, {how}"
    print(said, file=sys.stderr, flush=True)


def _failed(failures: list[Failure], done: int) -> Exception:
    """The error that a comparison ends with where runs failed."""
    several = len(failures) != 1
    what = f"{len(failures)} run{'s' * several} failed, {done} are finished, and stay"
    diagnostics = [diagnostic for failure in failures for diagnostic in failure.diagnostics]
    if diagnostics:
        error = SpecError(diagnostics)
        error.aftermath = what
        return error
    first = next((f for f in failures if f.everyones), failures[0])
    where = f"{first.variant}, seed {first.seed}"
    help = "; ".join(filter(None, [first.help, f"the same command makes what is missing ({what})"]))
    return RunsFailed(f"{where}: {first.said}", help, first.status)


def _written(
    variants: list[Variant],
    comparison: Comparison,
    notes: list[str],
    options: argparse.Namespace,
) -> list[str]:
    """Write the results; their paths."""
    from specc.training.compare import write_results
    from specc.training.curves import draw_comparison

    done = comparison.outcomes
    paths = write_results(options.output_dir, variants, done, comparison)
    picture = os.path.join(options.output_dir, "curves.png")
    if draw_comparison({v.name: [o.history for o in done if o.variant == v.name] for v in variants},
                       comparison.metric, picture):  # fmt: skip
        paths.append(picture)
    if options.html is not None:
        from specc.training.page.render import page

        with replacing(options.html) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(page(comparison, notes))
        paths.append(options.html)
    return paths


def _print(comparison: Comparison, paths: list[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from specc.cli.tables import WIDTH

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    of = comparison.metrics_of
    count = len(comparison.seeds)
    seeds = f"{count} seed{'s' * (count != 1)}"
    console.print(f"{comparison.metric} of the {of} samples, {seeds}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for title in ("mean ± 95 %", "difference", "p", "params", "s/epoch", "latency"):
        table.add_column(title, justify="right")
    digits = comparison.decimals
    for standing in comparison.standings:
        difference = standing.difference
        table.add_row(
            standing.variant,
            _pair(*standing.metric, digits),
            ""
            if difference is None
            else _pair(difference.mean, difference.half, digits, sign=True),
            "" if difference is None or math.isnan(difference.p) else f"{difference.p:.2g}",
            f"{standing.params:,}",
            "" if standing.seconds_per_epoch is None else f"{standing.seconds_per_epoch:.3g}",
            "" if standing.latency is None else f"{standing.latency * 1e6:,.0f} us",
        )
    console.print(table)
    for sentence in comparison.verdict.split("; "):
        console.print(sentence)
    console.print(f"written: {', '.join(paths)}", soft_wrap=True)


def _pair(mean: float, half: float, digits: int, *, sign: bool = False) -> str:
    first = f"{mean:+.{digits}f}" if sign else f"{mean:.{digits}f}"
    return first if math.isnan(half) else f"{first} ± {half:.{digits}f}"
