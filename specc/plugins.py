"""Layers that are not specc's: from installed packages, and from a file the user allows.

A spec alone never runs code. A package that offers layers does so by an entry point of the
group `specc.layers`, which its installation put there; a file is named on the command line.
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType
from typing import Any

from specc.files import UsageError, reason
from specc.layers.base import Layer

GROUP = "specc.layers"


@cache
def plugin_layer(name: str) -> type[Layer] | None:
    """The layer that an installed package offers under a name.

    Raises:
        UsageError: where the package cannot be imported.
    """
    for entry in _offered().get(name, []):
        try:
            found = entry.load()
        except Exception as error:  # a stranger's module raises what it likes
            raise UsageError(
                f"the layer `{name}` of the package `{entry.value}` cannot be loaded: {error}"
            ) from error
        if isinstance(found, type) and issubclass(found, Layer):
            return found
        raise UsageError(f"`{entry.value}` is no subclass of specc.layers.base.Layer")
    return None


@cache
def _offered() -> dict[str, list[Any]]:
    """Every entry point of the group, by name: reading them takes a look at each package."""
    from importlib.metadata import entry_points

    found: dict[str, list[Any]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def layers_of_file(path: str) -> dict[str, type[Layer]]:
    """Run a Python file and give the layers it defines, by name.

    Raises:
        UsageError: where it cannot be read or raises, or defines none.
    """
    try:
        with open(path, encoding="utf-8") as file:
            code = compile(file.read(), path, "exec")
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
    module = ModuleType(os.path.splitext(os.path.basename(path))[0])
    module.__file__ = path
    try:
        exec(code, module.__dict__)
    except Exception as error:
        raise UsageError(f"`{path}` raises {type(error).__name__}: {error}") from error
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Layer)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    if not found:
        raise UsageError(
            f"`{path}` defines no layer",
            "a layer is a subclass of specc.layers.base.Layer; docs/language.md has an example",
        )
    return found
