"""`specc verify`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, cast

from specc.api import Model
from specc.cli import verify_files
from specc.cli.reduction import MIN_SNR, add_judging_options
from specc.cli.select import (
    OUTPUT_DIRECTORY,
    add_model_option,
    add_provider_option,
    add_seed_option,
    chosen_models,
    not_negative,
    program_of,
    progress,
)
from specc.files import UsageError
from specc.manifest import read_manifest

if TYPE_CHECKING:
    from specc.inference.samples import Samples

EXAMPLES = """examples:
  specc verify specs/bn_after.spec                       build/bn_after.onnx
  specc verify specs/bn_after.spec model.onnx --layers
  specc verify specs/bn_after.spec model.onnx --weights trained.keras --provider cuda
  specc verify specs/bn_after.spec --backends all        Keras on JAX and PyTorch, ...
  specc verify specs/bn_after.spec --data                on the data of the spec too
  specc verify model.onnx                                against its own manifest, without Keras
  specc verify a.onnx b.onnx                             two models, .onnx or .keras

Without --weights, Keras gets the weights that the file's manifest names: those of a seed, or of
a .keras file that is still there."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "spec", metavar="SPEC", help="a spec; or a model, to check by itself or beside another one"
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help=f"the file to verify (default: {OUTPUT_DIRECTORY}/MODEL.onnx); or a model to "
        "compare the first one with",
    )
    add_model_option(parser)
    parser.add_argument(
        "--weights", metavar="FILE.keras", help="the Keras model the file was exported from"
    )
    add_seed_option(parser, "the inputs drawn")
    add_provider_option(parser)
    add_judging_options(parser)
    parser.add_argument(
        "--layers", action="store_true", help="show each layer's parameters, and run it by itself"
    )
    parser.add_argument(
        "--rtol",
        type=_distance,
        metavar="X",
        help="how far outputs may be apart, as a share of each one's largest value; the sum of "
        "this and --atol takes the place of what rounding explains",
    )
    parser.add_argument(
        "--atol", type=_distance, metavar="X", help="the same in numbers, whatever they are"
    )
    parser.add_argument(
        "--inputs",
        metavar="FILE.npz",
        help="samples to run besides drawn inputs: an array for each input, by its name, and "
        "perhaps `labels`",
    )
    parser.add_argument(
        "--data",
        action="store_true",
        help="run samples of the spec's `data` block besides: those for the test, at most 1,000; "
        "nothing is downloaded",
    )
    parser.add_argument(
        "--backends",
        metavar="LIST",
        help="run the model elsewhere too: `all`, or some of tensorflow, jax, torch (Keras), cpu, "
        "cuda, cuda-tf32, tensorrt (the file in onnxruntime), reference (in ONNX's evaluator), "
        "native, tf2onnx (what that exporter writes)",
    )
    parser.add_argument(
        "--html", metavar="FILE", help="write the report as a page that needs nothing else"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(options: argparse.Namespace) -> int:
    """Compare the file with its spec's Keras model; the file is not changed."""
    from specc.backends.frameworks import give_back_memory

    give_back_memory()
    if verify_files.is_model(options.spec):
        return verify_files.run(options)
    if options.data and options.inputs:
        raise UsageError("--data and --inputs both give samples", "one at a time")
    models = chosen_models(options, options.spec, options.model)
    if len(models) != 1:
        names = ", ".join(model.name for model in models)
        raise UsageError(f"`{options.spec}` has several models: {names}", "choose one with --model")
    model = models[0]
    path: str = options.file or os.path.join(OUTPUT_DIRECTORY, f"{model.name}.onnx")
    if not options.file and not os.path.exists(path):
        raise UsageError(
            f"cannot read `{path}`: there is no such file",
            f"`specc export --onnx {options.spec}` writes it",
        )

    from specc.verification.backends.names import backends_named
    from specc.verification.tolerance import bounds_of
    from specc.verification.verify import load_onnx, verify_onnx

    backends = backends_named(options.backends) if options.backends else ()
    with progress(f"verifying {path}") as say:
        onnx_model = load_onnx(path)
        manifest = read_manifest({entry.key: entry.value for entry in onnx_model.metadata_props})
        keras_model = _keras_model(model, manifest, options.weights, path)
        report = verify_onnx(
            model.graph,
            keras_model,
            onnx_model,
            provider=options.provider,
            seed=options.seed,
            file=path,
            layers=options.layers or options.html is not None,
            samples=options.evaluate or _samples_of(manifest),
            inputs=_data(options, model) if options.data else options.inputs,
            backends=backends,
            say=say,
            bounds=bounds_of(options.rtol, options.atol),
            min_snr=MIN_SNR if options.min_snr is None else options.min_snr,
        )
    from specc.cli.reports import finish

    return finish(report, f"{path} agrees with Keras", options)


def _data(options: argparse.Namespace, model: Model) -> Samples:
    from specc.verification.data import samples_of_data

    program = program_of(options, options.spec)
    return samples_of_data(program, program.model(model.name))


def _distance(text: str) -> float:
    return not_negative(text, "number from 0 on")


def _samples_of(manifest: dict[str, Any]) -> str | None:
    """The file that weights in 8 bits were calibrated with, where it is still what it was."""
    from specc.backends.weights import describe_file

    said = manifest.get("quantized")
    recorded = cast("dict[str, Any]", said).get("samples") if isinstance(said, dict) else None
    if not isinstance(recorded, dict):
        return None
    entry = cast("dict[str, Any]", recorded)
    path = str(entry.get("file"))
    same = os.path.isfile(path) and describe_file(path)["sha256"] == entry.get("sha256")
    return path if same else None


def _keras_model(model: Model, manifest: dict[str, Any], weights: str | None, path: str) -> Any:
    """The Keras model with the weights that the file should hold.

    Raises:
        UsageError: where the file says that they are from a file that is gone or changed.
    """
    from specc.backends.weights import describe_file, fresh_keras, load_keras

    if weights is not None:
        return load_keras(weights, model.graph)
    found = manifest.get("weights")
    source = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if "file" not in source:
        seed = source.get("seed")
        return fresh_keras(model.graph, seed if isinstance(seed, int) else 0)
    recorded = str(source["file"])
    hint = f"`specc verify {model.source.name} {path} --weights FILE.keras`"
    if not os.path.isfile(recorded):
        raise UsageError(f"`{path}` was exported from `{recorded}`, which is not there", hint)
    if describe_file(recorded)["sha256"] != source.get("sha256"):
        raise UsageError(f"`{recorded}` has changed since `{path}` was exported from it", hint)
    return load_keras(recorded, model.graph)
