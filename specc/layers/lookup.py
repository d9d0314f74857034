"""StringLookup, IntegerLookup, TextVectorization, CategoryEncoding, Discretization, Hashing,
HashedCrossing: categories as whole numbers or as counts.

None of them has weights. Keras can learn a vocabulary, or the bins, from data (`adapt`); here
they stand in the spec.

In the modes "multi_hot", "count" and "tf_idf" a sample is one row of categories. With more axes
Keras counts along one axis and says that it was another, so they are refused, and so are other
inputs for which it says a shape that it does not compute. It says float32 for the outputs of the
lookups in these modes; inferred is int64, which it computes, and float32 for "tf_idf".
"""

from __future__ import annotations

from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers import categories, fingerprints, texts
from specc.layers.arguments import (
    BOOL,
    Choice,
    Float,
    Int,
    Kind,
    Nothing,
    Optional,
    Text,
    arg,
    place,
)
from specc.layers.base import TENSOR, Layer, require_call_types
from specc.layers.vocabulary import (
    NO_HASH,
    NUMBERS,
    SALT,
    SPARSE,
    Boundaries,
    Category,
    Lengths,
    Lookup,
    Vocabulary,
    encoded_shape,
    key_of,
)
from specc.lowering import Builder, NeedsOpset, NotLowered, Value, Values, where
from specc.types import INTEGER_DTYPES, TensorType


def require_integers(x: TensorType, index: int = 0) -> None:
    if x.dtype not in INTEGER_DTYPES:
        raise Refused(errors.dtype_refused, "whole numbers", index)


# ---------------------------------------------------------------- with a vocabulary


class StringLookup(Lookup):
    """The numbers of strings, or the strings of numbers with `invert`.

    Shapes: (*any) -> (*any), or as `output_mode` says

    Example: string[3] -> StringLookup(vocabulary=["cat", "dog"]) -> int64[3]
    """

    takes_strings: ClassVar[bool] = True
    onnx_limits = "but for several `num_oov_indices`"

    common = ("name", "trainable", "dtype")

    max_tokens: int | None = arg(Optional(Int(at_least=2)), default=None)
    num_oov_indices: int = arg(Int(at_least=0), default=1)
    mask_token: str | None = arg(Optional(Text()), default=None)
    oov_token: str = arg(Text(), default="[UNK]")
    vocabulary: tuple[str, ...] | None = arg(
        Optional(Vocabulary(Text(), "a tuple of strings")), default=None
    )
    idf_weights: tuple[float, ...] | None = arg(Optional(NUMBERS), default=None)
    invert: bool = arg(BOOL, default=False)
    output_mode: str = arg(Choice("int", "one_hot", "multi_hot", "count", "tf_idf"), default="int")
    pad_to_max_tokens: bool = arg(BOOL, default=False)
    sparse: bool = arg(SPARSE, default=False)
    encoding: str = arg(Choice("utf-8"), default="utf-8")
    name = place()
    salt: int | tuple[int, int] | None = arg(SALT, default=None)

    def infer(self, x: TensorType) -> TensorType:
        if self.invert:
            require_integers(x)
            return TensorType("string", x.shape)
        if x.dtype != "string":
            raise Refused(errors.dtype_refused, "strings")
        return self.looked_up(x)


class IntegerLookup(Lookup):
    """The numbers of whole numbers in a vocabulary, or the reverse with `invert`.

    Shapes: (*any) -> (*any), or as `output_mode` says

    Example: int64[3] -> IntegerLookup(vocabulary=[5, 6, 7]) -> int64[3]
    """

    common = ("name", "trainable", "dtype")

    max_tokens: int | None = arg(Optional(Int(at_least=2)), default=None)
    num_oov_indices: int = arg(Int(at_least=0), default=1)
    mask_token: int | None = arg(Optional(Int()), default=None)
    oov_token: int = arg(Int(), default=-1)
    vocabulary: tuple[int, ...] | None = arg(
        Optional(Vocabulary(Int(), "a tuple of whole numbers")), default=None
    )
    vocabulary_dtype: str = arg(Choice("int64"), default="int64")
    idf_weights: tuple[float, ...] | None = arg(Optional(NUMBERS), default=None)
    invert: bool = arg(BOOL, default=False)
    output_mode: str = arg(Choice("int", "one_hot", "multi_hot", "count", "tf_idf"), default="int")
    sparse: bool = arg(SPARSE, default=False)
    pad_to_max_tokens: bool = arg(BOOL, default=False)
    oov_method: str = arg(Choice("floormod", "farmhash"), default="floormod")
    salt: int | tuple[int, int] | None = arg(SALT, default=None)
    name = place()

    def validate(self) -> None:
        super().validate()
        if self.salt is not None and self.oov_method != "farmhash":
            raise self.conflict("salt", 'needs `oov_method="farmhash"`')

    def infer(self, x: TensorType) -> TensorType:
        require_integers(x)
        return self.looked_up(x)

    def spread(self, op: Builder, x: Value) -> Value:
        if self.oov_method == "farmhash":
            return fingerprints.hashed(op, x, self.num_oov_indices, key_of(self.salt))
        return op.Mod(op.cast(x, "int64"), self.num_oov_indices)


