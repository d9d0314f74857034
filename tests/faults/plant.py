"""Faults of every kind, one at a time, put into a sound file.

They are made in the protobuf and know nothing of how specc writes or checks a file, but for the
layer of a node, which its metadata says, and of a parameter, which its name begins with.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper

Array = np.ndarray[Any, Any]
Change = Callable[[onnx.ModelProto], None]


class Fault(NamedTuple):
    kind: str
    """"initializer", "attribute", "operator" or "edge"."""
    name: str
    layer: str | None
    """The layer at fault; None where a node is of none."""
    change: Change

    def planted(self, sound: onnx.ModelProto) -> onnx.ModelProto:
        file = copy.deepcopy(sound)
        self.change(file)
        return file


def faults(sound: onnx.ModelProto) -> Iterator[Fault]:
    """Every fault for a file, in an order that does not change."""
    yield from _of_initializers(sound)
    for index, node in enumerate(sound.graph.node):
        layer = next((p.value for p in node.metadata_props if p.key == "specc.layer"), None)
        for kind, name, change in _of_node(sound, index):
            yield Fault(kind, f"{node.name}: {name}", layer, change)


# ------------------------------------------------------------------------ initializers


def one_percent(array: Array) -> Array:
    if array.any():
        flat = np.flatnonzero(array)
        array.flat[flat[len(flat) // 2]] *= 1.01
    else:
        array.flat[array.size // 2] = 0.01
    return array


def flipped(array: Array) -> Array:
    place = int(np.argmax(np.abs(array)))
    array.flat[place] *= -1
    return array


def transposed(array: Array) -> Array:
    """Two numbers, the smallest and the largest, at each other's place."""
    low, high = int(np.argmin(array)), int(np.argmax(array))
    array.flat[low], array.flat[high] = array.flat[high], array.flat[low]
    return array


def zeroed(array: Array) -> Array:
    return np.zeros_like(array)


def _of_initializers(sound: onnx.ModelProto) -> Iterator[Fault]:
    for initializer in sound.graph.initializer:
        if initializer.data_type != onnx.TensorProto.FLOAT:
            continue
        array = onnx.numpy_helper.to_array(initializer)
        layer = initializer.name.split("/")[0] if "/" in initializer.name else None
        # onnxruntime ends the process where a Resize has a scale that is not positive.
        scales = any(initializer.name in n.input for n in sound.graph.node if n.op_type == "Resize")
        for spoil in (one_percent,) if scales else (one_percent, flipped, transposed, zeroed):
            spoilt = spoil(array.copy())
            if not np.array_equal(array, spoilt):
                name = f"{initializer.name}: {spoil.__name__}"
                yield Fault("initializer", name, layer, _replaced(initializer.name, spoilt))
        for name, spoilt in _gates(sound, initializer.name, array):
            yield Fault("initializer", f"{initializer.name}: {name}", layer,
                        _replaced(initializer.name, spoilt))  # fmt: skip


def _replaced(name: str, array: Array) -> Change:
    def change(file: onnx.ModelProto) -> None:
        (found,) = (i for i in file.graph.initializer if i.name == name)
        found.CopyFrom(onnx.numpy_helper.from_array(array, name))

    return change


def _gates(sound: onnx.ModelProto, name: str, array: Array) -> Iterator[tuple[str, Array]]:
    """The first two gates of a recurrent operator at each other's place."""
    gates = {"LSTM": 4, "GRU": 3}
    for node in sound.graph.node:
        count = gates.get(node.op_type)
        if count and name in list(node.input)[1:3] and array.ndim == 3:
            parts = np.split(array, count, axis=1)
            yield "swapped gates", np.concatenate([parts[1], parts[0], *parts[2:]], axis=1)


# ------------------------------------------------------------------------------ nodes

OTHERS = {
    "Add": ("Sub", "Mul"),
    "Sub": ("Add",),
    "Mul": ("Add", "Div"),
    "Div": ("Mul",),
    "Max": ("Min",),
    "Min": ("Max",),
    "Relu": ("Elu", "Softplus"),
    "Elu": ("Relu", "Selu"),
    "Selu": ("Elu",),
    "Tanh": ("Sigmoid",),
    "Sigmoid": ("Tanh",),
    "HardSigmoid": ("Sigmoid",),
    "LeakyRelu": ("Relu",),
    "Softmax": ("LogSoftmax", "Hardmax"),
    "MaxPool": ("AveragePool",),
    "AveragePool": ("MaxPool",),
    "GlobalAveragePool": ("GlobalMaxPool",),
    "GlobalMaxPool": ("GlobalAveragePool",),
    "ReduceMean": ("ReduceSum", "ReduceMax"),
    "ReduceMax": ("ReduceMean", "ReduceMin"),
    "ReduceSum": ("ReduceMean",),
    "Greater": ("Less", "GreaterOrEqual"),
    "Sqrt": ("Abs",),
    "Erf": ("Tanh",),
    "Abs": ("Neg",),
}
"""Other operators with the same inputs."""

STRINGS = {
    "direction": ("forward", "reverse"),
    "mode": ("nearest", "linear", "cubic", "constant", "edge", "reflect"),
    "coordinate_transformation_mode": ("asymmetric", "half_pixel", "align_corners"),
    "nearest_mode": ("floor", "ceil", "round_prefer_floor"),
    "approximate": ("none", "tanh"),
}
ACTIVATIONS = {"Tanh": "Relu", "Sigmoid": "HardSigmoid", "Relu": "Tanh"}


