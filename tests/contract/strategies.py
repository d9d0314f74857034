"""Draws arguments and inputs for a layer from what its class says: nothing here knows a layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from hypothesis import reject
from hypothesis import strategies as st

from specc import objects
from specc.diagnostics.place import Refused
from specc.layers import (
    LAYER_NAMES,
    attention,
    audio,
    colour,
    find_layer,
    images,
    mixing,
    pipeline,
    projection,
    sequence,
    vocabulary,
    wrappers,
)
from specc.layers import arguments as kinds
from specc.layers.arguments import BOOL, DTYPE_POLICY, Configurable, Kind
from specc.layers.base import TENSOR, Layer
from specc.layers.names import ACTIVATION_LAYERS
from specc.objects import data, initializers, optimizers, strings
from specc.objects import kinds as object_kinds
from specc.types import DTYPES, Dimension, TensorType

Strategy = st.SearchStrategy[Any]

BATCH = 7
"""The size of every batch: no other size that is drawn, so that no axis passes for it by chance."""


class Case(NamedTuple):
    """A layer with arguments and inputs, both perhaps such that it must refuse them."""

    layer: str
    arguments: dict[str, Any]
    inputs: list[TensorType]
    trainable: bool
    call: Mapping[str, Any] = MappingProxyType({})
    """The call's arguments: constants, and tensors as their types."""
    dtype: str | None = None
    batch: int | None = None
    """The size of the batch where it is known."""

    def __str__(self) -> str:
        call = {k: str(v) if isinstance(v, TensorType) else v for k, v in self.call.items()}
        common = f"trainable={self.trainable}, dtype={self.dtype}, batch={self.batch}"
        inputs = [str(x) for x in self.inputs]
        return f"{self.layer}({self.arguments}, {common})({call}) on {inputs}"

    def make(self) -> Layer:
        """The layer.

        Raises:
            Refused: where the arguments do not go together.
        """
        cls = layer_class(self.layer)
        made = cls(trainable=self.trainable, dtype=self.dtype, **self.arguments)
        return layer_class(made.only_within)(layers=(made,)) if made.only_within else made


def layer_class(name: str) -> type[Layer]:
    cls = find_layer(name)
    assert cls is not None
    return cls


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


def _projected(_: Kind) -> Strategy:
    one = st.integers(1, 4)
    return one | st.lists(one, min_size=1, max_size=2).map(tuple)


def _partial_shape(_: Kind) -> Strategy:
    one = st.integers(1, 4)
    return one | st.lists(st.none() | one, max_size=2).map(tuple)


EQUATIONS = (
    *["...a,ab->...b", "...ab,bc->...ac", "ab...,bc->ac...", "...a,a->...a", "...a,ba->...b"] * 2,
    *("ab,bc->ac", "abc,cd->abd", "abc,bcd->ad", "abc,cde->abde", "ab,b->a", "ab,c->abc"),
    *("ab,bc->ca", "ab,ac->bc", "ab,cd->abe", "ab,bcd->ac", "abc,c->ac", "abc...,bd->adc..."),
)


def _factor(kind: Any) -> Strategy:
    one = st.sampled_from([n for n in (-1, -0.5, 0.0, 0, 0.25, 1, 4, 8) if kind.accepts(n)])
    return one | st.tuples(one, one)


def _odd_sizes(_: Kind) -> Strategy:
    one = st.sampled_from([1, 3, 5])
    return one | st.tuples(one, one)


def _fill(_: Kind) -> Strategy:
    one = st.sampled_from([0, 2.5, 300])
    return one | st.tuples(one, one, one)


def _layers(kind: Any) -> Strategy:
    """One layer, or two of which the second is likely to take what the first gives."""
    one = _wrapped(kind.one)
    return st.lists(one, min_size=1, max_size=2).map(tuple)


def _named(kind: Any) -> Strategy:
    """A name, or one time in four an object."""
    made = st.sampled_from(classes_for(kind.category)).flatmap(configured)
    return st.integers(0, 3).flatmap(lambda n: made if n == 0 else st.sampled_from(kind.choices))


def _listed(kind: Any) -> Strategy:
    """Lists, often in order."""
    several = st.lists(values(kind.one), min_size=kind.at_least, max_size=3)
    if isinstance(kind.one, kinds.Float):
        several |= several.map(lambda items: sorted(set(items)))
    return several.map(tuple)


