"""L0007: linear layers in a row, which are no more than one."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.layers.base import Layer
from specc.lints.base import HINT, WARNING, Lint, Report
from specc.lints.facts import CONVOLUTIONS, DROPOUTS, is_pass, kind_of, own_activation
from specc.lints.subject import Flow, Subject


def _check(subject: Subject, report: Report) -> None:
    for flow, node in subject.nodes:
        kind = kind_of(node)
        if kind not in ("Dense", *CONVOLUTIONS) or own_activation(node) != "linear":
            continue
        following, between = _next_linear(flow, node)
        if following is None or (kind == "Dense") > (kind_of(following) == "Dense"):
            continue
        before, width, after = _width_before(node), _width(node), _width(following)
        bottleneck = before is not None and before > width < after
        through = f"; {' and '.join(between)} between them make no activation"
        notes = ["a factorised layer, narrower in its middle, may be meant"] if bottleneck else []
        report(
            following.layer.span,
            f"two linear layers in a row: {kind}, then {kind_of(following)}",
            "so that both can do no more than one",
            also=[Label(node.layer.span, "there is no activation behind this one")],
            notes=notes,
            help="give the first an activation, or leave it out" + through * bool(between),
            severity=HINT if bottleneck else WARNING,
        )


def _next_linear(flow: Flow, node: Node) -> tuple[Node | None, list[str]]:
    """The layer behind a layer with no activation between, and the kinds of what is between."""
    between: list[str] = []
    following = flow.after(node)
    while following is not None:
        kind = kind_of(following)
        if kind in ("Dense", *CONVOLUTIONS):
            return following, between
        if kind == "BatchNormalization" or kind in DROPOUTS:
            between.append(kind)
        elif not is_pass(following):
            return None, between
        following = flow.after(following)
    return None, between


def _width(node: Node) -> int:
    layer = node.layer.layer
    return getattr(layer, "units", 0) or getattr(layer, "filters", 0)


def _width_before(node: Node) -> int | None:
    """The width of a layer's input, where it is known."""
    layer, given = node.layer.layer, node.inputs[0].type
    assert isinstance(layer, Layer)
    first = getattr(layer, "data_format", None) == "channels_first"
    size = given.shape[0 if first else -1]
    return size if isinstance(size, int) else None


LINTS = [
    Lint(
        "L0007",
        WARNING,
        "Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.1",
        _check,
    )
]
