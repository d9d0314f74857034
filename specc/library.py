"""Where imports come from: files beside the spec, and specc's own blocks under `std/`."""

from __future__ import annotations

import os
from collections.abc import Iterable

from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.suggest import closest
from specc.files import UsageError, read_source
from specc.semantics.modules import STANDARD, ImportRefused, Loader
from specc.source import Source


def standard_modules() -> list[str]:
    """The names of specc's own files, as they are imported: `std/resnet`."""
    names = sorted(os.listdir(STANDARD)) if os.path.isdir(STANDARD) else []
    return [f"std/{name[:-5]}" for name in names if name.endswith(".spec")]


def standard_library_only(_: Source, path: str) -> Source:
    """The loader of a text that stands in no file."""
    found = _standard(path)
    if found is None:
        raise ImportRefused(
            "a text that is in no file can import `std/...` alone",
            "put it into a file, and pass its path",
        )
    return found


def loader_below(root: str) -> Loader:
    """A loader of files below a folder, that of the spec that is compiled.

    A path is taken from the folder of the importing file. Whatever it says, and wherever
    links lead, nothing above the root is read.
    """
    real_root = os.path.realpath(root)

    def load(importer: Source, path: str) -> Source:
        found = _standard(path)
        if found is not None:
            return found
        if os.path.isabs(path) or "\\" in path or "\0" in path:
            raise ImportRefused(
                "the path of an import is relative, with `/` between its parts",
                'write it from this file\'s folder: `import "blocks/resnet.spec"`',
            )
        inside_library = importer.name.startswith("std/")
        folder = os.path.dirname(importer.path or importer.name)
        real = os.path.realpath(os.path.join(folder, path))
        if inside_library or os.path.commonpath([real, real_root]) != real_root:
            raise ImportRefused(
                f"`{path}` lies above the folder of the spec",
                "a spec reads no files outside its own folder",
            )
        shown = os.path.normpath(os.path.join(os.path.dirname(importer.name), path))
        try:
            source = read_source(real)
        except UsageError as error:
            raise ImportRefused(str(error).replace(real, shown), _neighbours(real, path)) from None
        except SpecError as error:
            raise ImportRefused(error.diagnostics[0].message) from None
        return Source(shown, source.text, real)

    return load


def _standard(path: str) -> Source | None:
    """One of specc's own files."""
    if not path.startswith("std/"):
        return None
    known = standard_modules()
    name = path.removesuffix(".spec")
    if name not in known:
        raise ImportRefused(f"there is no `{path}`", _guess(path, known))
    file = os.path.join(STANDARD, f"{name[4:]}.spec")
    return Source(name, read_source(file).text, file)


def _guess(path: str, known: Iterable[str]) -> str:
    every = list(known)
    guess = closest(path, every)
    return f"did you mean `{guess}`?" if guess else "there are " + ", ".join(every)


def _neighbours(real: str, path: str) -> str | None:
    folder = os.path.dirname(real)
    if not os.path.isdir(folder):
        return None
    prefix = os.path.dirname(path)
    known = [os.path.join(prefix, name) for name in os.listdir(folder) if name.endswith(".spec")]
    guess = closest(path, known)
    return f"did you mean `{guess}`?" if guess else None
