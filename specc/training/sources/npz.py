"""`npz(...)`: arrays of numpy, mapped into memory where they are not compressed."""

from __future__ import annotations

import os
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.training.columns import Held
from specc.training.dataset import Array
from specc.training.sources.base import Samples, Unreadable, Wanted, cannot_open, damaged

LOCAL_HEADER = 30
"""Bytes of a zip file's header before a member, without the name and the extra field behind it;
the lengths of these are in its last four. Source: PKWARE's APPNOTE.TXT, 4.3.7."""

PIECE = 1 << 20


def read(source: Any, wanted: Wanted) -> Samples:
    """The arrays that a source names, for each input and each output one."""
    path = wanted.path(source.path)
    x = wanted.names(source.x, "x", wanted.inputs)
    y = wanted.names(source.y, "y", wanted.outputs)
    try:
        with zipfile.ZipFile(path) as archive:
            known = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in (*x, *y):
                if name not in known:
                    raise Unreadable(errors.no_such_name, "array", name, source.path, known)
            found = {name: _array(archive, path, name) for name in {*x, *y}}
    except OSError as error:
        raise cannot_open(source.path, error) from None
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError) as error:
        raise damaged(source.path, _why(error)) from None
    return Samples([Held(found[name]) for name in x], [Held(found[name]) for name in y])


def _why(error: Exception) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    if "pickle" in said.lower() or "python objects" in said.lower():
        return "it holds Python objects, which are not read: they can run code"
    if isinstance(error, zipfile.BadZipFile):
        return f"it is no .npz file, or not all of one ({said[0].lower()}{said[1:]})"
    return said


def _array(archive: zipfile.ZipFile, path: str, name: str) -> Array:
    member = archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.NameToInfo else name)
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file)
        start = file.tell()
        if shape == ():
            raise ValueError(f"the array `{name}` is a single number")
        size = dtype.itemsize
        for axis in shape:
            size *= axis
        if start + size > member.file_size and not dtype.hasobject:
            raise ValueError(f"the array `{name}` ends too early")
        if member.compress_type != zipfile.ZIP_STORED or dtype.hasobject or 0 in shape:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    with archive.open(member) as file:
        while file.read(PIECE):  # to its end, where zipfile compares the checksum
            pass
    offset = _data_offset(path, member) + start
    if offset + size > os.path.getsize(path):
        raise ValueError(f"the array `{name}` ends too early")
    return np.asarray(np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C"))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it is in Fortran's order, and dtype."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _data_offset(path: str, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin in the file."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        header = file.read(LOCAL_HEADER)
    name, extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
    return member.header_offset + LOCAL_HEADER + name + extra
