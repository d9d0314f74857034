"""`specc export --precision`: float16 and bfloat16, their graphs, files, verification, refusals."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from conftest import Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from native_models import operators

import specc
from specc.backends.adopt import adopt
from specc.backends.export import Exported, Exporter, current_weights, origin_of
from specc.backends.keras_model import BuiltModel
from specc.backends.native.min_cut import divide
from specc.backends.native.precision import Precision, lower_precision
from specc.backends.native.widened import widened
from specc.backends.runtime import open_session
from specc.cli.main import main
from specc.verification import inputs as inputs_module
from specc.verification.report import Report
from specc.verification.verify import verify_onnx

REPOSITORY = Path(__file__).parent.parent
SPECS = REPOSITORY / "specs"

pytestmark = pytest.mark.usefixtures("keras_backend")


@pytest.fixture(autouse=True)
def one_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two alone, but for one model: it takes a third of the time."""
    if "test_shipped_specs[bn_after" not in request.node.name:
        monkeypatch.setattr(inputs_module, "BATCH_SIZES", (2,))


TYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(ml_dtypes.bfloat16)}
NUMBERS = {"float16": onnx.TensorProto.FLOAT16, "bfloat16": onnx.TensorProto.BFLOAT16}

Array = np.ndarray[Any, Any]


class Subject(NamedTuple):
    built: BuiltModel
    exporter: Exporter
    made: Exported

    @property
    def file(self) -> onnx.ModelProto:
        return self.made.model

    def verify(self, file: onnx.ModelProto | None = None) -> Report:
        return verify_onnx(
            self.built.graph,
            self.built.keras_model,
            file or self.file,
            provider="cpu",
            exporter=self.exporter,
            built=self.built,
        )


def lowered(model: specc.Model, to: str, io: str = "float32", opset: int = 18) -> Subject:
    built = adopt(model.graph, model.to_keras(seed=0))
    exporter = Exporter(built, model.source, opset, precision=Precision(to, io))
    made = exporter.export(current_weights(built))
    made.check()
    onnx.checker.check_model(made.model, full_check=True)
    return Subject(built, exporter, made)


SMALL = """\
model small {
    input x: float32[6]

    Dense(5, activation="elu")
    BatchNormalization
    Dense(4, activation="elu")
    Dense(3, activation="softmax")
}
"""


@cache
def small(to: str, io: str = "float32") -> Subject:
    return lowered(specc.compile_text(SMALL).model(), to, io)


@cache
def shipped(name: str, to: str, io: str = "float32") -> Subject:
    return lowered(specc.compile(SPECS / f"{name}.spec").model(), to, io)


def sound(text: str, to: str, io: str = "float32", opset: int = 18) -> Subject:
    subject = lowered(specc.compile_text(text).models[-1], to, io, opset)
    report = subject.verify()
    assert report.ok, report.diagnostics
    assert report.lower is not None
    assert report.lower.outcome.runs
    return subject


def initializers(model: onnx.ModelProto) -> dict[str, Array]:
    return {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}


# ------------------------------------------------------------------------ shipped specs


@pytest.mark.parametrize("to", TYPES)
@pytest.mark.parametrize("name", ["bn_after", "convnet", "wide_and_deep"])
def test_shipped_specs(name: str, to: str) -> None:
    subject = shipped(name, to)
    report = subject.verify()
    assert report.ok, report.diagnostics
    low = report.lower
    assert low is not None
    assert low.outcome.ran == (to == "float16")
    assert low.outcome.rounded
    assert low.outcome.beyond == 0
    assert len(low.outcome.runs) == len(report.runs)
    # Rounding is seen, and is not float32's.
    assert max(run.max_abs_error for run in low.outcome.runs) > 100 * report.max_abs_error
    # Half of the weights' bytes; what is float32 is said.
    exact, small = (sum(t.nbytes for t in e.tensors) for e in (subject.made.exact, subject.made))
    assert small == exact / 2
    assert report.params.closes


