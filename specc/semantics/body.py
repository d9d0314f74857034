"""Statements, one after the other: what they bind, apply and declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors import structure as structure_errors
from specc.graph import OwnWeight, Tensor
from specc.layers.arguments import BOOL, CONSTRAINT, INITIALIZER, REGULARIZER, Kind, Optional
from specc.layers.base import Layer, Weight
from specc.semantics import apply as application
from specc.semantics import construct
from specc.semantics.arithmetic import is_whole
from specc.semantics.bind import evaluate_arguments, match
from specc.semantics.context import Context
from specc.semantics.declared import match_input, read_expectation, read_type
from specc.semantics.evaluate import Evaluator
from specc.semantics.frame import Frame
from specc.semantics.modules import Definition
from specc.semantics.parameters import check_parameter
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    LayerName,
    LayerUse,
    OperationName,
    WeightOf,
    in_words,
    is_tensors,
)
from specc.source import Span
from specc.syntax import ast
from specc.types import TensorType

WEIGHT_OPTIONS: dict[str, Kind] = {
    "trainable": BOOL,
    "regularizer": REGULARIZER,
    "constraint": CONSTRAINT,
}


def run_body(context: Context, frame: Frame, statements: list[ast.Statement]) -> None:
    """Elaborate the statements of a body in its frame."""
    Body(context, frame).run(statements)


class Body:
    """Elaborates the statements of one frame."""

    def __init__(self, context: Context, frame: Frame) -> None:
        self.context = context
        self.frame = frame
        self.evaluator = Evaluator(context, frame)
        self._first: dict[str, Span] = {}
        """Where each `param` stands."""

    def run(self, statements: list[ast.Statement]) -> None:
        for statement in statements:
            self.context.step(statement.span)
            self.context.enter(statement.span)
            self._METHODS[type(statement)](self, statement)
            self.context.depth -= 1

    # ---------------------------------------------------------------- declarations

    def _param(self, statement: ast.Param) -> None:
        parameter = statement.parameter
        name = parameter.name
        self._introduce(name)
        frame = self.frame
        if frame.kind != "model":
            help = "a block's parameters stand in its parentheses"
            self.context.report(errors.misplaced(statement.span, "param", "a block", help))
            frame.names[name.text] = UNKNOWN
            return
        if name.text in frame.names:
            known = frame.names[name.text]
            first = known.span if isinstance(known, Tensor) else self._first.get(name.text)
            self.context.report(
                name_errors.layer_name_twice(name.span, first or name.span, name.text)
            )
            frame.names[name.text] = UNKNOWN
            return
        self._first[name.text] = name.span
        where = name.span
        if name.text in frame.params:
            value = frame.params[name.text]
        elif parameter.default is None:
            value = self.evaluator.fail(errors.param_without_value(where, name.text))
        else:
            value = self.evaluator.evaluate(parameter.default)
            where = parameter.default.span
        if value is not UNKNOWN and not check_parameter(self.evaluator, parameter, value, where):
            value = UNKNOWN
        frame.names[name.text] = value

    def _input(self, statement: ast.Input) -> None:
        frame, name = self.frame, statement.name
        self._introduce(name)
        if name.text in self._first:
            first = self._first[name.text]
            self.context.report(name_errors.layer_name_twice(name.span, first, name.text))
        if frame.kind == "model":
            tensor = self._input_of_model(statement)
        else:
            tensor = self._input_of_block(statement)
        frame.names[name.text] = UNKNOWN if tensor is None else tensor
        if tensor is None:
            self._continue_unknown()
            return
        frame.inputs.append(tensor)
        frame.current = [*frame.current, tensor] if frame.inputs_alone else [tensor]
        frame.current_unknown = False

    def _input_of_model(self, statement: ast.Input) -> Tensor | None:
        frame, name = self.frame, statement.name
        claimed = construct.claim(self.evaluator, name.text, name.span)
        if statement.type is None:
            self.context.report(structure_errors.input_without_type(name.span))
            return None
        type_ = read_type(self.evaluator, statement.type)
        self._batch(statement)
        if type_ is None or not claimed:
            return None
        frame.input_names.append(name.text)
        return Tensor(name.text, type_, name.span)

    def _batch(self, statement: ast.Input) -> None:
        """A fixed batch size: `input x: float32[8], batch_size=3`."""
        frame = self.frame
        batch = frame.building.batch
        for option in statement.options:
            if option.name.text != "batch_size":
                self.context.report(
                    name_errors.unknown_argument(option.name.span, "input", ("batch_size",))
                )
                continue
            size = self.evaluator.evaluate(option.value)
            if size is UNKNOWN or size is None:
                continue
            if not is_whole(size) or size < 1:
                reason = "a batch size is a whole number, 1 or more"
                self.context.report(name_errors.not_computable(option.value.span, reason))
            elif batch is not None and batch[0] != size:
                self.context.report(errors.batch_sizes_differ(option.span, batch[1]))
            else:
                frame.building.batch = (size, option.span)

    def _input_of_block(self, statement: ast.Input) -> Tensor | None:
        frame, name = self.frame, statement.name
        frame.input_names.append(name.text)
        if name.text in frame.named:
            given: Any = frame.named.pop(name.text)
        elif frame.given:
            given = frame.given.pop(0)
        else:
            self._input_missing(name)
            return None
        for option in statement.options:
            self.context.report(name_errors.unknown_argument(option.name.span, "input", ()))
        if not isinstance(given, Tensor):
            return None
        if not given.name:  # of a block as a layer
            given.name, given.span = name.text, name.span
        return given if match_input(self.evaluator, statement, given) else None

    def _input_missing(self, name: ast.Token) -> None:
        """Say once which inputs of a block are given nothing."""
        frame = self.frame
        if frame.inputs_missing:
            return
        frame.inputs_missing = True
        use = self.context.uses[-1][1] if self.context.uses else name.span
        assert frame.definition is not None
        every = construct.input_names(frame.definition) or frame.input_names
        here = every.index(name.text) if name.text in every else 0
        absent = [other for other in every[here:] if other not in frame.named]
        given = len(frame.inputs)
        self.context.report(errors.wrong_inputs_of_block(use, frame.title, every, given, absent))

    def _weight(self, statement: ast.Weight) -> None:
        frame, name = self.frame, statement.name
        self._introduce(name)
        frame.names[name.text] = UNKNOWN
        if frame.kind != "layer":
            help = "a block with `weight` lines is a layer of your own"
            place = "a model" if frame.kind == "model" else "this block"
            self.context.report(errors.misplaced(statement.span, "weight", place, help))
            return
        if any(item.weight.name == name.text for item in frame.building.weights):
            first = frame.layer_spans[name.text]
            self.context.report(name_errors.layer_name_twice(name.span, first, name.text))
            return
        frame.layer_spans.setdefault(name.text, name.span)
        own = self._tied(statement) if statement.type is None else self._own(statement)
        if own is not None:
            frame.building.weights.append(own)
            frame.names[name.text] = own.tensor

    def _tied(self, statement: ast.Weight) -> OwnWeight | None:
        """`weight kernel = dense.kernel`: the same variable, which is counted once."""
        name, expression = statement.name, statement.initializer
        value = None if expression is None else self.evaluator.evaluate(expression)
        if value is UNKNOWN:
            return None
        if not isinstance(value, WeightOf):
            where = name.span if expression is None else expression.span
            what = "without both" if expression is None else in_words(value)
            self.context.report(errors.not_a_weight(where, what))
            return None
        variable = value.variable
        type_ = TensorType(variable.dtype, variable.shape, batched=False)
        weight = Weight(variable.name, variable.shape, variable.trainable, variable.dtype)
        return OwnWeight(Tensor(name.text, type_, name.span), weight, {}, value.layer)

    def _own(self, statement: ast.Weight) -> OwnWeight | None:
        name = statement.name
        assert statement.type is not None
        type_ = read_type(self.evaluator, statement.type)
        given = {option.name.text: option.value for option in statement.options}
        call = ast.Call(ast.Name(name.text, name.span), [], statement.options, statement.span)
        _, right = match("weight", call, [], tuple(WEIGHT_OPTIONS), self.context.report)
        if statement.initializer is not None:
            given["initializer"] = statement.initializer
        kinds = {**WEIGHT_OPTIONS, "initializer": Optional(INITIALIZER)}
        if type_ is None or not right:
            return None
        options = evaluate_arguments(
            "weight", given, kinds, self.evaluator.argument, self.context.report
        )
        if options is None:
            return None
        if any(not isinstance(size, int) for size in type_.shape):
            what = f"the size of `{name.text}`, {type_},"
            self.context.report(errors.size_not_known(statement.type.span, what))
            return None
        shape = cast("tuple[int, ...]", type_.shape)
        trainable = options.pop("trainable", True) and self.frame.trainable
        options.setdefault("initializer", "glorot_uniform")
        weight = Weight(name.text, shape, trainable, type_.dtype)
        return OwnWeight(
            Tensor(name.text, type_._replace(batched=False), name.span), weight, options
        )

    def _output(self, statement: ast.Output) -> None:
        for expression in statement.values:
            value = self.evaluator.evaluate(expression)
            tensors = self.evaluator.tensors_of(value, expression)
            if tensors is None:
                self.frame.current_unknown = True
                continue
            if len(tensors) > 1 and len({tensor.name for tensor in tensors}) == 1:
                self.context.report(name_errors.not_one_tensor(expression.span, len(tensors)))
                continue
            for tensor in tensors:
                name = tensor.name
                if isinstance(expression, ast.Name) and isinstance(value, Tensor):
                    name = expression.text
                self._add_output(name, tensor, expression.span)

    def _add_output(self, name: str, tensor: Tensor, where: Span) -> None:
        first = self.frame.output_spans.setdefault(name, where)
        if first is where:
            self.frame.outputs.append((name, tensor))
        else:
            self.context.report(structure_errors.output_twice(where, first, name))

    def _layer(self, statement: ast.LayerDeclaration) -> None:
        frame, name = self.frame, statement.name
        self._introduce(name)
        expression = statement.value
        if name.text in frame.names:
            known = frame.names[name.text]
            first = known.span if isinstance(known, Tensor) else frame.layer_spans.get(name.text)
            self.context.report(
                name_errors.layer_name_twice(name.span, first or name.span, name.text)
            )
        frame.layer_spans.setdefault(name.text, name.span)
        frame.names[name.text] = UNKNOWN
        if not self.evaluator.is_layer(expression):
            value = self.evaluator.evaluate(expression)
            if value is not UNKNOWN:
                what = in_words(value)
                self.context.report(name_errors.not_a_layer(expression.span, what))
            return
        if isinstance(expression, ast.Name) and isinstance(
            frame.names.get(expression.text), LayerUse | BlockInstance
        ):
            what = f"`{expression.text}`, which is declared already,"
            self.context.report(name_errors.not_a_layer(expression.span, what))
            return
        usable = application.usable_of(self.evaluator, expression, name)
        if isinstance(usable, OperationName):
            what = "an operation, which has no weights to share,"
            self.context.report(name_errors.not_a_layer(expression.span, what))
            return
        if usable is None:
            return
        frame.names[name.text] = usable
        frame.building.declared[usable.name] = name.span

    def _expectation(self, statement: ast.Expectation) -> None:
        if self.frame.kind != "model":
            self.context.report(errors.misplaced(statement.span, "expect", "a block"))
            return
        expected = read_expectation(self.evaluator, statement)
        if expected is not None:
            self.frame.expectations.append(expected)

    # ------------------------------------------------------------------- bindings

    def _binding(self, statement: ast.Binding) -> None:
        expression = statement.value
        value = self.evaluator.evaluate(expression)
        if isinstance(value, Layer | LayerName | Definition | OperationName):
            self.context.report(application.layer_as_tensor(self.evaluator, expression))
            value = UNKNOWN
        names = [t.name if isinstance(t, ast.Starred) else t for t in statement.targets]
        for name in names:
            self._introduce(name)
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

    def _introduce(self, name: ast.Token) -> None:
        self.evaluator.introduce(name)

    # ------------------------------------------------------------ lines and control

    def _line(self, statement: ast.Line) -> None:
        expression = statement.value
        if isinstance(expression, ast.Signed):
            self.context.report(structure_errors.line_starts_with_sign(expression.operator.span))
            self._continue_unknown()
            return
        steps: list[ast.Expression] = []
        if isinstance(expression, ast.Chain):
            expression, steps = expression.source, expression.steps
        while isinstance(expression, ast.Conditional):
            holds = self.evaluator.condition(expression.condition)
            if holds is None:
                self._continue_unknown()
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
            self._continue_unknown()
        elif isinstance(value, Tensor):
            frame.current = [value]
            frame.current_unknown = frame.inputs_alone = False
        elif isinstance(value, tuple) and not (binding and not _of_one_layer(value)):
            items = [item for item in cast("tuple[Any, ...]", value) if isinstance(item, Tensor)]
            if items:
                frame.current = items
                frame.current_unknown = frame.inputs_alone = False

    def _continue_unknown(self) -> None:
        self.frame.current_unknown = True
        self.frame.inputs_alone = False

    def _for(self, statement: ast.For) -> None:
        values = self.evaluator.iterate(statement.iterable)
        self.evaluator.introduce(statement.target)
        if values is UNKNOWN:
            self._continue_unknown()
            return
        for value in values:
            self.context.step(statement.span)
            self.evaluator.bind_target(statement.target, value, statement.iterable.span)
            self.run(statement.body)

    def _if(self, statement: ast.If) -> None:
        for condition, body in statement.branches:
            holds = self.evaluator.condition(condition)
            if holds is None:
                self._continue_unknown()
                return
            if holds:
                self.run(body)
                return
        self.run(statement.otherwise)

    _METHODS: ClassVar[dict[type, Callable[[Body, Any], None]]] = {
        ast.Param: _param,
        ast.Input: _input,
        ast.Weight: _weight,
        ast.Output: _output,
        ast.LayerDeclaration: _layer,
        ast.Expectation: _expectation,
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
