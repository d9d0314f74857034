"""Dense, Embedding, Activation, Identity, Masking."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activation_functions import activated
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Float,
    Int,
    KerasObject,
    Named,
    Nothing,
    arg,
)
from specc.layers.base import Layer, Weight, Weights, apply_within, known_size
from specc.layers.lora import ALPHA, RANK, adapted, merged, refuse_constraint
from specc.layers.names import ACTIVATIONS
from specc.lowering import Builder, Value, Values, calculable, folded, where
from specc.types import FLOAT_DTYPES, TensorType


class Dense(Layer):
    """Affine map of the last axis, then the activation.

    Shapes:  (*lead, n) -> (*lead, units)
    Weights: kernel (n, units); bias (units,) if use_bias;
             lora_kernel_a (n, lora_rank) and lora_kernel_b (lora_rank, units) if lora_rank

    Example: float32[28, 28] -> Dense(10) -> float32[28, 10]
    """

    supports_masking = True

    units: int = arg(Int(at_least=1))
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    use_bias: bool = arg(BOOL, default=True)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    activity_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    lora_rank: int | None = arg(RANK, default=None)
    lora_alpha: float | None = arg(ALPHA, default=None)
    quantization_config: None = arg(Nothing(), default=None)

    def validate(self) -> None:
        refuse_constraint("kernel_constraint", self.kernel_constraint, self.lora_rank)

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 1:
            raise Refused(errors.wrong_rank, "(..., features)", 1)
        return TensorType("float32", (*x.shape[:-1], self.units))

    def weights(self, x: TensorType) -> Weights:
        kernel = Weight("kernel", (known_size(x, -1), self.units))
        bias = Weight("bias", (self.units,))
        return adapted((kernel, bias) if self.use_bias else (kernel,), self.lora_rank)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        y = affine_map(op, x, x.type.rank, merged(op, w, "kernel"), w.get("bias"))
        return activated(op, self.activation, y)

    def folds_before(self, x: TensorType, has_offset: bool) -> int:
        return x.rank

    def folds_after(self, y: TensorType) -> int | None:
        return y.rank if self.activation in (None, "linear") else None

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        # `(s K) + (s A) B` is `s (K + A B)`: of LoRA's narrow matrices the left one is scaled.
        rows = self._scaled(op, w, ("kernel", "lora_kernel_a"), op.Unsqueeze(scale, [1]))
        moved = None if offset is None else op.MatMul(offset, merged(op, w, "kernel"))
        return folded(op, rows, w.get("bias"), moved)

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        columns = self._scaled(op, w, ("kernel", "lora_kernel_b"), scale)
        bias = op.Mul(w["bias"], scale) if "bias" in w else None
        return folded(op, columns, bias, offset)

    @staticmethod
    def _scaled(op: Builder, w: Values, names: Sequence[str], scale: Value) -> Values:
        return {
            name: op.typed(op.Mul(w[name], op.cast(scale, w[name].dtype)), w[name].type)
            for name in names
            if name in w
        }


def affine_map(op: Builder, x: Value, rank: int, kernel: Value, bias: Value | None) -> Value:
    """`x @ kernel + bias` along the last of `rank` axes (the batch axis not counted)."""
    x = op.cast(x, kernel.dtype)
    if bias is None:
        return op.MatMul(x, kernel)
    if rank == 1:
        return op.Gemm(x, kernel, bias)
    return op.Add(op.MatMul(x, kernel), bias)


def projection(
    op: Builder,
    x: Value,
    rank: int,
    kernel: Value,
    bias: Value | None,
    taken: Sequence[int],
    made: Sequence[int],
) -> Value:
    """`affine_map` of the last axes, those with the sizes `taken`, to one axis.

    Args:
        rank: of `x`.
        kernel: of the sizes `taken` and then `made`; the bias of those made.
    """
    lead = rank + 1 - len(taken)
    if len(taken) > 1:
        x = op.reshape(x, [*[0] * lead, prod(taken)])
    kernel = op.reshape(kernel, [prod(taken), prod(made)])
    bias = op.reshape(bias, [prod(made)]) if bias is not None else None
    return affine_map(op, x, lead, kernel, bias)


class Embedding(Layer):
    """A row of the table for each integer.

    Shapes:  (*lead) -> (*lead, output_dim)
    Weights: embeddings (input_dim, output_dim); lora_embeddings_a (input_dim, lora_rank) and
             lora_embeddings_b (lora_rank, output_dim) if lora_rank

    Example: int32[200] -> Embedding(1_000, 16) -> float32[200, 16]
    """

    autocasts = False

    input_dim: int = arg(Int(at_least=1))
    output_dim: int = arg(Int(at_least=1))
    embeddings_initializer: str | KerasObject = arg(INITIALIZER, default="uniform")
    embeddings_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    embeddings_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    mask_zero: bool = arg(BOOL, default=False)
    given_weights: None = arg(Nothing(), default=None, name="weights")
    lora_rank: int | None = arg(RANK, default=None)
    lora_alpha: float | None = arg(ALPHA, default=None)
    quantization_config: None = arg(Nothing(), default=None)

    def validate(self) -> None:
        refuse_constraint("embeddings_constraint", self.embeddings_constraint, self.lora_rank)

    @property
    def index_limit(self) -> int:
        return self.input_dim

    @property
    def makes_mask(self) -> bool:
        return self.mask_zero

    def infer(self, x: TensorType) -> TensorType:
        return TensorType("float32", (*x.shape, self.output_dim))

    def weights(self, x: TensorType) -> Weights:
        embeddings = Weight("embeddings", (self.input_dim, self.output_dim))
        return adapted((embeddings,), self.lora_rank)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        return rows_at(op, merged(op, w, "embeddings"), x)

    def onnx_mask(self, op: Builder, x: Value, w: Values) -> Value | None:
        return op.cast(x, "bool") if self.mask_zero else None


def rows_at(op: Builder, table: Value, x: Value) -> Value:
    """The rows of a table at indices of any dtype, as Keras takes them."""
    return op.Gather(table, x if x.dtype in ("int32", "int64") else op.cast(x, "int32"), axis=0)


KEEP_WHOLE_NUMBERS = ("linear", "relu", "relu6")
"""The activations that make whole numbers of whole numbers."""


class Activation(Layer):
    """An activation as a layer of its own.

    Keras says float32 for whole numbers too; this is what it computes.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> Activation("tanh") -> float32[8]
    """

    supports_masking = True

    numbers_to_float32 = True
    tf2onnx_limits = "but for celu and gelu"

    activation: str | Layer = arg(Named("activation", "an activation", ACTIVATIONS))

    def infer(self, x: TensorType) -> TensorType:
        if isinstance(self.activation, Layer):
            return apply_within(self.activation, [x])[0]
        if x.is_float or self.activation == "linear":
            return x
        if self.activation in KEEP_WHOLE_NUMBERS and x.dtype != "bool":
            return x
        if self.activation in ("exponential", "tanh"):
            return TensorType("float32", x.shape)
        if self.activation == "leaky_relu" and x.dtype != "bool":
            return TensorType("float32", x.shape)
        raise Refused(errors.dtype_refused, "floating-point numbers")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        keeps = isinstance(self.activation, Layer) or self.activation in KEEP_WHOLE_NUMBERS
        if x.dtype not in FLOAT_DTYPES and not keeps:
            x = op.cast(x, "float32")
        return activated(op, self.activation, x)


class Identity(Layer):
    """The input.

    Shapes: (*any) -> (*any)

    Example: float32[8] -> Identity -> float32[8]
    """

    supports_masking = True
    passes_on = True

    def infer(self, x: TensorType) -> TensorType:
        return x


class Masking(Layer):
    """Zeros, masked out for the layers that follow, where all features are `mask_value`.

    Keras says float32 for whole numbers too; this is what it computes.

    Shapes: (*lead, n) -> (*lead, n)

    Example: float32[10, 8] -> Masking -> float32[10, 8]
    """

    supports_masking = True

    mask_value: float = arg(Float(), default=0.0)

    @property
    def makes_mask(self) -> bool:
        return True

    def infer(self, x: TensorType) -> TensorType:
        computed = {"bool": "int32", "uint64": "uint32"}.get(x.dtype, x.dtype)
        return TensorType(computed, x.shape)

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        x = calculable(op, x)
        return where(op, self._kept(op, x), x, 0)

    def onnx_mask(self, op: Builder, x: Value, w: Values) -> Value:
        return op.Squeeze(self._kept(op, calculable(op, x)), [-1])

    def _kept(self, op: Builder, x: Value) -> Value:
        """Whether any feature is something else than the mask value, with an axis of size 1."""
        compared = x if x.dtype in FLOAT_DTYPES else op.cast(x, "float32")
        differs = op.Not(op.Equal(compared, self.mask_value, dtype="bool"))
        return op.cast(op.ReduceMax(op.cast(differs, "int32"), [-1], keepdims=1), "bool")
