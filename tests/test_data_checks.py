"""Data against the model: what fits comes out as it should, and what does not is told before
anything trains, at the entry, with both values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Golden
from training_data import IMAGES, SPARSE, drawn, every, load, mistakes, shown

import specc
from specc.diagnostics.diagnostic import SpecError
from specc.training.load import load_dataset

CATEGORICAL = '"categorical_crossentropy"'
BINARY = '"binary_crossentropy"'
ONE = """model m {
    input x: float32[4]

    Dense(1, activation="sigmoid")
}
"""
X = np.zeros((9, 4), np.float32)
IMAGE, LABEL = drawn(9)

NPZ = 'source = npz("a.npz")'
WITH_NAN = X.copy()
WITH_NAN[[3, 5]] = np.nan

Case = tuple[dict[str, Any], str, str, str]
WRONG: dict[str, Case] = {
    "size": ({"x": np.zeros((9, 32, 32), "u1"), "y": LABEL}, NPZ, IMAGES, SPARSE),
    "flat": ({"x": np.zeros((9, 784), "u1"), "y": LABEL}, NPZ, IMAGES, SPARSE),
    "features": ({"x": np.zeros((9, 5)), "y": LABEL}, NPZ, ONE, BINARY),
    "strings": ({"x": np.array(["a"] * 9), "y": LABEL}, NPZ, ONE, BINARY),
    "string_targets": ({"x": X, "y": np.array(["a"] * 9)}, NPZ + "\nclasses = 2", ONE, '"mse"'),
    "complex": ({"x": X.astype("complex64"), "y": LABEL}, NPZ, ONE, BINARY),
    "nan": ({"x": WITH_NAN, "y": LABEL % 2}, NPZ, ONE, BINARY),
    "nan_target": ({"x": X, "y": np.array([0.5] * 8 + [np.nan])}, NPZ, ONE, '"mse"'),
    "label_too_large": ({"x": IMAGE, "y": LABEL + 10}, NPZ, IMAGES, SPARSE),
    "labels_from_1": ({"x": IMAGE, "y": np.arange(9) + 2}, NPZ, IMAGES, SPARSE),
    "negative_label": ({"x": IMAGE, "y": LABEL.astype(int) - 20}, NPZ, IMAGES, SPARSE),
    "fraction_for_label": ({"x": IMAGE, "y": LABEL + 0.5}, NPZ, IMAGES, SPARSE),
    "one_hot_for_sparse": ({"x": IMAGE, "y": np.eye(10)[LABEL]}, NPZ, IMAGES, SPARSE),
    "one_hot_entry_for_sparse": (
        {"x": IMAGE, "y": LABEL},
        NPZ + "\none_hot = True",
        IMAGES,
        SPARSE,
    ),
    "one_hot_twice": (
        {"x": IMAGE, "y": np.eye(10)[LABEL]},
        NPZ + "\none_hot = True",
        IMAGES,
        CATEGORICAL,
    ),
    "one_hot_of_another_size": (
        {"x": IMAGE, "y": LABEL},
        NPZ + "\none_hot = 12",
        IMAGES,
        CATEGORICAL,
    ),
    "labels_for_categorical": ({"x": IMAGE, "y": LABEL}, NPZ, IMAGES, CATEGORICAL),
    "numbers_for_another_output": ({"x": X, "y": np.zeros((9, 2))}, NPZ, ONE, '"mse"'),
    "binary_of_minus_one": ({"x": X, "y": np.array([1, -1] * 4 + [1])}, NPZ, ONE, BINARY),
    "more_classes_than_units": (
        {"x": IMAGE, "y": LABEL},
        NPZ + "\nclasses = 12",
        IMAGES,
        SPARSE,
    ),
    "cast_to_another": ({"x": IMAGE, "y": LABEL}, NPZ + '\ncast = "int32"', IMAGES, SPARSE),
    "scales": ({"x": IMAGE, "y": LABEL}, NPZ + "\nscale = [1, 2]", IMAGES, SPARSE),
    "scale_of_whole_numbers": (
        {"x": np.zeros((9, 4), int), "y": LABEL % 2},
        NPZ + "\nscale = 2",
        ONE.replace("float32", "int32").replace("Dense", "Rescaling(1.0)\n    Dense"),
        BINARY,
    ),
    "features_of_an_npz": ({"x": X, "y": LABEL}, NPZ + '\nfeatures = "a"', ONE, BINARY),
    "validation_too_large": (
        {"x": IMAGE, "y": LABEL},
        NPZ + "\nvalidation = first(9)",
        IMAGES,
        SPARSE,
    ),
    "validation_of_none": (
        {"x": IMAGE, "y": LABEL},
        NPZ + "\nvalidation = random(0.01)",
        IMAGES,
        SPARSE,
    ),
    "strata_of_numbers": (
        {"x": X, "y": np.linspace(0, 1, 9)},
        NPZ + "\ntest = stratified(3)",
        ONE,
        '"mse"',
    ),
    "strata_of_one": (
        {"x": IMAGE, "y": np.arange(9)},
        NPZ + "\ntest = stratified(3)",
        IMAGES,
        SPARSE,
    ),
    "second_test": (
        {},
        "source = digits()\ntest = digits()\nvalidation = digits()\nscale = [1, 2]",
        IMAGES.replace("28", "8"),
        SPARSE,
    ),
    "number_of_targets": (
        {"x": X, "y": LABEL},
        NPZ,
        ONE.replace("    Dense", "    a = x -> Dense(2)\n    b = x -> Dense").rstrip("}\n")
        + "\n\n    output a, b\n}\n",
        '["mse", "mse"]',
    ),
}
"""What is in a.npz, the entries, the model, the loss."""


@pytest.mark.parametrize("case", WRONG)
def test_wrong(tmp_path: Path, case: str, golden: Golden) -> None:
    arrays, entries, model, loss = WRONG[case]
    np.savez(tmp_path / "a.npz", **arrays)
    found = mistakes(tmp_path, entries, model, loss)
    for one in found:
        assert "=" in one.primary.span.text  # an entry, or a line of it
    golden(f"data/check_{case}.txt", shown(tmp_path, found))


WHOLE = """model m {
    input x: int8[4]

    Rescaling(1.0)
    Dense(1, activation="sigmoid")
}
"""


def test_values_that_a_dtype_has_not(tmp_path: Path) -> None:
    numbers = np.zeros((9, 4))
    for value, expected in ((0.5, "0.5"), (200.0, "200.0"), (-129.0, "-129.0")):
        numbers[7, 2] = value
        np.savez(tmp_path / "a.npz", x=numbers, y=LABEL % 2)
        (found,) = mistakes(tmp_path, NPZ, WHOLE, BINARY)
        assert found.code == "E0709"
        assert found.message == f"`x` is int8, which has no {expected}"
        assert found.primary.text == "sample 7"
        (x,), _ = every(load(tmp_path, f'{NPZ}\ncast = "int8"', WHOLE, BINARY).train)
        np.testing.assert_array_equal(x, numbers.astype("int8"))
    numbers[7, 2] = -128
    np.savez(tmp_path / "a.npz", x=numbers, y=LABEL % 2)
    (x,), _ = every(load(tmp_path, NPZ, WHOLE, BINARY).train)
    np.testing.assert_array_equal(x, numbers)


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 32, 32)), y=LABEL + 10)
    codes = [one.code for one in mistakes(tmp_path, f"{NPZ}\nscale = 2")]
    assert codes == ["E0707", "E0711"]


def test_mistakes_of_other_parts_are_at_their_entries(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGE, y=LABEL)
    np.savez(tmp_path / "b.npz", x=IMAGE, y=LABEL + 10)
    for entry in ("test", "validation"):
        (found,) = mistakes(tmp_path, f'{NPZ}\n{entry} = npz("b.npz")')
        assert found.code == "E0711"
        assert found.primary.span.text == f'{entry} = npz("b.npz")'
        assert len(load(tmp_path, f'{NPZ}\n{entry} = npz("a.npz")').train) == 9


RIGHT: dict[str, tuple[Any, Any, str, str, Any, Any]] = {
    "axis_of_channels": (
        IMAGE, LABEL, IMAGES.replace("28, 28", "28, 28, 1"), SPARSE, IMAGE[..., None], LABEL,
    ),
    "no_axis_of_channels": (IMAGE[..., None], LABEL[:, None], IMAGES, SPARSE, IMAGE, LABEL),
    "vectors": (IMAGE, np.eye(10)[LABEL], IMAGES, CATEGORICAL, IMAGE, np.eye(10)[LABEL]),
    "labels_as_floats": (IMAGE, LABEL * 1.0, IMAGES, SPARSE, IMAGE, LABEL),
    "column": (X, LABEL % 2, ONE, BINARY, X, (LABEL % 2)[:, None]),
    "truth": (X, LABEL % 2 == 1, ONE, BINARY, X, (LABEL % 2)[:, None]),
    "no_loss": (IMAGE, LABEL, IMAGES, "None", IMAGE, LABEL),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT)
def test_right(tmp_path: Path, case: str) -> None:
    x, y, model, loss, inputs, targets = RIGHT[case]
    np.savez(tmp_path / "a.npz", x=x, y=y)
    part = load(tmp_path, NPZ, model, loss).train
    (found,), (labels,) = every(part)
    np.testing.assert_array_equal(found, inputs)
    np.testing.assert_array_equal(labels, targets)
    assert found.dtype == np.float32
    assert labels.dtype in (np.int32, np.float32)
    assert found.flags.c_contiguous


def test_scales(tmp_path: Path) -> None:
    """`1 / 255` is a division, to the last bit; a list is for the last axis."""
    every_byte = np.resize(np.arange(256, dtype="u1"), (9, 28, 28))
    np.savez(tmp_path / "a.npz", x=every_byte, y=LABEL)
    (x,), _ = every(load(tmp_path, f"{NPZ}\nscale = 1 / 255").train)
    np.testing.assert_array_equal(x, every_byte.astype("float32") / np.float32(255))
    (x,), _ = every(load(tmp_path, f"{NPZ}\nscale = 0.003").train)
    np.testing.assert_array_equal(x, every_byte * np.float32(0.003))
    factors = [0.5 * i for i in range(28)]
    (x,), _ = every(load(tmp_path, f"{NPZ}\nscale = {factors}").train)
    np.testing.assert_array_equal(x, every_byte * np.array(factors, "float32"))


def test_a_name_of_an_axis_is_one_size(tmp_path: Path) -> None:
    model = """model m {
    input a: float32[time, 2]
    input b: float32[time, 3]

    [a, b] -> Concatenate -> Dense(1)
}
"""
    source = 'source = npz("a.npz", x=["a", "b"])'
    good = {"a": np.zeros((9, 5, 2)), "b": np.zeros((9, 5, 3)), "y": np.zeros((9, 5))}
    np.savez(tmp_path / "a.npz", **good)
    load(tmp_path, source, model, '"mse"')
    np.savez(tmp_path / "a.npz", **{**good, "b": np.zeros((9, 6, 3))})
    (found,) = mistakes(tmp_path, source, model, '"mse"')
    assert (
        found.message == "a sample for `b` is float64[6, 3], and the model takes float32[time, 3]"
    )


def test_strings_for_a_model_that_takes_them(tmp_path: Path) -> None:
    model = """model m {
    input kind: string[1]

    StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    Dense(1)
}
"""
    words = np.array(["a", "b", "a"])
    np.savez(tmp_path / "a.npz", x=words, y=np.zeros(3))
    (x,), _ = every(load(tmp_path, NPZ, model, '"mse"').train)
    assert x.tolist() == [["a"], ["b"], ["a"]]
    (tmp_path / "t.csv").write_text("kind,price\na,1\nb,2\n")
    (x,), _ = every(load(tmp_path, 'source = csv("t.csv")\ntarget = "price"', model, '"mse"').train)
    assert x.tolist() == [["a"], ["b"]]


def test_which_data_block(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGE, y=LABEL)
    one = 'data a {\n    source = npz("a.npz")\n}\n'
    for text, codes in (
        (one + IMAGES, []),
        (IMAGES, ["E0701"]),
        (one + one.replace("data a", "data b") + IMAGES, ["E0701"]),
        (one + IMAGES + "train m {\n    epochs = 1\n}\n", []),
        ("data a {\n    scale = 2\n}\n" + IMAGES, ["E0702"]),
    ):
        path = tmp_path / "m.spec"
        path.write_text(text)
        program = specc.compile(path)
        try:
            load_dataset(program, program.model())
            found = []
        except SpecError as error:
            found = [diagnostic.code for diagnostic in error.diagnostics]
        assert found == codes
