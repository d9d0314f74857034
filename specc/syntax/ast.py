"""The syntax tree: what a spec says, before anything is known about it.

Every node carries the span of its text. Nodes are never changed once built.
"""

from __future__ import annotations

from dataclasses import dataclass

from specc.source import Span


@dataclass(slots=True, eq=False)
class Token:
    """A piece of the text that stands for itself: a name, a number, an operator."""

    text: str
    span: Span


# ---------------------------------------------------------------------- expressions


@dataclass(slots=True, eq=False)
class Literal:
    """A number, a string, `True`, `False` or `None`, evaluated."""

    value: int | float | str | bool | None
    span: Span


@dataclass(slots=True, eq=False)
class Name:
    text: str
    span: Span


@dataclass(slots=True, eq=False)
class Sequence:
    """`[a, b]` or, with `is_tuple`, `(a, b)`."""

    items: list[Expression]
    is_tuple: bool
    span: Span


@dataclass(slots=True, eq=False)
class KeywordArgument:
    name: Token
    value: Expression
    span: Span


@dataclass(slots=True, eq=False)
class Call:
    """`callee(positional, name=keyword)`."""

    callee: Expression
    positional: list[Expression]
    keywords: list[KeywordArgument]
    span: Span


@dataclass(slots=True, eq=False)
class Chain:
    """`source -> step -> step`."""

    source: Expression
    steps: list[Expression]
    span: Span


@dataclass(slots=True, eq=False)
class Arithmetic:
    """`first op operand op operand ...`, all of one precedence, left to right."""

    first: Expression
    rest: list[tuple[Token, Expression]]
    span: Span


@dataclass(slots=True, eq=False)
class Signed:
    """`-operand` or `+operand`."""

    operator: Token
    operand: Expression
    span: Span


@dataclass(slots=True, eq=False)
class Index:
    """`value[index]`."""

    value: Expression
    index: Expression
    span: Span


@dataclass(slots=True, eq=False)
class Attribute:
    """`value.name`."""

    value: Expression
    name: Token
    span: Span


Expression = (
    Literal | Name | Sequence | Call | Chain | Arithmetic | Signed | Index | Attribute
)

# ---------------------------------------------------------------------------- types


@dataclass(slots=True, eq=False)
class Type:
    """`float32[28, None, time]`; the batch axis is implied."""

    dtype: Token
    shape: tuple[int | str | None, ...]
    span: Span


# ----------------------------------------------------------------------- statements


@dataclass(slots=True, eq=False)
class Input:
    name: Token
    type: Type
    span: Span


@dataclass(slots=True, eq=False)
class Output:
    values: list[Expression]
    span: Span


@dataclass(slots=True, eq=False)
class LayerDeclaration:
    """`layer name = Layer(...)`: a layer to be used in several places."""

    name: Token
    value: Expression
    span: Span


@dataclass(slots=True, eq=False)
class Binding:
    """`a, b = expression`."""

    targets: list[Token]
    value: Expression
    span: Span


@dataclass(slots=True, eq=False)
class Line:
    """An expression on a line of its own."""

    value: Expression
    span: Span


@dataclass(slots=True, eq=False)
class Expectation:
    """`expect [layer NAME | output NAME] measure = value`."""

    measure: Token
    """params, trainable, non_trainable or output."""
    layer: Token | None
    output: Token | None
    value: Expression | Type
    span: Span


Statement = Input | Output | LayerDeclaration | Binding | Line | Expectation


@dataclass(slots=True, eq=False)
class Model:
    name: Token
    body: list[Statement]
    span: Span


@dataclass(slots=True, eq=False)
class File:
    """All of one source."""

    models: list[Model]
    span: Span
