"""A file of lower precision against Keras: how far rounding alone takes it.

How much a model amplifies the roundings of a type is measured on Keras's side, where the exporter
has no part: its layers are called one by one with the inputs, the weights and the output of every
layer rounded to that type.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

from specc.backends.frameworks import array_of, full_float32
from specc.backends.keras_model import BuiltModel, run_graph
from specc.backends.native.precision import round_to
from specc.backends.native.precision_rules import finfo
from specc.backends.native.widened import widened
from specc.backends.onnx_names import LAYER_KEY
from specc.backends.opened import open_model
from specc.backends.runtime import Provider, Session, blaming
from specc.backends.silence import Output, captured
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.files import UsageError
from specc.records import fresh, record
from specc.verification.differences import (
    largest_difference,
    numbered,
    ranked_alike,
    with_numbers,
)
from specc.verification.inputs import Case, nudged
from specc.verification.report import Run
from specc.verification.tolerance import Bounds

Array = np.ndarray[Any, Any]

AMPLIFIED = 4.0
"""How many times the rounding errors of Keras's layers a file may be off: it rounds inside of
layers too, and in another order."""

DRAWS = 6
"""How often the roundings of Keras's layers are measured: often one sample of a batch is by far the
most sensitive, a tie before a softmax."""

ENDS = 2.0
"""Roundings of the outputs themselves."""


@record
class LowSide:
    """A file of lower precision with one set of weights, and Keras with those rounded."""

    model: onnx.ModelProto
    keras: BuiltModel
    """In float32, with every weight rounded."""
    lower: ir.DataType
    twin: onnx.ModelProto
    """The file's graph in float32, with the same weights unrounded."""

    @property
    def epsilon(self) -> float:
        return float(finfo(self.lower).eps)

    @cached_property
    def low_values(self) -> dict[str, str]:
        """The values that are of the lower type in the file, with the layers they are of."""
        types = {v.name: v.type.tensor_type.elem_type for v in self.model.graph.value_info}
        found: dict[str, str] = {}
        for node in self.model.graph.node:
            layer = next((p.value for p in node.metadata_props if p.key == LAYER_KEY), node.name)
            found |= {name: layer for name in node.output if types.get(name) == self.lower}
        return found


@record
class LowOutcome:
    """What comparing a file of lower precision with Keras gave."""

    runs: list[Run] = fresh(default_factory=list[Run])
    samples: int = 0
    """Outputs of samples that Keras has numbers for."""
    beyond: int = 0
    """Those that could not be compared: something is beyond the range of the type."""
    first_beyond: str | None = None
    """The first case with one, and the layer where that is known."""
    ran: bool = False
    """Whether the runtime has kernels for the type, so that it was the file that ran."""
    rounded: bool = False
    """Whether a twin ran that rounds every value to the type: in the place of the file, or beside
    it where the runtime computes in float32 what is float16, as it does on the CPU."""
    bounds: Bounds | None = None
    """A tolerance that is set by hand."""
    sessions: list[LowSession] = fresh(default_factory=list["LowSession"])

    def open(self, side: LowSide, provider: str, file: str) -> None:
        self.sessions = open_low(side, provider, file)
        self.ran = any(not session.rounds for session in self.sessions)
        self.rounded = any(session.rounds for session in self.sessions)

    def run(
        self, side: LowSide, case: Case, weights: str, exact: Exactly, provider: str, file: str
    ) -> tuple[list[Run], Diagnostic | None]:
        """One run for each output with numbers in the range of the type; what is wrong with them.

        Args:
            exact: what float32 and float64 gave for the case.
        """
        graph = side.keras.graph
        with captured(Output()), blaming(file):
            found = [session.run(case) for session in self.sessions]
        rounded = rounded_answers(side, case, exact.seed)
        for index, (name, tensor) in enumerate(zip(graph.output_names, graph.outputs, strict=True)):
            if name not in exact.allowed:
                continue
            every = numbered(
                *(answer[index] for answer in (exact.double, exact.moved, *rounded, *found))
            )
            truth, beside, rough = every[0], every[1], every[2 : len(rounded) + 2]
            defined = with_numbers(truth, beside)
            kept = defined & representable(side.lower, truth, *rough)
            worst: Run | None = None
            for have in every[len(rounded) + 2 :]:
                if not kept.any() or len(have) != len(kept):
                    continue
                arrays = have, truth, beside, *rough
                new = _judged(side, case, weights, name, exact, kept, self.bounds, *arrays)
                if not new.ok:
                    layer = overflowing_layer(side, case, provider)
                    if layer is None:
                        to = side.lower.name.lower()
                        off = new.max_abs_error, new.allowed, f"{case}, {weights} weights"
                        return [], errors.lowered_differs(tensor.span, name, file, to, *off)
                    self.first_beyond = self.first_beyond or f"in `{layer}` with {case}"
                    kept = kept & _within(truth, have, new.allowed)
                    if not kept.any():
                        continue
                    new = _judged(side, case, weights, name, exact, kept, self.bounds, *arrays)
                if worst is None or new.max_abs_error > worst.max_abs_error:
                    worst = new
            self.samples += int(defined.sum())
            self.beyond += int((defined & ~kept).sum())
            if (defined & ~kept).any():
                self.first_beyond = self.first_beyond or f"with {case}"
            if worst is not None and kept.any():
                self.runs.append(worst)
        return [run for run in self.runs if (run.case, run.weights) == (str(case), weights)], None


