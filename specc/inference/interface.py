"""What an ONNX file takes and gives, and whether arrays fit that.

onnxruntime's own check is not enough: it reads an array of another byte order as it lies in
memory, and names a file's input only where the rank is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from specc.backends.runtime import Session, Value
from specc.diagnostics.suggest import closest
from specc.files import UsageError
from specc.types import FLOAT_DTYPES, Dimension, Port, TensorType

Array = NDArray[Any]

ELEMENT_TYPES = {
    "bool": "bool",
    "double": "float64",
    "float": "float32",
    "float16": "float16",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "int8": "int8",
    "string": "string",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "uint8": "uint8",
}
"""ONNX's names for what numpy has too, and the names that specs give them."""


class Rows(Protocol):
    """Samples to be read in slices: an array, or a file that is read as it is needed."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, rows: slice | EllipsisType, /) -> Array: ...


class Interface(NamedTuple):
    """A file's inputs and outputs. Their first axis is the batch axis where they are `batched`."""

    file: str
    inputs: dict[str, Port]
    outputs: dict[str, Port]
    batch: int | None
    """How many samples the file takes at a time, where it takes no other number."""

    @property
    def batched(self) -> bool:
        """Whether samples can be taken in batches at all."""
        return any(port.type.batched for port in self.inputs.values())

    def described(self, port: Port) -> str:
        """A dtype and a shape, `float32[batch, 28, 28]`."""
        axes = ["batch" if self.batch is None else str(self.batch)] if port.type.batched else []
        axes += ["?" if size is None else str(size) for size in port.type.shape]
        return f"{port.type.dtype}[{', '.join(axes)}]"

    def count(self, arrays: Mapping[str, Rows]) -> int:
        """Check that there is an array for each input and that it fits, and count the samples.

        Where nothing is batched, everything together is one sample.

        Raises:
            UsageError: where something does not fit.
        """
        self._check_names(arrays)
        counts: dict[str, int] = {}
        for name, port in self.inputs.items():
            self._check(port, arrays[name])
            if port.type.batched:
                counts[name] = arrays[name].shape[0]
        if not counts:
            return 1
        if len(set(counts.values())) > 1:
            found = ", ".join(f"`{name}` has {count:,}" for name, count in counts.items())
            raise UsageError(f"the inputs have different numbers of samples: {found}")
        count = next(iter(counts.values()))
        if count == 0:
            raise UsageError("there are no samples")
        if self.batch and count % self.batch:
            raise UsageError(
                f"`{self.file}` takes {self.batch} samples at a time, and {count:,} cannot be "
                f"divided into batches of {self.batch}"
            )
        return count

    def _check_names(self, arrays: Mapping[str, Rows]) -> None:
        wanted = ", ".join(f"`{name}`: {self.described(p)}" for name, p in self.inputs.items())
        for name in arrays:
            if name not in self.inputs:
                guess = closest(name, self.inputs)
                hint = f"did you mean `{guess}`?" if guess else f"its inputs are {wanted}"
                raise UsageError(f"`{self.file}` has no input `{name}`", hint)
        missing = [f"`{name}`" for name in self.inputs if name not in arrays]
        if missing:
            raise UsageError(
                f"`{self.file}` is given nothing for {', '.join(missing)}",
                f"its inputs are {wanted}",
            )

    def _check(self, port: Port, array: Rows) -> None:
        check_dtype(port, array.dtype, self.described(port))
        if not port.type.shape and not port.type.batched:
            return  # a scalar, or a shape that the file keeps to itself: onnxruntime will tell
        found = array.shape
        batch_axis: list[Dimension] = [None] if port.type.batched else []
        sizes = [*batch_axis, *port.type.shape]
        what = (
            f"the input `{port.name}` is {self.described(port)}, and the array given for it has "
            f"the shape {shape_text(found)}"
        )
        if len(found) != len(sizes):
            hint = None
            if port.type.batched and _fits(found, port.type.shape):
                hint = "one sample is a batch of one: `x[None]` has its batch axis"
            raise UsageError(what, hint)
        for axis, (have, want) in enumerate(zip(found, sizes, strict=True)):
            if not _fits((have,), (want,)):
                raise UsageError(what, f"the size of axis {axis} has to be {want}, not {have}")


