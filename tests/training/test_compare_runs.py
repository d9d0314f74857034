"""`specc compare` with several runs at a time: in processes, and on Ray."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import specc
from specc.backends.frameworks import SHARED_GPU
from specc.training.checkpoint import Checkpoints
from specc.training.processes import Process, in_processes, places_of, shared_out
from specc.training.runs import Failure, Job, jobs_of
from specc.training.variants import variants_of
from tests.training.test_compare import SPEC

NOT_FINITE = (
    SPEC.replace("param units: int = 8", "param shift: float = 1")
    .replace("    Flatten\n    Dense(units", "    ops.log(shift + image) -> Flatten\n    Dense(8")
    .replace("relu", "tanh")
)
"""Pixels are from 0 to 1: with a shift of 1 all is well, and with one of -5 there is NaN."""

SWEEP = ("--sweep", "units=1,24", "--seeds", "1", "--json")


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`specc compare` of a sweep in a folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "specc", "compare", "small.spec", "--no-latency", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def histories(folder: Path) -> dict[str, tuple[Any, Any]]:
    """What each run's file says of metrics, to the last digit."""
    found: dict[str, tuple[Any, Any]] = {}
    for path in folder.glob("*/*/*.history.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        found[path.parent.relative_to(folder).as_posix()] = content["history"], content["metrics"]
    return found


def jobs(folder: Path, text: str = SPEC, seeds: int = 1, **instead: Any) -> list[Job]:
    path = folder / "small.spec"
    path.write_text(text, encoding="utf-8")
    variants = variants_of([str(path)], {}, lambda p, _: specc.compile(p), **instead)
    return jobs_of(variants, range(seeds), str(folder / "out"))


def until(there: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# ------------------------------------------------------------------------- results


@pytest.fixture(scope="module")
def alone(keras_backend: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """The results of runs made one after the other in one process."""
    from specc.cli.main import main

    folder = tmp_path_factory.mktemp("alone")
    (folder / "small.spec").write_text(SPEC, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["compare", "small.spec", "--no-latency", *SWEEP, "-o", "out"]) == 0
    return folder / "out"


def same_runs(folder: Path, printed: str, alone: Path) -> None:
    assert histories(folder) == histories(alone)
    assert len(histories(folder)) == 2
    found = json.loads(printed)
    expected = json.loads((alone / "comparison.json").read_text(encoding="utf-8"))
    assert found["runs"] == expected["runs"]  # in the same order, too
    assert found["verdict"] == expected["verdict"]


def test_runs_in_processes_are_those_of_one_process(tmp_path: Path, alone: Path) -> None:
    (tmp_path / "small.spec").write_text(SPEC, encoding="utf-8")
    status, out, err = finished(command(tmp_path, *SWEEP, "-o", "out", "--jobs", "2"))
    assert status == 0, err
    assert err.startswith("note: several runs were made at a time")
    same_runs(tmp_path / "out", out, alone)


@pytest.mark.usefixtures("keras_backend")
def test_a_run_that_fails_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one process as in several; the same command tries it again, and repeats nothing else."""
    from specc.cli.main import main

    monkeypatch.chdir(tmp_path)
    Path("small.spec").write_text(NOT_FINITE, encoding="utf-8")
    words = ["compare", "small.spec", "--sweep", "shift=-5,1", "--seeds", "1", "-o", "out"]
    for more, how in ((["--jobs", "1"], "done"), ([], "was there")):
        assert main([*words, *more]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        first, second, *_, last = printed.err.splitlines()
        assert first.startswith("1/2  small shift=-5, seed 0: failed: error[E0750]: ")
        assert second.startswith("2/2  small shift=1, seed 0: accuracy 0.")
        assert second.endswith(how)
        assert "ops.log(shift + image)" in printed.err
        assert last.endswith("; 1 run failed, 1 are finished, and stay.")


@pytest.mark.usefixtures("keras_backend")
def test_every_operation_can_be_handed_to_a_process() -> None:
    """Many classes of operations stand in no module, and are found by their names."""
    text = (
        "model m {\n    input x: float32[4]\n"
        "    ops.log(1.0 + x * x) -> ops.maximum(0.5) -> ops.expand_dims(-1) -> ops.mean(axis=-1)\n"
        "}\n"
    )
    model = specc.compile_text(text).model()
    again = pickle.loads(pickle.dumps(model))
    assert [layer.kind for layer in again.layers] == [layer.kind for layer in model.layers]
    assert again.outputs == model.outputs
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)
    first, second = (m.to_keras(seed=0)(x) for m in (model, again))
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


def test_a_run_whose_process_is_killed(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path)
    process = Process(job, {})
    process.kill()
    found = process.answer()
    assert isinstance(found, Failure)
    assert (found.said, found.everyones) == ("its process was ended by SIGKILL", False)


def test_a_run_that_no_other_would_do_better_than(tmp_path: Path) -> None:
    """A device that is not there: the first run says so, and no other is begun."""
    every = [job._replace(device="gpu:99") for job in jobs(tmp_path, seeds=3, backend="tensorflow")]
    (found,) = in_processes(every, 1)
    assert isinstance(found, Failure)
    assert (found.status, found.everyones) == (1, True)
    assert "`--device gpu:99` was asked for" in found.said


# ------------------------------------------------------------------------- devices


def test_gpus_are_shared_out() -> None:
    assert shared_out(["0", "3"], 2) == [
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "3"},
    ]
    many = shared_out(["0", "3"], 3)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in many] == ["0", "3", "0"]
    assert all(SHARED_GPU.items() <= place.items() for place in many)
    assert shared_out([], 2) == [{}, {}]
    assert places_of("cpu", 2) == [{}, {}]
    assert places_of("gpu:1", 2) == [SHARED_GPU, SHARED_GPU]


# --------------------------------------------------------------------- interruptions


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_ctrl_c_ends_the_processes_with_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "small.spec").write_text(SPEC, encoding="utf-8")
    process = command(
        tmp_path, "--sweep", "units=1,2", "--seeds", "1", "--epochs", "100000", "--jobs", "2",
        "-o", "out",
    )  # fmt: skip
    folders = [tmp_path / "out" / f"small-units={n}/seed-0/small.checkpoints" for n in (1, 2)]
    try:
        until(lambda: all(Checkpoints(str(folder)).paths() for folder in folders))
        began = children(process.pid)
        assert len(began) == 2
        process.send_signal(signal.SIGINT)
        status, out, err = finished(process)
    finally:
        process.kill()
    assert (status, out) == (130, "")
    said = "stopped after 0 of 2 runs; the same command goes on from there"
    assert err.splitlines()[-1] == said
    assert not any(map(alive, began))
    for folder in folders:
        newest, damaged = Checkpoints(str(folder)).newest()
        assert newest is not None
        assert (newest.epoch > 0, damaged) == (True, [])


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """As where that is killed, and can end nothing itself."""
    (job,) = jobs(tmp_path, epochs=100_000)
    code = (
        "import os, pickle, sys\n"
        "from specc.training.processes import Process\n"
        "process = Process(pickle.load(sys.stdin.buffer), {})\n"
        "print(process._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(job),
        capture_output=True,
        check=True,
        env=environment,
    )
    pid = int(done.stdout)
    until(lambda: not alive(pid))


# ----------------------------------------------------------------------------- Ray

RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install specc-nn[ray]")


@RAY
def test_runs_on_ray_are_those_of_one_process(tmp_path: Path, alone: Path) -> None:
    (tmp_path / "small.spec").write_text(SPEC, encoding="utf-8")
    status, out, err = finished(command(tmp_path, *SWEEP, "-o", "out", "--ray", "local"))
    assert status == 0, err
    same_runs(tmp_path / "out", out, alone)  # Ray says nothing on stdout


@RAY
@pytest.mark.slow
def test_ctrl_c_ends_tasks_with_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "small.spec").write_text(SPEC, encoding="utf-8")
    process = command(
        tmp_path, "--sweep", "units=1,2", "--seeds", "1", "--epochs", "100000", "--ray", "local",
        "-o", "out",
    )  # fmt: skip
    folders = [tmp_path / "out" / f"small-units={n}/seed-0/small.checkpoints" for n in (1, 2)]
    try:
        until(lambda: all(Checkpoints(str(folder)).paths() for folder in folders))
        before = [Checkpoints(str(folder)).paths()[-1] for folder in folders]
        process.send_signal(signal.SIGINT)
        status, out, err = finished(process)
    finally:
        process.kill()
    assert (status, out) == (130, "")
    assert "stopped after 0 of 2 runs" in err
    after = [Checkpoints(str(folder)).paths()[-1] for folder in folders]
    assert all(a > b for a, b in zip(after, before, strict=True))
    time.sleep(1)
    assert after == [Checkpoints(str(folder)).paths()[-1] for folder in folders]


@RAY
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "there is no Ray cluster at `127.0.0.1:1`: connection refused"),
        ("nonsense", "it is neither HOST:PORT nor `auto` nor `local`"),
    ],
)
def test_no_cluster(
    address: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from specc.cli.main import main

    monkeypatch.chdir(tmp_path)
    Path("small.spec").write_text(SPEC, encoding="utf-8")
    assert main(["compare", "small.spec", "--sweep", "units=1,2", "--ray", address]) == 2
    assert said in capsys.readouterr().err


def test_ray_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from specc.cli.main import main

    monkeypatch.setitem(sys.modules, "ray", None)  # as Python says that a module is not there
    monkeypatch.chdir(tmp_path)
    Path("small.spec").write_text(SPEC, encoding="utf-8")
    words = ["compare", "small.spec", "--sweep", "units=1,2", "--ray"]
    assert main([*words, "local"]) == 2
    assert 'python -m pip install "specc-nn[ray]" brings it' in capsys.readouterr().err
    assert main([*words, "local", "--device", "gpu:1"]) == 2
    assert "Ray says which GPU a run has" in capsys.readouterr().err
