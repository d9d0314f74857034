"""ONNX files read; with onnx alone, so that it works where no framework is."""

from __future__ import annotations

import os
from math import prod

import onnx

from specc.files import UsageError, reason

WEIGHTS_LIMIT = 2**31 - 1 - 2**24
"""How many bytes of weights one protobuf message has room for: less than 2 GB in all, of which the
rest of a model needs far less than what is left here."""


def is_large(model: onnx.ModelProto) -> bool:
    """Whether the weights of a model are too large for one protobuf message."""
    return weights_size(model) > WEIGHTS_LIMIT


def weights_size(model: onnx.ModelProto) -> int:
    """The bytes of a model's weights."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def load_onnx(onnx_model: onnx.ModelProto | str | os.PathLike[str]) -> onnx.ModelProto:
    """An ONNX model from a file, or as it is.

    Raises:
        UsageError: where the file cannot be read or is no ONNX model.
    """
    if isinstance(onnx_model, onnx.ModelProto):
        return onnx_model
    path = os.fspath(onnx_model)
    try:
        model = onnx.load(path)
        # The checker takes a large one as a file alone.
        onnx.checker.check_model(path if is_large(model) else model)
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
    except Exception as error:  # protobuf's and the checker's own exceptions
        first = str(error).strip().splitlines()
        raise UsageError(
            f"`{path}` is not a valid ONNX model: {first[0] if first else error}"
        ) from None
    for tensor in model.graph.initializer:
        _check_size(tensor, path)
    return model


def _check_size(tensor: onnx.TensorProto, path: str) -> None:
    """The checker finds too few bytes, and none too many."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    packed = dtype.itemsize == 1 and dtype.isbuiltin != 1  # some of these have two in a byte
    wanted = prod(tensor.dims) * dtype.itemsize
    found = len(tensor.raw_data)
    if found > wanted and not packed and tensor.HasField("raw_data"):
        raise UsageError(
            f"`{path}` is not a valid ONNX model: `{tensor.name}` has {found:,} bytes, and its "
            f"type and shape have room for {wanted:,}"
        )
