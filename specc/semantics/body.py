"""Statements, one after the other: bindings, lines, loops and choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors import structure as structure_errors
from specc.graph import Tensor
from specc.layers.base import Layer
from specc.semantics import apply as application
from specc.semantics.context import Context
from specc.semantics.declarations import Declarations
from specc.semantics.frame import Frame
from specc.semantics.modules import Definition
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    LayerName,
    LayerUse,
    OperationName,
    in_words,
    is_tensors,
)
from specc.source import Span
from specc.syntax import ast


def run_body(context: Context, frame: Frame, statements: list[ast.Statement]) -> None:
    """Elaborate the statements of a body in its frame."""
    Body(context, frame).run(statements)


class Body(Declarations):
    """Elaborates the statements of one frame."""

    def run(self, statements: list[ast.Statement]) -> None:
        for statement in statements:
            self.context.step(statement.span)
            self.context.enter(statement.span)
            self._METHODS[type(statement)](self, statement)
            self.context.depth -= 1

    def _binding(self, statement: ast.Binding) -> None:
        expression = statement.value
        value = self.evaluator.evaluate(expression)
        if isinstance(value, Layer | LayerName | Definition | OperationName):
            self.context.report(application.layer_as_tensor(self.evaluator, expression))
            value = UNKNOWN
        names = [t.name if isinstance(t, ast.Starred) else t for t in statement.targets]
        for name in names:
            self.introduce(name)
            self._not_a_declared_layer(name)
        values = self._unpacked(statement, value)
        for target, name, item in zip(statement.targets, names, values, strict=True):
            if not isinstance(target, ast.Starred) and _is_named_after_its_layer(item):
                item.name = name.text
            self.frame.names[name.text] = item
        self._continue_from(value, binding=True)

    def _unpacked(self, statement: ast.Binding, value: Any) -> list[Any]:
        targets = statement.targets
        count = len(targets)
        if count == 1 and not isinstance(targets[0], ast.Starred):
            return [value]
        if value is UNKNOWN:
            return [UNKNOWN] * count
        if not isinstance(value, tuple) and not isinstance(value, Tensor):
            where = statement.value.span
            self.context.report(errors.not_to_be_unpacked(where, in_words(value)))
            return [UNKNOWN] * count
        items = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
        star = [i for i, target in enumerate(targets) if isinstance(target, ast.Starred)]
        if star and len(items) >= count - 1:
            first = star[0]
            last = len(items) - (count - first - 1)
            return [*items[:first], items[first:last], *items[last:]]
        if star or len(items) != count:
            maker = items[0].node if items and isinstance(items[0], Tensor) else None
            where = statement.value.span
            if maker is None or isinstance(statement.value, ast.Sequence):
                self.context.report(errors.wrong_number_to_bind(where, count, len(items)))
            else:
                self.context.report(
                    name_errors.wrong_number_of_targets(where, maker.layer.kind, count, len(items))
                )
            return [UNKNOWN] * count
        return list(items)

    def _augmented(self, statement: ast.Augmented) -> None:
        name = statement.name
        if self._not_a_declared_layer(name):
            self.frame.names[name.text] = UNKNOWN
            return
        left = self.evaluator.evaluate(ast.Name(name.text, name.span))
        right = self.evaluator.evaluate(statement.value)
        value = self.evaluator.operate(
            statement.operator.text, left, right, statement.span, None, statement.value
        )
        self.frame.names[name.text] = value
        self._continue_from(value, binding=True)

    def _not_a_declared_layer(self, name: ast.Token) -> bool:
        """Whether a name stands for a declared layer, which a binding must not hide."""
        if isinstance(self.frame.names.get(name.text), LayerUse | BlockInstance):
            first = self.frame.layer_spans.get(name.text)
            if first is not None:
                self.context.report(name_errors.layer_name_twice(name.span, first, name.text))
                return True
        return False

    def _line(self, statement: ast.Line) -> None:
        expression = statement.value
        if isinstance(expression, ast.Signed):
            self.context.report(structure_errors.line_starts_with_sign(expression.operator.span))
            self.continue_unknown()
            return
        steps: list[ast.Expression] = []
        if isinstance(expression, ast.Chain):
            expression, steps = expression.source, expression.steps
        while isinstance(expression, ast.Conditional):
            holds = self.evaluator.condition(expression.condition)
            if holds is None:
                self.continue_unknown()
                return
            expression = expression.then if holds else expression.otherwise
            if isinstance(expression, ast.Chain):
                steps = [*expression.steps, *steps]
                expression = expression.source
        if self._goes_on(expression):
            value = application.apply_step(
                self.evaluator, expression, self._line_above(expression.span)
            )
        else:
            value = self.evaluator.evaluate(expression)
        if steps:
            tensors = self.evaluator.tensors_of(value, expression)
            value = application.apply_all(self.evaluator, steps, tensors)
        elif value is not UNKNOWN and not is_tensors(value):
            self.evaluator.tensors_of(value, expression)
            value = UNKNOWN
        self._continue_from(value)

    def _goes_on(self, expression: ast.Expression) -> bool:
        """Whether a line is applied to the one above: a layer, or an operation without one."""
        if self.evaluator.is_layer(expression):
            return not self._is_operation_with_tensor(expression)
        return False

    def _is_operation_with_tensor(self, expression: ast.Expression) -> bool:
        """`ops.relu(x)`, and not `ops.relu` or `ops.softmax(axis=-1)`."""
        callee = expression.callee if isinstance(expression, ast.Call) else expression
        if not isinstance(callee, ast.Attribute) or not isinstance(callee.value, ast.Name):
            return False
        if callee.value.text != "ops" or not isinstance(expression, ast.Call):
            return False
        from specc.ops import find_operation

        cls = find_operation(callee.name.text)
        if cls is None:
            return True
        first = next(iter(cls.signature))
        return bool(expression.positional) or any(
            keyword.name.text == first for keyword in expression.keywords
        )

    def _line_above(self, where: Span) -> list[Tensor] | None:
        frame = self.frame
        if frame.current_unknown:
            return None
        if len(frame.current) == 1:
            return frame.current
        if not frame.current:
            self.context.report(structure_errors.no_input(where, frame.title, frame.kind))
        else:
            labels = [tensor.name for tensor in frame.current]
            self.context.report(structure_errors.ambiguous_continuation(where, labels))
        return None

    def _continue_from(self, value: Any, *, binding: bool = False) -> None:
        """What the next line goes on from. A binding to a constant or to a list of its own
        changes nothing.
        """
        frame = self.frame
        if value is UNKNOWN:
            self.continue_unknown()
        elif isinstance(value, Tensor):
            frame.current = [value]
            frame.current_unknown = frame.inputs_alone = False
        elif isinstance(value, tuple) and not (binding and not _of_one_layer(value)):
            items = [item for item in cast("tuple[Any, ...]", value) if isinstance(item, Tensor)]
            if items:
                frame.current = items
                frame.current_unknown = frame.inputs_alone = False

    def _for(self, statement: ast.For) -> None:
        values = self.evaluator.iterate(statement.iterable)
        self.evaluator.introduce(statement.target)
        if values is UNKNOWN:
            self.continue_unknown()
            return
        for value in values:
            self.context.step(statement.span)
            self.evaluator.bind_target(statement.target, value, statement.iterable.span)
            self.run(statement.body)

    def _if(self, statement: ast.If) -> None:
        for condition, body in statement.branches:
            holds = self.evaluator.condition(condition)
            if holds is None:
                self.continue_unknown()
                return
            if holds:
                self.run(body)
                return
        self.run(statement.otherwise)

    _METHODS: ClassVar[dict[type, Callable[[Body, Any], None]]] = {
        ast.Param: Declarations.param,
        ast.Input: Declarations.input,
        ast.Weight: Declarations.weight,
        ast.Output: Declarations.output,
        ast.LayerDeclaration: Declarations.layer,
        ast.Expectation: Declarations.expectation,
        ast.Binding: _binding,
        ast.Augmented: _augmented,
        ast.Line: _line,
        ast.For: _for,
        ast.If: _if,
    }


def _is_named_after_its_layer(value: Any) -> bool:
    """Whether a value is a tensor that no line has given a name."""
    if not isinstance(value, Tensor) or value.node is None:
        return False
    return value.name == value.node.layer.name


def _of_one_layer(value: Any) -> bool:
    """Whether a list is what one use of a layer gives."""
    items = cast("tuple[Any, ...]", value)
    makers = {id(item.node) if isinstance(item, Tensor) else id(item) for item in items}
    return bool(items) and len(makers) == 1 and isinstance(items[0], Tensor)
