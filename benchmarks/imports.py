"""What a check would pay for the modules it does without.

    python benchmarks/imports.py

Each is a whole process that imports one module, as a multiple of `python -c pass`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from processes import Command, interleaved, machine, median, print_json, print_table

RUNS = 15
MODULES = ("re", "argparse", "dataclasses", "lark", "rich.console", "importlib.metadata", "onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    commands = {Command("pass", (sys.executable, "-c", "pass")): RUNS}
    for module in MODULES:
        commands[Command(module, (sys.executable, "-c", f"import {module}"))] = RUNS
    with tempfile.TemporaryDirectory() as directory:
        runs = interleaved(commands, Path(directory))
    medians = {name: median(values).seconds for name, values in runs.items()}
    ratios = {name: seconds / medians["pass"] for name, seconds in medians.items()}
    if options.json:
        print_json({"seconds": medians, "ratios": ratios})
        return
    print(f"{', '.join(f'{name}: {value}' for name, value in machine().items())}\n")
    print_table(
        ["import", "median ms", "times `pass`"],
        [[name, f"{medians[name] * 1000:,.1f}", f"{ratio:.1f}"] for name, ratio in ratios.items()],
    )


if __name__ == "__main__":
    main()
