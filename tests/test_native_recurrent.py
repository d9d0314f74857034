"""Recurrent layers, exported natively: operators of ONNX, else a Scan."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from native_models import exported, operators, sound

import specc
from specc.layers.gates import LSTMGates
from specc.layers.recurrence import OPERATOR_ACTIVATIONS, Unmasked

pytestmark = pytest.mark.usefixtures("keras_backend")


def stack(body: str, inputs: str = "input x: float32[3, 2]") -> onnx.ModelProto:
    lines = "".join(f"    {line}\n" for line in f"{inputs}\n{body}".splitlines())
    return sound(f"model m {{\n{lines}}}\n")


def attributes(model: onnx.ModelProto, operator: str) -> dict[str, Any]:
    (node,) = [node for node in model.graph.node if node.op_type == operator]
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("LSTM(4)", ["Transpose", "LSTM", "Squeeze"]),
        ("LSTM(4, use_bias=False)", ["Transpose", "LSTM", "Squeeze"]),
        ("GRU(4)", ["Transpose", "GRU", "Squeeze"]),
        ("GRU(4, reset_after=False)", ["Transpose", "GRU", "Squeeze"]),
        ("SimpleRNN(4)", ["Transpose", "RNN", "Squeeze"]),
        ("RNN(GRUCell(4))", ["Transpose", "GRU", "Squeeze"]),
        ("LSTM(4, return_sequences=True)", ["Transpose", "LSTM", "Squeeze", "Transpose"]),
        ("LSTM(4, go_backwards=True)", ["Transpose", "LSTM", "Squeeze"]),
        (
            "GRU(4, go_backwards=True, return_sequences=True)",
            ["Transpose", "GRU", "Squeeze", "Slice", "Transpose"],
        ),
        (
            "RNN([LSTMCell(4), GRUCell(5)], return_sequences=True)",
            ["Transpose", "LSTM", "Squeeze", "GRU", "Squeeze", "Transpose"],
        ),
        ("Bidirectional(LSTM(4))", ["Transpose", "LSTM", "Transpose", "Reshape"]),
        (
            "Bidirectional(GRU(4, return_sequences=True))",
            ["Transpose", "GRU", "Transpose", "Reshape"],
        ),
    ],
)
def test_operators_of_onnx(layer: str, expected: list[str]) -> None:
    assert operators(stack(layer)) == expected


@pytest.mark.parametrize("sequences", [True, False])
def test_both_directions_are_one_operator(sequences: bool) -> None:
    layer = f"LSTM(4, return_sequences={sequences})"
    modes = ("concat", "sum", "mul", "ave")
    lines = [f'{mode} = x -> Bidirectional({layer}, merge_mode="{mode}")' for mode in modes]
    states = f"LSTM(4, return_sequences={sequences}, return_state=True)"
    lines.append(f"y1, y2, h1, c1, h2, c2 = x -> Bidirectional({states}, merge_mode=None)")
    model = stack("\n".join([*lines, "output concat, sum, mul, ave, y1, y2, h1, c1, h2, c2"]))
    assert operators(model).count("LSTM") == 5


def test_directions_that_differ_are_two() -> None:
    model = stack("Bidirectional(LSTM(4), backward_layer=GRU(4, go_backwards=True))")
    assert {"LSTM", "GRU"} <= set(operators(model))
    assert attributes(model, "GRU")["direction"] == b"reverse"


def test_activations_of_the_operators() -> None:
    given = 'activation="{0}", recurrent_activation="{0}"'
    lines = [
        f"{name}_1 = x -> Bidirectional(LSTM(4, {given.format(name)}))"
        for name in OPERATOR_ACTIVATIONS
    ]
    outputs = ", ".join(f"{name}_1" for name in OPERATOR_ACTIVATIONS)
    model = stack("\n".join([*lines, f"output {outputs}"]), "input x: float32[2, 2]")
    assert operators(model).count("LSTM") == len(OPERATOR_ACTIVATIONS)


@pytest.mark.parametrize(
    "layer",
    [
        'LSTM(4, activation="gelu", return_sequences=True)',
        'GRU(4, recurrent_activation="softmax", go_backwards=True, return_sequences=True)',
        'GRU(4, activation="silu", reset_after=False)',
        'RNN([LSTMCell(4), SimpleRNNCell(3, activation="mish")])',
        'Bidirectional(SimpleRNN(4, activation="swish", return_sequences=True))',
        'LSTM(4, dtype="float64")',
    ],
)
def test_other_cells_are_a_scan(layer: str) -> None:
    assert operators(stack(layer)).count("Scan") == (2 if layer.startswith("Bi") else 1)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize(
    ("zero", "backwards", "sequences"),
    [(False, False, True), (False, True, True), (True, True, True), (True, False, False)],
)
def test_masks(activation: str, zero: bool, backwards: bool, sequences: bool) -> None:
    """Any steps may be masked, all of them too; what was before the first one is not the state."""
    arguments = (
        f'activation="{activation}", zero_output_for_mask={zero}, go_backwards={backwards}, '
        f"return_sequences={sequences}, return_state=True"
    )
    model = stack(
        f"y, h2, c2 = x -> LSTM(4, {arguments})(mask=m, initial_state=[h, c])\noutput y, h2, c2",
        "input x: float32[3, 2]\ninput m: bool[3]\ninput h: float32[4]\ninput c: float32[4]",
    )
    assert ("LSTM" in operators(model)) == (activation == "tanh")


@pytest.mark.parametrize("sequences", [True, False])
def test_masks_of_both_directions(sequences: bool) -> None:
    layers = f"GRU(4, return_sequences={sequences}), merge_mode=None"
    model = stack(
        f"y, z = x -> Bidirectional({layers})(mask=m)\noutput y, z",
        "input x: float32[4, 2]\ninput m: bool[4]",
    )
    assert attributes(model, "GRU")["direction"] == b"bidirectional"


@pytest.mark.parametrize(
    "layer",
    [
        'ConvLSTM1D(2, 3, padding="same", return_sequences=True)',
        'Bidirectional(ConvLSTM1D(2, 2, return_sequences=True, recurrent_activation="softmax"))',
        "ConvLSTM1D(2, 2, strides=2, go_backwards=True)",
    ],
)
def test_convolutions_over_time(layer: str) -> None:
    model = stack(f"x -> {layer}(mask=m)", "input x: float32[3, 5, 2]\ninput m: bool[3]")
    (body, *_) = [
        onnx.helper.get_attribute_value(a)
        for node in model.graph.node
        if node.op_type == "Scan"
        for a in node.attribute
        if a.name == "body"
    ]
    # The input is convolved for all steps at once.
    assert [node.op_type for node in body.node].count("Conv") == 1


def test_an_encoder_hands_its_states_to_a_decoder() -> None:
    model = sound("""
