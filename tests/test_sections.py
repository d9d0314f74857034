"""What `data`, `train` and `export` blocks may say; tests/test_bad_input.py has the messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import specc
from specc.diagnostics.diagnostic import SpecError
from specc.layers.arguments import KerasObject
from specc.semantics.entries import KINDS

MODEL = """model m {
    input x: float32[4]

    Dense(3, activation="softmax")
}

"""


def entries(kind: str, *lines: str) -> dict[str, Any]:
    """What a block says; of the model `m`, or of data."""
    body = "".join(f"    {line}\n" for line in lines)
    program = specc.compile_text(f"{MODEL}{kind} m {{\n{body}}}\n")
    return program.sections[0].entries


RIGHT = [
    ("data", "source", 'keras_dataset("imdb", num_words=10_000, maxlen=200)'),
    ("data", "source", 'keras_dataset("cifar100", label_mode="coarse")'),
    ("data", "source", 'npz("digits.npz", x="images", y="labels")'),
    ("data", "source", 'csv("digits.csv", separator=";", header=False)'),
    ("data", "source", 'images("digits")'),
    ("data", "source", 'idx("images.idx", "labels.idx")'),
    ("data", "test", 'npz("test.npz")'),
    ("data", "features", '["height", "width"]'),
    ("data", "target", '"price"'),
    ("data", "scale", "1 / 255"),
    ("data", "cast", '"float32"'),
    ("data", "one_hot", "True"),
    ("data", "one_hot", "10"),
    ("data", "classes", '["cat", "dog"]'),
    ("data", "classes", "[0, 1]"),
    ("data", "classes", "10"),
    ("data", "validation", "first(5_000)"),
    ("data", "validation", "last(0.2)"),
    ("data", "validation", 'npz("validation.npz")'),
    ("data", "validation", "random(0.1, seed=3)"),
    ("data", "validation", "stratified(1_000)"),
    ("data", "test", "stratified(0.2, seed=1)"),
    ("data", "source", 'npz("digits.npz", x=["wide", "deep"], y=["a", "b"])'),
    ("data", "source", "digits()"),
    ("data", "source", 'parquet("digits.parquet")'),
    ("data", "source", 'tfrecord("*.tfrecord", bytes="image", compression="GZIP")'),
    ("data", "source", 'idx("folder")'),
    ("data", "features", '[["height", "width"], "age"]'),
    ("data", "shuffle", "True"),
    ("data", "padding", '"post"'),
    ("data", "truncating", '"pre"'),
    ("data", "seed", "0"),
    ("train", "optimizer", '"Adam"'),
    ("train", "optimizer", "Adam"),
    ("train", "optimizer", "Lamb()"),
    ("train", "optimizer", "LossScaleOptimizer(SGD(0.1, momentum=0.9))"),
    ("train", "optimizer", "SGD(CosineDecay(0.1, 10 * 1_000, warmup_target=0.2))"),
    ("train", "loss", '"CE"'),
    ("train", "loss", "SparseCategoricalCrossentropy(from_logits=True)"),
    ("train", "loss", "[Huber(0.5)]"),
    ("train", "loss_weights", "[1]"),
    ("train", "loss_weights", "0.5"),
    ("train", "metrics", '["acc", AUC(), Hinge, "mse"]'),
    ("train", "metrics", '[["acc"], "mse"]'),
    ("train", "metrics", '[TopKCategoricalAccuracy(k, name=f"top_{k}") for k in range(1, 4)]'),
    ("train", "weighted_metrics", "[]"),
    ("train", "jit_compile", '"auto"'),
    ("train", "auto_scale_loss", "False"),
    ("train", "deterministic", "True"),
    ("train", "dtype_policy", '"mixed_bfloat16"'),
    ("train", "steps_per_execution", '"auto"'),
    ("train", "validation_batch_size", "256"),
    ("train", "steps_per_execution", "16"),
    ("train", "epochs", "2 * 5"),
    ("train", "batch_size", "32 if True else 64"),
    ("train", "shuffle", "False"),
    ("train", "class_weight", "[1, 2.5, 0]"),
    ("train", "callbacks", "[EarlyStopping(patience=3), TerminateOnNaN]"),
    ("train", "callbacks", "TensorBoard()"),
    ("train", "validation_freq", "[1, 5, 10]"),
    ("train", "steps_per_epoch", "None"),
    ("train", "seed", "42"),
    ("export", "opset", "21"),
    ("export", "precision", '"bfloat16"'),
    ("export", "quantize", '"dynamic"'),
    ("export", "external_data", "True"),
]

WRONG = [
    ("data", "source", "first(10)"),
    ("data", "source", 'keras_dataset("cifar10", label_mode="fine")'),
    ("data", "source", 'npz("")'),
    ("data", "test", '"test.npz"'),
    ("data", "features", "[]"),
    ("data", "features", "[1]"),
    ("data", "target", "3"),
    ("data", "scale", '"small"'),
    ("data", "cast", '"float"'),
    ("data", "one_hot", "0"),
    ("data", "classes", "0"),
    ("data", "classes", "[]"),
    ("data", "validation", "first(0)"),
    ("data", "validation", "first(1.5)"),
    ("data", "validation", "stratified(0)"),
    ("data", "validation", 'random(0.5, seed="a")'),
    ("data", "source", 'csv("a.csv", separator="::")'),
    ("data", "source", 'tfrecord("a.tfrecord", compression="zip")'),
    ("data", "source", 'images("a", interpolation="best")'),
    ("data", "source", "digits(10)"),
    ("data", "target", '[["a"]]'),
    ("data", "shuffle", "10_000"),
    ("data", "padding", '"left"'),
    ("data", "truncating", "True"),
    ("data", "seed", "-1"),
    ("train", "data", '"digits"'),
    ("train", "optimizer", "None"),
    ("train", "optimizer", '"lamb"'),
    ("train", "optimizer", '"lossscaleoptimizer"'),
    ("train", "optimizer", "AdamW(weight_decay=None)"),
    ("train", "optimizer", "MeanSquaredError()"),
    ("train", "optimizer", "Optimizer()"),
    ("train", "optimizer", 'LossScaleOptimizer("adam")'),
    ("train", "loss", '"accuracy"'),
    ("train", "loss", "[]"),
    ("train", "loss", "[None]"),
    ("train", "loss", '["mse", "mae"]'),
    ("train", "loss", "MeanSquaredError(True)"),
    ("train", "loss_weights", "1"),
    ("train", "metrics", '["mse", "nonsense"]'),
    ("train", "metrics", '["huber"]'),
    ("train", "metrics", '["mse", None]'),
    ("train", "metrics", "AUC()"),
    ("train", "metrics", "[Adam()]"),
    ("train", "weighted_metrics", "[True]"),
    ("train", "jit_compile", '"never"'),
    ("train", "auto_scale_loss", "1"),
    ("train", "deterministic", '"yes"'),
    ("train", "dtype_policy", '"mixed"'),
    ("train", "validation_batch_size", "0"),
    ("train", "steps_per_execution", "0"),
    ("train", "epochs", "0"),
    ("train", "epochs", "1.5"),
    ("train", "epochs", "True"),
    ("train", "epochs", "range(3)"),
    ("train", "batch_size", "None"),
    ("train", "shuffle", "1"),
    ("train", "class_weight", "[-1]"),
    ("train", "callbacks", "[Adam()]"),
    ("train", "callbacks", "History()"),
    ("train", "validation_freq", "[0]"),
    ("train", "steps_per_epoch", "0"),
    ("train", "seed", '"random"'),
    ("export", "opset", "17"),
    ("export", "opset", "18.0"),
    ("export", "precision", '"int8"'),
    ("export", "quantize", "8"),
    ("export", "external_data", '"yes"'),
]


@pytest.mark.parametrize(("kind", "key", "value"), RIGHT)
def test_right(kind: str, key: str, value: str) -> None:
    assert list(entries(kind, f"{key} = {value}")) == [key]


@pytest.mark.parametrize(("kind", "key", "value"), WRONG)
def test_wrong(kind: str, key: str, value: str) -> None:
    """One mistake is one error, at the value."""
    with pytest.raises(SpecError) as raised:
        entries(kind, f"{key} = {value}")
    (mistake,) = raised.value.diagnostics
    where = mistake.primary.span
    text = f"{MODEL}{kind} m {{\n    {key} = {value}"
    entry = f"{key} = {value}"
    assert len(text) - len(entry) <= where.start < where.end <= len(text)


@pytest.mark.parametrize("cases", [RIGHT, WRONG], ids=["right", "wrong"])
def test_every_entry_is_tried(cases: list[tuple[str, str, str]]) -> None:
    every = {(kind, key) for kind, known in KINDS.items() for key in known}
    assert {(kind, key) for kind, key, _ in cases} | {("train", "data")} == every


def test_several_mistakes_are_reported_together() -> None:
    with pytest.raises(SpecError) as raised:
        entries("train", "epochs = 0", 'loss = "mes"', "optimizer = Adm()")
    assert [found.code for found in raised.value.diagnostics] == ["E0204", "E0204", "E0260"]


TWO_OUTPUTS = """model m {
    input x: float32[4]

    a = x -> Dense(1)
    b = x -> Dense(1)

    output a, b
}

