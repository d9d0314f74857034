"""The catalogue against Keras's: which layers there are, what they are called with, and names."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import specc
import specc.layers
from specc.graph import Tensor
from specc.layers import ALIASES, FAMILIES, LAYER_NAMES, arguments, find_layer, names
from specc.layers.arguments import COMMON
from specc.layers.audio import SCIPY_WINDOWS
from specc.layers.base import Layer
from specc.layers.cells import LSTMCell
from specc.layers.core import Dense
from specc.layers.recurrent import LSTM
from specc.layers.refused import REFUSED
from specc.reference.docstring import parse_docstring
from specc.reference.example import compile_example, read_example
from specc.semantics.naming import snake_case
from specc.types import TensorType

from .oracle import keras_layer, to_keras
from .strategies import BATCH, NEEDED, STRATEGIES, Case, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_signature(name: str) -> None:
    """Names, order and defaults are Keras's, those of the arguments of every layer included."""
    parameters = inspect.signature(getattr(keras.layers, name).__init__).parameters.values()
    theirs = {
        p.name: arguments.REQUIRED if p.default is p.empty else p.default
        for p in parameters
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    }
    cls = layer_class(name)
    every_layer = dict.fromkeys(COMMON) | {"trainable": True}
    ours = {
        argument: cls.signature[argument].default
        if argument in cls.signature
        else every_layer[argument]
        for argument in cls.positional
    }
    assert list(ours.items()) == list(theirs.items())
    for argument in cls.signature.values():
        assert argument.required or argument.kind.accepts(argument.default)
        assert argument.by_name == (argument.name not in cls.positional)


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_arguments_by_name(name: str) -> None:
    """Keras takes what is given by name alone, and of the arguments of every layer just these."""
    cls = layer_class(name)
    needed = example(name).arguments
    by_name = [argument for argument in cls.signature.values() if argument.by_name]
    for argument in by_name:
        keras_layer(Case(name, {**needed, argument.name: argument.default}, [], True))
    examples = {"name": "a", "trainable": False, "activity_regularizer": "l2", "autocast": True}
    examples["dtype"] = "int64" if name == "Hashing" else "float32"
    for argument in COMMON:
        given = {**keras_layer_arguments(name), argument: examples[argument]}
        taken = True
        try:
            getattr(keras.layers, name)(**given)
        except (TypeError, ValueError):
            taken = False
        assert taken == (argument in cls.common or argument in cls.signature), argument


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_call_arguments(name: str) -> None:
    every = inspect.signature(getattr(keras.layers, name).call).parameters
    parameters = [p.name for p in every.values() if p.kind is not p.VAR_KEYWORD]
    # `training` may be given to every layer; Keras drops it where it is not taken.
    assert set(layer_class(name).call_arguments) == {*parameters[2:], "training"}


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_masks(name: str) -> None:
    """What becomes of a mask, for the layer in the example of its text."""
    model = compile_example(read_example(parse_docstring(layer_class(name)).example))
    node = next(node for node in model.graph.nodes if not node.layer.is_operation)
    ours = node.layer.layer
    assert isinstance(ours, Layer)
    theirs = to_keras(keras, ours)
    assert theirs.supports_masking == ours.supports_masking
    if name in ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"):
        return  # They take a step, and masks are of sequences.
    sequence = TensorType("float32", (4, 3))
    types = [sequence if name in OF_SEQUENCES else tensor.type for tensor in node.inputs]
    tensors = [ones(type_) for type_ in types]
    for x in tensors:
        sizes = x.shape if name == "Softmax" else x.shape[:2]
        keras.src.backend.set_keras_mask(x, keras.ops.ones(sizes, "bool"))
    call = {name: ones(value.type) if isinstance(value, Tensor) else value
            for name, value in node.call.items()}  # fmt: skip
    outputs = theirs(tensors if ours.takes_list else tensors[0], **call)
    found = [keras.src.backend.get_keras_mask(y) for y in keras.tree.flatten(outputs)]
    assert (found[0] is not None) == (ours.hands_mask_on or ours.makes_mask)


OF_SEQUENCES = ("BatchNormalization", "Maximum", "Minimum", "Multiply")
"""Layers whose masks Keras wants to be of the axes that the input of their example has not."""


def ones(type_: TensorType) -> Any:
    sizes = [size if isinstance(size, int) else 4 for size in type_.shape]
    if type_.dtype == "string":
        return keras.ops.convert_to_tensor(np.full((BATCH, *sizes), "a"))
    return keras.ops.ones((BATCH, *sizes), type_.dtype)


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_automatic_name(name: str) -> None:
    keras.utils.clear_session()
    made = keras_layer(example(name))
    made = made.layers[0] if layer_class(name).only_within else made
    assert made.name == snake_case(getattr(layer_class(name), "keras_class", name))


def example(name: str) -> Case:
    """A layer with the arguments that it needs."""
    case = Case(name, {}, [], True)
    for argument in layer_class(name).signature.values():
        if argument.required or argument.name in NEEDED.get(name, ()):
            value = REQUIRED_VALUES[argument.name]
            accepted = (v for v in (value, 5, (5,)) if argument.kind.accepts(v))
            case.arguments[argument.name] = next(accepted)
    return case


def keras_layer_arguments(name: str) -> dict[str, Any]:
    return {k: to_keras(keras, v) for k, v in example(name).arguments.items()}


REQUIRED_VALUES: dict[str, Any] = {
    **dict.fromkeys(["units", "filters", "input_dim", "output_dim", "n", "pool_size"], 2),
    **dict.fromkeys(["kernel_size", "axes", "scale"], 1),
    **dict.fromkeys(["fft_length", "frame_length"], 4),
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


SHARED = (
    *("__init__", "activation_functions", "api", "arguments", "base", "categories", "clahe"),
    *("gates", "heads", "images", "layouts", "lora", "lower", "names", "recurrence", "refused"),
    *("resize", "scores", "sequence", "spectra", "texts", "tracing", "vocabulary", "windowed"),
)
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


def public_names() -> set[str]:
    """What `keras.layers` offers; modules and private names left out."""
    found = vars(keras.layers)
    return {name for name in found if not name.startswith("_") and callable(found[name])}


def test_every_name_of_keras_is_known() -> None:
    known = [*LAYER_NAMES, *ALIASES, *REFUSED]
    assert len(known) == len(set(known))
    assert set(known) == public_names()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_with_a_reason(name: str) -> None:
    with pytest.raises(specc.SpecError) as raised:
        specc.compile_text(f"model m {{\n    input x: float32[4]\n\n    x -> {name}(3)\n}}\n")
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E0253"
    assert diagnostic.help == REFUSED[name].instead


def test_windows_are_those_of_scipy() -> None:
    from scipy.signal import get_window
    from scipy.signal.windows import _windows

    functions = _windows._WIN_FUNCS
    without = {name for name, (_, needs) in functions.items() if needs is not True}
    assert set(SCIPY_WINDOWS) == without
    for name in SCIPY_WINDOWS:
        get_window(name, 4)


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
