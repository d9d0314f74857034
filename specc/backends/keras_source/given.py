"""What stands to the left of `->`, as Python has it."""

from __future__ import annotations

from specc.backends.keras_source.layout import Doc, Joined, call, items_of
from specc.backends.keras_source.parts import CannotExpress
from specc.records import record


@record
class Given:
    """What stands to the left of `->`."""

    docs: list[Doc]
    several: Doc | None = None
    """A Python list or tuple of tensors, where there are not the tensors themselves."""
    is_list: bool = True
    """Whether `several` is a list; else it is a tuple."""

    @property
    def single(self) -> Doc:
        if self.several is not None:
            return Joined([self.several, "[0]"])
        if len(self.docs) != 1:
            raise CannotExpress("several tensors stand where one is taken")
        return self.docs[0]

    @property
    def as_list(self) -> Doc:
        if self.several is None:
            return items_of(self.docs)
        return self.several if self.is_list else call("list", [self.several])

    @property
    def as_value(self) -> Doc:
        """What an operation takes for its first argument."""
        if self.several is None and len(self.docs) == 1:
            return self.docs[0]
        return self.as_list

    @property
    def as_arguments(self) -> list[Doc]:
        return self.docs if self.several is None else [Joined(["*", self.several])]

    @property
    def is_simple(self) -> bool:
        """Whether it may be written twice."""
        return self.several is None and all(isinstance(doc, str) for doc in self.docs)
