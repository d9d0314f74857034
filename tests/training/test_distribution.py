"""Runs that are spread over devices and processes, against the same run on one device."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specc
from specc.cli.main import main
from specc.files import UsageError
from specc.training.batches import batches, shared
from specc.training.checkpoint import Checkpoints
from specc.training.dataset import Part
from specc.training.distribution import (
    JOINED,
    Distribution,
    Spread,
    check_wish,
    layout_of,
    only_known,
    require_devices,
    require_parts,
)
from specc.training.lost import lost
from specc.training.settings import settings_of
from tests.conftest import Golden
from tests.training import spread

ROUNDING = 1e-5


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process outlives its test, however that ends."""
    yield
    for process in spread.STARTED:
        process.kill()
        process.communicate()
    spread.STARTED.clear()


def close(first: Any, second: Any) -> None:
    """Hold two results of runs equal, to the rounding of float32 sums in another order."""
    assert len(first["history"]) == len(second["history"])
    rows = [*zip(first["history"], second["history"], strict=True)]
    for one, other in [*rows, (first["metrics"], second["metrics"])]:
        assert one == pytest.approx(other, rel=ROUNDING)
    assert first["of"] == second["of"] == "test"


# ------------------------------------------------------------------ devices and processes


def test_two_devices_of_tensorflow_train_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras_backend: Any
) -> None:
    assert keras_backend.backend.backend() == "tensorflow"
    monkeypatch.chdir(tmp_path)
    Path("m.spec").write_text(spread.ON_TENSORFLOW, encoding="utf-8")
    two = spread.run_script(tmp_path, "on_tensorflow")
    Path("m.spec").write_text(spread.ON_TENSORFLOW, encoding="utf-8")
    assert two["nan"] == "E0750"
    assert "is not finite" in two["where"]
    close(spread.found(spread.train_here(None, "one", epochs=3)), two)
    # A checkpoint of two devices, on one.
    more = spread.train_here(None, "two", epochs=4)
    assert more.resumed
    close(spread.found(spread.train_here(None, "one", epochs=4)), spread.found(more))


def test_two_processes_of_jax_train_as_one_also_where_one_is_killed(tmp_path: Path) -> None:
    first, second = spread.pair(
        tmp_path, "--epochs", "500", "--checkpoint-every", "0", "--timeout", "12"
    )
    said = spread.wait_for(first, "epoch   1/500")
    assert said[0].rstrip().endswith("jax on 2 cpus of 2 processes")
    second.send_signal(signal.SIGKILL)  # of the process that was started; what it has ends too
    began = time.monotonic()
    assert spread.outcome(second) == (-signal.SIGKILL, "", "")
    status, out, err = spread.outcome(first)
    assert time.monotonic() - began < 60
    assert (status, out) == (1, "")
    *_, error, help = err.splitlines()
    assert error == "error: process 1 of 2 is lost: it has ended, or cannot be reached"
    checkpoints = Checkpoints(str(tmp_path / "process-0" / "build" / "m.checkpoints"))
    checkpoint, damaged = checkpoints.newest()
    assert checkpoint is not None
    assert (damaged, checkpoint.epoch in range(1, 8)) == ([], True)
    assert f"go on from `build/m.checkpoints/{Path(checkpoints.paths()[-1]).name}`" in help

    first, second = spread.pair(tmp_path, "--json")
    status, out, err = spread.outcome(first)
    assert status == 0, err
    assert "going on after epoch" in err
    result = json.loads(out)
    assert spread.outcome(second) == (0, "", "")
    assert not (tmp_path / "process-1" / "build").exists()  # the first one writes, for both
    assert not (tmp_path / "process-1" / "log.csv").exists()
    assert (tmp_path / "process-0" / "log.csv").exists()

    runs = spread.run_script(tmp_path / "process-0", "on_jax", "build")
    one = runs["one"]
    close(one, runs["processes"])  # eight epochs of two processes, and one of one
    assert result["history"] == runs["processes"]["history"][:8]
    assert result["metrics_of"] == "test"
    for name in ("two", "four"):
        close({**one, "history": one["history"][:2], "metrics": {}}, {**runs[name], "metrics": {}})


