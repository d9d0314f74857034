"""Every mistake that specc knows, a function each: facts in, `Diagnostic` out.

This is the one place that holds the wording. A code belongs to one function and has a page
`explain/<code>.md`; a test keeps the two lists equal. The hundreds tell the stage:

    E01 reading and syntax      E04 structure of a model
    E02 names and arguments     E05 expectations
    E03 shapes and dtypes       E06 the built or exported model
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.place import Place
from specc.diagnostics.suggest import closest
from specc.source import Span
from specc.types import Dimension, TensorType


def _did_you_mean(word: str, known: Iterable[str]) -> str | None:
    suggestion = closest(word, known)
    return f"did you mean `{suggestion}`?" if suggestion else None


def _listed(words: Iterable[object], limit: int = 12) -> str:
    every = [f"`{word}`" for word in words]
    shown = every[:limit]
    rest = len(every) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _counted(number: int, singular: str) -> str:
    return f"{number} {singular}" if number == 1 else f"{number} {singular}s"


# --------------------------------------------------------- E01: reading and syntax


def binary_file(where: Span, offset: int) -> Diagnostic:
    return Diagnostic(
        "E0101",
        f"this is a binary file, not a spec: byte {offset} is NUL",
        Label(where),
        help="give the path of a spec, a text file such as specs/bn_after.spec",
    )


def not_utf8(where: Span, offset: int, byte: int) -> Diagnostic:
    return Diagnostic(
        "E0102",
        f"the file is not UTF-8: byte {offset} is 0x{byte:02x}",
        Label(where, "the first line that cannot be read"),
        help="save the file as UTF-8",
    )


def no_model(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0103",
        "there is no model in this file",
        Label(where),
        help="a spec holds at least `model NAME { input x: float32[8] ... }`",
    )


def unexpected_character(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0104",
        f"unexpected character {where.text!r}",
        Label(where, "no part of a spec starts with this"),
        help="a line ends without `;`" if where.text == ";" else None,
    )


def unexpected_token(where: Span, expected: str, hint: str | None) -> Diagnostic:
    found = "end of the file" if not where.text else "end of the line"
    if where.text.strip() and "\n" not in where.text:
        found = f"`{where.text}`"
    return Diagnostic(
        "E0105", f"unexpected {found}", Label(where, f"expected {expected}"), help=hint
    )


def never_closed(opener: Span, noticed: Span) -> Diagnostic:
    closer = {"(": ")", "[": "]", "{": "}"}[opener.text]
    at_end = noticed.start >= len(noticed.source.text.rstrip())
    place = "the end of the file" if at_end else f"line {noticed.line}"
    return Diagnostic(
        "E0106",
        f"this `{opener.text}` is never closed",
        Label(opener, f"no `{closer}` up to {place}"),
        help=f"add `{closer}`",
    )


def unclosed_string(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0107",
        "the string does not end on its line",
        Label(where, f"opened here, no closing {where.text}"),
        help=f"add {where.text}",
    )


def nested_too_deeply(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0108",
        "nested too deeply",
        Label(where, "too many brackets or signs are open here"),
        help="give inner parts names of their own: `part = ...`",
    )


def keyword_as_name(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0109",
        f"`{where.text}` is a word of the language and cannot be a name",
        Label(where),
        help=f"call it `{where.text}_` or something more telling",
    )


def not_a_number(where: Span) -> Diagnostic:
    shown = where.text if len(where.text) <= 24 else where.text[:20] + "..."
    return Diagnostic(
        "E0110",
        f"`{shown}` is not a number",
        Label(where),
        help="numbers are written as in Python, with at most 64 digits: 300, 1_000, 0.5, 1e-3",
    )


def unknown_escape(where: Span, known: Iterable[str]) -> Diagnostic:
    return Diagnostic(
        "E0111",
        f"a string cannot hold the escape `{where.text}`",
        Label(where),
        help="the escapes are " + ", ".join(f"`\\{letter}`" for letter in known),
    )


def positional_after_keyword(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0112",
        "a positional argument stands after a keyword argument",
        Label(where, "positional"),
        help="put it first, or give it its name",
    )


def nothing_to_close(where: Span) -> Diagnostic:
    return Diagnostic("E0113", f"this `{where.text}` closes nothing", Label(where))


# ----------------------------------------------------------- E02: names and arguments


def unknown_layer(where: Span, name: str, known: Iterable[str]) -> Diagnostic:
    bare = name.rsplit(".", 1)[-1]
    every = list(known)
    if bare != name and bare in every:
        return Diagnostic(
            "E0201",
            "layers are named without their module",
            Label(where),
            help=f"write `{bare}`",
        )
    return Diagnostic(
        "E0201",
        f"there is no layer `{name}`",
        Label(where),
        help=_did_you_mean(bare, every) or "`specc layers` lists the layers there are",
    )


def unknown_name(where: Span, known: Iterable[str]) -> Diagnostic:
    every = list(known)
    return Diagnostic(
        "E0202",
        f"nothing here is called `{where.text}`",
        Label(where),
        notes=[f"known at this point: {_listed(every)}"] if every else [],
        help=_did_you_mean(where.text, every),
    )


def unknown_argument(where: Span, layer: str, known: Iterable[str]) -> Diagnostic:
    every = list(known)
    return Diagnostic(
        "E0203",
        f"`{layer}` has no argument `{where.text}`",
        Label(where),
        help=_did_you_mean(where.text, every) or f"it takes {_listed(every)}",
    )


def wrong_argument(
    where: Span, layer: str, argument: str, expected: str, choices: Sequence[str], found: object
) -> Diagnostic:
    suggestion = _did_you_mean(found, choices) if isinstance(found, str) else None
    if suggestion is None and len(choices) > 12:
        suggestion = f"{expected.removesuffix(', or None')} is one of {_listed(choices, 40)}"
    return Diagnostic(
        "E0204",
        f"`{argument}` of `{layer}` takes {expected}",
        Label(where, f"found {found!r}"),
        help=suggestion,
    )


def missing_argument(where: Span, layer: str, missing: str, expected: str) -> Diagnostic:
    return Diagnostic(
        "E0205",
        f"`{layer}` needs its argument `{missing}`",
        Label(where, f"`{missing}` is {expected}"),
        help=f"write `{layer}({missing}=...)`",
    )


def too_many_arguments(where: Span, layer: str, known: Sequence[str]) -> Diagnostic:
    takes = f"it takes {_listed(known)}" if known else "it takes no arguments"
    return Diagnostic(
        "E0206",
        f"too many arguments for `{layer}`",
        Label(where, f"{layer} has {_counted(len(known), 'argument')}"),
        help=takes,
    )


def argument_twice(where: Span, first: Span, argument: str) -> Diagnostic:
    return Diagnostic(
        "E0207",
        f"the argument `{argument}` is given twice",
        Label(where),
        [Label(first, "first given here")],
    )


def layer_name_twice(where: Span, first: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0208",
        f"two layers are called `{name}`",
        Label(where, f"also `{name}`"),
        [Label(first, f"the first `{name}`")],
        help='give one of them another `name="..."`',
    )


def model_name_twice(where: Span, first: Span) -> Diagnostic:
    return Diagnostic(
        "E0209",
        f"two models are called `{where.text}`",
        Label(where),
        [Label(first, "the first one")],
    )


def name_is_a_layer(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0210",
        f"`{where.text}` is the name of a layer and cannot name something else",
        Label(where),
        help=f"call it `{where.text.lower()}_` or something more telling",
    )


def unknown_dtype(where: Span, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0211",
        f"there is no dtype `{where.text}`",
        Label(where),
        help=_did_you_mean(where.text, known) or f"the dtypes are {_listed(known, 20)}",
    )


def layer_without_input(where: Span, layer: str) -> Diagnostic:
    return Diagnostic(
        "E0212",
        f"`{layer}` is a layer, and a tensor is needed here",
        Label(where),
        help=f"apply it: `x -> {layer}`",
    )


def not_a_layer(where: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0213",
        f"{what} cannot be applied to a tensor",
        Label(where, "a layer is needed here"),
        help="to the right of `->` stands a layer, as in `x -> Dense(10)`",
    )


def wrong_number_of_targets(where: Span, layer: str, targets: int, outputs: int) -> Diagnostic:
    return Diagnostic(
        "E0214",
        f"`{layer}` gives {_counted(outputs, 'tensor')}, and {_counted(targets, 'name')} "
        + ("stands" if targets == 1 else "stand")
        + " to the left",
        Label(where),
    )


def not_supported_yet(where: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0215",
        f"{what} cannot be compiled yet",
        Label(where),
        help="docs/roadmap.md says what comes next",
    )


def not_a_constant(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0216",
        "an argument must be a constant",
        Label(where, "a number, a string, True, False, None, or a tuple of them"),
    )


def not_computable(where: Span, reason: str) -> Diagnostic:
    return Diagnostic("E0217", "this cannot be computed", Label(where, reason))


def unknown_measure(where: Span, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0218",
        f"`{where.text}` is nothing that can be expected",
        Label(where),
        help=_did_you_mean(where.text, known) or f"expect one of {_listed(known)}",
    )


def not_one_tensor(where: Span, count: int) -> Diagnostic:
    return Diagnostic(
        "E0219",
        f"one tensor is needed here, and this is {_counted(count, 'tensor')}",
        Label(where),
        help="bind them to names and say which one: `sequence, state = x -> ...`",
    )


def bad_layer_name(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0220",
        f"{name!r} cannot name a layer",
        Label(where),
        help="a name is letters, digits, `_`, `.` and `-`, a letter first",
    )


def not_a_tensor(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0221", "a tensor is needed here", Label(where, "a constant is not a tensor")
    )


# ------------------------------------------------------------ E03: shapes and dtypes
# These are raised by layers through `Refused`, which gives the place as the first argument.


def _input_label(place: Place, index: int) -> list[Label]:
    if index >= len(place.inputs):
        return []
    operand = place.inputs[index]
    return [Label(operand.span, f"{operand.type}")]


def inputs_differ(place: Place, axis: int, sizes: Sequence[Dimension]) -> Diagnostic:
    """`axis` counts the batch axis as 0."""
    parts = [
        f"`{operand.text}` has {size}" for operand, size in zip(place.inputs, sizes, strict=True)
    ]
    return Diagnostic(
        "E0301",
        f"the inputs of `{place.layer}` do not fit together",
        Label(place.span, f"axis {axis}: {', '.join(parts)}"),
        [Label(operand.span, str(operand.type)) for operand in place.inputs],
    )


def wrong_rank(place: Place, expected: str, rank: int, index: int = 0) -> Diagnostic:
    """`expected` names the axes without the batch axis, `rank` is their number."""
    found = place.inputs[index].type
    hint = None
    if found.rank > rank and place.layer == "Dense":
        hint = "put a Flatten before it"
    elif found.rank == rank - 1 and "channels" in expected:
        hint = "images need a channel axis: `Reshape((*, *, 1))` adds one".replace(
            "*, *", ", ".join(str(size) for size in found.shape)
        )
    return Diagnostic(
        "E0302",
        f"`{place.layer}` takes an input of shape {expected}",
        Label(place.span, f"found {found}"),
        _input_label(place, index),
        help=hint,
    )


def axis_out_of_range(place: Place, argument: str, axis: int, rank: int) -> Diagnostic:
    """`rank` counts the batch axis."""
    return Diagnostic(
        "E0303",
        f"`{place.layer}` cannot use axis {axis}",
        Label(
            place.argument(argument),
            f"the input has axes 0 (the batch) to {rank - 1}, or {-rank} to -1",
        ),
        _input_label(place, 0),
    )


def window_too_large(place: Place, argument: str, axis: int, window: int, size: int) -> Diagnostic:
    """`window` is the extent with its dilation, `size` the input's along `axis` (batch is 0)."""
    return Diagnostic(
        "E0304",
        f"the window of `{place.layer}` is larger than its input",
        Label(place.argument(argument), f"needs {window} along axis {axis}, the input has {size}"),
        _input_label(place, 0),
        help='`padding="same"` pads the input, or use fewer layers that shrink it',
    )


