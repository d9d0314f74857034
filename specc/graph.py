"""The typed graph of a model: what every stage after the checker works on.

Tensors, nodes and layers point at each other and at the source. A layer used twice is one
`GraphLayer` with two nodes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from specc.layers.base import Layer
from specc.records import fresh, record
from specc.source import Span
from specc.types import TensorType, size_of


class Params(NamedTuple):
    """Numbers of parameters."""

    total: int
    trainable: int
    non_trainable: int


class Variable(NamedTuple):
    """A variable of a layer, under Keras's name."""

    layer: str
    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool

    @property
    def path(self) -> str:
        """Unique in the model: `dense_1/kernel`."""
        return f"{self.layer}/{self.name}"

    @property
    def size(self) -> int:
        return size_of(self.shape) or 0


def count(variables: list[Variable]) -> Params:
    """The parameters of some variables."""
    total = sum(v.size for v in variables)
    trainable = sum(v.size for v in variables if v.trainable)
    return Params(total, trainable, total - trainable)


@record
class Tensor:
    """A value that flows through the model."""

    name: str
    type: TensorType
    span: Span
    """Where it is made."""
    node: Node | None = None
    """What makes it; None for an input."""


@record
class GraphLayer:
    """A layer with its weights; `nodes` are its uses."""

    name: str
    layer: Layer
    variables: list[Variable]
    span: Span
    nodes: list[Node] = fresh(default_factory=list["Node"])

    @property
    def kind(self) -> str:
        """The Keras class: `Dense`."""
        return type(self.layer).__name__

    @property
    def params(self) -> Params:
        return count(self.variables)

    @property
    def outputs(self) -> list[Tensor]:
        """What its first use gives."""
        return self.nodes[0].outputs

    @property
    def line(self) -> int:
        return self.span.line


@record
class Node:
    """One use of a layer."""

    layer: GraphLayer
    inputs: list[Tensor]
    call: dict[str, Any]
    """Call arguments: a constant, a `Tensor` or a list of tensors by name."""
    outputs: list[Tensor]
    span: Span


@record
class Graph:
    """A checked model. Nodes stand in an order in which each follows what it uses."""

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    output_names: list[str]
    nodes: list[Node]
    layers: list[GraphLayer]
    """In the order of their first use."""
    expectations: list[Any]
    span: Span

    @property
    def variables(self) -> list[Variable]:
        return [variable for layer in self.layers for variable in layer.variables]

    @property
    def params(self) -> Params:
        return count(self.variables)

    def layer(self, name: str) -> GraphLayer:
        """The layer of a name.

        Raises:
            KeyError: where there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)
