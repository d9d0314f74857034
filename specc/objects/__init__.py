"""What layers and training are given as objects: initializers, optimizers, losses, ..., by name.

The index says in which module a class lives, so that a spec pays only for the families it uses;
a test holds it equal to the classes that are there, and to Keras's.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from specc.layers.names import NEEDS_SCIPY

if TYPE_CHECKING:
    from specc.layers.arguments import KerasObject

IN_MODELS = ("initializer", "regularizer", "constraint")
"""The categories of what layers are given; the others are for `data` and `train` blocks."""

FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    "initializer": {
        "initializers": (
            "Constant",
            "GlorotNormal",
            "GlorotUniform",
            "HeNormal",
            "HeUniform",
            "Identity",
            "LecunNormal",
            "LecunUniform",
            "Ones",
            "Orthogonal",
            "RandomNormal",
            "RandomUniform",
            "TruncatedNormal",
            "VarianceScaling",
            "Zeros",
        ),
    },
    "regularizer": {"regularizers": ("L1", "L1L2", "L2", "OrthogonalRegularizer")},
    "constraint": {"constraints": ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm")},
    "optimizer": {
        "optimizers": (
            "Adadelta",
            "Adafactor",
            "Adagrad",
            "Adam",
            "AdamW",
            "Adamax",
            "Ftrl",
            "Lamb",
            "Lion",
            "LossScaleOptimizer",
            "Muon",
            "Nadam",
            "RMSprop",
            "SGD",
            "ScheduleFreeAdamW",
        ),
    },
    "schedule": {
        "schedules": (
            "CosineDecay",
            "CosineDecayRestarts",
            "ExponentialDecay",
            "InverseTimeDecay",
            "PiecewiseConstantDecay",
            "PolynomialDecay",
        ),
    },
    "loss": {
        "losses": (
            "BinaryCrossentropy",
            "BinaryFocalCrossentropy",
            "CTC",
            "CategoricalCrossentropy",
            "CategoricalFocalCrossentropy",
            "CategoricalGeneralizedCrossEntropy",
            "CategoricalHinge",
            "Circle",
            "CosineSimilarity",
            "Dice",
            "Hinge",
            "Huber",
            "KLDivergence",
            "LogCosh",
            "MeanAbsoluteError",
            "MeanAbsolutePercentageError",
            "MeanSquaredError",
            "MeanSquaredLogarithmicError",
            "Poisson",
            "SparseCategoricalCrossentropy",
            "SquaredHinge",
            "Tversky",
        ),
    },
    "metric": {
        "metrics": (
            "Accuracy",
            "BinaryAccuracy",
            "BinaryCrossentropy",
            "CategoricalAccuracy",
            "CategoricalCrossentropy",
            "CategoricalHinge",
            "ConcordanceCorrelation",
            "CosineSimilarity",
            "Hinge",
            "KLDivergence",
            "LogCoshError",
            "Mean",
            "MeanAbsoluteError",
            "MeanAbsolutePercentageError",
            "MeanSquaredError",
            "MeanSquaredLogarithmicError",
            "PearsonCorrelation",
            "Poisson",
            "R2Score",
            "RootMeanSquaredError",
            "SparseCategoricalAccuracy",
            "SparseCategoricalCrossentropy",
            "SparseTopKCategoricalAccuracy",
            "SquaredHinge",
            "Sum",
            "TopKCategoricalAccuracy",
        ),
        "metrics_of_classes": (
            "AUC",
            "BinaryIoU",
            "F1Score",
            "FBetaScore",
            "FalseNegatives",
            "FalsePositives",
            "IoU",
            "MeanIoU",
            "OneHotIoU",
            "OneHotMeanIoU",
            "Precision",
            "PrecisionAtRecall",
            "Recall",
            "RecallAtPrecision",
            "SensitivityAtSpecificity",
            "SpecificityAtSensitivity",
            "TrueNegatives",
            "TruePositives",
        ),
    },
    "callback": {
        "callbacks": (
            "BackupAndRestore",
            "CSVLogger",
            "EarlyStopping",
            "ModelCheckpoint",
            "ReduceLROnPlateau",
            "SwapEMAWeights",
            "TensorBoard",
            "TerminateOnNaN",
        ),
    },
    "source": {
        "data": (
            "csv",
            "digits",
            "idx",
            "images",
            "keras_dataset",
            "npz",
            "parquet",
            "tfrecord",
        ),
    },
    "split": {"data": ("first", "last", "random", "stratified")},
}
"""By category and module. What specc has of its own is called in small letters."""

CATEGORIES = tuple(FAMILIES)

KERAS_MODULES = {
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
    "optimizer": "optimizers",
    "schedule": "optimizers.schedules",
    "loss": "losses",
    "metric": "metrics",
    "callback": "callbacks",
}
"""Where Keras has the classes of a category, below `keras`."""

_SECOND_NAMES: dict[str, tuple[str, ...]] = {
    "Identity": ("IdentityInitializer", "identity"),
    "Orthogonal": ("OrthogonalInitializer", "orthogonal"),
    "L1": ("l1",),
    "L1L2": ("l1_l2",),
    "L2": ("l2",),
}
"""What else Keras's modules call them; other objects of models have a second name in snake case."""

