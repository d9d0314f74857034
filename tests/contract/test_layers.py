"""Every layer of the catalogue against Keras: what it is called with, takes, gives and owns.

The layers are found by themselves, arguments and inputs are drawn from what the classes say, and
Keras is the oracle: its symbolic answer, and what happens when the layer runs.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, cast

import keras
import pytest
from hypothesis import HealthCheck, event, given, settings

import specc.layers
from specc.diagnostics.place import Refused
from specc.layers import ALIASES, FAMILIES, LAYER_NAMES, arguments, find_layer, names
from specc.layers.arguments import Configurable, is_tuple
from specc.layers.base import Layer, TensorArgument
from specc.layers.cells import LSTMCell
from specc.layers.core import Dense
from specc.layers.merging import promoted
from specc.layers.recurrent import LSTM
from specc.semantics.naming import snake_case
from specc.types import DTYPES, Dimension, TensorType

from .strategies import BATCH, NEEDED, STRATEGIES, Case, cases, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

SUBSTITUTES = (12, 6, 5, 4, 3, 2, 1, 8, 24)
"""What is tried for unknown sizes, until one can be run; first one larger than any window."""


# ------------------------------------------------------------------ exceptions

LEFT_OUT = {
    # Fine-tuning and quantization change a model after it was built.
    "Dense": ("lora_rank", "lora_alpha", "quantization_config"),
    "EinsumDense": ("lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config"),
    # `weights` are arrays, which a spec cannot write.
    "Embedding": ("weights", "lora_rank", "lora_alpha", "quantization_config"),
}
"""Arguments of Keras that specc does not know; all of them the last ones."""


class Stricter(NamedTuple):
    """Where specc refuses, on purpose, what Keras seems to take."""

    why: str
    applies: Callable[[Case], bool]


def unknown_target(case: Case) -> bool:
    """A target without -1, which no size of the unknown axes can lead to."""
    target = case.arguments["target_shape"]
    known = prod(size for size in case.inputs[0].shape if isinstance(size, int))
    return -1 not in target and prod(target) % known != 0


def broadcasts(case: Case) -> bool:
    """Inputs of which axes of size 1, or missing ones, would have to stretch."""
    shapes = [x.shape for x in case.inputs]
    ranks = {len(shape) for shape in shapes}
    return ranks in ({0}, {1}) or len(ranks) > 1 or any(1 in shape for shape in shapes)


def unknown_sizes(x: TensorType) -> bool:
    return any(not isinstance(size, int) for size in x.shape)


UNKNOWN = ((None,), ("time",))

IMAGES = (*FAMILIES["colour"], *FAMILIES["geometry"], *FAMILIES["mixing"])

CHANNELS_OR_TILES = ("ContrastLimitedAdaptiveHistogramEqualization", "RandomGrayscale")

SIZES_KNOWN = (
    *("AugMix", "CutMix", "Equalization", "RandAugment", "RandomColorDegeneration", "RandomCrop"),
    *("RandomElasticTransform", "RandomErasing", "RandomPerspective"),
)
"""Layers that ask Keras for a number of pixels or channels, which a graph may not know."""

STRICTER = {
    **dict.fromkeys(
        ("Attention", "AdditiveAttention"),
        Stricter(
            "axes that broadcast, attention over the batch, and whole numbers beside floats",
            lambda case: broadcasts(case) or not all(x.is_float for x in case.inputs),
        ),
    ),
    **dict.fromkeys(
        IMAGES,
        Stricter(
            "a batch of matrices is no image of channels; an unknown size that has to be known "
            "when a model is trained; channels that a layer drawn by AugMix does not take; "
            "whole numbers that may have to be padded",
            lambda case: (
                case.inputs[0].rank == 2
                or (case.layer in SIZES_KNOWN and unknown_sizes(case.inputs[0]))
                or case.layer == "AugMix"
                or (
                    case.arguments.get("pad_to_aspect_ratio", False) and not case.inputs[0].is_float
                )
            ),
        ),
    ),
    **dict.fromkeys(
        (
            *("RandomBrightness", "RandomContrast", "RandomGrayscale"),
            "ContrastLimitedAdaptiveHistogramEqualization",
        ),
        Stricter(
            "whole numbers, which would be rounded outside of a graph; a batch of matrices, which "
            "is no image; unknown channels, which are neither 1 nor 3 when a model is trained, and "
            "unknown sizes of what is cut into tiles",
            lambda case: (
                case.inputs[0].rank == 2
                or not case.inputs[0].is_float
                or (case.layer in CHANNELS_OR_TILES and unknown_sizes(case.inputs[0]))
            ),
        ),
    ),
    **dict.fromkeys(
        ("RandomColorJitter", "RandomErasing"),
        Stricter(
            "channels in front where Keras takes the last axis for them; a batch of matrices; a "
            "size that a graph does not know",
            lambda case: (
                case.inputs[0].rank == 2
                or case.arguments.get("data_format") == "channels_first"
                or (case.layer == "RandomErasing" and unknown_sizes(case.inputs[0]))
            ),
        ),
    ),
    **dict.fromkeys(
        FAMILIES["lookup"],
        Stricter(
            "several axes, or none, where samples are rows; floats and truth values as categories, "
            "and numbers that some modes do not take; an unknown size that may be 1",
            lambda case: (
                any(x.rank != 1 or x.shape in UNKNOWN for x in case.inputs)
                or any(x.dtype not in ("int32", "int64", "string") for x in case.inputs)
                or (case.layer == "Hashing" and case.arguments.get("output_mode") == "one_hot")
            ),
        ),
    ),
    "ReversibleEmbedding": Stricter(
        "whole numbers as vectors",
        lambda case: case.call.get("reverse", False) and not case.inputs[0].is_float,
    ),
    **dict.fromkeys(
        ("ActivityRegularization", "AlphaDropout"),
        Stricter(
            "whole numbers, with which nothing can be trained",
            lambda case: not case.inputs[0].is_float,
        ),
    ),
    **dict.fromkeys(
        FAMILIES["normalization"],
        Stricter(
            "weights for each sample of a batch of known size",
            lambda case: case.batch is not None,
        ),
    ),
    "RMSNormalization": Stricter(
        "whole numbers, with which nothing can be trained; axes that are not the last, where Keras "
        "multiplies along others; weights for each sample of a batch of known size",
        lambda case: (
            not case.inputs[0].is_float or "axis" in case.arguments or case.inputs[0].rank == 0
        ),
    ),
    "EinsumDense": Stricter(
        "TensorFlow's einsum ends the process where shapes do not fit, so Keras is not asked",
        lambda _: True,
    ),
    **dict.fromkeys(
        (
            *("Average", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
            *("GlobalAveragePooling3D", "LeakyReLU"),
        ),
        Stricter(
            "whole numbers and another dtype than float32, which Keras does not keep",
            lambda case: case.dtype is not None and not all(x.is_float for x in case.inputs),
        ),
    ),
    "MultiHeadAttention": Stricter(
        "no flash attention with TensorFlow, though Keras asks for it with some ranks only; causal "
        "and windowed masks over other axes than the one of steps; attention over the batch, the "
        "features or the heads",
        lambda case: (
            case.arguments.get("flash_attention", False)
            or case.inputs[0].rank != 2
            or case.arguments.get("attention_axes") is not None
        ),
    ),
    "Concatenate": Stricter(
        "along axis 0, the batch would no longer be that of the inputs; with a single input, Keras "
        "does not look at the axis",
        lambda case: (
            case.arguments.get("axis", -1) in (0, -case.inputs[0].rank - 1) or len(case.inputs) == 1
        ),
    ),
    "Dot": Stricter(
        "Keras lets a single axis below the first one wrap around",
        lambda case: (
            isinstance(axes := case.arguments["axes"], int)
            and axes < -min(x.rank for x in case.inputs) - 1
        ),
    ),
    "GaussianDropout": Stricter(
        "truth values times noise are truth values",
        lambda case: case.inputs[0].dtype == "bool",
    ),
    "PReLU": Stricter(
        "axes from 0 down: Keras takes 0 for the last axis and -1 for the one before",
        lambda case: any(
            axis is not None and axis < 1 for axis in as_list(case.arguments.get("shared_axes"))
        ),
    ),
    "ReLU": Stricter(
        "whole numbers with several arguments: Keras tells a slope of 1 from one of 1.0; or with "
        "another dtype than float32, which Keras does not keep",
        lambda case: (
            not case.inputs[0].is_float and (len(case.arguments) > 1 or case.dtype is not None)
        ),
    ),
    "Reshape": Stricter("no size of the unknown axes can lead to the target", unknown_target),
    "Rescaling": Stricter(
        "Keras broadcasts an axis of size 1, or the batch, and gives the shape before that",
        lambda case: case.inputs[0].shape[-1:] in ((), (1,)),
    ),
    **dict.fromkeys(
        ("SimpleRNN", "LSTM", "GRU", "RNN"),
        Stricter(
            "unrolling over unknown steps: Keras finds out when a graph is traced; and steps that "
            "are no vectors",
            lambda case: (
                (case.arguments.get("unroll", False) and case.inputs[0].shape[:1] in UNKNOWN)
                or case.inputs[0].rank != 2
            ),
        ),
    ),
    **dict.fromkeys(
        ("SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells"),
        Stricter(
            "dropout, which Keras draws once outside of an RNN; and steps that are no vectors",
            lambda case: "dropout" in str(case.arguments) or case.inputs[0].rank != 1,
        ),
    ),
    "Bidirectional": Stricter(
        "directions of different sizes: Keras says that both have those of the forward one",
        lambda case: case.arguments.get("backward_layer") is not None,
    ),
}
"""By layer, what specc refuses on purpose while Keras seems to take it."""

NOT_EVERYWHERE = ("NotFoundError", "AbortedError")
"""Errors of TensorFlow where a device cannot compute what others can: pooling in float16, some
transposed convolutions. In other dtypes than float32 "channels_first" is another such case."""

MISTAKEN = {
    "MultiHeadAttention": Stricter(
        "Keras gives the scores as many steps as the query has, and no other axes",
        lambda case: case.call.get("return_attention_scores", False),
    ),
}
"""By layer, where the shapes that Keras says are not those that it computes."""


# ---------------------------------------------------------------------- oracle


class Answer(NamedTuple):
    """What a layer makes of its inputs. Unknown sizes are None, named or not."""

    shapes: list[tuple[int | None, ...]]
    dtypes: list[str]
    weights: list[tuple[str, tuple[int, ...], bool, str]]


def anonymous(shape: tuple[Dimension, ...]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def specc_answer(case: Case) -> Answer | Refused:
    try:
        layer = case.make()
        outputs = layer.apply(case.inputs, case.call)
        variables = layer.variables(case.inputs, case.call)
        layer.check_call(case.inputs, **case.call)
        layer.check_batch(case.batch)
    except Refused as refused:
        return refused
    outputs_of = getattr(layer, "outputs_of", lambda _: layer.output_count)
    assert len(outputs) == outputs_of(case.call)
    assert len({weight.name for weight in variables}) == len(variables)
    return Answer(
        [anonymous(x.shape) for x in outputs],
        [x.dtype for x in outputs],
        [(w.name.split("/")[-1], w.shape, w.trainable, w.dtype) for w in variables],
    )


class KerasAnswer(NamedTuple):
    symbolic: Answer
    run: list[tuple[tuple[int, ...], str]] | Exception
    """Shapes and dtypes of the outputs of a run, or why there was none."""
    certain: bool
    """Whether the run had the sizes of the case, and not substitutes for unknown ones."""


def keras_answer(case: Case) -> KerasAnswer | Exception:
    try:
        layer = keras_layer(case)
        outputs = as_list(use(layer, case, lambda x: symbolic_tensor(x, case.batch)))
    except Exception as error:
        return error
    symbolic = Answer(
        [tuple(x.shape[1:]) for x in outputs],
        [x.dtype for x in outputs],
        [keras_weight(layer, w) for w in layer.weights],
    )
    tensors = [*case.inputs, *[x for x in case.call.values() if isinstance(x, TensorType)]]
    unknown = any(not isinstance(size, int) for x in tensors for size in x.shape)
    reason: Exception | None = None
    for size in SUBSTITUTES if unknown else (0,):
        try:
            return KerasAnswer(symbolic, run(layer, case, size), not unknown)
        except Exception as error:
            reason = reason or error
    assert reason is not None
    return KerasAnswer(symbolic, reason, not unknown)


def keras_layer(case: Case) -> Any:
    return to_keras(keras, case.make())


def to_keras(keras: Any, value: Any) -> Any:
    """What Keras is given for the value of an argument."""
    if isinstance(value, Configurable):
        module = keras.layers if isinstance(value, Layer) else getattr(keras, f"{value.category}s")
        arguments = {name: to_keras(keras, v) for name, v in value.keras_arguments().items()}
        trainable = arguments.pop("trainable", True)
        made = getattr(module, type(value).__name__)(**arguments)
        if not trainable:
            made.trainable = False  # Keras's constructors would not tell the layers inside.
        return made
    if is_tuple(value) and any(isinstance(item, Configurable) for item in value):
        return [to_keras(keras, item) for item in value]
    return value


def keras_weight(layer: Any, weight: Any) -> tuple[str, tuple[int, ...], bool, str]:
    """A weight as specc describes it. `trainable` of a weight says nothing of its layer's."""
    trainable = any(weight is other for other in layer.trainable_weights)
    return weight.name, tuple(weight.shape), trainable, weight.dtype


