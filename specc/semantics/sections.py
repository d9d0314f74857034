"""The blocks about data, training and export: their entries, evaluated."""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.records import record
from specc.semantics.context import Context
from specc.semantics.evaluate import Evaluator
from specc.semantics.frame import Building, Frame
from specc.semantics.functions import FUNCTIONS
from specc.semantics.modules import Module
from specc.semantics.values import UNKNOWN, is_constant
from specc.source import Span
from specc.syntax import ast

ENTRIES: dict[str, tuple[str, ...]] = {
    "data": (
        "source", "test", "features", "target", "scale", "cast", "one_hot", "classes",
        "validation", "shuffle", "seed",
    ),
    "train": (
        "data", "optimizer", "loss", "loss_weights", "metrics", "weighted_metrics",
        "jit_compile", "steps_per_execution", "epochs", "batch_size", "shuffle", "class_weight",
        "callbacks", "validation_freq", "steps_per_epoch", "seed",
    ),
    "export": ("opset", "precision", "quantize", "external_data"),
}  # fmt: skip
"""What each kind of block may say; for training these are arguments of Keras's `compile` and
`fit`."""


@record
class Described:
    """`SGD(learning_rate=1e-3)`: a thing by its name and arguments."""

    name: str
    positional: tuple[Any, ...]
    keywords: dict[str, Any]


@record
class Section:
    """A `data`, `train` or `export` block."""

    kind: str
    name: str
    """Of a data block its own; else that of the model it is about."""
    entries: dict[str, Any]
    """Constants, lists of them, and `Described` things; for `data` in a train block the name of
    a data block."""
    spans: dict[str, Span]
    """Where the value of each entry stands."""
    span: Span


class _SectionEvaluator(Evaluator):
    """Evaluates entries, in which a call describes a thing and makes nothing."""

    def __init__(self, context: Context, module: Module) -> None:
        super().__init__(context, Frame(module, Building("data"), None, "section", "data"))

    def _call(self, expression: ast.Call, category: str | None) -> Any:
        callee = expression.callee
        if not isinstance(callee, ast.Name):
            return self.fail(name_errors.not_a_constant(expression.span))
        if callee.text in FUNCTIONS:
            return super()._call(expression, category)
        positional = tuple([self.evaluate(item) for item in expression.positional])
        keywords = {item.name.text: self.evaluate(item.value) for item in expression.keywords}
        if UNKNOWN in positional or UNKNOWN in keywords.values():
            return UNKNOWN
        return Described(callee.text, positional, keywords)

    _METHODS: ClassVar[dict[type, Any]] = {**Evaluator._METHODS, ast.Call: _call}


def read_sections(context: Context, module: Module) -> list[Section]:
    """The blocks of a file about data, training and export; mistakes are reported."""
    trees = [item for item in module.file.definitions if isinstance(item, ast.Section)]
    data = [tree.name.text for tree in trees if tree.kind.text == "data"]
    models = [tree.name.text for tree in module.file.models]
    evaluator = _SectionEvaluator(context, module)
    sections: list[Section] = []
    seen: dict[tuple[str, str], Span] = {}
    for tree in trees:
        kind, name = tree.kind.text, tree.name
        if kind != "data" and name.text not in models:
            context.report(errors.unknown_section(name.span, kind, name.text, models))
        first = seen.setdefault((kind, name.text), name.span)
        if first is not name.span:
            context.report(errors.definition_twice(name.span, first, name.text, kind))
        sections.append(_section(evaluator, tree, data))
    return sections


def _section(evaluator: Evaluator, tree: ast.Section, data: list[str]) -> Section:
    kind = tree.kind.text
    known = ENTRIES[kind]
    report = evaluator.context.report
    entries: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    for entry in tree.entries:
        key, value = entry.name, entry.value
        if key.text not in known:
            report(errors.unknown_entry(key.span, kind, known))
        elif key.text in spans:
            report(name_errors.argument_twice(entry.span, spans[key.text], key.text))
        elif kind == "train" and key.text == "data" and isinstance(value, ast.Name):
            if value.text in data:
                entries["data"], spans["data"] = value.text, value.span
            else:
                report(name_errors.unknown_name(value.span, data))
        else:
            found = evaluator.evaluate(value)
            spans[key.text] = entry.span
            if found is not UNKNOWN and not (is_constant(found) or isinstance(found, Described)):
                found = evaluator.fail(name_errors.not_a_constant(value.span))
            if found is not UNKNOWN:
                entries[key.text] = found
    return Section(kind, tree.name.text, entries, spans, tree.name.span)
