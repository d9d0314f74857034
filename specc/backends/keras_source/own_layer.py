"""A block with weights as a Keras layer: what it has in `build`, and what it does in `call`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.backends.keras_source.bodies import Bodies, Way
from specc.backends.keras_source.expanded import OUTPUT_SHAPE, attribute
from specc.backends.keras_source.layout import (
    Brackets,
    Compound,
    Doc,
    Joined,
    Statement,
    Suite,
    call,
    flat,
    keyword,
    tuple_of,
)
from specc.backends.keras_source.names import quoted
from specc.backends.keras_source.parts import CannotExpress
from specc.backends.keras_source.scope import Scope, bound_by, children, reads
from specc.semantics.values import BlockInstance, LayerUse
from specc.syntax import ast


class OwnLayer(Bodies):
    """Writes the class of a block."""

    def __init__(self, scope: Scope, structured: Any, variables: dict[str, str]) -> None:
        super().__init__(scope, structured)
        self.variables = variables
        """What the constructor calls the block's parameters."""
        self.build = Suite()
        self.in_build = False
        self.looping = 0
        self.has_layers = False
        self.attributes: set[str] = set()
        self.input_names = [s.name.text for s in scope.tree.body if isinstance(s, ast.Input)]
        self.others: list[str] = []
        """Parameters that are layers of the user, whose weights are shared."""
        for name in scope.parameters:
            values = [run.params.get(name) for run in scope.runs]
            made = attribute(name, self.attributes)
            self.attributes.add(made)
            if any(isinstance(value, LayerUse | BlockInstance) for value in values):
                self.others.append(name)
                scope.python[name] = f"self._{variables[name]}()"
            else:
                scope.python[name] = f"self.{made}"
        self.needed = self._needed()

    def _needed(self) -> tuple[set[str], set[str]]:
        """The names that `build` and `call` read."""
        build: set[str] = set()
        run: set[str] = set()

        def visit(statements: list[ast.Statement]) -> None:
            for item in statements:
                if isinstance(item, ast.Weight):
                    build.update(reads([item.type.shape if item.type else [], item.options]))
                    build.update(reads(item.initializer) if item.initializer is not None else ())
                elif isinstance(item, ast.If):
                    for condition, body in item.branches:
                        build.update(reads(condition))
                        run.update(reads(condition))
                        visit(body)
                    visit(item.otherwise)
                elif not (self._is_constant(item) or isinstance(item, ast.Input)):
                    run.update(reads(item))
                    build.update(reads(item) if self._makes_layers(item) else ())

        visit(self.scope.tree.body)
        for item in self.scope.tree.body[::-1]:
            if self._is_constant(item):
                for needed in (build, run):
                    if needed & set(bound_by(item)):
                        needed |= reads(item)
        return build, run

    def _is_constant(self, statement: ast.Statement) -> bool:
        return isinstance(statement, ast.Binding) and self.kind(statement.value) == "constant"

    def _makes_layers(self, node: Any) -> bool:
        return isinstance(node, ast.Chain | ast.Line | ast.LayerDeclaration) or any(
            self._makes_layers(child) for child in children(node) if hasattr(child, "span")
        )

    # -------------------------------------------------------------------- in `build`

    def for_build(self, write: Callable[[], Doc]) -> Doc:
        """An expression as `build` says it, which has shapes and no tensors."""
        self.in_build = True
        doc = write()
        self.in_build = False
        return doc

    def attribute_of(self, node: ast.Attribute) -> tuple[Doc, int] | None:
        owner = node.value
        if not (self.in_build and isinstance(owner, ast.Name) and node.name.text == "shape"):
            return None
        weights = [x.name.text for x in self.scope.statements if isinstance(x, ast.Weight)]
        if owner.text in weights:
            return None
        if owner.text not in self.input_names:
            raise CannotExpress("a weight's size depends on a tensor within", node.span)
        return self._shape_of(owner.text), 10

    def _shape_of(self, name: str) -> str:
        index = self.input_names.index(name)
        return "input_shape" if len(self.input_names) == 1 else f"input_shape[{index}]"

    def weight(self, statement: ast.Weight) -> None:
        name = statement.name.text
        if self.looping:
            raise CannotExpress("a weight stands in a loop", statement.span)
        if statement.type is None:
            assert statement.initializer is not None
            owner = statement.initializer
            if not (isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name)
                    and owner.value.text in self.others):  # fmt: skip
                raise CannotExpress("a weight is that of an unknown layer", statement.span)
            self.scope.python[name] = flat(self.expr(owner))
            return
        made = attribute(name, self.attributes)
        self.attributes.add(made)
        written = statement.type

        def options() -> Doc:
            shape = tuple_of([self.expr(size) for size in written.shape])
            given: list[Doc] = [keyword("name", quoted(name)), keyword("shape", shape)]
            if statement.initializer is not None:
                given.append(keyword("initializer", self.expr(statement.initializer)))
            if written.dtype.text != "float32":
                given.append(keyword("dtype", quoted(written.dtype.text)))
            given += [keyword(o.name.text, self.expr(o.value)) for o in statement.options]
            return call("self.add_weight", given)

        self.build.assign(f"self.{made}", self.for_build(options))
        self.scope.python[name] = f"self.{made}"

    def layer(self, constructor: ast.Expression, class_name: str, step: ast.Expression) -> Doc:
        made = self.for_build(lambda: super(OwnLayer, self).layer(constructor, class_name, step))
        return self._kept(made, step)

    def _kept(self, made: Doc, step: ast.Expression) -> str:
        """A layer within the layer, made in `build` and called in `call`."""
        if self.nesting or self.depth:
            raise CannotExpress("a block with weights has layers under a condition", step.span)
        (local,) = self._local_names(step) or {step.span.text}
        name = attribute(local, self.attributes)
        self.attributes.add(name)
        self.build.assign(f"self.{name}", made)
        self.has_layers = True
        return f"self.{name}"

    def declare(self, name: str, expression: ast.Expression) -> Doc:  # noqa: ARG002
        raise CannotExpress("a block with weights declares layers", expression.span)

    # ------------------------------------------------------------------- statements

    def _binding(self, statement: ast.Binding) -> None:
        if not self._is_constant(statement):
            super()._binding(statement)
            return
        names = set(bound_by(statement))
        outer = self.suite
        for suite, needed, building in (
            (self.build, self.needed[0], True),
            (outer, self.needed[1], False),
        ):
            if names & needed:
                self.suite, self.in_build = suite, building
                super()._binding(statement)
        self.suite, self.in_build = outer, False

    def _sizes(self, written: ast.Type, name: str) -> None:
        sizes = list(written.shape)
        leading = bool(sizes) and isinstance(sizes[0], ast.Literal) and sizes[0].value is ...
        spec_name = next(k for k, v in self.scope.python.items() if v == name)
        for index, size in enumerate(sizes):
            if not isinstance(size, ast.Name) or size.text in self.scope.bound:
                continue
            axis = index - len(sizes) if leading else index + 1
            variable = self.scope.python[size.text]
            if size.text in self.needed[0]:
                self.build.assign(variable, f"{self._shape_of(spec_name)}[{axis}]")
            if size.text in self.needed[1]:
                self.suite.assign(variable, f"{name}.shape[{axis}]")
            self.scope.bound.add(size.text)

    def _for(self, statement: ast.For) -> None:
        self.looping += 1
        super()._for(statement)
        self.looping -= 1

    def _choose(self, ways: list[Way]) -> None:
        outer = self.build
        parts: list[tuple[Statement, Suite]] = []

        def within(head: Statement, write: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                self.build = Suite()
                write()
                parts.append((head, self.build))

            return run

        super()._choose([(head, within(head, write), tree) for head, write, tree in ways])
        self.build = outer
        while parts and not parts[-1][1].items:
            parts.pop()
        for head, suite in parts:
            outer.add(Compound(head, suite))

    # ------------------------------------------------------------------------- class

    def class_body(self) -> Suite:
        """The methods of the class."""
        tree = self.scope.tree
        assert isinstance(tree, ast.Block)
        self.write(tree.body)
        if self.collects:
            raise CannotExpress("outputs of a layer stand under a condition")
        results = self.results()
        start, run = Suite(["super().__init__(**kwargs)"]), self.suite
        for name in self.scope.parameters:
            variable = self.variables[name]
            if name in self.others:
                start.add(f"# Behind a function: its weights are not this layer's.\n"
                          f"self._{variable} = lambda: {variable}")  # fmt: skip
            else:
                start.assign(self.scope.python[name], variable)
        if len(self.inputs) == 1:
            taken = self.inputs[0]
        else:
            taken = "inputs"
            run.items.insert(0, f"{', '.join(self.inputs)} = inputs")
        run.add(
            Statement("return ", Joined([part for doc in results for part in (doc, ", ")][:-1]))
        )
        body = Suite([Compound(Statement("def ", self._constructor(tree), ":"), start)])
        if self.has_layers:
            several = len(self.inputs) > 1
            given = "[keras.KerasTensor(shape) for shape in input_shape]"
            self.build.add("# A first call builds the layers within.")
            self.build.add(f"self.call({given if several else 'keras.KerasTensor(input_shape)'})")
        if self.build.items:
            head = Statement("def build(self, input_shape):", "")
            body.items += ["", Compound(head, self.build)]
        body.items += ["", Compound(Statement(f"def call(self, {taken}):", ""), run)]
        if self.structured.is_wrapped(self.scope.definition):
            body.items += ["", *OUTPUT_SHAPE]
        kept: list[Doc] = [
            Joined([f"{quoted(self.variables[name])}: {self.scope.python[name]}"])
            for name in self.scope.parameters
            if name not in self.others
        ]
        if kept:
            config = Brackets("", "{", ["**super().get_config()", *kept], "}")
            method = Compound(
                Statement("def get_config(self):", ""), Suite([Statement("return ", config)])
            )
            body.items += ["", method]
        return body

    def _constructor(self, tree: ast.Block) -> Doc:
        items: list[Doc] = ["self"]
        for parameter in tree.parameters:
            name = self.variables[parameter.name.text]
            if parameter.default is None:
                items.append(name)
            elif self.scope.is_worked_out(parameter.default):
                raise CannotExpress("a default has to be worked out", parameter.span)
            else:
                items.append(keyword(name, self.expr(parameter.default)))
        return call("__init__", [*items, "**kwargs"])
