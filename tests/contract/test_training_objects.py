"""Optimizers, schedules, losses, metrics and callbacks against Keras, and the objects of layers.

What they accept is compared in two ways: each argument alone with each of a list of values, where
every difference has to stand in `STRICTER`, and drawn arguments together.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from operator import attrgetter
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras.src.trainers import compile_utils

from specc import objects
from specc.backends.keras_objects import keras_value
from specc.diagnostics.place import Refused
from specc.layers.arguments import Configurable, KerasObject, Kind, Optional
from specc.objects import strings
from specc.objects.data import DATASETS

from .strategies import STRATEGIES, given_arguments

pytestmark = pytest.mark.filterwarnings("ignore")

TRAINING = ("optimizer", "schedule", "loss", "metric", "callback")
CLASSES = [
    (category, name)
    for category in objects.KERAS_MODULES
    for names in objects.FAMILIES[category].values()
    for name in names
]


def ours(category: str, name: str) -> type[KerasObject]:
    found = objects.find_object(category, name)
    assert found is not None
    return found


def theirs(category: str, name: str) -> Any:
    return attrgetter(f"{objects.KERAS_MODULES[category]}.{name}")(keras)


@pytest.mark.parametrize("category", TRAINING)
def test_names(category: str) -> None:
    """Every public class is in the catalogue, or it is refused with a reason."""
    module = attrgetter(objects.KERAS_MODULES[category])(keras)
    known = {name for name, value in vars(module).items() if isinstance(value, type)}
    refused = {name for name, (of, _) in objects.REFUSED.items() if of == category}
    assert {*objects.object_names(category), *refused} == known
    assert not refused & set(objects.object_names(category))


@pytest.mark.parametrize(
    ("category", "module"),
    [(category, module) for category, found in objects.FAMILIES.items() for module in found],
)
def test_index(category: str, module: str) -> None:
    """The index says which classes are in a module."""
    found = [
        value
        for value in vars(import_module(f"specc.objects.{module}")).values()
        if isinstance(value, type)
        and issubclass(value, KerasObject)
        and value.__module__.endswith(f".{module}")
        and not value.__name__.startswith("_")
        and value.__name__ != "Metric"
        and value.category == category
    ]
    listed = [objects.find_object(category, name) for name in objects.FAMILIES[category][module]]
    assert set(found) == set(listed)


@pytest.mark.parametrize(("category", "name"), CLASSES, ids=lambda part: part)
def test_signature(category: str, name: str) -> None:
    cls = ours(category, name)
    parameters = inspect.signature(theirs(category, name)).parameters.values()
    assert [(a.name, a.default) for a in cls.signature.values()] == [
        (p.name, p.default if p.default is not p.empty else cls.signature[p.name].default)
        for p in parameters
        if p.kind is not p.VAR_KEYWORD
    ]
    required = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    assert {a.name for a in cls.signature.values() if a.required} == required
    for argument in cls.signature.values():
        assert argument.required or argument.kind.accepts(argument.default)
        assert type(argument.kind) in STRATEGIES


# --------------------------------------------------------------------- strings


def accepted(get: Any, candidates: set[str]) -> set[str]:
    found: set[str] = set()
    for candidate in candidates:
        try:
            get(candidate)
        except Exception:
            continue
        found.add(candidate)
    return found


ONE = np.ones((2, 1), "float32")
TOGETHER = {*strings.OPTIMIZERS, *strings.LOSSES, *strings.METRICS, "Mse", "ACC", "Crossentropy"}


@pytest.mark.parametrize(
    ("kind", "category", "get", "bases"),
    [
        (strings.OPTIMIZER, "optimizer", keras.optimizers.get, set()),
        (
            strings.LOSS,
            "loss",
            lambda name: compile_utils.get_loss(name, ONE, ONE),
            {"Loss"},
        ),
        (
            strings.METRIC,
            "metric",
            lambda name: compile_utils.get_metric(name, ONE, ONE),
            {"Metric", "metric"},
        ),
    ],
    ids=["optimizer", "loss", "metric"],
)
def test_strings(kind: Kind, category: str, get: Any, bases: set[str]) -> None:
    """Exactly the strings are accepted that Keras takes."""
    module = import_module(f"keras.src.{objects.KERAS_MODULES[category]}")
    candidates = {*module.ALL_OBJECTS_DICT, *TOGETHER, *objects.object_names(category)}
    candidates |= {text.upper() for text in candidates} | {text.lower() for text in candidates}
    expected = accepted(get, candidates) - bases
    assert {text for text in candidates if kind.accepts(text)} == expected
    assert set(kind.choices) <= expected
    assert len(set(kind.choices)) == len(kind.choices)


def test_classes_of_losses_by_string() -> None:
    """A string of a loss and its class compute the same."""
    labels = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], "float32")
    outputs = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]], "float32")
    special = {"ctc", "circle", "sparse_categorical_crossentropy", *strings.CHOSEN_LOSSES}
    for text in strings.LOSSES:
        name = strings.loss_class(text, 3)
        assert name is not None
        if text.lower() in special or name in ("CTC", "Circle", "SparseCategoricalCrossentropy"):
            continue
        by_class = getattr(keras.losses, name)()(labels, outputs)
        by_string = compile_utils.get_loss(text, labels, outputs)(labels, outputs)
        assert float(by_class) == pytest.approx(float(by_string)), text
    assert strings.loss_class("CE", 1) == "BinaryCrossentropy"
    assert strings.loss_class("crossentropy", 3) == "CategoricalCrossentropy"
    assert strings.loss_class("nonsense") is None


# ------------------------------------------------------------------ acceptance


class Answer(NamedTuple):
    ours: KerasObject | None
    theirs: Any
    """Keras's object, or an exception."""


