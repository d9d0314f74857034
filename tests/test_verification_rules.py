"""What verification draws, and the constants of its tolerances, against onnxruntime itself."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.helper
import onnxruntime

import specc
from specc.verification.inputs import draw_cases
from specc.verification.tolerance import SIGMOID_ERROR, gates


def test_whole_numbers_stay_in_the_range_of_an_embedding_inside_a_model() -> None:
    program = specc.compile_text("""
model inner {
    input ids: int32[5]

    Embedding(4, 3)
}

model outer {
    input words: int32[5]

    words -> inner -> Flatten
}
""")
    drawn = [case.inputs["words"] for case in draw_cases(program.models[-1].graph, 0)]
    assert max(int(words.max()) for words in drawn) == 3


def test_the_error_of_a_sigmoid() -> None:
    """That of onnxruntime is beyond float32's roundings for small results, and within the bound."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Sigmoid", ["x"], ["y"])],
        "g",
        [value("x", onnx.TensorProto.FLOAT, ["n"])],
        [value("y", onnx.TensorProto.FLOAT, ["n"])],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    x = np.linspace(-120, 120, 240_001, dtype=np.float32)
    (y,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    with np.errstate(over="ignore"):
        truth = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert 0.1 * SIGMOID_ERROR < np.abs(y - truth).max() <= SIGMOID_ERROR


def test_sigmoids_are_counted_for_each_time_step() -> None:
    program = specc.compile_text("""
model m {
    input x: float32[12, 3]

    Dense(4, activation="silu")
    Bidirectional(LSTM(5, return_sequences=True))
    SimpleRNN(2)
    Dense(1, activation="sigmoid")
}
""")
    assert gates(program.models[0].graph.nodes) == 1 + 12 * 4 + 12 + 1