class Exactly(NamedTuple):
    """What float32 and float64 gave for a case."""

    double: list[Array]
    moved: list[Array]
    """In float64, with the inputs moved by one rounding of the lower type."""
    allowed: dict[str, float]
    """What is allowed in float32, by output."""
    seed: int


def _judged(
    side: LowSide,
    case: Case,
    weights: str,
    name: str,
    exact: Exactly,
    kept: Array,
    bounds: Bounds | None,
    *arrays: Array,
) -> Run:
    """A run on the samples that are kept.

    Args:
        bounds: a tolerance that is set by hand.
        arrays: the file's output, float64's, float64's with the inputs moved, and those with
            roundings.
    """
    have, truth, beside, *rough = (array[kept] for array in arrays)
    error = largest_difference(truth, have)
    noise = max(largest_difference(truth, array) for array in rough)
    scale = float(np.max(np.abs(truth), initial=0.0))
    sensitivity = largest_difference(truth, beside)
    allowed = allowed_difference(side, scale, noise, sensitivity, exact.allowed[name])
    if bounds is not None:
        allowed = bounds.allowed(scale)
    rows, agreeing = ranked_alike(truth, have, allowed)
    relative = error / scale if scale else error
    return Run(str(case), weights, name, error, relative, allowed, noise, rows, agreeing)


