"""Whether a graph hangs together: it has an output, and everything reaches one."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import names as name_errors
from specc.diagnostics.errors import structure as structure_errors
from specc.graph import Graph, Node, Tensor
from specc.source import Span


def check_structure(graph: Graph, kind: str, unused_layers: dict[str, Span]) -> list[Diagnostic]:
    """The mistakes in how a graph's parts are connected.

    A layer that reaches no output would not be part of the Keras model, and its parameters
    not of the count that the reader sees, so it is an error and not a warning.

    Args:
        kind: "model", or "layer" for a block as a layer of its own.
        unused_layers: the places of `layer` declarations that nothing uses.
    """
    if not graph.inputs:
        return [structure_errors.no_input(graph.span, graph.name, kind)]
    if not graph.outputs:
        return [structure_errors.no_output(graph.span, graph.name, kind)]
    diagnostics = _outputs_twice(graph)
    used_nodes, used_tensors = _reached(graph)
    _leave_out(graph, used_nodes)
    names = graph.output_names
    # One mistake, one error: of a dead branch only its end is named.
    taken = {tensor for node in graph.nodes for tensor in node.taken}
    for tensor in graph.inputs:
        if tensor not in used_tensors and tensor not in taken:
            diagnostics.append(structure_errors.unused_input(tensor.span, tensor.name))
    for item in graph.weights:
        if item.tensor not in used_tensors and item.tensor not in taken:
            span = item.tensor.span
            diagnostics.append(structure_errors.unused_layer(span, f"the weight `{span.text}`", []))
    for node in graph.nodes:
        if node not in used_nodes and not taken.intersection(node.outputs):
            label = node.outputs[0].name
            diagnostics.append(_with_uses(node, f"`{label}`", names))
    for name, span in unused_layers.items():
        diagnostics.append(structure_errors.unused_layer(span, f"the layer `{name}`", names))
    return diagnostics


def _leave_out(graph: Graph, used: set[Node]) -> None:
    """Take out what a block makes without weights for an output that its user leaves unused."""

    def left_out(node: Node) -> bool:
        return node not in used and bool(node.layer.used_at) and not node.layer.variables

    dropped = [node for node in graph.nodes if left_out(node)]
    if not dropped:
        return
    graph.nodes = [node for node in graph.nodes if not left_out(node)]
    for node in dropped:
        node.layer.nodes.remove(node)
    graph.layers = [layer for layer in graph.layers if layer.nodes]


def _with_uses(node: Node, what: str, outputs: list[str]) -> Diagnostic:
    from specc.diagnostics.diagnostic import Label

    diagnostic = structure_errors.unused_layer(node.span, what, outputs)
    uses = node.layer.used_at
    if uses:
        diagnostic.secondary.append(Label(uses[-1], "in this use"))
    return diagnostic


def _outputs_twice(graph: Graph) -> list[Diagnostic]:
    first: dict[str, Tensor] = {}
    diagnostics: list[Diagnostic] = []
    for name, tensor in zip(graph.output_names, graph.outputs, strict=True):
        if name not in first:
            first[name] = tensor
        elif tensor.node is not None and tensor in tensor.node.outputs[1:]:
            # The last line's layer gives several tensors, and no names tell them apart.
            return [name_errors.not_one_tensor(tensor.span, len(tensor.node.outputs))]
        else:
            diagnostics.append(structure_errors.output_twice(tensor.span, first[name].span, name))
    return diagnostics


def _reached(graph: Graph) -> tuple[set[Node], set[Tensor]]:
    """The nodes and the tensors from which an output can be reached."""
    nodes: set[Node] = set()
    tensors: set[Tensor] = set()
    pending = list(graph.outputs)
    while pending:
        tensor = pending.pop()
        if tensor in tensors:
            continue
        tensors.add(tensor)
        if tensor.node is not None and tensor.node not in nodes:
            nodes.add(tensor.node)
            pending += tensor.node.taken
    return nodes, tensors
