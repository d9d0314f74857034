"""Keeping libraries quiet: what a block of code writes is kept off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


class Output:
    """What a block wrote on stdout and stderr."""

    text = ""


@contextmanager
def captured(output: Output) -> Generator[None]:
    """Keep a block's output off the terminal, native code's included.

    Native libraries write to the file descriptors 1 and 2, not to `sys.stdout`.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        try:
            with _descriptors_to(file.fileno()), redirect_stdout(file), redirect_stderr(file):
                yield
        finally:
            file.seek(0)
            output.text = file.read()


@contextmanager
def _descriptors_to(target: int) -> Generator[None]:
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    try:
        for number in saved:
            os.dup2(target, number)
        yield
    finally:
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)


def last_line(text: str) -> str:
    """The last line that says something, which of a traceback is the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
