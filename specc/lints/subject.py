"""What lints look at: the checked graphs with their neighbourhoods, the text and its tree."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Any, NamedTuple, cast

from specc.compiler import Compilation
from specc.graph import Graph, GraphLayer, Node, Tensor
from specc.semantics.composite import Composite
from specc.semantics.modules import Loader, Module
from specc.semantics.sections import Section
from specc.source import Source, Span
from specc.syntax import ast


class Flow:
    """A graph with the way from each tensor to what takes it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.outputs = set(graph.outputs)
        self.takers: dict[Tensor, list[Node]] = {}
        for node in graph.nodes:
            for tensor in node.taken:
                self.takers.setdefault(tensor, []).append(node)

    def after(self, node: Node) -> Node | None:
        """The one node that takes what a node gives; None where there are several or none."""
        if len(node.outputs) != 1:
            return None
        tensor = node.outputs[0]
        takers = self.takers.get(tensor, [])
        return takers[0] if len(takers) == 1 and tensor not in self.outputs else None

    def before(self, node: Node) -> Node | None:
        """What makes the one tensor that a node takes; None for an input."""
        taken = node.taken
        return taken[0].node if len(taken) == 1 else None

    def alone_before(self, node: Node) -> Node | None:
        """What makes the one tensor that a node takes, where nothing else takes it."""
        maker = self.before(node)
        return maker if maker is not None and self.after(maker) is node else None


class Use(NamedTuple):
    """A layer of a graph."""

    flow: Flow
    layer: GraphLayer


class Subject:
    """A compiled spec as lints see it."""

    def __init__(
        self, compilation: Compilation, loader: Loader, imported_elsewhere: bool = False
    ) -> None:
        self.module = compilation.module
        self.sections: list[Section] = compilation.sections
        self.graphs = compilation.graphs
        """The models of the file itself."""
        self.loader = loader
        self._flows: dict[int, Flow] = {}
        self._inside: dict[int, set[Flow]] = {}
        self.imported_elsewhere = imported_elsewhere
        """Whether another spec that is looked at imports this one."""

    @property
    def source(self) -> Source:
        return self.module.source

    @cached_property
    def flows(self) -> list[Flow]:
        """Every graph, those of models and blocks inside others included."""
        for graph in self.graphs:
            self.flows_of(graph)
        return list(self._flows.values())

    def flows_of(self, graph: Graph) -> set[Flow]:
        """A graph and the graphs inside it."""
        found = self._inside.get(id(graph))
        if found is None:
            if id(graph) not in self._flows:
                self._flows[id(graph)] = Flow(graph)
            found = self._inside[id(graph)] = {self._flows[id(graph)]}
            for layer in graph.layers:
                if isinstance(layer.layer, Composite):
                    found |= self.flows_of(layer.layer.graph)
        return found

    @property
    def nodes(self) -> Iterator[tuple[Flow, Node]]:
        return ((flow, node) for flow in self.flows for node in flow.graph.nodes)

    @cached_property
    def places(self) -> list[list[Use]]:
        """The layers, gathered by the place in the text that makes them.

        A place in a block or a loop makes several, and what is said of the place, or done to
        it, has to be right for all.
        """
        found: dict[Span, list[Use]] = {}
        for flow in self.flows:
            for layer in flow.graph.layers:
                found.setdefault(layer.span, []).append(Use(flow, layer))
        return list(found.values())

    @cached_property
    def nested(self) -> set[str]:
        """The names of the models and blocks that are layers of others."""
        return {
            layer.layer.title
            for flow in self.flows
            for layer in flow.graph.layers
            if isinstance(layer.layer, Composite)
        }

    @cached_property
    def modules(self) -> list[Module]:
        """The file itself, and every file that it imports."""
        found: dict[str, Module] = {}
        pending = [self.module]
        while pending:
            module = pending.pop()
            if module.source.name not in found:
                found[module.source.name] = module
                pending += [item.module for item in module.definitions.values()]
        return list(found.values())

    @cached_property
    def calls(self) -> dict[Span, ast.Call | ast.Name]:
        """The calls and names of the file itself, by their places."""
        found: dict[Span, ast.Call | ast.Name] = {}
        for node in walk(self.module.file):
            if isinstance(node, ast.Call | ast.Name):
                found[node.span] = node
        return found


def walk(tree: Any) -> Generator[Any]:
    """A node of a syntax tree and everything below it, or everything in a list of nodes."""
    pending = [tree]
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple) and not isinstance(item, Span):
            pending += cast("list[Any]", item)[::-1]
        elif type(item).__module__ == ast.__name__:
            yield item
            pending += list(vars(item).values())[::-1]
