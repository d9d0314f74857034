"""E04: how the parts of a model are connected."""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, listed, short
from specc.source import Span


def no_input(where: Span, name: str, kind: str = "model") -> Diagnostic:
    example = "input image: float32[28, 28]" if kind == "model" else "input x"
    return Diagnostic(
        "E0401",
        f"the {_noun(kind)} `{name}` has no input",
        Label(where),
        help=f"declare one first: `{example}`",
    )


def _noun(kind: str) -> str:
    return "model" if kind == "model" else "block"


def input_without_type(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0407",
        "an input of a model has a type",
        Label(where, "of what type?"),
        help=f"write `input {where.text}: float32[28, 28]`; the batch axis is implied",
    )


def no_output(where: Span, name: str, kind: str = "model") -> Diagnostic:
    return Diagnostic(
        "E0402",
        f"the {_noun(kind)} `{name}` has no output",
        Label(where, "no line of it makes a tensor"),
        help="add a layer line",
    )


def unused_layer(where: Span, what: str, outputs: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0403",
        f"{what} is made and reaches no output",
        Label(where, "not part of the model"),
        notes=[f"the model gives {listed(outputs)}"] if outputs else [],
        help="use it, add it to an `output` line, or take it out",
    )


def unused_input(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0404",
        f"the input `{name}` reaches no output",
        Label(where),
        help="use it or take it out",
    )


def ambiguous_continuation(where: Span, above: Sequence[str]) -> Diagnostic:
    layer = short(where.text)
    label = f"above stand {listed(above)}"
    hint = (
        f"say which, `{above[0]} -> {layer}`, or join them, "
        f"`[{', '.join(above[:3])}] -> Concatenate -> {layer}`"
    )
    if len(set(above)) < len(above):  # a layer of several outputs, which have no names
        label = f"the line above gives {counted(len(above), 'tensor')}"
        names = ", ".join("abcdefgh"[: len(above)])
        hint = f"name them there, `{names} = ...`, and say which one is meant: `a -> {layer}`"
    return Diagnostic(
        "E0405", "it is not clear what this line continues from", Label(where, label), help=hint
    )


def output_twice(where: Span, first: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0406",
        f"`{name}` is an output twice",
        Label(where),
        [Label(first, "already an output here")],
    )


def line_starts_with_sign(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0408",
        f"a line cannot start with `{where.text}`",
        Label(where, "this does not go on with the line above"),
        help="an expression over several lines stands in parentheses",
    )
