"""E034, E035 and E0362: operands that an operation of a tensor expression does not take.

Operations raise these through `Refused`, which gives the place as the first argument. The
operation's name is the place's `layer`, its tensors are the place's `inputs`.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted
from specc.diagnostics.place import Place
from specc.types import BATCH, Dimension


def _operand_label(place: Place, index: int) -> list[Label]:
    if index >= len(place.inputs):
        return []
    operand = place.inputs[index]
    return [Label(operand.span, f"{operand.type}")]


def _operand_text(place: Place, index: int) -> str:
    return f"`{place.inputs[index].text}`" if index < len(place.inputs) else "the operand"


def _size(size: Dimension) -> str:
    return "the batch" if size == BATCH else str(size)


def batch_axis_used(place: Place, argument: str | None, index: int = 0) -> Diagnostic:
    """`argument` names the axis, where an argument does."""
    span = place.span if argument is None else place.argument(argument)
    return Diagnostic(
        "E0340",
        f"`{place.layer}` would mix the samples of a batch",
        Label(span, f"axis 0 of {_operand_text(place, index)} is the batch axis"),
        _operand_label(place, index),
        help="count the batch axis as axis 0: axis=1 is the first one of the type, -1 the last",
    )


def batch_axis_moved(place: Place, axis: int) -> Diagnostic:
    """`axis` is where the batch axis would be in the result."""
    return Diagnostic(
        "E0341",
        f"the batch axis must stay first in the result of `{place.layer}`",
        Label(place.span, f"it would become axis {axis}"),
        [label for index in range(len(place.inputs)) for label in _operand_label(place, index)],
    )


def batch_axis_meets_size(place: Place, axis: int, size: Dimension) -> Diagnostic:
    """`axis` is that of the result, `size` what another operand has there."""
    return Diagnostic(
        "E0342",
        f"the operands of `{place.layer}` do not fit together",
        Label(place.span, f"axis {axis} is the batch axis of one and has size {size} in another"),
        [label for index in range(len(place.inputs)) for label in _operand_label(place, index)],
        help="shapes are aligned at their ends; `x[:, None]` adds an axis after the batch axis",
    )


def contraction_differs(
    place: Place, axes: Sequence[int], sizes: Sequence[Dimension]
) -> Diagnostic:
    """`axes` and `sizes` are those of the first and the second operand."""
    parts = [
        f"axis {axis} of {_operand_text(place, index)} has {_size(size)}"
        for index, (axis, size) in enumerate(zip(axes, sizes, strict=True))
    ]
    return Diagnostic(
        "E0343",
        f"`{place.layer}` sums over axes that must be of one size",
        Label(place.span, ", ".join(parts)),
        [label for index in range(len(axes)) for label in _operand_label(place, index)],
    )


def index_out_of_range(place: Place, argument: str, axis: int, index: int, size: int) -> Diagnostic:
    return Diagnostic(
        "E0344",
        f"there is no index {index} along axis {axis}",
        Label(place.argument(argument), f"the axis has size {size}"),
        _operand_label(place, 0),
        help=f"indices go from {-size} to {size - 1}" if size else None,
    )


def too_many_subscripts(place: Place, argument: str, count: int, rank: int) -> Diagnostic:
    """`rank` counts the batch axis."""
    return Diagnostic(
        "E0345",
        "there are more subscripts than axes",
        Label(place.argument(argument), f"{counted(count, 'subscript')} for {rank}"),
        _operand_label(place, 0),
        help="the batch axis is the first of them",
    )


def batch_axis_subscript(place: Place, argument: str) -> Diagnostic:
    return Diagnostic(
        "E0346",
        "a subscript must leave the batch axis as it is",
        Label(place.argument(argument), "the first subscript is that of the batch axis"),
        _operand_label(place, 0),
        help="write `x[:, ...]`",
    )


def no_such_axis(place: Place, argument: str, axis: int, rank: int, index: int = 0) -> Diagnostic:
    """`rank` counts the batch axis."""
    operand = place.inputs[index] if index < len(place.inputs) else None
    label = f"there are {counted(rank, 'axis').replace('axiss', 'axes')}"
    if operand is not None and operand.type.batched:
        label += ", axis 0 being the batch"
    return Diagnostic(
        "E0347",
        f"`{place.layer}` cannot use axis {axis}",
        Label(place.argument(argument), label),
        _operand_label(place, index),
    )


def axis_twice(place: Place, argument: str) -> Diagnostic:
    return Diagnostic(
        "E0348",
        f"`{argument}` of `{place.layer}` names an axis twice",
        Label(place.argument(argument), "each axis may stand here once"),
        _operand_label(place, 0),
    )


def does_not_divide(
    place: Place, argument: str | None, axis: int, size: int, parts: int
) -> Diagnostic:
    """`size` is that along `axis`, which counts the batch axis as 0."""
    span = place.span if argument is None else place.argument(argument)
    return Diagnostic(
        "E0349",
        f"`{place.layer}` needs a size that can be divided by {parts}",
        Label(span, f"axis {axis} has size {size}"),
        _operand_label(place, 0),
    )


def too_few_axes(place: Place, least: int, index: int = 0) -> Diagnostic:
    """`least` counts the batch axis."""
    return Diagnostic(
        "E0350",
        f"`{place.layer}` takes a tensor of {least} axes or more, the batch axis counted",
        Label(place.span, f"{_operand_text(place, index)} has too few"),
        _operand_label(place, index),
    )


def no_tensor(place: Place) -> Diagnostic:
    return Diagnostic(
        "E0351",
        f"`{place.layer}` needs a tensor among its operands",
        Label(place.span, "there are only numbers here"),
        help="numbers are computed with by the operators: `2 * 3`",
    )


def number_out_of_range(place: Place, number: float, dtype: str) -> Diagnostic:
    return Diagnostic(
        "E0352",
        f"the number {number} is no {dtype}",
        Label(place.span, f"`{place.layer}` computes with {dtype} here"),
        _operand_label(place, 0),
        help='cast the tensor first: `ops.cast(x, "float32")`' if place.inputs else None,
    )


def wrong_count(place: Place, argument: str, found: int, needed: int) -> Diagnostic:
    return Diagnostic(
        "E0353",
        f"`{argument}` of `{place.layer}` has the wrong length",
        Label(place.argument(argument), f"found {found}, {needed} needed"),
        _operand_label(place, 0),
    )


def subscripts_refused(place: Place, argument: str, text: str, part: str) -> Diagnostic:
    """`part` is the part of the text that is at fault."""
    return Diagnostic(
        "E0354",
        f"`{text}` is no notation that `{place.layer}` takes for these operands",
        Label(place.argument(argument), f"`{part}` does not fit" if part else "it is incomplete"),
        [label for index in range(len(place.inputs)) for label in _operand_label(place, index)],
        help='a letter for each axis, the batch axis too: `ops.einsum("bij,jk->bik", x, w)`',
    )


def shape_not_reached(
    place: Place, argument: str, axis: int, size: Dimension, target: Dimension
) -> Diagnostic:
    """`axis` is that of the target."""
    return Diagnostic(
        "E0355",
        f"`{place.layer}` cannot give the tensor this shape",
        Label(place.argument(argument), f"axis {axis} is {_size(size)}, not {_size(target)}"),
        _operand_label(place, 0),
        help="only sizes of 1 can be stretched or dropped",
    )


def argument_needed(place: Place, argument: str) -> Diagnostic:
    return Diagnostic(
        "E0356",
        f"`{place.layer}` needs `{argument}` here",
        Label(place.span, "without it the shape of the result is not known"),
        _operand_label(place, 0),
    )


def wrong_rank_beside(place: Place, rank: int, index: int) -> Diagnostic:
    """`rank`, with the batch axis, is that of the first tensor; the one at `index` differs."""
    return Diagnostic(
        "E0357",
        f"`{place.layer}` takes tensors of the same number of axes",
        Label(place.span, f"{_operand_text(place, index)} has not {rank}, with the batch axis"),
        [label for each in range(len(place.inputs)) for label in _operand_label(place, each)],
    )


def too_many_results(place: Place, argument: str, count: int, most: int) -> Diagnostic:
    return Diagnostic(
        "E0363",
        f"`{place.layer}` would give {count:,} tensors",
        Label(place.argument(argument), f"at most {most:,}"),
        _operand_label(place, 0),
    )


def no_diagonal(place: Place, argument: str, offset: int, sizes: Sequence[Dimension]) -> Diagnostic:
    return Diagnostic(
        "E0358",
        f"there is no diagonal {offset}",
        Label(place.argument(argument), f"the matrices are {' by '.join(map(_size, sizes))}"),
        _operand_label(place, 0),
    )


def not_together(place: Place, argument: str, other: str) -> Diagnostic:
    """`argument` may not be given with this `other`."""
    return Diagnostic(
        "E0359",
        f"`{argument}` of `{place.layer}` does not go with this `{other}`",
        Label(place.argument(argument), f"leave it out, or change `{other}`"),
        _operand_label(place, 0),
    )


def no_tensor_of_constants(place: Place, argument: str, why: str) -> Diagnostic:
    return Diagnostic(
        "E0362",
        f"`{place.layer}` cannot make a tensor of these constants",
        Label(place.argument(argument), why),
    )
