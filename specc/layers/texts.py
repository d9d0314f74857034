"""Texts in ONNX: without punctuation, cut into words, and words put together.

ONNX has no operator that replaces a part of a string. From opset 20 on it has one that cuts strings
wherever a given piece stands, and one that puts two strings together: what is cut at a character
and put together again is without it. Nothing gives the characters of a string but onnxruntime's own
`Tokenizer`.
"""

from __future__ import annotations

from collections.abc import Sequence

from specc.lowering import Builder, Turn, Value

OPSET = 20
"""The first with StringSplit and StringConcat."""

PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
"""What Keras's `strip_punctuation` takes out."""

WHITESPACE = "\t\n\v\f\r"
"""What TensorFlow splits at, besides the space."""


def in_lower_case(op: Builder, texts: Value) -> Value:
    """A row of texts, in which the letters from A to Z are those from a to z.

    TensorFlow leaves all others as they are, and in this locale so does the operator.
    """
    return op.StringNormalizer(texts, case_change_action="LOWER", locale="C")


def without_punctuation(op: Builder, texts: Value) -> Value:
    """A row of texts without the characters of `PUNCTUATION`."""
    return _replaced(op, texts, PUNCTUATION, "")


def split_at_whitespace(op: Builder, texts: Value) -> Value:
    """The words (texts, words) of a row of texts; behind the last word of one stands ""."""
    texts = _replaced(op, texts, WHITESPACE, " ")
    # What is known of the shape behind a loop is nothing, and onnx 1.23 ends the process where it
    # infers what is looked up in words of an unknown number of axes.
    texts = op.Reshape(texts, [-1])
    # Without a delimiter the operator takes several spaces for one.
    words, _ = op.StringSplit(texts, outputs=2)
    return words


def characters(op: Builder, texts: Value) -> Value:
    """The characters (texts, characters) of a row of texts; behind the last one of each stands "".

    By an operator that onnxruntime alone has.
    """
    options = {"mark": 0, "mincharnum": 1, "pad_value": "", "separators": [""]}
    made = op.Tokenizer(texts, domain="com.microsoft", **options)
    return op.Reshape(made, [0, -1])


def _replaced(op: Builder, texts: Value, characters: str, by: str) -> Value:
    """A row of texts, with each of some characters replaced.

    Each text gets as many parts as the one with the most, "" behind its own. What stands in their
    place at the end, a space for each, is no matter to a text that is split there.
    """
    nothing = op.Expand(op.constant([""], "string"), op.Shape(texts, dtype="int64"))
    for character in characters:
        parts, _ = op.StringSplit(texts, delimiter=character, outputs=2)
        # Not by `scan`: there onnxruntime 1.26 puts strings behind those that were in the same
        # memory before.
        (texts,) = op.loop(_adding(op, parts, by), op.size(parts, 1), [nothing])
    return texts


def _adding(op: Builder, parts: Value, by: str) -> Turn:
    """Put the next part of each text behind those before."""

    def add(number: Value, so_far: list[Value]) -> list[Value]:
        part = op.Gather(parts, number, axis=1)
        before = op.StringConcat(so_far[0], by) if by else so_far[0]
        return [op.StringConcat(before, part)]

    return add


def terms(op: Builder, words: Value, lengths: Sequence[int]) -> tuple[list[Value], list[Value]]:
    """For each length, as many words in a row put together, with spaces between them.

    Args:
        words: (texts, words).

    Returns:
        The terms (texts, words - length + 1) for each length, and how many words it is from the
        first word of a text to the last one of each: (1, words - length + 1).
    """
    found: list[Value] = []
    ends: list[Value] = []
    last = op.Add(op.cast(op.size(words, 1), "int64"), op.constant([1], "int64"))
    places = op.Range(op.constant(1, "int64"), op.Squeeze(last, [0]), op.constant(1, "int64"))
    for length in lengths:
        term = _shifted(op, words, 0, length, axis=1)
        for offset in range(1, length):
            following = _shifted(op, words, offset, length, axis=1)
            term = op.StringConcat(op.StringConcat(term, " "), following)
        found.append(term)
        ends.append(op.Unsqueeze(_shifted(op, places, length - 1, length, axis=0), [0]))
    return found, ends


def _shifted(op: Builder, x: Value, offset: int, length: int, axis: int) -> Value:
    """What stands `offset` places behind the start of each term of a length."""
    after = length - 1 - offset
    if not (offset or after):
        return x
    return op.Slice(x, [offset], [-after if after else 2**63 - 1], [axis])


def in_a_row(op: Builder, numbers: Value, counted: Value) -> Value:
    """The numbers of each row that count, moved together, with zeros behind them.

    Args:
        numbers: (rows, n), of int64.
        counted: which of them count, (rows, n).

    Returns:
        (rows, m), where m is how many the row with the most has.
    """
    ones = op.cast(counted, "int64")
    amounts = op.ReduceSum(ones, [1], keepdims=1)
    most = op.ReduceMax(amounts, [0, 1], keepdims=0)
    so_far = op.CumSum(ones, op.constant(1, "int64"))
    # Those that do not count are put into a column that is cut off.
    places = op.Where(counted, op.Sub(so_far, 1), most, dtype="int64")
    rows = op.Shape(numbers, start=0, end=1, dtype="int64")
    width = op.Unsqueeze(op.Add(most, op.constant(1, "int64")), [0])
    zeros = op.Expand(op.constant([[0]], "int64"), op.Concat(rows, width, axis=0))
    placed = op.ScatterElements(zeros, places, numbers, axis=1)
    return op.Slice(placed, [0], [-1], [1])
