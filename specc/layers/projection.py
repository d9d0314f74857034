"""EinsumDense, ReversibleEmbedding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers.activation_functions import activated
from specc.layers.arguments import (
    ACTIVATION,
    BOOL,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Choice,
    Float,
    Int,
    KerasObject,
    Kind,
    Nothing,
    Optional,
    Text,
    arg,
    is_tuple,
)
from specc.layers.base import Layer, Weight, Weights, require_float
from specc.layers.core import projection, rows_at
from specc.layers.lora import ALPHA, RANK, adapted, merged, refuse_constraint
from specc.lowering import Builder, Value, Values
from specc.types import BATCH, Dimension, TensorType


class Equation(Kind):
    """Letters for the axes of input, kernel and output: `"abc,cd->abd"`, `"...a,ab->...b"`."""

    expected = 'an equation such as "abc,cd->abd", "...a,ab->...b" or "ab...,bc->ac..."'

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        pattern = r"(\.\.\.|)([a-zA-Z]+)(\.\.\.|),([a-zA-Z]+)->\1([a-zA-Z]+)\3"
        found = re.fullmatch(pattern, value)
        if found is None or (found[1] and found[3]):
            return False
        short = bool(found[3]) and len(found[2]) < 2
        return not short and all(len(set(found[i])) == len(found[i]) for i in (2, 4, 5))


class PartialShape(Kind):
    """The axes of an output after the batch axis; None for those that are the input's."""

    expected = "a size, or a tuple of sizes and None"

    def accepts(self, value: object) -> bool:
        items = value if is_tuple(value) else (value,)
        return all(Int(at_least=1).accepts(n) or (n is None and is_tuple(value)) for n in items)

    def normalize(self, value: Any) -> tuple[int | None, ...]:
        return value if is_tuple(value) else (value,)


