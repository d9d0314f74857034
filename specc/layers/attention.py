"""Attention, AdditiveAttention, MultiHeadAttention, GroupQueryAttention.

`Attention` and `AdditiveAttention` take `[query, value]` or `[query, value, key]`. The other two
take the query from the left, and `value` and `key` in the call:

    words -> MultiHeadAttention(8, 64)(value=memory, use_causal_mask=True)

The scores that `return_attention_scores=True` gives are as many as there are steps of `value`.
Keras's `MultiHeadAttention` says that they are as many as those of the query, and computes this.
A `query_mask` that is given in the call hides nothing in Keras's `MultiHeadAttention`: it uses the
mask that the query brings along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import (
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Axes,
    Choice,
    Float,
    Int,
    KerasObject,
    Kind,
    Optional,
    arg,
)
from specc.layers.base import (
    TENSORS,
    Layer,
    Weight,
    Weights,
    fits,
    known_size,
    require_axes,
    require_call_types,
    require_float,
    require_rank,
)
from specc.layers.heads import Heads, ProjectedShape, known_size_of, operands, require_key
from specc.layers.merging import contradict
from specc.layers.scores import all_of, causal
from specc.lowering import Builder, Value, Values, where
from specc.types import Dimension, TensorType

RATE = Float(at_least=0, at_most=1)
SEED = Optional(Int())

Shape = tuple[Dimension, ...]


# ------------------------------------------------------------ a list of two or three


class _ListAttention(Layer):
    """What the two that take a list have in common."""

    supports_masking = True

    call_arguments: ClassVar[dict[str, Kind]] = {
        "mask": TENSORS,
        "training": BOOL,
        "return_attention_scores": BOOL,
        "use_causal_mask": BOOL,
    }
    minimum_inputs = 2
    maximum_inputs = 3
    shaped_by_call = True

    def outputs_of(self, call: Mapping[str, Any]) -> int:
        """How many tensors a use with this call gives."""
        return 2 if call.get("return_attention_scores") else 1

    def infer(
        self,
        query: TensorType,
        value: TensorType,
        key: TensorType | None = None,
        *,
        return_attention_scores: bool = False,
        **_: Any,
    ) -> tuple[TensorType, ...]:
        key = value if key is None else key
        for index, x in enumerate((query, value, key)):
            require_float(x, min(index, 2))
            if x.rank < 2 or x.rank != query.rank:
                rank = max(2, query.rank)
                lead = [str(size) for size in query.shape[:-2]]
                expected = f"({', '.join([*lead, 'steps', 'features'])})"
                raise Refused(errors.wrong_rank, expected, rank, index)
        for axis in range(query.rank - 2):
            _agree(axis, query, value, key)
        _agree(query.rank - 2, value, key, first=1)
        _agree(query.rank - 1, query, key)
        output = TensorType("float32", (*query.shape[:-1], value.shape[-1]))
        scores = TensorType("float32", (*query.shape[:-1], key.shape[-2]))
        return (output, scores) if return_attention_scores else (output,)

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        masks = call.get("mask")
        if masks is not None:
            expected = [TensorType("bool", x.shape[:-1]) for x in inputs]
            require_call_types("mask", masks, expected[: max(2, len(masks))])

    def onnx(
        self,
        op: Builder,
        x: list[Value],
        w: Values,
        *,
        mask: list[Value] | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Value | tuple[Value, Value]:
        query, value = x[:2]
        of_query, of_value = mask[:2] if mask else (query.mask, value.mask)
        scores = self.scores_of(op, query, x[-1], w)
        # As in Keras, a mask of the values is not aligned where there are more axes in front.
        if of_value is not None and (use_causal_mask or query.type.rank == 2):
            of_value = op.Unsqueeze(of_value, [-2])
        seen = [m for m in (of_value,) if m is not None]
        if use_causal_mask:
            seen.append(causal(op, query, value))
        shown = all_of(op, seen)
        if shown is not None:
            lowered = op.Sub(scores, 65504.0 if scores.dtype == "float16" else 1e9)
            scores = where(op, shown, scores, lowered)
        shares = op.Softmax(scores, axis=-1)
        y = op.MatMul(shares, value)
        if of_query is not None:
            y = where(op, op.Unsqueeze(of_query, [-1]), y, 0)
        return (y, shares) if return_attention_scores else y

    def onnx_mask(
        self,
        op: Builder,
        x: list[Value],
        w: Values,
        *,
        mask: list[Value] | None = None,
        return_attention_scores: bool = False,
        **_: Any,
    ) -> Value | tuple[Value | None, None] | None:
        of_query = mask[0] if mask else x[0].mask
        return (of_query, None) if return_attention_scores else of_query

    def scores_of(self, op: Builder, query: Value, key: Value, w: Values) -> Value:
        """The scores (*lead, queries, steps), not masked yet."""
        raise NotImplementedError


def summed(op: Builder, query: Value, key: Value) -> Value:
    """Each query with each key added to it: (*lead, queries, steps, features)."""
    return op.Add(op.Unsqueeze(query, [-2]), op.Unsqueeze(key, [-3]))


def _agree(axis: int, *inputs: TensorType, first: int = 0) -> None:
    """Refuse inputs whose sizes along an axis (the batch axis not counted) cannot be the same."""
    sizes = [x.shape[axis] for x in inputs]
    # An axis of size 1 would stretch to one of unknown size, and Keras does not say so.
    if contradict(sizes) or (1 in sizes and any(not isinstance(n, int) for n in sizes)):
        at = next(i for i, size in enumerate(sizes) if size != sizes[0])
        raise Refused(errors.input_differs, axis + 1, sizes[at], sizes[0], first + at)


class Attention(_ListAttention):
    """A mean of the values for each query, weighted by how well their keys fit it.

    Shapes:  (*lead, queries, n), (*lead, steps, m), perhaps keys (*lead, steps, n)
             -> (*lead, queries, m);
             with return_attention_scores, then the scores (*lead, queries, steps)
    Weights: scale () if use_scale; concat_score_weight () if score_mode is "concat"

    Example: [float32[5, 8], float32[6, 8]] -> Attention -> float32[5, 8]
    """

    use_scale: bool = arg(BOOL, default=False)
    score_mode: str = arg(Choice("dot", "concat"), default="dot")
    dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None)

    def weights(self, *inputs: TensorType, **_: Any) -> Weights:
        scale = (Weight("scale", ()),) if self.use_scale else ()
        concat = (Weight("concat_score_weight", ()),) if self.score_mode == "concat" else ()
        return (*scale, *concat)

    def scores_of(self, op: Builder, query: Value, key: Value, w: Values) -> Value:
        scale = w.get("scale")
        if self.score_mode == "dot":
            last = query.type.rank
            scores = op.MatMul(query, op.Transpose(key, perm=[*range(last - 1), last, last - 1]))
            return op.Mul(scores, scale) if scale is not None else scores
        both = summed(op, query, key)
        bent = op.Tanh(op.Mul(both, scale) if scale is not None else both)
        return op.Mul(op.ReduceSum(bent, [-1], keepdims=0), w["concat_score_weight"])


class AdditiveAttention(_ListAttention):
    """Attention whose scores are sums of `tanh(query + key)`.

    Shapes:  (*lead, queries, n), (*lead, steps, m), perhaps keys (*lead, steps, n)
             -> (*lead, queries, m);
             with return_attention_scores, then the scores (*lead, queries, steps)
    Weights: scale (n,) if use_scale

    Example: [float32[5, 8], float32[6, 8]] -> AdditiveAttention -> float32[5, 8]
    """

    use_scale: bool = arg(BOOL, default=True)
    dropout: float = arg(RATE, default=0.0)
    seed: int | None = arg(SEED, default=None, by_name=True)

    def weights(self, *inputs: TensorType, **_: Any) -> Weights:
        return (Weight("scale", (known_size(inputs[0], -1),)),) if self.use_scale else ()

    def scores_of(self, op: Builder, query: Value, key: Value, w: Values) -> Value:
        bent = op.Tanh(summed(op, query, key))
        if self.use_scale:
            return op.MatMul(bent, w["scale"])
        return op.ReduceSum(bent, [-1], keepdims=0)


# ------------------------------------------------------------ several heads


class MultiHeadAttention(Heads):
    """Attention by several heads, each with projections of its own.

    Shapes:  (queries, features), value (steps, m), key (steps, k) -> (queries, *output_shape);
             with return_attention_scores, then the scores (num_heads, queries, steps)
    Weights: query, key, gate if use_gate, value and attention_output: a kernel each, and a
             bias if use_bias

    Example: float32[4, 8] -> MultiHeadAttention(2, 4)(value=float32[6, 8]) -> float32[4, 8]
    """

    num_heads: int = arg(Int(at_least=1))
    key_dim: int = arg(Int(at_least=1))
    value_dim: int | None = arg(Optional(Int(at_least=1)), default=None)
    dropout: float = arg(RATE, default=0.0)
    use_bias: bool = arg(BOOL, default=True)
    output_shape: tuple[int, ...] | None = arg(Optional(ProjectedShape()), default=None)
    attention_axes: int | tuple[int, ...] | None = arg(Optional(Axes()), default=None)
    sliding_window: int | None = arg(Optional(Int(at_least=1)), default=None)
    flash_attention: bool | None = arg(Optional(BOOL), default=None)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    use_gate: bool = arg(BOOL, default=False)
    seed: int | None = arg(SEED, default=None)

    @property
    def heads(self) -> int:
        return self.num_heads

    def infer(self, x: TensorType, **call: Any) -> tuple[TensorType, ...]:
        query, value, key = operands(x, call)
        if query.rank < 2:
            raise Refused(errors.wrong_rank, "(steps, features)", 2)
        attended = self.attended(query.rank)
        steps = [None if axis + 1 in attended else n for axis, n in enumerate(query.shape[:-1])]
        if value.rank != query.rank or not fits(value.shape[:-1], tuple(steps)):
            expected = TensorType(value.dtype, (*steps, *value.shape[-1:]))
            raise Refused(errors.call_argument_refused, "value", [value], [expected])
        require_key(key, value)
        for argument, masks in (
            ("use_causal_mask", call.get("use_causal_mask")),
            ("sliding_window", self.sliding_window),
        ):
            if masks and query.rank > 2:
                reason = "it needs the steps on the only axis between batch and features"
                raise Refused(errors.arguments_conflict, argument, reason)
        made = self.output_shape or query.shape[-1:]
        output = TensorType("float32", (*query.shape[:-1], *made))
        scores = TensorType("float32", self.scores(query, key))
        return (output, scores) if call.get("return_attention_scores") else (output,)

    def attended(self, rank: int) -> tuple[int, ...]:
        """The axes over which attention goes, the batch axis being 0."""
        if self.attention_axes is None:
            return tuple(range(1, rank))
        given = self.attention_axes
        axes = given if isinstance(given, tuple) else (given,)
        require_axes("attention_axes", axes, rank + 1)
        counted = tuple(axis % (rank + 1) for axis in axes)
        for axis, number in zip(axes, counted, strict=True):
            if number == 0:
                raise Refused(errors.axis_out_of_range, "attention_axes", axis, rank + 1)
            if number == rank:
                reason = f"axis {axis} is that of the features"
                raise Refused(errors.arguments_conflict, "attention_axes", reason)
        return counted

    def scores(self, query: TensorType, key: TensorType) -> Shape:
        attended = self.attended(query.rank)
        others = [query.shape[axis - 1] for axis in range(1, query.rank) if axis not in attended]
        queries = [query.shape[axis - 1] for axis in attended]
        return (*others, self.num_heads, *queries, *[key.shape[axis - 1] for axis in attended])

    def weights(self, x: TensorType, **call: Any) -> Weights:
        query, value, key = operands(x, call)
        keys = (self.num_heads, self.key_dim)
        values = (self.num_heads, self.value_dim or self.key_dim)
        features = (known_size(query, -1),)
        gate = (("gate", features, values),) if self.use_gate else ()
        return self.projections(
            ("query", features, keys),
            ("key", (known_size_of("key", key),), keys),
            *gate,
            ("value", (known_size_of("value", value),), values),
            ("attention_output", values, self.output_shape or features),
        )

    def query_mask(self, x: Value, given: Value | None) -> Value | None:
        return x.mask


class GroupQueryAttention(Heads):
    """Attention by several heads, of which groups share their keys and values.

    Shapes:  (queries, features), value (steps, features), key (steps, k) -> (queries, features);
             with return_attention_scores, then the scores (num_query_heads, queries, steps)
    Weights: query, key, gate if use_gate, value and attention_output: a kernel each, and a
             bias if use_bias

    Example: float32[4, 8] -> GroupQueryAttention(4, 4, 2)(value=float32[6, 8]) -> float32[4, 8]
    """

    keras_class: ClassVar[str] = "GroupedQueryAttention"
    """The class's own name, which `keras.layers` shortens; automatic names are made of it."""

    casts_attention_mask = False

    head_dim: int = arg(Int(at_least=1))
    num_query_heads: int = arg(Int(at_least=1))
    num_key_value_heads: int = arg(Int(at_least=1))
    dropout: float = arg(RATE, default=0.0)
    use_bias: bool = arg(BOOL, default=True)
    sliding_window: int | None = arg(Optional(Int(at_least=1)), default=None)
    flash_attention: bool | None = arg(Optional(BOOL), default=None)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    use_gate: bool = arg(BOOL, default=False)
    seed: int | None = arg(SEED, default=None)

    @property
    def heads(self) -> int:
        return self.num_query_heads

    def validate(self) -> None:
        super().validate()
        if self.num_query_heads % self.num_key_value_heads:
            raise Refused(
                errors.arguments_conflict,
                "num_key_value_heads",
                f"{self.num_query_heads} heads cannot share {self.num_key_value_heads} evenly",
            )

    def infer(self, x: TensorType, **call: Any) -> tuple[TensorType, ...]:
        query, value, key = operands(x, call)
        require_rank(query, "steps", "features")
        if value.rank != 2 or not fits(value.shape[1:], query.shape[1:]):
            expected = TensorType(value.dtype, (None, query.shape[1]))
            raise Refused(errors.call_argument_refused, "value", [value], [expected])
        require_key(key, value)
        output = TensorType("float32", query.shape)
        scores = TensorType("float32", self.scores(query, key))
        return (output, scores) if call.get("return_attention_scores") else (output,)

    def weights(self, x: TensorType, **call: Any) -> Weights:
        query, value, key = operands(x, call)
        many = (self.num_query_heads, self.head_dim)
        few = (self.num_key_value_heads, self.head_dim)
        features = (known_size(query, -1),)
        gate = (("gate", features, many),) if self.use_gate else ()
        return self.projections(
            ("query", features, many),
            ("key", (known_size_of("key", key),), few),
            *gate,
            ("value", (known_size_of("value", value),), few),
            ("attention_output", many, features),
        )

    @property
    def head_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where several share one of several keys, the keys have an axis that stretches."""
        many, few = self.num_query_heads, self.num_key_value_heads
        return ((many,), (few,)) if few in (1, many) else ((few, many // few), (few, 1))
