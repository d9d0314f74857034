"""The catalogue and a layer's page for a terminal: in colour there, plain where it is piped."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from specc.reference.catalogue import Family
from specc.reference.layers import ExampleInfo, LayerInfo

INDENT = "  "
WIDTH = 96
"""Columns where the output is no terminal; the most where it is one."""


def print_families(families: Iterable[Family]) -> None:
    """One line for each layer."""
    show = _Printer()
    for number, family in enumerate(families):
        if number:
            show.line()
        show.heading(family.name.replace("_", " "))
        show.rows([(name, about) for name, about in family.layers])


def print_refused(names: Iterable[str]) -> None:
    """What of Keras's layers specs do not have."""
    show = _Printer()
    show.line()
    show.heading("not in specs")
    show.paragraph(", ".join(sorted(names)), INDENT)
    show.paragraph("`specc layers NAME` says why, and what to do instead.", INDENT)


def print_layer(info: LayerInfo, asked: str) -> None:
    """Everything about a layer.

    Args:
        asked: the name by which it was asked for.
    """
    show = _Printer()
    if asked in info.aliases:
        show.paragraph(f"{asked} is {info.name}.")
        show.line()
    origin = f", of the package {info.package}" if info.package else ""
    show.heading(f"{info.name}  ({info.family.replace('_', ' ')}{origin})")
    show.line()
    show.block(info.signature(show.width - len(INDENT)))
    show.line()
    show.paragraph(info.summary)
    for note in info.notes:
        show.line()
        show.paragraph(note)
    for title, text in (("Shapes", info.shapes), ("Weights", info.weights)):
        if text:
            show.section(title)
            show.paragraph(text, INDENT)
    show.section("Takes")
    show.paragraph(info.inputs, INDENT)
    _print_arguments(show, info)
    if info.example is not None:
        _print_example(show, info.example)
    show.section("Exported to ONNX")
    show.paragraph(info.exports, INDENT)
    if info.aliases:
        show.section("Also called")
        show.paragraph(", ".join(info.aliases), INDENT)


def _print_arguments(show: _Printer, info: LayerInfo) -> None:
    for title, arguments in (
        ("Arguments", info.arguments),
        ("Arguments of every layer", info.common),
        ("Arguments of the call", info.call_arguments),
    ):
        if arguments:
            show.section(title)
            show.rows([(argument.name, argument.takes) for argument in arguments])


def _print_example(show: _Printer, example: ExampleInfo) -> None:
    show.section("Example")
    show.paragraph(example.text, INDENT)
    show.line()
    for weight in example.weights:
        fixed = "" if weight.trainable else ", not trainable"
        shape = literal_shape(weight.shape)
        show.block(f"{weight.name} {shape}: {weight.params:,}{fixed}")
    number = f"{example.params:,} parameters" if example.params else "no parameters"
    show.block(f"{number}; out comes {', '.join(example.outputs)}")


def literal_shape(shape: Sequence[int]) -> str:
    return str(tuple(shape))


class _Printer:
    """Lines of text, of which a terminal shows headings and names in bold."""

    def __init__(self) -> None:
        self._styled = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.width = WIDTH
        if sys.stdout.isatty():
            self.width = max(40, min(WIDTH, shutil.get_terminal_size().columns))

    def line(self, text: str = "") -> None:
        print(text)

    def heading(self, text: str) -> None:
        self.line(self._bold(text))

    def section(self, title: str) -> None:
        self.line()
        self.heading(title)

    def paragraph(self, text: str, indent: str = "") -> None:
        self.line(
            textwrap.fill(
                text,
                self.width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_on_hyphens=False,
            )
        )

    def block(self, text: str) -> None:
        self.line(textwrap.indent(text, INDENT))

    def rows(self, rows: list[tuple[str, str]]) -> None:
        """Two columns, the second of which goes on under itself."""
        width = max(len(name) for name, _ in rows) + 2
        for name, text in rows:
            gap = " " * (len(INDENT) + width)
            filled = textwrap.fill(
                text,
                self.width,
                initial_indent=gap,
                subsequent_indent=gap,
                break_on_hyphens=False,
            )
            self.line(INDENT + self._bold(name) + " " * (width - len(name)) + filled[len(gap) :])

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._styled else text
