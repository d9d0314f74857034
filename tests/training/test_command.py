"""`specc train` as people call it: help, exit statuses, a full disk, other backends, exports."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest

from specc.cli.main import main
from specc.training.checkpoint import Checkpoints, read_checkpoint
from tests.conftest import Golden

SPEC = """\
data numbers {
    source = npz("numbers.npz")
    validation = last(20)
}

model m {
    input x: float32[6]

    Dense(4000, activation="tanh")
    Dense(3, activation="softmax")
}

train m {
    data = numbers
    optimizer = "adam"
    loss = "sparse_categorical_crossentropy"
    metrics = ["accuracy"]
    batch_size = 16
}
"""

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a spec and its data."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 6)).astype("float32")
    np.savez("numbers.npz", x=x, y=(x[:, 0] > 0) + (x[:, 1] > 0).astype(int))
    Path("m.spec").write_text(SPEC, encoding="utf-8")
    return tmp_path


def checkpoints() -> list[str]:
    return Checkpoints("build/m.checkpoints").paths()


@pytest.mark.parametrize("command", ["train", "compare"])
def test_help(command: str, golden: Golden, capsys: Printed) -> None:
    assert main([command, "--help"]) == 0
    golden(f"help/{command}.txt", capsys.readouterr().out)


# --------------------------------------------------------------------------- full disk


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """The kernel lets no file become larger, and says EFBIG: Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("keras_backend", "place")
def test_no_room_for_a_checkpoint(capsys: Printed) -> None:
    words = ["train", "m.spec", "--no-progress"]
    assert main([*words, "--epochs", "2"]) == 0
    *_, last = checkpoints()
    size = os.path.getsize(last)
    content = Path(last).read_bytes()
    results = {path.name: path.read_bytes() for path in Path("build").glob("m.*") if path.is_file()}
    capsys.readouterr()
    with files_of_at_most(size // 2):
        assert main([*words, "--epochs", "4"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert "cannot write `build/m.checkpoints/epoch-000004-step-000000000.ckpt`" in printed.err
    assert ": file too large\n" in printed.err
    assert f"help: `{last}` is intact; make room, and the same command goes on" in printed.err
    assert checkpoints()[-1] == last
    assert Path(last).read_bytes() == content
    assert not list(Path("build/m.checkpoints").glob(".*partial*"))
    assert all(Path("build", name).read_bytes() == old for name, old in results.items())
    assert main([*words, "--epochs", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["resumed"], found["epochs"]) == (True, 4)


@pytest.mark.usefixtures("keras_backend", "place")
def test_no_room_for_the_model(capsys: Printed) -> None:
    words = ["train", "m.spec", "--no-progress"]
    assert main(words) == 0
    size = Path("build/m.keras").stat().st_size
    Path("build/m.keras").unlink()
    capsys.readouterr()
    with files_of_at_most(size // 2):  # room for the curves
        assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: cannot write `build/m.keras`: ")
    assert "Traceback" not in printed.err
    assert not list(Path("build").glob(".m*"))
    read_checkpoint(checkpoints()[-1])
    assert main(words) == 0


# ----------------------------------------------------------------------------- signals


@pytest.mark.usefixtures("keras_backend", "place")
def test_ctrl_c(capsys: Printed) -> None:
    def interrupt() -> None:
        while not checkpoints():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    status = main(["train", "m.spec", "--epochs", "100000", "--no-progress"])
    thread.join()
    printed = capsys.readouterr()
    assert (status, printed.out) == (130, "")
    assert printed.err.startswith("stopped ")
    assert printed.err.endswith("; the same command goes on from there\n")
    epoch = read_checkpoint(checkpoints()[-1]).epoch
    assert main(["train", "m.spec", "--epochs", str(epoch + 1), "--resume", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["epochs"], found["resumed"]) == (epoch + 1, True)


# ---------------------------------------------------------------------------- backends


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend(backend: str, place: Path) -> None:
    pytest.importorskip(backend)
    code = "import sys; from specc.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["train", "m.spec", "--backend", backend, "--epochs", "3", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert f"{backend} on the " in done.stderr
    losses = [row["loss"] for row in json.loads(done.stdout)["history"]]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == 3
    import keras  # on TensorFlow, here

    model = keras.saving.load_model(place / "build" / "m.keras")
    assert model.count_params() == 7 * 4000 + 4001 * 3


# ----------------------------------------------------------------------------- exports


@pytest.mark.usefixtures("keras_backend", "place")
def test_an_export_block_holds(capsys: Printed) -> None:
    """As for `specc export`: the operator set, and weights in float16."""
    block = '\nexport m {\n    opset = 20\n    precision = "float16"\n}\n'
    Path("m.spec").write_text(SPEC + block, encoding="utf-8")
    assert main(["train", "m.spec", "--export", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    file = onnx.load("build/m.onnx")
    assert next(o.version for o in file.opset_import if not o.domain) == 20
    types = {i.data_type for i in file.graph.initializer if list(i.dims) == [6, 4000]}
    assert types == {onnx.TensorProto.FLOAT16}
    assert found["export"]["metrics"]["loss"] == pytest.approx(found["metrics"]["loss"], rel=1e-2)
    assert main(["export", "--onnx", "m.spec", "--weights", "build/m.keras", "-o", "other"]) == 0
    other = onnx.load("other/m.onnx")
    for first, second in zip(file.graph.initializer, other.graph.initializer, strict=True):
        assert first == second


@pytest.mark.usefixtures("place")
def test_an_export_that_needs_samples_is_refused_before_the_training(capsys: Printed) -> None:
    block = '\nexport m {\n    quantize = "static"\n}\n'
    Path("m.spec").write_text(SPEC + block, encoding="utf-8")
    assert main(["train", "m.spec", "--export"]) == 2
    printed = capsys.readouterr()
    assert "takes the ranges of values from samples" in printed.err
    assert (
        "help: train without --export, then `specc export --onnx m.spec "
        "--weights build/m.keras --calibrate FILE`\n"
    ) in printed.err
    assert printed.out == ""
    assert not Path("build").exists()
