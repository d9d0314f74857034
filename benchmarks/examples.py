"""Train the example specs whose data need no network, and print what they come to.

    python benchmarks/examples.py [--seeds N]

Each is trained as its spec says, with the seed that stands there; with `--seeds` also with so many
others, from 1000 on, since one seed says little. Accuracies are of the test samples, and beside the
mean squared error stands the variance of what is predicted: a model that always says the mean would
have that. The data of `examples/` are made first where they are not there (`make_data.py`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import specc
from specc.training.dataset import Dataset
from specc.training.load import load_dataset
from specc.training.machine import choose_device
from specc.training.settings import settings_of

ROOT = Path(__file__).resolve().parent.parent
SPECS = (
    "specs/digits_bn_after.spec",
    "specs/digits_bn_before.spec",
    "examples/reber.spec",
    "examples/mackey_glass.spec",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=0, help="others besides the specs' own")
    options = parser.parse_args()
    if not (ROOT / "examples" / "data").is_dir():
        subprocess.run([sys.executable, ROOT / "examples" / "make_data.py"], check=True)
    choose_device("cpu", "tensorflow")
    print(f"{'spec':<30} {'samples':>8} {'epochs':>6} {'metric':>9} {'own seed':>9}", end="")
    print(f" {'mean':>9} {'least':>9} {'most':>9} {'variance':>9}")
    for path in SPECS:
        line(path, options.seeds)


def line(path: str, others: int) -> None:
    """Train one spec, and print its row."""
    program = specc.compile(ROOT / path)
    model = program.model()
    own = settings_of(program, model).seed
    data = load_dataset(program, model)
    assert data.test is not None
    found = [trained(program, data, seed) for seed in (own, *range(1000, 1000 + others))]
    name = "accuracy" if "accuracy" in found[0] else "loss"
    values = [metrics[name] for metrics in found]
    (targets,) = data.test.targets
    variance = ""
    if name == "loss":
        variance = f"{np.var(targets.take(np.arange(len(data.test)))):.5f}"
    spread = [f"{x:.5f}" for x in (np.mean(values), min(values), max(values))] if others else [""]
    row = [len(data.test), settings_of(program, model).epochs, name, f"{values[0]:.5f}"]
    spread += [""] * (3 - len(spread))
    widths = (8, 6, 9, 9, 9, 9, 9, 9)
    cells = [*row, *spread, variance]
    print(f"{path:<30}", *(f"{c!s:>{w}}" for c, w in zip(cells, widths, strict=True)), flush=True)


def trained(program: specc.Program, data: Dataset, seed: int) -> dict[str, float]:
    """The metrics of the test samples after a run."""
    from specc.training.engine import train

    model = program.model()
    with tempfile.TemporaryDirectory() as folder:
        run = train(model, data, settings_of(program, model, seed=seed), out=folder)
    assert run.metrics_of == "test"
    return run.metrics


if __name__ == "__main__":
    main()