class EinsumDense(Layer):
    """A dense layer whose products and sums an equation describes.

    A size that `output_shape` leaves open stays unknown even where the input has it.

    Shapes:  (*any) -> output_shape, and the axes that the equation leaves out
    Weights: kernel, of the sizes of its letters; bias, of the sizes of `bias_axes` and 1 between
             and behind them, if bias_axes; lora_kernel_a and lora_kernel_b, which lead through
             lora_rank numbers to the last axis of the kernel, if lora_rank

    Example: float32[10, 8] -> EinsumDense("abc,cd->abd", (10, 4)) -> float32[10, 4]
    """

    equation: str = arg(Equation())
    output_shape: tuple[int | None, ...] = arg(PartialShape())
    activation: str | Layer | None = arg(ACTIVATION, default=None)
    bias_axes: str | None = arg(Optional(Text()), default=None)
    kernel_initializer: str | KerasObject = arg(INITIALIZER, default="glorot_uniform")
    bias_initializer: str | KerasObject = arg(INITIALIZER, default="zeros")
    kernel_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    bias_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    kernel_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    bias_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    lora_rank: int | None = arg(RANK, default=None)
    lora_alpha: float | None = arg(ALPHA, default=None)
    gptq_unpacked_column_size: None = arg(Nothing(), default=None)
    quantization_config: None = arg(Nothing(), default=None)

    def validate(self) -> None:
        refuse_constraint("kernel_constraint", self.kernel_constraint, self.lora_rank)
        left, _, self._out = self.equation.partition("->")
        self._in, _, self._kernel = left.partition(",")
        self._leading, self._trailing = self._in.startswith("."), self._in.endswith(".")
        self._in, self._out = self._in.strip("."), self._out.strip(".")
        for letter in self._out:
            if letter not in self._in + self._kernel:
                raise self._conflict("equation", f"nothing says what {letter!r} of the output is")
        for letter in self._kernel:
            if letter not in self._in + self._out:
                raise self._conflict("equation", f"nothing says what {letter!r} of the kernel is")
        if self.bias_axes is not None and not (
            self.bias_axes and set(self.bias_axes) <= set(self._out)
        ):
            raise self._conflict("bias_axes", f"must be letters of the output, {self._out!r}")

    @staticmethod
    def _conflict(argument: str, reason: str) -> Refused:
        return Refused(errors.arguments_conflict, argument, reason)

    def infer(self, x: TensorType) -> TensorType:
        return TensorType("float32", self._sizes(x)[1][1:])

    def weights(self, x: TensorType) -> Weights:
        return adapted(self._weights(x), self.lora_rank)

    def _weights(self, x: TensorType) -> Weights:
        elided, output = self._sizes(x)
        before = elided if self._leading else 0
        of_output = dict(zip(self._out, output[before:], strict=False))
        of_input = dict(zip(self._in, x.whole_shape[before:], strict=False))
        kernel = tuple(
            self._known(letter, {**of_input, **of_output}[letter]) for letter in self._kernel
        )
        weights = (Weight("kernel", kernel),)
        if self.bias_axes is None:
            return weights
        first = min(self._out.index(letter) for letter in self.bias_axes)
        bias = tuple(
            self._known(letter, of_output[letter]) if letter in self.bias_axes else 1
            for letter in self._out[first:]
        )
        return (*weights, Weight("bias", (*bias, *(1,) * (elided - before))))

    def onnx(self, op: Builder, x: Value, w: Values) -> Value:
        factor = 1.0
        if self.lora_rank and self.lora_alpha is not None:
            factor = self.lora_alpha / self.lora_rank
        kernel = merged(op, w, "kernel", factor)
        if self._is_projection:
            return activated(op, self.activation, self._projected(op, x, kernel, w))
        y = op.Einsum(op.cast(x, kernel.dtype), kernel, equation=self.equation)
        y = op.Add(y, w["bias"]) if "bias" in w else y
        return activated(op, self.activation, y)

    @property
    def _summed(self) -> str:
        return "".join([c for c in self._in if c in self._kernel and c not in self._out])

    @property
    def _made(self) -> str:
        return "".join([c for c in self._out if c not in self._in])

    @property
    def _is_projection(self) -> bool:
        """Whether it is a matrix product: the last axes of the input are summed over, and what
        the kernel has besides those takes their place.
        """
        lead = self._in.removesuffix(self._summed)
        return (
            bool(self._summed)
            and not self._trailing
            and lead + self._summed == self._in
            and lead + self._made == self._out
            and set(self._kernel) == {*self._summed, *self._made}
        )

    def _projected(self, op: Builder, x: Value, kernel: Value, w: Values) -> Value:
        size: dict[str, Any] = dict(zip(self._kernel, w["kernel"].type.shape, strict=True))
        taken, made = ([size[c] for c in letters] for letters in (self._summed, self._made))
        order = [self._kernel.index(letter) for letter in self._summed + self._made]
        bias = w.get("bias")
        inside = bias is not None and bias.type.shape == tuple(made)
        rank = x.type.rank
        y = projection(
            op, x, rank, op.Transpose(kernel, perm=order), bias if inside else None, taken, made
        )
        if len(made) != 1:
            y = op.reshape(y, [*[0] * (rank + 1 - len(taken)), *made])
        return y if bias is None or inside else op.Add(y, bias)

    def _sizes(self, x: TensorType) -> tuple[int, tuple[Dimension, ...]]:
        """How many axes the equation leaves out, and the shape of the output."""
        whole = x.whole_shape
        elided = len(whole) - len(self._in)
        if elided < 0 or (elided and not self._leading and not self._trailing):
            axes = [f"axis {letter}" for letter in self._in[1:]]
            raise Refused(errors.wrong_rank, f"({', '.join(axes)})", len(axes))
        between = whole[1:elided] if self._leading else ()
        behind = whole[len(whole) - elided :] if elided and self._trailing else ()
        shown = x.with_shape(*between).anonymous().shape
        if shown != shown[::-1]:
            reason = "Keras would say that the axes left out before the others are turned round"
            raise self._conflict("equation", reason)
        output = (whole[0], *between, *self.output_shape, *behind)
        if len(output) != elided + len(self._out):
            number = len(self._out) - (0 if elided and self._leading else 1)
            reason = f"the equation has {number} axes after those of the batch"
            raise self._conflict("output_shape", reason)
        before = elided if self._leading else 0
        of_output = dict(zip(self._out, output[before:], strict=False))
        sizes = list(output)
        for letter, size in zip(self._in, whole[before:], strict=False):
            made = of_output.get(letter)
            if (size == BATCH) != (made == BATCH) or (size == BATCH and letter in self._kernel):
                raise self._conflict("equation", "the batch axis must be the first of the output")
            if made is not None and made != size:
                raise self._conflict("output_shape", f"axis {letter!r} of the input has {size}")
            if isinstance(size, str) and letter in of_output:
                sizes[before + self._out.index(letter)] = size
        if of_output.get(self._out[0]) == BATCH and self._out[0] not in self._in:
            raise self._conflict("equation", "the batch axis must be the first of the output")
        return elided, tuple(sizes)

    def _known(self, letter: str, size: Dimension) -> int:
        if not isinstance(size, int):
            raise self._conflict("output_shape", f"the kernel needs the size of axis {letter!r}")
        return size


