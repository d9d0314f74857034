"""Runs that are spread: processes of `specc train`, and processes with several devices."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEC = """\
data digits {
    source = digits()
    scale = 1 / 16
    test = first(101)
    validation = stratified(0.2, seed=2)
}

model m {
    input image: float32[8, 8]

    Flatten
    BODY
    Dense(10, activation="softmax")
}

train m {
    data = digits
    optimizer = OPTIMIZER
    loss = "sparse_categorical_crossentropy"
    metrics = ["accuracy"]
    callbacks = [
        ReduceLROnPlateau(patience=1, factor=0.5),
        EarlyStopping(patience=9, restore_best_weights=True),
        CSVLogger("log.csv"),
    ]
    epochs = 8
    batch_size = 32
    steps_per_epoch = 10
}
"""
"""The test and the validation have odd numbers of samples."""

ON_JAX = SPEC.replace(
    "BODY", 'BatchNormalization\n    Dense(24, activation="elu")\n    Dropout(0.2)'
).replace("OPTIMIZER", "Adam(0.002, clipnorm=0.1)")
"""With all that goes wrong where each device is for itself."""

ON_TENSORFLOW = SPEC.replace("BODY", 'Dense(24, activation="elu")').replace(
    "OPTIMIZER", "SGD(0.1, momentum=0.9)"
)


STARTED: list[subprocess.Popen[str]] = []


def environment(folder: Path) -> dict[str, str]:
    """For a process of specc that is not to see what this one has chosen."""
    found = {n: v for n, v in os.environ.items() if n not in ("KERAS_BACKEND", "XLA_FLAGS")}
    return {**found, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    folder: Path, process: int, port: int, *more: str, slurm: bool = False
) -> subprocess.Popen[str]:
    """One of two processes of `specc train m.spec`, in a folder of its own.

    Args:
        slurm: by variables as Slurm sets them for the processes of a step.
    """
    here = folder / f"process-{process}"
    here.mkdir(parents=True, exist_ok=True)
    (here / "m.spec").write_text(ON_JAX, encoding="utf-8")
    variables: dict[str, str] = {}
    where = ("--coordinator", f"127.0.0.1:{port}", "--processes", "2", "--process", str(process))
    if slurm:
        where = ("--coordinator", "auto")
        variables = {
            "JAX_COORDINATOR_PORT": str(port),
            "SLURM_JOB_ID": "1",
            "SLURM_STEP_NODELIST": "127.0.0.1",
            "SLURM_NTASKS": "2",
            "SLURM_PROCID": str(process),
            "SLURM_LOCALID": str(process),
        }
    command = [
        *(sys.executable, "-m", "specc", "train", "m.spec", "--backend", "jax", "--device", "cpu"),
        *("--distribute", "data", "--timeout", "60", *where, *more),
    ]
    process = subprocess.Popen(
        command,
        cwd=here,
        env={**environment(here), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    STARTED.append(process)
    return process


def pair(
    folder: Path, *more: str, last: tuple[str, ...] = (), slurm: bool = False
) -> list[subprocess.Popen[str]]:
    """Both processes; `last` are options of the second one."""
    port = free_port()
    return [
        start(folder, 0, port, *more, slurm=slurm),
        start(folder, 1, port, *more, *last, slurm=slurm),
    ]


def outcome(process: subprocess.Popen[str], seconds: float = 300) -> tuple[int, str, str]:
    """Status, stdout and stderr."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def wait_for(process: subprocess.Popen[str], begin: str) -> list[str]:
    """The lines of stderr until one begins so."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(begin):
            return lines
    raise AssertionError("".join(lines))


class StopAt:
    """Progress that wants the run to end after a step."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def step(self, epoch: int, step: int) -> None:
        if (epoch, step) == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def train_here(spread: Any, out: str, progress: Any = None, **instead: Any) -> Any:
    """Train `m.spec` of the working directory, in this process."""
    import specc
    from specc.training.engine import train
    from specc.training.load import load_dataset
    from specc.training.settings import settings_of

    program = specc.compile("m.spec")
    model = program.model("m")
    settings = settings_of(program, model, **instead)
    data = load_dataset(program, model)
    return train(model, data, settings, out=out, progress=progress, spread=spread)


def models_made(made: list[Any]) -> None:
    """Have the models that runs of this process train in a list."""
    from specc.training import engine

    compiled = engine.compiled_model

    def keep(*arguments: Any) -> Any:
        built = compiled(*arguments)
        made.append(built.keras_model)
        return built

    engine.compiled_model = keep


def found(run: Any) -> dict[str, Any]:
    """What is compared of a run."""
    return {"history": run.history, "metrics": run.metrics, "of": run.metrics_of}


def run_script(folder: Path, function: str, *arguments: str) -> Any:
    """What a function of this module prints as JSON, in a process of its own."""
    code = f"from tests.training.spread import {function}; {function}(*{arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def on_jax(folder_of_two: str) -> None:
    """One device; two; four for parts of the weights; and the run of two processes, gone on with
    on one device."""
    from specc.training.distribution import Distribution, Spread
    from specc.training.machine import choose_device

    layout: Any = {"dense/kernel": (None, "model"), "dense_1/kernel": ("model", None)}
    parted = Distribution("model", devices=4, layout=layout, split=2)
    four = choose_device("cpu", "jax", wished=parted)
    from specc.training.mesh import Mesh  # Keras, on what has been chosen

    two = Mesh(Distribution(devices=2))
    two.begin()
    assert (four.devices, four.replicas, two.devices, two.replicas) == (4, 2, 2, 2)
    made: list[Any] = []
    models_made(made)
    runs = {
        "one": train_here(Spread(), "one", backend="jax", epochs=9),
        "two": train_here(two, "two", backend="jax", epochs=2),
        "four": train_here(four, "four", backend="jax", epochs=2),
        "processes": train_here(Spread(), folder_of_two, backend="jax", epochs=9),
    }
    assert runs["processes"].resumed
    kernels = [next(v.value for v in m.weights if v.path == "dense/kernel") for m in made]
    assert [len(kernel.sharding.device_set) for kernel in kernels] == [1, 2, 4, 1]
    assert kernels[2].addressable_shards[0].data.shape == (64, 12)
    print(json.dumps({name: found(run) for name, run in runs.items()}))


def on_tensorflow() -> None:
    """Two devices, stopped within an epoch and gone on with; and a run that ends with NaN."""
    from specc.diagnostics.diagnostic import SpecError
    from specc.training.distribution import Distribution
    from specc.training.machine import choose_device
    from specc.training.progress import Silent
    from specc.training.signals import Stopped

    class Stop(StopAt, Silent): ...

    two = choose_device("cpu", "tensorflow", wished=Distribution(devices=2))
    assert (two.devices, two.replicas) == (2, 2)
    made: list[Any] = []
    models_made(made)
    with pytest.raises(Stopped) as stopped:
        train_here(two, "two", Stop(1, 7), epochs=3)
    assert (stopped.value.epoch, stopped.value.step) == (1, 7)
    run = train_here(two, "two", epochs=3)
    assert run.resumed
    assert [len(model.weights[0].value.values) for model in made] == [2, 2]
    # What is looked for on one device where the loss is no number.
    text = ON_TENSORFLOW.replace("SGD(0.1, momentum=0.9)", "SGD(1e38)")
    Path("m.spec").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        train_here(two, "nan")
    (said,) = refused.value.diagnostics
    print(json.dumps({**found(run), "nan": said.code, "where": said.primary.text}))
