"""Expressions to values: constants are computed, tensors make nodes of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.suggest import closest
from specc.graph import Tensor
from specc.layers import LAYER_NAMES
from specc.layers.arguments import Kind
from specc.layers.base import Layer
from specc.semantics import apply as application
from specc.semantics import construct, operations
from specc.semantics.arithmetic import (
    MAX_LENGTH,
    MAX_NESTING,
    NotComputable,
    compare,
    is_whole,
    negate,
    operate,
    size_within_bounds,
)
from specc.semantics.context import Context
from specc.semantics.frame import Frame
from specc.semantics.functions import FUNCTIONS, call_function
from specc.semantics.modules import Definition
from specc.semantics.values import (
    UNKNOWN,
    BlockInstance,
    Builtin,
    LayerName,
    LayerUse,
    OperationName,
    WeightOf,
    in_words,
    is_constant,
    is_tensors,
)
from specc.source import Span
from specc.syntax import ast

MISSING = object()


def folded(name: str) -> str:
    """What `Flatten`, `flatten` and `FLATTEN` have in common."""
    return name.replace("_", "").casefold()


class Evaluator:
    """Evaluates the expressions of one body. A mistake is reported and gives `UNKNOWN`, which
    makes everything that depends on it unknown without another word.
    """

    def __init__(self, context: Context, frame: Frame) -> None:
        self.context = context
        self.frame = frame

    def evaluate(self, expression: ast.Expression, category: str | None = None) -> Any:
        """The value of an expression.

        Args:
            category: what a name stands for that several things bear, such as "initializer"
                for `Identity`; the category of the argument that takes the value.
        """
        context = self.context
        context.step(expression.span)
        context.enter(expression.span)
        value: Any = self._METHODS[type(expression)](self, expression, category)
        context.depth -= 1
        if isinstance(value, tuple):
            size = size_within_bounds(cast("tuple[Any, ...]", value))
            if size is None:
                reason = f"a list of more than {MAX_LENGTH:,} items, or {MAX_NESTING} levels"
                return self.fail(name_errors.not_computable(expression.span, reason))
            self.context.step(expression.span, size // 8)
        elif isinstance(value, str):
            self.context.step(expression.span, len(value) // 64)
        return cast("Any", value)

    def argument(self, expression: ast.Expression, kind: Kind) -> Any:
        """The value of an expression for an argument of this kind."""
        if isinstance(expression, ast.Name) and not self._known(expression.text, kind.category):
            if expression.text not in self.frame.unknown:
                self.frame.unknown.add(expression.text)
                refused = construct.refused_object(expression, kind.category)
                if refused is not None:
                    return self.fail(refused)
                known = self._names_here()
                if closest(expression.text, known) is not None:
                    return self.fail(name_errors.unknown_name(expression.span, known))
                return self.fail(name_errors.not_a_constant(expression.span))
            return UNKNOWN
        value = self.evaluate(expression, kind.category)
        if isinstance(value, LayerName) and kind.category in ("layer", "cell", "activation"):
            return construct.layer_object(self, expression, value.name, None)
        if isinstance(value, Definition) and kind.category == "layer":
            return construct.definition_object(self, expression, value, None)
        return value

    def fail(self, diagnostic: Diagnostic) -> Any:
        self.context.report(diagnostic)
        return UNKNOWN

    # ---------------------------------------------------------------------- names

    def _known(self, name: str, category: str | None) -> bool:
        return self._find(name, category) is not MISSING

    def _find(self, name: str, category: str | None) -> Any:
        value = self.frame.names.get(name, MISSING)
        if value is not MISSING:
            return value
        if category is not None and construct.find_object(category, name) is not None:
            return construct.ObjectName(category, name)
        definition = self.frame.find(name)
        if definition is not None:
            return definition
        if self.context.find_layer(name) is not None:
            return LayerName(name)
        if name in FUNCTIONS:
            return Builtin(name)
        other = construct.category_of(name)
        return MISSING if other is None else construct.ObjectName(other, name)

    def _name(self, expression: ast.Name, category: str | None) -> Any:
        value = self._find(expression.text, category)
        if value is not MISSING:
            if isinstance(value, construct.ObjectName):
                return construct.keras_object(self, expression, value, None)
            return value
        return self._unknown_name(expression)

    def _unknown_name(self, expression: ast.Name) -> Any:
        name = expression.text
        meant = folded(name)
        if name in self.frame.unknown:
            return UNKNOWN
        self.frame.unknown.add(name)
        refused = application.refusal(expression)
        if refused is not None and name[0].isupper():
            return self.fail(refused)
        if any(folded(layer) == meant for layer in LAYER_NAMES):  # `flatten`
            return self.fail(name_errors.unknown_layer(expression.span, name, LAYER_NAMES))
        known = self._names_here()
        if closest(name, known) is None:
            known = list(self.frame.names)
        no_input = self.frame.kind in ("block", "layer") and not self.frame.input_names
        return self.fail(
            name_errors.unknown_name(expression.span, known, in_block_without_input=no_input)
        )

    def _names_here(self) -> list[str]:
        """What can be named at this point, blocks and models included."""
        definitions = [d for d in self.frame.module.definitions if d != self.frame.title]
        return [*self.frame.names, *definitions]

    def is_layer(self, expression: ast.Expression) -> bool:
        """Whether an expression is meant as something to apply, known or not."""
        called = False
        while isinstance(expression, ast.Call):
            expression = expression.callee
            called = True
        if isinstance(expression, ast.Attribute):
            while isinstance(expression, ast.Attribute):
                expression = expression.value
            return isinstance(expression, ast.Name) and expression.text not in self.frame.names
        if not isinstance(expression, ast.Name):
            return False
        value = self._find(expression.text, None)
        if value is MISSING:
            return called or expression.text[0].isupper()
        return isinstance(value, Layer | LayerName | LayerUse | BlockInstance | Definition) or (
            isinstance(value, Builtin) and not called
        )

    # ------------------------------------------------------------------- constants

    def _literal(self, expression: ast.Literal, _: str | None) -> Any:
        if expression.value is ...:
            return self.fail(
                name_errors.not_computable(expression.span, "`...` is for subscripts of tensors")
            )
        return expression.value

    def _sequence(self, expression: ast.Sequence, category: str | None) -> Any:
        items = [self.evaluate(item, category) for item in expression.items]
        for index, item in enumerate(items):
            if item is UNKNOWN:
                return UNKNOWN
            if isinstance(item, LayerName) and category in ("layer", "cell"):
                items[index] = construct.layer_object(
                    self, expression.items[index], item.name, None
                )
        return tuple(items)

    def _formatted(self, expression: ast.Formatted, _: str | None) -> Any:
        pieces: list[str] = []
        for part in expression.parts:
            value = part if isinstance(part, str) else self.evaluate(part)
            if value is UNKNOWN:
                return UNKNOWN
            if not isinstance(value, str | int | float | None):
                where = cast("ast.Expression", part).span
                reason = f"text is needed, and this is {in_words(value)}"
                return self.fail(name_errors.not_computable(where, reason))
            pieces.append(str(value))
        if sum([len(piece) for piece in pieces]) > MAX_LENGTH:
            reason = f"it would be longer than {MAX_LENGTH:,}"
            return self.fail(name_errors.not_computable(expression.span, reason))
        return "".join(pieces)

    def _comprehension(self, expression: ast.Comprehension, category: str | None) -> Any:
        before = dict(self.frame.names)
        for part in expression.generators:
            self.introduce(part.target)
        items: list[Any] = []
        unknown = False

        def run(generators: list[ast.Generator]) -> None:
            nonlocal unknown
            if not generators:
                item = self.evaluate(expression.item, category)
                unknown = unknown or item is UNKNOWN
                items.append(item)
                return
            first, rest = generators[0], generators[1:]
            values = self.iterate(first.iterable)
            if values is UNKNOWN:
                unknown = True
                return
            for value in values:
                self.context.step(first.span)
                self.bind_target(first.target, value, first.iterable.span)
                if first.condition is None or self.condition(first.condition):
                    run(rest)

        run(expression.generators)
        self.frame.names.clear()
        self.frame.names.update(before)
        return UNKNOWN if unknown else tuple(items)

    def iterate(self, expression: ast.Expression) -> Any:
        """The items that a loop goes over."""
        value = self.evaluate(expression)
        if isinstance(value, tuple | str):
            return value  # pyright: ignore[reportUnknownVariableType]
        if value is not UNKNOWN:
            self.context.report(errors.not_iterable(expression.span, in_words(value)))
        return UNKNOWN

    def introduce(self, target: ast.Target) -> None:
        """Refuse names that layers of the catalogue have."""
        for name in target if isinstance(target, list) else [target]:
            if isinstance(name, list):
                self.introduce(name)
            elif name.text in LAYER_NAMES:
                self.context.report(name_errors.name_is_a_layer(name.span))

    def bind_target(self, target: ast.Target, value: Any, where: Span) -> None:
        """Give a loop's names their values of one round."""
        if not isinstance(target, list):
            self.frame.names[target.text] = value
            return
        values: list[Any] = [UNKNOWN] * len(target)
        if isinstance(value, tuple):
            several = cast("tuple[Any, ...]", value)
            if len(several) == len(target):
                values = list(several)
            else:
                self.context.report(errors.wrong_number_to_bind(where, len(target), len(several)))
        elif value is not UNKNOWN:
            self.context.report(errors.not_to_be_unpacked(where, in_words(value)))
        for name, item in zip(target, values, strict=True):
            self.bind_target(name, item, where)

    def condition(self, expression: ast.Expression) -> bool | None:
        """Whether a condition holds; None after a mistake."""
        return self._truth(self.evaluate(expression), expression)

    def _truth(self, value: Any, expression: ast.Expression) -> bool | None:
        if value is UNKNOWN:
            return None
        if isinstance(value, str | int | float | tuple | None):
            return bool(value)  # pyright: ignore[reportUnknownArgumentType]
        self.context.report(errors.no_truth_value(expression.span, in_words(value)))
        return None

    # ------------------------------------------------------------------- operators

    def _conditional(self, expression: ast.Conditional, category: str | None) -> Any:
        holds = self.condition(expression.condition)
        if holds is None:
            return UNKNOWN
        return self.evaluate(expression.then if holds else expression.otherwise, category)

    def _boolean(self, expression: ast.Boolean, _: str | None) -> Any:
        value: Any = UNKNOWN
        for operand in expression.operands:
            value = self.evaluate(operand)
            holds = self._truth(value, operand)
            if holds is None:
                return UNKNOWN
            if holds == (expression.operator == "or"):
                return value
        return value

    def _negated(self, expression: ast.Negated, _: str | None) -> Any:
        holds = self.condition(expression.operand)
        return UNKNOWN if holds is None else not holds

    def _compared(self, expression: ast.Compared, _: str | None) -> Any:
        left = self.evaluate(expression.first)
        result: Any = True
        for sign, operand in expression.rest:
            right = self.evaluate(operand)
            if left is UNKNOWN or right is UNKNOWN:
                return UNKNOWN
            membership = sign.text in ("in", "not in", "is", "is not")
            if (isinstance(left, Tensor) or isinstance(right, Tensor)) and not membership:
                if len(expression.rest) > 1:
                    reason = "tensors are compared two at a time"
                    return self.fail(name_errors.not_computable(expression.span, reason))
                return operations.operator(self, sign.text, left, right, expression.span)
            for value in (left, right):
                if not is_constant(value) and not membership and sign.text not in ("==", "!="):
                    reason = f"`{sign.text}` is not for {in_words(value)}"
                    return self.fail(name_errors.not_computable(expression.span, reason))
            try:
                result = compare(sign.text, left, right)
            except NotComputable as problem:
                return self._not_computable(expression.span, problem)
            if not result:
                return False
            left = right
        return result

    def _arithmetic(self, expression: ast.Arithmetic, _: str | None) -> Any:
        value = self.evaluate(expression.first)
        for sign, operand in expression.rest:
            right = self.evaluate(operand)
            where = expression.span._replace(end=operand.span.end)
            value = self.operate(sign.text, value, right, where, expression.first, operand)
        return value

    def operate(
        self,
        sign: str,
        left: Any,
        right: Any,
        where: Span,
        first: ast.Expression | None = None,
        second: ast.Expression | None = None,
    ) -> Any:
        """`left sign right`, for constants, lists and tensors."""
        if left is UNKNOWN or right is UNKNOWN:
            return UNKNOWN
        for value, expression in ((left, first), (right, second)):
            if expression is not None and isinstance(value, Layer | LayerName | LayerUse):
                return self.fail(application.layer_as_tensor(self, expression))
        lists = isinstance(left, tuple) and (isinstance(right, tuple) or is_whole(right))
        if (isinstance(left, Tensor) or isinstance(right, Tensor)) and not lists:
            return operations.operator(self, sign, left, right, where)
        operands: list[Any] = [left, right]
        others = [value for value in operands if not is_constant(value)]
        if others:
            reason = f"`{sign}` is not for {in_words(others[0])}"
            return self.fail(name_errors.not_computable(where, reason))
        try:
            return operate(sign, left, right)
        except NotComputable as problem:
            return self._not_computable(where, problem)

    def _signed(self, expression: ast.Signed, _: str | None) -> Any:
        value = self.evaluate(expression.operand)
        if value is UNKNOWN:
            return UNKNOWN
        minus = expression.operator.text == "-"
        if isinstance(value, Tensor):
            return operations.negative(self, value, expression.span) if minus else value
        try:
            return negate(value) if minus else negate(negate(value))
        except NotComputable as problem:
            return self._not_computable(expression.operand.span, problem)

    def _not_computable(self, where: Span, problem: NotComputable) -> Any:
        return self.fail(name_errors.not_computable(where, problem.reason))

    # ------------------------------------------------------- attributes, subscripts

    def _attribute(self, expression: ast.Attribute, _: str | None) -> Any:
        name = expression.name
        owner = expression.value
        if isinstance(owner, ast.Name) and owner.text == "ops" and "ops" not in self.frame.names:
            return OperationName(name.text)
        if self.is_layer(expression):
            return self.fail(application.not_a_layer(self, expression))
        value = self.evaluate(owner)
        known: list[str] = []
        if isinstance(value, Tensor):
            if name.text == "shape":
                return tuple(
                    [size if isinstance(size, int) else None for size in value.type.whole_shape]
                )
            if name.text == "dtype":
                return value.type.dtype
            known = ["shape", "dtype"]
        elif isinstance(value, LayerUse):
            return self._weight_of(value, name)
        elif value is UNKNOWN:
            return UNKNOWN
        return self.fail(errors.no_attribute(name.span, name.text, in_words(value), known))

    def _weight_of(self, use: LayerUse, name: ast.Token) -> Any:
        layer = use.graph_layer
        if layer is None:
            return self.fail(errors.layer_not_used_yet(name.span, use.name))
        for variable in layer.variables:
            if variable.name == name.text:
                return WeightOf(layer, variable)
        known = [variable.name for variable in layer.variables]
        return self.fail(errors.no_attribute(name.span, name.text, in_words(use), known))

    def _index(self, expression: ast.Index, _: str | None) -> Any:
        value = self.evaluate(expression.value)
        key = [self._subscript(subscript) for subscript in expression.subscripts]
        if value is UNKNOWN or UNKNOWN in key:
            return UNKNOWN
        if isinstance(value, Tensor):
            return operations.get_item(self, value, tuple(key), expression.span)
        if not isinstance(value, tuple | str):
            what = name_errors.not_computable(expression.span, f"{in_words(value)} has no items")
            return self.fail(what)
        several = cast("tuple[Any, ...] | str", value)
        index = key[0]
        if len(key) == 1 and isinstance(index, slice):
            return several[index]
        if len(key) != 1:
            reason = "a list has one index: `sizes[0][1]`"
            return self.fail(name_errors.not_computable(expression.span, reason))
        if not is_whole(index):
            where = expression.subscripts[0].span
            return self.fail(name_errors.not_computable(where, "a whole number is needed here"))
        if not -len(several) <= index < len(several):
            return self.fail(errors.no_such_item(expression.span, index, len(several)))
        return several[index]

    def _subscript(self, subscript: ast.Expression | ast.Slice) -> Any:
        if isinstance(subscript, ast.Literal) and subscript.value is ...:
            return ...
        if not isinstance(subscript, ast.Slice):
            return self.evaluate(subscript)
        bounds: list[Any] = []
        for bound in (subscript.start, subscript.stop, subscript.step):
            value = None if bound is None else self.evaluate(bound)
            if value is UNKNOWN:
                return UNKNOWN
            if value is not None and (not is_whole(value) or (len(bounds) == 2 and value == 0)):
                where = subscript.span if bound is None else bound.span
                reason = "a whole number is needed here" if value != 0 else "the step is 0"
                return self.fail(name_errors.not_computable(where, reason))
            bounds.append(value)
        return slice(*bounds)

    # ----------------------------------------------------------------------- calls

    def _call(self, expression: ast.Call, category: str | None) -> Any:
        callee = expression.callee
        if isinstance(callee, ast.Call):
            return self.fail(application.layer_as_tensor(self, expression))
        if isinstance(callee, ast.Name):
            value = self._find(callee.text, category)
            if value is MISSING:
                if callee.text in self.frame.unknown:
                    return UNKNOWN
                refused = construct.refused_object(callee, category)
                if refused is not None:
                    return self.fail(refused)
                others = construct.names_of(category)
                return self.fail(application.not_a_layer(self, callee, others))
        else:
            value = self.evaluate(callee)
        match value:
            case Builtin():
                return self._call_builtin(value, expression)
            case OperationName():
                return operations.operation(self, value.name, expression, expression)
            case construct.ObjectName():
                return construct.keras_object(self, expression, value, expression)
            case LayerName():
                return construct.layer_object(self, expression, value.name, expression)
            case Definition():
                return construct.definition_object(self, expression, value, expression)
            case LayerUse() | BlockInstance():
                return self.fail(application.layer_as_tensor(self, expression))
            case _ if value is UNKNOWN:
                return UNKNOWN
            case _:
                return self.fail(name_errors.not_a_layer(callee.span, in_words(value)))

    def _call_builtin(self, function: Builtin, expression: ast.Call) -> Any:
        values = [self.evaluate(argument) for argument in expression.positional]
        if expression.keywords:
            where = expression.keywords[0].span
            reason = f"`{function.name}` takes its arguments by their places, without names"
            return self.fail(name_errors.not_computable(where, reason))
        if UNKNOWN in values:
            return UNKNOWN
        for value, argument in zip(values, expression.positional, strict=True):
            if not is_constant(value):
                reason = f"`{function.name}` is not for {in_words(value)}"
                if isinstance(value, Tensor):
                    reason = f"`{function.name}` is not for tensors, unlike those of `ops`"
                return self.fail(name_errors.not_computable(argument.span, reason))
        try:
            return call_function(function.name, values)
        except NotComputable as problem:
            return self._not_computable(expression.span, problem)

    # ---------------------------------------------------------------------- tensors

    def _chain(self, expression: ast.Chain, _: str | None) -> Any:
        value = self.evaluate(expression.source)
        tensors = self.tensors_of(value, expression.source)
        return application.apply_all(self, expression.steps, tensors)

    def tensors_of(self, value: Any, expression: ast.Expression) -> list[Tensor] | None:
        """A value as the tensors that a layer takes; None after a mistake."""
        if isinstance(value, Tensor):
            return [value]
        if isinstance(value, tuple):
            several = cast("tuple[Any, ...]", value)
            items = [item for item in several if isinstance(item, Tensor)]
            if len(items) == len(several):
                return items
            if is_tensors(value):
                index = next(i for i, x in enumerate(several) if not isinstance(x, Tensor))
                nested = several[index]
                where = expression.span
                if isinstance(expression, ast.Sequence):
                    where = expression.items[index].span
                if isinstance(nested, tuple):
                    count = len(cast("tuple[Any, ...]", nested))
                    self.context.report(name_errors.not_one_tensor(where, count))
                else:
                    self.context.report(name_errors.not_a_tensor(where))
                return None
            if isinstance(expression, ast.Sequence):
                for item, tree in zip(several, expression.items, strict=True):
                    if not isinstance(item, Tensor):
                        return self.tensors_of(item, tree)
        if value is UNKNOWN:
            return None
        unapplied = Layer | LayerName | LayerUse | BlockInstance | Definition | OperationName
        if isinstance(value, unapplied):
            self.context.report(application.layer_as_tensor(self, expression))
        else:
            self.context.report(name_errors.not_a_tensor(expression.span))
        return None

    _METHODS: ClassVar[dict[type, Callable[[Evaluator, Any, str | None], Any]]] = {
        ast.Literal: _literal,
        ast.Name: _name,
        ast.Sequence: _sequence,
        ast.Call: _call,
        ast.Chain: _chain,
        ast.Conditional: _conditional,
        ast.Boolean: _boolean,
        ast.Negated: _negated,
        ast.Compared: _compared,
        ast.Arithmetic: _arithmetic,
        ast.Signed: _signed,
        ast.Index: _index,
        ast.Attribute: _attribute,
        ast.Comprehension: _comprehension,
        ast.Formatted: _formatted,
    }