_FUNCTION = "it takes a Python function, which a spec has no way to write"
_BASE = "it is what the others are made from, and none itself"
_BY_ITSELF = "Keras adds it by itself"
REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("STFT", "STFTInitializer", "stft"), ("initializer", NEEDS_SCIPY)),
    "Optimizer": ("optimizer", _BASE),
    "MultiOptimizer": ("optimizer", "it takes an OptimizerMap, which is a dictionary"),
    "OptimizerMap": ("optimizer", "it takes a dictionary, which a spec has no way to write"),
    "LearningRateSchedule": ("schedule", _BASE),
    "Loss": ("loss", _BASE),
    "Metric": ("metric", _BASE),
    "MeanMetricWrapper": ("metric", _FUNCTION),
    "Callback": ("callback", _BASE),
    "CallbackList": ("callback", "the list of `callbacks` is one already"),
    "History": ("callback", _BY_ITSELF),
    "LambdaCallback": ("callback", _FUNCTION),
    "LearningRateScheduler": (
        "callback",
        "it takes a Python function; a schedule can be the optimizer's `learning_rate`",
    ),
    "OrbaxCheckpoint": ("callback", "it needs orbax, which neither Keras nor specc installs"),
    "ProgbarLogger": ("callback", _BY_ITSELF),
    "RemoteMonitor": ("callback", "it sends what it sees to a server, which a spec never does"),
}
"""What Keras has, and a spec cannot; of which category it is, and why."""


def _by_name(category: str) -> dict[str, tuple[str, str]]:
    """The module and the class of each name."""
    found: dict[str, tuple[str, str]] = {}
    for module, classes in FAMILIES[category].items():
        for name in classes:
            second: tuple[str, ...] = ()
            title = name
            if category in IN_MODELS:
                snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
                second = _SECOND_NAMES.get(name, (snake.removeprefix("_"),))
            elif category not in KERAS_MODULES:
                title = "".join(word.capitalize() for word in name.split("_"))
            found.update(dict.fromkeys((name, *second), (module, title)))
    return found


@cache
def _names_of(category: str) -> dict[str, tuple[str, str]]:
    return _by_name(category) if category in FAMILIES else {}


def is_object(category: str, name: str) -> bool:
    """Whether a category has a class of this name."""
    return name in _names_of(category)


def find_object(category: str, name: str) -> type[KerasObject] | None:
    """The class of an object by any of its names, or None where there is none."""
    place = _names_of(category).get(name)
    if place is None:
        return None
    module, title = place
    return getattr(import_module(f"specc.objects.{module}"), title)


def object_names(category: str) -> tuple[str, ...]:
    """Every name of every class of a category."""
    return tuple(sorted(_names_of(category)))


def category_of(name: str, categories: tuple[str, ...] = CATEGORIES) -> str | None:
    """The first category that has an object of this name."""
    return next((category for category in categories if is_object(category, name)), None)


def keras_path(value: KerasObject) -> str:
    """Where Keras has the class of an object: `optimizers.schedules.CosineDecay`."""
    return f"{KERAS_MODULES[value.category]}.{type(value).__name__}"
