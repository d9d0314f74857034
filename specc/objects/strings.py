"""The strings that Keras's `compile` takes for optimizers, losses and metrics; a test looks.

Left out are those that do not work by a string alone: classes that need arguments, and bases.
"""

from __future__ import annotations

from typing import Any

from specc.layers.arguments import Named
from specc.objects import FAMILIES

OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lion", "muon",
    "nadam", "rmsprop", "schedulefreeadamw", "sgd",
)  # fmt: skip
"""In small letters; Keras takes any."""

SHORT = {
    "bce": "BinaryCrossentropy",
    "kld": "KLDivergence",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "mse": "MeanSquaredError",
    "msle": "MeanSquaredLogarithmicError",
}
"""Second names of losses, in small letters or in capital ones; all but one are metrics too."""

CHOSEN_LOSSES = ("crossentropy", "ce")
CHOSEN_METRICS = ("accuracy", "acc")
"""For these, Keras chooses a class by the output, and takes small and capital letters."""

LOSSES = (
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CTC", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalHinge", "Circle", "CosineSimilarity", "Dice",
    "Hinge", "Huber", "KLDivergence", "LogCosh", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
    "SparseCategoricalCrossentropy", "SquaredHinge", "Tversky", "binary_crossentropy",
    "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "categorical_hinge", "circle", "cosine_similarity", "ctc", "dice", "hinge", "huber",
    "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "poisson",
    "sparse_categorical_crossentropy", "squared_hinge", "tversky",
    *SHORT, *(name.upper() for name in SHORT), *CHOSEN_LOSSES,
)  # fmt: skip

METRICS = (
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU",
    "CategoricalAccuracy", "CategoricalCrossentropy", "CategoricalHinge",
    "ConcordanceCorrelation", "CosineSimilarity", "F1Score", "FBetaScore", "FalseNegatives",
    "FalsePositives", "Hinge", "KLDivergence", "LogCoshError", "Mean", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError",
    "PearsonCorrelation", "Poisson", "Precision", "R2Score", "Recall", "RootMeanSquaredError",
    "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy", "SquaredHinge", "Sum", "TopKCategoricalAccuracy",
    "TrueNegatives", "TruePositives", "accuracy", "auc", "binary_accuracy",
    "binary_crossentropy", "binary_io_u", "categorical_accuracy", "categorical_crossentropy",
    "categorical_hinge", "concordance_correlation", "cosine_similarity", "f1_score",
    "f_beta_score", "false_negatives", "false_positives", "hinge", "kl_divergence",
    "log_cosh_error", "mean", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "pearson_correlation", "poisson",
    "precision", "r2_score", "recall", "root_mean_squared_error", "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy", "squared_hinge",
    "sum", "top_k_categorical_accuracy", "true_negatives", "true_positives", "acc",
    *(name for name in SHORT if name != "kld"),
    *(name.upper() for name in SHORT if name != "kld"),
)  # fmt: skip


class ByString(Named):
    """An object, or its string; some strings are taken in capital letters as well."""

    def __init__(
        self, category: str, what: str, choices: tuple[str, ...], in_any_case: tuple[str, ...]
    ) -> None:
        super().__init__(category, what, choices)
        self.in_any_case = in_any_case
        self.expected = f"the name of {what}, or its constructor call"
        self.reasons = {
            title: f"Keras does not know it by a string; write `{name}(...)` without quotes"
            for names in FAMILIES[category].values()
            for name in names
            for title in (name, _snake(name))
            if title not in choices
        }

    def accepts(self, value: object) -> bool:
        return super().accepts(value) or (
            isinstance(value, str) and value.lower() in self.in_any_case
        )


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")


OPTIMIZER = ByString("optimizer", "an optimizer", OPTIMIZERS, OPTIMIZERS)
LOSS = ByString("loss", "a loss", LOSSES, CHOSEN_LOSSES)
METRIC = ByString("metric", "a metric", METRICS, CHOSEN_METRICS)


def loss_class(value: Any, width: int | None = None) -> str | None:
    """The class of a loss that a spec gives by a string or as an object; None for no loss.

    Args:
        width: the last size of the output, by which Keras chooses for `"crossentropy"`.
    """
    if not isinstance(value, str):
        return None if value is None else type(value).__name__
    folded = value.lower().replace("_", "")
    if folded in CHOSEN_LOSSES:
        return "BinaryCrossentropy" if width == 1 else "CategoricalCrossentropy"
    by_folded = {name.lower(): name for name in FAMILIES["loss"]["losses"]}
    return SHORT.get(folded) or by_folded.get(folded)
