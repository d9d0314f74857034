"""Keras's answer to a case, specc's, and how they compare.

Keras says what a layer would give, and gives it when the layer runs; where the two differ, the run
is right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import keras

from specc.diagnostics.place import Refused
from specc.layers.arguments import Configurable, is_tuple
from specc.layers.base import Layer
from specc.types import Dimension, TensorType

from .exceptions import FATAL, MISTAKEN, NOT_EVERYWHERE, STRICTER
from .strategies import BATCH, Case, layer_class

SUBSTITUTES = (12, 6, 5, 4, 3, 2, 1, 8, 24)
"""What is tried for unknown sizes, until one can be run; first one larger than any window."""

CHANGES_SHAPES = "training changes the shapes"
"""How the error starts that says so of a run."""


class Answer(NamedTuple):
    """What a layer makes of its inputs. Unknown sizes are None, named or not."""

    shapes: list[tuple[int | None, ...]]
    dtypes: list[str]
    weights: list[tuple[str, tuple[int, ...], bool, str]]


def anonymous(shape: tuple[Dimension, ...]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def specc_answer(case: Case) -> Answer | Refused:
    try:
        layer = case.make()
        outputs = layer.apply(case.inputs, case.call)
        variables = layer.variables(case.inputs, case.call)
        layer.check_call(case.inputs, **case.call)
        layer.check_batch(case.batch)
    except Refused as refused:
        return refused
    outputs_of = getattr(layer, "outputs_of", lambda _: layer.output_count)
    assert len(outputs) == outputs_of(case.call)
    assert len({weight.name for weight in variables}) == len(variables)
    return Answer(
        [anonymous(x.shape) for x in outputs],
        [x.dtype for x in outputs],
        [(w.name.split("/")[-1], w.shape, w.trainable, w.dtype) for w in variables],
    )


class KerasAnswer(NamedTuple):
    symbolic: Answer
    run: list[tuple[tuple[int, ...], str]] | Exception
    """Shapes and dtypes of the outputs of a run, or why there was none."""
    certain: bool
    """Whether the run had the sizes of the case, and not substitutes for unknown ones."""


def keras_answer(case: Case) -> KerasAnswer | Exception:
    try:
        layer = keras_layer(case)
        outputs = as_list(use(layer, case, lambda x: symbolic_tensor(x, case.batch)))
    except Exception as error:
        # Keras would make what is left of the variables with the next layer that is traced.
        keras.utils.clear_session(free_memory=False)
        return error
    symbolic = Answer(
        [tuple(x.shape[1:]) for x in outputs],
        [x.dtype for x in outputs],
        [keras_weight(layer, w) for w in layer.weights],
    )
    tensors = [*case.inputs, *[x for x in case.call.values() if isinstance(x, TensorType)]]
    unknown = any(not isinstance(size, int) for x in tensors for size in x.shape)
    reason: Exception | None = None
    for size in SUBSTITUTES if unknown else (0,):
        try:
            return KerasAnswer(symbolic, run(layer, case, size), not unknown)
        except Exception as error:
            reason = reason or error
    assert reason is not None
    return KerasAnswer(symbolic, reason, not unknown)


def keras_layer(case: Case) -> Any:
    return to_keras(keras, case.make())


def to_keras(keras: Any, value: Any) -> Any:
    """What Keras is given for the value of an argument."""
    if isinstance(value, Configurable):
        module = keras.layers if isinstance(value, Layer) else getattr(keras, f"{value.category}s")
        arguments = {name: to_keras(keras, v) for name, v in value.keras_arguments().items()}
        trainable = arguments.pop("trainable", True)
        made = getattr(module, type(value).__name__)(**arguments)
        if not trainable:
            made.trainable = False  # Keras's constructors would not tell the layers inside.
        return made
    if is_tuple(value) and any(isinstance(item, Configurable) for item in value):
        return [to_keras(keras, item) for item in value]
    return value


def keras_weight(layer: Any, weight: Any) -> tuple[str, tuple[int, ...], bool, str]:
    """A weight as specc describes it. `trainable` of a weight says nothing of its layer's."""
    trainable = any(weight is other for other in layer.trainable_weights)
    return weight.name, tuple(weight.shape), trainable, weight.dtype


def symbolic_tensor(x: TensorType, batch: int | None = None) -> Any:
    return keras.KerasTensor((batch, *anonymous(x.shape)), x.dtype)


def use(layer: Any, case: Case, tensor: Callable[[TensorType], Any], **more: Any) -> Any:
    """Call a layer with what `tensor` makes of each type of the case."""

    def made(value: Any) -> Any:
        if isinstance(value, list):
            return [tensor(x) for x in cast("list[TensorType]", value)]
        return tensor(value) if isinstance(value, TensorType) else value

    tensors = [tensor(x) for x in case.inputs]
    ours = case.make()
    call = ours.keras_call({name: made(value) for name, value in case.call.items()})
    return layer(tensors if ours.takes_list else tensors[0], **{**call, **more})


