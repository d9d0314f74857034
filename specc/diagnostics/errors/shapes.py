"""E03: inputs that a layer does not take.

Layers raise these through `Refused`, which gives the place as the first argument.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, shape
from specc.diagnostics.errors.words import shape as written
from specc.diagnostics.place import Place
from specc.types import Dimension, TensorType


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


def _last_step_alone(place: Place, index: int) -> bool:
    """Whether an input comes from a recurrent layer that gives one step of a sequence."""
    maker = place.inputs[index].span.text
    recurrent = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")
    return maker.startswith(recurrent) and "return_sequences" not in maker


def wrong_rank(place: Place, expected: str, rank: int, index: int = 0) -> Diagnostic:
    """`expected` names the axes without the batch axis, `rank` is their number."""
    found = place.inputs[index].type
    hint = None
    if found.rank > rank and place.layer == "Dense":
        hint = "put a Flatten before it"
    elif expected == "(steps, features)" and _last_step_alone(place, index):
        hint = "the layer above gives its last step alone; `return_sequences=True` gives all"
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
    if argument == "cropping":
        return Diagnostic(
            "E0304",
            f"`{place.layer}` would leave nothing of its input",
            Label(
                place.argument(argument), f"needs {window} along axis {axis}, the input has {size}"
            ),
            _input_label(place, 0),
            help="crop less",
        )
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
    takes = counted(minimum, "input")
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
    # An operation may refuse a number, which is none of its tensors.
    found = place.inputs[index].type if index < len(place.inputs) else "a number of another kind"
    return Diagnostic(
        "E0308",
        f"`{place.layer}` takes {expected}",
        Label(place.span, f"found {found}"),
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
            f"its `{weight}` is {shape(first)} since its first use, this input needs {shape(now)}",
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


def rank_refused(
    place: Place, argument: str, name: str, shape: Sequence[Dimension], by_size: bool = False
) -> Diagnostic:
    """An initializer or regularizer that does not take tensors of this rank, or, with `by_size`,
    of this shape.
    """
    given = "a vector" if len(shape) == 1 else f"a tensor of rank {len(shape)}"
    if by_size:
        given = f"a tensor of shape {written(tuple(shape))}"
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


def call_argument_refused(
    place: Place, argument: str, found: Sequence[TensorType], expected: Sequence[TensorType]
) -> Diagnostic:
    def listed(types: Sequence[TensorType]) -> str:
        return ", ".join(str(type_) for type_ in types)

    return Diagnostic(
        "E0313",
        f"`{argument}` of `{place.layer}` does not fit",
        Label(place.span, f"`{argument}` is {listed(found)}, {listed(expected)} is needed"),
        _input_label(place, 0),
    )


def object_dtype_refused(place: Place, argument: str, name: str, dtype: str) -> Diagnostic:
    """An initializer, regularizer or activation that does not work in the dtype of a layer."""
    of_weights = dtype in ("float16", "bfloat16") and not argument.endswith("activation")
    mixed = f', or use `dtype="mixed_{dtype}"`' if of_weights else ""
    return Diagnostic(
        "E0320",
        f"`{name}` cannot be the `{argument}` of `{place.layer}`",
        Label(place.argument(argument), f"it cannot work on {dtype}"),
        help=f"choose another `{argument}`{mixed}",
    )


def call_argument_missing(place: Place, argument: str) -> Diagnostic:
    given = place.inputs[0].text if place.inputs else "x"
    return Diagnostic(
        "E0330",
        f"`{place.layer}` needs `{argument}` in its call",
        Label(place.span, f"there is no `{argument}`"),
        _input_label(place, 0),
        help=f"name a tensor in a second pair of parentheses: `({argument}={given})`",
    )


def call_size_unknown(place: Place, argument: str, found: TensorType) -> Diagnostic:
    return Diagnostic(
        "E0331",
        f"`{place.layer}` has weights that depend on an unknown size of `{argument}`",
        Label(place.span, f"the last axis of `{argument}` is unknown: {found}"),
        help="give the axis a size where the input is declared",
    )


def input_differs(
    place: Place, axis: int, size: Dimension, expected: Dimension, index: int
) -> Diagnostic:
    """`axis` counts the batch axis as 0."""
    return Diagnostic(
        "E0332",
        f"an input of `{place.layer}` does not fit the others",
        Label(place.span, f"axis {axis} has {size}, {expected} is needed"),
        _input_label(place, index),
    )


def nested_input_differs(place: Place, index: int, name: str, expected: TensorType) -> Diagnostic:
    found = place.inputs[index].type if index < len(place.inputs) else None
    return Diagnostic(
        "E0360",
        f"the input `{name}` of `{place.layer}` is {expected}",
        Label(place.span, f"given {found}"),
        _input_label(place, index),
    )


def shared_weights_differ(place: Place, name: str) -> Diagnostic:
    return Diagnostic(
        "E0361",
        f"`{name}` would need other weights here than in its first use",
        Label(place.span),
        help="a layer used twice has one set of weights; make a second layer",
    )


def vocabulary_missing(place: Place, argument: str) -> Diagnostic:
    return Diagnostic(
        "E0333",
        f"`{place.layer}` needs its `{argument}`",
        Label(place.span, f"there is no `{argument}`"),
        help="Keras could learn it from data with `adapt`; a spec has to give it",
    )


def only_within(place: Place, outer: str) -> Diagnostic:
    """A layer that Keras can only use inside another one."""
    written = place.span.text if "(" in place.span.text else f"{place.layer}()"
    return Diagnostic(
        "E0334",
        f"`{place.layer}` cannot be a layer of a model by itself",
        Label(place.span, "Keras takes its output for its input"),
        help=f"put it into another layer: `{outer}([{written}])`",
    )
