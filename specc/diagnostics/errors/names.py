"""E02: names, layers and their arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, did_you_mean, listed, short
from specc.diagnostics.suggest import closest
from specc.source import Span


def unknown_layer(
    where: Span,
    name: str,
    known: Iterable[str],
    found_in: str | None = None,
    instead: tuple[str, str] | None = None,
) -> Diagnostic:
    """What is no layer.

    Args:
        found_in: a standard module that has a block of this name.
        instead: of a name with its module, what it is ("activations") and how it is written.
    """
    bare = name.rsplit(".", 1)[-1]
    every = list(known)
    if instead is not None:
        what, written = instead
        return Diagnostic(
            "E0201",
            f"{what} are named without their module",
            Label(where),
            help=f"write `{written}`",
        )
    if bare == "Sequential":
        return Diagnostic(
            "E0201",
            "a model of layers is no layer here",
            Label(where),
            help="write `model name { ... }`, an input in it, and each layer on a line of its own",
        )
    if bare != name and bare in every:
        return Diagnostic(
            "E0201",
            "layers are named without their module",
            Label(where),
            help=f"write `{bare}`",
        )
    way_out = f'write `import "{found_in}"` above' if found_in else None
    return Diagnostic(
        "E0201",
        f"there is no layer `{name}`",
        Label(where),
        help=way_out
        or did_you_mean(bare, every)
        or "layers have the names of their Keras classes, such as `Dense`; blocks are defined in "
        "this file or imported",
    )


def refused_layer(where: Span, name: str, why: str, instead: str) -> Diagnostic:
    """A name of `keras.layers` that cannot stand in a spec."""
    return Diagnostic("E0253", f"`{name}` is no layer of a spec", Label(where, why), help=instead)


def unknown_name(
    where: Span, known: Iterable[str], *, in_block_without_input: bool = False
) -> Diagnostic:
    every = list(known)
    way_out = f"a block names what it takes: `input {where.text}`"
    return Diagnostic(
        "E0202",
        f"nothing here is called `{where.text}`",
        Label(where),
        notes=[f"known at this point: {listed(every)}"] if every else [],
        help=did_you_mean(where.text, every) or (way_out if in_block_without_input else None),
    )


def unknown_argument(
    where: Span, layer: str, known: Iterable[str], instead: str | None = None
) -> Diagnostic:
    """`instead` is what to write, where that is known."""
    every = list(known)
    takes = f"it takes {listed(every)}" if every else "it takes none here"
    return Diagnostic(
        "E0203",
        f"`{layer}` has no argument `{where.text}`",
        Label(where),
        help=instead or did_you_mean(where.text, every) or takes,
    )


def wrong_argument(
    where: Span,
    layer: str,
    argument: str,
    expected: str,
    choices: Sequence[str],
    found: object,
    reason: str | None = None,
) -> Diagnostic:
    """`reason` says why it does not take what Keras knows."""
    suggestion = reason or (did_you_mean(found, choices) if isinstance(found, str) else None)
    if suggestion is None and len(choices) > 12:
        # Keras knows many by two names, `he_normal` and `HeNormal`; one will do here.
        shown = [choice for choice in choices if choice[0].islower()]
        suggestion = f"{expected.split(', or ')[0]} is one of {listed(shown, 60)}"
    return Diagnostic(
        "E0204",
        f"`{argument}` of `{layer}` takes {expected}",
        Label(where, f"found {short(repr(found))}"),
        help=suggestion,
    )


def missing_argument(where: Span, layer: str, missing: str, expected: str) -> Diagnostic:
    return Diagnostic(
        "E0205",
        f"`{layer}` needs its argument `{missing}`",
        Label(where, f"no `{missing}`" if expected == "a value" else f"`{missing}` is {expected}"),
        help=f"write `{layer}({missing}=...)`",
    )


def too_many_arguments(where: Span, layer: str, known: Sequence[str]) -> Diagnostic:
    """`known` are those that can be given without their names."""
    has = counted(len(known), "argument") if known else "no argument that is given without its name"
    return Diagnostic(
        "E0206",
        f"too many arguments for `{layer}`",
        Label(where, f"`{layer}` has {has}"),
        help=f"it takes {listed(known)}" if known else None,
    )


def argument_twice(where: Span, first: Span, argument: str) -> Diagnostic:
    return Diagnostic(
        "E0207",
        f"the argument `{argument}` is given twice",
        Label(where),
        [Label(first, "first given here")],
    )


def layer_name_twice(where: Span, first: Span, name: str) -> Diagnostic:
    by_itself = name not in where.text
    again = "this layer gets the name by itself, as in Keras" if by_itself else "given again here"
    return Diagnostic(
        "E0208",
        f"the name `{name}` is given twice",
        Label(where, again),
        [Label(first, "first given here")],
        help="choose another name for one of them",
    )


def name_is_a_layer(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0210",
        f"`{where.text}` is the name of a layer and cannot name something else",
        Label(where),
        help=f"call it `my_{where.text.lower()}` or something more telling",
    )


def unknown_dtype(where: Span, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0211",
        f"there is no dtype `{where.text}`",
        Label(where),
        help=did_you_mean(where.text, known) or f"the dtypes are {listed(known, 20)}",
    )


def layer_without_input(where: Span, layer: str) -> Diagnostic:
    operation = layer.startswith("ops.")
    declare = f", or declare it, `layer name = {short(where.text)}`"
    return Diagnostic(
        "E0212",
        f"`{layer}` is {'an operation' if operation else 'a layer'}, and a tensor is needed here",
        Label(where, "applied to nothing"),
        help=f"apply it, `x -> {short(where.text)}`" + ("" if operation else declare),
    )


def not_a_layer(where: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0213",
        f"{what} is not a layer",
        Label(where, "a layer is needed here"),
        help="a layer is written as in Keras: `Dense(10)`",
    )


def wrong_number_of_targets(where: Span, layer: str, targets: int, outputs: int) -> Diagnostic:
    return Diagnostic(
        "E0214",
        f"`{layer}` gives {counted(outputs, 'tensor')}, and {counted(targets, 'name')} "
        + ("stands" if targets == 1 else "stand")
        + " to the left",
        Label(where),
        help="`return_state=True` gives the states as well"
        if layer in ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional") and outputs == 1
        else None,
    )


def not_a_constant(where: Span) -> Diagnostic:
    text = where.text
    callee = text.split("(")[0]
    hint = "constants are numbers, strings, True, False, None, and lists of them"
    if text.isidentifier():
        hint = f'if a string is meant, it stands in quotes: `"{text}"`'
    elif callee != text and "." in callee and not callee.startswith("ops."):
        hint = f"name it without its module: `{callee.rsplit('.', 1)[-1]}(...)`"
    return Diagnostic(
        "E0216", "a constant is needed here", Label(where, "not a constant"), help=hint
    )


def not_computable(where: Span, reason: str) -> Diagnostic:
    if reason.endswith("is needed here"):
        return Diagnostic("E0217", reason, Label(where, f"found `{short(where.text)}`"))
    return Diagnostic("E0217", "this cannot be computed", Label(where, reason))


def unknown_measure(where: Span, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0218",
        f"`{where.text}` cannot be expected of a model",
        Label(where),
        help=did_you_mean(where.text, known) or f"what can be expected: {listed(known)}",
    )


def not_one_tensor(where: Span, count: int) -> Diagnostic:
    names = ", ".join("abcdefgh"[:count])
    return Diagnostic(
        "E0219",
        f"one tensor is needed here, and this is {counted(count, 'tensor')}",
        Label(where),
        help=f"name them, `{names} = ...`, and say which one is meant" if count else None,
    )


def bad_layer_name(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0220",
        f"{short(repr(name))} cannot name a layer",
        Label(where),
        help="a name starts with a letter and goes on with letters, digits, `_`, `.` and `-`",
    )


def not_a_tensor(where: Span) -> Diagnostic:
    return Diagnostic("E0221", "a tensor is needed here", Label(where, "this is not one"))


def input_in_parentheses(where: Span, layer: str) -> Diagnostic:
    text = where.text
    hint = f"the arguments of a call are given by name: `{layer}(...)(training=True)`"
    if text.startswith("[") or (text.isidentifier() and text not in ("True", "False", "None")):
        hint = f"write `{short(text)} -> {layer}(...)`"
    return Diagnostic(
        "E0222",
        f"`{layer}` takes its input from the left of `->`, not in parentheses",
        Label(where),
        help=hint,
    )


def empty_axis(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0223",
        "the size of an axis is 1 or more",
        Label(where),
        help="`None` or a name stands for an unknown size",
    )


def unknown_operation(where: Span, name: str, known: Sequence[str]) -> Diagnostic:
    guess = closest(name, known)
    return Diagnostic(
        "E0250",
        f"there is no operation `ops.{name}`",
        Label(where),
        help=f"did you mean `ops.{guess}`?"
        if guess
        else "operations have the names that they have in `keras.ops`, such as `ops.relu`",
    )
