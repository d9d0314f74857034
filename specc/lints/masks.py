"""L0016: a mask that is made and then lost."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Label
from specc.graph import Node
from specc.lints.base import HINT, Lint, Report
from specc.lints.facts import kind_of
from specc.lints.subject import Flow, Subject

LOSING = (
    "AveragePooling1D", "AveragePooling2D", "Conv1D", "Conv1DTranspose", "Conv2D", "Cropping1D",
    "DepthwiseConv1D", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "MaxPooling1D", "MaxPooling2D", "Permute", "RMSNormalization",
    "Reshape", "SeparableConv1D", "UpSampling1D", "ZeroPadding1D",
)  # fmt: skip
"""Layers of which Keras says that they do not support masking."""

PASSING = (
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average",
    "BatchNormalization", "Concatenate", "Dense", "Dropout", "ELU", "GaussianDropout",
    "GaussianNoise", "GroupNormalization", "Identity", "LayerNormalization", "LeakyReLU",
    "Maximum", "Minimum", "Multiply", "PReLU", "ReLU", "Softmax", "SpatialDropout1D", "Subtract",
    "UnitNormalization",
)  # fmt: skip
RECURRENT = ("GRU", "LSTM", "RNN", "SimpleRNN")


def _check(subject: Subject, report: Report) -> None:
    for flow, node in subject.nodes:
        if not _makes_mask(node):
            continue
        for loser in _losers(flow, node):
            report(
                loser.layer.span,
                f"{loser.layer.kind} knows no mask: the padding counts as data from here on",
                "the mask ends here",
                also=[Label(node.layer.span, "the mask is made here")],
                help="average with `GlobalAveragePooling1D` or go through a recurrent layer, "
                "which both use the mask, or make none",
            )


def _makes_mask(node: Node) -> bool:
    kind = kind_of(node)
    return kind == "Masking" or (kind == "Embedding" and bool(node.layer.layer.mask_zero))  # pyright: ignore


def _losers(flow: Flow, maker: Node) -> list[Node]:
    """The layers that a mask reaches and does not pass."""
    found: list[Node] = []
    seen: set[Node] = set()
    pending = [maker]
    while pending:
        for tensor in pending.pop().outputs:
            for node in flow.takers.get(tensor, []):
                kind = kind_of(node)
                if node in seen or tensor not in node.inputs:
                    continue
                seen.add(node)
                if kind in LOSING:
                    found.append(node)
                elif kind in PASSING or _gives_sequences(node):
                    pending.append(node)
    return found


def _gives_sequences(node: Node) -> bool:
    sequences: bool = getattr(node.layer.layer, "return_sequences", False)
    return kind_of(node) in RECURRENT and sequences


LINTS = [Lint("L0016", HINT, "Keras documentation 2023, Understanding masking and padding", _check)]
