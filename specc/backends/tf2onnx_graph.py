"""From Keras to an ONNX graph whose weights are still inputs, by way of tf2onnx.

The function that tf2onnx converts takes every weight as an argument. So no weight is ever
folded, transposed or merged out of sight: what happens to each is up to `fold.py`, which
keeps account, and the conversion needs no more memory than the graph itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from specc.backends.frameworks import import_keras, import_tensorflow
from specc.backends.keras_model import BuiltModel, pair_variables, run_graph
from specc.backends.scope import LAYER_SCOPE, layer_number
from specc.files import UsageError
from specc.graph import GraphLayer, Node

OPSETS = range(15, 19)
"""What tf2onnx 1.17 writes."""


def convert(built: BuiltModel, opset: int) -> Any:
    """The ONNX graph as an `onnx.ModelProto`.

    Inputs are x0, x1, ... for the model's inputs and w0, w1, ... for `pair_variables`;
    outputs are y0, y1, ...

    Raises:
        UsageError: where tf2onnx cannot write the opset or convert an operation.
    """
    if opset not in OPSETS:
        raise UsageError(
            f"opset {opset} is not to be had",
            f"tf2onnx writes opsets {OPSETS[0]} to {OPSETS[-1]}",
        )
    tf = import_tensorflow()
    import tf2onnx

    # What it cannot convert it logs and leaves in the graph; that is found below.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    inputs = [
        tf.TensorSpec(
            (built.graph.batch_size, *_sizes(tensor.type.shape)),
            tensor.type.dtype,
            name=f"x{index}",
        )
        for index, tensor in enumerate(built.graph.inputs)
    ]
    weights = [
        tf.TensorSpec(variable.shape, variable.dtype, name=f"w{index}")
        for index, (variable, _) in enumerate(pair_variables(built))
    ]
    signature = [*inputs, *weights]
    function = tf.function(_traced(built, len(inputs)), input_signature=signature, autograph=False)
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=opset)
    except Exception as error:  # tf2onnx raises what happens to come up
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"tf2onnx cannot convert `{built.graph.name}`: {why}") from error
    _refuse_unknown_operators(built, model, opset)
    return model


def _refuse_unknown_operators(built: BuiltModel, model: Any, opset: int) -> None:
    """Refuse a model in which operators of TensorFlow are left.

    Raises:
        UsageError: naming them, and the layers where that can be told.
    """
    import onnx

    unknown: dict[str, None] = {}
    places: dict[str, None] = {}
    for node in _all_nodes(model.graph):
        if node.domain in ("", "ai.onnx") and onnx.defs.has(node.op_type, opset):
            continue
        unknown[node.op_type] = None
        number = layer_number(f"{node.name} {node.output[0]}")
        if number is not None:
            layer = built.graph.layers[number]
            places[f" in `{layer.name}` ({layer.span})"] = None
    if unknown:
        raise UsageError(
            f"tf2onnx cannot convert {', '.join(unknown)}{','.join(places)}",
            "Keras can build and train the model, but ONNX has no operator for this",
        )


def _all_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of an `onnx.GraphProto`, those of a loop's body included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_nodes(attribute.g)


def _sizes(shape: tuple[int | str | None, ...]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _traced(built: BuiltModel, input_count: int) -> Any:
    """The model as a function of its inputs and its weights."""
    keras = import_keras()
    tf = import_tensorflow()
    graph = built.graph
    variables = [keras_variable for _, keras_variable in pair_variables(built)]
    layers = built.callables()
    number_of = {layer: number for number, layer in enumerate(graph.layers)}

    def scope(node: Node) -> Any:
        return tf.name_scope(f"{LAYER_SCOPE}{number_of[node.layer]}")

    def function(*arguments: Any) -> dict[str, Any]:
        inputs, weights = arguments[:input_count], arguments[input_count:]
        mapping = list(zip(variables, weights, strict=True))
        # On a GPU Keras would trace recurrent layers to cuDNN kernels, which no exporter reads.
        with (
            tf.device("/CPU:0"),
            keras.StatelessScope(state_mapping=mapping),
            _Traceable(layers),
        ):
            values = run_graph(graph, layers, inputs, scope, inference=True)
        return {
            f"y{index}": tf.identity(values[tensor], name=f"y{index}")
            for index, tensor in enumerate(graph.outputs)
        }

    return function


class _Traceable:
    """Layers as a trace needs them: recurrent ones without their cuDNN path, and Normalization
    with its statistics computed of its variables, of which it keeps a copy otherwise.
    """

    def __init__(self, layers: dict[GraphLayer, Any]) -> None:
        every = [
            part
            for layer, made in layers.items()
            if not layer.is_operation
            for part in made._flatten_layers()
        ]
        self._recurrent = [layer for layer in every if hasattr(layer, "use_cudnn")]
        self._normalizing = [layer for layer in every if hasattr(layer, "adapt_mean")]

    def __enter__(self) -> None:
        self._before = [layer.use_cudnn for layer in self._recurrent]
        for layer in self._recurrent:
            layer.use_cudnn = False
        self._statistics = [(layer.mean, layer.variance) for layer in self._normalizing]
        for layer in self._normalizing:
            layer.finalize_state()

    def __exit__(self, *_: object) -> None:
        for layer, before in zip(self._recurrent, self._before, strict=True):
            layer.use_cudnn = before
        for layer, (mean, variance) in zip(self._normalizing, self._statistics, strict=True):
            layer.mean, layer.variance = mean, variance
