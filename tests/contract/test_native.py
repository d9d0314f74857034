"""Every layer's own lowering against Keras, on arguments and inputs that are drawn.

Keras in float64 is the oracle, onnxruntime runs what was lowered. A layer has no lowering where it
says so (`NotLowered`); the names of those are in `NOT_YET`, and only those may say it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from native_models import bound

from specc.backends.keras_model import build_keras, pair_variables
from specc.backends.native.convert import OPSETS, lower
from specc.backends.native.passes.pipeline import infer_shapes
from specc.diagnostics.place import Refused
from specc.files import UsageError
from specc.graph import Graph, GraphLayer, Node, Tensor, Variable, replace_tensors
from specc.layers import FAMILIES, LAYER_NAMES
from specc.layers.base import Layer
from specc.layers.geometry import Resizing
from specc.layers.images import Images
from specc.lowering import NeedsOpset, NotLowered
from specc.source import Source, Span
from specc.types import FLOAT_DTYPES, TensorType

from .drawing import SEED, enough, hold
from .exceptions import FATAL
from .native_exceptions import (
    IN_FLOAT32,
    NOT_YET,
    RARELY,
    ROUNDING,
    SAFE,
    unlike_keras,
    unlowered,
)
from .oracle import inner_layers, on_purpose
from .strategies import Case, cases, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES, MANY_EXAMPLES = 12, 500
BATCH = 9
UNKNOWN = 8
"""What an unknown size is when the layer runs; as `BATCH`, none that is drawn."""

WRAPPERS = ("Bidirectional", "RNN", "SpectralNormalization", "StackedRNNCells", "TimeDistributed")
"""Layers of which `on_purpose` knows too little: it holds each layer within to all inputs."""

NOWHERE = Span(Source("", "drawn"), 0, 0)


def graph_of(case: Case) -> Graph | None:
    """A model of the layer alone; None where specc refuses the case."""
    types = [*case.inputs, *tensors_of(case.call)]
    try:
        layer = case.make()
        outputs = layer.apply(case.inputs, case.call)
        weights = layer.variables(case.inputs, case.call)
        layer.check_call(case.inputs, **case.call)
        layer.check_batch(case.batch)
    except Refused:
        return None
    tensors = [Tensor(f"in{i}", type_, NOWHERE) for i, type_ in enumerate(types)]
    rest = iter(tensors[len(case.inputs) :])
    call: dict[str, Any] = {}
    for name, value in case.call.items():
        several = isinstance(value, list)
        call[name] = [next(rest) for _ in value] if several else value
        if isinstance(value, TensorType):
            call[name] = next(rest)
    variables = [Variable("layer", w.name, w.shape, w.dtype, w.trainable) for w in weights]
    made = GraphLayer("layer", layer, variables, NOWHERE)
    node = Node(made, tensors[: len(case.inputs)], call, [], NOWHERE)
    node.outputs = [Tensor(f"out{i}", x, NOWHERE, node) for i, x in enumerate(outputs)]
    made.nodes.append(node)
    names = [x.name for x in node.outputs]
    return Graph("drawn", tensors, node.outputs, names, [node], [made], [], NOWHERE, case.batch)


def tensors_of(call: Mapping[str, Any]) -> list[TensorType]:
    """The types of the tensors in a call, those in lists too."""
    every = [v for value in call.values() for v in (value if isinstance(value, list) else [value])]
    return [v for v in every if isinstance(v, TensorType)]


@st.composite
def native_cases(draw: st.DrawFn, cls: type[Layer]) -> Case:
    """A case, for a layer that reads sequences two times in three with a mask or with states."""
    case = draw(cases(cls))
    drawn = draw(st.integers(0, 5))
    if "initial_state" not in cls.call_arguments or drawn > 3:
        return case
    try:
        layer: Any = case.make()
        layer.apply(case.inputs)
        states = layer.states_for(case.inputs[0])
    except Refused:
        return case
    call: dict[str, Any] = {}
    if drawn != 0:
        call["mask"] = TensorType("bool", case.inputs[0].shape[:1])
    if drawn < 2:
        call["initial_state"] = states
    return case._replace(call=call)


def draw_input(x: TensorType, batch: int, limit: int | None, random: Any) -> Any:
    shape = (batch, *(n if isinstance(n, int) else UNKNOWN for n in x.shape))
    if x.dtype == "string":
        return random.choice(
            np.array(["a", "b", "c d", "", "[UNK]", "A b!", "a-b\tÉ 😀\n b"], object), shape
        )
    if x.dtype == "bool":
        return random.random(shape) < 0.5
    if x.is_float:
        return random.standard_normal(shape).astype(keras_dtype(x.dtype))
    return random.integers(0, limit or 5, shape).astype(x.dtype)


def keras_dtype(name: str) -> Any:
    import ml_dtypes

    return ml_dtypes.bfloat16 if name == "bfloat16" else np.dtype(name)


def wide(x: Any) -> Any:
    return x if x.dtype.kind in "OSU" else np.asarray(x).astype(np.float64)


def aside(case: Case) -> bool:
    """Whether Keras cannot be asked, or takes what specc refuses on purpose.

    What specc refuses in layers that have others within is refused here, too.
    """
    if case.layer in WRAPPERS:
        return any(layer.kind in FATAL for layer in inner_layers(case.arguments))
    if case.layer in SAFE:
        return False
    # Lookups refuse much on purpose, and what is left is few: they say themselves what it is.
    refused = on_purpose(case) and case.layer not in FAMILIES["lookup"]
    # Of the layers in FATAL, these end the process only for what specc refuses.
    fatal = case.layer in FATAL and not case.layer.startswith("AdaptiveMax")
    return refused or fatal


def check_native(case: Case, opset: int = OPSETS[0]) -> bool:
    """Compare; False where there is nothing to compare."""
    graph = None if aside(case) else graph_of(case)
    if graph is None:
        return False
    try:
        lowered = lower(graph, opset).model
    except NeedsOpset as needed:
        return opset < needed.opset and check_native(case, needed.opset)
    except NotLowered as reason:
        if unlowered(case):
            return False
        raise AssertionError(f"{case}: {reason}") from reason
    if unlike_keras(case):
        return False
    try:
        built = build_keras(graph, seed=1)
    except (UsageError, Exception):
        return False  # what Keras makes of a case is for test_layers.py
    if any(x.type.dtype == "bfloat16" for x in (*graph.inputs, *graph.outputs)):
        return False  # onnxruntime's Python takes no arrays of these
    random = np.random.default_rng(5)
    limit = graph.layers[0].layer.index_limit  # pyright: ignore[reportAttributeAccessIssue]
    batch = case.batch or BATCH
    inputs = [draw_input(x.type, batch, limit, random) for x in graph.inputs]
    for variable, made in pair_variables(built):
        new = random.standard_normal(made.shape) * 0.5
        if "variance" in variable.name or "stddev" in variable.name:
            new = np.abs(new) + 0.5
        if variable.dtype in FLOAT_DTYPES:
            made.assign(keras.ops.cast(new, variable.dtype))
    finalize(graph, built)
    try:
        single = run_keras(graph, built, inputs)
    except Exception:
        return False
    arrays = [np.asarray(v) for _, v in pair_variables(built)]
    double = in_float64(graph, arrays, inputs)
    try:
        found = run_onnx(lowered, graph, arrays, inputs)
    except NoKernel:
        return False
    for i, (want, have) in enumerate(zip(single, found, strict=True)):
        truth = double[i] if double is not None else want
        compare(case, want, truth, have)
    return True


def compare(case: Case, want: Any, truth: Any, have: Any) -> None:
    # What is not cast to the layer's dtype is rounded to its own in between, and whole numbers
    # that are normalized to float32, Keras's default.
    own = [] if layer_class(case.layer).autocasts else case.inputs
    rounded = [x.dtype for x in own if x.is_float]
    if case.layer in FAMILIES["normalization"] and not all(x.is_float for x in own):
        rounded.append("float32")
    agree(case, want, truth, have, rounded)


def agree(case: object, want: Any, truth: Any, have: Any, rounded: Sequence[str] = ()) -> None:
    """Compare an output with Keras's.

    Args:
        truth: Keras's in float64.
        rounded: dtypes of floats that values have had in between.
    """
    assert want.shape == have.shape, f"{case}: {have.shape}, Keras {want.shape}"
    assert want.dtype == have.dtype or want.dtype.kind in "OSU", f"{case}: {have.dtype}"
    if want.dtype.kind in "OSU":
        alike = [str(a) == str(b) for a, b in zip(text(want), text(have), strict=True)]
        assert all(alike), f"{case}: {have}, Keras {want}"
        return
    a, b, c = wide(want), wide(have), wide(truth)
    if want.dtype.kind in "iub":
        step = 1 if getattr(case, "layer", None) in ROUNDING else 0
        assert (np.abs(a - b) <= step).all(), f"{case}: {have}, Keras {want}"
        return
    epsilon = max(keras_epsilon(d) for d in (want.dtype, *[keras_dtype(d) for d in rounded]))
    if getattr(case, "layer", None) in IN_FLOAT32:
        epsilon = max(epsilon, keras_epsilon("float32"))
    with np.errstate(invalid="ignore"):
        scale = float(np.nanmax(np.where(np.isinf(c), 0, np.abs(c)), initial=1.0))
        noise = float(np.nanmax(np.where(np.isinf(c) | np.isnan(c), 0, np.abs(a - c)), initial=0))
        allowed = 100 * epsilon * scale + 8 * (0 if np.isnan(noise) or np.isinf(noise) else noise)
        same = (np.abs(b - c) <= allowed) | (b == c) | (a == b) | (np.isnan(a))
    assert same.all(), (
        f"{case}: off by {np.nanmax(np.abs(b - c)):.2g}, allowed {allowed:.2g}\n{have}\n{want}"
    )


def keras_epsilon(dtype: Any) -> float:
    import ml_dtypes

    return float(ml_dtypes.finfo(dtype).eps)


def text(x: Any) -> list[str]:
    return [i.decode() if isinstance(i, bytes) else str(i) for i in np.asarray(x).ravel()]


def finalize(graph: Graph, built: Any) -> None:
    """Tell preprocessing layers of new weights: Keras's keep what they made of the former ones."""
    for inner in built.keras_layer(graph.layers[0])._flatten_layers():
        if hasattr(inner, "finalize_state"):
            inner.finalize_state()


