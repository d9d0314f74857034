"""Layers that are not specc's: from installed packages, and from a file the user allows.

A spec alone never runs code. A package that offers layers does so by an entry point of the
group `specc.layers`, which its installation put there; a file is named on the command line.
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from specc.files import UsageError, reason
from specc.layers import ALIASES, FAMILIES
from specc.layers.base import Layer

GROUP = "specc.layers"


class Offer(NamedTuple):
    """A layer that an installed package offers."""

    name: str
    package: str
    version: str
    value: str
    """Where it is: `package.module:Class`."""
    entry: Any
    """The entry point, of `importlib.metadata`."""

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@cache
def plugin_layer(name: str) -> type[Layer] | None:
    """The layer that an installed package offers under a name.

    Raises:
        UsageError: where two packages do, or what one offers is no layer.
    """
    offers = offered_layers().get(name, [])
    if not offers:
        return None
    if len(offers) > 1:
        packages = " and ".join(str(offer) for offer in offers)
        raise UsageError(
            f"two packages offer a layer `{name}`: {packages}", "uninstall all of them but one"
        )
    (offer,) = offers
    try:
        found = offer.entry.load()
    except Exception as error:  # a stranger's module raises what it likes
        raise UsageError(
            f"the layer `{name}` of the package {offer.package} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    where = f"`{offer.value}`, which {offer.package} offers as the layer `{name}`,"
    if not (isinstance(found, type) and issubclass(found, Layer)):
        raise UsageError(f"{where} is no subclass of specc.layers.base.Layer")
    if found.__name__ != name:
        raise UsageError(
            f"{where} is a class of another name, `{found.__name__}`",
            f"in the package, the entry point should be `{found.__name__} = {offer.value!r}`",
        )
    _require_keras_layer(found, where)
    return found


@cache
def offered_layers() -> dict[str, list[Offer]]:
    """What installed packages offer, by name; nothing is imported of them.

    Reading the entry points takes a look at each installed package.
    """
    from importlib.metadata import entry_points

    found: dict[str, list[Offer]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("?", "?")
        offer = Offer(entry.name, package, version, entry.value, entry)
        found.setdefault(entry.name, []).append(offer)
    return found


class Problem(NamedTuple):
    """What is wrong with a layer that a package offers."""

    what: str
    package: str
    superfluous: bool
    """Whether it is one layer too many; otherwise it is broken."""


def plugin_problems() -> list[Problem]:
    """What is wrong with the layers of installed packages.

    A spec learns of it only where it uses the layer. Each layer is loaded.
    """
    problems: list[Problem] = []
    for name, offers in offered_layers().items():
        package = offers[-1].package
        if name in keras_names():
            for offer in offers:
                what = f"{offer} offers a layer `{name}`, which stays Keras's in every spec"
                problems.append(Problem(what, offer.package, superfluous=True))
            continue
        try:
            plugin_layer(name)
        except UsageError as error:
            problems.append(Problem(str(error), package, superfluous=len(offers) > 1))
    return problems


def keras_names() -> set[str]:
    """Every name that a layer of the catalogue has."""
    return {name for names in FAMILIES.values() for name in names} | set(ALIASES)


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
            "a layer is a subclass of specc.layers.base.Layer; docs/adding-a-layer.md has an "
            "example",
        )
    for name, cls in found.items():
        if name in keras_names():
            raise UsageError(
                f"`{path}` defines a layer `{name}`, which is the name of one of Keras's",
                "give the class a name of its own",
            )
        _require_keras_layer(cls, f"`{name}` in `{path}`")
        _files[cls] = os.path.abspath(path)
    return found


_files: dict[type[Layer], str] = {}


def file_of_layer(cls: type[Layer]) -> str | None:
    """The Python file that a layer came from by `layers_of_file`; None for other layers."""
    return _files.get(cls)


def layers_of_files(paths: list[str]) -> dict[str, type[Layer]]:
    """The layers of several files.

    Raises:
        UsageError: as for one, and where two define a layer of the same name.
    """
    found: dict[str, type[Layer]] = {}
    origin: dict[str, str] = {}
    for path in paths:
        for name, cls in layers_of_file(path).items():
            if name in found and origin[name] != path:
                raise UsageError(f"`{origin[name]}` and `{path}` both define a layer `{name}`")
            found[name], origin[name] = cls, path
    return found


def _require_keras_layer(cls: type[Layer], where: str) -> None:
    if not callable(getattr(cls, "keras_layer", None)):
        raise UsageError(
            f"{where} has no method `keras_layer`",
            "it gives the Keras class of the layer, as in docs/adding-a-layer.md; the name of a "
            "class that is no layer itself starts with `_`",
        )
