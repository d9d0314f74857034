"""L0002, L0003, L0004: a last layer that does not suit what the model is for.

One last layer gives one finding of L0003 and L0004: where the data tell how many classes there
are, L0003; where the layers alone tell that the last one is missing, L0004. That the activation
is wrong as well, which L0002 would say, follows from either.
"""

from __future__ import annotations

from specc.diagnostics.diagnostic import Label
from specc.graph import Node, Tensor
from specc.lints.base import HINT, WARNING, Lint, Report
from specc.lints.facts import DROPOUTS, HIDDEN, is_pass, kind_of, maker_of, own_activation
from specc.lints.losses import BINARY, CATEGORICAL, Classes, Loss, classes_of, loss_of
from specc.lints.subject import Flow, Subject
from specc.records import record

TEXTBOOK = "Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2"


@record
class Ending:
    """An output of a model, and what is known of it."""

    flow: Flow
    tensor: Tensor
    last: Node
    """What computes it."""
    activation: str | None
    """None where it is not known."""
    loss: Loss | None
    classes: Classes | None

    @property
    def width(self) -> int | None:
        shape = self.tensor.type.shape
        return shape[-1] if shape and isinstance(shape[-1], int) else None

    @property
    def unlike(self) -> bool:
        """Whether its width is not what the data ask for."""
        classes, loss, width = self.classes, self.loss, self.width
        if classes is None or width is None or self.tensor.type.rank != 1:
            return False
        if loss is None:
            return self.activation == "softmax" and classes.number not in (width, None)
        if loss.kind in CATEGORICAL:
            return classes.number != width
        return loss.kind in BINARY and classes.number == 2 and width != 1


def endings(subject: Subject) -> list[Ending]:
    """The outputs of the models that are trained, or are at least no parts of others."""
    found: list[Ending] = []
    graphs = {id(graph) for graph in subject.graphs}
    for flow in subject.flows:
        graph = flow.graph
        if id(graph) not in graphs:
            continue
        classes = classes_of(subject.sections, graph) if len(graph.outputs) == 1 else None
        for index, tensor in enumerate(graph.outputs):
            last = maker_of(flow, tensor)
            loss = loss_of(subject.sections, graph, index)
            if last is not None and (loss is not None or graph.name not in subject.nested):
                found.append(Ending(flow, tensor, last, own_activation(last), loss, classes))
    return found


# ------------------------------------------------------------------- L0002: activation


def _activation(subject: Subject, report: Report) -> None:
    for ending in endings(subject):
        loss, activation = ending.loss, ending.activation
        if loss is None or activation is None or _is_hidden(ending):
            continue
        said = _misfit(activation, loss, ending.width)
        if said is None:
            continue
        message, help = said
        shown = "no activation" if activation == "linear" else f"`{activation}`"
        report(
            ending.last.layer.span,
            message,
            f"the output has {shown}",
            also=[Label(loss.span, "the loss")],
            help=help,
        )


def _misfit(activation: str, loss: Loss, width: int | None) -> tuple[str, str] | None:
    """What is wrong with an activation for a loss, and what to do."""
    if loss.kind in CATEGORICAL:
        right = "softmax"
    elif loss.kind in BINARY:
        right = "sigmoid"
    else:
        return None
    if loss.from_logits:
        if activation not in ("softmax", "sigmoid"):
            return None
        return (
            f"`{activation}` twice: with `from_logits=True` the loss applies its own",
            f"leave `{activation}` out of the model, or `from_logits=True` out of the loss",
        )
    # Two classes as two probabilities go with either loss.
    if activation == right or (right == "sigmoid" and activation == "softmax" and width != 1):
        return None
    if activation == "linear":
        return (
            f"`{loss.name}` takes probabilities, and the model gives any numbers",
            f'give the last layer activation="{right}", or the loss `from_logits=True`',
        )
    return (
        f"`{loss.name}` takes what `{right}` gives, not `{activation}`",
        f'give the last layer activation="{right}"',
    )


# ------------------------------------------------------------------------ L0003: width