@pytest.mark.parametrize("to", TYPES)
def test_weights_are_keras_weights_rounded(to: str) -> None:
    """By NumPy and ml_dtypes, not by what the exporter rounds with."""
    subject = shipped("wide_and_deep", to)
    found = initializers(subject.file)
    for variable, array in zip(
        subject.exporter.variables, current_weights(subject.built), strict=True
    ):
        have = found[variable.path]
        assert have.dtype == TYPES[to]
        assert have.tobytes() == array.astype(TYPES[to]).tobytes()


def test_the_graphs(golden: Golden) -> None:
    """Which nodes are of which type, and where the Casts are."""
    lines: list[str] = []
    for name, to, io in [
        ("bn_after", "float16", "float32"),
        ("bn_after", "bfloat16", "same"),
        ("convnet", "float16", "same"),
        ("sentiment", "float16", "float32"),
    ]:
        lines.append(f"{name}, {to}, inputs and outputs {io}")
        file = shipped(name, to, io).file
        types = {v.name: v.type.tensor_type.elem_type for v in
                 (*file.graph.value_info, *file.graph.input, *file.graph.output)}  # fmt: skip
        for node in file.graph.node:
            kinds = [onnx.TensorProto.DataType.Name(types[n]).lower() for n in node.output if n]
            lines.append(f"    {node.op_type:<20} {', '.join(kinds)}")
    golden("precision_graphs.txt", "\n".join(lines) + "\n")


def test_the_same_bytes() -> None:
    subject = shipped("convnet", "float16")
    again = subject.exporter.export(current_weights(subject.built)).model
    assert again.SerializeToString() == subject.file.SerializeToString()


# ------------------------------------------------------------------------ kinds of layers

LAYERS = {
    "lstm": "input x: float32[6, 4]\nLSTM(8, return_sequences=True)\nDense(3)\nGRU(5)\nDense(2)",
    "a loop of its own": 'input x: float32[5, 3]\nGRU(4, return_sequences=True)\n'
    'SimpleRNN(4, activation="gelu", return_sequences=True)\nDense(2)',
    "attention": "input x: float32[6, 8]\n"
    "x -> MultiHeadAttention(2, 4)(value=x) -> LayerNormalization",
    "embedding": "input words: int32[7]\nEmbedding(50, 6, mask_zero=True)\nLSTM(4)\nDense(2)",
    "masking": "input x: float32[5, 3]\nMasking(mask_value=0.0)\nGRU(4)\nDense(2)",
    "convolutions": "input x: float32[9, 9, 3]\nSeparableConv2D(4, 3)\nBatchNormalization\n"
    "ReLU(max_value=6.0)\nConv2DTranspose(3, 3, strides=2)\nUpSampling2D(2)\nAveragePooling2D(2)",
    "normalizations": "input x: float32[6, 8]\nLayerNormalization\nGroupNormalization(groups=2)\n"
    "UnitNormalization\nDense(3)",
    "activations": 'input x: float32[6]\nDense(5, activation="gelu")\nDense(5, activation="mish")\n'
    'Dense(5, activation="softplus")\nDense(5, activation="swish")\nSoftmax',
    "sums": "input x: float32[4, 6]\nGlobalAveragePooling1D\nDense(3)\nRescaling(1 / 255)\n"
    "Dense(2)",
}  # fmt: skip


@pytest.mark.parametrize("to", TYPES)
@pytest.mark.parametrize("kind", LAYERS)
def test_layers(kind: str, to: str) -> None:
    lines = "".join(f"    {line}\n" for line in LAYERS[kind].splitlines())
    io = "same" if kind in ("lstm", "convolutions", "sums") else "float32"
    subject = sound(f"model m {{\n{lines}}}\n", to, io)
    low = NUMBERS[to]
    for value in (*subject.file.graph.input, *subject.file.graph.output):
        kinds = {onnx.TensorProto.INT32, low if io == "same" else onnx.TensorProto.FLOAT}
        assert value.type.tensor_type.elem_type in kinds
    assert no_cast_meets_a_cast(subject.file.graph)


