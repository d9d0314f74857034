"""The audit of batch normalization, with one planted case for each finding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import specc
from specc.cli.main import main
from specc.verification.batchnorm import epsilon_of
from verification.subjects import Subject, Subjects, line_of, subject

Printed = pytest.CaptureFixture[str]

NORMALIZED = """\
model normalized {
    input x: float32[6, 6, 2]

    Conv2D(4, 3, use_bias=False)
    BatchNormalization
    Activation("relu")
    BatchNormalization(epsilon=0.01)
    Flatten
    Dense(3)
    BatchNormalization
    LayerNormalization
}
"""


def trained(text: str, seed: int = 0) -> Subject:
    """A model whose variables are all random."""
    model = specc.compile_text(text, "normalized.spec").model()
    made = subject(model, seed=seed)
    random = np.random.default_rng(seed)
    for weight in made.keras.weights:
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.5
        weight.assign(random.uniform(low, low + 1, weight.shape))
    return remade(model, made.keras)


def remade(model: specc.Model, keras_model: Any) -> Subject:
    from specc.backends.adopt import adopt
    from specc.backends.export import Exporter, current_weights

    built = adopt(model.graph, keras_model)
    exporter = Exporter(built, model.source)
    return Subject(model, keras_model, exporter, exporter.export(current_weights(built)).model)


@pytest.fixture(scope="module")
def sound(keras_backend: Any) -> Subject:  # noqa: ARG001
    return trained(NORMALIZED)


def test_a_sound_file(sound: Subject) -> None:
    report = sound.verify(sound.file)
    assert (report.diagnostics, report.warnings) == ([], [])


# ------------------------------------------------------------------------------- epsilon


@pytest.mark.parametrize(
    ("layer", "old", "new"),
    [
        ("batch_normalization", "BatchNormalization\n    Act",
         "BatchNormalization(epsilon=0.00001)\n    Act"),
        ("batch_normalization_1", "epsilon=0.01", "epsilon=0.02"),
        ("batch_normalization_2", "BatchNormalization\n    Lay",
         "BatchNormalization(epsilon=0.1)\n    Lay"),
    ],
)  # fmt: skip
def test_an_epsilon_in_folded_weights(sound: Subject, layer: str, old: str, new: str) -> None:
    """The file is exported from the same weights by a spec with another epsilon: by hand."""
    other = specc.compile_text(NORMALIZED.replace(old, new), "other.spec").model()
    keras_model = other.to_keras(seed=0)
    keras_model.set_weights(sound.keras.get_weights())
    file = remade(other, keras_model).file
    report = sound.verify(file)
    first = report.diagnostics[0]
    assert first.code == "E0617"
    assert first.message == f"`{layer}` has another epsilon in the ONNX file"
    assert first.primary.span.line == line_of(sound.model, layer)
    (info,) = (x for x in other.graph.layers if x.name == layer)
    said = float(first.primary.text.split(" in the file")[0])
    assert said == pytest.approx(info.layer.epsilon, rel=0.02)
    # The others are as they should be, and nothing is said of them.
    assert [d.code for d in report.diagnostics].count("E0617") == 1
    data = json.loads(json.dumps(report.as_json()))
    assert (data["errors"][0]["code"], data["errors"][0]["line"]) == (
        "E0617", first.primary.span.line,
    )  # fmt: skip


def test_weights_that_no_epsilon_explains() -> None:
    random = np.random.default_rng(0)
    want = random.standard_normal((6, 4))
    variance = random.uniform(0.5, 2, 4)
    scaled = np.sqrt((variance + 1e-3) / (variance + 1e-2))
    found = epsilon_of(want, (want * scaled).astype(np.float32), variance, 1e-3)
    assert found == pytest.approx(1e-2, rel=1e-3)
    assert epsilon_of(want, want * np.float64([1, 1, 1.001, 1]), variance, 1e-3) is None
    assert epsilon_of(want, want * -scaled, variance, 1e-3) is None
    spoilt = want * scaled
    spoilt[3, 2] *= 1.01
    assert epsilon_of(want, spoilt, variance, 1e-3) is None


# -------------------------------------------------------------------------- nodes of a file

NODES = """\
model nodes {
    input x: float32[5]

    BatchNormalization(momentum=0.9)
}
"""


def with_node(sound: Subject, **attributes: Any) -> onnx.ModelProto:
    """The file with the normalization as one node, as other exporters write it."""
    values = {w.name: np.asarray(w) for w in sound.keras.weights}
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    outputs = ["y_out"] + ["running_mean", "running_var"] * attributes.get("training_mode", 0)
    node = helper.make_node(
        "BatchNormalization", ["x", *names], [sound.file.graph.output[0].name, *outputs[1:]],
        **{"epsilon": 1e-3, **attributes},
    )  # fmt: skip
    entry = node.metadata_props.add()
    entry.key, entry.value = "specc.layer", "batch_normalization"
    file = sound.copy()
    del file.graph.node[:]
    file.graph.node.append(node)
    del file.graph.initializer[:]
    file.graph.initializer.extend(
        onnx.numpy_helper.from_array(values[name].astype(np.float32), name) for name in names
    )
    return file


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"training_mode": 1},
         ("E0616", "`batch_normalization` is in training mode in the ONNX file")),
        ({"epsilon": 1e-5},
         ("E0617", "`batch_normalization` has another epsilon in the ONNX file")),
        ({"momentum": 0.5},
         ("E0617", "`batch_normalization` has another momentum in the ONNX file")),
        ({}, None),
        ({"momentum": 0.9}, None),
    ],
)  # fmt: skip
def test_nodes(
    keras_backend: Any,  # noqa: ARG001
    attributes: dict[str, Any],
    said: tuple[str, str] | None,
) -> None:
    report = trained(NODES).verify(with_node(trained(NODES), **attributes))
    found = [d for d in report.diagnostics if d.code in ("E0616", "E0617")]
    assert [(d.code, d.message) for d in found] == ([said] if said else [])
    assert all(d.primary.span.line == 4 for d in found)


# ------------------------------------------------------------------------ moving statistics


def moved(model: Any, layer: str, weight: str, value: float) -> None:
    (found,) = (w for w in model.get_layer(layer).weights if w.name == weight)
    found.assign(np.full(found.shape, value))


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        (lambda _: None, []),  # a fresh model
        (lambda m: moved(m, "dense", "bias", 0.1), ["batch_normalization"]),
        (lambda m: moved(m, "batch_normalization", "beta", 0.1), ["batch_normalization"]),
        (lambda m: moved(m, "batch_normalization", "moving_mean", 0.1), []),
        (lambda m: (moved(m, "dense", "bias", 0.1),
                    moved(m, "batch_normalization", "moving_variance", 0.9)), []),
    ],
)  # fmt: skip
def test_statistics_that_were_never_updated(
    subjects: Subjects, change: Callable[[Any], Any], warned: list[str]
) -> None:
    model = subjects("small").model
    keras_model = model.to_keras(seed=0)
    change(keras_model)
    made = remade(model, keras_model)
    report = made.verify(made.file)
    assert report.ok
    assert [d.message for d in report.warnings] == [
        f"the moving statistics of `{name}` were never updated" for name in warned
    ]
    assert [w["severity"] for w in report.as_json()["warnings"]] == ["warning"] * len(warned)


def test_the_warning_on_the_command_line(place: Path, subjects: Subjects, capsys: Printed) -> None:
    keras_model = subjects("small").model.to_keras(seed=0)
    moved(keras_model, "dense", "bias", 0.1)
    keras_model.save(place / "half.keras")
    words = ["small.spec", "--weights", "half.keras", "--provider", "cpu"]
    assert main(["export", "--onnx", *words]) == 0
    said = "warning     the moving statistics of `batch_normalization` were never updated"
    assert f"  {said} (small.spec:5)\n" in capsys.readouterr().out


def test_a_keras_model_of_another_epsilon(place: Path, capsys: Printed) -> None:
    """It is refused before anything is compared, with the layer and its line."""
    text = (place / "small.spec").read_text()
    for argument, said in (
        ("epsilon=0.01", "epsilon is 0.01"),
        ("momentum=0.5", "momentum is 0.5"),
    ):
        other = text.replace("BatchNormalization", f"BatchNormalization({argument})")
        specc.compile_text(other).model().to_keras(seed=0).save(place / "other.keras")
        assert main(["verify", "small.spec", "--weights", "other.keras"]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert f"`batch_normalization` (small.spec:5:5): its {said}" in printed.err
