"""The graph and a Keras model's weights as an ONNX model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np
import onnx
import onnx_ir as ir

from specc._version import __version__
from specc.backends.adopt import adopt
from specc.backends.fold import Accounting, bind_weights
from specc.backends.keras_model import BuiltModel, pair_variables
from specc.backends.native.convert import lower
from specc.backends.native.passes.pipeline import Change
from specc.backends.scope import LAYER_SCOPE
from specc.backends.tf2onnx_graph import convert
from specc.backends.write import DataFile, needs_data_file, with_tensors, write_model
from specc.files import UsageError
from specc.graph import Graph, Variable
from specc.lowering import NotLowered
from specc.manifest import MANIFEST_KEY, manifest, read_manifest
from specc.source import Source

IR_VERSION = 8
"""The format that came with opset 18; every onnxruntime since 1.14 reads it."""

DEFAULT_OPSET = 18
BATCH_AXIS = "batch"
LAYER_KEY = "specc.layer"
PLACE_KEY = "specc.source"

Array = np.ndarray[Any, Any]


class Exported:
    """An ONNX model with the account of its parameters."""

    def __init__(
        self,
        skeleton: onnx.ModelProto,
        tensors: list[ir.TensorProtocol],
        accounting: Accounting,
    ) -> None:
        self.skeleton = skeleton
        """The model without its parameters."""
        self.tensors = tensors
        """The parameters, each computed when its numbers are asked for."""
        self.accounting = accounting

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The whole model, in memory."""
        return with_tensors(self.skeleton, self.tensors)

    def check(self) -> None:
        """Have ONNX's own checker look at the model, shapes included.

        The checker does not look at the numbers, so that inputs can stand for the parameters.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: where the exporter
                has made something that is no valid model.
        """
        stand_in = onnx.ModelProto()
        stand_in.CopyFrom(self.skeleton)
        for tensor in self.tensors:
            value = onnx.helper.make_tensor_value_info(
                tensor.name or "", int(tensor.dtype), tensor.shape.numpy()
            )
            stand_in.graph.input.append(value)
        onnx.checker.check_model(stand_in, full_check=True)

    def write(self, path: str, data: DataFile | None = None) -> None:
        """Write the model's file.

        Args:
            data: where the parameters go, instead of into the same file.

        Raises:
            UsageError: where they are too large for that and there is no `data`.
        """
        if data is None and needs_data_file(self.tensors):
            raise UsageError(
                "the weights are more than 2 GB, which one ONNX file cannot hold",
                "`--external-data` writes them to a file beside it",
            )
        write_model(self.skeleton, self.tensors, path, data)


class Exporter:
    """Converts a model once, and gives ONNX models of it for any weights."""

    def __init__(
        self,
        built: BuiltModel,
        source: Source,
        opset: int = DEFAULT_OPSET,
        via: str = "native",
        without: Collection[str] = (),
    ) -> None:
        """Convert.

        Args:
            via: "native", each layer lowering itself, or "tf2onnx"; where a layer has no
                lowering yet, tf2onnx does it after all.
            without: the native exporter's passes to leave out.

        Raises:
            UsageError: where that way does not write the opset, or cannot convert the model.
        """
        self._graph = built.graph
        self._source = source
        self._opset = opset
        self._without = without
        self._variables = [variable for variable, _ in pair_variables(built)]
        self.fallen_back: str | None = None
        """Why tf2onnx did it, where "native" was asked for."""
        self.via = via
        self.changes: list[Change] = []
        """What the native exporter's passes did."""
        if via == "native":
            try:
                lowered = lower(built.graph, opset, without)
                self._converted, self.changes = lowered.model, lowered.changes
                return
            except NotLowered as reason:
                self.fallen_back, self.via = str(reason), "tf2onnx"
        self._converted = _with_shapes(convert(built, opset))

    @property
    def variables(self) -> list[Variable]:
        return self._variables

    def export(self, arrays: Sequence[Array], weights: dict[str, Any] | None = None) -> Exported:
        """The model with these values of `variables`.

        Args:
            arrays: they are read when the model is written.
            weights: what the manifest is to say of where they are from.
        """
        # The deserialised model shares its tensors with the protobuf, and they are renamed.
        converted = onnx.ModelProto()
        converted.CopyFrom(self._converted)
        model = ir.serde.deserialize_model(converted)
        _sort(model.graph)
        # The weights first: an input of the spec may be called w0 as well.
        names = [layer.name for layer in self._graph.layers]
        accounting = bind_weights(model, self._variables, arrays, names)
        _name_interface(model.graph, self._graph)
        _name_values(model.graph, self._graph, set(accounting.holdings))
        model.ir_version = IR_VERSION
        model.producer_name, model.producer_version = "specc", __version__
        model.graph.name = self._graph.name
        used = {node.domain for node in model.graph.all_nodes()} | {""}
        for domain in set(model.opset_imports) - used:
            del model.opset_imports[domain]
        model.graph.doc_string = None  # tf2onnx's number of the traced function
        content = manifest(
            self._graph,
            self._source,
            weights or {},
            opset=self._opset,
            exporter=self.via,
            without=sorted(self._without),
            onnx={"params": accounting.onnx_total, "constants": accounting.constants},
        )
        model.metadata_props[MANIFEST_KEY] = json.dumps(content)
        return Exported(*_without_parameters(model, set(accounting.holdings)), accounting)


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


