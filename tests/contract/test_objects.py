"""Objects, cells and wrappers against Keras, where `test_layers.py` does not look by itself."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import pytest

from specc import objects
from specc.backends.keras_objects import keras_value
from specc.diagnostics.place import Refused
from specc.layers import names
from specc.layers.arguments import ACTIVATION
from specc.layers.cells import GRUCell, LSTMCell, StackedRNNCells
from specc.layers.recurrent import GRU, LSTM, RNN
from specc.layers.sequence import Cell, Handing
from specc.layers.wrappers import Bidirectional
from specc.types import TensorType

from .oracle import to_keras
from .strategies import BATCH, STRATEGIES, layer_class

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("category", objects.IN_MODELS)
def test_names_of_objects(category: str) -> None:
    module = getattr(keras, f"{category}s")
    base = getattr(module, category.capitalize())
    theirs = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    refused = {name for name, (of, _) in objects.REFUSED.items() if of == category}
    assert refused <= set(theirs)
    theirs = {name: cls for name, cls in theirs.items() if name not in refused}
    ours = {name: objects.find_object(category, name) for name in objects.object_names(category)}
    assert {name: cls.__name__ for name, cls in ours.items() if cls} == {
        name: cls.__name__ for name, cls in theirs.items()
    }
    assert objects.find_object(category, "Nonsense") is None


OBJECTS = [
    (category, name) for category in objects.IN_MODELS for name in objects.object_names(category)
]


@pytest.mark.parametrize(("category", "name"), OBJECTS, ids=lambda part: part)
def test_signature_of_objects(category: str, name: str) -> None:
    cls = objects.find_object(category, name)
    assert cls is not None
    theirs = getattr(getattr(keras, f"{category}s"), name)
    parameters = inspect.signature(theirs).parameters.values()
    assert [(a.name, a.default) for a in cls.signature.values()] == [
        (p.name, p.default) for p in parameters
    ]
    for argument in cls.signature.values():
        assert argument.kind.accepts(argument.default)
        assert type(argument.kind) in STRATEGIES


@pytest.mark.parametrize("name", names.ACTIVATION_LAYERS)
def test_activation_layers_have_no_weights(name: str) -> None:
    cls = layer_class(name)
    required: dict[str, Any] = {a.name: "relu" for a in cls.signature.values() if a.required}
    layer = cls(**required)
    assert layer.is_a("activation")
    assert layer.variables([TensorType("float32", (3, 4))]) == ()
    assert ACTIVATION.accepts(layer)
    assert not ACTIVATION.accepts(layer_class("PReLU")())


STACK = (LSTMCell(units=3), GRUCell(units=2))


@pytest.mark.parametrize(
    "layer",
    [
        RNN(cell=LSTMCell(units=3), return_state=True),
        RNN(cell=STACK, return_state=True),
        Bidirectional(layer=GRU(units=3, return_state=True)),
        Bidirectional(layer=LSTM(units=3, return_state=True), merge_mode=None),
        Bidirectional(layer=RNN(cell=STACK, return_state=True)),
        StackedRNNCells(cells=STACK),
        LSTMCell(units=3),
    ],
    ids=repr,
)
def test_states_in_a_call(layer: Handing) -> None:
    """In a functional model, where Keras traces the loops."""
    x = TensorType("float32", (2,) if isinstance(layer, Cell) else (4, 2))
    call: dict[str, Any] = {layer.states_argument: layer.state_types}
    expected = layer.apply([x], call)
    layer.check_call([x], **call)
    states = [keras.Input(state.shape) for state in layer.state_types]
    inputs = keras.Input(x.shape)
    outputs = to_keras(keras, layer)(
        inputs, **layer.keras_call({layer.states_argument: list(states)})
    )
    model: Any = keras.Model([inputs, *states], keras.tree.flatten(outputs))
    zeros = [np.zeros((BATCH, *i.shape[1:]), "float32") for i in model.inputs]
    found = model.predict(zeros, verbose=0)
    assert [array.shape for array in found] == [(BATCH, *t.shape) for t in expected]
    with pytest.raises(Refused):
        layer.check_call([x], **{layer.states_argument: layer.state_types[1:]})


@pytest.mark.parametrize("given", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}], ids=str)
def test_dropout_of_a_cell_needs_an_rnn(given: dict[str, Any]) -> None:
    cell = GRUCell(units=3, **given)
    RNN(cell=cell).apply([TensorType("float32", (4, 2))])
    with pytest.raises(Refused):
        cell.check_call([TensorType("float32", (2,))], states=cell.state_types)


def test_names_of_inner_weights() -> None:
    layer = Bidirectional(layer=RNN(cell=STACK))
    found = [weight.name for weight in layer.variables([TensorType("float32", (4, 2))])]
    assert found[:3] == [f"forward/cell_0/{n}" for n in ("kernel", "recurrent_kernel", "bias")]
    assert found[-1] == "backward/cell_1/bias"
    assert len(set(found)) == len(found) == 12


@pytest.mark.parametrize("shape", [(2,), (3,), (3, 2), (2, 2), (2, 3), (1,), ()], ids=str)
@pytest.mark.parametrize(
    "value",
    [0.5, (1, 2), (1,), ((1, 2),), ((1, 2), (3, 4)), ((1,), (2,)), ((1, 2, 3), (4, 5, 6))],
    ids=str,
)
def test_constant_of_numbers(value: Any, shape: tuple[int, ...]) -> None:
    """`Constant` fits where Keras makes a weight of the right shape."""
    cls = objects.find_object("initializer", "Constant")
    assert cls is not None
    assert cls.signature["value"].kind.accepts(value)
    ours = cls(value=value)
    try:
        made = np.array(keras_value(keras, ours)(shape))
    except Exception:
        assert not ours.works_on(shape)
        return
    assert ours.works_on(shape) == (made.shape == shape)
    if made.shape == shape:
        assert np.array_equal(made, np.broadcast_to(value, shape))


@pytest.mark.parametrize(
    "value", [(), ((),), (1, (2,)), ((1, 2), (3,)), "a", ("a",), None, (True,)]
)
def test_constant_of_no_numbers(value: Any) -> None:
    cls = objects.find_object("initializer", "Constant")
    assert cls is not None
    assert not cls.signature["value"].kind.accepts(value)