model seq2seq {
    input source: float32[source_time, 7]
    input target: float32[target_time, 9]

    _, h, c = source -> LSTM(6, return_state=True)
    decoded = target -> LSTM(6, return_sequences=True)(initial_state=[h, c])
    decoded -> TimeDistributed(Dense(9, activation="softmax"))
}
""")
    assert operators(model).count("LSTM") == 2


def test_a_model_for_each_step() -> None:
    sound("""
model spelling {
    input characters: int32[6]

    Embedding(10, 5)
    Bidirectional(LSTM(3))
}

model tagger {
    input characters: int32[3, 6]

    TimeDistributed(spelling)
    GRU(4)
}
""")


@pytest.mark.parametrize("steps", ["3", "None"])
@pytest.mark.parametrize(
    "layer",
    [
        "UnitNormalization(axis=0)",
        "Softmax(axis=(0, 1))",
        "TimeDistributed(UnitNormalization(axis=0))",
    ],
)
def test_steps_whose_samples_are_mixed(steps: str, layer: str) -> None:
    """Each step's batch by itself; that of all steps together would be one of more samples."""
    model = specc.compile_text(
        f"model m {{\n    input x: float32[{steps}, 4, 2]\n\n    TimeDistributed({layer})\n}}\n"
    ).models[-1]
    _, made, report = exported(model)
    assert report.ok, report.diagnostics
    assert operators(made.model) == ["Scan"]


def test_cells_by_themselves() -> None:
    model = stack(
        "a, h1, c1 = x -> LSTMCell(4)(states=[h, c])\n"
        "b, h2 = a -> GRUCell(4, reset_after=False)(states=h1)\n"
        "output b, h2, c1",
        "input x: float32[3]\ninput h: float32[4]\ninput c: float32[4]",
    )
    assert "Scan" not in operators(model)


FAULTS: dict[str, tuple[Any, str, Any]] = {
    "gates swapped": (LSTMGates, "gate_order", (0, 3, 2, 1)),
    "gates in Keras's order": (LSTMGates, "gate_order", (0, 1, 2, 3)),
    "activations swapped": (
        LSTMGates,
        "operator_activations",
        property(lambda _: ["tanh", "sigmoid", "tanh"]),
    ),
    "masked steps not moved": (Unmasked, "moved", lambda _, x: x),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    model = specc.compile_text("""
model m {
    input x: float32[5, 3]
    input m: bool[5]

    x -> LSTM(4)(mask=m)
}
""").model()
    _, _, report = exported(model)
    assert not report.ok