def run_keras(graph: Graph, built: Any, inputs: list[Any]) -> list[Any]:
    """The layer at inference."""
    values = dict(zip(graph.inputs, inputs, strict=True))
    tensors = {k: keras.ops.convert_to_tensor(v, k.type.dtype) for k, v in values.items()}
    (node,) = graph.nodes
    layer: Any = node.layer.layer
    call = {k: replace_tensors(v, tensors.__getitem__) for k, v in node.call.items()}
    call = layer.keras_call({**call, "training": False})
    made = built.keras_layer(node.layer)
    if "training" not in made._call_signature.parameters:
        call.pop("training")
    taken = [tensors[x] for x in node.inputs]
    if of_images(layer):
        outputs = tf.function(lambda x: made(x, **call), autograph=False)(taken[0])
    else:
        outputs = made(taken if layer.takes_list else taken[0], **call)
    return [as_array(x) for x in keras.tree.flatten(outputs)]


def of_images(layer: Layer) -> bool:
    """Whether Keras casts whole numbers in a graph alone, as a model is run.

    Resizing keeps them, and so does what Keras gives outside of a graph.
    """
    inner = getattr(layer, "layers", (layer,))
    return any(isinstance(one, Images) for one in inner) and not any(
        isinstance(one, Resizing) for one in inner
    )