def _within(truth: Array, have: Array, allowed: float) -> Array:
    """Which samples are as near as they should be."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(truth.astype(np.float64) - have.astype(np.float64))
    return np.asarray((difference.reshape(len(truth), -1) <= allowed).all(axis=1))


class LowSession(NamedTuple):
    """A file opened, or the twin that stands for it."""

    session: Session
    takes: dict[str, np.dtype[Any]]
    """What the inputs of floats are rounded to, by name."""
    feeds: dict[str, np.dtype[Any]]
    """In which type they are given."""
    rounds: bool
    """Whether it is the twin."""

    def run(self, case: Case) -> list[Array]:
        given = {
            name: array.astype(self.takes[name]).astype(self.feeds[name])
            if name in self.takes
            else array
            for name, array in case.inputs.items()
        }
        with np.errstate(over="ignore"):
            found = self.session.run(given, self.session.output_names)
        return list(found.values())


def open_low(side: LowSide, provider: str, file: str) -> list[LowSession]:
    """Open a file, its twin that rounds every value, or both.

    onnxruntime has no kernels for bfloat16 on the CPU; float16 it computes there in float32, and
    leaves out roundings in between, which a GPU would make.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where onnxruntime does not take the model.
    """
    graph = side.model.graph
    low = [v.name for v in graph.input if v.type.tensor_type.elem_type == side.lower]
    given = [v.name for v in graph.output if v.type.tensor_type.elem_type == side.lower]
    types = dict.fromkeys(low, side.lower.numpy())
    is_float16 = side.lower == ir.DataType.FLOAT16
    found: list[LowSession] = []
    with captured(Output()), blaming(file):
        if is_float16 or not (low or given):  # onnxruntime has no bfloat16 for numpy
            try:
                session = open_model(side.model, provider)
                found.append(LowSession(session, types, types, rounds=False))
            except UsageError:
                raise
            except Exception:
                if is_float16:
                    raise
        if not found or found[0].session.provider is Provider.CPU:
            twin = widened(side.model, side.lower, rounding=True)
            session = open_model(twin, provider)
            single = dict.fromkeys(low, np.dtype(np.float32))
            found.append(LowSession(session, types, single, rounds=True))
    return found


def rounded_answers(side: LowSide, case: Case, seed: int) -> list[list[Array]]:
    """What Keras gives with everything rounded that a layer takes or gives, several times.

    But for the first time the inputs are moved by one rounding, so that chance is not taken for a
    small error.
    """
    moved = [nudged(case, seed + i, side.epsilon) for i in range(DRAWS - 1)]
    cases = [case, *moved]
    graph = side.keras.graph
    if graph.batch_size is not None or not all(t.type.batched for t in graph.inputs):
        return [_rounded(side, one) for one in cases]
    stacked = {name: np.concatenate([one.inputs[name] for one in cases]) for name in case.inputs}
    answers = _rounded(side, case._replace(inputs=stacked))
    if any(len(answer) != case.batch * DRAWS for answer in answers):
        return [_rounded(side, one) for one in cases]
    parts = [np.split(answer, DRAWS) for answer in answers]
    return [[part[i] for part in parts] for i in range(DRAWS)]


def _rounded(side: LowSide, case: Case) -> list[Array]:
    graph = side.keras.graph
    given = [case.inputs[tensor.name] for tensor in graph.inputs]
    inputs = [
        round_inputs(x.astype(np.float32), side.lower) if x.dtype.kind == "f" else x for x in given
    ]

    from keras import backend, ops

    to = side.lower.name.lower()

    def rounded(value: Any) -> Any:
        if not ops.is_tensor(value) or backend.standardize_dtype(value.dtype) != "float32":
            return value
        made: Any = ops.cast(ops.cast(value, to), "float32")
        mask = getattr(value, "_keras_mask", None)
        if mask is not None:
            made._keras_mask = mask
        return made

    layers = side.keras.callables()
    with full_float32():
        values = run_graph(graph, layers, inputs, inference=True, after=rounded)
    return [array_of(values[tensor]) for tensor in graph.outputs]


def round_inputs(array: Array, lower: ir.DataType) -> Array:
    return round_to(array, lower).astype(np.float32) if array.dtype == np.float32 else array


def round_weights(arrays: Sequence[Array], lower: ir.DataType) -> list[Array]:
    """Weights rounded, but for those with a number beyond the range of the type."""
    rounded = [round_inputs(array, lower) for array in arrays]
    return [
        low if array.dtype.kind != "f" or _as_finite(low, array) else array
        for low, array in zip(rounded, arrays, strict=True)
    ]


def _as_finite(low: Array, array: Array) -> bool:
    return np.array_equal(np.isfinite(low), np.isfinite(array))


def allowed_difference(
    side: LowSide, scale: float, noise: float, sensitivity: float, exactly: float
) -> float:
    """The largest difference that rounding to the type explains.

    Args:
        scale: the largest absolute value of the output.
        noise: how far Keras's answers with roundings are from those without.
        sensitivity: how far the output moves when every input is moved by one rounding.
        exactly: what is allowed in float32.
    """
    rounding = AMPLIFIED * max(noise, sensitivity) + ENDS * side.epsilon * scale
    return rounding + exactly + float(finfo(side.lower).smallest_subnormal)


def representable(lower: ir.DataType, truth: Array, *rounded: Array) -> Array:
    """Which samples of an output stay in the range of the type, as far as Keras's layers tell."""
    fine = np.ones(len(truth), bool)
    limit = float(finfo(lower).max)
    for array in (truth, *rounded):
        if array.dtype.kind == "f":
            sizes = np.abs(array.reshape(len(array), -1).astype(np.float64))
            fine &= (sizes <= limit).all(axis=1)
    return fine


def overflowing_layer(side: LowSide, case: Case, provider: str) -> str | None:
    """The first layer that has a value beyond the range of the type, computed in float32.

    None where every value that the file has in that type fits into it.
    """
    shown = onnx.ModelProto()
    shown.CopyFrom(side.twin)
    present = {output.name for output in shown.graph.output}
    low = side.low_values
    for name in low:
        if name not in present:
            shown.graph.output.append(onnx.ValueInfoProto(name=name))
    with captured(Output()):
        session = open_model(shown, provider)
        found = session.run(case.inputs)
    limit = float(finfo(side.lower).max)
    for name, layer in low.items():
        array = found[name]
        with np.errstate(invalid="ignore"):
            if bool(np.any(np.isfinite(array) & (np.abs(array) > limit))):
                return layer
    return None
