"""The catalogue against Keras's: which layers there are, what they are called with, and names."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import pytest

import specc.layers
from specc.layers import ALIASES, FAMILIES, LAYER_NAMES, arguments, find_layer, names
from specc.layers.arguments import COMMON
from specc.layers.base import Layer
from specc.layers.cells import LSTMCell
from specc.layers.recurrent import LSTM
from specc.semantics.naming import snake_case

from .oracle import keras_layer, to_keras
from .strategies import NEEDED, STRATEGIES, Case, layer_class

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
def test_automatic_name(name: str) -> None:
    keras.utils.clear_session()
    made = keras_layer(example(name))
    assert made.name == snake_case(getattr(layer_class(name), "keras_class", name))


def example(name: str) -> Case:
    """A layer with the arguments that it needs."""
    case = Case(name, {}, [], True)
    for argument in layer_class(name).signature.values():
        if argument.required or argument.name in NEEDED.get(name, ()):
            value = REQUIRED_VALUES[argument.name]
            case.arguments[argument.name] = value if argument.kind.accepts(value) else (5,)
    return case


def keras_layer_arguments(name: str) -> dict[str, Any]:
    return {k: to_keras(keras, v) for k, v in example(name).arguments.items()}


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
}


def test_every_layer_is_listed() -> None:
    found = {}
    for file in Path(specc.layers.__file__).parent.glob("*.py"):
        if file.stem in ("__init__", "arguments", "base", "lora", "names", "objects", "sequence"):
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
