"""The definitions of a program as Python: models and blocks become functions, or classes."""

from __future__ import annotations

import re
from typing import Any

from specc.backends.keras_source.bodies import Bodies, comments_above
from specc.backends.keras_source.expanded import class_suite
from specc.backends.keras_source.layout import (
    Compound,
    Doc,
    Joined,
    Statement,
    Suite,
    call,
    items_of,
    keyword,
    lines_of,
)
from specc.backends.keras_source.names import camel_case, constant, quoted, safe
from specc.backends.keras_source.own_layer import OwnLayer
from specc.backends.keras_source.parts import CannotExpress, Parts, names_kept
from specc.backends.keras_source.scope import Scope
from specc.backends.keras_source.trace import Run, Trace
from specc.graph import Graph, Tensor
from specc.semantics.composite import BlockLayer
from specc.semantics.modules import Definition
from specc.source import Span
from specc.syntax import ast

TYPES = {"bool": "bool", "float": "float", "int": "int", "str": "str"}
"""The annotations of parameters; lists are tuples."""


def docstring_of(span: Span) -> list[str]:
    """The comment above a definition as its docstring."""
    text = "\n".join([line[1:].strip() for line in comments_above(span)]).strip()
    text = text.replace("\\", "\\\\").replace('"""', "'''")
    if not text:
        return []
    return [f'"""{text}."""' if text.endswith('"') else f'"""{text}"""']