def no_cast_meets_a_cast(graph: onnx.GraphProto) -> bool:
    makers = {name: node for node in graph.node for name in node.output}
    casts = [node for node in graph.node if node.op_type == "Cast"]
    pairs = [(makers[node.input[0]], node) for node in casts if node.input[0] in makers]
    return not any(
        before.op_type == "Cast" and "/to_" in before.name + behind.name for before, behind in pairs
    )


def test_convolutions_of_bfloat16_came_with_opset_22() -> None:
    text = "model m {\n    input x: float32[8, 8, 2]\n\n    Conv2D(4, 3)\n    Dense(2)\n}\n"
    kept: dict[int, int] = {}
    for opset in (18, 22):
        subject = sound(text, "bfloat16", opset=opset)
        assert subject.made.lowered is not None
        kept[opset] = subject.made.lowered.kept.get("Conv", 0)
        # Stored in it is the weight of either.
        assert initializers(subject.file)["conv2d/kernel"].dtype == TYPES["bfloat16"]
    assert kept == {18: 1, 22: 0}
    text = text.replace("    Dense(2)\n", "")
    with pytest.raises(specc.UsageError) as refused:
        lowered(specc.compile_text(text).model(), "bfloat16")
    assert "`--opset 22`" in (refused.value.help or "")


def test_statistics_and_sums_stay_float32() -> None:
    text = """
model m {
    input x: float32[4, 6]

    UnitNormalization
    Dense(5, activation="softmax")
    GlobalAveragePooling1D
}
"""
    made = sound(text, "float16", "same").made.lowered
    assert made is not None
    assert {"Softmax", "GlobalAveragePool"} <= set(made.kept)
    assert any(name.startswith("Reduce") for name in made.kept)


# ------------------------------------------------------------------------------ range


def test_what_is_beyond_the_range_is_counted() -> None:
    """Large inputs overflow float16 in the product, and bfloat16 not at all."""
    text = """
model m {
    input x: float32[4]

    Dense(3, kernel_initializer=Constant(900.0))
    Dense(2, kernel_initializer=Constant(0.001))
}
"""
    reports = {to: lowered(specc.compile_text(text).model(), to).verify() for to in TYPES}
    for to, report in reports.items():
        assert report.ok, report.diagnostics
        low = report.lower
        assert low is not None
        outcome = low.outcome
        assert outcome.samples == 24
        assert (outcome.beyond > 0) == (to == "float16")
        if outcome.beyond:
            assert outcome.first_beyond == "with large inputs, batch 2"


def test_an_overflow_inside_of_a_layer_is_found() -> None:
    """Keras's layer gives small numbers, of large ones that are in the file."""
    text = """
model m {
    input x: float32[4]

    Dense(3, activation="tanh", kernel_initializer=Constant(500.0), bias_initializer="ones")
    Dense(2)
}
"""
    report = lowered(specc.compile_text(text).model(), "float16").verify()
    assert report.ok, report.diagnostics


def test_nothing_in_range_proves_nothing() -> None:
    text = """
model m {
    input x: float32[4]

    Dense(3)
    Dense(2, bias_initializer=Constant(90000.0))
}
"""
    report = lowered(specc.compile_text(text).model(), "float16", "same").verify()
    assert [d.code for d in report.diagnostics] == ["E0611"]


def test_weights_beyond_the_range_stay_float32() -> None:
    text = """
model m {
    input x: float32[4]

    Dense(3, kernel_initializer=Constant(100000.0), activation="relu")
    Rescaling(0.00001)
    Dense(2)
}
"""
    subject = sound(text, "float16", "same")
    made = subject.made.lowered
    assert made is not None
    assert made.beyond == {"dense/kernel": 12}
    found = {name: array.dtype for name, array in initializers(subject.file).items()}
    assert found["dense/kernel"] == np.float32
    assert found["dense_1/kernel"] == np.float16
    assert made.kept["Gemm"] == 1


