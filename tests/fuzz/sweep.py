"""Every argument of every layer, operation and object, with values that few expect."""

from __future__ import annotations

from collections.abc import Generator

from specc.layers import LAYER_NAMES, find_layer
from specc.objects import CATEGORIES, find_object, object_names
from specc.ops import FAMILIES, find_operation
from specc.semantics.entries import KINDS

NUMBERS = (
    *("0", "-1", "1", "2", "10 ** 60", "-10 ** 60", "2 ** 31", "10 ** 9", "100_000"),
    *("0.5", "-0.5", "1e308", "10 ** 9 + 0.5", "True", "None"),
)
STRINGS = (
    *("''", "'x'", "'a' * 90_000", "'channels_first'", "'same'", "f'{x}'"),
    *("'ab,bc->ac'", "'...ab,...bc->...ac'"),
)
LISTS = (
    *("[]", "()", "[0]", "[[]]", "[2, 2]", "[-1, -1]", "[None, 1]", "[10 ** 60] * 2"),
    *("[10 ** 9, 10 ** 9]", "range(50_000)", "[1] * 50_000", "['a'] * 3"),
    *("['a', 'b', 1, None, 2.5]", "(((1, 2), (3, 4)), 5)", "[[1, 2], [3, 4]]"),
)
OBJECTS = (
    *("x", "[x]", "[x, x]", "x.shape", "x.dtype", "Dense", "Dense(1)", "LSTMCell(3)", "b", "m"),
    *("[LSTMCell(3)] * 3", "L2(0.1)", "HeNormal", "ops.relu", "range"),
)
VALUES = (*NUMBERS, *STRINGS, *LISTS, *OBJECTS)

TYPES = (
    *("float32[8]", "float32[4, 8]", "float32[4, 8, 8]", "float32[4, 8, 8, 3]"),
    *("float32[None, n, None, 3]", "float32[4, 4, 4, 4, 2]", "int32[4]", "string[2]", "float32[]"),
    *("float32[0, 0, 0]", "float32[9_999_999_999_999, 9_999_999_999_999, 999_999_999_999]"),
)


def sweep() -> Generator[bytes]:
    """The programs, always in the same order."""
    for layer in LAYER_NAMES:
        cls = find_layer(layer)
        assert cls is not None
        required = [argument.name for argument in cls.signature.values() if argument.required]
        for name in cls.signature:
            for index, value in enumerate(VALUES):
                given = [f"{name}={value}", *(f"{other}=2" for other in required if other != name)]
                yield from _programs(f"x -> {layer}({', '.join(given)})", index, len(name))
    for operation in [name for names in FAMILIES.values() for name in names]:
        made = find_operation(operation)
        assert made is not None
        required = [argument.name for argument in made.signature.values() if argument.required]
        for name in made.signature:
            for index, value in enumerate(VALUES):
                others = [other for other in required if other != name]
                given = [
                    f"{other}={'x' if number == 0 or other[0] in 'xy' else '2'}"
                    for number, other in enumerate(others)
                ]
                given.append(f"{name}={value}")
                yield from _programs(f"ops.{operation}({', '.join(given)})", index, len(name))
    for category in CATEGORIES:
        for title in object_names(category):
            described = find_object(category, title)
            assert described is not None
            for name in described.signature:
                for value in VALUES:
                    yield _block(f"{title}({name}={value})", category)
    for kind, entries in KINDS.items():
        for entry in entries:
            for value in VALUES:
                yield _section(kind, entry, value)


ENTRY_OF = {
    "callback": ("train", "callbacks"),
    "loss": ("train", "loss"),
    "metric": ("train", "metrics"),
    "optimizer": ("train", "optimizer"),
    "schedule": ("train", "optimizer"),
    "source": ("data", "source"),
    "split": ("data", "validation"),
}
"""Where the objects of a category stand, but for those of layers."""


def _block(written: str, category: str) -> bytes:
    """A program that gives an object to a layer, or has it in a block."""
    if category not in ENTRY_OF:
        line = f"Dense(3, kernel_{category}={written})"
        return f"model m {{\n    input x: float32[4]\n    {line}\n}}\n".encode()
    value = {"schedule": f"SGD({written})", "metric": f"[{written}]"}.get(category, written)
    return _section(*ENTRY_OF[category], value)


def _section(kind: str, entry: str, value: str) -> bytes:
    model = "model m {\n    input x: float32[4]\n    Dense(3)\n}\n"
    return f"{model}{kind} m {{\n    {entry} = {value}\n}}\n".encode()


def _programs(expression: str, index: int, salt: int) -> Generator[bytes]:
    """A program for each of two types of the input."""
    for number in (index, 7 * salt + 3 * index + 1):
        type_ = TYPES[number % len(TYPES)]
        block = "block b {\n    input x\n    Dense(1)\n}\n"
        model = f"model m {{\n    input x: {type_}\n    y = {expression}\n    output y\n}}\n"
        yield (block + model).encode()
