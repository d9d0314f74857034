"""What finding the layer at fault takes, beside a plain verification.

    python benchmarks/attribution.py               # ResNet50
    python benchmarks/attribution.py --depth 500   # so many Dense layers, and half as many

Memory is the peak beyond the loaded models, in a process of its own for each figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any


def memory(field: str) -> int:
    """A figure of this process in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024


def peak_of(work: Any) -> dict[str, float]:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak begins here
    before = memory("VmRSS")
    start = time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - start, "peak": memory("VmHWM") - before}


def measure(what: str, depth: int) -> dict[str, float]:
    """One figure: "plain" verification, or "attribution" of a fault in the last layer."""
    import keras
    import onnx
    import onnx.numpy_helper

    from specc.backends.export import Exporter
    from specc.backends.from_keras import from_keras
    from specc.verification.inputs import draw_cases
    from specc.verification.layers import check_layers
    from specc.verification.pieces import Pieces
    from specc.verification.reference import OWN, Reference
    from specc.verification.verify import verify_onnx

    keras.utils.set_random_seed(0)
    if depth:
        dense = [keras.layers.Dense(512, activation="tanh") for _ in range(depth)]
        model = keras.Sequential([keras.Input((512,)), *dense])
    else:
        model = keras.applications.ResNet50(weights=None)
    built = from_keras(model)
    graph = built.graph
    reference = Reference(built, Exporter(built, graph.span.source))
    file = reference.expected.model
    reference.load(OWN)
    if what == "plain":

        def verify() -> None:
            report = verify_onnx(graph, None, file, provider="cpu", reference=reference)
            assert report.ok, report.diagnostics

        return peak_of(verify)
    last = file.graph.initializer[-1]
    array = onnx.numpy_helper.to_array(last).copy()
    array.flat[0] += 1.0
    last.CopyFrom(onnx.numpy_helper.from_array(array, last.name))
    case = next(draw_cases(graph, 0))
    places = reference.places

    def attribute() -> None:
        pieces = Pieces(file, graph, places)
        found = list(check_layers(built, reference.double, pieces, case, "cpu"))
        wrong = [checked.computed_by for checked in found if not checked.ok]
        assert wrong == [last.name.split("/")[0]], wrong

    return peak_of(attribute)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.depth)))
        return
    depths = (options.depth, options.depth // 2) if options.depth else (0,)
    for depth in depths:
        name = f"{depth} layers" if depth else "ResNet50"
        got: dict[str, dict[str, float]] = {}
        for what in ("plain", "attribution"):
            words = [sys.executable, __file__, "--depth", str(depth), "--measure", what]
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(
                words, capture_output=True, text=True, env=environment, check=False
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            got[what] = json.loads(done.stdout.strip().splitlines()[-1])
        plain, attribution = got["plain"], got["attribution"]
        print(
            f"{name}: plain verification {plain['seconds']:.1f} s, "
            f"attribution {attribution['seconds']:.1f} s "
            f"({attribution['seconds'] / plain['seconds']:.2f} of it), "
            f"peak {attribution['peak'] / 1e6:.0f} MB beyond the models"
        )


if __name__ == "__main__":
    main()
