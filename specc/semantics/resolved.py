"""What resolving gives: every name bound, every layer constructed, no types yet."""

from __future__ import annotations

from typing import Any

from specc.layers.base import Layer
from specc.records import fresh, record
from specc.source import Span
from specc.types import TensorType


@record
class Value:
    """A tensor of the model, of a type still to be inferred."""

    label: str
    """What the spec calls it: its name, or else the layer that makes it."""
    span: Span
    step: Step | None = None
    """What makes it; None for an input."""


@record
class ResolvedInput:
    name: str
    type: TensorType
    value: Value
    span: Span


@record
class ResolvedLayer:
    """A layer with its name and the places of its arguments, for errors."""

    name: str
    layer: Layer
    span: Span
    argument_spans: dict[str, Span]


@record
class Step:
    """One use of a layer."""

    layer: ResolvedLayer
    inputs: list[Value]
    call: dict[str, Any]
    """Call arguments: a constant, a `Value` or a list of values by name."""
    span: Span
    outputs: list[Value] = fresh(default_factory=list[Value])


@record
class Expected:
    """One expectation. `target` is None for the whole model, else a layer's or output's name."""

    measure: str
    layer: str | None
    output: str | None
    value: int | TensorType
    span: Span
    target_span: Span


@record
class ResolvedModel:
    name: str
    inputs: list[ResolvedInput]
    steps: list[Step]
    outputs: list[tuple[str, Value]]
    expectations: list[Expected]
    span: Span


@record
class Resolved:
    """Every model of a file."""

    models: list[ResolvedModel]