def unknown_size(place: Place, axis: int, index: int = 0) -> Diagnostic:
    """`axis` counts the batch axis as 0."""
    return Diagnostic(
        "E0305",
        f"`{place.layer}` has weights that depend on an unknown size",
        Label(place.span, f"axis {axis} of its input is unknown: {place.inputs[index].type}"),
        _input_label(place, index),
        help="give the axis a size where the input is declared",
    )


def cannot_reshape(place: Place, argument: str, size: int, target: str) -> Diagnostic:
    return Diagnostic(
        "E0306",
        f"`{place.layer}` cannot keep every element",
        Label(place.argument(argument), f"the input has {size} elements, {target}"),
        _input_label(place, 0),
    )


def wrong_number_of_inputs(place: Place, minimum: int, maximum: int | None) -> Diagnostic:
    count = len(place.inputs)
    takes = _counted(minimum, "input") if minimum == maximum else f"{minimum} inputs or more"
    hint = None
    if maximum == 1:
        hint = f"join them first: `[a, b] -> Concatenate -> {place.layer}`"
    elif count < minimum:
        hint = f"give a list: `[a, b] -> {place.layer}`"
    return Diagnostic(
        "E0307",
        f"`{place.layer}` takes {takes}",
        Label(place.span, f"found {count}"),
        help=hint,
    )


