"""Cases of layers that once came out otherwise than in Keras, and several for each family.

Nothing here says what is right: `agree` asks Keras.
"""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from specc.diagnostics.place import Place, Refused
from specc.layers.activations import ReLU
from specc.layers.cells import GRUCell, LSTMCell
from specc.layers.core import Dense
from specc.layers.pipeline import Pipeline
from specc.layers.recurrent import GRU, LSTM
from specc.layers.wrappers import TimeDistributed
from specc.objects.regularizers import OrthogonalRegularizer
from specc.source import Source, Span
from specc.types import TensorType

from .oracle import agree, keras_answer, keras_layer, specc_answer
from .strategies import Case, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

Shapes = tuple[tuple[int | None, ...], ...]

SOURCE = Source("case", "Layer(argument)")
WHOLE, AT_FAULT = Span(SOURCE, 0, 15), Span(SOURCE, 6, 14)

ROWS: dict[str, Any] = {"activity_regularizer": OrthogonalRegularizer()}
COLUMNS: dict[str, Any] = {"activity_regularizer": OrthogonalRegularizer(mode="columns")}

TAKEN: list[tuple[str, dict[str, Any], Shapes]] = [
    # what every layer takes
    ("Flatten", {"activity_regularizer": "l2"}, ((5, 3),)),
    ("BatchNormalization", {"activity_regularizer": "l1"}, ((6,),)),
    ("TimeDistributed", {"layer": Dense(units=3, activity_regularizer="l2")}, ((4, 6),)),
    ("Flatten", {"autocast": True}, ((5, 3),)),
    # LoRA
    ("Dense", {"units": 5, "lora_rank": 2, "kernel_regularizer": "l2"}, ((3, 4),)),
    ("Dense", {"units": 5, "lora_rank": 9, "lora_alpha": 4, "use_bias": False}, ((4,),)),
    ("Dense", {"units": 5, "lora_rank": 0}, ((4,),)),
    ("Embedding", {"input_dim": 9, "output_dim": 6, "lora_rank": 3}, ((4,),)),
    ("EinsumDense", {"equation": "ab,bcd->acd", "output_shape": (8, 32), "lora_rank": 2}, ((3,),)),
    ("Conv1D", {"filters": 5, "kernel_size": 4, "lora_rank": 2}, ((8, 3),)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "lora_rank": 2}, ((8, 8, 4),)),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "lora_rank": 1}, ((4, 4, 4, 3),)),
    ("ReversibleEmbedding", {"input_dim": 9, "output_dim": 6, "lora_rank": 2}, ((4,),)),
    # equations whose left out axes come last
    ("EinsumDense", {"equation": "ab...,bc->ac...", "output_shape": 4}, ((3, 2),)),
    ("EinsumDense", {"equation": "bc...,cd->bd...", "output_shape": (4,)}, ((3, 1, 1),)),
    ("EinsumDense", {"equation": "abc...,bcd->ad...", "output_shape": 7}, ((3, 2, 5),)),
    # capital letters
    ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "SAME"}, ((8, 3),)),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "Causal"}, ((8, 3),)),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "padding": "Valid"}, ((8, 8, 3),)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "padding": "SAME"}, ((5, 4, 3),)),
    ("ConvLSTM1D", {"filters": 2, "kernel_size": 3, "padding": "SAME"}, ((4, 8, 3),)),
    ("MaxPooling2D", {"data_format": "CHANNELS_LAST"}, ((8, 6, 3),)),
    ("ZeroPadding2D", {"padding": 1, "data_format": "Channels_First"}, ((3, 8, 6),)),
    ("UpSampling2D", {"interpolation": "BILINEAR"}, ((4, 5, 3),)),
    # what Keras takes by name alone
    ("LSTM", {"units": 3, "implementation": 1, "recurrent_dropout": 0.5}, ((6, 4),)),
    ("GRU", {"units": 3, "zero_output_for_mask": True, "return_sequences": True}, ((6, 4),)),
    ("SimpleRNN", {"units": 3, "zero_output_for_mask": True}, ((6, 4),)),
    ("RNN", {"cell": (GRUCell(units=3, implementation=1), LSTMCell(units=2))}, ((6, 4),)),
    ("AdditiveAttention", {"seed": 3, "dropout": 0.5}, ((4, 6), (5, 6))),
    # dropout with a mask for each gate, where cuDNN is not tried
    ("LSTM", {"units": 3, "implementation": 1, "dropout": 0.5, "recurrent_dropout": 0.2},
     ((6, 4),)),
    ("GRU", {"units": 3, "implementation": 1, "dropout": 0.5, "use_cudnn": False}, ((6, 4),)),
    ("RNN", {"cell": LSTMCell(units=3, implementation=1, dropout=0.5)}, ((6, 4),)),
    # samples compared with each other, where Keras traces nothing or not by rows
    ("RNN", {"cell": GRUCell(units=3, **ROWS)}, ((6, 4),)),
    ("Pipeline", {"layers": (Dense(units=3, **COLUMNS),)}, ((4,),)),
    ("Pipeline", {"layers": (TimeDistributed(layer=Dense(units=3, **ROWS)),)},
     ((6, 4),)),
    # several of each family
    ("Softmax", {"axis": (1, -1)}, ((4, 6),)),
    ("PReLU", {"shared_axes": (1, 2)}, ((4, 6, 3),)),
    ("LeakyReLU", {"negative_slope": 0}, ((4,),)),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 4, "strides": 2}, ((11, 3),)),
    ("DepthwiseConv2D", {"kernel_size": (3, 2), "dilation_rate": (2, 1)}, ((11, 9, 3),)),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 4, "depth_multiplier": 3}, ((9, 2),)),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 3, "output_padding": 2},
     ((7, 2),)),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 3, "strides": (2, 1, 3)}, ((3, 4, 2, 2),)),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "return_state": True}, ((3, 5, 4, 2),)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, ((10, 2),)),
    ("MaxPooling3D", {"pool_size": (1, 2, 3), "strides": 1}, ((4, 5, 6, 2),)),
    ("GlobalMaxPooling2D", {"keepdims": True, "data_format": "channels_first"}, ((3, 4, 5),)),
    ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, ((8, None, 2),)),
    ("Cropping3D", {"cropping": (1, 0, 2)}, ((4, 3, 9, 2),)),
    ("Permute", {"dims": (3, 1, 2)}, ((2, 3, 4),)),
    ("Reshape", {"target_shape": (-1, 6)}, ((None, 3, 4),)),
    ("RepeatVector", {"n": 4}, ((None,),)),
    ("Dot", {"axes": (-1, 2), "normalize": True}, ((3, 5), (4, 5))),
    ("Concatenate", {"axis": -2}, ((3, 5), (4, 5), (None, 5))),
    ("Multiply", {}, ((3, 1), (1, 5))),
    ("LayerNormalization", {"axis": (1, 2), "center": False}, ((3, 5, 2),)),
    ("GroupNormalization", {"groups": 3, "axis": 1}, ((6, 4),)),
    ("UnitNormalization", {"axis": (1, -1)}, ((3, 5),)),
    ("Bidirectional", {"layer": LSTM(units=3, return_state=True), "merge_mode": "ave"}, ((4, 6),)),
    ("Bidirectional", {"layer": GRU(units=3, return_sequences=True), "merge_mode": None},
     ((4, 6),)),
    ("SpatialDropout3D", {"rate": 0.3, "data_format": "channels_first"}, ((2, 3, 4, 5),)),
    ("GaussianNoise", {"stddev": 0.5, "seed": 1}, ((2, 3),)),
    ("Masking", {"mask_value": -1}, ((4, 3),)),
    ("Rescaling", {"scale": (0.5, 2), "offset": 1}, ((4, 2),)),
]  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], Shapes, str]] = [
    ("Dense", {"units": 5, "lora_rank": 2, "kernel_constraint": "non_neg"}, ((4,),),
     "kernel_constraint"),
    ("Embedding", {"input_dim": 5, "output_dim": 3, "lora_rank": 2,
                   "embeddings_constraint": "unit_norm"}, ((4,),), "embeddings_constraint"),
    ("Conv2D", {"filters": 3, "kernel_size": 1, "lora_rank": 2, "kernel_constraint": "max_norm"},
     ((4, 4, 3),), "kernel_constraint"),
    ("LSTM", {"units": 3, "implementation": 1, "dropout": 0.5}, ((6, 4),), "implementation"),
    ("GRU", {"units": 3, "implementation": 1, "dropout": 1}, ((6, 4),), "implementation"),
    ("Pipeline", {"layers": (Dense(units=3, **ROWS),)}, ((4,),), "layers"),
    ("Pipeline", {"layers": (Dense(units=3, activation=ReLU(**ROWS)),)},
     ((4,),), "layers"),
    ("TimeDistributed", {"layer": Pipeline(layers=(Dense(units=3),))}, ((4, 6),), "layer"),
    ("IntegerLookup", {"vocabulary": (0,), "oov_token": 0}, ((3,),), "vocabulary"),
    ("ReversibleEmbedding", {"input_dim": 3, "output_dim": 2, "lora_rank": 2,
                             "tie_weights": False}, ((4,),), "tie_weights"),
    ("StringLookup", {"vocabulary": ("", "[UNK]"), "mask_token": ""}, ((3,),), "vocabulary"),
    ("Conv2D", {"filters": 5, "kernel_size": 2, "groups": 2}, ((4, 4, 4),), "groups"),
    ("Conv1D", {"filters": 5, "kernel_size": 2, "strides": 2, "dilation_rate": 3}, ((9, 4),),
     "dilation_rate"),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "output_padding": 2},
     ((7, 2),), "output_padding"),
    ("Cropping1D", {"cropping": (3, 3)}, ((5, 7),), "cropping"),
    ("Permute", {"dims": (1, 3)}, ((2, 3),), "dims"),
]  # fmt: skip
"""The last is the argument at fault."""

