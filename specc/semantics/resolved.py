"""What resolving gives: every name bound, every layer constructed, no types yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from specc.layers.base import Layer
from specc.source import Span
from specc.types import TensorType


@dataclass(slots=True, eq=False)
class Value:
    """A tensor of the model, of a type still to be inferred."""

    label: str
    """What the spec calls it: its name, or else the layer that makes it."""
    span: Span
    step: Step | None = None
    """What makes it; None for an input."""


@dataclass(slots=True, eq=False)
class ResolvedInput:
    name: str
    type: TensorType
    value: Value
    span: Span


@dataclass(slots=True, eq=False)
class ResolvedLayer:
    """A layer with its name and the places of its arguments, for errors."""

    name: str
    layer: Layer
    span: Span
    argument_spans: dict[str, Span]


@dataclass(slots=True, eq=False)
class Step:
    """One use of a layer."""

    layer: ResolvedLayer
    inputs: list[Value]
    call: dict[str, Any]
    """Call arguments: a constant, a `Value` or a list of values by name."""
    span: Span
    outputs: list[Value] = field(default_factory=list[Value])


@dataclass(slots=True, eq=False)
class Expected:
    """One expectation. `target` is None for the whole model, else a layer's or output's name."""

    measure: str
    layer: str | None
    output: str | None
    value: int | TensorType
    span: Span
    target_span: Span


@dataclass(slots=True, eq=False)
class ResolvedModel:
    name: str
    inputs: list[ResolvedInput]
    steps: list[Step]
    outputs: list[tuple[str, Value]]
    expectations: list[Expected]
    span: Span


@dataclass(slots=True, eq=False)
class Resolved:
    """Every model of a file."""

    models: list[ResolvedModel]