# -------------------------------------------------------------------------- the pass


def parsed(inputs: str, outputs: str, *lines: str) -> onnx.ModelProto:
    text = f'<ir_version: 8, opset_import: ["": 18]>\ng ({inputs}) => ({outputs}) {{\n'
    model = onnx.parser.parse_model(text + "\n".join(lines) + "\n}")
    onnx.checker.check_model(model, full_check=True)
    return model


def lowers(model: onnx.ModelProto, io: str = "same", to: str = "float16") -> onnx.ModelProto:
    made = lower_precision(model, [], Precision(to, io)).skeleton
    onnx.checker.check_model(made, full_check=True)
    return made


@pytest.mark.parametrize(
    ("lines", "io", "casts"),
    [
        (["y = Relu(x)"], "same", 0),
        # Nothing to gain between inputs and outputs of float32.
        (["y = Relu(x)"], "float32", 0),
        (["a = MatMul(x, x)", "y = Relu(a)"], "float32", 2),
        # A chain of sums is one island, and what stands between two is with them.
        (["a = Exp(x)", "b = Relu(a)", "c = Exp(b)", "y = MatMul(c, x)"], "same", 2),
        # One value, read twice in the other type, is cast once.
        (["a = MatMul(x, x)", "b = Exp(a)", "c = Log(a)", "y = MatMul(b, c)"], "same", 3),
        # A Cast of the model's own becomes none, or goes to the lower type at once.
        (["a = Cast<to = 7>(x)", "b = Cast<to = 1>(a)", "y = MatMul(b, x)"], "same", 3),
    ],
)
def test_casts(lines: list[str], io: str, casts: int) -> None:
    made = lowers(parsed("float[2, 2] x", "float[2, 2] y", *lines), io)
    assert operators(made).count("Cast") == casts
    assert no_cast_meets_a_cast(made.graph) or "Cast<to = 7>" in "".join(lines)


def test_constants_that_float16_has_not_keep_float32() -> None:
    lines = ["c = Constant<value = float {1e-7}>()", "a = Add(x, c)", "y = MatMul(a, x)"]
    made = lowers(parsed("float[2, 2] x", "float[2, 2] y", *lines))
    types = {v.name: v.type.tensor_type.elem_type for v in made.graph.value_info}
    assert types["a"] == onnx.TensorProto.FLOAT
    lines[0] = "c = Constant<value = float {0.5}>()"
    made = lowers(parsed("float[2, 2] x", "float[2, 2] y", *lines))
    assert operators(made).count("Cast") == 0


def run(model: onnx.ModelProto, **inputs: Array) -> list[Array]:
    return list(open_session(model.SerializeToString(), "cpu").run(inputs).values())


THEN = "then () => (float[2, 2] t) { a = MatMul(x, x) t = Relu(a) }"
OTHER = "other () => (float[2, 2] e) { e = Exp(x) }"
BRANCHES = [f"y = If(c) <then_branch = {THEN}, else_branch = {OTHER}>"]
STEP = "body (int64 i, bool d, float[2, 2] u) => (bool go, float[2, 2] v)"
LOOP = [
    "n = Constant<value = int64 {3}>()",
    "k = Constant<value = bool {1}>()",
    "m = MatMul(x, x)",
    f"s = Loop(n, k, x) <body = {STEP} {{ go = Identity(d) h = Mul(u, m) v = Tanh(h) }}>",
    "y = MatMul(s, x)",
]
ITEM = "body (float[2] u, float[2] i) => (float[2] v, float[2] o)"
DONE = "{ w = Add(u, i) v = Tanh(w) o = Relu(w) }"
SCAN = [
    "z = MatMul(x, x)",
    f"s, q = Scan<num_scan_inputs = 1, body = {ITEM} {DONE}>(f, z)",
    "y = MatMul(q, x)",
]


