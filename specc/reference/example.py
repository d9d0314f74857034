"""The example in a layer's text: compiled, so that it says shapes and weights of its own.

    float32[28, 28] -> Dense(10) -> float32[28, 10]

A type stands wherever a tensor stands; the part behind the last arrow is what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from specc.api import Model, compile_program
from specc.layers.base import Layer
from specc.source import Source
from specc.types import DTYPES

_ARROW = " -> "  # with the spaces: an equation, `"ab,bc->ac"`, has none
_TYPE = re.compile(rf"\b(?:{'|'.join(DTYPES)})\[[^\]]*\]")
_NAMES = "xyzuvw"


class Example(NamedTuple):
    """An example as a spec of its own."""

    spec: str
    outputs: tuple[str, ...]
    """The types that it says come out."""


def read_example(text: str) -> Example:
    """The spec that an example stands for.

    Raises:
        ValueError: where the text is no example.
    """
    line, arrow, said = text.rpartition(_ARROW)
    outputs = tuple(_TYPE.findall(said))
    if not arrow or said != ", ".join(outputs):
        raise ValueError(f"what comes out is no type, nor several: {text!r}")
    inputs: list[str] = []

    def named(type_: re.Match[str]) -> str:
        inputs.append(f"{_NAMES[len(inputs)]}: {type_[0]}")
        return inputs[-1][0]

    line = _TYPE.sub(named, line)
    if not 0 < len(inputs) <= len(_NAMES):
        raise ValueError(f"no types go in, or too many: {text!r}")
    body = [f"input {port}" for port in inputs] + [""]
    if len(outputs) > 1:
        names = ", ".join(f"out{number}" for number in range(1, len(outputs) + 1))
        body += [f"{names} = {line}", f"output {names}"]
    else:
        body += [line]
    lines = "".join(f"    {text}\n" if text else "\n" for text in body)
    return Example(f"model example {{\n{lines}}}\n", outputs)


def compile_example(
    example: Example, extra_layers: Mapping[str, type[Layer]] | None = None
) -> Model:
    """The model of an example.

    Raises:
        SpecError: where specc does not take it.
    """
    source = Source("<example>", example.spec)
    return compile_program(source, extra_layers=extra_layers).model()
