"""Whole processes, measured from outside: wall time, peak memory, and what they run on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LAUNCHER = """
import os, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
start = time.perf_counter()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
"""Linux counts into a child's peak memory that of the process which started it. So the
measured one is started by a Python of the smallest kind (no site, no imports), not by the
benchmark itself. Starting the launcher is not part of the time."""


class Run(NamedTuple):
    seconds: float
    peak_mib: float


class Command(NamedTuple):
    """A command to measure; its environment is that of the benchmark."""

    name: str
    words: tuple[str, ...]


def measure(command: Command, directory: Path) -> Run:
    """Run a command once, its output kept in a file of `directory`.

    Raises:
        SystemExit: where the command fails, with what it printed.
    """
    log = directory / "output"
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(log), *command.words]
    printed = subprocess.run(launcher, capture_output=True, text=True, check=True).stdout
    seconds, peak, status = printed.split()
    if int(status) != 0:
        raise SystemExit(f"{command.name} failed ({status}):\n{log.read_text(errors='replace')}")
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return Run(float(seconds), int(peak) * unit / 2**20)


def interleaved(
    commands: Mapping[Command, int], directory: Path, *, warm_up: int = 1
) -> dict[str, list[Run]]:
    """Run commands in turn, so that what else the machine does slows all of them alike.

    Args:
        commands: how often each is to run; the rarer ones are spread over the whole time.
        warm_up: runs of each at the beginning that do not count.
    """
    runs: dict[str, list[Run]] = {command.name: [] for command in commands}
    for command in commands:
        for _ in range(warm_up):
            measure(command, directory)
    rounds = max(commands.values())
    for number in range(rounds):
        for command, count in commands.items():
            if (number + 1) * count // rounds > number * count // rounds:
                runs[command.name].append(measure(command, directory))
            progress(f"{number + 1}/{rounds} {command.name}")
    progress("")
    return runs


def median(runs: Sequence[Run]) -> Run:
    return Run(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.peak_mib for run in runs),
    )


def progress(text: str) -> None:
    """Show where the benchmark is, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{text:<60}", end="" if text else "\r", file=sys.stderr, flush=True)


# ----------------------------------------------------------------- the specc measured


class Installation(NamedTuple):
    """A `specc` command and the Python that it runs on."""

    specc: str
    python: str
    bytecode: str
    """Whether its modules were compiled before the measurements, in words."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--specc",
        metavar="PATH",
        default=str(Path(sys.executable).with_name("specc")),
        help="the command to measure (default: the one beside this Python)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def installation(specc: str) -> Installation:
    """Find the Python of a `specc`, and have its modules compiled.

    Where Python may not write bytecode (PYTHONDONTWRITEBYTECODE) and no installer wrote it
    either (an editable install), each start would compile specc anew: that would measure
    Python's compiler.

    Raises:
        SystemExit: where there is no such command.
    """
    path = Path(specc)
    if not path.is_file():
        raise SystemExit(f"there is no {specc}; install specc, or name its command by --specc")
    first = path.read_bytes().split(b"\n", 1)[0].decode(errors="replace")
    named = Path(first.removeprefix("#!").strip())
    # Installers write a shell script where the path of Python is a long one.
    python = named if named.name.startswith("python") else path.with_name("python")
    look = "import os, specc; print(os.path.dirname(specc.__file__))"
    found = subprocess.run(
        [str(python), "-c", look], capture_output=True, text=True, check=False, cwd="/"
    )
    if found.returncode != 0:
        raise SystemExit(f"{python} does not import specc:\n{found.stderr}")
    return Installation(str(path.absolute()), str(python), compiled(python, found.stdout.strip()))


STALE = """
import importlib.util, os, pathlib, sys

def is_stale(path):
    try:
        with open(importlib.util.cache_from_source(str(path)), "rb") as file:
            head = file.read(12)
    except OSError:
        return True
    if int.from_bytes(head[4:8], "little"):
        return False  # compared by the source's hash, not by its time
    return int.from_bytes(head[8:12], "little") != int(os.stat(path).st_mtime)

print(sum(map(is_stale, pathlib.Path(sys.argv[1]).rglob("*.py"))))
"""
"""Prints how many modules of a package Python would have to compile."""


def compiled(python: Path, package: str) -> str:
    """Have the modules of a package compiled; what there was to do, in words."""

    def stale() -> int:
        words = [str(python), "-c", STALE, package]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    if not stale():
        return "compiled beforehand"
    subprocess.run([str(python), "-m", "compileall", "-q", package], check=False)
    left = stale()
    if not left:
        return "compiled by this benchmark"
    return f"NOT COMPILED: {left} modules cannot be written, so that each run compiles them"


# ------------------------------------------------------------------------- reporting


def machine() -> dict[str, object]:
    """The processor, the cores that this process may use, the system and Python."""
    model = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": model,
        "cores": cores,
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table, its first column to the left and the others to the right."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        texts = [
            f"{c:<{w}}" if not n else f"{c:>{w}}"
            for n, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(texts)} |"

    rules = ["-" * width if not n else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    print("\n".join(line(cells) for cells in [head, rules, *rows]))


def print_json(results: Mapping[str, object]) -> None:
    print(json.dumps({**results, "machine": machine()}, indent=2))