class Origin(NamedTuple):
    """How an ONNX model was exported."""

    opset: int
    via: str
    without: tuple[str, ...]


def origin_of(model: onnx.ModelProto) -> Origin:
    """How a model was exported, by its manifest; by tf2onnx where it has none."""
    content = read_manifest({entry.key: entry.value for entry in model.metadata_props})
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    without = content.get("without", [])
    return Origin(
        versions[0] if versions else DEFAULT_OPSET,
        "native" if content.get("exporter") == "native" else "tf2onnx",
        tuple([str(name) for name in without]) if isinstance(without, list) else (),
    )


def _without_parameters(
    model: ir.Model, parameters: set[str]
) -> tuple[onnx.ModelProto, list[ir.TensorProtocol]]:
    """A model with the shapes of its values but without its parameters, and these."""
    graph = model.graph
    inputs = len(graph.inputs)
    tensors: list[ir.TensorProtocol] = []
    for name in [name for name in graph.initializers if name in parameters]:
        value = graph.initializers.pop(name)
        assert value.const_value is not None
        tensors.append(value.const_value)
        graph.inputs.append(value)
    proto = onnx.shape_inference.infer_shapes(ir.serde.serialize_model(model))
    del proto.graph.input[inputs:]
    return proto, tensors


def export_onnx(
    graph: Graph,
    keras_model: Any,
    *,
    source: Source,
    opset: int = DEFAULT_OPSET,
    via: str = "native",
    weights: dict[str, Any] | None = None,
) -> Exported:
    """Export a Keras model of a graph, with the weights it has now.

    Raises:
        UsageError: where the Keras model is not one of this graph.
    """
    built = adopt(graph, keras_model)
    exporter = Exporter(built, source, opset, via)
    return exporter.export(current_weights(built), weights)


class CurrentWeights(Sequence[Array]):
    """The values that the variables of a Keras model have, read one by one when asked for."""

    def __init__(self, built: BuiltModel) -> None:
        self._variables = [keras_variable for _, keras_variable in pair_variables(built)]

    def __len__(self) -> int:
        return len(self._variables)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> list[Array]: ...
    def __getitem__(self, index: int | slice) -> Array | list[Array]:
        if isinstance(index, slice):
            return [np.asarray(variable) for variable in self._variables[index]]
        return np.asarray(self._variables[index])


def current_weights(built: BuiltModel) -> list[Array]:
    """The values of every variable now, in the order of `pair_variables`."""
    return list(CurrentWeights(built))


def _name_interface(onnx_graph: ir.Graph, graph: Graph) -> None:
    """Inputs and outputs under the spec's names, with named dynamic axes."""
    inputs = {value.name: value for value in onnx_graph.inputs}
    for index, tensor in enumerate(graph.inputs):
        _describe(inputs[f"x{index}"], tensor.name, tensor.type.shape)
    outputs = {value.name: value for value in onnx_graph.outputs}
    taken = {tensor.name for tensor in graph.inputs}
    for index, tensor in enumerate(graph.outputs):
        name = graph.output_names[index]
        # An input that is an output too needs a second name: ONNX has one namespace.
        name = f"{name}_output" if name in taken else name
        _describe(outputs[f"y{index}"], name, tensor.type.shape)


def _describe(value: ir.Value, name: str, shape: tuple[int | str | None, ...]) -> None:
    value.name = name
    sizes = [size if size is not None else f"{name}_axis_{i + 1}" for i, size in enumerate(shape)]
    value.shape = ir.Shape([BATCH_AXIS, *sizes])


