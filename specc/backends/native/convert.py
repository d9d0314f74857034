"""The graph of the checker as an ONNX graph whose weights are still inputs.

What comes out has the form that `tf2onnx_graph.convert` gives too: inputs x0, x1, ... and w0,
w1, ..., outputs y0, y1, ..., nodes whose names start with the scope of their layer. So the
account of the weights, the names and the verification are the same for both.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import onnx
import onnx_ir as ir

from specc.backends.native.builder import DTYPES, OnnxBuilder, OnnxValue
from specc.backends.native.fold_normalization import Fold, plan_folds
from specc.backends.native.passes.pipeline import Change, run_passes
from specc.backends.native.tensors import not_computed, tensor_names
from specc.backends.scope import LAYER_SCOPE
from specc.files import UsageError
from specc.graph import Graph, GraphLayer, Node, Tensor
from specc.layers.base import Layer
from specc.records import record
from specc.semantics.composite import lower_node
from specc.types import TensorType

OPSETS = range(18, 23)
"""What the lowerings are tested with. 18 is the first in which every reduction takes its axes as an
input; TensorRT 10 reads up to 22, onnxruntime 1.26 up to 26."""

OLDEST_IR_VERSION = 8
"""The format that came with opset 18; every onnxruntime since 1.14 reads it."""


def ir_version(opset: int) -> int:
    """The version of the file format for an opset, by ONNX's own table."""
    least = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", opset)])
    return max(OLDEST_IR_VERSION, least)


@record
class Lowered:
    """An ONNX graph with what the passes did to it."""

    model: ir.Model
    changes: list[Change]


def lower(graph: Graph, opset: int, without: Collection[str] = ()) -> Lowered:
    """Lower a graph.

    Args:
        without: the passes to leave out; "fold" is the one that makes normalizations part of the
            layers beside them.

    Raises:
        NotLowered: naming the first layer that has no lowering.
        UsageError: where there is no such opset.
    """
    if opset not in OPSETS:
        raise UsageError(
            f"opset {opset} is not to be had",
            f"there are {OPSETS[0]} to {OPSETS[-1]}; `--via tf2onnx` writes 15 to 18",
        )
    folds = [] if "fold" in without else plan_folds(graph)
    lowering = _Lowering(graph, opset, folds)
    model = lowering.run()
    changes = run_passes(model, without, lowering.tensors())
    folded = [Change("fold", str(fold)) for fold in folds]
    return Lowered(model, [*folded, *changes])


class _Lowering:
    def __init__(self, graph: Graph, opset: int, folds: list[Fold]) -> None:
        self.graph = graph
        self.op: Any = OnnxBuilder(opset)  # to pyright its operators are attributes of any kind
        self.folds = folds
        self.values: dict[Tensor, Any] = {}
        self.weights: dict[GraphLayer, dict[str, OnnxValue]] = {}
        self.number_of = {layer: number for number, layer in enumerate(graph.layers)}

    def run(self) -> ir.Model:
        inputs = [self._input(f"x{i}", tensor) for i, tensor in enumerate(self.graph.inputs)]
        weights = self._weight_inputs()
        for node in self.graph.nodes:
            self._lower(node)
        outputs = [self._output(f"y{i}", tensor) for i, tensor in enumerate(self.graph.outputs)]
        graph = ir.Graph(
            [*inputs, *weights],
            outputs,
            nodes=self.op.nodes,
            initializers=self.op.constants,
            opset_imports=self.op.opsets,
            name=self.graph.name,
        )
        return ir.Model(graph, ir_version=ir_version(self.op.opset))

    def tensors(self) -> dict[str, list[str]]:
        """The names of the tensors that each value is, by the value's name."""
        gone = not_computed(self.graph, self.folds)
        found: dict[str, list[str]] = {}
        for tensor, name in tensor_names(self.graph).items():
            if tensor not in gone:
                found.setdefault(self.values[tensor].value.name, []).append(name)
        return found

    def _input(self, name: str, tensor: Tensor) -> ir.Value:
        value = ir.Value(
            name=name,
            shape=self._shape(tensor),
            type=ir.TensorType(DTYPES[tensor.type.dtype]),
        )
        self.values[tensor] = OnnxValue(value, tensor.type.dtype, tensor.type)
        return value

    def _weight_inputs(self) -> list[ir.Value]:
        found: list[ir.Value] = []
        for layer in self.graph.layers:
            own = self.weights.setdefault(layer, {})
            for variable in layer.variables:
                value = ir.Value(
                    name=f"w{len(found)}",
                    shape=ir.Shape(variable.shape),
                    type=ir.TensorType(DTYPES[variable.dtype]),
                )
                type_ = TensorType(variable.dtype, variable.shape, batched=False)
                own[variable.name] = OnnxValue(value, variable.dtype, type_)
                found.append(value)
        return found

    def _output(self, name: str, tensor: Tensor) -> ir.Value:
        self.op.scope = name
        value = self.op.cast(self.values[tensor], tensor.type.dtype)
        if value.value.producer() is None or value.value.name in self._output_names():
            # An input, or an output already: it needs a second name.
            value = self.op.Identity(value)
        value.value.name = name
        value.value.type = ir.TensorType(DTYPES[tensor.type.dtype])
        value.value.shape = self._shape(tensor)
        return value.value

    def _shape(self, tensor: Tensor) -> ir.Shape:
        sizes = [size if isinstance(size, int) else None for size in tensor.type.shape]
        return ir.Shape([self.graph.batch_size, *sizes])

    def _output_names(self) -> set[str]:
        return {f"y{i}" for i in range(len(self.graph.outputs))}

    def _lower(self, node: Node) -> None:
        if any(fold.normalization is node for fold in self.folds):
            # Of whole numbers the normalization made floats.
            taken, tensor = self.values[node.inputs[0]], node.outputs[0]
            cast = self.op.cast(taken, tensor.type.dtype)
            self.values[tensor] = self.op.typed(cast, tensor.type, taken.mask)
            return
        self.op.scope = f"{LAYER_SCOPE}{self.number_of[node.layer]}"
        weights = self._folded(node, self.weights[node.layer])
        lower_node(self.op, node, self.values, weights, self.weights.__getitem__)

    def _folded(self, node: Node, weights: dict[str, OnnxValue]) -> dict[str, OnnxValue]:
        """The weights of a layer with the normalizations in them that are folded into it.

        First those behind it, then those before: with `s` and `o` of one behind it the layer is
        still linear in its input.
        """
        for fold in sorted(self.folds, key=lambda fold: fold.before):
            if fold.into is not node:
                continue
            normalization, layer = fold.normalization.layer, node.layer.layer
            assert isinstance(normalization.layer, Layer)
            assert isinstance(layer, Layer)
            size: Any = fold.normalization.inputs[0].type.shape[fold.axis - 1]
            affine = normalization.layer.affine(self.op, self.weights[normalization], size)
            method = layer.fold_before if fold.before else layer.fold_after
            changed: Any = method(self.op, weights, *affine)
            weights = {**weights, **changed}
        return weights
