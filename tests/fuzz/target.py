"""Fuzzing of the compiler: any bytes give a result or errors that can be shown.

    python tests/fuzz/target.py --plain 100000 --seed 1        # needs specc alone
    python tests/fuzz/target.py --sweep                        # so does this
    python tests/fuzz/target.py CORPUS [libFuzzer's options]   # needs atheris

README.md says more.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from random import Random
from types import FrameType, TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

for _folder in (str(REPOSITORY), str(HERE)):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)


def _instrumented() -> contextlib.AbstractContextManager[Any]:
    """Where atheris drives, specc's modules are imported with its counters."""
    if __name__ != "__main__" or {"--plain", "--sweep", "--replay"} & {*sys.argv}:
        return contextlib.nullcontext()
    return _atheris().instrument_imports(include=["specc"])


def _atheris() -> Any:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed; `--plain N` needs nothing but specc")


with _instrumented():
    from specc.compiler import compile_source
    from specc.diagnostics.as_json import diagnostic_as_json
    from specc.diagnostics.diagnostic import Diagnostic, SpecError
    from specc.diagnostics.terminal import render_all
    from specc.files import decode
    from specc.source import Span

    if __name__ == "__main__":
        import pkgutil

        import specc

        for _package in ("diagnostics", "layers", "ops", "semantics", "syntax"):
            _path = [str(Path(specc.__file__).parent / _package)]
            for _module in pkgutil.walk_packages(_path, f"specc.{_package}."):
                if _module.name != "specc.syntax.generate":
                    importlib.import_module(_module.name)

from mutate import MAX_SIZE, Mutator  # noqa: E402  (it stands beside this file)
from seeds import seeds  # noqa: E402
from sweep import sweep  # noqa: E402

SECONDS = 5.0
"""What an input may take of the processor."""

BYTES = 1 << 30
"""What an input may take of memory."""

CODE = re.compile(r"E0[1-5]\d\d")
STYLE = re.compile(r"\033\[[0-9;]*m")
LINES = {ord("\n"): " ", ord("\t"): " "}
INTERNALS = re.compile(r"<specc\.|<(?:function|object|class|bound) |object at 0x|\bspecc\.\w+\.\w+")
"""What a message must not show."""


class Finding(Exception):
    """An input did what no input may do."""


class TooSlow(BaseException):
    """The time of an input is over. No `except Exception` holds it up."""


