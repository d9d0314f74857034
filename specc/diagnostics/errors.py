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
from specc.types import Dimension


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


def _short(text: str, limit: int = 40) -> str:
    """Text cut to what fits into a sentence."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _shape(shape: object) -> str:
    """A tuple as a spec writes shapes."""
    text = str(shape)
    return f"[{text[1:-1].rstrip(',')}]" if isinstance(shape, tuple) else text


def _character(character: str) -> str:
    """A character as a message shows it: itself, or its number where it cannot be seen."""
    visible = character.isprintable() and not character.isspace()
    return f"`{character}`" if visible else f"U+{ord(character):04X}"


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
        Label(where, "this character cannot be read"),
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
    character = where.text
    hint = None
    if character == ";":
        hint = "a line ends without `;`"
    elif character in "\u2018\u2019\u201c\u201d\u00ab\u00bb":
        hint = "strings stand in straight quotes: \"relu\" or 'relu'"
    elif character.isspace():
        hint = "put an ordinary space in its place"
    elif character.isalpha():
        hint = "names are made of the letters a to z and A to Z, digits and `_`"
    return Diagnostic(
        "E0104",
        f"unexpected character {_character(character)}",
        Label(where, "no part of a spec starts with this"),
        help=hint,
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
        Label(opener, f"no `{closer}` before {place}"),
        help=f"add `{closer}`",
    )


def unclosed_string(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0107",
        "the string does not end on its line",
        Label(where, f"opened here, no closing {where.text}"),
        help=f"close it with {where.text} on the same line",
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
        help=_did_you_mean(bare, every) or f"the layers are {_listed(every, 200)}",
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
        # Keras knows many by two names, `he_normal` and `HeNormal`; one will do here.
        shown = [choice for choice in choices if choice[0].islower()]
        suggestion = f"{expected.removesuffix(', or None')} is one of {_listed(shown, 60)}"
    return Diagnostic(
        "E0204",
        f"`{argument}` of `{layer}` takes {expected}",
        Label(where, f"found {_short(repr(found))}"),
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
        Label(where, f"`{layer}` has {_counted(len(known), 'argument')}"),
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
    by_itself = name not in where.text
    again = "this layer gets the name by itself, as in Keras" if by_itself else "given again here"
    return Diagnostic(
        "E0208",
        f"the name `{name}` is given twice",
        Label(where, again),
        [Label(first, "first given here")],
        help="choose another name for one of them",
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
        help=f"call it `my_{where.text.lower()}` or something more telling",
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
        Label(where, "applied to nothing"),
        help=f"apply it, `x -> {_short(where.text)}`, or declare it, "
        f"`layer name = {_short(where.text)}`",
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
    text = where.text
    hint = "constants are numbers, strings, True, False, None, and tuples of them"
    if text.isidentifier():
        hint = f'if a string is meant, it stands in quotes: `"{text}"`'
    elif text.endswith(")"):
        hint = 'Keras\'s objects are given by their names: `kernel_initializer="he_normal"`'
    return Diagnostic(
        "E0216", "a constant is needed here", Label(where, "not a constant"), help=hint
    )


def not_computable(where: Span, reason: str) -> Diagnostic:
    if reason.endswith("is needed here"):
        return Diagnostic("E0217", reason, Label(where, f"found `{_short(where.text)}`"))
    return Diagnostic("E0217", "this cannot be computed", Label(where, reason))


def unknown_measure(where: Span, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0218",
        f"`{where.text}` cannot be expected of a model",
        Label(where),
        help=_did_you_mean(where.text, known) or f"what can be expected: {_listed(known)}",
    )


def not_one_tensor(where: Span, count: int) -> Diagnostic:
    names = ", ".join("abcdefgh"[:count])
    return Diagnostic(
        "E0219",
        f"one tensor is needed here, and this is {_counted(count, 'tensor')}",
        Label(where),
        help=f"name them, `{names} = ...`, and say which one is meant" if count else None,
    )


def bad_layer_name(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0220",
        f"{_short(repr(name))} cannot name a layer",
        Label(where),
        help="a name starts with a letter and goes on with letters, digits, `_`, `.` and `-`",
    )


def not_a_tensor(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0221", "a tensor is needed here", Label(where, "a constant is not a tensor")
    )


def input_in_parentheses(where: Span, layer: str) -> Diagnostic:
    text = where.text
    hint = f"the arguments of a call are given by name: `{layer}(...)(training=True)`"
    if text.startswith("[") or (text.isidentifier() and text not in ("True", "False", "None")):
        hint = f"write `{_short(text)} -> {layer}(...)`"
    return Diagnostic(
        "E0222",
        f"`{layer}` takes its input from the left of `->`, not in parentheses",
        Label(where),
        help=hint,
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
        help=_way_to_agree(place, axis, sizes),
    )


def _way_to_agree(place: Place, axis: int, sizes: Sequence[Dimension]) -> str:
    """How the inputs of `inputs_differ` may be made to agree, as far as their makers tell."""
    known = [size for size in sizes if isinstance(size, int)]
    smallest, largest = min(known, default=0), max(known, default=0)
    if len(known) == len(sizes) and smallest > 0:
        operand = place.inputs[sizes.index(largest)]
        shaped_by = (operand.shaped_by or operand.span).text
        maker = shaped_by.split("(")[0]
        last = axis == operand.type.rank
        if last and maker == "Dense":
            return f"give the `Dense` of `{operand.text}` {smallest} units"
        if last and maker.startswith("Conv"):
            return f"give the `{maker}` of `{operand.text}` {smallest} filters"
        shrinks = maker.startswith("Conv") and not maker.endswith("Transpose")
        if not last and shrinks and "strides" not in shaped_by and largest % smallest == 0:
            return f"give the `{maker}` of `{operand.text}` strides={largest // smallest}"
    return f"their sizes along axis {axis} must be the same"


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
    if axis in (0, -rank):
        label = f"axis {axis} is the batch axis"
    elif rank == 2:
        label = "the input has axis 0, the batch, and axis 1"
    else:
        label = f"the input has axis 0, the batch, and axes 1 to {rank - 1}"
    return Diagnostic(
        "E0303",
        f"`{place.layer}` cannot use axis {axis}",
        Label(place.argument(argument), label),
        _input_label(place, 0),
        help="axis -1, the last one, is the one most often meant",
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


def cannot_reshape(place: Place, argument: str, size: int | str, target: str) -> Diagnostic:
    return Diagnostic(
        "E0306",
        f"`{place.layer}` cannot keep every element",
        Label(place.argument(argument), f"the input has {size} elements, {target}"),
        _input_label(place, 0),
    )


def wrong_number_of_inputs(place: Place, minimum: int, maximum: int | None) -> Diagnostic:
    count = len(place.inputs)
    takes = _counted(minimum, "input")
    if maximum is None:
        takes += " or more"
    elif maximum > minimum:
        takes = f"{minimum} to {maximum} inputs"
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
        Label(
            place.span,
            f"its `{weight}` is {_shape(first)} since its first use, "
            f"this input needs {_shape(now)}",
        ),
        _input_label(place, 0),
        help=f"give this input a `{place.layer}` of its own, or bring both inputs to one shape",
    )


def arguments_conflict(place: Place, argument: str, reason: str) -> Diagnostic:
    return Diagnostic(
        "E0310",
        f"the arguments of `{place.layer}` do not go together",
        Label(place.argument(argument), reason),
    )


def rank_refused(place: Place, argument: str, name: str, shape: Sequence[Dimension]) -> Diagnostic:
    """An initializer or regularizer that does not take tensors of this rank."""
    given = "a vector" if len(shape) == 1 else f"a tensor of rank {len(shape)}"
    return Diagnostic(
        "E0311",
        f"`{name}` cannot be the `{argument}` of `{place.layer}`",
        Label(place.argument(argument), f"it cannot work on {given}"),
        help=f"choose another `{argument}`",
    )


def size_needed(place: Place, argument: str, axis: int) -> Diagnostic:
    """`axis` counts the batch axis as 0."""
    what = "the batch size" if axis == 0 else f"the size of axis {axis}"
    return Diagnostic(
        "E0312",
        f"`{argument}` of `{place.layer}` needs to know {what}",
        Label(place.argument(argument), f"{what} is not known here"),
        _input_label(place, 0),
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
        notes=[f"the model gives {_listed(outputs)}"] if outputs else [],
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
    layer = _short(where.text)
    label = f"above stand {_listed(above)}"
    hint = (
        f"say which, `{above[0]} -> {layer}`, or join them, "
        f"`[{', '.join(above[:3])}] -> Concatenate -> {layer}`"
    )
    if len(set(above)) < len(above):  # a layer of several outputs, which have no names
        label = f"the line above gives {_counted(len(above), 'tensor')}"
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
        notes=[f"its layers: {_listed(known)}"],
        help=_did_you_mean(name, known) or "`specc summary` prints the layers with their names",
    )


def which_output(where: Span, names: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0504",
        f"the model has {_counted(len(names), 'output')}: {_listed(names)}",
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


# ------------------------------------------------- E06: the built or exported model


def keras_differs(where: Span, layer: str, what: str, said: str, found: str) -> Diagnostic:
    return Diagnostic(
        "E0601",
        f"Keras makes another {what} of `{layer}` than the checker said",
        Label(where, f"checked: {said}"),
        notes=[f"Keras: {found}"],
        help="this is a defect of specc; please report it with this spec",
    )


def parameter_differs(
    where: Span,
    name: str,
    file: str,
    index: Sequence[int],
    found: float,
    expected: float,
    count: int,
    size: int,
) -> Diagnostic:
    place = f"[{', '.join(str(i) for i in index)}]"
    return Diagnostic(
        "E0602",
        f"`{name}` in {file} is not what Keras has",
        Label(where, f"{place} is {found:.7g} in the file and {expected:.7g} in Keras"),
        notes=[f"{count:,} of {size:,} numbers differ"],
        help="export again, or give the weights it was exported from: `--weights FILE.keras`",
    )


def parameter_missing(where: Span, name: str, file: str) -> Diagnostic:
    return Diagnostic(
        "E0603",
        f"`{name}` is not in {file}",
        Label(where, "no initializer holds it"),
        help="verify a file that `specc export --onnx` wrote for this spec",
    )


def parameter_reshaped(where: Span, name: str, file: str, found: str, expected: str) -> Diagnostic:
    return Diagnostic(
        "E0604",
        f"`{name}` in {file} has another type",
        Label(where, f"found {found}, expected {expected}"),
        help="export again: the spec has changed since",
    )


def layer_differs(
    where: Span, layer: str, file: str, error: float, case: str, before: str | None, effect: str
) -> Diagnostic:
    return Diagnostic(
        "E0605",
        f"{file} parts from Keras in `{layer}`",
        Label(where, f"its output is off by {error:.2g}"),
        notes=[
            f"with {case}: {effect}",
            f"the last layer that agrees is `{before}`" if before else "no layer before it",
        ],
    )


def outputs_differ(
    where: Span,
    output: str,
    file: str,
    error: float,
    allowed: float,
    case: str,
) -> Diagnostic:
    return Diagnostic(
        "E0606",
        f"the output `{output}` of {file} is not Keras's",
        Label(where, f"off by {error:.2g}, allowed {allowed:.2g}"),
        notes=[f"with {case}", "every layer whose output can be seen agrees"],
    )


def interface_differs(
    where: Span, what: str, file: str, expected: Sequence[str], found: Sequence[str]
) -> Diagnostic:
    return Diagnostic(
        "E0607",
        f"{file} has other {what} than the model",
        Label(where, f"the spec has {_listed(expected)}"),
        notes=[f"the file has {_listed(found) or 'none'}"],
        help="verify a file that `specc export --onnx` wrote for this spec",
    )


def sum_does_not_close(where: Span, model: str) -> Diagnostic:
    return Diagnostic(
        "E0608",
        f"the parameters of `{model}` in the ONNX file do not add up to Keras's",
        Label(where),
        help="this is a defect of specc; please report it with this spec",
    )


def keras_refuses(where: Span, layer: str, said: str) -> Diagnostic:
    return Diagnostic(
        "E0609",
        f"Keras does not take `{layer}` as the spec has it",
        Label(where),
        notes=[f"Keras says: {said}"],
        help="the checker should have seen this; please report it with this spec",
    )
