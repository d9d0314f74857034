"""L0015: a normalization that goes on training when it is used."""

from __future__ import annotations

from specc.lints.base import WARNING, Lint, Report
from specc.lints.facts import kind_of
from specc.lints.subject import Subject


def _check(subject: Subject, report: Report) -> None:
    for _, node in subject.nodes:
        if kind_of(node) == "BatchNormalization" and node.call.get("training") is True:
            report(
                node.span,
                "with `training=True` a sample's result depends on the others of its batch",
                "normalizes by the batch, in use as well",
                help="leave `training` out: Keras sets it in `fit`",
            )


LINTS = [
    Lint("L0015", WARNING, "Keras documentation 2025, BatchNormalization layer", _check),
]