"""


def mistakes(model: str, *lines: str) -> list[str]:
    """The codes that a `train` block raises."""
    body = "".join(f"    {line}\n" for line in lines)
    try:
        specc.compile_text(f"{model}train m {{\n{body}}}\n")
    except SpecError as error:
        return [found.code for found in error.diagnostics]
    return []


LISTS = [
    (1, 'loss = "mse"', "loss_weights = 0.5", ""),
    (1, 'loss = "mse"', "loss_weights = [0.5]", ""),
    (1, 'loss = "mse"', "loss_weights = [1, 2]", "E0262"),
    (1, 'loss = ["mse"]', 'metrics = [["acc"], "mse"]', ""),
    (1, 'loss = ["mse"]', 'metrics = ["acc", "mse"]', ""),
    (1, 'loss = ["mse"]', 'metrics = ["acc", None]', "E0204"),
    (1, 'loss = ["mse", "mae"]', "epochs = 1", "E0263"),
    (2, 'loss = "mse"', "epochs = 1", ""),
    (2, 'loss = ["mse", None]', "loss_weights = [1, 2]", ""),
    (2, 'loss = ["mse", "mae"]', "loss_weights = 0.5", "E0262"),
    (2, 'loss = ["mse", "mae"]', "loss_weights = [1.0]", "E0262"),
    (2, 'loss = ["mse"]', "epochs = 1", "E0263"),
    (2, 'loss = ["mse", "mae", "mse"]', "epochs = 1", "E0263"),
    (2, 'loss = "mse"', 'metrics = ["mse"]', "E0263"),
    (2, 'loss = "mse"', 'metrics = ["mse", None]', ""),
    (2, 'loss = "mse"', 'weighted_metrics = [["mse"], ["mae", "mse"]]', ""),
    (2, 'loss = "mse"', 'weighted_metrics = [["mse"], ["mae"], ["mse"]]', "E0263"),
    (2, 'loss = "mse"', "metrics = []", ""),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("outputs", "loss", "other", "code"), LISTS)
def test_lists_for_outputs(outputs: int, loss: str, other: str, code: str) -> None:
    """Keras refuses the same when it trains, but for losses of which it passes over some."""
    model = MODEL if outputs == 1 else TWO_OUTPUTS
    found = mistakes(model, loss, other)
    assert found == ([code] if code else [])
    silent = code == "E0263" and "metrics" not in other
    if not silent:
        assert trains(model, loss, other) == (not code)


def trains(model: str, *lines: str) -> bool:
    """Whether Keras trains with the entries, written as Python."""
    import keras
    import numpy as np

    said: dict[str, Any] = {}
    for line in lines:
        exec(line, {}, said)
    made = specc.compile_text(model).model().to_keras()
    labels = [np.ones((4, 1), "float32") for _ in made.outputs]
    if len(labels) == 1:
        labels = [np.ones((4, 3), "float32")]
    epochs = said.pop("epochs", 1)
    keras.utils.clear_session()
    try:
        made.compile("sgd", **said)
        made.fit(np.ones((4, 4), "float32"), labels, epochs=epochs, verbose=0)
    except (ValueError, TypeError):
        return False
    return True


def test_values_are_objects_with_arguments() -> None:
    found = entries("train", "optimizer = SGD(CosineDecay(0.1, 10), momentum=0.9)")["optimizer"]
    assert isinstance(found, KerasObject)
    assert repr(found.given["learning_rate"]) == (
        "CosineDecay(initial_learning_rate=0.1, decay_steps=10)"
    )
    assert found.given["momentum"] == 0.9


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("", []),
        ('train m {\n    optimizer = "adam"\n    loss = "mse"\n}\n', []),
        ("train m {\n    optimizer = Adam()\n}\n", ["optimizers"]),
        ("train m {\n    metrics = [Recall()]\n}\n", ["metrics", "metrics_of_classes"]),
    ],
)
def test_a_spec_pays_for_what_it_uses(block: str, expected: list[str]) -> None:
    statements = f"""
