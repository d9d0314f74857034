"""The statements of a body as Python's: `for` stays `for`, and `if` stays `if`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from specc.backends.keras_source.expressions import OR
from specc.backends.keras_source.flow import Around, Flow, Known, Merged, Nothing
from specc.backends.keras_source.given import Given
from specc.backends.keras_source.layout import (
    Compound,
    Doc,
    Statement,
    Suite,
    call,
    items_of,
    keyword,
    tuple_of,
)
from specc.backends.keras_source.names import quoted
from specc.backends.keras_source.parts import CannotExpress
from specc.backends.keras_source.scope import Scope, bound_by, walk
from specc.backends.keras_source.steps import Steps
from specc.graph import Tensor
from specc.source import Span
from specc.syntax import ast

Way = tuple[Statement, Callable[[], None], Any]
"""A branch: its head, what writes it, and its part of the tree."""


def comments_above(span: Span) -> list[str]:
    """The comment lines right above a place."""
    source = span.source
    found: list[str] = []
    line = span.line - 1
    while line >= 1:
        text = source.line_text(line).strip()
        if not text.startswith("#"):
            break
        found.insert(0, text)
        line -= 1
    return found


class Bodies(Steps):
    """Writes the statements of one body."""

    def __init__(self, scope: Scope, structured: Any) -> None:
        super().__init__(scope, structured)
        self.flow: Flow = Nothing()
        self.inputs: list[str] = []
        self.inputs_alone = True
        self.outputs: list[Doc] | None = None
        """What the `output` lines say, where they stand under no condition."""
        self.collects = self._collects_outputs()
        """Whether outputs are gathered in a list as the code runs."""
        scope.bound = set(scope.parameters)

    def _collects_outputs(self) -> bool:
        tree = self.scope.tree
        every = [item for item in self.scope.statements if isinstance(item, ast.Output)]
        if any(item not in tree.body for item in every):
            return True
        if not every:
            return False
        after = tree.body[tree.body.index(every[0]) :]
        rebound = {name for item in after for name in bound_by(item)}
        return bool(rebound & {n for item in every for n in self.scope.read_in(item)})

    # ------------------------------------------------------------------- statements

    def write(self, statements: list[ast.Statement]) -> None:
        for statement in statements:
            self.statement(statement)
            self.scope.bound |= set(bound_by(statement))

    def statement(self, statement: ast.Statement) -> None:
        if not isinstance(statement, ast.Expectation | ast.Param):
            for comment in comments_above(statement.span):
                self.suite.add(comment if comment.startswith("# ") else f"# {comment[1:]}".rstrip())
        if not isinstance(statement, ast.For | ast.If):
            self.chains = len([x for x in walk(statement) if isinstance(x, ast.Chain)])
        getattr(self, self._STATEMENTS[type(statement)])(statement)

    def _param(self, statement: ast.Param) -> None:
        self.parameter_default(statement.parameter)

    def parameter_default(self, parameter: ast.Parameter) -> None:
        """A default that looks at other values is worked out in the body."""
        default = parameter.default
        if default is not None and self.scope.is_worked_out(default):
            name = self.scope.python[parameter.name.text]
            body = Suite()
            body.assign(name, self.expr(default))
            self.suite.add(Compound(Statement("if ", f"{name} is None", ":"), body))

    def _input(self, statement: ast.Input) -> None:
        if self.nesting:
            raise CannotExpress("an input stands under a condition", statement.span)
        name = self.scope.python[statement.name.text]
        if self.scope.kind == "model":
            self.suite.assign(name, self._keras_input(statement))
        elif statement.type is not None:
            self._sizes(statement.type, name)
        before = self.flow.read(self.scope.flow).docs if self.inputs and self.inputs_alone else []
        self.inputs.append(name)
        self.flow = Known(Given([*before, name]))

    def _keras_input(self, statement: ast.Input) -> Doc:
        assert statement.type is not None
        tensor = self._tensor_of(statement)
        sizes: list[Doc] = []
        for size, found in zip(statement.type.shape, tensor.type.shape, strict=True):
            sizes.append("None" if isinstance(found, str) else self.expr(size))
        options: list[Doc] = [tuple_of(sizes)]
        for option in statement.options:
            options.append(keyword(option.name.text, self.expr(option.value)))
        fixed = self.scope.runs[0].frame.building.batch
        if fixed is not None and not statement.options:
            options.append(keyword("batch_size", str(fixed[0])))
        if tensor.type.dtype != "float32":
            options.append(keyword("dtype", quoted(tensor.type.dtype)))
        return call("keras.Input", [*options, keyword("name", quoted(statement.name.text))])

    def _tensor_of(self, statement: ast.Input) -> Tensor:
        for tensor in self.scope.runs[0].frame.inputs:
            if tensor.name == statement.name.text:
                return tensor
        raise CannotExpress("an input is missing", statement.span)

    def _sizes(self, written: ast.Type, name: str) -> None:
        """`input x: float32[steps, n]` gives sizes their names."""
        sizes = list(written.shape)
        leading = bool(sizes) and isinstance(sizes[0], ast.Literal) and sizes[0].value is ...
        for index, size in enumerate(sizes):
            if not isinstance(size, ast.Name) or size.text in self.scope.bound:
                continue
            if size.text in self.scope.read_in([s for s in self.scope.tree.body
                                                if not isinstance(s, ast.Input)]):  # fmt: skip
                axis = index - len(sizes) if leading else index + 1
                self.suite.assign(self.scope.python[size.text], self.size(name, axis))
            self.scope.bound.add(size.text)

    def size(self, name: str, axis: int) -> Doc:
        return f"{name}.shape[{axis}]"

    def _output(self, statement: ast.Output) -> None:
        docs: list[Doc] = []
        for expression in statement.values:
            given = self.given(expression)
            docs += given.as_arguments
        if self.collects:
            self.suite.add(Statement("outputs += ", items_of(docs)))
        else:
            self.outputs = [*(self.outputs or []), *docs]

    def _layer(self, statement: ast.LayerDeclaration) -> None:
        if self.nesting:
            raise CannotExpress("a layer is declared under a condition", statement.span)
        name = statement.name.text
        self.suite.assign(self.scope.python[name], self.declare(name, statement.value))

    def _expectation(self, statement: ast.Expectation) -> None:
        """What a spec expects was checked before."""

    # --------------------------------------------------------------------- bindings

    def _binding(self, statement: ast.Binding) -> None:
        targets = statement.targets
        value = statement.value
        names = [t.name if isinstance(t, ast.Starred) else t for t in targets]
        python = [self.scope.python[name.text] for name in names]
        single = len(targets) == 1 and not isinstance(targets[0], ast.Starred)
        if isinstance(value, ast.Chain):
            self._bind_chain(value, python, targets, single)
            return
        kind = self.kind(value)
        shown = [
            f"*{p}" if isinstance(t, ast.Starred) else p
            for t, p in zip(targets, python, strict=True)
        ]
        of_one_layer = kind == "tensors" and self._of_one_layer(value)
        self.suite.assign(", ".join(shown), self.expr(value))
        self._tuples(targets, python)
        if kind == "tensor":
            self.flow = Known(Given([python[0]]))
        elif of_one_layer:
            given = Given([], python[0], is_list=False) if single else Given([*python])
            self.flow = Known(given)
        self.inputs_alone = self.inputs_alone and kind == "constant"

    def _of_one_layer(self, value: ast.Expression) -> bool:
        found = self.scope.trace.values.get(id(value), [])
        makers = [{id(item.node) for item in items} for items in found]
        return bool(makers) and all(len(nodes) == 1 for nodes in makers)

    def _bind_chain(
        self, value: ast.Chain, python: list[str], targets: list[Any], single: bool
    ) -> None:
        given = self.given(value.source)
        starred = any(isinstance(target, ast.Starred) for target in targets)
        mentioned = self.scope.read_in(value.steps[1:])
        names = {(t.name if isinstance(t, ast.Starred) else t).text for t in targets}
        between = python[0] if single and not names & mentioned else self.scope.flow
        if len(value.steps) > 1:
            self.steps(value.steps[:-1], given, between)
            given = self.after(value.steps[-2], between)
        last = value.steps[-1]
        doc = self.apply(last, given)
        result = self.after(last, doc)
        if single:
            if result.several is not None and result.is_list:
                doc = call("tuple", [doc])
            self.suite.assign(python[0], doc)
            self.flow = Known(
                Given([python[0]]) if result.several is None else Given([], python[0], False)
            )
        else:
            if result.several is None:  # one tensor for `a, *rest`, or `a,`
                doc = tuple_of([doc])
            shown = [
                f"*{p}" if isinstance(t, ast.Starred) else p
                for t, p in zip(targets, python, strict=True)
            ]
            self.suite.assign(", ".join(shown), doc)
            self._tuples(targets, python)
            every = [f"*{p}" if isinstance(t, ast.Starred) else p
                     for t, p in zip(targets, python, strict=True)]  # fmt: skip
            self.flow = Known(Given([], items_of([*every])) if starred else Given([*python]))
        self.inputs_alone = False

    def _tuples(self, targets: list[Any], python: list[str]) -> None:
        """Python puts a list into what has a star."""
        for target, name in zip(targets, python, strict=True):
            if isinstance(target, ast.Starred):
                self.suite.assign(name, call("tuple", [name]))

    def _augmented(self, statement: ast.Augmented) -> None:
        name = self.scope.python[statement.name.text]
        sign = statement.operator.text
        self.suite.add(Statement(f"{name} {sign}= ", self.expr(statement.value)))
        kinds = self.scope.trace.kinds(statement.value)
        values = [run.frame.names.get(statement.name.text) for run in self.scope.runs]
        if kinds <= {"constant"} and not any(isinstance(x, Tensor) for x in values):
            return
        if all(isinstance(x, Tensor) for x in values):
            self.flow = Known(Given([name]))
            self.inputs_alone = False

    # ------------------------------------------------------------ lines and control

    def _line(self, statement: ast.Line) -> None:
        self._line_of(statement.value, [])

    def _line_of(self, expression: ast.Expression, steps: list[ast.Expression]) -> None:
        if isinstance(expression, ast.Chain):
            steps = [*expression.steps, *steps]
            expression = expression.source
        if isinstance(expression, ast.Conditional):
            condition = self.expr(expression.condition)
            branches = (expression.then, expression.otherwise)
            self._choose(
                [
                    (
                        Statement("if ", condition, ":"),
                        lambda: self._line_of(branches[0], steps),
                        branches[0],
                    ),
                    (
                        Statement("else", "", ":"),
                        lambda: self._line_of(branches[1], steps),
                        branches[1],
                    ),
                ]
            )
            return
        going_on = self.scope.trace.going_on.get(id(expression))
        if going_on is None:
            going_on = self._looks_like_layer(expression)
        if going_on:
            given = self.flow.read(self.scope.flow)
            self._put_steps([expression, *steps], given)
        elif steps:
            self._put_steps(steps, self.given(expression))
        elif isinstance(expression, ast.Name) or self.kind(expression) != "tensor":
            self.flow = Known(self.given(expression))
        else:
            self.suite.assign(self.scope.flow, self.expr(expression))
            self.flow = Known(Given([self.scope.flow]))
        self.inputs_alone = False

    def _looks_like_layer(self, expression: ast.Expression) -> bool:
        callee = expression
        while isinstance(callee, ast.Call):
            callee = callee.callee
        what, found = self.scope.resolve(callee)
        if what == "operation":
            return not (isinstance(expression, ast.Call) and expression.positional)
        if what != "local":
            return what != "unknown"
        return any(isinstance(x, ast.LayerDeclaration) and x.name.text == found
                    for x in self.scope.statements)  # fmt: skip

    def _put_steps(self, steps: list[ast.Expression], given: Given) -> None:
        variable = self.scope.flow
        self.steps(steps, given, variable)
        result = self.after(steps[-1], variable)
        if result.several is not None:
            result = Given([], variable, result.is_list)
        self.flow = Known(result)

    def _for(self, statement: ast.For) -> None:
        iterable = self.spine(statement.iterable)
        self.scope.bound |= set(bound_by(statement))
        place = self._enter()
        before = self.flow
        changes = self._changes_flow(statement.body)
        around = Around(before, place) if changes else None
        if around is not None:
            self.flow = around
        head = Statement(f"for {self.targets(statement.target)} in ", iterable, ":")
        outer, inner = self.suite, Suite()
        self.suite = inner
        self.write(statement.body)
        self.suite = outer
        outer.add(Compound(head, inner))
        end = Suite()
        inner.add(end)
        self._leave()
        if around is not None:
            around.finish(end, self.flow)
            self.flow = around

    def _if(self, statement: ast.If) -> None:
        ways: list[Way] = []
        for index, (condition, body) in enumerate(statement.branches):
            start = "elif " if index else "if "
            head = Statement(start, self.expr(condition), ":")
            ways.append((head, lambda body=body: self.write(body), body))
        if statement.otherwise:
            body = statement.otherwise
            ways.append((Statement("else", "", ":"), lambda body=body: self.write(body), body))
        self._choose(ways)

    def _choose(self, ways: list[Way]) -> None:
        """`if ...: ... else: ...`, and what the line below goes on from."""
        place = self._enter()
        before = self.flow
        alone, bound = self.inputs_alone, set(self.scope.bound)
        outer = self.suite
        ends: list[tuple[Suite, Flow]] = []
        every = set(bound)
        for head, write, tree in ways:
            self.flow = before
            self.inputs_alone = alone
            self.scope.bound = set(bound)
            inner, end = Suite(), Suite()
            self.suite = inner
            written = set(self.structured.written)
            nesting = self.nesting
            try:
                write()
                ends.append((end, self.flow))
            except CannotExpress:
                if self._was_reached(tree):
                    raise
                self.structured.written = written
                self.nesting = nesting
                inner.items = [
                    "# No use in the spec comes here.",
                    "raise NotImplementedError",
                ]
            every |= self.scope.bound
            inner.add(end)
            outer.add(Compound(head, inner))
        self.suite = outer
        self.scope.bound = every
        if ways[-1][0].start != "else":
            ends.append((place, before))
        self._leave()
        flows = {id(flow) for _, flow in ends}
        self.flow = before if flows == {id(before)} else Merged(ends)
        self.inputs_alone = False

    def _was_reached(self, tree: Any) -> bool:
        """Whether the elaboration came to a part of the tree."""
        trace = self.scope.trace
        return any(
            id(node) in trace.values or trace.nodes_at(node.span) or trace.uses_at(node.span)
            for node in walk(tree)
            if hasattr(node, "span")
        )

    def _enter(self) -> Suite:
        """Start a loop or a choice; gives a place before it."""
        place = Suite()
        self.suite.add(place)
        if not self.nesting:
            self.before_loop = place
        self.nesting += 1
        return place

    def _leave(self) -> None:
        self.nesting -= 1

    def _changes_flow(self, statements: list[ast.Statement]) -> bool:
        """Whether the line above is another one after these."""
        for statement in statements:
            match statement:
                case ast.Line() | ast.Input():
                    return True
                case ast.Binding() | ast.Augmented():
                    kinds = self.scope.trace.kinds(statement.value)
                    if kinds & {"tensor", "tensors", "mixed"} or not kinds:
                        return True
                case ast.For():
                    if self._changes_flow(statement.body):
                        return True
                case ast.If():
                    bodies = [body for _, body in statement.branches] + [statement.otherwise]
                    if any(self._changes_flow(body) for body in bodies):
                        return True
                case _:
                    pass
        return False

    def condition(self, node: ast.Expression) -> Doc:
        return self.expr(node, OR)

    def results(self) -> list[Doc]:
        """What a body gives: its outputs, or the last line."""
        if self.outputs is not None:
            return self.outputs
        given = self.flow.read(self.scope.flow)
        return given.as_arguments

    def weight(self, statement: ast.Weight) -> None:
        raise CannotExpress("a weight stands where no layer is made", statement.span)

    _STATEMENTS: ClassVar[dict[type, str]] = {
        ast.Param: "_param",
        ast.Input: "_input",
        ast.Weight: "weight",
        ast.Output: "_output",
        ast.LayerDeclaration: "_layer",
        ast.Expectation: "_expectation",
        ast.Binding: "_binding",
        ast.Augmented: "_augmented",
        ast.Line: "_line",
        ast.For: "_for",
        ast.If: "_if",
    }
    """The methods by name: the class of a layer has some of its own."""