DTYPES = {
    "Embedding": "int32",
    "IntegerLookup": "int64",
    "ReversibleEmbedding": "int32",
    "StringLookup": "string",
}


def case_of(layer: str, given: dict[str, Any], shapes: Shapes, dtype: str | None = None) -> Case:
    element = DTYPES.get(layer, "float32")
    return Case(layer, given, [TensorType(element, shape) for shape in shapes], True, dtype=dtype)


@pytest.mark.parametrize(("layer", "given", "shapes"), TAKEN)
def test_taken(layer: str, given: dict[str, Any], shapes: Shapes) -> None:
    assert agree(case_of(layer, given, shapes))


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "float64"])
@pytest.mark.parametrize(
    ("layer", "given", "shapes"),
    # A ReversibleEmbedding is of float32 alone.
    [case for case in TAKEN if "lora_rank" in case[1] and case[0] != "ReversibleEmbedding"],
)
def test_lora_in_other_dtypes(
    layer: str, given: dict[str, Any], shapes: Shapes, dtype: str
) -> None:
    assert agree(case_of(layer, given, shapes, dtype))


@pytest.mark.parametrize(("layer", "given", "shapes", "argument"), REFUSED)
def test_refused(layer: str, given: dict[str, Any], shapes: Shapes, argument: str) -> None:
    case = case_of(layer, given, shapes)
    ours, theirs = specc_answer(case), keras_answer(case)
    assert isinstance(ours, Refused)
    place = Place(layer, WHOLE, {argument: AT_FAULT})
    assert ours.at(place).primary.span == AT_FAULT
    assert isinstance(theirs, Exception) or isinstance(theirs.run, Exception)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("layer", ["Add", "Multiply", "Maximum", "Minimum"])
