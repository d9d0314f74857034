"""What elaborating a whole program shares: mistakes found, work done, blocks being expanded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.diagnostics.diagnostic import Diagnostic, Label, SpecError
from specc.diagnostics.errors import programs as errors
from specc.diagnostics.errors.syntax import nested_too_deeply
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.records import fresh, record
from specc.semantics.frame import Frame
from specc.semantics.modules import MAX_MISTAKES
from specc.source import Span
from specc.syntax import ast

MAX_STEPS = 500_000
"""Expressions and statements that are evaluated, loops counted out."""

REPORT_STEPS = 500
"""What a mistake counts for that a loop makes again: suggestions take their time."""

MAX_NODES = 40_000
"""Uses of layers and operations in all the graphs of a program."""

MAX_DEPTH = 40
"""How many blocks may stand inside each other."""

MAX_NESTING = 1_000
"""How many expressions and bodies may be open at once, over all the blocks around them."""

MAX_AXES = 32
"""Axes that a tensor may have; NumPy's bound of old, and far more than any framework runs."""

SHOWN_USES = 3
"""How many of the blocks around a mistake an error shows."""


@record
class Context:
    run_body: Callable[[Context, Frame, list[ast.Statement]], None]
    """Elaborates statements; here so that expanding a block can call it."""
    extra_layers: dict[str, type[Layer]] = fresh(default_factory=dict[str, type[Layer]])
    """Layers that were brought in from Python, by name."""
    diagnostics: list[Diagnostic] = fresh(default_factory=list[Diagnostic])
    uses: list[tuple[str, Span]] = fresh(default_factory=list[tuple[str, Span]])
    """The blocks that are being expanded, with the places of their uses."""
    graphs: dict[Any, Any] = fresh(default_factory=dict[Any, Any])
    """Graphs that are there already, by definition and parameters."""
    steps: int = 0
    depth: int = 0
    nodes: int = 0
    seen: set[tuple[str, str, int, int, str]] = fresh(default_factory=set[Any])

    def report(self, diagnostic: Diagnostic) -> None:
        """Add a mistake. In a block it says where the block is used; a second use that makes
        the same mistake is not reported again.
        """
        where = diagnostic.primary.span
        key = (diagnostic.code, where.source.name, where.start, where.end, diagnostic.message)
        if key in self.seen:
            self.steps += REPORT_STEPS
            return
        self.seen.add(key)
        shown = [diagnostic.primary.span]
        for name, span in self.uses[::-1]:
            if len(shown) <= SHOWN_USES and span not in shown:
                shown.append(span)
                diagnostic.secondary.append(Label(span, f"in this use of `{name}`"))
        self.diagnostics.append(diagnostic)
        if len(self.diagnostics) >= MAX_MISTAKES:
            raise SpecError(self.diagnostics)

    def enter(self, where: Span) -> None:
        """Go one level deeper; whoever comes back takes one off `depth`."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.give_up(nested_too_deeply(where))

    @property
    def used_at(self) -> tuple[Span, ...]:
        return tuple([span for _, span in self.uses])

    def step(self, where: Span, number: int = 1) -> None:
        """Count an evaluation, or several.

        Raises:
            SpecError: where the program is too large; nothing after it is looked at.
        """
        self.steps += number
        if self.steps > MAX_STEPS:
            self.give_up(errors.too_much_work(where, MAX_STEPS, "steps"))

    def node(self, where: Span, number: int = 1) -> None:
        """Count a use of a layer, or several; raises as `step` does."""
        self.nodes += number
        if self.nodes > MAX_NODES:
            self.give_up(errors.too_much_work(where, MAX_NODES, "uses of layers"))

    def give_up(self, diagnostic: Diagnostic) -> None:
        self.report(diagnostic)
        raise SpecError(self.diagnostics)

    def find_layer(self, name: str) -> type[Layer] | None:
        """The class of a layer: of the catalogue, from Python, or of an installed package."""
        found = find_layer(name) or self.extra_layers.get(name)
        if found is None and name[0].isupper():
            from specc.plugins import plugin_layer

            return plugin_layer(name)
        return found

    def python_layers(self, name: str) -> tuple[str, ...]:
        """The layers from Python that a name which is none of a layer may have meant."""
        if not name[0].isupper():
            return tuple(self.extra_layers)
        from specc.plugins import offered_layers

        return (*self.extra_layers, *offered_layers())
