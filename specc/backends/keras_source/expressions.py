"""Expressions of a spec as Python's: nearly the same, and lists of constants are tuples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from specc.backends.keras_source.layout import (
    Brackets,
    Choice,
    Doc,
    Infix,
    Joined,
    call,
    flat,
    items_of,
    keyword,
    tuple_of,
)
from specc.backends.keras_source.names import escaped, number, quoted
from specc.backends.keras_source.parts import CannotExpress, object_name
from specc.backends.keras_source.scope import Scope, bound_by
from specc.graph import Tensor
from specc.layers import find_layer
from specc.layers.arguments import KerasObject
from specc.semantics.functions import FUNCTIONS
from specc.semantics.naming import snake_case
from specc.syntax import ast

CONDITIONAL, OR, AND, NOT, COMPARED, SUM, PRODUCT, UNARY, POWER, POSTFIX = range(1, 11)
"""How tightly expressions bind, as in Python."""

LEVELS = {"+": SUM, "-": SUM, "**": POWER}

LAZY = ("enumerate", "range", "reversed", "zip")
"""Functions that give a list in a spec and something to iterate over in Python."""


def names_in(node: ast.Call | None) -> list[ast.Expression]:
    """The name that a call gives to what it makes, if it gives one."""
    given = [k.value for k in node.keywords if k.name.text == "name"] if node else []
    return [item for item in given if not (isinstance(item, ast.Literal) and item.value is None)]


def with_name_by_name(node: ast.Call | None, class_name: str) -> ast.Call | None:
    """What makes a layer, with its name as a keyword, and all that stood behind it."""
    cls = find_layer(class_name)
    order = cls.positional if cls is not None else ()
    first = order.index("name") if "name" in order else len(order)
    if node is None or len(node.positional) <= first:
        return node
    moved = [
        ast.KeywordArgument(ast.Token(name, item.span), item, item.span)
        for name, item in zip(order[first:], node.positional[first:], strict=False)
    ]
    return ast.Call(node.callee, node.positional[:first], [*moved, *node.keywords], node.span)


class Expressions:
    """Writes the expressions of one body."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.depth = 0
        """How many conditions and loops there are around an expression within its statement."""
        self.told: Doc | None = None
        """What the layer that is being written says of `trainable`; layers within it are told."""

    def expr(self, node: ast.Expression, level: int = 0, *, argument: bool = False) -> Doc:
        """An expression, in parentheses where it binds less tightly than `level`.

        Args:
            argument: whether it is an argument of a call, where lists of tensors stay lists.
        """
        if isinstance(node, ast.Sequence):
            return self._sequence(node, argument)
        doc, binds = self._EXPRESSIONS[type(node)](self, node)
        if binds >= level:
            return doc
        return Brackets("", "(", [doc], ")", comma=False)

    def kind(self, node: ast.Expression) -> str:
        """What an expression stands for: see `trace.kind_of`."""
        kinds = self.scope.trace.kinds(node)
        if len(kinds) == 1:
            return next(iter(kinds))
        if kinds:
            return "mixed"
        return self._guess(node)

    def _guess(self, node: ast.Expression) -> str:
        """For what was never reached: a branch that no use takes."""
        if isinstance(node, ast.Chain):
            return "tensor"
        if isinstance(node, ast.Sequence):
            kinds = {self.kind(item) for item in node.items}
            if kinds <= {"constant"}:
                return "constant"
            return "tensors" if kinds == {"tensor"} else "mixed"
        if isinstance(node, ast.Name):
            for other in self.scope.statements:
                if isinstance(other, ast.Name) and other.text == node.text:
                    kinds = self.scope.trace.kinds(other)
                    if kinds:
                        return next(iter(kinds))
            inputs = [x.name.text for x in self.scope.statements if isinstance(x, ast.Input)]
            return "tensor" if node.text in inputs else "constant"
        if isinstance(node, ast.Arithmetic):
            every = [node.first, *[operand for _, operand in node.rest]]
            return "tensor" if any(self.kind(x) == "tensor" for x in every) else "constant"
        if isinstance(node, ast.Call) and isinstance(node.callee, ast.Attribute):
            return "tensor"
        return "constant"

    # ------------------------------------------------------------------- constants

    def _literal(self, node: ast.Literal) -> tuple[Doc, int]:
        if isinstance(node.value, str):
            return quoted(node.value), POSTFIX
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return number(node.span.text), POSTFIX
        return "..." if node.value is ... else repr(node.value), POSTFIX

    def _name(self, node: ast.Name) -> tuple[Doc, int]:
        if node.text in self.scope.bound:
            return self.scope.python[node.text], POSTFIX
        made = self._keras_object(node)
        if made is not None:
            return call(made, []), POSTFIX
        found = find_layer(node.text)
        if found is not None:
            return self._inner_layer(found.__name__, None), POSTFIX
        raise CannotExpress(f"`{node.text}` has no value in Python", node.span)

    def _keras_object(self, node: ast.Expression) -> str | None:
        """The class of an initializer, regularizer or constraint."""
        values = self.scope.trace.values.get(id(node), [])
        if values and isinstance(values[0], KerasObject):
            return object_name(values[0])
        return None

    def _sequence(self, node: ast.Sequence, argument: bool = False) -> Doc:
        items = [self.expr(item) for item in node.items]
        holds = {self.kind(item) for item in node.items}
        holds_layers = "layer" in holds or any(self._is_layer_name(x) for x in node.items)
        if holds_layers or (argument and holds & {"tensor"}):
            return items_of(items)
        return tuple_of(items)

    def _is_layer_name(self, node: ast.Expression) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.text not in self.scope.bound
            and find_layer(node.text) is not None
        )

    def _formatted(self, node: ast.Formatted) -> tuple[Doc, int]:
        return f'f"{self.formatted_parts(node)}"', POSTFIX

    def formatted_parts(self, node: ast.Formatted) -> str:
        """What stands between the quotes of an f-string."""
        pieces: list[str] = []
        for part in node.parts:
            if isinstance(part, str):
                pieces.append(escaped(part).replace("{", "{{").replace("}", "}}"))
                continue
            text = flat(self.expr(part))
            if '"' in text or "\\" in text or text.startswith("{"):
                raise CannotExpress("there are quotes within an f-string", part.span)
            pieces.append(f"{{{text}}}")
        return "".join(pieces)

    def _comprehension(self, node: ast.Comprehension) -> tuple[Doc, int]:
        inside = self.comprehension(node)
        return Brackets("tuple", "(", inside.items, ")", comma=False), POSTFIX

    def comprehension(self, node: ast.Comprehension) -> Brackets:
        """`[item for ...]`."""
        before = set(self.scope.bound)
        self.depth += 1
        clauses: list[Doc] = []
        for generator in node.generators:
            iterable = self.spine(generator.iterable, OR)
            self.scope.bound |= set(bound_by(generator))
            clauses.append(Joined([f"for {self.targets(generator.target)} in ", iterable]))
            if generator.condition is not None:
                clauses.append(Joined(["if ", self.expr(generator.condition, OR)]))
        item = self.expr(node.item)
        self.depth -= 1
        self.scope.bound = before
        return Brackets("", "[", [item, *clauses], "]", comma=False)

    def targets(self, target: ast.Target, inner: bool = False) -> str:
        """`i, (a, b)`."""
        if not isinstance(target, list):
            return self.scope.python[target.text]
        text = ", ".join([self.targets(item, inner=True) for item in target])
        return f"({text})" if inner else text

    # ------------------------------------------------------- what is only iterated

    def spine(self, node: ast.Expression, level: int = 0) -> Doc:
        """An expression that is iterated over: lists stay lists, and ranges ranges."""
        if isinstance(node, ast.Comprehension):
            return self.comprehension(node)
        if self._builtin_name(node) in LAZY:
            assert isinstance(node, ast.Call)
            return self._lazy(node)
        return self.sized(node, level)

    def sized(self, node: ast.Expression, level: int = 0) -> Doc:
        """An expression of which the items and the length alone matter."""
        if self._builtin_name(node) == "range":
            assert isinstance(node, ast.Call)
            return self._lazy(node)
        if not self._of_lists(node):
            return self.expr(node, level)
        if isinstance(node, ast.Sequence):
            return items_of([self.expr(item) for item in node.items])
        assert isinstance(node, ast.Arithmetic)
        binds = self._level(node)
        doc = self._infix(node, lambda x: self.sized(x, binds + 1))
        return doc if binds >= level else Brackets("", "(", [doc], ")", comma=False)

    def _of_lists(self, node: ast.Expression) -> bool:
        """Whether it is `[...]`, or made of such by `+` and `*`."""
        if isinstance(node, ast.Sequence):
            return not node.is_tuple
        if not isinstance(node, ast.Arithmetic):
            return False
        operands = [node.first, *[operand for _, operand in node.rest]]
        lists = [self._of_lists(operand) for operand in operands]
        signs = {sign.text for sign, _ in node.rest}
        return all(lists) if signs == {"+"} else signs == {"*"} and lists.count(True) == 1

    def _builtin_name(self, node: ast.Expression) -> str:
        if isinstance(node, ast.Call) and isinstance(node.callee, ast.Name):
            what, _ = self.scope.resolve(node.callee)
            if what == "unknown" and node.callee.text in FUNCTIONS:
                return node.callee.text
        return ""

    def _lazy(self, node: ast.Call) -> Doc:
        name = self._builtin_name(node)
        take: Callable[[ast.Expression], Doc] = {
            "range": self.expr,
            "reversed": self.sized,
        }.get(name, self.spine)
        items = [take(item) for item in node.positional]
        if name == "zip":
            items.append("strict=True")
        return call(name, items)

    # -------------------------------------------------------------------- operators

    def _conditional(self, node: ast.Conditional) -> tuple[Doc, int]:
        condition = self.expr(node.condition, OR)
        self.depth += 1
        then, otherwise = self.expr(node.then, OR), self.expr(node.otherwise, CONDITIONAL)
        self.depth -= 1
        return Choice(then, condition, otherwise), CONDITIONAL

    def _boolean(self, node: ast.Boolean) -> tuple[Doc, int]:
        binds = OR if node.operator == "or" else AND
        operands = [self.expr(item, binds + 1) for item in node.operands]
        signs = ["", *[node.operator] * (len(operands) - 1)]
        return Infix(list(zip(signs, operands, strict=True))), binds

    def _negated(self, node: ast.Negated) -> tuple[Doc, int]:
        return Joined(["not ", self.expr(node.operand, NOT)]), NOT

    def _compared(self, node: ast.Compared) -> tuple[Doc, int]:
        if len(node.rest) == 1:
            self._same_in_call(node, node.rest[0][0].text, node.first, node.rest[0][1])
        operands: list[tuple[str, Doc]] = [("", self.expr(node.first, COMPARED + 1))]
        for sign, operand in node.rest:
            take = self.sized if sign.text in ("in", "not in") else self.expr
            operands.append((sign.text, take(operand, COMPARED + 1)))
        return Infix(operands), COMPARED

    def _level(self, node: ast.Arithmetic) -> int:
        return LEVELS.get(node.rest[0][0].text, PRODUCT)

    def _arithmetic(self, node: ast.Arithmetic) -> tuple[Doc, int]:
        binds = self._level(node)
        left = node.first
        for sign, operand in node.rest:
            self._same_in_call(node, sign.text, left, operand)
        if binds == POWER:
            base, exponent = node.first, node.rest[0][1]
            docs = self.expr(base, POSTFIX), self.expr(exponent, UNARY)
            if _is_simple(base) and _is_simple(exponent):
                return Joined([docs[0], "**", docs[1]]), POWER
            return Infix([("", docs[0]), ("**", docs[1])]), POWER
        return self._infix(node, lambda x: self.expr(x, binds + 1)), binds

    def _infix(self, node: ast.Arithmetic, take: Callable[[ast.Expression], Doc]) -> Infix:
        # In this order: chains within an expression may become statements before it.
        operands: list[tuple[str, Doc]] = [("", take(node.first))]
        operands += [(sign.text, take(operand)) for sign, operand in node.rest]
        return Infix(operands)

    def _same_in_call(
        self, node: ast.Expression, sign: str, left: ast.Expression, right: ast.Expression
    ) -> None:
        """In a layer's `call` the operators are TensorFlow's, which does not mix dtypes."""
        if self.scope.kind != "layer" or sign in ("in", "not in", "is", "is not"):
            return
        for side in (left, right, node):
            for value in self.scope.trace.values.get(id(side), []):
                comparing = side is node and isinstance(node, ast.Compared)
                if isinstance(value, Tensor) and value.type.dtype != "float32" and not comparing:
                    raise CannotExpress("an operator mixes dtypes within a layer", node.span)

    def _signed(self, node: ast.Signed) -> tuple[Doc, int]:
        if node.operator.text == "+" and self.kind(node.operand) != "constant":
            return self.expr(node.operand, UNARY), UNARY
        # Formatters put what is raised to a power in parentheses here.
        level = POSTFIX if isinstance(node.operand, ast.Arithmetic) else UNARY
        return Joined([node.operator.text, self.expr(node.operand, level)]), UNARY

    # -------------------------------------------------------- attributes, subscripts

    def _attribute(self, node: ast.Attribute) -> tuple[Doc, int]:
        if node.name.text == "dtype" and self.scope.kind == "layer":
            raise CannotExpress("a layer looks at a dtype", node.span)
        found = self.attribute_of(node)
        if found is not None:
            return found
        return Joined([self.expr(node.value, POSTFIX), f".{node.name.text}"]), POSTFIX

    def attribute_of(self, node: ast.Attribute) -> tuple[Doc, int] | None:  # noqa: ARG002
        """An attribute that is said otherwise than the spec does."""
        return None

    def _index(self, node: ast.Index) -> tuple[Doc, int]:
        subscripts = [self._subscript(item) for item in node.subscripts]
        value = self.sized(node.value, POSTFIX)
        return Brackets(value, "[", subscripts, "]", opens=False), POSTFIX

    def _subscript(self, node: ast.Expression | ast.Slice) -> Doc:
        if not isinstance(node, ast.Slice):
            return self.expr(node)
        bounds = [node.start, node.stop] if node.step is None else [
            node.start, node.stop, node.step
        ]  # fmt: skip
        texts = ["" if bound is None else flat(self.expr(bound)) for bound in bounds]
        if all(bound is None or _is_simple(bound) for bound in bounds):
            return ":".join(texts)
        return " : ".join(texts).strip()

    # ------------------------------------------------------------------------ calls

    def _call(self, node: ast.Call) -> tuple[Doc, int]:
        name = self._builtin_name(node)
        if name:
            return self._builtin(node, name), POSTFIX
        made = self._keras_object(node)
        if made is not None:
            return call(made, self.arguments(node)), POSTFIX
        what, found = self.scope.resolve(node.callee)
        if what == "operation":
            return call(f"ops.{found}", self.arguments(node)), POSTFIX
        if what == "layer":
            return self._inner_layer(found, node), POSTFIX
        if what in ("model", "block"):
            return self.definition_as_argument(node, found), POSTFIX
        raise CannotExpress("something is called that Python cannot call", node.span)

    def _inner_layer(self, class_name: str, node: ast.Call | None) -> Doc:
        node = with_name_by_name(node, class_name)
        """A layer as an argument of another one, which is called after its class."""
        given = names_in(node)
        name = self.expr(given[0]) if given else quoted(snake_case(class_name))
        told = [k for k in node.keywords if k.name.text == "trainable"] if node else []
        frozen: list[Doc] = []
        if not told and (self.told is not None or self.scope.frozen):
            frozen.append(keyword("trainable", self.told or "trainable"))
        arguments = [*self.arguments(node), *frozen, keyword("name", name)]
        return call(f"layers.{class_name}", arguments)

    def definition_as_argument(self, node: ast.Call, definition: Any) -> Doc:
        """`TimeDistributed(encoder())`; where steps are written is where this is known."""
        raise NotImplementedError

    def arguments(self, node: ast.Call | None) -> list[Doc]:
        """The arguments of a call as the spec has them; `name` is left out."""
        if node is None:
            return []
        before = self.told
        for item in node.keywords:
            if item.name.text == "trainable":
                self.told = self.expr(item.value)
        positional = [self.expr(item, argument=True) for item in node.positional]
        written = [
            *positional,
            *[
                keyword(item.name.text, self.expr(item.value, argument=True))
                for item in node.keywords
                if item.name.text != "name"
            ],
        ]
        self.told = before
        return written

    def _builtin(self, node: ast.Call, name: str) -> Doc:
        if name in LAZY:
            return call("tuple", [self._lazy(node)])
        if name in ("list", "tuple"):
            return call("tuple", [self.spine(item) for item in node.positional])
        if name in ("len", "max", "min", "sum") and len(node.positional) == 1:
            take = self.sized if name == "len" else self.spine
            return call(name, [take(node.positional[0])])
        return call(name, [self.expr(item) for item in node.positional])

    def _chain(self, node: ast.Chain) -> tuple[Doc, int]:
        return self.nested_chain(node), POSTFIX

    def nested_chain(self, node: ast.Chain) -> Doc:
        raise NotImplementedError

    _EXPRESSIONS: ClassVar[dict[type, Callable[[Expressions, Any], tuple[Doc, int]]]] = {
        ast.Literal: _literal,
        ast.Name: _name,
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


def _is_simple(node: ast.Expression) -> bool:
    """What formatters put no spaces around in `x**2` and `x[1:n]`."""
    if isinstance(node, ast.Signed):
        return _is_simple(node.operand)
    return isinstance(node, ast.Literal | ast.Name)
