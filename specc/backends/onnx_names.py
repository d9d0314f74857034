"""Names of what is in an exported graph: those of the spec, and of its layers.

Exporters number what they make as they go. Here inputs and outputs are given the names of the
spec, nodes and values those of their layers, in an order that depends on the model alone, and each
node says which layer it is of and where that stands.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from specc.backends.scope import layer_number
from specc.graph import Graph
from specc.manifest import LAYER_KEY

BATCH_AXIS = "batch"
PLACE_KEY = "specc.source"


def name_interface(onnx_graph: ir.Graph, graph: Graph) -> None:
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


def name_values(onnx_graph: ir.Graph, graph: Graph) -> None:
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

    constants = _in_order_of_use(onnx_graph)
    fixed -= {value.name for value in constants}
    onnx_graph.initializers.clear()
    for value in constants:
        value.name = unique("constant")
    for value in constants:
        onnx_graph.register_initializer(value)
    layers = _layers_of(list(onnx_graph), graph)
    for node in onnx_graph:
        layer = layers.get(node)
        if layer is not None:
            node.metadata_props[LAYER_KEY] = layer
            node.metadata_props[PLACE_KEY] = str(graph.layer(layer).span)
        _name_node(node, layer or graph.name, unique, fixed)


def sort_nodes(onnx_graph: ir.Graph | ir.Function) -> None:
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
                sort_nodes(attribute.as_graph())


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
    position = {layer.name: number for number, layer in enumerate(graph.layers)}
    once = {layer.name for layer in graph.layers if len(layer.nodes) == 1}
    layers: dict[ir.Node, str] = {}
    readers: dict[ir.Node, list[ir.Node]] = {}
    for node in nodes:
        for maker in _needed(node):
            readers.setdefault(maker, []).append(node)
    for node in reversed(nodes):
        names = [node.name, *(output.name for output in node.outputs)]
        own = next((n for n in map(layer_number, names) if n is not None), None)
        fed = [layers[reader] for reader in readers.get(node, []) if reader in layers]
        if own is not None:
            # Of two equal nodes tf2onnx keeps one, of either name.
            fed = [graph.layers[own].name, *(name for name in fed if name in once)]
        if fed:
            layers[node] = min(fed, key=position.__getitem__)
    return layers