def _name_values(onnx_graph: ir.Graph, graph: Graph, parameters: set[str]) -> None:
    """Name nodes and values after their layers and say on each node where it is from.

    tf2onnx numbers what it makes through the life of the process; the names given here
    depend on the model alone.
    """
    fixed = {value.name for value in (*onnx_graph.inputs, *onnx_graph.outputs)}
    fixed |= set(onnx_graph.initializers)
    taken: dict[str, int] = {}

    def unique(base: str) -> str:
        number = taken.get(base, 0)
        taken[base] = number + 1
        name = f"{base}_{number}" if number else base
        return unique(base) if name in fixed else name

    constants = [v for v in _in_order_of_use(onnx_graph) if v.name not in parameters]
    kept = [value for name, value in onnx_graph.initializers.items() if name in parameters]
    fixed -= {value.name for value in constants}
    onnx_graph.initializers.clear()
    for value in constants:
        value.name = unique("constant")
    for value in (*kept, *constants):
        onnx_graph.register_initializer(value)
    layers = _layers_of(list(onnx_graph), graph)
    for node in onnx_graph:
        layer = layers.get(node)
        if layer is not None:
            node.metadata_props[LAYER_KEY] = layer
            node.metadata_props[PLACE_KEY] = str(graph.layer(layer).span)
        _name_node(node, layer or graph.name, unique, fixed)


def _sort(onnx_graph: ir.Graph | ir.Function) -> None:
    """Put the nodes in an order that depends on the model alone, each after what it reads.

    tf2onnx's order changes with the numbers in its names. Here a node stands where the first
    one that needs it comes upon it; nodes that nothing needs are left out.
    """
    order: dict[ir.Node, None] = {}
    for output in onnx_graph.outputs:
        waiting = [output.producer()]
        while waiting:
            node = waiting[-1]
            needed = [] if node is None or node in order else _needed(node)
            missing = [n for n in needed if n.graph is onnx_graph and n not in order]
            if missing:
                waiting += reversed(missing)
                continue
            waiting.pop()
            if node is not None and node.graph is onnx_graph:
                order[node] = None
    onnx_graph.remove(list(onnx_graph))
    onnx_graph.extend(order)
    for node in order:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                _sort(attribute.as_graph())


def _needed(node: ir.Node) -> list[ir.Node]:
    """The nodes that make what a node reads, and what the body of a loop reads from outside."""
    bodies = [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
    values = [*node.inputs, *(v for body in bodies for n in body.all_nodes() for v in n.inputs)]
    values += [value for body in bodies for value in body.outputs]
    makers = [value.producer() for value in values if value is not None]
    return [maker for maker in makers if maker is not None]


def _in_order_of_use(onnx_graph: ir.Graph) -> list[ir.Value]:
    """The initializers as the nodes come upon them, those of a loop's body included."""
    initializers = set(onnx_graph.initializers.values())
    read = [v for node in onnx_graph.all_nodes() for v in node.inputs if v is not None]
    found = dict.fromkeys(value for value in read if value in initializers)
    # An initializer that is an output is read by no node.
    found.update(dict.fromkeys(v for v in onnx_graph.outputs if v in initializers))
    return list(found)


def _name_node(
    node: ir.Node, prefix: str, unique: Callable[[str], str], fixed: set[str | None]
) -> None:
    """Name a node and what it makes; the nodes of a loop's body after the loop."""
    node.name = unique(f"{prefix}/{node.op_type}")
    for output in node.outputs:
        if output.name not in fixed:
            output.name = unique(f"{node.name}:0")
            output.shape = None  # tf2onnx's unnamed sizes; they are inferred anew
    for attribute in node.attributes.values():
        if attribute.type != ir.AttributeType.GRAPH:
            continue
        body = attribute.as_graph()
        body.name = f"{node.name}/body"
        for value in (*body.inputs, *body.initializers.values()):
            value.name = unique(f"{node.name}/value")
        for value in (*body.inputs, *body.outputs):
            if value.shape is not None:  # onnxruntime wants the rank
                value.shape = ir.Shape([n if isinstance(n, int) else None for n in value.shape])
        for inner in body:
            _name_node(inner, node.name, unique, fixed)


def _layers_of(nodes: list[ir.Node], graph: Graph) -> dict[ir.Node, str]:
    """The layer that each node belongs to.

    A node that tf2onnx made for itself, and named so, belongs to the first layer it feeds.
    """
    scope = re.compile(re.escape(LAYER_SCOPE) + r"(\d+)")
    position = {layer.name: number for number, layer in enumerate(graph.layers)}
    once = {layer.name for layer in graph.layers if len(layer.nodes) == 1}
    layers: dict[ir.Node, str] = {}
    readers: dict[ir.Node, list[ir.Node]] = {}
    for node in nodes:
        for maker in _needed(node):
            readers.setdefault(maker, []).append(node)
    for node in reversed(nodes):
        names = [node.name or "", *(output.name or "" for output in node.outputs)]
        own = next((m for m in map(scope.search, names) if m), None)
        fed = [layers[reader] for reader in readers.get(node, []) if reader in layers]
        if own:
            # Of two equal nodes tf2onnx keeps one, of either name.
            fed = [graph.layers[int(own[1])].name, *(name for name in fed if name in once)]
        if fed:
            layers[node] = min(fed, key=position.__getitem__)
    return layers
