"""L0001: a bias that the normalization behind it takes away."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.lints.base import WARNING, Lint, Report
from specc.lints.facts import AFFINE, channel_axis, is_pass, kind_of, own_activation, setting
from specc.lints.subject import Flow, Subject, Use


def _check(subject: Subject, report: Report) -> None:
    for uses in subject.places:
        found = [_normalization_after(use) for use in uses]
        first = found[0]
        if first is None or None in found:
            continue
        layer = uses[0].layer
        sizes = {v.size for use in uses for v in use.layer.variables if v.name == "bias"}
        numbers = f"its {sizes.pop():,} numbers are" if len(sizes) == 1 else "it is"
        report(
            layer.span,
            f"the bias of this {layer.kind} has no effect",
            f"{numbers} added here ...",
            also=[Label(first.layer.span, "... and subtracted here with the mean")],
            help="give it `use_bias=False`; the normalization adds a `beta` of its own",
            edits=setting(subject, layer.span, layer.layer, "use_bias", "False"),  # pyright: ignore[reportArgumentType]
            safe=not _are_counted(subject, uses),
        )


def _normalization_after(use: Use) -> Node | None:
    """The normalization that takes the bias of a layer away; None where one use keeps it."""
    layer = use.layer
    if layer.kind not in AFFINE or not getattr(layer.layer, "use_bias", False):
        return None
    # A layer that is not trained has weights from elsewhere, and they have a bias.
    if not getattr(layer.layer, "trainable", True):
        return None
    found = [_follows(use.flow, node) for node in layer.nodes]
    return found[0] if found and None not in found else None


def _follows(flow: Flow, node: Node) -> Node | None:
    if own_activation(node) != "linear":
        return None
    following = flow.after(node)
    while following is not None and kind_of(following) != "Flatten" and is_pass(following):
        if kind_of(following) == "Reshape":
            return None  # its channels may lie on another axis
        following = flow.after(following)
    if following is None or kind_of(following) != "BatchNormalization":
        return None
    normalization = following.layer.layer
    # Without training the mean is a fixed number, and the bias does count.
    if not getattr(normalization, "trainable", True) or following.call.get("training") is False:
        return None
    axis: int = getattr(normalization, "axis", -1)
    return following if axis % (node.outputs[0].type.rank + 1) == channel_axis(node) else None


def _are_counted(subject: Subject, uses: list[Use]) -> bool:
    """Whether an expectation may count the parameters of these layers."""
    for graph in subject.graphs:
        inside = subject.flows_of(graph)
        counted = [use for use in uses if use.flow in inside]
        for expected in graph.expectations:
            part = expected.layer
            if not counted or expected.measure not in ("params", "trainable"):
                continue
            if part is None or any(use.flow.graph is not graph for use in counted):
                return True
            if any(f"{use.layer.name}.".startswith(f"{part}.") for use in counted):
                return True
    return False


LINTS = [
    Lint(
        "L0001",
        WARNING,
        "Ioffe and Szegedy 2015, Batch Normalization, section 3.2",
        _check,
        ("safe", "unsafe"),
    )
]
