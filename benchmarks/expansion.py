"""What blocks and loops cost: ResNet-152, and how checking grows with the expanded layers.

    python benchmarks/expansion.py

Whole processes of `specc check`, in turn. Asked of specc: ResNet-152 written with blocks takes
less than 0.5 s beyond start-up, which a spec of one layer shows; twice as many expansions take
at most 2.2 times as long.
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

RUNS = 9
SIZES = (1_000, 3_000, 6_000)
SECONDS_BOUND = 0.5
RATIO_BOUND = 2.2

ONE_LAYER = "model one {\n    input x: float32[8]\n\n    Dense(8)\n}\n"

RESNET_152 = """
import "std/resnet"

model resnet152 {
    input image: float32[224, 224, 3]

    resnet_backbone([3, 8, 36, 3])
    GlobalAveragePooling2D
    Dense(1_000, activation="softmax")

    expect params = 60_419_944
}
"""


def expanded(uses: int) -> str:
    """A spec that expands a block of three layers so many times."""
    return f"""
block residual(units) {{
    input x

    y = x -> Dense(units) -> ReLU
    [x, y] -> Add
}}

model expanded {{
    input x: float32[8]

    for i in range({uses}) {{
        residual(8)
    }}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser)
    options = parser.parse_args()
    measured = installation(options.specc)
    texts = {"one layer": ONE_LAYER, "ResNet-152": RESNET_152}
    texts |= {f"{3 * uses:,} layers": expanded(uses) for uses in SIZES}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        commands: dict[Command, int] = {}
        for number, (title, text) in enumerate(texts.items()):
            spec = directory / f"{number}.spec"
            spec.write_text(text, encoding="utf-8")
            commands[Command(title, (measured.specc, "check", str(spec)))] = RUNS
        runs = interleaved(commands, directory)
    medians = {title: median(runs[title]) for title in texts}
    start = medians["one layer"].seconds
    seconds = medians["ResNet-152"].seconds - start
    last, before = (medians[f"{3 * uses:,} layers"].seconds - start for uses in SIZES[:0:-1])
    ratio = last / before
    if options.json:
        print_json(
            {
                "bytecode": measured.bytecode,
                "runs": {title: [run.seconds for run in runs[title]] for title in texts},
                "resnet152_beyond_start": seconds,
                "seconds_bound": SECONDS_BOUND,
                "ratio": ratio,
                "ratio_bound": RATIO_BOUND,
            }
        )
        return
    print(f"{', '.join(f'{name}: {value}' for name, value in machine().items())}")
    print(f"bytecode of specc: {measured.bytecode}\n")
    print_table(
        ["spec", "specc check s", "beyond start-up s", "peak MiB"],
        [
            [title, f"{run.seconds:.3f}", f"{run.seconds - start:.3f}", f"{run.peak_mib:.0f}"]
            for title, run in medians.items()
        ],
    )
    print(
        f"\nResNet-152 takes {seconds:.3f} s beyond start-up (bound {SECONDS_BOUND:g} s); "
        f"18,000 layers {ratio:.2f} times as long as 9,000 (bound {RATIO_BOUND:g})"
    )


if __name__ == "__main__":
    main()
