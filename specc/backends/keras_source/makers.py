"""What makes layers: constructors, calls of blocks and models, and the names of all."""

from __future__ import annotations

from typing import Any

from specc.backends.keras_source.expressions import (
    POSTFIX,
    Expressions,
    names_in,
    with_name_by_name,
)
from specc.backends.keras_source.given import Given
from specc.backends.keras_source.layout import (
    Doc,
    Joined,
    Statement,
    Suite,
    call,
    flat,
    items_of,
    keyword,
)
from specc.backends.keras_source.names import escaped, quoted, safe
from specc.backends.keras_source.parts import CannotExpress
from specc.backends.keras_source.scope import Scope
from specc.graph import GraphLayer
from specc.layers import find_layer
from specc.semantics.composite import Composite
from specc.semantics.modules import Definition
from specc.semantics.naming import snake_case
from specc.syntax import ast


class Makers(Expressions):
    """Writes what makes the layers, blocks and models of one body, under their names."""

    def __init__(self, scope: Scope, structured: Any) -> None:
        super().__init__(scope)
        self.structured = structured
        """Writes the other definitions of the program; a `Structured`."""
        self.suite = Suite()
        """Where the statement that is being written goes."""
        self.before_loop: Suite | None = None
        """A place before the outermost loop or choice around that statement."""
        self.models: dict[int, str] = {}
        """The variable of each model that is a layer here."""
        self.nesting = 0
        self.chains = 0
        """How many chains there are in the statement that is being written."""

    # ----------------------------------------------------------------------- names

    def name_doc(self, local: str) -> Doc:
        """The text of a name that is known."""
        return quoted(local) if self.scope.kind != "block" else f'f"{{name}}.{escaped(local)}"'

    def given_name(self, expression: ast.Expression) -> Doc:
        """A name that the spec writes."""
        if self.scope.kind != "block":
            return self.expr(expression)
        if isinstance(expression, ast.Literal):
            return self.name_doc(str(expression.value))
        if isinstance(expression, ast.Formatted):
            return f'f"{{name}}.{self.formatted_parts(expression)}"'
        text = flat(self.expr(expression))
        if '"' in text or "\\" in text:
            raise CannotExpress("a name is made in a way that Python 3.11 has no f-string for")
        return f'f"{{name}}.{{{text}}}"'

    def automatic_name(self, base: str, traced: set[str], where: ast.Expression) -> Doc:
        """The name that a layer without one gets."""
        if self.scope.is_dynamic(base):
            return self.numbered(quoted(base))
        if len(traced) != 1:
            raise CannotExpress(f"the name of `{where.span.text}` is not known", where.span)
        return self.name_doc(next(iter(traced)))

    def numbered(self, base: Doc) -> Doc:
        if self.scope.kind == "layer":
            raise CannotExpress("a block with weights has layers in loops or under conditions")
        self.scope.parts.helpers.add("Names")
        return call("names", [base])

    def _local_names(self, step: ast.Expression) -> set[str]:
        """What the layer that a step applies was called."""
        found = {
            node.layer.name.removeprefix(run.frame.prefix)
            for run, node in self.scope.trace.nodes_at(step.span)
        }
        return found | {run.local_name for run in self.scope.trace.uses_at(step.span)}

    # ----------------------------------------------------------------------- layers

    def split(self, step: ast.Expression) -> tuple[ast.Expression, ast.Call | None]:
        """What makes the layer, and its second pair of parentheses."""
        if isinstance(step, ast.Call):
            if isinstance(step.callee, ast.Call):
                return step.callee, step
            if isinstance(step.callee, ast.Name) and step.callee.text in self.scope.bound:
                return step.callee, step
        return step, None

    def layer(self, constructor: ast.Expression, class_name: str, step: ast.Expression) -> Doc:
        """`layers.Dense(300, name="dense")`."""
        first = constructor if isinstance(constructor, ast.Call) else None
        first = with_name_by_name(first, class_name)
        name = self._name_of(first, snake_case(class_name), step)
        arguments = self.layer_arguments(first, class_name)
        return call(f"layers.{class_name}", [*arguments, keyword("name", name)])

    def layer_arguments(self, first: ast.Call | None, class_name: str) -> list[Doc]:
        """The arguments of a layer, `trainable` among them where what it stands in is told it."""
        arguments = self.arguments(first)
        cls = find_layer(class_name)
        if self.scope.frozen and cls is not None and "trainable" in cls.common:
            return self._freezable(first, arguments)
        return arguments

    def _freezable(self, first: ast.Call | None, arguments: list[Doc]) -> list[Doc]:
        written = [k for k in first.keywords if k.name.text == "trainable"] if first else []
        if not written:
            return [*arguments, "trainable=trainable"]
        value = Joined(["trainable=trainable and ", self.expr(written[0].value, POSTFIX)])
        return [value if flat(a).startswith("trainable=") else a for a in arguments]

    def _name_of(self, first: ast.Call | None, base: str, step: ast.Expression) -> Doc:
        given = names_in(first)
        if given:
            return self.given_name(given[0])
        return self.automatic_name(base, self._local_names(step), step)

    def _inputs_of(self, layer: Composite) -> list[str]:
        names = getattr(layer, "input_names", None)
        return names if names is not None else [tensor.name for tensor in layer.graph.inputs]

    # -------------------------------------------------------------- blocks, models

    def _by_name(self, definition: Definition, first: ast.Call | None) -> list[Doc]:
        """The arguments of a block as keywords."""
        if first is None:
            return []
        assert isinstance(definition.tree, ast.Block)
        parameters = definition.tree.parameters
        names = self.structured.parameter_names(definition)
        given = [
            keyword(names[parameter.name.text], self.expr(item, argument=True))
            for parameter, item in zip(parameters, first.positional, strict=False)
        ]
        return [*given, *self._keywords(definition, first)]

    def _keywords(self, definition: Definition, first: ast.Call) -> list[Doc]:
        names = self.structured.parameter_names(definition)
        return [
            keyword(names.get(k.name.text, k.name.text), self.expr(k.value, argument=True))
            for k in first.keywords
            if k.name.text != "name"
        ]

    def _passed_on(self, definition: Definition, first: ast.Call | None) -> list[Doc]:
        """`trainable`, where the block is told it."""
        written = first is not None and any(k.name.text == "trainable" for k in first.keywords)
        if self.scope.frozen and self.structured.is_frozen(definition):
            if written:
                raise CannotExpress("blocks within each other say `trainable`")
            return ["trainable=trainable"]
        return []

    def _ordered(self, names: list[str], second: ast.Call | None, given: Given) -> Doc:
        """The inputs of a model or of a layer of one's own, in their order."""
        if second is None or not second.keywords:
            return given.as_list if len(names) != 1 else given.single
        by_name = {k.name.text: self.expr(k.value) for k in second.keywords}
        left = iter([given.single] if given.several is not None else given.docs)
        return items_of([by_name[name] if name in by_name else next(left) for name in names])

    def _class_arguments(self, first: ast.Call | None, definition: Definition) -> list[Doc]:
        arguments: list[Doc] = []
        if first is not None:
            arguments += [self.expr(item, argument=True) for item in first.positional]
            arguments += self._keywords(definition, first)
        if self.scope.frozen:
            raise CannotExpress("a block with weights stands in one that is not trainable")
        return arguments

    def _model(self, first: ast.Call | None, definition: Definition, name: Doc) -> Doc:
        """A call of the function that builds a model."""
        if self.scope.frozen or (
            first is not None and any(k.name.text == "trainable" for k in first.keywords)
        ):
            raise CannotExpress("a model within a model says `trainable`")
        made = self.structured.model(definition)
        arguments = self._keywords(definition, first) if first is not None else []
        return call(made, [*arguments, keyword("name", name)])

    def _shared_model(
        self, first: ast.Call | None, definition: Definition, layer: GraphLayer
    ) -> str:
        """The variable of a model that all its uses share; it is made before the first one."""
        known = self.models.get(id(layer))
        if known is not None:
            return known
        if self.depth or self.nesting:
            locals_read = [a for a in (first.keywords if first else [])
                           if not isinstance(a.value, ast.Literal)]  # fmt: skip
            if locals_read or self.before_loop is None:
                raise CannotExpress("a model is built within a loop or a choice")
        run = next(r for r, node in self.scope.trace.nodes_at(layer.span) if node.layer is layer)
        local = layer.name.removeprefix(run.frame.prefix)
        variable = safe(f"{local}_model", self.scope.taken)
        self.scope.taken.add(variable)
        place = self.before_loop if self.nesting and self.before_loop else self.suite
        place.add(Statement(f"{variable} = ", self._model(first, definition, self.name_doc(local))))
        self.models[id(layer)] = variable
        return variable

    def definition_as_argument(self, node: ast.Call, definition: Definition) -> Doc:
        given = names_in(node)
        name = self.expr(given[0]) if given else quoted(snake_case(definition.name))
        if definition.kind == "model":
            return self._model(node, definition, name)
        made = self.structured.layer_class(definition)
        return call(made, [*self._class_arguments(node, definition), keyword("name", name)])
