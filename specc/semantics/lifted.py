"""What stands in a line of a notebook, and elsewhere in a spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specc.layers.arguments import is_tuple
from specc.layers.base import Layer
from specc.semantics.arithmetic import is_whole
from specc.syntax import ast

SHAPES = ("input_shape", "input_dim", "input_length")
WITH_BATCH = ("batch_input_shape", "batch_shape")


def way_out(
    cls: type[Layer], keyword: ast.KeywordArgument, evaluate: Callable[[ast.Expression], Any]
) -> str | None:
    """What to write instead of an argument that the layer has not; None where nobody knows."""
    name = keyword.name.text
    former = cls.former_arguments.get(name)
    if former is not None:
        return f"it is called `{former}`"
    if name not in SHAPES + WITH_BATCH:
        return None
    line = _input(cls, name, evaluate(keyword.value))
    return f"leave it out; the input says its shape, where the model starts: `{line}`"


def _input(cls: type[Layer], argument: str, value: Any) -> str:
    """The declaration of an input of this shape."""
    dtype = "float32"
    if cls.takes_strings:
        dtype = "string"
    elif cls.index_limit is not Layer.index_limit:
        dtype = "int32"
    sizes = value if is_tuple(value) else (value,)
    if not all(size is None or is_whole(size) for size in sizes):
        return f"input x: {dtype}[28, 28]"
    batch = ""
    if argument in WITH_BATCH and sizes:
        batch = "" if sizes[0] is None else f", batch_size={sizes[0]}"
        sizes = sizes[1:]
    return f"input x: {dtype}[{', '.join(map(str, sizes))}]{batch}"
