"""What layers of attention by several heads have in common: checks of the call, and operators.

In ONNX the heads are axes before those of the steps, (batch, heads, steps, features), and the
axes that attention goes over are one:

    scores = query @ key^T       (batch, *other axes, *heads, queries, steps)
    output = softmax(scores) @ value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from struct import pack, unpack
from typing import Any, ClassVar, cast

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activations import hidden, masked_softmax
from specc.layers.arguments import BOOL, Int, Kind, is_tuple
from specc.layers.base import TENSOR, Layer, Weight, Weights, fits, require_call_types
from specc.layers.core import projection
from specc.layers.scores import all_of, causal, product, sizes, window
from specc.lowering import Builder, Value, Values
from specc.types import Dimension, TensorType

Shape = tuple[Dimension, ...]


class ProjectedShape(Kind):
    """What takes the place of the last axis: `8` or `(2, 4)`."""

    expected = "a size or a tuple of sizes"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,)
        return bool(items) and all(Int(at_least=1).accepts(item) for item in items)

    def normalize(self, value: Any) -> tuple[int, ...]:
        return value if is_tuple(value) else (value,)


class Heads(Layer):
    """What the two with several heads have in common; each class lists its arguments itself."""

    supports_masking = True

    call_arguments: ClassVar[dict[str, Kind]] = {
        "value": TENSOR,
        "key": TENSOR,
        "query_mask": TENSOR,
        "value_mask": TENSOR,
        "key_mask": TENSOR,
        "attention_mask": TENSOR,
        "return_attention_scores": BOOL,
        "training": BOOL,
        "use_causal_mask": BOOL,
    }
    shaped_by_call = True

    casts_attention_mask: ClassVar[bool] = True
    """Whether an attention mask of numbers hides where it is 0. Otherwise, Keras leaves one that
    is the only mask as it is, and a Softmax layer hides where it is at most 0.5."""

    use_bias: bool
    use_gate: bool
    dropout: float
    sliding_window: int | None
    flash_attention: bool | None

    def validate(self) -> None:
        if self.flash_attention:
            reason = "TensorFlow, which runs the model, has no flash attention"
            raise Refused(errors.arguments_conflict, "flash_attention", reason)

    def outputs_of(self, call: Mapping[str, Any]) -> int:
        """How many tensors a use with this call gives."""
        return 2 if call.get("return_attention_scores") else 1

    @property
    def heads(self) -> int:
        raise NotImplementedError

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        query, value, key = operands(inputs[0], call)
        for name, x in (("query_mask", query), ("value_mask", value), ("key_mask", key)):
            if call.get(name) is not None:
                steps = TensorType(call[name].dtype, x.shape[:-1])
                require_call_types(name, [call[name]], [steps])
        mask = call.get("attention_mask")
        if mask is None:
            return
        scores = TensorType(mask.dtype, self.scores(query, key))
        shape, whole = mask.whole_shape, scores.whole_shape
        # The last axes are those of queries and steps; before them Keras puts what is missing.
        last = 2 * len(self.attended(query.rank))
        missing = (1,) * (len(whole) - len(shape))
        aligned = (*shape[:-last], *missing, *shape[-last:])
        alike = [a == 1 or fits((a,), (b,)) for a, b in zip(aligned, whole, strict=False)]
        if len(shape) < last + mask.batched or len(aligned) > len(whole) or not all(alike):
            needed = scores.with_shape(*query.shape[:-1], *key.shape[-1 - last // 2 : -1])
            raise Refused(errors.call_argument_refused, "attention_mask", [mask], [needed])

    def attended(self, rank: int) -> tuple[int, ...]:
        """The axes over which attention goes, the batch axis being 0."""
        return (1,)

    def scores(self, query: TensorType, key: TensorType) -> Shape:
        """The shape of the scores."""
        return (self.heads, query.shape[0], key.shape[0])

    def projections(self, *parts: tuple[str, tuple[int, ...], tuple[int, ...]]) -> Weights:
        """The weights of dense layers, each given by name, shape taken and shape made."""
        weights: list[Weight] = []
        for name, taken, made in parts:
            weights.append(Weight(f"{name}/kernel", (*taken, *made), arguments="kernel"))
            if self.use_bias:
                weights.append(Weight(f"{name}/bias", made, arguments="bias"))
        return tuple(weights)

    # ------------------------------------------------------------------------ in ONNX

    def onnx(
        self,
        op: Builder,
        x: Value,
        w: Values,
        *,
        value: Value,
        key: Value | None = None,
        return_attention_scores: bool = False,
        **masks: Any,
    ) -> Value | tuple[Value, Value]:
        of_queries, of_keys = self.head_axes
        keys = value if key is None else key
        query = self._projected(op, x, w, "query", of_queries)
        turned = self._projected(op, keys, w, "key", of_keys)
        values = self._projected(op, value, w, "value", of_keys)
        # Keras does all that follows in one operation, or else leaves softmax to the layer of that
        # name, for which a query that sees nothing has shares of 0.
        by_layer = self.dropout > 0 or return_attention_scores or x.type.rank > 2
        mask, hides_all = self._mask(op, x, value, key, by_layer=by_layer, **masks)
        scores = op.MatMul(query, turned)
        if mask is None:
            shares = op.Softmax(scores, axis=-1)
        elif by_layer and hides_all:
            shares = self._shares(op, x, value, scores, mask)
        else:
            shares = op.Softmax(hidden(op, scores, mask), axis=-1)
        y = self._joined(op, x, op.MatMul(shares, values), of_queries, sizes_of(w, "value")[-1])

        if self.use_gate:
            y = op.Mul(y, op.Sigmoid(self._dense(op, x, w, "gate")))
        heads, size, *made = sizes_of(w, "attention_output")
        kernel, bias = w["attention_output/kernel"], w.get("attention_output/bias")
        y = projection(op, y, x.type.rank, kernel, bias, [heads * size], made)
        if len(made) > 1:
            y = op.reshape(y, [*[0] * x.type.rank, *made])
        if not return_attention_scores:
            return y
        if len(self.attended(x.type.rank)) > 1 or len(of_queries) > 1:
            shares = self._spread(op, x, value, shares, [self.heads])
        return y, shares

    def onnx_mask(
        self, op: Builder, x: Value, w: Values, *, return_attention_scores: bool = False, **_: Any
    ) -> Value | tuple[Value | None, None] | None:
        return (x.mask, None) if return_attention_scores else x.mask

    @property
    def head_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The axes that the heads of the queries are on, and those of keys and values."""
        return (self.heads,), (self.heads,)

    def _dense(self, op: Builder, x: Value, w: Values, name: str) -> Value:
        """What one of the dense layers makes of the features, all heads on one axis."""
        kernel, bias = w[f"{name}/kernel"], w.get(f"{name}/bias")
        features, *made = sizes_of(w, name)
        if name == "query":
            # The scores are scaled by scaling this, which costs nothing when the model runs.
            scale = rounded(1 / sqrt(made[-1]))
            kernel, bias = op.Mul(kernel, scale), bias if bias is None else op.Mul(bias, scale)
        return projection(op, x, x.type.rank, kernel, bias, [features], made)

    def _projected(
        self, op: Builder, x: Value, w: Values, name: str, heads: tuple[int, ...]
    ) -> Value:
        """(batch, *others, *heads, steps, size of a head), the last two turned round for keys."""
        rank, size = x.type.rank, sizes_of(w, name)[-1]
        y = op.reshape(self._dense(op, x, w, name), [*[0] * rank, *heads, size])
        order = self._order(rank, heads)
        if name == "key":
            count = len(self.attended(rank))
            order = [*order[: -1 - count], order[-1], *order[-1 - count : -1]]
        y = op.Transpose(y, perm=order)
        if len(self.attended(rank)) == 1:
            return y
        before = [0] * (rank - len(self.attended(rank)) + len(heads))
        return op.reshape(y, [*before, size, -1] if name == "key" else [*before, -1, size])

    def _shares(self, op: Builder, x: Value, value: Value, scores: Value, mask: Value) -> Value:
        """What a Softmax layer makes of scores and a mask."""
        axes = self.attended(x.type.rank)
        if len(axes) == 1:
            return masked_softmax(op, scores, mask, -1)
        heads, _ = self.head_axes
        scores = self._spread(op, x, value, scores, heads)
        shares = masked_softmax(op, scores, mask, tuple(range(-len(axes), 0)))
        before = [0] * (x.type.rank - len(axes) + len(heads))
        return op.reshape(shares, [*before, -1, product(op, sizes(op, value, axes))])

    def _spread(
        self, op: Builder, x: Value, value: Value, scores: Value, heads: Sequence[int]
    ) -> Value:
        """Scores whose axes of queries and of steps are as many as there are in the inputs."""
        axes = self.attended(x.type.rank)
        before = [0] * (x.type.rank - len(axes))
        steps = [*sizes(op, x, axes), *sizes(op, value, axes)]
        return op.reshape(scores, [*before, *heads, *steps])

    def _joined(self, op: Builder, x: Value, y: Value, heads: tuple[int, ...], size: int) -> Value:
        """The inverse of `_projected`, all heads on one axis."""
        rank = x.type.rank
        axes, order = self.attended(rank), self._order(rank, heads)
        if len(axes) > 1:
            before = [0] * (rank - len(axes) + len(heads))
            y = op.reshape(y, [*before, *sizes(op, x, axes), size])
        y = op.Transpose(y, perm=[order.index(axis) for axis in range(len(order))])
        return op.reshape(y, [*[0] * rank, prod(heads) * size])

    def _order(self, rank: int, heads: tuple[int, ...]) -> list[int]:
        """The axes (batch, *steps, *heads, features), those attended to put behind the heads."""
        axes = self.attended(rank)
        others = [axis for axis in range(rank) if axis not in axes]
        last = rank + len(heads)
        return [*others, *range(rank, last), *axes, last]

    def _mask(
        self,
        op: Builder,
        x: Value,
        value: Value,
        key: Value | None,
        *,
        by_layer: bool,
        query_mask: Value | None = None,
        value_mask: Value | None = None,
        key_mask: Value | None = None,
        attention_mask: Value | None = None,
        use_causal_mask: bool = False,
    ) -> tuple[Value | None, bool]:
        """What each query sees, and whether there may be one that sees nothing.

        The mask has the axes of the scores, or the last two of them. One that a tensor brings
        along counts where none is given.
        """
        query_mask = self.query_mask(x, query_mask)
        value_mask = value.mask if value_mask is None else value_mask
        key_mask = key.mask if key_mask is None and key is not None else key_mask
        shown = [
            op.Unsqueeze(op.cast(mask, "bool"), [axis])
            for mask, axis in ((query_mask, -1), (value_mask, -2), (key_mask, -2))
            if mask is not None
        ]
        rank = x.type.rank + 1 if shown else 0
        placed = use_causal_mask or self.sliding_window is not None
        if attention_mask is not None:
            if shown or placed or self.casts_attention_mask or not by_layer:
                attention_mask = op.cast(attention_mask, "bool")
            attention_mask, own_rank = self._by_heads(op, attention_mask)
            shown.append(attention_mask)
            rank = max(rank, own_rank)
        hides_all = bool(shown) or self.sliding_window is not None
        if use_causal_mask:
            shown.append(causal(op, x, value))
        if self.sliding_window is not None:
            shown.append(window(op, x, value, self.sliding_window))
        mask = all_of(op, shown)
        count = len(self.attended(x.type.rank))
        missing = x.type.rank - count + len(self.head_axes[0]) + 2 * count - rank
        if mask is not None and rank > 2 * count and missing:
            mask = op.Unsqueeze(mask, [-1 - 2 * count - i for i in range(missing)])
        return mask, hides_all

    def _by_heads(self, op: Builder, mask: Value) -> tuple[Value, int]:
        """An attention mask whose heads are on the axes of those of the scores, and its rank."""
        axes, _ = self.head_axes
        whole = mask.type.whole_shape
        if len(axes) == 1 or len(whole) < 4 or whole[1] == 1:
            return mask, len(whole)
        return op.reshape(mask, [0, *axes, *sizes(op, mask, (2, 3))]), len(whole) + 1

    def query_mask(self, x: Value, given: Value | None) -> Value | None:
        """The mask of the queries that counts."""
        return x.mask if given is None else given


