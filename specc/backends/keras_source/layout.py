"""Python text that `ruff format` leaves as it is: expressions as documents, and their layout.

An expression that fits stays on its line. One that does not is opened at its brackets, an item
a line with a comma behind the last: that comma is what makes a formatter keep it so.
"""

from __future__ import annotations

from specc.records import fresh, record

WIDTH = 88
INDENT = 4


@record
class Brackets:
    """`head(item, item)`; also lists, tuples and subscripts."""

    head: Doc
    opening: str
    items: list[Doc]
    closing: str
    opens: bool = True
    """Whether it may be opened; subscripts are not, a comma would make them tuples."""
    comma: bool = True
    """Whether a comma goes behind the last item; not in a comprehension."""


@record
class Infix:
    """`a + b + c`: what stands before each operand, which is nothing for the first."""

    operands: list[tuple[str, Doc]]


@record
class Joined:
    """Text and documents one after the other, as in `name=value`."""

    parts: list[Doc]


@record
class Choice:
    """`a if condition else b`."""

    then: Doc
    condition: Doc
    otherwise: Doc


Doc = str | Brackets | Infix | Joined | Choice


def call(head: Doc, items: list[Doc]) -> Brackets:
    return Brackets(head, "(", items, ")")


def items_of(items: list[Doc]) -> Brackets:
    """`[a, b]`."""
    return Brackets("", "[", items, "]")


def tuple_of(items: list[Doc]) -> Brackets:
    """`(a, b)`, and `(a,)` for one."""
    if len(items) == 1:
        return Brackets("", "(", [Joined([items[0], ","])], ")", opens=False)
    return Brackets("", "(", items, ")")


def keyword(name: str, value: Doc) -> Doc:
    return Joined([f"{name}=", value])


def flat(doc: Doc) -> str:
    """A document on one line."""
    match doc:
        case str():
            return doc
        case Brackets():
            between = ", " if doc.comma else " "
            inside = between.join([flat(item) for item in doc.items])
            return f"{flat(doc.head)}{doc.opening}{inside}{doc.closing}"
        case Infix():
            return " ".join([f"{sign} {flat(x)}" if sign else flat(x) for sign, x in doc.operands])
        case Joined():
            return "".join([flat(part) for part in doc.parts])
        case Choice():
            return f"{flat(doc.then)} if {flat(doc.condition)} else {flat(doc.otherwise)}"


def laid_out(doc: Doc, indent: int, column: int, tail: int = 0, bare: bool = True) -> str:
    """A document as text; lines after the first are indented.

    Args:
        column: where it starts.
        tail: how much follows on its last line.
        bare: whether no brackets are around it, so that operators need some to stand on
            lines of their own.
    """
    text = flat(doc)
    if column + len(text) + tail <= WIDTH:
        return text
    match doc:
        case Brackets():
            return _opened(doc, indent, column, tail) if doc.items else text
        case Joined():
            *before, last = doc.parts
            start = "".join([flat(part) for part in before])
            if isinstance(last, str) and len(doc.parts) > 1:
                return laid_out(before[0], indent, column, tail + len(last), bare) + last
            return start + laid_out(last, indent, column + len(start), tail, bare=True)
        case Infix() | Choice():
            return _on_lines(doc, indent, bare)
        case str():
            return text


def _opened(doc: Brackets, indent: int, column: int, tail: int) -> str:
    last = flat(Brackets("", doc.opening, doc.items, doc.closing, comma=doc.comma))
    head = doc.head
    can_open_head = isinstance(head, Brackets) and bool(head.items) and head.opens
    if not doc.opens or (can_open_head and indent + 1 + len(last) + tail <= WIDTH):
        return laid_out(head, indent, column, tail + len(last)) + last
    start = f"{flat(head)}{doc.opening}"
    inner = indent + INDENT
    end = "," if doc.comma else ""
    lines = [
        " " * inner + laid_out(item, inner, inner, len(end), bare=False) + end for item in doc.items
    ]
    return "\n".join([start, *lines, " " * indent + doc.closing])


def _on_lines(doc: Infix | Choice, indent: int, bare: bool) -> str:
    if isinstance(doc, Choice):
        operands = [("", doc.then), ("if", doc.condition), ("else", doc.otherwise)]
    else:
        operands = doc.operands
    inner = indent + INDENT if bare else indent
    if bare and inner + len(flat(doc)) <= WIDTH:
        lines = [flat(doc)]
    else:
        lines = [
            (f"{sign} " if sign else "")
            + laid_out(x, inner, inner + (len(sign) + 1 if sign else 0), bare=True)
            for sign, x in operands
        ]
    text = ("\n" + " " * inner).join(lines)
    return f"(\n{' ' * inner}{text}\n{' ' * indent})" if bare else text


# ----------------------------------------------------------------------- statements


@record
class Suite:
    """Statements under one indentation."""

    items: list[Item] = fresh(default_factory=list["Item"])

    def add(self, item: Item) -> None:
        self.items.append(item)

    def assign(self, target: str, value: Doc) -> None:
        self.items.append(Statement(f"{target} = ", value))


@record
class Statement:
    """`start` is text such as `x = ` or `return `."""

    start: str
    value: Doc
    end: str = ""


@record
class Compound:
    """`for x in y:` and what stands below it."""

    head: Statement
    body: Suite


Item = Statement | Compound | Suite | str


def lines_of(suite: Suite, indent: int) -> list[str]:
    """The lines of a suite; strings in it are lines as they are."""
    lines: list[str] = []
    margin = " " * indent
    idle = _idle_choices(suite)
    for item in suite.items:
        if id(item) in idle:
            continue
        match item:
            case str():
                lines += [margin + line if line else "" for line in item.split("\n")]
            case Suite():
                lines += lines_of(item, indent)
            case Statement():
                lines += _statement(item, indent)
            case Compound():
                lines += _statement(item.head, indent)
                lines += lines_of(item.body, indent + INDENT) or [f"{margin}    pass"]
    return lines


def _idle_choices(suite: Suite) -> set[int]:
    """The `if`s of which no branch does anything."""
    idle: set[int] = set()
    choice: list[Compound] = []
    for item in [*suite.items, None]:
        start = item.head.start if isinstance(item, Compound) else ""
        if start in ("elif ", "else") and isinstance(item, Compound):
            choice.append(item)
            continue
        if not any(lines_of(branch.body, 0) for branch in choice):
            idle |= {id(branch) for branch in choice}
        choice = [item] if isinstance(item, Compound) and start == "if " else []
    return idle


def _statement(item: Statement, indent: int) -> list[str]:
    column = indent + len(item.start)
    text = laid_out(item.value, indent, column, len(item.end))
    return (" " * indent + item.start + text + item.end).split("\n")
