"""Syntax tree to resolved models: names are bound, layers constructed, nothing is typed yet."""

from __future__ import annotations

import re

from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import structure as structure_errors
from specc.layers import LAYER_NAMES, find_layer
from specc.semantics.bind import bind_call, bind_layer
from specc.semantics.declared import read_expectation, read_type
from specc.semantics.naming import snake_case
from specc.semantics.resolved import (
    Expected,
    Resolved,
    ResolvedInput,
    ResolvedLayer,
    ResolvedModel,
    Step,
    Value,
)
from specc.semantics.structure import check_structure
from specc.source import Span
from specc.syntax import ast

LAYER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*")


def resolve(file: ast.File) -> Resolved:
    """Resolve every model of a file.

    Raises:
        SpecError: with all the mistakes of this stage.
    """
    diagnostics: list[Diagnostic] = []
    models: list[ResolvedModel] = []
    seen: dict[str, Span] = {}
    for model in file.models:
        name = model.name
        if name.text in seen:
            diagnostics.append(name_errors.model_name_twice(name.span, seen[name.text]))
        seen.setdefault(name.text, name.span)
        resolver = ModelResolver(model)
        models.append(resolver.run())
        diagnostics += resolver.diagnostics
    if diagnostics:
        raise SpecError(diagnostics)
    return Resolved(models)


def _folded(name: str) -> str:
    """What `Flatten`, `flatten` and `FLATTEN` have in common."""
    return name.replace("_", "").casefold()


