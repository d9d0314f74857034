"""Layers against Keras, and models against every backend, for the tests of those who write them.

    from specc.testing import assert_backends_agree, assert_layer_agrees

    def test_layer_scale():
        assert_layer_agrees(LayerScale(0.1), ["float32[16, 8]"])

    def test_model():
        assert_backends_agree("specs/bn_after.spec", "all")

Needs Keras and TensorFlow, and nothing of a test framework.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from specc.api import Model
from specc.diagnostics.place import Refused
from specc.layers.base import Layer
from specc.types import DTYPES, Dimension, TensorType

if TYPE_CHECKING:
    from specc.verification.report import Report

__all__ = ["assert_backends_agree", "assert_layer_agrees", "assert_layer_refuses", "tensor_type"]

BATCH = 3
UNKNOWN_SIZE = 7
"""What an axis of unknown size has in a run; named ones have sizes of their own."""

_TYPE = re.compile(rf"({'|'.join(DTYPES)})\[([^\]]*)\]")

Call = Mapping[str, Any]
"""Arguments of a call: constants, and types where a tensor is taken, or lists of types."""


def tensor_type(text: str) -> TensorType:
    """The type that a spec writes so: `float32[28, None, time]`.

    Raises:
        ValueError: where the text is no type.
    """
    found = _TYPE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no type such as float32[28, 28]")
    sizes: list[Dimension] = []
    for size in [part.strip() for part in found[2].split(",") if part.strip()]:
        sizes.append(int(size) if size.isdecimal() else None if size == "None" else size)
    return TensorType(found[1], tuple(sizes))


def assert_layer_agrees(
    layer: Layer, inputs: Sequence[TensorType | str], call: Call | None = None
) -> None:
    """Compare all that a layer says with what its Keras layer does.

    That is: the constructor's arguments and their defaults; shapes and dtypes of the outputs, as
    Keras says them before a run, and of runs in inference and in training; names, shapes, dtypes
    and trainability of the weights, and their count; and that the Keras layer comes back from its
    configuration, as it has to from a `.keras` file, and computes the same. The Keras layer of a
    layer from Python has to have a `compute_output_shape` besides.

    Args:
        inputs: the type of each input, as specs write it or as a `TensorType`.
        call: the arguments of the call: constants, and a `TensorType` for a tensor.

    Raises:
        AssertionError: with everything that differs.
        Refused: where the layer does not take these inputs.
    """
    from specc.backends.frameworks import import_keras
    from specc.backends.keras_objects import keras_layer

    keras = import_keras()
    types, arguments = _types(inputs), dict(call or {})
    outputs = layer.apply(types, arguments)
    weights = layer.variables(types, arguments)
    layer.check_call(types, **arguments)
    theirs: Any = keras_layer(keras, layer, None)
    report = _Report(layer)
    report.differences += _signature_differences(type(layer), theirs.__class__)

    symbolic = _use(keras, theirs, layer, types, arguments, lambda x: _symbolic(keras, x))
    report.compare("outputs", _written(outputs), [_keras_type(x) for x in symbolic])
    # What a weight says of itself says nothing of its layer.
    trainable = {id(weight) for weight in theirs.trainable_weights}
    report.compare(
        "weights",
        [(w.name.rsplit("/", 1)[-1], w.shape, w.trainable, w.dtype) for w in weights],
        [(w.name, tuple(w.shape), id(w) in trainable, w.dtype) for w in theirs.weights],
    )
    said = sum([_product(w.shape) for w in weights])
    report.compare("number of parameters", said, theirs.count_params())

    values = _Values(keras, layer.index_limit)
    expected = [values.resolved(x) for x in outputs]
    for training in (False, True):
        run = {"training": training, **arguments}
        results = _use(keras, theirs, layer, types, run, values.of)
        found = [(x.dtype, tuple(x.shape)) for x in map(keras.ops.convert_to_tensor, results)]
        found = [(keras.backend.standardize_dtype(dtype), shape) for dtype, shape in found]
        differs = len(found) != len(expected) or not all(
            dtype == wanted and _fits(shape, sizes)
            for (dtype, shape), (wanted, sizes) in zip(found, expected, strict=True)
        )
        if differs:
            what = f"outputs of a run with training={training}"
            report.differences.append(f"{what}: specc says {expected}, Keras computes {found}")
    if hasattr(layer, "keras_layer") and len(types) == 1 and not arguments:
        report.differences += _shape_unsaid(theirs, types[0], outputs)
    report.differences += _restored_differently(
        theirs,
        lambda made: _use(keras, made, layer, types, {"training": False, **arguments}, values.of),
    )
    report.raise_if_any()


def assert_layer_refuses(
    make: Callable[[], Layer], inputs: Sequence[TensorType | str], call: Call | None = None
) -> None:
    """Check that specc refuses arguments or inputs, at the latest when a spec is checked.

    Args:
        make: makes the layer, such as `lambda: LayerScale(axis=7)`.

    Raises:
        AssertionError: where it takes them.
    """
    types, arguments = _types(inputs), dict(call or {})
    try:
        layer = make()
        layer.apply(types, arguments)
        layer.variables(types, arguments)
        layer.check_call(types, **arguments)
    except Refused:
        return
    raise AssertionError(f"{layer!r} takes {', '.join(map(str, types))}, and should not")


# ------------------------------------------------------------------------- comparing


class _Report:
    """What differs, collected to be told at once."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self.differences: list[str] = []

    def compare(self, what: str, said: object, found: object) -> None:
        if said != found:
            self.differences.append(f"{what}: specc says {said}, Keras {found}")

    def raise_if_any(self) -> None:
        if self.differences:
            listed = "".join(f"\n- {difference}" for difference in self.differences)
            raise AssertionError(f"{self._layer!r} is not what its Keras layer is:{listed}")


