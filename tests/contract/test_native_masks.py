"""Masks given in the call, which the cases of `strategies` have none of, against Keras."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from specc.diagnostics.place import Refused
from specc.types import TensorType

from .drawing import enough, hold
from .strategies import Case, cases, layer_class
from .test_native import EXAMPLES, MANY_EXAMPLES, check_native

pytestmark = pytest.mark.filterwarnings("ignore")

LAYERS = ("GroupQueryAttention", "MultiHeadAttention", "Softmax")

DTYPES = st.sampled_from(["bool"] * 6 + ["int32", "float32"])


@st.composite
def masked_cases(draw: st.DrawFn, name: str) -> Case:
    """A case with some of the masks that its layer takes."""
    case = draw(cases(layer_class(name)))
    call: dict[str, Any] = dict(case.call)
    if name == "Softmax":
        sizes = case.inputs[0].shape
        call["mask"] = TensorType(draw(DTYPES), stretched(draw, sizes))
        return case._replace(call=call)
    if "value" not in call:
        call["value"] = case.inputs[0]
    masked = {"query_mask": case.inputs[0], "value_mask": call["value"]}
    masked["key_mask"] = call.get("key", call["value"])
    for argument, x in masked.items():
        if draw(st.integers(0, 2)) == 0:
            call[argument] = TensorType(draw(DTYPES), x.shape[:-1])
    if draw(st.integers(0, 2)):
        try:
            made: Any = case.make()
            scores = made.scores(case.inputs[0], masked["key_mask"])
            last = 2 * len(made.attended(case.inputs[0].rank))
        except (Refused, IndexError):
            return case
        sizes = scores if draw(st.integers(0, 3)) == 0 else scores[len(scores) - last :]
        call["attention_mask"] = TensorType(draw(DTYPES), stretched(draw, sizes))
    return case._replace(call=call)


def stretched(draw: st.DrawFn, sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sizes of which some are 1, so that a mask of them stretches."""
    return tuple([1 if draw(st.integers(0, 4)) == 0 else size for size in sizes])


def check(name: str, examples: int) -> None:
    compared = hold(check_native, masked_cases(name), examples)
    if examples > EXAMPLES:
        enough(compared, examples)


@pytest.mark.parametrize("name", LAYERS)
def test_masks(name: str) -> None:
    check(name, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_many_masks(name: str) -> None:
    check(name, MANY_EXAMPLES)
