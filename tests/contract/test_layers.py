"""Every layer of the catalogue against Keras: what it takes, gives and owns.

The layers are found by themselves, arguments and inputs are drawn from what the classes say, and
Keras is the oracle: its symbolic answer, and what happens when the layer runs.
"""

from __future__ import annotations

import pytest

from specc.layers import LAYER_NAMES

from .drawing import SEED, enough, hold
from .oracle import agree
from .strategies import cases, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES, MANY_EXAMPLES = 100, 2_000


def check(name: str, examples: int, drawn_from: str | None = None) -> None:
    accepted = hold(agree, cases(layer_class(name)), examples, drawn_from)
    if examples > EXAMPLES:  # so few may be unlucky
        enough(accepted, examples)


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_agrees_with_keras(name: str) -> None:
    check(name, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYER_NAMES)
def test_agrees_with_keras_on_many(name: str) -> None:
    check(name, MANY_EXAMPLES, SEED)
