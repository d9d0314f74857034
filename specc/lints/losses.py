"""What a `train` block and its data say about the outputs of a model."""

from __future__ import annotations

from typing import Any, cast

from specc.graph import Graph
from specc.objects.data import KerasDataset
from specc.objects.strings import loss_class
from specc.records import record
from specc.semantics.sections import Section
from specc.source import Span

CATEGORICAL = ("CategoricalCrossentropy", "SparseCategoricalCrossentropy")
BINARY = ("BinaryCrossentropy", "BinaryFocalCrossentropy")


@record
class Loss:
    """The loss of one output."""

    name: str
    """As the spec has it."""
    kind: str
    """Its class, however the spec has it."""
    from_logits: bool
    span: Span


@record
class Classes:
    """How many classes the data have."""

    number: int | None
    """None where they are numbers to be predicted."""
    data: str
    """The name of the data, for messages."""
    span: Span


def loss_of(sections: list[Section], graph: Graph, output: int) -> Loss | None:
    """The loss that a model's `train` block says for an output."""
    train = _train_of(sections, graph)
    value: Any = None if train is None else train.entries.get("loss")
    if train is None or value is None:
        return None
    if isinstance(value, tuple):
        losses = cast("tuple[Any, ...]", value)
        value = losses[output] if len(losses) == len(graph.outputs) else None
    elif len(graph.outputs) > 1:
        return None
    shape = graph.outputs[output].type.shape
    width = shape[-1] if shape and isinstance(shape[-1], int) else None
    kind = loss_class(value, width)
    if kind is None:
        return None
    name = value if isinstance(value, str) else type(value).__name__
    return Loss(name, kind, getattr(value, "from_logits", False), train.spans["loss"])


def classes_of(sections: list[Section], graph: Graph) -> Classes | None:
    """How many classes a model is to tell apart, as its data say."""
    data = data_of(sections, graph)
    if data is None:
        return None
    classes = data.entries.get("classes")
    if isinstance(classes, tuple):
        named = cast("tuple[Any, ...]", classes)
        return Classes(len(named), data.name, data.spans["classes"])
    if isinstance(classes, int) and not isinstance(classes, bool):
        return Classes(classes, data.name, data.spans["classes"])
    source = data.entries.get("source")
    if isinstance(source, KerasDataset):
        return Classes(source.classes, source.name, data.spans["source"])
    return None


def _train_of(sections: list[Section], graph: Graph) -> Section | None:
    return next((s for s in sections if s.kind == "train" and s.name == graph.name), None)


def data_of(sections: list[Section], graph: Graph) -> Section | None:
    """The data block that a model's `train` block names; where none does, the only one."""
    every = [section for section in sections if section.kind == "data"]
    train = _train_of(sections, graph)
    name = None if train is None else train.entries.get("data")
    if name is None:
        return every[0] if len(every) == 1 else None
    return next((section for section in every if section.name == name), None)
