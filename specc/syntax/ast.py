"""The syntax tree: what a spec says, before anything is known about it.

Every node carries the span of its text. Nodes are never changed once built.
"""

from __future__ import annotations

from specc.records import record
from specc.source import Span


@record
class Token:
    """A piece of the text that stands for itself: a name, a number, an operator."""

    text: str
    span: Span


# ---------------------------------------------------------------------- expressions


@record
class Literal:
    """A number, a string, `True`, `False` or `None`, evaluated."""

    value: int | float | str | bool | None
    span: Span


@record
class Name:
    text: str
    span: Span


@record
class Sequence:
    """`[a, b]` or, with `is_tuple`, `(a, b)`."""

    items: list[Expression]
    is_tuple: bool
    span: Span


@record
class KeywordArgument:
    name: Token
    value: Expression
    span: Span


@record
class Call:
    """`callee(positional, name=keyword)`."""

    callee: Expression
    positional: list[Expression]
    keywords: list[KeywordArgument]
    span: Span


@record
class Chain:
    """`source -> step -> step`."""

    source: Expression
    steps: list[Expression]
    span: Span


@record
class Arithmetic:
    """`first op operand op operand ...`, all of one precedence, left to right."""

    first: Expression
    rest: list[tuple[Token, Expression]]
    span: Span


@record
class Signed:
    """`-operand` or `+operand`."""

    operator: Token
    operand: Expression
    span: Span


@record
class Index:
    """`value[index]`."""

    value: Expression
    index: Expression
    span: Span


@record
class Attribute:
    """`value.name`."""

    value: Expression
    name: Token
    span: Span


Expression = Literal | Name | Sequence | Call | Chain | Arithmetic | Signed | Index | Attribute

# ---------------------------------------------------------------------------- types


@record
class Type:
    """`float32[28, None, time]`; the batch axis is implied."""

    dtype: Token
    shape: tuple[int | str | None, ...]
    span: Span


# ----------------------------------------------------------------------- statements


@record
class Input:
    name: Token
    type: Type
    span: Span


@record
class Output:
    values: list[Expression]
    span: Span


@record
class LayerDeclaration:
    """`layer name = Layer(...)`: a layer to be used in several places."""

    name: Token
    value: Expression
    span: Span


@record
class Binding:
    """`a, b = expression`."""

    targets: list[Token]
    value: Expression
    span: Span


@record
class Line:
    """An expression on a line of its own."""

    value: Expression
    span: Span


@record
class Expectation:
    """`expect [layer NAME | output NAME] measure = value`."""

    measure: Token
    """params, trainable, non_trainable or output."""
    layer: Token | None
    output: Token | None
    value: Expression | Type
    span: Span


Statement = Input | Output | LayerDeclaration | Binding | Line | Expectation


@record
class Model:
    name: Token
    body: list[Statement]
    span: Span


@record
class File:
    """All of one source."""

    models: list[Model]
    span: Span