class TextVectorization(Lookup):
    """Texts as the numbers of their words, or as counts.

    A sample is one text: the input has no axis but the batch axis (`string[]`), or one of size 1.
    Without `split` it is a row of words. In other modes than "int" Keras reckons with one shape
    and computes another for the axis of size 1, which is refused then.

    In a file, only words that are looked up as they are, or in lower case, are of opset 18. It is
    20, by itself, for `split="whitespace"`, for `standardize` with punctuation and for `ngrams`:
    there a character is taken out where texts are cut at it and put together again. Characters by
    themselves (`split="character"`) are given by an operator of onnxruntime's own, so that such a
    file runs nowhere else.

    Shapes: () -> (words,), or (tokens,) if output_mode is not "int"

    Example: string[] -> TextVectorization(vocabulary=["the", "cat"]) -> int64[None]
    """

    tf2onnx_refuses = "tf2onnx has nothing for TensorFlow's texts and tables"
    takes_strings: ClassVar[bool] = True

    num_oov_indices = 1
    mask_token = ""
    oov_token = "[UNK]"
    invert = False

    max_tokens: int | None = arg(Optional(Int(at_least=2)), default=None)
    standardize: str | None = arg(
        Optional(Choice("lower_and_strip_punctuation", "lower", "strip_punctuation")),
        default="lower_and_strip_punctuation",
    )
    split: str | None = arg(Optional(Choice("whitespace", "character")), default="whitespace")
    ngrams: int | tuple[int, ...] | None = arg(Optional(Lengths()), default=None)
    output_mode: str = arg(Choice("int", "multi_hot", "count", "tf_idf"), default="int")
    output_sequence_length: int | None = arg(Optional(Int(at_least=1)), default=None)
    pad_to_max_tokens: bool = arg(BOOL, default=False)
    vocabulary: tuple[str, ...] | None = arg(
        Optional(Vocabulary(Text(), "a tuple of strings")), default=None
    )
    idf_weights: tuple[float, ...] | None = arg(Optional(NUMBERS), default=None)
    sparse: bool = arg(SPARSE, default=False)
    ragged: bool = arg(SPARSE, default=False)
    encoding: str = arg(Choice("utf-8"), default="utf-8")
    name = place()

    def validate(self) -> None:
        super().validate()
        if self.output_mode != "int" and self.output_sequence_length is not None:
            raise self.conflict("output_sequence_length", 'needs `output_mode="int"`')

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype != "string":
            raise Refused(errors.dtype_refused, "strings")
        if self.split is None:
            if x.rank != 1:
                raise Refused(errors.wrong_rank, "(words,)", 1)
        elif x.rank and (self.output_mode != "int" or x.shape != (1,)):
            raise Refused(errors.wrong_rank, "()", 0)
        if self.output_mode == "int":
            return TensorType("int64", (self.output_sequence_length,))
        return self.looked_up(x.with_shape(None))

    @property
    def known_inputs(self) -> tuple[str | int, ...]:
        words = [str(item) for item in super().known_inputs]
        some = [word for word in words if word][:8]
        made = f"{', '.join(some)}!", " ".join(some[::-1]).upper(), f"\t{some[0]}  '{some[-1]}\n"
        return tuple(dict.fromkeys((*made, *words)))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        shape = x.type.shape if self.split is None else (None,)
        words = op.typed(self._words(op, x), x.type.with_shape(*shape))
        y = super().onnx(op, words, w)
        length = self.output_sequence_length
        if length is None:
            return y
        y = op.Pad(y, [0, 0, 0, length], op.constant(0, "int64"))
        return op.Slice(y, [0], [length], [1])

    def _words(self, op: Builder, x: Value) -> Value:
        """Rows of words, as they are looked up."""
        standardize = self.standardize or ""
        strips = "strip_punctuation" in standardize
        cuts = strips or self.split == "whitespace" or self._lengths != (1,)
        if cuts and op.opset < texts.OPSET:
            raise NeedsOpset("`TextVectorization` of texts", texts.OPSET)
        y = op.reshape(x, [-1])
        y = texts.in_lower_case(op, y) if "lower" in standardize else y
        y = texts.without_punctuation(op, y) if strips else y
        if self.split == "character":
            return texts.characters(op, y)
        if self.split is not None:
            return texts.split_at_whitespace(op, y)
        return op.Reshape(y, op.Shape(x, dtype="int64")) if standardize else x

    @property
    def _lengths(self) -> tuple[int, ...]:
        """Of how many words the terms are."""
        lengths = 1 if self.ngrams is None else self.ngrams
        return tuple(range(1, lengths + 1)) if isinstance(lengths, int) else lengths

    def _numbers(self, op: Builder, x: Value, numbers: dict[Any, int]) -> Value:
        if self._lengths == (1,):
            return super()._numbers(op, x, numbers)
        terms, ends = texts.terms(op, x, self._lengths)
        found = op.Concat(*[super(TextVectorization, self)._numbers(op, term, numbers)
                            for term in terms], axis=1)  # fmt: skip
        if self.split is None:
            return found
        words = op.Not(op.Equal(x, op.constant("", "string"), dtype="bool"), dtype="bool")
        amounts = op.ReduceSum(op.cast(words, "int64"), [1], keepdims=1)
        whole = op.LessOrEqual(op.Concat(*ends, axis=1), amounts, dtype="bool")
        if self.output_mode == "int":
            return texts.in_a_row(op, found, whole)
        return op.Where(whole, found, op.constant(self.depth(), "int64"), dtype="int64")


