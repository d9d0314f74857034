"""E05: expectations that are not met."""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, did_you_mean, listed
from specc.source import Span


def count_not_met(
    where: Span,
    what: str,
    expected: int,
    found: int,
    culprit: Label | None,
    notes: list[str],
    found_in: str,
) -> Diagnostic:
    difference = found - expected
    return Diagnostic(
        "E0501",
        f"{what}: expected {expected:,}, found {found:,}{found_in}",
        Label(
            where,
            f"there {'is' if abs(difference) == 1 else 'are'} {abs(difference):,} "
            + ("more" if difference > 0 else "fewer"),
        ),
        [culprit] if culprit else [],
        notes,
    )


def output_not_met(
    where: Span, what: str, expected: object, found: object, maker: Label | None, found_in: str
) -> Diagnostic:
    return Diagnostic(
        "E0502",
        f"{what}: expected {expected}, found {found}{found_in}",
        Label(where),
        [maker] if maker else [],
    )


def no_such_layer(where: Span, name: str, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0503",
        f"no layer of this model is called `{name}`",
        Label(where),
        notes=[f"its layers: {listed(known)}"],
        help=did_you_mean(name, known) or "`specc summary` prints the layers with their names",
    )


def which_output(where: Span, names: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0504",
        f"the model has {counted(len(names), 'output')}: {listed(names)}",
        Label(where, "which one is meant?"),
        help=f"say which: `expect output {names[0]} = ...`",
    )


def no_such_output(where: Span, name: str, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0505",
        f"no output of this model is called `{name}`",
        Label(where),
        help=did_you_mean(name, known) or f"its outputs are {listed(known)}",
    )
