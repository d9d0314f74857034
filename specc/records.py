"""Classes of plain fields, as `dataclasses` makes them.

The standard module imports `inspect`, which alone takes as long as half a Python start; a
`specc check` is to take as long as a few. This does what the compiler needs and no more: an
`__init__`, a `__repr__`, equality by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C", bound=type)


class Fresh:
    """The default of a field that is made anew for each object."""

    __slots__ = ("factory",)

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


def fresh(*, default_factory: Callable[[], Any]) -> Any:
    """Declare a field whose default `default_factory` makes."""
    return Fresh(default_factory)


@dataclass_transform(eq_default=False, field_specifiers=(fresh,))
def record(cls: C) -> C:
    """Give a class an `__init__` and, unless it has one, a `__repr__` from its fields."""
    names = [name for name in cls.__annotations__ if not name.startswith("_")]
    parameters: list[str] = []
    body: list[str] = []
    scope: dict[str, Any] = {"defaults": cls}
    for name in names:
        default = cls.__dict__.get(name, scope)
        if default is scope:
            parameters.append(name)
            body.append(f"self.{name} = {name}")
        elif isinstance(default, Fresh):
            scope[f"make_{name}"] = default.factory
            parameters.append(f"{name}=None")
            body.append(f"self.{name} = make_{name}() if {name} is None else {name}")
        else:
            parameters.append(f"{name}=defaults.{name}")
            body.append(f"self.{name} = {name}")
    source = f"def __init__(self, {', '.join(parameters)}):\n " + "\n ".join(body)
    exec(source, scope)
    cls.__init__ = scope["__init__"]

    def __repr__(self: Any) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{cls.__name__}({fields})"

    if "__repr__" in cls.__dict__:
        return cls
    setattr(cls, "__repr__", __repr__)  # noqa: B010  (a plain assignment does not type-check)
    return cls
