"""Statements and definitions in the one form that they have after formatting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from specc.syntax import ast
from specc.syntax.formatting.comments import Comments
from specc.syntax.formatting.flat import Flat, target_text
from specc.syntax.formatting.layout import Layout
from specc.syntax.formatting.marks import Marks
from specc.syntax.formatting.strings import normal_string
from specc.syntax.formatting.writer import INDENT, Writer

Placed = ast.Statement | ast.Definition | ast.KeywordArgument
"""What stands on lines of its own: a section's entries are keyword arguments."""


class Document:
    """Writes one file."""

    def __init__(self, text: str, marks: Marks, renamed: dict[int, str]) -> None:
        self._text = text
        self._comments = Comments(text)
        self._suites = marks.suites
        self._flat = Flat(text, self._comments, marks.groups, renamed)
        self._writer = Writer(text, self._comments)
        self._layout = Layout(self._flat, self._writer)
        self._statements: dict[type, Callable[[Any], None]] = {
            ast.Import: self._import,
            ast.Model: self._model,
            ast.Block: self._block,
            ast.Section: self._section,
            ast.KeywordArgument: self._entry,
            ast.Param: self._param,
            ast.Input: self._input,
            ast.Weight: self._weight,
            ast.Output: self._output,
            ast.LayerDeclaration: self._layer,
            ast.Binding: self._binding,
            ast.Augmented: self._augmented,
            ast.Line: self._line,
            ast.Expectation: self._expectation,
            ast.For: self._for,
            ast.If: self._if,
        }

    def of(self, file: ast.File) -> str:
        above: ast.Definition | None = None
        after = 0
        for definition in file.definitions:
            apart = not (isinstance(definition, ast.Import) and isinstance(above, ast.Import))
            first = above is None
            self._writer.start_line(
                definition.span.start, 0, after, first=first, apart=apart and not first
            )
            self._statements[type(definition)](definition)
            above, after = definition, definition.span.end
        return self._writer.finish(after)

    # ----------------------------------------------------------------------- bodies

    def _body(self, head: str, items: Sequence[Placed], start: int, end: int) -> None:
        """`{`, each item on lines of its own, and `}`, which ends at `end` in the source."""
        write = self._writer.write
        if not items and not self._comments.between(start, end):
            write(head + "{}")
            return
        write(head + "{")
        layout, outer = self._layout, self._layout.indent
        layout.indent += INDENT
        after = start + 1
        for index, item in enumerate(items):
            self._writer.start_line(item.span.start, layout.indent, after, first=not index)
            self._statements[type(item)](item)
            after = self._end(item)
        layout.indent = outer
        self._writer.close_body(end - 1, outer, after, first=not items)
        write("}")

    def _suite(self, head: str, body: list[ast.Statement]) -> None:
        start, end = self._suites[id(body)]
        self._body(head, body, start, end)

    def _tail(self, body: list[ast.Statement]) -> int:
        """The columns that a body needs on the line of its head."""
        empty = not body and not self._comments.between(*self._suites[id(body)])
        return len(" {}") if empty else len(" {")

    def _end(self, item: Placed) -> int:
        """Where an item ends; the spans of `for` and `if` are those of their heads."""
        if isinstance(item, ast.For):
            return self._suites[id(item.body)][1]
        if isinstance(item, ast.If):
            has_else = id(item.otherwise) in self._suites
            last = item.otherwise if has_else else item.branches[-1][1]
            return self._suites[id(last)][1]
        return item.span.end

    # ------------------------------------------------------------------ definitions

    def _import(self, node: ast.Import) -> None:
        self._writer.write(f"import {normal_string(node.path.span.text)}")

    def _model(self, node: ast.Model) -> None:
        self._suite(f"model {node.name.text} ", node.body)

    def _block(self, node: ast.Block) -> None:
        self._writer.write(f"block {node.name.text}")
        start = node.name.span.end
        end = self._text.rfind(")", start, self._suites[id(node.body)][0]) + 1
        if node.parameters or self._comments.between(start, end):
            self._layout.items("(", node.parameters, ")", start, end, self._tail(node.body))
        self._suite(" ", node.body)

    def _section(self, node: ast.Section) -> None:
        start = self._text.index("{", node.name.span.end)
        head = f"{node.kind.text} {node.name.text} "
        self._body(head, node.entries, start, node.span.end)

    def _entry(self, node: ast.KeywordArgument) -> None:
        self._assign(node.name.text, "=", node.value)

    # ------------------------------------------------------------------- statements

    def _assign(self, target: str, sign: str, value: ast.Expression) -> None:
        self._writer.write(f"{target} {sign} ")
        self._layout.expression(value)

    def _param(self, node: ast.Param) -> None:
        parameter = node.parameter
        self._writer.write(f"param {parameter.name.text}")
        if parameter.type is not None:
            self._writer.write(f": {parameter.type.text}")
        if parameter.choices is not None:
            self._writer.write(" in ")
            self._layout.expression(parameter.choices)
        if parameter.default is not None:
            self._writer.write(" = ")
            self._layout.expression(parameter.default)

    def _input(self, node: ast.Input) -> None:
        self._writer.write(f"input {node.name.text}")
        if node.type is not None:
            self._writer.write(": ")
            self._layout.tensor_type(node.type)
        self._options(node.options)

    def _weight(self, node: ast.Weight) -> None:
        self._writer.write(f"weight {node.name.text}")
        if node.type is not None:
            self._writer.write(": ")
            self._layout.tensor_type(node.type)
        if node.initializer is not None:
            self._writer.write(" = ")
            self._layout.expression(node.initializer, tail=bool(node.options))
        self._options(node.options)

    def _options(self, options: list[ast.KeywordArgument]) -> None:
        for index, option in enumerate(options, start=1):
            self._writer.write(", ")
            self._layout.expression(option, tail=index < len(options))

    def _output(self, node: ast.Output) -> None:
        self._writer.write("output ")
        for index, value in enumerate(node.values, start=1):
            self._layout.expression(value, tail=index < len(node.values))
            if index < len(node.values):
                self._writer.write(", ")

    def _layer(self, node: ast.LayerDeclaration) -> None:
        self._assign(f"layer {node.name.text}", "=", node.value)

    def _binding(self, node: ast.Binding) -> None:
        targets = [
            f"*{target.name.text}" if isinstance(target, ast.Starred) else target.text
            for target in node.targets
        ]
        self._assign(", ".join(targets), "=", node.value)

    def _augmented(self, node: ast.Augmented) -> None:
        self._assign(node.name.text, f"{node.operator.text}=", node.value)

    def _line(self, node: ast.Line) -> None:
        self._layout.expression(node.value)

    def _expectation(self, node: ast.Expectation) -> None:
        words = ["expect"]
        if node.layer is not None:
            name = node.layer.span.text
            words += ["layer", normal_string(name) if name[0] in "\"'" else name]
        words.append(node.measure.text)
        if node.output is not None:
            words.append(node.output.text)
        if isinstance(node.value, ast.Type):
            self._writer.write(" ".join([*words, "= "]))
            self._layout.tensor_type(node.value)
        else:
            self._assign(" ".join(words), "=", node.value)

    def _for(self, node: ast.For) -> None:
        self._writer.write(f"for {target_text(node.target)} in ")
        self._layout.expression(node.iterable, tail=self._tail(node.body))
        self._suite(" ", node.body)

    def _if(self, node: ast.If) -> None:
        above = None
        for condition, body in node.branches:
            if above is not None:
                self._go_on(above, self._flat.start(condition))
            self._writer.write("if " if above is None else "elif ")
            self._layout.expression(condition, tail=self._tail(body))
            self._suite(" ", body)
            above = body
        if id(node.otherwise) in self._suites and above is not None:
            self._go_on(above, self._suites[id(node.otherwise)][0])
            self._suite("else ", node.otherwise)

    def _go_on(self, above: list[ast.Statement], before: int) -> None:
        """`else` and `elif` stand behind the `}` above, unless comments stand in between."""
        if self._comments.between(self._suites[id(above)][1], before):
            self._writer.new_line(before, self._layout.indent)
        else:
            self._writer.write(" ")
