"""Train, export, verify and time models on a CUDA device; one Markdown table.

    python benchmarks/gpu.py                    # the seed's models, ResNet50 and an encoder
    python benchmarks/gpu.py convnet encoder    # some of them
    python benchmarks/gpu.py --cpu              # the same at a small size without a GPU: a test

Needs specc and what it runs on, and nothing else. Training runs on the backend that KERAS_BACKEND
names, else on the first of TensorFlow, JAX and PyTorch that is installed. Each export is verified
on the device as `specc export` does it, so that a row is there only if the file agrees with Keras.
Latencies are medians, copies to and from the device included. `cuda-tf32` has tensor cores' shorter
products, which specc does not use by itself and whose rounding is allowed for.

Exit status 1, and one line on stderr, where there is no CUDA device that onnxruntime can use.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SPECS = Path(__file__).resolve().parent.parent / "specs"
SEED_MODELS = ("bn_after", "bn_before", "convnet", "wide_and_deep")
MODELS = (*SEED_MODELS, "ResNet50", "encoder")
BACKENDS = ("tensorflow", "jax", "torch")
BATCHES = (1, 32)


class Size(NamedTuple):
    """How much is done."""

    samples: int
    rounds: int
    image: int
    """Of ResNet50."""
    width: int
    depth: int
    """Of the encoder; 768 and 12 are BERT base's."""
    tokens: int


FULL = Size(samples=1024, rounds=50, image=224, width=768, depth=12, tokens=128)
SMALL = Size(samples=64, rounds=3, image=64, width=32, depth=2, tokens=16)


class Row(NamedTuple):
    """What one model gave with one provider."""

    model: str
    params: int
    trained: float
    """Samples a second, in the second epoch."""
    exported: float
    """Seconds, verification included."""
    provider: str
    difference: float
    share: float
    """Of what is allowed, at the closest call."""
    latencies: list[float]
    """Milliseconds, by batch size."""


def choose_backend() -> str:
    """Have Keras run on what is installed; to be called before it is imported."""
    name = os.environ.get("KERAS_BACKEND") or next(
        (name for name in BACKENDS if importlib.util.find_spec(name)), ""
    )
    if not name:
        sys.exit("none of TensorFlow, JAX and PyTorch is installed")
    os.environ["KERAS_BACKEND"] = name
    return name


def make(name: str, size: Size) -> Any:
    """A fresh Keras model."""
    import keras

    import specc

    keras.utils.set_random_seed(0)
    if name in SEED_MODELS:
        return specc.compile(SPECS / f"{name}.spec").model(name).to_keras(seed=0)
    if name == "ResNet50":
        return keras.applications.ResNet50(
            weights=None, input_shape=(size.image, size.image, 3), classes=10
        )
    return encoder(keras, size)


def encoder(keras: Any, size: Size) -> Any:
    """A transformer's encoder over vectors, and a mean of what it gives."""
    layers = keras.layers
    given = x = keras.Input((size.tokens, size.width))
    heads = max(1, size.width // 64)
    for _ in range(size.depth):
        attended = layers.MultiHeadAttention(heads, size.width // heads)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        wide = layers.Dense(4 * size.width, activation="gelu")(x)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(size.width)(wide)]))
    pooled = layers.GlobalAveragePooling1D()(x)
    return keras.Model(given, layers.Dense(10, activation="softmax")(pooled), name="encoder")


def train(model: Any, count: int) -> float:
    """Two epochs on random numbers; how many samples a second the second one did."""
    import numpy as np

    random = np.random.default_rng(0)
    inputs = [random.standard_normal((count, *x.shape[1:])).astype("float32") for x in model.inputs]
    targets = [random.random((count, *y.shape[1:])).astype("float32") for y in model.outputs]
    x = inputs if len(inputs) > 1 else inputs[0]
    y = targets if len(targets) > 1 else targets[0]
    model.compile(optimizer="sgd", loss=["mse"] * len(targets) if len(targets) > 1 else "mse")
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        model.fit(x, y, batch_size=32, epochs=1, verbose=0)
        seconds = time.perf_counter() - start
    return count / seconds


def rows_of(name: str, size: Size, providers: list[str]) -> Iterator[Row]:
    import specc

    model = make(name, size)
    trained = train(model, size.samples)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"{name}.onnx")
        for provider in providers:
            start = time.perf_counter()
            report = specc.export(model, path, provider=provider)
            exported = time.perf_counter() - start
            if not report.ok:
                raise SystemExit(f"{name} on {provider}: {report.diagnostics[0]}")
            assert report.provider == provider, report.provider
            closest = report.closest_call
            assert closest is not None
            share = closest.max_abs_error / closest.allowed
            session = specc.load(path, provider=provider).session
            own = name, model.count_params(), trained, exported
            yield Row(
                *own, provider, report.max_abs_error, share,
                [latency(session.run, feeds(model, b), size.rounds) for b in BATCHES],
            )  # fmt: skip


def feeds(model: Any, batch: int) -> dict[str, Any]:
    """Normal inputs by the names that the file has for them."""
    import numpy as np

    from specc.backends.from_keras import from_keras

    random = np.random.default_rng(1)
    names = [tensor.name for tensor in from_keras(model).graph.inputs]
    return {
        name: random.standard_normal((batch, *x.shape[1:])).astype("float32")
        for name, x in zip(names, model.inputs, strict=True)
    }


def latency(run: Callable[[dict[str, Any]], Any], given: dict[str, Any], rounds: int) -> float:
    """The median in milliseconds, after three runs to warm up."""
    taken: list[float] = []
    for _ in range(rounds + 3):
        start = time.perf_counter()
        run(given)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken[3:])


def written(rows: list[Row], about: str) -> str:
    titles = [
        *("Model", "Parameters", "Training, samples/s", "Export and check, s", "Provider"),
        *("Largest difference", "Of what is allowed", *(f"Batch {b}, ms" for b in BATCHES)),
    ]
    lines = [about, "", f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for row in rows:
        cells = [
            row.model, f"{row.params:,}", f"{row.trained:,.0f}", f"{row.exported:.1f}",
            row.provider, f"{row.difference:.1e}",
            f"{row.share:.1%}",
            *(f"{value:.2f}" for value in row.latencies),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--cpu", action="store_true", help="a small run on the CPU")
    options = parser.parse_args()
    unknown = set(options.models) - set(MODELS)
    if unknown:
        parser.error(f"no model of these is known: {', '.join(sorted(unknown))}")
    backend = choose_backend()
    from specc.backends.runtime import Provider, probe

    providers = ["cpu"]
    if not options.cpu:
        found = {wanted: probe(wanted) for wanted in (Provider.CUDA, Provider.TENSORRT)}
        if not found[Provider.CUDA].works:
            print(f"no CUDA device: {found[Provider.CUDA].reason}", file=sys.stderr)
            return 1
        providers = ["cuda", "cuda-tf32"]
        providers += ["tensorrt"] if found[Provider.TENSORRT].works else []
    rows: list[Row] = []
    for name in options.models or MODELS:
        print(f"{name} ...", file=sys.stderr)
        rows += rows_of(name, SMALL if options.cpu else FULL, providers)
    print(written(rows, f"{device(options.cpu)}; Keras on {backend}; {versions()}"))
    return 0


def device(cpu: bool) -> str:
    """The machine's name, as its driver has it."""
    import subprocess

    if cpu:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, small sizes"
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "a CUDA device"


def versions() -> str:
    from specc.manifest import installed_versions

    return ", ".join(f"{name} {version}" for name, version in installed_versions().items())


if __name__ == "__main__":
    sys.exit(main())
