"""Columns for the inputs of a model: of its shapes and dtypes, cast and scaled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import data as errors
from specc.graph import Tensor
from specc.layers.arguments import is_tuple
from specc.training.block import Block
from specc.training.columns import Converted, Padded
from specc.training.dataset import Array, Column
from specc.training.shapes import arranged, first_where, not_finite, sample_text
from specc.training.sources.base import Samples, is_text
from specc.types import Dimension, size_of

Report = Callable[[Diagnostic], None]


def agree_inputs(
    block: Block, samples: Samples, entry: str, which: str, report: Report
) -> list[Column]:
    """A column for each input of the model; what does not fit is reported.

    Args:
        entry: which one the samples come from.
        which: of which part they are, "test ", where the entry has several.
    """
    tensors = block.model.graph.inputs
    if len(samples.inputs) != len(tensors):
        names = [tensor.name for tensor in tensors]
        given = len(samples.inputs)
        help = "a source of several inputs is `npz` with a list for `x`, or a table with `features`"
        where = block.span(entry)
        report(errors.wrong_number_of_columns(where, "inputs", given, len(tensors), names, help))
        return []
    _check_entries(block, report)
    sizes: dict[str, int] = {}
    found: list[Column] = []
    for column, tensor in zip(samples.inputs, tensors, strict=True):
        fitting = _Input(block, tensor, entry, which, report, sizes).agree(column, samples)
        found += [] if fitting is None else [fitting]
    return found


def _check_entries(block: Block, report: Report) -> None:
    """`cast` and `scale` have something to do."""
    types = [tensor.type for tensor in block.model.graph.inputs]
    cast = block.entry("cast")
    if cast is not None and cast not in [type_.dtype for type_ in types]:
        tensor = block.input_tensor(0)
        report(
            errors.wrong_dtype(block.span("cast"), tensor.name, cast, str(tensor.type), tensor.span)
        )
    if block.entry("scale") is not None and not any(type_.is_float for type_ in types):
        why = "no input of the model is a floating-point one"
        report(errors.entry_without_use(block.span("scale"), "scale", why))


class _Input:
    """An input of the model, and the column that is to be for it."""

    def __init__(
        self,
        block: Block,
        tensor: Tensor,
        entry: str,
        which: str,
        report: Report,
        sizes: dict[str, int],
    ) -> None:
        self.block = block
        self.tensor = tensor
        self.where = block.span(entry)
        self.which = which
        self.report = report
        self.sizes = sizes
        """What axes with a name were found to be, over all inputs."""

    def agree(self, column: Column, samples: Samples) -> Column | None:
        """The column as the model takes it; None after a mistake."""
        name, type_ = self.tensor.name, self.tensor.type
        found = sample_text(column)
        text = is_text(column) and not samples.sequences
        if text != (type_.dtype == "string") or column.dtype.kind in "cMmV":
            help = None
            if text:
                help = "strings become numbers by a model's own layer, such as StringLookup"
            self._refuse(errors.wrong_dtype, found, help)
            return None
        if samples.sequences:
            return self._padded(column)
        shape = self._shape(column, samples.flat)
        if shape is None:
            self._refuse(errors.wrong_sample, found)
            return None
        if text:
            return column if shape == column.shape[1:] else _reshaped(column, shape)
        if not self._values_fit(column):
            return None
        scale: Any = self.block.entry("scale") if type_.is_float else None
        if is_tuple(scale) and (not shape or len(scale) not in (1, shape[-1])):
            where = self.block.span("scale")
            self.report(errors.wrong_number_of_scales(where, len(scale), name, found))
            return None
        dtype = numpy_dtype(type_.dtype)
        if scale is None and dtype == column.dtype and shape == column.shape[1:]:
            return column
        return Converted(column, dtype, shape, scale)

    def _refuse(self, error: Callable[..., Diagnostic], found: str, *more: Any) -> None:
        tensor = self.tensor
        self.report(error(self.where, tensor.name, found, str(tensor.type), tensor.span, *more))

    def _shape(self, column: Column, flat: bool) -> tuple[int, ...] | None:
        """The shape that samples get; None where they do not fit.

        Args:
            flat: a sample is a row of a table, which is the numbers of any shape.
        """
        wanted = tuple(self._size(size) for size in self.tensor.type.shape)
        found = column.shape[1:]
        shape = arranged(found, wanted)
        if shape is None and flat and size_of(wanted) == size_of(found):
            return tuple(size for size in wanted if isinstance(size, int))
        if shape is not None and len(shape) == len(wanted):
            for size, have in zip(wanted, shape, strict=True):
                if isinstance(size, str):
                    self.sizes[size] = have
        return shape

    def _size(self, size: Dimension) -> Dimension:
        return self.sizes.get(size, size) if isinstance(size, str) else size

    def _padded(self, column: Column) -> Column | None:
        type_ = self.tensor.type
        sequences: Array = column.take(np.arange(len(column)))
        longest = max((len(sequence) for sequence in sequences), default=0)
        if type_.rank != 1 or type_.dtype == "string":
            self._refuse(errors.wrong_sample, "a list of numbers")
            return None
        size = type_.shape[0]
        length = size if isinstance(size, int) else longest
        entry = self.block.entry
        padding, truncating = entry("padding") or "pre", entry("truncating") or "pre"
        return Padded(sequences, length, numpy_dtype(type_.dtype), padding, truncating)

    def _values_fit(self, column: Column) -> bool:
        """Whether every value is a number, and one that the input's dtype has."""
        name, type_ = self.tensor.name, self.tensor.type
        if column.dtype.kind == "f":
            bad = first_where(column, not_finite)
            if bad is not None:
                index, value, number = bad
                sample = f"{self.which}sample {index:,}"
                self.report(errors.not_finite(self.where, name, value, sample, number))
                return False
        if type_.is_float or self.block.entry("cast") == type_.dtype:
            return True
        dtype = numpy_dtype(type_.dtype)
        if np.can_cast(column.dtype, dtype, "safe"):
            return True
        bad = first_where(column, lambda values: lost(values, dtype))
        if bad is not None:
            index, value, _ = bad
            sample = f"{self.which}sample {index:,}"
            self.report(errors.value_lost(self.where, name, type_.dtype, value, sample))
        return bad is None


def lost(values: Array, dtype: np.dtype[Any]) -> Array:
    """Which values are others when they are cast."""
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(dtype).astype(values.dtype) != values


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype in which an input or a target is given to Keras; it casts float32 to bfloat16,
    which numpy has not."""
    if name == "string":
        return np.dtype(object)
    return np.dtype("float32" if name == "bfloat16" else name)


def _reshaped(column: Column, shape: tuple[int, ...]) -> Column:
    return Converted(column, column.dtype, shape)
