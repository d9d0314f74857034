"""TF32: how far outputs move where a GPU's products of float32 take fewer bits of each factor.

A file has a twin whose products round their factors to those bits. What the two give is compared on
the CPU, so that the noise is measured and no GPU is needed for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx

from specc.backends.opened import open_model
from specc.backends.runtime import Provider
from specc.backends.silence import Output, captured
from specc.verification.differences import largest_difference

Array = np.ndarray[Any, Any]

BITS = 11
"""Of a factor in TF32, the one that is not written included; its unit roundoff is 2 ** -11."""

SPLITTER = np.float32(2 ** (24 - BITS) + 1)
"""With `t = SPLITTER * x`, `t - (t - x)` in float32 is x rounded to so many bits (Veltkamp)."""

FACTORS = {
    "Conv": 2, "ConvTranspose": 2, "Gemm": 2, "GRU": 3, "LSTM": 3, "MatMul": 2, "RNN": 3,
}  # fmt: skip
"""Operators that multiply by their inputs, and how many of these are factors: the first ones."""


def may_use_tf32(provider: str) -> bool:
    """Whether products of float32 may be TF32's on a provider: on TensorRT they are unless the
    environment forbids it."""
    forbidden = os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    return provider in (Provider.CUDA_TF32, Provider.TENSORRT) and not forbidden


class Tf32Noise:
    """How far the outputs of a file are from those with TF32's factors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Open the file and its twin on the CPU.

        Args:
            model: a sound file, with the weights.
        """
        with captured(Output()):
            self._sessions = [open_model(one, "cpu") for one in (model, with_tf32(model))]

    def of(self, inputs: Mapping[str, Array]) -> dict[str, float]:
        """The largest difference of each output, where both have numbers."""
        with captured(Output()):
            exact, short = (session.run(inputs) for session in self._sessions)
        return {name: apart(array, short[name]) for name, array in exact.items()}


def apart(exact: Array, short: Array) -> float:
    """The largest difference where both have numbers; 0 of what is no number of floats."""
    if exact.dtype.kind != "f" or exact.shape != short.shape:
        return 0.0
    both = np.isfinite(exact) & np.isfinite(short)
    return largest_difference(exact[both], short[both])


def with_tf32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The twin of a file: each factor of a product of float32 is rounded to TF32's bits."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    _shorten(twin.graph, _floats(twin))
    if not any(i.name == _SPLITTER for i in twin.graph.initializer):
        twin.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(SPLITTER), _SPLITTER))
    return twin


_SPLITTER = "tf32/splitter"


def _shorten(graph: onnx.GraphProto, floats: set[str]) -> None:
    nodes: list[onnx.NodeProto] = []
    short: dict[str, str] = {}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _shorten(attribute.g, floats)
        for index in range(min(FACTORS.get(node.op_type, 0), len(node.input))):
            name = node.input[index]
            if node.domain or name not in floats:
                continue
            if name not in short:
                short[name] = f"{name}/tf32/{len(nodes)}"
                nodes += _rounded(name, short[name])
            node.input[index] = short[name]
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _rounded(name: str, to: str) -> Iterator[onnx.NodeProto]:
    make = onnx.helper.make_node
    yield make("Mul", [name, _SPLITTER], [f"{to}/wide"])
    yield make("Sub", [f"{to}/wide", name], [f"{to}/low"])
    yield make("Sub", [f"{to}/wide", f"{to}/low"], [to])


def _floats(model: onnx.ModelProto) -> set[str]:
    """The values that are float32, those of bodies included."""
    try:
        known = onnx.shape_inference.infer_shapes(model)
    except Exception:  # it does not take every model that onnxruntime runs
        known = model
    found: set[str] = set()
    waiting = [known.graph]
    while waiting:
        graph = waiting.pop()
        for value in (*graph.value_info, *graph.input, *graph.output):
            if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
                found.add(value.name)
        found |= {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
        waiting += [a.g for node in graph.node for a in node.attribute
                    if a.type == onnx.AttributeProto.GRAPH]  # fmt: skip
    return found
