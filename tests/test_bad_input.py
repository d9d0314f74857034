"""What users see when something is wrong: a file of tests/bad for each mistake.

Each goes through the real command line. `pytest --update-golden` writes the messages anew;
read them as one who sees specc for the first time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from inspect import isfunction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import specc
from specc.cli.main import main
from specc.diagnostics.diagnostic import Diagnostic, SpecError
from specc.diagnostics.errors import names, programs, structure
from specc.files import UsageError

Golden = Callable[[str, str], None]

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
    "import_with_a_syntax_error": "E0105",
    "line_outside_a_model": "E0105",
    "misspelt_word": "E0105",
    "name_after_the_layer": "E0105",
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
    "misspelt_function": "E0201",
    "misspelt_object": "E0201",
    "object_as_argument": "E0201",
    "object_of_another_kind": "E0204",
    "unknown_function": "E0201",
    "unknown_layer": "E0201",
    "wrapper_of_a_misspelt_layer": "E0201",
    "refused_layer": "E0253",
    "refused_layers_inside": "E0253",
    "layer_of_keras_as_function": "E0253",
    "augmented_unknown_name": "E0202",
    "block_default_of_unknown_name": "E0202",
    "condition_of_unknown_name": "E0202",
    "entry_of_unknown_name": "E0202",
    "loop_that_uses_its_tensor_after_none": "E0202",
    "misspelt_block": "E0202",
    "misspelt_name_as_argument": "E0202",
    "mistake_in_a_block_in_a_block": "E0202",
    "param_after_its_use": "E0202",
    "train_with_unknown_data": "E0202",
    "unknown_name": "E0202",
    "unknown_name_in_text": "E0202",
    "unknown_name_used_twice": "E0202",
    "block_argument_unknown": "E0203",
    "block_input_of_unknown_name": "E0203",
    "call_argument_unknown": "E0203",
    "input_of_unknown_option": "E0203",
    "misspelt_argument": "E0203",
    "mistake_in_a_block": "E0203",
    "nested_model_input_of_unknown_name": "E0203",
    "nested_model_of_unknown_param": "E0203",
    "nested_model_with_a_mistake": "E0203",
    "object_of_unknown_argument": "E0203",
    "operation_of_unknown_argument": "E0203",
    "options_of_a_block_input": "E0203",
    "unknown_argument": "E0203",
    "weight_of_unknown_option": "E0203",
    "call_argument_of_another_type": "E0204",
    "entry_that_is_a_layer": "E0204",
    "misspelt_activation": "E0204",
    "mistake_in_a_block_used_ten_times": "E0204",
    "open_axis_as_argument": "E0204",
    "operation_argument_of_another_type": "E0204",
    "operation_as_argument": "E0204",
    "operation_of_several_tensors": "E0204",
    "operation_of_text": "E0204",
    "trainable_of_a_block": "E0204",
    "unknown_activation": "E0204",
    "weight_of_unknown_initializer": "E0204",
    "adaptive_maximum_of_everything": "E0310",
    "mel_spectrogram_of_a_wrong_length": "E0310",
    "frames_too_far_apart": "E0310",
    "spectral_normalization_without_kernel": "E0310",
    "directions_of_different_sizes": "E0310",
    "adaptive_pooling_of_unknown_size": "E0312",
    "wrapper_of_a_block_of_two_inputs": "E0310",
    "wrapper_of_a_number": "E0204",
    "wrong_argument_range": "E0204",
    "wrong_argument_type": "E0204",
    "block_argument_missing": "E0205",
    "block_argument_missing_of_no_type": "E0205",
    "layer_in_a_list_of_layers": "E0205",
    "missing_argument": "E0205",
    "operation_argument_missing": "E0205",
    "wrapper_of_a_layer_with_a_mistake": "E0205",
    "block_arguments_too_many": "E0206",
    "nested_model_argument_without_name": "E0206",
    "operation_of_too_many_arguments": "E0206",
    "too_many_arguments": "E0206",
    "argument_twice": "E0207",
    "block_argument_twice": "E0207",
    "entry_twice": "E0207",
    "augmented_layer": "E0208",
    "input_in_a_loop": "E0208",
    "layer_in_a_loop": "E0208",
    "layer_named_as_an_automatic_name": "E0208",
    "layer_named_as_an_input": "E0208",
    "nested_models_of_one_name": "E0208",
    "param_named_as_a_tensor": "E0208",
    "param_twice": "E0208",
    "shared_layer_named_as_a_tensor": "E0208",
    "tensor_named_as_a_shared_layer": "E0208",
    "two_inputs_of_one_name": "E0208",
    "two_layers_of_one_name": "E0208",
    "two_shared_layers_of_one_name": "E0208",
    "weight_in_a_loop": "E0208",
    "weight_twice": "E0208",
    "block_named_as_a_model": "E0209",
    "block_parameter_twice": "E0209",
    "data_twice": "E0209",
    "train_twice": "E0209",
    "two_models_of_one_name": "E0209",
    "block_named_as_a_layer": "E0210",
    "input_of_a_layer_name": "E0210",
    "loop_variable_of_a_layer_name": "E0210",
    "name_is_a_layer": "E0210",
    "unknown_dtype": "E0211",
    "block_as_tensor": "E0212",
    "block_call_as_tensor": "E0212",
    "layer_as_output": "E0212",
    "layer_without_input": "E0212",
    "operation_as_tensor": "E0212",
    "operation_of_a_layer": "E0212",
    "tensor_times_layer": "E0212",
    "function_to_the_right_of_an_arrow": "E0213",
    "layer_as_text": "E0213",
    "layer_declared_from_operation": "E0213",
    "layer_declared_from_tensor": "E0213",
    "list_to_the_right_of_an_arrow": "E0213",
    "model_named_as_its_block_argument": "E0213",
    "number_as_layer": "E0213",
    "number_called": "E0213",
    "number_to_the_right_of_an_arrow": "E0213",
    "second_name_for_a_layer": "E0213",
    "tensor_as_layer": "E0213",
    "tensor_called": "E0213",
    "outputs_of_one_layer_miscounted": "E0214",
    "too_many_names": "E0214",
    "argument_not_constant": "E0216",
    "entry_with_a_dot": "E0216",
    "string_without_quotes": "E0216",
    "tensor_as_argument": "E0216",
    "absolute_of_text": "E0217",
    "arithmetic_on_an_open_axis": "E0217",
    "augmented_by_text": "E0217",
    "batch_size_not_whole": "E0217",
    "comparison_by_is": "E0217",
    "comparison_chain_of_tensors": "E0217",
    "comparison_of_a_layer": "E0217",
    "comparison_of_text_and_number": "E0217",
    "division_by_zero": "E0217",
    "dots_as_a_value": "E0217",
    "enumerate_from_text": "E0217",
    "enumerate_of_a_number": "E0217",
    "expectation_of_no_number": "E0217",
    "float_of_text": "E0217",
    "float_too_large": "E0217",
    "function_of_a_tensor": "E0217",
    "function_of_no_argument": "E0217",
    "function_of_too_many_arguments": "E0217",
    "function_of_unknown_argument": "E0217",
    "index_by_text": "E0217",
    "index_by_two": "E0217",
    "index_of_a_number": "E0217",
    "int_of_a_list": "E0217",
    "int_of_text": "E0217",
    "int_too_large": "E0217",
    "length_of_a_number": "E0217",
    "length_of_a_tensor": "E0217",
    "list_doubled_again_and_again": "E0217",
    "list_in_text": "E0217",
    "list_nested_too_deep": "E0217",
    "list_too_long": "E0217",
    "matrix_product_of_numbers": "E0217",
    "membership_in_a_number": "E0217",
    "minimum_of_a_number": "E0217",
    "minimum_of_nothing": "E0217",
    "minus_a_list": "E0217",
    "minus_text": "E0217",
    "number_too_large": "E0217",
    "power_too_large": "E0217",
    "range_of_a_fraction": "E0217",
    "range_of_four_numbers": "E0217",
    "range_of_step_zero": "E0217",
    "range_too_large": "E0217",
    "reversed_number": "E0217",
    "root_of_a_negative_number": "E0217",
    "round_of_infinity": "E0217",
    "round_of_text": "E0217",
    "round_to_a_fraction": "E0217",
    "size_of_a_fraction": "E0217",
    "size_of_text": "E0217",
    "slice_by_text": "E0217",
    "slice_of_step_zero": "E0217",
    "string_in_arithmetic": "E0217",
    "subscript_of_a_tensor": "E0217",
    "subscript_of_a_tensor_by_text": "E0217",
    "sum_of_texts": "E0217",
    "tensor_as_text": "E0217",
    "tensor_in_text": "E0217",
    "tensor_plus_list": "E0217",
    "tensor_plus_text": "E0217",
    "text_of_a_list": "E0217",
    "text_plus_number": "E0217",
    "text_too_long": "E0217",
    "zip_of_different_lengths": "E0217",
    "unknown_measure": "E0218",
    "call_argument_of_several_tensors": "E0219",
    "list_where_one_tensor_is_needed": "E0219",
    "several_tensors_as_output": "E0219",
    "several_tensors_at_the_end": "E0219",
    "bad_block_name": "E0220",
    "bad_layer_name": "E0220",
    "call_argument_of_a_number": "E0221",
    "constant_as_tensor": "E0221",
    "number_as_output": "E0221",
    "number_on_a_line": "E0221",
    "text_on_a_line": "E0221",
    "weight_on_a_line": "E0221",
    "block_input_in_parentheses": "E0222",
    "call_of_a_call": "E0222",
    "keras_call_style": "E0222",
    "keras_call_style_on_a_line": "E0222",
    "operation_in_parentheses": "E0222",
    "negative_size": "E0223",
    "size_zero": "E0223",
    # files
    "import_of_an_import": "E0201",
    "import_with_a_mistake": "E0203",
    "import_of_a_name_twice": "E0209",
    "imports_of_one_name": "E0209",
    "import_from_above": "E0224",
    "import_of_a_folder": "E0224",
    "import_of_a_missing_file": "E0224",
    "import_of_a_misspelt_file": "E0224",
    "import_of_an_absolute_path": "E0224",
    "import_of_no_text": "E0224",
    "import_of_unknown_library": "E0224",
    "import_with_backslashes": "E0224",
    "import_in_a_circle": "E0225",
    "import_of_itself": "E0225",
    # parameters, values, blocks and sections
    "block_argument_not_a_choice": "E0226",
    "block_argument_of_another_type": "E0226",
    "block_default_of_another_type": "E0226",
    "nested_model_param_of_another_type": "E0226",
    "param_choices_not_a_list": "E0217",
    "param_default_not_a_choice": "E0226",
    "param_default_of_another_type": "E0226",
    "tensor_as_a_block_argument": "E0226",
    "block_parameter_of_unknown_type": "E0227",
    "param_of_unknown_type": "E0227",
    "param_without_value": "E0228",
    "expect_in_a_block": "E0229",
    "param_in_a_block": "E0229",
    "weight_in_a_model": "E0229",
    "block_that_uses_itself": "E0230",
    "blocks_that_use_each_other": "E0230",
    "layer_block_that_uses_itself": "E0230",
    "model_that_uses_itself": "E0230",
    "layers_beyond_the_limit": "E0231",
    "lists_beyond_the_limit": "E0231",
    "nested_models_beyond_the_limit": "E0231",
    "steps_beyond_the_limit": "E0231",
    "list_over_a_number": "E0232",
    "loop_over_a_number": "E0232",
    "loop_over_a_tensor": "E0232",
    "loop_names_miscounted": "E0233",
    "names_for_a_list_of_tensors": "E0233",
    "names_miscounted": "E0233",
    "starred_name_with_too_little": "E0233",
    "loop_names_for_a_number": "E0234",
    "names_for_a_number": "E0234",
    "text_unpacked": "E0234",
    "index_out_of_range": "E0235",
    "line_starts_with_plus": "E0408",
    "too_many_axes": "E0252",
    "item_of_a_shape_out_of_range": "E0235",
    "attribute_of_a_list": "E0236",
    "attribute_of_a_number": "E0236",
    "attribute_of_a_tensor": "E0236",
    "method_of_a_tensor": "E0236",
    "weight_that_a_layer_has_not": "E0236",
    "choice_by_a_tensor": "E0237",
    "condition_on_a_layer": "E0237",
    "condition_on_a_tensor": "E0237",
    "tensor_negated_by_not": "E0237",
    "tensors_joined_by_and": "E0237",
    "block_input_by_name_and_surplus": "E0238",
    "block_input_by_name_given_already": "E0238",
    "block_input_missing": "E0238",
    "block_inputs_missing": "E0238",
    "block_inputs_too_many": "E0238",
    "layer_block_input_missing": "E0238",
    "layer_block_inputs_too_many": "E0238",
    "layer_block_without_input": "E0238",
    "nested_model_input_missing": "E0238",
    "nested_model_inputs_too_many": "E0238",
    "block_input_of_another_rank": "E0239",
    "block_input_of_another_type": "E0239",
    "block_inputs_of_two_sizes": "E0239",
    "shared_block_differs": "E0240",
    "shared_block_differs_in_a_block": "E0240",
    "shared_block_differs_in_an_argument": "E0240",
    "shared_block_of_fewer_layers": "E0240",
    "weight_tied_to_a_tensor": "E0241",
    "weight_without_type": "E0241",
    "weight_of_an_unused_layer": "E0242",
    "weight_of_the_size_of_an_open_axis": "E0243",
    "weight_of_unknown_size": "E0243",
    "weight_to_a_layer": "E0244",
    "export_of_unknown_model": "E0245",
    "train_of_unknown_model": "E0245",
    "data_of_unknown_entry": "E0246",
    "train_of_unknown_entry": "E0246",
    "weight_as_output": "E0247",
    "batch_sizes_differ": "E0248",
    "block_gives_nothing": "E0249",
    "misspelt_operation": "E0250",
    "misspelt_operation_after_an_arrow": "E0250",
    "unknown_operation": "E0250",
    "weight_in_arithmetic": "E0251",
    # what data, train and export blocks say, and what layers are given as objects
    "activation_that_halves_an_axis": "E0204",
    "callback_misspelt": "E0260",
    "callback_of_a_function": "E0261",
    "checkpoint_of_another_ending": "E0310",
    "constant_of_another_shape": "E0311",
    "data_in_quotes": "E0204",
    "dataset_misspelt": "E0204",
    "dataset_of_another_argument": "E0310",
    "entry_of_a_call": "E0202",
    "entry_of_another_type": "E0204",
    "entry_out_of_range": "E0204",
    "initializer_by_name_alone": "E0204",
    "initializer_that_needs_scipy": "E0261",
    "learning_rate_of_a_whole_number": "E0204",
    "learning_rate_of_text": "E0204",
    "loss_for_some_outputs": "E0263",
    "metric_of_none": "E0204",
    "metrics_for_some_outputs": "E0263",
    "loss_misspelt": "E0204",
    "loss_of_another_kind": "E0204",
    "loss_of_another_reduction": "E0204",
    "loss_weights_miscounted": "E0262",
    "metric_argument_missing": "E0205",
    "metric_by_a_string_alone": "E0204",
    "metric_of_a_function": "E0261",
    "metrics_not_in_a_list": "E0204",
    "opset_too_old": "E0204",
    "optimizer_misspelt": "E0260",
    "optimizer_misspelt_in_text": "E0204",
    "optimizer_of_unknown_argument": "E0203",
    "optimizer_that_clips_twice": "E0310",
    "optimizer_without_quotes": "E0260",
    "precision_unknown": "E0204",
    "quantize_unknown": "E0204",
    "schedule_miscounted": "E0310",
    "schedule_without_steps": "E0204",
    "source_in_quotes": "E0204",
    "source_misspelt": "E0260",
    "source_of_unknown_name": "E0260",
    "validation_of_a_number": "E0204",
    # shapes and dtypes
    "concatenate_mismatch": "E0301",
    "mistake_in_a_wrapped_block": "E0301",
    "shape_mismatch": "E0301",
    "shape_mismatch_in_units": "E0301",
    "shape_mistake_in_one_use_of_a_block": "E0301",
    "tensors_that_do_not_fit": "E0301",
    "scalar_input": "E0302",
    "wrong_rank": "E0302",
    "axis_out_of_range": "E0303",
    "window_too_large": "E0304",
    "unknown_size": "E0305",
    "cannot_reshape": "E0306",
    "too_few_inputs": "E0307",
    "too_many_inputs": "E0307",
    "wrong_dtype": "E0308",
    "layer_block_of_two_sizes": "E0309",
    "shared_layer_differs": "E0309",
    "arguments_conflict": "E0310",
    "initializer_of_another_rank": "E0311",
    "batch_axis": "E0312",
    "batch_size_needed": "E0312",
    "operation_of_numbers": "E0351",
    "nested_model_of_another_input": "E0360",
    "layer_block_of_other_weights": "E0361",
    # structure
    "block_without_input": "E0401",
    "empty_model": "E0401",
    "no_input": "E0401",
    "layer_block_without_output": "E0402",
    "missing_output": "E0402",
    "unused_branch_in_a_block": "E0403",
    "unused_branch_with_an_input": "E0403",
    "unused_chain": "E0403",
    "unused_declared_layer": "E0403",
    "unused_output": "E0403",
    "weight_that_is_not_used": "E0403",
    "unused_input": "E0404",
    "unused_input_of_a_block": "E0404",
    "lstm_states_as_one_tensor": "E0405",
    "unclear_continuation": "E0405",
    "unclear_continuation_in_a_block": "E0405",
    "output_twice": "E0406",
    "input_without_type": "E0407",
    "no_type": "E0407",
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

SLOW = {name for name in CODES if name.endswith("_beyond_the_limit")}
"""They run until a limit ends them, and so once only."""


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
    """`parts` holds what the specs import."""
    assert sorted(CODES) == sorted(path.stem for path in BAD.iterdir() if path.name != "parts")


@pytest.mark.parametrize("name", CODES)
def test_message(name: str, golden: Golden, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check", f"{name}.spec")
    assert (status, out) == (1, "")
    assert [line[6:11] for line in err.splitlines() if line.startswith("error[")] == (
        CODES[name].split()
    )
    assert "\x1b" not in err
    assert not any(character in err for character in "\x07\u202e")
    golden(f"bad/{name}.txt", err)


@pytest.mark.parametrize("name", [name for name in CODES if name not in SLOW])
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
    assert "help: layers have the names of their Keras classes, such as `Dense`;" in err
    assert max(map(len, err.splitlines())) <= max(100, len(str(path)) + 10)


def test_every_error_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each function that makes an error of a program is called for one of the specs."""
    called: set[str] = set()

    def recorded(name: str, make: Callable[..., Diagnostic]) -> Callable[..., Diagnostic]:
        def record(*args: Any, **keywords: Any) -> Diagnostic:
            called.add(name)
            return make(*args, **keywords)

        return record

    every: set[str] = set()
    for module in (names, programs, structure):
        for name, function in vars(module).items():
            own = isfunction(function) and function.__module__ == module.__name__
            if own and not name.startswith("_"):
                every.add(name)
                monkeypatch.setattr(module, name, recorded(name, function))
    for name in CODES:
        if name not in SLOW or "too_much_work" not in called:
            with suppress(SpecError, UsageError):
                specc.compile(BAD / f"{name}.spec")
    assert sorted(every - called) == []


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
def test_misuse(
    name: str, words: list[str], golden: Golden, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_several_specs_in_one_run(golden: Golden, capsys: pytest.CaptureFixture[str]) -> None:
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


PARAMS = """\
model m {
    param units: int = 10
    param rate: float = 0.5
    param deep: bool = False
    param widths: list = [4]
    param activation: str in ["relu", "gelu"] = "relu"
    input x: float32[4]

    Dense(units, activation=activation)
    Dropout(rate)
    for width in widths {
        Dense(width)
    }
    if deep {
        Dense(units)
    }
}
"""


@pytest.mark.parametrize(
    ("name", "words", "status"),
    [
        ("param_misspelt", ["-p", "unit=20"], 2),
        ("param_unknown", ["-p", "colour=red"], 2),
        ("param_not_a_whole_number", ["-p", "units=ten"], 2),
        ("param_not_a_number", ["-p", "rate=half"], 2),
        ("param_neither_true_nor_false", ["-p", "deep=yes"], 2),
        ("param_not_a_list", ["-p", "widths=4"], 2),
        ("param_empty", ["-p", "units="], 2),
        ("param_not_a_choice", ["-p", "activation=swish"], 1),
        ("param_that_its_use_refuses", ["-p", "units=0"], 1),
        ("python_missing", ["--allow-python", "layers.py"], 2),
        ("python_of_wrong_syntax", ["--allow-python", "wrong.py"], 2),
        ("python_that_raises", ["--allow-python", "raises.py"], 2),
        ("python_without_layers", ["--allow-python", "empty.py"], 2),
    ],
)
def test_options_that_a_spec_refuses(
    name: str,
    words: list[str],
    status: int,
    golden: Golden,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.spec").write_text(PARAMS)
    Path("wrong.py").write_text("class Layer(:\n")
    Path("raises.py").write_text("1 / 0\n")
    Path("empty.py").write_text("from specc.layers.base import Layer\n")
    found, out, err = run(capsys, "check", "a.spec", *words)
    assert (found, out) == (status, "")
    golden(f"misuse/{name}.txt", err)


def test_param_of_a_spec_that_has_none(golden: Golden, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check", "../../specs/bn_after.spec", "-p", "classes=10")
    assert (status, out) == (2, "")
    golden("misuse/param_of_a_spec_that_has_none.txt", err)


@pytest.mark.parametrize("word", ["units", "=3", "2x=3", ""])
def test_malformed_param(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check", "no_type.spec", "-p", word)
    assert (status, out) == (2, "")
    assert f"`{word}` is not of the form NAME=VALUE" in err


def test_a_spec_does_not_allow_python_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("layers.py").write_text("open('ran', 'w')\n")
    Path("a.spec").write_text('import "layers.py"\n\nmodel m {\n    input x: float32[4]\n}\n')
    status, out, err = run(capsys, "check", "a.spec")
    assert (status, out) == (1, "")
    assert "layers.py:1:1" in err
    assert not Path("ran").exists()


# ------------------------------------------------------------------------------ imports


def refused(capsys: pytest.CaptureFixture[str], path: str) -> str:
    """Why the import in a spec is refused."""
    status, out, err = run(capsys, "check", path)
    assert (status, out) == (1, "")
    assert err.startswith("error[E0224]")
    return err


@pytest.mark.parametrize("link", ["file", "folder"])
def test_no_link_leads_out_of_the_folder(
    link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.spec").write_text("block secret {\n    input x\n    Dense(1)\n}\n")
    if link == "file":
        (inside / "blocks.spec").symlink_to(outside / "secret.spec")
    else:
        (inside / "blocks").symlink_to(outside)
    path = "blocks.spec" if link == "file" else "blocks/secret.spec"
    (inside / "a.spec").write_text(
        f'import "{path}"\n\nmodel m {{\n    input x: float32[4]\n    secret\n}}\n'
    )
    monkeypatch.chdir(inside)
    assert "lies above the folder of the spec" in refused(capsys, "a.spec")


def test_imports_of_imports_stay_below_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is above the importing file, but not above the spec, may be read."""
    (tmp_path / "spec" / "parts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "spec")
    model = "model m {\n    input x: float32[4]\n    head\n}\n"
    block = "block head {\n    input x\n    Dense(1)\n}\n"
    Path("a.spec").write_text(f'import "parts/b.spec"\n\n{model}')
    Path("head.spec").write_text(block)
    Path("../head.spec").write_text(block)
    Path("parts/b.spec").write_text(f'import "../head.spec"\n{block.replace("head", "tail")}')
    Path("a.spec").write_text(f'import "parts/b.spec"\n\n{model.replace("head", "tail")}')
    assert run(capsys, "check", "a.spec")[0] == 0
    Path("parts/b.spec").write_text(f'import "../../head.spec"\n{block}')
    assert "lies above the folder of the spec" in refused(capsys, "a.spec")


def test_a_program_has_so_many_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    count = 250
    for number in range(count):
        Path(f"b{number}.spec").write_text(f"block b{number} {{\n    input x\n    ReLU\n}}\n")
    imports = "".join(f'import "b{number}.spec"\n' for number in range(count))
    Path("a.spec").write_text(f"{imports}model m {{\n    input x: float32[4]\n    b1\n}}\n")
    assert "a program has at most 200 files" in refused(capsys, "a.spec")


def test_a_text_imports_the_library_alone() -> None:
    with pytest.raises(SpecError) as caught:
        specc.compile_text('import "blocks.spec"\n\nmodel m {\n    input x: float32[4]\n}\n')
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "E0224"
    assert diagnostic.primary.text == "a text that is in no file can import `std/...` alone"


def test_byte_order_mark_is_no_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.spec"
    path.write_bytes(b"\xef\xbb\xbf" + SPECS[0].read_bytes())
    status, _, err = run(capsys, "check", str(path))
    assert (status, err) == (0, "")


# ------------------------------------------------------------------------- properties

TEXTS = [path.read_text(encoding="utf-8") for path in SPECS]
MISTAKEN = [
    (BAD / f"{name}.spec").read_text(encoding="utf-8")
    for name, codes in CODES.items()
    if codes[:3] in ("E02", "E03", "E04") and name not in SLOW
]
"""These use more of the language than the shipped specs do."""
PIECES = st.sampled_from(
    [*"(){}[],:=->.#\"'\\ \n\t\r_0x;@%*/+", "\0", "\x1b", "é", "层", "-> ", "model m {", "input x",
     "expect ", "layer ", "output ", "None", "Dense", "1e400", "0x", "9" * 80, "((((", "]]",
     "for i in ", "if x ", "block b(n) {", "weight w", "param n", "import ", "ops.", "range(9)",
     "[i for i in x]", "**", "f'{x}'", "not ", " and ", "...", ".shape", "-1", "train m {"]
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A shipped spec in which pieces were deleted, put in, and moved."""
    text = draw(st.sampled_from(TEXTS) | st.sampled_from(MISTAKEN))
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
