"""What the expressions of a spec were when a model of it was elaborated.

A syntax tree does not say whether `x` is a tensor, a number or a layer, nor which name a layer
got. Both are known after an elaboration; so one is run and watched.
"""

from __future__ import annotations

from typing import Any, cast

from specc.diagnostics.diagnostic import SpecError
from specc.graph import Graph, Node, Tensor
from specc.layers.arguments import KerasObject
from specc.layers.base import Layer
from specc.records import fresh, record
from specc.semantics.body import Body
from specc.semantics.context import Context
from specc.semantics.elaborate import elaborate_model
from specc.semantics.evaluate import Evaluator
from specc.semantics.frame import Frame
from specc.semantics.modules import Definition, Module
from specc.semantics.values import UNKNOWN, BlockInstance, LayerUse, WeightOf
from specc.source import Span
from specc.syntax import ast

Place = tuple[str, int, int]


def place_of(span: Span) -> Place:
    return (span.source.name, span.start, span.end)


@record
class Run:
    """One elaboration of the body of a model or block."""

    definition: Definition
    frame: Frame
    params: dict[str, Any]
    """The values of a block's parameters, or a model's."""
    given: list[Tensor]
    """What a block is applied to."""
    use: Span | None
    """Where a block is used; None for a model."""
    parent: Run | None
    again: bool
    """Whether it is another use of a block whose layers are there already."""

    @property
    def local_name(self) -> str:
        """What a block's use is called within its user."""
        assert self.frame.instance is not None
        prefix = self.parent.frame.prefix if self.parent is not None else ""
        return self.frame.instance.name.removeprefix(prefix)


@record
class Trace:
    graph: Graph
    runs: list[Run] = fresh(default_factory=list[Run])
    values: dict[int, list[Any]] = fresh(default_factory=dict[int, list[Any]])
    """Of expressions, by `id`."""
    going_on: dict[int, bool] = fresh(default_factory=dict[int, bool])
    """Whether what a line starts with is applied to the line above."""
    nodes: dict[Place, list[tuple[Run, Node]]] = fresh(default_factory=dict[Any, Any])
    uses: dict[Place, list[Run]] = fresh(default_factory=dict[Any, Any])
    """The expansions of blocks, by the places of their uses."""

    def runs_of(self, tree: ast.Block | ast.Model, *, as_layer: bool = False) -> list[Run]:
        return [
            run
            for run in self.runs
            if run.definition.tree is tree and (run.frame.kind == "layer") == as_layer
        ]

    def nodes_at(self, span: Span) -> list[tuple[Run, Node]]:
        return self.nodes.get(place_of(span), [])

    def uses_at(self, span: Span) -> list[Run]:
        return self.uses.get(place_of(span), [])

    def kinds(self, expression: ast.Expression) -> set[str]:
        """What an expression stood for; nothing where it was never reached."""
        return {kind_of(value) for value in self.values.get(id(expression), [])}


def kind_of(value: Any) -> str:
    """A value as "tensor", "tensors", "constant", "mixed", "layer", "use" or "object"."""
    match value:
        case Tensor():
            return "tensor"
        case tuple():
            kinds = {kind_of(item) for item in cast("tuple[Any, ...]", value)}
            if not kinds or kinds == {"constant"}:
                return "constant"
            return "tensors" if kinds == {"tensor"} else "mixed"
        case Layer():
            return "layer"
        case LayerUse() | BlockInstance():
            return "use"
        case KerasObject() | WeightOf():
            return "object"
        case str() | int() | float() | None:
            return "constant"
        case _:
            return "other"


def trace(module: Module, name: str, params: dict[str, Any]) -> Trace | None:
    """Elaborate a model again, and watch; None where that does not give a graph."""
    watching = _Watching()
    context = Context(watching.run_body)
    definition = module.definitions[name]
    try:
        graph = elaborate_model(context, definition, params, definition.tree.name.span)
    except SpecError:
        return None
    if graph is None or context.diagnostics:
        return None
    made = Trace(graph, watching.runs, watching.values, watching.going_on)
    for run, node in watching.nodes:
        made.nodes.setdefault(place_of(node.span), []).append((run, node))
    for run in watching.runs:
        if run.use is not None and run.frame.kind == "block":
            made.uses.setdefault(place_of(run.use), []).append(run)
    return made


class _Watching:
    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.values: dict[int, list[Any]] = {}
        self.going_on: dict[int, bool] = {}
        self.nodes: list[tuple[Run, Node]] = []
        self.stack: list[tuple[Run, int]] = []
        """The bodies that are being elaborated, and how many nodes have been attributed."""

    def run_body(self, context: Context, frame: Frame, statements: list[ast.Statement]) -> None:
        parent = self.stack[-1][0] if self.stack else None
        if parent is not None:
            self._attribute()
        is_block = frame.kind == "block"
        run = Run(
            frame.module.definitions[frame.title],
            frame,
            dict(frame.params if frame.kind == "model" else frame.names),
            list(frame.given),
            context.uses[-1][1] if frame.kind != "model" else None,
            parent if is_block else None,
            frame.instance is not None and frame.instance.expanded,
        )
        self.runs.append(run)
        self.stack.append((run, len(frame.building.nodes)))
        WatchedBody(context, frame, self).run(statements)
        self._attribute()
        self.stack.pop()
        if parent is not None:
            self.stack[-1] = (parent, len(parent.frame.building.nodes))

    def _attribute(self) -> None:
        """Say of the nodes made since the last time that the innermost body made them."""
        run, start = self.stack[-1]
        nodes = run.frame.building.nodes
        self.nodes += [(run, node) for node in nodes[start:]]
        self.stack[-1] = (run, len(nodes))


class WatchedBody(Body):
    """Elaborates as its base does and notes what it sees."""

    def __init__(self, context: Context, frame: Frame, watching: _Watching) -> None:
        super().__init__(context, frame)
        self.evaluator = WatchedEvaluator(context, frame, watching)
        self.watching = watching

    def _goes_on(self, expression: ast.Expression) -> bool:
        found = super()._goes_on(expression)
        self.watching.going_on[id(expression)] = found
        return found


class WatchedEvaluator(Evaluator):
    def __init__(self, context: Context, frame: Frame, watching: _Watching) -> None:
        super().__init__(context, frame)
        self.watching = watching

    def evaluate(self, expression: ast.Expression, category: str | None = None) -> Any:
        value = super().evaluate(expression, category)
        if value is not UNKNOWN:
            self.watching.values.setdefault(id(expression), []).append(value)
        return value
