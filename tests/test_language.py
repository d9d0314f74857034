"""What programs mean: expressions against Python, expansion against specs written out."""

# Programs stand in tables here, one a line where they are short.
# ruff: noqa: E501, ISC004

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import specc
from specc.diagnostics.diagnostic import SpecError
from specc.graph import Graph
from specc.semantics.constants import constant_of_text

# ------------------------------------------------------------- expressions are Python's

NUMBERS = st.one_of(
    st.integers(0, 40).map(str),
    st.sampled_from(["0.5", "2.5", "1e-3", "1_000", "-3", "-0.25"]),
)
WORDS = st.sampled_from(['"relu"', "'same'", '""', '"a" + "b"'])
CONSTANTS = NUMBERS | WORDS | st.sampled_from(["True", "False", "None"])


def joined(operators: list[str], operand: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(operand, st.sampled_from(operators), operand).map(" ".join)


def bracketed(several: st.SearchStrategy[list[str]]) -> st.SearchStrategy[str]:
    return several.map(lambda items: f"[{', '.join(items)}]")


def extended(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = bracketed(st.lists(inner, max_size=3))
    group = inner.map("({})".format)
    return st.one_of(
        joined(["+", "-", "*", "/", "//", "%", "**"], group),
        joined(["==", "!=", "<", "<=", ">", ">=", "in", "not in"], group),
        joined(["and", "or"], group),
        st.tuples(group, group, group).map(lambda t: f"{t[0]} if {t[1]} else {t[2]}"),
        group.map("not {}".format),
        group.map("-{}".format),
        lists,
        st.tuples(lists, st.integers(-3, 3)).map(lambda t: f"{t[0]}[{t[1]}]"),
        st.tuples(lists, st.sampled_from(["1:", ":-1", "::-1", "::2", ":"])).map(
            lambda t: f"{t[0]}[{t[1]}]"
        ),
        st.tuples(inner, lists).map(lambda t: f"[({t[0]}) for i in {t[1]} if i]"),
        st.tuples(
            st.sampled_from(["len", "min", "max", "sum", "list", "tuple", "abs", "int", "float"]),
            lists | group,
        ).map(lambda t: f"{t[0]}({t[1]})"),
        lists.map("[[i, x] for i, x in enumerate({})]".format),
        st.tuples(lists, lists).map(lambda t: f"[a for a, b in zip({t[0]}, {t[1]})]"),
        st.integers(-2, 6).map("[2 * i for i in range({})]".format),
        group.map('f"<{{{}}}>"'.format).filter(lambda text: '"' not in text[2:-1]),
    )


EXPRESSIONS = st.recursive(CONSTANTS, extended, max_leaves=6)

PYTHON = {
    "__builtins__": {},
    **{f.__name__: f for f in (len, min, max, sum, abs, int, float, enumerate, range)},
    "list": tuple,
    "tuple": tuple,
    "zip": lambda *lists: tuple(zip(*lists, strict=True)),
}


def as_tuples(value: Any) -> Any:
    if isinstance(value, list | tuple | range | enumerate):
        return tuple(as_tuples(item) for item in value)
    return value


@settings(max_examples=600, deadline=None)
@given(EXPRESSIONS)
def test_expressions_are_pythons(text: str) -> None:
    """Where both give a value it is the same one; specc refuses a few things more."""
    tuples = re.sub(r"\[([^\[\]]*)\]", r"[\1]", text)
    try:
        expected = as_tuples(eval(tuples, dict(PYTHON)))
    except Exception:
        expected = ...
    found = constant_of_text(text)
    if expected is ...:
        assert found is ...
    elif found is not ...:
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 < 2 < 3 < 3", False),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("7 // -2", -4),
        ("not 1 == 2", True),
        ("1 if 0 else 2 if 0 else 3", 3),
        ("3 in [1, 2, 3] and 4 not in (1,)", True),
        ("None is None or 1 / 0", True),
        ("[x for x in range(5) if x % 2]", (1, 3)),
        ("[a * b for a in [1, 2] for b in [10, 20]]", (10, 20, 20, 40)),
        ("[i + a for i, (a, b) in enumerate(zip([1, 2], [3, 4]))]", (1, 3)),
        ("reversed([1, 2, 3])[0]", 3),
        ("round(2.567, 2)", 2.57),
        ("round(2.5)", 2),
        ("str(3) + 'x'", "3x"),
        ('f"{1 + 1}{{}}-{[1, 2][0]}"', "2{}-1"),
        ('"abc"[1]', "b"),
    ],
)
def test_expression(text: str, value: object) -> None:
    assert constant_of_text(text) == value