class Structured:
    """Writes definitions, each once, those that are used before those that use them."""

    def __init__(self, parts: Parts, trace: Trace, given: dict[str, dict[str, Any]]) -> None:
        self.parts = parts
        self.trace = trace
        self.given = given
        """By model, the values of its parameters that are not the defaults."""
        self.functions: dict[int, str] = {}
        self.classes: dict[int, str] = {}
        self.written: set[tuple[int, bool]] = set()
        for run in trace.runs:
            tree = run.definition.tree
            if run.frame.kind == "layer":
                if id(tree) not in self.classes:
                    self.classes[id(tree)] = parts.claim(camel_case(tree.name.text))
            elif id(tree) not in self.functions:
                self.functions[id(tree)] = parts.claim(tree.name.text)

    # ------------------------------------------------------------------ definitions

    def model(self, definition: Definition) -> str:
        """Write the function that builds a model, and give its name."""
        tree = definition.tree
        name = self.functions[id(tree)]
        if self._begun(tree):
            return name
        scope = self._scope(definition, "model")
        writer = Bodies(scope, self)
        start = Suite([*docstring_of(tree.span)])
        body = writer.suite
        kept = [
            line for graph in self.graphs_of(definition) for line in names_kept(self.parts, graph)
        ]
        body.items += [start, *dict.fromkeys(kept), helper := Suite()]
        writer.write(tree.body)
        if writer.collects:
            start.add("outputs = []")
            outputs: Doc = "outputs if len(outputs) > 1 else outputs[0]"
        else:
            docs = writer.results()
            outputs = docs[0] if len(docs) == 1 and not _is_starred(docs[0]) else items_of(docs)
        inputs: Doc = writer.inputs[0] if len(writer.inputs) == 1 else items_of([*writer.inputs])
        made = call("keras.Model", [inputs, outputs, keyword("name", "name")])
        body.add(Statement("return ", made))
        self._helper(helper, body, "names = Names()")
        items: list[Doc] = []
        given = self.given.get(tree.name.text, {})
        parameters = [item.parameter for item in tree.body if isinstance(item, ast.Param)]
        for parameter in parameters:
            items.append(self._model_parameter(scope, writer, parameter, given))
        if parameters:
            items.insert(0, "*")
        named = keyword("name", quoted(tree.name.text))
        self._define(name, [*items, named], body)
        return name

    def _model_parameter(
        self, scope: Scope, writer: Bodies, parameter: ast.Parameter, given: dict[str, Any]
    ) -> Doc:
        name = scope.python[parameter.name.text]
        type_ = parameter.type.text if parameter.type is not None else ""
        annotation = f": {TYPES.get(type_, 'tuple')}" if type_ else ""
        equals = " = " if annotation else "="
        if name in given:
            value = constant(given[name])
        elif parameter.default is None or scope.is_worked_out(parameter.default):
            value = "None"
            annotation += " | None" if annotation else ""
        else:
            value = writer.expr(parameter.default)
        return Joined([f"{name}{annotation}{equals}", value])

    def function(self, definition: Definition) -> str:
        """Write the function of a block, and give its name."""
        tree = definition.tree
        assert isinstance(tree, ast.Block)
        if id(tree) not in self.functions:
            raise CannotExpress(f"the block `{tree.name.text}` is never reached")
        name = self.functions[id(tree)]
        if self._begun(tree):
            return name
        scope = self._scope(definition, "block")
        writer = Bodies(scope, self)
        body = writer.suite
        body.items += [*docstring_of(tree.span), helper := Suite()]
        parameters: list[Doc] = []
        for parameter in tree.parameters:
            default = parameter.default
            variable = scope.python[parameter.name.text]
            if default is None:
                parameters.append(variable)
            elif scope.is_worked_out(default):
                if any(run.params.get(parameter.name.text) is None for run in scope.runs):
                    raise CannotExpress("a default that is None is worked out", parameter.span)
                parameters.append(f"{variable}=None")
                writer.parameter_default(parameter)
            else:
                parameters.append(keyword(variable, writer.expr(default)))
        writer.write(tree.body)
        if writer.collects:
            raise CannotExpress("the outputs of a block stand under a condition")
        results = writer.results()
        body.add(Statement("return ", Joined([x for doc in results for x in (doc, ", ")][:-1])))
        self._helper(helper, body, "names = Names(name)")
        more: list[Doc] = ["*", "name", *(["trainable=True"] if scope.frozen else [])]
        self._define(name, [*writer.inputs, *parameters, *more], body)
        return name

    def layer_class(self, definition: Definition) -> str:
        """Write the class of a block that is a layer, and give its name."""
        tree = definition.tree
        if id(tree) not in self.classes:
            raise CannotExpress(f"the block `{tree.name.text}` is never reached")
        name = self.classes[id(tree)]
        if self._begun(tree, as_layer=True):
            return name
        scope = self._scope(definition, "layer")
        body = OwnLayer(scope, self, self.parameter_names(definition)).class_body()
        documentation = docstring_of(tree.span)
        if documentation:
            body.items[:0] = [*documentation, ""]
        self.parts.definitions.append(class_suite(self.parts, name, body))
        return name

    def _begun(self, tree: ast.Block | ast.Model, *, as_layer: bool = False) -> bool:
        """Whether a definition is written already, or being written."""
        key = (id(tree), as_layer)
        known = key in self.written
        self.written.add(key)
        return known

    def _scope(self, definition: Definition, kind: str) -> Scope:
        runs = self.trace.runs_of(definition.tree, as_layer=kind == "layer")
        return Scope(self.parts, self.trace, definition, runs, kind)

    def _helper(self, place: Suite, body: Suite, line: str) -> None:
        if any(re.search(r"\bnames\(", text) for text in lines_of(body, 0)):
            place.add(line)

    def _define(self, name: str, items: list[Doc], body: Suite) -> None:
        head = Statement("def ", call(name, items), ":")
        self.parts.definitions.append(Suite([Compound(head, body)]))

    # ------------------------------------------------------------ facts about others

    def parameter_names(self, definition: Definition) -> dict[str, str]:
        """What the parameters and inputs of a block or model are called in Python."""
        tree = definition.tree
        taken = set(self.parts.names)
        if isinstance(tree, ast.Model):
            params = [x.parameter.name.text for x in tree.body if isinstance(x, ast.Param)]
            return {name: safe(name, taken) for name in params}
        every = [parameter.name.text for parameter in tree.parameters]
        every += [item.name.text for item in tree.body if isinstance(item, ast.Input)]
        names: dict[str, str] = {}
        for name in every:
            names[name] = safe(name, taken)
            taken.add(names[name])
        return names

    def is_frozen(self, definition: Definition) -> bool:
        runs = self.trace.runs_of(definition.tree)
        return any(not run.frame.trainable for run in runs)

    def is_wrapped(self, definition: Definition) -> bool:
        """Whether a block is an argument of a layer somewhere."""
        return any(
            isinstance(value, BlockLayer) and value.title == definition.name
            for values in self.trace.values.values()
            for value in values
        )

    def graphs_of(self, definition: Definition) -> list[Graph]:
        """The graphs of a model, one for each choice of its parameters."""
        return [
            Graph(definition.name, run.frame.inputs, [], [], building.nodes, building.layers, [],
                  definition.tree.span)
            for run in self.trace.runs_of(definition.tree)
            for building in [run.frame.building]
        ]  # fmt: skip

    def inputs_of_model(self, definition: Definition) -> list[Tensor]:
        return self.trace.runs_of(definition.tree)[0].frame.inputs

    def outputs_of(self, run: Run) -> int:
        """How many tensors a use of a block gives."""
        return len(run.frame.outputs) or len(run.frame.current)


def _is_starred(doc: Doc) -> bool:
    return isinstance(doc, Joined) and doc.parts[:1] == ["*"]
