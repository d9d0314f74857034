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

from typing import Any, ClassVar, NamedTuple, dataclass_transform

from specc.diagnostics import errors
from specc.diagnostics.place import Refused
from specc.layers.arguments import BOOL, REQUIRED, Argument, Kind, arg
from specc.types import Dimension, TensorType


class Weight(NamedTuple):
    """A variable that a layer owns, under Keras's name for it."""

    name: str
    shape: tuple[int, ...]
    trainable: bool = True
    dtype: str = "float32"


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

    def validate(self) -> None:
        """Refuse arguments that do not go together.

        Raises:
            Refused: with the argument at fault.
        """

    @property
    def output_count(self) -> int:
        """How many tensors a use of the layer gives."""
        return 1

    def infer(self, *inputs: Any) -> TensorType | tuple[TensorType, ...]:
        """The types of the outputs for these inputs.

        Raises:
            Refused: where Keras would not take these inputs.
        """
        raise NotImplementedError

    def weights(self, *inputs: Any) -> Weights:
        """The variables that the first use creates, in the order of Keras's `weights`."""
        return ()

    # --------------------------------------------------------------- what follows

    def apply(self, inputs: list[TensorType]) -> tuple[TensorType, ...]:
        """`infer` with the number of inputs checked, always giving a tuple."""
        too_many = self.maximum_inputs is not None and len(inputs) > self.maximum_inputs
        if len(inputs) < self.minimum_inputs or too_many:
            raise Refused(errors.wrong_number_of_inputs, self.minimum_inputs, self.maximum_inputs)
        outputs = self.infer(*inputs)
        return (outputs,) if isinstance(outputs, TensorType) else outputs

    def variables(self, inputs: list[TensorType]) -> Weights:
        """`weights`, with `trainable=False` of the layer taken into account."""
        own = self.weights(*inputs)
        if self.trainable:
            return own
        return tuple(weight._replace(trainable=False) for weight in own)

    def keras_arguments(self) -> dict[str, Any]:
        """Keyword arguments for the Keras class of the same name."""
        return self.given if self.trainable else {**self.given, "trainable": False}


# ------------------------------------------------------- rules that many layers share


def known_size(x: TensorType, axis: int, index: int = 0) -> int:
    """The size of an axis (counted without the batch axis) that a weight depends on."""
    size = x.shape[axis]
    if not isinstance(size, int):
        raise Refused(errors.unknown_size, axis % x.rank + 1, index)
    return size


def require_rank(x: TensorType, *axes: str) -> None:
    """Refuse an input that has not exactly these axes (the batch axis not counted)."""
    if x.rank != len(axes):
        raise Refused(errors.wrong_rank, f"({', '.join(axes)})", len(axes))


def same_dimension(a: Dimension, b: Dimension) -> Dimension:
    """What is known of an axis that is both `a` and `b`, which must not contradict."""
    if isinstance(a, int) or b is None:
        return a
    return b
