"""The passes of the native exporter, each on small graphs, run before and after."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest
from onnx_ir.passes import common

from specc.backends.native.passes.pipeline import PASSES, run_passes

IN, OUT = "Transpose<perm=[0,3,1,2]>", "Transpose<perm=[0,2,3,1]>"


def graph(inputs: str, outputs: str, *lines: str) -> onnx.ModelProto:
    """A model of float tensors: `x[2,3]`, `y[N]`."""
    ports = [", ".join(f"float{p[1:]} {p[0]}" for p in x.split()) for x in (inputs, outputs)]
    text = f'<ir_version: 8, opset_import: ["": 18]> m ({ports[0]}) => ({ports[1]}) {{'
    model = onnx.parser.parse_model("\n".join([text, *lines, "}"]))
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, *, optimized: bool = True) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    options = onnxruntime.SessionOptions()
    if not optimized:  # onnxruntime's own passes are not always right
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    fed = {
        x.name: random.uniform(-1, 1, [n if isinstance(n, int) else 2 for n in x.shape]).astype(
            np.float32
        )
        for x in session.get_inputs()
    }
    return list(session.run(None, fed))


def after(model: onnx.ModelProto, *passes: str) -> list[str]:
    """The operators after some passes, which must not change what comes out."""
    before = run(model, optimized=False)
    lifted = ir.serde.deserialize_model(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(lifted)
    others = {step.name for step in PASSES} - set(passes)
    run_passes(lifted, others)
    after = ir.serde.serialize_model(lifted)
    onnx.checker.check_model(after, full_check=True)
    for want, have in zip(before, run(after), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-6, atol=1e-6)
    return [n.op_type for n in after.graph.node]


MIDDLE = "x[2,4,5,3]", "y[2,4,5,3]"


@pytest.mark.parametrize(
    ("ports", "lines", "expected"),
    [
        (MIDDLE, [f"a = {IN}(x)", f"y = {OUT}(a)"], ["Identity"]),
        (MIDDLE, [f"a = {IN}(x)", "b = Relu(a)", f"c = {OUT}(b)", "y = Exp(c)"], None),
        (
            MIDDLE,
            [f"a = {IN}(x)", "b = GlobalAveragePool(a)", f"c = {OUT}(b)", "d = Relu(c)",
             f"e = {IN}(d)", "f = Add(a, e)", f"y = {OUT}(f)"],
            ["Transpose", "GlobalAveragePool", "Relu", "Add", "Transpose"],
        ),
        (
            ("x[N,4,5,3]", "y[N,3]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "axes = Constant<value_ints=[1,2]>()", "y = ReduceMean<keepdims=0>(c, axes)"],
            ["Transpose", "MaxPool", "ReduceMean"],
        ),
        (
            ("x[N,4,5,3]", "y[N,5,3]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "axes = Constant<value_ints=[1]>()", "y = ReduceMax<keepdims=0>(c, axes)"],
            ["Transpose", "MaxPool", "ReduceMax", "Transpose"],
        ),
        (
            ("x[N,4,5,3]", "y[N,4,5,7]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "d = AveragePool<kernel_shape=[1,1]>(a)", f"e = {OUT}(d)",
             "p = Constant<value_ints=[0,0,0,0,0,0,0,1]>()", "f = Pad(e, p)",
             "y = Concat<axis=-1>(c, f)"],
            ["Transpose", "MaxPool", "AveragePool", "Pad", "Concat", "Transpose"],
        ),
        (
            ("x[N,4,5,3]", "y[N,4,5,3]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "k = Constant<value_floats=[1.0,2.0,3.0]>()", "d = Mul(c, k)",
             "l = Constant<value_float=2.0>()", "e = Max(l, d)", "y = Softmax<axis=-1>(e)"],
            ["Transpose", "MaxPool", "Reshape", "Mul", "Max", "Softmax", "Transpose"],
        ),
        # The same with one that is not at hand in that order: it is made.
        (
            ("x[N,4,5,3] z[N,4,5,3]", "y[N,4,5,3]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "y = Add(z, c)"],
            ["Transpose", "MaxPool", "Transpose", "Add"],
        ),
        # An image is transposed before each of its channels is worked on, and only then.
        (
            ("x[N,4,5,3]", "y[N,3,4,5]"),
            ["k = Constant<value_floats=[1.0,2.0,3.0]>()", "a = Sub(x, k)", "b = Relu(a)",
             f"c = {IN}(b)", "y = MaxPool<kernel_shape=[1,1]>(c)"],
            ["Transpose", "Reshape", "Sub", "Relu", "MaxPool"],
        ),
        (
            ("x[N,4,5,3]", "y[N,3,4,5]"),
            ["k = Constant<value_float=2.0>()", "a = Sub(x, k)", f"b = {IN}(a)",
             "y = MaxPool<kernel_shape=[1,1]>(b)"],
            ["Sub", "Transpose", "MaxPool"],
        ),
        (
            ("x[N,4,5,3]", "a[N,4,5,3] y[N,3,4,5]"),
            ["k = Constant<value_floats=[1.0,2.0,3.0]>()", "a = Sub(x, k)", f"c = {IN}(a)",
             "y = MaxPool<kernel_shape=[1,1]>(c)"],
            ["Sub", "Transpose", "MaxPool"],
        ),
        # What only moves axes of size 1 is no work at all.
        (
            ("x[N,4,5,3]", "y[N,3]"),
            [f"a = {IN}(x)", "b = GlobalAveragePool(a)", f"c = {OUT}(b)", "y = Flatten(c)"],
            ["Transpose", "GlobalAveragePool", "Flatten"],
        ),
        (
            ("x[N,3]", "y[N,3,1,1]"),
            ["s = Constant<value_ints=[-1,1,1,3]>()", "a = Reshape(x, s)", f"b = {IN}(a)",
             "y = MaxPool<kernel_shape=[1,1]>(b)"],
            ["Reshape", "MaxPool"],
        ),
        # Two outputs, one of them in the middle of the way.
        (
            ("x[N,4,5,3]", "c[N,4,5,3] y[N,4,5,3]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "d = Relu(c)", f"e = {IN}(d)", "f = MaxPool<kernel_shape=[1,1]>(e)", f"y = {OUT}(f)"],
            ["Transpose", "MaxPool", "Relu", "MaxPool", "Transpose", "Transpose"],
        ),
        (
            ("x[2,4,5,3]", "y[2,3,2,2]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "s = Constant<value_ints=[1,2]>()", "e = Constant<value_ints=[4,4]>()",
             "n = Constant<value_ints=[1,2]>()", "d = Slice(c, s, e, n)",
             "p, q = Split<axis=-1, num_outputs=2>(d)", "y = Identity(p)"],
            ["Transpose", "MaxPool", "Slice", "Split", "Identity", "Transpose"],
        ),
        (
            ("x[2,4,5,3]", "y[2,8,5,3]"),
            [f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
             "s = Constant<value_floats=[1.0,2.0,1.0,1.0]>()",
             "r = Constant<value=float[0] {}>()",
             'y = Resize<mode="nearest">(c, r, s)'],
            ["Transpose", "MaxPool", "Resize", "Transpose"],
        ),
    ],
)  # fmt: skip
def test_transpositions_sink(
    ports: tuple[str, str], lines: list[str], expected: list[str] | None
) -> None:
    found = after(graph(*ports, *lines), "layout")
    assert found == (expected or ["Relu", "Exp"])


def test_a_body_reads_what_was_turned() -> None:
    """A value that a branch reads from outside is made before it."""
    model = graph(
        "x[2,4,5,3]", "y[2,4,5,3]",
        f"a = {IN}(x)", "b = MaxPool<kernel_shape=[1,1]>(a)", f"c = {OUT}(b)",
        "t = Constant<value=bool {1}>()",
        "y = If(t)<then_branch = p () => (float[2,4,5,3] r) { r = Relu(c) },"
        " else_branch = q () => (float[2,4,5,3] s) { s = Exp(c) }>",
    )  # fmt: skip
    assert after(model, "layout") == ["Transpose", "MaxPool", "Transpose", "If"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["p = Constant<value_ints=[0,0,1,2,0,0,0,1]>()", "b = Pad(x, p)"], ["Conv"]),
        (
            ["p = Constant<value_ints=[0,0,1,2,0,0,0,1]>()", "z = Constant<value_float=0.0>()",
             "b = Pad(x, p, z)"],
            ["Conv"],
        ),
        (
            ["q = Constant<value_ints=[0,1,2,0,0,0,1,0]>()", "t = Transpose<perm=[0,2,3,1]>(x)",
             "p = Pad(t, q)", "b = Transpose<perm=[0,3,1,2]>(p)"],
            ["Transpose", "Transpose", "Conv"],
        ),
        # Other numbers, other modes and other axes are no business of a convolution.
        (
            ["p = Constant<value_ints=[0,0,1,2,0,0,0,1]>()", "z = Constant<value_float=1.0>()",
             "b = Pad(x, p, z)"],
            ["Pad", "Conv"],
        ),
        (
            ["p = Constant<value_ints=[0,0,1,2,0,0,0,1]>()", 'b = Pad<mode="edge">(x, p)'],
            ["Pad", "Conv"],
        ),
        (["p = Constant<value_ints=[1,0,1,2,0,0,0,1]>()", "b = Pad(x, p)"], ["Pad", "Conv"]),
        (["p = Constant<value_ints=[0,0,-1,2,0,0,0,1]>()", "b = Pad(x, p)"], ["Pad", "Conv"]),
        (
            ["p = Constant<value_ints=[0,0,1,2,0,0,0,1]>()", "a = Pad(x, p)", "b = Relu(a)"],
            ["Pad", "Relu", "Conv"],
        ),
    ],
)  # fmt: skip
def test_convolutions_pad(lines: list[str], expected: list[str]) -> None:
    model = graph(
        "x[2,3,6,5] w[4,3,2,2]", "y[N,4,H,W]", *lines,
        "y = Conv<pads=[1,0,0,0], strides=[1,2]>(b, w)",
    )  # fmt: skip
    assert after(model, "padding") == expected


POOL_PADS = "p = Constant<value_ints=[0,0,1,2,0,0,0,1]>()"


@pytest.mark.parametrize(
    ("lines", "pooling", "expected"),
    [
        (["a = Relu(x)", "b = Pad(a, p)"], "", ["Relu", "MaxPool"]),
        (["a = Sigmoid(x)", "b = Pad(a, p)"], "", ["Sigmoid", "MaxPool"]),
        (
            ["s = Constant<value_float=6.0>()", "r = Relu(x)", "a = Clip(r, , s)", "b = Pad(a, p)"],
            "",
            ["Relu", "Clip", "MaxPool"],
        ),
        (
            ["r = Relu(x)", "t = Transpose<perm=[0,1,3,2]>(r)",
             "m = MaxPool<kernel_shape=[1,1]>(t)", "a = Transpose<perm=[0,1,3,2]>(m)",
             "b = Pad(a, p)"],
            "",
            ["Relu", "Transpose", "MaxPool", "Transpose", "MaxPool"],
        ),
        (
            ["r = Relu(x)", "q = Constant<value_ints=[0,1,2,0,0,0,1,0]>()",
             "t = Transpose<perm=[0,2,3,1]>(r)", "a = Pad(t, q)",
             "b = Transpose<perm=[0,3,1,2]>(a)"],
            "",
            ["Relu", "Transpose", "Transpose", "MaxPool"],
        ),
        # The zeros may be the maxima.
        (["b = Pad(x, p)"], "", ["Pad", "MaxPool"]),
        (["a = Tanh(x)", "b = Pad(a, p)"], "", ["Tanh", "Pad", "MaxPool"]),
        (["r = Relu(x)", "a = Neg(r)", "b = Pad(a, p)"], "", ["Relu", "Neg", "Pad", "MaxPool"]),
        (
            ["s = Constant<value_float=-0.1>()", "r = Relu(x)", "a = Clip(r, , s)",
             "b = Pad(a, p)"],
            "",
            ["Relu", "Clip", "Pad", "MaxPool"],
        ),
        # A window that reaches nothing but what surrounds the numbers.
        (["a = Relu(x)", "b = Pad(a, p)"], ", dilations=[1,2]", ["Relu", "Pad", "MaxPool"]),
        (["a = Relu(x)", "b = Pad(a, p)"], ", ceil_mode=1", ["Relu", "Pad", "MaxPool"]),
        (["a = Relu(x)", "b = Pad(a, p)"], ", pads=[0,0,1,0]", ["Relu", "Pad", "MaxPool"]),
        (
            ["p3 = Constant<value_ints=[0,0,3,0,0,0,0,0]>()", "a = Relu(x)", "b = Pad(a, p3)"],
            "",
            ["Relu", "Pad", "MaxPool"],
        ),
    ],
)  # fmt: skip
def test_poolings_pad_what_is_never_negative(
    lines: list[str], pooling: str, expected: list[str]
) -> None:
    model = graph(
        "x[2,3,6,5]", "y[N,3,H,W]", POOL_PADS, *lines,
        f"y = MaxPool<kernel_shape=[3,3], strides=[1,2]{pooling}>(b)",
    )  # fmt: skip
    assert after(model, "padding") == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["b = Relu(x)", "six = Constant<value_float=6.0>()", "y = Clip(b, , six)"], ["Clip"]),
        (["b = Relu(x)", "y = Relu(b)"], ["Relu"]),
        (["l = Constant<value_float=-1.0>()", "b = Clip(x, l)", "y = Relu(b)"], ["Relu"]),
        # What the first one bounds may lie outside of what the second one lets through.
        (
            ["l = Constant<value_float=0.2>()", "h = Constant<value_float=0.4>()",
             "m = Constant<value_float=0.6>()", "n = Constant<value_float=0.8>()",
             "b = Clip(x, l, h)", "y = Clip(b, m, n)"],
            ["Clip"],
        ),
        (["b = Relu(x)", "c = Exp(b)", "y = Relu(c)"], ["Relu", "Exp", "Relu"]),
        (["b = Relu(x)", "c = Relu(b)", "y = Add(b, c)"], ["Relu", "Relu", "Add"]),
        (
            ["t = Constant<value_float=3.0>()", "z = Constant<value_float=0.0>()",
             "six = Constant<value_float=6.0>()", "a = Add(x, t)", "b = Clip(a, z, six)",
             "c = Div(b, six)", "y = Mul(x, c)"],
            ["HardSwish"],
        ),
        (
            ["t = Constant<value_float=0.25>()", "z = Constant<value_float=0.0>()",
             "six = Constant<value_float=0.5>()", "a = Add(x, t)", "b = Clip(a, z, six)",
             "f = Constant<value_float=2.0>()", "y = Mul(b, f)"],
            ["HardSigmoid"],
        ),
        (  # the other way round it is another function
            ["t = Constant<value_float=3.0>()", "z = Constant<value_float=1.0>()",
             "six = Constant<value_float=6.0>()", "a = Add(x, t)", "b = Clip(a, z, six)",
             "y = Div(six, b)"],
            ["Add", "Clip", "Div"],
        ),
    ],
)  # fmt: skip
def test_bounds_are_joined(lines: list[str], expected: list[str]) -> None:
    assert after(graph("x[9]", "y[9]", *lines), "clamps") == expected


def test_constants_are_computed_where_that_is_no_larger() -> None:
    model = graph(
        "x[3]", "y[100,3]",
        "a = Constant<value_floats=[1.0,2.0,3.0]>()", "b = Exp(a)", "c = Sqrt(b)",
        "n = Constant<value_ints=[100,3]>()", "d = Expand(c, n)", "y = Add(d, x)",
    )  # fmt: skip
    assert after(model, "constants") == ["Expand", "Add"]


@pytest.mark.parametrize(
    ("shape", "lines", "expected"),
    [
        ("y[N,3]", ["b = Flatten(a)", "y = Relu(b)"], ["GlobalAveragePool", "Flatten", "Relu"]),
        (
            "y[N,1,1,3]",
            ["b = Flatten(a)", "s = Constant<value_ints=[-1,1,1,3]>()", "c = Reshape(b, s)",
             "y = Relu(c)"],
            ["GlobalAveragePool", "Reshape", "Relu"],
        ),
        (
            "y[N,3,1,1]",
            ["b = Flatten(a)", "s = Constant<value_ints=[0,3,1,1]>()", "c = Reshape(b, s)",
             "y = Relu(c)"],
            ["GlobalAveragePool", "Relu"],
        ),
        # One that somebody else reads as well stays.
        (
            "y[N,1,3]",
            ["b = Flatten(a)", "s = Constant<value_ints=[0,1,3]>()", "c = Reshape(b, s)",
             "y = Add(c, b)"],
            ["GlobalAveragePool", "Flatten", "Reshape", "Add"],
        ),
    ],
)  # fmt: skip
def test_reshapes_are_joined(shape: str, lines: list[str], expected: list[str]) -> None:
    model = graph("x[N,3,4,4]", shape, "a = GlobalAveragePool(x)", *lines)
    assert after(model, "reshapes") == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a = Concat<axis=1>(x, z)", "y = Concat<axis=-1>(z, a, x)"], ["Concat"]),
        (["a = Concat<axis=1>(x, z)", "b = Concat<axis=1>(a, x)", "y = Concat<axis=1>(b, z)"],
         ["Concat"]),
        # Along another axis, or for others as well.
        (["a = Concat<axis=0>(x, z)", "y = Concat<axis=1>(a, a)"], ["Concat", "Concat"]),
        (["a = Concat<axis=1>(x, z)", "b = Relu(a)", "y = Concat<axis=1>(a, b)"],
         ["Concat", "Relu", "Concat"]),
        (["a = Concat<axis=1>(x, z)", "y = Concat<axis=1>(a, a)"], ["Concat", "Concat"]),
    ],
)  # fmt: skip
def test_concatenations_are_joined(lines: list[str], expected: list[str]) -> None:
    assert after(graph("x[2,3] z[2,3]", "y[M,N]", *lines), "concats") == expected
