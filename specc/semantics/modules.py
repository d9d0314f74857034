"""Files and what they define: imports are read here, and every definition is found by name."""

from __future__ import annotations

import os
from collections.abc import Callable

from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import programs as errors
from specc.records import fresh, record
from specc.source import Source, Span
from specc.syntax import ast
from specc.syntax.parser import parse

MAX_FILES = 200
"""Files that a program may consist of."""


MAX_MISTAKES = 100
"""After so many, the rest would hardly be read."""


STANDARD = os.path.join(os.path.dirname(os.path.dirname(__file__)), "std")
"""The folder of the blocks that ship with specc."""


def module_of_block(name: str) -> str | None:
    """The standard module that has a block of this name, as it is imported: `std/mlp`."""
    for file in sorted(os.listdir(STANDARD)) if os.path.isdir(STANDARD) else []:
        path = os.path.join(STANDARD, file)
        if file.endswith(".spec"):
            with open(path, encoding="utf-8") as text:
                if any(line.startswith((f"block {name}(", f"block {name} ")) for line in text):
                    return f"std/{file[:-5]}"
    return None


class ImportRefused(Exception):
    """A file cannot be imported; `reason` and `help` say why, in words for an error."""

    def __init__(self, reason: str, help: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.help = help


Loader = Callable[[Source, str], Source]
"""Gives the source that a path means in another source; raises `ImportRefused`."""


@record
class Module:
    """A file, and the definitions that can be used in it."""

    source: Source
    file: ast.File
    definitions: dict[str, Definition] = fresh(default_factory=dict[str, "Definition"])
    """Its own and those it imports."""


@record
class Definition:
    """A block or a model, with the file it stands in."""

    module: Module
    tree: ast.Block | ast.Model

    @property
    def name(self) -> str:
        return self.tree.name.text

    @property
    def kind(self) -> str:
        return "block" if isinstance(self.tree, ast.Block) else "model"

    @property
    def has_weights(self) -> bool:
        """Whether it is a block that declares weights, and so a layer of its own."""
        return isinstance(self.tree, ast.Block) and _declares_weights(self.tree.body)


def _declares_weights(body: list[ast.Statement]) -> bool:
    for statement in body:
        if isinstance(statement, ast.Weight):
            return True
        if isinstance(statement, ast.For) and _declares_weights(statement.body):
            return True
        if isinstance(statement, ast.If):
            bodies = [body for _, body in statement.branches] + [statement.otherwise]
            if any(_declares_weights(body) for body in bodies):
                return True
    return False


def link(file: ast.File, source: Source, loader: Loader) -> Module:
    """The module of a file, with everything it imports.

    Raises:
        SpecError: with the mistakes in imports and in the names of definitions, and the
            syntax errors of imported files.
    """
    linker = _Linker(loader)
    module = linker.module(file, source)
    if linker.diagnostics:
        raise SpecError(linker.diagnostics)
    return module


class _Linker:
    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.diagnostics: list[Diagnostic] = []
        self.modules: dict[str, Module] = {}
        """By the name of the source."""
        self.importing: list[tuple[Source, Span]] = []
        """The imports that are being read, the outermost first."""

    def module(self, file: ast.File, source: Source) -> Module:
        module = Module(source, file)
        self.modules[source.name] = module
        defined: dict[str, Span] = {}
        for item in file.definitions:
            if len(self.diagnostics) >= MAX_MISTAKES:
                break
            if isinstance(item, ast.Import):
                self._import(item, module, defined)
            elif isinstance(item, ast.Block | ast.Model):
                self._define(Definition(module, item), item.name.span, module, defined)
        return module

    def _define(
        self, definition: Definition, where: Span, module: Module, defined: dict[str, Span]
    ) -> None:
        name = definition.name
        known = module.definitions.get(name)
        if known is definition:
            return
        if known is not None:
            self.diagnostics.append(
                errors.definition_twice(where, defined[name], name, definition.kind)
            )
            return
        self.diagnostics += _names_a_layer(definition, where)
        module.definitions[name] = definition
        defined[name] = where

    def _import(self, item: ast.Import, module: Module, defined: dict[str, Span]) -> None:
        where = item.path.span
        try:
            source = self.loader(module.source, item.path.text)
        except ImportRefused as refused:
            self.diagnostics.append(errors.import_refused(where, refused.reason, refused.help))
            return
        pending = [source for source, _ in self.importing] + [module.source]
        names = [other.name for other in pending]
        if source.name in names:
            cycle = [*names[names.index(source.name) :], source.name]
            self.diagnostics.append(errors.import_cycle(where, cycle))
            return
        imported = self.modules.get(source.name)
        if imported is None:
            if len(self.modules) >= MAX_FILES:
                self.diagnostics.append(
                    errors.import_refused(where, f"a program has at most {MAX_FILES} files", None)
                )
                return
            try:
                file = parse(source, needs_model=False)
            except SpecError as error:
                self.diagnostics += error.diagnostics
                return
            self.importing.append((module.source, where))
            imported = self.module(file, source)
            self.importing.pop()
        for definition in imported.definitions.values():
            if definition.module is imported:
                self._define(definition, where, module, defined)


def _names_a_layer(definition: Definition, where: Span) -> list[Diagnostic]:
    from specc.layers import LAYER_NAMES

    if definition.name in LAYER_NAMES and where is definition.tree.name.span:
        return [name_errors.name_is_a_layer(where)]
    return []