def answer(category: str, name: str, arguments: dict[str, Any]) -> Answer:
    cls = ours(category, name)
    made: KerasObject | None = None
    if all(cls.signature[a].kind.accepts(v) for a, v in arguments.items()):
        try:
            made = cls(**arguments)
        except Refused:
            made = None
    try:
        if made is not None:
            return Answer(made, keras_value(keras, made))
        plain = {a: _plain(value) for a, value in arguments.items()}
        return Answer(None, theirs(category, name)(**plain))
    except Exception as problem:
        return Answer(made, problem)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return keras_value(keras, value) if isinstance(value, Configurable) else value


POOL: list[Any] = [
    *(-1, 0, 1, 2, 5, -0.5, 0.0, 0.5, 1.0, 1.5),
    *(None, True, "", "a", "a b", "a/b", "sum", "none", "SUM", "float16", "mixed_float16", "int32"),
    *((), (0,), (0, 1), (0.5, 1.0), (2.0,), (0.5, -1.0), ("a",), ("a", 1)),
    *("out.keras", "out.weights.h5", "auto", "min", "epoch", "roc", "Majoring", "micro"),
]
"""What every argument is tried with: right for some, out of range or of another type for others."""

DECAY: dict[str, Any] = {"initial_learning_rate": 0.1, "decay_steps": 10}
NEEDED: dict[str, dict[str, Any]] = {
    "CosineDecay": DECAY,
    "PolynomialDecay": DECAY,
    "ExponentialDecay": {**DECAY, "decay_rate": 0.5},
    "InverseTimeDecay": {**DECAY, "decay_rate": 0.5},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 10},
    "PiecewiseConstantDecay": {"boundaries": (5,), "values": (0.1, 0.2)},
    "IoU": {"num_classes": 2, "target_class_ids": (0,)},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": (0,)},
    "MeanIoU": {"num_classes": 2},
    "OneHotMeanIoU": {"num_classes": 2},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "LossScaleOptimizer": {"inner_optimizer": ours("optimizer", "SGD")()},
    "ModelCheckpoint": {"filepath": "out.keras"},
    "BackupAndRestore": {"backup_dir": "out"},
    "CSVLogger": {"filename": "out.csv"},
}
"""Required arguments, for trying the others."""


def of_a_type(kind: Kind, value: Any) -> bool:
    """Whether a value is of a type of which the kind takes some, or a list of such."""
    if value is None:
        return isinstance(kind, Optional)
    types = {type(item) for item in POOL if item is not None and kind.accepts(item)}
    return type(value) in types


