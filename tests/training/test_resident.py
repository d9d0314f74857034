"""Data that stay on the device: the same batches, and the same losses. Forced, on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specc.cli.training_progress import heading
from specc.training.columns import Held
from specc.training.dataset import Part
from specc.training.feed import NumpyFeed, weighted
from specc.training.progress import Plan
from specc.training.resident import LARGEST, JaxResident, TensorFlowResident, stays_on_device
from specc.training.signals import Stopped
from tests.training.test_train import Prepared, StopAt, same, weights

ENTRIES = """optimizer = Adam(0.01)
    class_weight = [1, 2.5, 1]
    epochs = 3"""


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("executed", [1, 2])
def test_losses_and_weights_are_the_same(executed: int, tmp_path: Path) -> None:
    """With a smaller batch at the end, weights of classes, and several steps an execution."""
    prepared = Prepared(tmp_path, "Dropout(0.3)", ENTRIES)
    fed = prepared.train("fed", steps_per_execution=executed, batch_size=48)
    stays = prepared.train("stays", steps_per_execution=executed, batch_size=48, resident=True)
    assert stays.history == fed.history
    assert same(weights(stays), weights(fed))


@pytest.mark.usefixtures("keras_backend")
def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path, "Dropout(0.3)", ENTRIES)
    calm = prepared.train("calm", steps_per_execution=1)
    with pytest.raises(Stopped):
        prepared.train("wild", steps_per_execution=1, resident=True, progress=StopAt(1, 2))
    resumed = prepared.train("wild", steps_per_execution=1, resident=True)
    assert (resumed.resumed, resumed.history) == (True, calm.history)
    assert same(weights(resumed), weights(calm))


def part(count: int = 50) -> Part:
    random = np.random.default_rng(0)
    x, z = random.normal(size=(count, 3)).astype("float32"), random.integers(0, 9, (count, 2))
    return Part((Held(x), Held(z.astype("int32"))), (Held(random.integers(0, 3, count)),))


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("kind", [JaxResident, TensorFlowResident])
@pytest.mark.parametrize(("seed", "steps"), [(None, None), (7, None), (7, 3)])
def test_batches_are_those_of_other_feeds(kind: Any, seed: int | None, steps: int | None) -> None:
    if kind is JaxResident:
        pytest.importorskip("jax")
    data = part()
    more = {"weights": weighted(data, (1.0, 2.0, 0.5)), "steps": steps}
    found, expected = kind(data, 16, seed, **more), NumpyFeed(data, 16, seed, **more)
    assert found.steps == expected.steps
    for epoch, start in ((0, 0), (1, 2)):
        own = list(found.begin(epoch, start))
        if kind is TensorFlowResident:
            own = [found.gathered(indices) for indices, _ in own]
        batches = list(expected.begin(epoch, start))
        assert len(own) == len(batches)
        for first, second in zip(own, batches, strict=True):
            for a, b in zip(flat(first), flat(second), strict=True):
                assert np.dtype(a.dtype.name) == b.dtype or kind is JaxResident  # has no int64
                np.testing.assert_array_equal(np.asarray(a), b)


def flat(batch: Any) -> list[Any]:
    return [x for item in batch for x in (item if isinstance(item, tuple) else (item,))]


def test_where_data_stay_on_the_device() -> None:
    data = part()
    assert stays_on_device(data, "tensorflow", "gpu")
    assert stays_on_device(data, "jax", "gpu")
    assert not stays_on_device(data, "torch", "gpu")
    assert not stays_on_device(data, "tensorflow", "cpu")
    texts = Part((Held(np.array(["a", "b"], object)),), data.targets)
    assert not stays_on_device(texts, "tensorflow", "gpu")
    wide = np.broadcast_to(np.float32(0), (LARGEST // 4 // 50 + 1, 50))
    assert not stays_on_device(Part((Held(wide),), ()), "tensorflow", "gpu")


def test_it_is_shown() -> None:
    plan = Plan("m", 100, 5, 1, 20, 1, "jax", "gpu", resident=True)
    assert heading(plan).endswith("jax on the gpu, data on the device")
