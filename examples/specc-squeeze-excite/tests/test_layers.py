"""The layers against Keras, and the spec that uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from specc_squeeze_excite.layers import LayerScale, SqueezeExcite

import specc
from specc.layers.activations import LeakyReLU
from specc.testing import assert_layer_agrees, assert_layer_refuses

SPEC = Path(__file__).parent.parent / "senet.spec"


@pytest.mark.parametrize("x", ["float32[8]", "float32[16, 8]", "float16[time, 8]"])
@pytest.mark.parametrize("given", [{}, {"init_value": 0.5}])
def test_layer_scale(x: str, given: dict[str, Any]) -> None:
    assert_layer_agrees(LayerScale(**given), [x])


@pytest.mark.parametrize("x", ["float32[6, 5, 32]", "float32[None, None, 32]"])
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"ratio": 4, "activation": "gelu"},
        {"ratio": 64},
        {"activation": LeakyReLU(negative_slope=0.1)},
        {"trainable": False},
        {"dtype": "mixed_float16"},
        {"dtype": "float64"},
    ],
)
def test_squeeze_excite(x: str, given: dict[str, Any]) -> None:
    assert_layer_agrees(SqueezeExcite(**given), [x])


def test_what_is_refused() -> None:
    assert_layer_refuses(LayerScale, ["float32[]"])
    assert_layer_refuses(LayerScale, ["int32[4]"])
    assert_layer_refuses(LayerScale, ["float32[8, None]"])
    assert_layer_refuses(SqueezeExcite, ["float32[32]"])
    assert_layer_refuses(SqueezeExcite, ["float32[6, 6, None]"])


def test_the_spec() -> None:
    model = specc.compile(SPEC, params={"depth": 3}).model()
    assert model.to_keras().count_params() == model.params.total
