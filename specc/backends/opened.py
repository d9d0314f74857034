"""ONNX models in memory, opened in onnxruntime whatever their size.

onnxruntime takes a model as bytes, and protobuf makes no more than 2 GB of them. The weights of
larger ones are kept apart: in the bytes stands where they are, as it does in a file of its own.
That is done from 64 MB on, as onnxruntime then computes with the very arrays: as bytes they would
be in memory twice more.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.numpy_helper

from specc.backends.messages import INLINE, PAGE, without_initializers
from specc.backends.read import weights_size
from specc.backends.runtime import Session, open_session

Array = np.ndarray[Any, Any]

BESIDE = "weights.data"
"""What the place of the weights is called."""


FROM = 2**26
"""From how many bytes of weights on onnxruntime gets them as arrays."""


def open_model(model: onnx.ModelProto, provider: str = "auto") -> Session:
    """Open a model in memory; see `open_session`."""
    if weights_size(model) < FROM:
        return open_session(model.SerializeToString(), provider)
    return Apart.of(model).open(provider)


class Apart(NamedTuple):
    """A model, and apart from it the numbers of its large weights."""

    skeleton: onnx.ModelProto
    weights: dict[str, Array]
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
            size = len(tensor.raw_data)
            if size < INLINE or not _is_of_numpy(tensor):
                proto.CopyFrom(tensor)
                continue
            proto.dims.extend(tensor.dims)
            proto.name, proto.data_type = tensor.name, tensor.data_type
            proto.data_location = onnx.TensorProto.EXTERNAL
            offsets[tensor.name] = end
            for key, value in {"location": BESIDE, "offset": end, "length": size}.items():
                proto.external_data.add(key=key, value=str(value))
            weights[tensor.name] = onnx.numpy_helper.to_array(tensor)
            end += size + -size % PAGE
        return cls(skeleton, weights, offsets)

    def replaced(self, others: Mapping[str, Array]) -> Apart:
        """The model with other numbers for some of its initializers, of the same types and shapes.

        Args:
            others: by the initializers' names.
        """
        skeleton = onnx.ModelProto()
        skeleton.CopyFrom(self.skeleton)
        weights = dict(self.weights)
        for proto in skeleton.graph.initializer:
            if proto.name not in others:
                continue
            if proto.name in weights:
                weights[proto.name] = np.asarray(others[proto.name], order="C")
            else:
                proto.CopyFrom(_inline(proto, others[proto.name]))
        return Apart(skeleton, weights, self.offsets)

    def whole(self) -> onnx.ModelProto:
        """The model in one piece."""
        model = onnx.ModelProto()
        model.CopyFrom(self.skeleton)
        for proto in model.graph.initializer:
            if proto.name in self.weights:
                proto.CopyFrom(_inline(proto, self.weights[proto.name]))
        return model

    def open(self, provider: str = "auto") -> Session:
        """Open it; see `open_session`."""
        if sum(array.nbytes for array in self.weights.values()) < FROM:
            return open_session(self.whole().SerializeToString(), provider)
        return open_session(self.skeleton.SerializeToString(), provider, outside=self.weights)

    def write(self, path: str) -> None:
        """Write the model's file, and that of the weights into the same folder."""
        with open(os.path.join(os.path.dirname(path), BESIDE), "wb") as file:
            for name, array in self.weights.items():
                file.seek(self.offsets[name])
                array.tofile(file)
        onnx.save_model(self.skeleton, path)


def _inline(like: onnx.TensorProto, array: Array) -> onnx.TensorProto:
    """A tensor of a name and type with other numbers."""
    return onnx.TensorProto(
        dims=array.shape, data_type=like.data_type, name=like.name, raw_data=array.tobytes()
    )


def _is_of_numpy(tensor: onnx.TensorProto) -> bool:
    """Whether numpy itself has the type; onnxruntime takes arrays of no other ones."""
    return bool(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).isbuiltin == 1)