@pytest.mark.parametrize("io", ["same", "float32"])
@pytest.mark.parametrize(
    ("inputs", "lines"),
    [
        ("float[2, 2] x, bool c", BRANCHES),
        ("float[2, 2] x", LOOP),
        ("float[2, 2] x, float[2] f", SCAN),
    ],
    ids=["if", "loop", "scan"],
)
def test_bodies(inputs: str, lines: list[str], io: str) -> None:
    model = parsed(inputs, "float[2, 2] y", *lines)
    made = lowers(model, io)
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (2, 2)).astype(np.float32)
    given: dict[str, Array] = {"x": x}
    if "f" in inputs.split():
        given["f"] = np.ones(2, np.float32)
    for chosen in (True, False) if "bool c" in inputs else (None,):
        own = {**given, **({} if chosen is None else {"c": np.array(chosen)})}
        (want,) = run(model, **own)
        dtype = np.float16 if io == "same" else np.float32
        low = {n: a.astype(dtype) if a.dtype == np.float32 else a for n, a in own.items()}
        (have,) = run(made, **low)
        assert have.dtype == dtype
        np.testing.assert_allclose(want, have.astype(np.float32), rtol=0.01, atol=0.005)
    assert operators(widened(made, ir.DataType.FLOAT16)) == operators(made)


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0)])
def test_onnxruntime_is_not_given_what_it_crashes_at(order: tuple[int, ...]) -> None:
    """onnxruntime 1.26 ends the process where such a transposition of float16 is multiplied."""
    sizes = [4, 3, 5]
    inner = sizes[order[2]]
    model = parsed(
        "float[4, 3, 5] x",
        "float[a, b, 2] y",
        f"w = Constant<value = float[{inner}, 2] {{{', '.join(['0.5'] * 2 * inner)}}}>()",
        f"t = Transpose<perm = {list(order)}>(x)",
        "y = MatMul(t, w)",
    )
    made = lowers(model)
    x = np.random.default_rng(0).standard_normal(sizes).astype(np.float16)
    (want,), (have,) = run(model, x=x.astype(np.float32)), run(made, x=x)
    np.testing.assert_allclose(want, have.astype(np.float32), rtol=0.01, atol=0.01)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_cut_is_the_least(data: st.DataObject) -> None:
    """Against every way to divide up to seven things."""
    count = data.draw(st.integers(1, 7))
    things = st.integers(0, count - 1)
    groups = data.draw(
        st.lists(st.tuples(st.lists(things, min_size=1, max_size=4), st.integers(1, 3)), max_size=8)
    )
    sides = data.draw(st.lists(st.sampled_from("nf."), min_size=count, max_size=count))
    near, far = ([i for i, side in enumerate(sides) if side == s] for s in "nf")

    def cost(chosen: set[int]) -> int:
        return sum(
            price for group, price in groups if 0 < len(chosen & set(group)) < len(set(group))
        )

    free = [i for i, side in enumerate(sides) if side == "."]
    every = [
        {*near, *picked} for size in range(len(free) + 1)
        for picked in itertools.combinations(free, size)
    ]  # fmt: skip
    least = min(map(cost, every))
    found = divide(count, groups, near, far)
    assert set(near) <= found
    assert found.isdisjoint(far)
    assert cost(found) == least
    assert len(found) == max(len(chosen) for chosen in every if cost(chosen) == least)


def test_rounding_in_the_twin_is_numpys() -> None:
    """What stands for bfloat16 on a CPU, against NumPy's bfloat16, node by node."""
    model = parsed(
        "float[3, 4] x", "float[3, 4] y", "a = Mul(x, x)", "b = Tanh(a)", "y = Add(b, x)"
    )
    twin = widened(lowers(model, "same", "bfloat16"), ir.DataType.BFLOAT16, rounding=True)
    low = TYPES["bfloat16"]
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(low).astype(np.float32)
    a = (x * x).astype(low).astype(np.float32)
    b = np.tanh(a).astype(low).astype(np.float32)
    (have,) = run(twin, x=x)
    assert np.array_equal(have, (b + x).astype(low).astype(np.float32))


