"""Reading specs and writing results: the one place that meets the file system."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from specc.diagnostics.diagnostic import SpecError
from specc.diagnostics.errors import syntax as errors
from specc.source import Source, Span

MAX_BYTES = 16 * 1024 * 1024
"""A spec is written by people; the largest generated one in the tests has 1 MB."""


BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class UsageError(Exception):
    """What was asked for cannot be done; the spec is not at fault."""

    status = 2
    """The exit status of a command that ends with it."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


class DeviceError(UsageError):
    """A device was asked for by name and something else ran instead."""

    status = 1


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read a spec.

    Raises:
        UsageError: where there is no such file or it cannot be read.
        SpecError: where its bytes are no text.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read `{name}`: {reason(error)}", _nearby(name)) from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"cannot read `{name}`: it is larger than {MAX_BYTES >> 20} MiB")
    return decode(name, data)


def decode(name: str, data: bytes) -> Source:
    """The text of a spec's bytes; a byte order mark is dropped.

    Raises:
        SpecError: where the bytes are not UTF-8 text.
    """
    nul = data.find(b"\0")
    if nul >= 0:
        raise SpecError([errors.binary_file(_start(name), nul)])
    body = data.removeprefix(BYTE_ORDER_MARK)
    try:
        return Source(name, body.decode(), name)
    except UnicodeDecodeError as error:
        readable = Source(name, body.decode(errors="replace"))
        position = len(body[: error.start].decode())
        where = Span(readable, position, position + 1)
        offset = error.start + len(data) - len(body)
        raise SpecError([errors.not_utf8(where, offset, data[offset])]) from None


def _start(name: str) -> Span:
    return Span(Source(name, ""), 0, 0)


def reason(error: Exception) -> str:
    """Why an operation on a file failed, in words."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a directory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _nearby(name: str) -> str | None:
    """A hint at what may have been meant: the specs of a directory, or a close name."""
    from specc.diagnostics.suggest import closest

    folder = name if os.path.isdir(name) else os.path.dirname(name) or "."
    try:
        specs = sorted(entry for entry in os.listdir(folder) if entry.endswith(".spec"))
    except OSError:
        return None
    if os.path.isdir(name):
        return "specs in it: " + ", ".join(os.path.join(name, s) for s in specs) if specs else None
    guess = closest(os.path.basename(name), specs)
    return f"did you mean `{os.path.join(os.path.dirname(name), guess)}`?" if guess else None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Generator[str]:
    """A temporary path beside `path`, which takes its place if the block succeeds.

    The old file stays untouched until the new one is complete and on disk; after an
    exception it stays for good and the temporary file is gone.

    Raises:
        UsageError: where nothing can be written there.
    """
    target = os.fspath(path)
    folder, base = os.path.split(target)
    stem, extension = os.path.splitext(base)
    # Keras chooses its format by the extension, so the temporary name keeps it.
    temporary = os.path.join(folder, f".{stem}.{os.getpid()}.partial{extension}")
    made = _missing_folders(folder)
    try:
        os.makedirs(folder or ".", exist_ok=True)
        with open(temporary, "wb"):
            pass
    except OSError as error:
        _take_back(made)
        raise UsageError(f"cannot write `{target}`: {reason(error)}") from None
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        if os.path.isdir(target):
            raise UsageError(f"cannot write `{target}`: it is a directory")
        os.replace(temporary, target)
    except OSError as error:
        raise UsageError(f"cannot write `{target}`: {reason(error)}") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
        _take_back(made)


def check_writable(path: str | os.PathLike[str]) -> None:
    """See that `replacing` will be able to write there, where that is hours away.

    Raises:
        UsageError: where it will not.
    """
    target = os.fspath(path)
    if os.path.isdir(target):
        raise UsageError(f"cannot write `{target}`: it is a directory")
    folder = os.path.dirname(target) or "."
    while not os.path.exists(folder):
        folder = os.path.dirname(folder) or "."
    if not os.path.isdir(folder):
        raise UsageError(f"cannot write `{target}`: `{folder}` is not a directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write `{target}`: permission denied")


def _missing_folders(folder: str) -> list[str]:
    """The folders on the way to a path that are not there, the innermost first."""
    missing: list[str] = []
    while folder and not os.path.exists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _take_back(folders: list[str]) -> None:
    """Remove folders that are empty, innermost first."""
    for folder in folders:
        try:
            os.rmdir(folder)
        except OSError:  # not empty, or never made
            return
