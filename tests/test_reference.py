"""Models published by others, written as specs: the same parameters, layer by layer.

tests/reference/models.json says what Keras makes of the models of a textbook's notebooks and of
keras.io's examples. Each is a spec below tests/reference, and docs/coverage.md says which stand.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import specc
from specc.api import Model
from specc.graph import BlockUse, Graph, GraphLayer, Node, Tensor
from specc.layers import LAYER_NAMES
from specc.layers.base import Layer
from specc.semantics.composite import BlockLayer, ModelLayer
from specc.semantics.naming import snake_case

REFERENCE = Path(__file__).with_name("reference")
COVERAGE = Path(__file__).parent.parent / "docs" / "coverage.md"

Case = dict[str, Any]
CASES: dict[str, Case] = {
    case["id"]: case
    for case in json.loads((REFERENCE / "models.json").read_text(encoding="utf-8"))["models"]
}
GROUPS = {
    "handson_ml2": "Géron, Hands-On Machine Learning, notebooks of the 2nd edition",
    "handson_ml3": "Géron, Hands-On Machine Learning, notebooks of the 3rd edition",
    "keras_io": "keras.io, examples and guides",
}
BLOCK_FILES = ("blocks.spec", "xception.spec")
"""Files that the specs import."""

MISSING: dict[str, str] = {}
"""Models without a spec, and the feature of the language that they wait for."""


class Difference(NamedTuple):
    """What a spec writes otherwise than its source, and why."""

    reason: str
    kinds: Mapping[str, str] = MappingProxyType({})
    """Classes of the source, and the layers that stand for them."""
    inputs: Mapping[str, str] = MappingProxyType({})
    """Names of inputs."""
    without: tuple[str, ...] = ()
    """Layers of the source that have no weights and are left out."""
    more_outputs: tuple[tuple[int | None, ...], ...] = ()
    """The shapes of outputs after those of the source."""
    squeezed: bool = False
    """Whether the first axis after the batch axis, of size 1, is left out."""


def _stands_for(own: str, keras: str, why: str) -> Difference:
    return Difference(f"`{keras}` stands for the source's own `{own}`: {why}", {own: keras})


_ALWAYS_ACTIVE = "`(training=True)` says that it drops when predicting too"
_LOSS_AS_OUTPUT = "what the source gives to `add_loss` is a second output; it has no weights"

_OWN_FUNCTIONS = "the source's own activation, initializer, ... are the equal ones of Keras"

DIFFERENCES: dict[str, Difference] = {
    "hml2-11-c176": _stands_for("MCAlphaDropout", "AlphaDropout", _ALWAYS_ACTIVE),
    "hml3-11-c184": _stands_for("MCDropout", "Dropout", _ALWAYS_ACTIVE),
    "hml3-11-c225": _stands_for("MCAlphaDropout", "AlphaDropout", _ALWAYS_ACTIVE),
    "hml2-12-c109": Difference(_OWN_FUNCTIONS),
    "hml2-12-c116": Difference(_OWN_FUNCTIONS),
    "hml2-12-c190": _stands_for("AddGaussianNoise", "GaussianNoise", "it does the same"),
    "hml3-12-c181": _stands_for("MyGaussianNoise", "GaussianNoise", "it does the same"),
    "hml2-12-c207": Difference(_LOSS_AS_OUTPUT),
    "hml3-12-c191": Difference(_LOSS_AS_OUTPUT),
    "hml2-13-c176": Difference(
        "the source's constants, a mean and a deviation for each pixel, are two parameters; "
        "neither is a weight"
    ),
    "hml3-13-c214": Difference(
        "the input is `string[]` and not `string[1]`: there Keras says an axis of size 1 in the "
        "output that it does not compute, and specc refuses it; the vocabulary, which the source "
        "learns, is made up",
        squeezed=True,
    ),
    "hml3-13-c224": Difference("the vocabulary, which the source learns, is made up"),
    "kio-vae-encoder": Difference("`GaussianNoise` on zeros draws the noise that `Sampling` adds"),
    "kio-captcha_ocr": Difference(
        "the source's last layer adds the loss of label and prediction and hands on the "
        "prediction; here both are outputs",
        without=("ctc_loss",),
        more_outputs=((None, None),),
    ),
    "kio-speaker_recognition": Difference(
        "`input` is a word of the language and cannot name an input", inputs={"input": "sound"}
    ),
    "kio-vq_vae": Difference("the two losses that the source's layer adds are left out"),
}


# ---------------------------------------------------------------------- what a spec gives


def path_of(case: Case) -> Path:
    return REFERENCE / case["group"] / f"{case['id'].replace('-', '_')}.spec"


@cache
def compiled(id_: str) -> Model:
    """The model of a reference spec, which is the last one in its file."""
    return specc.compile(path_of(CASES[id_])).models[-1]


class Unit(NamedTuple):
    """A layer, an operation, or a block that is a layer in the source."""

    name: str
    part: GraphLayer | BlockUse
    shapes: list[list[int | None]]
    params: int

    @property
    def kind(self) -> str:
        return self.part.kind

    @property
    def is_expanded_block(self) -> bool:
        return isinstance(self.part, BlockUse)

    @property
    def layer(self) -> Any:
        return None if isinstance(self.part, BlockUse) else self.part.layer


def keras_order(graph: Graph) -> list[GraphLayer]:
    """Layers and operations in the order of Keras's functional models: by their distance from
    the outputs, the farthest first, and then as they are found from the outputs.
    """
    found: dict[int, int] = {}
    finished: list[Node] = []
    seen: set[int] = set()

    def visit(tensor: Tensor) -> None:
        node = tensor.node
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        found.setdefault(id(node.layer), len(found))
        for taken in node.taken:
            visit(taken)
        finished.append(node)

    for output in graph.outputs:
        visit(output)
    node_depths: dict[int, int] = {}
    depths: dict[int, int] = {}
    for node in reversed(finished):
        depth = max(node_depths.get(id(node), 0), depths.get(id(node.layer), 0))
        depths[id(node.layer)] = node_depths[id(node)] = depth
        for taken in node.taken:
            if taken.node is not None:
                known = node_depths.get(id(taken.node), 0)
                node_depths[id(taken.node)] = max(known, depth + 1)
    return sorted(graph.layers, key=lambda part: (-depths[id(part)], found[id(part)]))


def units_of(graph: Graph, blocks: list[BlockUse]) -> list[Unit]:
    """Everything in a graph, in Keras's order; each of these blocks is one unit, which stands
    where its first layer does.
    """

    def shapes(tensors: list[Tensor]) -> list[list[int | None]]:
        return [[graph.batch_size, *_sizes(tensor.type.shape)] for tensor in tensors]

    units: dict[str, Unit] = {}
    for part in keras_order(graph):
        block = next((b for b in blocks if part.name.startswith(f"{b.name}.")), None)
        if block is None:
            units[part.name] = Unit(part.name, part, shapes(part.outputs), part.params.total)
        elif block.name not in units:
            total = sum(layer.params.total for layer in _layers_of(graph, block))
            units[block.name] = Unit(block.name, block, shapes(block.outputs), total)
    return list(units.values())


def _layers_of(graph: Graph, block: BlockUse) -> list[GraphLayer]:
    return [part for part in graph.layers if part.name.startswith(f"{block.name}.")]


def _sizes(shape: tuple[Any, ...]) -> Iterator[int | None]:
    return (size if isinstance(size, int) else None for size in shape)


# --------------------------------------------------------------------------- comparing


class Row(NamedTuple):
    """A layer of the source."""

    name: str
    has_automatic_name: bool
    """Whether Keras has chosen the name."""
    kind: str
    shape: list[Any]
    params: int


def differences(case: Case, graph: Graph) -> list[str]:
    """Where a spec is not what the reference says."""
    found = [
        f"{what}: {mine}, and not {expected}"
        for what, expected, mine in zip(
            ("params", "trainable", "non_trainable"), case["params"], graph.params, strict=True
        )
        if expected != mine
    ]
    difference = DIFFERENCES.get(case["id"], Difference(""))
    if case["kind"] == "subclass":
        return found + _of_tracked_layers(case, graph)
    return found + _of_ports(case, graph, difference) + _of_layers(case, graph, difference)


def _of_ports(case: Case, graph: Graph, difference: Difference) -> list[str]:
    found: list[str] = []
    for own, tensor in zip_longest(case["inputs"], graph.inputs):
        if own is None or tensor is None:
            return ["not as many inputs"]
        name, shape, dtype = own
        name = difference.inputs.get(name, name)
        mine = [graph.batch_size, *_sizes(tensor.type.shape)]
        if not re.fullmatch(r"keras_tensor(_\d+)?", name) and name != tensor.name:
            found.append(f"input {name}: is called {tensor.name}")
        if (_squeezed(shape, difference), dtype) != (mine, tensor.type.dtype):
            found.append(f"input {name}: {tensor.type}, and not {dtype}{shape}")
    shapes = [[graph.batch_size, *_sizes(tensor.type.shape)] for tensor in graph.outputs]
    outputs = [_squeezed(shape, difference) for shape in case["outputs"]]
    outputs += [list(shape) for shape in difference.more_outputs]
    return found if shapes == outputs else [*found, f"outputs: {shapes}, and not {outputs}"]


def _squeezed(shape: list[Any], difference: Difference) -> list[Any]:
    return [shape[0], *shape[2:]] if difference.squeezed and shape[1:2] == [1] else shape


def _of_layers(case: Case, graph: Graph, difference: Difference) -> list[str]:
    rows: dict[str, Row] = {}
    for name, kind, shape, params in case["layers"]:
        if kind != "InputLayer" and name not in difference.without:
            shape = _squeezed(shape, difference)
            kind_here = difference.kinds.get(kind, kind)
            rows.setdefault(name, Row(name, _is_automatic(name, kind), kind_here, shape, params))
    kinds = {row.kind for row in rows.values()}
    units = [
        unit
        for unit in units_of(graph, _blocks_as_layers(graph, kinds))
        if "Lambda" in kinds or unit.is_expanded_block or isinstance(unit.layer, Layer)
    ]
    if "base" in case:  # whose layers are not in the table
        units = units[-len(rows) :]
    found: list[str] = []
    for row, unit in zip_longest(rows.values(), units):
        if row is None:
            found.append(f"{unit.name}: is not in the source")
        elif unit is None:
            found.append(f"{row.name}: is missing")
        else:
            found += _of_row(row, unit)
    return found


def _blocks_as_layers(graph: Graph, kinds: set[str]) -> list[BlockUse]:
    """The uses of blocks that are one layer in the source: those of its own classes, and those
    of operations alone for a Lambda. Of blocks in each other the outermost come first.
    """
    own = {snake_case(kind) for kind in kinds - set(LAYER_NAMES)}
    return [
        block
        for block in sorted(graph.blocks, key=lambda block: len(block.name))
        if block.kind in own
        or ("Lambda" in kinds and all(part.is_operation for part in _layers_of(graph, block)))
    ]


def _of_row(row: Row, unit: Unit) -> list[str]:
    name, is_automatic, kind, shape, params = row
    found: list[str] = []
    if not _is_of_class(kind, unit):
        found.append(f"{name}: is {unit.kind}, and not {kind}")
    if shape != (unit.shapes if len(unit.shapes) > 1 else unit.shapes[0]):
        found.append(f"{name}: gives {unit.shapes}, and not {shape}")
    if params != unit.params:
        found.append(f"{name}: has {unit.params} parameters, and not {params}")
    # Of a layer in a block, the name in the block.
    if not is_automatic and name != unit.name.rpartition(".")[2]:
        found.append(f"{name}: is called {unit.name}")
    return found


def _is_of_class(kind: str, unit: Unit) -> bool:
    """Whether a unit is what the source has a layer of this class for."""
    if kind in ("Sequential", "Functional"):
        return isinstance(unit.layer, ModelLayer)
    if kind == "Lambda":
        return unit.is_expanded_block or not isinstance(unit.layer, Layer)
    if kind in LAYER_NAMES:
        return unit.kind == kind and isinstance(unit.layer, Layer)
    is_block = unit.is_expanded_block or isinstance(unit.layer, BlockLayer)
    return is_block and unit.kind == snake_case(kind)


def _is_automatic(name: str, kind: str) -> bool:
    """Whether Keras has chosen a name, and not the source."""
    return re.sub(r"_\d+$", "", name) == snake_case(kind)


def _of_tracked_layers(case: Case, graph: Graph) -> list[str]:
    """A model of a class of its own: its layers in the order of its attributes, shapes unknown,
    and nothing of what it calls beside them.
    """
    kinds = {kind for _, kind, _, _ in case["layers"]}
    units = units_of(graph, _blocks_as_layers(graph, kinds))
    mine = Counter((unit.kind, unit.params) for unit in units if unit.params)
    expected = Counter(
        (kind if kind in LAYER_NAMES else snake_case(kind), params)
        for _, kind, _, params in case["layers"]
    )
    return [] if mine == expected else [f"layers: {mine}, and not {expected}"]


# ------------------------------------------------------------------------------- tests

STANDING = [id_ for id_, case in CASES.items() if path_of(case).exists()]


def test_every_model_has_a_spec() -> None:
    assert set(CASES) - set(STANDING) == set(MISSING)
    assert len(STANDING) >= 100


def test_every_spec_is_of_a_model() -> None:
    specs = {path for path in REFERENCE.rglob("*.spec") if path.name not in BLOCK_FILES}
    assert specs == {path_of(CASES[id_]) for id_ in STANDING}


@pytest.mark.parametrize("id_", STANDING)
def test_spec_says_what_it_is(id_: str) -> None:
    """Its source stands at its top, and the three counts among its expectations."""
    case = CASES[id_]
    lines = path_of(case).read_text(encoding="utf-8").splitlines()
    head = " ".join(line.removeprefix("#").strip() for line in lines[:2])
    title = case["title"][0].upper() + case["title"][1:]
    assert head.startswith(f"{title}. From {case['source']}")
    expected = {
        item.measure: item.value
        for item in compiled(id_).graph.expectations
        if item.layer is None and item.output is None
    }
    counts = dict(zip(("params", "trainable", "non_trainable"), case["params"], strict=True))
    assert counts.items() <= expected.items()


@pytest.mark.parametrize("id_", STANDING)
def test_layers_are_those_of_the_source(id_: str) -> None:
    assert differences(CASES[id_], compiled(id_).graph) == []


@pytest.mark.parametrize("id_", STANDING)
def test_keras_builds_the_same(id_: str) -> None:
    from specc.backends.compare import compare_with_keras
    from specc.backends.keras_model import build_keras

    graph = compiled(id_).graph
    built = build_keras(graph)
    assert [str(diagnostic) for diagnostic in compare_with_keras(built)] == []
    keras_model = built.keras_model
    trainable = sum(prod(variable.shape) for variable in keras_model.trainable_variables)
    assert [keras_model.count_params(), trainable] == CASES[id_]["params"][:2]
    names = [part.name for part in keras_order(graph) if not part.is_operation]
    inputs = {tensor.name for tensor in graph.inputs}
    assert [layer.name for layer in keras_model.layers if layer.name not in inputs] == names


@pytest.mark.parametrize("id_", ["hml2-14-c75", "hml2-14-c80"])
def test_xception_is_that_of_keras(id_: str) -> None:
    """The table leaves out the layers of the base; Keras itself says them."""
    import keras

    base = keras.applications.Xception(include_top=False, weights=None)
    expected = [
        (type(layer).__name__, layer.count_params(), list(layer.output.shape)[-1], layer.name)
        for layer in base.layers[1:]
    ]
    units = units_of(compiled(id_).graph, [])[: len(expected)]
    for (kind, params, channels, name), unit in zip(expected, units, strict=True):
        assert (kind, params, channels) == (unit.kind, unit.params, unit.shapes[0][-1])
        assert name == unit.name.rpartition(".")[2] or _is_automatic(name, kind)


def _inside(id_: str, name: str, *inputs: Any) -> tuple[Any, Any]:
    """The Keras model of a spec, and what the layer or block of a name in it gives."""
    import keras

    from specc.backends.keras_model import build_keras

    graph = compiled(id_).graph
    built = build_keras(graph, seed=0)
    outputs = [part.outputs[0] for part in (*graph.layers, *graph.blocks) if part.name == name]
    part = keras.Model(built.keras_model.input, built.tensors[outputs[0]])
    return built.keras_model, np.asarray(part(list(inputs) if len(inputs) > 1 else inputs[0]))


def test_my_dense_is_a_dense_layer() -> None:
    x = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    model, found = _inside("hml2-12-c172", "my_dense", x)
    kernel, bias = model.get_layer("my_dense").get_weights()
    np.testing.assert_allclose(found, np.maximum(x @ kernel + bias, 0), rtol=1e-5, atol=1e-6)


def test_bag_of_words_counts() -> None:
    _, found = _inside("hml2-13-c223", "bag_of_words", np.array([[3, 1, 3, 0], [2, 0, 0, 0]]))
    assert found.shape == (2, 1_100)
    assert found[:, :4].tolist() == [[1, 0, 2, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("hml2-13-c233", np.array([[3, 1, 3, 7], [2, 2, 5, 9]])),
        ("hml3-13-c224", np.array([["word3 word1 word3"], ["word9 none of"]])),
    ],
)
def test_mean_embedding_is_a_sum_over_the_root_of_the_number(id_: str, words: Any) -> None:
    import tensorflow as tf

    _, embedded = _inside(id_, "embedding", tf.constant(words))
    _, found = _inside(id_, "mean_embedding", tf.constant(words))
    expected = embedded.sum(axis=1) / np.sqrt(embedded.shape[1])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_vq_gives_the_nearest_codes() -> None:
    image = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype("float32")
    model, encoded = _inside("kio-vq_vae", "encoder", image)
    _, found = _inside("kio-vq_vae", "vq", image)
    codes = model.get_layer("vq").get_weights()[0].T
    distances = ((encoded[..., None, :] - codes) ** 2).sum(axis=-1)
    np.testing.assert_allclose(found, codes[distances.argmin(axis=-1)], rtol=1e-4, atol=1e-6)


def test_depth_to_space_is_that_of_tensorflow() -> None:
    import tensorflow as tf

    image = np.random.default_rng(0).uniform(0, 255, size=(1, 3, 4, 3)).astype("float32")
    names = [part.name for part in compiled("kio-edsr").graph.layers]
    name = next(name for name in names if name.startswith("depth_to_space"))
    _, before = _inside("kio-edsr", names[names.index(name) - 1], image)
    _, found = _inside("kio-edsr", name, image)
    np.testing.assert_array_equal(found, tf.nn.depth_to_space(before, 2).numpy())


# What `differences` must notice: each changes one fact of a case.


def _more_parameters(case: Case) -> None:
    case["layers"][-1][3] += 1


def _another_class(case: Case) -> None:
    case["layers"][-1][1] = "Conv1D"


def _another_shape(case: Case) -> None:
    case["layers"][-1][2][-1] += 1


def _another_name(case: Case) -> None:
    case["layers"][-1][0] = "chosen"


def _one_layer_less(case: Case) -> None:
    del case["layers"][-1]


def _one_layer_more(case: Case) -> None:
    case["layers"].append(["softmax", "Softmax", [None, 10], 0])


def _another_order(case: Case) -> None:
    case["layers"].append(case["layers"].pop(-2))


def _another_total(case: Case) -> None:
    case["params"][0] += 1


def _not_trained(case: Case) -> None:
    case["params"][1] -= 1
    case["params"][2] += 1


def _another_input(case: Case) -> None:
    case["inputs"][0][1][-1] += 1


def _another_dtype(case: Case) -> None:
    case["inputs"][0][2] = "float64"


def _another_input_name(case: Case) -> None:
    case["inputs"][0][0] = "photo"


def _another_output(case: Case) -> None:
    case["outputs"][0][-1] += 1


CHANGES = (
    _more_parameters, _another_class, _another_shape, _another_name, _one_layer_less,
    _one_layer_more, _another_order, _another_total, _not_trained, _another_input,
    _another_dtype, _another_input_name, _another_output,
)  # fmt: skip
CHANGED = (
    "hml2-11-c56", "hml2-12-c172", "hml2-12-c351", "hml2-13-c176", "hml2-14-c48", "hml2-14-c75",
    "hml3-13-c224", "kio-siamese_contrastive", "kio-timeseries_transformer-asprinted",
    "kio-unet_oxford_pets", "kio-vae-encoder", "kio-vq_vae",
)  # fmt: skip
"""Of each way to match a layer at least one."""


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("id_", CHANGED)
def test_a_change_is_noticed(id_: str, change: Any) -> None:
    case = copy.deepcopy(CASES[id_])
    change(case)
    assert differences(case, compiled(id_).graph) != []


@pytest.mark.parametrize("id_", [id_ for id_ in STANDING if CASES[id_]["kind"] == "subclass"])
@pytest.mark.parametrize("change", [_more_parameters, _one_layer_less, _another_total])
def test_a_change_of_a_class_is_noticed(id_: str, change: Any) -> None:
    case = copy.deepcopy(CASES[id_])
    change(case)
    assert differences(case, compiled(id_).graph) != []


# ---------------------------------------------------------------------- docs/coverage.md


def _features(id_: str) -> set[str]:
    """What of the language a spec uses."""
    text = path_of(CASES[id_]).read_text(encoding="utf-8")
    graph = compiled(id_).graph
    layers = [part for part in graph.layers if isinstance(part.layer, Layer)]
    given = [value for part in layers for value in part.layer.given.values()]
    unknown = [size for tensor in graph.inputs for size in _sizes(tensor.type.shape)]
    features = {
        "loops": bool(re.search(r"^ *for |\bfor \w+ in ", text, re.MULTILINE)),
        "choices": bool(re.search(r"^ *if |\bif .+ else\b", text, re.MULTILINE)),
        "parameters": bool(re.search(r"^ *param ", text, re.MULTILINE)),
        "imports": bool(re.search(r"^import ", text, re.MULTILINE)),
        "blocks": bool(graph.blocks),
        "blocks with weights": any(isinstance(part.layer, BlockLayer) for part in layers),
        "models inside models": any(isinstance(part.layer, ModelLayer) for part in layers),
        "tensor expressions": any(part.is_operation for part in _everything(graph)),
        "shared layers": any(len(part.nodes) > 1 for part in layers),
        "arguments of a call": any(node.call for part in layers for node in part.nodes),
        "objects as arguments": any(getattr(value, "given", None) is not None for value in given),
        "frozen layers": any(not getattr(part.layer, "trainable", True) for part in layers),
        "several inputs": len(graph.inputs) > 1,
        "several outputs": len(graph.outputs) > 1,
        "unknown sizes": None in unknown,
        "strings": any(tensor.type.dtype == "string" for tensor in graph.inputs),
        "a fixed batch size": graph.batch_size is not None,
    }
    return {feature for feature, used in features.items() if used}


def _everything(graph: Graph) -> Iterator[GraphLayer]:
    """The parts of a graph and of the models and blocks in it."""
    for part in graph.layers:
        yield part
        if isinstance(part.layer, BlockLayer | ModelLayer):
            yield from _everything(part.layer.graph)


INTRODUCTION = """\
# Reference models

