"""The reference layer by layer: what each gives, from what the ones before it should have given."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from specc.backends.frameworks import array_of, full_float32, import_keras
from specc.backends.keras_model import BuiltModel, call_node
from specc.graph import Node, Tensor
from specc.verification.inputs import Case, moved


class Threefold(NamedTuple):
    """A tensor in three runs from the same numbers."""

    wide: Any
    """In float64."""
    single: Any
    """In float32, as Keras computes."""
    moved: Any
    """In float64, each number of the beginning off by one rounding."""

    @property
    def mask(self) -> Any:
        """Keras's mask beside it; None where there is none."""
        return getattr(self.single, "_keras_mask", None)


class Walk:
    """Keras's layers called one after another.

    What is no longer needed is let go: the memory is that of a few layers, however deep the model.
    """

    def __init__(self, single: BuiltModel, wide: BuiltModel, case: Case, seed: int) -> None:
        """Ready to compute the first node.

        Args:
            single: a Keras model of the spec, with the weights.
            wide: the same in float64.
        """
        self.graph = single.graph
        self.layers = single.callables(), wide.callables()
        self.random = np.random.default_rng(seed)
        self.values: dict[Tensor, Threefold] = {}
        self.left = Counter(t for node in self.graph.nodes for t in set(node.taken))
        """How many have yet to read a tensor."""
        for tensor in self.graph.inputs:
            array = case.inputs[tensor.name]
            self.values[tensor] = Threefold(*[array] * 3)
            self.join(tensor)

    def compute(self, node: Node) -> None:
        """Call a layer in the three runs, and keep what is yet to be read."""
        single, wide = self.layers
        runs: list[list[Any]] = []
        for layers, side in ((wide, 0), (single, 1), (wide, 2)):
            values = {t: self.values[t][side] for t in node.taken}
            with full_float32():
                runs.append(call_node(node, values, layers, inference=True))
        for tensor, *sides in zip(node.outputs, *runs, strict=True):
            if self.left[tensor]:
                self.values[tensor] = Threefold(*sides)

    def read(self, tensor: Tensor) -> None:
        """One reader less; what has none left is let go."""
        self.left[tensor] -= 1
        if not self.left[tensor]:
            del self.values[tensor]

    def join(self, tensor: Tensor) -> None:
        """The three runs together again: all go on from the reference, rounded."""
        value = self.values[tensor]
        if not tensor.type.is_float:
            return
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
        if value.mask is not None:
            for x in made:
                x._keras_mask = value.mask
        self.values[tensor] = Threefold(*made)
