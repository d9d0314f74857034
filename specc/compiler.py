"""The compiler: text in, checked graphs out. No frameworks, and no files but imports."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from specc.diagnostics.diagnostic import SpecError
from specc.graph import Graph
from specc.layers.base import Layer
from specc.library import standard_library_only
from specc.records import record
from specc.semantics.elaborate import elaborate
from specc.semantics.expectations import check_expectations, measure
from specc.semantics.modules import Loader, Module, link
from specc.source import Source
from specc.syntax.parser import parse

if TYPE_CHECKING:
    from specc.semantics.sections import Section


@record
class Compilation:
    """What compiling a source gives."""

    module: Module
    """Its syntax tree, and the definitions it can use."""
    graphs: list[Graph]
    """The typed graph of each of its models, in their order."""
    sections: list[Section]
    """Its blocks about data, training and export."""


def compile_source(
    source: Source,
    loader: Loader = standard_library_only,
    params: Mapping[str, Any] | None = None,
    extra_layers: Mapping[str, type[Layer]] | None = None,
) -> Compilation:
    """Check a source.

    Args:
        loader: finds the files that it imports.
        params: values for the parameters of its models, by name.
        extra_layers: layers from Python, by name.

    Raises:
        SpecError: with all the mistakes of the first stage that finds any.
        UsageError: where there are no such parameters.
    """
    with _collector_paused(), _room_to_recurse():
        file = parse(source)
        module = link(file, source, loader)
        graphs, sections = elaborate(
            module, _settings(module, params or {}), dict(extra_layers or {})
        )
        unmet = [d for graph in graphs for d in check_expectations(graph, measure(graph))]
    if unmet:
        raise SpecError(unmet)
    return Compilation(module, graphs, sections)


def _settings(module: Module, params: Mapping[str, Any]) -> dict[str, Any]:
    if not params:
        return {}
    from specc.settings import settings_for

    return settings_for(module, params)


RECURSION = 20_000
"""Python's frames that the deepest program within the bounds may take; they are bounded in
`semantics/context.py`, by levels of the program."""


@contextmanager
def _room_to_recurse() -> Generator[None]:
    """With a recursion limit that the bounds on nesting keep clear of."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextmanager
def _collector_paused() -> Generator[None]:
    """Without the garbage collector's cycles.

    A compilation makes many objects and drops few. Looking through them again and again
    would double the time of a large spec and make it grow faster than its length.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
