"""The models of keras.applications, exported without a spec.

Keras in float64 is the truth, and the file must be about as close to it as Keras in float32 is.
`pytest -m slow tests/test_applications.py -s` prints a line for each of the 40.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from specc.backends.export import CurrentWeights, Exporter
from specc.backends.from_keras import from_keras
from specc.backends.keras_model import build_keras, pair_variables
from specc.backends.keras_objects import refresh_statistics

pytestmark = pytest.mark.usefixtures("keras_backend")

NAMES = sorted(
    name for name, value in vars(keras.applications).items() if inspect.isfunction(value)
)
SMALL = ("MobileNet", "MobileNetV3Small")

SMALLER = {name: (64, 64, 3) for name in NAMES if name.startswith("ConvNeXt")}
"""Their images: Keras has XLA do grouped convolutions on a CPU, which takes minutes in float64 for
one of the usual size."""

TIMES = 8
"""How much farther from float64 than Keras in float32 a file may be: other kernels add up in other
orders."""


def check(name: str, folder: Path) -> str:
    """Export a model and compare; what came of it, in a line."""
    keras.utils.set_random_seed(0)
    # Before the softmax: it would be all ones and zeros for weights that nobody trained.
    make = getattr(keras.applications, name)
    model = make(weights=None, classifier_activation=None, input_shape=SMALLER.get(name))
    random = np.random.default_rng(0)
    (x,) = model.inputs
    image = random.random((1, *[n or 224 for n in x.shape[1:]]), np.float32) * 255
    normalizations = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    if name.startswith("EfficientNetV2"):
        # With statistics that are not those of what comes in, roundings grow until they are all.
        for layer in normalizations:
            layer.momentum = 0.0
        model(image, training=True)
    else:
        for layer in normalizations:
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(random.normal(0, 0.1, shape))
            layer.moving_variance.assign(random.uniform(0.8, 1.2, shape))
    built = from_keras(model)
    exporter = Exporter(built, built.graph.span.source)
    assert exporter.via == "native", exporter.fallen_back
    exported = exporter.export(CurrentWeights(built))
    exported.check()
    exported.write(str(folder / "m.onnx"))
    account = exported.accounting
    assert account.closes
    assert account.keras_total == model.count_params()
    operators = Counter(node.op_type for node in exported.skeleton.graph.node)
    single = np.asarray(model(image, training=False), np.float64)
    wide = build_keras(built.graph, dtype="float64")
    for (_, variable), array in zip(pair_variables(wide), CurrentWeights(built), strict=True):
        variable.assign(array)
    refresh_statistics(wide.keras_model)
    truth = np.asarray(wide.keras_model(image, training=False))
    session = onnxruntime.InferenceSession(str(folder / "m.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: image})
    scale = float(np.abs(truth).max())
    keras_error = float(np.abs(single - truth).max())
    error = float(np.abs(found - truth).max())
    assert keras_error <= 1e-3 * scale  # else there is nothing to compare
    assert error <= TIMES * keras_error + 1e-6 * scale, f"{name}: {error}, Keras {keras_error}"
    return (
        f"{name:18} {sum(operators.values()):4} nodes, {operators['Transpose']:2} transpositions, "
        f"{account.keras_total:,} - {account.folded_from - account.folded_into:,} folded = "
        f"{account.onnx_total:,}; off by {error / scale:.1e}, Keras in float32 by "
        f"{keras_error / scale:.1e}, relative to float64"
    )


@pytest.mark.parametrize("name", SMALL)
def test_a_small_model(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_model(name: str, tmp_path: Path) -> None:
    """In a process of its own: frameworks keep what they have compiled, gigabytes for all 40."""
    command = [sys.executable, __file__, name, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr.splitlines()[-1]
    print(done.stdout, end="")


def test_the_names() -> None:
    assert len(NAMES) == 40


if __name__ == "__main__":
    print(check(sys.argv[1], Path(sys.argv[2])))
