"""The same inputs through Keras and onnxruntime, and every parameter accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from specc.backends.adopt import adopt
from specc.backends.export import Exported, Exporter, origin_of
from specc.backends.keras_model import BuiltModel, assign, build_keras
from specc.backends.native.precision import Precision, round_to
from specc.backends.native.precision_rules import LOWER
from specc.backends.native.widened import widened
from specc.backends.opened import Apart
from specc.backends.quantize import Stored
from specc.backends.read import load_onnx
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.files import UsageError
from specc.graph import Graph
from specc.inference.interface import numpy_dtype, read_interface
from specc.inference.samples import Samples
from specc.verification.attribute import each_layer
from specc.verification.backends.side_by_side import Trial, compare_backends
from specc.verification.batchnorm import Sides, audit_file, audit_statistics
from specc.verification.differences import keras_outputs
from specc.verification.given import accuracy_of, is_given, samples_of_graph
from specc.verification.inputs import Case
from specc.verification.lowered import LowOutcome, LowSide, round_inputs, round_weights
from specc.verification.outputs import Outcome, Side, cases_for, compare_outputs, open_file
from specc.verification.parameters import (
    compare_constants,
    compare_parameters,
    exported_initializers,
    layer_reports,
    read_initializers,
)
from specc.verification.quantized import (
    MIN_SNR,
    compare_weights,
    compare_with_float32,
    judge,
    samples_for,
)
from specc.verification.reference import OWN, RANDOMISED, Reference
from specc.verification.report import BackendReport, LowReport, Report, Tolerance
from specc.verification.tf32 import may_use_tf32
from specc.verification.tolerance import Bounds, Rounding, gates, rounding_steps

Array = np.ndarray[Any, Any]


def verify_onnx(
    graph: Graph,
    keras_model: Any,
    onnx_model: onnx.ModelProto | str | os.PathLike[str],
    *,
    provider: str = "auto",
    seed: int = 0,
    file: str = "the ONNX model",
    exporter: Exporter | None = None,
    built: BuiltModel | None = None,
    reference: Reference | None = None,
    samples: str | None = None,
    min_snr: float = MIN_SNR,
    layers: bool = False,
    inputs: str | Samples | None = None,
    backends: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
    bounds: Bounds | None = None,
) -> Report:
    """Compare an ONNX model with a Keras model of the same graph.

    First the parameters, each by itself; then the outputs, with the weights as they are and
    with randomised ones: fresh biases and statistics are zeros and ones, which hide errors.

    Args:
        provider: where onnxruntime runs.
        seed: of the inputs and of the randomised weights.
        file: what messages call the ONNX model.
        exporter: one for this graph, where the caller has it already.
        built: the Keras model paired with the graph, where the caller has that already.
        reference: all that is Keras's, where several files of a model are compared with it.
        samples: a file of samples to judge weights in 8 bits with, and for the accuracy of those
            and of a lower precision.
        min_snr: what has to be left of outputs with such weights, in dB.
        layers: check each layer by itself too, whether the outputs agree or not.
        inputs: samples, or a file of them, to run besides drawn inputs, with the weights as they
            are; where they have labels, the accuracy of both sides is told.
        backends: what else to run the model on, of `backends.names.BACKENDS`.
        say: told which of them is run.
        bounds: a tolerance for outputs that is set by hand, in the place of what rounding explains.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where the Keras model is not of this graph, or a file cannot be read.
    """
    model = load_onnx(onnx_model)
    origin = origin_of(model)
    if reference is None:
        built = built or adopt(graph, keras_model)
        exporter = exporter or Exporter(
            built, graph.span.source, origin.opset, origin.via, origin.without, origin.precision
        )
        reference = Reference(built, exporter, seed, keep=bool(backends))
    exporter, seed = reference.exporter, reference.seed
    if bounds is not None and origin.quantized is not None:
        raise UsageError(
            "a tolerance is for outputs, and weights in 8 bits are judged by their noise",
            "`--min-snr` sets a bound for them",
        )
    expected = reference.expected
    wanted = exported_initializers(expected)
    found = read_initializers(model)
    whole: dict[str, Stored] = {}
    if origin.quantized is not None:
        diagnostics, whole = compare_weights(graph, expected.accounting, wanted, model, file)
    else:
        diagnostics = compare_parameters(graph, expected.accounting, wanted, found, file)
        if exporter.precision is not None:
            diagnostics += compare_constants(graph, expected.accounting, wanted, found, file)
    audited = Sides(graph, exporter.variables, reference.own, expected.accounting, wanted, found)
    diagnostics = audit_file(audited, expected.skeleton, model) + diagnostics
    if not expected.accounting.closes:
        diagnostics.append(errors.sum_does_not_close(graph.span, graph.name))
    given = samples_of_graph(graph, inputs) if isinstance(inputs, str) else inputs
    quantized = None
    interface = _compare_interface(graph, expected.skeleton, model, file)
    if interface is not None:
        ran_on = str(open_file(model, provider, file).provider)
        outcome = Outcome([], 0, ran_on, [interface])
    else:
        # Of weights in 8 bits, what they were made of is compared with Keras.
        compared = model if origin.quantized is None else expected.model
        sides = _sides(reference, compared)
        outcome = compare_outputs(graph, sides, provider, seed, file, given, bounds)
        if origin.quantized is not None and not outcome.diagnostics:
            quantized, lost = judge(
                graph, expected.model, model, origin.quantized, whole, samples, min_snr,
                provider=provider, seed=seed, file=file,
            )  # fmt: skip
            outcome.diagnostics.extend(lost)
    exact = origin.quantized is None and exporter.precision is None
    checked = each_layer(reference, model, provider) if layers and exact and not interface else []
    compared_on: list[BackendReport] = []
    if backends and not interface:
        if not exact:
            raise UsageError(
                "backends are compared in the spec's own precision, and with its weights"
            )
        trials = [
            Trial(weights, number, case, is_given(case, given))
            for weights in (OWN, RANDOMISED)
            for number, case in enumerate(cases_for(graph, seed, weights, given))
        ]
        models = {side.weights: side.file.whole() for side in _sides(reference, model)}
        compared_on, wrong = compare_backends(
            reference, models, trials, backends, say, bounds, given
        )
        outcome.diagnostics.extend(wrong)
    lower = None
    if expected.lowered is not None and exporter.precision is not None:
        lower = LowReport(exporter.precision, expected.lowered, outcome.low or LowOutcome())
        if samples is not None and not outcome.diagnostics:
            lower.accuracy = _accuracy(
                graph, expected.exact.model, model, exporter.precision, samples, provider, file
            )
    return Report(
        graph.name,
        outcome.provider,
        outcome.runs,
        outcome.undefined,
        expected.accounting,
        layer_reports(graph, expected.accounting, set(whole)),
        Tolerance(
            Rounding(rounding_steps(graph.nodes), gates(graph.nodes)),
            may_use_tf32(outcome.provider),
            bounds,
        ),
        _one_error_each(diagnostics, outcome.diagnostics),
        lower=lower,
        quantized=quantized,
        backends=compared_on,
        checks=checked,
        warnings=audit_statistics(audited),
        given=given,
        accuracy=_both_accuracies(reference, model, given, provider, file)
        if given is not None and given.labels is not None and not interface
        else None,
    )


def _both_accuracies(
    reference: Reference, model: onnx.ModelProto, samples: Samples, provider: str, file: str
) -> tuple[float, float]:
    """The share of labelled samples that Keras has right, and the file."""
    session = open_file(model, provider, file)
    ports = read_interface(session, file).inputs

    def run_file(feeds: dict[str, Array]) -> Array:
        # A file of lower precision may take its own type.
        own = {name: array.astype(numpy_dtype(ports[name])) for name, array in feeds.items()}
        return next(iter(session.run(own).values()))

    def run_keras(feeds: dict[str, Array]) -> Array:
        return keras_outputs(reference.built, Case("given", 0, feeds))[0]

    return accuracy_of(samples, run_keras), accuracy_of(samples, run_file)


def _accuracy(
    graph: Graph,
    exact: onnx.ModelProto,
    model: onnx.ModelProto,
    precision: Precision,
    file_of_samples: str,
    provider: str,
    file: str,
) -> tuple[float, float] | None:
    """The share of samples that is right before and after, with every value rounded."""
    lower = LOWER[precision.to]
    samples = samples_for(exact, file_of_samples)
    twin = widened(model, lower, rounding=True)

    def rounding(array: Array) -> Array:
        return round_inputs(array, lower) if precision.io == "same" else array

    return compare_with_float32(graph, exact, twin, samples, provider, 0, file, rounding)[2]


def _one_error_each(parameters: list[Diagnostic], outputs: list[Diagnostic]) -> list[Diagnostic]:
    """What is wrong with the parameters, then with the outputs.

    A layer whose weights are wrong has wrong outputs too: that is one mistake, and what it does
    to the outputs becomes a note.
    """
    by_place = {diagnostic.primary.span: diagnostic for diagnostic in parameters}
    others: list[Diagnostic] = []
    for diagnostic in outputs:
        cause = by_place.get(diagnostic.primary.span)
        if cause is None:
            others.append(diagnostic)
        else:
            cause.notes += diagnostic.notes[:1]
    return parameters + others


def _compare_interface(
    graph: Graph, expected: onnx.ModelProto, model: onnx.ModelProto, file: str
) -> Diagnostic | None:
    """Whether the file takes and gives what the spec says: names, dtypes and sizes."""
    initializers = {i.name for i in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    for what, wanted, found in (
        ("inputs", list(expected.graph.input), inputs),
        ("outputs", list(expected.graph.output), list(model.graph.output)),
    ):
        names = [[value.name for value in values] for values in (wanted, found)]
        if names[0] != names[1]:
            return errors.interface_differs(graph.span, what, file, *names)
        if not all(_takes(have, want) for want, have in zip(wanted, found, strict=True)):
            types = [[_described(value) for value in values] for values in (wanted, found)]
            return errors.interface_differs(graph.span, what, file, *types)
    return None


def _takes(have: onnx.ValueInfoProto, want: onnx.ValueInfoProto) -> bool:
    """Whether a port has the dtype, and a size that is as free or as fixed as it should be."""
    if have.type.tensor_type.elem_type != want.type.tensor_type.elem_type:
        return False
    if not have.type.tensor_type.HasField("shape"):
        return True
    sizes = have.type.tensor_type.shape.dim
    expected = want.type.tensor_type.shape.dim
    return len(sizes) == len(expected) and all(
        not size.HasField("dim_value") or size.dim_value == said.dim_value
        for size, said in zip(sizes, expected, strict=True)
    )


def _described(value: onnx.ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    sizes = [d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?")
             for d in tensor.shape.dim]  # fmt: skip
    dtype = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    return f"{value.name}: {dtype}[{', '.join(sizes)}]"


def _sides(reference: Reference, model: onnx.ModelProto) -> Iterator[Side]:
    """The file with its own weights, then with randomised ones.

    A file of lower precision is compared as its twin in float32 first, with the weights as they
    are before rounding: what is wrong there is no matter of rounding.
    """
    exporter = reference.exporter
    lower = LOWER[exporter.precision.to] if exporter.precision else None
    rounded = build_keras(reference.built.graph) if lower is not None else None

    def side(weights: str, file: Apart, arrays: list[Array], exported: Exported) -> Side:
        sound = exported.exact
        if lower is None or rounded is None:
            return Side(weights, file, reference, sound)
        assign(rounded, round_weights(arrays, lower))
        low = file.whole()
        twin = widened(low, lower, exported_initializers(sound))
        return Side(weights, Apart.of(twin), reference, sound, LowSide(low, rounded, lower, twin))

    reference.load(OWN)
    yield side(OWN, Apart.of(model), reference.own, reference.expected)
    reference.load(RANDOMISED)
    exported = reference.expected_randomised
    replaced = Apart.of(model).replaced(_randomised(exported, model, lower))
    yield side(RANDOMISED, replaced, reference.randomised, exported)


def _randomised(
    exported: Exported, model: onnx.ModelProto, lower: ir.DataType | None
) -> dict[str, Array]:
    """What stands for the initializers of a file when the weights are randomised.

    Only for parameters: the constants of the file are the file's own, and under test.
    """
    tensors = {t.name or "": t for t in exported.exact.tensors}
    found: dict[str, Array] = {}
    for proto in model.graph.initializer:
        tensor = tensors.get(proto.name)
        if tensor is None or list(proto.dims) != list(tensor.shape.numpy()):
            continue
        if proto.data_type == tensor.dtype:
            found[proto.name] = tensor.numpy()
        elif lower is not None and proto.data_type == lower:
            found[proto.name] = round_to(tensor.numpy(), lower)
    return found