class ReversibleEmbedding(Layer):
    """An embedding that can also say, with `reverse=True`, which row a vector is most like.

    Shapes:  (*lead) -> (*lead, output_dim), or (*lead, output_dim) -> (*lead, input_dim) if the
             call has reverse=True
    Weights: embeddings (input_dim, output_dim); lora_embeddings_a (input_dim, lora_rank) and
             lora_embeddings_b (lora_rank, output_dim) if lora_rank; reverse_embeddings
             (output_dim, input_dim) if not tie_weights

    Example: int32[10] -> ReversibleEmbedding(1_000, 8) -> float32[10, 8]
    """

    autocasts = False

    call_arguments: ClassVar[dict[str, Kind]] = {"reverse": BOOL, "training": BOOL}
    dtype_kind = Optional(Choice("float32"))  # Vectors are not cast, and decide with the weights.
    shaped_by_call = True

    input_dim: int = arg(Int(at_least=1))
    output_dim: int = arg(Int(at_least=1))
    tie_weights: bool = arg(BOOL, default=True)
    embeddings_initializer: str | KerasObject = arg(INITIALIZER, default="uniform")
    embeddings_regularizer: str | KerasObject | None = arg(REGULARIZER, default=None)
    embeddings_constraint: str | KerasObject | None = arg(CONSTRAINT, default=None)
    mask_zero: bool = arg(BOOL, default=False)
    reverse_dtype: None = arg(Nothing(), default=None)
    logit_soft_cap: float | None = arg(Optional(Float(at_least=0)), default=None)
    given_weights: None = arg(Nothing(), default=None, name="weights", by_name=True)
    lora_rank: int | None = arg(RANK, default=None, by_name=True)
    lora_alpha: float | None = arg(ALPHA, default=None, by_name=True)
    quantization_config: None = arg(Nothing(), default=None, by_name=True)

    def validate(self) -> None:
        refuse_constraint("embeddings_constraint", self.embeddings_constraint, self.lora_rank)
        if self.lora_rank and not self.tie_weights:
            # Keras takes no more weights once it has those of `lora_rank`.
            reason = "with `lora_rank`, the weights must be tied"
            raise Refused(errors.arguments_conflict, "tie_weights", reason)

    @property
    def index_limit(self) -> int:
        return self.input_dim

    def apply(
        self, inputs: list[TensorType], call: Mapping[str, Any] | None = None
    ) -> tuple[TensorType, ...]:
        outputs = super().apply(inputs, call)
        if call and call.get("reverse") and inputs[0].dtype == "float64":
            raise Refused(errors.dtype_refused, "numbers of at most 32 bits")
        return outputs

    @property
    def makes_mask(self) -> bool:
        return self.mask_zero

    def infer(self, x: TensorType, *, reverse: bool = False, **_: Any) -> TensorType:
        if not reverse:
            return TensorType("float32", (*x.shape, self.output_dim))
        require_float(x)
        if not x.rank or (isinstance(x.shape[-1], int) and x.shape[-1] != self.output_dim):
            raise Refused(errors.wrong_rank, f"(..., {self.output_dim})", max(1, x.rank))
        return TensorType("float32", (*x.shape[:-1], self.input_dim))

    def weights(self, x: TensorType, **_: Any) -> Weights:
        embeddings = Weight("embeddings", (self.input_dim, self.output_dim))
        own = adapted((embeddings,), self.lora_rank)
        shape = (self.output_dim, self.input_dim)
        back = Weight("reverse_embeddings", shape, arguments="embeddings")
        return own if self.tie_weights else (*own, back)

    def onnx(self, op: Builder, x: Value, w: Values, *, reverse: bool = False) -> Value:
        table = merged(op, w, "embeddings")
        if not reverse:
            return rows_at(op, table, x)
        kernel = op.Transpose(table, perm=[1, 0]) if self.tie_weights else w["reverse_embeddings"]
        logits = op.MatMul(op.cast(x, kernel.dtype), kernel)
        if self.logit_soft_cap is None:
            return logits
        return op.Mul(op.Tanh(op.Div(logits, self.logit_soft_cap)), self.logit_soft_cap)

    def onnx_mask(self, op: Builder, x: Value, w: Values, *, reverse: bool = False) -> Value | None:
        return op.cast(x, "bool") if self.mask_zero and not reverse else None
