"""Which layers there are: Keras's, those of files that were allowed, and those of packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from specc.files import UsageError
from specc.layers import ALIASES, FAMILIES, find_layer
from specc.layers.base import Layer
from specc.plugins import keras_names, offered_layers, plugin_layer
from specc.reference.layers import LayerInfo, describe_class, first_sentence


class Family(NamedTuple):
    """Layers that belong together, with the first sentence about each."""

    name: str
    package: str | None
    """The package, where it is one that offers them."""
    layers: tuple[tuple[str, str], ...]


class Catalogue:
    """The layers that a spec could use."""

    def __init__(self, python_layers: Mapping[str, type[Layer]] | None = None) -> None:
        self._python = dict(python_layers or {})
        """Those of the files that were allowed."""

    def names(self) -> list[str]:
        """The names of all layers, without second names."""
        names = [name for family in FAMILIES.values() for name in family]
        return [*names, *self._python, *self._offered()]

    def families(self) -> list[Family]:
        """Keras's families, then the files, then the packages."""
        found = [
            Family(
                family, None, tuple((name, first_sentence(_known(name))) for name in sorted(names))
            )
            for family, names in FAMILIES.items()
        ]
        for module in dict.fromkeys(cls.__module__ for cls in self._python.values()):
            rows = [
                (n, first_sentence(c)) for n, c in self._python.items() if c.__module__ == module
            ]
            found.append(Family(module, None, tuple(rows)))
        offered = self._offered()
        for package in sorted(set(offered.values())):
            names = [name for name, of in offered.items() if of == package]
            rows = [(name, _sentence_of_offer(name)) for name in names]
            found.append(Family(package, package, tuple(rows)))
        return found

    def resolve(self, word: str) -> str | None:
        """The name of a layer, of which letter case and second names do not matter."""
        names = self.names()
        by_folded = {name.casefold(): name for name in (*names, *ALIASES)}
        name = word if word in (*names, *ALIASES) else by_folded.get(word.casefold())
        return None if name is None else ALIASES.get(name, name)

    def describe(self, name: str) -> LayerInfo:
        """What is known of the layer of a name, which is not an alias.

        Raises:
            UsageError: where a package offers the layer and it cannot be used.
        """
        for family, names in FAMILIES.items():
            if name in names:
                aliases = sorted(alias for alias, first in ALIASES.items() if first == name)
                return describe_class(_known(name), family, tuple(aliases))
        own = self._python.get(name)
        if own is not None:
            return describe_class(own, own.__module__, others=self._python)
        cls = plugin_layer(name)
        assert cls is not None
        package = offered_layers()[name][0].package
        return describe_class(cls, package, package=package, others=self._python)

    def _offered(self) -> dict[str, str]:
        """The layers of packages with their packages; Keras's, and a file's, come before them."""
        taken = keras_names() | set(self._python)
        return {
            name: offers[0].package
            for name, offers in sorted(offered_layers().items())
            if name not in taken
        }


def matching(word: str, among: list[Family]) -> list[Family]:
    """The layers whose name, second name or family has a word in it; failing them, those whose
    first sentence has.
    """
    folded = word.casefold().replace(" ", "_")
    also = {first for alias, first in ALIASES.items() if folded in alias.casefold()}

    def of(family: Family, sentences: bool) -> Family:
        rows = [
            (name, about)
            for name, about in family.layers
            if folded in name.casefold()
            or folded in family.name.casefold()
            or name in also
            or (sentences and word.casefold() in about.casefold())
        ]
        return family._replace(layers=tuple(rows))

    for sentences in (False, True):
        found = [of(family, sentences) for family in among]
        if any(family.layers for family in found):
            return [family for family in found if family.layers]
    return []


def _known(name: str) -> type[Layer]:
    cls = find_layer(name)
    assert cls is not None
    return cls


def _sentence_of_offer(name: str) -> str:
    """What a package's layer says of itself, or why a spec cannot use it."""
    try:
        return first_sentence(plugin_layer(name))
    except UsageError as error:
        return f"(cannot be used) {error}"