def _of_node(sound: onnx.ModelProto, index: int) -> Iterator[tuple[str, str, Change]]:
    node = sound.graph.node[index]
    for other in OTHERS.get(node.op_type, ()):
        yield "operator", f"as {other}", _renamed(index, other)
    for number, attribute in enumerate(node.attribute):
        for name, value in _other_values(attribute):
            told = f"{attribute.name} {name}"
            yield "attribute", told, _set(index, number, attribute.name, value)
    for attribute_name, value in _not_given(node):
        yield "attribute", f"{attribute_name} given", _added(index, attribute_name, value)
    yield from _edges(sound, index)


def _renamed(index: int, other: str) -> Change:
    def change(file: onnx.ModelProto) -> None:
        node = file.graph.node[index]
        node.op_type = other
        schema = onnx.defs.get_schema(other, file.opset_import[0].version)
        for attribute in [a for a in node.attribute if a.name not in schema.attributes]:
            node.attribute.remove(attribute)

    return change


def _set(index: int, number: int, name: str, value: Any) -> Change:
    def change(file: onnx.ModelProto) -> None:
        attribute = onnx.helper.make_attribute(name, value)
        file.graph.node[index].attribute[number].CopyFrom(attribute)

    return change


def _added(index: int, name: str, value: Any) -> Change:
    def change(file: onnx.ModelProto) -> None:
        file.graph.node[index].attribute.append(onnx.helper.make_attribute(name, value))

    return change


def _other_values(attribute: onnx.AttributeProto) -> Iterator[tuple[str, Any]]:
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == onnx.AttributeProto.FLOAT:
        yield "x 1.1", value * 1.1 + 0.01
        yield "x 10", value * 10 + 0.1
    elif attribute.type == onnx.AttributeProto.INT and attribute.name != "to":
        yield "+ 1", value + 1
        yield "- 1", value - 1
    elif attribute.type == onnx.AttributeProto.INTS:
        numbers = list(value)
        if list(reversed(numbers)) != numbers:
            yield "reversed", list(reversed(numbers))
        half = len(numbers) // 2
        if numbers[half:] + numbers[:half] != numbers:
            yield "end for begin", numbers[half:] + numbers[:half]
        yield "+ 1", [*numbers[:-1], numbers[-1] + 1]
    elif attribute.type == onnx.AttributeProto.STRING:
        for other in STRINGS.get(attribute.name, ()):
            if other != value.decode():
                yield f"as {other}", other
    elif attribute.name == "activations":
        first, *rest = [item.decode() for item in value]
        yield "another", [ACTIVATIONS.get(first, "Tanh"), *rest]


def _not_given(node: onnx.NodeProto) -> Iterator[tuple[str, Any]]:
    """What was left at its default."""
    given = {attribute.name for attribute in node.attribute}
    defaults = {
        "Elu": {"alpha": 1.1},
        "Selu": {"alpha": 1.5},
        "Softmax": {"axis": 1},
        "LeakyRelu": {"alpha": 0.02},
        "Gemm": {"alpha": 1.01, "beta": 0.9},
        "LSTM": {"direction": "reverse", "activations": ["Sigmoid", "Relu", "Tanh"]},
        "GRU": {"direction": "reverse", "linear_before_reset": 0},
        "RNN": {"direction": "reverse", "activations": ["Relu"]},
        "LayerNormalization": {"epsilon": 0.1, "axis": 1},
        "Conv": {"pads": [1, 0, 1, 0]},
    }
    for name, value in defaults.get(node.op_type, {}).items():
        if name not in given:
            yield name, value


# ------------------------------------------------------------------------------ edges


def _edges(sound: onnx.ModelProto, index: int) -> Iterator[tuple[str, str, Change]]:
    """Two inputs at each other's place, or an earlier value of the same type for an input."""
    node = sound.graph.node[index]
    types = _types(sound)
    for i, first in enumerate(node.input):
        for j in range(i + 1, len(node.input)):
            second = node.input[j]
            if (
                first != second
                and types.get(first) is not None
                and types.get(first) == types.get(second)
            ):
                yield "edge", f"inputs {i} and {j} swapped", _swapped(index, i, j)
        before = [name for earlier in sound.graph.node[:index] for name in earlier.output]
        before += [value.name for value in sound.graph.input]
        others = [n for n in before if n != first and types.get(n) == types.get(first)]
        if types.get(first) is not None and others:
            other = others[index % len(others)]
            yield "edge", f"input {i} from {other}", _rewired(index, i, other)


def _types(sound: onnx.ModelProto) -> dict[str, Any]:
    values = [*sound.graph.value_info, *sound.graph.input, *sound.graph.output]
    types = {v.name: _type(v) for v in values}
    types.update({i.name: (i.data_type, list(i.dims)) for i in sound.graph.initializer})
    return types


def _type(value: onnx.ValueInfoProto) -> Any:
    tensor = value.type.tensor_type
    return tensor.elem_type, [d.dim_value or d.dim_param for d in tensor.shape.dim]


def _swapped(index: int, i: int, j: int) -> Change:
    def change(file: onnx.ModelProto) -> None:
        inputs = file.graph.node[index].input
        inputs[i], inputs[j] = inputs[j], inputs[i]

    return change


def _rewired(index: int, i: int, name: str) -> Change:
    def change(file: onnx.ModelProto) -> None:
        file.graph.node[index].input[i] = name

    return change