def rounded(number: float) -> float:
    """The float32 that Keras makes of a number in Python, in layers of float64 too."""
    (single,) = unpack("f", pack("f", number))
    return single


def sizes_of(w: Values, name: str) -> tuple[int, ...]:
    """The sizes of a dense layer's kernel."""
    return cast("tuple[int, ...]", w[f"{name}/kernel"].type.shape)


def operands(query: TensorType, call: Mapping[str, Any]) -> tuple[TensorType, ...]:
    """Query, value and key, the value standing for a key that is not given."""
    value = call.get("value")
    if value is None:
        raise Refused(errors.call_argument_missing, "value")
    key = value if call.get("key") is None else call["key"]
    for argument, x in (("value", value), ("key", key)):
        if x.dtype == "string":
            needed = [TensorType("float32", x.shape)]
            raise Refused(errors.call_argument_refused, argument, [x], needed)
    return query, value, key


def require_key(key: TensorType, value: TensorType) -> None:
    """Refuse a key whose steps are not those of the value.

    Unlike elsewhere, Keras takes no unknown size for a known one here.
    """
    steps = value.shape[:-1]
    alike = key.anonymous().shape[:-1] == value.anonymous().shape[:-1]
    if not alike or not fits(key.shape[:-1], steps):
        expected = TensorType(key.dtype, (*steps, *key.shape[-1:]))
        raise Refused(errors.call_argument_refused, "key", [key], [expected])


def known_size_of(argument: str, x: TensorType) -> int:
    """The number of features of a tensor in the call."""
    size = x.shape[-1]
    if not isinstance(size, int):
        raise Refused(errors.call_size_unknown, argument, x)
    return size
