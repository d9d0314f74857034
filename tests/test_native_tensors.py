"""The file says which of its values are the outputs of layers: they are, with every pass."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from verification.subjects import SPECS

import specc
from specc.backends.adopt import adopt
from specc.backends.export import Exporter, current_weights
from specc.backends.keras_model import run_graph
from specc.backends.native.tensors import mark, moved, read, tensor_names, write_down
from specc.backends.runtime import open_session
from specc.verification.inputs import draw_cases

BRANCHES = """\
model branches {
    input image: float32[9, 9, 3]

    a = image
        -> ZeroPadding2D(1)
        -> Conv2D(4, 3, strides=2, use_bias=False)
        -> BatchNormalization
        -> Dropout(0.5)
        -> ReLU
        -> ReLU(max_value=6)
    b = a -> Conv2D(4, 1)
    [a, b]
        -> Add
        -> AveragePooling2D(2)
        -> Flatten
        -> Reshape((2, 8))
        -> Flatten
        -> BatchNormalization
        -> Dense(3)
}
"""


@pytest.mark.parametrize("name", ["convnet", "bn_before", "wide_and_deep", "sentiment", "branches"])
@pytest.mark.parametrize("without", [(), ("fold", "layout"), ("reshapes", "padding", "clamps")])
def test_what_a_file_says_of_its_values(
    name: str,
    without: Collection[str],
    keras_backend: Any,  # noqa: ARG001
) -> None:
    text = BRANCHES if name == "branches" else (SPECS / f"{name}.spec").read_text("utf-8")
    model = specc.compile_text(text, f"{name}.spec").model()
    built = adopt(model.graph, model.to_keras(seed=0))
    file = Exporter(built, model.source, without=without).export(current_weights(built)).model
    places, names = read(file), tensor_names(model.graph)
    case = next(c for c in draw_cases(model.graph, 0) if c.batch == 17)
    inputs = [case.inputs[tensor.name] for tensor in model.graph.inputs]
    wanted = run_graph(model.graph, built.callables(), inputs, inference=True)
    present = {output.name for output in file.graph.output}
    for place in places.values():
        if place.value not in present:
            present.add(place.value)
            file.graph.output.add(name=place.value)
    found = open_session(file.SerializeToString(), "cpu").run(case.inputs)
    checked = 0
    for tensor, key in names.items():
        if key in places:
            value = found[places[key].value]
            perm = places[key].perm
            have = value if perm is None else value.transpose(perm)
            want = np.asarray(wanted[tensor])
            assert have.shape == want.shape, key
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5, err_msg=key)
            checked += 1
    assert checked == len(places)
    assert checked > len(names) / 2 or without == ()
    last = names[model.graph.outputs[0]]
    assert last in places


def test_a_value_that_moves_twice() -> None:
    """`Transpose(Transpose(third, q), p)` as one transposition, by NumPy."""
    array = np.arange(24).reshape(2, 3, 4)
    p, q = (1, 2, 0), (2, 1, 0)
    first, second, third = (ir.Value(name=name) for name in ("first", "second", "third"))
    node = ir.Node("", "Identity", [], outputs=[third])
    model = ir.Model(ir.Graph([], [], nodes=[node]), ir_version=8)
    mark(ir.Model(ir.Graph([], [], nodes=[ir.Node("", "Identity", [], outputs=[first])]),
                  ir_version=8), {"first": ["dense"]})  # fmt: skip
    moved(first, second, p)
    moved(second, third, q)
    write_down(model)
    (place,) = read(ir.serde.serialize_model(model)).values()
    assert place.value == "third"
    assert place.perm is not None
    expected = array.transpose(q).transpose(p)
    np.testing.assert_array_equal(array.transpose(place.perm), expected)
