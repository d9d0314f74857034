"""The native exporter: hashes of whole numbers are TensorFlow's, bit by bit."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from native_models import exported, sound

import specc
from specc.backends.native.convert import lower
from specc.lowering import NotLowered

pytestmark = pytest.mark.usefixtures("keras_backend")

Array = np.ndarray[Any, Any]

COLUMNS = 16
BINS = 2**61 - 1
"""So many that two hashes have the same remainder by chance no more."""


def numbers(dtype: str, seed: int = 0) -> Array:
    """Numbers of every length, and the ends of the dtype."""
    random = np.random.default_rng(seed)
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    found = [0, 1, 9, 10, 99, 100, high - 1, high, low, max(low, -1)]
    for length in range(1, len(str(high)) + 1):
        ends = min(10 ** (length - 1), high), min(10**length - 1, high)
        for number in (
            *ends,
            *(int(random.integers(*ends, endpoint=True, dtype=np.uint64)) for _ in range(20)),
        ):
            found += [number, max(-number, low)]
    found += [0] * (-len(found) % COLUMNS)
    return np.array(found, dtype).reshape(-1, COLUMNS)


def same(layer: str, arrays: dict[str, Array]) -> Array:
    """What Keras and the file make of arrays (batch, *shape), which must be equal."""
    model = specc.compile_text(text(layer, arrays)).models[-1]
    _, made, _ = exported(model)
    given = [keras.ops.convert_to_tensor(array) for array in arrays.values()]
    want = np.asarray(model.to_keras(seed=0)(given if len(given) > 1 else given[0]))
    session = onnxruntime.InferenceSession(made.model.SerializeToString())
    have = np.asarray(session.run(None, arrays)[0])
    assert have.dtype == want.dtype
    np.testing.assert_array_equal(have, want)
    return have


def text(layer: str, arrays: dict[str, Array]) -> str:
    lines = [f"input {name}: {x.dtype}{list(x.shape[1:])}" for name, x in arrays.items()]
    named = f"{' + '.join(arrays)}" if len(arrays) == 1 else f"[{', '.join(arrays)}]"
    return "".join(f"    {line}\n" for line in (*lines, "", f"{named} -> {layer}")).join(
        ("model m {\n", "}\n")
    )


@pytest.mark.parametrize("salt", ["", ", salt=7", ", salt=(0, -3)"])
@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_whole_numbers(dtype: str, salt: str) -> None:
    found = same(f"Hashing({BINS}{salt})", {"x": numbers(dtype)})
    assert len(np.unique(found)) == len(np.unique(numbers(dtype)))


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        ("Hashing(7, mask_value=-1)", numbers("int32")),
        ("Hashing(1, mask_value=3)", numbers("int8")),
        ('Hashing(9, output_mode="multi_hot")', numbers("int64")),
        ('Hashing(9, salt=1, output_mode="count")', numbers("int64")),
        ('Hashing(9, output_mode="one_hot")', numbers("int64").reshape(-1, 1)),
        ("Hashing(9)", numbers("int64").reshape(-1, 2, 4, 2)),
        ("Hashing(9)", numbers("int64").ravel()),
        ('IntegerLookup(vocabulary=[1, -2], num_oov_indices=5, oov_method="farmhash")',
         numbers("int64")),
        ('IntegerLookup(vocabulary=[1], num_oov_indices=5, oov_method="farmhash", salt=(2, 3))',
         numbers("int32")),
    ],
)  # fmt: skip
def test_where_hashes_are_used(layer: str, x: Array) -> None:
    same(layer, {"x": x})


@pytest.mark.parametrize("mode", ["int", "one_hot"])
@pytest.mark.parametrize("dtypes", [("int64", "int64"), ("int32", "uint8")])
def test_combinations(dtypes: tuple[str, str], mode: str) -> None:
    a, b = (numbers(dtype, seed).reshape(-1, 1) for seed, dtype in enumerate(dtypes))
    size = min(len(a), len(b))
    bins = BINS if mode == "int" else 11
    same(f'HashedCrossing({bins}, output_mode="{mode}")', {"a": a[:size], "b": b[-size:]})


def test_verified_as_part_of_a_model() -> None:
    made = sound(
        "model m {\n    input x: int64[3]\n\n    Hashing(50)\n    Embedding(50, 4)\n    Flatten\n"
        "    Dense(2)\n}\n"
    )
    assert {node.domain for node in made.graph.node} == {""}


@pytest.mark.parametrize("layer", ["Hashing(10)", "HashedCrossing(10)"])
def test_strings_are_refused(layer: str) -> None:
    arrays = {name: np.zeros((1, 1), np.int64) for name in ("a", "b")[: 1 + ("Cross" in layer)]}
    graph = specc.compile_text(text(layer, arrays).replace("int64", "string")).models[-1].graph
    with pytest.raises(NotLowered, match=re.escape("of strings: ONNX has no hash of strings")):
        lower(graph, 18)
