"""Each pass of the native exporter is broken on purpose, and verification refuses what it writes.

The exporter that verification compares with is the broken one, as it would be: only the outputs
can tell, and only with the right inputs and weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import specc
from specc.backends import static
from specc.backends.native import fold_normalization, tensors
from specc.backends.native.passes import clamps, concats, layout_rules, padding, reshapes
from specc.backends.native.passes.pipeline import PASSES
from specc.layers.convolution import Conv2D
from specc.layers.core import Dense
from specc.layers.gates import GRUGates, LSTMGates
from specc.layers.normalization import BatchNormalization
from verification.subjects import subject


class Break(NamedTuple):
    """A mistake in a pass, and a model that shows it."""

    pass_name: str
    spec: str
    """The lines of a model with the input `x`."""
    input: str
    mistake: Callable[[pytest.MonkeyPatch], None]
    layer: str
    """The first layer whose output is wrong, which must be named."""


def wrong_axis(patch: pytest.MonkeyPatch) -> None:
    """The scale of the inputs along the outputs."""
    patch.setattr(Dense, "fold_before", Dense.fold_after)


def wrong_epsilon(patch: pytest.MonkeyPatch) -> None:
    right = BatchNormalization.affine

    def affine(self: Any, *rest: Any) -> Any:
        other = copy.copy(self)
        other.epsilon = 1.5 * self.epsilon
        return right(other, *rest)

    patch.setattr(BatchNormalization, "affine", affine)


def no_moving_mean(patch: pytest.MonkeyPatch) -> None:
    right = BatchNormalization.affine
    patch.setattr(BatchNormalization, "affine", lambda self, *rest: (right(self, *rest)[0], None))


def across_an_activation(patch: pytest.MonkeyPatch) -> None:
    for module in fold_normalization, tensors:
        patch.setattr(module, "passes_on", lambda node: node.layer.kind == "Activation")


def across_a_padding(patch: pytest.MonkeyPatch) -> None:
    """The zeros around an image are not moved by the offset."""
    patch.setattr(Conv2D, "folds_before", lambda _self, x, _: len(x.shape))


def one_group_for_another(patch: pytest.MonkeyPatch) -> None:
    right = Conv2D.fold_before

    def fold_before(self: Any, op: Any, w: Any, scale: Any, offset: Any) -> Any:
        size = self.filters
        parts = op.Split(scale, [size // 2, size // 2], axis=0, outputs=2)
        return right(self, op, w, op.Concat(parts[1], parts[0], axis=0), offset)

    patch.setattr(Conv2D, "fold_before", fold_before)


def wrong_product(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(static.RULES, "Mul", lambda _, a, b: a * b * (1 + 1e-4))


def the_axis_it_was(patch: pytest.MonkeyPatch) -> None:
    """A softmax over what is no longer the last axis."""
    patch.setitem(layout_rules.RULES, "Softmax", layout_rules._each)


def rows_for_columns(patch: pytest.MonkeyPatch) -> None:
    def pads(value: Any) -> Any:
        """Rows for columns: of height and width, before and after."""
        found = ints(value)
        return found and [found[axis] for axis in (0, 2, 1, 3, 4, 6, 5, 7)]

    ints = layout_rules.ints
    patch.setattr(layout_rules, "ints", pads)


def sizes_the_other_way_round(patch: pytest.MonkeyPatch) -> None:
    right = reshapes._target

    def target(shape: Any) -> Any:
        sizes = right(shape)
        return sizes and [sizes[0], *reversed(sizes[1:])]

    patch.setattr(reshapes, "_target", target)


def last_comes_first(patch: pytest.MonkeyPatch) -> None:
    right = concats._parts
    patch.setattr(concats, "_parts", lambda node: right(node)[::-1])


def pads_the_other_way_round(patch: pytest.MonkeyPatch) -> None:
    right = padding._zeros_around

    def zeros_around(node: Any) -> Any:
        pads = right(node)
        return pads and [*pads[len(pads) // 2 :], *pads[: len(pads) // 2]]

    patch.setattr(padding, "_zeros_around", zeros_around)


def zeros_are_never_maxima(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(padding, "_never_negative", lambda _: True)


def the_wider_bound(patch: pytest.MonkeyPatch) -> None:
    right = clamps.bounds_of

    def bounds_of(node: Any) -> Any:
        found = right(node)
        return found and found._replace(high=found.high + 0.5)

    patch.setattr(clamps, "bounds_of", bounds_of)


def swapped_gates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LSTMGates, "gate_order", (0, 3, 2, 1))
    patch.setattr(GRUGates, "gate_order", (1, 0, 2))


IMAGE = "float32[8, 8, 4]"
CONVOLUTION = 'Conv2D(4, 3, activation="relu")\n'

BREAKS = [
    Break("fold", "BatchNormalization\nDense(6)\nDense(2)", "float32[6]", wrong_axis, "dense"),
    Break("fold", "Dense(5)\nBatchNormalization\nReLU", "float32[6]", wrong_epsilon, "dense"),
    Break("fold", "Dense(5)\nBatchNormalization\nReLU", "float32[6]", no_moving_mean, "dense"),
    Break(
        "fold",
        'Dense(5)\nActivation("tanh")\nBatchNormalization\nDense(3, activation="relu")',
        "float32[6]",
        across_an_activation,
        "activation",
    ),
    Break(
        "fold",
        'BatchNormalization\nConv2D(4, 3, padding="same")\nReLU',
        IMAGE,
        across_a_padding,
        "conv2d",
    ),
    Break(
        "fold",
        "BatchNormalization\nConv2D(4, 3, groups=2)\nReLU",
        IMAGE,
        one_group_for_another,
        "conv2d",
    ),
    Break(
        "constants",
        "y = x + ops.cos(ops.linspace(0.0, 1.0, 6)) * 3.0\ny -> ReLU",
        "float32[6]",
        wrong_product,
        "add",
    ),
    Break(
        "layout",
        CONVOLUTION + 'Activation("softmax")\nConv2D(2, 1)',
        IMAGE,
        the_axis_it_was,
        "activation",
    ),
    Break(
        "layout",
        CONVOLUTION + 'ZeroPadding2D(((1, 2), (1, 3)))\nActivation("tanh")\nConv2D(2, 1)',
        IMAGE,
        rows_for_columns,
        "zero_padding2d",
    ),
    Break(
        "reshapes",
        "Reshape((4, 3))\nReshape((2, 6))\nPermute((2, 1))\nFlatten",
        "float32[12]",
        sizes_the_other_way_round,
        "reshape_1",
    ),
    Break(
        "concats",
        "r = x -> ReLU\na = [x, r] -> Concatenate\n[a, x] -> Concatenate\nDense(2)",
        "float32[3]",
        last_comes_first,
        "concatenate_1",
    ),
    Break(
        "padding",
        "ZeroPadding2D(((0, 2), (1, 0)))\nConv2D(2, 3)",
        IMAGE,
        pads_the_other_way_round,
        "conv2d",
    ),
    Break(
        "padding",
        "ZeroPadding2D(2)\nMaxPooling2D(3)\nConv2D(2, 1)",
        IMAGE,
        zeros_are_never_maxima,
        "max_pooling2d",
    ),
    Break("clamps", "Dense(5)\nReLU\nReLU(max_value=1)", "float32[6]", the_wider_bound, "re_lu_1"),
    Break("lowering", "LSTM(4)\nDense(2)", "float32[5, 3]", swapped_gates, "lstm"),
    Break("lowering", "GRU(4)\nDense(2)", "float32[5, 3]", swapped_gates, "gru"),
]


@pytest.mark.parametrize("fault", BREAKS, ids=lambda b: f"{b.pass_name}-{b.mistake.__name__}")
def test_a_broken_pass(
    fault: Break,
    monkeypatch: pytest.MonkeyPatch,
    keras_backend: Any,  # noqa: ARG001
) -> None:
    text = f"model broken {{\n    input x: {fault.input}\n\n{fault.spec}\n}}\n"
    model = specc.compile_text(text, "broken.spec").model()
    sound = subject(model)
    assert sound.verify(sound.file).ok

    fault.mistake(monkeypatch)
    broken = subject(model)
    did = {change.pass_name for change in broken.exporter.changes} | {"lowering"}
    assert fault.pass_name in did, "the pass has nothing to do here"
    report = broken.verify(broken.file)
    assert not report.ok
    (error,) = report.diagnostics
    assert error.message == f"the ONNX model parts from Keras in `{fault.layer}`"


def test_each_pass_is_broken() -> None:
    assert {fault.pass_name for fault in BREAKS} >= {"fold", *(step.name for step in PASSES)}
