"""A file with weights in 8 bits against the float32 model that it was made of.

Each weight must be the nearest that its scale allows. For the outputs there is no bound that is
both honest and of use: what eight bits lose depends on the ranges of values all along the way. So
it is measured, and too much is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import onnx

from specc.backends.fold import Accounting
from specc.backends.opened import open_model
from specc.backends.quantize import Stored, stored_in_8_bits
from specc.backends.runtime import blaming
from specc.backends.silence import Output, captured
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.graph import Graph
from specc.inference.interface import read_interface
from specc.inference.samples import Samples, read_samples
from specc.records import record
from specc.verification.inputs import draw_cases
from specc.verification.parameters import compare_parameters, read_initializers

Array = np.ndarray[Any, Any]

MIN_SNR = 10.0
"""In dB. A rounding of normally distributed numbers to 8 bits leaves about 41 dB; a thousand of
them, one behind the other, would leave this."""

DRAWN = 8
"""How often inputs are drawn where there are no samples."""


@record
class Figure:
    """How far an output is from the float32 model's."""

    output: str
    snr: float | None
    """The variance of the output's numbers against the power of the differences, in dB; infinite
    where there are none, None where the output is not of floats."""
    max_abs_error: float
    rows: int
    """Rows with an arg-max, or of an output that is not of floats."""
    rows_agreeing: int


@record
class QuantizedReport:
    """What quantizing changed."""

    to: str
    mode: str
    """"dynamic" or "static"."""
    samples: str
    """What was run: a file, or inputs drawn."""
    count: int
    figures: list[Figure]
    min_snr: float | None
    """What was asked for at least; None where the samples at hand are no fit to judge by."""
    elements: int
    """Parameters that are whole numbers in the file."""
    scales: int
    """The scales and zero points of them."""
    accuracy: tuple[float, float] | None = None
    """Before and after, where there are labels."""

    def as_json(self) -> dict[str, Any]:
        return {
            **{key: value for key, value in vars(self).items() if key != "figures"},
            "figures": [
                {k: str(v) if v in (float("inf"), -float("inf")) else v for k, v in vars(f).items()}
                for f in self.figures
            ],
        }


def compare_weights(
    graph: Graph,
    accounting: Accounting,
    expected: Mapping[str, Array],
    model: onnx.ModelProto,
    file: str,
) -> tuple[list[Diagnostic], dict[str, Stored]]:
    """What differs in the weights beyond half a step of their scales; and those in 8 bits."""
    stored = stored_in_8_bits(model)
    found = read_initializers(model)
    whole = {name: item for name, item in stored.items() if name in accounting.holdings}
    rest = {n: h for n, h in accounting.holdings.items() if n not in whole}
    others = Accounting(accounting.parameters, rest, accounting.constants)
    diagnostics = compare_parameters(graph, others, expected, found, file)
    for name, item in whole.items():
        want = expected[name].astype(np.float64)
        where = graph.layer(name.split("/")[0]).span
        if want.shape != item.numbers.shape:
            said = f"{list(item.numbers.shape)}", f"{list(want.shape)}"
            diagnostics.append(errors.parameter_reshaped(where, name, file, *said))
            continue
        # The quotient by the scale is one of float32, which may fall to the other side.
        allowed = item.step / 2 + np.abs(want) * 2.0**-22
        different = ~(np.abs(want - item.numbers) <= allowed)
        count = int(different.sum())
        if count:
            index = np.unravel_index(int(np.argmax(different)), want.shape)
            diagnostics.append(
                errors.quantized_differs(
                    where,
                    name,
                    file,
                    [int(i) for i in index],
                    float(item.numbers[index]),
                    float(want[index]),
                    float(item.step[index]),
                    f"{count:,} of {want.size:,} numbers differ",
                )
            )
    return diagnostics, whole


def judge(
    graph: Graph,
    original: onnx.ModelProto,
    model: onnx.ModelProto,
    said: Mapping[str, Any],
    whole: Mapping[str, Stored],
    samples_file: str | None,
    min_snr: float,
    *,
    provider: str,
    seed: int,
    file: str,
) -> tuple[QuantizedReport, list[Diagnostic]]:
    """Measure a file against its original, and refuse what has lost too much.

    Ranges that were taken from samples are judged by samples alone: inputs that are drawn may lie
    far outside of them.

    Args:
        said: what the manifest says of the quantization.
        whole: the weights in 8 bits.
    """
    samples = None if samples_file is None else samples_for(original, samples_file)
    figures, count, accuracy = compare_with_float32(
        graph, original, model, samples, provider, seed, file
    )
    what = f"`{samples.file}`" if samples else "normal inputs"
    mode = "static" if said.get("mode") == "static" else "dynamic"
    judged = mode == "dynamic" or samples is not None
    lost = too_far(graph, figures, min_snr, count, what, file) if judged else []
    report = QuantizedReport(
        str(said.get("to", "int8")),
        mode,
        what,
        count,
        figures,
        min_snr if judged else None,
        sum(item.numbers.size for item in whole.values()),
        sum(item.scales for item in whole.values()),
        accuracy,
    )
    return report, lost