def test_processes_that_are_not_of_one_run(tmp_path: Path) -> None:
    alone = spread.start(tmp_path / "alone", 1, spread.free_port(), "--timeout", "2")
    first, second = spread.pair(tmp_path, last=("--seed", "4"))
    for process, what in ((first, "it says what differs"), (second, "`seed` differs")):
        status, out, err = spread.outcome(process)
        assert (status, out) == (2, "")
        assert err.startswith(f"error: process 1 would not train what process 0 does: {what}\n")
    status, out, err = spread.outcome(alone)
    assert (status, out) == (1, "")
    assert err.startswith("error: process 0 does not answer at 127.0.0.1:")


@pytest.mark.slow
def test_ctrl_c_in_one_process_stops_both_at_the_same_step(tmp_path: Path) -> None:
    first, second = spread.pair(tmp_path, "--epochs", "500")
    spread.wait_for(first, "epoch   1/500")
    second.send_signal(signal.SIGINT)
    status, out, err = spread.outcome(first)
    assert (status, out) == (143, "")
    assert err.splitlines()[-1].startswith("stopped ")
    assert spread.outcome(second) == (130, "", "")
    first, second = spread.pair(tmp_path, "--epochs", "8", "--resume", slurm=True)
    status, _, err = spread.outcome(first)
    assert (status, spread.outcome(second)[0]) == (0, 0), err


# ------------------------------------------------------------------ shares of batches


def test_shares_are_parts_of_the_batches_in_their_order() -> None:
    column = np.arange(44)
    part = Part((column,), (column * 10,))
    whole = list(batches(part, 12, seed=3, epoch=1, start=1))
    parts = [list(batches(part, 12, seed=3, epoch=1, start=1, share=(i, 4))) for i in range(4)]
    assert [len(b.inputs[0]) for b in whole] == [12, 12, 8]
    for number, batch in enumerate(whole):
        for name in ("inputs", "targets"):
            pieces = [getattr(own[number], name)[0] for own in parts]
            np.testing.assert_array_equal(np.concatenate(pieces), getattr(batch, name)[0])
    np.testing.assert_array_equal(shared(np.arange(10), 4, (1, 2)), [2, 3, 6, 7, 9])
    np.testing.assert_array_equal(shared(np.arange(11), 4, (0, 2)), [0, 1, 4, 5])


def test_what_does_not_go_into_equal_parts() -> None:
    two = Spread()
    two.replicas = 2
    require_parts(two, 100, 32, 4)
    require_parts(two, 101, 32, 3)
    with pytest.raises(UsageError, match="a batch of 33 does not go into 2 equal parts") as refused:
        require_parts(two, 100, 33, 4)
    assert refused.value.help == "another batch size, such as 32, or another number of devices"
    with pytest.raises(UsageError, match="the last batch of an epoch has 5 of the 101") as refused:
        require_parts(two, 101, 32, 4)
    assert "`steps_per_epoch = 3` in" in str(refused.value.help)
    with pytest.raises(UsageError, match="the last batch of an epoch has 31 of the 31") as refused:
        require_parts(two, 31, 32, 1)
    assert "steps_per_epoch" not in str(refused.value.help)


# ------------------------------------------------------------------ bad input


AT = "10.0.0.1:4321"
WISHES = {
    "PyTorch": (Distribution(), "torch"),
    "processes on TensorFlow": (Distribution(coordinator="auto"), "tensorflow"),
    "processes without a place to meet": (Distribution(processes=2, process=0), "jax"),
    "auto and a number": (Distribution(coordinator="auto", processes=2), "jax"),
    "no port": (Distribution(coordinator="10.0.0.1", processes=2, process=0), "jax"),
    "port 0": (Distribution(coordinator="10.0.0.1:0", processes=2, process=0), "jax"),
    "not numbered": (Distribution(coordinator=AT, processes=2), "jax"),
    "one process": (Distribution(coordinator=AT, processes=1, process=0), "jax"),
    "no such process": (Distribution(coordinator=AT, processes=2, process=2), "jax"),
    "a layout of copies": (Distribution(layout={"a": (None,)}), "jax"),
    "parts of weights on TensorFlow": (Distribution("model", layout={"a": (None,)}), "tensorflow"),
    "parts of weights without a layout": (Distribution("model"), "jax"),
    "parts of weights over processes": (
        Distribution("model", layout={"a": (None,)}, coordinator=AT, processes=2, process=0),
        "jax",
    ),
}


def test_wishes_that_cannot_be(golden: Golden) -> None:
    texts: list[str] = []
    for name, (wished, backend) in WISHES.items():
        with pytest.raises(UsageError) as refused:
            check_wish(wished, backend)
        texts.append(f"# {name}\nerror: {refused.value}\nhelp: {refused.value.help}\n")
    golden("train/distribution.txt", "\n".join(texts))


