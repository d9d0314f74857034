"""The builder that layers lower themselves against, over onnx_ir."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from specc.lowering import Step, Turn
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


class OnnxValue:
    """An `ir.Value` with what the checker knows of it; see `specc.lowering.Value`."""

    __slots__ = ("dtype", "known", "mask", "value")

    def __init__(
        self,
        value: ir.Value,
        dtype: str,
        known: TensorType | None = None,
        mask: OnnxValue | None = None,
    ) -> None:
        self.value = value
        self.dtype = dtype
        self.known = known
        self.mask = mask

    @property
    def type(self) -> TensorType:
        if self.known is None:
            raise AttributeError("the shape of what an operator gives is not known")
        return self.known


class OnnxBuilder:
    """Collects nodes and constants; see `specc.lowering.Builder`."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.opsets = {"": opset}
        """The version of each domain that is used."""
        self.nodes: list[ir.Node] = []
        self.constants: list[ir.Value] = []
        self.scope = ""
        """What the names of nodes start with."""
        self._count = 0
        self._constants: dict[tuple[Any, ...], OnnxValue] = {}
        self._made: dict[tuple[Any, ...], Any] = {}

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
        domain: str = "",
        **attributes: Any,
    ) -> Any:
        """An operator applied; see `specc.lowering.Builder`."""
        first = next((x.dtype for x in inputs if isinstance(x, OnnxValue)), dtype or "float32")
        operands = [self._operand(x, first) for x in inputs]
        given = {name: value for name, value in attributes.items() if value is not None}
        key = (domain, op_type, *map(id, operands), outputs, dtype, repr(sorted(given.items())))
        if key in self._made:
            return self._made[key]
        if domain:
            self.opsets.setdefault(domain, DOMAINS[domain])
        types = _attribute_types(op_type, domain, self.opset)
        node = ir.Node(
            domain,
            op_type,
            operands,
            [_attribute(name, value, types.get(name)) for name, value in given.items()],
            num_outputs=outputs,
            name=f"{self.scope}/{op_type}_{self._count}",
        )
        self._count += 1
        self.nodes.append(node)
        for index, output in enumerate(node.outputs):
            output.name = f"{node.name}:{index}"
            if domain == RUNTIME:  # ONNX's shape inference does not know what it gives
                output.type = ir.TensorType(DTYPES[dtype or first])
        found = tuple([OnnxValue(value, dtype or first) for value in node.outputs])
        made = found[0] if outputs == 1 else found
        self._made[key] = made
        return made

    def cast(self, x: OnnxValue, dtype: str) -> OnnxValue:
        if x.dtype == dtype:
            return x
        made = self.node("Cast", x, dtype=dtype, to=int(DTYPES[dtype]))
        known = x.known._replace(dtype=dtype) if x.known else None
        return OnnxValue(made.value, dtype, known, x.mask)

    def constant(self, value: Any, dtype: str) -> OnnxValue:
        """A constant, once for all that are equal."""
        array = np.asarray(value, object if dtype == "string" else DTYPES[dtype].numpy())
        content = tuple(array.ravel()) if dtype == "string" else array.tobytes()
        key = (dtype, array.shape, content)
        if key not in self._constants:
            name = f"constant_{len(self.constants)}"
            tensor: Any = ir.Tensor(array, name=name)
            if dtype == "string":
                items = [str(item).encode() for item in array.ravel()]
                tensor = ir.StringTensor(items, shape=ir.Shape(array.shape), name=name)
            made = ir.Value(
                name=name,
                shape=ir.Shape(array.shape),
                type=ir.TensorType(DTYPES[dtype]),
                const_value=tensor,
            )
            self.constants.append(made)
            type_ = TensorType(dtype, array.shape, batched=False)
            self._constants[key] = OnnxValue(made, dtype, type_)
        return self._constants[key]

    def typed(self, x: OnnxValue, known: TensorType, mask: OnnxValue | None = None) -> OnnxValue:
        return OnnxValue(x.value, x.dtype, known, mask)

    def size(self, x: OnnxValue, axis: int) -> OnnxValue:
        end = axis + 1 if axis != -1 else None
        return self.node("Shape", x, dtype="int64", start=axis, end=end)

    def reshape(self, x: OnnxValue, sizes: Sequence[int | OnnxValue]) -> OnnxValue:
        if all(isinstance(size, int) for size in sizes):
            return self.node("Reshape", x, list(sizes))
        parts = [size if isinstance(size, OnnxValue) else [size] for size in sizes]
        vectors = [p if isinstance(p, OnnxValue) else self.constant(p, "int64") for p in parts]
        return self.node("Reshape", x, self.node("Concat", *vectors, axis=0))

    def scan(
        self,
        step: Step,
        states: Sequence[OnnxValue],
        sequences: Sequence[OnnxValue],
        reverse: bool = False,
    ) -> tuple[list[Any], list[Any]]:
        outer, made = self.nodes, dict(self._made)
        self.nodes = []
        number = self._count
        ports = [self._port(f"{self.scope}/scan_{number}/state_{i}", x.dtype)
                 for i, x in enumerate(states)]  # fmt: skip
        items = [self._port(f"{self.scope}/scan_{number}/item_{i}", x.dtype)
                 for i, x in enumerate(sequences)]  # fmt: skip
        following, put_out = step(list(ports), list(items))
        # Each output of a body is a value of its own.
        results = [self._output(x) for x in (*following, *put_out)]
        body = ir.Graph(
            [x.value for x in (*ports, *items)],
            [x.value for x in results],
            nodes=self.nodes,
            name=f"{self.scope}/scan_{number}/body",
        )
        self.nodes, self._made = outer, made
        direction = 1 if reverse else 0
        found = self.node(
            "Scan",
            *states,
            *sequences,
            outputs=max(len(results), 1),
            body=body,
            num_scan_inputs=len(items),
            scan_input_axes=[1] * len(items),
            scan_input_directions=[direction] * len(items),
            scan_output_axes=[1] * len(put_out) or None,
            scan_output_directions=[direction] * len(put_out) or None,
        )
        every = [found] if len(results) == 1 else list(found)
        for value, result in zip(every, results, strict=True):
            value.dtype = result.dtype
        return every[: len(ports)], every[len(ports) :]

    def loop(self, step: Turn, times: OnnxValue, states: Sequence[OnnxValue]) -> list[OnnxValue]:
        outer, made = self.nodes, dict(self._made)
        self.nodes = []
        name = f"{self.scope}/loop_{self._count}"
        number, going = self._port(f"{name}/number", "int64"), self._port(f"{name}/going", "bool")
        for port in (number, going):
            port.value.shape = ir.Shape([])
        ports = [self._port(f"{name}/state_{i}", x.dtype) for i, x in enumerate(states)]
        results = [self._output(x) for x in (going, *step(number, list(ports)))]
        body = ir.Graph(
            [x.value for x in (number, going, *ports)],
            [x.value for x in results],
            nodes=self.nodes,
            name=f"{name}/body",
        )
        self.nodes, self._made = outer, made
        # Without a condition, which may be left out, ONNX's own evaluator takes no turn.
        yes = self.constant(True, "bool")
        found = self.node("Loop", times, yes, *states, outputs=len(states), body=body)
        every = [found] if len(states) == 1 else list(found)
        for value, state in zip(every, states, strict=True):
            value.dtype = state.dtype
        return every

    def _port(self, name: str, dtype: str) -> OnnxValue:
        return OnnxValue(ir.Value(name=name, type=ir.TensorType(DTYPES[dtype])), dtype)

    def _output(self, x: Any) -> OnnxValue:
        self._made = {k: v for k, v in self._made.items() if k[1] != "Identity"}
        made = self.node("Identity", x)
        made.value.type = ir.TensorType(DTYPES[x.dtype])
        return made

    def _operand(self, x: Any, dtype: str) -> ir.Value | None:
        if x is None or isinstance(x, OnnxValue):
            return None if x is None else x.value
        if isinstance(x, Sequence) and all(isinstance(item, int) for item in x):
            return self.constant(x, "int64").value
        return self.constant(x, dtype).value


def _attribute(name: str, value: Any, kind: Any) -> ir.Attr:
    """An attribute of the type that the operator's schema says, whatever stands for it."""
    kinds = onnx.defs.OpSchema.AttrType
    if kind == kinds.INT:
        return ir.AttrInt64(name, int(value))
    if kind == kinds.INTS:
        return ir.AttrInt64s(name, [int(item) for item in value])
    if kind == kinds.FLOAT:
        return ir.AttrFloat32(name, float(value))
    if kind == kinds.FLOATS:
        return ir.AttrFloat32s(name, [float(item) for item in value])
    return ir.convenience.convert_attribute(name, value)


@cache
def _attribute_types(op_type: str, domain: str, opset: int) -> dict[str, Any]:
    version = DOMAINS[domain] if domain else opset
    if not onnx.defs.has(op_type, version, domain):
        return {}
    schema = onnx.defs.get_schema(op_type, version, domain)
    return {name: attribute.type for name, attribute in schema.attributes.items()}


RUNTIME = "com.microsoft"
"""onnxruntime's own operators."""

DOMAINS = {"ai.onnx.ml": 3, RUNTIME: 1}
"""The versions of other domains."""
