"""specc's exporter beside Keras's own, tf2onnx, and onnxslim on what tf2onnx gives.

    python -m pip install ".[test]" onnxslim
    python benchmarks/exporters.py                       # the seed's models and ResNet50
    python benchmarks/exporters.py VGG16 NASNetMobile    # models of keras.applications
    python benchmarks/exporters.py --all --json
    python benchmarks/exporters.py encoder --exporters specc,external
    python benchmarks/exporters.py large                 # 3 GB of weights, by specc alone

Each export is a process of its own, which loads the model and exports one of a single layer first,
so that time and peak memory are those of the export alone: without the libraries that are loaded
once (`first s` has them), and beyond the loaded model. The exporters take turns, and what is told
is the median of the turns (the highest peak); one that fails has no further turn. A process that
wants most of the machine's memory is ended before the system does. Errors are those of onnxruntime
against Keras in float64, on the same inputs. Latencies are medians of interleaved rounds on one
thread.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter_models import APPLICATIONS, BUILT, LARGE, SEED_MODELS, inputs_for, make
from processes import compiled

EXPORTERS = ("specc", "external", "keras", "tf2onnx", "onnxslim")
"""`external` is specc with the weights in a file beside the model."""

ROUNDS = {1: 9, 32: 3}
"""How often each batch size is timed at least."""

TIMING_S, MOST_ROUNDS = 10.0, 1_000
"""Short runs are timed more often, for so long in all."""

TURNS = 3
"""How often each exporter exports."""

MEMORY_SHARE = 0.85
"""What a process may take of the machine's memory."""


# ---------------------------------------------------------- one export, in a process


def export(exporter: str, source: str, target: str) -> None:
    """Load, export, and print what it took."""
    import keras

    model = keras.saving.load_model(source, compile=False)
    ways = {"specc": by_specc, "external": externally, "keras": by_keras, "tf2onnx": by_tf2onnx}
    work = ways[exporter]
    single = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    if exporter == "keras":
        for loaded in (model, single):  # it refuses one that was never called
            loaded(inputs_for(loaded, 1))
    start = time.perf_counter()
    work(single, f"{target}.single.onnx")
    first = time.perf_counter() - start
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak begins here
    before = memory("VmRSS")
    start = time.perf_counter()
    work(model, target)
    seconds = time.perf_counter() - start
    weights = sum(v.numpy().nbytes for v in model.variables)
    peak = memory("VmHWM") - before
    print(json.dumps({"first": first, "seconds": seconds, "peak": peak, "weights": weights}))


