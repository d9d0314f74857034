"""Time an epoch of `specc train` beside one of a Keras script: same model, data and settings.

    python benchmarks/training.py [--backend tensorflow|jax] [--epochs N] [--samples N]

The script is `model.fit(x, y)` on arrays of float32, silent, compiled alike; once with the steps an
execution that specc has chosen, once with Keras's one. Data are random, of Fashion MNIST's
shape. Both train in the same process, an epoch of one and an epoch of the other in turn; the
first two are not counted. Printed are the medians, and the median of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from statistics import median
from typing import Any

import numpy as np

MODELS = {
    "seed": """\
    Flatten
    BatchNormalization
    Dense(300, activation="elu", kernel_initializer="he_normal")
    BatchNormalization
    Dense(100, activation="elu", kernel_initializer="he_normal")
    BatchNormalization
    Dense(10, activation="softmax")
""",
    "convnet": """\
    Reshape([28, 28, 1])
    Conv2D(16, 3, activation="relu")
    MaxPooling2D
    Conv2D(32, 3, activation="relu")
    MaxPooling2D
    Flatten
    Dense(10, activation="softmax")
""",
}

SPEC = """\
data images {{
    source = npz("images.npz")
    scale = 1 / 255
}}

model m {{
    input image: float32[28, 28]

{layers}}}

train m {{
    data = images
    optimizer = SGD(0.001)
    loss = "sparse_categorical_crossentropy"
    metrics = ["accuracy"]
    epochs = {epochs}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax", "torch"))
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--model", choices=tuple(MODELS))
    options = parser.parse_args()
    from specc.training.machine import choose_device

    choose_device(None, options.backend)
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (options.samples, 28, 28), dtype=np.uint8)
    y = random.integers(0, 10, options.samples)
    for name in [options.model] if options.model else MODELS:
        with tempfile.TemporaryDirectory() as folder:
            np.savez(os.path.join(folder, "images.npz"), x=x, y=y)
            path = os.path.join(folder, "m.spec")
            with open(path, "w", encoding="utf-8") as file:
                file.write(SPEC.format(layers=MODELS[name], epochs=options.epochs))
            compare(name, path, folder, x, y, options)


def compare(name: str, path: str, folder: str, x: Any, y: Any, options: Any) -> None:
    import specc
    from specc.training.engine import train
    from specc.training.load import load_dataset
    from specc.training.progress import Plan, Silent
    from specc.training.settings import settings_of

    program = specc.compile(path)
    model = program.model()
    settings = settings_of(program, model, backend=options.backend)
    scripts: list[Script] = []
    own: list[float] = []

    class Turns(Silent):
        """After each epoch of specc's, one of each script's."""

        def begin(self, plan: Plan) -> None:
            counts = dict.fromkeys((plan.steps_per_execution, 1))
            scripts.extend(Script(model, x, y, count) for count in counts)

        def epoch(self, epoch: int, row: Any, seconds: float) -> None:  # noqa: ARG002
            own.append(seconds)
            for script in scripts:
                script.epoch()

    train(model, load_dataset(program, model), settings, out=folder, progress=Turns())
    for script in scripts:
        ours, theirs = own[2:], script.seconds[2:]
        ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
        print(
            f"{options.backend} {name}: specc {median(ours):.3f} s an epoch, Keras with "
            f"{script.count} steps an execution {median(theirs):.3f} s; ratio {ratio:.3f}",
            flush=True,
        )


class Script:
    """What people write by hand."""

    def __init__(self, model: Any, x: Any, y: Any, count: int) -> None:
        import keras

        self.count = count
        self.x, self.y = x.astype("float32") / 255, y
        self.keras_model = model.to_keras(seed=0)
        self.keras_model.compile(
            keras.optimizers.SGD(0.001),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=count,
        )
        self.seconds: list[float] = []

    def epoch(self) -> None:
        began = time.perf_counter()
        self.keras_model.fit(self.x, self.y, batch_size=32, verbose=0)
        self.seconds.append(time.perf_counter() - began)


if __name__ == "__main__":
    main()
