"""L0016: a mask that is made and then lost."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.lints.base import HINT, Lint, Report
from specc.lints.subject import Flow, Subject


def _check(subject: Subject, report: Report) -> None:
    for flow, node in subject.nodes:
        maker = _layer(node)
        if maker is None or not maker.makes_mask:
            continue
        for loser in _losers(flow, node):
            report(
                loser.layer.span,
                f"{loser.layer.kind} knows no mask: the padding counts as data from here on",
                "the mask ends here",
                also=[Label(node.layer.span, "the mask is made here")],
                help="average with `GlobalAveragePooling1D` or go through a recurrent layer, "
                "which both use the mask, or make none",
            )


def _layer(node: Node) -> Layer | None:
    """The layer of a node, of which the catalogue says what it does with masks."""
    layer = node.layer.layer
    return layer if isinstance(layer, Layer) and find_layer(layer.kind) is type(layer) else None


def _losers(flow: Flow, maker: Node) -> list[Node]:
    """The layers that a mask reaches and does not pass."""
    found: list[Node] = []
    seen: set[Node] = set()
    pending = [maker]
    while pending:
        for tensor in pending.pop().outputs:
            for node in flow.takers.get(tensor, []):
                layer = _layer(node)
                if layer is None or node in seen or tensor not in node.inputs:
                    continue
                seen.add(node)
                if not layer.supports_masking:
                    found.append(node)
                elif layer.hands_mask_on:
                    pending.append(node)
    return found


LINTS = [Lint("L0016", HINT, "Keras documentation 2023, Understanding masking and padding", _check)]
