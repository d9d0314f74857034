"""Weights as the exporter reads and rearranges them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specc.backends import static
from specc.backends.weights import numbers_of


@st.composite
def rearranged(draw: Any) -> np.ndarray[Any, Any]:
    """A view of an array, its axes in any order, some of them backwards or in steps."""
    shape = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    while np.prod(shape) > 20_000:
        shape[shape.index(max(shape))] //= 2
    x = np.arange(np.prod(shape)).reshape(shape).astype(draw(st.sampled_from("fdhB")))
    x = x.transpose(draw(st.permutations(range(x.ndim))))
    steps = draw(st.lists(st.sampled_from([1, 1, 2, -1]), min_size=x.ndim, max_size=x.ndim))
    return x[tuple([slice(None, None, step) for step in steps])]


@given(rearranged())
def test_arrays_in_the_order_of_their_axes(x: np.ndarray[Any, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(static, "SHARED_SIZE", 0)
        made = static.in_c_order(x)
    assert made.flags.c_contiguous
    assert made.dtype == x.dtype
    assert made.shape == x.shape
    np.testing.assert_array_equal(made, x)


def test_a_single_number_has_no_axis() -> None:
    assert static.in_c_order(np.asarray(2.5, np.float32)).shape == ()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int64", "bool"])
def test_what_a_variable_holds_stays_as_it_was(keras_backend: Any, dtype: str) -> None:  # noqa: ARG001
    """Also where the memory is the variable's own."""
    first = np.arange(6).reshape(2, 3) % 2
    variable = keras.Variable(first, dtype=dtype)
    read = numbers_of(variable)
    assert str(read.dtype) == dtype
    np.testing.assert_array_equal(read.astype("float32"), first)
    variable.assign(first + 1)
    if dtype != "bool":
        variable.assign_add(variable)
        variable.assign_sub(first)
    np.testing.assert_array_equal(read.astype("float32"), first)


def test_weights_are_read_without_a_copy(keras_backend: Any) -> None:  # noqa: ARG001
    variable = keras.Variable(np.ones(5, np.float32))
    assert np.shares_memory(numbers_of(variable), numbers_of(variable))
