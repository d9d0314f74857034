"""What users see when something is wrong: a file of tests/bad for each mistake.

Each goes through the real command line. `pytest --update-golden` writes the messages anew;
read them as one who sees specc for the first time.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specc.cli.main import main

HERE = Path(__file__).parent
BAD = HERE / "bad"
SPECS = sorted((HERE.parent / "specs").glob("*.spec"))

# The codes that each spec is to raise, in order: one mistake gives one error.
CODES = {
    # reading
    "binary_file": "E0101",
    "not_utf8": "E0102",
    "empty_file": "E0103",
    "only_comments": "E0103",
    # syntax
    "accented_name": "E0104",
    "no_break_space": "E0104",
    "semicolon": "E0104",
    "strange_character": "E0104",
    "typographic_quotes": "E0104",
    "arrow_at_the_end": "E0105",
    "arrow_from_nothing": "E0105",
    "brace_on_the_next_line": "E0105",
    "colon_in_argument": "E0105",
    "comma_missing": "E0105",
    "equals_twice": "E0105",
    "line_outside_a_model": "E0105",
    "misspelt_word": "E0105",
    "name_after_the_layer": "E0105",
    "negative_size": "E0105",
    "no_type": "E0105",
    "slashes_as_comment": "E0105",
    "trailing_comma": "E0105",
    "two_layers_on_a_line": "E0105",
    "type_without_shape": "E0105",
    "value_as_argument_name": "E0105",
    "missing_brace": "E0106",
    "missing_brace_between_models": "E0106",
    "missing_bracket": "E0106",
    "missing_parenthesis": "E0106",
    "wrong_bracket": "E0106",
    "unclosed_string": "E0107",
    "nested_too_deeply": "E0108",
    "keyword_as_name": "E0109",
    "number_too_long": "E0110",
    "number_with_leading_zero": "E0110",
    "unknown_escape": "E0111",
    "positional_after_keyword": "E0112",
    "extra_brace": "E0113",
    "extra_parenthesis": "E0113",
    # names and arguments
    "layer_in_small_letters": "E0201",
    "layer_with_its_module": "E0201",
    "unknown_layer": "E0201",
    "unknown_name": "E0202",
    "unknown_name_used_twice": "E0202",
    "misspelt_argument": "E0203",
    "unknown_argument": "E0203",
    "misspelt_activation": "E0204",
    "unknown_activation": "E0204",
    "wrong_argument_range": "E0204",
    "wrong_argument_type": "E0204",
    "missing_argument": "E0205",
    "too_many_arguments": "E0206",
    "argument_twice": "E0207",
    "layer_named_as_an_automatic_name": "E0208",
    "layer_named_as_an_input": "E0208",
    "shared_layer_named_as_a_tensor": "E0208",
    "tensor_named_as_a_shared_layer": "E0208",
    "two_inputs_of_one_name": "E0208",
    "two_layers_of_one_name": "E0208",
    "two_shared_layers_of_one_name": "E0208",
    "two_models_of_one_name": "E0209",
    "name_is_a_layer": "E0210",
    "unknown_dtype": "E0211",
    "layer_without_input": "E0212",
    "layer_declared_from_tensor": "E0213",
    "number_as_layer": "E0213",
    "tensor_as_layer": "E0213",
    "outputs_of_one_layer_miscounted": "E0214",
    "too_many_names": "E0214",
    "arithmetic_on_tensors": "E0215",
    "attribute_of_a_tensor": "E0215",
    "second_name_for_a_layer": "E0215",
    "word_for_later": "E0215",
    "word_for_later_outside_a_model": "E0215",
    "argument_not_constant": "E0216",
    "object_as_argument": "E0216",
    "string_without_quotes": "E0216",
    "tensor_as_argument": "E0216",
    "division_by_zero": "E0217",
    "expectation_of_no_number": "E0217",
    "number_too_large": "E0217",
    "string_in_arithmetic": "E0217",
    "unknown_measure": "E0218",
    "list_where_one_tensor_is_needed": "E0219",
    "several_tensors_as_output": "E0219",
    "several_tensors_at_the_end": "E0219",
    "bad_layer_name": "E0220",
    "constant_as_tensor": "E0221",
    "keras_call_style": "E0222",
    "keras_call_style_on_a_line": "E0222",
    # shapes and dtypes
    "concatenate_mismatch": "E0301",
    "shape_mismatch": "E0301",
    "shape_mismatch_in_units": "E0301",
    "scalar_input": "E0302",
    "wrong_rank": "E0302",
    "axis_out_of_range": "E0303",
    "window_too_large": "E0304",
    "unknown_size": "E0305",
    "cannot_reshape": "E0306",
    "too_few_inputs": "E0307",
    "too_many_inputs": "E0307",
    "wrong_dtype": "E0308",
    "shared_layer_differs": "E0309",
    "arguments_conflict": "E0310",
    "initializer_of_another_rank": "E0311",
    "batch_axis": "E0312",
    "batch_size_needed": "E0312",
    # structure
    "empty_model": "E0401",
    "no_input": "E0401",
    "missing_output": "E0402",
    "unused_branch_with_an_input": "E0403",
    "unused_chain": "E0403",
    "unused_declared_layer": "E0403",
    "unused_output": "E0403",
    "unused_input": "E0404",
    "lstm_states_as_one_tensor": "E0405",
    "unclear_continuation": "E0405",
    "output_twice": "E0406",
    # expectations
    "count_without_layers": "E0501",
    "layer_count_not_met": "E0501",
    "layer_not_trainable": "E0501",
    "layer_without_weights": "E0501",
    "missing_bias": "E0501",
    "non_trainable_not_met": "E0501",
    "total_not_met": "E0501",
    "total_not_met_no_single_layer": "E0501",
    "total_not_met_use_bias": "E0501",
    "trainable_not_met": "E0501",
    "layer_output_not_met": "E0502",
    "named_output_not_met": "E0502",
    "output_not_met": "E0502",
    "expect_unknown_layer": "E0503",
    "expect_which_output": "E0504",
    "expect_unknown_output": "E0505",
    # several mistakes, and one with many consequences
    "several_mistakes": "E0201 E0203 E0204 E0216",
    "several_syntax_errors": "E0105 E0106 E0113 E0105",
    "one_mistake_one_error": "E0201",
    "one_shape_mistake_one_error": "E0303",
    # what the terminal shows
    "combining_and_ideographic_space": "E0203",
    "escape_sequences": "E0201 E0220",
    "long_line": "E0203 E0204",
    "long_line_two_marks": "E0207",
    "no_final_newline": "E0201",
    "tabs": "E0203",
    "wide_characters": "E0203",
    "windows_line_ends": "E0201",
}


@pytest.fixture(autouse=True)
def in_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in messages are those of the command line, so that no machine's get into them."""
    monkeypatch.chdir(BAD)
    monkeypatch.delenv("SPECC_TRACEBACK", raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit status of a command line, its stdout and its stderr."""
    status = main(words)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out, captured.err


def marks(text: str) -> list[tuple[str, str]]:
    """Each line of source that a message shows, with the line of marks below it."""
    lines = text.splitlines()
    return [(line, below) for line, below in pairwise(lines) if line[:1].isdigit() and "|" in below]


def marked(line: str, below: str) -> str:
    """The characters above the carets, by the columns that a terminal gives them."""
    from unicodedata import combining, east_asian_width

    cells: list[str] = []
    for character in line:
        if combining(character):
            cells[-1] += character
        else:
            wide = character == "\t" or east_asian_width(character) in "WF"
            cells += [character, ""] if wide else [character]
    carets: list[str] = []
    for character in below:
        carets += [character, character] if character == "\t" else [character]
    return "".join(cell for cell, mark in zip(cells, carets, strict=False) if mark == "^")


# ------------------------------------------------------------------------- bad specs


def test_table_and_files_agree() -> None:
    assert sorted(CODES) == sorted(path.stem for path in BAD.iterdir())


@pytest.mark.parametrize("name", CODES)
def test_message(name: str, golden, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check", f"{name}.spec")
    assert (status, out) == (1, "")
    assert [line[6:11] for line in err.splitlines() if line.startswith("error[")] == (
        CODES[name].split()
    )
    assert "\x1b" not in err
    assert not any(character in err for character in "\x07\u202e")
    golden(f"bad/{name}.txt", err)


@pytest.mark.parametrize("name", CODES)
def test_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, text = run(capsys, "check", f"{name}.spec")
    json_status, out, err = run(capsys, "check", "--json", f"{name}.spec")
    assert (json_status, err) == (status, "")
    assert "\x1b" not in out
    result = json.loads(out)
    assert result["ok"] is False
    shown = [
        f"error[{error['code']}]: {error['file']}:{error['line']}:{error['column']}"
        for error in result["errors"]
    ]
    lines = text.splitlines()
    codes = [line[: len("error[E0000]")] for line in lines if line.startswith("error[")]
    places = [line.split("--> ")[1] for line in lines if line.lstrip().startswith("--> ")]
    assert shown == [f"{code}: {place}" for code, place in zip(codes, places, strict=True)]


@pytest.mark.parametrize(
    "name", ["tabs", "wide_characters", "combining_and_ideographic_space", "long_line"]
)
def test_carets_stand_below_what_they_mark(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run(capsys, "check", f"{name}.spec")
    assert marked(*marks(err)[0]) == "activaton"


def test_long_line_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run(capsys, "check", "long_line.spec")
    for line, _ in marks(err):
        assert len(line) < 180
        assert line.endswith("...")


def test_unknown_layer_without_a_near_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.spec"
    path.write_text("model m {\n    input x: float32[4]\n    Frobnicate(10)\n}\n")
    status, _, err = run(capsys, "check", str(path))
    assert status == 1
    assert "help: the layers are `Activation`, `Add`," in err
    assert max(map(len, err.splitlines())) <= max(100, len(str(path)) + 10)


# ------------------------------------------------------------- files and command lines


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing_file", ["check", "unknown_lyer.spec"]),
        ("missing_file_far", ["check", "zzzzzzzz.spec"]),
        ("missing_file_of_several", ["check", "unknown_layer.spec", "zzzzzzzz.spec"]),
        ("missing_folder", ["check", "nowhere/a.spec"]),
        ("directory", ["check", "../../specc"]),
        ("unknown_command", ["chek", "unknown_layer.spec"]),
        ("unknown_command_far", ["frobnicate"]),
        ("unknown_code", ["explain", "nonsense"]),
    ],
)
def test_misuse(name: str, words: list[str], golden, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    golden(f"misuse/{name}.txt", err)


@pytest.mark.parametrize("words", [["check"], ["check", "--colour", "unknown_layer.spec"]])
def test_wrong_options(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("usage: specc check")


def test_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert err.startswith("usage: specc COMMAND")


def test_directory_names_its_specs(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "check", "../../specs")
    assert status == 2
    assert "it is a directory" in err
    assert "bn_after.spec" in err


def test_several_specs_in_one_run(golden, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["unknown_layer.spec", "../../specs/bn_after.spec", "missing_brace.spec"]
    status, out, err = run(capsys, "check", *names)
    assert (status, out) == (1, "")
    golden("misuse/several_specs.txt", err)


def test_a_name_on_the_command_line_cannot_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "\x1b[31ma.spec"
    Path(name).write_text("model m {\n}\n")
    status, out, err = run(capsys, "check", name)
    assert (status, out) == (1, "")
    assert "\x1b" not in err


def test_byte_order_mark_is_no_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.spec"
    path.write_bytes(b"\xef\xbb\xbf" + SPECS[0].read_bytes())
    status, _, err = run(capsys, "check", str(path))
    assert (status, err) == (0, "")


# ------------------------------------------------------------------------- properties

TEXTS = [path.read_text(encoding="utf-8") for path in SPECS]
PIECES = st.sampled_from(
    [*"(){}[],:=->.#\"'\\ \n\t\r_0x;@%*/+", "\0", "\x1b", "é", "层", "-> ", "model m {", "input x",
     "expect ", "layer ", "output ", "None", "Dense", "1e400", "0x", "9" * 80, "((((", "]]"]
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A shipped spec in which pieces were deleted, put in, and moved."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20, 60]))
        kind = draw(st.sampled_from(["delete", "insert", "copy"]))
        if kind == "delete":
            text = text[:start] + text[start + max(1, length) :]
        elif kind == "insert":
            text = text[:start] + draw(PIECES) + text[start:]
        else:
            other = draw(st.integers(0, len(text)))
            text = text[:start] + text[other : other + length] + text[start:]
    return text


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=mangled())
def test_no_text_makes_specc_fail(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mangled.spec"
    path.write_bytes(text.encode())
    status, _, err = run(capsys, "check", str(path))
    assert status in (0, 1), err
    assert (status == 0) == (err == "")
    assert "\x1b" not in err