# ---------------------------------------------------------------------------- faults


def change(model: onnx.ModelProto, name: str, how: Callable[[Array], Array]) -> onnx.ModelProto:
    spoiled = copy.deepcopy(model)
    (initializer,) = [i for i in spoiled.graph.initializer if i.name == name]
    array = how(onnx.numpy_helper.to_array(initializer).copy())
    initializer.raw_data = array.tobytes()
    return spoiled


def moved(ulps: int) -> Callable[[Array], Array]:
    """The largest number some units in the last place away."""

    def move(array: Array) -> Array:
        bits = array.view(np.int16).reshape(-1)
        bits[np.argmax(np.abs(array.astype(np.float32)))] += ulps
        return array

    return move


@pytest.mark.parametrize("to", TYPES)
@pytest.mark.parametrize(
    ("weight", "ulps", "found"),
    # One that is kept is the same to the last bit; one that is folded, within two units.
    [("dense_2/kernel", 1, ["E0602"]), ("dense_1/kernel", 2, []), ("dense_1/kernel", 3, ["E0602"])],
)
def test_a_weight_off_by_little(weight: str, ulps: int, found: list[str], to: str) -> None:
    subject = small(to)
    report = subject.verify(change(subject.file, weight, moved(ulps)))
    assert [d.code for d in report.diagnostics] == found
    assert all("1 of " in d.notes[0] for d in report.diagnostics)


@pytest.mark.parametrize("to", TYPES)
def test_a_constant_that_is_another_is_refused(to: str) -> None:
    text = (
        "model m {\n    input x: float32[4]\n\n    y = Dense(3)\n    y * 0.3 + 1.7 -> Dense(2)\n}\n"
    )
    text = text.replace("y = Dense(3)", "y = x -> Dense(3)")
    subject = sound(text, to)
    names = [
        n for n, a in initializers(subject.file).items() if a.dtype == TYPES[to] and not a.ndim
    ]
    assert names
    report = subject.verify(change(subject.file, names[0], lambda a: (a * 2).astype(a.dtype)))
    assert "E0613" in [d.code for d in report.diagnostics]


@pytest.mark.parametrize("to", TYPES)
def test_swapped_gates_are_refused(to: str) -> None:
    """By the outputs too, in float32: rounding alone would hide what small weights do."""
    text = "model m {\n    input x: float32[5, 3]\n\n    LSTM(4)\n    Dense(2)\n}\n"
    subject = lowered(specc.compile_text(text).model(), to)
    spoiled = copy.deepcopy(subject.file)
    (lstm,) = [node for node in spoiled.graph.node if node.op_type == "LSTM"]
    lstm.attribute.append(onnx.helper.make_attribute("activations", ["Tanh", "Tanh", "Tanh"]))
    report = subject.verify(spoiled)
    assert [d.code for d in report.diagnostics] == ["E0605"]


def test_a_file_that_rounds_too_much_is_refused() -> None:
    """A detour by numbers so small that float16 has few digits for them, and float32 all."""
    subject = small("float16", "same")
    spoiled = copy.deepcopy(subject.file)
    nodes = spoiled.graph.node
    (last,) = [node for node in nodes if node.op_type == "Softmax"]
    cast = next(node for node in nodes if last.input[0] in node.output)
    place = list(nodes).index(cast)
    for number, factor in enumerate((2.0**-10, 2.0**-10, 2.0**10, 2.0**10)):
        array = np.array(factor, np.float16)
        spoiled.graph.initializer.append(onnx.numpy_helper.from_array(array, f"f{number}"))
        taken, made = cast.input[0], f"detour{number}"
        nodes.insert(place + number, onnx.helper.make_node("Mul", [taken, f"f{number}"], [made]))
        info = onnx.helper.make_tensor_value_info(made, NUMBERS["float16"], ["batch", 3])
        spoiled.graph.value_info.append(info)
        cast.input[0] = made
    report = subject.verify(spoiled)
    assert [d.code for d in report.diagnostics] == ["E0612"]


