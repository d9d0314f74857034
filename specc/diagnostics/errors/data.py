"""E07: data that cannot be had, or that do not fit the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, did_you_mean, listed, short
from specc.source import Span


def which_data(where: Span, model: str, blocks: Sequence[str]) -> Diagnostic:
    name = blocks[0] if blocks else "digits"
    return Diagnostic(
        "E0701",
        f"it is not said which data `{model}` is trained on",
        Label(where),
        notes=[f"the file has {counted(len(blocks), 'data block')}: {listed(blocks)}"]
        if blocks
        else ["the file has no `data` block"],
        help=f"write `data = {name}` into `train {model}`"
        if blocks
        else "write one: `data digits { source = digits() }`",
    )


def no_source(where: Span, data: str) -> Diagnostic:
    return Diagnostic(
        "E0702",
        f"the data `{data}` have no source",
        Label(where),
        help='say where they come from: `source = npz("digits.npz")`',
    )


def unreadable(
    where: Span, file: str, what: str, help: str | None = None, notes: Sequence[str] = ()
) -> Diagnostic:
    """`what` is what is wrong with it, with the place in the file."""
    message = f"cannot read `{file}`: {what}"
    return Diagnostic("E0703", message, Label(where), notes=list(notes), help=help)


def no_such_name(where: Span, kind: str, name: str, file: str, known: Iterable[str]) -> Diagnostic:
    """`kind` is what has the name: an array, a column, a feature."""
    every = list(known)
    return Diagnostic(
        "E0704",
        f"`{file}` has no {kind} `{name}`",
        Label(where),
        notes=[f"it has {listed(every) or 'none'}"],
        help=did_you_mean(name, every),
    )


def bad_value(
    where: Span, file: str, line: int, column: str, text: str, expected: str
) -> Diagnostic:
    """`line` counts from 1, the header too; of a file without lines it is the row."""
    value = f"`{short(text)}` is {expected}" if text.strip() else "a value is missing"
    return Diagnostic(
        "E0705",
        f"`{file}`, line {line}, column `{column}`: {value}",
        Label(where),
        help="put a number there, leave the line out, or leave the column out by `features`",
    )


def wrong_number_of_columns(
    where: Span, what: str, given: int, expected: int, names: Sequence[str], help: str
) -> Diagnostic:
    """`what` the model has several of: its inputs or its outputs."""
    singular = what.removesuffix("s")
    return Diagnostic(
        "E0706",
        f"the data are for {counted(given, singular)}, and the model has "
        f"{counted(expected, singular)}",
        Label(where),
        notes=[f"the {what}: {listed(names)}"],
        help=help,
    )


def wrong_sample(where: Span, name: str, found: str, expected: str, made: Span) -> Diagnostic:
    """A sample is not of the shape of an input."""
    return Diagnostic(
        "E0707",
        f"a sample for `{name}` is {found}, and the model takes {expected}",
        Label(where, found),
        [Label(made, expected)],
    )


def wrong_dtype(
    where: Span, name: str, found: str, expected: str, made: Span, help: str | None = None
) -> Diagnostic:
    return Diagnostic(
        "E0708",
        f"the data for `{name}` are {found}, and the model takes {expected}",
        Label(where, found),
        [Label(made, expected)],
        help=help,
    )


def value_lost(where: Span, name: str, dtype: str, value: object, sample: str) -> Diagnostic:
    """`sample` is which one, such as "test sample 12"; they count from 0, as in numpy."""
    return Diagnostic(
        "E0709",
        f"`{name}` is {dtype}, which has no {value}",
        Label(where, sample),
        help=f'`cast = "{dtype}"` converts all the same, and cuts off what does not fit',
    )


def not_finite(where: Span, name: str, value: object, sample: str, number: int) -> Diagnostic:
    return Diagnostic(
        "E0710",
        f"{sample} for `{name}` holds {value}",
        Label(where),
        notes=[f"so do {number - 1:,} more samples"] if number > 1 else [],
        help="training on it makes every weight NaN; take such samples out of the data",
    )


def label_out_of_range(
    where: Span, label: int, sample: str, classes: int, output: Span, units: str
) -> Diagnostic:
    return Diagnostic(
        "E0711",
        f"{sample} has the label {label}, and there are {classes} classes, 0 to {classes - 1}",
        Label(where),
        [Label(output, units)],
        help="labels count from 0"
        if label == classes
        else "give the last layer as many units as there are classes",
    )


def target_of_another_form(
    where: Span, found: str, loss: str, expected: str, loss_span: Span, help: str | None
) -> Diagnostic:
    """Labels and vectors of classes are mixed up, or there is no number for each output unit."""
    return Diagnostic(
        "E0712",
        f"a target is {found}, and {loss} expects {expected}",
        Label(where, found),
        [Label(loss_span, expected)],
        help=help,
    )


def target_out_of_range(
    where: Span, loss: str, value: object, sample: str, expected: str, loss_span: Span
) -> Diagnostic:
    return Diagnostic(
        "E0713",
        f"{sample} has the target {value}, and {loss} expects {expected}",
        Label(where),
        [Label(loss_span, expected)],
    )


def classes_differ(
    where: Span, said: str, found: str, output: Span | None = None, type_: str = ""
) -> Diagnostic:
    return Diagnostic(
        "E0714",
        f"the data have {said}, and {found}",
        Label(where),
        [Label(output, type_)] if output is not None else [],
        help="the last layer has a unit for each class" if output is not None else None,
    )


def unknown_class(where: Span, name: str, sample: str, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0715",
        f"{sample} is of the class `{short(name)}`, which is none of them",
        Label(where),
        notes=[f"the classes are {listed(known)}"],
        help=did_you_mean(name, known),
    )


def lengths_differ(where: Span, file: str, counts: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0716",
        f"`{file}` has not one number of samples: {', '.join(counts)}",
        Label(where),
    )


def part_too_large(where: Span, part: str, size: int, samples: int) -> Diagnostic:
    return Diagnostic(
        "E0717",
        f"{size:,} samples for {part}, of {samples:,}",
        Label(where, "none would be left" if size == samples else ""),
        help="give a smaller number, or a part such as 0.1",
    )


def part_empty(where: Span, part: str, size: float, samples: int) -> Diagnostic:
    return Diagnostic(
        "E0718",
        f"{size:g} of {counted(samples, 'sample')} is no sample for {part}",
        Label(where),
    )


def cannot_stratify(where: Span, why: str) -> Diagnostic:
    return Diagnostic(
        "E0719",
        f"these data cannot be parted by classes: {why}",
        Label(where),
        help="`random(...)` takes any samples",
    )


def wrong_number_of_scales(where: Span, given: int, name: str, found: str) -> Diagnostic:
    return Diagnostic(
        "E0720",
        f"{counted(given, 'number')} to scale by, and a sample for `{name}` is {found}",
        Label(where),
        help="give one number, or one for each item of the last axis",
    )


def needs_entry(where: Span, entry: str, what: str, example: str) -> Diagnostic:
    """A source that needs another entry of the block to be read."""
    return Diagnostic(
        "E0721",
        f"{what}, and `{entry}` does not say it",
        Label(where),
        help=f"write `{entry} = {example}`",
    )


def entry_without_use(where: Span, entry: str, why: str) -> Diagnostic:
    return Diagnostic(
        "E0722", f"`{entry}` has no use here: {why}", Label(where), help="leave it out"
    )
