"""The native exporter: images, sound, categories and texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_models import exported, operators, sound

import specc
from specc.backends.native.convert import lower
from specc.cli.main import main
from specc.files import UsageError
from specc.layers.texts import PUNCTUATION, WHITESPACE
from specc.lowering import NotLowered

pytestmark = [
    pytest.mark.usefixtures("keras_backend"),
    pytest.mark.filterwarnings("ignore:`fft_length` is recommended"),
]

Array = np.ndarray[Any, Any]


def model_of(inputs: str, body: str) -> str:
    lines = [*inputs.splitlines(), "", *body.splitlines()]
    return "model m {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def used(inputs: str, body: str) -> list[str]:
    return operators(sound(model_of(inputs, body)))


def run(model: onnx.ModelProto, **arrays: Array) -> Array:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, arrays)[0])


def both(text: str, array: Array) -> tuple[Array, Array]:
    """What Keras makes of an input, and the file."""
    model = specc.compile_text(text).models[-1]
    _, made, _ = exported(model)
    want = model.to_keras(seed=0)(keras.ops.convert_to_tensor(array), training=False)
    return np.asarray(want), run(made.model, x=array)


# ---------------------------------------------------------------------------- images


def test_augmentations_leave_nothing_in_the_file() -> None:
    body = (
        'Rescaling(1 / 255)\nRandomFlip("horizontal")\nRandomRotation(0.1)\n'
        "RandomContrast(0.2)\nPipeline([RandomZoom(0.1), CenterCrop(6, 6)])"
    )
    assert used("input x: float32[12, 10, 3]", body) == ["Mul", "Slice"]


def test_images_of_any_size() -> None:
    made = used(
        "input x: uint8[None, None, 3]",
        "Resizing(5, 4, crop_to_aspect_ratio=True)\nRescaling(1 / 127.5, offset=-1)",
    )
    assert {"Slice", "Gather", "Round"} <= set(made)
    sound(model_of("input x: float32[None, None, 3]", "Resizing(5, 4, pad_to_aspect_ratio=True)"))
    sound(model_of("input x: float32[None, 6, 3]", 'Resizing(5, 4, interpolation="nearest")'))
    sound(model_of("input x: float32[None, None, 3]", "CenterCrop(5, 4)"))


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(
    "interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area"]
)
@pytest.mark.parametrize("sizes", [(23, 17, 9, 31), (10, 10, 3, 20), (4, 1, 13, 3)])
def test_every_interpolation(
    interpolation: str, antialias: bool, sizes: tuple[int, int, int, int]
) -> None:
    rows, columns, height, width = sizes
    text = model_of(
        f"input x: float32[{rows}, {columns}, 2]",
        f'Resizing({height}, {width}, interpolation="{interpolation}", antialias={antialias})',
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, rows, columns, 2)).astype(np.float32)
    want, have = both(text, x)
    np.testing.assert_allclose(have, want, rtol=0, atol=4e-4)


def test_smooth_images_of_any_size_are_left_to_others() -> None:
    text = model_of("input x: float32[None, None, 3]", "Resizing(5, 4, antialias=True)")
    with pytest.raises(NotLowered, match="of unknown size"):
        lower(specc.compile_text(text).models[-1].graph, 18)


@pytest.mark.parametrize("size", [(17, 23), (16, 24)])
@pytest.mark.parametrize("top", [1, 255])
def test_equalized_in_tiles(size: tuple[int, int], top: int) -> None:
    layer = "ContrastLimitedAdaptiveHistogramEqualization"
    text = model_of(
        f"input x: float32[{size[0]}, {size[1]}, 3]",
        f"{layer}(value_range=(0, {top}), clip_limit=2.0, tile_grid_size=(3, 4))",
    )
    x = np.random.default_rng(0).beta(2, 5, (2, *size, 3)).astype(np.float32) * top
    want, have = both(text, x)
    assert np.ptp(want) > top / 2
    np.testing.assert_allclose(have, want, rtol=0, atol=1e-4 * top)


def test_contrast_of_a_flat_channel() -> None:
    x = np.random.default_rng(0).uniform(3, 200, (2, 5, 4, 3)).astype(np.float32)
    x[:, :, :, 1] = 7
    want, have = both(model_of("input x: float32[5, 4, 3]", "AutoContrast()"), x)
    np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-4)
    assert (have[..., 1] == 7).all()


# ----------------------------------------------------------------------------- sound


def test_spectrograms_are_one_convolution() -> None:
    made = used("input x: float32[400, 1]", 'STFTSpectrogram(mode="magnitude", frame_length=32)')
    assert made == ["Transpose", "Conv", "Mul", "Split", "Add", "Max", "Sqrt", "Transpose"]
    sound(model_of("input x: float32[None, 2]", "STFTSpectrogram(frame_length=6)"))
    made = used(
        "input x: float32[400]",
        "MelSpectrogram(num_mel_bins=16, fft_length=64, sequence_stride=40)",
    )
    assert made == [
        *("Pad", "Unsqueeze", "Conv", "Mul", "MatMul"),
        *("Max", "Log", "Mul", "Sub", "ReduceMax", "Sub", "Max"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "fft_length=64, sequence_length=50, sequence_stride=30",
        'fft_length=50, sequence_length=33, window="hamming", mag_exp=1.0, power_to_db=False',
        "fft_length=63, sequence_length=40, window=None, max_freq=4000.0",
    ],
)
def test_bands_of_sound(arguments: str) -> None:
    stride = "" if "stride" in arguments else ", sequence_stride=31"
    text = model_of(
        "input x: float32[500]", f"MelSpectrogram(num_mel_bins=16, {arguments}{stride})"
    )
    x = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)
    want, have = both(text, x)
    np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------- categories, texts


def test_words_are_looked_up() -> None:
    body = 'StringLookup(vocabulary=["cat", "dog"], mask_token="")\nEmbedding(4, 3)\nFlatten'
    made = used("input x: string[5]", body)
    assert made == ["LabelEncoder", "Gather", "Flatten"]


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
def test_modes_of_a_lookup(mode: str) -> None:
    sound(
        model_of(
            "input x: int32[5]",
            f'IntegerLookup(vocabulary=[5, 6, 7], mask_token=9, output_mode="{mode}")',
        )
    )


def test_weighted_counts() -> None:
    lookup = 'IntegerLookup(vocabulary=[5, 6], idf_weights=[0.5, 2.0], output_mode="tf_idf")'
    made = used("input x: int64[5]", f"{lookup}\nDense(2)")
    assert made.count("ScatterElements") == 1
    assert "OneHot" not in made


def test_other_numbers_are_spread_and_given_back() -> None:
    text = model_of("input x: int64[9]", "IntegerLookup(vocabulary=[5, 6], num_oov_indices=3)")
    numbers = np.array([[-4, -1, 0, 1, 2, 5, 6, 7, 2**40]])
    want, have = both(text, numbers)
    assert (want == have).all()
    text = model_of("input x: int64[9]", 'StringLookup(vocabulary=["a", "b"], invert=True)')
    _, made, _ = exported(specc.compile_text(text).models[-1])
    assert run(made.model, x=np.array([[0, 1, 2, 3, 4, 5, -1, 1, 2]])).tolist() == [
        ["[UNK]", "a", "b", *["[UNK]"] * 4, "a", "b"]
    ]


def test_bins() -> None:
    made = used("input x: float32[4]", "Discretization([-1.0, 0.0, 0.5])\nEmbedding(4, 2)")
    assert made[:4] == ["Unsqueeze", "Less", "Not", "Cast"]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("Hashing(10)", "ONNX has no hash of strings"),
        ('StringLookup(vocabulary=["a"], num_oov_indices=2)', "ONNX has no hash of strings"),
        (
            'TextVectorization(vocabulary=["a"], split="character", ngrams=2)',
            "of texts needs opset 20",
        ),
        ('TextVectorization(vocabulary=["a"])', "of texts needs opset 20"),
        ('TextVectorization(vocabulary=["a"], standardize=None)', "of texts needs opset 20"),
        ('TextVectorization(vocabulary=["a"], split=None)', "of texts needs opset 20"),
        (
            'TextVectorization(vocabulary=["a"], standardize="lower", split=None, ngrams=2)',
            "of texts needs opset 20",
        ),
    ],
)
def test_what_onnx_cannot_do_with_strings(layer: str, reason: str) -> None:
    shape = "[3]" if "split=None" in layer or "Text" not in layer else "[]"
    graph = specc.compile_text(model_of(f"input x: string{shape}", layer)).models[-1].graph
    with pytest.raises(NotLowered, match=reason):
        lower(graph, 18)


def test_nothing_in_onnx_gives_the_bytes_of_a_string() -> None:
    """What hashes would need: these operators compare strings with others, or count them.

    There would be more of them in an ONNX that has such an operator.
    """
    found: set[str] = set()
    for schema in onnx.defs.get_all_schemas():
        kinds = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        takes, gives = (
            [kinds.get(port.type_str, [port.type_str]) for port in ports]
            for ports in (schema.inputs, schema.outputs)
        )
        if any("tensor(string)" in types for types in takes) and any(
            "tensor(string)" not in types for types in gives
        ):
            found.add(schema.name)
    compared = {"Equal", "NonZero", "OneHotEncoder", "RegexFullMatch", "TfIdfVectorizer", "Unique"}
    counted = {"Shape", "Size", "StringSplit"}
    of_any_type = {"Optional", "OptionalHasElement", "RandomNormalLike", "RandomUniformLike"}
    of_any_type |= {"SequenceConstruct", "SequenceInsert", "SequenceMap", "SplitToSequence"}
    assert found - {"Gradient"} == compared | counted | of_any_type


WORDS = np.array([["The", "cat", "", "ÉTÉ"], ["dog", "CAT", "[UNK]", "the"]], object)


@pytest.mark.parametrize(
    "arguments",
    [
        "standardize=None",
        'standardize="lower"',
        'standardize="lower", output_sequence_length=3',
        'standardize="lower", output_sequence_length=6',
        'standardize="lower", output_mode="multi_hot"',
        'standardize="lower", output_mode="count", pad_to_max_tokens=True, max_tokens=9',
        'standardize=None, output_mode="tf_idf", idf_weights=[0.5, 1.5, 2.5]',
    ],
)
def test_rows_of_words(arguments: str) -> None:
    layer = f'TextVectorization(vocabulary=["the", "cat", "été"], split=None, {arguments})'
    text = model_of("input x: string[4]", layer)
    want, have = both(text, WORDS)
    assert have.tolist() == want.tolist()
    sound(text)


# ----------------------------------------------------------------------------- texts

VOCABULARY = ["the", "cat", "dont", "don't", "été", "the cat", "cat the cat", "É", "Cat", "😀", "t",
              "T", " ", "t h", "\t"]  # fmt: skip
WRITTEN = json.dumps(VOCABULARY, ensure_ascii=False)

PIECES = st.sampled_from(
    [
        "the",
        "The",
        "CAT",
        "cat",
        "don't",
        "dont!",
        "été",
        "É",
        "😀",
        " ",
        "  ",
        "\t",
        "\n",
        "\v\f\r",
        "",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
TEXT = (
    st.lists(PIECES, max_size=8).map(" ".join)
    | st.lists(PIECES, max_size=8).map("".join)
    | st.text(PUNCTUATION + WHITESPACE + " aAzZ", max_size=30)
)


class Twice:
    """A layer in Keras, and in onnxruntime."""

    def __init__(self, inputs: str, arguments: str) -> None:
        layer = f"TextVectorization(vocabulary={WRITTEN}, {arguments})"
        model = specc.compile_text(model_of(inputs, layer)).models[-1]
        _, made, _ = exported(model)
        self.keras_model = model.to_keras(seed=0)
        self.session = onnxruntime.InferenceSession(made.model.SerializeToString())

    def agree(self, texts: Array) -> None:
        want = np.asarray(self.keras_model(keras.ops.convert_to_tensor(texts), training=False))
        have: Any = self.session.run(None, {"x": texts})[0]
        assert (have.dtype, have.tolist()) == (want.dtype, want.tolist())


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        'standardize="lower"',
        'standardize="strip_punctuation", output_sequence_length=3',
        "standardize=None, ngrams=(2, 1)",
        "ngrams=3",
        "ngrams=2, output_sequence_length=9",
        'output_mode="count"',
        'ngrams=(2,), output_mode="multi_hot"',
        f'ngrams=2, output_mode="tf_idf", idf_weights={[0.5] * len(VOCABULARY)}',
        'split="character"',
        'split="character", standardize=None, output_sequence_length=7',
        'split="character", standardize="lower", ngrams=2',
        'split="character", output_mode="count"',
    ],
)
def test_texts(arguments: str) -> None:
    twice = Twice("input x: string[]", arguments)

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(st.lists(TEXT, min_size=1, max_size=5))
    def check(texts: list[str]) -> None:
        twice.agree(np.array(texts, object))

    check()


@pytest.mark.parametrize("arguments", ["", 'ngrams=(3, 1), output_mode="count"', "ngrams=9"])
def test_words_that_are_texts(arguments: str) -> None:
    twice = Twice("input x: string[3]", f"split=None, {arguments}")

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.tuples(TEXT, PIECES, PIECES), min_size=1, max_size=5))
    def check(rows: list[tuple[str, ...]]) -> None:
        twice.agree(np.array(rows, object))

    check()


def test_a_long_text() -> None:
    """As many turns as there are parts: the 2,000 commas of one text among short ones."""
    twice = Twice("input x: string[1]", "output_sequence_length=7")
    twice.agree(np.array([["the, Cat!" * 2000], ["the"], [""]], object))


def test_every_character_on_its_own() -> None:
    """All of ASCII, and what a text is split at elsewhere but not in TensorFlow."""
    twice = Twice("input x: string[]", "standardize=None")
    strict = Twice("input x: string[]", "")
    alone = Twice("input x: string[]", 'standardize=None, split="character"')
    characters = [*map(chr, range(1, 128)), *"\x85\xa0\u1680\u2003\u2028\u3000\ufeff"]
    texts = np.array([f"the{c}Cat{c} don{c}t" for c in characters], object)
    for layer in (twice, strict, alone):
        layer.agree(texts)


def test_a_later_opset_where_it_is_needed() -> None:
    text = model_of("input x: string[]", f"TextVectorization(vocabulary={WRITTEN})")
    made = sound(text)
    assert [(o.domain, o.version) for o in made.opset_import] == [("", 20), ("ai.onnx.ml", 3)]
    assert set(operators(made)) == {
        *("Shape", "Expand", "StringNormalizer", "StringSplit", "Loop", "Reshape", "LabelEncoder"),
    }
    assert operators(made).count("Loop") == len(PUNCTUATION + WHITESPACE)
    model = specc.compile_text(text).models[-1]
    with pytest.raises(UsageError, match="opset 18 is too old: `TextVectorization` of texts"):
        model.to_onnx(model.to_keras(seed=0), opset=18)


def test_characters() -> None:
    """With no later opset, and an operator that is not ONNX's."""
    layer = f'TextVectorization(vocabulary={WRITTEN}, standardize="lower", split="character")'
    made = sound(model_of("input x: string[]", layer))
    assert [(o.domain, o.version) for o in made.opset_import] == [
        *[("", 18), ("com.microsoft", 1), ("ai.onnx.ml", 3)],
    ]
    assert operators(made) == ["StringNormalizer", "Tokenizer", "Reshape", "LabelEncoder"]