# ------------------------------------------------------------------------- the command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.spec").write_text(SMALL)
    return tmp_path


def export(*words: str) -> int:
    return main(["export", "--onnx", "--provider", "cpu", *words])


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str], golden: Golden) -> None:
    assert folder.exists()
    assert export("small.spec", "--precision", "float16") == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = [line for line in said.out.splitlines() if "difference" not in line
             and "in float32 " not in line]  # fmt: skip
    golden("precision_report.txt", "\n".join(lines) + "\n")
    origin = origin_of(onnx.load("build/small.onnx"))
    assert origin.precision == Precision("float16", "float32")
    assert main(["verify", "small.spec", "--provider", "cpu", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["lower"]["to"] == "float16"
    assert report["lower"]["in_float32"] == {"Softmax": 1}
    assert len(report["lower"]["runs"]) == 12
    # With other weights it is another file.
    assert main(["verify", "small.spec", "--provider", "cpu", "--seed", "0"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("io", ["float32", "same"])
def test_accuracy(io: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a model that tells which of three numbers is the largest, and of one that is wrong."""
    text = """
model largest {
    input x: float32[3]

    Dense(3, kernel_initializer="identity", activation="softmax")
}
"""
    (folder / "largest.spec").write_text(
        text.replace('"identity"', "IdentityInitializer(gain=4.0)")
    )
    x = np.random.default_rng(0).standard_normal((90, 3)).astype(np.float32)
    labels = x.argmax(axis=1)
    labels[:9] = (labels[:9] + 1) % 3
    np.savez(folder / "s.npz", x=x, labels=labels)
    words = ["largest.spec", "--precision", "float16", "--io", io, "--evaluate", "s.npz"]
    assert export(*words) == 0
    assert "accuracy    90.00% in float32, 90.00% in float16" in capsys.readouterr().out
    assert export("largest.spec", "--evaluate", "s.npz") == 2
    assert "--evaluate is for files of fewer bits" in capsys.readouterr().err


def test_files_are_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    np.save(folder / "x.npy", x)
    assert export("small.spec", "-o", "exact") == 0
    want = specc.load("exact/small.onnx", provider="cpu").predict(x)
    for io, dtype in (("float32", np.float32), ("same", np.float16)):
        assert export("small.spec", "--precision", "float16", "--io", io) == 0
        predictor = specc.load("build/small.onnx", provider="cpu")
        assert [str(p.type.dtype) for p in predictor.inputs] == [np.dtype(dtype).name]
        have = predictor.predict(x)
        assert isinstance(have, np.ndarray)
        assert have.dtype == dtype
        assert isinstance(want, np.ndarray)
        assert np.allclose(want, have, atol=0.02)
        assert main(["run", "build/small.onnx", "-i", "x.npy", "--provider", "cpu"]) == 0
    words = ["bench", "build/small.onnx", "--provider", "cpu", "--seconds", "0.05"]
    assert main([*words, "--batch", "1", "--json"]) == 0
    capsys.readouterr()


def test_files_of_bfloat16_are_refused_where_there_are_no_kernels(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.exists()
    assert export("small.spec", "--precision", "bfloat16") == 0
    said = capsys.readouterr().out
    assert "not the file, as onnxruntime has no kernels for bfloat16 here" in said
    with pytest.raises(specc.UsageError, match="no kernels here") as refused:
        specc.load("build/small.onnx", provider="cpu")
    assert "--precision float16" in (refused.value.help or "")
    assert export("small.spec", "--precision", "bfloat16", "--io", "same") == 0
    with pytest.raises(specc.UsageError):
        specc.load("build/small.onnx", provider="cpu")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "message", "way_out"),
    [
        (["--io", "same"], "--io says what a file", "add `--precision float16`"),
        (["--precision", "float16", "--via", "tf2onnx"], "not for tf2onnx", "leave out `--via"),
        (["--precision", "float16", "--quantize", "int8"], "two ways", "one at a time"),
        (["--precision", "float8"], "invalid choice: 'float8'", "'float16', 'bfloat16'"),
    ],
)
def test_misuse(
    words: list[str], message: str, way_out: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("small.spec", *words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert way_out in said
    assert not (folder / "build").exists()


@pytest.mark.parametrize(
    "body",
    [
        "input x: int32[4]\n    x + 1",
        'input x: float64[4]\n    Dense(2, dtype="float64")',
        "input x: float32[4]\n    ReLU",
    ],
)
def test_models_with_nothing_to_lower(
    body: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.spec").write_text(f"model m {{\n    {body}\n}}\n")
    assert export("m.spec", "--precision", "float16") == 2
    said = capsys.readouterr().err
    assert "has nothing that would be better off in float16" in said
    assert "leave out `--precision`" in said
    assert not (folder / "build" / "m.onnx").exists()


def test_a_model_that_tf2onnx_has_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from specc.layers.base import Layer
    from specc.layers.core import Dense

    monkeypatch.setattr(Dense, "onnx", Layer.onnx)
    assert export("small.spec", "--precision", "float16") == 2
    assert "`Dense` has no lowering yet" in capsys.readouterr().err
    assert not (folder / "build" / "small.onnx").exists()


def test_keras_models_without_a_spec(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import keras

    x = keras.Input((6,), name="x")
    model = keras.Model(x, keras.layers.Dense(200, name="y")(keras.layers.Dense(200)(x)))
    np.savez(folder / "s.npz", x=np.random.default_rng(0).standard_normal((40, 6)))
    sizes: dict[str, int] = {}
    given: dict[str, dict[str, Any]] = {
        "float32": {},
        "float16": {"precision": "float16", "io": "same"},
        "int8": {"quantize": "int8", "calibrate": folder / "s.npz"},
        "beside": {"precision": "float16", "external_data": True},
    }
    for name, options in given.items():
        assert specc.export(model, f"{name}.onnx", provider="cpu", **options).ok
        sizes[name] = Path(f"{name}.onnx").stat().st_size
    assert sizes["float16"] < 0.6 * sizes["float32"]
    assert sizes["int8"] < 0.4 * sizes["float32"]
    (data,) = folder.glob("*.data")
    assert sizes["beside"] + data.stat().st_size < 0.6 * sizes["float32"]
    found = specc.load("beside.onnx", provider="cpu").predict(np.ones((2, 6), np.float32))
    assert isinstance(found, np.ndarray)
    assert np.allclose(found, model(np.ones((2, 6))), atol=0.02)
    refused: list[dict[str, Any]] = [
        {"precision": "float8"}, {"quantize": "int4"}, {"calibrate": "s.npz"}
    ]  # fmt: skip
    for wrong in refused:
        with pytest.raises(specc.UsageError):
            specc.export(model, "m.onnx", **wrong)
    capsys.readouterr()


def test_weights_are_computed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a weight is rounded before its turn to be written comes."""
    subject = shipped("bn_after", "float16")
    alive: list[str] = []
    from specc.backends.native import precision

    rounds = precision.round_to
    monkeypatch.setattr(
        precision, "round_to", lambda a, t: (alive.append(str(a.shape)), rounds(a, t))[1]
    )
    made = subject.exporter.export(current_weights(subject.built))
    assert "(784, 300)" not in alive
    assert made.tensors[0].nbytes == 2 * 784 * 300
    made.tensors[0].numpy()
    assert alive.count("(784, 300)") == 1