def run(layer: Any, case: Case, substitute: int) -> list[tuple[tuple[int, ...], str]]:
    """Run on zeros, training and not, with whatever its regularizers have to say."""

    def sizes(x: TensorType) -> tuple[int, ...]:
        return (BATCH, *[size if isinstance(size, int) else substitute for size in x.shape])

    def zeros(x: TensorType) -> Any:
        return keras.ops.zeros(sizes(x), x.dtype)

    if substitute:
        # Keras is asked first: TensorFlow's process dies of a window that is larger than an image.
        use(layer, case, lambda x: keras.KerasTensor(sizes(x), x.dtype))
    outputs = as_list(use(layer, case, zeros))
    found = [(tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in outputs]
    _ = layer.losses
    for weight in layer.weights:
        if weight.constraint is not None:
            weight.constraint(weight)
    if "training" in inspect.signature(layer.call).parameters:
        trained = as_list(use(layer, case, zeros, training=True))
        shapes = [tuple(x.shape) for x in trained]
        if shapes != [shape for shape, _ in found]:
            raise ValueError(f"{CHANGES_SHAPES} to {shapes}")
    return found


def message(error: Exception) -> str:
    """What an error is and says; TensorFlow's have no arguments."""
    return f"{type(error).__name__}: {getattr(error, 'message', error)}"


def as_list(outputs: Any) -> list[Any]:
    return keras.tree.flatten(outputs)


def on_purpose(case: Case) -> bool:
    """Whether the layer, or one within it, is stricter than Keras here."""
    if any(x.dtype == "string" for x in case.inputs) and not layer_class(case.layer).takes_strings:
        return True  # Some layers hand strings on.
    if case.arguments.get("activity_regularizer") and not all(x.is_float for x in case.inputs):
        return True  # With whole numbers, Keras can do 0 times the activity and no more.
    half = "float16" in str(case.dtype) and "bfloat16" not in str(case.dtype)
    if half and "sparsemax" in str(case.arguments):
        return True  # No graph can be made of that.
    exception = STRICTER.get(case.layer)
    if exception and exception.applies(case):
        return True
    if case.layer == "Pipeline" and refused_in_pipeline(case):
        return True
    for layer in inner_layers(case.arguments):
        if layer.kind in FATAL:
            return True
        given = {**layer.given, **layer.more}
        steps = [x.with_shape(*x.shape[1:]) for x in case.inputs]
        alone = Case(layer.kind, given, steps, True, dtype=layer.dtype)
        if case.layer == "TimeDistributed" and isinstance(keras_answer(alone), Exception):
            return True  # Keras does not look at what reaches the layer inside.
        if layer.compute_dtype != (case.dtype or "float32").removeprefix("mixed_"):
            return True  # One that casts in a layer that does not expect it.
        for inputs in (case.inputs, steps):
            if on_purpose(alone._replace(inputs=inputs)):
                return True
    return False


def refused_in_pipeline(case: Case) -> bool:
    """Whether a layer is refused for its own sake: Keras says another shape than it computes.

    A pipeline does not ask it, but is traced.
    """
    (x,) = case.inputs
    for layer in case.arguments["layers"]:
        if any(name in repr(layer) for name in FATAL):
            return True
        given = {**layer.given, **layer.more}
        alone = Case(layer.kind, given, [x], True, dtype=layer.dtype, batch=case.batch)
        ours = specc_answer(alone)
        if isinstance(ours, Refused):
            theirs = keras_answer(alone)
            return isinstance(theirs, KerasAnswer) and contradicts_itself(theirs)
        x, *more = layer.apply([x])
        if more:
            return False
    return False


def inner_layers(arguments: dict[str, Any]) -> list[Layer]:
    items = [item for v in arguments.values() for item in (v if is_tuple(v) else (v,))]
    return [item for item in items if isinstance(item, Layer)]


def agree(case: Case) -> bool:
    """Compare the two answers; True where both accept."""
    ours = specc_answer(case)
    if isinstance(ours, Refused) and on_purpose(case):
        return False
    theirs = keras_answer(case)
    if isinstance(ours, Refused):
        if isinstance(theirs, KerasAnswer) and (
            isinstance(theirs.run, Exception) or contradicts_itself(theirs)
        ):
            return False
        assert isinstance(theirs, Exception), f"only specc refuses {case}: {ours}; Keras: {theirs}"
        return False
    assert not isinstance(theirs, Exception), f"only Keras refuses {case}: {theirs!r}"
    mistaken = MISTAKEN.get(case.layer)
    if mistaken is None or not mistaken.applies(case):
        assert ours.shapes == theirs.symbolic.shapes, f"{case}: {theirs}"
    assert ours.weights == theirs.symbolic.weights, str(case)
    if isinstance(theirs.run, Exception):
        excused = not theirs.certain or cannot_tell(case, message(theirs.run))
        assert excused, f"Keras cannot run {case}: {message(theirs.run)}"
        return True
    for shape, (truth, _) in zip(ours.shapes, theirs.run, strict=True):
        fits = [a is None or a == b for a, b in zip((BATCH, *shape), truth, strict=True)]
        assert all(fits), f"{case} gives {shape}, a run {truth}"
    assert ours.dtypes == [dtype for _, dtype in theirs.run], str(case)
    return True


def cannot_tell(case: Case, why: str) -> bool:
    """Whether no look at a case can tell that Keras fails here."""
    text = repr(case.make())
    return (
        # cuDNN runs where there is a GPU, and a model may be made elsewhere.
        "use_cudnn=True" in text
        # Without numbers for other categories, a lookup takes those of its vocabulary alone.
        or "num_oov_indices=0" in text
        or (case.layer == "Pipeline" and "Embedding" in text)
        # At inference Keras does not crop, and does there whenever it is not told.
        or (case.layer == "TimeDistributed" and "RandomCrop" in text and CHANGES_SHAPES in why)
        or NOT_EVERYWHERE.search(why) is not None
    )


def contradicts_itself(answer: KerasAnswer) -> bool:
    """Whether a run gives other shapes than Keras said, so that layers behind it would not fit."""
    if isinstance(answer.run, Exception):
        return False
    said = [(BATCH, *shape) for shape in answer.symbolic.shapes]
    return any(
        len(a) != len(b) or any(x not in (None, y) for x, y in zip(a, b, strict=True))
        for a, (b, _) in zip(said, answer.run, strict=True)
    )
