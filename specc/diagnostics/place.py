"""Where a layer stands, for errors that are found without knowing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from specc.diagnostics.diagnostic import Diagnostic
from specc.records import fresh, record
from specc.source import Span
from specc.types import TensorType

P = ParamSpec("P")


@record
class Operand:
    """An input of a layer, as an error shows it."""

    text: str
    """What the spec calls it: a tensor's name, or the layer that made it."""
    type: TensorType
    span: Span
    """Where it was made."""
    shaped_by: Span | None = None
    """The layer before it that last changed the type: not an activation or normalization."""


@record
class Place:
    """A use of a layer in the source."""

    layer: str
    """The layer's class name."""
    span: Span
    arguments: dict[str, Span] = fresh(default_factory=dict[str, Span])
    inputs: list[Operand] = fresh(default_factory=list[Operand])

    def argument(self, name: str) -> Span:
        """The span of an argument, or of the whole layer where the default is at work."""
        return self.arguments.get(name, self.span)


class Refused(Exception):
    """A layer does not take these inputs or arguments.

    A layer knows what is wrong but not where it stands, so it raises the error's function
    with its facts, and whoever knows the place makes the diagnostic:

        raise Refused(errors.wrong_rank, expected="(height, width, channels)", index=0)
    """

    def __init__(
        self, error: Callable[Concatenate[Place, P], Diagnostic], *args: P.args, **facts: P.kwargs
    ) -> None:
        super().__init__(error.__name__, facts)
        self._make: Callable[[Place], Diagnostic] = lambda place: error(place, *args, **facts)

    def at(self, place: Place) -> Diagnostic:
        return self._make(place)