def as_array(x: Any) -> Any:
    return x.numpy() if hasattr(x, "numpy") else np.asarray(x)


def in_float64(graph: Graph, arrays: list[Any], inputs: list[Any]) -> list[Any] | None:
    """The same in float64; None where Keras cannot."""
    try:
        built = build_keras(graph, dtype="float64")
        for (_, made), array in zip(pair_variables(built), arrays, strict=True):
            made.assign(array)
        finalize(graph, built)
        return run_keras(graph, built, inputs)
    except Exception:
        return None


class NoKernel(Exception):
    """onnxruntime cannot run an operator in this dtype."""


def run_onnx(lowered: ir.Model, graph: Graph, arrays: list[Any], inputs: list[Any]) -> list[Any]:
    infer_shapes(lowered)
    variables = [v for layer in graph.layers for v in layer.variables]
    proto = bound(lowered, variables, arrays)
    onnx.checker.check_model(proto, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    narrow = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    except Exception as error:
        used = {x.type.tensor_type.elem_type for x in proto.graph.value_info}
        used |= {x.type.tensor_type.elem_type for x in (*proto.graph.input, *proto.graph.output)}
        used |= {x.data_type for x in proto.graph.initializer}
        if "NOT_IMPLEMENTED" in str(error) and used & narrow:
            raise NoKernel from error  # onnxruntime has few for these on a CPU
        raise
    kept = {x.name for x in session.get_inputs()}
    fed = {f"x{i}": x for i, x in enumerate(inputs) if f"x{i}" in kept}
    return list(session.run(None, fed))


def check(name: str, examples: int, drawn_from: str | None = None) -> None:
    drawn = st.tuples(native_cases(layer_class(name)), st.sampled_from(OPSETS))
    compared = hold(lambda case: check_native(*case), drawn, examples, drawn_from)
    if examples > EXAMPLES and name not in NOT_YET and name not in RARELY:
        enough(compared, examples)


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_lowers_to_what_keras_computes(name: str) -> None:
    check(name, EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYER_NAMES)
def test_lowers_to_what_keras_computes_on_many(name: str) -> None:
    check(name, MANY_EXAMPLES, SEED)
