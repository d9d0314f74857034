"""What an operation on tensors is.

An operation is one class. It declares its arguments in Keras's order with Keras's defaults, and
says in `infer` what Keras would make of given operands:

    class Concatenate(Operation, name="concatenate"):
        xs: tuple[TensorType, ...] = arg(TENSORS)
        axis: int = arg(Int(), default=0)

        def infer(self) -> TensorType: ...

Operands are arguments like the others: a `TensorType` stands for a tensor, a number for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

from specc.diagnostics.errors import operations as errors
from specc.diagnostics.errors.shapes import dtype_refused
from specc.diagnostics.place import Refused
from specc.layers.arguments import REQUIRED, Argument, arg, is_tuple
from specc.lowering import Builder, NotLowered
from specc.types import TensorType

REGISTRY: dict[str, type[Operation]] = {}
"""The operations of the families that were imported, by their names in `keras.ops`."""


@dataclass_transform(field_specifiers=(arg,))
class Operation:
    """Base of every operation; see the module's text."""

    signature: ClassVar[dict[str, Argument]] = {}
    """The arguments in order."""

    variadic: ClassVar[str | None] = None
    """The argument that takes all further positional values, as a tuple."""

    operation_name: ClassVar[str] = ""
    """Its name in `keras.ops`."""

    keras_class: ClassVar[str] = ""
    """The class of the node that Keras makes, which automatic names come from."""

    may_merge_batch: ClassVar[bool] = False
    """Whether the first axis of the result may be the batch axis together with others."""

    makes_constants: ClassVar[bool] = False
    """Whether it takes no tensors at all, and makes one of constants."""

    def __init_subclass__(cls, *, name: str = "", keras_class: str = "") -> None:
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Argument)}
        for key, argument in own.items():
            argument.name = key
            if argument.default is REQUIRED:
                delattr(cls, key)
            else:
                setattr(cls, key, argument.kind.normalize(argument.default))
        cls.signature = {**cls.signature, **own}
        if name:
            cls.operation_name = name
            cls.keras_class = keras_class or cls.__name__
            REGISTRY[name] = cls

    def __init__(self, **arguments: Any) -> None:
        """Set arguments that were accepted by their kinds; the others have their defaults.

        Raises:
            Refused: where arguments do not go together.
        """
        self.given = arguments
        """The arguments as the spec gives them."""
        for name, value in arguments.items():
            setattr(self, name, self.signature[name].kind.normalize(value))
        self.validate()

    def __reduce__(self) -> Any:
        """By its name: classes that `element_wise` and its like make stand in no module."""
        return _again, (self.operation_name, self.given)

    # ------------------------------------------------ what an operation may define

    def validate(self) -> None:
        """Refuse arguments that do not go together.

        Raises:
            Refused: with the argument at fault.
        """

    def infer(self) -> TensorType | tuple[TensorType, ...]:
        """The types of the results.

        Raises:
            Refused: where Keras would not take these operands.
        """
        raise NotImplementedError

    def onnx(self, op: Builder, v: Mapping[str, Any]) -> Any:
        """The operation in ONNX.

        Args:
            v: the arguments by name, as they were given, values in the place of tensors.

        Returns:
            The result, or a tuple of several; it is cast to the dtype of `infer`.

        Raises:
            NotLowered: where there is no lowering for the operation or its arguments.
        """
        raise NotLowered(f"`{self.operation_name}` has no lowering yet")

    # --------------------------------------------------------------- what follows

    @property
    def tensors(self) -> list[TensorType]:
        """The operands that are tensors, in the order of the signature.

        Errors number operands by their places in this list.
        """
        found: list[TensorType] = []
        for name in self.signature:
            value = getattr(self, name)
            if isinstance(value, TensorType):
                found.append(value)
            elif is_tuple(value):
                found += [item for item in value if isinstance(item, TensorType)]
        return found

    def index_of(self, name: str) -> int:
        """The place in `tensors` of the (first) tensor that an argument is."""
        index = 0
        for other in self.signature:
            if other == name:
                break
            value = getattr(self, other)
            if isinstance(value, TensorType):
                index += 1
            elif is_tuple(value):
                index += sum(isinstance(item, TensorType) for item in value)
        return index

    def apply(self) -> tuple[TensorType, ...]:
        """`infer` with what holds for every operation checked, always giving a tuple.

        Raises:
            Refused: where Keras would not take these operands, or samples of a batch would mix.
        """
        tensors = self.tensors
        if not tensors and not self.makes_constants:
            raise Refused(errors.no_tensor)
        for index, x in enumerate(tensors):
            if x.dtype == "string":
                raise Refused(dtype_refused, "numbers or truth values", index)
        outputs = self.infer()
        outputs = (outputs,) if isinstance(outputs, TensorType) else outputs
        batched = [index for index, x in enumerate(tensors) if x.batched]
        if batched and not self.may_merge_batch and not all(x.batched for x in outputs):
            raise Refused(errors.batch_axis_used, None, batched[0])
        return outputs


def _again(name: str, given: dict[str, Any]) -> Operation:
    """An operation of a pickle."""
    from specc.ops import find_operation

    found = find_operation(name)
    assert found is not None
    return found(**given)
