"""The parameters of an ONNX file against those that Keras's weights would give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx_ir as ir

from specc.backends.export import Exported
from specc.backends.fold import Accounting
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.graph import Graph
from specc.verification.report import LayerReport

Array = np.ndarray[Any, Any]
FOLDED_ULPS = 2
"""Units in the last place that a folded weight may differ: it is computed, not copied."""


class Initializers(Mapping[str, Array]):
    """The numbers of a model's initializers by their names, read when they are asked for.

    They are not kept: together they may be large, and they are compared one by one.
    """

    def __init__(
        self,
        protos: Iterable[onnx.TensorProto],
        tensors: Iterable[ir.TensorProtocol] = (),
    ) -> None:
        """Of protobuf's tensors, and of those of `onnx_ir` beside them."""
        self._read: dict[str, Callable[[], Array]] = {
            **{proto.name: partial(onnx.numpy_helper.to_array, proto) for proto in protos},
            **{tensor.name or "": tensor.numpy for tensor in tensors},
        }

    def __getitem__(self, name: str) -> Array:
        return self._read[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def __contains__(self, name: object) -> bool:
        return name in self._read  # without reading it


def read_initializers(model: onnx.ModelProto) -> Initializers:
    """The initializers of a model."""
    return Initializers(model.graph.initializer)


def exported_initializers(exported: Exported) -> Initializers:
    """Those that an export has."""
    return Initializers(exported.skeleton.graph.initializer, exported.tensors)


def compare_parameters(
    graph: Graph,
    accounting: Accounting,
    expected: Mapping[str, Array],
    found: Mapping[str, Array],
    file: str,
) -> list[Diagnostic]:
    """What differs between the parameters of a file and what Keras's weights would make.

    Args:
        accounting: which initializers hold which variables.
        expected: the initializers that an export of Keras's weights gives.
        found: those of the file.
    """
    diagnostics: list[Diagnostic] = []
    order = {layer.name: number for number, layer in enumerate(graph.layers)}
    names = sorted(accounting.holdings, key=lambda name: order[name.split("/")[0]])
    for name in names:
        layer = graph.layer(name.split("/")[0])
        if name not in found:
            diagnostics.append(errors.parameter_missing(layer.span, name, file))
            continue
        want, have = expected[name], found[name]
        if want.shape != have.shape or want.dtype != have.dtype:
            described = f"{have.dtype}{list(have.shape)}"
            diagnostics.append(
                errors.parameter_reshaped(
                    layer.span, name, file, described, f"{want.dtype}{list(want.shape)}"
                )
            )
            continue
        different = _different(
            want, have, 0 if accounting.holdings[name].is_variable else FOLDED_ULPS
        )
        count = int(different.sum())
        if count:
            index = np.unravel_index(int(np.argmax(different)), want.shape)
            diagnostics.append(
                errors.parameter_differs(
                    layer.span,
                    name,
                    file,
                    [int(i) for i in index],
                    float(have[index]),
                    float(want[index]),
                    count,
                    want.size,
                )
            )
    return diagnostics


def compare_constants(
    graph: Graph,
    accounting: Accounting,
    expected: Mapping[str, Array],
    found: Mapping[str, Array],
    file: str,
) -> list[Diagnostic]:
    """What differs between the other initializers: those of a lower precision are rounded ones."""
    diagnostics: list[Diagnostic] = []
    for name, want in expected.items():
        if name in accounting.holdings:
            continue
        have = found.get(name)
        if have is None:
            diagnostics.append(errors.parameter_missing(graph.span, name, file))
        elif want.dtype != have.dtype or want.tobytes() != have.tobytes():
            diagnostics.append(errors.constant_differs(graph.span, name, file))
    return diagnostics


def _different(want: Array, have: Array, ulps: int) -> Array:
    if ulps == 0 or want.dtype.kind not in "fV":
        return np.asarray(want != have)  # NaN differs from everything, itself included
    if want.dtype.itemsize == 2:
        return np.asarray((want != want) | (np.abs(_ordinal(want) - _ordinal(have)) > ulps))
    return ~(np.abs(want - have) <= ulps * np.spacing(np.abs(want)))


def _ordinal(array: Array) -> Array:
    """The place of each number among all of a type of two bytes: neighbours differ by one."""
    bits = np.asarray(array, order="C").view(np.int16).astype(np.int32)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)


def layer_reports(
    graph: Graph, accounting: Accounting, in_8_bits: Collection[str] = ()
) -> list[LayerReport]:
    """Each layer's parameters, before and after.

    Args:
        in_8_bits: the initializers that are stored so.
    """
    reports: list[LayerReport] = []
    for layer in graph.layers:
        own = [p for p in accounting.parameters if p.variable.layer == layer.name]
        parts: list[str] = []
        for how in ("kept", "folded", "dropped"):
            group = [p for p in own if p.how == how]
            if not group:
                continue
            what = ", ".join(p.variable.name for p in group)
            if how == "kept":
                parts.append(f"{what} kept")
            elif how == "dropped":
                parts.append(f"{what} dropped, no operation of the exported graph reads them")
            else:
                into = dict.fromkeys(name for p in group for name in p.initializers)
                parts.append(_folded(layer.name, what, list(into), accounting))
        whole = [n.split("/", 1)[1] for n in accounting.holdings
                 if n in in_8_bits and n.split("/")[0] == layer.name]  # fmt: skip
        if whole:
            parts.append(f"{', '.join(whole)} quantized")
        reports.append(
            LayerReport(
                layer.name,
                layer.kind,
                layer.line,
                layer.params.total,
                sum(
                    holding.size
                    for name, holding in accounting.holdings.items()
                    if name.split("/")[0] == layer.name
                ),
                "; ".join(parts) or "no parameters",
            )
        )
    return reports


def _folded(layer: str, what: str, into: list[str], accounting: Accounting) -> str:
    """In words, into which initializers variables of a layer went.

    In those of the layer itself, what came in from others is named.
    """
    mine = [name for name in into if name.split("/")[0] == layer]
    if len(mine) < len(into):
        names = [name.removeprefix(f"{layer}/") for name in into]
        return f"{what} folded into {', '.join(names)}"
    sources = {number for name in mine for number in accounting.holdings[name].sources}
    others = dict.fromkeys(
        p.variable.layer
        for number, p in enumerate(accounting.parameters)
        if number in sources and p.variable.layer != layer
    )
    if others:
        return f"{what} with {', '.join(others)} folded in"
    return f"{what} folded into {', '.join(name.split('/', 1)[1] for name in mine)}"
