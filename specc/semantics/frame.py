"""What is at hand while a body of statements is elaborated."""

from __future__ import annotations

from typing import Any

from specc.graph import BlockUse, GraphLayer, Node, OwnWeight, Tensor
from specc.records import fresh, record
from specc.semantics.modules import Definition, Module
from specc.semantics.naming import snake_case
from specc.semantics.values import BlockInstance, LayerUse
from specc.source import Span


@record
class Building:
    """A graph in the making. Blocks that expand in place add to their user's."""

    name: str
    is_layer: bool = False
    """Whether it is a layer of one's own, which may have weights."""
    nodes: list[Node] = fresh(default_factory=list[Node])
    layers: list[GraphLayer] = fresh(default_factory=list[GraphLayer])
    blocks: list[BlockUse] = fresh(default_factory=list[BlockUse])
    weights: list[OwnWeight] = fresh(default_factory=list[OwnWeight])
    batch: tuple[int, Span] | None = None
    """The fixed batch size, and where it stands."""
    names: dict[str, Span] = fresh(default_factory=dict[str, Span])
    """The names of inputs, layers and blocks that are taken."""
    nested: dict[Any, LayerUse] = fresh(default_factory=dict[Any, LayerUse])
    """The layer of each nested model, by its definition and parameters."""
    declared: dict[str, Span] = fresh(default_factory=dict[str, Span])
    """Where each `layer` declaration stands that no line has used yet."""


@record
class Frame:
    """The names of a body, and how far it has come."""

    module: Module
    building: Building
    definition: Definition | None
    """What the body is of; None where there is none."""
    kind: str
    """"model", "block", or "layer" for a block that declares weights."""
    title: str
    """The name of the model or block."""
    names: dict[str, Any] = fresh(default_factory=dict[str, Any])
    prefix: str = ""
    """What the names of its layers start with: `residual_3.`"""
    counts: dict[str, int] = fresh(default_factory=dict[str, int])
    instance: BlockInstance | None = None
    trainable: bool = True
    given: list[Tensor] = fresh(default_factory=list[Tensor])
    """What a block is applied to."""
    named: dict[str, Any] = fresh(default_factory=dict[str, Any])
    """What it is given by name."""
    params: dict[str, Any] = fresh(default_factory=dict[str, Any])
    """The values of a model's parameters that are set from outside."""
    inputs: list[Tensor] = fresh(default_factory=list[Tensor])
    inputs_missing: bool = False
    """Whether it has been said that a block is given too few tensors."""
    input_names: list[str] = fresh(default_factory=list[str])
    made: set[str] = fresh(default_factory=set[str])
    """The layers and blocks of this use of a block, by their names in it."""
    outputs: list[tuple[str, Tensor]] = fresh(default_factory=list[Any])
    output_spans: dict[str, Span] = fresh(default_factory=dict[str, Span])
    expectations: list[Any] = fresh(default_factory=list[Any])
    layer_spans: dict[str, Span] = fresh(default_factory=dict[str, Span])
    """Where each `layer` declaration stands."""
    current: list[Tensor] = fresh(default_factory=list[Tensor])
    """The tensors of the line above, which a line that starts with a layer takes."""
    current_unknown: bool = False
    """Whether the line above has a mistake in it."""
    inputs_alone: bool = True
    """Whether only inputs have been declared so far."""
    unknown: set[str] = fresh(default_factory=set[str])
    """Names that were looked for and not found; each is reported once."""

    def find(self, name: str) -> Definition | None:
        return self.module.definitions.get(name)

    def automatic_name(self, class_name: str) -> str:
        """The name that Keras would give: `dense`, `dense_1`, ..., counted for each body."""
        base = snake_case(class_name)
        number = self.counts.get(base, 0)
        self.counts[base] = number + 1
        return f"{base}_{number}" if number else base
