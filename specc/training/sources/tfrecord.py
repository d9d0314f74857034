"""`tfrecord(...)`: TensorFlow's files of records, by its own reader.

They are read once, into files without a name that are mapped into memory: a record has no place
that could be told before all those before it are read, so that an order by chance, which every
epoch has anew, would not be possible in them. What was mapped goes out of memory again where there
is too little of it, and the disk gets it back when the process ends.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from contextlib import ExitStack
from typing import Any

import numpy as np

from specc.diagnostics.errors import data as errors
from specc.training.columns import Held
from specc.training.dataset import Array
from specc.training.sources.base import Samples, Unreadable, Wanted, damaged, package

RECORDS = 1_024
"""How many are parsed at a time."""


def read(source: Any, wanted: Wanted) -> Samples:
    """The features for each input and each output; `path` may have `*` in it for several files."""
    path = wanted.path(source.path)
    files = sorted(glob.glob(path)) if glob.has_magic(path) else [path]
    if not files:
        raise damaged(source.path, "there is no such file")
    tensorflow = _tensorflow()
    x = wanted.names(source.x, "x", wanted.inputs)
    y = wanted.names(source.y, "y", wanted.outputs)
    text = {
        name
        for name, port in zip((*x, *y), (*wanted.inputs, *wanted.outputs), strict=False)
        if port.type.dtype == "string"
    }
    return _Records(tensorflow, source, files, {*x, *y}, text).samples(x, y)


def _tensorflow() -> Any:
    """TensorFlow, quietly, and without Keras, which may be wanted on another backend.

    Raises:
        UsageError: where it is not there.
    """
    from specc.backends.silence import Output, captured

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with captured(Output()):
        tensorflow = package("tensorflow", "TensorFlow", "", "`tfrecord(...)`")
        tensorflow.config.list_physical_devices()
    return tensorflow


class _Records:
    def __init__(
        self, tensorflow: Any, source: Any, files: list[str], names: set[str], text: set[str]
    ) -> None:
        self.tensorflow = tensorflow
        self.source = source
        self.files = files
        self.names = sorted(names)
        self.text = text

    def samples(self, x: list[str], y: list[str]) -> Samples:
        arrays = self._arrays()
        inputs = [Held(arrays[name]) for name in x]
        targets = [Held(arrays[name]) for name in y]
        return Samples(inputs, targets, flat=self.source.bytes == "raw")

    def _arrays(self) -> dict[str, Array]:
        with ExitStack() as stack:
            spools = {name: stack.enter_context(_Spool()) for name in self.names}
            for file in self.files:
                self._read(file, spools)
            if not all(len(spool) for spool in spools.values()):
                raise damaged(self.source.path, "there is no record")
            return {name: spool.array() for name, spool in spools.items()}

    def _read(self, file: str, spools: dict[str, _Spool]) -> None:
        errors_of = self.tensorflow.errors
        compression = self.source.compression or ""
        done = 0
        try:
            for batch in self.tensorflow.data.TFRecordDataset(file, compression).batch(RECORDS):
                parsed = self._parsed(batch, file, done)
                for name, spool in spools.items():
                    for values in self._values(parsed[name].numpy(), name, file, done):
                        if not spool.add(values):
                            what = f"a record from {done:,} on has {_type(values)} for `{name}`"
                            raise damaged(file, f"{what}, and those before it {spool.type}")
                done += len(batch)
        except errors_of.NotFoundError:
            raise damaged(file, "there is no such file") from None
        except errors_of.OpError as error:
            # TensorFlow says in brackets where in its own graph it was.
            why = re.sub(r"\{\{.*?\}\} ?| ?\[.*", "", error.message.splitlines()[0])
            help = None if compression else 'is it compressed? `compression="GZIP"` says so'
            raise damaged(file, f"behind record {done:,}: {why}", help) from None

    def _parsed(self, batch: Any, file: str, start: int) -> Any:
        """The features of some records, all of one length."""
        io = self.tensorflow.io
        serialized = batch.numpy()
        first = self._features(serialized[0])
        spec = {name: self._spec(first, name, file) for name in self.names}
        try:
            return io.parse_example(batch, spec)
        except self.tensorflow.errors.InvalidArgumentError:
            for index, one in enumerate(serialized):
                features = self._features(one)
                for name in self.names:
                    if self._spec(features, name, file) != spec[name]:
                        what = f"record {start + index:,} has another number of values for `{name}`"
                        raise damaged(file, f"{what} than record {start:,}") from None
            raise

    def _features(self, serialized: bytes) -> Any:
        example = self.tensorflow.train.Example.FromString(serialized)
        return example.features.feature

    def _spec(self, features: Any, name: str, file: str) -> Any:
        tensorflow = self.tensorflow
        if name not in features:
            raise Unreadable(errors.no_such_name, "feature", name, file, sorted(features))
        kind = features[name].WhichOneof("kind")
        dtype = {
            "bytes_list": tensorflow.string,
            "float_list": tensorflow.float32,
            "int64_list": tensorflow.int64,
        }.get(kind)
        if dtype is None:
            raise damaged(file, f"the feature `{name}` is empty")
        count = len(getattr(features[name], kind).value)
        return tensorflow.io.FixedLenFeature([] if count == 1 else [count], dtype)

    def _values(self, values: Array, name: str, file: str, start: int) -> list[Array]:
        """The values of some records, as blocks of arrays."""
        if values.dtype != object:
            return [values]
        if name in self.text:
            return [np.array([one.decode() for one in values.ravel()], object)]
        if self.source.bytes == "image":
            io = self.tensorflow.io
            decoded = [io.decode_image(one, expand_animations=False).numpy() for one in values]
            return [image[None] for image in decoded]
        dtype = np.dtype(self.source.dtype).newbyteorder("<")
        sizes = {len(one) for one in values.ravel()}
        if len(sizes) > 1 or next(iter(sizes)) % dtype.itemsize:
            what = f"from record {start:,} on `{name}` has {sorted(sizes)} bytes a record"
            help = '`bytes="image"` decodes images'
            raise damaged(file, f"{what}, for numbers of {dtype.itemsize}", help)
        return [np.frombuffer(b"".join(values.ravel()), dtype).reshape(len(values), -1)]


def _type(values: Array) -> str:
    return f"{values.dtype}[{', '.join(map(str, values.shape[1:]))}]"


class _Spool:
    """An array on disk that grows at its end."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the block)
        self._texts: list[Array] = []
        self._like: Array | None = None
        self._count = 0

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # what is mapped stays

    def __len__(self) -> int:
        return self._count

    @property
    def type(self) -> str:
        return "" if self._like is None else _type(self._like)

    def add(self, values: Array) -> bool:
        """Add samples; False where they are not like those before."""
        if self._like is None:
            self._like = values[:0]
        if (values.dtype, values.shape[1:]) != (self._like.dtype, self._like.shape[1:]):
            return False
        self._count += len(values)
        if values.dtype == object:
            self._texts.append(values)
        else:
            self._file.write(np.ascontiguousarray(values).data)
        return True

    def array(self) -> Array:
        """All samples, mapped into memory; strings are in it."""
        if self._like is None or self._texts:
            return np.concatenate(self._texts)
        self._file.flush()
        shape = (self._count, *self._like.shape[1:])
        return np.asarray(np.memmap(self._file, self._like.dtype, "r", 0, shape))
