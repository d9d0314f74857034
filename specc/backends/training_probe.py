"""Where Keras really trains: one step on each backend, in a process of its own.

    python -m specc.backends.training_probe BACKEND

prints the device of a weight that the step has changed, or why there was none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, NamedTuple

from specc.backends.frameworks import KERAS_BACKENDS, SHARED_GPU, choose_backend, import_keras
from specc.backends.silence import Output, captured, last_line

TIMEOUT = 180
"""Seconds; a first use of CUDA compiles for a while."""


class Trained(NamedTuple):
    """What came of a step."""

    backend: str
    device: str | None
    """As the framework calls it, such as "GPU:0" or "cuda:0"; None where nothing was trained."""
    problem: str = ""
    """Why nothing was."""

    @property
    def on_gpu(self) -> bool:
        return self.device is not None and not self.device.lower().startswith("cpu")


def probe_training(backends: Iterable[str] = KERAS_BACKENDS) -> tuple[Trained, ...]:
    """Train a step on each backend that is installed, all at a time."""
    wanted = [name for name in backends if find_spec(name) is not None]
    environment = {
        **os.environ,
        **SHARED_GPU,  # several processes use it for a moment
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
        )
        for name in wanted
    ]
    return tuple(_result(name, process) for name, process in zip(wanted, processes, strict=True))


def _result(backend: str, process: subprocess.Popen[str]) -> Trained:
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Trained(backend, None, f"no step within {TIMEOUT} s")
    if process.returncode:
        why = last_line(err) or f"it ended with status {process.returncode}"
        return Trained(backend, None, why)
    return Trained(backend, json.loads(out))


def train_a_step(backend: str) -> str:
    """Where the weights are that a step has changed."""
    import numpy as np

    with captured(Output()):
        choose_backend(backend)
        keras = import_keras()
        layer = keras.layers.Dense(2, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((4,)), layer])
        model.compile("sgd", "mse")
        model.train_on_batch(np.ones((8, 4), np.float32), np.ones((8, 2), np.float32))
        kernel: Any = layer.kernel.value
        if not np.asarray(keras.ops.convert_to_numpy(kernel)).any():
            raise RuntimeError("the step changed nothing")
    if backend == "tensorflow":
        return str(kernel.device).rpartition("device:")[2]
    if backend == "jax":
        (device,) = kernel.devices()
        return f"{device.platform}:{device.id}"
    return str(kernel.device)


if __name__ == "__main__":
    print(json.dumps(train_a_step(sys.argv[1])))
