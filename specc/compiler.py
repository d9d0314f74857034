"""The compiler: text in, checked graphs out. No files, no frameworks."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

from specc.diagnostics.diagnostic import SpecError
from specc.graph import Graph
from specc.semantics.expectations import check_expectations, measure
from specc.semantics.infer import infer
from specc.semantics.resolve import resolve
from specc.source import Source
from specc.syntax.parser import parse


def compile_source(source: Source) -> list[Graph]:
    """Check a source and give the typed graph of each of its models.

    Raises:
        SpecError: with all the mistakes of the first stage that finds any.
    """
    with _collector_paused():
        file = parse(source)
        resolved = resolve(file)
        graphs = infer(resolved)
        unmet = [d for graph in graphs for d in check_expectations(graph, measure(graph))]
    if unmet:
        raise SpecError(unmet)
    return graphs


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