def read_interface(session: Session, file: str) -> Interface:
    """The interface of an open file.

    Files of other tools have no batch axis that would be called so. It is the first axis of
    each input where its size is free; where no input has a free one, and all inputs and outputs
    have the same first size, it is that one.

    Raises:
        UsageError: where the file takes or gives something that is no tensor of numpy's.
    """
    values = [*session.inputs, *session.outputs]
    dtypes = {value.name: _dtype(value, file) for value in values}
    free = any(value.shape and not isinstance(value.shape[0], int) for value in session.inputs)
    firsts = {value.shape[0] if value.shape else None for value in values}
    only = firsts.pop() if len(firsts) == 1 and session.inputs else None
    batch = only if isinstance(only, int) else None

    def port(value: Value) -> Port:
        batched = bool(value.shape) and (
            batch is not None or (free and not isinstance(value.shape[0], int))
        )
        # A name says nothing where the file has none for it.
        shape = tuple(None if size == "" else size for size in value.shape)
        shape = shape[1:] if batched else shape
        return Port(value.name, TensorType(dtypes[value.name], shape, batched))

    return Interface(
        file,
        {value.name: port(value) for value in session.inputs},
        {value.name: port(value) for value in session.outputs},
        batch,
    )


def _dtype(value: Value, file: str) -> str:
    element = value.type.removeprefix("tensor(").removesuffix(")")
    if value.type != f"tensor({element})" or element not in ELEMENT_TYPES:
        raise UsageError(
            f"`{value.name}` of `{file}` is a {value.type}, for which numpy has no array",
            "`specc export --precision bfloat16` with `--io float32` takes and gives float32"
            if element == "bfloat16"
            else None,
        )
    return ELEMENT_TYPES[element]


def numpy_dtype(port: Port) -> np.dtype[Any]:
    return np.dtype(object if port.type.dtype == "string" else port.type.dtype)


def check_dtype(port: Port, dtype: np.dtype[Any], wanted: str) -> None:
    """Refuse dtypes none of whose values an input could take.

    Raises:
        UsageError: where it is one of them.
    """
    kinds = "OSUT" if port.type.dtype == "string" else "biuf"
    if dtype.kind not in kinds:
        name = "text" if dtype.kind in "OSUT" else str(dtype)
        raise UsageError(f"the input `{port.name}`, {wanted}, cannot take {name}")


def cast(port: Port, array: Array) -> Array:
    """An array in the dtype of an input, in memory and in the machine's byte order.

    Between floating-point dtypes it is rounded, as everywhere; every other change of dtype
    has to keep the values.

    Raises:
        UsageError: where values would be lost.
    """
    target = numpy_dtype(port)
    if array.dtype.kind in "SU" and target.kind == "O":
        text = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
        return text.astype(object)
    if array.dtype == target:  # of this byte order too: numpy calls the other one unequal
        return np.asarray(array, order="C")
    with np.errstate(invalid="ignore", over="ignore"):
        result = array.astype(target)
        if port.type.dtype in FLOAT_DTYPES and array.dtype.kind == "f":
            lost = np.isfinite(array) & ~np.isfinite(result)
        else:
            lost = result.astype(array.dtype) != array
    if lost.any():
        example = array[lost].flat[0]
        raise UsageError(
            f"the input `{port.name}` is of dtype {port.type.dtype}, which has no {example}"
        )
    return result


def _fits(found: tuple[int, ...], wanted: tuple[Dimension, ...]) -> bool:
    return len(found) == len(wanted) and all(
        not isinstance(want, int) or have == want for have, want in zip(found, wanted, strict=True)
    )


def shape_text(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
