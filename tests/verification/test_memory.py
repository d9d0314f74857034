"""Large models are verified without copies of their weights that nobody needs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import specc
from specc.backends import opened
from specc.backends.adopt import adopt
from specc.backends.frameworks import give_back_memory
from specc.backends.opened import Apart, open_model
from specc.cli.main import main
from specc.verification.inputs import batch_sizes, draw_cases
from specc.verification.parameters import Initializers, exported_initializers, read_initializers
from specc.verification.reference import OWN, RANDOMISED, Reference
from verification.subjects import Subjects

IMAGES = """
model images {
    input x: float32[%d, %d, 3]

    Conv2D(64, 3, padding="same")
    Conv2D(64, 3, padding="same")
    GlobalAveragePooling2D
    Dense(2)
}
"""


# ------------------------------------------------------------------------- batch sizes


@pytest.mark.parametrize(("size", "largest"), [(28, 17), (256, 15), (512, 3), (2048, 3)])
def test_the_largest_batch_is_as_large_as_its_activations_allow(size: int, largest: int) -> None:
    """Two convolutions of 64 channels: 2 * 64 * size**2 numbers a sample, of at most 2**27."""
    graph = specc.compile_text(IMAGES % (size, size), "m.spec").model().graph
    assert batch_sizes(graph) == (1, 2, largest)
    if size == 28:
        assert [c.kind for c in draw_cases(graph, 0) if c.batch == largest] == ["normal"]


def test_what_layers_inside_of_others_give_counts() -> None:
    text = """
    model inner {
        input x: float32[256, 256, 3]

        Conv2D(64, 3, padding="same")
        Conv2D(64, 3, padding="same")
        MaxPooling2D(256)
    }

    model outer {
        input x: float32[256, 256, 3]

        inner
        Flatten
        Dense(2)
    }
    """
    outer = specc.compile_text(text, "m.spec").model("outer")
    assert batch_sizes(outer.graph)[-1] == 15


def test_a_fixed_batch_stays() -> None:
    text = (IMAGES % (512, 512)).replace("3]\n", "3], batch_size=20\n")
    graph = specc.compile_text(text, "m.spec").model().graph
    assert batch_sizes(graph) == (20,)


# ------------------------------------------------------------------ weights kept apart


def product(array: Any, type_: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "wide"], ["z"]),
            helper.make_node("Add", ["z", "b"], ["y"]),
        ],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(array)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", array.shape[1]])],
        [
            helper.make_tensor("w", type_, array.shape, array.tobytes(), raw=True),
            numpy_helper.from_array(np.ones(array.shape[1], np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("limit", [0, 2**26])
def test_a_model_with_its_weights_apart_is_the_same_model(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(opened, "FROM", limit)
    weight = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    model = product(weight, TensorProto.FLOAT)
    apart = Apart.of(model)
    assert list(apart.weights) == ["w"]  # the bias is smaller than what is kept apart
    assert len(apart.skeleton.SerializeToString()) < 1000
    assert apart.whole() == model
    x = np.ones((3, 40), np.float32)
    run = open_model(model, "cpu").run({"x": x})["y"]
    np.testing.assert_allclose(run, x @ weight + 1, rtol=1e-4)

    others = {"w": weight.T.copy().T * 2, "b": np.full(50, 5, np.float32), "none": weight}
    replaced = apart.replaced(others)
    run = replaced.open("cpu").run({"x": x})["y"]
    np.testing.assert_allclose(run, x @ weight * 2 + 5, rtol=1e-4)
    found = read_initializers(replaced.whole())
    np.testing.assert_array_equal(found["w"], weight * 2)
    np.testing.assert_array_equal(found["b"], np.full(50, 5))
    assert apart.whole() == model  # as it was


def test_types_that_numpy_has_not_stay_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime takes no arrays of bfloat16."""
    monkeypatch.setattr(opened, "FROM", 0)
    weight = np.arange(2000).reshape(40, 50).astype(ml_dtypes.bfloat16)
    model = product(weight, TensorProto.BFLOAT16)
    apart = Apart.of(model)
    assert not apart.weights
    assert apart.whole() == model
    doubled = apart.replaced({"w": (weight * 2).astype(ml_dtypes.bfloat16)}).whole()
    np.testing.assert_array_equal(read_initializers(doubled)["w"], weight * 2)
    x = np.ones((3, 40), np.float32)
    wide = weight.astype(np.float32)
    run = open_model(model, "cpu").run({"x": x})["y"]
    np.testing.assert_allclose(run, x @ wide + 1, rtol=1e-4)


