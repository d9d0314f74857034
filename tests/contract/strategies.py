"""Draws arguments and inputs for a layer from what its class says: nothing here knows a layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from specc.layers import arguments as kinds
from specc.layers.arguments import Kind
from specc.layers.base import Layer
from specc.types import DTYPES, Dimension, TensorType

Strategy = st.SearchStrategy[Any]


class Case(NamedTuple):
    """A layer with arguments and inputs, both perhaps such that it must refuse them."""

    layer: str
    arguments: dict[str, Any]
    inputs: list[TensorType]
    trainable: bool

    def __str__(self) -> str:
        return f"{self.layer}({self.arguments}) on {[str(x) for x in self.inputs]}"


# ------------------------------------------------------------------- arguments


def _int(kind: Any) -> Strategy:
    return (
        st.integers(-4, 4)
        if kind.at_least is None
        else st.integers(0, 4).map(kind.at_least.__add__)
    )


def _float(kind: Any) -> Strategy:
    candidates = [0, 0.0, 0.25, 0.5, 1, 1.0, 2.5, -0.5]
    return st.sampled_from([number for number in candidates if kind.accepts(number)])


def _sizes(kind: Any) -> Strategy:
    one = st.integers(kind.at_least, kind.at_least + 2)
    return one | st.tuples(*[one] * kind.rank)


def _ints(kind: Any) -> Strategy:
    if kind.at_least != 1:
        return st.lists(_int(kind), max_size=4).map(tuple)
    # Positive: likely a permutation.
    several = st.integers(1, 4).flatmap(lambda n: st.permutations(range(1, n + 1)))
    return several.map(tuple) | st.lists(st.integers(1, 4), max_size=4).map(tuple)


def _target_shape(_: Kind) -> Strategy:
    sizes = st.lists(st.sampled_from([-1, 1, 2, 3, 4, 6, 8, 12]), max_size=4).map(tuple)
    return sizes.filter(lambda shape: shape.count(-1) <= 1)


def _borders(kind: Any) -> Strategy:
    one = st.integers(0, 2)
    return one | st.tuples(*[one | st.tuples(one, one)] * kind.rank)


def _axes(kind: Any) -> Strategy:
    one = st.integers(-4, 4)
    least, most = (kind.number, kind.number) if kind.number else (1, 3)
    return one | st.lists(one, min_size=least, max_size=most).map(tuple)


def _numbers(_: Kind) -> Strategy:
    one = st.sampled_from([0, 1, 2.5, -0.5])
    return one | st.lists(one, min_size=1, max_size=4).map(tuple)


STRATEGIES: dict[type[Kind], Callable[[Any], Strategy]] = {
    kinds.Bool: lambda _: st.booleans(),
    kinds.Int: _int,
    kinds.Float: _float,
    kinds.Choice: lambda kind: st.sampled_from(kind.choices),
    kinds.Named: lambda kind: st.sampled_from(kind.choices),
    kinds.Sizes: _sizes,
    kinds.Ints: _ints,
    kinds.TargetShape: _target_shape,
    kinds.NoiseShape: lambda _: st.lists(st.sampled_from([None, None, 1, 3]), max_size=4).map(
        tuple
    ),
    kinds.Numbers: _numbers,
    kinds.Borders: _borders,
    kinds.Axes: _axes,
    kinds.AutoBool: lambda _: st.sampled_from([True, False, "auto"]),
    kinds.Nothing: lambda _: st.none(),
    kinds.Optional: lambda kind: st.none() | values(kind.kind),
}


def values(kind: Kind) -> Strategy:
    """Small values that a kind accepts."""
    return STRATEGIES[type(kind)](kind)


@st.composite
def given_arguments(draw: st.DrawFn, cls: type[Layer]) -> dict[str, Any]:
    """Every required argument, some of the others, and of the many that are names at most two.

    Initializers, regularizers, ... are most of the arguments of a layer, and hardly matter.
    """
    required = {name for name, argument in cls.signature.items() if argument.required}
    others = {name for name in cls.signature if name not in required}
    named = {name for name in others if is_name(cls.signature[name].kind)}
    chosen = required | {name for name in sorted(others - named) if draw(st.integers(0, 2)) == 0}
    if named:
        chosen |= draw(st.sets(st.sampled_from(sorted(named)), max_size=2))
    names = [name for name in cls.signature if name in chosen]
    return {name: draw(values(cls.signature[name].kind)) for name in names}


def is_name(kind: Kind) -> bool:
    return isinstance(kind.kind if isinstance(kind, kinds.Optional) else kind, kinds.Named)


# ---------------------------------------------------------------------- inputs


def usual_rank(cls: type[Layer]) -> int | None:
    """The number of axes of the shape that the class's text starts with; None for any number."""
    match = re.search(r"Shapes:\s+\(([^)]*)\)", cls.__doc__ or "")
    assert match, f"the docstring of {cls.__name__} does not say its shapes"
    axes = [axis for axis in match[1].split(",") if axis.strip()]
    return None if any("*" in axis for axis in axes) else len(axes)


SIZES: st.SearchStrategy[Dimension] = st.sampled_from([4, 1, 2, 3, 5, 6, 4, 3, 6, None, "time"])

# Most samples are floats: whole numbers have rules of their own, which are simple.
ELEMENTS = st.sampled_from(["float32"] * 24 + ["int32"] * 4 + ["bool"] * 2 + list(DTYPES))


@st.composite
def shapes(draw: st.DrawFn, cls: type[Layer]) -> tuple[Dimension, ...]:
    rank = usual_rank(cls)
    ranks = st.integers(0, 4)
    if rank is not None:
        ranks = st.sampled_from([rank] * 8 + [0, 1, 2, 3, 4])
    return tuple(draw(SIZES) for _ in range(draw(ranks)))


@st.composite
def similar(draw: st.DrawFn, shape: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """A shape that might go together with another."""
    if draw(st.integers(0, 3)) == 0:
        shape = shape[draw(st.integers(0, len(shape))) :]
    if shape and draw(st.booleans()):
        place = draw(st.integers(0, len(shape) - 1))
        shape = (*shape[:place], draw(SIZES), *shape[place + 1 :])
    return shape


@st.composite
def cases(draw: st.DrawFn, cls: type[Layer]) -> Case:
    """A layer, arguments and inputs."""
    first = draw(shapes(cls))
    most = cls.minimum_inputs if cls.maximum_inputs else 3
    more = draw(st.integers(cls.minimum_inputs, most)) - 1
    dtype = draw(ELEMENTS)
    inputs = [TensorType(dtype, first)]
    for _ in range(more):
        other = draw(ELEMENTS) if draw(st.integers(0, 3)) == 0 else dtype
        inputs.append(TensorType(other, draw(similar(first))))
    return Case(cls.__name__, draw(given_arguments(cls)), inputs, draw(st.integers(0, 3)) > 0)
