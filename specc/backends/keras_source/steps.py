"""What stands to the right of `->`: layers, blocks, models and operations, as Python calls."""

from __future__ import annotations

from specc.backends.keras_source.expressions import OR, POSTFIX, names_in, with_name_by_name
from specc.backends.keras_source.given import Given
from specc.backends.keras_source.layout import (
    Choice,
    Doc,
    call,
    keyword,
)
from specc.backends.keras_source.makers import Makers
from specc.backends.keras_source.parts import CannotExpress
from specc.backends.keras_source.scope import walk
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.semantics.composite import Composite
from specc.semantics.construct import input_names
from specc.semantics.modules import Definition
from specc.semantics.naming import snake_case
from specc.semantics.values import LayerName
from specc.syntax import ast


class Steps(Makers):
    """Writes the uses of layers of one body."""

    # ------------------------------------------------------------------------ steps

    def apply(self, step: ast.Expression, given: Given) -> Doc:
        """`given -> step`."""
        if isinstance(step, ast.Conditional):
            if not given.is_simple:
                raise CannotExpress("a choice of layers is applied to an expression", step.span)
            condition = self.expr(step.condition, OR)
            self.depth += 1
            branches = self.apply(step.then, given), self.apply(step.otherwise, given)
            self.depth -= 1
            return Choice(branches[0], condition, branches[1])
        constructor, second = self.split(step)
        callee = constructor.callee if isinstance(constructor, ast.Call) else constructor
        what, found = self.scope.resolve(callee)
        first = constructor if isinstance(constructor, ast.Call) else None
        if self.scope.kind == "layer" and what in ("block", "model"):
            raise CannotExpress(f"a block with weights uses a {what}", step.span)
        match what:
            case "operation":
                return call(f"ops.{found}", [given.as_value, *self.arguments(first)])
            case "local":
                return self._apply_local(found, step, second, given)
            case "layer":
                made = self.layer(constructor, found, step)
                return self._called(made, find_layer(found), step, second, given)
            case "block":
                if found.has_weights:
                    return self._apply_own_layer(constructor, found, step, second, given)
                return self._apply_block(constructor, found, step, second, given)
            case "model":
                return self._apply_model(constructor, found, step, second, given)
            case _:
                raise CannotExpress("what is applied is not known", step.span)

    def _second(self, second: ast.Call | None) -> list[Doc]:
        """The arguments of a layer's call; lists of tensors are lists, and None is left out."""
        if second is None:
            return []
        return [
            keyword(item.name.text, self.tensors(item.value))
            for item in second.keywords
            if not (isinstance(item.value, ast.Literal) and item.value.value is None)
        ]

    def tensors(self, node: ast.Expression) -> Doc:
        """An argument of a layer's call."""
        if self.kind(node) == "tensors" and not isinstance(node, ast.Sequence):
            return self.given(node).as_list
        return self.expr(node, argument=True)

    def _called(
        self,
        made: Doc,
        cls: type[Layer] | None,
        step: ast.Expression,
        second: ast.Call | None,
        given: Given,
    ) -> Doc:
        """A layer with its inputs."""
        nodes = [node for _, node in self.scope.trace.nodes_at(step.span)]
        takes_list = {
            node.layer.layer.takes_list for node in nodes if isinstance(node.layer.layer, Layer)
        }
        if not takes_list and cls is not None:
            takes_list = {cls.maximum_inputs != 1}
        if len(takes_list) != 1:
            raise CannotExpress("a layer takes now one tensor, now a list", step.span)
        for node in nodes:
            layer = node.layer.layer
            if isinstance(layer, Layer) and repr(layer.keras_call(node.call)) != repr(node.call):
                raise CannotExpress("the states of several cells are handed on", step.span)
        inputs = given.as_list if takes_list.pop() else given.single
        return call(made, [inputs, *self._second(second)])

    # ------------------------------------------------------------- declared layers

    def _apply_local(
        self, name: str, step: ast.Expression, second: ast.Call | None, given: Given
    ) -> Doc:
        """A layer that a name stands for: declared here, or given to a block."""
        variable = self.scope.python[name]
        uses = self.scope.trace.uses_at(step.span)
        nodes = [node for _, node in self.scope.trace.nodes_at(step.span)]
        if uses:
            if any(run.again for run in uses):
                raise CannotExpress("the uses of a block share its layers", step.span)
            return call(variable, [*given.as_arguments, *self._second(second)])
        if name in self.scope.parameters and self.scope.is_template(name):
            values = [run.params.get(name) for run in self.scope.runs]
            if any(
                isinstance(x, Composite) or not isinstance(x, Layer | LayerName) for x in values
            ):
                raise CannotExpress(f"`{name}` is now one kind of layer, now another", step.span)
            self.scope.parts.helpers |= {"copy_of", "snake_case"}
            base = f"snake_case(type({variable}).__name__)"
            made = call("copy_of", [variable, self.numbered(base)])
            return self._called(made, None, step, second, given)
        if not nodes:
            raise CannotExpress(f"what `{name}` is has not been seen", step.span)
        layer = nodes[0].layer.layer
        if isinstance(layer, Composite):
            inputs = self._ordered(self._inputs_of(layer), second, given)
            return call(variable, [inputs])
        return self._called(variable, None, step, second, given)

    def declare(self, name: str, expression: ast.Expression) -> Doc:
        """The value of `layer name = expression`."""
        first = expression if isinstance(expression, ast.Call) else None
        callee = first.callee if first is not None else expression
        what, found = self.scope.resolve(callee)
        if what == "layer":
            first = with_name_by_name(first, found)
        written = names_in(first)
        named = self.given_name(written[0]) if written else self.name_doc(name)
        if what == "layer":
            arguments = self.layer_arguments(first, found)
            return call(f"layers.{found}", [*arguments, keyword("name", named)])
        if what == "model":
            return self._model(first, found, named)
        if what == "block" and found.has_weights:
            made = self.structured.layer_class(found)
            return call(made, [*self._class_arguments(first, found), keyword("name", named)])
        if what == "block":
            made = self.structured.function(found)
            arguments = self._by_name(found, first)
            return call("partial", [made, *arguments, keyword("name", named)])
        raise CannotExpress(f"what `{name}` is declared to be is not known", expression.span)

    # -------------------------------------------------------------- blocks, models

    def _apply_block(
        self,
        constructor: ast.Expression,
        definition: Definition,
        step: ast.Expression,
        second: ast.Call | None,
        given: Given,
    ) -> Doc:
        first = constructor if isinstance(constructor, ast.Call) else None
        if any(run.again for run in self.scope.trace.uses_at(step.span)):
            raise CannotExpress("the uses of a block share its layers", step.span)
        made = self.structured.function(definition)
        name = self._name_of(first, snake_case(definition.name), step)
        arguments = [*given.as_arguments]
        if first is not None and second is None:
            arguments += [self.expr(item, argument=True) for item in first.positional]
            arguments += self._keywords(definition, first)
        else:
            arguments += self._by_name(definition, first)
        for item in second.keywords if second is not None else []:
            names = self.structured.parameter_names(definition)
            arguments.append(keyword(names[item.name.text], self.expr(item.value)))
        arguments += self._passed_on(definition, first)
        return call(made, [*arguments, keyword("name", name)])

    def _apply_own_layer(
        self,
        constructor: ast.Expression,
        definition: Definition,
        step: ast.Expression,
        second: ast.Call | None,
        given: Given,
    ) -> Doc:
        first = constructor if isinstance(constructor, ast.Call) else None
        name = self._name_of(first, snake_case(definition.name), step)
        made = self.structured.layer_class(definition)
        arguments = self._class_arguments(first, definition)
        inputs = self._ordered(input_names(definition), second, given)
        return call(call(made, [*arguments, keyword("name", name)]), [inputs])

    def _apply_model(
        self,
        constructor: ast.Expression,
        definition: Definition,
        step: ast.Expression,
        second: ast.Call | None,
        given: Given,
    ) -> Doc:
        first = constructor if isinstance(constructor, ast.Call) else None
        names = [tensor.name for tensor in self.structured.inputs_of_model(definition)]
        inputs = self._ordered(names, second, given)
        if names_in(first):
            named = self._name_of(first, snake_case(definition.name), step)
            return call(self._model(first, definition, named), [inputs])
        found = {id(node.layer): node.layer for _, node in self.scope.trace.nodes_at(step.span)}
        if len(found) != 1 or (self.scope.kind == "block" and len(self.scope.runs) != 1):
            raise CannotExpress("it is not known which model of several is meant", step.span)
        return call(self._shared_model(first, definition, found.popitem()[1]), [inputs])

    # ----------------------------------------------------------------------- chains

    def given(self, node: ast.Expression) -> Given:
        """An expression as what a layer takes."""
        if isinstance(node, ast.Sequence):
            kinds = {self.kind(item) for item in node.items}
            if kinds <= {"tensor"}:
                return Given([self.expr(item) for item in node.items])
            raise CannotExpress("a list of lists of tensors is given to a layer", node.span)
        kind = self.kind(node)
        if kind == "tensor":
            return Given([self.expr(node)])
        if kind != "tensors":
            raise CannotExpress("now one tensor, now several are given to a layer", node.span)
        if isinstance(node, ast.Comprehension):
            return Given([], self.comprehension(node))
        if isinstance(node, ast.Chain):
            return Given([], self.expr(node), is_list=self._gives_list(node))
        return Given([], self.expr(node, POSTFIX), is_list=False)

    def _gives_list(self, node: ast.Chain) -> bool:
        """Whether Keras gives a list; a block gives a tuple."""
        return not self.scope.trace.uses_at(node.steps[-1].span)

    def nested_chain(self, node: ast.Chain) -> Doc:
        """A chain within an expression."""
        dynamic = [step for step in node.steps if self._is_numbered(step)]
        # Python makes the layers of an expression in another order than a spec does.
        if dynamic and not self.depth and (len(node.steps) > 1 or self.chains > 1):
            variable = self.scope.temporary()
            self.chain(node, variable)
            return variable
        if dynamic and (len(node.steps) > 1 or self.chains > 1) and not self._alone(node):
            raise CannotExpress("layers are numbered within an expression", node.span)
        given = self.given(node.source)
        for step in node.steps:
            given = self.after(step, self.apply(step, given))
        return given.single if given.several is None else given.several

    def _alone(self, node: ast.Chain) -> bool:
        """Whether it applies one layer to what applies none."""
        chains = [item for item in walk(node) if isinstance(item, ast.Chain)]
        return len(node.steps) == 1 and len(chains) == 1

    def _is_numbered(self, step: ast.Expression) -> bool:
        if isinstance(step, ast.Conditional):
            return self._is_numbered(step.then) or self._is_numbered(step.otherwise)
        constructor, _ = self.split(step)
        callee = constructor.callee if isinstance(constructor, ast.Call) else constructor
        what, found = self.scope.resolve(callee)
        if what == "local":
            return found in self.scope.parameters and self.scope.is_template(found)
        if what == "layer":
            return self.scope.is_dynamic(snake_case(found))
        return what == "block" and self.scope.is_dynamic(snake_case(found.name))

    def after(self, step: ast.Expression, doc: Doc) -> Given:
        """What a step gives."""
        counts = {len(node.outputs) for _, node in self.scope.trace.nodes_at(step.span)}
        uses = self.scope.trace.uses_at(step.span)
        counts |= {self.structured.outputs_of(run) for run in uses}
        if isinstance(step, ast.Conditional):
            for branch in (step.then, step.otherwise):
                counts |= {len(node.outputs) for _, node in self.scope.trace.nodes_at(branch.span)}
        if counts <= {1}:
            return Given([doc])
        if len(counts) > 1:
            raise CannotExpress("a layer gives now one tensor, now several", step.span)
        return Given([], doc, is_list=not uses)

    def chain(self, node: ast.Chain, target: str) -> None:
        """`target = source -> step -> step`, a statement for each step."""
        given = self.given(node.source)
        self.steps(node.steps, given, target)

    def steps(self, steps: list[ast.Expression], given: Given, target: str) -> None:
        for index, step in enumerate(steps):
            last = index == len(steps) - 1
            variable = target if last or "," not in target else self.scope.flow
            doc = self.apply(step, given)
            given = self.after(step, doc)
            self.suite.assign(variable, doc)
            if given.several is not None:
                given = Given([], variable, given.is_list)
            else:
                given = Given([variable])
