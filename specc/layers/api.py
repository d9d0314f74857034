"""What a layer is made of, in one place: all that a package with layers of its own imports.

    from specc.layers.api import Layer, Int, TensorType, Weight, arg

docs/adding-a-layer.md shows how; `specc.testing` compares the result with Keras.
"""

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    DATA_FORMAT,
    INITIALIZER,
    REGULARIZER,
    Axes,
    Bool,
    Borders,
    Choice,
    Float,
    Int,
    Ints,
    KerasObject,
    Kind,
    Nothing,
    Numbers,
    Optional,
    Sizes,
    TargetShape,
    Text,
    Wrapped,
    arg,
)
from specc.layers.base import (
    TENSOR,
    TENSORS,
    Layer,
    Weight,
    Weights,
    apply_within,
    fits,
    join_channels,
    known_axis_size,
    known_size,
    require_axes,
    require_axis,
    require_call_types,
    require_float,
    require_rank,
    spatial_axis,
    split_channels,
    variables_within,
    window_output,
)
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import Dimension, TensorType

__all__ = [
    # a layer, its arguments, what it gives and owns
    "Layer",
    "arg",
    "TensorType",
    "Dimension",
    "Weight",
    "Weights",
    # kinds of arguments
    "Kind",
    "Axes",
    "Bool",
    "Borders",
    "Choice",
    "Float",
    "Int",
    "Ints",
    "Nothing",
    "Numbers",
    "Optional",
    "Sizes",
    "TargetShape",
    "Text",
    "Wrapped",
    "KerasObject",
    "ACTIVATION",
    "BOOL",
    "CONSTRAINT",
    "DATA_FORMAT",
    "INITIALIZER",
    "REGULARIZER",
    # call arguments that are tensors
    "TENSOR",
    "TENSORS",
    # refusing inputs and arguments
    "Refused",
    "errors",
    "require_axes",
    "require_axis",
    "require_call_types",
    "require_float",
    "require_rank",
    # sizes
    "fits",
    "join_channels",
    "known_axis_size",
    "known_size",
    "spatial_axis",
    "split_channels",
    "window_output",
    # the layer in ONNX
    "Builder",
    "NotLowered",
    "Value",
    "Values",
    # layers inside a layer
    "apply_within",
    "variables_within",
]
