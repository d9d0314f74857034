"""How long `specc check` takes, beside Python itself and beside the same model in Keras.

    python benchmarks/startup.py

All three are whole processes on one interpreter and environment, run in turn. Asked of
specc: at most 5 times `python -c pass`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from processes import (
    Command,
    add_options,
    installation,
    interleaved,
    machine,
    median,
    print_json,
    print_table,
)

SPEC = Path(__file__).resolve().parent.parent / "specs" / "bn_after.spec"
RUNS, KERAS_RUNS = 20, 5
BOUND = 5.0
"""`specc check` to `python -c pass`, at most."""

KERAS = """
import os
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from keras import layers
model = keras.Sequential([
    keras.Input((28, 28)),
    layers.Flatten(),
    layers.BatchNormalization(),
    layers.Dense(300, activation="elu", kernel_initializer="he_normal"),
    layers.BatchNormalization(),
    layers.Dense(100, activation="elu", kernel_initializer="he_normal"),
    layers.BatchNormalization(),
    layers.Dense(10, activation="softmax"),
])
model.summary()
assert model.count_params() == 271_346
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    options = parser.parse_args()
    measured = installation(options.specc)
    commands = {
        Command("python -c pass", (measured.python, "-c", "pass")): RUNS,
        Command("specc check", (measured.specc, "check", str(SPEC))): RUNS,
        Command("Keras, summary()", (measured.python, "-c", KERAS)): KERAS_RUNS,
    }
    with tempfile.TemporaryDirectory() as directory:
        runs = interleaved(commands, Path(directory))
    medians = {name: median(values) for name, values in runs.items()}
    base = medians["python -c pass"]
    ratio = medians["specc check"].seconds / base.seconds
    if options.json:
        print_json(
            {
                "bytecode": measured.bytecode,
                "medians": {name: value._asdict() for name, value in medians.items()},
                "runs": {name: [run.seconds for run in values] for name, values in runs.items()},
                "ratio": ratio,
                "bound": BOUND,
            }
        )
        return
    print(f"{', '.join(f'{name}: {value}' for name, value in machine().items())}")
    print(f"bytecode of specc: {measured.bytecode}\n")
    print_table(
        ["process", "runs", "median ms", "fastest ms", "times `pass`", "peak MiB"],
        [
            [
                name,
                str(len(runs[name])),
                f"{value.seconds * 1000:,.1f}",
                f"{min(run.seconds for run in runs[name]) * 1000:,.1f}",
                f"{value.seconds / base.seconds:.2f}",
                f"{value.peak_mib:.1f}",
            ]
            for name, value in medians.items()
        ],
    )
    print(f"\n`specc check` takes {ratio:.2f} times `python -c pass`; the bound is {BOUND:g}")


if __name__ == "__main__":
    main()