class ModelResolver:
    """Resolves one model. After a mistake it goes on with a stand-in for what was meant."""

    def __init__(self, model: ast.Model) -> None:
        self.model = model
        self.diagnostics: list[Diagnostic] = []
        self._inputs: list[ResolvedInput] = []
        self._steps: list[Step] = []
        self._outputs: list[tuple[str, Value]] = []
        self._output_spans: dict[str, Span] = {}
        self._expectations: list[Expected] = []
        self._tensors: dict[str, list[Value]] = {}
        self._layers: dict[str, ResolvedLayer | None] = {}
        self._unknown: set[str] = set()
        """Names that were looked for and not found; each is reported once."""
        self._layer_spans: dict[str, Span] = {}
        self._declared: dict[str, Span] = {}
        """Where each `layer` declaration stands that no line has used yet."""
        self._name_spans: dict[str, Span] = {}
        self._name_counts: dict[str, int] = {}
        self._current: list[Value] = []
        """The tensors of the line above, which a line that starts with a layer takes."""
        self._inputs_alone = True
        """Whether only inputs have been declared so far."""

    def run(self) -> ResolvedModel:
        for statement in self.model.body:
            if isinstance(statement, ast.Line):
                self._line(statement)
            elif isinstance(statement, ast.Binding):
                self._binding(statement)
            elif isinstance(statement, ast.Input):
                self._input(statement)
            elif isinstance(statement, ast.Output):
                self._output(statement)
            elif isinstance(statement, ast.LayerDeclaration):
                self._declaration(statement)
            else:
                expected = read_expectation(statement, self.diagnostics)
                self._expectations += [expected] if expected else []
        resolved = ResolvedModel(
            self.model.name.text,
            self._inputs,
            self._steps,
            self._outputs or self._last_line(),
            self._expectations,
            self.model.name.span,
        )
        if not self.diagnostics:  # otherwise what is unused may be so by another mistake
            self.diagnostics += check_structure(resolved, self._declared)
        return resolved

    def _last_line(self) -> list[tuple[str, Value]]:
        """Without an `output` line the last line's tensor is the output."""
        if self._inputs_alone:
            return []
        return [(value.label, value) for value in self._current]

    # ------------------------------------------------------------------ statements

    def _input(self, statement: ast.Input) -> None:
        name = statement.name
        self._introduce(name)
        if not self._claim(name.text, name.span):
            return
        value = Value(name.text, name.span)
        type_ = read_type(statement.type, self.diagnostics)
        self._inputs.append(ResolvedInput(name.text, type_, value, name.span))
        self._tensors[name.text] = [value]
        self._current = [*self._current, value] if self._inputs_alone else [value]

    def _output(self, statement: ast.Output) -> None:
        for expression in statement.values:
            values = self._values(expression)
            if len(values) > 1 and len({value.label for value in values}) == 1:
                self.diagnostics.append(name_errors.not_one_tensor(expression.span, len(values)))
                continue
            for value in values:
                name = expression.text if isinstance(expression, ast.Name) else value.label
                first = self._output_spans.setdefault(name, expression.span)
                if first is expression.span:
                    self._outputs.append((name, value))
                else:
                    self.diagnostics.append(
                        structure_errors.output_twice(expression.span, first, name)
                    )

    def _declaration(self, statement: ast.LayerDeclaration) -> None:
        name = statement.name
        self._introduce(name)
        first = self._layer_spans.setdefault(name.text, name.span)
        if name.text in self._tensors:
            first = self._tensors[name.text][0].span
        if first is not name.span:
            self.diagnostics.append(name_errors.layer_name_twice(name.span, first, name.text))
            return
        expression = statement.value
        if isinstance(expression, ast.Chain):
            self.diagnostics.append(name_errors.not_a_layer(expression.span, "a tensor"))
            self._layers[name.text] = None
            return
        self._layers[name.text] = self._construct(expression, declared_as=name)
        self._declared[name.text] = name.span

    def _binding(self, statement: ast.Binding) -> None:
        values = self._values(statement.value)
        targets = statement.targets
        for target in targets:
            self._introduce(target)
            if target.text in self._layers:
                first = self._layer_spans[target.text]
                self.diagnostics.append(
                    name_errors.layer_name_twice(target.span, first, target.text)
                )
        if len(values) != len(targets):
            maker = values[0].step.layer if values and values[0].step else None
            what = type(maker.layer).__name__ if maker else "this list"
            self.diagnostics.append(
                name_errors.wrong_number_of_targets(
                    statement.value.span, what, len(targets), len(values)
                )
            )
            values = [Value(target.text, target.span) for target in targets]
        for target, value in zip(targets, values, strict=True):
            if value.step is not None and value.label == value.step.layer.name:
                value.label = target.text
            self._tensors[target.text] = [value]
        self._continue_from(values)

    def _line(self, statement: ast.Line) -> None:
        expression = statement.value
        head = expression.source if isinstance(expression, ast.Chain) else expression
        if not self._is_layer(head):
            self._continue_from(self._values(expression))
            return
        values = self._apply(head, self._line_above(head.span))
        if isinstance(expression, ast.Chain):
            values = self._apply_all(expression.steps, values)
        self._continue_from(values)

    def _continue_from(self, values: list[Value]) -> None:
        self._current = values
        self._inputs_alone = False

    def _line_above(self, where: Span) -> list[Value]:
        if len(self._current) == 1:
            return self._current
        if not self._current:
            self.diagnostics.append(structure_errors.no_input(where, self.model.name.text))
        else:
            labels = [value.label for value in self._current]
            self.diagnostics.append(structure_errors.ambiguous_continuation(where, labels))
        self._current = [Value("?", where)]
        self._inputs_alone = False
        return self._current

    # --------------------------------------------------------------------- tensors

    def _values(self, expression: ast.Expression) -> list[Value]:
        """The tensors that an expression stands for."""
        if isinstance(expression, ast.Chain):
            return self._apply_all(expression.steps, self._values(expression.source))
        if isinstance(expression, ast.Sequence):
            return [self._value(item) for item in expression.items]
        if isinstance(expression, ast.Name) and expression.text in self._tensors:
            return self._tensors[expression.text]
        if self._is_layer(expression):
            self.diagnostics.append(self._layer_as_tensor(expression))
        elif isinstance(expression, ast.Name):
            known = [*self._tensors, *self._layers]
            meant = _folded(expression.text)
            if any(_folded(name) == meant for name in LAYER_NAMES):  # `flatten`
                unknown = name_errors.unknown_layer(expression.span, expression.text, LAYER_NAMES)
            else:
                unknown = name_errors.unknown_name(expression.span, known)
            if expression.text not in self._unknown:
                self.diagnostics.append(unknown)
            self._unknown.add(expression.text)
        elif isinstance(expression, ast.Literal):
            self.diagnostics.append(name_errors.not_a_tensor(expression.span))
        else:
            what = "arithmetic on tensors"
            if isinstance(expression, ast.Index):
                what = "an index into a tensor"
            elif isinstance(expression, ast.Attribute):
                what = "an attribute of a tensor"
            self.diagnostics.append(name_errors.not_supported_yet(expression.span, what))
        return [Value("?", expression.span)]

    def _layer_as_tensor(self, expression: ast.Expression) -> Diagnostic:
        """A layer where a tensor must stand: `y = Dense(10)`, or Keras's `y = Dense(10)(x)`."""
        constructor, call = self._split(expression)
        title = constructor.span.text.split("(")[0]
        if call is not None and call.positional:
            return name_errors.input_in_parentheses(call.positional[0].span, title)
        return name_errors.layer_without_input(expression.span, title)

    def _value(self, expression: ast.Expression) -> Value:
        values = self._values(expression)
        if len(values) != 1:
            self.diagnostics.append(name_errors.not_one_tensor(expression.span, len(values)))
            return Value("?", expression.span)
        return values[0]

    def _apply_all(self, steps: list[ast.Expression], values: list[Value]) -> list[Value]:
        for step in steps:
            values = self._apply(step, values)
        return values

    def _apply(self, expression: ast.Expression, inputs: list[Value]) -> list[Value]:
        """`inputs -> expression`."""
        constructor, call = self._split(expression)
        if isinstance(constructor, ast.Name) and constructor.text in self._layers:
            layer = self._layers[constructor.text]
            self._declared.pop(constructor.text, None)
        else:
            layer = self._construct(constructor)
        if layer is None:
            return [Value("?", expression.span)]
        arguments = {}
        if call is not None:
            arguments = bind_call(layer, call, self._values, self.diagnostics)
        step = Step(layer, inputs, arguments, expression.span)
        step.outputs = [
            Value(layer.name, expression.span, step) for _ in range(layer.layer.output_count)
        ]
        self._steps.append(step)
        return step.outputs

    def _split(self, expression: ast.Expression) -> tuple[ast.Expression, ast.Call | None]:
        """What makes the layer, and its second pair of parentheses, the call."""
        if isinstance(expression, ast.Call):
            callee = expression.callee
            declared = isinstance(callee, ast.Name) and callee.text in self._layers
            if declared or isinstance(callee, ast.Call):
                return callee, expression
        return expression, None

    # ---------------------------------------------------------------------- layers

    def _is_layer(self, expression: ast.Expression) -> bool:
        """Whether an expression is meant as a layer, known or not."""
        while isinstance(expression, ast.Call):
            expression = expression.callee
            if isinstance(expression, ast.Name):
                return True
        if isinstance(expression, ast.Attribute):
            while isinstance(expression, ast.Attribute):
                expression = expression.value
            return isinstance(expression, ast.Name) and expression.text not in self._tensors
        if not isinstance(expression, ast.Name) or expression.text in self._tensors:
            return False
        name = expression.text
        return name in self._layers or name in LAYER_NAMES or name[0].isupper()

    def _construct(
        self, expression: ast.Expression, declared_as: ast.Token | None = None
    ) -> ResolvedLayer | None:
        """The layer of `Dense` or `Dense(300, ...)`, with its name; None after a mistake."""
        call = expression if isinstance(expression, ast.Call) else None
        callee = call.callee if call else expression
        layer_class = find_layer(callee.text) if isinstance(callee, ast.Name) else None
        if layer_class is None:
            self.diagnostics.append(self._not_a_layer(callee))
            return None
        bound = bind_layer(layer_class, expression, call, self.diagnostics)
        if bound is None:
            return None
        if bound.name is not None:
            name, where = str(bound.name.value), bound.name.span
            if not LAYER_NAME.fullmatch(name):
                self.diagnostics.append(name_errors.bad_layer_name(where, name))
        elif declared_as is not None:
            name, where = declared_as.text, declared_as.span
        else:
            name, where = self._automatic_name(layer_class.__name__), expression.span
        self._claim(name, where)
        return ResolvedLayer(name, bound.layer, expression.span, bound.argument_spans)

    def _not_a_layer(self, callee: ast.Expression) -> Diagnostic:
        if isinstance(callee, ast.Name) and callee.text in self._tensors:
            return name_errors.not_a_layer(callee.span, f"the tensor `{callee.text}`")
        if isinstance(callee, ast.Name) and callee.text in self._layers:
            what = "a second name for a layer"
            return name_errors.not_supported_yet(callee.span, what)
        if isinstance(callee, ast.Name | ast.Attribute):
            return name_errors.unknown_layer(
                callee.span, callee.span.text, (*LAYER_NAMES, *self._layers)
            )
        return name_errors.not_a_layer(callee.span, "this")

    def _automatic_name(self, class_name: str) -> str:
        """The name that Keras would give: `dense`, `dense_1`, ..., counted for each model."""
        base = snake_case(class_name)
        number = self._name_counts.get(base, 0)
        self._name_counts[base] = number + 1
        return f"{base}_{number}" if number else base

    def _claim(self, name: str, where: Span) -> bool:
        """Take a name that inputs and layers share, if it is not taken yet."""
        first = self._name_spans.setdefault(name, where)
        if first is not where:
            self.diagnostics.append(name_errors.layer_name_twice(where, first, name))
        return first is where

    def _introduce(self, name: ast.Token) -> None:
        if name.text in LAYER_NAMES:
            self.diagnostics.append(name_errors.name_is_a_layer(name.span))
