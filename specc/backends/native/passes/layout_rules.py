"""How operators go on with what stands before a transposition; see `layout.py`.

A rule puts another node in the place of one and returns True, or changes nothing and returns
False.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import onnx_ir as ir

from specc.backends.native.constants import ints

if TYPE_CHECKING:
    from specc.backends.native.passes.layout import Perm, Sinking


def _first(state: Sinking, node: ir.Node) -> tuple[ir.Value, Perm] | None:
    """What the first input is the transposition of, where it is one."""
    x = node.inputs[0]
    return None if x is None else state.waiting.get(x)


def _each(state: Sinking, node: ir.Node) -> bool:
    """An operator on each element of its first input; the others are scalars."""
    found = _first(state, node)
    if found is None:
        return False
    source, perm = found
    return state.turned(node, [source, *node.inputs[1:]], perm)


def _in_one_order(
    state: Sinking, node: ir.Node, rank: int
) -> tuple[list[ir.Value | None], Perm] | None:
    """All inputs as they are before a transposition that they have in common."""
    perms = [state.waiting[x][1] for x in node.inputs if x in state.waiting]
    for perm in dict.fromkeys(p for p in perms if len(p) == rank):
        found = [None if x is None else state.in_order(x, perm, node) for x in node.inputs]
        if all(x is None or new is not None for x, new in zip(node.inputs, found, strict=True)):
            return found, perm
    return None


def _together(state: Sinking, node: ir.Node) -> bool:
    """An operator on elements of several inputs, which stretch to each other."""
    ranks = [state.rank(x) for x in node.inputs if x is not None]
    known = [rank for rank in ranks if rank is not None]
    if len(known) < len(ranks):
        return False
    found = _in_one_order(state, node, max(known))
    return found is not None and state.turned(node, *found)


def _concat(state: Sinking, node: ir.Node) -> bool:
    rank = next(len(state.waiting[x][1]) for x in node.inputs if x in state.waiting)
    if any(state.rank(x) != rank for x in node.inputs if x is not None):
        return False
    found = _in_one_order(state, node, rank)
    if found is None or any(x is not None and state.rank(x) != rank for x in found[0]):
        return False
    return state.turned(node, *found, axis=found[1][node.attributes["axis"].as_int() % rank])


def _along(default: int) -> Callable[[Sinking, ir.Node], bool]:
    """An operator along one axis, an attribute, that keeps the order of axes."""

    def rule(state: Sinking, node: ir.Node) -> bool:
        found = _first(state, node)
        if found is None:
            return False
        source, perm = found
        given = node.attributes.get("axis")
        axis = perm[(given.as_int() if given else default) % len(perm)]
        return state.turned(node, [source, *node.inputs[1:]], perm, axis=axis)

    return rule


def _over(state: Sinking, node: ir.Node) -> bool:
    """A reduction: over axes, which it keeps or drops."""
    found = _first(state, node)
    by_attribute = "axes" in node.attributes
    axes = list(node.attributes["axes"].as_ints()) if by_attribute else None
    if not by_attribute and len(node.inputs) > 1:
        axes = ints(node.inputs[1])
    if found is None or axes is None:
        return False
    source, perm = found
    dropped = {axis % len(perm) for axis in axes}
    moved = sorted(perm[axis] for axis in dropped)
    keeps = node.attributes.get("keepdims")
    if node.op_type == "Squeeze" or (keeps is not None and not keeps.as_int()):
        left = [perm[axis] for axis in range(len(perm)) if axis not in dropped]
        perm = tuple([sorted(left).index(axis) for axis in left])
    if by_attribute:
        return state.turned(node, [source, *node.inputs[1:]], perm, axes=moved)
    return state.turned(node, [source, state.like(node.inputs[1], moved)], perm)


def _slice(state: Sinking, node: ir.Node) -> bool:
    found = _first(state, node)
    axes = ints(node.inputs[3]) if len(node.inputs) > 3 else None
    if found is None or axes is None:
        return False
    source, perm = found
    moved = state.like(node.inputs[3], [perm[axis % len(perm)] for axis in axes])
    inputs = [source, *node.inputs[1:3], moved, *node.inputs[4:]]
    return state.turned(node, inputs, perm)


def _pad(state: Sinking, node: ir.Node) -> bool:
    found = _first(state, node)
    pads = ints(node.inputs[1])
    if found is None or pads is None or (len(node.inputs) > 3 and node.inputs[3] is not None):
        return False
    source, perm = found
    back = [perm.index(axis) for axis in range(len(perm))]
    moved = [pads[axis] for axis in back] + [pads[len(perm) + axis] for axis in back]
    return state.turned(node, [source, state.like(node.inputs[1], moved), *node.inputs[2:]], perm)


def _by_axis(state: Sinking, node: ir.Node) -> bool:
    """An operator whose other inputs are constants with a number for each axis, or empty."""
    found = _first(state, node)
    if found is None or "axes" in node.attributes:
        return False
    source, perm = found
    inputs: list[ir.Value | None] = [source]
    for given in node.inputs[1:]:
        array = None if given is None or given.const_value is None else given.const_value.numpy()
        if given is None or (array is not None and not array.size):
            inputs.append(given)
        elif array is None or array.size != len(perm):
            return False
        else:
            back = [perm.index(axis) for axis in range(len(perm))]
            inputs.append(state.like(given, [array[axis].item() for axis in back]))
    return state.turned(node, inputs, perm)


def _reshape(state: Sinking, node: ir.Node) -> bool:
    """A reshape of what differs from what was there before by axes of size 1 alone."""
    found = _first(state, node)
    if found is None:
        return False
    source, perm = found
    if not state.moves_nothing(source, perm):
        return False
    if node.op_type == "Reshape":
        target = ints(node.inputs[1])
        if target is None or any(n == 0 and perm[i] != i for i, n in enumerate(target)):
            return False
    elif perm[0] != 0 or ("axis" in node.attributes and node.attributes["axis"].as_int() != 1):
        return False
    node.replace_input_with(0, source)
    return True


EACH = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "Ceil",
    "Celu", "Clip", "Cos", "Cosh", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Not",
    "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
TOGETHER = (
    "Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater",
    "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu",
    "Pow", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
OVER = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Squeeze",
)  # fmt: skip

RULES: dict[str, Callable[[Sinking, ir.Node], bool]] = {
    **dict.fromkeys(EACH, _each),
    **dict.fromkeys(TOGETHER, _together),
    **dict.fromkeys(OVER, _over),
    "Concat": _concat,
    "Flatten": _reshape,
    "Hardmax": _along(-1),
    "LogSoftmax": _along(-1),
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _by_axis,
    "Slice": _slice,
    "Softmax": _along(-1),
    "Split": _along(0),
    "Tile": _by_axis,
}
"""By operator."""