def memory(field: str) -> int:
    """A figure of this process in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024


def externally(model: Any, target: str) -> None:
    by_specc(model, target, external=True)


def by_specc(model: Any, target: str, *, external: bool = False) -> None:
    from specc.backends.export import CurrentWeights, Exporter
    from specc.backends.from_keras import from_keras
    from specc.backends.write import data_beside

    built = from_keras(model)
    exporter = Exporter(built, built.graph.span.source)
    if exporter.via != "native":
        raise SystemExit(f"not native: {exporter.fallen_back}")
    exported = exporter.export(CurrentWeights(built))
    exported.check()
    if not external:
        exported.write(target)
        return
    with data_beside(target) as data:
        exported.write(target, data)


def by_keras(model: Any, target: str) -> None:
    model.export(target, format="onnx", verbose=False)


def by_tf2onnx(model: Any, target: str) -> None:
    import tensorflow as tf
    import tf2onnx

    (x,) = model.inputs
    signature = [tf.TensorSpec(x.shape, x.dtype, name="x")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=18, output_path=target)


def slim(source: str, target: str) -> dict[str, Any]:
    """onnxslim on a file; only its result is looked at."""
    code = f"import onnxslim; onnxslim.slim({source!r}, {target!r})"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode or not os.path.exists(target):
        return {"failed": last_line(done.stderr)}
    return {"seconds": time.perf_counter() - start}


# --------------------------------------------------------------------- comparison


def measure(
    name: str, folder: str, exporters: Sequence[str], turns: int
) -> dict[str, dict[str, Any]]:
    """Exporters on one model."""
    source = os.path.join(folder, f"{name}.keras")
    run([__file__, "--save", name, source])
    exporters = ("external",) if name == LARGE else exporters
    files = {e: os.path.join(folder, f"{name}.{e}.onnx") for e in exporters}
    found = in_turn(source, {e: f for e, f in files.items() if e != "onnxslim"}, turns)
    if "onnxslim" in files:
        before = os.path.join(folder, f"{name}.tf2onnx.onnx")
        has = "failed" not in found.get("tf2onnx", {"failed": ""})
        found["onnxslim"] = slim(before, files["onnxslim"]) if has else {"failed": "tf2onnx did"}
    if name == LARGE:  # float64 and four more copies do not fit into most machines
        return found
    compared = run([__file__, "--compare", source, json.dumps(files)])
    for exporter, more in compared.items():
        found[exporter] |= more
    return found


def in_turn(source: str, files: dict[str, str], turns: int) -> dict[str, dict[str, Any]]:
    """What each exporter took, in turns."""
    took: dict[str, list[dict[str, Any]]] = {exporter: [] for exporter in files}
    for _ in range(turns):
        for exporter, target in files.items():
            if took[exporter] and "failed" in took[exporter][-1]:
                continue
            for path in (Path(target), *data_files(target)):  # each writes a new file
                path.unlink(missing_ok=True)
            took[exporter].append(run([__file__, "--export", exporter, source, target]))
    found: dict[str, dict[str, Any]] = {}
    for exporter, each in took.items():
        found[exporter] = dict(each[-1])
        if "failed" not in each[-1]:
            for key in ("first", "seconds"):
                found[exporter][key] = statistics.median(one[key] for one in each)
            found[exporter]["peak"] = max(one["peak"] for one in each)
            found[exporter]["turns"] = [round(one["seconds"], 3) for one in each]
    return found


def run(words: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    limit = MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES")
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            [sys.executable, *words], stdout=out, stderr=err, env=environment, text=True
        )
        while child.poll() is None:
            if resident_pages(child.pid) > limit:
                child.kill()
                child.wait()
                size = limit * os.sysconf("SC_PAGE_SIZE") / 1e9
                return {"failed": f"ended: it wanted more than {size:.0f} GB"}
            time.sleep(0.1)
        out.seek(0)
        err.seek(0)
        printed, said = out.read(), err.read()
    if child.returncode < 0:
        return {"failed": f"ended by {signal.Signals(-child.returncode).name}"}
    if child.returncode:
        return {"failed": last_line(said) or f"status {child.returncode}"}
    return json.loads(printed.strip().splitlines()[-1])


def resident_pages(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):  # it has ended
        return 0


def data_files(path: str) -> list[Path]:
    """What lies beside a model for it."""
    return list(Path(path).parent.glob(f"{Path(path).stem}-*.data"))


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def compare(source: str, files: dict[str, str]) -> None:
    """Nodes, sizes, errors and latencies of the files of one model."""
    import keras
    import numpy as np
    import onnx
    import onnxruntime

    from specc.backends.from_keras import from_keras
    from specc.backends.keras_model import build_keras, pair_variables

    model = keras.saving.load_model(source, compile=False)
    built = from_keras(model)
    wide = build_keras(built.graph, dtype="float64")
    for (_, own), (_, other) in zip(pair_variables(built), pair_variables(wide), strict=True):
        other.assign(own)
    x = inputs_for(model, 2)
    truth = np.asarray(wide.keras_model(x, training=False))
    single = float(np.abs(np.asarray(model(x, training=False)) - truth).max())
    del wide, built
    found: dict[str, dict[str, Any]] = {}
    sessions: dict[str, Any] = {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    for exporter, path in files.items():
        if not os.path.exists(path):
            continue
        try:
            proto = onnx.load(path)
            session = onnxruntime.InferenceSession(path, options)
            outputs = session.run(None, {session.get_inputs()[0].name: x})
        except Exception as error:
            found[exporter] = {"failed": last_line(str(error))}
            continue
        sessions[exporter] = session
        found[exporter] = {
            "nodes": len(proto.graph.node),
            "transposes": sum(node.op_type == "Transpose" for node in proto.graph.node),
            "bytes": sum(os.path.getsize(f) for f in (path, *data_files(path))),
            "error": float(np.abs(outputs[0] - truth).max()),
            "keras_error": single,
            "scale": float(np.abs(truth).max()),
        }
    for batch, least in ROUNDS.items():
        for exporter, seconds in latencies(sessions, inputs_for(model, batch), least).items():
            found[exporter][f"ms_{batch}"] = 1000 * statistics.median(seconds)
    print(json.dumps(found))


def latencies(sessions: dict[str, Any], given: Any, least: int) -> dict[str, list[float]]:
    """How long each model runs on an input, in rounds to and fro."""

    def took(session: Any) -> float:
        fed = {session.get_inputs()[0].name: given}
        start = time.perf_counter()
        session.run(None, fed)
        return time.perf_counter() - start

    for session in sessions.values():
        took(session)
    once = sum(took(session) for session in sessions.values())
    order = list(sessions)
    times: dict[str, list[float]] = {exporter: [] for exporter in sessions}
    for _ in range(max(least, min(MOST_ROUNDS, int(TIMING_S / (once or 1))))):
        for exporter in order:
            times[exporter].append(took(sessions[exporter]))
        order.reverse()
    return times


def table(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    print("| model | exporter | first s | s | peak MB | nodes | transposes | MB | error | "
          "ms, batch 1 | ms, batch 32 |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, by in results.items():
        for exporter, got in by.items():
            cells = [name, exporter]
            if "failed" in got:
                print(f"| {name} | {exporter} | {got['failed']} |")
                continue
            cells += [f"{got[key]:.2f}" if key in got else "" for key in ("first", "seconds")]
            ratio = f", {got['peak'] / got['weights']:.2f} x weights" if "weights" in got else ""
            cells += [f"{got['peak'] / 1e6:.0f}{ratio}" if "peak" in got else ""]
            if "nodes" not in got:
                print(f"| {' | '.join(cells)} |")
                continue
            cells += [f"{got[k]}" for k in ("nodes", "transposes")]
            cells += [f"{got['bytes'] / 1e6:.1f}", f"{got['error']:.1e} of {got['scale']:.1e}"]
            cells += [f"{got[f'ms_{batch}']:.2f}" for batch in ROUNDS]
            print(f"| {' | '.join(cells)} |")
        if all("seconds" in by.get(e, {}) for e in ("specc", "keras")):
            ratio = by["keras"]["seconds"] / by["specc"]["seconds"]
            print(f"| {name} | specc is {ratio:.1f} times as fast as Keras's export |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "models", nargs="*", help=", ".join((*SEED_MODELS, *BUILT, LARGE)) + ", ..."
    )
    parser.add_argument("--exporters", default=",".join(EXPORTERS), help="some of them")
    parser.add_argument("--all", action="store_true", help="every model of the list")
    parser.add_argument("--turns", type=int, default=TURNS, help="of each exporter")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--export", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--compare", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.save:
        make(options.save[0]).save(options.save[1])
        print("{}")
    elif options.export:
        export(*options.export)
    elif options.compare:
        compare(options.compare[0], json.loads(options.compare[1]))
    else:
        every = (*SEED_MODELS, *APPLICATIONS, *BUILT)
        names = every if options.all else options.models or (*SEED_MODELS, "ResNet50")
        import specc

        words = compiled(Path(sys.executable), str(Path(specc.__file__).parent))
        print(f"bytecode of specc: {words}", file=sys.stderr)
        results: dict[str, dict[str, dict[str, Any]]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                print(f"{name} ...", file=sys.stderr)
                chosen = options.exporters.split(",")
                results[name] = measure(name, folder, chosen, options.turns)
                for path in Path(folder).iterdir():
                    path.unlink()
        if options.json:
            print(json.dumps(results, indent=2))
        else:
            table(results)


if __name__ == "__main__":
    main()
