"""What a layer of the catalogue is.

A layer is one class. It declares its arguments in Keras's order with Keras's defaults, and
says in `infer` and `weights` what Keras would make of given inputs; everything else (error
messages, parameter counts, the Keras call, the tests) is derived from it.

    class Dense(Layer):
        units: int = arg(Int(at_least=1))
        use_bias: bool = arg(BOOL, default=True)

        def infer(self, x: TensorType) -> TensorType: ...
        def weights(self, x: TensorType) -> Weights: ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Operand, Place, Refused
from specc.layers import names
from specc.layers.arguments import (
    BOOL,
    COMMON,
    DTYPE_POLICY,
    MIXED_POLICIES,
    Configurable,
    KerasObject,
    Kind,
)
from specc.lowering import Builder, NotLowered, Value, Values
from specc.types import FLOAT_DTYPES, Dimension, TensorType


class Weight(NamedTuple):
    """A variable that a layer owns."""

    name: str
    """What comes after the last `/` is Keras's name for it, what comes before says which of
    several it is: `forward/kernel`, `backward/kernel`."""
    shape: tuple[int, ...]
    trainable: bool = True
    dtype: str = "float32"
    arguments: str = ""
    """What the names of its initializer and regularizer start with, where it is not `name`."""
    as_it_is: bool = False
    """Whether it has its dtype whatever that of the layer is."""


Weights = tuple[Weight, ...]


class TensorArgument(Kind):
    """A call argument that takes a tensor, or, with `several`, a list of them."""

    def __init__(self, several: bool = False) -> None:
        self.several = several
        self.expected = "a tensor or a list of tensors" if several else "a tensor"


TENSOR = TensorArgument()
TENSORS = TensorArgument(several=True)


class Layer(Configurable):
    """Base of every layer; see the module's text.

    The rules speak of "float32" as the dtype of the layer, whatever it is: inputs have it
    when `infer` sees them, and where outputs and weights have it, `apply` and `variables`
    put the layer's own dtype in its place.
    """

    category: ClassVar[str] = "layer"

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL}
    """What the second pair of parentheses may hold, besides the inputs."""

    dtype_kind: ClassVar[Kind] = DTYPE_POLICY
    """What the argument `dtype`, which every layer has, may be."""

    computes_in_float64: ClassVar[bool] = True
    """Whether TensorFlow can on every device; otherwise the float64 reference of a verification
    leaves the layer in its own dtype."""

    minimum_inputs: ClassVar[int] = 1
    maximum_inputs: ClassVar[int | None] = 1
    """How many tensors a use takes; None is any number."""

    takes_strings: ClassVar[bool] = False
    """Whether inputs may be strings."""

    common: ClassVar[tuple[str, ...]] = tuple(COMMON)
    """Which of the arguments of every layer Keras's class takes as well."""

    only_within: ClassVar[str | None] = None
    """The layer within which it can be used, where Keras's own fails in a model by itself."""

    supports_masking: ClassVar[bool] = False
    """Keras's attribute: whether the layer makes use of masks or hands them on. Behind others
    there is no mask any more."""

    former_arguments: ClassVar[Mapping[str, str]] = {}
    """What some arguments were called in older versions of Keras, and are called now."""

    numbers_to_float32: ClassVar[bool] = False
    """Whether floats that are made of whole numbers have the dtypes that `infer` says, and not
    the layer's own: Keras casts whole numbers to its default."""

    autocasts: ClassVar[bool] = True
    """Whether `onnx` is given floats, inputs and weights, in `lowered_dtype`, or as they are."""

    passes_on: ClassVar[bool] = False
    """Whether the layer gives its input as it is, when the model is not trained."""

    shaped_by_call: ClassVar[bool] = False
    """Whether `infer` and `weights` are given the call's arguments too, by name."""

    tf2onnx_refuses: ClassVar[str] = ""
    """Why it cannot be converted at all, such as "tf2onnx has ..."; empty where it can be."""

    tf2onnx_limits: ClassVar[str] = ""
    """What of the layer tf2onnx cannot convert, such as "but for ..."; empty where it can do
    everything."""

    onnx_refuses: ClassVar[str] = ""
    """Why no operators of ONNX compute it, such as "ONNX has no ..."; empty where some can."""

    onnx_limits: ClassVar[str] = ""
    """What of the layer has no lowering, such as "but for ..."; empty where everything has."""

    def __init__(
        self, *, trainable: bool = True, dtype: str | None = None, **arguments: Any
    ) -> None:
        """Set arguments that were accepted by their kinds; the others have their defaults.

        Args:
            dtype: a dtype, or a policy of two; None is Keras's default, float32.
        """
        self.inner_name: str | None = None
        """The name of a layer inside another: `Bidirectional(LSTM(8, name="lstm"))`."""
        self.trainable = trainable
        self.dtype = dtype
        own = {name: value for name, value in arguments.items() if name in self.signature}
        self.more = {name: value for name, value in arguments.items() if name not in own}
        """Those of the arguments of every layer that are none of the class's own."""
        self.activity_regularizer: str | KerasObject | None = self.more.get("activity_regularizer")
        super().__init__(**own)

    @classmethod
    def common_arguments(cls) -> dict[str, Kind]:
        """The arguments that it has as every layer has them; they are given by name."""
        kinds = {**COMMON, "dtype": cls.dtype_kind}
        return {name: kinds[name] for name in cls.common}

    # ----------------------------------------------------- what a layer may define
    # (`**_` is there for the type checker: subclasses may have any positional parameters.)

    @property
    def index_limit(self) -> int | None:
        """Integer inputs must be below this; None where any will do."""
        return None

    @property
    def summed(self) -> int:
        """How many products a number of the output is the sum of, besides those with weights."""
        return 1

    @property
    def known_inputs(self) -> tuple[str | int, ...]:
        """Strings or whole numbers of which the layer makes something of their own, and one of
        which it does not; empty where it takes all alike."""
        return ()

    @property
    def makes_mask(self) -> bool:
        """Whether there is a mask behind the layer, whatever stands before it."""
        return False

    @property
    def hands_mask_on(self) -> bool:
        """Whether there is a mask behind the layer where there is one before it."""
        return self.supports_masking

    @property
    def takes_list(self) -> bool:
        """Whether Keras wants the inputs as a list, even a single one."""
        return self.maximum_inputs != 1

    @property
    def output_count(self) -> int:
        """How many tensors a use of the layer gives."""
        return 1

    def infer(self, *inputs: Any, **_: Any) -> TensorType | tuple[TensorType, ...]:
        """The types of the outputs for these inputs.

        Raises:
            Refused: where Keras would not take these inputs.
        """
        raise NotImplementedError

    def check_batch(self, batch_size: int | None) -> None:
        """Refuse a batch of this size; None is one that is not known before a run.

        Raises:
            Refused: with the argument at fault.
        """

    def check_call(self, inputs: list[TensorType], **call: Any) -> None:
        """Refuse call arguments that do not fit the inputs.

        Args:
            call: a `TensorType`, a list of them or a constant by the argument's name.

        Raises:
            Refused: with the argument at fault.
        """

    def weights(self, *inputs: Any, **_: Any) -> Weights:
        """The variables that the first use creates, in the order of Keras's `weights`."""
        return ()

    def inner_variables(self, *inputs: Any, **_: Any) -> Weights:
        """The variables of layers within this one; in `Layer.weights` they come last."""
        return ()

    def activated(self, outputs: tuple[TensorType, ...]) -> TensorType:
        """What the arguments that are activations are called on."""
        return outputs[0]

    def computed(self, outputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The outputs of `infer` with the layer's own dtype in them."""
        own = self.compute_dtype
        return tuple(x._replace(dtype=own) if x.dtype == "float32" else x for x in outputs)

    def onnx(self, op: Builder, *x_and_w: Any, **call: Any) -> Any:
        """What the layer computes at inference, as operators of ONNX: `onnx(op, x, w, **call)`.

        Args:
            x_and_w: the input, a list of them where Keras takes a list, with floats of the
                layer's dtype (but see `autocasts`) and in `mask` what Keras would give the layer as
                its mask; and the weights by name, in the layer's dtype.
            call: the arguments of the call, but for `training`; values in the place of tensors.

        Returns:
            The output, or a tuple of several; `lower_layer` casts it to the dtype of `infer`.

        Raises:
            NotLowered: where there is no lowering for the layer or for its arguments.
        """
        if self.passes_on:
            return x_and_w[0]
        why = f": {self.onnx_refuses}" if self.onnx_refuses else " yet"
        raise NotLowered(f"`{self.kind}` has no lowering{why}")

    def onnx_mask(self, op: Builder, *x_and_w: Any, **call: Any) -> Any:
        """The mask behind the layer, or None; a tuple where its outputs have different ones.

        Takes what `onnx` takes. This is Keras's `compute_mask`.
        """
        return x_and_w[0].mask if self.hands_mask_on and not self.takes_list else None

    def affine_axes(self, x: TensorType) -> Sequence[int]:
        """The axes along which the layer is `x * scale + offset`, the batch axis being 0.

        One where there is a number for each of its positions, all but the batch axis where there
        is one for everything, and none where the layer does something else.
        """
        return ()

    @property
    def has_offset(self) -> bool:
        """Whether `affine` gives an offset."""
        return True

    def affine(self, op: Builder, w: Values, size: int) -> tuple[Value, Value | None]:
        """Scale and offset as vectors, where `affine_axes` names an axis of this size."""
        raise NotImplementedError

    def folds_before(self, x: TensorType, has_offset: bool) -> int | None:
        """The axis of the input, the batch axis being 0, along which the weights can take up a
        scale, and an offset if there is one; None where they cannot.
        """
        return None

    def folds_after(self, y: TensorType) -> int | None:
        """As `folds_before`, of the output."""
        return None

    def fold_before(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        """The weights with which the layer does by itself what a scale and an offset of its
        input did before it; along the axis that `folds_before` gives.
        """
        raise NotImplementedError

    def fold_after(self, op: Builder, w: Values, scale: Value, offset: Value | None) -> Values:
        """As `fold_before`, for a scale and an offset of the output."""
        raise NotImplementedError

    def keras_call(self, call: dict[str, Any]) -> dict[str, Any]:
        """The call's arguments as Keras wants them, given as the spec has them."""
        return call

    # --------------------------------------------------------------- what follows

    def apply(
        self, inputs: list[TensorType], call: Mapping[str, Any] | None = None
    ) -> tuple[TensorType, ...]:
        """`infer` with the number of inputs checked, always giving a tuple.

        Args:
            call: the arguments of the second pair of parentheses: a constant, a `TensorType`
                or a list of them by name.
        """
        too_many = self.maximum_inputs is not None and len(inputs) > self.maximum_inputs
        if len(inputs) < self.minimum_inputs or too_many:
            raise Refused(errors.wrong_number_of_inputs, self.minimum_inputs, self.maximum_inputs)
        for index, x in enumerate(inputs):
            if x.dtype == "string" and not self.takes_strings:
                raise Refused(errors.dtype_refused, "numbers", index)
        outputs = self.infer(*[autocast(x) for x in inputs], **self._shaping(call))
        outputs = (outputs,) if isinstance(outputs, TensorType) else outputs
        for name, value in self.given.items():
            if value is not None and self.signature[name].kind.category == "activation":
                self._check_activation(name, value, self.activated(outputs))
        for x in outputs:
            dtype = self.compute_dtype if x.is_float else x.dtype
            self._check_object("activity_regularizer", dtype, (None, *x.shape))
        if self.numbers_to_float32 and not any(x.is_float for x in inputs):
            return outputs
        return self.computed(outputs)

    def variables(self, inputs: list[TensorType], call: Mapping[str, Any] | None = None) -> Weights:
        """`weights`, with the layer's own dtype, and with `trainable=False` taken into account."""
        shaping = self._shaping(call)
        own = [
            weight._replace(dtype=self.variable_dtype)
            if weight.dtype == "float32" and not weight.as_it_is
            else weight
            for weight in self.weights(*inputs, **shaping)
        ]
        for weight in own:
            prefix = weight.arguments or weight.name
            self._check_object(f"{prefix}_initializer", weight.dtype, weight.shape)
            self._check_object(f"{prefix}_constraint", weight.dtype, weight.shape)
            if self.trainable:
                self._check_object(f"{prefix}_regularizer", weight.dtype, weight.shape)
        every = (*own, *self.inner_variables(*inputs, **shaping))
        if self.trainable:
            return every
        return tuple(weight._replace(trainable=False) for weight in every)

    def is_a(self, category: str) -> bool:
        if category == "activation":
            return type(self).__name__ in names.ACTIVATION_LAYERS
        return category in ("layer", self.category)

    @property
    def kind(self) -> str:
        """What a spec calls it."""
        return type(self).__name__

    @property
    def compute_dtype(self) -> str:
        """What inputs are cast to, and what the layer computes in."""
        return MIXED_POLICIES.get(self.dtype or "", self.variable_dtype)

    @property
    def lowered_dtype(self) -> str:
        """What it computes in in ONNX, and casts to `compute_dtype` from.

        In the place of bfloat16 that is float32: few runtimes have bfloat16 operators, and none
        of ONNX's before opset 22 has many.
        """
        return "float32" if self.compute_dtype == "bfloat16" else self.compute_dtype

    @property
    def variable_dtype(self) -> str:
        if self.dtype is None or self.dtype in MIXED_POLICIES:
            return "float32"
        return self.dtype

    def keras_arguments(self) -> dict[str, Any]:
        """Keyword arguments for the Keras class of the same name."""
        arguments = {**self.given, **self.more}
        if not self.trainable and "trainable" in self.common:
            arguments["trainable"] = False
        if self.dtype is not None:
            arguments["dtype"] = self.dtype
        return arguments

    def _shaping(self, call: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if not call or not self.shaped_by_call:
            return {}
        return {name: _autocast_argument(value) for name, value in call.items()}

    def _check_activation(self, argument: str, activation: Layer | str, x: TensorType) -> None:
        if isinstance(activation, str):
            dtype = self.compute_dtype if x.is_float else x.dtype
            check_object(argument, activation, dtype, x.shape)
            return
        if activation.compute_dtype != self.compute_dtype:
            reason = f"its dtype is {activation.compute_dtype}, the layer's {self.compute_dtype}"
            raise Refused(errors.arguments_conflict, argument, reason)
        apply_within(activation, [x])

    def _check_object(self, argument: str, dtype: str, shape: tuple[Dimension, ...]) -> None:
        check_object(argument, getattr(self, argument, None), dtype, shape)


# ------------------------------------------------------- rules that many layers share


def check_object(argument: str, value: Any, dtype: str, shape: tuple[Dimension, ...]) -> None:
    """Refuse an initializer, regularizer, constraint or activation that cannot work on a tensor."""
    if value is None:
        return
    name = type(value).__name__ if isinstance(value, KerasObject) else value
    least, most = names.RANKS.get(name, (0, None))
    if len(shape) < least or (most is not None and len(shape) > most):
        raise Refused(errors.rank_refused, argument, name, shape)
    if isinstance(value, KerasObject) and not value.works_on(shape):
        raise Refused(errors.rank_refused, argument, name, shape, by_size=True)
    # Keras multiplies the activity by a fraction, which it can do with floats alone.
    of_numbers = argument == "activity_regularizer" and dtype not in FLOAT_DTYPES
    if of_numbers or dtype not in names.DTYPES.get(name, (dtype,)):
        raise Refused(errors.object_dtype_refused, argument, name, dtype)


def known_size(x: TensorType, axis: int, index: int = 0) -> int:
    """The size of an axis (counted without the batch axis) that a weight depends on."""
    size = x.shape[axis]
    if not isinstance(size, int):
        raise Refused(errors.unknown_size, axis % x.rank + 1, index)
    return size


def autocast(x: TensorType) -> TensorType:
    """What a layer makes of an input: every float is cast to the layer's own dtype."""
    return x._replace(dtype="float32") if x.is_float else x


def _autocast_argument(value: Any) -> Any:
    if isinstance(value, TensorType):
        return autocast(value)
    if isinstance(value, list):
        return [_autocast_argument(item) for item in cast("list[Any]", value)]
    return value


def apply_within(
    layer: Layer, inputs: list[TensorType], call: Mapping[str, Any] | None = None
) -> tuple[TensorType, ...]:
    """`layer.apply` where another layer makes use of the layer; errors speak of the inner one."""
    try:
        return layer.apply(inputs, call)
    except Refused as refused:
        raise Refused(_within, refused, layer.kind, inputs) from refused


def variables_within(
    layer: Layer,
    inputs: list[TensorType],
    call: Mapping[str, Any] | None = None,
    prefix: str = "",
) -> Weights:
    """`layer.variables` where another layer makes use of the layer, with a prefix to the names."""
    try:
        found = layer.variables(inputs, call)
    except Refused as refused:
        raise Refused(_within, refused, layer.kind, inputs) from refused
    return tuple(weight._replace(name=prefix + weight.name) for weight in found)


def _within(place: Place, refused: Refused, layer: str, inputs: Sequence[TensorType]) -> Diagnostic:
    """The diagnostic of an inner layer: its inputs are made of those of the outer one."""
    outer = place.inputs[: len(inputs)]
    operands = [
        Operand(operand.text, type_, operand.span, operand.shaped_by)
        for operand, type_ in zip(outer, inputs, strict=False)
    ]
    return refused.at(Place(layer, place.span, {}, operands))


def require_float(x: TensorType, index: int = 0) -> None:
    """Refuse an input of whole numbers or truth values."""
    if not x.is_float:
        raise Refused(errors.dtype_refused, "floating-point numbers", index)


def require_axis(argument: str, axis: int, rank: int) -> int:
    """The axis counted from the front. Both the axis and `rank` count the batch axis."""
    if not -rank <= axis < rank:
        raise Refused(errors.axis_out_of_range, argument, axis, rank)
    return axis % rank


def require_axes(argument: str, axes: int | tuple[int, ...], rank: int) -> None:
    """Refuse axes that are not there, and any that is named twice."""
    several = axes if isinstance(axes, tuple) else (axes,)
    if len({require_axis(argument, axis, rank) for axis in several}) < len(several):
        raise Refused(errors.arguments_conflict, argument, "an axis stands here twice")


def known_axis_size(x: TensorType, argument: str, axis: int) -> int:
    """The size of an axis that an argument names (counted with the batch axis) and a weight has."""
    if require_axis(argument, axis, x.rank + 1) == 0:
        raise Refused(errors.size_needed, argument, 0)
    return known_size(x, axis % (x.rank + 1) - 1)


def split_channels(
    x: TensorType, data_format: str | None, *spatial: str
) -> tuple[tuple[Dimension, ...], Dimension]:
    """The spatial sizes and the channels of an input that must have exactly these axes."""
    if data_format == "channels_first":
        require_rank(x, "channels", *spatial)
        return x.shape[1:], x.shape[0]
    require_rank(x, *spatial, "channels")
    return x.shape[:-1], x.shape[-1]


def join_channels(
    spatial: tuple[Dimension, ...], channels: Dimension, data_format: str | None
) -> tuple[Dimension, ...]:
    """A shape of these sizes; the inverse of `split_channels`."""
    if data_format == "channels_first":
        return (channels, *spatial)
    return (*spatial, channels)


def spatial_axis(index: int, data_format: str | None) -> int:
    """The number of a spatial axis for errors, the batch axis being 0."""
    return index + (2 if data_format == "channels_first" else 1)


def window_output(size: Dimension, window: int, stride: int, padded: bool) -> Dimension:
    """How often a window fits on an axis, each time `stride` further; 0 where it does not."""
    if not isinstance(size, int):
        return size if stride == 1 and (padded or window == 1) else None
    if padded:
        return -(-size // stride)
    return max(0, (size - window) // stride + 1)


def require_rank(x: TensorType, *axes: str) -> None:
    """Refuse an input that has not exactly these axes (the batch axis not counted)."""
    if x.rank != len(axes):
        raise Refused(errors.wrong_rank, f"({', '.join(axes)})", len(axes))


def require_call_types(argument: str, found: list[TensorType], expected: list[TensorType]) -> None:
    """Refuse tensors given to a call argument that are not of these types."""
    alike = len(found) == len(expected) and all(
        autocast(a).dtype == b.dtype and fits(a.shape, b.shape)
        for a, b in zip(found, expected, strict=True)
    )
    if not alike:
        raise Refused(errors.call_argument_refused, argument, found, expected)


def fits(a: tuple[Dimension, ...], b: tuple[Dimension, ...]) -> bool:
    """Whether two shapes can be one: nothing that is known of both contradicts."""
    return len(a) == len(b) and all(
        x is None or y is None or x == y or isinstance(x, str) != isinstance(y, str)
        for x, y in zip(a, b, strict=True)
    )