@pytest.mark.parametrize("text", ["dense", "=model", "a=rows", "a=", "(=model"])
def test_a_layout_that_is_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"is not PATTERN=AXIS,AXIS|is no regular expression"):
        layout_of(text)
    assert main(["train", "x.spec", "--layout", text]) == 2
    assert "argument --layout: " in capsys.readouterr().err
    assert layout_of("d=[0-9]/k=None,model") == ("d=[0-9]/k", (None, "model"))


@pytest.mark.parametrize("options", [["--devices", "2"], ["--coordinator", AT], ["--split", "2"]])
def test_options_without_distribute(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "x.spec", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: `{options[0]}` is for runs that are spread\n")
    assert only_known({"distribute": None, "devices": None}) is None


def test_one_device_and_too_few() -> None:
    with pytest.raises(UsageError, match="there is one device to spread a run over"):
        require_devices(1, Distribution(), "CPU")
    with pytest.raises(UsageError, match="there are 2 GPUs here, and 3 were asked for"):
        require_devices(2, Distribution(devices=3), "GPU")
    require_devices(1, Distribution(coordinator=AT), "GPU")


def test_one_gpu_of_several_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.spec").write_text(spread.ON_JAX, encoding="utf-8")
    assert main(["train", "m.spec", "--distribute", "data", "--device", "gpu:1"]) == 2
    assert "`gpu:1` is one device, and the run is to be spread" in capsys.readouterr().err


STEPS = {
    "clipnorm": ("SGD(0.1, clipnorm=1)", "", "does not do `clipnorm` to the gradients"),
    "inside": (
        "LossScaleOptimizer(Adam(0.01, clipvalue=1))", "", "does not do `clipvalue` to the"
    ),
    "accumulated": ("Adam(gradient_accumulation_steps=2)", "", "`gradient_accumulation_steps`"),
    "averaged": ("Adam(use_ema=True, ema_overwrite_frequency=5)", "", "`ema_overwrite_frequency`"),
    "sum": ("SGD(0.1)", 'loss = SparseCategoricalCrossentropy(reduction="sum")', "= 'sum'` is not"),
    "execution": ("SGD(0.1)", "steps_per_execution = 4", "one step an execution"),
    "batch": ("SGD(0.1)", "", "the model has batches of 32 samples"),
}  # fmt: skip


@pytest.mark.parametrize("case", STEPS)
def test_steps_that_tensorflow_would_not_do_with_the_whole_batch(case: str) -> None:
    from specc.training.mirrored import Mirrored

    optimizer, entry, expected = STEPS[case]
    text = spread.SPEC.replace("    BODY\n", "").replace("OPTIMIZER", optimizer)
    if entry.startswith("loss"):
        text = text.replace('loss = "sparse_categorical_crossentropy"', entry)
    elif entry:
        text = text.replace("batch_size = 32", f"batch_size = 32\n    {entry}")
    if case == "batch":
        text = text.replace("float32[8, 8]", "float32[8, 8], batch_size=32")
    program = specc.compile_text(text)
    model = program.model("m")
    with pytest.raises(UsageError) as refused:
        Mirrored(Distribution()).check(model.graph, settings_of(program, model))
    assert expected in str(refused.value)


LOGS = {
    "unhealthy": (
        f"{JOINED}\n] Tasks are unhealthy (stopped sending heartbeats):\n1\n3\nThe tasks crashed.",
        signal.SIGABRT, "processes 1, 3 of 4 are lost",
    ),
    "no coordinator": (
        f"{JOINED}\n] UNAVAILABLE: Failed to send RPC to coordination service. Either",
        signal.SIGABRT, "process 0 of 4 is lost",
    ),
    "memory": (f"{JOINED}\n", signal.SIGKILL, "was ended by SIGKILL"),
    "defect": (
        f"{JOINED}\nF1128] Check failed: x\n    @  0x1", signal.SIGABRT,
        "was ended by SIGABRT: F1128] Check failed: x",
    ),
    "nobody came": ("", signal.SIGABRT, "not all of the 4 processes have come within 100 s"),
}  # fmt: skip


@pytest.mark.parametrize("case", LOGS)
def test_what_is_said_of_a_process_that_was_ended(case: str, tmp_path: Path) -> None:
    log, number, expected = LOGS[case]
    wished = Distribution(coordinator=AT, processes=4, process=0)
    error = lost(number, log, wished, str(tmp_path))
    assert error.status == 1
    assert expected in str(error)