@contextlib.contextmanager
def limited(seconds: float) -> Generator[None]:
    """Raise `TooSlow` in the block after so many seconds of the processor's time."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check(data: bytes) -> list[str]:
    """The codes of an input's errors, in their order; none where it compiles.

    Raises:
        Finding: where an error cannot be shown, or has no place.
        Exception: whatever else the compiler raises.
    """
    return check_run(lambda: compile_source(decode("fuzz.spec", data)), len(data) % 8 == 0)


def check_run(run: Callable[[], object], color: bool = False) -> list[str]:
    """The codes of the errors of a compilation; raises as `check` does."""
    try:
        run()
    except SpecError as error:
        diagnostics = error.diagnostics
    else:
        return []
    if not diagnostics:
        raise Finding("an error without a diagnostic")
    for diagnostic in diagnostics:
        _check_diagnostic(diagnostic)
    text = render_all(diagnostics, color=color)
    if color:
        text = STYLE.sub("", text)
    if not text.translate(LINES).isprintable():
        raise Finding("the text of the errors holds what can steer a terminal")
    text.encode()
    json.dumps([diagnostic_as_json(diagnostic) for diagnostic in diagnostics]).encode()
    return [diagnostic.code for diagnostic in diagnostics]


def _check_diagnostic(diagnostic: Diagnostic) -> None:
    if not CODE.fullmatch(diagnostic.code):
        raise Finding(f"the code {diagnostic.code!r}")
    if not diagnostic.message:
        raise Finding(f"{diagnostic.code} says nothing")
    labels = [diagnostic.primary, *diagnostic.secondary]
    for label in labels:
        _check_span(label.span)
    if diagnostic.fix is not None:
        for edit in diagnostic.fix.edits:
            _check_span(edit.span)
    said = [diagnostic.message, *diagnostic.notes, diagnostic.help or ""]
    for text in [*said, *(label.text for label in labels)]:
        found = INTERNALS.search(text)
        # What the spec itself holds may be quoted.
        if found and found[0] not in diagnostic.primary.span.source.text:
            raise Finding(f"{diagnostic.code} shows {found[0]!r}")


def _check_span(span: Span) -> None:
    if not 0 <= span.start <= span.end <= len(span.source.text):
        raise Finding(f"a span {span.start}-{span.end} of {len(span.source.text)} characters")
    if span.line < 1 or span.column < 1:
        raise Finding(f"the place {span.line}:{span.column}")


class Runner:
    """Runs inputs, counts what they give, and writes down what none may give."""

    def __init__(self, folder: Path | None, seconds: float = SECONDS) -> None:
        self.folder = folder
        self.seconds = seconds
        self.inputs = 0
        self.codes: Counter[str] = Counter()
        """How many inputs gave each code; "" is for those that compile."""
        self.findings: Counter[str] = Counter()
        self.slowest = (0.0, b"")
        self.began = time.monotonic()

    def run(self, data: bytes) -> str | None:
        """Run an input; what was found, in one line, or None."""
        self.inputs += 1
        began = time.process_time()
        what: str | None = None
        try:
            with limited(self.seconds):
                self.codes.update(set(check(data)) or {""})
        except (Exception, TooSlow) as error:
            what = described(error)
        taken = time.process_time() - began
        if taken > self.slowest[0]:
            self.slowest = (taken, data)
        if what is not None:
            self.findings[what] += 1
            if self.findings[what] == 1:
                self._write(what, data)
        return what

    def _write(self, what: str, data: bytes) -> None:
        print(f"finding: {what}", file=sys.stderr)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"\W+", "-", what)[:80]
            (self.folder / f"{name}.spec").write_bytes(data)
            (self.folder / f"{name}.txt").write_text(f"{what}\n", encoding="utf-8")

    def report(self) -> dict[str, Any]:
        """What was run and found, for people and for `docs/reliability.md`."""
        seconds = time.monotonic() - self.began
        return {
            "inputs": self.inputs,
            "seconds": round(seconds, 1),
            "per_second": round(self.inputs / max(seconds, 1e-9)),
            "compiled": self.codes[""],
            "distinct_codes": len(self.codes) - ("" in self.codes),
            "codes": dict(sorted(self.codes.items())),
            "slowest_seconds": round(self.slowest[0], 3),
            "slowest": self.slowest[1].decode("utf-8", "replace"),
            "findings": dict(self.findings),
        }


def described(error: BaseException) -> str:
    """An exception and where in specc it was raised; the same for the same defect."""
    if isinstance(error, TooSlow):
        return f"TooSlow in {_place(error.__traceback__, outermost=True)}"
    if isinstance(error, Finding):
        return f"Finding: {error}"
    return f"{type(error).__name__} in {_place(error.__traceback__)}"


def _place(trace: TracebackType | None, *, outermost: bool = False) -> str:
    frames = [
        f"{Path(frame.filename).relative_to(REPOSITORY)}:{frame.name}"
        for frame in traceback.extract_tb(trace)
        if f"{os.sep}specc{os.sep}" in frame.filename
        and Path(frame.filename).is_relative_to(REPOSITORY)
    ]
    if not frames:
        return "the target"
    # Where time runs out is a matter of chance; the stage is not.
    return " > ".join(frames[:3]) if outermost else frames[-1]


def plain(count: int, seed: int, runner: Runner, every: int = 0, stats: Path | None = None) -> None:
    """Run `count` inputs drawn from the seeds with `seed`."""
    mutator = Mutator(seeds())
    gc.freeze()  # what is there by now stays
    for number in range(count):
        runner.run(mutator.draw(Random(f"{seed}:{number}")))
        if every and runner.inputs % every == 0:
            _say(runner, stats)


def swept(runner: Runner, stats: Path | None) -> None:
    """Run every argument of every layer and operation."""
    for data in sweep():
        runner.run(data)
        if runner.inputs % 10_000 == 0:
            _say(runner, stats)


def _say(runner: Runner, stats: Path | None) -> None:
    report = runner.report()
    if stats is not None:
        stats.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(
        f"{report['inputs']:,} inputs, {report['per_second']}/s, {report['compiled']:,} compiled, "
        f"{report['distinct_codes']} codes, slowest {report['slowest_seconds']} s, "
        f"{len(report['findings'])} findings",
        file=sys.stderr,
        flush=True,
    )


def with_atheris(rest: list[str], runner: Runner, stats: Path | None) -> None:
    """Let libFuzzer choose the inputs, by what they reach."""
    atheris = _atheris()
    mutator = Mutator(seeds())

    def one_input(data: bytes) -> None:
        what = runner.run(data)
        if what is not None and runner.folder is None:
            raise Finding(what)
        if runner.inputs % 10_000 == 0:
            _say(runner, stats)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.15:
            return atheris.Mutate(data, max_size)
        return mutator.mutate(data, random)[:max_size]

    options = [
        f"-max_len={MAX_SIZE}",
        f"-dict={HERE / 'specc.dict'}",
        "-timeout=60",
        f"-rss_limit_mb={BYTES >> 20}",
    ]
    atheris.Setup([sys.argv[0], *options, *rest], one_input, custom_mutator=mutate)
    atheris.Fuzz()


def replay(paths: list[Path], runner: Runner) -> None:
    """Run files, and say what each gives."""
    for path in paths:
        data = path.read_bytes()
        before = runner.inputs
        what = runner.run(data)
        assert runner.inputs == before + 1
        print(f"{path}: {what or 'as it should be'}")


def minimised(data: bytes, what: str, run: Callable[[bytes], str | None]) -> bytes:
    """A small input that gives the same: lines, then pieces of lines, are left out."""
    for pattern in (rb"[^\n]*\n?", rb"\w+|\s+|[^\w\s]", rb"(?s)."):
        pieces = re.findall(pattern, data)
        size = max(1, len(pieces) // 2)
        while size:
            start = 0
            while start < len(pieces):
                fewer = pieces[:start] + pieces[start + size :]
                if run(b"".join(fewer)) == what:
                    pieces = fewer
                else:
                    start += size
            size //= 2
        data = b"".join(pieces)
    return data


def limit_memory() -> None:
    """Turn too much memory into a MemoryError."""
    import resource

    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, resource.RLIM_INFINITY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--plain", type=int, metavar="N", help="run N inputs without atheris")
    parser.add_argument("--sweep", action="store_true", help="run extreme values of all arguments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path, nargs="+", help="run these files")
    parser.add_argument("--minimise", action="store_true", help="with --replay: make them small")
    parser.add_argument("--findings", type=Path, help="a folder for findings; go on after one")
    parser.add_argument("--stats", type=Path, help="a file for the figures")
    options, rest = parser.parse_known_args()
    runner = Runner(options.findings)
    if options.replay:
        limit_memory()
        replay(options.replay, runner)
        if options.minimise:
            for path in options.replay:
                quiet = Runner(None)
                what = quiet.run(path.read_bytes())
                if what is not None:
                    small = minimised(path.read_bytes(), what, quiet.run)
                    path.with_suffix(".small").write_bytes(small)
    elif options.sweep:
        limit_memory()
        swept(runner, options.stats)
        _say(runner, options.stats)
    elif options.plain is not None:
        limit_memory()
        plain(options.plain, options.seed, runner, 10_000, options.stats)
        _say(runner, options.stats)
    else:
        with_atheris(rest, runner, options.stats)
    return 1 if runner.findings else 0


if __name__ == "__main__":
    sys.exit(main())