def _width(subject: Subject, report: Report) -> None:
    for ending in endings(subject):
        classes, loss = ending.classes, ending.loss
        if classes is None or not ending.unlike:
            continue
        name, width = ending.flow.graph.name, ending.width
        also = [Label(classes.span, f"the data: {_in_words(classes)}")]
        if classes.number is None:
            assert loss is not None
            message = f"`{name}` is trained to tell classes apart, and `{classes.data}` has none"
            help = 'for numbers a loss such as "mse", and a last layer `Dense(1)`'
        else:
            message = f"`{name}` gives {width} numbers for {classes.number} classes"
            units, activation = classes.number, "softmax"
            if loss is not None and loss.kind in BINARY:
                message = f"`{name}` gives {width} numbers, where `{loss.name}` takes one"
                units, activation = 1, "sigmoid"
            applied = f', activation="{activation}"'
            if loss is not None and loss.from_logits:
                applied = ""
            help = f"end with `Dense({units}{applied})`"
            if _is_hidden(ending):
                help = f"is the last layer missing? {help}"
        report(ending.last.layer.span, message, f"gives {ending.tensor.type}", also=also, help=help)


def _in_words(classes: Classes) -> str:
    return "numbers to predict" if classes.number is None else f"{classes.number} classes"


# ---------------------------------------------------------------------- L0004: missing


def _missing(subject: Subject, report: Report) -> None:
    for ending in endings(subject):
        if ending.unlike or ending.tensor.type.rank != 1:
            continue
        name, width = ending.flow.graph.name, ending.width
        dense = _normalized_dense(ending.flow, ending.last)
        if dense is None:
            continue
        if _is_hidden(ending):
            report(
                ending.last.layer.span,
                f"`{name}` ends like one of its hidden layers, in {width} numbers",
                f"the last layer gives {ending.tensor.type} of `{ending.activation}`",
                also=[Label(dense.layer.span, f"normalized and activated: {width} hidden units")],
                help="is the last Dense missing? A classifier ends in one as wide as there are "
                'classes: `Dense(10, activation="softmax")`',
            )
        elif ending.activation == "softmax" and _may_be_hidden(ending):
            report(
                ending.last.layer.span,
                f"softmax over {width} batch-normalized numbers: is the last Dense missing?",
                "follows a BatchNormalization",
                also=[Label(dense.layer.span, f"{width} units")],
                help="a last layer has a Dense of its own, and no normalization",
                severity=HINT,
            )


def _may_be_hidden(ending: Ending) -> bool:
    """Whether no data say that a softmax has the right width."""
    return ending.classes is None or ending.classes.number != ending.width


def _is_hidden(ending: Ending) -> bool:
    """Whether a model ends in Dense, normalization and a hidden activation, and has another
    such layer before that one.
    """
    if ending.activation not in HIDDEN or kind_of(ending.last) == "Dense":
        return False
    dense = _normalized_dense(ending.flow, ending.last)
    if dense is None:
        return False
    before = _above(ending.flow, dense)
    return own_activation(before) == ending.activation


def _normalized_dense(flow: Flow, activation: Node) -> Node | None:
    """The Dense behind an activation whose input is normalized over the batch."""
    normalization = _above(flow, activation)
    if normalization is None or kind_of(normalization) != "BatchNormalization":
        return None
    dense = _above(flow, normalization)
    return dense if kind_of(dense) == "Dense" and own_activation(dense) == "linear" else None


def _above(flow: Flow, node: Node) -> Node | None:
    """What a node's numbers come from, behind what passes them on or drops some."""
    above = flow.before(node)
    while above is not None and (is_pass(above) or kind_of(above) in DROPOUTS):
        above = flow.before(above)
    return above


LINTS = [
    Lint("L0002", WARNING, "Keras documentation 2025, Probabilistic losses", _activation),
    Lint("L0003", WARNING, "Keras documentation 2025, Datasets; Probabilistic losses", _width),
    Lint("L0004", WARNING, TEXTBOOK, _missing),
]
