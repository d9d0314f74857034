"""`train`, within one process on TensorFlow, against Keras's own `fit` on the same batches."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specc
from specc.diagnostics.diagnostic import SpecError
from specc.files import UsageError
from specc.training.checkpoint import Checkpoints, Damaged, read_checkpoint
from specc.training.dataset import Dataset
from specc.training.progress import Plan, Silent
from specc.training.settings import Settings, settings_of

pytestmark = pytest.mark.usefixtures("keras_backend")

SPEC = """\
data numbers {
    source = npz("numbers.npz")
    validation = last(20)
}

model m {
    input x: float32[6]

    Dense(8, activation="tanh")
    BODY
    Dense(3, activation="softmax")
}

train m {
    data = numbers
    loss = "sparse_categorical_crossentropy"
    metrics = ["accuracy"]
    batch_size = 16
    ENTRIES
}
"""


class Prepared:
    """A spec in a folder, with data."""

    def __init__(self, folder: Path, body: str, entries: str, spec: str = SPEC) -> None:
        random = np.random.default_rng(0)
        x = random.normal(size=(100, 6)).astype("float32")
        np.savez(folder / "numbers.npz", x=x, y=(x[:, 0] > 0) + (x[:, 1] > 0).astype(int))
        path = folder / "m.spec"
        text = spec.replace("    BODY\n", f"    {body}\n" if body else "")
        path.write_text(text.replace("ENTRIES", entries), encoding="utf-8")
        self.folder = folder
        self.program = specc.compile(path)
        self.model = self.program.model("m")

    def settings(self, **instead: Any) -> Settings:
        return settings_of(self.program, self.model, **instead)

    def data(self) -> Dataset:
        from specc.training.load import load_dataset

        return load_dataset(self.program, self.model)

    def train(self, out: str = "out", **more: Any) -> Any:
        from specc.training.engine import train

        names = ("restart", "progress", "resident")
        own = {name: more.pop(name) for name in names if name in more}
        settings = self.settings(**{"deterministic": None, **more})
        return train(self.model, self.data(), settings, out=str(self.folder / out), **own)


def weights(run: Any) -> list[Any]:
    import keras

    model = run.built.keras_model if run.built else keras.saving.load_model(run.paths.keras)
    return [np.asarray(w) for w in model.get_weights()]


def same(first: list[Any], second: list[Any]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


OBJECTS = {
    "plain": ("", "epochs = 3"),
    "momentum and weights of classes": (
        "",
        "optimizer = SGD(0.1, momentum=0.9)\n    class_weight = [1, 2.5, 1]\n    epochs = 3",
    ),
    "clipping and accumulation": (
        "",
        "optimizer = Adam(0.01, clipnorm=0.5, gradient_accumulation_steps=2)\n    epochs = 3",
    ),
    "averages of weights": (
        "BatchNormalization",
        "optimizer = Adam(0.01, use_ema=True)\n    epochs = 3",
    ),
    "a schedule": ("", "optimizer = SGD(CosineDecay(0.1, 12))\n    epochs = 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", OBJECTS)
def test_weights_are_those_of_keras_fit(case: str, tmp_path: Path) -> None:
    import keras

    from specc.backends.keras_objects import keras_value
    from specc.training.batches import order

    prepared = Prepared(tmp_path, *OBJECTS[case])
    run = prepared.train(steps_per_execution=1)
    settings, part = prepared.settings(), prepared.data().train
    model = prepared.model.to_keras(seed=0)
    model.compile(keras_value(keras, settings["optimizer"]), settings["loss"], metrics=["accuracy"])
    (x,), (y,) = part.arrays() or ([], [])
    rows = [order(len(x), 0, epoch) for epoch in range(3)]
    chosen = np.concatenate(rows)
    classes = settings["class_weight"]
    history = model.fit(
        keras_batches(x[chosen], y[chosen], len(x)),
        epochs=3,
        steps_per_epoch=5,
        class_weight=dict(enumerate(classes)) if classes else None,
        verbose=0,
        shuffle=False,
    ).history
    for found, expected in zip(weights(run), model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    found_losses = [row["loss"] for row in run.history]
    np.testing.assert_allclose(found_losses, history["loss"], rtol=1e-5)


def keras_batches(x: Any, y: Any, length: int) -> Any:
    """Epochs one after the other, each in batches of 16."""
    import tensorflow as tf

    epochs = [slice(i, i + length) for i in range(0, len(x), length)]
    parts = [tf.data.Dataset.from_tensor_slices((x[e], y[e])).batch(16) for e in epochs]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.concatenate(part)
    return whole


class StopAt(Silent):
    """Wants the run to end after a step."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)
        self.plan: Plan | None = None

    def begin(self, plan: Plan) -> None:
        self.plan = plan

    def step(self, epoch: int, step: int) -> None:
        if (epoch, step) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


BODY = "Dropout(0.3)\n    BatchNormalization"
ENTRIES = """optimizer = Adam(0.01, use_ema=True)
    epochs = 6
    callbacks = [
        EarlyStopping(patience=3, restore_best_weights=True),
        ReduceLROnPlateau(patience=1, factor=0.5, min_delta=10),
        CSVLogger("{log}"),
    ]"""
"""Everything that has a memory."""


