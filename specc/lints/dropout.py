"""L0006, L0013: dropout where it does not go with its neighbours."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Label
from specc.lints.base import HINT, WARNING, Lint, Report
from specc.lints.facts import DROPOUTS, is_pass, kind_of, maker_of, own_activation
from specc.lints.subject import Subject


def _before_normalization(subject: Subject, report: Report) -> None:
    for flow, node in subject.nodes:
        if kind_of(node) not in DROPOUTS or not getattr(node.layer.layer, "rate", 0):
            continue
        following = flow.after(node)
        while following is not None and is_pass(following):
            following = flow.after(following)
        if following is None or kind_of(following) != "BatchNormalization":
            continue
        report(
            node.layer.span,
            f"{node.layer.kind} before a BatchNormalization shifts its variance",
            "more variance in training than in use ...",
            also=[Label(following.layer.span, "... and this learns that of the training")],
            help="put the dropout behind the normalization and its activation, or leave it out",
        )


def _with_selu(subject: Subject, report: Report) -> None:
    for flow, node in subject.nodes:
        kind = kind_of(node)
        if kind not in (*DROPOUTS, "AlphaDropout") or len(node.inputs) != 1:
            continue
        maker = maker_of(flow, node.inputs[0])
        activation = own_activation(maker)
        if maker is None or activation is None:
            continue
        if kind == "AlphaDropout" and activation != "selu":
            report(
                node.layer.span,
                f"AlphaDropout keeps the mean and variance of `selu`, not of `{activation}`",
                also=[Label(maker.layer.span, f"its input is `{activation}`")],
                help="use `Dropout` here",
            )
        elif kind != "AlphaDropout" and activation == "selu":
            report(
                node.layer.span,
                f"{kind} undoes the self-normalization of `selu`",
                also=[Label(maker.layer.span, "its input is `selu`")],
                help="use `AlphaDropout` here, which keeps mean and variance",
            )


LINTS = [
    Lint(
        "L0006",
        WARNING,
        "Li, Chen, Hu and Yang 2018, Understanding the Disharmony between Dropout and Batch "
        "Normalization by Variance Shift",
        _before_normalization,
    ),
    Lint(
        "L0013",
        HINT,
        "Klambauer, Unterthiner, Mayr and Hochreiter 2017, Self-Normalizing Neural Networks",
        _with_selu,
    ),
]
