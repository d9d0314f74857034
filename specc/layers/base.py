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

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, dataclass_transform

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers import names
from specc.layers.arguments import BOOL, REQUIRED, Argument, Kind, arg
from specc.types import Dimension, TensorType


class Weight(NamedTuple):
    """A variable that a layer owns, under Keras's name for it."""

    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    dtype: str = "float32"
    arguments: str = ""
    """What the names of its initializer and regularizer start with, where it is not `name`."""


Weights = tuple[Weight, ...]


class TensorArgument(Kind):
    """A call argument that takes a tensor, or, with `several`, a list of them."""

    def __init__(self, several: bool = False) -> None:
        self.several = several
        self.expected = "a tensor or a list of tensors" if several else "a tensor"


TENSOR = TensorArgument()
TENSORS = TensorArgument(several=True)


@dataclass_transform(field_specifiers=(arg,))
class Layer:
    """Base of every layer; see the module's text."""

    signature: ClassVar[dict[str, Argument]] = {}
    """The constructor's arguments in order; `name` and `trainable` go without saying."""

    call_arguments: ClassVar[dict[str, Kind]] = {"training": BOOL}
    """What the second pair of parentheses may hold, besides the inputs."""

    minimum_inputs: ClassVar[int] = 1
    maximum_inputs: ClassVar[int | None] = 1
    """How many tensors a use takes; None is any number."""

    shaped_by_call: ClassVar[bool] = False
    """Whether `infer` and `weights` are given the call's arguments too, by name."""

    trainable: bool

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Argument)}
        for name, argument in own.items():
            argument.name = name
            if argument.default is REQUIRED:
                delattr(cls, name)
            else:
                setattr(cls, name, argument.kind.normalize(argument.default))
        cls.signature = {**cls.signature, **own}

    def __init__(self, *, trainable: bool = True, **arguments: Any) -> None:
        """Set arguments that were accepted by their kinds; the others have their defaults."""
        self.trainable = trainable
        self.given = arguments
        """The arguments as the spec gives them; the Keras layer is made from these."""
        for name, value in arguments.items():
            setattr(self, name, self.signature[name].kind.normalize(value))
        self.validate()

    # ----------------------------------------------------- what a layer may define
    # (`**_` is there for the type checker: subclasses may have any positional parameters.)

    def validate(self) -> None:
        """Refuse arguments that do not go together.

        Raises:
            Refused: with the argument at fault.
        """

    @property
    def index_limit(self) -> int | None:
        """Integer inputs must be below this; None where any will do."""
        return None

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
        outputs = self.infer(*[autocast(x) for x in inputs], **self._shaping(call))
        outputs = (outputs,) if isinstance(outputs, TensorType) else outputs
        self._check_regularizer("activity", *[(None, *x.shape) for x in outputs])
        return outputs

    def variables(
        self, inputs: list[TensorType], call: Mapping[str, Any] | None = None
    ) -> Weights:
        """`weights`, with `trainable=False` of the layer taken into account."""
        own = self.weights(*inputs, **self._shaping(call))
        for weight in own:
            prefix = weight.arguments or weight.name
            self._check_initializer(prefix, weight.shape)
            if self.trainable:
                self._check_regularizer(prefix, weight.shape)
        if self.trainable:
            return own
        return tuple(weight._replace(trainable=False) for weight in own)

    def keras_arguments(self) -> dict[str, Any]:
        """Keyword arguments for the Keras class of the same name."""
        return self.given if self.trainable else {**self.given, "trainable": False}

    def _shaping(self, call: Mapping[str, Any] | None) -> Mapping[str, Any]:
        return call if call and self.shaped_by_call else {}

    def _check_initializer(self, prefix: str, shape: tuple[Dimension, ...]) -> None:
        name = getattr(self, f"{prefix}_initializer", "")
        least, most = names.INITIALIZER_RANKS.get(name, (0, None))
        if len(shape) < least or (most is not None and len(shape) > most):
            raise Refused(errors.rank_refused, f"{prefix}_initializer", name, shape)

    def _check_regularizer(self, prefix: str, *shapes: tuple[Dimension, ...]) -> None:
        name = getattr(self, f"{prefix}_regularizer", None)
        if name in names.MATRIX_REGULARIZERS:
            for shape in shapes:
                if len(shape) != 2:
                    raise Refused(errors.rank_refused, f"{prefix}_regularizer", name, shape)


# ------------------------------------------------------- rules that many layers share


def known_size(x: TensorType, axis: int, index: int = 0) -> int:
    """The size of an axis (counted without the batch axis) that a weight depends on."""
    size = x.shape[axis]
    if not isinstance(size, int):
        raise Refused(errors.unknown_size, axis % x.rank + 1, index)
    return size


def autocast(x: TensorType) -> TensorType:
    """What a layer makes of an input: every float is cast to the layer's own dtype."""
    return TensorType("float32", x.shape) if x.is_float else x


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
        a.dtype == b.dtype and fits(a.shape, b.shape) for a, b in zip(found, expected, strict=True)
    )
    if not alike:
        raise Refused(errors.call_argument_refused, argument, found, expected)


def fits(a: tuple[Dimension, ...], b: tuple[Dimension, ...]) -> bool:
    """Whether two shapes can be one: nothing that is known of both contradicts."""
    return len(a) == len(b) and all(
        x is None or y is None or x == y or isinstance(x, str) != isinstance(y, str)
        for x, y in zip(a, b, strict=True)
    )
