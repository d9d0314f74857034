"""L0017: a recurrent layer for which there is no fast kernel."""

from __future__ import annotations

from specc.layers.recurrent import CUDNN_NEEDS
from specc.lints.base import HINT, Lint, Report
from specc.lints.facts import activation_name
from specc.lints.subject import Subject


def _check(subject: Subject, report: Report) -> None:
    for uses in subject.places:
        layer = uses[0].layer
        if layer.kind not in ("GRU", "LSTM"):
            continue
        needs = [*CUDNN_NEEDS, ("reset_after", True)] if layer.kind == "GRU" else [*CUDNN_NEEDS]
        for argument, wanted in needs:
            value = getattr(layer.layer, argument, wanted)
            found = activation_name(value) if "activation" in argument else value
            if found == wanted:
                continue
            report(
                layer.span,
                f"this {layer.kind} cannot use cuDNN",
                f"cuDNN needs {argument}={wanted!r}",
                help=f"leave `{argument}` at {wanted!r}: on a GPU it runs several times faster",
            )
            break


LINTS = [
    Lint("L0017", HINT, "Keras documentation 2025, LSTM layer and GRU layer", _check),
]
