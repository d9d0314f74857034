"""L0009, L0010, L0011: what a file says and makes no use of."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Edit
from specc.lints.base import WARNING, Lint, Report
from specc.lints.subject import Subject, walk
from specc.semantics.modules import ImportRefused
from specc.source import Span
from specc.syntax import ast


def names_in(tree: Any) -> set[str]:
    """The names that something speaks of."""
    found: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.text)
        elif isinstance(node, ast.Augmented):
            found.add(node.name.text)
    return found


def _imports(subject: Subject, report: Report) -> None:
    module = subject.module
    bodies = [item for item in module.file.definitions if isinstance(item, ast.Block | ast.Model)]
    spoken_of = names_in(bodies)
    for item in module.file.definitions:
        if not isinstance(item, ast.Import):
            continue
        try:
            name = subject.loader(module.source, item.path.text).name
        except ImportRefused:  # the file has gone since the spec was compiled
            continue
        brought = [n for n, d in module.definitions.items() if d.module.source.name == name]
        if spoken_of.intersection(brought):
            continue
        report(
            item.span,
            f'nothing of "{item.path.text}" is used',
            "imported here",
            help="leave the line out",
            edits=[line_removed(item.span)],
            safe=True,
        )


def line_removed(where: Span) -> Edit:
    """The removal of a statement: of its whole lines, where nothing else stands on them."""
    source = where.source
    first, last = where.line, source.line_of(max(where.start, where.end - 1))
    starts = source.line_starts
    start, end = starts[first - 1], starts[last] if last < len(starts) else len(source.text)
    before = source.text[start : where.start]
    after = source.text[where.end : end]
    if before.strip() or (after.strip() and not after.lstrip().startswith("#")):
        return Edit(where, "")
    return Edit(Span(source, start, end), "")


def _blocks(subject: Subject, report: Report) -> None:
    if subject.imported_elsewhere or not subject.module.file.models:
        return
    definitions = subject.module.file.definitions
    blocks = {item.name.text: item for item in definitions if isinstance(item, ast.Block)}
    reached: set[str] = set()
    pending = names_in(subject.module.file.models)
    while pending:
        new = pending.intersection(blocks) - reached
        reached |= new
        pending = names_in([blocks[name] for name in new])
    for name, block in blocks.items():
        if name not in reached:
            report(
                block.name.span,
                f"no model uses the block `{name}`",
                help="leave it out, or put it into a file of its own that others import",
            )


def _params(subject: Subject, report: Report) -> None:
    for item in subject.module.file.definitions:
        if isinstance(item, ast.Model):
            for statement in item.body:
                if isinstance(statement, ast.Param):
                    _param(item, statement, report)
        elif isinstance(item, ast.Block):
            spoken_of = names_in([item.parameters, item.body])
            for parameter in item.parameters:
                if parameter.name.text not in spoken_of:
                    report(
                        parameter.name.span,
                        f"the block `{item.name.text}` makes no use of its `{parameter.name.text}`",
                        help="leave it out, here and where the block is used",
                    )


def _param(model: ast.Model, statement: ast.Param, report: Report) -> None:
    name = statement.parameter.name.text
    if name in names_in(model.body):
        return
    report(
        statement.parameter.name.span,
        f"the param `{name}` changes nothing",
        f"`{model.name.text}` makes no use of it",
        help="leave the line out; `-p` can then no longer set it",
        edits=[line_removed(statement.span)],
    )


SOURCE = "specc documentation 2026, The specc language"

LINTS = [
    Lint("L0009", WARNING, SOURCE, _imports, ("safe",)),
    Lint("L0010", WARNING, SOURCE, _blocks),
    Lint("L0011", WARNING, SOURCE, _params, ("unsafe",)),
]
