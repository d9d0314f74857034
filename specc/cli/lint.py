"""`specc lint`."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from typing import Any

from specc.cli.select import add_program_options
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.files import UsageError, read_source, reason, replacing
from specc.lints import lints
from specc.lints.base import WARNING
from specc.lints.bench import Bench
from specc.lints.fix import Mending, mend
from specc.lints.run import Choice, lint
from specc.settings import Written
from specc.source import Source

EXAMPLES = """examples:
  specc lint specs/*.spec
  specc lint --hints specs/bn_after.spec    advice that many do without
  specc lint --fix specs/bn_after.spec      what leaves the model's meaning as it is
  specc lint --fix --unsafe-fixes a.spec    what changes it as well: weights, counts, parameters
  specc lint --select L0001,L0006 a.spec
  specc explain L0001

A comment on a line, `# lint: allow L0006`, keeps the lint quiet about it.

exit status: 0 without warnings, 1 with any that are left; hints alone count for nothing"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="+", metavar="SPEC", help="a spec to look at")
    parser.add_argument("--hints", action="store_true", help="give hints too")
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    parser.add_argument(
        "--unsafe-fixes",
        action="store_true",
        help="with --fix: mend what changes the model's meaning too; expected counts go along",
    )
    parser.add_argument("--select", metavar="CODES", default="", help="only these, with hints")
    parser.add_argument("--ignore", metavar="CODES", default="", help="all but these")
    add_program_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Look at every spec; where one has mistakes, they are all that is reported."""
    if options.unsafe_fixes and not options.fix:
        raise UsageError("`--unsafe-fixes` is of use with `--fix` only")
    choice = Choice(_codes(options.select), _codes(options.ignore), options.hints)
    bench = _bench(options)
    sources = _compiled(options, bench)
    mendings: list[Mending] = []
    if options.fix:
        mendings = [_mended(source, bench, options, choice) for source in sources]
        sources = [mending.source for mending in mendings]
    findings = _findings(sources, bench, choice)
    failed = any(diagnostic.severity == WARNING for diagnostic in findings)
    if options.json:
        _print_json(findings, mendings, ok=not failed)
    else:
        for mending in mendings:
            _say(mending)
        _print(findings)
    return 1 if failed else 0


def _codes(text: str) -> list[str]:
    """The codes of `L0001,L0002`.

    Raises:
        UsageError: where there is no such lint.
    """
    known = [item.code for item in lints()]
    codes = [code.strip().upper() for code in text.split(",") if code.strip()]
    for code in codes:
        if code not in known:
            raise UsageError(
                f"there is no lint `{code}`", f"the lints are {known[0]} to {known[-1]}"
            )
    return codes


def _bench(options: argparse.Namespace) -> Bench:
    bench = Bench({name: Written(value) for name, value in options.param})
    if options.allow_python:
        from specc.plugins import layers_of_files

        bench.layers.update(layers_of_files(options.allow_python))
    return bench


def _compiled(options: argparse.Namespace, bench: Bench) -> list[Source]:
    """The sources of all specs, which are sound."""
    diagnostics: list[Diagnostic] = []
    sources: list[Source] = []
    for path in dict.fromkeys(options.specs):
        try:
            source = read_source(path)
            bench.note_imports(bench.compiled(source))
            sources.append(source)
        except SpecError as error:
            diagnostics += error.diagnostics
    if diagnostics:
        raise SpecError(diagnostics)
    return sources


def _findings(sources: list[Source], bench: Bench, choice: Choice) -> list[Diagnostic]:
    """What there is to say, once about each place of a file that several specs import."""
    found: dict[tuple[str, str, int, int], Diagnostic] = {}
    for source in sources:
        for diagnostic in lint(bench.subject(source), choice):
            span = diagnostic.primary.span
            file = os.path.realpath(span.source.path or span.source.name)
            found.setdefault((diagnostic.code, file, span.start, span.end), diagnostic)
    return list(found.values())


# ---------------------------------------------------------------------------- fixing


def _mended(source: Source, bench: Bench, options: argparse.Namespace, choice: Choice) -> Mending:
    mending = mend(source, bench, choice, unsafe=options.unsafe_fixes)
    if mending.source is not source and source.path is not None:
        _write(source.path, mending.source.text)
    return mending


def _write(path: str, text: str) -> None:
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


def _say(mending: Mending) -> None:
    """What became of a spec, on stderr: it is no finding."""
    for diagnostic in mending.fixed:
        print(f"{_place(diagnostic)}: fixed: {diagnostic.message}", file=sys.stderr)
    for text in mending.counts:
        print(f"{mending.source.name}: {text}", file=sys.stderr)
    for diagnostic, why in mending.refused:
        print(f"{_place(diagnostic)}: not fixed, since then: {why}", file=sys.stderr)


def _place(diagnostic: Diagnostic) -> str:
    span = diagnostic.primary.span
    return f"{span.source.name}:{span.line}: {diagnostic.code}"


# ---------------------------------------------------------------------------- output


def _print(findings: list[Diagnostic]) -> None:
    if not findings:
        return
    from specc.diagnostics.terminal import render_all

    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    sys.stdout.write(render_all(findings, color=color, footer="."))


def _print_json(findings: list[Diagnostic], mendings: list[Mending], *, ok: bool) -> None:
    import json

    from specc.diagnostics.as_json import diagnostic_as_json

    fixed = [diagnostic for mending in mendings for diagnostic in mending.fixed]
    refused = [item for mending in mendings for item in mending.refused]
    result: dict[str, Any] = {
        "ok": ok,
        "findings": [diagnostic_as_json(diagnostic) for diagnostic in findings],
        "fixed": [diagnostic_as_json(diagnostic) for diagnostic in fixed],
        "not_fixed": [
            {**diagnostic_as_json(diagnostic), "reason": why} for diagnostic, why in refused
        ],
    }
    print(json.dumps(result, indent=2))
