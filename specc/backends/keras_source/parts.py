"""The parts of a generated file: its functions and classes, and the helpers they need."""

from __future__ import annotations

import re
from typing import Any, cast

from specc.backends.keras_source.layout import Doc, Suite, call, items_of, keyword, lines_of
from specc.backends.keras_source.names import constant, quoted, safe
from specc.graph import Graph
from specc.layers.base import Layer
from specc.objects import keras_path
from specc.ops.base import Operation
from specc.records import fresh, record
from specc.semantics.naming import snake_case
from specc.source import Span

NAMES = '''\
class Names:
    """Numbers the names of layers: "dense", "dense_1", ..., each after that of its block."""

    def __init__(self, block=None):
        self.prefix = "" if block is None else f"{block}."
        self.counts = {}

    def __call__(self, base):
        number = self.counts.get(base, 0)
        self.counts[base] = number + 1
        return f"{self.prefix}{base}_{number}" if number else f"{self.prefix}{base}"'''

COPY_OF = '''\
def copy_of(layer, name):
    """A layer like another one, under its own name and with weights of its own."""
    return layer.from_config({**layer.get_config(), "name": name})'''

SNAKE_CASE = '''\
def snake_case(class_name):
    """The name that Keras gives to the first layer of a class: `ReLU` -> `re_lu`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\\1_\\2", class_name)
    return re.sub("([a-z])([A-Z])", r"\\1_\\2", name).lower()'''

KEEP_NAMES = '''\
def keep_names(base, number):
    """Keep Keras from giving operations the names that layers have: "add", "add_1", ..."""
    while keras.backend.get_uid(base) < number:
        pass'''

HELPERS = {"keep_names": KEEP_NAMES, "Names": NAMES, "copy_of": COPY_OF, "snake_case": SNAKE_CASE}


class CannotExpress(Exception):
    """A spec says what the structured form has no words for; `reason` completes "because"."""

    def __init__(self, reason: str, where: Span | None = None) -> None:
        super().__init__(reason)
        self.reason = reason if where is None else f"{reason} (line {where.line})"


@record
class Parts:
    """A generated file in the making."""

    package: str
    """Under which the classes of the file are registered with Keras."""
    definitions: list[Suite] = fresh(default_factory=list[Suite])
    names: set[str] = fresh(default_factory=set[str])
    """Of functions and classes."""
    helpers: set[str] = fresh(default_factory=set[str])

    def claim(self, name: str) -> str:
        """A name for a function or class that nothing else in the file has."""
        made = safe(name, self.names)
        self.names.add(made)
        return made

    def text(self, docstring: str, ending: list[str]) -> str:
        """The whole file."""
        bodies = [
            *[HELPERS[name] for name in HELPERS if name in self.helpers],
            *["\n".join(lines_of(suite, 0)) for suite in self.definitions],
        ]
        code = "\n\n\n".join([*bodies, "\n".join(ending)])
        imports = self._imports(code)
        return "\n".join([docstring, "", *imports, "", "", code, ""])

    def _imports(self, code: str) -> list[str]:
        standard: list[str] = []
        if re.search(r"\bre\.sub\(", code):
            standard.append("import re")
        if re.search(r"\bpartial\(", code):
            standard.append("from functools import partial")
        lines = [*standard, ""] if standard else []
        lines.append("import keras")
        used = [name for name in ("layers", "ops") if re.search(rf"\b{name}\.\w", code)]
        return [*lines, f"from keras import {', '.join(used)}"] if used else lines


def names_kept(parts: Parts, graph: Graph) -> list[str]:
    """Statements before a model whose operations Keras might call like a layer or an input.

    The names of operations are Keras's to choose, and it does not look at those that are given.
    """
    named = [tensor.name for tensor in graph.inputs]
    named += [layer.name for layer in graph.layers if not layer.is_operation]
    bases = {
        snake_case(layer.layer.keras_class)
        for layer in graph.layers
        if isinstance(layer.layer, Operation)
    }
    lines: list[str] = []
    for base in sorted(bases):
        found = [re.fullmatch(rf"{base}(?:_(\d+))?", name) for name in named]
        numbers = [int(match[1] or 0) for match in found if match]
        if numbers:
            parts.helpers.add("keep_names")
            lines.append(f"keep_names({quoted(base)}, {max(numbers) + 1})")
    return lines


def value_doc(value: Any, *, frozen: bool = False) -> Doc:
    """An argument of a layer as Python makes it: constants, layers, Keras's small objects.

    Args:
        frozen: whether the layer is not trainable, which those within it are told.
    """
    if isinstance(value, Layer):
        told = [keyword("trainable", "False")] if frozen and value.trainable else []
        name = getattr(value, "inner_name", None) or snake_case(value.kind)
        return constructor_doc(value, *told, keyword("name", quoted(name)))
    category = getattr(value, "category", None)
    if category is not None:
        arguments = [keyword(k, value_doc(v)) for k, v in value.keras_arguments().items()]
        return call(object_name(value), arguments)
    if isinstance(value, tuple):
        several = cast("tuple[Any, ...]", value)
        if any(isinstance(item, Layer) for item in several):
            return items_of([value_doc(item, frozen=frozen) for item in several])
    return constant(value)


def object_name(value: Any) -> str:
    """`keras.regularizers.L2`."""
    return f"keras.{keras_path(value)}"


def constructor_doc(layer: Layer, *more: Doc) -> Doc:
    """`layers.Dense(units=3)` of a checked layer."""
    from specc.semantics.composite import Composite

    if isinstance(layer, Composite):
        raise CannotExpress("a block or model is an argument of a layer")
    frozen = not layer.trainable
    arguments: list[Doc] = [
        keyword(k, value_doc(v, frozen=frozen)) for k, v in layer.keras_arguments().items()
    ]
    return call(f"layers.{type(layer).__name__}", [*arguments, *more])
