"""How much memory and time `specc export` takes, which verifies, beside loading the model.

    python benchmarks/verified_export.py            # VGG16
    python benchmarks/verified_export.py ResNet50 --specc path/to/another/bin/specc

Both are whole processes, and their peaks are those of all their resident memory, the frameworks
included. Asked of specc: VGG16, 553 MB of weights, on a machine of 8 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from exporter_models import APPLICATIONS
from processes import (
    Command,
    Run,
    add_options,
    installation,
    measure,
    print_json,
    print_table,
    progress,
)

BOUND = 7.0
"""GiB at most, so that a machine of 8 GB has room for its own."""

MAKE = """
import sys
from exporter_models import make
make(sys.argv[1]).save(sys.argv[2])
"""
LOAD = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
keras.saving.load_model(sys.argv[1], compile=False)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["VGG16"], metavar="MODEL",
                        help=f"of {', '.join(APPLICATIONS)}")  # fmt: skip
    add_options(parser)
    options = parser.parse_args()
    unknown = [name for name in options.models if name not in APPLICATIONS]
    if unknown:
        parser.error(f"there is no model {unknown[0]}; there are {', '.join(APPLICATIONS)}")
    measured = installation(options.specc)
    results = {name: of_model(name, measured.specc, measured.python) for name in options.models}
    if options.json:
        runs = {name: {what: run._asdict() for what, run in both.items()}
                for name, both in results.items()}  # fmt: skip
        print_json({"bytecode": measured.bytecode, "models": runs})
    else:
        print_table(
            ("model", "command", "s", "peak GiB"),
            [
                (name, what, f"{run.seconds:.0f}", f"{run.peak_mib / 1024:.2f}")
                for name, both in results.items()
                for what, run in both.items()
            ],
        )
    peak = max(run.peak_mib for both in results.values() for run in both.values()) / 1024
    if peak > BOUND:
        raise SystemExit(f"{peak:.2f} GiB are more than {BOUND:g}")


def of_model(name: str, specc: str, python: str) -> dict[str, Run]:
    """Both commands on one of Keras's models, with the fresh weights of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.keras")
        progress(f"{name}: made")
        made = [sys.executable, "-c", MAKE, name, str(path)]
        here = Path(__file__).resolve().parent
        subprocess.run(made, cwd=here, check=True, stderr=subprocess.DEVNULL)
        commands = (
            Command("load_model", (python, "-c", LOAD, str(path))),
            Command("specc export --onnx", (specc, "export", "--onnx", str(path), "-o", folder)),
        )
        found: dict[str, Run] = {}
        for command in commands:
            progress(f"{name}: {command.name}")
            found[command.name] = measure(command, Path(folder))
        progress("")
        return found


if __name__ == "__main__":
    main()
