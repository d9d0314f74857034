"""ONNX files read; with onnx alone, so that it works where no framework is."""

from __future__ import annotations

import os

import onnx

from specc.files import UsageError, reason


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
        onnx.checker.check_model(model)
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {reason(error)}") from None
    except Exception as error:  # protobuf's and the checker's own exceptions
        first = str(error).strip().splitlines()
        raise UsageError(
            f"`{path}` is not a valid ONNX model: {first[0] if first else error}"
        ) from None
    return model
