"""Each layer of a file by itself, fed with what the layers before it should have given.

A mistake shows where it is made, and nowhere behind. The reference runs in float64 and rounds to
the file's dtypes wherever the file is cut, so that both sides of a piece get the very same numbers.
What is no longer needed is let go: the memory is that of a few layers, however deep the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from specc.backends.frameworks import array_of
from specc.backends.keras_model import BuiltModel
from specc.backends.opened import open_model
from specc.backends.silence import Output, captured
from specc.graph import GraphLayer, Node, Tensor
from specc.verification.differences import largest_difference, numbered, with_numbers
from specc.verification.inputs import Case
from specc.verification.pieces import Array, Piece, Pieces
from specc.verification.tf32 import Tf32Noise, may_use_tf32
from specc.verification.tolerance import gates, rounding_steps, tolerance
from specc.verification.walk import Threefold, Walk


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


class _Walk(Walk):
    def __init__(
        self,
        single: BuiltModel,
        wide: BuiltModel,
        pieces: Pieces,
        case: Case,
        provider: str,
        seed: int,
    ) -> None:
        super().__init__(single, wide, case, seed)
        self.pieces = pieces
        self.waiting = pieces.pieces()
        self.provider = provider
        for tensor, piece in self.waiting.items():
            self.left.update({tensor: 1})
            self.left.update({known.tensor for known in piece.inputs.values()})
        self.unseen: set[Node] = set()

    def run(self) -> Iterator[Checked]:
        late: list[Tensor] = []
        for node in self.graph.nodes:
            self.compute(node)
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
                self.read(tensor)

    def _check(self, tensor: Tensor, piece: Piece) -> Checked:
        assert tensor.node is not None
        fed: dict[str, Array] = {}
        for name, known in piece.inputs.items():
            array = array_of(self.values[known.tensor].single)
            fed[name] = self.pieces.cast(name, np.ascontiguousarray(known.in_file(array)))
        value = self.values[tensor]
        nodes = tuple(self._together(tensor.node))
        found, tf32 = self._run(piece, fed)
        checked = self._compared(tensor, piece, nodes, found, value, tf32)
        self.join(tensor)
        for name in piece.inputs:
            self.read(piece.inputs[name].tensor)
        self.read(tensor)
        return checked

    def _run(self, piece: Piece, fed: dict[str, Array]) -> tuple[Array | None, float]:
        """What a piece gives, and how far TF32's factors move that where it may have them."""
        model = self.pieces.model(piece, fed)
        try:
            with captured(Output()):
                session = open_model(model, self.provider)
                found = piece.known.in_spec(session.run(fed)[piece.value])
                if not may_use_tf32(session.provider):
                    return found, 0.0
                return found, Tf32Noise(model).of(fed)[piece.value]
        except Exception:  # whatever onnxruntime does not like, it is this piece's fault
            return None, 0.0

    def _compared(
        self,
        tensor: Tensor,
        piece: Piece,
        nodes: tuple[Node, ...],
        found: Array | None,
        value: Threefold,
        tf32: float,
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
        sensitivity = largest_difference(truth, beside)
        steps, sigmoids = rounding_steps(nodes), gates(nodes)
        allowed = tolerance(steps, scale, sensitivity, noise, sigmoids, tf32)
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
