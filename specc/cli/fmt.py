"""`specc fmt`."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterable

from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.files import UsageError, decode, read_source, reason, replacing
from specc.source import Source
from specc.syntax.formatting import format_source

EXAMPLES = """examples:
  specc fmt specs/bn_after.spec      writes the file, if its text changes
  specc fmt .                        all specs below a directory
  specc fmt --check specs            only says which would change; exit status 1 if any
  specc fmt --diff specs             shows what would change; exit status 1 if anything
  specc fmt < old.spec > new.spec    standard input to standard output"""

STANDARD_INPUT = "-"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a spec, or a directory with specs in it; - or none: standard input",
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if a file would change"
    )
    only.add_argument("--diff", action="store_true", help="write nothing; print what would change")


def run(options: argparse.Namespace) -> int:
    """Format every file; one with mistakes in it keeps none of the others from it."""
    diagnostics: list[Diagnostic] = []
    changed = 0
    for path in _files(options.paths or [STANDARD_INPUT]):
        try:
            source = _standard_input() if path == STANDARD_INPUT else read_source(path)
            text = format_source(source)
        except SpecError as error:
            diagnostics += error.diagnostics
            continue
        changes = text != source.text
        changed += changes
        if options.check:
            if changes:
                print(f"{source.name}: not formatted")
        elif options.diff:
            if changes:
                _print(_difference(source, text))
        elif path == STANDARD_INPUT:
            _print(text)
        elif changes:
            _replace(path, text)
            print(f"{path}: formatted", file=sys.stderr)
    if diagnostics:
        raise SpecError(diagnostics)
    return 1 if changed and (options.check or options.diff) else 0


def _files(paths: Iterable[str]) -> list[str]:
    """The files that are meant, each once; directories are searched.

    Raises:
        UsageError: where there is nothing of the name: before any file is written.
    """
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            below = _specs_below(path)
            if not below:
                raise UsageError(f"there is no spec in `{path}`", "their names end in .spec")
            found += below
        else:
            if path != STANDARD_INPUT and not os.path.exists(path):
                read_source(path)  # says what is wrong, with a hint
            found.append(path)
    return list(dict.fromkeys(found))


def _specs_below(directory: str) -> list[str]:
    found: list[str] = []
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [os.path.join(folder, name) for name in sorted(files) if name.endswith(".spec")]
    return [os.path.normpath(path) for path in found]


def _standard_input() -> Source:
    return decode("<stdin>", sys.stdin.buffer.read())


def _replace(path: str, text: str) -> None:
    """Write a file anew, under its old permissions; a link goes on being one."""
    target = os.path.realpath(path)
    try:
        permissions = stat.S_IMODE(os.stat(target).st_mode)
        with replacing(target) as temporary:
            with open(temporary, "wb") as file:
                file.write(text.encode())
            os.chmod(temporary, permissions)
    except OSError as error:
        raise UsageError(f"cannot write `{path}`: {reason(error)}") from None


def _difference(source: Source, text: str) -> str:
    from difflib import unified_diff
    from io import StringIO

    before, after = (list(StringIO(side, newline="\n")) for side in (source.text, text))
    lines = unified_diff(before, after, source.name, f"{source.name} (formatted)")
    ended = (
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    return "".join(ended)


def _print(text: str) -> None:
    """A spec is UTF-8, whatever the terminal takes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
