"""Runs of `specc train` that are killed, and what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from specc.training.checkpoint import Checkpoints, read_checkpoint

SPEC = """\
data digits {
    source = digits()
    scale = 1 / 16
    validation = stratified(0.5, seed=2)
}

model m {
    input image: float32[8, 8]

    Flatten
    BatchNormalization
    Dense(24, activation="elu")
    Dropout(0.2)
    Dense(10, activation="softmax")
}

train m {
    data = digits
    optimizer = Adam(0.002, use_ema=True)
    loss = "sparse_categorical_crossentropy"
    metrics = ["accuracy"]
    callbacks = [
        EarlyStopping(patience=2, restore_best_weights=True, start_from_epoch=3),
        ReduceLROnPlateau(patience=1, factor=0.5),
        CSVLogger("log.csv"),
        ModelCheckpoint("best.keras", save_best_only=True),
    ]
    epochs = 8
    batch_size = 32
}
"""
"""Everything that has a memory: averages, dropout, slots, EMA, callbacks."""


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    """`specc train` in a folder with the spec above."""
    (folder / "m.spec").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "specc", "train", "m.spec", "--deterministic"]
    return subprocess.Popen(
        [*command, "--checkpoint-every", "0", *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What a run says on stdout; it has to succeed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def training(process: subprocess.Popen[str]) -> bool:
    """Wait until the training has begun; False where it was over before, and nothing is done."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("training "):
            return True
    assert process.wait() == 0
    return False


def killed(folder: Path, seconds: float) -> bool:
    """Start or continue a run and kill it so long after the training began; False where it was
    over by then."""
    process = start(folder)
    if not training(process):  # killed when all was written
        process.communicate()
        return False
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return True
    finally:
        process.communicate()


def check_files(folder: Path) -> None:
    """Every file that has its final name can be read."""
    for path in Checkpoints(str(folder / "build" / "m.checkpoints")).paths():
        read_checkpoint(path)
    for path in (*folder.glob("*.keras"), *folder.glob("build/*.keras")):
        if not path.name.startswith("."):
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None, path
    for path in folder.glob("build/*.json"):
        if not path.name.startswith("."):
            json.loads(path.read_text(encoding="utf-8"))


def outcome(folder: Path) -> dict[str, Any]:
    """The final weights of a run bit by bit, its history, and what its callbacks wrote."""
    import h5py

    found: dict[str, Any] = {}
    for name in ("build/m.keras", "best.keras"):
        with (
            zipfile.ZipFile(folder / name) as archive,
            archive.open("model.weights.h5") as file,
            h5py.File(file) as weights,
        ):

            def keep(path: str, item: Any, name: str = name) -> None:
                if isinstance(item, h5py.Dataset):
                    found[f"{name}:{path}"] = np.asarray(item).tobytes()

            weights.visititems(keep)
    result = json.loads((folder / "build" / "m.history.json").read_text(encoding="utf-8"))
    found["history"] = result["history"]
    found["metrics"] = result["metrics"]
    found["log"] = (folder / "log.csv").read_text(encoding="utf-8")
    return found


def kill_and_resume(folder: Path, kills: int, seed: int) -> tuple[int, int]:
    """Kill runs at random moments until there were so many kills; compare each end with that of
    a run that nothing disturbs.

    Returns:
        How many kills there were, and how many runs came to their end.
    """
    calm, wild = folder / "calm", folder / "wild"
    for place in (calm, wild):
        place.mkdir()
    process = start(calm)
    assert training(process)
    began = time.monotonic()
    finish(process)
    takes = time.monotonic() - began
    expected = outcome(calm)
    chance = random.Random(seed)
    done = runs = 0
    while done < kills:
        if killed(wild, chance.uniform(0, takes * 0.6)):
            done += 1
            check_files(wild)
        else:
            runs += 1
            assert outcome(wild) == expected
            for path in [*wild.glob("build/m.*"), *wild.glob("build/m.checkpoints/*")]:
                if path.is_file():
                    path.unlink()
    finish(start(wild))
    assert outcome(wild) == expected
    return done, runs + 1
