"""Checkpoints: files that are complete or not there.

    specc checkpoint 1\n        what the file is
    8 bytes, little endian      the length of the next part
    JSON                        plain values, and the name, dtype and shape of each array
    bytes                       the arrays one after the other, in C order
    32 bytes                    SHA-256 of everything before

Written beside its name, flushed to the disk, then renamed; the last two are kept, so that one is
there even where a disk has lost what it had acknowledged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from specc.files import UsageError, reason, replacing
from specc.records import record
from specc.training.state import Arrays

MAGIC = b"specc checkpoint 1\n"
ENDING = ".ckpt"
KEPT = 2


@record
class Checkpoint:
    """A moment of a run."""

    epoch: int
    """The epochs that are done."""
    step: int
    """The steps of the next one that are done."""
    values: dict[str, Any]
    """Plain values, as JSON has them."""
    arrays: Arrays


class Damaged(Exception):
    """A file is not the checkpoint that was written."""


def write_checkpoint(path: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the path has the old content or the new one, whenever this ends.

    Raises:
        UsageError: where it cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        _write(file, checkpoint)
    _flush_folder(os.path.dirname(path))


def _write(file: BinaryIO, checkpoint: Checkpoint) -> None:
    arrays = {name: np.ascontiguousarray(array) for name, array in checkpoint.arrays.items()}
    header = json.dumps(
        {
            "epoch": checkpoint.epoch,
            "step": checkpoint.step,
            "values": checkpoint.values,
            "arrays": [[n, a.dtype.name, checkpoint.arrays[n].shape] for n, a in arrays.items()],
        }
    ).encode()
    digest = sha256()
    parts: list[Any] = [MAGIC, len(header).to_bytes(8, "little"), header]
    parts += [array.reshape(-1).view("u1") for array in arrays.values() if array.size]
    for part in parts:
        file.write(part)
        digest.update(part)
    file.write(digest.digest())


def read_checkpoint(path: str) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        Damaged: where it is not as it was written.
        UsageError: where it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
    return decoded(content, path)


def encoded(checkpoint: Checkpoint) -> bytes:
    """What the file of a checkpoint has in it."""
    file = BytesIO()
    _write(file, checkpoint)
    return file.getvalue()


def decoded(content: bytes, path: str = "") -> Checkpoint:
    """The checkpoint that a file has in it.

    Raises:
        Damaged: where it is not as it was written.
    """
    body, checksum = content[:-32], content[-32:]
    if not content.startswith(MAGIC) or sha256(body).digest() != checksum:
        raise Damaged(path)
    start = len(MAGIC) + 8
    position = start + int.from_bytes(content[len(MAGIC) : start], "little")
    header = json.loads(content[start:position])
    arrays: Arrays = {}
    for name, dtype, shape in header["arrays"]:
        kind = _dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(content, kind, count, position).reshape(shape)
        position += count * kind.itemsize
    return Checkpoint(header["epoch"], header["step"], header["values"], arrays)


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:  # bfloat16 and its like are known once this is imported
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))


def _flush_folder(path: str) -> None:
    """Put the entries of a folder on the disk: a new name is one."""
    descriptor = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Checkpoints:
    """The folder of a run's checkpoints."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def paths(self) -> list[str]:
        """Those there are, the newest last."""
        try:
            names = sorted(n for n in os.listdir(self.folder) if n.endswith(ENDING) and n[0] != ".")
        except OSError:
            return []
        return [os.path.join(self.folder, name) for name in names]

    def save(self, checkpoint: Checkpoint) -> str:
        """Write a checkpoint and let go of the oldest; its path."""
        # Sorted as text they are sorted by time.
        name = f"epoch-{checkpoint.epoch:06d}-step-{checkpoint.step:09d}{ENDING}"
        path = os.path.join(self.folder, name)
        write_checkpoint(path, checkpoint)
        for old in self.paths()[:-KEPT]:
            os.unlink(old)
        return path

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest sound checkpoint, and the paths of newer ones that are damaged."""
        damaged: list[str] = []
        for path in reversed(self.paths()):
            try:
                return read_checkpoint(path), damaged
            except Damaged:
                damaged.append(path)
        return None, damaged

    def clear(self) -> None:
        for path in self.paths():
            os.unlink(path)

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep other runs away from the folder, and clear what an ended one has left half written.

        Raises:
            UsageError: where another run is at work there, or the folder cannot be made.
        """
        try:
            os.makedirs(self.folder, exist_ok=True)
            file = open(os.path.join(self.folder, "lock"), "ab")  # noqa: SIM115
        except OSError as error:
            raise UsageError(f"cannot write to `{self.folder}`: {reason(error)}") from None
        with file:
            if not _lock(file):
                raise UsageError(
                    f"another `specc train` is at work in `{self.folder}`",
                    "wait for it, or write elsewhere: `-o DIR`",
                )
            for name in os.listdir(self.folder):
                if name.startswith(".") and ".partial" in name:
                    os.unlink(os.path.join(self.folder, name))
            yield


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed, or the process ends, however that happens."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps two runs apart
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
