"""L0018: a layer that changes nothing."""

from __future__ import annotations

from specc.graph import Node
from specc.lints.base import HINT, Lint, Report
from specc.lints.facts import DROPOUTS, activation_name, kind_of
from specc.lints.subject import Subject


def _check(subject: Subject, report: Report) -> None:
    for uses in subject.places:
        reasons = [_reason(node) for use in uses for node in use.layer.nodes]
        if reasons and all(reasons):
            layer = uses[0].layer
            report(
                layer.span,
                f"this {layer.kind} changes nothing",
                reasons[0],
                help="leave it out",
            )


def _reason(node: Node) -> str:
    """Why a node gives what it takes; nothing where it does not."""
    layer, kind = node.layer.layer, kind_of(node)
    if len(node.inputs) != 1:
        return ""
    given = node.inputs[0].type
    if kind == "Flatten" and given.rank == 1:
        return f"its input has one axis already: {given}"
    if kind == "Reshape" and None not in given.shape and given == node.outputs[0].type:
        return f"its input has this shape already: {given}"
    if kind in DROPOUTS and not getattr(layer, "rate", 1):
        return "its rate is 0"
    if kind == "Activation" and activation_name(getattr(layer, "activation", "")) == "linear":
        return "`linear` is no activation"
    return ""


LINTS = [Lint("L0018", HINT, "Keras documentation 2025, Layers API", _check)]