def _signature_differences(cls: type[Layer], keras_class: type) -> Iterable[str]:
    """Arguments that Keras's class does not have, or has with another default."""
    parameters: dict[str, inspect.Parameter] = {}
    for base in keras_class.__mro__:  # `**kwargs` is for the arguments of the class above
        constructor: Callable[..., Any] | None = vars(base).get("__init__")
        if constructor is not None:
            parameters = {**inspect.signature(constructor).parameters, **parameters}
    for argument in cls.signature.values():
        parameter = parameters.get(argument.name)
        if parameter is None:  # What is given by name alone, Keras may take by `**kwargs`.
            if not argument.by_name:
                yield f"argument {argument.name}: Keras's class has none of this name"
            continue
        theirs = parameter.default
        theirs = tuple(cast("list[Any]", theirs)) if isinstance(theirs, list) else theirs
        if argument.required:
            if theirs is not parameter.empty and theirs is not None:
                yield f"argument {argument.name}: required, but Keras's default is {theirs!r}"
        elif theirs is parameter.empty:
            yield f"argument {argument.name}: Keras's class requires it"
        elif not argument.kind.accepts(theirs) or (
            argument.kind.normalize(theirs) != argument.kind.normalize(argument.default)
        ):
            yield (
                f"argument {argument.name}: the default is {argument.default!r}, Keras's {theirs!r}"
            )


def _shape_unsaid(theirs: Any, x: TensorType, outputs: Sequence[TensorType]) -> Iterable[str]:
    """What a layer around it asks a Keras layer for."""
    sizes = tuple(size if isinstance(size, int) else None for size in x.shape)
    try:
        found: Any = theirs.compute_output_shape((None, *sizes))
    except NotImplementedError:
        yield "the Keras layer has no `compute_output_shape`, which layers around it ask for"
        return
    said: Any = [(None, *output.anonymous().shape) for output in outputs]
    if len(said) == 1 and tuple(found) != said[0]:
        yield f"compute_output_shape: specc says {said[0]}, Keras {tuple(found)}"


def _restored_differently(theirs: Any, run: Callable[[Any], list[Any]]) -> Iterable[str]:
    """What happens to a Keras layer that is saved and loaded."""
    import numpy as np

    before = [np.asarray(x) for x in run(theirs)]
    try:
        again = theirs.__class__.from_config(theirs.get_config())
        run(again)
        again.set_weights(theirs.get_weights())
        after = [np.asarray(x) for x in run(again)]
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        yield f"the Keras layer does not come back from its configuration: {first}"
        return
    for x, y in zip(before, after, strict=True):
        same = x.shape == y.shape and (
            np.array_equal(x, y)
            if x.dtype.kind not in "fV"
            else np.allclose(x.astype("float64"), y.astype("float64"), equal_nan=True)
        )
        if not same:
            yield "the Keras layer that comes back from its configuration computes something else"
            return


# ----------------------------------------------------------------------------- values