@pytest.mark.parametrize("place", [(0, 1), (3, 5)])
def test_a_stopped_run_goes_on_bit_by_bit(place: tuple[int, int], tmp_path: Path) -> None:
    from specc.training.signals import Stopped

    log = tmp_path / "log.csv"
    prepared = Prepared(tmp_path, BODY, ENTRIES.replace("{log}", str(log)))
    calm = prepared.train("calm", steps_per_execution=1)
    expected_log = log.read_text(encoding="utf-8")
    stop = StopAt(*place)
    with pytest.raises(Stopped) as stopped:
        prepared.train("wild", steps_per_execution=1, progress=stop)
    assert stopped.value.status == 130
    epoch, step = place if place[1] < 5 else (place[0] + 1, 0)
    assert (stopped.value.epoch, stopped.value.step) == (epoch, step)
    resumed = prepared.train("wild", steps_per_execution=1)
    assert resumed.resumed
    assert resumed.history == calm.history
    assert same(weights(resumed), weights(calm))
    assert log.read_text(encoding="utf-8") == expected_log
    rows = list(csv.DictReader(expected_log.splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(len(rows)))


def test_a_finished_run_does_nothing_and_more_epochs_go_on(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "Dropout(0.3)", "optimizer = Adam(0.01)\n    epochs = 2")
    first = prepared.train()
    before = Path(first.paths.keras).stat().st_mtime_ns
    again = prepared.train()
    assert again.already
    assert again.history == first.history
    assert Path(first.paths.keras).stat().st_mtime_ns == before
    more = prepared.train(epochs=4)
    assert (more.resumed, more.already, len(more.history)) == (True, False, 4)
    assert same(weights(more), weights(prepared.train("anew", epochs=4)))
    assert not prepared.train(restart=True).already


def test_several_steps_an_execution_give_the_same_losses(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", "epochs = 2")
    one = prepared.train("one", steps_per_execution=1)
    several = prepared.train("several", steps_per_execution=4)
    for first, second in zip(one.history, several.history, strict=True):
        assert first == pytest.approx(second, rel=1e-5)


def test_another_run_is_refused(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", "epochs = 1")
    prepared.train()
    with pytest.raises(UsageError, match=r"`batch_size` \(was 16, is 8\)"):
        prepared.train(batch_size=8)
    with pytest.raises(UsageError, match=r"`seed` \(was 0, is 1\)"):
        prepared.train(seed=1)
    with pytest.raises(UsageError, match=r"what has changed is the model$"):
        Prepared(tmp_path, "Dropout(0.5)", "epochs = 1").train()
    prepared = Prepared(tmp_path, "", "epochs = 1")
    with np.load(tmp_path / "numbers.npz") as file:
        arrays = dict(file)
    arrays["x"][3, 2] += 1
    np.savez(tmp_path / "numbers.npz", **arrays)
    with pytest.raises(UsageError, match=r"what has changed is the data$"):
        prepared.train()


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", "epochs = 2")
    run = prepared.train(checkpoint_every=0)
    checkpoints = Checkpoints(run.paths.checkpoints)
    assert len(checkpoints.paths()) == 2
    newest = Path(checkpoints.paths()[-1])
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.raises(Damaged):
        read_checkpoint(str(newest))
    notes: list[str] = []

    class Notes(Silent):
        def note(self, what: str) -> None:
            notes.append(what)

    again = prepared.train(progress=Notes())
    assert notes == [f"`{newest}` is damaged; the checkpoint before it is taken"]
    assert same(weights(again), weights(run))


NOT_FINITE = {
    "a layer": ("ops.log(0.0 * x) -> Dense(4)", "optimizer = SGD(0.1)", "`log`: its output"),
    "a weight": ("", "optimizer = SGD(1e38)", "after the update of step 1 is not finite"),
}


@pytest.mark.parametrize("case", NOT_FINITE)
def test_nan_is_told_with_its_layer(case: str, tmp_path: Path) -> None:
    body, entries, expected = NOT_FINITE[case]
    spec = SPEC
    if body:
        spec = SPEC.replace('    Dense(8, activation="tanh")\n    BODY', f"    {body}")
    else:
        spec = (
            SPEC.replace('activation="tanh"', 'activation="relu"')
            .replace('    Dense(3, activation="softmax")', "    Dense(1)")
            .replace('"sparse_categorical_crossentropy"', '"mse"')
            .replace('["accuracy"]', "[]")
        )
    prepared = Prepared(tmp_path, "", entries, spec)
    with pytest.raises(SpecError) as refused:
        prepared.train(steps_per_execution=2)
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.code == "E0750"
    assert expected in diagnostic.primary.text
    assert not (tmp_path / "out" / "m.keras").exists()


def test_result_and_manifest(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", "epochs = 2")
    run = prepared.train()
    history = json.loads(Path(run.paths.history).read_text(encoding="utf-8"))
    assert history["history"] == run.history
    assert run.metrics_of == "validation"
    assert run.metrics["loss"] == run.history[-1]["val_loss"]
    manifest = json.loads(Path(run.paths.manifest).read_text(encoding="utf-8"))
    assert manifest["trained"]["epochs"] == 2
    assert manifest["trained"]["optimizer"] == "'rmsprop'"
    if run.curves:
        assert Path(run.paths.curves).read_bytes().startswith(b"\x89PNG")


def test_mixed_precision_leaves_the_model_as_the_spec_has_it(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", 'epochs = 1\n    dtype_policy = "mixed_bfloat16"')
    run = prepared.train()
    assert {w.dtype.name for w in weights(run)} == {"float32"}
    policies = {layer.dtype_policy.name for layer in run.built.keras_model.layers}
    assert policies == {"float32"}


def test_too_many_steps_an_epoch(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", "epochs = 1\n    steps_per_epoch = 9")
    with pytest.raises(UsageError, match="`steps_per_epoch` is 9, and the data have 5 batches"):
        prepared.train()


def test_two_runs_keep_out_of_each_others_way(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "", "epochs = 1")
    with (
        Checkpoints(str(tmp_path / "out" / "m.checkpoints")).locked(),
        pytest.raises(UsageError, match="another `specc train` is at work"),
    ):
        prepared.train()
