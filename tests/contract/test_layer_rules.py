"""Rules of layers that are not drawn: sizes with names, dtypes that meet, parts of attention."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import pytest

from specc.diagnostics.place import Refused
from specc.layers.base import TensorArgument
from specc.layers.merging import promoted
from specc.types import DTYPES, Dimension, TensorType

from .oracle import agree, symbolic_tensor
from .strategies import BATCH, Case, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

NUMBERS = [dtype for dtype in DTYPES if dtype != "string"]


@pytest.mark.parametrize(
    "pair", list(itertools.combinations_with_replacement(NUMBERS, 2)), ids="-".join
)
def test_promotion(pair: tuple[str, str]) -> None:
    floats = ("bfloat16", "float16", "float64")
    cast = ["float32" if dtype in floats else dtype for dtype in pair]
    assert promoted(cast) == keras.backend.result_type(*cast)


def infer(layer: str, *shapes: tuple[Dimension, ...], **given: Any) -> list[tuple[Dimension, ...]]:
    outputs = layer_class(layer)(**given).apply([TensorType("float32", s) for s in shapes])
    return [x.shape for x in outputs]


@pytest.mark.parametrize(
    ("layer", "given", "shape", "expected"),
    [
        ("Activation", {"activation": "relu"}, ("t", 3), ("t", 3)),
        ("Add", {}, ("t", 3), ("t", 3)),
        ("BatchNormalization", {}, ("t", 3), ("t", 3)),
        ("Concatenate", {}, ("t", 3), ("t", 3)),
        ("Concatenate", {"axis": 1}, ("t", 3), ("t", 3)),
        ("Conv1D", {"filters": 2, "kernel_size": 3}, ("t", 3), (None, 2)),
        ("Conv1D", {"filters": 2, "kernel_size": 1}, ("t", 3), ("t", 2)),
        ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "same"}, ("t", 3), ("t", 2)),
        ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "causal"}, ("t", 3), ("t", 2)),
        (
            "Conv1D",
            {"filters": 2, "kernel_size": 3, "padding": "same", "strides": 2},
            ("t", 3),
            (None, 2),
        ),
        (
            "Conv2D",
            {"filters": 2, "kernel_size": 3, "padding": "same", "data_format": "channels_first"},
            (3, "h", 8),
            (2, "h", 8),
        ),
        ("Conv1DTranspose", {"filters": 2, "kernel_size": 3}, ("t", 3), (None, 2)),
        ("Cropping1D", {"cropping": 0}, ("t", 3), ("t", 3)),
        ("Cropping1D", {}, ("t", 3), (None, 3)),
        ("Dense", {"units": 2}, ("t", 3), ("t", 2)),
        ("Embedding", {"input_dim": 5, "output_dim": 2}, ("t",), ("t", 2)),
        ("Flatten", {}, ("t", 3), (None,)),
        ("Flatten", {}, ("t", 1), ("t",)),
        ("GlobalMaxPooling1D", {}, ("t", 3), (3,)),
        ("LSTM", {"units": 2, "return_sequences": True}, ("t", 3), ("t", 2)),
        ("MaxPooling1D", {"strides": 1, "padding": "same"}, ("t", 3), ("t", 3)),
        ("MaxPooling1D", {}, ("t", 3), (None, 3)),
        ("Permute", {"dims": (2, 1)}, ("t", 3), (3, "t")),
        ("RepeatVector", {"n": 2}, ("t",), (2, "t")),
        ("Reshape", {"target_shape": (-1, 3, 2)}, ("t", 6), ("t", 3, 2)),
        ("Reshape", {"target_shape": (-1, 3)}, ("t", 6), (None, 3)),
        ("UpSampling1D", {"size": 1}, ("t", 3), ("t", 3)),
        ("UpSampling1D", {}, ("t", 3), (None, 3)),
        ("ZeroPadding1D", {}, ("t", 3), (None, 3)),
    ],
)
def test_named_sizes(
    layer: str, given: dict[str, Any], shape: tuple[Dimension, ...], expected: Any
) -> None:
    assert infer(layer, shape, **given) == [expected]


def test_named_sizes_of_several_inputs() -> None:
    assert infer("Add", ("t", 3), ("t", 1)) == [("t", 3)]
    assert infer("Add", ("t", 3), (5, 3)) == [(None, 3)]
    assert infer("Add", ("t", 3), (3,)) == [("t", 3)]
    assert infer("Concatenate", ("t", 3), (None, 4)) == [("t", 7)]
    assert infer("Concatenate", ("t", 3), ("t", 3), axis=1) == [(None, 3)]
    assert infer("Dot", (3, "t"), ("t", 4), axes=(2, 1)) == [(3, 4)]
    with pytest.raises(Refused):
        infer("Dot", (3, "t"), (5, 4), axes=(2, 1))
    # Two names are two sizes, which Keras would find out at run time.
    with pytest.raises(Refused):
        infer("Add", ("t", 3), ("s", 3))


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_initial_state(name: str) -> None:
    layer = layer_class(name)(units=3, return_state=True)
    several = layer.call_arguments["initial_state"]
    assert isinstance(several, TensorArgument)
    states = [keras.KerasTensor((None, 3)) for _ in range(layer.output_count - 1)]
    theirs = getattr(keras.layers, name)(units=3, return_state=True)
    outputs = theirs(
        keras.KerasTensor((None, 4, 2)),
        initial_state=states if several.several else states[0],
        mask=keras.KerasTensor((None, 4), "bool"),
    )
    assert several.several == (len(states) > 1)
    assert [tuple(x.shape[1:]) for x in outputs] == infer(name, (4, 2), units=3, return_state=True)


@pytest.mark.parametrize("use_gate", [False, True])
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 4}),
        ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}),
    ],
)
def test_attention_weights(name: str, given: dict[str, Any], use_gate: bool) -> None:
    """The parts of an attention are told apart, and masks are taken and refused as Keras does."""
    ours = layer_class(name)(**given, use_gate=use_gate)
    theirs = getattr(keras.layers, name)(**given, use_gate=use_gate)
    query, value = TensorType("float32", (4, 5)), TensorType("float32", (6, 5))
    theirs(symbolic_tensor(query), value=symbolic_tensor(value))
    paths = [weight.path.removeprefix(f"{theirs.path}/") for weight in theirs.weights]
    assert [weight.name for weight in ours.variables([query], {"value": value})] == paths


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((BATCH, 4, 6), True),
        ((BATCH, 1, 6), True),
        ((BATCH, 2, 4, 6), True),
        ((BATCH, 1, 4, 6), True),
        ((4, 6), True),
        ((1, 6), True),
        ((6,), False),
        ((BATCH, 6), False),
        ((BATCH, 6, 4), False),
        ((BATCH, 3, 4, 6), False),
    ],
)
def test_attention_mask(name: str, shape: tuple[int, ...], fits: bool) -> None:
    heads: dict[str, Any] = {"num_heads": 2, "key_dim": 3}
    if name == "GroupQueryAttention":
        heads = {"head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 1}
    query, value = TensorType("float32", (4, 5)), TensorType("float32", (6, 5))
    batched = shape[0] == BATCH
    mask = TensorType("bool", shape[1:] if batched else shape, batched)
    try:
        layer_class(name)(**heads).check_call([query], value=value, attention_mask=mask)
    except Refused:
        assert not fits
    else:
        assert fits
    tensors = [keras.ops.zeros((BATCH, *x.shape)) for x in (query, value)]
    theirs = getattr(keras.layers, name)(**heads)
    try:
        theirs(tensors[0], value=tensors[1], attention_mask=keras.ops.ones(shape, "bool"))
    except Exception:
        assert not fits
    else:
        assert fits


def test_query_mask_in_the_call() -> None:
    """Keras's MultiHeadAttention does without it: attention.py says so."""
    layer = keras.layers.MultiHeadAttention(2, 3)
    x = keras.random.normal((BATCH, 4, 5))
    mask = keras.ops.convert_to_tensor([[True, True, False, False]] * BATCH)
    plain, masked = layer(x, value=x), layer(x, value=x, query_mask=mask)
    assert keras.ops.all(keras.ops.equal(plain, masked))


@pytest.mark.parametrize("inner", ["ConvLSTM1D", "LSTM"])
@pytest.mark.parametrize("trainable", [True, False])
def test_layers_that_bidirectional_copies(inner: str, trainable: bool) -> None:
    """Keras's copy of a ConvLSTM that is not trained would be trained."""
    cls = layer_class(inner)
    arguments = {"filters": 1, "kernel_size": 1} if inner == "ConvLSTM1D" else {"units": 2}
    layer = cls(trainable=trainable, **arguments)
    x = TensorType("float32", (4, 4, 4) if inner == "ConvLSTM1D" else (4, 4))
    assert agree(Case("Bidirectional", {"layer": layer}, [x], True))
    assert agree(Case("Bidirectional", {"layer": layer}, [x], False))
