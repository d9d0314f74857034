"""What is known of a body before it is written: its names, and which layers are numbered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from specc.backends.keras_source.names import safe
from specc.backends.keras_source.parts import CannotExpress, Parts
from specc.backends.keras_source.trace import Run, Trace
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.ops.base import Operation
from specc.semantics.modules import Definition
from specc.semantics.naming import snake_case
from specc.semantics.values import LayerName
from specc.syntax import ast

FLOWS = ("x", "y", "h", "flow")
"""What the tensor of a line without a name is called: the first that is free."""


def children(node: Any) -> Iterator[Any]:
    """The nodes of the tree right below one."""
    if isinstance(node, list | tuple):
        for item in cast("list[Any]", node):
            yield from children(item) if isinstance(item, list | tuple) else [item]
        return
    for name in getattr(type(node), "__annotations__", {}):
        value = getattr(node, name)
        if name == "span" or isinstance(value, str):
            continue
        if isinstance(value, list | tuple):
            yield from children(value)
        elif value is not None:
            yield value


def walk(node: Any) -> Iterator[Any]:
    """A node and all below it."""
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple):
            pending += list(cast("list[Any]", item))[::-1]
            continue
        yield item
        if hasattr(type(item), "__annotations__") and not isinstance(item, ast.Token):
            pending += list(children(item))[::-1]


def reads(node: Any) -> set[str]:
    """The names that stand in expressions."""
    return {item.text for item in walk(node) if isinstance(item, ast.Name)}


def targets_of(target: ast.Target) -> list[ast.Token]:
    if isinstance(target, list):
        return [token for item in target for token in targets_of(item)]
    return [target]


def bound_by(node: Any) -> list[str]:
    """The names that a statement (or an expression with a loop in it) binds itself."""
    match node:
        case ast.Param():
            return [node.parameter.name.text]
        case ast.Input():
            sizes = node.type.shape if node.type else []
            names = [size.text for size in sizes if isinstance(size, ast.Name)]
            return [node.name.text, *names]
        case ast.Weight() | ast.LayerDeclaration() | ast.Augmented():
            return [node.name.text]
        case ast.Binding():
            return [(t.name if isinstance(t, ast.Starred) else t).text for t in node.targets]
        case ast.For() | ast.Generator():
            return [token.text for token in targets_of(node.target)]
        case _:
            return []


class Scope:
    """A body: of a model, of a block that is a function, or of one that is a layer."""

    def __init__(
        self, parts: Parts, trace: Trace, definition: Definition, runs: list[Run], kind: str
    ) -> None:
        self.parts = parts
        self.trace = trace
        self.definition = definition
        self.tree = definition.tree
        self.runs = runs
        self.kind = kind
        self.bound: set[str] = set()
        """The spec's names that have a value where the writer stands."""
        self.parameters = (
            [parameter.name.text for parameter in self.tree.parameters]
            if isinstance(self.tree, ast.Block)
            else []
        )
        self.statements = [item for item in walk(self.tree.body) if not isinstance(item, ast.Token)]
        self.read = reads(self.tree.body)
        self.python: dict[str, str] = {}
        self._choose_names()
        self.frozen = any(not run.frame.trainable for run in runs)
        """Whether a use says `trainable=False`, which its layers are then told."""
        self.dynamic: set[str] = set()
        """The bases, such as "dense", whose numbers are not known before the code runs."""
        self.all_dynamic = False
        self._number()

    # ----------------------------------------------------------------------- names

    def _choose_names(self) -> None:
        every = [*self.parameters]
        for node in self.statements:
            every += bound_by(node)
        taken = set(self.parts.names)
        for name in dict.fromkeys(every):
            self.python[name] = safe(name, taken)
            taken.add(self.python[name])
        self.taken = taken
        # A model's inputs are named once more at its end.
        is_model = self.kind == "model"
        inputs = [n.name.text for n in self.statements if isinstance(n, ast.Input) and not is_model]
        others = {self.python[name] for name in every if name in self.read or name not in inputs}
        others |= {self.python[name] for name in self.parameters}
        free = [flow for flow in FLOWS if flow not in others and flow not in self.parts.names]
        self.flow = free[0] if free else safe("flow", taken)
        taken.add(self.flow)

    def read_in(self, node: Any) -> set[str]:
        """The spec's own names that stand in a part of the tree."""
        return {name for name in reads(node) if name in self.python}

    def is_worked_out(self, default: ast.Expression) -> bool:
        """Whether a default cannot stand in the head of a function: it reads other parameters,
        or makes a layer, of which each call wants its own.
        """
        parts = list(walk(default))
        return (
            bool(self.read_in(default))
            or any(isinstance(x, ast.Call) for x in parts)
            or any(isinstance(x, ast.Name) and find_layer(x.text) is not None for x in parts)
        )

    def temporary(self) -> str:
        """A variable that nothing else is called."""
        number = 1
        made = "part"
        while made in self.taken:
            number += 1
            made = f"part_{number}"
        self.taken.add(made)
        return made

    # --------------------------------------------------------------------- numbers

    def resolve(self, callee: ast.Expression) -> tuple[str, Any]:
        """What stands where a layer is applied: ("local", name), ("block", definition),
        ("model", definition), ("layer", class name), ("operation", name) or ("unknown", None).
        """
        if isinstance(callee, ast.Attribute):
            return "operation", callee.name.text
        if not isinstance(callee, ast.Name):
            return "unknown", None
        if callee.text in self.bound:
            return "local", callee.text
        definition = self.definition.module.definitions.get(callee.text)
        if definition is not None:
            return definition.kind, definition
        found = find_layer(callee.text)
        return ("layer", found.__name__) if found is not None else ("unknown", None)

    def _number(self) -> None:
        """Find the bases that are numbered in loops or under conditions."""
        self.bound = set(self.parameters)
        conditional: set[str] = set()
        operations: set[str] = set()

        def visit(node: Any, depth: int) -> None:
            inner = depth
            if isinstance(node, ast.For | ast.If | ast.Comprehension | ast.Conditional):
                inner += 1
            for step in steps_of(node):
                self._base_of_step(step, depth, conditional)
            for child in children(node):
                if hasattr(type(child), "__annotations__") and not isinstance(child, ast.Token):
                    visit(child, inner)
            self.bound |= set(bound_by(node))

        for statement in self.tree.body:
            visit(statement, 0)
        for found in self.trace.nodes.values():
            for run, node in found:
                operation = node.layer.layer
                if run in self.runs and isinstance(operation, Operation):
                    operations.add(snake_case(operation.keras_class))
        self.dynamic = conditional
        shared = conditional & operations
        if shared:
            raise CannotExpress(f"layers and operations share the names `{shared.pop()}`")
        self.bound = set(self.parameters)

    def _base_of_step(self, step: ast.Expression, depth: int, conditional: set[str]) -> None:
        if isinstance(step, ast.Conditional):
            self._base_of_step(step.then, depth + 1, conditional)
            self._base_of_step(step.otherwise, depth + 1, conditional)
            return
        callee = step
        while isinstance(callee, ast.Call):
            callee = callee.callee
        what, found = self.resolve(callee)
        if what == "local" and found in self.parameters and self.is_template(found):
            self.all_dynamic = True
        elif depth and what == "layer":
            conditional.add(snake_case(found))
        elif depth and what in ("block", "model"):
            conditional.add(snake_case(found.name))

    def is_template(self, name: str) -> bool:
        """Whether a parameter of a block is a layer that its uses copy."""
        return any(isinstance(run.params.get(name), Layer | LayerName) for run in self.runs)

    def is_dynamic(self, base: str) -> bool:
        return self.all_dynamic or base in self.dynamic


def steps_of(node: Any) -> list[ast.Expression]:
    """What a node applies: the steps of a chain, the layer that a line starts with."""
    match node:
        case ast.Chain():
            return node.steps
        case ast.LayerDeclaration():
            return [node.value]
        case ast.Line():
            first = node.value
            starts: list[ast.Expression] = []
            pending = [first]
            while pending:
                item = pending.pop()
                if isinstance(item, ast.Chain):
                    pending.append(item.source)
                elif isinstance(item, ast.Conditional):
                    starts.append(item)
                else:
                    starts.append(item)
            return starts
        case _:
            return []