{all} Keras models that others have published, in a textbook's notebooks and on keras.io, and specs
of them in [tests/reference](../tests/reference). Of {printed} the sources print the number of
parameters; those of the others are Keras 3.15.1's. A model stands if its spec has these numbers,
all, trainable and not trainable, and the layers of the source: in Keras's order, each of the same
class, output shape and number of parameters, and with the name that the source chose, where it
did. The Keras model that is built of the spec is held to the same.

`pytest tests/test_reference.py --update-golden` writes this page; a test holds it to the facts.

| source | models | stand | what of the language their specs use |
|---|---|---|---|
"""

OTHERWISE = """
## Written otherwise than in the source

A macro or a layer class of the source is a block, a `Lambda` an operation or a block of operations,
a model class the graph that its `call` computes. Weights that a source takes from elsewhere (of
Xception, ResNet50, GloVe) are fresh here. Beyond that:

| model | what it is | difference |
|---|---|---|
"""

TABLE = """
## Models

| model | what it is | parameters | what of the language it uses |
|---|---|---|---|
"""


def coverage_page() -> str:
    """docs/coverage.md, from the tables of this module and the specs."""
    features = {id_: _features(id_) for id_ in STANDING}
    printed = sum(case["printed"] for case in CASES.values())
    page = INTRODUCTION.format(all=len(CASES), printed=printed)
    for group, title in GROUPS.items():
        ids = [id_ for id_, case in CASES.items() if case["group"] == group]
        used = Counter(feature for id_ in ids for feature in features.get(id_, ()))
        most = sorted(used.items(), key=lambda item: (-item[1], item[0]))
        words = ", ".join(f"{feature} ({n})" for feature, n in most)
        page += f"| {title} | {len(ids)} | {len(set(ids) & set(features))} | {words} |\n"
    page += f"| all | {len(CASES)} | {len(STANDING)} | |\n\n## Missing\n\n"
    if MISSING:
        page += "| model | what it is | missing feature |\n|---|---|---|\n"
        page += "".join(
            f"| {id_} | {CASES[id_]['title']} | {why} |\n" for id_, why in MISSING.items()
        )
    else:
        page += "None.\n"
    page += OTHERWISE
    for id_, difference in DIFFERENCES.items():
        page += f"| {id_} | {CASES[id_]['title']} | {difference.reason} |\n"
    page += TABLE
    for id_ in STANDING:
        case = CASES[id_]
        link = f"[{id_}](../{path_of(case).relative_to(COVERAGE.parent.parent).as_posix()})"
        words = ", ".join(sorted(features[id_])) or "layers alone"
        page += f"| {link} | {case['title']} | {case['params'][0]:,} | {words} |\n"
    return page


def test_coverage_page(request: pytest.FixtureRequest) -> None:
    page = coverage_page()
    if request.config.getoption("--update-golden"):
        COVERAGE.write_text(page, encoding="utf-8")
    assert COVERAGE.read_text(encoding="utf-8") == page


def test_differences_are_of_models() -> None:
    assert set(DIFFERENCES) <= set(STANDING)