def dtype_refused(place: Place, expected: str, index: int = 0) -> Diagnostic:
    return Diagnostic(
        "E0308",
        f"`{place.layer}` takes {expected}",
        Label(place.span, f"found {place.inputs[index].type}"),
        _input_label(place, index),
    )


def shared_layer_differs(
    place: Place, name: str, weight: str, first: object, now: object
) -> Diagnostic:
    return Diagnostic(
        "E0309",
        f"the shared layer `{name}` cannot take this input",
        Label(place.span, f"its `{weight}` is {first} since its first use, this needs {now}"),
        _input_label(place, 0),
    )


def arguments_conflict(place: Place, argument: str, reason: str) -> Diagnostic:
    return Diagnostic(
        "E0310",
        f"the arguments of `{place.layer}` do not go together",
        Label(place.argument(argument), reason),
    )


# --------------------------------------------------------- E04: structure of a model


def no_input(where: Span, model: str) -> Diagnostic:
    return Diagnostic(
        "E0401",
        f"the model `{model}` has no input",
        Label(where),
        help="declare one first: `input image: float32[28, 28]`",
    )


def no_output(where: Span, model: str) -> Diagnostic:
    return Diagnostic(
        "E0402",
        f"the model `{model}` has no output",
        Label(where, "no line of it makes a tensor"),
        help="add a layer line",
    )