NEGATIVE = "a negative amount"
BEYOND = "an average or a share beyond 0 and 1"
EMPTY = "an empty list or string"
NONSENSE = "a word that means nothing to it, which Keras passes over or finds out later"
NAME = "a name of which TensorFlow makes no scope when the model is trained"

STRICTER: dict[tuple[str, str], str] = {
    ("initializer", "value"): f"{EMPTY}, and strings",
    ("initializer", "input_axes"): "axes that are no whole numbers",
    ("initializer", "output_axes"): "axes that are no whole numbers",
    ("constraint", "axis"): "axes that are no whole numbers, and none",
    **dict.fromkeys(
        [("optimizer", name) for name in (
            "learning_rate", "epsilon", "epsilon_1", "epsilon_2", "weight_decay", "clipnorm",
            "clipvalue", "global_clipnorm", "initial_accumulator_value", "beta",
            "adam_weight_decay", "adam_lr_ratio", "ns_steps", "rms_rate", "warmup_steps",
        )],
        NEGATIVE,
    ),
    **dict.fromkeys(
        [("optimizer", name) for name in (
            "rho", "momentum", "ema_momentum", "beta_1", "beta_2", "adam_beta_1", "adam_beta_2",
        )],
        f"{BEYOND}; 1 where Keras divides by what is left to 1",
    ),
    **dict.fromkeys(
        [("optimizer", name) for name in (
            "loss_scale_factor", "clip_threshold", "initial_scale", "dynamic_growth_steps",
            "ema_overwrite_frequency", "gradient_accumulation_steps",
        )],
        "0, which Keras takes for None or divides by, and negative numbers",
    ),
    ("optimizer", "exclude_layers"): "patterns that are no strings",
    ("optimizer", "name"): NAME,
    ("schedule", "name"): NAME,
    ("loss", "name"): NAME,
    **dict.fromkeys(
        [("schedule", name) for name in (
            "initial_learning_rate", "alpha", "warmup_target", "warmup_steps", "m_mul",
            "decay_rate", "end_learning_rate", "power",
        )],
        NEGATIVE,
    ),
    ("schedule", "t_mul"): "periods that get shorter, whose sum ends, and after it the rate is NaN",
    ("schedule", "boundaries"): "steps that are no numbers",
    ("schedule", "values"): "negative rates, and 1 for 1.0, which Keras does not add up",
    ("loss", "label_smoothing"): BEYOND,
    ("loss", "dtype"): "whole numbers, in which nothing can be learned",
    **dict.fromkeys([("loss", name) for name in ("alpha", "gamma", "delta", "beta")], NEGATIVE),
    ("loss", "axis"): "axes that are no whole numbers, and none",
    ("metric", "dtype"): "whole numbers, to which a mean is rounded",
    ("metric", "thresholds"): f"{EMPTY}, and thresholds beyond 0 and 1",
    ("metric", "num_labels"): "0, which Keras takes for None",
    ("metric", "label_weights"): f"{EMPTY}, and negative weights",
    ("metric", "label_smoothing"): BEYOND,
    ("metric", "target_class_ids"): "classes that are no whole numbers",
    **dict.fromkeys([("metric", name) for name in ("top_k", "k")], "no place at all"),
    ("metric", "class_id"): "a class that is counted from the end",
    **dict.fromkeys(
        [("callback", name) for name in (
            "min_delta", "patience", "verbose", "start_from_epoch", "cooldown", "min_lr",
            "histogram_freq", "embeddings_freq", "save_freq",
        )],
        NEGATIVE,
    ),
    ("callback", "profile_batch"): "steps that are no whole numbers",
    ("callback", "factor"): "a factor after which the rate is 0 or negative",
    **dict.fromkeys(
        [("callback", name) for name in ("filename", "log_dir", "embeddings_metadata")], EMPTY
    ),
    **dict.fromkeys([("callback", name) for name in ("mode", "update_freq")], NONSENSE),
}  # fmt: skip
"""What specc refuses and Keras takes, by category and argument, besides values of a type that an
argument does not take at all: Keras's constructors hardly look at types.
"""


