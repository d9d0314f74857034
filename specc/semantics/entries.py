"""What the entries of `data`, `train` and `export` blocks may be."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import sections as errors
from specc.layers.arguments import (
    BOOL,
    DTYPE_POLICY,
    AutoBool,
    Choice,
    Float,
    Int,
    Ints,
    Kind,
    Numbers,
    Optional,
    Text,
    is_tuple,
)
from specc.objects.kinds import AMOUNT, NAMES, Either, Listed, Real, Thing
from specc.objects.strings import LOSS, METRIC, OPTIMIZER
from specc.semantics.context import Context
from specc.source import Span
from specc.types import DTYPES

SEED = Int(at_least=0)
SOURCE = Thing("source", 'data, such as `keras_dataset("mnist")` or `npz("digits.npz")`')
SPLIT = Thing("split", "a part of the data, such as `first(1_000)`")
OTHER_DATA = Thing("source", "other data")
COLUMNS = Either(
    Text(),
    Listed(Either(Text(), Listed(Text(), "strings")), "strings, or of a list for each input"),
)
END = Choice("pre", "post")
"""Of a sequence, in Keras's words."""

PER_OUTPUT = Listed(Optional(METRIC), "metrics of an output", at_least=0)
METRICS = Listed(Either(METRIC, Optional(PER_OUTPUT)), "metrics", at_least=0)
CALLBACK = Thing("callback", "a callback, such as `EarlyStopping(patience=3)`")


class NameOfData(Kind):
    """What only a bare name can be, which is looked up before."""

    expected = "the name of a `data` block, without quotes"

    def accepts(self, value: object) -> bool:  # noqa: ARG002
        return False


class Losses(Listed):
    """Losses of outputs, some of which may have none."""

    def __init__(self) -> None:
        super().__init__(Optional(LOSS), "losses, one for each output")

    def accepts(self, value: object) -> bool:
        return super().accepts(value) and is_tuple(value) and any(x is not None for x in value)


DATA: dict[str, Kind] = {
    "source": SOURCE,
    "test": Either(SPLIT, OTHER_DATA),
    "features": COLUMNS,
    "target": NAMES,
    "scale": Numbers(),
    "cast": Choice(*DTYPES),
    "one_hot": Either(BOOL, Int(at_least=1)),
    "classes": Either(Int(at_least=1), Listed(Either(Text(), Int()), "names of classes")),
    "validation": Either(SPLIT, OTHER_DATA),
    "shuffle": BOOL,
    "seed": SEED,
    "padding": END,
    "truncating": END,
}

TRAIN: dict[str, Kind] = {
    "data": NameOfData(),
    "optimizer": OPTIMIZER,
    "loss": Optional(Either(LOSS, Losses())),
    "loss_weights": Optional(Either(Real(), Listed(Float(), "numbers, one for each loss"))),
    "metrics": Optional(METRICS),
    "weighted_metrics": Optional(METRICS),
    "jit_compile": AutoBool(),
    "steps_per_execution": Either(Choice("auto"), Int(at_least=1)),
    "auto_scale_loss": BOOL,
    "dtype_policy": DTYPE_POLICY,
    "deterministic": BOOL,
    "epochs": Int(at_least=1),
    "batch_size": Int(at_least=1),
    "shuffle": BOOL,
    "class_weight": Optional(Listed(AMOUNT, "numbers, one for each class")),
    "callbacks": Optional(Either(CALLBACK, Listed(CALLBACK, "callbacks", at_least=0))),
    "validation_freq": Either(Int(at_least=1), Ints(at_least=1)),
    "validation_batch_size": Optional(Int(at_least=1)),
    "steps_per_epoch": Optional(Int(at_least=1)),
    "seed": SEED,
}
"""Arguments of Keras's `compile` and `fit`, the data, and what is set for a whole process there."""

EXPORT: dict[str, Kind] = {
    "opset": Int(at_least=18),
    "precision": Choice("float32", "float16", "bfloat16"),
    "quantize": Optional(Choice("int8", "dynamic", "static")),
    "external_data": BOOL,
}

KINDS: dict[str, dict[str, Kind]] = {"data": DATA, "train": TRAIN, "export": EXPORT}


def check_training(
    context: Context, entries: dict[str, Any], spans: dict[str, Span], outputs: int | None
) -> None:
    """Report entries of a `train` block that do not go together, or not with the model.

    Args:
        outputs: how many outputs the model has; None where that is not known.
    """
    loss, weights = entries.get("loss"), entries.get("loss_weights")
    if "loss" in entries and weights is not None and _length(loss) != _length(weights):
        where = spans["loss_weights"]
        context.report(
            errors.wrong_number_of_weights(where, spans["loss"], _length(loss), _length(weights))
        )
    for key in ("loss", "metrics", "weighted_metrics"):
        several: Any = entries.get(key)
        if outputs is None or not is_tuple(several):
            continue
        alone = key != "loss" and (outputs == 1 or not several)
        if not alone and _length(several) != outputs:
            context.report(
                errors.wrong_number_for_outputs(spans[key], key, _length(several), outputs)
            )
        elif alone and None in several:
            expected = "a list of metrics without None, as the model has one output"
            context.report(
                name_errors.wrong_argument(spans[key], "train", key, expected, (), several)
            )


def _length(value: Any) -> int:
    """How many things stand in a list; one where there is none."""
    return len(value) if is_tuple(value) else 1
