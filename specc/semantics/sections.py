"""The blocks about data, training and export: their entries, evaluated."""

from __future__ import annotations

from typing import Any, ClassVar

from specc import objects
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as program_errors
from specc.diagnostics.errors import sections as errors
from specc.diagnostics.suggest import closest
from specc.graph import Graph
from specc.layers.arguments import Kind
from specc.records import record
from specc.semantics.bind import evaluate_arguments
from specc.semantics.construct import ObjectName, refused_object
from specc.semantics.context import Context
from specc.semantics.entries import KINDS, check_training
from specc.semantics.evaluate import MISSING, Evaluator
from specc.semantics.frame import Building, Frame
from specc.semantics.functions import FUNCTIONS
from specc.semantics.modules import Module
from specc.source import Span
from specc.syntax import ast


@record
class Section:
    """A `data`, `train` or `export` block."""

    kind: str
    name: str
    """Of a data block its own; else that of the model it is about."""
    entries: dict[str, Any]
    """Constants, objects, and lists of them; for `data` in a train block the name of a data
    block."""
    spans: dict[str, Span]
    """Where the value of each entry stands."""
    span: Span


class _SectionEvaluator(Evaluator):
    """Evaluates entries, in which the objects of training have names too."""

    def __init__(self, context: Context, module: Module) -> None:
        super().__init__(context, Frame(module, Building("data"), None, "section", "data"))

    def _find(self, name: str, category: str | None) -> Any:
        found = super()._find(name, category)
        if found is not MISSING and not isinstance(found, ObjectName):
            return found
        if category is not None and objects.is_object(category, name):
            return found
        other = objects.category_of(name)
        return MISSING if other is None else ObjectName(other, name)

    def argument(self, expression: ast.Expression, kind: Kind) -> Any:
        if isinstance(expression, ast.Name):
            mistake = self._mistaken_object(expression, kind.category)
            if mistake is not None:
                return self.fail(mistake)
            if not kind.choices:  # a string is not what is meant
                return self.evaluate(expression, kind.category)
        return super().argument(expression, kind)

    def _name(self, expression: ast.Name, category: str | None) -> Any:
        mistake = self._mistaken_object(expression, category)
        return super()._name(expression, category) if mistake is None else self.fail(mistake)

    def _call(self, expression: ast.Call, category: str | None) -> Any:
        callee = expression.callee
        if not isinstance(callee, ast.Name):
            return self.fail(name_errors.not_a_constant(expression.span))
        if self._find(callee.text, category) is not MISSING:
            return super()._call(expression, category)
        mistake = self._mistaken_object(callee, category)
        if mistake is None and category is not None:
            mistake = errors.unknown_object(callee.span, category, objects.object_names(category))
        return self.fail(mistake or name_errors.unknown_name(callee.span, FUNCTIONS))

    def _mistaken_object(self, name: ast.Name, category: str | None) -> Diagnostic | None:
        """What to say of a name that is like an object's, or that Keras has for one."""
        if category is None or self._find(name.text, category) is not MISSING:
            return None
        refused = refused_object(name, category)
        if category == "split" and closest(name.text, objects.object_names("source")):
            category = "source"  # of which one may stand there too
        known = objects.object_names(category)
        if refused is None and closest(name.text, known) is not None:
            return errors.unknown_object(name.span, category, known)
        return refused

    _METHODS: ClassVar[dict[type, Any]] = {
        **Evaluator._METHODS,
        ast.Call: _call,
        ast.Name: _name,
    }


def read_sections(context: Context, module: Module, graphs: list[Graph]) -> list[Section]:
    """The blocks of a file about data, training and export; mistakes are reported.

    Args:
        graphs: the models of the file, as far as they are sound.
    """
    outputs = {graph.name: len(graph.outputs) for graph in graphs}
    trees = [item for item in module.file.definitions if isinstance(item, ast.Section)]
    data = [tree.name.text for tree in trees if tree.kind.text == "data"]
    models = [tree.name.text for tree in module.file.models]
    evaluator = _SectionEvaluator(context, module)
    sections: list[Section] = []
    seen: dict[tuple[str, str], Span] = {}
    for tree in trees:
        kind, name = tree.kind.text, tree.name
        if kind != "data" and name.text not in models:
            context.report(program_errors.unknown_section(name.span, kind, name.text, models))
        first = seen.setdefault((kind, name.text), name.span)
        if first is not name.span:
            context.report(program_errors.definition_twice(name.span, first, name.text, kind))
        sections.append(_section(evaluator, tree, data))
        if kind == "train":
            train = sections[-1]
            check_training(context, train.entries, train.spans, outputs.get(name.text))
    return sections


def _section(evaluator: Evaluator, tree: ast.Section, data: list[str]) -> Section:
    kind = tree.kind.text
    kinds = KINDS[kind]
    report = evaluator.context.report
    entries: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    for entry in tree.entries:
        key, value = entry.name, entry.value
        if key.text not in kinds:
            report(program_errors.unknown_entry(key.span, kind, list(kinds)))
        elif key.text in spans:
            report(name_errors.argument_twice(entry.span, spans[key.text], key.text))
        elif kind == "train" and key.text == "data" and isinstance(value, ast.Name):
            if value.text in data:
                entries["data"], spans["data"] = value.text, value.span
            else:
                report(name_errors.unknown_name(value.span, data))
        else:
            spans[key.text] = entry.span
            one = {key.text: value}
            found = evaluate_arguments(kind, one, kinds, evaluator.argument, report)
            entries.update(found or {})
    return Section(kind, tree.name.text, entries, spans, tree.name.span)
