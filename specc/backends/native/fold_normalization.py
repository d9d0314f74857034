"""Which normalizations are folded into the layer before or after them.

At inference a BatchNormalization is `x * scale + offset` along an axis; so are Normalization and
Rescaling. A linear layer beside it can do that with other weights: `(x * s + o) @ K + b` is
`x @ (s K) + (o @ K + b)`, and `(x @ K + b) * s + o` is `x @ (K s) + (b s + o)`.

A fold changes no output but by rounding. So

- nothing but layers that pass their input on stand in between, no activation above all;
- nobody else sees the value that is no longer there, be it another layer or an output;
- the other layer's weights are its own: it has one use;
- both compute in the dtype that the weights have;
- the scale runs along the axis that the layer contracts, or the one that it makes. Each layer
  says which that is (`folds_before`, `folds_after`), or that it cannot: no offset comes through
  the zeros that a convolution puts around its input, as these are not moved by it.
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
    axis: int
    """The axis of the scale, the batch axis being 0."""

    def __str__(self) -> str:
        layer = self.normalization.layer
        return f"{layer.name} {layer.params.total:,} -> folded into {self.into.layer.name}"


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
        while following is node or passes_on(following):
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
            if not passes_on(tensor.node):
                return tensor.node
            tensor = tensor.node.inputs[0]
        return None

    folds: list[Fold] = []
    for node in graph.nodes:
        if not _is_affine(node):
            continue
        maker, taker = only_maker(node), only_taker(node)
        after = None if maker is None else _fold(node, maker, before=False)
        before = None if taker is None else _fold(node, taker, before=True)
        if fold := after or before:
            folds.append(fold)
    return folds


def passes_on(node: Node) -> bool:
    """Whether what a node gives is what it takes."""
    return isinstance(node.layer.layer, Layer) and node.layer.layer.passes_on


def _is_affine(node: Node) -> bool:
    layer = node.layer.layer
    return isinstance(layer, Layer) and bool(layer.affine_axes(node.inputs[0].type))


def _fold(normalization: Node, into: Node, *, before: bool) -> Fold | None:
    """The fold of a normalization into a layer; None where it is none that is exact."""
    layer, other = into.layer.layer, normalization.layer.layer
    if not isinstance(layer, Layer) or not isinstance(other, Layer) or len(into.layer.nodes) > 1:
        return None
    if not layer.compute_dtype == other.compute_dtype == layer.variable_dtype:
        return None
    type_ = normalization.inputs[0].type
    axis = layer.folds_before(type_, other.has_offset) if before else layer.folds_after(type_)
    if axis is None or axis not in other.affine_axes(type_):
        return None
    return Fold(normalization, into, before, axis)
