"""Every layer of the catalogue against Keras: what it takes, gives and owns.

The layers are found by themselves, arguments and inputs are drawn from what the classes say, and
Keras is the oracle: its symbolic answer, and what happens when the layer runs.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, event, given, seed, settings

from specc.layers import LAYER_NAMES

from .oracle import agree
from .strategies import Case, cases, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES, MANY_EXAMPLES = 100, 2_000

SEED = os.environ.get("SPECC_TEST_SEED")
"""What the many examples are drawn from, a whole number; without it they are always the same."""


def check(name: str, examples: int, drawn_from: str | None = None) -> None:
    accepted = 0

    @settings(
        max_examples=examples,
        derandomize=drawn_from is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(layer_class(name)))
    def property_(case: Case) -> None:
        nonlocal accepted
        both = agree(case)
        event("accepted" if both else "refused")
        accepted += both

    (property_ if drawn_from is None else seed(int(drawn_from))(property_))()
    if examples > EXAMPLES:  # so few may be unlucky
        assert accepted * 20 >= examples, f"only {accepted} of {examples} examples were accepted"


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_agrees_with_keras(name: str) -> None:
    check(name, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYER_NAMES)
def test_agrees_with_keras_on_many(name: str) -> None:
    check(name, MANY_EXAMPLES, SEED)
