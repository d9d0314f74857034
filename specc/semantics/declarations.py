"""Statements that declare: parameters, inputs, weights, layers, outputs, expectations."""

from __future__ import annotations

from typing import Any, cast

from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors import structure as structure_errors
from specc.diagnostics.place import Place, Refused
from specc.graph import OwnWeight, Tensor
from specc.layers.arguments import BOOL, CONSTRAINT, INITIALIZER, REGULARIZER, Kind, Optional
from specc.layers.base import Weight, check_object
from specc.semantics import apply as application
from specc.semantics import construct
from specc.semantics.arithmetic import is_whole
from specc.semantics.bind import evaluate_arguments, match
from specc.semantics.context import Context
from specc.semantics.declared import match_input, read_expectation, read_type
from specc.semantics.evaluate import Evaluator
from specc.semantics.frame import Frame
from specc.semantics.parameters import check_parameter
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    LayerUse,
    OperationName,
    WeightOf,
    in_words,
)
from specc.source import Span
from specc.syntax import ast
from specc.types import TensorType

WEIGHT_OPTIONS: dict[str, Kind] = {
    "trainable": BOOL,
    "regularizer": REGULARIZER,
    "constraint": CONSTRAINT,
}


class Declarations:
    """Elaborates the declarations of one frame."""

    def __init__(self, context: Context, frame: Frame) -> None:
        self.context = context
        self.frame = frame
        self.evaluator = Evaluator(context, frame)
        self._first: dict[str, Span] = {}
        """Where each `param` stands."""

    def param(self, statement: ast.Param) -> None:
        parameter = statement.parameter
        name = parameter.name
        self.introduce(name)
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

    def input(self, statement: ast.Input) -> None:
        frame, name = self.frame, statement.name
        self.introduce(name)
        if name.text in self._first:
            first = self._first[name.text]
            self.context.report(name_errors.layer_name_twice(name.span, first, name.text))
        if frame.kind == "model":
            tensor = self._input_of_model(statement)
        else:
            tensor = self._input_of_block(statement)
        frame.names[name.text] = UNKNOWN if tensor is None else tensor
        if tensor is None:
            self.continue_unknown()
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

    def weight(self, statement: ast.Weight) -> None:
        frame, name = self.frame, statement.name
        self.introduce(name)
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
        if not self._objects_fit(statement, given, options, trainable, type_.dtype, shape):
            return None
        weight = Weight(name.text, shape, trainable, type_.dtype)
        return OwnWeight(
            Tensor(name.text, type_._replace(batched=False), name.span), weight, options
        )

    def _objects_fit(
        self,
        statement: ast.Weight,
        given: dict[str, ast.Expression],
        options: dict[str, Any],
        trainable: bool,
        dtype: str,
        shape: tuple[int, ...],
    ) -> bool:
        """Whether the initializer, regularizer and constraint can work on a weight."""
        places = {option: expression.span for option, expression in given.items()}
        for option, value in options.items():
            if option == "regularizer" and not trainable:
                continue
            try:
                check_object(option, value, dtype, shape)
            except Refused as refused:
                self.context.report(refused.at(Place("weight", statement.span, places)))
                return False
        return True

    def output(self, statement: ast.Output) -> None:
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

    def layer(self, statement: ast.LayerDeclaration) -> None:
        frame, name = self.frame, statement.name
        self.introduce(name)
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

    def expectation(self, statement: ast.Expectation) -> None:
        if self.frame.kind != "model":
            self.context.report(errors.misplaced(statement.span, "expect", "a block"))
            return
        expected = read_expectation(self.evaluator, statement)
        if expected is not None:
            self.frame.expectations.append(expected)

    def introduce(self, name: ast.Token) -> None:
        self.evaluator.introduce(name)

    def continue_unknown(self) -> None:
        self.frame.current_unknown = True
        self.frame.inputs_alone = False
