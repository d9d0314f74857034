"""Weights in 8 bits, by onnxruntime's own quantizer.

Dynamic: the runtime finds the range of each value while it runs. Static: the ranges are those that
values had on samples, and stand in the file as QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper

from specc.backends.onnx_names import LAYER_KEY, PLACE_KEY
from specc.backends.opened import Apart
from specc.backends.read import is_large
from specc.backends.silence import Output, captured
from specc.files import UsageError

Array = np.ndarray[Any, Any]

IN_8_BITS, SCALE, ZERO_POINT = "_quantized", "_scale", "_zero_point"
"""What onnxruntime puts behind the name of a weight."""


class Quantization(NamedTuple):
    """What an export is asked for."""

    to: str = "int8"
    calibrate: str | None = None
    """A file of samples for the ranges of values; None where they are found in each run."""
    min_snr: float = 10.0

    @property
    def mode(self) -> str:
        return "dynamic" if self.calibrate is None else "static"


def quantization_named(to: str | None, calibrate: str | None) -> Quantization | None:
    """What was asked for by names; None where nothing was.

    Raises:
        UsageError: where there is no such type, or samples without one.
    """
    if to is None and calibrate is None:
        return None
    if to != "int8":
        raise UsageError(f"there is no quantizing to `{to}`", 'there is `quantize="int8"`')
    return Quantization(to, calibrate)


def quantize(
    model: onnx.ModelProto, samples: Sequence[Mapping[str, Array]] | None = None
) -> onnx.ModelProto:
    """A model of float32 with its large weights in 8 bits; everything keeps its name.

    Args:
        samples: batches of inputs to take the ranges of values from, each once.

    Raises:
        UsageError: where the quantizer does not take the model, or finds nothing in it.
    """
    large = is_large(model)
    with _Alone() as folder:
        target = os.path.join(folder, "quantized.onnx")
        output = Output()
        try:
            with captured(output):
                source: onnx.ModelProto | str = model
                if large:
                    source = os.path.join(folder, "model.onnx")
                    Apart.of(model).write(source)
                _run(source, target, samples, large)
            made = onnx.load(target)
        except Exception as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"onnxruntime cannot quantize `{model.graph.name}`: {why}", "leave out `--quantize`"
            ) from error
    if not any(i.name.endswith(IN_8_BITS) for i in made.graph.initializer):
        raise UsageError(
            f"there is nothing in `{model.graph.name}` that onnxruntime computes in 8 bits",
            "leave out `--quantize`",
        )
    _leave_outputs(made.graph)
    _tidy(made, model)
    return made


def _leave_outputs(graph: onnx.GraphProto) -> None:
    """Take out the last rounding of each output: 256 values are few for what users look at."""
    for output in graph.output:
        makers = {name: node for node in graph.node for name in node.output}
        last = makers.get(output.name)
        before = makers.get(last.input[0]) if last is not None and last.input else None
        if last is None or before is None:
            continue
        if last.op_type != "DequantizeLinear" or before.op_type != "QuantizeLinear":
            continue
        readers = [node for node in graph.node for name in node.input
                   if name in (output.name, before.output[0])]  # fmt: skip
        if len(readers) > 1:
            continue
        exact = before.input[0]
        for node in graph.node:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    if name == exact:
                        names[index] = output.name
        graph.node.remove(last)
        graph.node.remove(before)
        read = {name for node in graph.node for name in node.input}
        for initializer in [i for i in graph.initializer if i.name not in read]:
            graph.initializer.remove(initializer)


def _run(
    model: onnx.ModelProto | str,
    target: str,
    samples: Sequence[Mapping[str, Array]] | None,
    large: bool,
) -> None:
    from onnxruntime import quantization

    own = model
    if isinstance(model, onnx.ModelProto):
        own = onnx.ModelProto()
        own.CopyFrom(model)
    if samples is None:
        # Of whole numbers without a sign: products of the others overflow 16 bits on processors
        # without VNNI, and convolutions have no kernels for them.
        quantization.quantize_dynamic(
            own,
            target,
            per_channel=False,
            weight_type=quantization.QuantType.QUInt8,
            use_external_data_format=large,
        )
        return

    class Reader(quantization.CalibrationDataReader):
        def __init__(self, batches: Sequence[Mapping[str, Array]]) -> None:
            self._left: Iterator[Mapping[str, Array]] = iter(batches)

        def get_next(self) -> Any:
            following = next(self._left, None)
            return None if following is None else dict(following)

    quantization.quantize_static(
        own, target, Reader(samples), per_channel=True, use_external_data_format=large
    )


class _Alone:
    """A folder that goes again, and the root logger as it was: the quantizer adds to both."""

    def __enter__(self) -> str:
        root = logging.getLogger()
        self._handlers, self._level = list(root.handlers), root.manager.disable
        logging.disable(logging.CRITICAL)
        self._folder = tempfile.TemporaryDirectory(prefix="specc-")
        return self._folder.name

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
        logging.disable(self._level)
        logging.getLogger().handlers[:] = self._handlers


def _tidy(made: onnx.ModelProto, model: onnx.ModelProto) -> None:
    """What the quantizer loses: the manifest, names of nodes, which layer they are of."""
    made.producer_name, made.producer_version = model.producer_name, model.producer_version
    made.ir_version = max(made.ir_version, model.ir_version)
    made.graph.name, made.graph.doc_string = model.graph.name, ""
    del made.metadata_props[:]
    made.metadata_props.extend(model.metadata_props)
    used = {node.domain for node in made.graph.node} | {""}
    imports = [entry for entry in made.opset_import if entry.domain in used]
    del made.opset_import[:]
    made.opset_import.extend(imports)
    places = {node.name: node.metadata_props for node in model.graph.node}
    makers = {name: node.metadata_props for node in model.graph.node for name in node.output}
    layers = {p.value: node.metadata_props for node in model.graph.node
              for p in node.metadata_props if p.key == LAYER_KEY}  # fmt: skip
    for number, node in enumerate(made.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
        if any(p.key == LAYER_KEY for p in node.metadata_props):
            continue
        candidates = [places.get(node.name), *map(makers.get, node.output)]
        candidates += map(makers.get, node.input)
        candidates += [layers.get(name.split("/")[0]) for name in (*node.input, node.name)]
        known = next((c for c in candidates if c), ())
        node.metadata_props.extend(p for p in known if p.key in (LAYER_KEY, PLACE_KEY))


class Stored(NamedTuple):
    """A weight in 8 bits, as a file has it."""

    numbers: Array
    """What it stands for, in float64 and in the layout of the float32 weight."""
    step: Array
    """How far neighbouring values are apart, for each number."""
    scales: int
    """How many scales and zero points it has."""


def stored_in_8_bits(model: onnx.ModelProto) -> dict[str, Stored]:
    """The weights of a file that are whole numbers with scales, by the names that they had."""
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    turned = {
        name
        for node in model.graph.node
        if node.op_type == "DynamicQuantizeLSTM"
        for name in node.input[1:3]
    }
    axes = {
        node.input[0]: next((a.i for a in node.attribute if a.name == "axis"), 1)
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
    }
    found: dict[str, Stored] = {}
    for name, numbers in arrays.items():
        if not name.endswith(IN_8_BITS):
            continue
        own = name.removesuffix(IN_8_BITS)
        names = [(prefix + SCALE, prefix + ZERO_POINT) for prefix in (own, name)]
        pair = next((p for p in names if p[0] in arrays), None)
        if pair is None:
            continue
        scale, zero = arrays[pair[0]], arrays.get(pair[1], np.zeros(1, numbers.dtype))
        whole = numbers.astype(np.float64)
        if scale.size > 1:
            shape = [1] * whole.ndim
            shape[axes.get(name, _axis(whole.shape, scale.size))] = scale.size
            scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
        step = (
            np.broadcast_to(scale.astype(np.float64).reshape(scale.shape or (1,)), whole.shape)
            if whole.ndim
            else scale.astype(np.float64)
        )
        values = (whole - zero.astype(np.float64)) * step
        if name in turned:
            values, step = np.swapaxes(values, 1, 2), np.swapaxes(step, 1, 2)
        found[own] = Stored(values, step, int(scale.size + zero.size))
    return found


def _axis(shape: tuple[int, ...], size: int) -> int:
    return next((i for i, n in reversed(list(enumerate(shape))) if n == size), 0)
