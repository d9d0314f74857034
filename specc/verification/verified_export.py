"""An ONNX file that appears only where it has been verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from specc.backends.export import CurrentWeights, Exported, Exporter
from specc.backends.keras_model import BuiltModel
from specc.backends.native.passes.pipeline import Change
from specc.backends.native.precision import Precision
from specc.backends.quantize import Quantization, quantize
from specc.backends.read import is_large
from specc.backends.weights import describe_file
from specc.backends.write import data_beside, needs_data_file
from specc.files import UsageError, replacing
from specc.manifest import MANIFEST_KEY, RECORD_KEY
from specc.source import Source
from specc.verification.quantized import MIN_SNR, samples_for
from specc.verification.record import record
from specc.verification.reference import Reference
from specc.verification.report import Report
from specc.verification.verify import verify_onnx


class VerifiedExport(NamedTuple):
    """What came of an export."""

    report: Report
    changes: list[Change]
    fallen_back: str | None
    """Why tf2onnx did it, where the native exporter was asked for."""


def export_verified(
    built: BuiltModel,
    source: Source,
    target: str,
    weights: dict[str, Any] | None = None,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    opset: int | None = None,
    via: str = "native",
    without: Collection[str] = (),
    precision: Precision | None = None,
    quantization: Quantization | None = None,
    evaluate: str | None = None,
    external_data: bool = False,
    provider: str = "auto",
    say: Callable[[str], None] = lambda _: None,
) -> VerifiedExport:
    """Export a Keras model of a graph, check and verify the file, and give it its name.

    Where the report is bad, the path is as it was before.

    Args:
        weights: what the manifest says of where they are from.
        labels: the names of classes, by output, for the manifest.
        precision: a lower one than the spec's.
        quantization: how to store the weights in 8 bits.
        evaluate: a file of samples to judge the result with.
        external_data: write the weights to a file beside the model's, as is done in any case
            with more than 2 GB of them.
        say: told what is being done.

    Raises:
        UsageError, DeviceError: where a file cannot be written, or the provider is not to be had.
    """
    graph = built.graph
    say(f"converting {graph.name} to ONNX")
    exporter = Exporter(built, source, opset, via, without, precision)
    exported = exporter.export(CurrentWeights(built), weights, labels)
    exported.check()
    if quantization is not None:
        say(f"quantizing {graph.name}")
        exported = quantized_export(exported, quantization)
    if evaluate is not None:
        samples_for(exported.exact.model, evaluate)  # that it does not fit is better said at once
    reference = Reference(built, exporter)
    exported.say(RECORD_KEY, record(reference, exported))
    samples = evaluate or (quantization.calibrate if quantization else None)
    try:
        with data_beside(target) as data, replacing(target) as temporary:
            outside = external_data or needs_data_file(exported.tensors)
            exported.write(temporary, data if outside else None)
            say(f"verifying {graph.name}")
            report = verify_onnx(
                graph,
                built.keras_model,
                temporary,
                provider=provider,
                file=target,
                reference=reference,
                samples=samples,
                min_snr=quantization.min_snr if quantization else MIN_SNR,
            )
            if not report.ok:
                raise _Refused(report)
    except _Refused as refused:
        report = refused.report
    return VerifiedExport(report, exporter.changes, exporter.fallen_back)


def quantized_export(exported: Exported, how: Quantization) -> Exported:
    """An export with its weights in 8 bits, and that in its manifest."""
    original = exported.model
    batches = None
    samples: dict[str, Any] = {}
    if how.calibrate is not None:
        batches = list(samples_for(original, how.calibrate).batches())
        samples = {"samples": describe_file(how.calibrate)}
    made = quantize(original, batches)
    if is_large(made):
        raise UsageError(
            f"in 8 bits too the weights of `{made.graph.name}` are more than 2 GB, which one ONNX "
            "file cannot hold",
            "leave out `--quantize`, and they are written to a file beside it",
        )
    for entry in made.metadata_props:
        if entry.key == MANIFEST_KEY:
            said = {"to": how.to, "mode": how.mode, **samples}
            entry.value = json.dumps({**json.loads(entry.value), "quantized": said})
    return Exported(made, [], exported.accounting, exact=exported)


class _Refused(Exception):
    """Leaves the block that writes a file, so that the file does not appear."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report
