"""`specc train`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from specc.api import Model, Program
from specc.cli.select import (
    add_model_option,
    add_output_option,
    not_negative,
    positive,
    program_of,
    saying_what_was_written,
    seed_number,
)
from specc.cli.supervised import supervised
from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError
from specc.training.distribution import TIMEOUT, Distribution, Spread, layout_of, only_known
from specc.training.progress import Progress, Silent

if TYPE_CHECKING:
    from specc.training.engine import TrainedRun
    from specc.training.on_onnx import Exported

EXAMPLES = """examples:
  specc train specs/digits_bn_after.spec               writes build/digits_bn_after.keras, ...
  specc train specs/digits_bn_after.spec --export      and the verified build/digits_bn_after.onnx
  specc train specs/digits_bn_after.spec --epochs 50 --seed 1 -o build/seed1
  specc train specs/digits_bn_after.spec --backend jax
  specc train specs/digits_bn_after.spec --restart     forgets what was there
  specc train big.spec --distribute data               on all GPUs of this machine
  specc train big.spec --distribute data --backend jax --coordinator 10.0.0.1:4321 \\
      --processes 2 --process 0                        on two machines: 1 on the other one

The same command again goes on where a run was interrupted, or says that it is finished; with more
epochs it goes on too. Ctrl-C ends a run between two steps, with a checkpoint."""


OF_A_DISTRIBUTION = (
    "distribute", "devices", "coordinator", "processes", "process", "timeout", "layout", "split",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC")
    add_model_option(parser)
    add_output_option(parser)
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="instead of what the spec says; so are:"
    )
    parser.add_argument("--batch-size", type=positive, metavar="N")
    parser.add_argument("--seed", type=seed_number, metavar="N")
    parser.add_argument(
        "--deterministic",
        action="store_true",
        default=None,
        help="the same bits each time on the same machine, also on a GPU, where it takes longer",
    )
    parser.add_argument(
        "--backend",
        choices=("tensorflow", "jax", "torch"),
        help="what Keras computes with (default: KERAS_BACKEND, or else tensorflow)",
    )
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, gpu or gpu:1 (default: a GPU where one works)"
    )
    _add_distribution(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with an earlier run, and fail without one"
    )
    parser.add_argument("--restart", action="store_true", help="forget an earlier run")
    parser.add_argument(
        "--checkpoint-every",
        type=_seconds,
        metavar="SECONDS",
        help="0 for one after each step (default: as often as it takes a hundredth of the time)",
    )
    parser.add_argument("--export", action="store_true", help="write the verified ONNX file too")
    parser.add_argument("--no-progress", action="store_true", help="say nothing on the way")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_distribution(parser: argparse.ArgumentParser) -> None:
    spread = parser.add_argument_group("more than one device (docs/training.md)")
    spread.add_argument(
        "--distribute",
        choices=("data", "model"),
        help="data: a part of each batch on each device, all GPUs of the machine; TensorFlow and "
        "JAX. model: parts of the weights, as --layout says; only JAX",
    )
    spread.add_argument(
        "--devices",
        type=positive,
        metavar="N",
        help="so many of each process; without a GPU, part the CPU in N, to try it out",
    )
    spread.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="where process 0 is; `auto` under Slurm, Open MPI and Kubernetes. Only JAX",
    )
    spread.add_argument("--processes", type=positive, metavar="N", help="how many there are")
    spread.add_argument(
        "--process", type=_number, metavar="I", help="which one this is, from 0; 0 writes the files"
    )
    spread.add_argument(
        "--timeout",
        type=positive,
        metavar="SECONDS",
        help=f"to wait for other processes, and until one is lost (default: {TIMEOUT})",
    )
    spread.add_argument(
        "--layout",
        action="append",
        type=_layout,
        metavar="PATTERN=AXES",
        help="'dense.*/kernel=None,model' parts kernels by their columns; may be given repeatedly",
    )
    spread.add_argument(
        "--split",
        type=positive,
        metavar="N",
        help="part weights among N devices; groups of N share a batch (default: all devices)",
    )


def _layout(text: str) -> tuple[str, tuple[str | None, ...]]:
    try:
        return layout_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)


def _seconds(text: str) -> float:
    return not_negative(text, "number of seconds")


def run(options: argparse.Namespace) -> int:
    """Train a model of the spec."""
    if options.resume and options.restart:
        raise UsageError("--resume goes on with an earlier run and --restart forgets it")
    values = {name: getattr(options, name) for name in OF_A_DISTRIBUTION}
    if options.layout is not None:
        values["layout"] = dict(options.layout)
    wished = only_known(values)
    if wished is None or not wished.several:
        return _run(options, wished)

    def explain(number: int, log: str) -> UsageError:
        from specc.training.lost import lost
        from specc.training.outputs import paths_of

        program = program_of(options, options.spec)
        paths = paths_of(options.output_dir, _model(program, options).name)
        return lost(number, log, wished, paths.checkpoints)

    from specc.cli.main import outcome

    return supervised(lambda: outcome(lambda: _run(options, wished), as_json=options.json), explain)


def _run(options: argparse.Namespace, wished: Distribution | None) -> int:
    program = program_of(options, options.spec)
    model = _model(program, options)
    progress = _progress(options)
    trained, exported, status = _done(program, model, options, progress, wished)
    if trained is None:
        return status
    if options.json:
        print(json.dumps(_as_json(trained, exported), indent=2))
    else:
        _print(trained, exported)
    return 0


def _done(
    program: Program,
    model: Model,
    options: argparse.Namespace,
    progress: Progress,
    wished: Distribution | None,
) -> tuple[TrainedRun | None, Exported | None, int]:
    """The run, and the export where it was asked for; with the exit status where it was stopped."""
    from specc.training.load import load_dataset
    from specc.training.machine import backend_wanted, choose_device
    from specc.training.outputs import paths_of
    from specc.training.settings import settings_of
    from specc.training.signals import Stopped
    from specc.training.start import require_checkpoint

    backend = options.backend or backend_wanted()
    settings = settings_of(
        program,
        model,
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=options.seed,
        deterministic=options.deterministic,
        checkpoint_every=options.checkpoint_every,
        backend=backend,
    )
    paths = paths_of(options.output_dir, model.name)
    how = _export_of(model, paths.keras) if options.export else {}
    if options.resume and not (wished and wished.several):  # the first one will look
        require_checkpoint(paths.checkpoints)
    spread = None

    def choose() -> Spread:
        progress.say(f"loading {backend}")
        return choose_device(
            options.device, backend, deterministic=settings["deterministic"], wished=wished
        )

    try:
        if wished is not None:  # the others wait, and devices are parted before anything else
            spread = choose()
            if not spread.first:
                progress = Silent()
        progress.say("reading the data")
        dataset = load_dataset(program, model)
        spread = spread or choose()
        from specc.training.engine import train
        from specc.training.on_onnx import export_trained

        trained = train(
            model,
            dataset,
            settings,
            out=options.output_dir,
            restart=options.restart,
            resume=options.resume,
            progress=progress,
            spread=spread,
        )
        if not spread.first:
            return None, None, 0
        exported = None
        if options.export:
            progress.say(f"exporting {model.name}")
            written = [trained.paths.keras]
            with saying_what_was_written(written):
                exported = export_trained(model, dataset, settings, trained, how)
                if not exported.report.ok:
                    raise SpecError(exported.report.diagnostics)
        return trained, exported, 0
    except Stopped as stopped:
        progress.end()
        if spread is not None and not spread.first:
            return None, None, stopped.status
        where = f"after epoch {stopped.epoch}"
        if stopped.step:
            where = f"in epoch {stopped.epoch + 1}, after step {stopped.step}"
        print(f"stopped {where}; the same command goes on from there", file=sys.stderr)
        return None, None, stopped.status
    finally:
        progress.end()


def _export_of(model: Model, weights: str) -> dict[str, Any]:
    """How the model is exported, known before it is trained for hours."""
    from specc.cli.export import by_block

    words = f"specc export --onnx {model.source.name} --weights {weights} --calibrate FILE"
    return by_block(model, f"train without --export, then `{words}`")


def _model(program: Program, options: argparse.Namespace) -> Model:
    """The model to train: the one named, or the only one that has a `train` block.

    Raises:
        UsageError: where it is not clear which.
    """
    trained = {section.name for section in program.sections if section.kind == "train"}
    names = [model.name for model in program.models if model.name in trained]
    if options.model is not None:
        for model in program.models:
            if model.name == options.model:
                return model
        every = ", ".join(model.name for model in program.models)
        raise UsageError(f"`{options.spec}` has no model `{options.model}`", f"its models: {every}")
    if len(names) > 1:
        raise UsageError(
            f"`{options.spec}` says of {len(names)} models how they are trained",
            f"name one with --model: {', '.join(names)}",
        )
    if not names:
        raise UsageError(
            f"`{options.spec}` does not say how a model is trained",
            "write a block `train NAME { ... }` with an optimizer and a loss",
        )
    return program.model(names[0])


def _progress(options: argparse.Namespace) -> Progress:
    from specc.cli.training_progress import Lines, Terminal

    if options.no_progress:
        return Silent()
    return Terminal() if sys.stderr.isatty() else Lines()


def _print(trained: TrainedRun, exported: Exported | None) -> None:
    from specc.cli.training_progress import figures

    how = f"{len(trained.history)} epoch{'s' * (len(trained.history) != 1)}"
    if trained.stopped_early:
        how += ", stopped early"
    if trained.already:
        how += " before; nothing was done (--restart forgets that, more --epochs go on)"
    print(f"{trained.model}: trained, {how}")
    print(f"  {trained.metrics_of:<11} {figures(trained.metrics)}")
    if trained.seconds_per_epoch is not None:
        print(f"  time        {trained.seconds_per_epoch:.3g} s an epoch")
    paths = trained.paths
    files = [paths.keras, paths.manifest, paths.history]
    if trained.curves:
        files.append(paths.curves)
    print(f"  written     {', '.join(files)}")
    if exported is not None:
        from specc.cli.reports import print_report

        print_report(exported.report, f"{paths.onnx} written")
        if exported.metrics:
            print(f"  {exported.metrics_of} in onnxruntime: {figures(exported.metrics)}")


def _as_json(trained: TrainedRun, exported: Exported | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ok": True,
        "model": trained.model,
        "epochs": len(trained.history),
        "already": trained.already,
        "resumed": trained.resumed,
        "stopped_early": trained.stopped_early,
        "metrics": trained.metrics,
        "metrics_of": trained.metrics_of,
        "seconds_per_epoch": trained.seconds_per_epoch,
        "history": trained.history,
        "written": trained.paths.keras,
    }
    if exported is not None:
        found["export"] = {
            "written": trained.paths.onnx,
            "metrics": exported.metrics,
            **exported.report.as_json(),
        }
    return found
