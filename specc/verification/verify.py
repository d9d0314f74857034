"""The same inputs through Keras and onnxruntime, and every parameter accounted for."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.adopt import adopt
from specc.backends.export import DEFAULT_OPSET, Exporter, current_weights
from specc.backends.keras_model import BuiltModel, build_keras, pair_variables
from specc.backends.runtime import Output, Session, captured, open_session
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.files import UsageError, reason
from specc.graph import Graph
from specc.verification.attribute import first_difference
from specc.verification.inputs import Case, draw_cases, nudged
from specc.verification.parameters import compare_parameters, layer_reports, read_initializers
from specc.verification.report import Report, Run
from specc.verification.tolerance import rounding_steps, tolerance

Array = np.ndarray[Any, Any]


class Side(NamedTuple):
    """One set of weights: the file with them, and Keras with them in two precisions."""

    weights: str
    model: onnx.ModelProto
    keras32: BuiltModel
    """The model that the file is compared with."""
    fresh32: BuiltModel
    """One built from the spec. Where that is another model, its difference to `keras64` is
    rounding and nothing else, whatever `keras32` may be."""
    keras64: BuiltModel


def verify_onnx(
    graph: Graph,
    keras_model: Any,
    onnx_model: onnx.ModelProto | str | os.PathLike[str],
    *,
    provider: str = "auto",
    seed: int = 0,
    file: str = "the ONNX model",
    exporter: Exporter | None = None,
) -> Report:
    """Compare an ONNX model with a Keras model of the same graph.

    First the parameters, each by itself; then the outputs, with the weights as they are and
    with randomised ones: fresh biases and statistics are zeros and ones, which hide errors.

    Args:
        provider: where onnxruntime runs.
        seed: of the inputs and of the randomised weights.
        file: what messages call the ONNX model.
        exporter: one for this graph, where the caller has it already.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where the Keras model is not of this graph, or the file cannot be read.
    """
    model = load_onnx(onnx_model)
    built = adopt(graph, keras_model)
    exporter = exporter or Exporter(built, graph.span.source, _opset(model))
    own = current_weights(built)
    expected = exporter.export(own)
    wanted = read_initializers(expected.model)
    diagnostics = compare_parameters(
        graph, expected.accounting, wanted, read_initializers(model), file
    )
    if not expected.accounting.closes:
        diagnostics.append(errors.sum_does_not_close(graph.span, graph.name))
    interface = _compare_interface(graph, expected.model, model, file)
    if interface is not None:
        diagnostics.append(interface)
        runs, ran_on = list[Run](), _open(model, provider, file).provider
    else:
        sides = _sides(graph, built, model, exporter, own, seed)
        runs, ran_on, differing = _compare_outputs(graph, sides, provider, seed, file)
        diagnostics += differing
    return Report(
        graph.name,
        str(ran_on),
        runs,
        expected.accounting,
        layer_reports(graph, expected.accounting),
        diagnostics,
    )


def load_onnx(onnx_model: onnx.ModelProto | str | os.PathLike[str]) -> onnx.ModelProto:
    """An ONNX model from a file, or as it is.

    Raises:
        UsageError: where the file cannot be read or is no ONNX model.
    """
    if isinstance(onnx_model, onnx.ModelProto):
        return onnx_model
    path = os.fspath(onnx_model)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
    except Exception as error:  # protobuf's and the checker's own exceptions
        first = str(error).strip().splitlines()
        raise UsageError(
            f"`{path}` is not a valid ONNX model: {first[0] if first else error}"
        ) from None
    return model


def _opset(model: onnx.ModelProto) -> int:
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    return versions[0] if versions else DEFAULT_OPSET


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


def _sides(
    graph: Graph,
    built: BuiltModel,
    model: onnx.ModelProto,
    exporter: Exporter,
    own: list[Array],
    seed: int,
) -> Iterator[Side]:
    """The file with its own weights, then with randomised ones."""
    keras64 = build_keras(graph, dtype="float64")
    keras32 = build_keras(graph)
    _assign(keras64, own)
    _assign(keras32, own)
    yield Side("own", model, built, keras32, keras64)
    randomised = randomise(own, [v.name for v in exporter.variables], seed)
    _assign(keras32, randomised)
    _assign(keras64, randomised)
    replaced = onnx.ModelProto()
    replaced.CopyFrom(model)
    exported = exporter.export(randomised)
    values = {i.name: i for i in exported.model.graph.initializer}
    for initializer in replaced.graph.initializer:
        # Only parameters: the constants of the file are the file's own, and under test.
        if initializer.name not in exported.accounting.holdings:
            continue
        new = values[initializer.name]
        if new.dims == initializer.dims and new.data_type == initializer.data_type:
            initializer.CopyFrom(new)
    yield Side("randomised", replaced, keras32, keras32, keras64)


def _assign(built: BuiltModel, arrays: list[Array]) -> None:
    for (_, keras_variable), array in zip(pair_variables(built), arrays, strict=True):
        keras_variable.assign(array)


def randomise(arrays: list[Array], names: list[str], seed: int) -> list[Array]:
    """Weights with every constant vector replaced by random numbers.

    A weight whose numbers are all the same (a fresh bias, gamma, beta, moving mean or
    variance) could be dropped, swapped or misplaced unseen. Variances stay positive.
    """
    random = np.random.default_rng(seed)
    result: list[Array] = []
    for array, name in zip(arrays, names, strict=True):
        if array.dtype.kind != "f" or (array.size and np.ptp(array) > 0):
            result.append(array)
        elif "variance" in name or "stddev" in name:
            result.append(random.uniform(0.5, 2.0, array.shape).astype(array.dtype))
        else:
            noise = 0.3 * random.standard_normal(array.shape)
            result.append((array + noise).astype(array.dtype))
    return result


def _compare_outputs(
    graph: Graph, sides: Iterator[Side], provider: str, seed: int, file: str
) -> tuple[list[Run], str, list[Diagnostic]]:
    """Every case on both sides; the first failing one is traced to its layer."""
    steps = rounding_steps(graph)
    runs: list[Run] = []
    ran_on = ""
    for side in sides:
        session = _open(side.model, provider, file)
        ran_on = str(session.provider)
        for case in draw_cases(graph, seed):
            new = _run_case(graph, side, session, case, steps, seed, file)
            runs += new
            failed = next((run for run in new if not run.ok), None)
            if failed is not None:
                return runs, ran_on, [_trace(graph, side, case, failed, provider, file)]
    return runs, ran_on, []


def _open(model: onnx.ModelProto, provider: str, file: str) -> Session:
    with _blaming(file):
        return open_session(model.SerializeToString(), provider)


@contextmanager
def _blaming(file: str) -> Generator[None]:
    """Turn what onnxruntime raises into an error that names the file.

    Raises:
        UsageError: where the file is one that onnxruntime does not open or run.
    """
    try:
        with captured(Output()):  # it logs what it raises
            yield
    except UsageError:
        raise
    except Exception as error:  # onnxruntime has a class of its own for each of its states
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"onnxruntime cannot run {file}: {why}") from error


def _run_case(
    graph: Graph, side: Side, session: Session, case: Case, steps: float, seed: int, file: str
) -> list[Run]:
    with _blaming(file):
        found = session.run(case.inputs, session.output_names)
    single = _keras_outputs(side.keras32, case)
    fresh = single if side.fresh32 is side.keras32 else _keras_outputs(side.fresh32, case)
    double = _keras_outputs(side.keras64, case)
    moved = _keras_outputs(side.keras64, nudged(case, seed))
    runs: list[Run] = []
    for index, (name, have) in enumerate(found.items()):
        want, truth = single[index], double[index]
        error = _largest_difference(want, have)
        noise = _largest_difference(truth, fresh[index])
        scale = float(np.max(np.abs(truth), initial=0.0))
        sensitivity = _largest_difference(truth, moved[index])
        allowed = tolerance(steps, scale, sensitivity, noise)
        agreeing = _rows_agreeing(want, have, allowed)
        rows = int(np.prod(want.shape[:-1])) if want.ndim > 1 else want.size
        runs.append(
            Run(
                str(case),
                side.weights,
                graph.output_names[index] if index < len(graph.output_names) else name,
                error,
                error / scale if scale else error,
                allowed,
                noise,
                rows,
                agreeing,
            )
        )
    return runs


def _keras_outputs(built: BuiltModel, case: Case) -> list[Array]:
    inputs = [case.inputs[tensor.name] for tensor in built.graph.inputs]
    try:
        outputs = built.keras_model(inputs if len(inputs) > 1 else inputs[0], training=False)
    except Exception as error:  # TensorFlow has no kernel for some layers on some devices
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = re.sub(r"\x1b\[[0-9;]*m|\{\{.*?\}\} ?", "", " ".join(lines[:2]))
        raise UsageError(f"Keras cannot run `{built.graph.name}` on this machine: {why}") from error
    every = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output) for output in every]


def _largest_difference(want: Array, have: Array) -> float:
    """NaN where either side has one: NaN never passes. Equal infinities agree."""
    if want.shape != have.shape:
        return float("nan")
    a, b = want.astype(np.float64), have.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) & np.isinf(a), 0.0, np.abs(a - b))
    return float(np.max(difference, initial=0.0))


def _rows_agreeing(want: Array, have: Array, allowed: float) -> int:
    """Rows whose largest value is in one place, or whose two largest are too close to tell."""
    if want.shape != have.shape or want.ndim < 2 or want.shape[-1] < 2:
        return int(np.prod(want.shape[:-1])) if want.ndim > 1 else want.size
    a = want.reshape(-1, want.shape[-1]).astype(np.float64)
    b = have.reshape(-1, want.shape[-1])
    top = np.sort(a, axis=-1)
    with np.errstate(invalid="ignore"):
        undecided = top[:, -1] - top[:, -2] <= 2 * allowed
    return int(np.sum((a.argmax(-1) == b.argmax(-1)) | undecided))


def _trace(graph: Graph, side: Side, case: Case, run: Run, provider: str, file: str) -> Diagnostic:
    """The error for a failing case: the first layer that parts ways, by name and line."""
    parting = first_difference(side.keras32, side.model, case, provider)
    where = f"{case}, {side.weights} weights"
    if parting is None:
        span = graph.outputs[graph.output_names.index(run.output)].span
        return errors.outputs_differ(span, run.output, file, run.max_abs_error, run.allowed, where)
    return errors.layer_differs(
        parting.layer.span,
        parting.layer.name,
        file,
        parting.max_abs_error,
        where,
        parting.last_agreeing,
        f"output `{run.output}` is off by {run.max_abs_error:.2g}, allowed {run.allowed:.2g}",
    )
