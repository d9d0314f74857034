"""What data cost: memory, and the time an epoch, beside what people write by hand.

    python benchmarks/data.py

The data are random and of Fashion MNIST's size: 60,000 uint8 images of 28 x 28, in gzipped IDX
files. By hand: `x = images / 255` as float32, kept whole, and `model.fit(x, y)`. specc: bytes,
divided block by block, through `tf.data`. The model is that of specs/bn_after.spec, on the CPU. In
turn, in one process; memory in processes of its own. Asked of specc: at most 1.03 times the time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import specc
from specc.training.load import batches, blocks, load_dataset

SAMPLES = 60_000
RUNS = 5
BOUND = 1.03

SPEC = """
data d {{
    source = idx({folder!r})
    scale = 1 / 255
    validation = first(5_000)
}}
"""

MEMORY = {
    "specc": """
program = specc.compile({spec!r})
dataset = load_dataset(program, program.model())
for batch in batches(dataset.train, 32, seed=0, epoch=0):
    pass
""",
    "by hand": """
raw = gzip.decompress(open({images!r}, "rb").read())
x = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28) / np.float32(255)
train, validation = x[5_000:], x[:5_000]
for rows in np.split(np.random.permutation(len(train)), range(32, len(train), 32)):
    batch = train[rows]
""",
}
START = """
import gzip
import numpy as np
import specc
from specc.training.load import batches, load_dataset
import specc.training.sources.idx
def peak():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
before = peak()
"""


def write(folder: Path) -> Path:
    """The IDX files and the spec."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (SAMPLES, 28, 28), np.uint8)
    labels = random.integers(0, 10, SAMPLES).astype(np.uint8)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
        content = gzip.compress(header + array.tobytes(), 1)
        (folder / f"train-{name}-ubyte.gz").write_bytes(content)
    shipped = Path(__file__).parent.parent / "specs" / "bn_after.spec"
    text = shipped.read_text(encoding="utf-8").partition("\ndata ")[0]
    spec = folder / "bn_after.spec"
    spec.write_text(text + SPEC.format(folder=str(folder)), encoding="utf-8")
    return spec


def peaks(spec: Path, images: Path) -> dict[str, float]:
    """MB beyond what the imports take, of loading and going through an epoch."""
    found: dict[str, float] = {}
    for name, body in MEMORY.items():
        code = START + body.format(spec=str(spec), images=str(images))
        code += "print(peak() - before)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        found[name] = int(done.stdout) * 1024 / 1e6
    return found


def epochs(spec: Path) -> dict[str, list[float]]:
    """Seconds for an epoch of each way, in turn; the first round does not count."""
    program = specc.compile(spec)
    model = program.model()
    part = load_dataset(program, model).train
    keras_model: Any = model.to_keras(seed=0)
    import tensorflow as tf

    keras_model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    everything = np.arange(len(part))
    x, y = part.inputs[0].take(everything), part.targets[0].take(everything)
    signature = (
        tf.TensorSpec((None, 28, 28), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    )

    def dataset(epoch: int) -> Any:
        def pieces() -> Any:
            for block in blocks(part, 32, seed=0, epoch=epoch):
                yield block.inputs[0], block.targets[0]

        whole = tf.data.Dataset.from_generator(pieces, output_signature=signature)
        return whole.rebatch(32).prefetch(8)

    def by_hand(_: int) -> None:
        keras_model.fit(x, y, batch_size=32, verbose=0)

    def through_tf_data(epoch: int) -> None:
        keras_model.fit(dataset(epoch), verbose=0)

    def alone(epoch: int) -> None:
        for _ in batches(part, 32, seed=0, epoch=epoch):
            pass

    def floats_alone(epoch: int) -> None:
        order = np.random.default_rng(epoch).permutation(len(x))
        for first in range(0, len(x), 32):
            rows = order[first : first + 32]
            _ = x[rows], y[rows]

    ways = {
        "model.fit(x, y)": by_hand,
        "model.fit(tf.data of blocks)": through_tf_data,
        "x[rows], y[rows] alone": floats_alone,
        "batches alone": alone,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(RUNS + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way(round_)
            if round_:
                found[name].append(time.perf_counter() - start)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = write(Path(folder))
        memory = peaks(spec, Path(folder) / "train-images-idx3-ubyte.gz")
        seconds = epochs(spec)
    fit, through, floats, alone = seconds.values()
    ratios = {
        "fit": statistics.median(b / a for a, b in zip(fit, through, strict=True)),
        "alone": statistics.median(b / a for a, b in zip(floats, alone, strict=True)),
    }
    if options.json:
        print(json.dumps({"peak_mb": memory, "seconds": seconds, "ratios": ratios}, indent=2))
    else:
        for name, size in memory.items():
            print(f"peak memory, {name}: {size:.0f} MB")
        for name, runs in seconds.items():
            print(f"{name}: {statistics.median(runs):.3f} s an epoch of {SAMPLES - 5_000:,}")
        print(f"specc's data / model.fit(x, y): {ratios['fit']:.3f} (bound {BOUND})")
        print(f"batches / fancy indexing of floats, no model: {ratios['alone']:.2f}")
    return 0 if ratios["fit"] <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
