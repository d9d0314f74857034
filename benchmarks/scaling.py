"""How the time of `specc check` grows with the length of a model.

    python benchmarks/scaling.py

Stacks of Dense layers, checked by whole processes in turn. Asked of specc: 20,000 layers
take at most 2.2 times as long as 10,000, and at most 5 seconds. Beside it stands Lark, with
the same grammar on the same text, parsing alone.
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
    measure,
    median,
    print_json,
    print_table,
)

SIZES = (1_000, 10_000, 20_000)
RUNS, LARK_RUNS = 5, 3
RATIO_BOUND = 2.2
SECONDS_BOUND = 5.0

LARK = """
import gc, sys, time
from pathlib import Path
from specc.syntax.generate import lark_parser
from specc.syntax.automaton import grammar_path
parser = lark_parser(Path(grammar_path()).read_text(encoding="utf-8"))
text = Path(sys.argv[1]).read_text(encoding="utf-8")
gc.disable()
start = time.perf_counter()
parser.parse(text, start="start")
Path(sys.argv[2]).write_text(repr(time.perf_counter() - start))
"""
"""Without the garbage collector, as specc runs; making the parser is not in the time."""


def stack(layers: int) -> str:
    """A spec of so many layers, one a line."""
    line = '    Dense(16, activation="relu")\n'
    return f"model stack {{\n    input x: float32[16]\n\n{line * layers}}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    options = parser.parse_args()
    measured = installation(options.specc)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        commands: dict[Command, int] = {}
        for size in SIZES:
            spec = directory / f"{size}.spec"
            spec.write_text(stack(size), encoding="utf-8")
            words = (measured.specc, "check", str(spec))
            commands[Command(str(size), words)] = RUNS
        runs = interleaved(commands, directory)
        lark = {size: lark_seconds(measured.python, size, directory) for size in SIZES}
    medians = {size: median(runs[str(size)]) for size in SIZES}
    ratio = medians[20_000].seconds / medians[10_000].seconds
    seconds = medians[20_000].seconds
    if options.json:
        print_json(
            {
                "bytecode": measured.bytecode,
                "layers": {
                    str(size): {
                        **value._asdict(),
                        "runs": [run.seconds for run in runs[str(size)]],
                        "lark_parse_seconds": lark[size],
                    }
                    for size, value in medians.items()
                },
                "ratio": ratio,
                "ratio_bound": RATIO_BOUND,
                "seconds": seconds,
                "seconds_bound": SECONDS_BOUND,
            }
        )
        return
    print(f"{', '.join(f'{name}: {value}' for name, value in machine().items())}")
    print(f"bytecode of specc: {measured.bytecode}\n")
    print_table(
        ["layers", "specc check s", "us a layer", "peak MiB", "Lark's parse alone s"],
        [
            [
                f"{size:,}",
                f"{value.seconds:.3f}",
                f"{value.seconds / size * 1e6:.1f}",
                f"{value.peak_mib:.0f}",
                f"{lark[size]:.3f}",
            ]
            for size, value in medians.items()
        ],
    )
    print(
        f"\n20,000 layers take {ratio:.2f} times as long as 10,000 (bound {RATIO_BOUND:g}), "
        f"{seconds:.2f} s (bound {SECONDS_BOUND:g} s)"
    )


def lark_seconds(python: str, size: int, directory: Path) -> float:
    """The median time of Lark's bare parse, in processes of its own."""
    result = directory / "seconds"
    words = (python, "-c", LARK, str(directory / f"{size}.spec"), str(result))
    times: list[float] = []
    for _ in range(LARK_RUNS):
        measure(Command("Lark", words), directory)
        times.append(float(result.read_text()))
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    main()
