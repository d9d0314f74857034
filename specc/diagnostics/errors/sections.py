"""E02, continued: what `data`, `train` and `export` blocks say."""

from __future__ import annotations

from collections.abc import Iterable

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, did_you_mean, listed
from specc.source import Span

_IN_WORDS = {
    "schedule": "learning-rate schedule",
    "source": "source of data",
    "split": "part of data",
}


def unknown_object(where: Span, category: str, known: Iterable[str]) -> Diagnostic:
    """A constructor call of something that is not in the catalogue."""
    every = list(known)
    few = f"it is one of {listed(every)}" if len(every) <= 12 else None
    return Diagnostic(
        "E0260",
        f"there is no {_IN_WORDS.get(category, category)} `{where.text}`",
        Label(where),
        help=did_you_mean(where.text, every) or few or "it has the name of its Keras class",
    )


def refused_object(where: Span, category: str, reason: str) -> Diagnostic:
    """What Keras has, and a spec cannot have."""
    return Diagnostic(
        "E0261",
        f"the {_IN_WORDS.get(category, category)} `{where.text}` cannot stand in a spec",
        Label(where, reason),
    )


def wrong_number_of_weights(where: Span, losses: Span, expected: int, given: int) -> Diagnostic:
    return Diagnostic(
        "E0262",
        f"{counted(given, 'weight')} for {expected} {'loss' if expected == 1 else 'losses'}",
        Label(where),
        [Label(losses, "the loss" if expected == 1 else "the losses")],
        help="give one for each loss, in their order",
    )


def wrong_number_for_outputs(where: Span, entry: str, given: int, outputs: int) -> Diagnostic:
    """`entry` is what has a list with something for each output."""
    one = "one loss" if entry == "loss" else "one metric or list of metrics"
    return Diagnostic(
        "E0263",
        f"the model has {counted(outputs, 'output')}, and `{entry}` is for {given}",
        Label(where),
        help=f"the list has {one} for each output, or None",
    )
