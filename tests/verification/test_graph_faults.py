"""Not a weight is changed, and the layer is named all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import onnx.numpy_helper
import pytest

import specc
from verification.subjects import SMALL, Subjects, change, line_of, node_of, subject

# -------------------------------------------------------------------------- the graph


def relu_for_elu(file: onnx.ModelProto) -> None:
    node = node_of(file, "dense_1", "Elu")
    node.op_type = "Relu"
    del node.attribute[:]


def alpha_of_elu(file: onnx.ModelProto) -> None:
    node = node_of(file, "dense", "Elu")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("alpha", 0.9))


def axis_of_softmax(file: onnx.ModelProto) -> None:
    node = node_of(file, "dense_2", "Softmax")
    del node.attribute[:]
    node.attribute.append(onnx.helper.make_attribute("axis", 0))


def another_factor(file: onnx.ModelProto) -> None:
    """The bias is zero in fresh weights."""
    node_of(file, "dense_1", "Gemm").attribute.append(onnx.helper.make_attribute("beta", -1.0))


def no_elu(file: onnx.ModelProto) -> None:
    remove(file, node_of(file, "dense_1", "Elu"))


def no_bias(file: onnx.ModelProto) -> None:
    """Adding zero changes nothing until the model is trained."""
    del node_of(file, "dense_2", "Gemm").input[2]


def remove(file: onnx.ModelProto, node: onnx.NodeProto) -> None:
    """Take a node out; who read it reads its input."""
    for reader in file.graph.node:
        for index, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[index] = node.input[0]
    file.graph.node.remove(node)


@pytest.mark.parametrize(
    ("fault", "layer", "before", "weights", "together"),
    [
        (relu_for_elu, "dense_1", "dense", "own", "`batch_normalization`"),
        (alpha_of_elu, "dense", None, "own", None),
        (axis_of_softmax, "dense_2", "dense_1", "own", None),
        (another_factor, "dense_1", "dense", "randomised", "`batch_normalization`"),
        # Without its activation there is no telling it from the next one.
        (no_elu, "dense_1", "dense", "own", "`batch_normalization` and `dense_2`"),
        (no_bias, "dense_2", "dense_1", "randomised", None),
    ],
)
def test_a_fault_in_the_graph(
    fault: Callable[[onnx.ModelProto], None],
    layer: str,
    before: str | None,
    weights: str,
    together: str | None,
    subjects: Subjects,
) -> None:
    """Not a weight is changed, and the layer is named all the same."""
    sound = subjects("small")
    file = sound.copy()
    fault(file)
    onnx.checker.check_model(file, full_check=True)
    report = sound.verify(file)
    (error,) = report.diagnostics
    assert error.code == "E0605"
    assert error.message == f"the ONNX model parts from Keras in `{layer}`"
    assert error.primary.span.line == line_of(sound.model, layer)
    assert f"{weights} weights" in error.notes[0]
    assert not report.runs[-1].ok
    said = f"the last layer that agrees is `{before}`" if before else "no layer before it"
    assert error.notes[1] == said
    joined = [f"the file computes {together} together with it"] if together else []
    assert error.notes[2:] == joined


def swapped_scale_and_offset(file: onnx.ModelProto) -> None:
    multiply = node_of(file, "batch_normalization", "Mul")
    add = node_of(file, "batch_normalization", "Add")
    multiply.input[1], add.input[1] = add.input[1], multiply.input[1]


def subtract_for_add(file: onnx.ModelProto) -> None:
    """The bias is zero in fresh weights."""
    node_of(file, "dense_1", "Add").op_type = "Sub"


@pytest.mark.parametrize(
    ("fault", "layer", "before"),
    [
        (relu_for_elu, "dense_1", "batch_normalization"),
        (swapped_scale_and_offset, "batch_normalization", "dense"),
        (subtract_for_add, "dense_1", "batch_normalization"),
        (no_elu, "dense_1", "batch_normalization"),
    ],
)
def test_a_fault_in_a_file_of_tf2onnx(
    fault: Callable[[onnx.ModelProto], None], layer: str, before: str, subjects: Subjects
) -> None:
    """It does not say which of its values are the outputs of layers."""
    sound = subjects("small", "tf2onnx")
    file = sound.copy()
    fault(file)
    (error,) = sound.verify(file).diagnostics
    assert error.message == f"the ONNX model parts from Keras in `{layer}`"
    assert error.notes[1] == f"the last layer that agrees is `{before}`"


def test_swapped_inputs_of_a_concatenation(subjects: Subjects) -> None:
    sound = subjects("wide_and_deep")
    file = sound.copy()
    node = node_of(file, "concatenate", "Concat")
    node.input[0], node.input[1] = node.input[1], node.input[0]
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0605"
    assert "`concatenate`" in error.message
    assert error.primary.span.line == line_of(sound.model, "concatenate")


def test_the_wrong_padding(subjects: Subjects) -> None:
    """In images, which the file keeps in another layout than Keras."""
    sound = subjects("convnet")
    file = sound.copy()
    node = node_of(file, "conv2d_2", "Conv")
    (pads,) = (a for a in node.attribute if a.name in ("pads", "auto_pad"))
    node.attribute.remove(pads)
    node.attribute.append(onnx.helper.make_attribute("pads", [0, 0, 2, 2]))
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0605"
    assert "`conv2d_2`" in error.message
    assert error.primary.span.line == line_of(sound.model, "conv2d_2")
    assert error.notes[1] == "the last layer that agrees is `max_pooling2d_1`"


def test_a_folded_normalization(subjects: Subjects) -> None:
    """Its values stand where those of the convolution would, which is named."""
    sound = subjects("convnet")
    file = sound.copy()
    node_of(file, "conv2d_1", "Conv").input[2] = "batch_normalization/bias"
    (error,) = sound.verify(file).diagnostics
    assert error.message == "the ONNX model parts from Keras in `conv2d_1`"
    assert "the file computes `batch_normalization_1` together with it" in error.notes


def test_a_fault_in_a_constant(subjects: Subjects) -> None:
    """Constants are the file's own: they are not replaced by sound ones while verifying."""
    sound = subjects("sentiment")
    file = sound.copy()
    floats = [
        i.name
        for i in file.graph.initializer
        if "/" not in i.name and i.data_type == onnx.TensorProto.FLOAT
    ]
    assert floats
    for name in floats:
        change(file, name, lambda array: array.__iadd__(0.5))
    assert not sound.verify(file).ok


