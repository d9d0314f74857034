"""What an expression of a spec can stand for."""

from __future__ import annotations

from typing import Any

from specc.graph import GraphLayer, Tensor, Variable
from specc.layers.arguments import KerasObject
from specc.layers.base import Layer
from specc.records import fresh, record
from specc.semantics.modules import Definition
from specc.source import Span


class Unknown:
    """What an expression with a mistake in it stands for: the mistake has been reported."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@record
class Builtin:
    """A function of the language, such as `range`."""

    name: str


@record
class OperationName:
    """`ops.relu`."""

    name: str


@record
class LayerName:
    """A layer of the catalogue that is not constructed yet: `Dense`."""

    name: str


@record
class WeightOf:
    """A variable of a layer: `embed.embeddings`."""

    layer: GraphLayer
    variable: Variable


@record
class LayerUse:
    """A layer with its name, to be applied any number of times."""

    name: str
    layer: Layer
    span: Span
    arguments: dict[str, Span]
    """The places of its arguments, for errors."""
    graph_layer: GraphLayer | None = None
    """From its first use on."""


@record
class BlockInstance:
    """A block with its arguments and a name, to be expanded where it is applied."""

    name: str
    definition: Definition
    arguments: dict[str, Any]
    span: Span
    expanded: bool = False
    layers: dict[str, LayerUse | BlockInstance] = fresh(default_factory=dict[str, Any])
    """From its first use on: what later uses share."""


Constant = int | float | str | bool | tuple[Any, ...] | None


def is_tensors(value: Any) -> bool:
    """Whether a value is a tensor, or a list that holds one somewhere."""
    if isinstance(value, tuple):
        return any(is_tensors(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return isinstance(value, Tensor)


def is_constant(value: Any) -> bool:
    """Whether a value is a number, a string, True, False, None or a list."""
    return isinstance(value, str | int | float | tuple | None)


class InWords:
    """A value that errors put in words, where they would print a constant as it is."""

    def __init__(self, value: Any) -> None:
        self._words = in_words(value)

    def __repr__(self) -> str:
        return self._words


def shown(value: Any) -> Any:
    """A value for an error: itself, or words for what is no constant."""
    return value if is_constant(value) and not is_tensors(value) else InWords(value)


def in_words(value: Any) -> str:
    """A value as errors speak of it."""
    match value:
        case Tensor():
            return f"the tensor `{value.name}`"
        case LayerUse() | BlockInstance():
            return f"the layer `{value.name}`"
        case LayerName() | OperationName() | Builtin():
            return f"`{value.name}`"
        case Definition():
            return f"the {value.kind} `{value.name}`"
        case KerasObject():
            return f"the {value.category} `{type(value).__name__}`"
        case Layer():
            return f"the layer `{type(value).__name__}`"
        case WeightOf():
            return f"the weight `{value.variable.path}`"
        case tuple() if is_tensors(value):
            return "a list of tensors"
        case tuple():
            return "a list"
        case _:
            return f"`{value!r}`" if len(repr(value)) <= 40 else f"a {type(value).__name__}"