def symbolic_tensor(x: TensorType, batch: int | None = None) -> Any:
    return keras.KerasTensor((batch, *anonymous(x.shape)), x.dtype)


def use(layer: Any, case: Case, tensor: Callable[[TensorType], Any], **more: Any) -> Any:
    """Call a layer with what `tensor` makes of each type of the case."""

    def made(value: Any) -> Any:
        if isinstance(value, list):
            return [tensor(x) for x in cast("list[TensorType]", value)]
        return tensor(value) if isinstance(value, TensorType) else value

    tensors = [tensor(x) for x in case.inputs]
    ours = case.make()
    call = ours.keras_call({name: made(value) for name, value in case.call.items()})
    return layer(tensors if ours.takes_list else tensors[0], **{**call, **more})


def run(layer: Any, case: Case, substitute: int) -> list[tuple[tuple[int, ...], str]]:
    """Run on zeros, training and not, with whatever its regularizers have to say."""

    def zeros(x: TensorType) -> Any:
        sizes = [size if isinstance(size, int) else substitute for size in x.shape]
        return keras.ops.zeros((BATCH, *sizes), x.dtype)

    outputs = as_list(use(layer, case, zeros))
    found = [(tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in outputs]
    _ = layer.losses
    for weight in layer.weights:
        if weight.constraint is not None:
            weight.constraint(weight)
    if "training" in inspect.signature(layer.call).parameters:
        trained = as_list(use(layer, case, zeros, training=True))
        shapes = [tuple(x.shape) for x in trained]
        if shapes != [shape for shape, _ in found]:
            raise ValueError(f"training changes the shapes to {shapes}")
    return found


def as_list(outputs: Any) -> list[Any]:
    return keras.tree.flatten(outputs)


def on_purpose(case: Case) -> bool:
    """Whether the layer, or one within it, is stricter than Keras here."""
    if any(x.dtype == "string" for x in case.inputs) and not layer_class(case.layer).takes_strings:
        return True  # Some layers hand strings on.
    exception = STRICTER.get(case.layer)
    if exception and exception.applies(case):
        return True
    for layer in inner_layers(case.arguments):
        alone = Case(layer.kind, layer.given, [x.with_shape(*x.shape[1:]) for x in case.inputs],
                     True, dtype=layer.dtype)  # fmt: skip
        if case.layer == "TimeDistributed" and isinstance(keras_answer(alone), Exception):
            return True  # Keras does not look at what reaches the layer inside.
        if layer.compute_dtype != (case.dtype or "float32").removeprefix("mixed_"):
            return True  # One that casts in a layer that does not expect it.
        steps = [x.with_shape(*x.shape[1:]) for x in case.inputs]
        for inputs in (case.inputs, steps):
            if on_purpose(Case(layer.kind, layer.given, inputs, True, dtype=layer.dtype)):
                return True
    return False


def inner_layers(arguments: dict[str, Any]) -> list[Layer]:
    items = [item for v in arguments.values() for item in (v if is_tuple(v) else (v,))]
    return [item for item in items if isinstance(item, Layer)]


def agree(case: Case) -> bool:
    """Compare the two answers; True where both accept."""
    ours = specc_answer(case)
    if isinstance(ours, Refused) and on_purpose(case):
        return False
    theirs = keras_answer(case)
    if isinstance(ours, Refused):
        if isinstance(theirs, KerasAnswer) and isinstance(theirs.run, Exception):
            return False
        assert isinstance(theirs, Exception), f"only specc refuses {case}: {ours}; Keras: {theirs}"
        return False
    assert not isinstance(theirs, Exception), f"only Keras refuses {case}: {theirs!r}"
    mistaken = MISTAKEN.get(case.layer)
    if mistaken is None or not mistaken.applies(case):
        assert ours.shapes == theirs.symbolic.shapes, f"{case}: {theirs}"
    assert ours.weights == theirs.symbolic.weights, str(case)
    if isinstance(theirs.run, Exception):
        # cuDNN runs where there is a GPU, and a model may be made elsewhere.
        # Without numbers for other categories, a lookup takes those of its vocabulary alone.
        # The indices of an Embedding in a pipeline are made by the layer before it.
        excused = (
            not theirs.certain
            or "use_cudnn=True" in repr(case.make())
            or "num_oov_indices=0" in repr(case.make())
            or (case.layer == "Pipeline" and "Embedding" in repr(case.make()))
            or type(theirs.run).__name__ in NOT_EVERYWHERE
            or (case.dtype is not None and case.arguments.get("data_format") == "channels_first")
            or (case.dtype is not None and case.layer == "Conv3DTranspose")
        )
        assert excused, f"Keras cannot run {case}: {theirs.run!r}"
        return True
    for shape, (truth, _) in zip(ours.shapes, theirs.run, strict=True):
        fits = [a is None or a == b for a, b in zip((BATCH, *shape), truth, strict=True)]
        assert all(fits), f"{case} gives {shape}, a run {truth}"
    assert ours.dtypes == [dtype for _, dtype in theirs.run], str(case)
    return True


# ----------------------------------------------------------------------- tests


def check(name: str, examples: int) -> None:
    accepted = 0

    @settings(
        max_examples=examples,
        derandomize=True,
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

    property_()
    assert accepted * 20 >= examples, f"only {accepted} of {examples} examples were accepted"


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_agrees_with_keras(name: str) -> None:
    check(name, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYER_NAMES)
def test_agrees_with_keras_on_many(name: str) -> None:
    check(name, 1000)


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_signature(name: str) -> None:
    parameters = inspect.signature(getattr(keras.layers, name).__init__).parameters.values()
    common = ("self", "name", "dtype", "trainable")
    theirs = [
        (p.name, arguments.REQUIRED if p.default is p.empty else p.default)
        for p in parameters
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in common
    ]
    ours = [(argument.name, argument.default) for argument in layer_class(name).signature.values()]
    known, left_out = theirs[: len(ours)], theirs[len(ours) :]
    assert ours == known
    assert tuple(argument for argument, _ in left_out) == LEFT_OUT.get(name, ())
    for argument in layer_class(name).signature.values():
        assert argument.required or argument.kind.accepts(argument.default)


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_call_arguments(name: str) -> None:
    every = inspect.signature(getattr(keras.layers, name).call).parameters
    parameters = [p.name for p in every.values() if p.kind is not p.VAR_KEYWORD]
    # `training` may be given to every layer; Keras drops it where it is not taken.
    assert set(layer_class(name).call_arguments) == {*parameters[2:], "training"}


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_automatic_name(name: str) -> None:
    keras.utils.clear_session()
    case = Case(name, {}, [], True)
    cls = layer_class(name)
    for argument in cls.signature.values():
        if argument.required or argument.name in NEEDED.get(name, ()):
            value = REQUIRED_VALUES[argument.name]
            accepted = (v for v in (value, 5, (5,)) if argument.kind.accepts(v))
            case.arguments[argument.name] = next(accepted)
    made = keras_layer(case)
    made = made.layers[0] if cls.only_within else made
    assert made.name == snake_case(getattr(cls, "keras_class", name))


REQUIRED_VALUES: dict[str, Any] = {
    **dict.fromkeys(["units", "filters", "input_dim", "output_dim", "n", "pool_size"], 2),
    **dict.fromkeys(["kernel_size", "axes", "scale"], 1),
    **dict.fromkeys(["rate", "stddev"], 0.5),
    **dict.fromkeys(["height", "width", "output_size"], 2),
    **dict.fromkeys(["factor", "height_factor", "width_factor"], 0.5),
    **dict.fromkeys(["num_bins", "num_tokens", "groups"], 2),
    "bin_boundaries": (1.0,),
    "equation": "ab,bc->ac",
    "output_shape": 3,
    "vocabulary": ("a",),
    **dict.fromkeys(["num_heads", "key_dim", "head_dim"], 2),
    **dict.fromkeys(["num_query_heads", "num_key_value_heads"], 2),
    **dict.fromkeys(["target_shape", "dims"], (1,)),
    "activation": "relu",
    "cell": LSTMCell(units=2),
    "cells": (LSTMCell(units=2),),
    "layer": LSTM(units=2),
    "layers": (Dense(units=2),),
}


SHARED = ("__init__", "arguments", "base", "images", "names", "objects", "sequence")
"""Modules of the package that are no families."""


def test_every_layer_is_listed() -> None:
    found = {}
    for file in Path(specc.layers.__file__).parent.glob("*.py"):
        if file.stem in SHARED:
            continue
        module = import_module(f"specc.layers.{file.stem}")
        found[file.stem] = tuple(
            sorted(
                name
                for name, value in vars(module).items()
                if isinstance(value, type)
                and issubclass(value, Layer)
                and value.__module__ == module.__name__
                and not name.startswith("_")
            )
        )
    assert found == FAMILIES
    assert list(FAMILIES) == sorted(FAMILIES)
    assert len(LAYER_NAMES) == len(set(LAYER_NAMES))
    assert find_layer("Nonsense") is None


def test_aliases() -> None:
    names_of: dict[type, list[str]] = {}
    for name, value in vars(keras.layers).items():
        if inspect.isclass(value):
            names_of.setdefault(value, []).append(name)
    theirs = {
        alias: next(name for name in several if name in LAYER_NAMES)
        for several in names_of.values()
        for alias in several
        if len(several) > 1 and alias not in LAYER_NAMES
    }
    assert theirs == ALIASES
    assert all(find_layer(alias) is find_layer(name) for alias, name in ALIASES.items())


def test_every_kind_can_be_drawn() -> None:
    used = {type(a.kind) for name in LAYER_NAMES for a in layer_class(name).signature.values()}
    assert used <= set(STRATEGIES)


@pytest.mark.parametrize(
    ("ours", "module", "base", "left_out"),
    [
        # What does not work by name: see names.py.
        (names.ACTIVATIONS, "activations", None, {"glu", "threshold"}),
        (
            names.INITIALIZERS,
            "initializers",
            "Initializer",
            {"Constant", "constant", "STFT", "STFTInitializer", "stft"},
        ),
        (names.REGULARIZERS, "regularizers", "Regularizer", set()),
        (names.CONSTRAINTS, "constraints", "Constraint", set()),
    ],
    ids=["activations", "initializers", "regularizers", "constraints"],
)
def test_names(ours: tuple[str, ...], module: str, base: str | None, left_out: set[str]) -> None:
    known = import_module(f"keras.src.{module}").ALL_OBJECTS_DICT
    theirs = {
        name
        for name, value in known.items()
        if isinstance(name, str) and (base is None or value.__name__ != base)
    }
    if base is None:
        theirs = {name for name in theirs if callable(known[name])}
    assert set(ours) == {name for name in theirs if name is not None} - left_out
    assert len(ours) == len(set(ours))


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
