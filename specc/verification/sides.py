"""Models to compare with each other: ONNX files and Keras models, run in the same way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import prod, sqrt
from typing import Any, Protocol

import numpy as np
import onnx

from specc.backends.frameworks import full_float32
from specc.backends.read import load_onnx
from specc.backends.runtime import Session, blaming, open_session
from specc.backends.silence import Output, captured
from specc.files import UsageError
from specc.inference.interface import Interface, read_interface
from specc.manifest import RECORD_KEY, read_manifest
from specc.types import Port, TensorType
from specc.verification.samples import Recipe, recipes_of
from specc.verification.tf32 import Tf32Noise, may_use_tf32
from specc.verification.tolerance import Rounding, gates, rounding_steps

Array = np.ndarray[Any, Any]

RECURRENT = {"LSTM": 3, "GRU": 2, "RNN": 0}
"""ONNX's recurrent operators, and how many sigmoids a time step of each has."""

TIME_STEPS = 16
"""What is taken for the number of time steps, which a file does not say."""


class ModelSide(Protocol):
    """A model that can be run."""

    @property
    def path(self) -> str: ...
    @property
    def interface(self) -> Interface: ...
    @property
    def runs_on(self) -> str:
        """`onnxruntime (cpu)`, `Keras on tensorflow`."""
        ...

    @property
    def params(self) -> int:
        """Numbers in it: variables, or initializers that belong to layers."""
        ...

    @property
    def rounding(self) -> Rounding: ...
    @property
    def recipes(self) -> dict[str, Recipe]:
        """How to make inputs, of those of which more is known than the type."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]: ...
    def tf32_noise(self, feeds: Mapping[str, Array]) -> dict[str, float]:
        """How far TF32's factors move each output; nothing where products take all bits."""
        ...


class OnnxSide:
    """An ONNX file in onnxruntime."""

    def __init__(self, path: str, provider: str) -> None:
        """Open a file.

        Raises:
            UsageError, DeviceError: where it cannot be read or run.
        """
        self.path = path
        self.model = load_onnx(path)
        self.manifest = read_manifest({p.key: p.value for p in self.model.metadata_props})
        with captured(Output()), blaming(f"`{path}`"):
            self.session: Session = open_session(path, provider)
        self.interface = read_interface(self.session, path)
        self._noise: Tf32Noise | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What its manifest has to check it with; empty where there is none."""
        found = self.manifest.get(RECORD_KEY)
        return found if isinstance(found, dict) else {}

    @property
    def runs_on(self) -> str:
        return f"onnxruntime ({self.session.provider})"

    @property
    def params(self) -> int:
        """Of files of specc's own the initializers of layers; of others all but single numbers."""
        own = bool(self.manifest)
        return sum(
            prod(tensor.dims)
            for tensor in self.model.graph.initializer
            if ("/" in tensor.name if own else len(tensor.dims))
        )

    @property
    def rounding(self) -> Rounding:
        shapes = {i.name: list(i.dims) for i in self.model.graph.initializer}
        nodes = self.model.graph.node
        sigmoids = sum(
            RECURRENT.get(node.op_type, 0) * TIME_STEPS
            or node.op_type in ("Sigmoid", "HardSigmoid")
            for node in nodes
        )
        return Rounding(sum(1 + sqrt(_terms(node, shapes)) for node in nodes), sigmoids)

    @property
    def recipes(self) -> dict[str, Recipe]:
        try:
            return {name: Recipe.of_json(r) for name, r in self.record.get("inputs", {}).items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        with captured(Output()), blaming(f"`{self.path}`"):
            return self.session.run(feeds)

    def tf32_noise(self, feeds: Mapping[str, Array]) -> dict[str, float]:
        if not may_use_tf32(self.session.provider):
            return {}
        if self._noise is None:
            self._noise = Tf32Noise(self.model)
        return self._noise.of(feeds)


def _terms(node: onnx.NodeProto, shapes: Mapping[str, list[int]]) -> float:
    """How many products a node sums for one number, as far as the shape of its weight tells."""
    weight = next((shapes[name] for name in node.input[1:2] if name in shapes), [])
    if len(weight) < 2:
        return 0
    if node.op_type == "Conv":
        return prod(weight[1:])
    if node.op_type == "ConvTranspose":
        return weight[0] * prod(weight[2:])
    if node.op_type in RECURRENT:
        recurrent = shapes.get(node.input[2], weight)
        return (weight[-1] + recurrent[-1]) * TIME_STEPS**2
    if node.op_type in ("MatMul", "Gemm"):
        return max(weight[-2:])
    return 0


class KerasSide:
    """A Keras model from a `.keras` file."""

    def __init__(self, path: str) -> None:
        """Load a file.

        Raises:
            UsageError: where it holds no model that can be read.
        """
        from specc.backends.from_keras import from_keras
        from specc.backends.weights import load_keras

        self.path = path
        self.model = load_keras(path)
        self.graph = None
        self.unknown: str | None = None
        """Why its graph is not known; layers are not looked into then."""
        try:
            self.built = from_keras(self.model, path)
            self.graph = self.built.graph
        except UsageError as error:
            self.unknown = str(error)
        ports = [[_port(x) for x in side] for side in (self.model.inputs, self.model.outputs)]
        if self.graph is not None:
            named = [
                [t.name for t in self.graph.inputs],
                self.graph.output_names,
            ]
            ports = [
                [port._replace(name=name) for port, name in zip(*side, strict=True)]
                for side in zip(ports, named, strict=True)
            ]
        batch = {x.shape[0] for x in self.model.inputs}
        size = batch.pop() if len(batch) == 1 else None
        inputs, outputs = ({port.name: port for port in side} for side in ports)
        self.interface = Interface(path, inputs, outputs, size)

    @property
    def runs_on(self) -> str:
        from specc.backends.frameworks import import_keras

        return f"Keras on {import_keras().backend.backend()}"

    @property
    def params(self) -> int:
        return int(self.model.count_params())

    @property
    def rounding(self) -> Rounding:
        if self.graph is not None:
            return Rounding(rounding_steps(self.graph.nodes), gates(self.graph.nodes))
        variables = [v for v in self.model.weights if len(v.shape) > 1]
        steps = len(self.model.layers) + sum(sqrt(prod(v.shape[:-1])) for v in variables)
        return Rounding(float(steps), len(self.model.layers))

    @property
    def recipes(self) -> dict[str, Recipe]:
        return recipes_of(self.graph) if self.graph is not None else {}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        given = [feeds[name] for name in self.interface.inputs]
        try:
            with full_float32():
                found = self.model(given if len(given) > 1 else given[0], training=False)
        except Exception as error:  # whatever a model raises for inputs that it does not take
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(f"Keras cannot run `{self.path}`: {first}") from error
        every = found if isinstance(found, list | tuple) else [found]
        if isinstance(found, dict):
            every = list(found.values())
        names = self.interface.outputs
        return {name: np.asarray(x) for name, x in zip(names, every, strict=True)}

    def tf32_noise(self, feeds: Mapping[str, Array]) -> dict[str, float]:  # noqa: ARG002
        return {}  # `full_float32` holds while it runs


def _port(x: Any) -> Port:
    return Port(x.name, TensorType(str(x.dtype), tuple(x.shape)[1:], True))


def open_side(path: str, provider: str) -> OnnxSide | KerasSide:
    """Open a model by the ending of its name.

    Raises:
        UsageError, DeviceError: where it cannot be read or run.
    """
    if os.path.splitext(path)[1].lower() == ".keras":
        return KerasSide(path)
    return OnnxSide(path, provider)