# ---------------------------------------------------- expansion is what is written out


def graph(text: str, **params: Any) -> Graph:
    return specc.compile_text(text, params=params).models[-1].graph


def shown(found: Graph) -> list[tuple[str, str, list[str], int]]:
    """Layers without their blocks' names: what a spec without blocks has too."""
    return [
        (node.layer.kind, str(node.outputs[0].type), sorted(str(t.type) for t in node.taken),
         node.layer.params.total)
        for node in found.nodes
    ]  # fmt: skip


SAME = {
    "for": (
        "model m {\n input x: float32[8]\n for n in [4, 5] {\n  Dense(n)\n  ReLU\n }\n}",
        "model m {\n input x: float32[8]\n Dense(4)\n ReLU\n Dense(5)\n ReLU\n}",
    ),
    "if": (
        "model m {\n input x: float32[8]\n if x.shape[-1] > 4 {\n  Dense(4)\n } else {\n  ReLU\n }\n}",
        "model m {\n input x: float32[8]\n Dense(4)\n}",
    ),
    "elif": (
        "model m {\n input x: float32[8]\n n = 2\n if n == 1 {\n  Dense(4)\n }\n"
        " elif n == 2 {\n  Dense(6)\n }\n else {\n  ReLU\n }\n}",
        "model m {\n input x: float32[8]\n Dense(6)\n}",
    ),
    "block": (
        "block b(n, m=2 * n) {\n input x\n Dense(n)\n Dense(m)\n}\n"
        "model m {\n input x: float32[8]\n b(3)\n b(4, m=1)\n}",
        "model m {\n input x: float32[8]\n Dense(3)\n Dense(6)\n Dense(4)\n Dense(1)\n}",
    ),
    "block in block": (
        "block a(n) {\n input x\n Dense(n)\n}\nblock b(n) {\n input x\n a(n) \n a(n + 1)\n}\n"
        "model m {\n input x: float32[8]\n b(3)\n}",
        "model m {\n input x: float32[8]\n Dense(3)\n Dense(4)\n}",
    ),
    "block of itself": (
        "block b(n) {\n input x\n y = x\n if n > 0 {\n  y = x -> Dense(n) -> b(n - 1)\n }\n output y\n}\n"
        "model m {\n input x: float32[8]\n b(3)\n}",
        "model m {\n input x: float32[8]\n Dense(3)\n Dense(2)\n Dense(1)\n}",
    ),
    "inputs by name": (
        "block b() {\n input x\n input y\n [x, y] -> Concatenate\n}\n"
        "model m {\n input x: float32[8]\n input z: float32[2]\n x -> b()(y=z) -> Dense(1)\n}",
        "model m {\n input x: float32[8]\n input z: float32[2]\n [x, z] -> Concatenate -> Dense(1)\n}",
    ),
    "several outputs": (
        "block b() {\n input x\n y = x -> Dense(2)\n z = x -> Dense(3)\n output y, z\n}\n"
        "model m {\n input x: float32[8]\n y, z = x -> b\n [y, z] -> Concatenate\n}",
        "model m {\n input x: float32[8]\n y = x -> Dense(2)\n z = x -> Dense(3)\n"
        " [y, z] -> Concatenate\n}",
    ),
    "lists of tensors": (
        "model m {\n input x: float32[8]\n kept = []\n for n in [1, 2] {\n  kept += [x -> Dense(n)]\n }\n"
        " kept[::-1] -> Concatenate\n}",
        "model m {\n input x: float32[8]\n a = x -> Dense(1)\n b = x -> Dense(2)\n"
        " [b, a] -> Concatenate\n}",
    ),
    "comprehension of tensors": (
        "model m {\n input x: float32[8]\n [x -> Dense(n) for n in [1, 2]] -> Concatenate\n}",
        "model m {\n input x: float32[8]\n [x -> Dense(1), x -> Dense(2)] -> Concatenate\n}",
    ),
    "starred": (
        "model m {\n input x: float32[4, 8]\n y, *states = x -> LSTM(3, return_state=True)\n"
        " [y, states[0], states[1]] -> Concatenate\n}",
        "model m {\n input x: float32[4, 8]\n y, h, c = x -> LSTM(3, return_state=True)\n"
        " [y, h, c] -> Concatenate\n}",
    ),
    "conditional step": (
        "model m {\n param wide = True\n input x: float32[8]\n x -> (Dense(9) if wide else ReLU)\n}",
        "model m {\n input x: float32[8]\n Dense(9)\n}",
    ),
    "layers as parameters": (
        "block b(norm, n) {\n input x\n x -> Dense(n) -> norm\n}\n"
        "model m {\n input x: float32[8]\n b(BatchNormalization, 2)\n b(LayerNormalization(axis=1), 3)\n}",
        "model m {\n input x: float32[8]\n Dense(2)\n BatchNormalization\n Dense(3)\n"
        " LayerNormalization(axis=1)\n}",
    ),
    "blocks as parameters": (
        "block a(n) {\n input x\n Dense(n)\n}\nblock b(part) {\n input x\n x -> part(2) -> part(3)\n}\n"
        "model m {\n input x: float32[8]\n b(a)\n}",
        "model m {\n input x: float32[8]\n Dense(2)\n Dense(3)\n}",
    ),
    "sizes of the input": (
        "block b() {\n input x: float32[steps, n]\n x -> Dense(2 * n) -> Reshape((steps * 2 * n,))\n}\n"
        "model m {\n input x: float32[5, 8]\n b\n}",
        "model m {\n input x: float32[5, 8]\n Dense(16)\n Reshape((80,))\n}",
    ),
    "frozen block": (
        "block b() {\n input x\n Dense(3)\n}\nmodel m {\n input x: float32[8]\n b(trainable=False)\n}",
        "model m {\n input x: float32[8]\n Dense(3, trainable=False)\n}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_is_what_is_written_out(case: str) -> None:
    short, long = (graph(text) for text in SAME[case])
    assert shown(short) == shown(long)
    assert short.params == long.params


def names(text: str) -> list[str]:
    return [layer.name for layer in graph(text).layers]


def test_names_of_layers_in_blocks() -> None:
    text = """
block inner(n) {
    input x
    x -> Dense(n) -> Dense(n)
}
block outer(n) {
    input x
    y = x -> inner(n) -> inner(n) -> Dense(n, name="last")
    x + y
}
model m {
    input x: float32[4]
    Dense(4)
    outer(4)
    outer(4, name="second")
    outer(4)
    Dense(1)
}
"""
    block = ["inner.dense", "inner.dense_1", "inner_1.dense", "inner_1.dense_1", "last", "add"]
    assert names(text) == [
        "dense",
        *[f"outer.{name}" for name in block],
        *[f"second.{name}" for name in block],
        *[f"outer_1.{name}" for name in block],
        "dense_1",
    ]
    found = graph(text)
    assert [use.name for use in found.blocks if "." not in use.name] == [
        "outer", "second", "outer_1",
    ]  # fmt: skip


def test_a_shared_block_has_one_set_of_layers() -> None:
    text = """
block residual(n) {
    input x
    y = x -> Dense(n, activation="relu") -> Dense(n)
    x + y
}
model m {
    input x: float32[8]
    layer shared = residual(8)
    for i in range(3) {
        shared
    }
    residual(8)
    expect params = 4 * 72
    expect layer shared params = 2 * 72
}
"""
    found = graph(text)
    assert [layer.name for layer in found.layers if not layer.is_operation] == [
        "shared.dense", "shared.dense_1", "residual.dense", "residual.dense_1",
    ]  # fmt: skip
    assert len(found.nodes) == 4 * 3


def test_a_nested_model_is_one_layer() -> None:
    text = """
model encoder {
    param width: int = 4
    input x: float32[None, 8]
    Dense(width)
}
model m {
    input a: float32[5, 8]
    input b: float32[7, 8]
    layer other = encoder(width=3)
    first = a -> encoder -> GlobalAveragePooling1D
    second = b -> encoder -> GlobalAveragePooling1D
    third = b -> other -> GlobalAveragePooling1D
    fourth = b -> encoder(width=3) -> GlobalAveragePooling1D
    [first, second, third, fourth] -> Concatenate
}
"""
    found = graph(text)
    nested = [layer for layer in found.layers if layer.kind == "encoder"]
    assert [(layer.name, layer.params.total, len(layer.nodes)) for layer in nested] == [
        ("encoder", 36, 2), ("other", 27, 1), ("encoder_1", 27, 1),
    ]  # fmt: skip
    assert str(found.layer("encoder").nodes[1].outputs[0].type) == "float32[7, 4]"
    assert found.layer("encoder").variables[0].path == "encoder/dense/kernel"


def test_weights_of_ones_own_are_counted_once() -> None:
    text = """
block tied(dense) {
    input x
    weight kernel = dense.kernel
    weight bias: float32[kernel.shape[0]] = "zeros"
    x @ ops.transpose(kernel) + bias
}
model m {
    input x: float32[8]
    layer encode = Dense(3)
    encode
    tied(encode)
    expect params = 27 + 8
    expect layer tied params = 8
    expect output = float32[8]
}
"""
    assert graph(text).layer("tied").variables[0].path == "tied/bias"


def test_a_mistake_in_a_block_is_reported_once_with_a_use() -> None:
    text = """
block b(n) {
    input x
    Dense(n, activaton="relu")
}
model m {
    input x: float32[8]
    for i in range(10) {
        b(3)
    }
}
"""
    with pytest.raises(SpecError) as caught:
        specc.compile_text(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.primary.span.text == "activaton"
    assert [label.text for label in diagnostic.secondary] == ["in this use of `b`"]


# --------------------------------------------------------------------------- parameters

PARAMETERS = """
model m {
    param classes: int = 10
    param act: str in ["relu", "elu"] = "relu"
    param rate: float = 0.5
    param wide: bool = False
    param sizes: list = [4]
    input x: float32[8]
    for n in sizes {
        Dense(n, activation=act)
    }
    if wide {
        Dense(100)
    }
    Dropout(rate)
    Dense(classes)
}
"""


def test_parameters_from_python() -> None:
    assert graph(PARAMETERS).params.total == 8 * 4 + 4 + 4 * 10 + 10
    found = graph(PARAMETERS, classes=3, act="elu", rate=0, wide=True, sizes=[2, 2])
    assert [layer.kind for layer in found.layers] == [
        "Dense", "Dense", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    assert found.outputs[0].type.shape == (3,)
    assert found.params_given["act"] == "elu"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"clases": 3}, "has no param `clases`"),
        ({"classes": "3"}, "takes a whole number"),
        ({"classes": 2.5}, "takes a whole number"),
        ({"classes": True}, "takes a whole number"),
        ({"wide": 1}, "takes True or False"),
        ({"sizes": 4}, "takes a list"),
    ],
)
def test_parameters_that_are_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(specc.UsageError, match=message):
        graph(PARAMETERS, **params)


