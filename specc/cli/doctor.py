"""`specc doctor`."""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.backends.environment import Conflict, Environment

EXAMPLES = """examples:
  specc doctor
  specc doctor --json

The exit status is 0 where nothing conflicts and 1 where something does."""

WIDTH = 96
"""Columns of the text; a command that mends something is not broken."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(options: argparse.Namespace) -> int:
    """Look at the surroundings, report, and say what conflicts."""
    from specc.backends.environment import collect, find_conflicts

    environment = collect()
    conflicts = find_conflicts(environment)
    if options.json:
        print(json.dumps(as_json(environment, conflicts), indent=2))
    else:
        print(as_text(environment, conflicts), end="")
    return 1 if conflicts else 0


def as_text(environment: Environment, conflicts: list[Conflict]) -> str:
    """The report for people."""
    lines = [
        f"specc {environment.specc}, Python {environment.python}, {environment.system}",
        "",
        "Installed",
        *_rows({name: found or "not installed" for name, found in _shown(environment).items()}),
        "",
        "Devices",
        *_rows(_devices(environment)),
        "",
    ]
    if environment.plugins:
        packages = {package: ", ".join(names) for package, names in environment.plugins.items()}
        lines += ["Layers of packages", *_rows(packages), ""]
    if not conflicts:
        return "\n".join([*lines, "Nothing conflicts.", ""])
    lines.append("One conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts")
    for number, conflict in enumerate(conflicts, 1):
        mark = f"{number:>3}. "
        lines += textwrap.wrap(
            conflict.what, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark)
        )
        lines += [f"{' ' * len(mark)}$ {conflict.command}"]
    return "\n".join([*lines, ""])


def as_json(environment: Environment, conflicts: list[Conflict]) -> dict[str, object]:
    """The report for programs."""
    return {
        "ok": not conflicts,
        "specc": environment.specc,
        "python": environment.python,
        "system": environment.system,
        "packages": _shown(environment),
        "cuda_libraries": _cuda_libraries(environment),
        "driver": environment.driver,
        "gpus": environment.gpus,
        "keras_backend": environment.keras_backend,
        "tensorflow": {
            "devices": environment.tensorflow_devices,
            "problem": environment.tensorflow_problem or None,
        },
        "training": {
            trained.backend: {"runs_on": trained.device, "problem": trained.problem or None}
            for trained in environment.trained
        },
        "onnxruntime": {
            outcome.wanted: {
                "works": outcome.works,
                "runs_on": outcome.got,
                "reason": outcome.reason or None,
            }
            for outcome in environment.providers
        },
        "plugins": {package: list(names) for package, names in environment.plugins.items()},
        "conflicts": [{"what": c.what, "command": c.command} for c in conflicts],
    }


def _shown(environment: Environment) -> dict[str, str | None]:
    """The packages that specc stands on; of the two onnxruntimes, those that are there."""
    from specc.backends.environment import ONNXRUNTIMES, RANGES

    packages = environment.packages
    there = [name for name in ONNXRUNTIMES if name in packages]
    return {
        name: packages.get(name)
        for name in RANGES
        if name not in ONNXRUNTIMES or name in (there or [environment.onnxruntime_wheel])
    }


def _cuda_libraries(environment: Environment) -> dict[str, str]:
    names = (name for name in environment.packages if name.startswith(("nvidia-", "tensorrt")))
    return {name: environment.packages[name] for name in sorted(names)}


def _devices(environment: Environment) -> dict[str, str]:
    gpus = f"{environment.gpus} GPU{'s' * (environment.gpus != 1)}"
    libraries = len(_cuda_libraries(environment))
    rows = {
        "NVIDIA driver": f"{environment.driver}, {gpus}" if environment.driver else "none",
        "CUDA libraries": f"{libraries} wheels" if libraries else "no wheels",
        "TensorFlow": ", ".join(environment.tensorflow_devices or ())
        or environment.tensorflow_problem,
    }
    for trained in environment.trained:
        device = trained.device or f"no: {trained.problem}"
        rows[f"Keras on {trained.backend} trains on"] = device
    for outcome in environment.providers:
        works = "works" if outcome.works else f"no: {outcome.reason}"
        rows[f"onnxruntime {outcome.wanted}"] = works
    if environment.keras_backend:
        rows["KERAS_BACKEND"] = environment.keras_backend
    return rows


def _rows(cells: dict[str, str]) -> list[str]:
    width = max(map(len, cells))
    return [f"  {name:<{width}}  {value}" for name, value in cells.items()]
