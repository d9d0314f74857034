"""L0012, L0014: first weights that do not go with the activation behind them."""

from __future__ import annotations

from typing import Any

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.layers.arguments import KerasObject
from specc.lints.base import HINT, WARNING, Lint, Report
from specc.lints.facts import AFFINE, activation_after, setting
from specc.lints.subject import Subject, Use

RECTIFIERS = ("elu", "leaky_relu", "relu", "relu6")


def _selu(subject: Subject, report: Report) -> None:
    for uses in subject.places:
        activation = _activation(uses)
        if activation is None or activation[0] != "selu":
            continue
        found = _initializer(uses)
        if found is None or found[1] in ("lecunnormal", "variancescaling"):
            continue
        layer, argument = uses[0].layer, found[0]
        report(
            layer.span,
            "`selu` normalizes itself only from `lecun_normal` weights",
            f"`{argument}` is {found[2]}",
            also=_where(activation[1], layer.nodes[0]),
            help=f'give it `{argument}="lecun_normal"`',
            edits=setting(subject, layer.span, layer.layer, argument, '"lecun_normal"'),  # pyright: ignore[reportArgumentType]
        )


def _rectifiers(subject: Subject, report: Report) -> None:
    for uses in subject.places:
        activation = _activation(uses)
        if activation is None or activation[0] not in RECTIFIERS:
            continue
        found = _initializer(uses)
        if found is None or not found[1].startswith("glorot"):
            continue
        layer, argument = uses[0].layer, found[0]
        report(
            layer.span,
            f"`{activation[0]}` takes from the variance that `glorot` weights keep",
            f"`{argument}` is {found[2]}",
            also=_where(activation[1], layer.nodes[0]),
            help=f'`{argument}="he_normal"` makes up for what the activation cuts off',
            edits=setting(subject, layer.span, layer.layer, argument, '"he_normal"'),  # pyright: ignore[reportArgumentType]
        )


def _activation(uses: list[Use]) -> tuple[str, Node] | None:
    """The activation behind all the layers of a place, where it is one and the same."""
    if uses[0].layer.kind not in AFFINE:
        return None
    found = [activation_after(use.flow, node) for use in uses for node in use.layer.nodes]
    first = found[0]
    alike = all(item is not None and first is not None and item[0] == first[0] for item in found)
    return first if alike else None


def _initializer(uses: list[Use]) -> tuple[str, str, str] | None:
    """The argument of the initializer, what it is in small letters, and how to speak of it."""
    layer = uses[0].layer.layer
    for argument in ("kernel_initializer", "depthwise_initializer"):
        value: Any = getattr(layer, argument, None)
        if value is None:
            continue
        name = type(value).__name__ if isinstance(value, KerasObject) else str(value)
        given = argument in getattr(layer, "given", {})
        return argument, name.lower().replace("_", ""), name if given else f"{name} by default"
    return None


def _where(node: Node, made_by: Node) -> list[Label]:
    return [] if node is made_by else [Label(node.layer.span, "its activation")]


LINTS = [
    Lint(
        "L0012",
        WARNING,
        "Klambauer, Unterthiner, Mayr and Hochreiter 2017, Self-Normalizing Neural Networks",
        _selu,
        ("unsafe",),
    ),
    Lint(
        "L0014",
        HINT,
        "He, Zhang, Ren and Sun 2015, Delving Deep into Rectifiers, section 2.2",
        _rectifiers,
        ("unsafe",),
    ),
]
