"""The builder that layers lower themselves against, over onnx_ir."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir

from specc.types import TensorType

DTYPES: dict[str, ir.DataType] = {
    "bool": ir.DataType.BOOL,
    "float16": ir.DataType.FLOAT16,
    "bfloat16": ir.DataType.BFLOAT16,
    "float32": ir.DataType.FLOAT,
    "float64": ir.DataType.DOUBLE,
    "int8": ir.DataType.INT8,
    "int16": ir.DataType.INT16,
    "int32": ir.DataType.INT32,
    "int64": ir.DataType.INT64,
    "uint8": ir.DataType.UINT8,
    "uint16": ir.DataType.UINT16,
    "uint32": ir.DataType.UINT32,
    "uint64": ir.DataType.UINT64,
    "string": ir.DataType.STRING,
}


class OnnxValue(NamedTuple):
    """An `ir.Value` with what the checker knows of it."""

    value: ir.Value
    type: TensorType

    @property
    def dtype(self) -> str:
        return self.type.dtype


class OnnxBuilder:
    """Collects nodes and constants; see `specc.lowering.Builder`."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[ir.Node] = []
        self.constants: list[ir.Value] = []
        self.scope = ""
        """What the names of nodes start with."""
        self._known: dict[tuple[Any, ...], OnnxValue] = {}

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper():
            raise AttributeError(name)
        return partial(self.node, name)

    def node(
        self,
        op_type: str,
        *inputs: Any,
        outputs: int = 1,
        dtype: str | None = None,
        **attributes: Any,
    ) -> Any:
        """An operator applied.

        Args:
            outputs: how many values it gives; with more than one, a tuple.
            dtype: of what it gives; that of the first value it reads otherwise.
        """
        first = next(x.dtype for x in inputs if isinstance(x, OnnxValue))
        operands = [self._operand(x, first) for x in inputs]
        node = ir.node(op_type, operands, attributes or None, num_outputs=outputs)
        node.name = f"{self.scope}/{op_type}_{len(self.nodes)}"
        self.nodes.append(node)
        for index, output in enumerate(node.outputs):
            output.name = f"{node.name}:{index}"
        made = TensorType(dtype or first, ())
        found = tuple(OnnxValue(value, made) for value in node.outputs)
        return found[0] if outputs == 1 else found

    def cast(self, x: OnnxValue, dtype: str) -> OnnxValue:
        if x.dtype == dtype:
            return x
        made = self.node("Cast", x, dtype=dtype, to=int(DTYPES[dtype]))
        return made._replace(type=x.type._replace(dtype=dtype))

    def constant(self, value: Any, dtype: str) -> OnnxValue:
        """A constant, once for all that are equal."""
        array = np.asarray(value, DTYPES[dtype].numpy())
        key = (dtype, array.shape, array.tobytes())
        if key not in self._known:
            name = f"constant_{len(self.constants)}"
            tensor = ir.Tensor(array, name=name)
            made = ir.Value(
                name=name,
                shape=tensor.shape,
                type=ir.TensorType(DTYPES[dtype]),
                const_value=tensor,
            )
            self.constants.append(made)
            self._known[key] = OnnxValue(made, TensorType(dtype, array.shape, batched=False))
        return self._known[key]

    def _operand(self, x: Any, dtype: str) -> ir.Value | None:
        if x is None or isinstance(x, OnnxValue):
            return None if x is None else x.value
        if isinstance(x, Sequence) and all(isinstance(item, int) for item in x):
            return self.constant(x, "int64").value
        return self.constant(x, dtype).value
