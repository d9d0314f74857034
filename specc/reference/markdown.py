"""The catalogue as a page of documentation: docs/layers.md."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from specc.layers import FAMILIES
from specc.layers.arguments import (
    ACTIVATION,
    COMMON,
    CONSTRAINT,
    INITIALIZER,
    REGULARIZER,
    Kind,
)
from specc.layers.refused import REFUSED
from specc.reference.catalogue import Catalogue
from specc.reference.layers import ArgumentInfo, ExampleInfo, LayerInfo

WIDTH = 94

TITLES = {"conv_lstm": "Convolutional LSTM"}
"""Of families whose name alone makes none."""

NAMED: dict[str, Kind] = {
    "activation": ACTIVATION,
    "initializer": INITIALIZER,
    "regularizer": REGULARIZER,
    "constraint": CONSTRAINT,
}
"""What arguments take by name."""

INTRODUCTION = """\
# Layers

<!-- Written by `python -m specc.reference.generate` from the classes in specc/layers. -->

Every layer of the catalogue, as specc knows it. `specc layers NAME` shows the same in a terminal;
[language.md](language.md) says how layers are used, and [adding-a-layer.md](adding-a-layer.md) how
they are made.

Shapes leave out the batch axis. In them `(*lead, n)` is any number of axes and then one of size
`n`; `(n,)` is a single axis. In an example a type stands wherever a tensor stands, and what comes
out is behind the last arrow; below it stand the weights that specc counts for that very example.

Every layer has these arguments too, given by name:

{common}

The call of every layer, its second pair of parentheses, takes `training`: True or False.
"""

NAMES = """\
## Names

Where an argument takes a name, it is one of these, or an object such as `L2(0.01)`; an activation
can be a layer such as `LeakyReLU(0.1)` as well.
"""

WITHOUT = """\
## What specs do not have

| of `keras.layers` | why | instead |
|---|---|---|
"""


def layers_page() -> str:
    """The whole page."""
    describe = Catalogue().describe
    pages = {family: [describe(name) for name in sorted(FAMILIES[family])] for family in FAMILIES}
    parts = [INTRODUCTION.format(common=_common()), _contents(pages)]
    for family, layers in pages.items():
        parts.append(f"## {_title(family)}\n")
        parts += [layer_section(layer) for layer in layers]
    names = "".join(f"- {what}s: {_listed(kind.choices)}\n" for what, kind in NAMED.items())
    parts.append(f"{NAMES}\n{names}")
    rows = "".join(
        f"| `{name}` | {_cell(why)} | {_cell(instead)} |\n"
        for name, (why, instead) in sorted(REFUSED.items())
    )
    parts.append(WITHOUT + rows)
    return "\n".join(parts)


def _contents(pages: dict[str, list[LayerInfo]]) -> str:
    link = _Links(["Layers"])
    lines: list[str] = []
    for family, layers in pages.items():
        start = link(_title(family))
        lines.append(f"- {start}: {', '.join([link(layer.name) for layer in layers])}")
    lines.append(f"- {link('Names')} of activations, initializers, regularizers, constraints")
    lines.append(f"- {link('What specs do not have')}")
    return "\n".join(lines) + "\n"


def layer_section(layer: LayerInfo) -> str:
    """What the page says of one layer."""
    paragraphs = [f"### {layer.name}", f"```python\n{layer.signature(WIDTH)}\n```", layer.summary]
    paragraphs += layer.notes
    if layer.arguments:
        paragraphs.append("\n".join(_table(layer.arguments)))
    paragraphs.append(f"```text\n{chr(10).join(_facts(layer))}\n```")
    said = list(_sentences(layer))
    if said:
        paragraphs.append(" ".join(said))
    return "\n\n".join(paragraphs) + "\n"


def _facts(layer: LayerInfo) -> Iterator[str]:
    """Shapes, weights and the example, as the class's text has them."""
    example = layer.example
    for title, text in (
        ("Shapes:", layer.shapes),
        ("Weights:", layer.weights),
        ("Example:", example.text if example else ""),
    ):
        if text:
            yield _hanging(f"{title:<8} {text}")
    if example is not None and example.weights:
        yield _hanging(f"         {_counted(example)}")


def _counted(example: ExampleInfo) -> str:
    weights = ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in example.weights)
    fixed = sum(weight.params for weight in example.weights if not weight.trainable)
    note = f", {fixed:,} of them not trainable" if fixed else ""
    return f"{example.params:,} parameters{note}: {weights}"


def _sentences(layer: LayerInfo) -> Iterator[str]:
    """What is not as it is for most layers."""
    if layer.inputs != "one tensor":
        yield f"It takes {layer.inputs}."
    call = [argument for argument in layer.call_arguments if argument.name != "training"]
    if call:
        listed = ", ".join(f"`{argument.name}` ({argument.takes})" for argument in call)
        yield f"Its call also takes {listed}."
    common = {argument.name: argument.takes for argument in layer.common}
    for name, kind in COMMON.items():
        if name not in common and name not in [argument.name for argument in layer.arguments]:
            yield f"It has no argument `{name}`."
        elif name in common and common[name] != kind.expected:
            yield f"Its `{name}` takes {common[name]}."
    if layer.exports != "by tf2onnx":
        yield f"Export to ONNX: {layer.exports}."
    if layer.aliases:
        yield f"Keras also calls it {_listed(layer.aliases)}."


# ------------------------------------------------------------------------------ pieces


class _Links:
    """Links to headings, asked for in the order of the page: a second one of a name is numbered."""

    def __init__(self, taken: list[str]) -> None:
        self._seen: dict[str, int] = {}
        for heading in taken:
            self(heading)

    def __call__(self, heading: str) -> str:
        slug = heading.lower().replace(" ", "-")
        number = self._seen.get(slug, 0)
        self._seen[slug] = number + 1
        return f"[{heading}](#{slug}-{number})" if number else f"[{heading}](#{slug})"


def _title(family: str) -> str:
    return TITLES.get(family, family.replace("_", " ").capitalize())


def _table(arguments: tuple[ArgumentInfo, ...]) -> Iterator[str]:
    """The arguments; neighbours that are alike share a row."""
    yield "| argument | default | takes |"
    yield "|---|---|---|"
    rows: list[tuple[list[str], str, str]] = []
    for argument in arguments:
        default = "" if argument.default is None else f"`{argument.default}`"
        if rows and rows[-1][1:] == (default, argument.takes):
            rows[-1][0].append(argument.name)
        else:
            rows.append(([argument.name], default, argument.takes))
    for names, default, takes in rows:
        linked = re.sub(r"the name of an? \w+", r"[\g<0>](#names)", _cell(takes))
        yield f"| {_listed(names)} | {_cell(default)} | {linked} |"


def _common() -> str:
    return "\n".join(f"- `{name}`: {kind.expected}" for name, kind in COMMON.items())


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _hanging(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False, break_long_words=False
    )
