"""E02, continued: files, parameters, values at compile time, blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import counted, did_you_mean, listed, short
from specc.source import Span


def import_refused(where: Span, reason: str, help: str | None) -> Diagnostic:
    return Diagnostic("E0224", "this cannot be imported", Label(where, reason), help=help)


def import_cycle(where: Span, names: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0225",
        "the files import each other in a circle",
        Label(where, " imports ".join(names)),
        help="put what both need into a file of its own",
    )


def definition_twice(where: Span, first: Span, name: str, kind: str) -> Diagnostic:
    """`kind` is "block", "model" or "parameter", or the word that a section starts with."""
    message = f"two blocks or models are called `{name}`"
    help = "choose another name for one of them"
    if kind == "parameter":
        message = f"two parameters are called `{name}`"
    elif kind == "data":
        message = f"two `data` blocks are called `{name}`"
    elif kind in ("train", "export"):
        message = f"two `{kind}` blocks are about `{name}`"
        help = "put the entries of both into one"
    return Diagnostic(
        "E0209", message, Label(where, "the second one"), [Label(first, "the first one")], help=help
    )


def wrong_parameter(where: Span, name: str, expected: str, found: object) -> Diagnostic:
    return Diagnostic(
        "E0226",
        f"the parameter `{name}` takes {expected}",
        Label(where, f"found {short(repr(found))}"),
    )


def unknown_parameter_type(where: Span, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0227",
        f"`{where.text}` is no type of a parameter",
        Label(where),
        help=did_you_mean(where.text, known) or f"the types are {listed(known)}",
    )


def param_without_value(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0228",
        f"the parameter `{name}` has no value",
        Label(where),
        help=f"give it a default, `param {name}: int = 10`, or set it: `-p {name}=10`",
    )


def misplaced(where: Span, statement: str, place: str, help: str | None = None) -> Diagnostic:
    if statement == "expect" and help is None:
        help = "the model expects it of the block's use: `expect layer NAME params = 10`"
    return Diagnostic(
        "E0229", f"`{statement}` lines cannot stand in {place}", Label(where), help=help
    )


def expanded_too_deep(where: Span, name: str, depth: int, kind: str = "block") -> Diagnostic:
    if kind == "model":
        hint = "a model cannot hold itself"
    else:
        hint = "a block that uses itself needs an `if` that ends it"
    return Diagnostic(
        "E0230",
        f"blocks and models use each other more than {depth} deep",
        Label(where, f"`{name}` once more"),
        help=hint,
    )


def too_much_work(where: Span, limit: int, what: str) -> Diagnostic:
    return Diagnostic(
        "E0231",
        f"the program is too large: more than {limit:,} {what}",
        Label(where, "reached here"),
        help="look at the loop or the block around it",
    )


def not_iterable(where: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0232",
        "a loop goes over a list",
        Label(where, f"this is {what}"),
        help="the parts of a tensor are named by subscripts: `x[:, i]`"
        if what.startswith("the tensor")
        else "a number of times is written `for i in range(4)`",
    )


def wrong_number_to_bind(where: Span, targets: int, values: int) -> Diagnostic:
    return Diagnostic(
        "E0233",
        f"{counted(targets, 'name')} for {counted(values, 'value')}",
        Label(where),
    )


def not_to_be_unpacked(where: Span, what: str) -> Diagnostic:
    return Diagnostic("E0234", "this is one value and not several", Label(where, f"it is {what}"))


def no_such_item(where: Span, index: int, length: int) -> Diagnostic:
    return Diagnostic(
        "E0235",
        f"there is no item {index}",
        Label(where, f"there {'is' if length == 1 else 'are'} {counted(length, 'item')}"),
        help=f"items are counted from 0; the last one is {length - 1}, or -1" if length else None,
    )


def no_attribute(where: Span, name: str, what: str, known: Sequence[str]) -> Diagnostic:
    has = f"it has {listed(known)}" if known else None
    return Diagnostic(
        "E0236",
        f"{what} has no `{name}`",
        Label(where),
        help=has if len(known) <= 3 else did_you_mean(name, known) or has,
    )


def no_truth_value(where: Span, what: str) -> Diagnostic:
    tensor = what.startswith("the tensor") or "tensors" in what
    return Diagnostic(
        "E0237",
        "a condition is decided while compiling",
        Label(
            where,
            "the values of a tensor are not known then"
            if tensor
            else f"{what} is neither true nor false",
        ),
        help="between tensors choose with `ops.where(condition, a, b)`" if tensor else None,
    )


def wrong_inputs_of_block(
    where: Span, name: str, declared: Sequence[str], given: int, missing: Sequence[str]
) -> Diagnostic:
    label = f"no tensor for {listed(missing)}" if missing else f"{counted(given, 'tensor')} given"
    has = f"{counted(len(declared), 'input')}: {listed(declared)}" if declared else "no inputs"
    help = "each of its inputs has an `input` line" if not declared else None
    if missing:
        letters = ", ".join("abcdefgh"[: len(declared)])
        given_by_name = f"{missing[0]}={'b' if missing[0] == 'y' else 'y'}"
        help = (
            f"give them in a list, `[{letters}] -> {name}`, or by name in a second pair of "
            f"parentheses, `x -> {name}()({given_by_name})`"
        )
    return Diagnostic("E0238", f"`{name}` has {has}", Label(where, label), help=help)


def input_type_differs(where: Span, name: str, expected: str, found: str) -> Diagnostic:
    return Diagnostic(
        "E0239",
        f"the input `{name}` is declared as {expected}",
        Label(where, f"given {found}"),
    )


def shared_block_differs(where: Span, first: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0240",
        f"`{name}` is not the same layer in every use of its block",
        Label(where, "this time"),
        [Label(first, "the first time")],
        help="uses of one `layer` share their layers, so each use must make the same ones",
    )


def not_a_weight(where: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0241",
        "a weight has a type, or is that of another layer",
        Label(where, "this has neither" if what == "without both" else f"this is {what}"),
        help='`weight bias: float32[n] = "zeros"`, or `weight kernel = dense.kernel`',
    )


def layer_not_used_yet(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0242",
        f"the layer `{name}` has no weights yet",
        Label(where, "they are made by its first use"),
        help="use the layer before this line",
    )


def size_not_known(where: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0243",
        f"{what} is not known while compiling",
        Label(where),
        help="give the input a size instead of None or a name",
    )


def no_batch_axis(where: Span, layer: str, found: object) -> Diagnostic:
    return Diagnostic(
        "E0244",
        f"`{layer}` takes tensors with a batch axis",
        Label(where, f"this is {found} without one"),
        help="weights are computed with by operators and `ops`",
    )


def unknown_section(where: Span, kind: str, name: str, models: Iterable[str]) -> Diagnostic:
    return Diagnostic(
        "E0245",
        f"`{kind} {name}` is about a model that is not in this file",
        Label(where),
        help=did_you_mean(name, models) or f"the models are {listed(models)}",
    )


def unknown_entry(where: Span, kind: str, known: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        "E0246",
        f"`{where.text}` is no entry of a `{kind}` block",
        Label(where),
        help=did_you_mean(where.text, known) or f"its entries are {listed(known, 40)}",
    )


def result_has_no_batch(where: Span, found: object) -> Diagnostic:
    return Diagnostic(
        "E0247",
        "what a layer gives starts with the batch axis",
        Label(where, f"this is {found} without one"),
        help="an output depends on an input; a weight alone is none",
    )


def too_many_axes(where: Span, most: int) -> Diagnostic:
    return Diagnostic(
        "E0252", f"a tensor has at most {most} axes", Label(where, "this one would have more")
    )


def batch_sizes_differ(where: Span, first: Span) -> Diagnostic:
    return Diagnostic(
        "E0248",
        "the inputs of a model have one batch size",
        Label(where, "another one"),
        [Label(first, "the first one")],
        help="give it once, with the first input",
    )


def block_gives_nothing(where: Span, name: str) -> Diagnostic:
    return Diagnostic(
        "E0249",
        f"the block `{name}` gives no tensor",
        Label(where),
        help="its last line's tensor is what it gives, or what stands on an `output` line",
    )


def weight_outside(where: Span, path: str) -> Diagnostic:
    name = path.rsplit("/", 1)[-1]
    return Diagnostic(
        "E0251",
        f"the weight `{path}` belongs to its layer",
        Label(where, "it cannot be computed with here"),
        help=f"a block with the line `weight {name} = layer.{name}` can; `layer` is a parameter "
        "of the block",
    )
