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
from typing import Any, NamedTuple

import keras
import pytest
from hypothesis import HealthCheck, event, given, settings

import specc.layers
from specc.diagnostics.place import Refused
from specc.layers import FAMILIES, LAYER_NAMES, arguments, find_layer, names
from specc.layers.base import Layer, TensorArgument
from specc.layers.merging import promoted
from specc.semantics.naming import snake_case
from specc.types import DTYPES, Dimension, TensorType

from .strategies import STRATEGIES, Case, cases

pytestmark = pytest.mark.filterwarnings("ignore")

BATCH = 7
"""No other size that is drawn, so that no axis passes for the batch by chance."""

SUBSTITUTES = (12, 6, 5, 4, 3, 2, 1, 8, 24)
"""What is tried for unknown sizes, until one can be run; first one larger than any window."""


def layer_class(name: str) -> type[Layer]:
    cls = find_layer(name)
    assert cls is not None
    return cls


# ------------------------------------------------------------------ exceptions

LEFT_OUT = {
    # Fine-tuning and quantization change a model after it was built.
    "Dense": ("lora_rank", "lora_alpha", "quantization_config"),
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


UNKNOWN = ((None,), ("time",))

STRICTER = {
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
        "whole numbers with several arguments: Keras tells a slope of 1 from one of 1.0",
        lambda case: not case.inputs[0].is_float and len(case.arguments) > 1,
    ),
    "Reshape": Stricter("no size of the unknown axes can lead to the target", unknown_target),
    "Rescaling": Stricter(
        "Keras broadcasts an axis of size 1, or the batch, and gives the shape before that",
        lambda case: case.inputs[0].shape[-1:] in ((), (1,)),
    ),
    **dict.fromkeys(
        ("SimpleRNN", "LSTM", "GRU"),
        Stricter(
            "unrolling over unknown steps: Keras finds out when a graph is traced",
            lambda case: (
                case.arguments.get("unroll", False) and case.inputs[0].shape[:1] in UNKNOWN
            ),
        ),
    ),
}
"""By layer, what specc refuses on purpose while Keras seems to take it."""


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
        layer = layer_class(case.layer)(trainable=case.trainable, **case.arguments)
        outputs = layer.apply(case.inputs)
        variables = layer.variables(case.inputs)
    except Refused as refused:
        return refused
    assert len(outputs) == layer.output_count
    return Answer(
        [anonymous(x.shape) for x in outputs],
        [x.dtype for x in outputs],
        [(w.name, w.shape, w.trainable, w.dtype) for w in variables],
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
        tensors = [keras.KerasTensor((None, *anonymous(x.shape)), x.dtype) for x in case.inputs]
        outputs = as_list(use(layer, case, tensors))
    except Exception as error:
        return error
    symbolic = Answer(
        [tuple(x.shape[1:]) for x in outputs],
        [x.dtype for x in outputs],
        [(w.name, tuple(w.shape), w.trainable, w.dtype) for w in layer.weights],
    )
    unknown = any(not isinstance(size, int) for x in case.inputs for size in x.shape)
    reason: Exception | None = None
    for size in SUBSTITUTES if unknown else (0,):
        try:
            return KerasAnswer(symbolic, run(layer, case, size), not unknown)
        except Exception as error:
            reason = reason or error
    assert reason is not None
    return KerasAnswer(symbolic, reason, not unknown)


def keras_layer(case: Case) -> Any:
    cls = layer_class(case.layer)
    return getattr(keras.layers, case.layer)(
        **cls(trainable=case.trainable, **case.arguments).keras_arguments()
    )


def use(layer: Any, case: Case, tensors: list[Any], **call: Any) -> Any:
    single = layer_class(case.layer).maximum_inputs == 1
    return layer(tensors[0] if single else tensors, **call)


def run(layer: Any, case: Case, substitute: int) -> list[tuple[tuple[int, ...], str]]:
    """Run on zeros, training and not, with whatever its regularizers have to say."""
    arrays = [
        keras.ops.zeros(
            (BATCH, *[s if isinstance(s, int) else substitute for s in x.shape]), x.dtype
        )
        for x in case.inputs
    ]
    outputs = as_list(use(layer, case, arrays))
    found = [(tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in outputs]
    _ = layer.losses
    if "training" in inspect.signature(layer.call).parameters:
        trained = as_list(use(layer, case, arrays, training=True))
        shapes = [tuple(x.shape) for x in trained]
        if shapes != [shape for shape, _ in found]:
            raise ValueError(f"training changes the shapes to {shapes}")
    return found


def as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def agree(case: Case) -> bool:
    """Compare the two answers; True where both accept."""
    ours, theirs = specc_answer(case), keras_answer(case)
    if isinstance(ours, Refused):
        exception = STRICTER.get(case.layer)
        if exception and exception.applies(case):
            return False
        if isinstance(theirs, KerasAnswer) and isinstance(theirs.run, Exception):
            return False
        assert isinstance(theirs, Exception), f"only specc refuses {case}: {ours}; Keras: {theirs}"
        return False
    assert not isinstance(theirs, Exception), f"only Keras refuses {case}: {theirs!r}"
    assert ours.shapes == theirs.symbolic.shapes, f"{case}: {theirs}"
    assert ours.weights == theirs.symbolic.weights, str(case)
    if isinstance(theirs.run, Exception):
        # cuDNN runs where there is a GPU, and a model may be made elsewhere.
        excused = not theirs.certain or case.arguments.get("use_cudnn") is True
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
    parameters = list(inspect.signature(getattr(keras.layers, name).call).parameters)
    # `training` may be given to every layer; Keras drops it where it is not taken.
    assert set(layer_class(name).call_arguments) == {*parameters[2:], "training"}


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_automatic_name(name: str) -> None:
    keras.utils.clear_session()
    case = Case(name, {}, [], True)
    cls = layer_class(name)
    for argument in cls.signature.values():
        if argument.required:
            case.arguments[argument.name] = REQUIRED_VALUES[argument.name]
    assert keras_layer(case).name == snake_case(name)


REQUIRED_VALUES: dict[str, Any] = {
    **dict.fromkeys(["units", "filters", "input_dim", "output_dim", "n", "pool_size"], 2),
    **dict.fromkeys(["kernel_size", "axes", "rate", "stddev", "scale"], 1),
    **dict.fromkeys(["target_shape", "dims"], (1,)),
    "activation": "relu",
}


def test_every_layer_is_listed() -> None:
    found = {}
    for file in Path(specc.layers.__file__).parent.glob("*.py"):
        if file.stem in ("__init__", "arguments", "base", "names"):
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


@pytest.mark.parametrize(
    "pair", list(itertools.combinations_with_replacement(DTYPES, 2)), ids="-".join
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
