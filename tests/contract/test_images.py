"""The layers of images in a graph, as `fit` and `predict` run them: trained, and at inference.

Keras computes otherwise there than outside: it casts whole numbers, the batch has no size, and
operations are missing for some dtypes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from specc.diagnostics.place import Refused

from .drawing import hold
from .exceptions import IMAGES
from .oracle import anonymous, keras_layer, specc_answer
from .strategies import BATCH, Case, cases, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

UNKNOWN = (12, 3)
"""What a size that a spec does not know may be when a model runs: large, or three channels."""

EXCEPT = {
    "RandomCrop": "at inference Keras does not crop",
    "Resizing": "whole numbers are kept outside of a graph, and floats in one",
}


NAMES = [name for name in IMAGES if name not in EXCEPT]


def in_a_graph(case: Case, training: bool) -> Any:
    """What a layer gives in a function that is traced for any batch."""
    for size in UNKNOWN[:-1]:
        try:
            return traced_with(case, training, size)
        except tf.errors.FailedPreconditionError:  # not the number of channels
            continue
    return traced_with(case, training, UNKNOWN[-1])


def traced_with(case: Case, training: bool, unknown: int) -> Any:
    layer = keras_layer(case)
    shape = anonymous(case.inputs[0].shape)
    traced = tf.function(
        lambda x: layer(x, training=training),
        input_signature=[tf.TensorSpec((None, *shape), case.inputs[0].dtype)],
        autograph=False,
    )
    sizes = [unknown if size is None else size for size in shape]
    values = np.random.default_rng(0).uniform(0, 2, (BATCH, *sizes))
    return traced(tf.cast(values, case.inputs[0].dtype))


def keeps_its_word(case: Case) -> bool:
    """Whether a layer does in a graph what specc says of it; False where specc refuses it."""
    ours = specc_answer(case)
    if isinstance(ours, Refused):
        return False
    for training in (True, False):
        found = in_a_graph(case, training)
        sizes = zip((None, *ours.shapes[0]), found.shape, strict=True)
        assert all(a is None or a == b for a, b in sizes), f"{case} gives {found.shape}"
        assert found.dtype.name == ours.dtypes[0], f"{case}, training={training}"
    return True


def check(name: str, examples: int) -> None:
    hold(keeps_its_word, cases(layer_class(name)), examples, until_told=True)


@pytest.mark.parametrize("name", NAMES)
def test_in_a_graph(name: str) -> None:
    check(name, 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_in_a_graph_on_many(name: str) -> None:
    check(name, 200)