def test_each_argument_alone() -> None:
    """specc refuses what Keras refuses, and more only where `STRICTER` says so."""
    stricter: set[tuple[str, str]] = set()
    tried = 0
    for category, name in CLASSES:
        for argument in ours(category, name).signature.values():
            for value in POOL:
                if not of_a_type(argument.kind, value):
                    continue
                arguments = {**NEEDED.get(name, {}), argument.name: value}
                found = answer(category, name, arguments)
                refused = isinstance(found.theirs, Exception)
                if found.ours is not None:
                    assert not refused, f"only Keras refuses {name}{arguments}: {found.theirs}"
                elif not refused:
                    stricter.add((category, argument.name))
                tried += 1
    assert stricter == set(STRICTER)
    assert tried > 5_000


def test_other_types_are_refused() -> None:
    """No argument takes True for a number, nor a string for a truth value."""
    for category, name in CLASSES:
        for argument in ours(category, name).signature.values():
            kinds = {type(value) for value in POOL if argument.kind.accepts(value)}
            assert not {bool, int} <= kinds, f"{name}.{argument.name}"
            assert not {bool, str} <= kinds, f"{name}.{argument.name}"


@st.composite
def mistaken(draw: st.DrawFn, cls: type[KerasObject]) -> dict[str, Any]:
    """Arguments of which one may be anything."""
    arguments = draw(given_arguments(cls))
    if cls.signature and draw(st.integers(0, 2)) == 0:
        arguments[draw(st.sampled_from(sorted(cls.signature)))] = draw(st.sampled_from(POOL))
    return arguments


def on_purpose(category: str, cls: type[KerasObject], arguments: dict[str, Any]) -> bool:
    """Whether specc refuses more than Keras here."""
    for argument, value in arguments.items():
        kind = cls.signature[argument].kind
        if kind.accepts(value):
            continue
        if (category, argument) in STRICTER or not of_a_type(kind, value):
            return True
    # Keras adds the values up for steps that are in none of the ranges, or in two.
    boundaries = arguments.get("boundaries", ())
    return category == "schedule" and list(boundaries) != sorted(set(boundaries))


def kept(made: Any, argument: str) -> Any:
    """What a Keras object says of an argument."""
    config = made.get_config() if hasattr(made, "get_config") else {}
    if argument in config:
        return config[argument]
    if argument in getattr(made, "_fn_kwargs", {}):
        return made._fn_kwargs[argument]
    found = vars(made)
    for name in (argument, f"_{argument}", OTHERWISE.get(argument, "")):
        if name in found:
            return found[name]
    raise AssertionError(f"{made} does not say its {argument}")


OTHERWISE = {"separator": "sep", "baseline": "best", "initial_value_threshold": "best"}
"""What some attributes of callbacks are called."""


def same(value: Any, theirs: Any) -> bool:
    """Whether an argument of a spec is what Keras has made of it."""
    if isinstance(value, KerasObject):
        name = theirs["class_name"] if isinstance(theirs, dict) else type(theirs).__name__
        inner = theirs["config"] if isinstance(theirs, dict) else theirs.get_config()
        return name == type(value).__name__ and all(
            same(own, inner[argument])
            for argument, own in value.given.items()
            # LossScaleOptimizer does without its inner one's factor; Keras makes names.
            if argument != "loss_scale_factor" and (argument, own) != ("name", None)
        )
    if isinstance(value, tuple):
        theirs = theirs if isinstance(theirs, list) else list(np.array(theirs))
        return len(value) == len(theirs) and all(map(same, value, theirs))
    if isinstance(value, float | int) and not isinstance(value, bool):
        return bool(theirs == pytest.approx(value))
    if hasattr(theirs, "name") and not isinstance(theirs, str):
        theirs = theirs.name
    return value == theirs


UNSAID = {
    ("TensorBoard", "profile_batch"): "which steps are looked at",
    ("TensorBoard", "update_freq"): "1 for each batch",
    ("AUC", "num_thresholds"): "replaced by the number of `thresholds`",
    ("AUC", "thresholds"): "in order",
    ("AUC", "curve"): "in capital letters",
    ("AUC", "summation_method"): "in small letters",
}
"""What Keras does not keep as it was given; what it makes of it."""


