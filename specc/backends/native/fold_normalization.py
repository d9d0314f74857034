"""Which normalizations are folded into the layer before or after them.

At inference a BatchNormalization is `x * scale + offset` along the last axis. A linear layer
beside it can do that with other weights: `(x * s + o) @ K + b` is `x @ (s K) + (o @ K + b)`, and
`(x @ K + b) * s + o` is `x @ (K s) + (b s + o)`. Never across an activation: nothing but layers
that pass their input on may stand in between.
"""

from __future__ import annotations

from specc.graph import Graph, Node, Tensor
from specc.layers.base import Layer
from specc.records import record


@record
class Fold:
    """A normalization that becomes part of another layer."""

    normalization: Node
    into: Node
    before: bool
    """Whether the normalization stands before the layer, and not after it."""


def plan_folds(graph: Graph) -> list[Fold]:
    """The normalizations to fold, each with its layer."""
    takers: dict[Tensor, list[Node]] = {}
    for node in graph.nodes:
        for tensor in node.taken:
            takers.setdefault(tensor, []).append(node)
    kept = set(graph.outputs)

    def only_taker(node: Node) -> Node | None:
        """What alone takes the output of a node, behind layers that pass it on."""
        following = node
        while following is node or _passes_on(following):
            (output,) = following.outputs
            users = takers.get(output, [])
            if output in kept or len(users) != 1:
                return None
            following = users[0]
        return following

    def only_maker(node: Node) -> Node | None:
        """What makes the input of a node and of nothing else, behind layers that pass it on."""
        tensor = node.inputs[0]
        while tensor.node is not None:
            if tensor in kept or len(takers[tensor]) != 1 or len(tensor.node.outputs) != 1:
                return None
            if not _passes_on(tensor.node):
                return tensor.node
            tensor = tensor.node.inputs[0]
        return None

    folds: list[Fold] = []
    for node in graph.nodes:
        if not _is_affine(node):
            continue
        maker, taker = only_maker(node), only_taker(node)
        if maker is not None and _may_change(maker, node, "fold_after"):
            folds.append(Fold(node, maker, before=False))
        elif taker is not None and _may_change(taker, node, "fold_before"):
            folds.append(Fold(node, taker, before=True))
    return folds


def _passes_on(node: Node) -> bool:
    return isinstance(node.layer.layer, Layer) and node.layer.layer.passes_on


def _is_affine(node: Node) -> bool:
    layer = node.layer.layer
    if not isinstance(layer, Layer) or type(layer).affine is Layer.affine or len(node.inputs) != 1:
        return False
    return getattr(layer, "axis", -1) in (-1, node.inputs[0].type.rank)


def _may_change(node: Node, normalization: Node, method: str) -> bool:
    """Whether a layer has weights of its own that can take up those of the normalization."""
    layer, other = node.layer.layer, normalization.layer.layer
    return (
        isinstance(layer, Layer)
        and isinstance(other, Layer)
        and getattr(type(layer), method) is not getattr(Layer, method)
        and len(node.layer.nodes) == 1
        and layer.compute_dtype == other.compute_dtype == layer.variable_dtype
        and (method == "fold_before" or getattr(layer, "activation", None) in (None, "linear"))
    )
