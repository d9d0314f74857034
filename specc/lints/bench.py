"""Compiling a spec, and what it becomes by its fixes, for the lints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from specc.compiler import Compilation, compile_source
from specc.graph import Graph
from specc.layers.base import Layer
from specc.library import loader_below, standard_library_only
from specc.lints.subject import Subject
from specc.records import fresh, record
from specc.semantics.elaborate import elaborate
from specc.semantics.modules import Loader, Module, link
from specc.settings import settings_for
from specc.source import Source
from specc.syntax.parser import parse


@record
class Bench:
    """What specs are compiled with."""

    params: Mapping[str, Any] = fresh(default_factory=dict[str, Any])
    layers: dict[str, type[Layer]] = fresh(default_factory=dict[str, type[Layer]])
    """Layers from Python, by name."""
    imported: set[str] = fresh(default_factory=set[str])
    """The real paths of the files that the specs which are looked at import."""

    def compiled(self, source: Source) -> Compilation:
        """Check a source.

        Raises:
            SpecError: where it is wrong.
            UsageError: where it has no such parameters.
        """
        return compile_source(source, loader_of(source), self.params, self.layers)

    def subject(self, source: Source) -> Subject:
        """A source as lints see it; raises as `compiled` does."""
        elsewhere = source.path is not None and os.path.realpath(source.path) in self.imported
        return Subject(self.compiled(source), loader_of(source), elsewhere)

    def graphs(self, source: Source) -> tuple[Module, list[Graph]]:
        """The graphs of a source whose expectations may not hold; raises as `compiled` does."""
        module = link(parse(source), source, loader_of(source))
        return module, elaborate(module, settings_for(module, self.params), self.layers)[0]

    def note_imports(self, compilation: Compilation) -> None:
        """Remember the files that a spec imports, and those that they import."""
        own = compilation.module
        for module in Subject(compilation, standard_library_only).modules:
            if module is not own and module.source.path is not None:
                self.imported.add(os.path.realpath(module.source.path))


def loader_of(source: Source) -> Loader:
    """What a source may import: files below its folder, and what ships with specc."""
    if source.path is None:
        return standard_library_only
    return loader_below(os.path.dirname(source.path) or ".")