def _file_name(kind: Any) -> Strategy:
    return st.sampled_from([f"out/model{ending}" for ending in kind.endings or ("", ".keras")])


def _learning_rate(kind: Any) -> Strategy:
    rates = st.sampled_from([n for n in (0.0, 0.001, 0.5, 1.0) if kind.accepts(n)])
    return rates | st.sampled_from(classes_for("schedule")).flatmap(configured)


def _wrapped(kind: Any) -> Strategy:
    return st.sampled_from(classes_for(kind.wanted)).flatmap(configured)


def _with_kernel(_: Kind) -> Strategy:
    """Mostly one whose text says that it has a kernel or embeddings of its own."""
    classes = classes_for("layer")
    fitting = [
        cls for cls in classes if re.search(r"Weights:\s+(kernel|embedd)", cls.__doc__ or "")
    ]
    return st.sampled_from(fitting).flatmap(configured) | st.sampled_from(classes).flatmap(
        configured
    )


def _cells(kind: Any) -> Strategy:
    one = _wrapped(kind.one)
    several = st.lists(one, min_size=1, max_size=3).map(tuple)
    return one | several if kind.alone else several


def classes_for(category: str) -> list[type[Configurable]]:
    """Every class of what can stand where one of this category is wanted."""
    if category in objects.CATEGORIES:
        found = [objects.find_object(category, name) for name in objects.object_names(category)]
        return [cls for cls in found if cls is not None]
    layers = [layer_class(name) for name in LAYER_NAMES]
    if category == "activation":
        return [cls for cls in layers if cls.__name__ in ACTIVATION_LAYERS]
    return [cls for cls in layers if category in ("layer", cls.category)]


@st.composite
def configured(draw: st.DrawFn, cls: type[Configurable]) -> Configurable:
    """An object of a class."""
    common: dict[str, Any] = {}
    if issubclass(cls, Layer):
        dtypes = INNER_DTYPES if cls.dtype_kind is DTYPE_POLICY else values(cls.dtype_kind)
        if "dtype" in cls.common:
            common["dtype"] = draw(dtypes)
        if "trainable" in cls.common:
            common["trainable"] = draw(st.integers(0, 3)) > 0
    arguments = draw(given_arguments(cls))
    try:
        return cls(**common, **arguments)
    except Refused:
        return reject()


DTYPE_ARGUMENTS = st.sampled_from([*[None] * 12, *DTYPE_POLICY.choices])
INNER_DTYPES = st.sampled_from([*[None] * 48, *DTYPE_POLICY.choices])


def _vocabulary(kind: Any) -> Strategy:
    numbers = [(0,), (5, 6, 7), (-1, 5), (0, -1, 5), (5, 5), (0, 1, 2, 3, 4)]
    words = [("a",), ("a", "b", "c"), ("[UNK]", "a"), ("", "[UNK]", "a"), ("a", "a"), ("a", "")]
    return st.sampled_from([items for items in numbers + words if kind.accepts(items)])


