"""Everything that is known of a layer, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from specc.layers.arguments import Configurable, Kind, is_tuple
from specc.layers.base import Layer
from specc.reference.docstring import parse_docstring
from specc.reference.example import compile_example, read_example

WIDTH = 94
"""Columns of a signature, where nothing else is said."""


class ArgumentInfo(NamedTuple):
    """An argument of a constructor or of a call."""

    name: str
    default: str | None
    """As a spec writes it; None where there is no default, or where it goes without saying."""
    takes: str
    choices: tuple[str, ...]
    """Every string that it may be, where they can be listed."""
    by_name: bool = False
    """Whether it can be given by its name alone."""


class WeightInfo(NamedTuple):
    """A variable that the layer of an example has."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    params: int


class ExampleInfo(NamedTuple):
    """An example, and what specc says of it."""

    text: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[WeightInfo, ...]

    @property
    def params(self) -> int:
        return sum(weight.params for weight in self.weights)


class LayerInfo(NamedTuple):
    """What a page about a layer says."""

    name: str
    family: str
    package: str | None
    """The package that a layer comes from that is not Keras's."""
    aliases: tuple[str, ...]
    summary: str
    notes: tuple[str, ...]
    arguments: tuple[ArgumentInfo, ...]
    common: tuple[ArgumentInfo, ...]
    """What every layer has, given by name."""
    call_arguments: tuple[ArgumentInfo, ...]
    inputs: str
    """How many tensors it takes."""
    shapes: str
    weights: str
    example: ExampleInfo | None
    exports: str
    """How it gets into an ONNX file."""

    def signature(self, width: int = WIDTH) -> str:
        """The constructor with its defaults, in lines of at most so many columns."""
        written: list[str] = []
        for a in self.arguments:
            if a.by_name and "*" not in written:
                written.append("*")
            written.append(a.name if a.default is None else f"{a.name}={a.default}")
        lines = [f"{self.name}("]
        for number, item in enumerate(written):
            item += ")" if number == len(written) - 1 else ","
            gap = "" if number == 0 else " "
            if number and len(lines[-1]) + len(gap + item) > width:
                lines.append(" " * (len(self.name) + 1) + item)
            else:
                lines[-1] += gap + item
        return "\n".join(lines) if written else f"{self.name}()"


# ------------------------------------------------------------------------- one class


def describe_class(
    cls: type[Layer],
    family: str,
    aliases: tuple[str, ...] = (),
    package: str | None = None,
    others: Mapping[str, type[Layer]] | None = None,
) -> LayerInfo:
    """What a layer's class says.

    Args:
        others: layers that are not Keras's, which its example may use.
    """
    text = parse_docstring(cls)
    common = {n: kind for n, kind in cls.common_arguments().items() if n not in cls.signature}
    return LayerInfo(
        name=cls.__name__,
        family=family,
        package=package,
        aliases=aliases,
        summary=text.summary,
        notes=text.notes,
        arguments=tuple(
            _argument(a.name, a.kind, None if a.required else literal(a.default), a.by_name)
            for a in cls.signature.values()
        ),
        common=tuple(_argument(name, kind) for name, kind in common.items()),
        call_arguments=tuple(_argument(name, kind) for name, kind in cls.call_arguments.items()),
        inputs=inputs_in_words(cls),
        shapes=text.shapes,
        weights=text.weights,
        example=(
            computed_example({**(others or {}), cls.__name__: cls}, text.example)
            if text.example
            else None
        ),
        exports=exports(cls),
    )


def exports(cls: type[Layer]) -> str:
    """How a layer gets into an ONNX file."""
    native = cls.onnx is not Layer.onnx or cls.passes_on
    limits = f", {cls.onnx_limits}" if cls.onnx_limits else ""
    if cls.tf2onnx_refuses:
        reasons = [reason for reason in (cls.onnx_refuses, cls.tf2onnx_refuses) if reason]
        return f"natively{limits}" if native else f"not at all, as {'; '.join(reasons)}"
    by = f"by tf2onnx, {cls.tf2onnx_limits}" if cls.tf2onnx_limits else "by tf2onnx"
    return f"natively{limits}, or {by} (`--via tf2onnx`)" if native else by


def computed_example(layers: Mapping[str, type[Layer]], text: str) -> ExampleInfo:
    """An example with the shapes and weights that it comes to.

    Args:
        layers: those that it may use besides Keras's.
    """
    example = read_example(text)
    model = compile_example(example, layers)
    return ExampleInfo(
        text,
        tuple(str(port.type) for port in model.inputs),
        tuple(str(port.type) for port in model.outputs),
        tuple(
            WeightInfo(v.name, v.shape, v.dtype, v.trainable, v.size)
            for layer in model.layers
            for v in layer.variables
        ),
    )


# -------------------------------------------------------------------------- in words


def inputs_in_words(cls: type[Layer]) -> str:
    least, most = cls.minimum_inputs, cls.maximum_inputs
    if most is None:
        return "a list of tensors" if least < 2 else f"a list of {least} tensors or more"
    if most == 1:
        return "one tensor"
    return f"a list of {most} tensors" if least == most else f"a list of {least} to {most} tensors"


def first_sentence(cls: type[Layer] | None) -> str:
    """Of the class's text."""
    summary = parse_docstring(cls).summary if cls else ""
    found = re.match(r".*?[.](?=\s|$)", summary)
    return found[0] if found else summary


def literal(value: Any) -> str:
    """A value as a spec writes it."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if is_tuple(value):
        items = ", ".join(literal(item) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, Configurable):
        given = ", ".join(f"{n}={literal(v)}" for n, v in value.keras_arguments().items())
        return f"{type(value).__name__}({given})"
    return repr(value)


def _argument(
    name: str, kind: Kind, default: str | None = None, by_name: bool = False
) -> ArgumentInfo:
    return ArgumentInfo(name, default, kind.expected, kind.choices, by_name)


# ------------------------------------------------------------------------------ JSON


def as_json(info: LayerInfo) -> Mapping[str, Any]:
    """A layer's page as JSON-serialisable data."""
    example = info.example
    return {
        **info._asdict(),
        "arguments": [argument._asdict() for argument in info.arguments],
        "common": [argument._asdict() for argument in info.common],
        "call_arguments": [argument._asdict() for argument in info.call_arguments],
        "signature": info.signature(),
        "example": example
        and {
            **example._asdict(),
            "weights": [weight._asdict() for weight in example.weights],
            "params": example.params,
        },
    }
