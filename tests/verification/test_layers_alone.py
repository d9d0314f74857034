"""Each layer of a file by itself: `specc.verification.layers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest

import specc
from specc.backends.adopt import adopt
from specc.backends.keras_model import build_keras, pair_variables
from specc.backends.native.tensors import read
from specc.verification.inputs import Case, draw_cases
from specc.verification.layers import Checked, _Walk
from specc.verification.pieces import Pieces
from verification.subjects import Subject, Subjects, change, node_of, one_percent, subject

SPECS = ["bn_after", "bn_before", "convnet", "sentiment", "wide_and_deep"]


def walk(sound: Subject, file: onnx.ModelProto, case: Case) -> _Walk:
    graph = sound.model.graph
    single = adopt(graph, sound.keras)
    wide = build_keras(graph, dtype="float64")
    for (_, own), (_, other) in zip(pair_variables(single), pair_variables(wide), strict=True):
        other.assign(own)
    return _Walk(single, wide, Pieces(file, graph, read(sound.file)), case, "cpu", 0)


def cases(sound: Subject, batch: int = 2) -> list[Case]:
    return [case for case in draw_cases(sound.model.graph, 0) if case.batch == batch]


def checked(sound: Subject, file: onnx.ModelProto, kind: str = "normal") -> list[Checked]:
    (case,) = (case for case in cases(sound) if case.kind == kind)
    return list(walk(sound, file, case).run())


@pytest.mark.parametrize("name", SPECS)
def test_sound_layers(name: str, subjects: Subjects) -> None:
    sound = subjects(name)
    for case in cases(sound):
        found = list(walk(sound, sound.file, case).run())
        assert all(layer.ok for layer in found), (case, found)
        # What is not seen by itself is seen together with something else, or passed on.
        seen = {node.layer.name for layer in found for node in layer.nodes}
        passing = {x.name for x in sound.model.layers if x.kind in ("Dropout", "Reshape")}
        assert seen | passing == {x.name for x in sound.model.layers} | passing


def other_bias(file: onnx.ModelProto) -> None:
    node_of(file, "conv2d_1", "Conv").input[2] = "batch_normalization/bias"


def last_bias(file: onnx.ModelProto) -> None:
    change(file, "dense/kernel", one_percent)


@pytest.mark.parametrize(
    ("faults", "layers"),
    [
        ([other_bias], ["batch_normalization_1"]),
        ([other_bias, last_bias], ["batch_normalization_1", "dense"]),
    ],
)
def test_a_fault_does_not_smear(
    faults: list[Callable[[onnx.ModelProto], None]], layers: list[str], subjects: Subjects
) -> None:
    sound = subjects("convnet")
    file = sound.copy()
    for fault in faults:
        fault(file)
    found = checked(sound, file)
    assert [layer.layer.name for layer in found if not layer.ok] == layers
    assert found[-1].layer.name == "dense"


def test_a_piece_that_onnxruntime_does_not_run(subjects: Subjects) -> None:
    sound = subjects("convnet")
    file = sound.copy()
    node_of(file, "conv2d_1", "Conv").input[1] = "conv2d/kernel"
    assert [x.layer.name for x in checked(sound, file) if not x.ok] == ["batch_normalization_1"]


def test_the_memory_is_that_of_a_few_layers(keras_backend: Any) -> None:  # noqa: ARG001
    lines = "\n".join(['Dense(3, activation="tanh")'] * 120)
    text = f"model deep {{\n    input x: float32[3]\n\n{lines}\n}}\n"
    sound = subject(specc.compile_text(text, "deep.spec").model())
    there = walk(sound, sound.file, cases(sound)[0])
    most = 0
    for layer in there.run():
        assert layer.ok
        most = max(most, len(there.values))
    assert most <= 3
    assert there.values == {}


def test_a_file_that_reads_what_the_spec_computes_later(
    keras_backend: Any,  # noqa: ARG001
) -> None:
    text = """\
model two {
    input x: float32[4]

    a = x -> Dense(4) -> ReLU
    b = x -> Dense(4) -> ELU
    [a, b] -> Concatenate
}
"""
    sound = subject(specc.compile_text(text, "two.spec").model())
    file = sound.copy()
    later = node_of(file, "dense_1", "Gemm").output[0]
    reader = node_of(file, "re_lu", "Relu")
    reader.input[0] = later
    nodes = list(file.graph.node)
    nodes.remove(reader)
    nodes.insert(nodes.index(node_of(file, "dense_1", "Gemm")) + 1, reader)
    del file.graph.node[:]
    file.graph.node.extend(nodes)
    onnx.checker.check_model(file)
    assert [x.layer.name for x in checked(sound, file) if not x.ok] == ["re_lu"]
    (error,) = sound.verify(file).diagnostics
    assert error.message == "the ONNX model parts from Keras in `re_lu`"


def test_the_last_reader_of_a_mask(keras_backend: Any) -> None:  # noqa: ARG001
    """Keras hands masks on beside its tensors; they go with the rounded numbers too."""
    text = """\
model masked {
    input words: int32[time]

    Embedding(20, 4, mask_zero=True)
    LSTM(3, return_sequences=True)
    LSTM(2)
}
"""
    sound = subject(specc.compile_text(text, "masked.spec").model())
    for kind in "normal", "zeros":
        assert all(x.ok for x in checked(sound, sound.file, kind))
