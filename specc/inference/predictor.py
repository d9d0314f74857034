"""A model in an ONNX file, ready to predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from specc.backends.runtime import Session, blaming, open_session
from specc.files import DeviceError, UsageError
from specc.inference.interface import Array, Interface, Rows, read_interface
from specc.inference.interface import cast as cast_to
from specc.manifest import read_manifest
from specc.types import Port

BATCH_SIZE = 32
"""Keras's."""


class Batch(NamedTuple):
    """What came out for the samples from `start` to `stop`."""

    start: int
    stop: int
    outputs: dict[str, Array]


class Predictor:
    """A model in an ONNX file, opened by `specc.load`. The file need not be one of specc's."""

    def __init__(self, session: Session, file: str) -> None:
        self._session = session
        self.file = file
        self.interface: Interface = read_interface(session, file)
        self.manifest: dict[str, Any] = read_manifest(session.metadata)
        """What the file was made from; empty for files of other tools."""
        self.labels: dict[str, tuple[str, ...]] = read_labels(self.manifest, self.interface)
        """The names of the classes, by output; of those outputs for which the manifest has some."""

    def __repr__(self) -> str:
        ports = (self.interface.inputs.values(), self.interface.outputs.values())
        taken, given = (
            ", ".join(f"{port.name}: {self.interface.described(port)}" for port in side)
            for side in ports
        )
        return f"<specc predictor {self.file!r}, {taken} -> {given}, on {self.provider}>"

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Names and types; as in `Model.inputs`, the shapes are without the batch axis."""
        return tuple(self.interface.inputs.values())

    @property
    def outputs(self) -> tuple[Port, ...]:
        return tuple(self.interface.outputs.values())

    @property
    def provider(self) -> str:
        """Where onnxruntime really runs the model: "cpu", "cuda", "cuda-tf32" or "tensorrt"."""
        return str(self._session.provider)

    @property
    def session(self) -> Session:
        return self._session

    def predict(
        self, x: ArrayLike | Mapping[str, ArrayLike], batch_size: int = BATCH_SIZE
    ) -> Array | dict[str, Array]:
        """What the model gives for samples.

        Floating-point numbers are rounded to the dtype of the input; other conversions have to
        keep every value, as those of int64 to int32 and of whole numbers to float32 do.

        Args:
            x: samples along the first axis; with several inputs, arrays by input name.
            batch_size: how many samples run at a time.

        Returns:
            An array; with several outputs, arrays by output name.

        Raises:
            UsageError: where names, shapes or dtypes do not fit, or values would be lost.
        """
        arrays = self._by_name(x)
        outputs = Collected(self.interface, self.interface.count(arrays), empty)
        for batch in self.batches(arrays, batch_size):
            outputs.put(batch)
        found = outputs.arrays
        return found if len(found) > 1 else next(iter(found.values()))

    def batches(self, arrays: Mapping[str, Rows], batch_size: int = BATCH_SIZE) -> Iterator[Batch]:
        """Run samples batch by batch; no more than a batch of them is read at a time.

        Raises:
            UsageError: as `predict` does.
        """
        if batch_size < 1:
            raise UsageError(f"the batch size has to be 1 or more, not {batch_size}")
        count = self.interface.count(arrays)
        size = self.interface.batch or batch_size
        for start in range(0, count, size):
            stop = min(start + size, count)
            feeds: dict[str, Array] = {}
            for name, port in self.interface.inputs.items():
                rows = slice(start, stop) if port.type.batched else ...
                feeds[name] = cast_to(port, arrays[name][rows])
            with blaming(f"`{self.file}`"):
                outputs = self._session.run(feeds)
            yield Batch(start, stop, outputs)

    def _by_name(self, x: ArrayLike | Mapping[str, ArrayLike]) -> dict[str, Array]:
        given: dict[str, Any]
        if isinstance(x, Mapping):
            given = dict(x)
        elif len(self.interface.inputs) == 1:
            given = dict.fromkeys(self.interface.inputs, x)
        else:
            names = ", ".join(f"`{name}`" for name in self.interface.inputs)
            raise UsageError(
                f"`{self.file}` has the inputs {names}, and is given one array",
                "arrays by their names: `predict({name: array, ...})`",
            )
        try:
            return {name: np.asarray(value) for name, value in given.items()}
        except ValueError as error:  # lists of different lengths
            raise UsageError(f"this is no array: {error}") from None


class Collected:
    """Outputs put together, batch by batch."""

    def __init__(
        self,
        interface: Interface,
        count: int,
        allocate: Callable[[str, tuple[int, ...], np.dtype[Any]], Array],
    ) -> None:
        """Begin with nothing.

        Args:
            count: how many samples there will be.
            allocate: makes room for an output, from its name, shape and dtype.
        """
        self._interface = interface
        self._count = count
        self._allocate = allocate
        self.arrays: dict[str, Array] = {}

    def put(self, batch: Batch) -> None:
        """Take what a batch gave.

        Raises:
            UsageError: where an output does not have a row for each sample, and this is not the
                only batch.
        """
        for name, found in batch.outputs.items():
            size = batch.stop - batch.start
            if size == self._count:
                room = self._room(name, found.shape, found.dtype)
                room[...] = found
                continue
            port = self._interface.outputs[name]
            # Where the file says nothing of an output's shape, the output itself tells.
            has_rows = port.type.batched or not port.type.shape
            if not has_rows or found.shape[:1] != (size,):
                raise UsageError(
                    f"the output `{name}` has no row for each sample, so its batches cannot be "
                    "put together",
                    f"run all samples in one batch, of {self._count}",
                )
            room = self._room(name, (self._count, *found.shape[1:]), found.dtype)
            if room.shape[1:] != found.shape[1:]:
                raise UsageError(
                    f"the output `{name}` has rows of another shape in each batch, so that they "
                    "cannot be put together",
                    f"run all samples in one batch, of {self._count}",
                )
            room[batch.start : batch.stop] = found

    def _room(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if name not in self.arrays:
            self.arrays[name] = self._allocate(name, shape, dtype)
        return self.arrays[name]


def load(path: str | os.PathLike[str], provider: str = "auto") -> Predictor:
    """Open an ONNX file; `specc.load` says more.

    Raises:
        DeviceError: where the provider asked for is not to be had.
        UsageError: where the file cannot be read, or onnxruntime does not take it.
    """
    name = os.fspath(path)
    return Predictor(open_model(name, provider), name)


def open_model(path: str, provider: str = "auto", **options: Any) -> Session:
    """Open an ONNX file in onnxruntime.

    Args:
        options: more of `open_session`.

    Raises:
        UsageError: as `load` does.
    """
    if not os.path.isfile(path):
        why = "it is a directory" if os.path.isdir(path) else "there is no such file"
        raise UsageError(f"cannot read `{path}`: {why}")
    if path.endswith(".spec"):
        raise UsageError(
            f"`{path}` is a spec, not an ONNX file", f"`specc export --onnx {path}` writes one"
        )
    try:
        with blaming(f"`{path}`"):
            return open_session(path, provider, **options)
    except DeviceError:
        raise
    except UsageError as error:
        if not _is_bfloat16(path):
            raise
        raise UsageError(
            f"`{path}` computes in bfloat16, for which onnxruntime has no kernels here: {error}",
            "`--provider cuda` where there is a GPU, or a file of `--precision float16`",
        ) from None


def _is_bfloat16(path: str) -> bool:
    """Whether a file that onnxruntime does not open says that it is one of bfloat16."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # whatever it is, it is no model
        return False
    content = read_manifest({entry.key: entry.value for entry in model.metadata_props})
    said = content.get("precision")
    return isinstance(said, dict) and cast("dict[str, Any]", said).get("to") == "bfloat16"


def read_labels(manifest: Mapping[str, Any], interface: Interface) -> dict[str, tuple[str, ...]]:
    """The names of classes that a manifest has under `labels`.

    They are a list, for the only output, or lists by output name. Those that are not as many
    as the output has classes are left out.
    """
    given = manifest.get("labels")
    outputs = interface.outputs
    if isinstance(given, list) and len(outputs) == 1:
        given = dict.fromkeys(outputs, cast("list[Any]", given))
    if not isinstance(given, dict):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name, labels in cast("dict[str, Any]", given).items():
        if name not in outputs or not isinstance(labels, list):
            continue
        shape = outputs[name].type.shape
        if shape and len(cast("Sequence[Any]", labels)) == shape[-1]:
            found[name] = tuple(str(label) for label in cast("Sequence[Any]", labels))
    return found


def empty(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:  # noqa: ARG001
    """Room in memory, for `Collected`."""
    return np.empty(shape, dtype)
