"""ONNX models in memory, opened in onnxruntime whatever their size.

onnxruntime takes a model as bytes, and protobuf makes no more than 2 GB of them. The weights of
larger ones are kept apart: in the bytes stands where they are, as it does in a file of its own.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper

from specc.backends.messages import INLINE, PAGE, without_initializers
from specc.backends.read import is_large
from specc.backends.runtime import Session, open_session

Array = np.ndarray[Any, Any]

BESIDE = "weights.data"
"""What the place of the weights is called."""


def open_model(model: onnx.ModelProto, provider: str = "auto") -> Session:
    """Open a model in memory; see `open_session`."""
    if not is_large(model):
        return open_session(model.SerializeToString(), provider)
    apart = Apart.of(model)
    return open_session(apart.skeleton.SerializeToString(), provider, outside=apart.weights)


class Apart(NamedTuple):
    """A model, and apart from it the numbers of its large weights."""

    skeleton: onnx.ModelProto
    weights: dict[str, Array]
    """They share their memory with the model."""
    offsets: dict[str, int]
    """Where each begins in a file of all of them."""

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Apart:
        skeleton = without_initializers(model)
        weights: dict[str, Array] = {}
        offsets: dict[str, int] = {}
        end = 0
        for tensor in model.graph.initializer:
            proto = skeleton.graph.initializer.add()
            if len(tensor.raw_data) < INLINE:
                proto.CopyFrom(tensor)
                continue
            proto.dims.extend(tensor.dims)
            proto.name, proto.data_type = tensor.name, tensor.data_type
            proto.data_location = onnx.TensorProto.EXTERNAL
            size = len(tensor.raw_data)
            offsets[tensor.name] = end
            for key, value in {"location": BESIDE, "offset": end, "length": size}.items():
                proto.external_data.add(key=key, value=str(value))
            weights[tensor.name] = onnx.numpy_helper.to_array(tensor)
            end += size + -size % PAGE
        return cls(skeleton, weights, offsets)

    def write(self, path: str) -> None:
        """Write the model's file, and that of the weights into the same folder."""
        with open(os.path.join(os.path.dirname(path), BESIDE), "wb") as file:
            for name, array in self.weights.items():
                file.seek(self.offsets[name])
                array.tofile(file)
        onnx.save_model(self.skeleton, path)
