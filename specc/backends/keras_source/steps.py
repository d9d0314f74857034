"""What stands to the right of `->`: layers, blocks, models and operations, as Python calls."""

from __future__ import annotations

from typing import Any

from specc.backends.keras_source.layout import (
    Choice,
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
from specc.backends.keras_source.expressions import OR, POSTFIX, Expressions
from specc.backends.keras_source.parts import CannotExpress
from specc.backends.keras_source.scope import Scope, walk
from specc.graph import GraphLayer
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.records import record
from specc.semantics.composite import Composite
from specc.semantics.construct import input_names
from specc.semantics.modules import Definition
from specc.semantics.naming import snake_case
from specc.semantics.values import LayerName
from specc.syntax import ast


@record
class Given:
    """What stands to the left of `->`."""

    docs: list[Doc]
    several: Doc | None = None
    """A Python list or tuple of tensors, where there are not the tensors themselves."""
    is_list: bool = True
    """Whether `several` is a list; else it is a tuple."""

    @property
    def single(self) -> Doc:
        if self.several is not None:
            return Joined([self.several, "[0]"])
        if len(self.docs) != 1:
            raise CannotExpress("several tensors stand where one is taken")
        return self.docs[0]

    @property
    def as_list(self) -> Doc:
        if self.several is None:
            return items_of(self.docs)
        return self.several if self.is_list else call("list", [self.several])

    @property
    def as_value(self) -> Doc:
        """What an operation takes for its first argument."""
        if self.several is None and len(self.docs) == 1:
            return self.docs[0]
        return self.as_list

    @property
    def as_arguments(self) -> list[Doc]:
        return self.docs if self.several is None else [Joined(["*", self.several])]

    @property
    def is_simple(self) -> bool:
        """Whether it may be written twice."""
        return self.several is None and all(isinstance(doc, str) for doc in self.docs)


class Steps(Expressions):
    """Writes the uses of layers of one body."""

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

    def split(self, step: ast.Expression) -> tuple[ast.Expression, ast.Call | None]:
        """What makes the layer, and its second pair of parentheses."""
        if isinstance(step, ast.Call):
            if isinstance(step.callee, ast.Call):
                return step.callee, step
            if isinstance(step.callee, ast.Name) and step.callee.text in self.scope.bound:
                return step.callee, step
        return step, None

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

    def layer(self, constructor: ast.Expression, class_name: str, step: ast.Expression) -> Doc:
        """`layers.Dense(300, name="dense")`."""
        first = constructor if isinstance(constructor, ast.Call) else None
        name = self._name_of(first, snake_case(class_name), step)
        arguments = self.arguments(first)
        cls = find_layer(class_name)
        if self.scope.frozen and cls is not None and cls.takes_trainable:
            arguments = self._freezable(first, arguments)
        return call(f"layers.{class_name}", [*arguments, keyword("name", name)])

    def _freezable(self, first: ast.Call | None, arguments: list[Doc]) -> list[Doc]:
        written = [k for k in first.keywords if k.name.text == "trainable"] if first else []
        if not written:
            return [*arguments, "trainable=trainable"]
        value = Joined(["trainable=trainable and ", self.expr(written[0].value, POSTFIX)])
        return [value if flat(a).startswith("trainable=") else a for a in arguments]

    def _name_of(self, first: ast.Call | None, base: str, step: ast.Expression) -> Doc:
        given = [k.value for k in first.keywords if k.name.text == "name"] if first else []
        if given:
            return self.given_name(given[0])
        return self.automatic_name(base, self._local_names(step), step)

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

    def _inputs_of(self, layer: Composite) -> list[str]:
        names = getattr(layer, "input_names", None)
        return names if names is not None else [tensor.name for tensor in layer.graph.inputs]

    def declare(self, name: str, expression: ast.Expression) -> Doc:
        """The value of `layer name = expression`."""
        first = expression if isinstance(expression, ast.Call) else None
        callee = first.callee if first is not None else expression
        what, found = self.scope.resolve(callee)
        written = [k.value for k in first.keywords if k.name.text == "name"] if first else []
        named = self.given_name(written[0]) if written else self.name_doc(name)
        if what == "layer":
            arguments = self.arguments(first)
            if self.scope.frozen:
                arguments = self._freezable(first, arguments)
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

    def _model(self, first: ast.Call | None, definition: Definition, name: Doc) -> Doc:
        """A call of the function that builds a model."""
        if self.scope.frozen or (
            first is not None and any(k.name.text == "trainable" for k in first.keywords)
        ):
            raise CannotExpress("a model within a model says `trainable`")
        made = self.structured.model(definition)
        arguments = self._keywords(definition, first) if first is not None else []
        return call(made, [*arguments, keyword("name", name)])

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
        if first is not None and any(k.name.text == "name" for k in first.keywords):
            named = self._name_of(first, snake_case(definition.name), step)
            return call(self._model(first, definition, named), [inputs])
        found = {id(node.layer): node.layer for _, node in self.scope.trace.nodes_at(step.span)}
        if len(found) != 1 or (self.scope.kind == "block" and len(self.scope.runs) != 1):
            raise CannotExpress("it is not known which model of several is meant", step.span)
        return call(self._shared_model(first, definition, found.popitem()[1]), [inputs])

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
        given = [k.value for k in node.keywords if k.name.text == "name"]
        name = self.expr(given[0]) if given else quoted(snake_case(definition.name))
        if definition.kind == "model":
            return self._model(node, definition, name)
        made = self.structured.layer_class(definition)
        return call(made, [*self._class_arguments(node, definition), keyword("name", name)])

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
        for index, step in enumerate(node.steps):
            given = self.after(step, self.apply(step, given), last=index == len(node.steps) - 1)
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

    def after(self, step: ast.Expression, doc: Doc, *, last: bool = False) -> Given:
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
            given = self.after(step, doc, last=last)
            self.suite.assign(variable, doc)
            if given.several is not None:
                given = Given([], variable, given.is_list)
            else:
                given = Given([variable])
