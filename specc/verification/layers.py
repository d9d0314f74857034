"""Each layer of a file by itself, fed with what the layers before it should have given.

A mistake shows where it is made, and nowhere behind. The reference runs in float64 and rounds to
the file's dtypes wherever the file is cut, so that both sides of a piece get the very same numbers.
What is no longer needed is let go: the memory is that of a few layers, however deep the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from specc.backends.frameworks import array_of, import_keras
from specc.backends.keras_model import BuiltModel, call_node
from specc.backends.opened import open_model
from specc.backends.silence import Output, captured
from specc.graph import GraphLayer, Node, Tensor
from specc.verification.differences import largest_difference, numbered, with_numbers
from specc.verification.inputs import Case, moved
from specc.verification.pieces import Array, Piece, Pieces
from specc.verification.tolerance import gates, rounding_steps, tolerance


class Checked(NamedTuple):
    """What a piece of a file gives, beside the reference."""

    layer: GraphLayer
    """The layer whose output it is."""
    computed_by: str | None
    """The layer that the file says its last node is of."""
    nodes: tuple[Node, ...]
    """What of the spec it computes, in order; more than one where layers are folded together."""
    error: float
    """The largest difference to the reference; NaN where onnxruntime does not run it."""
    allowed: float
    keras_error: float
    """The same for Keras in float32."""
    scale: float
    """The largest absolute value of the reference."""

    @property
    def ok(self) -> bool:
        return self.error <= self.allowed


class _Value(NamedTuple):
    """A tensor in three runs from the same numbers."""

    wide: Any
    """In float64."""
    single: Any
    """In float32, as Keras computes."""
    moved: Any
    """In float64, each number of the beginning off by one rounding."""


def check_layers(
    single: BuiltModel,
    wide: BuiltModel,
    pieces: Pieces,
    case: Case,
    provider: str,
    seed: int = 0,
) -> Iterator[Checked]:
    """Every piece of a file in the order of the graph, as soon as its inputs are there.

    Args:
        single: a Keras model of the spec, with the weights.
        wide: the same in float64.
    """
    return _Walk(single, wide, pieces, case, provider, seed).run()


class _Walk:
    def __init__(
        self,
        single: BuiltModel,
        wide: BuiltModel,
        pieces: Pieces,
        case: Case,
        provider: str,
        seed: int,
    ) -> None:
        self.graph = single.graph
        self.layers = single.callables(), wide.callables()
        self.pieces = pieces
        self.waiting = pieces.pieces()
        self.provider = provider
        self.random = np.random.default_rng(seed)
        self.values: dict[Tensor, _Value] = {}
        self.left = Counter(t for node in self.graph.nodes for t in set(node.taken))
        """How many have yet to read a tensor."""
        for tensor, piece in self.waiting.items():
            self.left.update({tensor: 1})
            self.left.update({known.tensor for known in piece.inputs.values()})
        self.unseen: set[Node] = set()
        for tensor in self.graph.inputs:
            array = case.inputs[tensor.name]
            self.values[tensor] = _Value(*[array] * 3)
            self.values[tensor] = self._from_the_same_numbers(tensor, self.values[tensor])

    def run(self) -> Iterator[Checked]:
        late: list[Tensor] = []
        for node in self.graph.nodes:
            self._compute(node)
            ends = [t for t in node.outputs if t in self.waiting]
            if not ends and self.pieces.passed_on.isdisjoint(node.outputs):
                self.unseen.add(node)
            for tensor in [*late, *ends]:
                piece = self.waiting[tensor]
                if any(known.tensor not in self.values for known in piece.inputs.values()):
                    # A file may read what the spec computes later.
                    late += [tensor] if tensor in ends else []
                    continue
                late = [t for t in late if t is not tensor]
                yield self._check(tensor, piece)
            for tensor in set(node.taken):
                self._read(tensor)

    def _compute(self, node: Node) -> None:
        single, wide = self.layers
        runs: list[list[Any]] = []
        for layers, side in ((wide, 0), (single, 1), (wide, 2)):
            values = {t: self.values[t][side] for t in node.taken}
            runs.append(call_node(node, values, layers, inference=True))
        for tensor, *sides in zip(node.outputs, *runs, strict=True):
            if self.left[tensor]:
                self.values[tensor] = _Value(*sides)

    def _read(self, tensor: Tensor) -> None:
        self.left[tensor] -= 1
        if not self.left[tensor]:
            del self.values[tensor]

    def _check(self, tensor: Tensor, piece: Piece) -> Checked:
        assert tensor.node is not None
        fed: dict[str, Array] = {}
        for name, known in piece.inputs.items():
            array = array_of(self.values[known.tensor].single)
            fed[name] = self.pieces.cast(name, np.ascontiguousarray(known.in_file(array)))
        value = self.values[tensor]
        nodes = tuple(self._together(tensor.node))
        found = self._run(piece, fed)
        checked = self._compared(tensor, piece, nodes, found, value)
        self.values[tensor] = self._from_the_same_numbers(tensor, value)
        for name in piece.inputs:
            self._read(piece.inputs[name].tensor)
        self._read(tensor)
        return checked

    def _run(self, piece: Piece, fed: dict[str, Array]) -> Array | None:
        model = self.pieces.model(piece, fed)
        try:
            with captured(Output()):
                session = open_model(model, self.provider)
                return piece.known.in_spec(session.run(fed)[piece.value])
        except Exception:  # whatever onnxruntime does not like, it is this piece's fault
            return None

    def _compared(
        self,
        tensor: Tensor,
        piece: Piece,
        nodes: tuple[Node, ...],
        found: Array | None,
        value: _Value,
    ) -> Checked:
        assert tensor.node is not None
        about = (tensor.node.layer, piece.layer, nodes)
        every = [array_of(x) for x in value]
        if found is None:
            return Checked(*about, float("nan"), 0.0, 0.0, 0.0)
        have, *arrays = numbered(found, *every)
        samples = with_numbers(*arrays)
        truth, single, beside = (array[samples] for array in arrays)
        if len(have) == len(samples):
            have = have[samples]
        noise = largest_difference(truth, single)
        scale = float(np.max(np.abs(truth), initial=0.0))
        allowed = tolerance(
            rounding_steps(nodes), scale, largest_difference(truth, beside), noise, gates(nodes)
        )
        return Checked(*about, largest_difference(truth, have), allowed, noise, scale)

    def _together(self, node: Node) -> list[Node]:
        """What has no value of its own on the way to a node, and the node itself at the end."""
        found = {node: None}
        waiting = [node]
        while waiting:
            makers = [t.node for t in waiting.pop().taken]
            more = [m for m in makers if m is not None and m in self.unseen and m not in found]
            found.update(dict.fromkeys(more))
            waiting += more
        return [n for n in self.graph.nodes if n in found] if len(found) > 1 else [node]

    def _from_the_same_numbers(self, tensor: Tensor, value: _Value) -> _Value:
        """The three runs together again: all go on from the reference, rounded."""
        if not tensor.type.is_float:
            return value
        array = array_of(value.wide).astype(array_of(value.single).dtype)
        wide = array.astype(np.float64)
        keras = import_keras()
        made = [
            keras.ops.convert_to_tensor(x, dtype=dtype)
            for x, dtype in (
                (wide, "float64"),
                (array, tensor.type.dtype),
                (moved(wide, self.random), "float64"),
            )
        ]
        mask = getattr(value.single, "_keras_mask", None)
        if mask is not None:
            for x in made:
                x._keras_mask = mask
        return _Value(*made)
