"""Names and constants of the generated Python."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import Any, cast

from specc.backends.keras_source.layout import Doc, tuple_of

RESERVED = {
    *("keras", "layers", "ops", "partial", "name", "names", "trainable", "outputs", "inputs"),
    *("Names", "keep_names", "copy_of", "snake_case", "re", "self", "config", "input_shape"),
    *("l", "O", "I"),  # what a linter takes for 1 and 0
}
"""What the generated file uses itself."""


def safe(name: str, taken: set[str] | frozenset[str] = frozenset()) -> str:
    """A name of a spec as a Python variable that hides nothing."""
    made = re.sub(r"\W", "_", name) or "_"
    if made[0].isdigit():
        made = f"_{made}"
    while keyword.iskeyword(made) or made in RESERVED or hasattr(builtins, made) or made in taken:
        made += "_"
    return made


def quoted(text: str) -> str:
    """A string literal, in double quotes where that takes no more escapes."""
    quote = '"' if text.count('"') <= text.count("'") else "'"
    return quote + escaped(text, quote) + quote


def escaped(text: str, quote: str = '"') -> str:
    """What stands between the quotes."""
    pieces: list[str] = []
    for character in text:
        if character == quote or character == "\\":
            pieces.append("\\" + character)
        elif character in "\n\t\r":
            pieces.append({"\n": "\\n", "\t": "\\t", "\r": "\\r"}[character])
        elif character.isprintable():
            pieces.append(character)
        else:
            pieces.append(repr(character)[1:-1])
    return "".join(pieces)


def number(text: str) -> str:
    """A number as a spec writes it, as formatters want it: `0.5` for `.5`, `1e-3` for `1E-3`."""
    text = text.lower().replace("e+", "e")
    mantissa, e, exponent = text.partition("e")
    if mantissa.startswith("."):
        mantissa = "0" + mantissa
    if mantissa.endswith("."):
        mantissa += "0"
    return mantissa + e + exponent


def constant(value: Any) -> Doc:
    """A value of a spec: a number, a string, a tuple of such."""
    if isinstance(value, tuple):
        return tuple_of([constant(item) for item in cast("tuple[Any, ...]", value)])
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop}, {value.step})"
    return "..." if value is ... else repr(value)


def camel_case(name: str) -> str:
    """`low_rank` -> `LowRank`, the name of a class."""
    return "".join([part[:1].upper() + part[1:] for part in name.split("_")]) or "_"