import sys
import specc
specc.compile_text({MODEL + block!r})
families = {{"optimizers", "schedules", "losses", "metrics", "metrics_of_classes", "callbacks",
             "data", "initializers", "regularizers", "constraints"}}
print(*sorted(families & {{name.removeprefix("specc.objects.") for name in sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", statements],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(specc.__file__).parent.parent,
    )
    assert done.stdout.split() == expected


def test_what_a_block_says_trains_a_model() -> None:
    """The values are made Keras's own, and `compile` and `fit` take them."""
    import keras
    import numpy as np

    from specc.backends.keras_objects import keras_value

    text = f"""{MODEL}train m {{
    optimizer = AdamW(CosineDecay(0.01, 100), weight_decay=0.001, clipnorm=1.0)
    loss = CategoricalCrossentropy(label_smoothing=0.1)
    metrics = ["accuracy", AUC(thresholds=[0.25, 0.5]), Precision(thresholds=[0.3, 0.6])]
    weighted_metrics = []
    jit_compile = False
    callbacks = [EarlyStopping("loss", patience=2), TerminateOnNaN]
    epochs = 2
    batch_size = 4
}}
"""
    program = specc.compile_text(text)
    said = {key: keras_value(keras, value) for key, value in program.sections[0].entries.items()}
    model = program.model().to_keras()
    compiling = ("optimizer", "loss", "metrics", "weighted_metrics", "jit_compile")
    model.compile(**{key: said.pop(key) for key in compiling})
    labels = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1]]
    history = model.fit(np.ones((8, 4), "float32"), labels, verbose=0, **said).history
    assert set(history) >= {"loss", "accuracy", "auc", "precision"}
    assert len(history["loss"]) == 2
    assert isinstance(model.optimizer, keras.optimizers.AdamW)


@pytest.mark.parametrize(
    ("value", "meant"), [("npzz('a')", "npz"), ("frist(10)", "first"), ("digit()", "digits")]
)
@pytest.mark.parametrize("entry", ["test", "validation"])
def test_a_part_or_other_data_misspelt(entry: str, value: str, meant: str) -> None:
    with pytest.raises(SpecError) as raised:
        entries("data", f"{entry} = {value}")
    (mistake,) = raised.value.diagnostics
    assert (mistake.code, mistake.help) == ("E0260", f"did you mean `{meant}`?")
