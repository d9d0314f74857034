"""The typed graph of a model: what every stage after the checker works on.

Tensors, nodes and layers point at each other and at the source. A layer used twice is one
`GraphLayer` with two nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from specc.records import fresh, record
from specc.source import Span
from specc.types import TensorType, size_of

if TYPE_CHECKING:
    from specc.layers.base import Layer, Weight
    from specc.ops.base import Operation


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


def total_of(params: list[Params]) -> Params:
    """The sum of several counts."""
    return Params(
        sum([p.total for p in params]),
        sum([p.trainable for p in params]),
        sum([p.non_trainable for p in params]),
    )


@record
class Tensor:
    """A value that flows through the model."""

    name: str
    type: TensorType
    span: Span
    """Where it is made."""
    node: Node | None = None
    """What makes it; None for an input."""

    def __repr__(self) -> str:  # not of what it hangs on: that is the whole graph
        return f"<tensor {self.name!r} {self.type}>"


@record
class GraphLayer:
    """A layer with its weights, or an operation; `nodes` are its uses."""

    name: str
    layer: Layer | Operation
    variables: list[Variable]
    span: Span
    used_at: tuple[Span, ...] = ()
    """The uses of blocks that it stands in, the outermost first."""
    nodes: list[Node] = fresh(default_factory=list["Node"])

    def __repr__(self) -> str:
        return f"<layer {self.name!r} {self.kind}>"

    @property
    def kind(self) -> str:
        """The Keras class, `Dense`; the name of a model or block that is a layer."""
        return getattr(self.layer, "kind", type(self.layer).__name__)

    @property
    def is_operation(self) -> bool:
        """Whether it is an operation of `keras.ops`, which Keras does not count as a layer."""
        return not hasattr(self.layer, "call_arguments")

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
    """One use of a layer or of an operation."""

    layer: GraphLayer
    inputs: list[Tensor]
    """What stands to the left of `->`; nothing for an operation."""
    call: dict[str, Any]
    """Arguments by name: constants, and where tensors are taken a `Tensor` or several."""
    outputs: list[Tensor]
    span: Span

    def __repr__(self) -> str:
        return f"<use of {self.layer.name!r}>"

    @property
    def taken(self) -> list[Tensor]:
        """Every tensor it takes, as input or as argument."""
        taken = list(self.inputs)
        for argument in self.call.values():
            collect_tensors(argument, taken)
        return taken


def collect_tensors(value: Any, found: list[Tensor]) -> None:
    """Add the tensors of an argument, which may hold them in lists, to those found."""
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, list | tuple):
        for item in cast("list[Any]", value):
            collect_tensors(item, found)


def replace_tensors(value: Any, replacement: Callable[[Tensor], Any]) -> Any:
    """An argument with something else in the place of each tensor."""
    if isinstance(value, Tensor):
        return replacement(value)
    if isinstance(value, list):
        return [replace_tensors(item, replacement) for item in cast("list[Any]", value)]
    if isinstance(value, tuple):
        return tuple([replace_tensors(item, replacement) for item in cast("list[Any]", value)])
    return value


@record
class BlockUse:
    """A block that was expanded in place; its layers are named after it."""

    name: str
    """`residual_3`; its layers are `residual_3.conv2d`, ..."""
    kind: str
    """The block's own name."""
    span: Span
    outputs: list[Tensor]
    """What its first use gives."""


@record
class OwnWeight:
    """A variable that a block declares, or shares with a layer outside it."""

    tensor: Tensor
    weight: Weight
    options: dict[str, Any]
    """Arguments for Keras's `add_weight`: initializer, regularizer, constraint."""
    shared_with: GraphLayer | None = None
    """The layer that has the variable, which is then not counted again."""


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
    batch_size: int | None = None
    """Of every input, where it is fixed."""
    blocks: list[BlockUse] = fresh(default_factory=list[BlockUse])
    weights: list[OwnWeight] = fresh(default_factory=list[OwnWeight])
    """Of a layer of one's own."""
    params_given: dict[str, Any] = fresh(default_factory=dict[str, Any])
    """The value of each `param`."""

    def __repr__(self) -> str:
        return f"<graph {self.name!r}, {len(self.layers)} layers>"

    @property
    def variables(self) -> list[Variable]:
        return [variable for layer in self.layers for variable in layer.variables]

    @property
    def params(self) -> Params:
        return count(self.variables)

    def layers_by_block(self) -> dict[str, list[GraphLayer]]:
        """The layers of each use of a block, by its name; those of inner blocks included."""
        found: dict[str, list[GraphLayer]] = {block.name: [] for block in self.blocks}
        for layer in self.layers if found else []:
            dot = layer.name.find(".")
            while dot >= 0:
                inside = found.get(layer.name[:dot])
                if inside is not None:
                    inside.append(layer)
                dot = layer.name.find(".", dot + 1)
        return found

    def layer(self, name: str) -> GraphLayer:
        """The layer of a name.

        Raises:
            KeyError: where there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)