def _types(inputs: Sequence[TensorType | str]) -> list[TensorType]:
    return [tensor_type(x) if isinstance(x, str) else x for x in inputs]


def _written(types: Iterable[TensorType]) -> list[str]:
    return [str(x.anonymous()) for x in types]


def _keras_type(x: Any) -> str:
    return str(TensorType(x.dtype, tuple(x.shape[1:])))


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _fits(shape: tuple[int, ...], said: tuple[int | None, ...]) -> bool:
    return len(shape) == len(said) and all(
        wanted is None or size == wanted for size, wanted in zip(shape, said, strict=True)
    )


def _symbolic(keras: Any, x: TensorType) -> Any:
    sizes = tuple(size if isinstance(size, int) else None for size in x.shape)
    return keras.KerasTensor((None, *sizes) if x.batched else sizes, x.dtype)


class _Values:
    """Tensors of given types, the same for each type each time."""

    def __init__(self, keras: Any, index_limit: int | None) -> None:
        self._keras = keras
        self._limit = index_limit
        self._names: dict[str, int] = {}

    def size(self, size: Dimension) -> int:
        if isinstance(size, int):
            return size
        if size is None:
            return UNKNOWN_SIZE
        return self._names.setdefault(size, UNKNOWN_SIZE + 1 + len(self._names))

    def resolved(self, x: TensorType) -> tuple[str, tuple[int | None, ...]]:
        """What an output of this type has to be; a size of no name may be any."""
        sizes = tuple(None if size is None else self.size(size) for size in x.shape)
        return x.dtype, ((BATCH, *sizes) if x.batched else sizes)

    def of(self, x: TensorType) -> Any:
        import numpy as np

        shape = tuple(self.size(size) for size in x.shape)
        shape = (BATCH, *shape) if x.batched else shape
        random = np.random.default_rng(0)
        if x.dtype == "string":
            words = random.choice(["a", "b", "c d"], size=shape)
            return self._keras.ops.convert_to_tensor(words, dtype="string")
        if x.is_float:
            values: Any = random.standard_normal(shape)
        else:
            limit = min(2 if x.dtype == "bool" else 5, self._limit or 5)
            values = random.integers(0, limit, size=shape)
        return self._keras.ops.cast(values, x.dtype)


def _use(
    keras: Any,
    theirs: Any,
    layer: Layer,
    inputs: list[TensorType],
    call: Mapping[str, Any],
    value: Callable[[TensorType], Any],
) -> list[Any]:
    """The outputs of a call of the Keras layer."""

    def made(argument: Any) -> Any:
        if isinstance(argument, TensorType):
            return value(argument)
        if isinstance(argument, list):
            return [made(item) for item in cast("list[Any]", argument)]
        return argument

    taken = [value(x) for x in inputs]
    arguments = layer.keras_call({name: made(argument) for name, argument in call.items()})
    result = theirs(taken if layer.takes_list else taken[0], **arguments)
    flat: list[Any] = keras.tree.flatten(result)
    return flat


def assert_backends_agree(
    model: Model | str | os.PathLike[str],
    backends: str = "all",
    keras_model: Any = None,
    *,
    seed: int = 0,
) -> Report:
    """Export a model in memory, and compare it on backends with Keras in float64.

    Args:
        model: of a spec, or the path of a spec with one model.
        backends: as `specc verify --backends` takes them; of "all" those that can be run here.
        keras_model: with the weights to take; fresh ones without it.
        seed: of fresh weights and of the inputs.

    Returns:
        The report; `.backends` says how far each was off, and what was not run and why.

    Raises:
        AssertionError: naming the first layer that differs, or a backend that was named and
            cannot be run.
    """
    from specc.api import compile, verify
    from specc.diagnostics.terminal import render_all
    from specc.verification.backends.names import ALL, backends_named

    if not isinstance(model, Model):
        model = compile(model).model()
    if keras_model is None:
        keras_model = model.to_keras(seed=seed)
    names = backends_named(backends)
    onnx_model = model.to_onnx(keras_model)
    report = verify(model, keras_model, onnx_model, seed=seed, backends=names)
    if not report.ok:
        raise AssertionError(render_all(report.diagnostics, color=False))
    absent = [f"{b.backend} was not run: {b.status}" for b in report.backends if not b.ran]
    if absent and backends != ALL:
        raise AssertionError("; ".join(absent))
    return report