def test_names_of_constants_do_not_matter(keras_backend: Any) -> None:  # noqa: ARG001
    """Another conversion may call them otherwise; they must not be taken for each other."""
    text = """\
model bent {
    input x: float32[4]

    Dense(3)
    ReLU(max_value=2, negative_slope=0.1, threshold=0.5)
    Rescaling(3.0, offset=0.25)
    ReLU(max_value=5)
}
"""
    sound = subject(specc.compile_text(text, "bent.spec").model())
    file = sound.copy()
    names = [i.name for i in file.graph.initializer if "/" not in i.name]
    assert len(names) > 3
    renamed = dict(zip(names, [*names[1:], names[0]], strict=True))
    values = [onnx.numpy_helper.to_array(i).tolist() for i in file.graph.initializer]
    assert len({str(value) for value in values}) > 3
    for initializer in file.graph.initializer:
        initializer.name = renamed.get(initializer.name, initializer.name)
    for node in file.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    assert sound.verify(file).ok


def test_metadata_is_not_needed(subjects: Subjects) -> None:
    """Without it a fault is still found; only the layer is not known."""
    sound = subjects("small")
    file = sound.copy()
    relu_for_elu(file)
    for node in file.graph.node:
        del node.metadata_props[:]
    (error,) = sound.verify(file).diagnostics
    assert error.code == "E0606"
    assert error.message == "the output `dense_2` of the ONNX model is not Keras's"
    assert error.primary.span.line == 7


def test_other_inputs_and_outputs(subjects: Subjects) -> None:
    sound = subjects("small")

    def rename(file: onnx.ModelProto) -> None:
        file.graph.output[0].name = "other"
        node_of(file, "dense_2", "Softmax").output[0] = "other"

    def fix_the_batch(file: onnx.ModelProto) -> None:
        file.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    def widen(file: onnx.ModelProto) -> None:
        file.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"

    for fault, ok in (rename, False), (fix_the_batch, False), (widen, True):
        file = sound.copy()
        fault(file)
        report = sound.verify(file)
        assert report.ok == ok
        assert [d.code for d in report.diagnostics] == ([] if ok else ["E0607"])


def test_a_file_that_onnxruntime_does_not_run(subjects: Subjects) -> None:
    """The checker lets both pass: it knows no shapes while the model runs."""
    sound = subjects("small")
    transposed = sound.copy()
    change(transposed, "dense_1/kernel", lambda _: None)
    initializer = next(i for i in transposed.graph.initializer if i.name == "dense_1/kernel")
    array = onnx.numpy_helper.to_array(initializer).T
    initializer.CopyFrom(onnx.numpy_helper.from_array(array.copy(), "dense_1/kernel"))
    unknown = sound.copy()
    node_of(unknown, "dense", "Elu").op_type = "Elo"
    for file in transposed, unknown:
        with pytest.raises(specc.UsageError, match="onnxruntime cannot run the ONNX model: "):
            sound.verify(file)


def test_a_model_that_is_wired_otherwise(keras_backend: Any) -> None:
    """The same layers and weights, and something between them that the spec does not have.

    However far the model is from the spec's, that must not pass for Keras's rounding.
    """
    model = specc.compile_text(SMALL, "small.spec").model()
    plain = model.to_keras(seed=0)
    layers = [plain.get_layer(info.name) for info in model.layers]
    inputs = keras_backend.Input((6,), name="x")
    x = keras_backend.layers.Rescaling(1.5)(inputs)
    for layer in layers:
        x = layer(x)
    rewired = keras_backend.Model(inputs, x, name="small")
    report = specc.verify(model, rewired, model.to_onnx(rewired), provider="cpu")
    assert not report.ok


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("specc.layer", "nobody"),
        ("specc.tensors", '[[0,"dense_1",[1,0,2]]]'),
        ("specc.tensors", '[[0,"dense_1",[7]]]'),
        ("specc.tensors", '[[9,"dense_1",null]]'),
        ("specc.tensors", "no JSON"),
    ],
)
def test_metadata_of_someone_else(key: str, value: str, subjects: Subjects) -> None:
    """A fault is found whatever a file says of itself."""
    sound = subjects("small")
    file = sound.copy()
    relu_for_elu(file)
    for node in file.graph.node:
        for entry in node.metadata_props:
            if entry.key == key and "Relu" in node.op_type:
                entry.value = value
    assert [error.code for error in sound.verify(file).diagnostics] == ["E0605"]