# ------------------------------------------------------------- without a vocabulary


class CategoryEncoding(Layer):
    """Whole numbers below `num_tokens` as counts.

    Shapes: (categories,) -> (num_tokens,), or as `output_mode` says

    Example: int32[3] -> CategoryEncoding(num_tokens=10) -> float32[10]
    """

    call_arguments: ClassVar[dict[str, Kind]] = {"count_weights": TENSOR, "training": BOOL}

    num_tokens: int | None = arg(Optional(Int(at_least=1)), default=None)
    output_mode: str = arg(Choice("multi_hot", "one_hot", "count"), default="multi_hot")
    sparse: bool = arg(SPARSE, default=False)

    def validate(self) -> None:
        if self.num_tokens is None:
            reason = "it must be said how many categories there are"
            raise Refused(errors.arguments_conflict, "num_tokens", reason)

    @property
    def index_limit(self) -> int | None:
        return self.num_tokens

    def infer(self, x: TensorType) -> TensorType:
        if self.output_mode != "one_hot" and self.dtype in ("float16", "bfloat16"):
            reason = f'in {self.dtype} TensorFlow can only do `output_mode="one_hot"`'
            raise Refused(errors.arguments_conflict, "output_mode", reason)
        if x.dtype not in ("int32", "int64"):
            raise Refused(errors.dtype_refused, "int32 or int64")
        return TensorType("float32", encoded_shape(x, self.output_mode, self.num_tokens or 0))

    def computed(self, outputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        # With a mixed policy too, the dtype is that of variables.
        return tuple(x._replace(dtype=self.variable_dtype) for x in outputs)

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        weights = call.get("count_weights")
        if weights is None:
            return
        if self.output_mode != "count":
            reason = 'needs `output_mode="count"`'
            raise Refused(errors.arguments_conflict, "count_weights", reason)
        expected = TensorType("float32", inputs[0].shape)
        require_call_types("count_weights", [weights], [expected])

    def onnx(self, op: Builder, x: Value, w: Values, count_weights: Value | None = None) -> Value:
        depth = self.num_tokens or 0
        numbers = op.cast(x, "int64")
        if self.output_mode != "one_hot":
            numbers = op.Min(numbers, depth)  # those that are too large are not counted
        dtype = count_weights.dtype if count_weights is not None else "float32"
        return categories.encoded(
            op, numbers, x.type.shape, self.output_mode, depth, dtype, count_weights
        )


class Discretization(Layer):
    """The bins that numbers fall into.

    Shapes: (*any) -> (*any), or as `output_mode` says

    Example: float32[4] -> Discretization([0, 0.5, 1]) -> int32[4]
    """

    common = ("name", "dtype")

    tf2onnx_refuses = "tf2onnx has nothing for TensorFlow's Bucketize"

    bin_boundaries: tuple[float, ...] | None = arg(Optional(Boundaries()), default=None)
    num_bins: int | None = arg(Optional(Int(at_least=0)), default=None)
    epsilon: float = arg(Float(at_least=0), default=0.01)
    output_mode: str = arg(Choice("int", "one_hot", "multi_hot", "count"), default="int")
    sparse: bool = arg(SPARSE, default=False)
    dtype = place()
    name = place()

    @property
    def lowered_dtype(self) -> str:
        return "float32"  # The argument `dtype` is that of the output alone.

    def validate(self) -> None:
        if self.bin_boundaries is None:
            raise Refused(errors.vocabulary_missing, "bin_boundaries")
        if self.num_bins is not None:
            reason = "the `bin_boundaries` say how many there are"
            raise Refused(errors.arguments_conflict, "num_bins", reason)

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype in ("uint32", "uint64"):
            raise Refused(errors.dtype_refused, "numbers of at most 16 bits, int32 or int64")
        bins = len(self.bin_boundaries or ()) + 1
        dtype = "int32" if self.output_mode == "int" else "float32"
        return TensorType(dtype, encoded_shape(x, self.output_mode, bins))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        boundaries = self.bin_boundaries or ()
        numbers = op.Unsqueeze(op.cast(x, "float32"), [-1])
        limits = op.constant(boundaries, "float32")
        # Not "at least", so that NaN is in the last bin.
        reached = op.Not(op.Less(numbers, limits, dtype="bool"), dtype="bool")
        bins = op.ReduceSum(op.cast(reached, "int64"), [-1], keepdims=0)
        return categories.encoded(
            op, bins, x.type.shape, self.output_mode, len(boundaries) + 1, "float32"
        )


class Hashing(Layer):
    """Strings or whole numbers, spread over `num_bins` numbers.

    Whole numbers are hashed as the strings of their digits.

    Shapes: (*any) -> (*any), or as `output_mode` says

    Example: string[3] -> Hashing(100) -> int64[3]
    """

    tf2onnx_refuses = "tf2onnx has nothing for TensorFlow's hashes"
    onnx_limits = "of whole numbers"
    takes_strings: ClassVar[bool] = True
    dtype_kind = Nothing()  # Some dtypes are refused, and some are not kept.

    num_bins: int = arg(Int(at_least=1))
    mask_value: int | str | None = arg(Optional(Category()), default=None)
    salt: int | tuple[int, int] | None = arg(SALT, default=None)
    output_mode: str = arg(Choice("int", "one_hot", "multi_hot", "count"), default="int")
    sparse: bool = arg(SPARSE, default=False)

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype != "string" and x.dtype not in INTEGER_DTYPES:
            raise Refused(errors.dtype_refused, "strings or whole numbers")
        if self.mask_value is not None and isinstance(self.mask_value, str) != (
            x.dtype == "string"
        ):
            reason = f"the input is of {x.dtype}"
            raise Refused(errors.arguments_conflict, "mask_value", reason)
        if self.output_mode == "one_hot" and x.shape != (1,):
            raise Refused(errors.wrong_rank, "(1,)", 1)
        dtype = "int64" if self.output_mode == "int" else "float32"
        return TensorType(dtype, encoded_shape(x, self.output_mode, self.num_bins))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        if x.dtype == "string":
            raise NotLowered(f"`{self.kind}` of strings: {NO_HASH}")
        masks = self.mask_value is not None and self.num_bins > 1
        numbers = fingerprints.hashed(op, x, self.num_bins - masks, key_of(self.salt))
        if masks:
            masked = op.Equal(op.cast(x, "int64"), self.mask_value, dtype="bool")
            numbers = where(op, masked, 0, op.Add(numbers, 1))
        return categories.encoded(
            op, numbers, x.type.shape, self.output_mode, self.num_bins, "float32"
        )


class HashedCrossing(Layer):
    """Combinations of categories, spread over `num_bins` numbers.

    Keras takes more inputs than two, and cannot say their shape.

    Shapes: (1,), (1,) -> (1,), or (num_bins,) if output_mode is "one_hot"

    Example: [string[1], string[1]] -> HashedCrossing(100) -> int64[1]
    """

    tf2onnx_refuses = "tf2onnx has nothing for TensorFlow's hashes"
    onnx_limits = "of whole numbers"
    takes_strings: ClassVar[bool] = True
    dtype_kind = Nothing()  # Some dtypes are refused, and some are not kept.

    minimum_inputs = 2
    maximum_inputs = 2

    num_bins: int = arg(Int(at_least=1))
    output_mode: str = arg(Choice("int", "one_hot"), default="int")
    sparse: bool = arg(SPARSE, default=False)
    name = place()
    dtype = place()

    def infer(self, *inputs: TensorType) -> TensorType:
        for index, x in enumerate(inputs):
            if x.dtype != "string":
                require_integers(x, index)
            if x.shape not in ((), (1,)) or x.rank != inputs[0].rank:
                expected = "(1,)" if inputs[0].rank else "()"
                raise Refused(errors.wrong_rank, expected, min(1, inputs[0].rank), index)
        dtype = "int64" if self.output_mode == "int" else "float32"
        return TensorType(dtype, encoded_shape(inputs[0], self.output_mode, self.num_bins))

    def onnx(self, op: Builder, inputs: list[Value], w: Values) -> Value:
        if any(x.dtype == "string" for x in inputs):
            raise NotLowered(f"`{self.kind}` of strings: {NO_HASH}")
        numbers = fingerprints.crossed(op, inputs, self.num_bins)
        return categories.encoded(
            op, numbers, inputs[0].type.shape, self.output_mode, self.num_bins, "float32"
        )