STRATEGIES: dict[type[Kind], Callable[[Any], Strategy]] = {
    kinds.Text: lambda _: st.sampled_from(["", "a", "b", "c", "bc", "ac", "[UNK]"]),
    vocabulary.Boundaries: lambda _: st.sampled_from([(0,), (0.5, 1.5), (1, 2, 2, 3)]),
    vocabulary.Category: lambda _: st.sampled_from(["", "a", 0, 1]),
    vocabulary.Lengths: lambda _: st.sampled_from([1, 2, (1, 3), (2,)]),
    vocabulary.OnlyFalse: lambda _: st.just(False),
    vocabulary.Salt: lambda _: st.sampled_from([1, (2, 3)]),
    vocabulary.Vocabulary: _vocabulary,
    images.Factor: _factor,
    colour.OddSizes: _odd_sizes,
    colour.Pair: lambda _: st.tuples(st.integers(1, 4), st.integers(1, 4)),
    mixing.Fill: _fill,
    pipeline.Layers: _layers,
    projection.Equation: lambda _: st.sampled_from(EQUATIONS),
    projection.PartialShape: _partial_shape,
    images.ValueRange: lambda kind: st.sampled_from(
        [r for r in ((0, 255), (0, 1), (-1.0, 1.0), (0.5, 0.5)) if kind.accepts(r)]
    ),
    attention.ProjectedShape: _projected,
    audio.Window: lambda kind: st.sampled_from([*kind.choices[:4], "hann", (1.0, 0.5)]),
    kinds.Bool: lambda _: st.booleans(),
    kinds.Int: _int,
    kinds.Float: _float,
    kinds.Choice: lambda kind: st.sampled_from(kind.choices),
    kinds.AnyCase: lambda kind: st.sampled_from([*kind.choices * 3, kind.choices[-1].upper()]),
    sequence.Implementation: lambda _: st.sampled_from([1, 2]),
    kinds.Named: _named,
    kinds.Wrapped: _wrapped,
    kinds.Cells: _cells,
    wrappers.WithKernel: _with_kernel,
    initializers.Distribution: lambda kind: st.sampled_from([*kind.choices, "Uniform"]),
    object_kinds.Between: lambda kind: st.sampled_from(
        [n for n in (0.25, 0.5, 1, 2.5) if kind.accepts(n)]
    ),
    object_kinds.Either: lambda kind: values(kind.first) | values(kind.second),
    object_kinds.FileName: _file_name,
    object_kinds.Listed: _listed,
    object_kinds.Name: lambda _: st.sampled_from(["a", "B_2", "c.d-e>f"]),
    object_kinds.Positive: lambda _: st.sampled_from([0.5, 1, 2.0]),
    object_kinds.Share: lambda _: st.sampled_from([0.25, 0.5, 1]),
    object_kinds.Real: lambda kind: st.sampled_from(
        [n for n in (0.0, 0.25, 0.5, 1.0, 2.5) if kind.accepts(n)]
    ),
    object_kinds.Thing: lambda kind: st.sampled_from(classes_for(kind.category)).flatmap(
        configured
    ),
    object_kinds.Values: lambda _: st.sampled_from([0, 0.5, -1, (1, 2), (0.5,), (1, 2, 3)]),
    optimizers.LearningRate: _learning_rate,
    strings.ByString: _named,
    object_kinds.Folder: lambda _: st.sampled_from(["a", "a/b"]),
    data.Separator: lambda _: st.sampled_from([",", ";", "\t"]),
    data.Part: lambda _: st.sampled_from([1, 5, 0.5]),
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


NEEDED = {
    "CategoryEncoding": ("num_tokens",),
    "Discretization": ("bin_boundaries",),
    "GroupNormalization": ("groups",),
    "MelSpectrogram": ("fft_length",),
    "STFTSpectrogram": ("frame_length",),
    **dict.fromkeys(("IntegerLookup", "StringLookup", "TextVectorization"), ("vocabulary",)),
}
"""Arguments that are not required, but without which hardly any input that is drawn is taken."""


@st.composite
def given_arguments(draw: st.DrawFn, cls: type[Configurable]) -> dict[str, Any]:
    """Every required argument, some of the others, and of the many that are names at most two.

    Initializers, regularizers, ... are most of the arguments of a layer, and hardly matter.
    """
    required = {name for name, argument in cls.signature.items() if argument.required}
    required |= set(NEEDED.get(cls.__name__, ()))
    others = {name for name in cls.signature if name not in required}
    named = {name for name in others if is_name(cls.signature[name].kind)}
    chosen = required | {name for name in sorted(others - named) if draw(st.integers(0, 2)) == 0}
    if named:
        chosen |= draw(st.sets(st.sampled_from(sorted(named)), max_size=2))
    names = [name for name in cls.signature if name in chosen]
    given = {name: draw(values(cls.signature[name].kind)) for name in names}
    if takes_activity_regularizer(cls) and draw(st.integers(0, 7)) == 0:
        given["activity_regularizer"] = draw(values(kinds.REGULARIZER))
    return given


def takes_activity_regularizer(cls: type[Configurable]) -> bool:
    """Whether it is one of the arguments that the class has as every layer has them."""
    name = "activity_regularizer"
    return issubclass(cls, Layer) and name in cls.common and name not in cls.signature


def is_name(kind: Kind) -> bool:
    return isinstance(kind.kind if isinstance(kind, kinds.Optional) else kind, kinds.Named)


# ---------------------------------------------------------------------- inputs


def usual_axes(cls: type[Layer]) -> list[str] | None:
    """The axes of the shape that the class's text starts with; None for any number."""
    match = re.search(r"Shapes:\s+\(([^)]*)\)", cls.__doc__ or "")
    assert match, f"the docstring of {cls.__name__} does not say its shapes"
    axes = [axis for axis in match[1].split(",") if axis.strip()]
    return None if any("*" in axis for axis in axes) else axes


SIZES: st.SearchStrategy[Dimension] = st.sampled_from([4, 1, 2, 3, 5, 6, 4, 3, 6, None, "time"])

# Most samples are floats: whole numbers have rules of their own, which are simple.
ELEMENTS = st.sampled_from(["float32"] * 24 + ["int32"] * 4 + ["bool"] * 2 + list(DTYPES))


def elements(cls: type[Layer]) -> Strategy:
    """Dtypes of which a class is likely to take one."""
    if cls.__name__ in ("CategoryEncoding", "IntegerLookup"):
        return st.sampled_from(["int64"] * 6 + ["int32"] * 3) | ELEMENTS
    return st.sampled_from(["string"] * 9 + ["int64"]) | ELEMENTS if cls.takes_strings else ELEMENTS


@st.composite
def shapes(draw: st.DrawFn, cls: type[Layer]) -> tuple[Dimension, ...]:
    axes = usual_axes(cls)
    if axes and all(axis.isdigit() for axis in axes) and draw(st.integers(0, 2)):
        return tuple(map(int, axes))
    ranks = st.integers(0, 4)
    if axes is not None:
        ranks = st.sampled_from([len(axes)] * 8 + [0, 1, 2, 3, 4])
    return tuple(draw(SIZES) for _ in range(draw(ranks)))


def goes_together(cls: type[Layer], arguments: dict[str, Any]) -> bool:
    try:
        cls(**arguments)
    except Refused:
        return False
    return True


@st.composite
def shapes_for(
    draw: st.DrawFn, cls: type[Layer], arguments: dict[str, Any]
) -> tuple[Dimension, ...]:
    """A shape for a layer; mostly one that the layer inside it takes, if there is one."""
    inner = {
        "Pipeline": lambda: arguments["layers"][0],
        "SpectralNormalization": lambda: arguments["layer"],
        "TimeDistributed": lambda: arguments["layer"],
    }.get(cls.__name__)
    if inner is None or not draw(st.integers(0, 3)):
        return draw(shapes(cls))
    shape = draw(shapes(type(inner())))
    return (draw(SIZES), *shape) if cls.__name__ == "TimeDistributed" else shape


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
    arguments = draw(given_arguments(cls))
    for _ in range(draw(st.sampled_from([0, 0, 4]))):
        if goes_together(cls, arguments):
            break
        arguments = draw(given_arguments(cls))
    first = draw(shapes_for(cls, arguments))
    most = cls.maximum_inputs or 3
    more = draw(st.integers(cls.minimum_inputs, most)) - 1
    dtype = draw(elements(cls))
    inputs = [TensorType(dtype, first)]
    for _ in range(more):
        other = draw(ELEMENTS) if draw(st.integers(0, 3)) == 0 else dtype
        inputs.append(TensorType(other, draw(similar(first))))
    trainable = "trainable" not in cls.common or draw(st.integers(0, 3)) > 0
    call = draw(calls(cls, arguments, inputs[0]))
    batch = draw(st.sampled_from([None, None, None, BATCH]))
    dtype = None
    if "dtype" in cls.common:
        dtype = draw(DTYPE_ARGUMENTS if cls.dtype_kind is DTYPE_POLICY else values(cls.dtype_kind))
    return Case(cls.__name__, arguments, inputs, trainable, call, dtype, batch)


@st.composite
def calls(
    draw: st.DrawFn, cls: type[Layer], arguments: dict[str, Any], x: TensorType
) -> dict[str, Any]:
    """What the call holds besides the inputs, where that matters to shapes; no masks."""
    call: dict[str, Any] = {}
    for name, kind in cls.call_arguments.items() if cls.shaped_by_call else ():
        if name == "training" or (name.endswith("mask") and kind is TENSOR):
            continue
        if kind is TENSOR and draw(st.integers(0, 9)) < (9 if name == "value" else 5):
            other = draw(ELEMENTS) if draw(st.integers(0, 3)) == 0 else x.dtype
            call[name] = TensorType(other, draw(similar(x.shape)))
        if kind is BOOL and draw(st.integers(0, 2)) == 0:
            call[name] = draw(st.booleans())
        if name == "states" and draw(st.integers(0, 9)) < 9:
            call[name] = states_of(cls, arguments)
    return call


def states_of(cls: type[Layer], arguments: dict[str, Any]) -> list[TensorType]:
    """The states that a cell takes."""
    try:
        return getattr(cls(**arguments), "state_types", [])
    except Refused:
        return []
