"""The syntax tree: what a spec says, before anything is known about it.

Every node carries the span of its text. Nodes are never changed once built.
"""

from __future__ import annotations

from types import EllipsisType

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
    """A number, a string, `True`, `False`, `None` or `...`, evaluated."""

    value: int | float | str | bool | EllipsisType | None
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
class Conditional:
    """`then if condition else otherwise`."""

    then: Expression
    condition: Expression
    otherwise: Expression
    span: Span


@record
class Boolean:
    """`a and b and ...` or `a or b or ...`."""

    operator: str
    operands: list[Expression]
    span: Span


@record
class Negated:
    """`not operand`."""

    operand: Expression
    span: Span


@record
class Compared:
    """`first op operand op operand ...`, as in Python: `a < b < c`."""

    first: Expression
    rest: list[tuple[Token, Expression]]
    """The operators are `==`, ..., `in`, `not in`, `is` and `is not`."""
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
class Slice:
    """`start:stop:step`, as a subscript."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None
    span: Span


@record
class Index:
    """`value[subscript, subscript]`."""

    value: Expression
    subscripts: list[Expression | Slice]
    span: Span


@record
class Attribute:
    """`value.name`."""

    value: Expression
    name: Token
    span: Span


Target = Token | list["Target"]
"""What a loop binds: a name, or for `i, (a, b)` several, of which each may be several."""


@record
class Generator:
    """`for targets in iterable if condition`."""

    target: Target
    iterable: Expression
    condition: Expression | None
    span: Span


@record
class Comprehension:
    """`[item for target in iterable]`."""

    item: Expression
    generators: list[Generator]
    span: Span


@record
class Formatted:
    """`f"text {expression} text"`."""

    parts: list[str | Expression]
    span: Span


Expression = (
    Literal
    | Name
    | Sequence
    | Call
    | Chain
    | Conditional
    | Boolean
    | Negated
    | Compared
    | Arithmetic
    | Signed
    | Index
    | Attribute
    | Comprehension
    | Formatted
)

# ---------------------------------------------------------------------------- types


@record
class Type:
    """`float32[28, None, time]`; the batch axis is implied."""

    dtype: Token
    shape: list[Expression]
    span: Span


# ----------------------------------------------------------------------- statements


@record
class Parameter:
    """`name: type in choices = default`, of a block, or after `param`."""

    name: Token
    type: Token | None
    choices: Expression | None
    default: Expression | None
    span: Span


@record
class Param:
    """A value that can be set from outside."""

    parameter: Parameter
    span: Span


@record
class Input:
    name: Token
    type: Type | None
    """None where a block takes what it is given."""
    options: list[KeywordArgument]
    span: Span


@record
class Weight:
    """`weight name: type = initializer, option=value`: a variable of a layer of one's own.

    `weight name = layer.kernel` has no type: it is the variable of another layer.
    """

    name: Token
    type: Type | None
    initializer: Expression | None
    options: list[KeywordArgument]
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
class Starred:
    """`*name`, which takes what the other targets leave."""

    name: Token
    span: Span


@record
class Binding:
    """`a, b = expression`."""

    targets: list[Token | Starred]
    value: Expression
    span: Span


@record
class Augmented:
    """`name += expression`."""

    name: Token
    operator: Token
    """The arithmetic operator, `+`; its span is that of `+=`."""
    value: Expression
    span: Span


@record
class Line:
    """An expression on a line of its own."""

    value: Expression
    span: Span


@record
class For:
    target: Target
    iterable: Expression
    body: list[Statement]
    span: Span
    """Of the head, without the body."""


@record
class If:
    """`branches` are tried in turn; `otherwise` is what stands behind `else`."""

    branches: list[tuple[Expression, list[Statement]]]
    otherwise: list[Statement]
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


Statement = (
    Param
    | Input
    | Weight
    | Output
    | LayerDeclaration
    | Binding
    | Augmented
    | Line
    | For
    | If
    | Expectation
)

# ---------------------------------------------------------------------- definitions


@record
class Import:
    """`import "path"`."""

    path: Token
    """Its text is the path without quotes; its span has them."""
    span: Span


@record
class Block:
    """`block name(parameters) { ... }`: layers that are used together."""

    name: Token
    parameters: list[Parameter]
    body: list[Statement]
    span: Span


@record
class Model:
    name: Token
    body: list[Statement]
    span: Span


@record
class Section:
    """`data NAME { ... }`, `train NAME { ... }` or `export NAME { ... }`."""

    kind: Token
    name: Token
    entries: list[KeywordArgument]
    span: Span


Definition = Import | Block | Model | Section


@record
class File:
    """All of one source."""

    definitions: list[Definition]
    span: Span

    @property
    def models(self) -> list[Model]:
        return [item for item in self.definitions if isinstance(item, Model)]

    @property
    def blocks(self) -> list[Block]:
        return [item for item in self.definitions if isinstance(item, Block)]