def unused_layer(where: Span, what: str, outputs: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0403",
        f"{what} is made and reaches no output",
        Label(where, "not part of the model"),
        notes=[f"the model's output is {_listed(outputs)}"] if outputs else [],
        help="add it to the `output` line, use it, or take it out",
    )


def unused_input(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0404",
        f"the input `{name}` reaches no output",
        Label(where),
        help="use it or take it out",
    )


def ambiguous_continuation(where: Span, above: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0405",
        "it is not clear what this line continues from",
        Label(where, f"above stand {_listed(above)}"),
        help=f"say which: `{above[0]} -> {where.text.split('(')[0]}`",
    )


def output_twice(where: Span, first: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0406",
        f"`{name}` is an output twice",
        Label(where),
        [Label(first, "already an output here")],
    )


# ------------------------------------------------------------------ E05: expectations


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
        Label(where, f"{abs(difference):,} too {'few' if difference > 0 else 'many'}"),
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
        notes=[f"its layers: {_listed(known)}"],
        help=_did_you_mean(name, known),
    )


def which_output(where: Span, names: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0504",
        f"the model has {_counted(len(names), 'output')}",
        Label(where, "which one is meant?"),
        help=f"say which: `expect output {names[0]} = ...`",
    )


def no_such_output(where: Span, name: str, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0505",
        f"no output of this model is called `{name}`",
        Label(where),
        help=_did_you_mean(name, known) or f"its outputs are {_listed(known)}",
    )