def test_parameter_that_is_not_allowed() -> None:
    with pytest.raises(SpecError, match="E0226"):
        graph(PARAMETERS, act="tanh")


@pytest.mark.parametrize(
    ("written", "classes"), [("classes=7", 7), ("classes=1_000", 1000), ("classes=2 * 8", 16)]
)
def test_parameters_on_the_command_line(
    written: str, classes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from specc.cli.main import main

    path = tmp_path / "m.spec"
    path.write_text(PARAMETERS)
    arguments = ["check", str(path), "-p", written, "-p", "wide=true", "-p", "sizes=[1, 2]"]
    assert main([*arguments, "-p", "rate=0", "-p", "act=elu"]) == 0
    assert f"-> float32[{classes}], 5 layers" in capsys.readouterr().out


# ------------------------------------------------------------------------------- bounds

ENDLESS = {
    "a long loop": " for i in range(1000000000) {\n  Dense(3)\n }",
    "loops in loops": " for i in range(99999) {\n  for j in range(99999) {\n   a = i * j\n  }\n }\n Dense(1)",
    "many layers": " for i in range(99999) {\n  Dense(3)\n }",
    "a long list": " a = [0] * 99999\n for i in range(9) {\n  a = a + a\n }\n Dense(1)",
    "lists in lists": " a = [0]\n for i in range(60) {\n  a = [a, a]\n }\n Dense(a)",
    "a deep list": " a = [0]\n for i in range(99999) {\n  a = [a]\n }\n Dense(a)",
    "a large number": " a = 9 ** 9 ** 9\n Dense(a)",
    "growing numbers": " a = 2\n for i in range(99) {\n  a = a * a\n }\n Dense(a)",
    "many sums": " s = range(99999)\n for i in range(9999) {\n  n = sum(s)\n }\n Dense(1)",
    "a long string": ' s = "ab" * 40000\n t = f"{s}{s}"\n Dense(1)',
    "comprehensions": " a = [[j for j in range(999)] for i in range(99999)]\n Dense(1)",
}  # fmt: skip


@pytest.mark.parametrize("case", ENDLESS)
def test_what_would_not_end_is_refused(case: str) -> None:
    text = f"model m {{\n input x: float32[8]\n{ENDLESS[case]}\n}}\n"
    with pytest.raises(SpecError) as caught:
        specc.compile_text(text)
    assert all(d.primary.span.end > d.primary.span.start for d in caught.value.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        "block b() {\n input x\n b\n}\nmodel m {\n input x: float32[8]\n b\n}",
        "block b(n) {\n input x\n x -> b(n) -> b(n)\n}\nmodel m {\n input x: float32[8]\n b(1)\n}",
        "block a() {\n input x\n b\n}\nblock b() {\n input x\n a\n}\nmodel m {\n input x: float32[8]\n a\n}",
        "model m {\n input x: float32[8]\n m\n}",
        'block b() {\n input x\n weight w: float32[8] = "ones"\n x * w -> b\n}\n'
        "model m {\n input x: float32[8]\n b\n}",
        "model m {\n param n: int = 35\n input x: float32[4]\n if n > 0 {\n  x -> m(n=n - 1)\n"
        "  m(n=n - 2)\n }\n Dense(4)\n}",
    ],
)  # fmt: skip
def test_what_holds_itself_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        specc.compile_text(text)


