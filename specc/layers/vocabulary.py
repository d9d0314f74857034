"""What the layers with a vocabulary have in common, the kinds of arguments that those of categories
take, and the shapes of encoded categories."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers import categories
from specc.layers.arguments import Float, Int, Kind, Nothing, Optional, Text, is_tuple
from specc.layers.base import Layer
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import Dimension, TensorType

NO_HASH = "ONNX has no hash of strings, and nothing that reads their bytes"


class Vocabulary(Kind):
    """The categories, in the order of their numbers."""

    def __init__(self, one: Kind, expected: str) -> None:
        self.one = one
        self.expected = expected

    def accepts(self, value: object) -> bool:
        return is_tuple(value) and bool(value) and all(self.one.accepts(item) for item in value)


class OnlyFalse(Kind):
    """Whether outputs are sparse or ragged, which no other layer of a spec takes."""

    expected = "False"

    def accepts(self, value: object) -> bool:
        return value is False


class Boundaries(Kind):
    """Where one bin ends and the next starts."""

    expected = "a tuple of numbers in ascending order"

    def accepts(self, value: object) -> bool:
        if not is_tuple(value) or not value or not all(map(Float().accepts, value)):
            return False
        return list(value) == sorted(value)


class Category(Kind):
    """A string or a whole number."""

    expected = "a string or a whole number"

    def accepts(self, value: object) -> bool:
        return Text().accepts(value) or Int().accepts(value)


class Salt(Kind):
    """What a hash starts from."""

    expected = "a whole number or a tuple of two"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value, value)
        return len(items) == 2 and all(map(Int().accepts, items))


class Lengths(Kind):
    """Up to how many words make a term, or just how many: `2` for `(1, 2)`."""

    expected = "a whole number, 1 or more, or a tuple of them"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,)
        return bool(items) and all(map(Int(at_least=1).accepts, items))


NUMBERS = Vocabulary(Float(), "a tuple of numbers")
SPARSE = OnlyFalse()
SALT = Optional(Salt())


def key_of(salt: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """The two numbers of a `salt`."""
    return salt if salt is None or isinstance(salt, tuple) else (salt, salt)


def encoded_shape(x: TensorType, mode: str, depth: int) -> tuple[Dimension, ...]:
    """The shape that categories have as numbers, one for each, or as counts of `depth`."""
    if mode == "int":
        return x.shape
    if mode == "one_hot":
        # An axis of size 1 at the end is replaced, any other is kept.
        if x.rank and not isinstance(x.shape[-1], int):
            raise Refused(errors.size_needed, "output_mode", x.rank)
        return (*(x.shape[:-1] if x.shape[-1:] == (1,) else x.shape), depth)
    if x.rank != 1:
        raise Refused(errors.wrong_rank, "(categories,)", 1)
    return (depth,)


class Lookup(Layer):
    """Base of the layers with a vocabulary; each lists its arguments itself."""

    tf2onnx_refuses = "tf2onnx has nothing for TensorFlow's tables"
    dtype_kind = Nothing()  # It would change nothing: the output is of int64 or float32.

    max_tokens: int | None
    num_oov_indices: int
    mask_token: Any
    oov_token: Any
    vocabulary: tuple[Any, ...] | None
    idf_weights: tuple[float, ...] | None
    invert: bool
    output_mode: str
    pad_to_max_tokens: bool

    def validate(self) -> None:
        if self.vocabulary is None:
            raise Refused(errors.vocabulary_missing, "vocabulary")
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise self.conflict("pad_to_max_tokens", "needs `max_tokens`")
        if self.invert and self.output_mode != "int":
            raise self.conflict("output_mode", 'with `invert`, it can only be "int"')
        if (self.idf_weights is not None) != (self.output_mode == "tf_idf"):
            reason = '`output_mode="tf_idf"` and `idf_weights` go together'
            missing = self.idf_weights is None
            raise self.conflict("output_mode" if missing else "idf_weights", reason)
        if self.idf_weights is not None and len(self.idf_weights) != len(self.vocabulary):
            reason = f"has {len(self.idf_weights)} numbers for {len(self.vocabulary)} words"
            raise self.conflict("idf_weights", reason)
        own = self.own_tokens()
        if not own:
            raise self.conflict("vocabulary", "besides the special tokens it has none")
        if len(set(own)) < len(own):
            raise self.conflict("vocabulary", "a word stands here twice")
        for token in (self.mask_token, self.oov_token if self.invert else None):
            if token is not None and token in own:
                reason = f"{token!r} has a number already, and can stand at the start alone"
                raise self.conflict("vocabulary", reason)
        if self.max_tokens is not None and self.size() > self.max_tokens:
            raise self.conflict("max_tokens", f"there are {self.size()} tokens")

    @staticmethod
    def conflict(argument: str, reason: str) -> Refused:
        return Refused(errors.arguments_conflict, argument, reason)

    def special_tokens(self) -> tuple[object, ...]:
        """The tokens before those of the vocabulary, which may repeat them at its start."""
        masks = self.mask_token is not None and self.output_mode == "int"
        return (*[self.mask_token] * masks, *[self.oov_token] * self.num_oov_indices)

    def own_tokens(self) -> tuple[Any, ...]:
        special, every = self.special_tokens(), self.vocabulary or ()
        return every[len(special) :] if every[: len(special)] == special else every

    def size(self) -> int:
        """How many tokens there are, the special ones included."""
        return len(self.special_tokens()) + len(self.own_tokens())

    @property
    def known_inputs(self) -> tuple[str | int, ...]:
        if self.invert:
            return tuple(range(self.size() + 1))
        own = self.own_tokens()
        masked = () if self.mask_token is None else (self.mask_token,)
        tokens = (*own, *masked)
        # One that stands behind all of them in their order.
        text = isinstance(self.oov_token, str)
        other = max(tokens, default="") + "?" if text else max(tokens, default=0) + 1
        return (*tokens, other) if self.num_oov_indices else tokens

    def depth(self) -> int:
        """How many numbers there are for a row of categories."""
        padded = self.max_tokens if self.pad_to_max_tokens else None
        return self.size() if padded is None else padded

    def looked_up(self, x: TensorType) -> TensorType:
        dtype = "float32" if self.output_mode == "tf_idf" else "int64"
        return TensorType(dtype, encoded_shape(x, self.output_mode, self.depth()))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        start = len(self.special_tokens())
        numbers = {token: start + index for index, token in enumerate(self.own_tokens())}
        if self.invert:
            return self._inverted(op, x, numbers)
        return self._encoded(op, self._numbers(op, x, numbers), x.type.shape)

    def _inverted(self, op: Builder, x: Value, numbers: dict[Any, int]) -> Value:
        tokens = {number: token for token, number in numbers.items()}
        if self.mask_token is not None:
            tokens[0] = self.mask_token
        return categories.looked_up(op, x, tokens, self.oov_token)

    def _numbers(self, op: Builder, x: Value, numbers: dict[Any, int]) -> Value:
        """The number of each category, that of the mask being one that is not counted.

        Without numbers for other categories Keras takes none, and they are not counted here.
        """
        counted = self.output_mode != "int"
        if self.mask_token is not None:
            numbers = {**numbers, self.mask_token: self.depth() if counted else 0}
        first = len(self.special_tokens()) - self.num_oov_indices
        if self.num_oov_indices == 1:
            return categories.looked_up(op, x, numbers, first)
        if self.num_oov_indices == 0:
            return categories.looked_up(op, x, numbers, self.depth() if counted else -1)
        found = categories.looked_up(op, x, numbers, -1)
        other = op.Equal(found, -1, dtype="bool")
        return op.Where(other, op.Add(self.spread(op, x), first), found, dtype="int64")

    def spread(self, op: Builder, x: Value) -> Value:
        """Categories that are not in the vocabulary, spread over `num_oov_indices` numbers."""
        raise NotLowered(f"`{self.kind}` with `num_oov_indices` of more than 1: {NO_HASH}")

    def _encoded(self, op: Builder, numbers: Value, shape: tuple[Dimension, ...]) -> Value:
        if self.output_mode != "tf_idf":
            return categories.encoded(op, numbers, shape, self.output_mode, self.depth(), "int64")
        counts = categories.encoded(op, numbers, shape, "count", self.depth(), "float32")
        return op.Mul(counts, op.constant(self.token_weights(), "float32"))

    def token_weights(self) -> list[float]:
        """`idf_weights` for every token: for special ones the average, unless they are given."""
        given = list(self.idf_weights or ())
        special = self.size() - len(given)
        full = [sum(given) / len(given)] * special + given
        return full + [0.0] * (self.depth() - len(full))