def samples_for(model: onnx.ModelProto, file: str) -> Samples:
    """The samples in a file, for a model of float32."""
    session = open_model(model, "cpu")
    return read_samples(file, read_interface(session, model.graph.name))


def compare_with_float32(
    graph: Graph,
    original: onnx.ModelProto,
    model: onnx.ModelProto,
    samples: Samples | None,
    provider: str,
    seed: int,
    file: str,
    rounding: Callable[[Array], Array] = lambda x: x,
) -> tuple[list[Figure], int, tuple[float, float] | None]:
    """The figures of each output, from how many samples, and the accuracy before and after.

    Args:
        rounding: what becomes of the inputs of the second model.
    """
    with captured(Output()), blaming(file):
        sessions = [open_model(m, provider) for m in (original, model)]
        outputs: list[list[list[Array]]] = [[], []]
        for batch in _drawn(graph, seed) if samples is None else samples.batches():
            feeds = batch, {name: rounding(array) for name, array in batch.items()}
            for session, feed, given in zip(sessions, feeds, outputs, strict=True):
                given.append(list(session.run(feed, sessions[0].output_names).values()))
    before, after = (
        [np.concatenate(parts) if parts[0].ndim else np.stack(parts)
         for parts in zip(*given, strict=True)]
        for given in outputs
    )  # fmt: skip
    names = graph.output_names
    figures = [_figure(*item) for item in zip(names, before, after, strict=True)]
    accuracy = None
    if samples is not None and samples.labels is not None:
        accuracy = samples.accuracy(before[0]), samples.accuracy(after[0])
    return figures, len(before[0]), accuracy


def _drawn(graph: Graph, seed: int) -> Iterable[dict[str, Array]]:
    """Normal inputs of the largest batch, some times; their free axes have one size."""
    for number in range(DRAWN):
        cases = [case for case in draw_cases(graph, seed + number) if case.kind == "normal"]
        yield cases[-1].inputs


def _figure(name: str, before: Array, after: Array) -> Figure:
    if before.dtype.kind != "f":
        same = (before == after).reshape(len(before), -1).all(axis=1)
        return Figure(name, None, float(np.sum(~same)), len(before), int(same.sum()))
    a, b = before.astype(np.float64), after.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        fine = np.isfinite(a)
        error = np.where(fine, b - a, 0.0)
        signal = np.where(fine, a - (a[fine].mean() if fine.any() else 0.0), 0.0)
        power = float(np.sum(signal**2)) or float(np.sum(np.where(fine, a, 0.0) ** 2))
        noise = float(np.sum(error**2))
        snr = float("inf") if noise == 0 else float(10 * np.log10(power / noise))
    rows = agreeing = 0
    if a.ndim > 1 and a.shape[-1] > 1:
        chosen = a.argmax(axis=-1), b.argmax(axis=-1)
        rows, agreeing = chosen[0].size, int(np.sum(chosen[0] == chosen[1]))
    snr = -float("inf") if snr != snr else snr
    return Figure(name, snr, float(np.max(np.abs(error), initial=0.0)), rows, agreeing)


def too_far(
    graph: Graph, figures: list[Figure], min_snr: float, count: int, what: str, file: str
) -> list[Diagnostic]:
    """An error for each output of which less is left than was asked for."""
    found: list[Diagnostic] = []
    for figure, tensor in zip(figures, graph.outputs, strict=True):
        if figure.snr is not None and not figure.snr >= min_snr:
            case = f"on {count:,} samples of {what}: off by {figure.max_abs_error:.2g} at most"
            if figure.rows:
                case += f", arg-max the same in {figure.rows_agreeing:,} of {figure.rows:,} rows"
            found.append(
                errors.quantized_too_far(
                    tensor.span, figure.output, file, figure.snr, min_snr, case
                )
            )
    return found
