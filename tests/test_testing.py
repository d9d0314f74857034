"""`specc.testing`, by which authors of layers compare them with Keras: what it finds, and that it
has nothing to say about the layers of the catalogue.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from specc.graph import replace_tensors
from specc.layers import LAYER_NAMES, api, find_layer
from specc.layers.api import BOOL, Float, Int, Layer, TensorType, Weight, Weights, arg
from specc.layers.core import Dense
from specc.reference.docstring import parse_docstring
from specc.reference.example import compile_example, read_example
from specc.testing import assert_layer_agrees, assert_layer_refuses, tensor_type

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("keras_backend")]


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_the_catalogue_agrees(name: str) -> None:
    """Each layer with the arguments and inputs of its example."""
    cls = find_layer(name)
    assert cls is not None
    if name in OF_KERAS:
        with pytest.raises(AssertionError, match=OF_KERAS[name]):
            agrees(cls)
        return
    agrees(cls)


OF_KERAS = {
    "RandomCrop": "outputs of a run",  # Keras says the cropped size, and does not crop at inference
    "RandomShear": "does not come back from its configuration",
}
"""Layers in which Keras contradicts itself, which is found."""


def agrees(cls: type[Layer]) -> None:
    text = parse_docstring(cls).example
    layer = compile_example(read_example(text)).graph.layers[-1]
    (node,) = layer.nodes
    assert isinstance(layer.layer, Layer)
    call = {n: replace_tensors(value, lambda x: x.type) for n, value in node.call.items()}
    assert_layer_agrees(layer.layer, [x.type for x in node.inputs], call)


# ---------------------------------------------------------------------- what it finds


class Shift(Layer):
    """Sound: a learned number for each feature, added `times` times."""

    times: float = arg(Float(), default=1.0)
    start: int = arg(Int(), default=0)
    fixed: bool = arg(BOOL, default=False)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def weights(self, x: TensorType) -> Weights:
        return (Weight("shift", tuple(n for n in x.shape if isinstance(n, int)), not self.fixed),)

    def keras_layer(self) -> Any:
        return keras_shift()


def keras_shift(**changes: Any) -> Any:
    import keras

    class Shift(keras.layers.Layer):
        def __init__(
            self, times: float = 1.0, start: int = 0, fixed: bool = False, **common: Any
        ) -> None:
            super().__init__(**common)
            self.times, self.start, self.fixed = times, start, fixed

        def build(self, shape: Any) -> None:
            self.shift = self.add_weight(
                name="shift", shape=shape[1:], initializer="zeros", trainable=not self.fixed
            )

        def call(self, inputs: Any) -> Any:
            return (inputs + self.shift) * self.times + self.start

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

        def get_config(self) -> dict[str, Any]:
            own = {"times": self.times, "start": self.start, "fixed": self.fixed}
            return {**super().get_config(), **own}

    for name, value in changes.items():
        setattr(Shift, name, value)
    return Shift


@pytest.mark.parametrize("x", ["float32[4]", "float16[3, 4]"])
@pytest.mark.parametrize("given", [{}, {"times": 2.0, "fixed": True}, {"trainable": False}])
def test_a_sound_layer(x: str, given: dict[str, Any]) -> None:
    assert_layer_agrees(Shift(**given), [x])


class OtherShape(Shift):
    def infer(self, x: TensorType) -> TensorType:
        return x.with_shape(*x.shape, 1)


class OtherDtype(Shift):
    def infer(self, x: TensorType) -> TensorType:
        return x._replace(dtype="int32")


class OtherName(Shift):
    def weights(self, x: TensorType) -> Weights:
        return (Weight("offset", (4,)),)


class OtherSize(Shift):
    def weights(self, x: TensorType) -> Weights:
        return (Weight("shift", (5,)),)


class NotTrainable(Shift):
    def weights(self, x: TensorType) -> Weights:
        return (Weight("shift", (4,), trainable=False),)


class OneMore(Shift):
    def weights(self, x: TensorType) -> Weights:
        return (*super().weights(x), Weight("bias", (4,)))


class OtherDefault(Shift):
    start: int = arg(Int(), default=1)


class NoSuchArgument(Shift):
    ending: int = arg(Int(), default=0)


class WithoutConfig(Shift):
    def keras_layer(self) -> Any:
        def get_config(made: Any) -> dict[str, Any]:
            return {"name": made.name, "start": 5}

        return keras_shift(get_config=get_config)


class WithWrongConfig(Shift):
    def keras_layer(self) -> Any:
        def get_config(made: Any) -> dict[str, Any]:
            return {"name": made.name, "ending": 5}

        return keras_shift(get_config=get_config)


class OtherShapeInTraining(Shift):
    def keras_layer(self) -> Any:
        def call(made: Any, inputs: Any, training: bool = False) -> Any:
            return inputs[..., :2] if training is True else inputs + made.shift

        return keras_shift(call=call)


class WithoutShape(Shift):
    def keras_layer(self) -> Any:
        import keras

        return keras_shift(compute_output_shape=keras.layers.Layer.compute_output_shape)


class WithWrongShape(Shift):
    def keras_layer(self) -> Any:
        return keras_shift(compute_output_shape=lambda made, shape: (*shape, made.start))


@pytest.mark.parametrize(
    ("cls", "messages"),
    [
        (OtherShape, ["outputs: specc says ['float32[4, 1]'], Keras ['float32[4]']"]),
        (OtherDtype, ["outputs: specc says ['int32[4]'], Keras ['float32[4]']"]),
        (OtherName, ["weights: specc says [('offset', (4,), True, 'float32')]"]),
        (OtherSize, ["weights: ", "number of parameters: specc says 5, Keras 4"]),
        (NotTrainable, ["weights: specc says [('shift', (4,), False, 'float32')]"]),
        (OneMore, ["weights: ", "number of parameters: specc says 8, Keras 4"]),
        (OtherDefault, ["argument start: the default is 1, Keras's 0"]),
        (NoSuchArgument, ["argument ending: Keras's class has none of this name"]),
        (WithoutConfig, ["comes back from its configuration computes something else"]),
        (WithWrongConfig, ["the Keras layer does not come back from its configuration: "]),
        (WithWrongShape, ["compute_output_shape: specc says (None, 4), Keras (None, 4, 0)"]),
        (WithoutShape, ["has no `compute_output_shape`"]),
        (OtherShapeInTraining, ["outputs of a run with training=True: specc says"]),
    ],
)
def test_what_differs_is_told(cls: type[Layer], messages: list[str]) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_layer_agrees(cls(), ["float32[4]"])
    assert all(message in str(caught.value) for message in messages), caught.value
    assert str(caught.value).count("\n- ") >= len(messages)


def test_refusals() -> None:
    assert_layer_refuses(lambda: Dense(units=3), ["float32[]"])
    assert_layer_refuses(lambda: Dense(units=3), ["float32[None]"])
    with pytest.raises(AssertionError, match=r"takes float32\[4\], and should not"):
        assert_layer_refuses(lambda: Dense(units=3), ["float32[4]"])


def test_types() -> None:
    assert tensor_type("float32[28, None, time]") == TensorType("float32", (28, None, "time"))
    assert tensor_type("string[]") == TensorType("string", ())
    for text in ("float[3]", "float32", "float32[3] and more"):
        with pytest.raises(ValueError, match="is no type"):
            tensor_type(text)


# ------------------------------------------------------------------ what authors import


def test_the_public_names_are_there() -> None:
    assert len(set(api.__all__)) == len(api.__all__)
    for name in api.__all__:
        assert getattr(api, name) is not None
    public = {n for n in vars(api) if not n.startswith("_")}
    assert public == set(api.__all__)


def test_the_example_package_needs_nothing_else(repository: Path) -> None:
    """Of specc it imports what is public, and the layers of the catalogue that it is made of."""
    package = repository / "examples" / "specc-squeeze-excite"
    modules: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules.add(node.module or "")
            elif isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
    of_specc = {module for module in modules if module.split(".")[0] == "specc"}
    catalogue = {"specc.layers.core", "specc.layers.activations"}
    assert of_specc == {"specc", "specc.layers.api", "specc.testing", *catalogue}
