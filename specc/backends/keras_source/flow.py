"""The tensor of the line above: which variable holds it, also behind a loop or a choice."""

from __future__ import annotations

from specc.backends.keras_source.given import Given
from specc.backends.keras_source.layout import Doc, Suite, flat
from specc.backends.keras_source.parts import CannotExpress
from specc.records import record


class Flow:
    """What the next line goes on from."""

    def read(self, variable: str) -> Given:
        """The tensors; `variable` is what to call them where the ways here differ."""
        raise NotImplementedError

    def peek(self) -> str | None:
        """The text of the tensors where that needs no variable."""
        return None


@record
class Known(Flow):
    given: Given

    def read(self, variable: str) -> Given:  # noqa: ARG002
        return self.given

    def peek(self) -> str | None:
        return flat(self.given.as_value)


class Nothing(Flow):
    """Nothing stands above."""

    def read(self, variable: str) -> Given:  # noqa: ARG002
        raise CannotExpress("a line goes on from nothing")


class Merged(Flow):
    """What several ways end with. Where they differ, each puts it into one variable; that is
    written only if a line below reads it.
    """

    def __init__(self, ways: list[tuple[Suite, Flow]]) -> None:
        self.ways = ways
        """Where each way ends, and with what."""
        self.given: Given | None = None

    def peek(self) -> str | None:
        if self.given is not None:
            return flat(self.given.as_value)
        texts = {flow.peek() for _, flow in self.ways}
        return texts.pop() if len(texts) == 1 else None

    def read(self, variable: str) -> Given:
        if self.given is not None:
            return self.given
        if self.peek() is not None:
            self.given = self.ways[0][1].read(variable)
            return self.given
        self.given = Given([variable])
        for suite, flow in self.ways:
            _put(suite, flow, variable)
        return self.given


class Around(Flow):
    """What a round of a loop starts with: what stood before it, or the end of the last round."""

    def __init__(self, before: Flow, place: Suite) -> None:
        self.before = before
        self.place = place
        self.end: tuple[Suite, Flow] | None = None
        self.given: Given | None = None

    def peek(self) -> str | None:
        if self.given is not None:
            return flat(self.given.as_value)
        if self.end is None:
            return None
        texts = {self.before.peek(), self.end[1].peek()}
        return texts.pop() if len(texts) == 1 else None

    def read(self, variable: str) -> Given:
        if self.given is not None:
            return self.given
        if self.peek() is not None:
            self.given = self.before.read(variable)
            return self.given
        self.given = Given([variable])
        _put(self.place, self.before, variable)
        if self.end is not None:
            _put(*self.end, variable)
        return self.given

    def finish(self, place: Suite, flow: Flow) -> None:
        """Say what a round ends with."""
        self.end = (place, flow)
        if self.given is not None and flow is not self:
            _put(place, flow, flat(self.given.single))


def _put(suite: Suite, flow: Flow, variable: str) -> None:
    value: Doc = flow.read(variable).single
    if flat(value) != variable:
        suite.assign(variable, value)
