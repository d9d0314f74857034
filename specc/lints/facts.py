"""What is known of layers: their activations, their kinds, the text that makes them."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Edit
from specc.graph import Node, Tensor
from specc.layers import find_layer
from specc.layers.base import Layer
from specc.lints.subject import Flow, Subject
from specc.semantics.naming import snake_case
from specc.source import Span
from specc.syntax import ast

HIDDEN = (
    "celu", "elu", "gelu", "hard_silu", "hard_swish", "leaky_relu", "mish", "relu", "relu6",
    "selu", "silu", "swish",
)  # fmt: skip
"""Activations that stand between layers; an output's range is hardly ever theirs."""

CONVOLUTIONS = (
    "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
)  # fmt: skip
DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
AFFINE = ("Dense", *CONVOLUTIONS, *DEPTHWISE, *SEPARABLE)
"""Layers that are a linear map, a bias and an activation."""

DROPOUTS = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")

ACTIVATION_LAYERS = {
    "ELU": "elu",
    "LeakyReLU": "leaky_relu",
    "PReLU": "prelu",
    "ReLU": "relu",
    "Softmax": "softmax",
}


def kind_of(node: Node | None) -> str:
    """The class of a node's layer, nothing for an operation or where there is no node."""
    return "" if node is None or node.layer.is_operation else node.layer.kind


def activation_name(value: Any) -> str:
    """The name of what was given for an activation."""
    if value is None:
        return "linear"
    if isinstance(value, Layer):
        inner = getattr(value, "activation", None)
        return activation_name(inner) if inner else snake_case(type(value).__name__)
    return "silu" if value == "swish" else str(value)


def own_activation(node: Node | None) -> str | None:
    """The activation that a node applies, "linear" for none; None where it is not known.

    Of a layer like `Dense` its argument, of `Activation`, `ReLU`, ... what it is.
    """
    if node is None:
        return None
    if node.layer.is_operation:
        return getattr(node.layer.layer, "operation_name", None)
    kind = node.layer.kind
    if kind in ACTIVATION_LAYERS:
        return ACTIVATION_LAYERS[kind]
    if kind == "Activation" or kind in AFFINE:
        return activation_name(getattr(node.layer.layer, "activation", None))
    return "linear" if kind in ("BatchNormalization", "Add") else None


def is_pass(node: Node | None) -> bool:
    """Whether a node gives the numbers that it takes, at most in another shape."""
    kind = kind_of(node)
    if kind in ("Identity", "Flatten", "Reshape"):
        return True
    return kind == "Activation" and own_activation(node) == "linear"


def maker_of(flow: Flow, tensor: Tensor) -> Node | None:
    """What computes the numbers of a tensor, behind layers that pass them on."""
    node = tensor.node
    while node is not None and is_pass(node):
        node = flow.before(node)
    return node


def activation_after(flow: Flow, node: Node) -> tuple[str, Node] | None:
    """The activation of a layer, its own or the one behind it, and the node that applies it.

    None where there is none, or it is not known, or something else takes the layer's output.
    """
    own = own_activation(node)
    if own != "linear":
        return None if own is None else (own, node)
    following = flow.after(node)
    while following is not None and is_pass(following):
        following = flow.after(following)
    name = own_activation(following)
    if following is None or name in (None, "linear") or kind_of(following) in AFFINE:
        return None
    return name, following


def channel_axis(node: Node) -> int:
    """The axis of a layer's channels in its output, the batch axis counted."""
    if getattr(node.layer.layer, "data_format", None) == "channels_first":
        return 1
    return node.outputs[0].type.rank


def setting(subject: Subject, where: Span, layer: Layer, name: str, text: str) -> list[Edit]:
    """The edits that give an argument of a layer another value; none where that is not easy.

    Args:
        where: the text that makes the layer.
    """
    made = subject.calls.get(where)
    callee = made.callee if isinstance(made, ast.Call) else made
    if not isinstance(callee, ast.Name) or find_layer(callee.text) is not type(layer):
        return []
    source, end = where.source, where.end
    if not isinstance(made, ast.Call):
        return [Edit(Span(source, end, end), f"({name}={text})")]
    given = {keyword.name.text: keyword.value for keyword in made.keywords}
    given.update(zip(layer.positional, made.positional, strict=False))
    if name in given:
        value = given[name]
        return [Edit(value.span, text)] if isinstance(value, ast.Literal) else []
    spans = [item.span for item in (*made.positional, *made.keywords)]
    if not spans:
        return [Edit(Span(source, end - 1, end - 1), f"{name}={text}")]
    last = max(span.end for span in spans)
    return [Edit(Span(source, last, last), f", {name}={text}")]
