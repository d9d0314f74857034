"""Dense, Embedding, Activation, Identity, Masking."""

from __future__ import annotations

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
from specc.layers.lora import ALPHA, RANK, adapted, refuse_adapted, refuse_constraint
from specc.layers.names import ACTIVATIONS
from specc.lowering import Builder, Value, Values, folded
from specc.types import TensorType


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
        refuse_adapted(self, self.lora_rank)
        kernel, bias = w["kernel"], w.get("bias")
        if x.type.rank == 1:
            y = op.Gemm(x, kernel, bias) if bias is not None else op.MatMul(x, kernel)
        else:
            y = op.MatMul(x, kernel)
            y = op.Add(y, bias) if bias is not None else y
        return activated(op, self.activation, y)

    def folds_before(self, x: TensorType, has_offset: bool) -> int | None:
        return None if self.lora_rank else x.rank

    def folds_after(self, y: TensorType) -> int | None:
        return None if self.lora_rank or self.activation not in (None, "linear") else y.rank

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        kernel = w["kernel"]
        moved = None if offset is None else op.MatMul(offset, kernel)
        return folded(
            op, {"kernel": op.Mul(kernel, op.Unsqueeze(scale, [1]))}, w.get("bias"), moved
        )

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        bias = None if "bias" not in w else op.Mul(w["bias"], scale)
        return folded(op, {"kernel": op.Mul(w["kernel"], scale)}, bias, offset)


class Embedding(Layer):
    """A row of the table for each integer.

    Shapes:  (*lead) -> (*lead, output_dim)
    Weights: embeddings (input_dim, output_dim); lora_embeddings_a (input_dim, lora_rank) and
             lora_embeddings_b (lora_rank, output_dim) if lora_rank

    Example: int32[200] -> Embedding(1_000, 16) -> float32[200, 16]
    """

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
        refuse_adapted(self, self.lora_rank)
        indices = x if x.dtype in ("int32", "int64") else op.cast(x, "int32")
        return op.Gather(w["embeddings"], indices, axis=0)


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
        if self.activation in ("relu", "relu6") and x.dtype != "bool":
            return x
        if self.activation in ("exponential", "tanh"):
            return TensorType("float32", x.shape)
        if self.activation == "leaky_relu" and x.dtype != "bool":
            return TensorType("float32", x.shape)
        raise Refused(errors.dtype_refused, "floating-point numbers")

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
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
