"""Models of which tests spoil the files, and ways to spoil them."""

from __future__ import annotations

import copy
import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper

import specc
from specc.backends.adopt import adopt
from specc.backends.export import Exporter, current_weights
from specc.verification.report import Report
from specc.verification.verify import verify_onnx

SPECS = Path(__file__).parents[2] / "specs"

Array = np.ndarray[Any, Any]

SMALL = """\
model small {
    input x: float32[6]

    Dense(5, activation="elu")
    BatchNormalization
    Dense(4, activation="elu")
    Dense(3, activation="softmax")
}
"""


class Subject(NamedTuple):
    """A model whose file the tests spoil; the conversion is done once."""

    model: specc.Model
    keras: Any
    exporter: Exporter
    file: onnx.ModelProto

    def copy(self) -> onnx.ModelProto:
        return copy.deepcopy(self.file)

    def verify(self, file: onnx.ModelProto, **options: Any) -> Report:
        options = {"provider": "cpu", "exporter": self.exporter, **options}
        return verify_onnx(self.model.graph, self.keras, file, **options)


def subject(model: specc.Model, via: str = "native", seed: int = 0) -> Subject:
    keras_model = model.to_keras(seed=seed)
    built = adopt(model.graph, keras_model)
    exporter = Exporter(built, model.source, via=via)
    file = exporter.export(current_weights(built), {"seed": seed}).model
    return Subject(model, keras_model, exporter, file)


Subjects = Callable[..., Subject]
"""A subject by the name of its spec and, if it is not the native one, its exporter."""


def line_of(model: specc.Model, layer: str) -> int:
    """The line a layer stands on, found in the text: its class and its number among those."""
    (info,) = (x for x in model.layers if x.name == layer)
    alike = [x.name for x in model.layers if x.kind == info.kind]
    lines = model.source.text.splitlines()
    word = re.compile(rf"\b{info.kind}\b")
    found = [n for n, line in enumerate(lines, 1) if line[:1] != "#" for _ in word.findall(line)]
    return found[alike.index(layer)]


def node_of(file: onnx.ModelProto, layer: str, operator: str) -> onnx.NodeProto:
    """The first node of an operator in a layer."""
    return next(
        node
        for node in file.graph.node
        if node.op_type == operator
        and any(p.key == "specc.layer" and p.value == layer for p in node.metadata_props)
    )


def change(file: onnx.ModelProto, name: str, function: Callable[[Array], None]) -> None:
    """Change an initializer in place."""
    (initializer,) = (i for i in file.graph.initializer if i.name == name)
    array = onnx.numpy_helper.to_array(initializer).copy()
    function(array)
    initializer.CopyFrom(onnx.numpy_helper.from_array(array, name))


def one_percent(array: Array) -> None:
    """Change one number that is not zero, somewhere."""
    places = np.argwhere(array)
    place = tuple(places[np.random.default_rng(array.size).integers(len(places))])
    array[place] *= 1.01


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
