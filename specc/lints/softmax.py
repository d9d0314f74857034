"""L0005: a softmax or sigmoid that leaves nothing of what it is given."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.lints.base import WARNING, Lint, Report
from specc.lints.facts import AFFINE, kind_of, maker_of, own_activation
from specc.lints.subject import Subject

SQUASHING = ("sigmoid", "softmax")


def _check(subject: Subject, report: Report) -> None:
    for flow, node in subject.nodes:
        activation = own_activation(node)
        if activation not in SQUASHING:
            continue
        if activation == "softmax" and _size(node) == 1:
            report(
                node.layer.span,
                "a softmax over one number is always 1",
                f"gives {node.outputs[0].type}",
                help="a single probability is what `sigmoid` gives",
            )
            continue
        if kind_of(node) in AFFINE or len(node.taken) != 1:
            continue  # there is a map before its activation
        maker = maker_of(flow, node.taken[0])
        first = own_activation(maker)
        if maker is not None and first in SQUASHING:
            report(
                node.layer.span,
                f"`{activation}` of what is the result of `{first}` already",
                "all its outputs come out nearly alike",
                also=[Label(maker.layer.span, f"`{first}` is here already")],
                help="leave one of the two out",
            )


def _size(node: Node) -> Any:
    """How many numbers an activation is over; None where that is not known."""
    type_ = node.outputs[0].type
    axis = getattr(node.layer.layer, "axis", -1)
    if not type_.batched or not isinstance(axis, int):
        return None
    axis %= type_.rank + 1
    return type_.shape[axis - 1] if axis else None


LINTS = [
    Lint(
        "L0005",
        WARNING,
        "Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2",
        _check,
    )
]