def test_verification_is_the_same_with_all_weights_apart(
    monkeypatch: pytest.MonkeyPatch, subjects: Subjects
) -> None:
    one = subjects("small")
    before = one.verify(one.copy())
    monkeypatch.setattr(opened, "FROM", 0)
    after = one.verify(one.copy())
    assert before.ok
    assert after.ok
    assert [vars(run) for run in after.runs] == [vars(run) for run in before.runs]


# ------------------------------------------------------------- one tensor after another


def test_initializers_are_read_when_they_are_asked_for(subjects: Subjects) -> None:
    one = subjects("small")
    reference = Reference(adopt(one.model.graph, one.keras), one.exporter)
    lazily, whole = exported_initializers(reference.expected), reference.expected.model
    assert dict(lazily).keys() == {tensor.name for tensor in whole.graph.initializer}
    for tensor in whole.graph.initializer:
        np.testing.assert_array_equal(lazily[tensor.name], numpy_helper.to_array(tensor))

    class Unread:
        name = "w"

        def numpy(self) -> Any:
            raise AssertionError("read")

    unread = Initializers([], [Unread()])  # type: ignore[list-item]
    assert "w" in unread
    assert list(unread) == ["w"]
    with pytest.raises(AssertionError):
        unread["w"]
    assert unread.get("other") is None


def test_nothing_of_the_expected_file_is_put_together(
    monkeypatch: pytest.MonkeyPatch, subjects: Subjects
) -> None:
    one = subjects("small")
    file = one.copy()

    def refuse(*_: Any) -> Any:
        raise AssertionError("a whole model was made")

    monkeypatch.setattr("specc.backends.export.with_tensors", refuse)
    assert one.verify(file).ok


def test_twins_have_the_weights_that_were_loaded_last(subjects: Subjects) -> None:
    """Only what differs is assigned."""
    one = subjects("small")
    reference = Reference(adopt(one.model.graph, one.keras), one.exporter)
    for weights in (OWN, RANDOMISED, OWN, OWN, RANDOMISED):
        reference.load(weights)
        wanted = reference.own if weights == OWN else reference.randomised
        for twin in (reference.single, reference.double):
            found = [v.numpy() for layer in twin.keras_model.layers for v in layer.weights]
            assert len(found) == len(wanted)
            for have, want in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(have, want)


# ------------------------------------------------------------------------- TensorFlow


VARIABLE = "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"


def test_what_the_user_set_for_tensorflow_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    give_back_memory()
    assert os.environ[VARIABLE] == "0"
    monkeypatch.delenv(VARIABLE)
    give_back_memory()
    assert os.environ[VARIABLE] == "1"


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("words", [["export", "--onnx", "small.spec"], ["verify", "small.spec"]])
def test_commands_that_hold_many_copies_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main([*words, "--provider", "cpu"]) == 0
    assert os.environ[VARIABLE] == "1"


GONE = """
from specc.backends.frameworks import give_back_memory, import_tensorflow
give_back_memory()
tensorflow = import_tensorflow()

def anonymous():
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("RssAnon"))
    return int(line.split()[1]) // 1024

before = anonymous()
tensor = tensorflow.zeros((100, 2**20))
there = anonymous()
del tensor
print(there - before, anonymous() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tensorflow_gives_back_the_memory_of_a_tensor() -> None:
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
    made = subprocess.run(
        [sys.executable, "-c", GONE], env=environment, capture_output=True, text=True, check=True
    )
    there, gone = map(int, made.stdout.split())
    assert there > 380
    assert gone < 100
