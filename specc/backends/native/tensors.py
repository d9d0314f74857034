"""Which values of an ONNX graph are which tensors of the spec's graph.

A value that is a tensor, or a transposition of one, carries its name through the passes, and the
node that makes it says so in the file. So a layer's output is found there again, whatever was
folded, joined or moved; a tensor that is not computed any more has no value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import onnx
import onnx_ir as ir

from specc.backends.native.fold_normalization import Fold, passes_on
from specc.graph import Graph, Tensor

TENSORS_KEY = "specc.tensors"
"""In a node's metadata: a list of `[output, tensor, perm]` with the number of the node's output,
the tensor's name (`tensor_names`), and null or the `perm` with which a Transpose of the output is
the tensor.
"""

Perm = tuple[int, ...]
_META = "specc.tensors"


class Place(NamedTuple):
    """Where a tensor stands in a file."""

    value: str
    perm: Perm | None
    """The tensor is `Transpose(value, perm)`; None where it is the value itself."""


def tensor_names(graph: Graph) -> dict[Tensor, str]:
    """What each tensor that a layer makes is called: `dense`, `lstm:1` for a second output, and
    `dense@1` for what the second use of a layer gives.
    """
    return {
        tensor: layer.name + (f"@{use}" if use else "") + (f":{number}" if number else "")
        for layer in graph.layers
        for use, node in enumerate(layer.nodes)
        for number, tensor in enumerate(node.outputs)
    }


def not_computed(graph: Graph, folds: list[Fold]) -> set[Tensor]:
    """The tensors that folds leave out: between a layer and the normalization behind it, or from
    a normalization to the layer behind it. The value that stands there is another tensor.
    """
    takers = {tensor: node for node in graph.nodes for tensor in node.taken}
    gone: set[Tensor] = set()
    for fold in folds:
        node, last = fold.into, fold.normalization
        if fold.before:
            node, last = last, node
        while node is not last:
            gone.update(node.outputs)
            node = takers[node.outputs[0]]
            assert node is last or passes_on(node)
    return gone


def mark(model: ir.Model, tensors: Mapping[str, list[str]]) -> None:
    """Give the values of a graph the tensors that they are, by name."""
    for node in model.graph:
        for value in node.outputs:
            if found := tensors.get(value.name or ""):
                value.meta[_META] = [(name, None) for name in found]


def moved(old: ir.Value, new: ir.Value, perm: Perm | None = None) -> None:
    """Note that one value stands for another from now on.

    Args:
        perm: the old one is `Transpose(new, perm)`.
    """
    tensors: list[tuple[str, Perm | None]] = old.meta.pop(_META, [])
    for name, own in tensors:
        if perm is not None:
            own = tuple([perm[axis] for axis in own]) if own else perm
            own = None if own == tuple(range(len(own))) else own
        new.meta.setdefault(_META, []).append((name, own))


def forget(value: ir.Value) -> None:
    """Note that a value is no tensor of the spec any more."""
    value.meta.pop(_META, None)


def write_down(model: ir.Model) -> None:
    """Say in the metadata of each node which tensors it gives."""
    for node in model.graph:
        entries = [
            [number, name, perm]
            for number, value in enumerate(node.outputs)
            for name, perm in value.meta.get(_META, [])
        ]
        if entries:
            node.metadata_props[TENSORS_KEY] = json.dumps(entries, separators=(",", ":"))


def read(model: onnx.ModelProto) -> dict[str, Place]:
    """Where each tensor stands in a file; nothing for what says nothing that can be read."""
    places: dict[str, Place] = {}
    for node in model.graph.node:
        text = next((p.value for p in node.metadata_props if p.key == TENSORS_KEY), "[]")
        try:
            entries: Any = json.loads(text)
            for number, name, perm in entries:
                if perm and sorted(perm) != list(range(len(perm))):
                    continue
                places[str(name)] = Place(node.output[number], tuple(perm) if perm else None)
        except (ValueError, TypeError, IndexError):
            continue
    return places