def test_whole_numbers_that_become_floats(layer: str, dtype: str | None) -> None:
    inputs = [TensorType(element, (3,)) for element in ("int32", "int32", "uint64")]
    assert agree(Case(layer, {}, inputs, True, dtype=dtype))


@pytest.mark.parametrize(
    ("mask", "batched"),
    [((4, 6), True), ((1, 6), True), ((6,), False), ((4,), True), ((6, 4), True)],
)
def test_mask_of_softmax(mask: tuple[int, ...], batched: bool) -> None:
    case = Case("Softmax", {}, [TensorType("float32", (4, 6))], True,
                call={"mask": TensorType("bool", mask, batched)})  # fmt: skip
    ours = specc_answer(case)
    theirs = keras_answer(case) if batched else None
    if theirs is not None:
        assert not isinstance(theirs, Exception)
        assert isinstance(ours, Refused) == isinstance(theirs.run, Exception)
    else:
        assert not isinstance(ours, Refused)


@pytest.mark.parametrize("batch", [None, 7])
def test_stack_that_compares_samples(batch: int | None) -> None:
    """Keras traces a stack, and a matrix of all pairs of samples needs their number."""
    stack = {"cells": (GRUCell(units=3, **ROWS),)}
    states = {"states": [TensorType("float32", (3,))]}
    case = Case("StackedRNNCells", stack, [TensorType("float32", (4,))], True, states, batch=batch)
    assert agree(case) == (batch is not None)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_images_as_steps(dtype: str) -> None:
    """Keras's `Equalization` gives whole numbers back there, and says that they are floats."""
    inputs = [TensorType(dtype, (4, 6, 6, 3))]
    case = Case("TimeDistributed", {"layer": layer_class("Equalization")()}, inputs, True)
    assert agree(case) == (dtype == "float32")
    assert agree(case._replace(arguments={"layer": layer_class("RandomFlip")()}))


@pytest.mark.parametrize("kind", ["Average", "Max"])
@pytest.mark.parametrize(
    ("shape", "size", "fits"),
    [((4, 5, 1), 2, True), ((4, 5, 2), (1, 2), False), ((1, 5, 2), (3, 2), False)],
)
def test_adaptive_pooling_in_a_model(
    kind: str, shape: tuple[int, ...], size: int | tuple[int, ...], fits: bool
) -> None:
    """Outside of a graph TensorFlow pools windows that are larger than an axis."""
    name, arguments = f"Adaptive{kind}Pooling2D", {"output_size": size}
    case = Case(name, arguments, [TensorType("float32", shape)], True)
    assert isinstance(specc_answer(case), Refused) == (not fits)
    assert can_be_traced(case) == fits


def can_be_traced(case: Case) -> bool:
    """Whether Keras's layer works in a graph, as a model is run."""
    layer, (x,) = keras_layer(case), case.inputs
    signature = [tf.TensorSpec((None, *x.shape), x.dtype)]
    try:
        tf.function(layer, input_signature=signature, autograph=False).get_concrete_function()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16"])
def test_sparsemax_in_a_model(dtype: str) -> None:
    """Outside of a graph TensorFlow can do it in float16, too."""
    case = case_of("Dense", {"units": 3, "activation": "sparsemax"}, ((4,),), dtype)
    fits = dtype == "bfloat16"
    assert isinstance(specc_answer(case), Refused) == (not fits)
    assert can_be_traced(case) == fits
