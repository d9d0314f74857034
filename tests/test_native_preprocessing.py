"""The native exporter: images, sound, categories and texts."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from native_models import exported, operators, sound

import specc
from specc.backends.native.convert import lower
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
        ('TextVectorization(vocabulary=["a"], split=None)', "can replace nothing in a string"),
        ('TextVectorization(vocabulary=["a"], standardize=None)', "onnxruntime at no tabs"),
        (
            'TextVectorization(vocabulary=["a"], standardize=None, split=None, ngrams=2)',
            "cannot join strings",
        ),
    ],
)
def test_what_onnx_cannot_do_with_strings(layer: str, reason: str) -> None:
    shape = "[3]" if "split=None" in layer or "Text" not in layer else "[]"
    graph = specc.compile_text(model_of(f"input x: string{shape}", layer)).models[-1].graph
    with pytest.raises(NotLowered, match=reason):
        lower(graph, 18)


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