# ------------------------------------------------------------------- acceptance programs

ACCEPTANCE = Path(__file__).with_name("acceptance")
ACCEPTED = {
    "bn_after": (271_346, 268_978),
    "wide_and_deep": (1_207, 1_207),
    "resnet34": (21_306_826, 21_289_802),  # published with the network
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_acceptance_program(name: str) -> None:
    """The programs that the language was designed with, as they were written then."""
    model = specc.compile(ACCEPTANCE / f"{name}.spec").model()
    assert (model.params.total, model.params.trainable) == ACCEPTED[name]


def test_every_acceptance_program_is_tested() -> None:
    assert {path.stem for path in ACCEPTANCE.glob("*.spec")} == set(ACCEPTED)


def test_acceptance_program_with_another_parameter() -> None:
    program = specc.compile(ACCEPTANCE / "resnet34.spec", params={"classes": 100})
    assert program.model().outputs[0].type.shape == (100,)
    assert program.model().params.total == 21_306_826 + 90 * 513


def test_sections_are_read() -> None:
    sections = specc.compile(ACCEPTANCE / "bn_after.spec").sections
    assert [(s.kind, s.name) for s in sections] == [
        ("data", "fashion_mnist"), ("train", "bn_after"), ("export", "bn_after"),
    ]  # fmt: skip
    data, train, export = (s.entries for s in sections)
    assert data["source"].is_a("source")
    assert data["source"].given == {"name": "fashion_mnist"}
    assert data["scale"] == 1 / 255
    assert data["validation"].is_a("split")
    assert data["validation"].given == {"size": 5000}
    assert train["data"] == "fashion_mnist"
    assert train["optimizer"].is_a("optimizer")
    assert train["optimizer"].given == {"learning_rate": 1e-3}
    assert export == {"opset": 18}