def test_no_later_opset_for_tf2onnx() -> None:
    """What needs one, beside what has no lowering: tf2onnx, which has no opset 20, is asked."""
    text = model_of(
        "input x: string[]",
        'a = x -> TextVectorization(vocabulary=["a"], output_sequence_length=2)\n'
        "b = x -> Hashing(10)\n"
        "output a, b",
    )
    model = specc.compile_text(text).models[-1]
    with pytest.raises(UsageError, match="tf2onnx cannot convert"):
        model.to_onnx(model.to_keras(seed=0))


def test_a_classifier_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, vectors and a decision in one file, which takes the texts; in half precision, too."""
    monkeypatch.chdir(tmp_path)
    lines = [
        f"TextVectorization(vocabulary={WRITTEN}, output_sequence_length=6)",
        f"Embedding({len(VOCABULARY) + 2}, 4)",
        "Flatten",
        'Dense(2, activation="softmax")',
    ]
    Path("m.spec").write_text(model_of("input x: string[]", "\n".join(lines)), encoding="utf-8")
    for words in ([], ["--precision", "float16"], ["--quantize", "int8"]):
        assert main(["export", "--onnx", "m.spec", "--provider", "cpu", *words]) == 0
        session = onnxruntime.InferenceSession("build/m.onnx")
        texts = np.array(["The cat!", "thecat", "", "😀 the\tCat"], object)
        (found,) = session.run(None, {"x": texts})
        keras_model = specc.compile("m.spec").model().to_keras(seed=0)
        want = keras_model(keras.ops.convert_to_tensor(texts), training=False)
        np.testing.assert_allclose(found, np.asarray(want), atol=0.02 if words else 1e-6)