def has_said(made: Any, argument: str, value: Any) -> bool:
    name = type(made).__name__
    if (name, argument) in UNSAID:
        return True
    found = kept(made, argument)
    if argument == "name" and not value:
        return bool(found)  # Keras makes one
    if argument == "dtype":
        expected = {None: ("float32", "int64", "int"), "int": ("int64", "int")}.get(
            value, (value, (value or "").removeprefix("mixed_"))
        )
        return str(getattr(found, "name", found)) in expected
    if argument in ("l1", "l2") and value is None:
        return any(found == pytest.approx(n) for n in (0, 0.01))  # with L1L2 and alone
    if argument == "exclude_layers" and value is None:
        return found == []
    return same(value, found)


@pytest.mark.parametrize(("category", "name"), CLASSES, ids=lambda part: part)
def test_together(category: str, name: str) -> None:
    cls = ours(category, name)
    taken = 0

    @settings(
        max_examples=50,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mistaken(cls))
    def property_(arguments: dict[str, Any]) -> None:
        nonlocal taken
        found = answer(category, name, arguments)
        if found.ours is None:
            agree = isinstance(found.theirs, Exception) or on_purpose(category, cls, arguments)
            assert agree, f"only specc refuses {name}({arguments})"
            return
        assert not isinstance(found.theirs, Exception), f"{found.ours}: {found.theirs!r}"
        assert type(found.theirs).__name__ == name
        for argument, value in found.ours.given.items():
            assert has_said(found.theirs, argument, value), f"{found.ours}: {argument}"
        taken += 1

    property_()
    assert taken >= (5 if cls.signature else 1)


# --------------------------------------------------------------------- at work


@pytest.mark.parametrize("name", objects.object_names("schedule"))
def test_schedules_give_rates(name: str) -> None:
    """What specc accepts gives a number at every step."""
    cls = ours("schedule", name)

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(given_arguments(cls))
    def property_(arguments: dict[str, Any]) -> None:
        found = answer("schedule", name, arguments)
        # A rate that grows does so without bounds.
        assume(found.ours is not None and arguments.get("decay_rate", 0) <= 1)
        for step in (0, 1, 7, 1_000):
            rate = float(found.theirs(step))
            assert np.isfinite(rate), f"{found.ours} at step {step}: {rate}"

    property_()


@pytest.mark.parametrize("name", objects.object_names("optimizer"))
def test_optimizers_step(name: str) -> None:
    """What specc accepts can be trained with, and no weight becomes NaN."""
    cls = ours("optimizer", name)

    @settings(
        max_examples=5,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(given_arguments(cls))
    def property_(arguments: dict[str, Any]) -> None:
        found = answer("optimizer", name, arguments)
        # With other coefficients, Muon's polynomial grows without bounds.
        assume(found.ours is not None and not {"muon_a", "muon_b", "muon_c"} & set(arguments))
        weight = keras.Variable(np.ones((3, 2), "float32"), name="kernel")
        for _ in range(2):
            found.theirs.apply([np.full((3, 2), 0.5, "float32")], [weight])
        assert np.isfinite(np.array(weight)).all(), str(found.ours)

    property_()


def test_arguments_of_datasets() -> None:
    """`keras_dataset` takes what Keras's loaders take, but for the name of a file in a cache."""
    cls = ours("source", "keras_dataset")
    names = {name for name in vars(keras.datasets) if not name.startswith("_")}
    assert names == set(DATASETS)
    for name, (_, arguments) in DATASETS.items():
        parameters = inspect.signature(getattr(keras.datasets, name).load_data).parameters
        assert set(arguments) <= set(parameters)
        for argument in arguments:
            assert parameters[argument].default == cls.signature[argument].default
        assert set(parameters) - set(arguments) <= {
            *("path", "start_char", "oov_char", "index_from", "kwargs"),
        }
    every = {argument for _, arguments in DATASETS.values() for argument in arguments}
    assert every == set(cls.signature) - {"name"}
