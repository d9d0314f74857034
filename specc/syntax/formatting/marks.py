"""What the formatter must know of a text beyond its syntax tree."""

from __future__ import annotations

from typing import Any

from specc.source import Source
from specc.syntax import ast
from specc.syntax.build import AstBuilder


class Marks(AstBuilder):
    """Builds the tree and notes where its parentheses, bodies and layers stand.

    The keys are the identities of nodes, which live as long as their tree.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.groups: dict[int, list[tuple[int, int]]] = {}
        """The parentheses around an expression, the innermost first."""
        self.suites: dict[int, tuple[int, int]] = {}
        """From where to where the braces of a body are."""
        self.layers: list[ast.Name] = []
        """Names that stand where a layer does."""

    def group(self, children: list[Any], start: int, end: int) -> ast.Expression:
        self.groups.setdefault(id(children[0]), []).append((start, end))
        return super().group(children, start, end)

    def suite(self, children: list[Any], start: int, end: int) -> list[ast.Statement]:
        self.suites[id(children)] = (start, end)
        return super().suite(children, start, end)

    def call(self, children: list[Any], start: int, end: int) -> ast.Call:
        self._may_be_layers(children[:1])
        return super().call(children, start, end)

    def steps(self, children: list[Any], start: int, end: int) -> ast.Chain:
        self._may_be_layers(children[1:])
        return super().steps(children, start, end)

    def line(self, children: list[Any], start: int, end: int) -> ast.Line:
        self._may_be_layers(children)
        return super().line(children, start, end)

    def layer_declaration(self, children: list[Any], start: int, end: int) -> ast.LayerDeclaration:
        self._may_be_layers(children[1:])
        return super().layer_declaration(children, start, end)

    def _may_be_layers(self, nodes: list[Any]) -> None:
        self.layers += [node for node in nodes if isinstance(node, ast.Name)]
