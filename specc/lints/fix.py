"""Mending a spec by the fixes of its lints.

A text is taken only if it compiles, with every expectation met. An unsafe fix may change how
many parameters there are; the counts that the spec expects are then written anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.diagnostics.diagnostic import Diagnostic, Edit, SpecError
from specc.files import UsageError
from specc.graph import Params
from specc.lints.bench import Bench
from specc.lints.run import Choice, lint
from specc.lints.subject import walk
from specc.records import fresh, record
from specc.semantics.expectations import Measured, measure
from specc.source import Source
from specc.syntax import ast

MAX_ROUNDS = 10
"""How often a mended text is looked at again; a fix seldom brings up another finding."""


@record
class Mending:
    """What became of a spec."""

    source: Source
    """The text at the end, which is that of the beginning where nothing was fixed."""
    fixed: list[Diagnostic] = fresh(default_factory=list[Diagnostic])
    refused: list[tuple[Diagnostic, str]] = fresh(default_factory=list[tuple[Diagnostic, str]])
    """What was not fixed, and why."""
    counts: list[str] = fresh(default_factory=list[str])
    """The expectations that were written anew."""


def mend(source: Source, bench: Bench, choice: Choice, *, unsafe: bool) -> Mending:
    """Apply every fix that may be applied.

    Raises:
        SpecError: where the spec is wrong to begin with.
    """
    mending = Mending(source)
    for _ in range(MAX_ROUNDS):
        found = lint(bench.subject(mending.source), choice)
        wanted = [diagnostic for diagnostic in found if _applies(diagnostic, unsafe)]
        before = mending.source
        mending.refused = []
        _apply_all(mending, _apart(wanted), bench)
        if mending.source is before:
            break
    mending.fixed.sort(key=_line)
    return mending


def _applies(diagnostic: Diagnostic, unsafe: bool) -> bool:
    fix = diagnostic.fix
    return fix is not None and (unsafe or fix.applicability == "safe")


def _line(diagnostic: Diagnostic) -> int:
    return diagnostic.primary.span.start


def _apart(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Those whose edits do not touch, in the order of the text; the others wait for a round."""
    taken: list[Diagnostic] = []
    end = -1
    for diagnostic in sorted(diagnostics, key=lambda item: _extent(item)[0]):
        start, last = _extent(diagnostic)
        if start > end:
            taken.append(diagnostic)
            end = last
    return taken


def _extent(diagnostic: Diagnostic) -> tuple[int, int]:
    assert diagnostic.fix is not None
    spans = [edit.span for edit in diagnostic.fix.edits]
    return min(span.start for span in spans), max(span.end for span in spans)


def _apply_all(mending: Mending, diagnostics: list[Diagnostic], bench: Bench) -> None:
    """Apply fixes that do not touch each other: all, or else those that can be."""
    if not diagnostics or _apply(mending, diagnostics, bench) is None:
        return
    # The last in the text first: the places of the others stay what they are.
    for diagnostic in diagnostics[::-1]:
        why = _apply(mending, [diagnostic], bench)
        if why is not None:
            mending.refused.append((diagnostic, why))


def _apply(mending: Mending, diagnostics: list[Diagnostic], bench: Bench) -> str | None:
    """Apply fixes; where the spec then no longer compiles say why, and leave it as it was."""
    fixes = [diagnostic.fix for diagnostic in diagnostics if diagnostic.fix is not None]
    new = edited(mending.source, [edit for fix in fixes for edit in fix.edits])
    counts: list[str] = []
    try:
        if any(fix.applicability == "unsafe" for fix in fixes):
            new, counts = _with_counts(new, bench)
        bench.compiled(new)
    except SpecError as error:
        first = error.diagnostics[0]
        return f"{first.message} (line {first.primary.span.line})"
    except UsageError as error:
        return str(error)
    mending.source = new
    mending.fixed += diagnostics
    mending.counts += counts
    return None


def edited(source: Source, edits: Sequence[Edit]) -> Source:
    """A source with edits made that do not touch each other."""
    text = source.text
    for edit in sorted(edits, key=lambda item: item.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return Source(source.name, text, source.path)


def _with_counts(source: Source, bench: Bench) -> tuple[Source, list[str]]:
    """A source in which the numbers of expected parameters are what they are now."""
    module, graphs = bench.graphs(source)
    literals = {
        statement.value.span
        for statement in walk(module.file)
        if isinstance(statement, ast.Expectation) and isinstance(statement.value, ast.Literal)
    }
    edits: list[Edit] = []
    said: list[str] = []
    for graph in graphs:
        measured = measure(graph)
        for expected in graph.expectations:
            found = _found(measured, expected.measure, expected.layer)
            if found in (None, expected.value) or expected.span not in literals:
                continue
            edits.append(Edit(expected.span, f"{found:_}"))
            said.append(f"`expect {expected.measure}` of {expected.value:,} is now {found:,}")
    return edited(source, edits), said


def _found(measured: Measured, measured_by: str, layer: str | None) -> int | None:
    params: Params | None = measured.params if layer is None else measured.layer_params.get(layer)
    if params is None or measured_by not in ("params", "trainable", "non_trainable"):
        return None
    return params.total if measured_by == "params" else getattr(params, measured_by)
